#!/bin/sh
# Compiles every step as its image ships it: compile.sh cargo build
# Steps that need the same heavy dependencies together, so that these are compiled once; the others apart from them, so that no
# program carries what only others need.
set -eu
"$@" --release --locked -p data-prep -p model-promotion
"$@" --release --locked -p batch-inference -p model-training
"$@" --release --locked -p model-monitoring
"$@" --release --locked -p publish-predictions
