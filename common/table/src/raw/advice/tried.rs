//! A change of the contract, tried on the files that it is for: a message shows one value, and what
//! takes that one may refuse others, whose advice would lead back.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use super::change::{Change, typed};
use super::remedy::{Line, Refused, Rounds};
use super::{NULL_TEXTS, is_whole, nullable};
use crate::dataset::rule::Breach;
use crate::dataset::{ColumnContract, ColumnType, Labels};
use crate::raw::others::Others;
use crate::raw::{Chunks, Misfit, RawFile, Reads, convert, footer, values};
use catalog::manifest::Role;
use runtime::work::Work;

/// A column of a type that no value of the contract's type can have, of a file on which a change is
/// tried.
#[derive(Debug)]
pub(in crate::raw) struct Mistyped;

impl fmt::Display for Mistyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column is of another type than the contract's")
    }
}

impl Error for Mistyped {}

/// The row of a value, and its column: [`OWN`] for the one that is tried, others from 1 on.
type Place = (u64, usize);

const OWN: usize = 0;

/// A column of a file that breaks its contract.
pub(in crate::raw) struct Tried<'a> {
    pub(super) file: &'a RawFile,
    pub(super) column: &'a ColumnContract,
    work: &'a Work,
    /// Lines that would help this file, and that another one refuses.
    refused: RefCell<Vec<Refused>>,
    /// Whether anything was tried on other files.
    asks_others: Cell<bool>,
}

impl<'a> Tried<'a> {
    pub(in crate::raw) fn new(
        file: &'a RawFile,
        column: &'a ColumnContract,
        work: &'a Work,
    ) -> Self {
        Self {
            file,
            column,
            work,
            refused: RefCell::default(),
            asks_others: Cell::default(),
        }
    }

    /// On how many of how many files advice was tried, where those are not all.
    pub(super) fn bounded(&self) -> Option<(usize, usize)> {
        self.file
            .others
            .bounded()
            .filter(|_| self.asks_others.get())
    }

    pub(super) fn refused(&self) -> Vec<Refused> {
        self.refused.borrow().clone()
    }

    /// The line of the contract that gives the column the first of these types that its role allows
    /// and that takes all rows of a breach.
    pub(super) fn first(&self, types: &[ColumnType], of: &Breach) -> Option<Line> {
        let others = types.iter().filter(|of| **of != self.column.column_type);
        let mut lines = others.filter_map(|other| Some((*other, typed(self.column, *other)?)));
        lines.find_map(|(other, text)| {
            Some(Line {
                text: self.taking(&Change::of_type(other), text, of)?,
                rounds: match (self.rounds(other), of) {
                    (false, _) => Rounds::None,
                    (true, Breach::Beyond | Breach::Ambiguous) => Rounds::Them,
                    (true, _) => Rounds::Large,
                },
            })
        })
    }

    /// The line of a change that takes all rows of a breach, in the file and in the others; with
    /// the texts for null of CSV files, where those alone are in its way.
    pub(super) fn taking(&self, change: &Change, line: String, of: &Breach) -> Option<String> {
        if self.takes(change, &line, Some(of)) {
            return Some(line);
        }
        let is_refused = self.refused.borrow().iter().any(|of| of.line == line);
        let mut nulls = self.nulls(self.file, change).unwrap_or_default();
        if !nulls.is_empty() || is_refused {
            nulls.extend(self.nulls_of_others(change));
        }
        if nulls.is_empty() {
            return None;
        }
        let more = self.line_of_null()?;
        let texts: Vec<String> = nulls.iter().map(|text| format!("{text:?}")).collect();
        let change = change.with_nulls(nulls, &self.file.dataset.csv, more.is_some());
        let more = more.map_or_else(String::new, |more| format!(" and {more}"));
        let both = format!(
            "{line} with {} added to \"nulls\" of \"csv\"{more}",
            texts.join(" and ")
        );
        if !self.takes(&change, &both, Some(of)) {
            return None;
        }
        self.refused.borrow_mut().retain(|of| of.line != line);
        Some(both)
    }

    /// The line of the contract that a null of the column needs, if it needs one; `None` where the
    /// column has no null.
    pub(super) fn line_of_null(&self) -> Option<Option<&'static str>> {
        let Self { column, file, .. } = self;
        let lacks_label =
            column.role == Role::Target && file.labels == Labels::Required && file.is_csv();
        let more = match lacks_label {
            true => Some("\"unlabelled\": \"drop\""),
            false => nullable(column),
        };
        let has_nulls = match column.role {
            Role::Target => lacks_label || file.labels != Labels::Required,
            Role::Weight => file.labels.may_lack(Role::Weight),
            _ => column.nullable || more.is_some(),
        };
        has_nulls.then_some(more)
    }

    /// Texts for null in the column of other files, which have no value with a change.
    fn nulls_of_others(&self, change: &Change) -> BTreeSet<String> {
        let name = format!("{:?} {change:?}", self.column.name);
        let of = |key: &str, path: &Path| {
            let nulls = self.nulls(&self.other(key, path), change);
            nulls.unwrap_or_default()
        };
        self.file.others.texts(&self.file.key, &name, of)
    }

    fn nulls(&self, file: &RawFile, change: &Change) -> Result<BTreeSet<String>> {
        let mut nulls = BTreeSet::new();
        if !file.is_csv() {
            return Ok(nulls);
        }
        let trial = self.trial(file, false, Some(change));
        let at = self.place_in(&trial);
        let chunks: Chunks = trial.chunks(self.work)?.0;
        for chunk in chunks {
            for misfit in chunk?.misfits {
                let is_text = Some(misfit.column) == at && misfit.breach == Breach::Misspelt;
                // It is empty where a batch has too many.
                let text = misfit.example.trim_matches('"');
                if is_text && !text.is_empty() && is_null(text) {
                    nulls.insert(text.to_owned());
                }
            }
        }
        Ok(nulls)
    }

    /// The place of the column in the contract of a trial.
    fn place_in(&self, trial: &RawFile) -> Option<usize> {
        let mut columns = trial.dataset.columns.iter();
        columns.position(|column| column.name == self.column.name)
    }

    fn other(&self, key: &str, path: &Path) -> RawFile {
        RawFile {
            key: key.to_owned(),
            path: path.to_owned(),
            ..self.file.clone()
        }
    }

    /// Whether a change takes every row that the contract takes, in the file and in the others; of
    /// a breach, all of its rows too. A line of the contract that another file refuses is kept.
    pub(super) fn takes(&self, change: &Change, line: &str, of: Option<&Breach>) -> bool {
        let is_other = |place: Place, found: &Breach| place.1 != OWN || of != Some(found);
        // Not of a file that can't be read once more: another message names that.
        if !self.improves(self.file, change, is_other).unwrap_or(false) {
            return false;
        }
        let Some(by) = self.refusing(change, of.is_some()) else {
            return true;
        };
        if of.is_some() {
            self.refuse(line, by);
        }
        false
    }

    /// Whether a type takes every row of a file whose column is of a type that no value of the
    /// contract's can have, and of the others.
    pub(super) fn takes_all(&self, other: ColumnType, line: &str) -> bool {
        let change = Change::of_type(other);
        let takes = self.improves(self.file, &change, |_, _| false);
        if !takes.unwrap_or(false) {
            return false;
        }
        let refusing = self.refusing(&change, true);
        if let Some(by) = refusing {
            self.refuse(line, by);
        }
        refusing.is_none()
    }

    /// Whether other files refuse a type as they are.
    pub(super) fn is_refused_by_others(&self, other: ColumnType) -> bool {
        self.refusing(&Change::of_type(other), true).is_some()
    }

    fn refuse(&self, line: &str, by: &str) {
        let refused = Refused {
            line: line.to_owned(),
            by: by.to_owned(),
        };
        let mut all = self.refused.borrow_mut();
        if !all.contains(&refused) {
            all.push(refused);
        }
    }

    /// Another file that does not take a change. What has a line of its own there is another
    /// matter, unless the change is to be the `last` one of this column.
    fn refusing(&self, change: &Change, last: bool) -> Option<&str> {
        self.asks_others.set(true);
        let dataset = &self.file.dataset;
        // Nobody knows here which rows are kept.
        let filters = dataset.filter.is_some() || dataset.train_filter.is_some();
        let is_last = last && !filters && !change.is_dialect();
        let may_stay = |place: Place, found: &Breach| {
            let needs_file = matches!(found, Breach::Null | Breach::Inexact | Breach::NotText);
            !is_last || place.1 != OWN || needs_file
        };
        let name = format!("{:?} {is_last} {change:?}", self.column.name);
        self.file
            .others
            .refusing(&self.file.key, &name, |key, path| {
                let file = self.other(key, path);
                if change.is_dialect() && !file.is_csv() {
                    return true;
                }
                let improves = self.improves(&file, change, may_stay);
                improves.unwrap_or_else(|error| !error.is::<Mistyped>())
            })
    }

    /// Whether a changed contract has a place for every value of a file, but for those that
    /// `may_stay` as they are, which have none now.
    fn improves(
        &self,
        file: &RawFile,
        change: &Change,
        may_stay: impl Fn(Place, &Breach) -> bool,
    ) -> Result<bool> {
        let mut before = match self.misfits(file, change, false) {
            Err(error) if error.is::<Mistyped>() => None,
            before => Some(before?),
        };
        let mut next = || before.as_mut().and_then(Iterator::next).transpose();
        let mut value_before = next()?;
        for after in self.misfits(file, change, true)? {
            let (place, found) = after?;
            while value_before
                .as_ref()
                .is_some_and(|(other, _)| *other < place)
            {
                value_before = next()?;
            }
            match &value_before {
                // It has a line of its own, and needs another change too.
                Some((other, breach))
                    if *other == place && found == *breach && may_stay(place, &found) => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The values that a contract, changed or not, has no place for, by row, ascending.
    fn misfits(
        &self,
        file: &RawFile,
        change: &Change,
        changed: bool,
    ) -> Result<impl Iterator<Item = Result<(Place, Breach)>> + use<>> {
        let of_file = change.is_of_file();
        let trial = self.trial(file, of_file, changed.then_some(change));
        let at = self.place_in(&trial);
        let wanted = trial.wanted();
        let chunks: Chunks = trial.chunks(self.work)?.0;
        let mut first = 0;
        Ok(chunks.flat_map(move |chunk| {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return vec![Err(error)],
            };
            let place = |row: usize, column: usize| {
                let column = match Some(column) == at {
                    true => OWN,
                    false => column + 1,
                };
                (first + row as u64, column)
            };
            let mut by_place: HashMap<Place, Breach> = HashMap::new();
            // Texts become null by a dialect alone.
            let may_be_null = |column: usize| !of_file || wanted[column].nullable;
            for (column, array) in chunk.batch.columns().iter().enumerate() {
                if !may_be_null(column) && array.null_count() > 0 {
                    let nulls = (0..array.len()).filter(|row| array.is_null(*row));
                    by_place.extend(nulls.map(|row| (place(row, column), Breach::Null)));
                }
            }
            // A conversion in two passes notes each value once, and null takes its place.
            for of in chunk.misfits {
                let at = place(of.row, of.column);
                match of.breach {
                    _ if !of_file && at.1 != OWN => {}
                    // NaN is null in every type.
                    Breach::NanAsNull => drop(by_place.remove(&at)),
                    breach => drop(by_place.insert(at, breach)),
                }
            }
            let mut found: Vec<(Place, Breach)> = by_place.into_iter().collect();
            found.sort_unstable();
            first += chunk.batch.num_rows() as u64;
            found.into_iter().map(Ok).collect()
        }))
    }

    /// A file with the column alone, or with all of them, and a change of the contract.
    fn trial(&self, file: &RawFile, all: bool, change: Option<&Change>) -> RawFile {
        let mut dataset = (*file.dataset).clone();
        let is_it = |column: &ColumnContract| column.name == self.column.name;
        // Without a header the other columns say where this one is.
        if !all && (!file.is_csv() || dataset.csv.header) {
            dataset.columns.retain(is_it);
        }
        if let (Some(change), Some(at)) = (change, dataset.columns.iter().position(is_it)) {
            change.apply(&mut dataset.columns[at], &mut dataset.csv);
        }
        let labels = match change {
            Some(change) if change.nullable && self.column.role == Role::Target => Labels::Dropped,
            _ => file.labels,
        };
        RawFile {
            dataset: Arc::new(dataset),
            labels,
            reads: Reads::default(),
            others: Others::trial(),
            ..file.clone()
        }
    }

    /// Whether numbers of the file become others as floats of a type that takes them: texts and
    /// decimals do, and other numbers are taken only where they are exact.
    pub(super) fn rounds(&self, other: ColumnType) -> bool {
        if other != ColumnType::Float64 {
            return false;
        }
        let is_rounded = match self.file.is_csv() {
            true => is_whole(self.column.column_type),
            false => {
                let found = footer::type_of(self.file, &self.column.name);
                found.is_ok_and(|found| found.as_ref().is_some_and(convert::is_decimal))
            }
        };
        let large = |value: f64| value.abs() >= values::WHOLE_FLOATS as f64;
        is_rounded
            && self.any(other, |found| {
                let floats = found.as_primitive::<Float64Type>();
                floats.iter().flatten().any(large)
            })
    }

    /// Whether any batch of the column, read as another type, is as asked.
    fn any(&self, other: ColumnType, is: impl Fn(&dyn Array) -> bool) -> bool {
        let trial = self.trial(self.file, false, Some(&Change::of_type(other)));
        let (Some(at), Ok((chunks, _))) = (self.place_in(&trial), trial.chunks(self.work)) else {
            return false;
        };
        let mut batches = chunks.map_while(Result::ok);
        batches.any(|chunk| is(chunk.batch.column(at)))
    }

    /// The first texts of the column that are no values of the contract's type: one that stands for
    /// null, and another one.
    pub(super) fn strays(&self) -> Strays {
        let found = RefCell::new(Strays::default());
        let trial = self.trial(self.file, false, None);
        let wanted = self.place_in(&trial);
        let Some(wanted) = wanted.and_then(|at| trial.wanted().into_iter().nth(at)) else {
            return Strays::default();
        };
        self.any(ColumnType::Utf8, |texts| {
            if *texts.data_type() != DataType::Utf8 {
                return true;
            }
            let texts = texts.as_string::<i32>();
            let mut misfits: Vec<Misfit> = Vec::new();
            wanted.texts(texts, &mut misfits);
            let mut found = found.borrow_mut();
            for misfit in misfits {
                let text = texts.value(misfit.row);
                let kind = match misfit.breach == Breach::NanAsNull || is_null(text) {
                    true => &mut found.null,
                    false => &mut found.other,
                };
                kind.get_or_insert_with(|| text.to_owned());
            }
            found.other.is_some()
        });
        found.into_inner()
    }
}

/// Whether programs write a text for a value that is missing.
pub(super) fn is_null(text: &str) -> bool {
    text.is_empty() || NULL_TEXTS.contains(&text.to_ascii_lowercase().as_str())
}

/// Texts among numbers.
#[derive(Default)]
pub(super) struct Strays {
    pub(super) null: Option<String>,
    pub(super) other: Option<String>,
}
