#![doc = include_str!("../README.md")]

pub mod prepare;
pub mod session;
