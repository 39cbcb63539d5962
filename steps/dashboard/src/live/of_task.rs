//! What profiles say of another task than two classes.

use std::collections::BTreeMap;
use std::ops::Range;

use learn::task::{Better, Report};
use pages::content::{Day, MetricNow, OfTask as Measured, Performance, Segment};
use pages::judge::ratio;
use profile::profiles::{Baseline, ClassCounts, Profile, ScoreCounts, Weights};
use serde_json::{Map, json};

/// A model of such a task.
#[derive(Clone, Copy)]
pub(super) struct OfTask<'a>(pub(super) &'a Baseline);

/// A metric that counts give: its name, which values are better, and its value.
type Metric = (&'static str, Option<Better>, f64);

impl OfTask<'_> {
    /// How right the predictions were; `holdout` is what the model reached there, where that is
    /// known.
    pub(super) fn performance(
        self,
        of: &Profile,
        holdout: Option<&Report>,
        common: Performance,
    ) -> Performance {
        let (rows, metrics) = self.metrics(of);
        let now = (rows > 0).then(|| {
            let metrics = metrics.iter().map(|(name, _, value)| (*name, json!(value)));
            let fields = [("rows", json!(rows))].into_iter().chain(metrics);
            Report::other(&Map::new(), fields)
        });
        let metrics = self.names().into_iter().map(|(name, better)| MetricNow {
            name: name.to_owned(),
            better,
            now: metrics.iter().find(|of| of.0 == name).map(|of| of.2),
            holdout: holdout.and_then(|of| of.number(name)),
        });
        Performance {
            of_task: Some(Measured {
                task: self.0.task.clone().unwrap_or_default(),
                classes: self.0.values.iter().map(ToString::to_string).collect(),
                metrics: metrics.collect(),
                now,
                holdout: holdout.cloned(),
                // Profiles hold no row.
                deciding: None,
                far: None,
            }),
            ..common
        }
    }

    /// What is known of a day beside its rows.
    pub(super) fn day(self, of: &Profile, common: Day) -> Day {
        let (rows, metrics) = self.metrics(of);
        let mut metrics = by_name(metrics);
        let weight = of.weights.as_ref().map(Weights::weight);
        if let Some(weight) = weight.filter(|_| rows > 0) {
            metrics.insert("weight".to_owned(), weight);
        }
        Day { metrics, ..common }
    }

    fn names(self) -> Vec<(&'static str, Option<Better>)> {
        match self.0.score.numbers() {
            Some(_) => {
                let own = [
                    ("mae", Some(Better::Smaller)),
                    ("rmse", Some(Better::Smaller)),
                    ("r2", Some(Better::Larger)),
                    ("bias", None),
                ];
                let of_intervals = [("coverage", None), ("mean_width", None)];
                let of_intervals = of_intervals.iter().filter(|_| self.0.interval.is_some());
                own.iter().chain(of_intervals).copied().collect()
            }
            None => vec![("accuracy", Some(Better::Larger))],
        }
    }

    /// Rows with a label and a prediction, and their metrics, by weight where rows weigh.
    fn metrics(self, of: &Profile) -> (u64, Vec<Metric>) {
        let weights = of.weights.as_ref();
        let values: (u64, Vec<Option<f64>>) = match (&of.score, self.0.score.numbers()) {
            (ScoreCounts::Numbers(counts), Some(baseline)) => match counts.errors(baseline) {
                None => return (0, Vec::new()),
                Some(of) => {
                    let weighed = weights.map(|weights| weights.errors(baseline, of.rows));
                    let own = weighed
                        .unwrap_or(Some(of))
                        .map(|of| [Some(of.mae), Some(of.rmse), of.r2, Some(of.mean_error)]);
                    let own = own.unwrap_or_default();
                    let of_interval = self.0.interval.map(|[lower, upper]| {
                        let interval = [lower, upper];
                        let coverage = match weights {
                            Some(weights) => weights.coverage(baseline, interval),
                            None => counts.coverage(baseline, interval),
                        };
                        [coverage, Some(upper - lower)]
                    });
                    let of_interval = of_interval.into_iter().flatten();
                    (of.rows, own.into_iter().chain(of_interval).collect())
                }
            },
            (ScoreCounts::Classes(counts), _) => {
                let (rows, right) = right(counts);
                let accuracy = match weights {
                    Some(weights) => weighed_accuracy(weights, 0..counts.positive.cells.len()),
                    None => ratio(right, rows),
                };
                (rows, vec![accuracy])
            }
            _ => return (0, Vec::new()),
        };
        let named = self.names().into_iter().zip(values.1);
        let known = named.filter_map(|((name, better), value)| Some((name, better, value?)));
        (values.0, known.collect())
    }

    /// The rows by ranges of the score that each held about a tenth of the training data.
    pub(super) fn by_score(self, of: &Profile) -> Vec<Segment> {
        let (weights, of) = (of.weights.as_ref(), &of.score);
        let compared = self.0.score.compared(of);
        let cells = self.0.score.cells();
        let tenths = compared.tenths().into_iter().map(|cut| cut + 1);
        let edges = [0].into_iter().chain(tenths).chain([cells.len()]);
        let edges: Vec<usize> = edges.collect();
        let rows = |cells: &[u64], from: usize, to: usize| cells[from..to].iter().sum::<u64>();
        let (then, now) = (&compared.then.cells, &compared.now.cells);
        let range = |ends: &[usize]| {
            let (from, to) = (ends[0], ends[1]);
            let counts = of.classes().map(|counts| part(counts, from, to));
            let (measured, right) = counts.as_ref().map_or((0, 0), right);
            let accuracy = match weights.filter(|_| measured > 0) {
                Some(weights) => weighed_accuracy(weights, from..to),
                None => ratio(right, measured),
            };
            Segment {
                lower: from.checked_sub(1).map(|below| cells.cuts()[below]),
                upper: cells.cuts().get(to - 1).copied(),
                rows: rows(now, from, to),
                share: ratio(rows(now, from, to), compared.now.count()),
                reference_share: ratio(rows(then, from, to), compared.then.count()),
                measured_rows: measured,
                metrics: accuracy
                    .map(|accuracy| ("accuracy".to_owned(), accuracy))
                    .into_iter()
                    .collect(),
                ..Segment::default()
            }
        };
        edges.windows(2).map(range).collect()
    }
}

/// Labelled and scored rows, and right predictions among them.
fn right(counts: &ClassCounts) -> (u64, u64) {
    let (wrong, right) = (counts.negative.scored(), counts.positive.scored());
    ((wrong + right) as u64, right as u64)
}

/// Share of right predictions by weight, of scores in some of the cells.
fn weighed_accuracy(weights: &Weights, cells: Range<usize>) -> Option<f64> {
    let [wrong, right] = weights.classes()?.map(|sums| sums.within(cells.clone()));
    (wrong + right > 0.0).then(|| right / (wrong + right))
}

/// What is counted in some of the cells.
fn part(counts: &ClassCounts, from: usize, to: usize) -> ClassCounts {
    let mut part = ClassCounts::default();
    part.negative.cells = counts.negative.cells[from..to].to_vec();
    part.positive.cells = counts.positive.cells[from..to].to_vec();
    part
}

fn by_name(metrics: Vec<Metric>) -> BTreeMap<String, f64> {
    let named = metrics.into_iter();
    named
        .map(|(name, _, value)| (name.to_owned(), value))
        .collect()
}
