#!/bin/sh
# Compiles every program as its image ships it, into the folder `ship` of cargo's target: compile.sh cargo build
# DataFusion, and the codecs of raw and label files, switch on features of crates that other programs use too, so that
# these are compiled apart from them.
set -eu
# Relocations take a tenth of a program otherwise; glibc reads the packed ones since 2.36.
flags="-C link-arg=-Wl,-z,pack-relative-relocs"
# The toolchain's own linker keeps one of equal functions, of which generic code has many. x86_64 has it by default.
lld="$(rustc --print sysroot)/lib/rustlib/$(rustc --print host-tuple)/bin/gcc-ld"
if [ -x "$lld/ld.lld" ]; then
    flags="$flags -C link-arg=-B$lld -C link-arg=-fuse-ld=lld -C link-arg=-Wl,--icf=all"
fi
export RUSTFLAGS="${RUSTFLAGS:-} $flags"
"$@" --profile ship --locked -p batch-inference -p dashboard -p model-promotion -p model-training
"$@" --profile ship --locked -p model-monitoring -p publish-predictions
"$@" --profile ship --locked -p data-prep
