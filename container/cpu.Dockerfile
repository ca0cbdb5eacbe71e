# llama.cpp for machines without a GPU, from Debian's packages: llama-server, llama-bench and
# llama-fit-params, CPU and RPC backends. Small, quick to build, and what the tests run.
FROM debian:sid-slim

# Debian's snapshot of sid may be older than its own validity date on a slow mirror.
RUN apt-get -o Acquire::Check-Valid-Until=false update \
 && apt-get install -y --no-install-recommends \
        llama.cpp-tools llama.cpp-tools-extra libggml0-backend-rpc \
 && rm -rf /var/lib/apt/lists/*

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin llama
USER llama
EXPOSE 8080
ENTRYPOINT ["llama-server"]
