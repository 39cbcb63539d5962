//! What is kept of a model's scores on its training data, as its task says.

use std::sync::Arc;

use anyhow::{Context, Result};
use learn::fitted_model::FittedModel;
use learn::task::{CountedAs, PREDICTION, PROBABILITY, Predictions, Rule, Values};
use profile::cells::{Counts, Fine, Sketch, shares};
use profile::profiles::{ClassCounts, OfNumber, Overflow, error_cuts, score_cuts};
use profile::reference::ScoreProfile;

use crate::extremes::Spread;

/// The middle of probabilities, and about their deviation.
const OF_PROBABILITIES: (f64, f64) = (0.5, 0.25);

/// Scores of some rows: each beside what its label counts as.
pub(super) enum Scored {
    /// Probabilities, and whether the label is the second of two kinds.
    Classes(Vec<f64>, Vec<bool>),
    Numbers(Vec<OfNumber<f64>>),
}

impl Scored {
    /// Of rows as the estimator takes them, and their labels.
    ///
    /// # Errors
    /// A task that predicts no column that it is counted by: a bug of the task.
    pub(super) fn of(model: &FittedModel, x: &[f64], y: &[f64]) -> Result<Self> {
        let mut outputs = Vec::new();
        model.outputs(x, &mut outputs);
        let columns = model.task.predictions(&model.target, &model.rule, &outputs);
        Ok(match model.task.counted_as() {
            CountedAs::PositiveClass => {
                let positive = y.iter().map(|label| *label > 0.0);
                Self::Classes(numbers(columns, PROBABILITY)?, positive.collect())
            }
            CountedAs::PredictedClass => {
                let right = classes(&columns)?.iter().zip(y);
                let right = right.map(|(class, label)| *class == Some(*label as usize));
                let right = right.collect();
                Self::Classes(numbers(columns, PROBABILITY)?, right)
            }
            CountedAs::Number => {
                let rows = numbers(columns, PREDICTION)?.into_iter().zip(y);
                let rows = rows.map(|(prediction, label)| OfNumber::of(prediction, *label));
                Self::Numbers(rows.collect())
            }
        })
    }
}

fn numbers(columns: Vec<Predictions>, name: &str) -> Result<Vec<f64>> {
    let of = columns.into_iter().find(|column| column.name == name);
    match of.map(|column| column.values) {
        Some(Values::Numbers(numbers)) => Ok(numbers),
        _ => anyhow::bail!("the task predicts no numbers in a column {name:?}"),
    }
}

fn classes(columns: &[Predictions]) -> Result<&[Option<usize>]> {
    let of = columns.iter().find(|column| column.name == PREDICTION);
    match of.map(|column| &column.values) {
        Some(Values::Classes(classes)) => Ok(classes),
        _ => anyhow::bail!("the task predicts no classes in a column {PREDICTION:?}"),
    }
}

/// The first look at scores.
#[derive(Clone)]
pub(super) enum Looks {
    Classes(Sketch),
    Numbers(Box<OfNumber<(Sketch, Spread)>>),
}

impl Looks {
    pub(super) fn new(model: &FittedModel) -> Self {
        match model.task.counted_as() {
            CountedAs::PositiveClass | CountedAs::PredictedClass => {
                Self::Classes(Sketch::default())
            }
            CountedAs::Number => Self::Numbers(Box::default()),
        }
    }

    /// Looks at rows, of which some are picked.
    pub(super) fn see(&mut self, scored: &Scored, picked: &[usize]) {
        match (self, scored) {
            (Self::Classes(sketch), Scored::Classes(scores, _)) => look(sketch, scores, picked),
            (Self::Numbers(looks), Scored::Numbers(rows)) => {
                for (at, (sketch, spread)) in
                    looks.as_mut().as_mut().into_array().into_iter().enumerate()
                {
                    let values = rows.iter().map(|row| row.into_array()[at]);
                    let values: Vec<f64> = values.collect();
                    look(sketch, &values, picked);
                    let finite = values.into_iter().filter(|value| value.is_finite());
                    spread.merge(&Spread::of(&finite.collect::<Vec<f64>>()));
                }
            }
            _ => panic!("scores of another task: a bug of the caller"),
        }
    }

    pub(super) fn merge(&mut self, later: &Self) {
        match (self, later) {
            (Self::Classes(ours), Self::Classes(theirs)) => ours.merge(theirs),
            (Self::Numbers(ours), Self::Numbers(theirs)) => {
                let pairs = ours.as_mut().as_mut().zip(theirs.as_ref().as_ref());
                for ((ours, spread), (theirs, of_theirs)) in pairs.into_array() {
                    ours.merge(theirs);
                    spread.merge(of_theirs);
                }
            }
            _ => panic!("scores of another task: a bug of the caller"),
        }
    }

    /// Counts of no scores yet, in fine cells.
    pub(super) fn counted(self, rule: &Rule) -> CountedScores {
        match self {
            Self::Classes(sketch) => {
                let fine = sketch.fine(OF_PROBABILITIES, &score_cuts(rule.threshold));
                let counts = ClassCounts::new(&fine.cells);
                CountedScores::Classes(Arc::new(fine), counts)
            }
            Self::Numbers(looks) => {
                let ends = rule.interval.filter(|_| !rule.quantiles).map(error_cuts);
                let ends: Vec<f64> = ends.into_iter().flatten().collect();
                let cuts = OfNumber {
                    error: ends,
                    ..OfNumber::default()
                };
                let fine = looks
                    .zip(cuts)
                    .map(|((sketch, spread), cuts)| sketch.fine(spread.mean_and_std(), &cuts));
                let counts = fine.as_ref().map(|of| Counts::new(&of.cells));
                CountedScores::Numbers(Arc::new(fine), Box::new(counts))
            }
        }
    }
}

/// Looks at values, and keeps those of the rows that are picked.
pub(super) fn look(sketch: &mut Sketch, values: &[f64], picked: &[usize]) {
    sketch.see(values);
    for at in picked {
        sketch.keep(values[*at]);
    }
}

/// Scores that are counted in fine cells.
#[derive(Clone)]
pub(super) enum CountedScores {
    Classes(Arc<Fine>, ClassCounts),
    Numbers(Arc<OfNumber<Fine>>, Box<OfNumber<Counts>>),
}

impl CountedScores {
    pub(super) fn add(&mut self, scored: &Scored) {
        match (self, scored) {
            (Self::Classes(fine, counts), Scored::Classes(scores, labels)) => {
                for (score, label) in scores.iter().zip(labels) {
                    counts.add(&fine.cells, Some(*score), Some(u8::from(*label)), 1);
                }
            }
            (Self::Numbers(fine, counts), Scored::Numbers(rows)) => {
                for row in rows {
                    let columns = fine.as_ref().as_ref().zip(counts.as_mut().as_mut());
                    for ((fine, counts), value) in columns.zip(*row).into_array() {
                        counts.add(&fine.cells, value, 1);
                    }
                }
            }
            _ => panic!("scores of another task: a bug of the caller"),
        }
    }

    pub(super) fn merge(&mut self, later: &Self) -> Result<()> {
        match (self, later) {
            (Self::Classes(_, ours), Self::Classes(_, theirs)) => {
                ours.merge(theirs).ok_or(Overflow)?;
            }
            (Self::Numbers(_, ours), Self::Numbers(_, theirs)) => {
                let pairs = ours.as_mut().as_mut().zip(theirs.as_ref().as_ref());
                for (ours, theirs) in pairs.into_array() {
                    ours.merge(theirs).ok_or(Overflow)?;
                }
            }
            _ => return Err(Overflow).context("scores of another task"),
        }
        Ok(())
    }

    /// The cells that are chosen, now that all rows are counted.
    pub(super) fn profile(&self) -> ScoreProfile {
        match self {
            Self::Classes(fine, counts) => ScoreProfile::chosen(fine, counts),
            Self::Numbers(fine, counts) => {
                let columns = fine.as_ref().as_ref().zip(counts.as_ref().as_ref());
                let chosen =
                    columns.map(|(fine, counts)| fine.coarse(&shares(), &counts.cells).of(counts));
                ScoreProfile::Numbers(Box::new(chosen))
            }
        }
    }
}
