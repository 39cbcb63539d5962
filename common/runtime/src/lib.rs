#![doc = include_str!("../README.md")]

pub mod failure;
pub mod retry;
pub mod secret;
pub mod spelling;
pub mod step;
pub mod threads;
pub mod work;
