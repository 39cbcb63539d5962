//! Performance at a threshold, and of parts of the rows.

use learn::metrics::weighted::{self, Shares};
use learn::metrics::{Confusion, Intervals};

use super::ratio;
use crate::content::{AtThreshold, Segment};

/// What is counted of some of the rows.
#[derive(Clone, Debug, Default)]
pub struct SegmentCounts {
    /// Rows.
    pub rows: u64,
    /// Rows with a prediction.
    pub scored_rows: u64,
    /// Sum of the probabilities of the positive class.
    pub score_sum: f64,
    /// Of the rows with label and prediction.
    pub confusion: Confusion,
    /// What these weigh, where rows do.
    pub weighted: Option<weighted::Confusion>,
}

impl SegmentCounts {
    /// Counts a row, and what it weighs where rows do; at `threshold` and above it is predicted
    /// positive.
    pub fn add(
        &mut self,
        score: Option<f64>,
        label: Option<u8>,
        threshold: f64,
        weight: Option<f64>,
    ) {
        self.rows += 1;
        let Some(score) = score else { return };
        self.scored_rows += 1;
        self.score_sum += score;
        let predicted = score >= threshold;
        let confusion = &mut self.confusion;
        match (label, predicted) {
            (Some(0), false) => confusion.true_negatives += 1,
            (Some(0), true) => confusion.false_positives += 1,
            (Some(_), false) => confusion.false_negatives += 1,
            (Some(_), true) => confusion.true_positives += 1,
            (None, _) => {}
        }
        if let (Some(label), Some(weight)) = (label, weight) {
            let weighted = self.weighted.get_or_insert_default();
            weighted.add(label > 0, predicted, weight);
        }
    }
}

/// What would be predicted from a threshold on, where rows come to `confusion`; shares are
/// `weighted` where rows weigh.
pub fn at_threshold(threshold: f64, confusion: Confusion, weighted: Option<Shares>) -> AtThreshold {
    let shares = weighted.unwrap_or_else(|| confusion.shares());
    AtThreshold {
        threshold,
        predicted_positive_rate: shares.predicted_positive_rate,
        accuracy: shares.accuracy,
        precision: shares.precision,
        recall: shares.recall,
        f1: shares.f1,
        confusion,
    }
}

/// What some of the rows come to; shares of those that are measured are weighted where rows
/// weigh, and have no intervals then.
pub fn segment(name: Option<String>, counts: &SegmentCounts, of: u64) -> Segment {
    let confusion = counts.confusion;
    let weighted = counts.weighted.as_ref().map(weighted::Confusion::shares);
    let shares = weighted.unwrap_or_else(|| confusion.shares());
    Segment {
        name,
        rows: counts.rows,
        share: ratio(counts.rows, of),
        mean_score: (counts.scored_rows > 0).then(|| counts.score_sum / counts.scored_rows as f64),
        measured_rows: confusion.rows(),
        base_rate: shares.base_rate,
        accuracy: shares.accuracy,
        precision: shares.precision,
        recall: shares.recall,
        f1: shares.f1,
        intervals: match weighted {
            Some(_) => Intervals::default(),
            None => confusion.intervals(),
        },
        confusion,
        ..Segment::default()
    }
}
