# llama.cpp for NVIDIA GPUs, compiled from a pinned revision for the GPUs at hand.
#
#   llm-studio image build cuda      fills the arguments in from this machine's GPUs and driver
#   docker build -f cuda.Dockerfile --build-arg CUDA_ARCHITECTURES='89;120' -t llama.cpp:cuda .
#
# It needs BuildKit: the cache of compiled files makes the next revision a matter of minutes.

# A tag or a whole commit of https://github.com/ggml-org/llama.cpp
ARG LLAMA_REVISION=b11063
# No newer than what the driver runs (`nvidia-smi` shows that). 13 needs driver 580 and GPUs of
# compute capability 7.5 (Turing) or more; Blackwell (120) needs 12.8 or more.
ARG CUDA_VERSION=13.0.1
# For CUDA before 12.8: UBUNTU_VERSION=22.04 and GCC_VERSION=11.
ARG UBUNTU_VERSION=24.04
# Compute capabilities without the dot, separated by semicolons: 86 is an RTX 3090, 89 an RTX 4090,
# 120 an RTX 5090. Each adds minutes to the build and megabytes to the image.
ARG CUDA_ARCHITECTURES=75;80;86;89;90;120

FROM nvidia/cuda:${CUDA_VERSION}-devel-ubuntu${UBUNTU_VERSION} AS build

ARG GCC_VERSION=14
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
        ca-certificates ccache cmake g++-${GCC_VERSION} git libssl-dev ninja-build \
 && rm -rf /var/lib/apt/lists/*

ARG LLAMA_REVISION
WORKDIR /llama.cpp
RUN git init --quiet . \
 && git remote add origin https://github.com/ggml-org/llama.cpp.git \
 && git fetch --quiet --depth 1 origin "${LLAMA_REVISION}" \
 && git checkout --quiet --detach FETCH_HEAD

ARG CUDA_ARCHITECTURES
ENV CC=gcc-${GCC_VERSION} CXX=g++-${GCC_VERSION} CUDAHOSTCXX=g++-${GCC_VERSION}
ENV CCACHE_DIR=/ccache CCACHE_MAXSIZE=10G
# All variants of the code for processors are built, so that the image runs on any of them. The
# driver's own library is absent here; it comes with the container's runtime. The number of the
# build cannot be counted in a clone of one commit, so it is taken from the tag.
RUN --mount=type=cache,id=llm-studio-ccache,target=/ccache \
    case "${LLAMA_REVISION}" in \
        b[0-9]*) set -- "-DLLAMA_BUILD_NUMBER=${LLAMA_REVISION#b}" ;; \
    esac \
 && cmake -S . -B build -G Ninja "$@" \
        -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_COMPILER_LAUNCHER=ccache \
        -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
        -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache \
        -DCMAKE_CUDA_ARCHITECTURES="${CUDA_ARCHITECTURES}" \
        -DCMAKE_EXE_LINKER_FLAGS=-Wl,--allow-shlib-undefined \
        -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON \
        -DCMAKE_INSTALL_RPATH="\$ORIGIN" \
        -DGGML_NATIVE=OFF \
        -DGGML_BACKEND_DL=ON \
        -DGGML_CPU_ALL_VARIANTS=ON \
        -DGGML_CUDA=ON \
        -DGGML_RPC=ON \
        -DLLAMA_BUILD_TESTS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF \
 && cmake --build build \
 && mkdir /app \
 && cp -P build/bin/*.so* /app/ \
 && cp build/bin/llama-server build/bin/llama-bench build/bin/llama-fit-params \
        build/bin/*rpc-server /app/

FROM nvidia/cuda:${CUDA_VERSION}-runtime-ubuntu${UBUNTU_VERSION}

RUN apt-get update \
 && apt-get install -y --no-install-recommends curl libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin llama

COPY --from=build /app /app
ENV PATH=/app:${PATH} LLAMA_ARG_HOST=0.0.0.0 LLAMA_ARG_PORT=8080
WORKDIR /app
USER 10001:10001
EXPOSE 8080
# Asks the port that the environment names, so set LLAMA_ARG_PORT rather than --port.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10m --retries=3 \
    CMD ["sh", "-c", "curl -fsS -o /dev/null \"http://127.0.0.1:${LLAMA_ARG_PORT}/health\""]
ENTRYPOINT ["llama-server"]

# Last, so that another date changes nothing that was built before.
ARG LLAMA_REVISION
ARG CUDA_VERSION
ARG CUDA_ARCHITECTURES
ARG CREATED=unknown
LABEL org.opencontainers.image.title="llama.cpp for llm-studio, CUDA" \
      org.opencontainers.image.source="https://github.com/ggml-org/llama.cpp" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${LLAMA_REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      llm-studio.variant="cuda" \
      llm-studio.cuda="${CUDA_VERSION}" \
      llm-studio.architectures="${CUDA_ARCHITECTURES}"
