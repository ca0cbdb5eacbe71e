# llama.cpp for machines without a GPU, from Debian's packages: llama-server, llama-bench and
# llama-fit-params, CPU and RPC backends. Small, quick to build, and what the tests run.
FROM debian:sid-slim

# Debian's snapshot of sid may be older than its own validity date on a slow mirror.
RUN apt-get -o Acquire::Check-Valid-Until=false update \
 && apt-get install -y --no-install-recommends \
        curl llama.cpp-tools llama.cpp-tools-extra libggml0-backend-rpc \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin llama

ENV LLAMA_ARG_HOST=0.0.0.0 LLAMA_ARG_PORT=8080
USER 10001:10001
EXPOSE 8080
# Asks the port that the environment names, so set LLAMA_ARG_PORT rather than --port.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10m --retries=3 \
    CMD ["sh", "-c", "curl -fsS -o /dev/null \"http://127.0.0.1:${LLAMA_ARG_PORT}/health\""]
ENTRYPOINT ["llama-server"]

ARG CREATED=unknown
LABEL org.opencontainers.image.title="llama.cpp for llm-studio, CPU" \
      org.opencontainers.image.source="https://packages.debian.org/sid/llama.cpp-tools" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.created="${CREATED}" \
      llm-studio.variant="cpu"
