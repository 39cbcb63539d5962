//! The whole pipeline through the real binary and the real workflow files, over temporary folders.

mod bad_input;
mod bring_your_own;
mod bench;
mod kills;
mod reruns;
