# syntax=docker/dockerfile:1
#
# Image of one step: docker build -f images/step.Dockerfile --build-arg STEP=data-prep -t localhost/alameda/data-prep:0.1.0 .

FROM rust:1.95-slim-bookworm AS build
ARG STEP
WORKDIR /src
COPY . .
# The caches are shared by all steps, so that common dependencies are compiled once; `locked` because cargo's own lock
# would only be seen by builds of one container.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    : "${STEP:?give --build-arg STEP=data-prep, or the name of another step}" \
    && cargo build --release --locked -p "${STEP}" \
    && install -D -m 0755 "target/release/${STEP}" "/image/usr/local/bin/${STEP}" \
    && strip "/image/usr/local/bin/${STEP}"
# The binary, the C libraries it is linked with at their own paths, and the authorities that TLS trusts; nothing else, not
# even a shell.
RUN ldd "/image/usr/local/bin/${STEP}" | grep -o '/[^ ]*' | while read -r library; do \
        install -D -m 0755 "${library}" "/image${library}"; \
    done \
    && install -d -m 1777 /image/tmp /image/work \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && echo 'alameda:x:8737:8737::/work:/sbin/nologin' > /image/etc/passwd \
    && echo 'alameda:x:8737:' > /image/etc/group

FROM scratch
COPY --from=build /image/ /
# Of glibc: more arenas would keep what the threads of a step have freed.
ENV PATH=/usr/local/bin MALLOC_ARENA_MAX=2
# A number, so that Kubernetes can tell that it is not root. Any other uid works as well.
USER 8737:8737
WORKDIR /work
