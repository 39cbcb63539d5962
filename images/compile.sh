#!/bin/sh
# Compiles every program as its image ships it: compile.sh cargo build
# Programs that need the same heavy dependencies together, so that these are compiled once; the others apart from them, so that no
# program carries what only others need.
set -eu
# Relocations take a tenth of a program otherwise; glibc reads the packed ones since 2.36.
export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-Wl,-z,pack-relative-relocs"
# What an edit would be compiled from again is of no use in an image.
export CARGO_INCREMENTAL=0
"$@" --release --locked -p data-prep
"$@" --release --locked -p batch-inference -p model-training -p model-promotion
"$@" --release --locked -p dashboard -p model-monitoring
"$@" --release --locked -p publish-predictions
