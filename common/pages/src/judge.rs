//! What report and dashboard judge by: thresholds, dates that are shown, and what columns, days and
//! parts of the rows come to. Pure.

pub mod drift;
pub mod far;
pub mod odd;
pub mod performance;
pub mod window;

use anyhow::Result;
use profile::drift::Thresholds;
use settings::JudgeArgs;
use settings::monitored::MonitorColumns;

/// What a verdict goes by.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// From which index on a column has drifted.
    pub thresholds: Thresholds,
    /// Which columns the verdict is on.
    pub columns: MonitorColumns,
}

impl Rules {
    /// What the settings say.
    ///
    /// # Errors
    /// Thresholds that contradict each other: exit 2.
    pub fn of(judge: JudgeArgs) -> Result<Self> {
        Ok(Self {
            thresholds: judge.thresholds()?,
            columns: judge.monitor_columns,
        })
    }
}

/// A share; `None` of nothing.
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
