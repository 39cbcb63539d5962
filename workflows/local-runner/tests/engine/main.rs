//! The interpreter, through the real binary, on small workflows whose leaves are shell commands.

mod cli;
mod documents;
mod lab;
mod retries;
mod rules;
mod signals;
mod skeleton;
