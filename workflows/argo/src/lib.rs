#![doc = include_str!("../README.md")]

pub mod config_maps;
pub mod expr;
pub mod finding;
mod legal;
pub mod library;
pub mod raw;
pub mod rules;
pub mod schema;
pub mod spec;
pub mod steps;
pub mod template;
pub mod yaml;
