#!/usr/bin/env bash
# Builds the image of every step, and of the dashboard, with docker, podman or buildah: build.sh [REGISTRY] [TAG]
# Registry and tag are by default those that the workflows name.
set -euo pipefail
cd "$(dirname "$0")/.."
named() { sed -n "s/^  $1: //p" workflows/platform/images/images.yaml; }
registry="${1:-$(named registry)}"
tag="${2:-$(named tag)}"

engine=
for candidate in docker podman buildah; do
    # The client of docker may be there without its engine.
    if command -v "$candidate" > /dev/null && "$candidate" info > /dev/null 2>&1; then engine="$candidate"; break; fi
done
[ -n "$engine" ] || { echo "error: neither docker, podman nor buildah works here: install one" >&2; exit 1; }
export DOCKER_BUILDKIT=1
# Alone of the three, buildah would run the first stage again for each image.
layers=()
[ "$engine" != buildah ] || layers=(--layers)

labels=(--label "org.opencontainers.image.version=$tag")
if revision="$(git rev-parse HEAD 2> /dev/null)"; then
    git diff --quiet HEAD || revision="$revision-dirty"
    labels+=(--label "org.opencontainers.image.revision=$revision")
fi
# Without a user and a password, which an address may hold.
if source="$(git remote get-url origin 2> /dev/null | sed 's#//[^/@]*@#//#')" && [ -n "$source" ]; then
    labels+=(--label "org.opencontainers.image.source=$source")
fi

for step in steps/*/; do
    step="$(basename "$step")"
    image="$registry/$step:$tag"
    "$engine" build ${layers[@]+"${layers[@]}"} --file images/step.Dockerfile --build-arg "STEP=$step" "${labels[@]}" --tag "$image" .
    echo "$image $("$engine" images --format '{{.Size}}' "$image")"
done
