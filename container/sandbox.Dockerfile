# Where code that a model wrote is run, to see whether it is right. It holds Python with numpy and
# nothing else, and is started without a network, without rights and without files of the host:
# a container is no virtual machine, but this one has nothing to take.
FROM debian:sid-slim

# Debian's snapshot of sid may be older than its own validity date on a slow mirror.
RUN apt-get -o Acquire::Check-Valid-Until=false update \
 && apt-get install -y --no-install-recommends python3 python3-numpy \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb \
 && useradd --uid 65534 --non-unique --no-create-home --shell /usr/sbin/nologin sandbox

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OPENBLAS_NUM_THREADS=1
WORKDIR /tmp
USER 65534:65534
# It serves nothing that could be healthy or not.
HEALTHCHECK NONE
ENTRYPOINT ["python3", "-I"]

ARG CREATED=unknown
LABEL org.opencontainers.image.title="Sandbox of llm-studio" \
      org.opencontainers.image.created="${CREATED}" \
      llm-studio.variant="sandbox"
