//! The training rows in two: those that a model is fitted on, and those that it is validated on.
//!
//! What is chosen by looking at labels, such as a candidate, when to stop, a calibration or a
//! threshold, is chosen on the validation rows. The holdout is no part of either.
//!
//! A row's side follows from its own key or time, so it does not depend on which part holds the
//! row, nor on who reads it:
//! - by id: about `fraction` of all ids, by a hash of them, validate. Rows that share their ids are
//!   on one side. It is another half of the hash than the one that a holdout of `fraction` takes,
//!   so that the two do not depend on each other.
//! - by time, which is the default where the holdout is `after` a date: the latest rows validate,
//!   at least `fraction` of all. Rows of one time are on one side.
//!
//! By id there may be several splits, the folds, each of which validates other ids.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use catalog::manifest::DatasetManifest;
//! # use learn::models::Validation;
//! # use runtime::step::Step;
//! # use store::Store;
//! # use table::labelled::{LabelledRows, Side, Split};
//! # async fn example(
//! #     step: &Step, store: &Store, train: &DatasetManifest, rows: LabelledRows,
//! # ) -> anyhow::Result<()> {
//! // One pass over the keys, or a few over the times.
//! let split = Arc::new(Split::of(step, store, train, &Validation::default()).await?);
//! let fit = rows.clone().on_side(&split, Side::Fit);
//! let validation = rows.on_side(&split, Side::Validation);
//! for part in &train.parts {
//!     // Chunks are as large as ever; only the last of a part is shorter.
//!     let mut seen = 0;
//!     fit.each_chunk(part, |rows| {
//!         seen += rows.len() as u64;
//!         Ok(())
//!     })?;
//!     assert_eq!(seen, fit.rows_of(part)?);
//!     validation.each_chunk(part, |_rows| Ok(()))?;
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::dataset::{HoldoutRule, keys};
use crate::parts;
use catalog::manifest::{DatasetManifest, Part, Role};
use learn::metrics::select::{self, Select};
use learn::models::{By, FILE, Validation};
use learn::task::Target;
use runtime::failure::Failure;
use runtime::step::Step;
use store::Store;

/// Training rows for which candidates are compared on several folds, unless it is said: by a fifth
/// of so few, chance chooses; with fewer still, a fold may have no row or one class.
const FEW_ROWS: Range<u64> = 200..5_000;
const MOST_FOLDS: u64 = 5;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What a model is fitted on.
    Fit,
    /// What it is validated on.
    Validation,
}

/// Which training rows are on which side, and how many.
#[derive(Debug)]
pub struct Split {
    rule: Rule,
    /// The columns that a row's side follows from.
    columns: Vec<String>,
    /// Rows to fit and to validate on, of each part by its key.
    parts: HashMap<String, [u64; 2]>,
}

/// Which rows validate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// Those whose ids have a hash from the first to below the second.
    Within(u64, u64),
    /// Those of this time or later: days, or microseconds.
    From(f64),
}

impl Split {
    /// Splits the training data. One pass reads the columns of ids; by time, four more read the
    /// column of times before it. The order of the parts does not matter, nor do the threads.
    ///
    /// # Errors
    /// A side without rows, or a split by time of data that has none: exit 2, with the setting that
    /// helps.
    pub async fn of(
        step: &Step,
        store: &Store,
        train: &DatasetManifest,
        validation: &Validation,
    ) -> Result<Self> {
        let split = Self::fold(step, store, train, validation, 0).await?;
        split.check(train, validation)?;
        Ok(split)
    }

    /// The splits that candidates are compared on, one or more: as many as `folds` says, or, where
    /// it says nothing, several of few rows, each of which has every class, or different numbers,
    /// of a `target` among the rows to fit on.
    ///
    /// # Errors
    /// As [`Split::of`], and several folds by time: exit 2.
    pub async fn folds(
        step: &Step,
        store: &Store,
        train: &DatasetManifest,
        validation: &Validation,
        target: Option<&Target>,
    ) -> Result<Vec<Arc<Self>>> {
        let by = by(train, validation);
        let few = by == By::Id && FEW_ROWS.contains(&train.rows);
        let checked = validation.check_folds(by);
        checked.map_err(|error| Failure::usage(format!("{FILE}: {error}")))?;
        let folds = match validation.folds {
            Some(folds) => folds,
            None if few => validation.most_folds().min(MOST_FOLDS),
            None => 1,
        };
        let mut splits = vec![Arc::new(Self::of(step, store, train, validation).await?)];
        for fold in 1..folds {
            let split = Arc::new(Self::fold(step, store, train, validation, fold).await?);
            if validation.folds.is_some() {
                split.check(train, validation)?;
            } else if split.has_empty_side() || split.lacks(step, store, train, target).await? {
                // Few ids, or a rare label, make no reason to refuse the data.
                continue;
            }
            splits.push(split);
        }
        Ok(splits)
    }

    /// Whether some class has no row to fit on, or all of these rows have the same number.
    async fn lacks(
        self: &Arc<Self>,
        step: &Step,
        store: &Store,
        train: &DatasetManifest,
        target: Option<&Target>,
    ) -> Result<bool> {
        let Some(target) = target else {
            return Ok(false);
        };
        let (is_number, target) = (target.classes.is_empty(), target.name.clone());
        let columns = [&self.columns[..], std::slice::from_ref(&target)].concat();
        let split = self.clone();
        let see = move |seen: &mut [HashSet<u128>; 2], _: &Part, batch: &RecordBatch| {
            let sides = split.rows_on(Side::Validation, batch)?;
            let labels = batch.column(batch.schema_ref().index_of(&target)?).clone();
            for (label, validates) in keys::hashes(&[labels])?.zip(&sides) {
                seen[usize::from(validates == Some(true))].insert(label);
            }
            Ok(())
        };
        let mut seen: [HashSet<u128>; 2] = Default::default();
        pass(step, store, train, &columns, seen.clone(), see, |of_part| {
            let sides = seen.iter_mut().zip(of_part);
            sides.for_each(|(seen, of_part)| seen.extend(of_part));
        })
        .await?;
        let [fit, validation] = seen;
        Ok(match is_number {
            true => fit.len() < 2,
            false => !validation.is_subset(&fit),
        })
    }

    async fn fold(
        step: &Step,
        store: &Store,
        train: &DatasetManifest,
        validation: &Validation,
        fold: u64,
    ) -> Result<Self> {
        let by = by(train, validation);
        let columns = deciding(train, by);
        if columns.is_empty() {
            return Err(Failure::usage(format!(
                "models.json: `validation` is by {by}, and no column of the training data has the \
                 role {by}: set \"by\" to \"{}\"",
                other(by)
            )));
        }
        let rule = match by {
            By::Id => {
                // 2^64 is the number of values that half of a hash has.
                let share = validation.fraction * 18_446_744_073_709_551_616.0;
                let [from, below] = [fold, fold + 1].map(|fold| (share * fold as f64) as u64);
                Rule::Within(from, below)
            }
            By::Time => Rule::From(cut(step, store, train, &columns, validation).await?),
        };
        let count = move |all: &mut Vec<(String, [u64; 2])>, part: &Part, batch: &RecordBatch| {
            let validation = rule.validation(batch.columns())?.true_count() as u64;
            let rows = batch.num_rows() as u64;
            match all.last_mut().filter(|(key, _)| *key == part.key) {
                Some((_, sides)) => *sides = [sides[0] + rows - validation, sides[1] + validation],
                None => all.push((part.key.clone(), [rows - validation, validation])),
            }
            Ok(())
        };
        let mut parts = Vec::new();
        pass(step, store, train, &columns, Vec::new(), count, |of_part| {
            parts.extend(of_part)
        })
        .await?;
        Ok(Self {
            rule,
            columns,
            parts: parts.into_iter().collect(),
        })
    }

    fn has_empty_side(&self) -> bool {
        self.rows(Side::Fit) == 0 || self.rows(Side::Validation) == 0
    }

    fn check(&self, train: &DatasetManifest, validation: &Validation) -> Result<()> {
        if !self.has_empty_side() {
            return Ok(());
        }
        let by = by(train, validation);
        let fit = self.rows(Side::Fit);
        let fraction = if fit == 0 { "smaller" } else { "larger" };
        let folds = validation.folds.filter(|folds| *folds > 1);
        let folds = folds.map_or("", |_| " or fewer \"folds\"");
        let of_one = match deciding(train, other(by)).is_empty() {
            true => "give the role id in dataset.json to columns that tell rows apart".to_owned(),
            false => format!("set \"by\" to \"{}\"", other(by)),
        };
        Err(Failure::usage(format!(
            "models.json: `validation` by {by} with the fraction {} leaves {fit} of the {} rows of \
             the training data of {} to fit on and {} to validate on: rows with the same {by} are on \
             one side; if there are several {by}s, set a {fraction} \"fraction\"{folds}, and if \
             there is one, {of_one}",
            validation.fraction,
            train.rows,
            train.data_version,
            self.rows(Side::Validation),
        )))
    }

    /// Rows of a side.
    pub fn rows(&self, side: Side) -> u64 {
        self.parts.values().map(|sides| sides[side as usize]).sum()
    }

    /// Rows of a side in a part.
    pub(super) fn rows_of(&self, part: &Part, side: Side) -> Result<u64> {
        // A part without rows was never counted.
        let sides = self.parts.get(&part.key);
        let sides = sides.or((part.rows == 0).then_some(&[0, 0]));
        let sides = sides.with_context(|| format!("{} is no part of the split", part.key))?;
        Ok(sides[side as usize])
    }

    /// The columns that [`Split::rows_on`] needs.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Which rows of a batch are on a side.
    pub(super) fn rows_on(&self, side: Side, batch: &RecordBatch) -> Result<BooleanArray> {
        let columns = self.columns.iter().map(|name| -> Result<ArrayRef> {
            Ok(batch.column(batch.schema_ref().index_of(name)?).clone())
        });
        let validation = self
            .rule
            .validation(&columns.collect::<Result<Vec<_>>>()?)?;
        Ok(match side {
            Side::Validation => validation,
            Side::Fit => validation.iter().map(|of| of.map(|of| !of)).collect(),
        })
    }
}

/// What decides a row's side, of this training data.
pub fn by(train: &DatasetManifest, validation: &Validation) -> By {
    let rule = train.holdout.parse::<HoldoutRule>();
    validation.decided_by(rule.is_ok_and(HoldoutRule::is_of_time))
}

fn other(by: By) -> By {
    match by {
        By::Id => By::Time,
        By::Time => By::Id,
    }
}

/// The columns that a row's side follows from; none where the data lacks them.
fn deciding(train: &DatasetManifest, by: By) -> Vec<String> {
    let role = match by {
        By::Id => Role::Id,
        By::Time => Role::Time,
    };
    let columns = train.columns.iter().filter(|column| column.role == role);
    columns.map(|column| column.name.clone()).collect()
}

impl Rule {
    /// Which rows validate, by their columns of ids or of the time.
    fn validation(self, columns: &[ArrayRef]) -> Result<BooleanArray> {
        Ok(match self {
            // The lower half: a holdout takes the upper one.
            Self::Within(from, below) => keys::hashes(columns)?
                .map(|hash| Some((from..below).contains(&(hash as u64))))
                .collect(),
            Self::From(cut) => times(columns)?.map(|time| Some(time >= cut)).collect(),
        })
    }
}

/// Times as numbers, which f64 holds exactly for the next two centuries; a missing one is before
/// all others.
fn times(columns: &[ArrayRef]) -> Result<impl Iterator<Item = f64> + use<>> {
    let time = columns.first().context("a column of times")?;
    let time = match time.data_type() {
        DataType::Date32 => cast(time, &DataType::Int32)?,
        _ => time.clone(),
    };
    let time = cast(&time, &DataType::Int64)?
        .as_primitive::<Int64Type>()
        .clone();
    let of = move |row| time.is_valid(row).then(|| time.value(row) as f64);
    Ok((0..columns[0].len()).map(move |row| of(row).unwrap_or(f64::NEG_INFINITY)))
}

/// The time from which on rows validate: the latest one that leaves them `fraction` of all rows at
/// least.
async fn cut(
    step: &Step,
    store: &Store,
    train: &DatasetManifest,
    columns: &[String],
    validation: &Validation,
) -> Result<f64> {
    let mut select = Select::new(&[1.0 - validation.fraction]);
    loop {
        let none = select.clone();
        let add = |all: &mut Select, _: &Part, batch: &RecordBatch| {
            all.add(&times(batch.columns())?.collect::<Vec<f64>>(), None);
            Ok(())
        };
        pass(step, store, train, columns, none, add, |of_part| {
            select.merge(&of_part);
        })
        .await?;
        match select.advance() {
            select::Step::Again(next) => select = next,
            select::Step::Done(found) => {
                let found = found.first().copied().flatten();
                // Without rows nothing is split, which the counts then say.
                return Ok(found.unwrap_or(f64::INFINITY));
            }
        }
    }
}

/// One pass over some columns of all parts: `add` adds up each part from `none` on, and `merge`
/// takes the parts in order.
async fn pass<T: Clone + Send + 'static>(
    step: &Step,
    store: &Store,
    train: &DatasetManifest,
    columns: &[String],
    none: T,
    add: impl Fn(&mut T, &Part, &RecordBatch) -> Result<()> + Clone + Send + 'static,
    mut merge: impl FnMut(T),
) -> Result<()> {
    let of_part = {
        let (step, store, columns) = (step.clone(), store.clone(), columns.to_vec());
        move |part: Part| -> Result<T> {
            let mut all = none.clone();
            let file = parts::local(&store, &part.key, &part.sha256)?;
            for batch in parts::read(&file, &columns, step.work())? {
                step.check()?;
                let added = batch.and_then(|batch| add(&mut all, &part, &batch));
                added.with_context(|| format!("reading {}", part.key))?;
            }
            Ok(all)
        }
    };
    step.fold(train.parts.clone(), of_part, |of_part| {
        merge(of_part);
        Ok(())
    })
    .await
    .context("splitting the training rows")
}

#[cfg(test)]
mod tests;
