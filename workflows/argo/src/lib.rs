#![doc = include_str!("../README.md")]

pub mod config_maps;
pub mod expr;
mod fields;
pub mod finding;
pub mod library;
pub mod raw;
pub mod rules;
pub mod schema;
pub mod spec;
pub mod steps;
pub mod template;
pub mod yaml;
