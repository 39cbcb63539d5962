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
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};

use crate::dataset::{HoldoutRule, keys};
use crate::parts;
use crate::values;
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

/// What is counted of a fold.
#[derive(Clone, Default)]
struct Counted {
    /// As [`Split::parts`].
    parts: HashMap<String, [u64; 2]>,
    labels: Labels,
}

/// The different labels of the rows to fit and to validate on, as hashes.
#[derive(Clone, Default)]
struct Labels([HashSet<u128>; 2]);

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
        let counted = Self::counted(step, store, train, validation, 1, None).await?;
        let (split, _) = counted.into_iter().next().context("one split")?;
        split.check(train, validation)?;
        Ok(split)
    }

    /// The splits that candidates are compared on, one or more: as many as `folds` says, or, where
    /// it says nothing, several of few rows, each of which has every class, or different numbers,
    /// of a `target` among the rows to fit on. As many passes as [`Split::of`].
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
        let looked_at = target.filter(|_| validation.folds.is_none() && folds > 1);
        let counted = Self::counted(step, store, train, validation, folds, looked_at).await?;
        let mut splits = Vec::new();
        for (fold, (split, labels)) in counted.into_iter().enumerate() {
            if fold == 0 || validation.folds.is_some() {
                split.check(train, validation)?;
            } else if split.has_empty_side() || looked_at.is_some_and(|of| labels.lack(of)) {
                // Few ids, or a rare label, make no reason to refuse the data.
                continue;
            }
            splits.push(Arc::new(split));
        }
        Ok(splits)
    }

    /// So many folds, with the labels of a `target` where it is given. One pass, and by time those
    /// that seek its cut.
    async fn counted(
        step: &Step,
        store: &Store,
        train: &DatasetManifest,
        validation: &Validation,
        folds: u64,
        target: Option<&Target>,
    ) -> Result<Vec<(Self, Labels)>> {
        let by = by(train, validation);
        let columns = deciding(train, by);
        if columns.is_empty() {
            return Err(Failure::usage(format!(
                "models.json: `validation` is by {by}, and no column of the training data has the \
                 role {by}: set \"by\" to \"{}\"",
                other(by)
            )));
        }
        let rules: Vec<Rule> = match by {
            By::Id => {
                // 2^64 is the number of values that half of a hash has.
                let share = validation.fraction * 18_446_744_073_709_551_616.0;
                let ends = |fold| [fold, fold + 1].map(|fold| (share * fold as f64) as u64);
                let within = |[from, below]: [u64; 2]| Rule::Within(from, below);
                (0..folds).map(ends).map(within).collect()
            }
            By::Time => {
                let cut = cut(step, store, train, &columns, validation).await?;
                vec![Rule::From(cut); folds as usize]
            }
        };
        let target = target.map(|target| target.name.clone());
        let read: Vec<String> = columns.iter().chain(&target).cloned().collect();
        let none = vec![Counted::default(); rules.len()];
        let count = {
            let (rules, deciding) = (rules.clone(), columns.len());
            move |all: &mut Vec<Counted>, part: &Part, batch: &RecordBatch| {
                let (deciding, target) = batch.columns().split_at(deciding);
                for (counted, rule) in all.iter_mut().zip(&rules) {
                    counted.add(&part.key, &rule.validation(deciding)?, target)?;
                }
                Ok(())
            }
        };
        let mut counted = none.clone();
        pass(step, store, train, &read, none, count, |of_part| {
            let folds = counted.iter_mut().zip(of_part);
            folds.for_each(|(counted, of_part)| counted.merge(of_part));
        })
        .await?;
        let split = |(rule, counted): (Rule, Counted)| {
            let split = Self {
                rule,
                columns: columns.clone(),
                parts: counted.parts,
            };
            (split, counted.labels)
        };
        Ok(rules.into_iter().zip(counted).map(split).collect())
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
            true => "give the role id in dataset.json to columns that identify rows".to_owned(),
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
        let sides = sides.with_context(|| format!("{} is not a part of the split", part.key))?;
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

impl Counted {
    /// Adds rows of a part: which of them validate, and their labels in a column, if there is one.
    fn add(&mut self, part: &str, validates: &BooleanArray, labels: &[ArrayRef]) -> Result<()> {
        let validation = validates.true_count() as u64;
        let sides = self.parts.entry(part.to_owned()).or_default();
        sides[0] += validates.len() as u64 - validation;
        sides[1] += validation;
        if !labels.is_empty() {
            for (label, validates) in keys::hashes(labels)?.zip(validates) {
                self.labels.0[usize::from(validates == Some(true))].insert(label);
            }
        }
        Ok(())
    }

    /// Adds what was counted of other parts.
    fn merge(&mut self, other: Self) {
        self.parts.extend(other.parts);
        let sides = self.labels.0.iter_mut().zip(other.labels.0);
        sides.for_each(|(ours, theirs)| ours.extend(theirs));
    }
}

impl Labels {
    /// Whether some class has no row to fit on, or all of these rows have the same number.
    fn lack(&self, target: &Target) -> bool {
        let [fit, validation] = &self.0;
        match target.classes.is_empty() {
            true => fit.len() < 2,
            false => !validation.is_subset(fit),
        }
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
    let time = values::integers(time).context("a column of times")?;
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
