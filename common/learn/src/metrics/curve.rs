//! Points of the curves over all thresholds.

use serde::{Deserialize, Serialize};

use super::Confusion;
use super::weighted::Shares;
use crate::model::sum::Sum;

/// A curve moves on by at least this share of either class from one point to the next, unless ties
/// make it jump.
const STEPS: u64 = 100;

/// What is predicted positive from one threshold on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Probability from which the positive class is predicted.
    pub threshold: f64,
    /// Positives among them.
    pub true_positives: u64,
    /// Negatives among them.
    pub false_positives: u64,
    /// What these positives and negatives weigh, where rows do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<[f64; 2]>,
}

/// The ROC and precision-recall curves of rows sorted by score, HIGHEST first, in about 200 of
/// their points, and the rows at given thresholds. Constant memory; every point is exact.
#[derive(Clone, Debug)]
pub struct Curve {
    positives: u64,
    negatives: u64,
    /// Of which counts are asked for, descending; those from `reached` on still come.
    thresholds: Vec<f64>,
    reached: usize,
    at_thresholds: Vec<CurvePoint>,
    points: Vec<CurvePoint>,
    /// All rows so far, with the current score.
    now: CurvePoint,
    /// What the positives and negatives so far weigh, where rows do.
    weights: Option<[Sum; 2]>,
}

impl Curve {
    /// Of no rows yet. `positives` and `negatives` are how many will come.
    pub fn new(positives: u64, negatives: u64, thresholds: &[f64]) -> Self {
        let mut thresholds = thresholds.to_vec();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        Self {
            positives,
            negatives,
            thresholds,
            reached: 0,
            at_thresholds: Vec::new(),
            points: Vec::new(),
            now: CurvePoint {
                threshold: f64::INFINITY,
                true_positives: 0,
                false_positives: 0,
                weights: None,
            },
            weights: None,
        }
    }

    /// Adds a row, whose score is not above any before it, and what it weighs, where rows do.
    pub fn add(&mut self, score: f64, positive: bool, weight: Option<f64>) {
        if score != self.now.threshold {
            self.close();
            while let Some(&threshold) = self
                .thresholds
                .get(self.reached)
                .filter(|threshold| **threshold > score)
            {
                self.at_thresholds.push(CurvePoint {
                    threshold,
                    ..self.now
                });
                self.reached += 1;
            }
            self.now.threshold = score;
        }
        self.now.true_positives += u64::from(positive);
        self.now.false_positives += u64::from(!positive);
        if let Some(weight) = weight {
            let sums = self.weights.get_or_insert_default();
            sums[usize::from(!positive)].add(weight);
        }
    }

    /// Keeps the point of the rows so far, if it is far enough from the last one.
    fn close(&mut self) {
        self.now.weights = self.weights.map(|sums| sums.map(|sum| sum.value()));
        let (tp, fp) = self
            .points
            .last()
            .map_or((0, 0), |last| (last.true_positives, last.false_positives));
        let far = (self.now.true_positives - tp) * STEPS >= self.positives.max(1)
            || (self.now.false_positives - fp) * STEPS >= self.negatives.max(1);
        let all =
            self.now.true_positives == self.positives && self.now.false_positives == self.negatives;
        if self.now.threshold.is_finite() && (far || all) {
            self.points.push(self.now);
        }
    }

    /// The points of the curves, from the highest threshold on, and the rows at each of the
    /// thresholds asked for, from the lowest on.
    pub fn finish(mut self) -> (Vec<CurvePoint>, Vec<CurvePoint>) {
        self.close();
        let rest = self.thresholds[self.reached..].iter();
        self.at_thresholds.extend(rest.map(|&threshold| CurvePoint {
            threshold,
            ..self.now
        }));
        self.at_thresholds.reverse();
        (self.points, self.at_thresholds)
    }
}

impl CurvePoint {
    /// Rows by label and prediction at the threshold, of so many positives and negatives.
    pub fn confusion(&self, positives: u64, negatives: u64) -> Confusion {
        Confusion {
            true_negatives: negatives - self.false_positives,
            false_positives: self.false_positives,
            false_negatives: positives - self.true_positives,
            true_positives: self.true_positives,
        }
    }

    /// Weights by label and prediction at the threshold, of positives and negatives that weigh as
    /// much as `all` of them; `None` where rows do not weigh.
    pub fn weighted(&self, all: &Self) -> Option<Shares> {
        let [positives, negatives] = all.weights?;
        // Above the highest score there is no row yet.
        let [tp, fp] = self.weights.unwrap_or_default();
        // Sums that were rounded apart may differ by their last digit.
        let rest = |all: f64, some: f64| (all - some).max(0.0);
        Some(Shares::of([
            rest(negatives, fp),
            fp,
            rest(positives, tp),
            tp,
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splitmix::uniform;

    #[derive(Deserialize)]
    struct Fixture {
        curves: Curves,
    }

    #[derive(Deserialize)]
    struct Curves {
        seeds: [u64; 2],
        rows: u64,
        roc: Vec<[f64; 3]>,
        precision_recall: Vec<[f64; 3]>,
        at: Vec<(f64, u64, u64, u64, u64)>,
    }

    fn curve(rows: &mut [(f64, bool)], thresholds: &[f64]) -> (Vec<CurvePoint>, Vec<CurvePoint>) {
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let positives = rows.iter().filter(|row| row.1).count() as u64;
        let mut curve = Curve::new(positives, rows.len() as u64 - positives, thresholds);
        rows.iter()
            .for_each(|&(score, positive)| curve.add(score, positive, None));
        curve.finish()
    }

    #[test]
    fn every_point_is_one_of_scikit_learns() {
        let text = include_str!("../../../testing/fixtures/intervals.json");
        let Curves {
            seeds,
            rows,
            roc,
            precision_recall,
            at,
        } = serde_json::from_str::<Fixture>(text)
            .expect("a fixture")
            .curves;
        let mut scored: Vec<(f64, bool)> = (0..rows)
            .map(|i| {
                let score = (uniform(seeds[0], i) * 100.0).floor() / 100.0;
                (score, uniform(seeds[1], i) < score)
            })
            .collect();
        let thresholds: Vec<f64> = at.iter().map(|at| at.0).collect();
        let (points, counted) = curve(&mut scored, &thresholds);
        let positives = scored.iter().filter(|row| row.1).count() as u64;
        let negatives = rows - positives;
        assert!(points.len() > 60, "{}", points.len());
        for point in &points {
            let find = |list: &[[f64; 3]]| {
                *list
                    .iter()
                    .find(|entry| entry[0] == point.threshold)
                    .expect("a threshold")
            };
            let [_, tpr, fpr] = find(&roc);
            let [_, precision, recall] = find(&precision_recall);
            let confusion = point.confusion(positives, negatives);
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
            close(point.true_positives as f64 / positives as f64, tpr);
            close(point.false_positives as f64 / negatives as f64, fpr);
            close(
                point.true_positives as f64 / (point.true_positives + point.false_positives) as f64,
                precision,
            );
            close(confusion.true_positives as f64 / positives as f64, recall);
        }
        let last = points.last().expect("points");
        assert_eq!(
            (last.true_positives, last.false_positives),
            (positives, negatives)
        );
        for (point, expected) in counted.iter().zip(&at) {
            let c = point.confusion(positives, negatives);
            let found = (
                point.threshold,
                c.true_negatives,
                c.false_positives,
                c.false_negatives,
                c.true_positives,
            );
            assert_eq!(&found, expected);
        }
        assert_eq!(counted.len(), at.len());
    }

    #[test]
    fn weights_of_one_change_no_share() {
        let mut rows: Vec<(f64, bool)> = (0..1000)
            .map(|i| (uniform(1, i), uniform(2, i) < 0.3))
            .collect();
        let (unweighted, counted) = curve(&mut rows, &[0.25, 0.5, 2.0]);
        let positives = rows.iter().filter(|row| row.1).count() as u64;
        let mut weighted = Curve::new(positives, 1000 - positives, &[0.25, 0.5, 2.0]);
        rows.iter()
            .for_each(|&(score, positive)| weighted.add(score, positive, Some(1.0)));
        let (points, weighted) = weighted.finish();
        let [unweighted, all] = [&unweighted, &points].map(|of| of.last().expect("points"));
        for (counted, weighted) in counted.iter().zip(&weighted) {
            let confusion = counted.confusion(positives, 1000 - positives);
            assert_eq!(weighted.weighted(all), Some(confusion.shares()));
            assert_eq!(counted.weighted(unweighted), None);
        }
    }

    #[test]
    fn a_curve_has_few_points_whatever_the_rows() {
        let mut rows: Vec<(f64, bool)> = (0..40_000)
            .map(|i| (uniform(1, i), uniform(2, i) < 0.3))
            .collect();
        let (points, _) = curve(&mut rows, &[]);
        assert!(points.len() <= 2 * STEPS as usize + 1, "{}", points.len());
        let (points, at) = curve(&mut [], &[0.5]);
        assert!(points.is_empty());
        assert_eq!(
            at,
            [CurvePoint {
                threshold: 0.5,
                true_positives: 0,
                false_positives: 0,
                weights: None,
            }]
        );
    }
}
