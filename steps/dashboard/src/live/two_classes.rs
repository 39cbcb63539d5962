//! What profiles say of two classes, for any threshold.

use learn::metrics::weighted::{self, Shares};
use learn::metrics::{
    CalibrationBin, Classification, Confusion, CurvePoint, Intervals, Report as Metrics,
};
use learn::model::Classes;
use learn::task::Report;
use pages::content::{ClassNames, Day, Performance, Segment};
use pages::judge::performance::{SegmentCounts, at_threshold, segment};
use pages::judge::ratio;
use profile::cells::Side;
use profile::profiles::{
    ClassCounts, ClassScores, Profile, Ranked, ScoredCounts as Counts, Weighed,
};

/// Thresholds that a table shows, in hundredths.
const SHOWN: std::ops::Range<u32> = 1..10;

/// The cut that is nearest: at cuts counts are exact.
pub(super) fn nearest(cuts: &[f64], wanted: f64) -> f64 {
    let distance = |cut: &f64| (cut - wanted).abs();
    cuts.iter()
        .copied()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(wanted)
}

/// What profiles of two classes say.
#[derive(Clone, Copy)]
pub(super) struct TwoClasses<'a> {
    pub(super) baseline: &'a ClassScores,
    pub(super) classes: &'a Classes,
    /// The model's own.
    pub(super) own: f64,
    /// The one that is used.
    pub(super) threshold: f64,
}

impl<'a> TwoClasses<'a> {
    /// How right the predictions were, and how far the true area under the ROC curve may differ.
    /// `holdout` is what the model reached there, where that is known, at its own threshold: at
    /// another one it is no measure for what depends on the threshold.
    pub(super) fn performance(
        self,
        of: &Profile,
        holdout: Option<&Report>,
        common: Performance,
    ) -> (Performance, Option<f64>) {
        let Some(score) = of.score.classes() else {
            return (common, None);
        };
        let (baseline, threshold) = (self.baseline, self.threshold);
        let counts = Counts::new(baseline, score);
        let confusion = counts.confusion(threshold).unwrap_or_default();
        let measured = self.measured(of, &counts, confusion);
        let overall =
            (confusion.rows() > 0).then(|| metrics(&counts, confusion, &measured, threshold));
        let cuts = SHOWN
            .map(|tenth| f64::from(tenth * 10) / 100.0)
            .chain([threshold, self.own]);
        let mut cuts: Vec<f64> = cuts.collect();
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        let weighed = self.weighed(of);
        let shares = |cut: f64| Some(Shares::of(weighed?.confusion(cut)?));
        let at = |cut: f64| Some(at_threshold(cut, counts.confusion(cut)?, shares(cut)));
        let side = baseline.compared(score).now;
        let known = overall.is_some();
        let performance = Performance {
            predicted_positives: predicted_positives(baseline, &side, threshold),
            majority_accuracy: measured.shares.base_rate.map(|rate| rate.max(1.0 - rate)),
            intervals: measured.intervals,
            curve: match known {
                true => curve(baseline.cells.cuts(), score, weighed),
                false => Vec::new(),
            },
            thresholds: match known {
                true => cuts.into_iter().filter_map(at).collect(),
                false => Vec::new(),
            },
            overall,
            holdout: holdout.and_then(Report::binary).map(|of| self.at_own(of)),
            classes: Some(ClassNames {
                negative: self.classes.negative.to_string(),
                positive: self.classes.positive.to_string(),
            }),
            ..common
        };
        (
            performance,
            measured.ranked.map(|ranked| ranked.error_bound),
        )
    }

    /// What rows weigh, where they do.
    fn weighed(self, of: &'a Profile) -> Option<Weighed<'a>> {
        Weighed::new(self.baseline, of.weights.as_ref()?)
    }

    /// By weight where rows weigh.
    fn measured(self, of: &Profile, counts: &Counts<'_>, confusion: Confusion) -> Measured {
        match self.weighed(of) {
            Some(weighed) => {
                let cells = weighed.confusion(self.threshold).unwrap_or_default();
                let shares = Shares::of(cells);
                Measured {
                    shares,
                    weight: Some(shares.weight),
                    ranked: weighed.ranked(),
                    brier: weighed.brier(),
                    intervals: Intervals::default(),
                }
            }
            None => Measured {
                shares: confusion.shares(),
                weight: None,
                ranked: counts.ranked(),
                brier: counts.brier(),
                intervals: confusion.intervals(),
            },
        }
    }

    /// The holdout's, without what depends on another threshold.
    fn at_own(self, holdout: &Metrics) -> Metrics {
        if self.threshold == self.own {
            return holdout.clone();
        }
        Metrics {
            accuracy: None,
            balanced_accuracy: None,
            precision: None,
            recall: None,
            f1: None,
            ..holdout.clone()
        }
    }

    /// What is known of a day beside its rows.
    pub(super) fn day(self, of: &Profile, common: Day) -> Day {
        let Some(score) = of.score.classes() else {
            return common;
        };
        let counts = Counts::new(self.baseline, score);
        let confusion = counts.confusion(self.threshold).unwrap_or_default();
        let side = self.baseline.compared(score).now;
        let above = predicted_positives(self.baseline, &side, self.threshold);
        let measured = self.measured(of, &counts, confusion);
        Day {
            predicted_positive_rate: ratio(above, side.count()),
            base_rate: measured.shares.base_rate,
            accuracy: measured.shares.accuracy,
            precision: measured.shares.precision,
            recall: measured.shares.recall,
            f1: measured.shares.f1,
            roc_auc: measured.ranked.map(|ranked| ranked.roc_auc),
            brier: measured.brier,
            intervals: measured.intervals,
            weights: self.weighed(of).and_then(|of| of.confusion(self.threshold)),
            confusion,
            ..common
        }
    }

    /// The rows by ranges of the score that each held about a tenth of the training data.
    pub(super) fn by_score(self, of: &Profile) -> Vec<Segment> {
        let (score, weighed) = (of.score.classes(), self.weighed(of));
        score.map_or_else(Vec::new, |score| {
            by_score(self.baseline, score, weighed, self.threshold)
        })
    }
}

/// What labelled and scored rows come to.
struct Measured {
    shares: Shares,
    weight: Option<f64>,
    ranked: Option<Ranked>,
    brier: Option<f64>,
    /// None where rows weigh.
    intervals: Intervals,
}

/// All metrics that follow from cells; the others are `None`.
fn metrics(
    counts: &Counts<'_>,
    confusion: Confusion,
    measured: &Measured,
    threshold: f64,
) -> Metrics {
    let empty = Classification::new(threshold).report(None);
    let shares = measured.shares;
    let calibration = counts
        .calibration()
        .into_iter()
        .map(|range| CalibrationBin {
            lower: range.lower,
            upper: range.upper,
            rows: range.rows as u64,
            mean_predicted: range.mean_predicted,
            observed_rate: ratio(range.positives as u64, range.rows as u64),
        });
    Metrics {
        rows: confusion.rows(),
        positives: confusion.positives(),
        weight: measured.weight,
        base_rate: shares.base_rate,
        accuracy: shares.accuracy,
        balanced_accuracy: shares.balanced_accuracy,
        precision: shares.precision,
        recall: shares.recall,
        f1: shares.f1,
        brier: measured.brier,
        roc_auc: measured.ranked.map(|ranked| ranked.roc_auc),
        calibration: calibration.collect(),
        confusion,
        ..empty
    }
}

/// A point for each cut, from the highest on: each is exact.
fn curve(cuts: &[f64], score: &ClassCounts, weighed: Option<Weighed<'_>>) -> Vec<CurvePoint> {
    let (mut positives, mut negatives) = (0, 0);
    let mut points = Vec::new();
    for index in (0..=cuts.len()).rev() {
        positives += score.positive.cells[index] as u64;
        negatives += score.negative.cells[index] as u64;
        let threshold = index.checked_sub(1).map_or(0.0, |below| cuts[below]);
        let point = CurvePoint {
            threshold,
            true_positives: positives,
            false_positives: negatives,
            weights: weighed.map(|weighed| {
                let [negatives, positives] = weighed.within(index..cuts.len() + 1);
                [positives, negatives]
            }),
        };
        let same = |last: &CurvePoint| {
            (last.true_positives, last.false_positives) == (positives, negatives)
        };
        if positives + negatives > 0 && !points.last().is_some_and(same) {
            points.push(point);
        }
    }
    points
}

/// Rows from the threshold on, which is one of the cuts.
fn predicted_positives(baseline: &ClassScores, score: &Side, threshold: f64) -> u64 {
    let from = baseline
        .cells
        .cuts()
        .partition_point(|cut| *cut < threshold)
        + 1;
    score.cells.get(from..).unwrap_or_default().iter().sum()
}

/// The rows by ranges of the score that each held about a tenth of the training data. Their mean
/// score takes each row as the middle of its cell.
fn by_score(
    baseline: &ClassScores,
    score: &ClassCounts,
    weighed: Option<Weighed<'_>>,
    threshold: f64,
) -> Vec<Segment> {
    let sum = |counts: &ClassCounts, from: usize, to: usize| -> [u64; 3] {
        [&counts.unlabelled, &counts.negative, &counts.positive]
            .map(|label| label.cells[from..to].iter().sum::<i64>() as u64)
    };
    let rows =
        |counts: &ClassCounts, from: usize, to: usize| sum(counts, from, to).iter().sum::<u64>();
    let middle = |cell: usize| {
        let lower = cell
            .checked_sub(1)
            .map_or(0.0, |below| baseline.cells.cuts()[below]);
        (lower + baseline.cells.cuts().get(cell).copied().unwrap_or(1.0)) / 2.0
    };
    let cells = baseline.cells.len();
    let (trained, scored) = (rows(&baseline.reference, 0, cells), rows(score, 0, cells));
    // The cell above each decile, between the first and the one behind the last.
    let deciles = baseline
        .compared(score)
        .tenths()
        .into_iter()
        .map(|cut| cut + 1);
    let edges: Vec<usize> = std::iter::once(0).chain(deciles).chain([cells]).collect();
    // Cells from here on are predicted positive.
    let predicted = baseline
        .cells
        .cuts()
        .partition_point(|cut| *cut < threshold)
        + 1;
    edges
        .windows(2)
        .map(|range| {
            let (from, to) = (range[0], range[1]);
            let cut = predicted.clamp(from, to);
            let ([_, true_negatives, false_negatives], [_, false_positives, true_positives]) =
                (sum(score, from, cut), sum(score, cut, to));
            let confusion = Confusion {
                true_negatives,
                false_positives,
                false_negatives,
                true_positives,
            };
            let counts = SegmentCounts {
                rows: rows(score, from, to),
                scored_rows: rows(score, from, to),
                score_sum: (from..to)
                    .map(|cell| middle(cell) * rows(score, cell, cell + 1) as f64)
                    .sum(),
                confusion,
                weighted: weighed.map(|weighed| {
                    weighted::Confusion::of(weighed.confusion_in(from..to, predicted))
                }),
            };
            Segment {
                lower: from
                    .checked_sub(1)
                    .map(|below| baseline.cells.cuts()[below]),
                upper: baseline.cells.cuts().get(to - 1).copied(),
                reference_share: ratio(rows(&baseline.reference, from, to), trained),
                ..segment(None, &counts, scored)
            }
        })
        .collect()
}
