//! What one set of results brings to the table, and its rows.

mod keys;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};

use super::binary::{self, Cells, Source};
use super::definition::{Definition, TableColumn};
use super::partitions::{self, Month};
use super::rows::{Row, RowSorters};
use catalog::manifest::Role;
use catalog::manifest::{Column, ResultsManifest};
use learn::explanation::TOP_REASONS;
use learn::task::{LOWER, PREDICTION, PROBABILITY, UPPER, is_probability_of_class};
use profile::profiles::Baseline;
use runtime::failure::Failure;
use runtime::work::Work;
use settings::published::{self, SCORED_AT};
use store::digest;
use store::spill::Runs;
use table::dataset::ColumnType;
use table::profiling::{Profiler, Profiling};

/// Columns that are the same for all rows of a set of results, so that they are listed once.
const MODEL_NAME: &str = "model_name";
const MODEL_VERSION: &str = "model_version";
const DATA_VERSION: &str = "data_version";

/// What to do about a value that has to be published as it was delivered.
const GIVEN: &str = "correct the raw file and score it in a new data version, or leave such rows \
                     out by \"filter\" in dataset.json and train a new version";
/// What to do about a value that may be another.
const COMPUTED: &str = "change the value in features.sql, or leave the column out, and train a new \
                        version; or correct the raw file and score it in a new data version";

/// Bytes of a piece of a COPY.
pub(super) const PIECE: usize = 128 << 10;

/// A set of results that is published.
#[derive(Clone, Debug)]
pub struct Publication {
    pub(super) fingerprint: String,
    pub(super) data_version: String,
    pub(super) model_name: String,
    pub(super) model_version: i64,
    pub(super) scored_at: DateTime<Utc>,
    pub(super) rows: u64,
    pub(super) parts_digest: String,
    pub(super) workflow: String,
    /// The parts by their keys, for errors.
    parts: Vec<String>,
    /// Columns of the rows, ids and time first.
    pub(super) columns: Vec<TableColumn>,
    /// How many of them name a row.
    pub(super) keys: usize,
    /// Name of the column of time.
    pub(super) time: Option<String>,
    /// Name of the column that is predicted, if the rows have it.
    pub(super) target: Option<String>,
}

impl Publication {
    /// A set of results, to be published by a workflow.
    ///
    /// # Errors
    /// A column that Postgres can't have: exit 2, with its name.
    pub fn new(results: &ResultsManifest, workflow: &str) -> Result<Self> {
        published::check(&results.columns)?;
        let given = [MODEL_NAME, MODEL_VERSION, DATA_VERSION];
        let mut columns: Vec<&Column> = results
            .columns
            .iter()
            .filter(|column| !given.contains(&column.name.as_str()))
            .collect();
        columns.sort_by_key(|column| match column.role {
            Role::Id => 0,
            Role::Time => 1,
            Role::Target | Role::Weight | Role::Feature | Role::Ignored => 2,
        });
        let keys = columns
            .iter()
            .filter(|column| matches!(column.role, Role::Id | Role::Time))
            .count();
        let parts: Vec<&str> = results
            .parts
            .iter()
            .map(|part| part.sha256.as_str())
            .collect();
        let name_of = |role| {
            columns
                .iter()
                .find(|column| column.role == role)
                .map(|column| column.name.clone())
        };
        Ok(Self {
            fingerprint: results.header.fingerprint.clone(),
            data_version: results.data_version.to_string(),
            model_name: results.model_name.to_string(),
            model_version: results.model_version as i64,
            scored_at: results.header.created_at,
            rows: results.rows,
            parts_digest: digest::hex(parts.join(" ").as_bytes()),
            workflow: workflow.to_owned(),
            parts: keys::parts(results),
            time: name_of(Role::Time),
            target: name_of(Role::Target),
            columns: columns
                .into_iter()
                .map(table_column)
                .collect::<Result<_>>()?,
            keys,
        })
    }

    /// Names of the columns that its rows are made of, in the order in which [`RowSorter::push`]
    /// takes them.
    pub fn columns(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// Rows of the results.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn definition(&self) -> Definition {
        let given = |name: &str, column_type, comment| TableColumn {
            name: name.to_owned(),
            column_type,
            comment,
            nullable: false,
        };
        let mut columns = self.columns.clone();
        columns.extend([
            given(
                MODEL_NAME,
                ColumnType::Utf8,
                "Registered name of the model that scored the row.",
            ),
            given(MODEL_VERSION, ColumnType::Int64, "Version of that model."),
            given(
                DATA_VERSION,
                ColumnType::Utf8,
                "Data version that the row was scored in.",
            ),
            given(
                SCORED_AT,
                ColumnType::TimestampTz,
                "When the row was scored; the latest scoring is kept.",
            ),
        ]);
        let key = self.columns[..self.keys]
            .iter()
            .map(|column| column.name.clone());
        Definition {
            columns,
            key: key.chain([MODEL_NAME.to_owned()]).collect(),
            time: self.time.clone(),
        }
    }

    /// The cells that are the same for all rows, in the order of [`Publication::definition`].
    fn given(&self) -> Vec<u8> {
        [
            binary::text(&self.model_name),
            binary::bigint(self.model_version),
            binary::text(&self.data_version),
            binary::instant(self.scored_at.timestamp_micros()),
        ]
        .concat()
    }
}

fn table_column(column: &Column) -> Result<TableColumn> {
    let name = &column.name;
    let data_type: Option<DataType> = column.data_type.parse().ok();
    let column_type = data_type.as_ref().and_then(binary::column_type).ok_or_else(|| {
        Failure::usage(format!(
            "column {name:?} is of type {}, which is not published: cast it to a number, text, boolean, date or timestamp \
             in features.sql, and train a new version",
            column.data_type
        ))
    })?;
    let comment = match (column.role, name.as_str()) {
        (Role::Id, _) => "Id of the row.",
        (Role::Time, _) => "When the row was observed.",
        (Role::Target, _) => "The label; null until it is known.",
        (Role::Weight, _) => "Weight of the row in metrics; null counts as 1.",
        (Role::Feature, _) => "Feature that the model was given.",
        (Role::Ignored, PREDICTION) => "Prediction of the model; null if a feature was missing.",
        (Role::Ignored, PROBABILITY) => {
            "Probability of the positive class; with several classes, of the predicted one."
        }
        (Role::Ignored, LOWER | UPPER) => "End of the interval around the prediction.",
        (Role::Ignored, TOP_REASONS) => {
            "The features that moved the prediction most, as a list in JSON."
        }
        (Role::Ignored, name) if is_probability_of_class(name) => "Probability of the class.",
        (Role::Ignored, _) => "Kept as it was delivered.",
    };
    Ok(TableColumn {
        name: name.clone(),
        column_type,
        comment,
        nullable: !matches!(column.role, Role::Id | Role::Time),
    })
}

/// Least and greatest time of rows, in microseconds from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(i64, i64);

impl Span {
    /// The least time; `None` beyond any calendar, which counts as unknown.
    pub(super) fn first(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }

    pub(super) fn last(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.1)
    }
}

/// Takes in the rows of a publication, on several threads.
pub struct RowSorter {
    publication: Arc<Publication>,
    sorters: RowSorters,
    profiling: Option<Profiling>,
    taken: Mutex<Taken>,
}

/// What was seen of the rows that were taken in.
#[derive(Clone, Debug, Default)]
struct Taken {
    rows: u64,
    span: Option<Span>,
    months: BTreeSet<Month>,
}

impl RowSorter {
    /// Spills into unnamed files in a scratch folder; each thread keeps its share of memory.
    pub fn new(publication: &Publication, work: impl Into<Work>) -> Self {
        Self {
            publication: Arc::new(publication.clone()),
            sorters: RowSorters::new(work),
            profiling: None,
            taken: Mutex::default(),
        }
    }

    /// Profiles the rows besides, as a baseline says. The profiles of each thread may take `memory`
    /// bytes.
    ///
    /// # Errors
    /// A column of the model that the rows lack: exit 2.
    pub fn profiling(mut self, baseline: &Arc<Baseline>, memory: u64) -> Result<Self> {
        let publication = &*self.publication;
        let profiling = Profiling::new(
            baseline,
            &publication.columns(),
            publication.time.as_deref(),
            memory,
        )?;
        self.profiling = Some(profiling);
        Ok(self)
    }

    /// Takes in rows of the part of that number; their columns are those of
    /// [`Publication::columns`].
    ///
    /// # Errors
    /// A value that Postgres can't hold, or a null in the key: exit 10. A scratch folder that is
    /// full: exit 2.
    pub fn push(&self, part: usize, batch: &RecordBatch) -> Result<()> {
        let publication = &*self.publication;
        let columns = || publication.columns.iter().zip(batch.columns());
        let named = |row: usize| {
            let keys = columns().take(publication.keys);
            binary::named(
                keys.map(|(column, array)| (column.name.as_str(), array)),
                row,
            )
        };
        let cells = columns()
            .enumerate()
            .map(|(place, (column, array))| {
                let is_given =
                    place < publication.keys || publication.target.as_ref() == Some(&column.name);
                let of = Source {
                    column: &column.name,
                    row: &named,
                    advice: if is_given { GIVEN } else { COMPUTED },
                };
                let cells = Cells::new(&of, array, column.column_type)?;
                match cells.null_count() {
                    0 => Ok(cells),
                    _ if column.nullable => Ok(cells),
                    nulls => Err(Failure::contract(format!(
                        "column {:?} identifies rows and is null in {nulls} of {} rows",
                        column.name,
                        batch.num_rows()
                    ))),
                }
            })
            .collect::<Result<Vec<Cells>>>()
            .with_context(|| format!("publishing {}", publication.part(part as u32)))?;
        self.sorters
            .push(part as u32, batch.num_rows(), |row, out| {
                cells.iter().for_each(|cells| cells.put(row, out));
                cells.first().map_or(0, |first| first.prefix(row))
            })?;
        if let Some(profiling) = &self.profiling {
            profiling
                .push(batch)
                .with_context(|| format!("profiling {}", publication.part(part as u32)))?;
        }
        let times = publication
            .time
            .as_ref()
            .map(|_| &cells[publication.keys - 1]);
        let (span, months) = (
            times.and_then(Cells::span),
            times.map(partitions::months).unwrap_or_default(),
        );
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.rows += batch.num_rows() as u64;
        taken.months.extend(months);
        if let Some((first, last)) = span {
            let Span(least, greatest) = taken.span.unwrap_or(Span(first, last));
            taken.span = Some(Span(least.min(first), greatest.max(last)));
        }
        Ok(())
    }

    /// All rows in the order of their keys.
    ///
    /// # Errors
    /// Other rows than the manifest counts: exit 2.
    pub fn finish(&self) -> Result<Rows> {
        let Taken { rows, span, months } = self
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if rows != self.publication.rows {
            return Err(Failure::usage(format!(
                "the parts hold {rows} rows, and their manifest counts {}: run batch-inference again with cache=refresh",
                self.publication.rows
            )));
        }
        let profiles = self.profiling.as_ref().map(Profiling::finish).transpose()?;
        Ok(Rows {
            runs: self.sorters.finish()?,
            publication: self.publication.clone(),
            span,
            months,
            profiles,
        })
    }
}

/// The rows of a publication, sorted and on disk.
pub struct Rows {
    runs: Runs<Row>,
    pub(super) publication: Arc<Publication>,
    pub(super) span: Option<Span>,
    pub(super) months: BTreeSet<Month>,
    /// Of all rows, if they were profiled.
    pub(super) profiles: Option<Profiler>,
}

/// What is sent of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Those of [`Publication::definition`].
    All,
    /// Those of the rows alone.
    Rows,
}

impl Rows {
    /// What sends the rows as a binary COPY, piece by piece.
    ///
    /// # Errors
    /// Two rows of one key, and a key that is too long for an index: exit 10, naming them.
    pub(super) fn pieces(
        &self,
        columns: Columns,
        sent: impl Fn(u64) + Send + 'static,
    ) -> impl FnOnce(&mut dyn FnMut(Vec<u8>) -> Result<()>) -> Result<()> + Send + 'static {
        let (runs, publication) = (self.runs.clone(), self.publication.clone());
        move |send| {
            let given = if columns == Columns::All {
                publication.given()
            } else {
                Vec::new()
            };
            let fields = publication.columns.len() + if columns == Columns::All { 4 } else { 0 };
            let fields = (fields as i16).to_be_bytes();
            let mut rows = runs.read()?;
            let mut piece = binary::HEADER.to_vec();
            // Key and part of the row before.
            let (mut before, mut before_part) = (Vec::<u8>::new(), 0);
            let mut count = 0;
            while let Some(row) = rows.next_ref()? {
                let key = &row.cells[..binary::length_of(&row.cells, publication.keys)?];
                if key == before {
                    return Err(publication.repeated(key, [before_part, row.part]));
                }
                publication.check_length(key, row.part)?;
                before.clear();
                before.extend(key);
                before_part = row.part;
                piece.extend(fields);
                piece.extend(&row.cells);
                piece.extend(&given);
                count += 1;
                if piece.len() >= PIECE {
                    send(std::mem::replace(
                        &mut piece,
                        Vec::with_capacity(PIECE + PIECE / 8),
                    ))?;
                    sent(std::mem::take(&mut count));
                }
            }
            piece.extend(binary::TRAILER);
            send(piece)?;
            sent(count);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
