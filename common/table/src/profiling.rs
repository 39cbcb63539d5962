//! Counting scored rows by day into [`profiles`](profile::profiles).

mod batches;
mod profiler;
mod stored;
#[cfg(test)]
mod tests;

pub use batches::Profiling;
pub use profiler::{Profiler, Rows};
pub use stored::StoredProfile;
