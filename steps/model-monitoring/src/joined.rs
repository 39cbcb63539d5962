//! What joining rows with late labels gives.

use std::collections::{BTreeMap, HashMap};

use learn::metrics::{self, Classification, CurvePoint, RankMetrics, weighted};
use learn::task;
use pages::content::Deciding;
use profile::days::DayNumber;

use crate::matching::Keys;
use crate::segments::Segmentation;

/// What was found of all rows.
pub(crate) struct Joined {
    /// By date; `None` holds the rows without one.
    pub(crate) days: BTreeMap<Option<DayNumber>, DayCounts>,
    /// Of all rows with label and prediction.
    pub(crate) ranks: RankMetrics,
    /// Points of their curves.
    pub(crate) curve: Vec<CurvePoint>,
    /// What they would be predicted at some thresholds.
    pub(crate) at_thresholds: Vec<CurvePoint>,
    pub(crate) segmentation: Segmentation,
    pub(crate) keys: Keys,
    /// What was measured of another task than two classes.
    pub(crate) of_task: Option<OfTask>,
}

impl Joined {
    /// Rows that have a date, by date.
    pub(crate) fn rows_by_day(&self) -> BTreeMap<DayNumber, u64> {
        let dated = self.days.iter();
        dated
            .filter_map(|(day, counts)| Some(((*day)?, counts.rows)))
            .collect()
    }
}

/// What is counted of one date.
#[derive(Clone, Debug)]
pub(crate) struct DayCounts {
    pub(crate) rows: u64,
    pub(crate) scored_rows: u64,
    pub(crate) labelled_rows: u64,
    pub(crate) score_sum: f64,
    pub(crate) predicted_positives: u64,
    /// Of the rows with label and prediction.
    pub(crate) metrics: Classification,
    pub(crate) ranks: RankMetrics,
    /// Of the same rows, where they weigh.
    pub(crate) weighted: Option<weighted::Classification>,
}

impl DayCounts {
    /// Of no rows yet.
    pub(crate) fn new(threshold: f64) -> Self {
        Self {
            rows: 0,
            scored_rows: 0,
            labelled_rows: 0,
            score_sum: 0.0,
            predicted_positives: 0,
            metrics: Classification::new(threshold),
            ranks: RankMetrics::default(),
            weighted: None,
        }
    }

    /// What was measured, by weight where rows weigh.
    pub(crate) fn report(&self, ranks: &RankMetrics) -> metrics::Report {
        let mut report = self.metrics.report(Some(ranks));
        if let Some(weighted) = &self.weighted {
            report.weigh(&weighted.report());
        }
        report
    }
}

/// What was measured of another task than two classes.
pub(crate) struct OfTask {
    /// Of all rows with label and prediction; `None` without such rows.
    pub(crate) overall: Option<task::Report>,
    /// The same by date.
    pub(crate) days: BTreeMap<Option<DayNumber>, task::Report>,
    /// The same by the place of the score among the cuts.
    pub(crate) by_score: Vec<task::Report>,
    /// The same by column, then by the number of the value.
    pub(crate) by_value: Vec<HashMap<u32, task::Report>>,
    /// Of a number, the few rows that make most of its squared error.
    pub(crate) deciding: Option<Deciding>,
    /// The key of the row with the farthest prediction, where such are far.
    pub(crate) farthest: Option<String>,
}
