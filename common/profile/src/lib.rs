#![doc = include_str!("../README.md")]

mod baseline;
pub mod categories;
pub mod cells;
pub mod days;
pub mod drift;
pub mod grid;
pub mod placeholder;
pub mod profiles;
pub mod reference;
