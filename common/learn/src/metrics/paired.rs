//! Two models on the same rows: by how much a metric of theirs differs, and how sure that is.
//!
//! Rows of one entity, such as the visits of a customer, are not independent of each other. What is
//! counted for the variance is therefore whole entities; where each has one row the variance is the
//! usual one.
//!
//! ```
//! use learn::metrics::paired::AucDifference;
//!
//! // Rows in the order of their entities: entity, whether it is a positive, and by each model
//! // twice the rows of the other class that it is on the right side of.
//! let mut difference = AucDifference::new(2, 2);
//! difference.add(1, true, [4, 2]);
//! difference.add(2, false, [4, 2]);
//! difference.add(3, true, [4, 4]);
//! difference.add(4, false, [4, 4]);
//! let difference = difference.finish().expect("two rows of each class");
//! assert_eq!(difference.value, 0.25);
//! ```

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::model::sum::Sum;

/// A metric of one model less that of another, on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The difference.
    pub value: f64,
    /// Its standard error; 0 where both models predict alike.
    pub standard_error: f64,
}

impl Difference {
    /// Holds the true difference in 95 of 100 cases, where there are rows enough for a normal
    /// distribution.
    pub fn interval(&self) -> Interval {
        Interval::normal(self.value, self.standard_error)
    }
}

/// The difference of two areas under the ROC curve, with the variance of DeLong, DeLong and
/// Clarke-Pearson (1988), and of Obuchowski (1997) where an entity has several rows.
#[derive(Clone, Debug)]
pub struct AucDifference {
    positives: f64,
    negatives: f64,
    /// The entity whose rows come at the moment.
    current: Option<(u64, Entity)>,
    /// Of the entities before it.
    sums: Sums,
}

/// Rows of an entity, and by how much the models' placements of them differ.
#[derive(Clone, Copy, Debug, Default)]
struct Entity {
    /// Negatives, positives.
    rows: [f64; 2],
    /// Twice the first model's placements less the second's.
    twice: [f64; 2],
}

#[derive(Clone, Debug, Default)]
struct Sums {
    entities: u64,
    /// Entities with negatives, and with positives.
    with: [u64; 2],
    /// Of the placements of the positives; those of the negatives have the same sum.
    total: Sum,
    /// By class: of (placements squared, placements times rows, rows squared).
    squares: [[Sum; 3]; 2],
    /// Across the classes: placements of both, rows of the first with placements of the second,
    /// placements of the first with rows of the second, rows of both.
    across: [Sum; 4],
}

impl AucDifference {
    /// Of rows of which so many are positive and so many negative.
    pub fn new(positives: u64, negatives: u64) -> Self {
        Self {
            positives: positives as f64,
            negatives: negatives as f64,
            current: None,
            sums: Sums::default(),
        }
    }

    /// Adds a row; those of an entity come one after the other. Of a positive, a model's placement
    /// is twice the number of negatives that it scores lower, those of the same score counted once;
    /// of a negative, of positives that it scores higher.
    pub fn add(&mut self, entity: u64, positive: bool, placements: [u64; 2]) {
        let class = usize::from(positive);
        let [first, second] = placements.map(|twice| twice as f64);
        if self.current.is_some_and(|(of, _)| of != entity) {
            self.close();
        }
        let (_, rows) = self.current.get_or_insert((entity, Entity::default()));
        rows.rows[class] += 1.0;
        rows.twice[class] += first - second;
    }

    /// Counts the entity whose rows came last.
    fn close(&mut self) {
        if let Some((_, rows)) = self.current.take() {
            self.sums.add(&rows);
        }
    }

    /// The first model's area less the second's; `None` where a class has rows of fewer than two
    /// entities.
    pub fn finish(mut self) -> Option<Difference> {
        self.close();
        let sums = &self.sums;
        if sums.with.iter().any(|entities| *entities < 2) {
            return None;
        }
        // By class: its rows, and twice the rows of the other one.
        let rows = [self.negatives, self.positives];
        let scale = [2.0 * self.positives, 2.0 * self.negatives];
        let value = sums.total.value() / (2.0 * self.positives * self.negatives);
        let corrected = |entities: u64| entities as f64 / (entities as f64 - 1.0);
        let own = |class: usize| {
            let [squares, products, counts] = sums.squares[class].map(|sum| sum.value());
            let scale = scale[class];
            let spread =
                squares / (scale * scale) - 2.0 * value * products / scale + value * value * counts;
            corrected(sums.with[class]) * spread / (rows[class] * rows[class])
        };
        let [both, of_first, of_second, counts] = sums.across.map(|sum| sum.value());
        let across = both / (scale[0] * scale[1])
            - value * (of_first / scale[1] + of_second / scale[0])
            + value * value * counts;
        let across = 2.0 * corrected(sums.entities) * across / (rows[0] * rows[1]);
        let variance = own(0) + own(1) + across;
        Some(Difference {
            value,
            // Below 0 by rounding alone, or where the entities are few.
            standard_error: variance.max(0.0).sqrt(),
        })
    }
}

impl Sums {
    fn add(&mut self, of: &Entity) {
        self.entities += 1;
        self.total.add(of.twice[1]);
        for class in [0, 1] {
            let (twice, rows) = (of.twice[class], of.rows[class]);
            self.with[class] += u64::from(rows > 0.0);
            for (sum, term) in
                self.squares[class]
                    .iter_mut()
                    .zip([twice * twice, twice * rows, rows * rows])
            {
                sum.add(term);
            }
        }
        let terms = [
            of.twice[0] * of.twice[1],
            of.rows[0] * of.twice[1],
            of.twice[0] * of.rows[1],
            of.rows[0] * of.rows[1],
        ];
        for (sum, term) in self.across.iter_mut().zip(terms) {
            sum.add(term);
        }
    }
}

/// The difference of any metric by the delete-a-group jackknife: `whole` of all rows, and `without`
/// each group of entities that has rows. `None` of fewer than two groups.
///
/// It is for smooth metrics: not for a largest error, which one row decides.
pub fn jackknife(whole: f64, without: &[f64]) -> Option<Difference> {
    let groups = without.len() as f64;
    if without.len() < 2 {
        return None;
    }
    let mut sum = Sum::default();
    without.iter().for_each(|value| sum.add(*value));
    let mean = sum.value() / groups;
    let mut squares = Sum::default();
    for value in without {
        squares.add((value - mean) * (value - mean));
    }
    let variance = (groups - 1.0) / groups * squares.value();
    Some(Difference {
        value: whole,
        standard_error: variance.sqrt(),
    })
}

/// The interval that holds a metric in 95 of 100 cases, as [`jackknife`] knows it: by Student's
/// distribution, because few groups leave the standard error itself uncertain.
pub fn jackknife_interval(whole: f64, without: &[f64]) -> Option<Interval> {
    let Difference {
        value,
        standard_error,
    } = jackknife(whole, without)?;
    let degrees = without.len() as u64 - 1;
    Some(Interval::student(value, standard_error, degrees))
}

#[cfg(test)]
mod tests {
    use crate::model::ClassValue;
    use crate::task::{Binary, Metric, Regression, Rule, Target, Task, evaluate};

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        entities: Vec<u64>,
        labels: Vec<u8>,
        scores: [Vec<f64>; 2],
        difference: f64,
        standard_error: f64,
    }

    /// By comparing every row with every row of the other class.
    fn placement(case: &Case, model: usize, row: usize) -> u64 {
        let scores = &case.scores[model];
        let sign = if case.labels[row] == 1 { 1.0 } else { -1.0 };
        let others = (0..scores.len()).filter(|other| case.labels[*other] != case.labels[row]);
        others
            .map(|other| match sign * (scores[row] - scores[other]) {
                above if above > 0.0 => 2,
                0.0 => 1,
                _ => 0,
            })
            .sum()
    }

    #[test]
    fn the_variance_is_that_of_delong_and_of_obuchowski() {
        let text = include_str!("../../../testing/fixtures/paired.json");
        let fixture: Fixture = serde_json::from_str(text).expect("a fixture");
        assert_eq!(fixture.cases.len(), 4);
        for case in fixture.cases {
            let positives = case.labels.iter().filter(|label| **label == 1).count() as u64;
            let negatives = case.labels.len() as u64 - positives;
            let mut difference = AucDifference::new(positives, negatives);
            let mut rows: Vec<usize> = (0..case.labels.len()).collect();
            rows.sort_by_key(|row| case.entities[*row]);
            for row in rows {
                let placements = [0, 1].map(|model| placement(&case, model, row));
                difference.add(case.entities[row], case.labels[row] == 1, placements);
            }
            let found = difference.finish().expect("rows of both classes");
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 + 1e-9 * b.abs();
            assert!(
                near(found.value, case.difference)
                    && near(found.standard_error, case.standard_error),
                "{}: {found:?}, not {} and {}",
                case.name,
                case.difference,
                case.standard_error
            );
        }
    }

    #[derive(Deserialize)]
    struct Grouped {
        metric: String,
        groups: Vec<usize>,
        labels: Vec<f64>,
        scores: Vec<f64>,
        weights: Option<Vec<f64>>,
        whole: f64,
        standard_error: f64,
        low: f64,
        high: f64,
    }

    /// The metric of all rows, and without those of each group.
    fn left_out(case: &Grouped) -> (f64, Vec<f64>) {
        let metric = Metric::named(&case.metric).expect("a metric");
        let task: &dyn Task = match Binary.metric(metric.name) {
            Some(_) => &Binary,
            None => &Regression,
        };
        let target = Target {
            name: "target".to_owned(),
            classes: vec![ClassValue::Int(0), ClassValue::Int(1)],
        };
        let measured = |group: Option<usize>| {
            let rows = (0..case.labels.len()).filter(|row| Some(case.groups[*row]) != group);
            let rows: Vec<usize> = rows.collect();
            let of = |all: &[f64]| rows.iter().map(|row| all[*row]).collect::<Vec<f64>>();
            let (labels, scores) = (of(&case.labels), of(&case.scores));
            let weights = case.weights.as_deref().map(of);
            let evaluation = task.evaluation(&target, &Rule::default());
            let report = evaluate(evaluation, &labels, &scores, weights.as_deref());
            let number = report.expect("rows").number(metric.name);
            number.expect("a defined metric")
        };
        let groups = case.groups.iter().max().map_or(0, |last| last + 1);
        let without = (0..groups).map(|group| measured(Some(group)));
        (measured(None), without.collect())
    }

    #[test]
    fn the_jackknife_is_that_of_pseudo_values() {
        let text = include_str!("../../../testing/fixtures/jackknife.json");
        let cases: Vec<Grouped> = serde_json::from_str(text).expect("a fixture");
        assert_eq!(cases.len(), 8);
        for case in cases {
            let (whole, without) = left_out(&case);
            let found = jackknife(whole, &without).expect("groups");
            let interval = jackknife_interval(whole, &without).expect("groups");
            for (found, expected) in [
                (found.value, case.whole),
                (found.standard_error, case.standard_error),
                (interval.low, case.low),
                (interval.high, case.high),
            ] {
                let near = (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
                let (name, groups) = (&case.metric, without.len());
                assert!(near, "{name}, {groups} groups: {found}, not {expected}");
            }
        }
        assert_eq!(jackknife_interval(0.5, &[0.5]), None);
    }

    #[test]
    fn models_that_predict_alike_differ_by_nothing_for_certain() {
        let mut difference = AucDifference::new(2, 2);
        for (entity, positive) in [(1, true), (2, false), (3, true), (4, false)] {
            difference.add(entity, positive, [3, 3]);
        }
        let found = difference.finish().expect("rows of both classes");
        assert_eq!((found.value, found.standard_error), (0.0, 0.0));
        assert_eq!(AucDifference::new(1, 1).finish(), None);
    }

    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error() {
        let values = [3.0, 5.0, 4.0, 8.0, 1.0];
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let without: Vec<f64> = (0..values.len())
            .map(|left_out| {
                let mut rest = values.to_vec();
                rest.remove(left_out);
                mean(&rest)
            })
            .collect();
        let found = jackknife(mean(&values), &without).expect("groups");
        // numpy: std(ddof=1) / sqrt(5)
        assert!((found.standard_error - 1.157_583_690_279_023).abs() < 1e-12);
        assert_eq!(jackknife(1.0, &[1.0]), None);
    }
}
