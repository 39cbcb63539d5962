# syntax=docker/dockerfile:1
#
# Image of one program, which is a step or the dashboard: images/build.sh builds them all. The stage `build` does not depend on
# STEP, so that it runs once for seven.

FROM rust:1.95-slim-bookworm AS build
# Writes the list of dependencies into each binary, where trivy, grype, syft and osv-scanner find it.
RUN cargo install cargo-auditable --version 0.7.7 --locked
WORKDIR /src
COPY . .
# `locked`, because cargo's own lock is only seen by builds of one container.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    images/compile.sh cargo auditable build \
    && for step in steps/*/; do \
        step="$(basename "${step}")"; \
        images/assemble.sh "target/ship/${step}" "/image/${step}" || exit 1; \
    done

FROM scratch
ARG STEP=give--build-arg-STEP
COPY --from=build /image/${STEP}/ /
LABEL org.opencontainers.image.title="alameda/${STEP}" \
      org.opencontainers.image.description="The program ${STEP} of Alameda, for Argo Workflows" \
      org.opencontainers.image.licenses="Apache-2.0"
# MALLOC_ARENA_MAX is of glibc: more arenas would keep what the threads of a step have freed.
ENV PATH=/usr/local/bin MALLOC_ARENA_MAX=2
# A number, so that Kubernetes can tell that it is not root. Any other uid works as well.
USER 8737:8737
WORKDIR /work
