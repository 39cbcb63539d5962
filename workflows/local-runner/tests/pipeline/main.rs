//! The whole pipeline through the real binary and the real workflow files, over temporary folders.

mod bad_input;
mod bench;
mod bring_your_own;
mod kills;
mod reruns;
mod scale;
