# Everything a person can do here; `just --list` shows it.

# list the recipes
_default:
    @just --list --unsorted

# run the whole pipeline on sample data, on this machine alone
demo *args:
    cargo run --release --locked -- demo {{args}}

# install the S3 servers, MLflow and Postgres that tests and `just services` need, where they are missing
install-services:
    common/services/install.sh

# start an S3 server, MLflow and Postgres on free ports, and print the variables that make every command use them
services: install-services
    cargo run --release --locked -- services

# check the format, install what the tests need, and run every test
test *args: install-services
    cargo fmt --all --check
    cargo test --release --workspace --locked {{args}}

# look for what compilers and reviewers would find: warnings, lints, broken links in the docs
lint:
    cargo clippy --release --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --release --workspace --no-deps --document-private-items --locked

# check the workflows against the steps and each other
lint-workflows:
    cargo run --release --locked -- lint

# accept what changed in snapshots and in the contract's tables; read the diff afterwards
accept:
    INSTA_UPDATE=always cargo test --release --workspace --locked

# build the binary of each step as its image ships it, and print the sizes
sizes:
    #!/usr/bin/env bash
    set -euo pipefail
    for step in steps/*/; do cargo build --release --locked -p "$(basename "$step")"; done
    target="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
    for step in steps/*/; do
        step="$(basename "$step")"
        stripped="$(mktemp)"
        strip -o "$stripped" "$target/release/$step"
        stat -c %s "$stripped" | awk -v step="$step" '{printf "%6.1f MiB  %s\n", $1 / 1048576, step}'
        rm "$stripped"
    done

# time the pipeline beside the same work in Python, at the original's size
benchmark python="python3":
    {{python}} docs/benchmark.py

# time the pipeline on MinIO, MLflow and Postgres, at the original's size, and count what it asks of the object store
benchmark-services: install-services
    cargo build --release --locked
    python3 docs/benchmark_services.py

# time publishing beside psql \copy and the original's way, at the original's size
benchmark-publish *args: install-services
    cargo build --release --locked
    python3 docs/benchmark_publish.py {{args}}

# plan and commit 100 to 100,000 shards, and print time, memory and sizes, and the calls to S3
benchmark-scale: install-services
    cargo test --release --workspace --locked --test pipeline scale:: -- --nocapture
    cargo test --release --workspace --locked --test object_store by_the_group -- --nocapture
