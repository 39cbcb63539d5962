//! The interpreter, through the real binary, on small workflows whose leaves are shell commands.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod cli;
mod documents;
mod former;
mod lab;
mod linted;
mod notify;
mod retries;
mod rules;
mod settings;
mod signals;
mod skeleton;
