#!/bin/sh
# Compiles every program as its image ships it: compile.sh cargo build
# Programs that need the same heavy dependencies together, so that these are compiled once; the others apart from them, so that no
# program carries what only others need.
set -eu
"$@" --release --locked -p data-prep
"$@" --release --locked -p batch-inference -p model-training -p model-promotion
"$@" --release --locked -p dashboard -p model-monitoring
"$@" --release --locked -p publish-predictions
