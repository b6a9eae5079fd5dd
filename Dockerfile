# The image of the service: `make image` builds it, docs/image.md tells more. To pin the bases,
# name digests: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG GO_IMAGE=golang:1.26-bookworm
ARG GRPC_HEALTH_PROBE=v0.4.61
# With the package of another provider: --build-arg LOCK=requirements-anthropic.lock
ARG LOCK=requirements.lock

# The secrets are for builders behind a mirror or a proxy that signs with a CA of its own; where
# none are given, nothing is mounted.
FROM ${GO_IMAGE} AS probe
ARG GRPC_HEALTH_PROBE
ENV CGO_ENABLED=0 GOBIN=/out
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=go,target=/root/.config/go/env \
    go install -trimpath -ldflags="-s -w" \
    github.com/grpc-ecosystem/grpc-health-probe@${GRPC_HEALTH_PROBE}

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src
COPY tools/image/requirements.lock builder.lock
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv /builder \
    && /builder/bin/pip install --no-deps --require-hashes --requirement builder.lock
# An environment without pip: nothing in the image installs anything. A provider's lock has all
# packages of the server's in the same versions, and those of the provider.
ARG LOCK
COPY requirements.lock requirements-anthropic.lock requirements-bedrock.lock requirements-ollama.lock ./
COPY requirements-google-genai.lock requirements-mistralai.lock ./
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv --without-pip /opt/tokenwire \
    && /builder/bin/pip --python /opt/tokenwire/bin/python install \
    --no-compile --no-deps --require-hashes --only-binary :all: \
    --requirement "${LOCK}" \
    && /builder/bin/pip --python /opt/tokenwire/bin/python check
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY demo demo
COPY service service
# Found by name: of a package that was installed from a file the SBOM has no package URL. The
# simulator is apart, for the variant that has it. The check shows that the server's lock has what
# both need.
RUN /builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist ./client ./demo . \
    && /builder/bin/pip --python /opt/tokenwire/bin/python install \
    --no-compile --no-deps --no-index --find-links dist tokenwire-client tokenwire \
    && /builder/bin/pip --python /opt/tokenwire/bin/python install \
    --no-compile --no-deps --no-index --find-links dist --target /opt/tokenwire-demo tokenwire-demo \
    && PYTHONPATH=/opt/tokenwire-demo /builder/bin/pip --python /opt/tokenwire/bin/python check

FROM builder AS inventory
ARG GRPC_HEALTH_PROBE
COPY tools/image/inventory.py ./
RUN /builder/bin/cyclonedx-py environment --output-reproducible --spec-version 1.6 \
    --pyproject pyproject.toml --output-file python.json /opt/tokenwire/bin/python \
    && /opt/tokenwire/bin/python inventory.py ${GRPC_HEALTH_PROBE} < python.json > sbom.json

# `make sbom` takes this stage's only file.
FROM scratch AS sbom
COPY --from=inventory /src/sbom.json /tokenwire.cdx.json

# Wheels carry 40 MB of debugging symbols, and only the Go image has a `strip`.
FROM ${GO_IMAGE} AS stripped
COPY --from=builder /opt/tokenwire /opt/tokenwire
RUN find /opt/tokenwire/lib -name "*.so*" -type f -exec strip --strip-unneeded {} +

# One answer of the demo model compiles what the server imports, the standard library's part too,
# and shows that the environment works. Then the simulator and its bytecode go to /demo.
FROM ${PYTHON_IMAGE} AS compiled
COPY --from=stripped /opt/tokenwire /opt/tokenwire
COPY --from=builder /opt/tokenwire-demo /opt/tokenwire-demo
ENV PYTHONPYCACHEPREFIX=/opt/tokenwire/pycache
RUN OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 PYTHONPATH=/opt/tokenwire-demo \
    /opt/tokenwire/bin/tokenwire demo \
    && mkdir --parents /demo/opt/tokenwire/pycache/opt \
    && mv /opt/tokenwire-demo /demo/opt \
    && mv /opt/tokenwire/pycache/opt/tokenwire-demo /demo/opt/tokenwire/pycache/opt

FROM ${PYTHON_IMAGE} AS server
# The base's own pip, which no test or SBOM would watch.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* \
    /usr/local/lib/python3*/ensurepip
COPY --from=probe /out/grpc-health-probe /usr/local/bin/grpc_health_probe
COPY --from=compiled /opt/tokenwire /opt/tokenwire
# The rule takes the project's name for a token.
# hadolint ignore=DL3064
ENV PATH=/opt/tokenwire/bin:${PATH} \
    PYTHONPYCACHEPREFIX=/opt/tokenwire/pycache \
    PYTHONUNBUFFERED=1 \
    TOKENWIRE_LISTEN=0.0.0.0:50051 \
    TOKENWIRE_METRICS_LISTEN=0.0.0.0:9464
# `make generate` writes the version; `make image` adds the revision.
LABEL org.opencontainers.image.title="tokenwire" \
    org.opencontainers.image.description="A gRPC service that streams a language model's answer token by token." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="0.1.0"
USER 65532:65532
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
# Kubernetes asks with its own probes; this is for Compose and the like.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["grpc_health_probe", "-addr=localhost:50051", "-service=openai.Chatgpt", "-connect-timeout=3s", "-rpc-timeout=3s"]
ENTRYPOINT ["tokenwire"]
CMD ["serve"]

# The same with the simulator, for `serve --demo`; `make image` gives it the tag VERSION-demo.
FROM server AS demo
ENV PYTHONPATH=/opt/tokenwire-demo
COPY --from=compiled /demo /

# A build without `--target` makes the last stage.
FROM server AS production
