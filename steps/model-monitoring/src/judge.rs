//! What report and dashboard judge by: thresholds, dates that are shown, and what columns, days and
//! parts of the rows come to. Pure.

pub(crate) mod drift;
pub(crate) mod performance;
pub(crate) mod window;

use profile::drift::Thresholds;
use settings::monitored::MonitorColumns;

/// What a verdict goes by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) thresholds: Thresholds,
    pub(crate) columns: MonitorColumns,
}

/// A share; `None` of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
