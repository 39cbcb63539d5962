//! What one pass sees of rows whose numbers may be missing.

use super::Units;
use crate::estimator::FitError;
use crate::estimator::seen::{InputSeen, Seen};
use crate::model;
use crate::rows::{RowError, Rows, Sums, check_weights, class_of};
use crate::squares::Squares;
use crate::task::Target;

/// Numbers that differ by less have squares that are 0.
const LEAST: f64 = 1e-150;

/// Means and spreads of inputs, of those of their numbers that are there, and what the labels are.
#[derive(Clone, Debug)]
pub struct Look {
    rows: u64,
    names: Vec<String>,
    inputs: Vec<Spread>,
    /// Of a target that is a number.
    label: Spread,
    /// Of classes: their rows, and what these weigh.
    classes: Vec<(u64, f64)>,
}

/// Mean and spread of weighted numbers, by Welford's and Chan's updates.
#[derive(Clone, Copy, Debug)]
struct Spread {
    weight: f64,
    mean: f64,
    squares: Squares,
    min: f64,
    max: f64,
}

impl Spread {
    const NONE: Self = Self {
        weight: 0.0,
        mean: 0.0,
        squares: Squares::NONE,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn add(&mut self, value: f64, weight: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if weight > 0.0 {
            self.weight += weight;
            let beside = value - self.mean;
            self.mean += beside * (weight / self.weight);
            let after = value - self.mean;
            self.squares
                .add(|unit| weight * (beside * unit) * (after * unit));
        }
    }

    fn merge(&mut self, later: &Self) {
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        let weight = self.weight + later.weight;
        if later.weight > 0.0 {
            let beside = later.mean - self.mean;
            self.mean += beside * (later.weight / weight);
            let weights = self.weight * later.weight / weight;
            let mut squares = later.squares;
            squares.add(|unit| (beside * unit) * (beside * unit) * weights);
            self.squares.merge(&squares);
            self.weight = weight;
        }
    }

    fn std(&self) -> f64 {
        match self.weight > 0.0 {
            true => self.squares.deviation(self.weight),
            false => 0.0,
        }
    }
}

impl Look {
    /// Of no rows yet, with inputs of these names and so many classes.
    pub fn new(names: &[String], classes: usize) -> Self {
        Self {
            rows: 0,
            names: names.to_vec(),
            inputs: vec![Spread::NONE; names.len()],
            label: Spread::NONE,
            classes: vec![(0, 0.0); classes],
        }
    }

    /// Names of the inputs.
    pub(in crate::estimator) fn names(&self) -> &[String] {
        &self.names
    }

    /// What the pass saw.
    pub fn seen(&self) -> Seen {
        let there = |value: f64| if value.is_finite() { value } else { 0.0 };
        let input = |(name, of): (&String, &Spread)| InputSeen {
            name: name.clone(),
            mean: of.mean,
            std: of.std(),
            min: there(of.min),
            max: there(of.max),
        };
        Seen {
            rows: self.rows,
            positives: (self.classes.len() == 2).then(|| self.classes[1].0),
            inputs: self.names.iter().zip(&self.inputs).map(input).collect(),
        }
    }

    /// The mean of a target that is a number, and the shares of classes.
    ///
    /// # Errors
    /// No rows that weigh anything, or a class without any.
    pub fn labels(&self, target: &Target) -> Result<(f64, Vec<f64>), FitError> {
        let weight: f64 = self.classes.iter().map(|(_, weight)| weight).sum();
        if self.rows == 0 || (self.classes.is_empty() && self.label.weight == 0.0) {
            return Err(model::FitError::NoRows.into());
        }
        let empty = self.classes.iter().position(|(_, weight)| *weight == 0.0);
        match (empty, self.classes.len()) {
            (None, _) => {}
            (Some(class), 2) => {
                let label = 1 - class as u8;
                let rows = self.rows;
                return Err(model::FitError::OneClass { label, rows }.into());
            }
            (Some(class), _) => {
                return Err(FitError::MissingClass {
                    class: target.class_names()[class].clone(),
                });
            }
        }
        let shares = self.classes.iter().map(|(_, of)| of / weight);
        Ok((self.label.mean, shares.collect()))
    }

    /// The units to grow trees in.
    ///
    /// # Errors
    /// A target that is a number, and always the same, or whose squares are not of double
    /// precision.
    pub fn units(&self, target: &Target) -> Result<Units, FitError> {
        if !self.classes.is_empty() {
            return Ok(Units::default());
        }
        let label = &self.label;
        let vanish = label.min < label.max && label.max - label.min < LEAST;
        if vanish || !label.mean.is_finite() || !label.std().is_finite() {
            return Err(FitError::Squares {
                target: target.name.clone(),
                range: [label.min, label.max],
            });
        }
        if label.std() == 0.0 {
            let (value, rows) = (label.mean, self.rows);
            return Err(FitError::OneValue { value, rows });
        }
        Ok(Units::of(label.mean, label.std()))
    }
}

impl Sums for Look {
    type Error = FitError;

    fn add(&mut self, rows: Rows<'_>) -> Result<(), FitError> {
        let width = self.inputs.len();
        if let Some(at) = rows.x.iter().position(|value| value.is_infinite()) {
            return Err(FitError::Row(RowError::Feature {
                feature: self.names[at % width].clone(),
                row: at / width,
                value: rows.x[at],
            }));
        }
        check_weights(rows.weights, rows.len())?;
        match self.classes.len() {
            0 => rows.check_numbers()?,
            classes => rows.check_classes(classes)?,
        }
        self.rows += rows.len() as u64;
        for (row, values) in rows.x.chunks_exact(width).enumerate() {
            let weight = rows.weight(row);
            for (of, value) in self.inputs.iter_mut().zip(values) {
                if !value.is_nan() {
                    of.add(*value, weight);
                }
            }
            match class_of(rows.y[row], self.classes.len()) {
                Some(class) => {
                    self.classes[class].0 += 1;
                    self.classes[class].1 += weight;
                }
                None => self.label.add(rows.y[row], weight),
            }
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.rows += later.rows;
        for (of, later) in self.inputs.iter_mut().zip(&later.inputs) {
            of.merge(later);
        }
        self.label.merge(&later.label);
        for (of, later) in self.classes.iter_mut().zip(&later.classes) {
            of.0 += later.0;
            of.1 += later.1;
        }
    }

    fn bytes(&self) -> u64 {
        size_of_val(self.inputs.as_slice()) as u64
    }
}
