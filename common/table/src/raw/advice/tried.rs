//! A change of the contract, tried on the file that it is for: a message shows one value, and what
//! takes that one may refuse others, whose advice would lead back.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;

use super::{is_csv, loses_format, typed};
use crate::dataset::rule::Breach;
use crate::dataset::{ColumnContract, ColumnType, Csv, Form};
use crate::raw::{Chunks, RawFile, Reads};
use runtime::work::Work;

/// Gives a column another type.
fn of_type(other: ColumnType) -> impl FnOnce(&mut ColumnContract, &mut Csv) {
    move |column, _| {
        if loses_format(column, other) {
            column.format = None;
        }
        column.column_type = other;
    }
}

/// What a change has to leave as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The values of the column.
    Column,
    /// Those of all columns, which a dialect is for.
    File,
}

/// The row of a value, and its column: [`OWN`] for the one that is tried, others from 1 on.
type Place = (u64, usize);

const OWN: usize = 0;

/// A column of a file that breaks its contract.
#[derive(Clone, Copy)]
pub(in crate::raw) struct Tried<'a> {
    pub(in crate::raw) file: &'a RawFile,
    pub(in crate::raw) column: &'a ColumnContract,
    pub(in crate::raw) work: &'a Work,
}

impl Tried<'_> {
    /// The line of the contract that gives the column the first of these types that its role allows
    /// and that takes all rows of a breach.
    pub(super) fn first(&self, types: &[ColumnType], of: &Breach) -> Option<String> {
        let others = types.iter().filter(|of| **of != self.column.column_type);
        let mut lines = others.filter_map(|other| Some((*other, typed(self.column, *other)?)));
        lines.find_map(|(other, line)| self.takes(other, of).then_some(line))
    }

    /// Whether a type takes every row that the contract's takes, and all rows of a breach.
    pub(super) fn takes(&self, other: ColumnType, of: &Breach) -> bool {
        self.improves(Reach::Column, Some(of), of_type(other))
    }

    /// Whether a type takes every row of a file whose column is of a type that no value of the
    /// contract's can have.
    pub(super) fn takes_all(&self, other: ColumnType) -> bool {
        let misfits = self.misfits(Reach::Column, of_type(other));
        misfits.is_ok_and(|mut misfits| misfits.next().is_none())
    }

    /// Whether a form takes every row that the contract takes; of a breach, all of its rows too.
    pub(super) fn takes_form(&self, form: &Form, of: Option<&Breach>) -> bool {
        let change = |column: &mut ColumnContract, _: &mut Csv| column.format = Some(form.clone());
        self.improves(Reach::Column, of, change)
    }

    /// Whether a dialect takes every row that the contract takes; of a breach of this column, all
    /// of its rows too.
    pub(super) fn takes_dialect(&self, change: impl FnOnce(&mut Csv), of: Option<&Breach>) -> bool {
        self.improves(Reach::File, of, |_, csv| change(csv))
    }

    /// Not of a file that can't be read once more: another message names that.
    fn improves(
        &self,
        reach: Reach,
        of: Option<&Breach>,
        change: impl FnOnce(&mut ColumnContract, &mut Csv),
    ) -> bool {
        let tried = || -> Result<bool> {
            let mut before = self.misfits(reach, |_, _| {})?;
            let mut value_before = before.next().transpose()?;
            for after in self.misfits(reach, change)? {
                let (place, found) = after?;
                while value_before
                    .as_ref()
                    .is_some_and(|(other, _)| *other < place)
                {
                    value_before = before.next().transpose()?;
                }
                let is_of = place.1 == OWN && of == Some(&found);
                match &value_before {
                    // It has a line of its own, and needs another change too.
                    Some((other, breach)) if *other == place && found == *breach && !is_of => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        };
        tried().unwrap_or(false)
    }

    /// The values that a changed contract has no place for, by row, ascending.
    fn misfits(
        &self,
        reach: Reach,
        change: impl FnOnce(&mut ColumnContract, &mut Csv),
    ) -> Result<impl Iterator<Item = Result<(Place, Breach)>>> {
        let mut dataset = (*self.file.dataset).clone();
        let is_it = |column: &ColumnContract| column.name == self.column.name;
        let is_tried = |column: &ColumnContract| reach == Reach::File || is_it(column);
        // Without a header the other columns say where this one is.
        if !is_csv(self.file) || dataset.csv.header {
            dataset.columns.retain(is_tried);
        }
        let at = dataset.columns.iter().position(is_it);
        if let Some(at) = at {
            change(&mut dataset.columns[at], &mut dataset.csv);
        }
        let file = RawFile {
            dataset: Arc::new(dataset),
            reads: Reads::default(),
            ..self.file.clone()
        };
        let chunks: Chunks = file.chunks(self.work)?.0;
        let mut first = 0;
        Ok(chunks.flat_map(move |chunk| {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return vec![Err(error)],
            };
            let misfits = chunk.misfits.into_iter();
            let tried = misfits.filter(|of| reach == Reach::File || Some(of.column) == at);
            // NaN is null in every type.
            let broken = tried.filter(|of| of.breach != Breach::NanAsNull);
            // A conversion in two passes notes each value once.
            let by_place: HashMap<Place, Breach> = broken
                .map(|of| {
                    let column = match Some(of.column) == at {
                        true => OWN,
                        false => of.column + 1,
                    };
                    ((first + of.row as u64, column), of.breach)
                })
                .collect();
            let mut found: Vec<(Place, Breach)> = by_place.into_iter().collect();
            found.sort_unstable();
            first += chunk.batch.num_rows() as u64;
            found.into_iter().map(Ok).collect()
        }))
    }
}
