//! Metrics of a predicted number, streamed and mergeable, equal to scikit-learn's.
//!
//! The median of the absolute error takes passes of its own: [`Select`](super::select::Select).
//! Errors by decile of the prediction take its edges first: [`Bands`].
//!
//! ```
//! use learn::metrics::regression::Regression;
//!
//! let mut rows = Regression::default();
//! rows.add_rows(&[1.0, 2.0, 3.0], &[1.0, 2.0, 6.0], None)?;
//! let report = rows.report();
//! assert_eq!((report.mae, report.bias), (Some(1.0), Some(1.0)));
//! # Ok::<(), learn::rows::RowError>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::model::sum::Sum;
use crate::rows::{RowError, Rows, check_weights};
use crate::rule::{Rule, ends, width};

/// What is summed per row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regression {
    rows: u64,
    weight: Sum,
    absolute: Sum,
    squared: Sum,
    signed: Sum,
    relative: Sum,
    predicted: Sum,
    largest: f64,
    /// How intervals are made, the weight of the labels within, and the widths of those that
    /// differ.
    rule: Rule,
    within: Sum,
    widths: Sum,
    /// Weighted mean of the labels, and the sum of squares around it.
    mean: f64,
    spread: Sum,
}

/// All metrics of one set of rows. Undefined ones are `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows in all.
    pub rows: u64,
    /// What they weigh.
    pub weight: f64,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// Root of the mean squared error.
    pub rmse: Option<f64>,
    /// Share of the labels' variance that is explained; `None` below two rows.
    pub r2: Option<f64>,
    /// Mean absolute error as a share of the label's size.
    pub mape: Option<f64>,
    /// Mean of prediction minus label.
    pub bias: Option<f64>,
    /// Largest absolute error.
    pub max_error: Option<f64>,
    /// Mean label.
    pub mean_label: Option<f64>,
    /// Mean prediction.
    pub mean_prediction: Option<f64>,
    /// Population standard deviation of the labels.
    pub std_label: Option<f64>,
    /// Share of the labels that lie within the interval of their prediction, its ends included;
    /// `None` without intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Mean width of the intervals, in units of the label; `None` without intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_width: Option<f64>,
}

impl Regression {
    /// Of no rows yet, whose predictions have an interval: what is added to them for its ends.
    pub fn with_interval(interval: Option<[f64; 2]>) -> Self {
        Self::of(&Rule {
            interval,
            ..Rule::default()
        })
    }

    /// Of no rows yet, whose predictions have intervals by a rule.
    pub fn of(rule: &Rule) -> Self {
        Self {
            rule: *rule,
            ..Self::default()
        }
    }

    /// Adds rows: a finite label and a finite prediction each, which two quantiles follow where the
    /// rule says so.
    ///
    /// # Errors
    /// The first row with another value. Nothing is added then.
    ///
    /// # Panics
    /// When the slices differ in length: a bug of the caller.
    pub fn add_rows(
        &mut self,
        labels: &[f64],
        predictions: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(), RowError> {
        let width = width(&self.rule);
        let rows = checked(labels, predictions, width, weights)?;
        let mut part = Self::of(&self.rule);
        let scored = labels.iter().zip(predictions.chunks_exact(width));
        for (row, (label, outputs)) in scored.enumerate() {
            part.add(*label, outputs, rows.weight(row));
        }
        part.rows = labels.len() as u64;
        part.place(&rows);
        self.merge(&part);
        Ok(())
    }

    fn add(&mut self, label: f64, outputs: &[f64], weight: f64) {
        let prediction = outputs[0];
        let error = prediction - label;
        self.weight.add(weight);
        self.absolute.add(weight * error.abs());
        self.squared.add(weight * error * error);
        self.signed.add(weight * error);
        // scikit-learn's own bound, so that a label of 0 does not make it infinite.
        let size = label.abs().max(f64::EPSILON);
        self.relative.add(weight * (error.abs() / size));
        self.predicted.add(weight * prediction);
        self.largest = self.largest.max(error.abs());
        if let Some(interval) = self.rule.interval {
            let [lower, upper] = ends(outputs, interval);
            if (lower..=upper).contains(&label) {
                self.within.add(weight);
            }
            if self.rule.quantiles {
                self.widths.add(weight * (upper - lower));
            }
        }
    }

    /// Mean of the labels, and squares around it.
    fn place(&mut self, rows: &Rows<'_>) {
        let weight = self.weight.value();
        if weight <= 0.0 {
            return;
        }
        let mut sum = Sum::default();
        for (row, label) in rows.y.iter().enumerate() {
            sum.add(rows.weight(row) * label);
        }
        self.mean = sum.value() / weight;
        for (row, label) in rows.y.iter().enumerate() {
            let distance = label - self.mean;
            self.spread.add(rows.weight(row) * distance * distance);
        }
    }

    /// Merges `other`, whose rows come after these.
    pub fn merge(&mut self, other: &Self) {
        let (before, added) = (self.weight.value(), other.weight.value());
        self.rows += other.rows;
        if added > 0.0 {
            let (shift, share) = (other.mean - self.mean, added / (before + added));
            self.spread.merge(&other.spread);
            if before > 0.0 {
                self.spread.add(shift * shift * before * share);
                self.mean += shift * share;
            } else {
                self.mean = other.mean;
            }
        }
        for (ours, theirs) in [
            (&mut self.weight, &other.weight),
            (&mut self.absolute, &other.absolute),
            (&mut self.squared, &other.squared),
            (&mut self.signed, &other.signed),
            (&mut self.relative, &other.relative),
            (&mut self.predicted, &other.predicted),
            (&mut self.within, &other.within),
            (&mut self.widths, &other.widths),
        ] {
            ours.merge(theirs);
        }
        self.largest = self.largest.max(other.largest);
    }

    /// Every metric.
    pub fn report(&self) -> Report {
        let weight = self.weight.value();
        let mean = |sum: &Sum| (weight > 0.0).then(|| sum.value() / weight);
        Report {
            rows: self.rows,
            weight,
            mae: mean(&self.absolute),
            rmse: mean(&self.squared).map(f64::sqrt),
            r2: self.r2(),
            mape: mean(&self.relative),
            bias: mean(&self.signed),
            max_error: (self.rows > 0).then_some(self.largest),
            mean_label: (weight > 0.0).then_some(self.mean),
            mean_prediction: mean(&self.predicted),
            std_label: mean(&self.spread).map(f64::sqrt),
            coverage: self.rule.interval.and_then(|_| mean(&self.within)),
            mean_width: match (self.rule.interval, self.rule.quantiles) {
                (Some(_), true) => mean(&self.widths),
                (interval, _) => {
                    let interval = interval.filter(|_| weight > 0.0);
                    interval.map(|[lower, upper]| upper - lower)
                }
            },
        }
    }

    /// Labels that are all equal are explained wholly or not at all, as in scikit-learn.
    fn r2(&self) -> Option<f64> {
        let (left, all) = (self.squared.value(), self.spread.value());
        match self.rows {
            0 | 1 => None,
            _ if all > 0.0 => Some(1.0 - left / all),
            _ => Some(f64::from(u8::from(left == 0.0))),
        }
    }
}

fn checked<'a>(
    labels: &'a [f64],
    predictions: &'a [f64],
    width: usize,
    weights: Option<&'a [f64]>,
) -> Result<Rows<'a>, RowError> {
    assert_eq!(
        labels.len() * width,
        predictions.len(),
        "one prediction a label"
    );
    let rows = Rows {
        x: predictions,
        y: labels,
        weights,
    };
    rows.check_numbers()?;
    check_weights(weights, labels.len())?;
    match predictions.iter().position(|p| !p.is_finite()) {
        Some(at) => Err(RowError::Prediction {
            row: at / width,
            value: predictions[at],
            expected: "a finite number",
        }),
        None => Ok(rows),
    }
}

/// Errors by band of the prediction, such as its deciles.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    edges: Vec<f64>,
    bands: Vec<Regression>,
}

/// The rows whose prediction is above `above` and not above `up_to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// `None` for the lowest band.
    pub above: Option<f64>,
    /// `None` for the highest band.
    pub up_to: Option<f64>,
    /// Their metrics.
    pub report: Report,
}

impl Bands {
    /// Of no rows yet. Equal edges make one; rows of equal predictions share a band.
    pub fn new(edges: &[f64]) -> Self {
        let mut edges = edges.to_vec();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        Self {
            bands: vec![Regression::default(); edges.len() + 1],
            edges,
        }
    }

    /// Adds rows, as [`Regression::add_rows`].
    ///
    /// # Errors
    /// Those of [`Regression::add_rows`].
    ///
    /// # Panics
    /// As [`Regression::add_rows`].
    pub fn add_rows(
        &mut self,
        labels: &[f64],
        predictions: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(), RowError> {
        checked(labels, predictions, 1, weights)?;
        type Columns = (Vec<f64>, Vec<f64>, Vec<f64>);
        let mut sorted: Vec<Columns> = vec![Columns::default(); self.bands.len()];
        for (row, prediction) in predictions.iter().enumerate() {
            let band = self.edges.partition_point(|edge| edge < prediction);
            let (of_labels, of_predictions, of_weights) = &mut sorted[band];
            of_labels.push(labels[row]);
            of_predictions.push(*prediction);
            of_weights.push(weights.map_or(1.0, |weights| weights[row]));
        }
        for (band, (labels, predictions, weights)) in self.bands.iter_mut().zip(&sorted) {
            band.add_rows(labels, predictions, Some(weights))?;
        }
        Ok(())
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Panics
    /// When the edges differ: a bug of the caller.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.edges, other.edges, "bands of other edges");
        for (ours, theirs) in self.bands.iter_mut().zip(&other.bands) {
            ours.merge(theirs);
        }
    }

    /// The bands, from the lowest predictions to the highest.
    pub fn report(&self) -> Vec<Band> {
        let band = |(i, band): (usize, &Regression)| Band {
            above: i.checked_sub(1).map(|i| self.edges[i]),
            up_to: self.edges.get(i).copied(),
            report: band.report(),
        };
        self.bands.iter().enumerate().map(band).collect()
    }
}
