//! The first pass of a fit: it counts.

use super::categories::{Counts, Labels};
use super::error::Error;
use super::median::Cell;
use super::moments::Moments;
use super::options::FitOptions;
use super::plan::{ColumnPlan, ImputeNumber, NumericPlan};
use super::settings::Encode;
use super::transform::clipped;
use crate::frame::{Column, FrameSums, LabelledFrame};
use crate::signature::Signature;

/// What the first pass counts.
#[derive(Clone, Debug)]
pub(super) struct FirstPass {
    /// Names, for errors.
    names: Vec<String>,
    pub(super) columns: Vec<ColumnSums>,
    labels: Labels,
    pub(super) rows: u64,
    /// Bytes that distinct values may take.
    memory: u64,
    /// Distinct values that take more: none are counted any longer.
    pub(super) excess: Option<Error>,
}

/// What is counted of one column.
#[derive(Clone, Debug)]
pub(super) enum ColumnSums {
    Numeric(NumericPlan, NumberSums),
    Categorical(Counts),
    Dropped,
}

/// What is counted of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct NumberSums {
    pub(super) missing: u64,
    pub(super) missing_weight: f64,
    /// Weighted.
    pub(super) moments: Moments,
    /// Not weighted.
    pub(super) plain: Moments,
    pub(super) all: Cell,
    pub(super) frequent: Option<Counts>,
}

impl FirstPass {
    pub(super) fn new(
        signature: &Signature,
        plans: &[ColumnPlan],
        options: &FitOptions<'_>,
    ) -> Self {
        let features = signature.features();
        let labels = Labels {
            outputs: options.classes.len().max(1),
            classes: !options.classes.is_empty(),
            folds: options.folds.max(1),
        };
        let sums = |plan: &ColumnPlan| match plan {
            ColumnPlan::Numeric(numeric) => {
                let frequent = numeric.impute == ImputeNumber::MostFrequent;
                let sums = NumberSums {
                    frequent: frequent.then(|| Counts::new(Labels::NONE)),
                    ..NumberSums::default()
                };
                ColumnSums::Numeric(numeric.clone(), sums)
            }
            ColumnPlan::Categorical(plan)
                if plan.encode == Encode::Target || plan.one_hot_up_to.is_some() =>
            {
                ColumnSums::Categorical(Counts::new(labels))
            }
            ColumnPlan::Categorical(_) => ColumnSums::Categorical(Counts::new(Labels::NONE)),
            ColumnPlan::Dropped(_) => ColumnSums::Dropped,
        };
        Self {
            names: features.iter().map(|of| of.name.clone()).collect(),
            columns: plans.iter().map(sums).collect(),
            labels,
            rows: 0,
            memory: options.memory,
            excess: None,
        }
    }

    pub(super) fn labels(&self) -> Labels {
        self.labels
    }

    /// Forgets all distinct values where they take too much memory.
    fn bound(&mut self) {
        let counts = self.columns.iter().map(ColumnSums::counts);
        if counts.flatten().map(Counts::taken).sum::<u64>() <= self.memory {
            return;
        }
        let counts = self.columns.iter().zip(&self.names);
        let counts = counts.filter_map(|(of, name)| Some((of.counts()?, name)));
        let most = counts.rev().max_by_key(|(counts, _)| counts.taken());
        self.excess = most.map(|(counts, name)| Error::Memory {
            column: name.clone(),
            distinct: counts.distinct(),
            limit: self.memory,
        });
        self.clear();
    }

    fn clear(&mut self) {
        for counts in self.columns.iter_mut().filter_map(ColumnSums::counts_mut) {
            counts.clear();
        }
    }

    fn check(&self, rows: &LabelledFrame<'_>) -> Result<(), Error> {
        let count = rows.frame.len();
        let one_each = rows.y.len() == count
            && rows.weights.is_none_or(|weights| weights.len() == count)
            && rows.folds.is_none_or(|folds| folds.len() == count)
            && rows.frame.columns().len() == self.columns.len();
        if !one_each {
            let reason = "columns, labels, weights and folds must be of the same rows";
            return Err(Error::Invalid(reason.to_owned()));
        }
        let labels = self.labels;
        let fits = |y: f64| {
            let class = !labels.classes || (0..labels.outputs).any(|class| class as f64 == y);
            y.is_finite() && class
        };
        if let Some(row) = rows.y.iter().position(|y| !fits(*y)) {
            let expected = match labels.classes {
                true => format!("the index of a class, from 0 to {}", labels.outputs - 1),
                false => "a finite number".to_owned(),
            };
            return Err(Error::Label {
                row,
                value: rows.y[row],
                expected,
            });
        }
        let bad = |weight: f64| !(weight.is_finite() && weight >= 0.0);
        if let Some(row) = (0..count).find(|row| bad(rows.weight(*row))) {
            let value = rows.weight(row);
            return Err(Error::Weight { row, value });
        }
        if let Some(row) = (0..count).find(|row| rows.fold(*row) >= labels.folds) {
            let (fold, folds) = (rows.fold(row), labels.folds);
            let reason = format!("row {row} is in fold {fold}, and the fit is of {folds} folds");
            return Err(Error::Invalid(reason));
        }
        Ok(())
    }
}

impl ColumnSums {
    /// Of distinct values, where some are counted.
    fn counts(&self) -> Option<&Counts> {
        match self {
            Self::Numeric(_, sums) => sums.frequent.as_ref(),
            Self::Categorical(counts) => Some(counts),
            Self::Dropped => None,
        }
    }

    fn counts_mut(&mut self) -> Option<&mut Counts> {
        match self {
            Self::Numeric(_, sums) => sums.frequent.as_mut(),
            Self::Categorical(counts) => Some(counts),
            Self::Dropped => None,
        }
    }
}

impl FrameSums for FirstPass {
    type Error = Error;

    fn add(&mut self, rows: &LabelledFrame<'_>) -> Result<(), Error> {
        self.check(rows)?;
        self.rows += rows.frame.len() as u64;
        for (at, values) in rows.frame.columns().iter().enumerate() {
            if self.excess.is_some() {
                return Ok(());
            }
            let name = &self.names[at];
            match (&mut self.columns[at], values) {
                (ColumnSums::Numeric(plan, sums), Column::Numbers(numbers)) => {
                    sums.add(name, plan, numbers, rows)?;
                }
                (ColumnSums::Categorical(counts), Column::Texts(texts)) => {
                    for (row, text) in texts.iter().enumerate() {
                        counts.add(*text, rows.y[row], rows.weight(row), rows.fold(row));
                    }
                }
                (ColumnSums::Dropped, _) => {}
                _ => {
                    let reason = format!("column {name:?} is of another kind");
                    return Err(Error::Invalid(reason));
                }
            }
            // Of each column, since a batch of many has as many new values.
            self.bound();
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.rows += later.rows;
        self.excess = self.excess.take().or(later.excess);
        if self.excess.is_some() {
            self.clear();
            return;
        }
        for (own, later) in self.columns.iter_mut().zip(later.columns) {
            match (own, later) {
                (ColumnSums::Numeric(_, own), ColumnSums::Numeric(_, later)) => own.merge(later),
                (ColumnSums::Categorical(own), ColumnSums::Categorical(later)) => own.merge(later),
                _ => {}
            }
        }
        self.bound();
    }
}

impl NumberSums {
    fn add(
        &mut self,
        name: &str,
        plan: &NumericPlan,
        numbers: &[f64],
        rows: &LabelledFrame<'_>,
    ) -> Result<(), Error> {
        let clip = |number: &f64| clipped(plan.clip, *number);
        let infinite = |number: &f64| clip(number).is_infinite();
        if let Some(row) = numbers.iter().position(infinite) {
            return Err(Error::Infinite {
                column: name.to_owned(),
                row,
                value: clip(&numbers[row]),
            });
        }
        let weighted = numbers.iter().map(clip).enumerate();
        let weighted = weighted.map(|(row, number)| (number, rows.weight(row)));
        for (number, weight) in weighted.clone() {
            if number.is_nan() {
                self.missing += 1;
                self.missing_weight += weight;
                continue;
            }
            self.all.add(number);
            if let Some(frequent) = &mut self.frequent {
                frequent.add_number(number);
            }
        }
        let present = weighted.filter(|(number, _)| !number.is_nan());
        let plain = Moments::of_all(present.clone().map(|(number, _)| (number, 1.0)));
        let moments = match rows.weights {
            Some(_) => Moments::of_all(present),
            None => plain,
        };
        self.plain.merge(&plain);
        self.moments.merge(&moments);
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.missing += later.missing;
        self.missing_weight += later.missing_weight;
        self.moments.merge(&later.moments);
        self.plain.merge(&later.plain);
        self.all.merge(&later.all);
        if let (Some(own), Some(later)) = (&mut self.frequent, later.frequent) {
            own.merge(later);
        }
    }
}
