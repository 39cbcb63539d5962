//! The fit: one pass that counts, then passes that search the medians.

use std::collections::BTreeMap;

use super::categories::{Counts, Labels};
use super::error::Error;
use super::finish;
use super::fitted::Preprocessing;
use super::median::{Cell, Search};
use super::moments::Moments;
use super::plan::{ColumnPlan, ImputeNumber, NumericPlan, plan};
use super::settings::{Encode, Family, Settings};
use super::transform::{OutOfFold, clipped};
use crate::frame::{Column, FramePasses, FrameSums, LabelledFrame};
use crate::signature::Signature;

/// What a fit is for.
#[derive(Clone, Copy, Debug)]
pub struct FitOptions<'a> {
    /// The kind of the model.
    pub family: Family,
    /// Names of the classes where a label is the index of one of three or more; none where it is
    /// 0 or 1, or a number.
    pub classes: &'a [String],
    /// How many folds the training rows are in, for target encoding; 1 for none.
    pub folds: usize,
    /// Bytes of memory that the distinct values of all columns may take, in the counts of some rows
    /// and in those of all.
    pub memory: u64,
}

/// What a fit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// For rows to score.
    pub preprocessing: Preprocessing,
    /// For training rows; none with one fold, or without a column that the target encodes.
    pub out_of_fold: Option<OutOfFold>,
    /// By column, without those that are dropped.
    pub found: Vec<Found>,
}

/// What training rows held in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name of the feature.
    pub feature: String,
    /// Training rows.
    pub rows: u64,
    /// Of them, those without a value.
    pub missing: u64,
    /// Categories before rare ones were joined; none for numbers.
    pub distinct: Option<usize>,
    /// Categories that share `other`.
    pub rare: usize,
}

/// Fits preprocessing on the rows of some passes: at least one pass, and a few more where a
/// median is asked for.
///
/// Medians, frequent values and vocabularies do not depend on the chunks; means and deviations do
/// in their last bits alone. Weights weigh means, deviations and target encodings; what is
/// imputed and what is rare count rows, as in scikit-learn.
///
/// # Errors
/// Settings that do not fit the signature, values that are refused, and those of the passes.
pub fn fit<P: FramePasses>(
    passes: &mut P,
    signature: &Signature,
    settings: &Settings,
    options: &FitOptions<'_>,
) -> Result<Fitted, P::Error>
where
    P::Error: From<Error>,
{
    let mut plans = plan(signature, settings, options.family)?;
    let first = passes.pass(FirstPass::new(signature, &plans, options))?;
    if first.rows == 0 {
        return Err(Error::NoRows.into());
    }
    if let Some(excess) = first.excess {
        return Err(excess.into());
    }
    for (plan, sums) in plans.iter_mut().zip(&first.columns) {
        if let (ColumnPlan::Categorical(plan), ColumnSums::Categorical(counts)) = (plan, sums) {
            plan.settle(counts.distinct());
        }
    }
    let mut searches = Searches::new(&plans, &first);
    while searches.0.values().any(|of| of.search.median().is_none()) {
        for of in searches.0.values_mut() {
            of.search.start();
        }
        searches = passes.pass(searches)?;
        for of in searches.0.values_mut() {
            of.search.narrow();
        }
    }
    let median = |column: &usize| searches.0.get(column)?.search.median();
    Ok(finish::fitted(signature, plans, first, median, options)?)
}

/// That settings fit a signature.
///
/// # Errors
/// Names the column and the setting.
pub fn check(signature: &Signature, settings: &Settings, family: Family) -> Result<(), Error> {
    plan(signature, settings, family).map(drop)
}

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
    excess: Option<Error>,
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
    fn new(signature: &Signature, plans: &[ColumnPlan], options: &FitOptions<'_>) -> Self {
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

/// Medians that are searched, by column.
#[derive(Clone, Debug)]
struct Searches(BTreeMap<usize, ClippedSearch>);

#[derive(Clone, Debug)]
struct ClippedSearch {
    clip: [Option<f64>; 2],
    search: Search,
}

impl Searches {
    fn new(plans: &[ColumnPlan], first: &FirstPass) -> Self {
        let search = |(column, plan): (usize, &ColumnPlan)| match (plan, &first.columns[column]) {
            (ColumnPlan::Numeric(plan), ColumnSums::Numeric(_, sums))
                if plan.impute == ImputeNumber::Median && sums.all.count > 0 =>
            {
                let (clip, search) = (plan.clip, Search::new(sums.all));
                Some((column, ClippedSearch { clip, search }))
            }
            _ => None,
        };
        Self(plans.iter().enumerate().filter_map(search).collect())
    }
}

impl FrameSums for Searches {
    type Error = Error;

    fn add(&mut self, rows: &LabelledFrame<'_>) -> Result<(), Error> {
        for (column, of) in &mut self.0 {
            if let Some(Column::Numbers(numbers)) = rows.frame.columns().get(*column) {
                let clipped = numbers.iter().map(|number| clipped(of.clip, *number));
                for number in clipped.filter(|number| !number.is_nan()) {
                    of.search.add(number);
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        for (own, later) in self.0.values_mut().zip(later.0.values()) {
            own.search.merge(&later.search);
        }
    }
}
