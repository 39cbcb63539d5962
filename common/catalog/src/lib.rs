#![doc = include_str!("../README.md")]

pub mod attempt;
pub mod compared;
pub mod fanout;
pub mod layout;
pub mod manifest;
pub mod model_files;
pub mod results;
pub mod selection;
