//! Rows against their contract: every breach is counted, and the first of each kind is kept as an
//! example.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::violations::{self, Actions, Found, Violations};
use super::{Chunk, LINES, Misfit, RawFile, Stray, Summary, TakeKey, advice};
use crate::dataset::rule::{self, Breach, Rule};
use crate::dataset::{OnViolation, keys};
use catalog::manifest::Role;
use runtime::failure::Failure;
use runtime::work::Work;
use store::spill::Sorter;

/// Takes a breach: its column, its row, and what shows the value.
type Note<'a> = dyn FnMut(usize, Breach, usize, &dyn Fn() -> String) + 'a;

/// Checks the rows of one file, batch by batch.
pub(super) struct Checker {
    /// `None` for a column that is not read.
    rules: Vec<Option<Rule>>,
    /// Places of the columns that name a row.
    key: Vec<usize>,
    /// Places of the columns that decide which rows are kept.
    decisive: Vec<usize>,
    names: Sorter,
    work: Work,
    /// Whether no two rows may have the same key.
    unique: bool,
    /// Whether keys are sorted: to find equal ones, or for somebody who takes them.
    sorts_keys: bool,
    rows: u64,
    kept: u64,
    unlabelled: u64,
    not_finite: Vec<u64>,
    breaches: BTreeMap<(usize, Breach), Tally>,
    actions: Actions,
    violations: Violations,
    stray: Option<Stray>,
}

struct Tally {
    rows: u64,
    /// Where the first is.
    first: String,
    example: String,
}

impl Checker {
    /// The columns that are `unread` are null in every row, and keep their rules.
    pub(super) fn new(file: &RawFile, unread: &[bool], work: &Work) -> Result<Self> {
        let columns = &file.dataset.columns;
        let key = (0..columns.len())
            .filter(|&at| matches!(columns[at].role, Role::Id | Role::Time))
            .collect();
        let rules = file
            .dataset
            .rules(file.labels)
            .map_err(Failure::usage)?
            .into_iter();
        Ok(Self {
            rules: rules
                .zip(unread)
                .map(|(rule, unread)| (!unread).then_some(rule))
                .collect(),
            key,
            decisive: file.decisive.clone(),
            names: Sorter::new(work),
            work: work.clone(),
            unique: file.dataset.repeated_keys.is_refuse(),
            sorts_keys: file.dataset.repeated_keys.is_refuse(),
            rows: 0,
            kept: 0,
            unlabelled: 0,
            not_finite: vec![0; columns.len()],
            breaches: BTreeMap::new(),
            actions: Actions::new(&file.dataset),
            violations: Violations::default(),
            stray: None,
        })
    }

    /// Whether no breach has been found so far; keys that repeat are found at the end.
    pub(super) fn is_clean(&self) -> bool {
        self.breaches.is_empty() && self.stray.is_none()
    }

    /// Whether there is somebody who takes quarantined rows.
    pub(super) fn quarantine(&mut self, is_taken: bool) {
        self.actions.quarantines = is_taken;
    }

    /// Whether there is somebody who takes keys, even where they may repeat.
    pub(super) fn take_keys(&mut self, is_taken: bool) {
        self.sorts_keys = self.unique || is_taken;
    }

    /// The rows of a chunk that `keep` keeps. It is not asked for rows that are quarantined because
    /// a value on which it decides could not be read.
    pub(super) fn keep(
        &self,
        chunk: &Chunk,
        keep: &mut impl FnMut(&RecordBatch) -> Result<Option<BooleanArray>>,
    ) -> Result<Option<BooleanArray>> {
        let is_open =
            |misfit: &&Misfit| self.actions.quarantine(misfit.column) && self.decides(misfit);
        let open: HashSet<usize> = chunk
            .misfits
            .iter()
            .filter(is_open)
            .map(|at| at.row)
            .collect();
        if open.is_empty() {
            return keep(&chunk.batch);
        }
        let is_decided = |row: usize| !open.contains(&row);
        let rows = chunk.batch.num_rows();
        let decided: BooleanArray = (0..rows).map(|row| Some(is_decided(row))).collect();
        let Some(kept) = keep(&filter_record_batch(&chunk.batch, &decided)?)? else {
            return Ok(Some(decided));
        };
        let mut kept = kept.iter();
        let all = (0..rows).map(|row| is_decided(row) && kept.next().flatten().unwrap_or(false));
        Ok(Some(all.collect::<Vec<bool>>().into()))
    }

    /// Whether nobody knows without this value if its row is kept.
    fn decides(&self, misfit: &Misfit) -> bool {
        self.decisive.contains(&misfit.column) && misfit.breach != Breach::NanAsNull
    }

    /// Takes rows in: those to keep have to keep the contract. So many of the others have no label.
    /// Gives the rows that are kept, and those that are quarantined.
    pub(super) fn see(
        &mut self,
        file: &RawFile,
        chunk: &Chunk,
        keep: Option<BooleanArray>,
        unlabelled: u64,
    ) -> Result<(Option<BooleanArray>, Option<RecordBatch>)> {
        let batch = &chunk.batch;
        if let Some(stray) = &chunk.stray {
            let rows = self.stray.get_or_insert_with(|| Stray {
                rows: 0,
                ..stray.clone()
            });
            rows.rows += stray.rows;
        }
        let before = self.rows;
        let (mut breaches, mut not_finite) = (
            std::mem::take(&mut self.breaches),
            std::mem::take(&mut self.not_finite),
        );
        let mut note = |column: usize, breach: Breach, row: usize, example: &dyn Fn() -> String| {
            let tally = breaches.entry((column, breach)).or_insert_with(|| Tally {
                rows: 0,
                first: place(chunk, before, row),
                example: example(),
            });
            tally.rows += 1;
        };
        let found = self.breaches_of(chunk, keep.as_ref(), &mut not_finite, &mut note);
        (self.breaches, self.not_finite) = (breaches, not_finite);
        let (keep, quarantined) = match found.is_empty() {
            true => (keep, None),
            false => {
                let place = (file.key.as_str(), before);
                let violations = &mut self.violations;
                let (kept, quarantined) =
                    violations.see(&file.dataset, chunk, place, keep.as_ref(), found)?;
                (Some(kept), quarantined)
            }
        };
        let key = match self.sorts_keys {
            true => self.key_columns(batch),
            false => Vec::new(),
        };
        let whole = key.iter().all(|column| column.null_count() == 0);
        for (row, hash) in keys::hashes(&key)?.enumerate() {
            // A null in the key is a breach of its own, and no name that could repeat.
            let named = whole || key.iter().all(|column| column.is_valid(row));
            if named && keep.as_ref().is_none_or(|keep| keep.value(row)) {
                self.names.push(hash)?;
            }
        }
        self.rows += batch.num_rows() as u64;
        self.unlabelled += unlabelled;
        let kept = keep.as_ref().map(BooleanArray::true_count);
        self.kept += kept.unwrap_or(batch.num_rows()) as u64;
        Ok((keep, quarantined))
    }

    /// The breaches among the rows to keep that do not end the step; every other one is given to
    /// `note`. Counts floats that are not finite.
    fn breaches_of(
        &self,
        chunk: &Chunk,
        keep: Option<&BooleanArray>,
        not_finite: &mut [u64],
        note: &mut Note<'_>,
    ) -> Vec<Found> {
        let mut found = Vec::new();
        let mut sort =
            |column: usize, breach: Breach, row: usize, shown: &dyn Fn() -> String| match self
                .actions
                .of(column, &breach)
            {
                OnViolation::Fail => note(column, breach, row, shown),
                action => found.push(Found {
                    row,
                    column,
                    breach,
                    value: shown(),
                    action,
                }),
            };
        let mut misfits = HashSet::new();
        let counts = |misfit: &&Misfit| {
            self.decides(misfit) || keep.is_none_or(|keep| keep.value(misfit.row))
        };
        for misfit in chunk.misfits.iter().filter(counts) {
            misfits.insert((misfit.column, misfit.row));
            sort(misfit.column, misfit.breach.clone(), misfit.row, &|| {
                misfit.example.clone()
            });
        }
        for (column, rule) in self.rules.iter().enumerate() {
            let Some(rule) = rule else {
                continue;
            };
            let array = chunk.batch.column(column);
            not_finite[column] += rule.check(array, keep, |breach, row| {
                // What could not be read stands as null in the batch, and is noted already.
                if breach != Breach::Null || !misfits.contains(&(column, row)) {
                    sort(column, breach, row, &|| rule::show(array, row));
                }
            });
        }
        found
    }

    fn key_columns(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.key
            .iter()
            .map(|&column| batch.column(column).clone())
            .collect()
    }

    /// # Errors
    /// All breaches: exit 10.
    pub(super) fn finish(
        mut self,
        file: &RawFile,
        keep: &mut impl FnMut(&RecordBatch) -> Result<Option<BooleanArray>>,
        take_key: &mut Option<TakeKey>,
    ) -> Result<Summary> {
        let mut lines = self.lines(file);
        let names = std::mem::replace(&mut self.names, Sorter::new(&self.work));
        let (repeated, example) = repeats(names, take_key)?;
        if let Some(hash) = example.filter(|_| self.unique) {
            lines.push(self.line_of_repeats(file, repeated, hash, keep)?);
        }
        if !lines.is_empty() {
            return Err(file.broken(&lines));
        }
        let counted = file.dataset.columns.iter().zip(&self.not_finite);
        let not_finite = counted
            .filter(|(_, count)| **count > 0)
            .map(|(column, count)| (column.name.clone(), *count));
        Ok(Summary {
            rows: self.rows,
            kept: self.kept,
            unlabelled: self.unlabelled,
            quarantined: self.violations.quarantined,
            violations: self.violations.finish(&file.dataset),
            not_finite: not_finite.collect(),
        })
    }

    fn lines(&self, file: &RawFile) -> Vec<String> {
        let stray = self.stray.iter().map(|stray| {
            format!(
                "{} of {} rows hold a quote in a field that is not quoted, the first in line {}: {}; \
                 put such a field in quotes, and double the quotes in it; {}",
                stray.rows,
                self.rows,
                stray.line,
                stray.text,
                advice::unquoted(file.pinned)
            )
        });
        let mut lines: Vec<String> = stray.collect();
        for ((column, breach), tally) in &self.breaches {
            let column = &file.dataset.columns[*column];
            let example = match breach {
                Breach::Null => String::new(),
                _ => format!(": {}", tally.example),
            };
            // What is not shown need not be tried.
            let advice = match lines.len() < LINES {
                true => {
                    let tried = advice::Tried::new(file, column, &self.work);
                    advice::of_breach(breach, &tried, &tally.example)
                }
                false => String::new(),
            };
            lines.push(format!(
                "column {:?}: {} of {} rows {}, the first in {}{example}{advice}",
                column.name,
                tally.rows,
                self.rows,
                advice::what(breach, column, file),
                tally.first,
            ));
        }
        lines
    }

    /// Reads the file once more, to show two rows of the same name.
    fn line_of_repeats(
        &self,
        file: &RawFile,
        repeated: u64,
        hash: u128,
        keep: &mut impl FnMut(&RecordBatch) -> Result<Option<BooleanArray>>,
    ) -> Result<String> {
        let (mut places, mut example) = (Vec::new(), String::new());
        let mut before = 0;
        'file: for chunk in file.chunks(&self.work)?.0 {
            let chunk = chunk?;
            let kept = self.keep(&chunk, keep)?;
            let (kept, _) = file.labelled(&chunk, kept)?;
            let mut not_finite = vec![0; self.rules.len()];
            let mut nothing = |_: usize, _: Breach, _: usize, _: &dyn Fn() -> String| {};
            let found = self.breaches_of(&chunk, kept.as_ref(), &mut not_finite, &mut nothing);
            let kept = violations::kept(&chunk, kept.as_ref(), &found);
            let batch = &chunk.batch;
            for (row, found) in keys::hashes(&self.key_columns(batch))?.enumerate() {
                if found == hash && kept.value(row) {
                    places.push(place(&chunk, before, row));
                    let values = self.key.iter().map(|&column| {
                        format!(
                            "{} {}",
                            batch.schema_ref().field(column).name(),
                            rule::show(batch.column(column), row)
                        )
                    });
                    example = values.collect::<Vec<_>>().join(", ");
                    if places.len() == 2 {
                        break 'file;
                    }
                }
            }
            before += batch.num_rows() as u64;
        }
        let names: Vec<&str> = self
            .key
            .iter()
            .map(|&column| file.dataset.columns[column].name.as_str())
            .collect();
        Ok(format!(
            "{repeated} of {} rows repeat the ({}) of another row, such as {}: {example}",
            self.rows,
            names.join(", "),
            places.join(" and ")
        ))
    }
}

/// A row of a chunk as a person finds it, after as many rows of other chunks.
fn place(chunk: &Chunk, before: u64, row: usize) -> String {
    match chunk.lines.get(row) {
        Some(line) => format!("line {line}"),
        None => format!("row {}", before + row as u64 + 1),
    }
}

/// How many values repeat an equal one, and one of those. Each is given on, in ascending order.
fn repeats(names: Sorter, take: &mut Option<TakeKey>) -> Result<(u64, Option<u128>)> {
    let (mut count, mut example, mut last) = (0, None, None);
    for name in names.finish()? {
        let name = name?;
        if let Some(take) = take {
            take(name)?;
        }
        if last == Some(name) {
            count += 1;
            example.get_or_insert(name);
        }
        last = Some(name);
    }
    Ok((count, example))
}
