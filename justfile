# The recipes of this repository; `just --list` shows them.

# list the recipes
_default:
    @just --list --unsorted

# run the whole pipeline on sample data, without services
demo *args:
    cargo run --release --locked -- demo {{args}}

# install the S3 servers, MLflow and Postgres for tests and `just services`, if they are missing
install-services:
    common/testing/install.sh

# start an S3 server, MLflow and Postgres on free ports, and print the variables to export
services: install-services
    cargo run --release --locked -- services

# install the services of the tests, lint, and run every test, or those that ARGS select
test *args: _build-while-installing
    {{ if args == "" { "python3 common/testing/run.py" } else { "just lint && cargo test" } }} --release --workspace --locked {{args}}

# One downloads and unpacks while the other compiles.
[parallel]
_build-while-installing: install-services _build-tests

_build-tests:
    cargo test --release --workspace --locked --no-run

# kill the pipeline fifty times at random moments, with windows in features.sql
kills:
    cargo test --release --workspace --locked --test pipeline fifty_kills -- --ignored --nocapture

# damage files of XGBoost and LightGBM for twenty minutes, and import each: it is refused, or scores
fuzz-import:
    cargo test --release --workspace --locked --lib twenty_minutes_of_damaged_files -- --ignored --nocapture

# check format, lints, docs, licences, and unused dependencies
lint: install-services
    #!/usr/bin/env bash
    set -euxo pipefail
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --release --workspace --no-deps --document-private-items --locked
    tools="${ALAMEDA_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/alameda/services}/bin"
    "$tools/cargo-deny" --workspace check --hide-inclusion-graph licenses bans sources
    "$tools/cargo-machete" --skip-target-dir .

# check the workflows against the steps and each other
lint-workflows:
    cargo run --release --locked -- lint

# build the image of every step, with docker, podman or buildah
images *args:
    images/build.sh {{args}}

# install Argo Workflows in the current cluster of kubectl
argo version="v4.1.2":
    kubectl create namespace argo --dry-run=client -o yaml | kubectl apply -f -
    kubectl apply --server-side -n argo -f https://github.com/argoproj/argo-workflows/releases/download/{{version}}/install.yaml
    # By a field manager of its own, so that the line above takes back none of these keys, nor this one those of others.
    kubectl apply --server-side --force-conflicts --field-manager=alameda -n argo -f workflows/platform/argo/workflow-controller-configmap.yaml
    kubectl rollout restart -n argo deployment/workflow-controller
    kubectl rollout status -n argo deployment/workflow-controller --timeout=5m
    kubectl rollout status -n argo deployment/argo-server --timeout=5m

# create the missing secrets of the overlay `minikube`
secrets namespace="alameda":
    kubectl create namespace {{namespace}} --dry-run=client -o yaml | kubectl apply -f -
    workflows/platform/secrets.sh {{namespace}}

# apply an overlay of workflows/platform, and the templates
platform overlay="minikube" namespace="alameda":
    kubectl apply --server-side --force-conflicts --field-manager=alameda -k workflows/platform/overlays/{{overlay}}
    kubectl apply --server-side --force-conflicts --field-manager=alameda -n {{namespace}} -k workflows

# open the UIs on this machine until Ctrl-C: Argo 2746, MLflow 5000, the dashboard 8501, the object store 7070
forward namespace="alameda":
    #!/usr/bin/env bash
    set -euo pipefail
    trap 'kill $(jobs -p) 2> /dev/null' EXIT
    kubectl -n argo port-forward service/argo-server 2746:2746 &
    echo "Argo        https://localhost:2746"
    # forward SERVICE PORT TEXT: the services that are elsewhere need no way to this machine.
    forward() {
        if kubectl -n {{namespace}} get service "$1" > /dev/null 2>&1; then
            kubectl -n {{namespace}} port-forward "service/$1" "$2:$2" &
            echo "$3"
        fi
    }
    forward alameda-mlflow 5000 "MLflow      http://localhost:5000"
    forward alameda-dashboard 8501 "dashboard   http://localhost:8501"
    forward alameda-object-store 7070 "files       http://localhost:7070/ui/   (S3 itself: http://localhost:7070)"
    # The first that breaks ends them all, so that none is missed.
    wait -n

# accept changes of snapshots and of generated tables; review the diff afterwards
accept:
    INSTA_UPDATE=always cargo test --release --workspace --locked

# compile each step as for its image, and print the sizes
sizes:
    #!/usr/bin/env bash
    set -euo pipefail
    images/compile.sh cargo build
    target="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
    for step in steps/*/; do
        step="$(basename "$step")"
        stripped="$(mktemp)"
        strip -o "$stripped" "$target/ship/$step"
        stat -c %s "$stripped" | awk -v step="$step" '{printf "%6.1f MiB  %s\n", $1 / 1048576, step}'
        rm "$stripped"
    done

# compare the time of the pipeline with the same work in Python, on 7 million rows
benchmark python="python3":
    {{python}} docs/benchmark.py

# time the pipeline on MinIO, MLflow and Postgres, on 7 million rows, and count its calls to the object store
benchmark-services: install-services
    cargo build --release --locked
    python3 docs/benchmark_services.py

# compare the time of publishing 2 million rows with psql \copy and with INSERT ... ON CONFLICT, and binary COPY with CSV
benchmark-publish *args: install-services
    cargo build --release --locked
    python3 docs/benchmark_publish.py {{args}}

# measure the memory for files with wide rows, by format and budget
benchmark-memory python="python3" *args:
    cargo build --release --locked
    {{python}} docs/benchmark_memory.py {{args}}

# compare the time of trees with XGBoost, LightGBM and HistGradientBoosting
benchmark-trees python="python3" *args:
    cargo build --release --locked
    {{python}} docs/benchmark_trees.py {{args}}

# compare the time of a training with preprocessing with scikit-learn's pipeline
benchmark-preprocessing python="python3" *args:
    cargo build --release --locked
    {{python}} docs/benchmark_preprocessing.py {{args}}

# compare the time of windows over the rows of a customer with DuckDB and polars
benchmark-windows python="python3" *args:
    cargo build --release --locked
    {{python}} docs/benchmark_windows.py {{args}}

# simulate how often an equal or a worse candidate passes the gate
benchmark-gate:
    cargo run --release --locked -p learn --example gate_power

# compare the quality of models with scikit-learn, LightGBM and XGBoost, on data sets that come with packages
benchmark-quality python="python3" *args:
    cargo build --release --locked
    {{python}} docs/benchmark_quality.py {{args}}

# compare the time of the report on 2 million rows with pandas, scipy and scikit-learn
benchmark-report python="python3":
    cargo build --release --locked
    python3 docs/benchmark_report.py --python {{python}}

# time the dashboard's pages over 2 million predictions, also with fifty concurrent users
benchmark-dashboard: install-services
    cargo build --release --locked
    python3 docs/benchmark_dashboard.py

# plan and commit 100 to 100,000 shards, and print time, memory and sizes, and the calls to S3
benchmark-scale: install-services
    cargo test --release --workspace --locked --test pipeline scale:: -- --include-ignored --nocapture --test-threads 1
    cargo test --release --workspace --locked --test object_store by_the_group -- --nocapture
