#!/bin/sh
# Compiles a crate of the workspace as cargo says, and a test program without optimisation: unit tests compile their
# crate once more, which takes a seventh of the time then. A profile has one level for a crate and for its tests.
# rustc.sh RUSTC ARGUMENT...
case " $* " in
    # Arithmetic overflows as in the programs.
    *" --test "*) exec "$@" -C opt-level=0 -C debug-assertions=off ;;
    *) exec "$@" ;;
esac
