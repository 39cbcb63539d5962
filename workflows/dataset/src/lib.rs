#![doc = include_str!("../README.md")]

mod accounting;
pub mod check;
mod column;
mod counted;
mod csv_questions;
mod dialect;
mod draft;
mod entities;
mod explained;
mod far_dates;
pub mod files;
mod findings;
mod goal;
pub mod infer;
mod labels;
mod leaks;
mod marks;
mod number_texts;
mod page;
mod places;
pub mod profile;
pub mod project;
mod question;
mod repeats;
mod roles;
mod sample;
pub mod source;
mod spellings;
mod spelt_dates;
mod target_questions;
mod together;
mod weightless;

pub use column::in_line;
pub use question::Question;

#[cfg(test)]
mod tests;
