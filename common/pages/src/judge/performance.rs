//! Performance at a threshold, and of parts of the rows.

use learn::metrics::Confusion;

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
}

impl SegmentCounts {
    /// Counts a row; at `threshold` and above it is predicted positive.
    pub fn add(&mut self, score: Option<f64>, label: Option<u8>, threshold: f64) {
        self.rows += 1;
        let Some(score) = score else { return };
        self.scored_rows += 1;
        self.score_sum += score;
        let confusion = &mut self.confusion;
        match (label, score >= threshold) {
            (Some(0), false) => confusion.true_negatives += 1,
            (Some(0), true) => confusion.false_positives += 1,
            (Some(_), false) => confusion.false_negatives += 1,
            (Some(_), true) => confusion.true_positives += 1,
            (None, _) => {}
        }
    }
}

/// What would be predicted from a threshold on, where rows come to `confusion`.
pub fn at_threshold(threshold: f64, confusion: Confusion) -> AtThreshold {
    let predicted = confusion.true_positives + confusion.false_positives;
    AtThreshold {
        threshold,
        predicted_positive_rate: ratio(predicted, confusion.rows()),
        accuracy: confusion.accuracy(),
        precision: confusion.precision(),
        recall: confusion.recall(),
        f1: confusion.f1(),
        confusion,
    }
}

/// What some of the rows come to.
pub fn segment(name: Option<String>, counts: &SegmentCounts, of: u64) -> Segment {
    let confusion = counts.confusion;
    Segment {
        name,
        rows: counts.rows,
        share: ratio(counts.rows, of),
        mean_score: (counts.scored_rows > 0).then(|| counts.score_sum / counts.scored_rows as f64),
        measured_rows: confusion.rows(),
        base_rate: confusion.base_rate(),
        accuracy: confusion.accuracy(),
        precision: confusion.precision(),
        recall: confusion.recall(),
        f1: confusion.f1(),
        intervals: confusion.intervals(),
        confusion,
        ..Segment::default()
    }
}
