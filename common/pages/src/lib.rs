#![doc = include_str!("../README.md")]

pub mod chart;
pub mod content;
pub mod format;
pub mod html;
pub mod judge;
pub mod page;
