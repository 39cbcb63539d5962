//! The interpreter, through the real binary, on small workflows whose leaves are shell commands.

mod cli;
mod lab;
mod notify;
mod retries;
mod semantics;
mod signals;
mod skeleton;
