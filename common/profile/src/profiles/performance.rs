//! Metrics from counts by cell and label.

use super::{Baseline, ClassCounts, ClassScores, ScoreBaseline, ScoreCounts, WeightSums, Weights};
use learn::metrics::Confusion;

/// Scores by label, with the cuts of their cells.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a> {
    cuts: &'a [f64],
    score: &'a ClassCounts,
}

/// How well scores rank positives before negatives, as far as cells say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Area under the ROC curve with the rows of a cell in no order, which is the middle of what
    /// it can be.
    pub roc_auc: f64,
    /// The true area differs by so much at most: half the share of pairs that share a cell.
    pub error_bound: f64,
}

/// Predicted against observed in one range of probabilities: from `lower` up to below `upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
    /// Labelled and scored rows.
    pub rows: i64,
    /// Positives among them.
    pub positives: i64,
    /// Mean of their scores, each counted as the middle of its cell; `None` without rows.
    pub mean_predicted: Option<f64>,
    /// The true mean differs by so much at most: half the width of the cells, weighted by their
    /// rows.
    pub error_bound: f64,
}

impl<'a> Counts<'a> {
    /// Of profiles of one baseline.
    pub fn new(baseline: &'a ClassScores, score: &'a ClassCounts) -> Self {
        Self {
            cuts: baseline.cells.cuts(),
            score,
        }
    }

    /// Labelled and scored rows by label and prediction at a threshold, exactly; `None` when it is
    /// none of the cuts.
    pub fn confusion(&self, threshold: f64) -> Option<Confusion> {
        let from = self.cuts.iter().position(|cut| *cut == threshold)? + 1;
        let sum = |cells: &[i64]| cells.iter().sum::<i64>() as u64;
        let (negatives, positives) = (
            self.score.negative.cells.split_at(from),
            self.score.positive.cells.split_at(from),
        );
        Some(Confusion {
            true_negatives: sum(negatives.0),
            false_positives: sum(negatives.1),
            false_negatives: sum(positives.0),
            true_positives: sum(positives.1),
        })
    }

    /// The area under the ROC curve; `None` when one class only is labelled.
    pub fn ranked(&self) -> Option<Ranked> {
        let (negatives, positives) = (
            self.score.negative.scored() as f64,
            self.score.positive.scored() as f64,
        );
        if negatives == 0.0 || positives == 0.0 {
            return None;
        }
        let (mut below, mut twice_before, mut together) = (0_i128, 0_i128, 0_i128);
        for (&negative, &positive) in self
            .score
            .negative
            .cells
            .iter()
            .zip(&self.score.positive.cells)
        {
            let (negative, positive) = (i128::from(negative), i128::from(positive));
            twice_before += positive * (2 * below + negative);
            together += positive * negative;
            below += negative;
        }
        let pairs = negatives * positives;
        Some(Ranked {
            roc_auc: twice_before as f64 / (2.0 * pairs),
            error_bound: together as f64 / (2.0 * pairs),
        })
    }

    /// Ten ranges of equal width, empty ones included.
    pub fn calibration(&self) -> Vec<Calibration> {
        let edge = |tenth: u32| f64::from(tenth * 10) / 100.0;
        (0..10)
            .map(|tenth| self.range(edge(tenth), edge(tenth + 1)))
            .collect()
    }

    fn range(&self, lower: f64, upper: f64) -> Calibration {
        let mut range = Calibration {
            lower,
            upper,
            rows: 0,
            positives: 0,
            mean_predicted: None,
            error_bound: 0.0,
        };
        let (mut sum, mut width) = (0.0, 0.0);
        for (index, (&negative, &positive)) in self
            .score
            .negative
            .cells
            .iter()
            .zip(&self.score.positive.cells)
            .enumerate()
        {
            let from = index.checked_sub(1).map_or(0.0, |below| self.cuts[below]);
            let to = self.cuts.get(index).copied().unwrap_or(1.0);
            // The last range takes in a score of 1 too. Tenths are cuts, so a cell lies within one
            // range.
            if from < lower || (from >= upper && upper < 1.0) {
                continue;
            }
            let rows = negative + positive;
            range.rows += rows;
            range.positives += positive;
            sum += rows as f64 * (from + to) / 2.0;
            width += rows as f64 * (to - from) / 2.0;
        }
        if range.rows > 0 {
            range.mean_predicted = Some(sum / range.rows as f64);
            range.error_bound = width / range.rows as f64;
        }
        range
    }

    /// Mean squared error of the probability of labelled rows, but for the rounding of sums; `None`
    /// without such rows.
    pub fn brier(&self) -> Option<f64> {
        let (negative, positive) = (&self.score.negative, &self.score.positive);
        let rows = negative.scored() + positive.scored();
        // (p - 1)^2 = 1 - 2 p + p^2
        let errors = negative.score_squares() + positive.scored() as f64
            - 2.0 * positive.score_sum()
            + positive.score_squares();
        (rows > 0).then(|| errors / rows as f64)
    }
}

/// What labelled and scored rows of two classes weigh, with the cuts of their cells.
#[derive(Clone, Copy, Debug)]
pub struct Weighed<'a> {
    cuts: &'a [f64],
    negative: &'a WeightSums,
    positive: &'a WeightSums,
}

impl<'a> Weighed<'a> {
    /// Of profiles of one baseline; `None` of another task.
    pub fn new(baseline: &'a ClassScores, weights: &'a Weights) -> Option<Self> {
        let [negative, positive] = weights.classes()?;
        Some(Self {
            cuts: baseline.cells.cuts(),
            negative,
            positive,
        })
    }

    /// What rows with scores in these cells weigh: negatives, then positives.
    pub fn within(&self, cells: std::ops::Range<usize>) -> [f64; 2] {
        [self.negative, self.positive].map(|sums| sums.within(cells.clone()))
    }

    /// Weight of true negatives, false positives, false negatives and true positives where rows in
    /// `cells` are predicted positive from the cell `predicted` on.
    pub fn confusion_in(&self, cells: std::ops::Range<usize>, predicted: usize) -> [f64; 4] {
        let cut = predicted.clamp(cells.start, cells.end);
        let ([true_negatives, false_negatives], [false_positives, true_positives]) =
            (self.within(cells.start..cut), self.within(cut..cells.end));
        [
            true_negatives,
            false_positives,
            false_negatives,
            true_positives,
        ]
    }

    /// The same of all rows at a threshold, exactly; `None` when it is none of the cuts.
    pub fn confusion(&self, threshold: f64) -> Option<[f64; 4]> {
        let from = self.cuts.iter().position(|cut| *cut == threshold)? + 1;
        Some(self.confusion_in(0..self.cuts.len() + 1, from))
    }

    /// As [`Counts::ranked`], by weight.
    pub fn ranked(&self) -> Option<Ranked> {
        let pairs = self.negative.weight() * self.positive.weight();
        let (mut below, mut before, mut together) = (0.0, 0.0, 0.0);
        for (negative, positive) in self.negative.by_cell().zip(self.positive.by_cell()) {
            before += positive * (below + negative / 2.0);
            together += positive * negative / 2.0;
            below += negative;
        }
        (pairs > 0.0).then(|| Ranked {
            roc_auc: before / pairs,
            error_bound: together / pairs,
        })
    }

    /// As [`Counts::brier`], by weight.
    pub fn brier(&self) -> Option<f64> {
        let weight = self.negative.weight() + self.positive.weight();
        let ([_, of_negatives], [sum, squares]) = (self.negative.sums(), self.positive.sums());
        let errors = of_negatives + self.positive.weight() - 2.0 * sum + squares;
        (weight > 0.0).then(|| errors / weight)
    }
}

impl Baseline {
    /// Labelled and scored rows by label and prediction at the model's own threshold; `None` of
    /// another task than two classes.
    pub fn confusion(&self, score: &ScoreCounts) -> Option<Confusion> {
        let (ScoreBaseline::Classes(baseline), ScoreCounts::Classes(counts)) = (&self.score, score)
        else {
            return None;
        };
        Counts::new(baseline, counts).confusion(self.threshold?)
    }
}
