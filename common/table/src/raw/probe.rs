//! Raw files that no contract describes yet: which columns they have, some of their rows, and which
//! types of a contract take the values.

mod dialect;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchReader, new_empty_array,
};
use arrow::compute::{concat, filter_record_batch};
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::values::Spelling;
use super::{Compression, Format, RawFile, Wanted, convert, csv, format, int96, unreadable};
use crate::dataset::{ColumnContract, ColumnType, Csv, Dataset, Form, Labels};
use crate::parts::file::ParquetFile;
use catalog::manifest::Role;
use learn::splitmix;
use runtime::failure::Failure;
use runtime::work::Work;

pub use dialect::{mixed, sniff};

/// Places over which the rows of a sample of a parquet file are spread.
const RUNS: u64 = 16;
/// Columns of a parquet file that are decoded at the same time: each holds a page in memory.
const TOGETHER: usize = 32;
/// Rows of a CSV file up to which it is read: what lies beyond is not looked at.
const CSV_ROWS: u64 = 5_000_000;
/// The seed by which rows of a CSV file are picked.
const PICKS: u64 = 4 << 32;

/// A raw file, read without a contract.
#[derive(Clone, Debug)]
pub struct Probe {
    raw: RawFile,
    format: Format,
    columns: Vec<Found>,
    rows: Option<u64>,
}

/// A column of a raw file.
#[derive(Clone, Debug)]
pub struct Found {
    /// Name of the column.
    pub name: String,
    /// Its type as the writer spelt it, that of texts for UUIDs; `None` in a CSV file, which holds
    /// texts.
    pub data_type: Option<DataType>,
    /// How many nulls the file says that it holds.
    pub nulls: Option<u64>,
    /// Whether the file says that it holds nothing else: then its type does not matter.
    pub is_null: bool,
}

/// Some rows of a raw file.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The values of each column, in the order of the file; `None` for a column that no type of a
    /// contract takes.
    pub columns: Vec<Option<ArrayRef>>,
    /// How many rows they are.
    pub rows: u64,
    /// The number of each in the file, from 0.
    pub numbers: Vec<u64>,
    /// How many rows the file has; `None` where it was not read to its end.
    pub of: Option<u64>,
}

/// Values as a type of the contract takes them.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The values, null where one does not fit.
    pub values: ArrayRef,
    /// How many do not fit.
    pub misfits: usize,
    /// The first of them.
    pub example: Option<String>,
}

impl Found {
    /// The values as a type of the contract; `None` where it takes none of the column's type.
    /// Texts of a CSV file are spelt as `dialect` says, and moments as `form` says.
    ///
    /// # Errors
    /// A file that can't be decoded.
    pub fn fit(
        &self,
        values: &ArrayRef,
        column_type: ColumnType,
        dialect: &Csv,
        form: Option<&Form>,
    ) -> Result<Option<Fit>> {
        let wanted = Wanted {
            column: 0,
            column_type,
            nullable: true,
            keep_nan: false,
            quarantine: false,
            spelling: match self.data_type {
                None => Spelling::of(dialect),
                Some(_) => Spelling::PLAIN,
            },
            form: form.cloned(),
        };
        let mut misfits = Vec::new();
        let values = match &self.data_type {
            None => wanted.texts(values.as_string(), &mut misfits),
            Some(found) if convert::takes(found, column_type) => {
                wanted.array(values, &mut misfits)?
            }
            Some(_) if self.is_null => wanted.nulls(values.len()),
            Some(_) => return Ok(None),
        };
        Ok(Some(Fit {
            values,
            misfits: misfits.len(),
            example: misfits.into_iter().next().map(|misfit| misfit.example),
        }))
    }

    /// Whether a type of the contract takes values of the column's type, or it has none.
    pub fn is_readable(&self) -> bool {
        let of_type = |found: &DataType| {
            ColumnType::ALL
                .iter()
                .any(|&wanted| convert::takes(found, wanted))
        };
        self.is_null || self.data_type.as_ref().is_none_or(of_type)
    }
}

impl Probe {
    /// Looks at the header or the footer of a file; a CSV file is written as `dialect` says.
    ///
    /// # Errors
    /// A file that no step could read: exit 10, by the name `key`.
    pub fn open(path: &Path, key: &str, dialect: &Csv) -> Result<Self> {
        let format = format::require(key)?;
        format::check_kind(path, key, format)?;
        let mut raw = raw(path, key, dialect);
        let (columns, rows) = match format {
            Format::Parquet => of_parquet(path, key)?,
            Format::Csv(compression) => (of_csv(&raw, compression)?, None),
        };
        raw.dataset = Arc::new(Dataset {
            csv: dialect.clone(),
            ..Dataset::new(columns.iter().map(contract).collect())
        });
        Ok(Self {
            raw,
            format,
            columns,
            rows,
        })
    }

    /// The columns, in the order of the file.
    pub fn columns(&self) -> &[Found] {
        &self.columns
    }

    /// How many rows the file says that it has.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// The name of an index that pandas keeps in the file's metadata, and why it is no column.
    ///
    /// # Errors
    /// A file that can't be opened.
    pub fn range_index(&self) -> Result<Option<(String, &'static str)>> {
        if self.format != Format::Parquet {
            return Ok(None);
        }
        let file = open(&self.raw.path, &self.raw.key)?;
        let name = super::footer::range_index(file.schema());
        Ok(name.map(|name| (name, super::footer::RANGE_INDEX)))
    }

    /// At most so many rows, spread over the file; of a CSV file over its first 5,000,000 rows. The
    /// same file gives the same rows.
    ///
    /// # Errors
    /// A file that can't be read as what its name says: exit 10.
    pub fn sample(&self, most: u64, work: &Work) -> Result<Sample> {
        match self.format {
            Format::Parquet => self.of_parquet(most),
            Format::Csv(_) => self.of_csv(most, work),
        }
    }

    /// All rows, in these columns, each batch with the column of every value that does not fit;
    /// null takes its place.
    ///
    /// # Errors
    /// A file that can't be read as what its name says, or that lacks a column: exit 10.
    pub fn read(
        &self,
        columns: &[ColumnContract],
        work: &Work,
    ) -> Result<impl Iterator<Item = Result<(RecordBatch, Vec<usize>)>> + use<>> {
        let raw = RawFile {
            dataset: Arc::new(Dataset {
                csv: self.raw.dataset.csv.clone(),
                ..Dataset::new(columns.to_vec())
            }),
            ..self.raw.clone()
        };
        let chunks = raw.chunks(work)?.0;
        Ok(chunks.map(|chunk| {
            let chunk = chunk?;
            let misfits = chunk.misfits.iter().map(|misfit| misfit.column).collect();
            Ok((chunk.batch, misfits))
        }))
    }

    fn of_parquet(&self, most: u64) -> Result<Sample> {
        let rows = self.rows.unwrap_or_default();
        let readable = (0..self.columns.len()).filter(|&place| self.columns[place].is_readable());
        let readable: Vec<usize> = readable.collect();
        let mut columns = vec![None; self.columns.len()];
        let runs = runs(rows, most);
        for places in readable.chunks(TOGETHER) {
            let file = open(&self.raw.path, &self.raw.key)?;
            let (builder, _) = int96::in_microseconds(&self.raw, file.builder()?)?;
            let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
            let builder = builder.with_projection(mask).with_batch_size(8192);
            let damaged =
                |error: &dyn std::fmt::Display| unreadable(&self.raw.key, "parquet", error);
            let reader = builder.with_row_selection(selection(&runs)).build();
            let reader = reader.map_err(|error| damaged(&error))?;
            let schema = reader.schema();
            let batches = reader
                .collect::<Result<Vec<RecordBatch>, _>>()
                .map_err(|error| damaged(&error))?;
            for (at, &place) in places.iter().enumerate() {
                let arrays: Vec<&dyn Array> = batches
                    .iter()
                    .map(|batch| batch.column(at).as_ref())
                    .collect();
                let values = match arrays.is_empty() {
                    true => new_empty_array(schema.field(at).data_type()),
                    false => concat(&arrays)?,
                };
                columns[place] = Some(
                    match self.columns[place].data_type == Some(DataType::Utf8) {
                        true => convert::uuids(&values),
                        false => values,
                    },
                );
            }
        }
        Ok(Sample {
            columns,
            rows: rows.min(most),
            numbers: runs.into_iter().flatten().collect(),
            of: Some(rows),
        })
    }

    /// Rows that are picked by their numbers at random: those at equal distances would miss what
    /// repeats at such a distance. Whenever too many are kept, half of them are left out.
    fn of_csv(&self, most: u64, work: &Work) -> Result<Sample> {
        let (mut kept, mut halvings, mut seen) = (Vec::<SampledRows>::new(), 0, 0_u64);
        let mut ended = true;
        for chunk in self.raw.chunks(work)?.0 {
            if seen >= CSV_ROWS {
                ended = false;
                break;
            }
            let rows = chunk?.batch;
            let numbers = seen..seen + rows.num_rows() as u64;
            seen = numbers.end;
            let numbers = numbers.collect();
            kept.push(SampledRows { numbers, rows }.picked(halvings)?);
            while kept
                .iter()
                .map(|kept| kept.numbers.len() as u64)
                .sum::<u64>()
                > most.max(1)
            {
                halvings += 1;
                let picked = kept.into_iter().map(|kept| kept.picked(halvings));
                kept = picked.collect::<Result<_>>()?;
            }
        }
        let schema = self.raw.dataset.raw_schema();
        let all = arrow::compute::concat_batches(&schema, kept.iter().map(|kept| &kept.rows))?;
        Ok(Sample {
            columns: all.columns().iter().cloned().map(Some).collect(),
            rows: all.num_rows() as u64,
            numbers: kept.into_iter().flat_map(|kept| kept.numbers).collect(),
            of: ended.then_some(seen),
        })
    }
}

/// Rows of a sample, and their numbers in the file.
struct SampledRows {
    numbers: Vec<u64>,
    rows: RecordBatch,
}

impl SampledRows {
    /// Those that are still in the sample after it was halved so many times.
    fn picked(self, halvings: u32) -> Result<Self> {
        let is_picked = |row: &u64| splitmix::number(PICKS, *row).leading_zeros() >= halvings;
        let mask: BooleanArray = self
            .numbers
            .iter()
            .map(|row| Some(is_picked(row)))
            .collect();
        Ok(Self {
            numbers: self.numbers.into_iter().filter(is_picked).collect(),
            rows: filter_record_batch(&self.rows, &mask)?,
        })
    }
}

/// At most so many rows of a file, in runs that lie equally far apart.
fn runs(rows: u64, most: u64) -> Vec<Range<u64>> {
    if rows <= most {
        return std::iter::once(0..rows).collect();
    }
    let runs = RUNS.min(most.max(1));
    let run = |run: u64| {
        let begin = (u128::from(rows) * u128::from(run) / u128::from(runs)) as u64;
        // The first runs take what does not divide.
        begin..begin + most / runs + u64::from(run < most % runs)
    };
    (0..runs).map(run).collect()
}

fn selection(runs: &[Range<u64>]) -> RowSelection {
    let mut selectors = Vec::new();
    let mut at = 0;
    for run in runs {
        selectors.push(RowSelector::skip((run.start - at) as usize));
        selectors.push(RowSelector::select((run.end - run.start) as usize));
        at = run.end;
    }
    selectors.into()
}

/// What the readers need to know of a column: moments that a parquet file holds as INT96 are read
/// as the contract's.
fn contract(found: &Found) -> ColumnContract {
    let column_type = match found.data_type {
        Some(DataType::Timestamp(_, None)) => ColumnType::Timestamp,
        Some(DataType::Timestamp(_, Some(_))) => ColumnType::TimestampTz,
        _ => ColumnType::Utf8,
    };
    ColumnContract {
        nullable: true,
        ..ColumnContract::new(&found.name, column_type, Role::Ignored)
    }
}

fn open(path: &Path, key: &str) -> Result<ParquetFile> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    super::footer::opened(file, key)
}

fn of_parquet(path: &Path, key: &str) -> Result<(Vec<Found>, Option<u64>)> {
    super::footer::check_footer(path, key)?;
    let file = open(path, key)?;
    let fields = file.schema().fields().iter().enumerate();
    let places: Vec<usize> = (0..fields.len()).collect();
    let uuids = super::footer::uuids(&file, &places)?;
    let columns = fields.map(|(place, field)| Found {
        name: field.name().clone(),
        data_type: Some(match uuids[place] {
            true => DataType::Utf8,
            false => field.data_type().clone(),
        }),
        nulls: file.nulls(place),
        is_null: file.is_null(place),
    });
    let rows = file.builder()?.metadata().file_metadata().num_rows();
    Ok((distinct(columns.collect(), key)?, u64::try_from(rows).ok()))
}

fn of_csv(raw: &RawFile, compression: Compression) -> Result<Vec<Found>> {
    let names = csv::peek(raw, compression, 1)?.into_iter().next();
    let columns = names.unwrap_or_default().into_iter().map(|name| Found {
        name,
        data_type: None,
        nulls: None,
        is_null: false,
    });
    distinct(columns.collect(), &raw.key)
}

fn raw(path: &Path, key: &str, dialect: &Csv) -> RawFile {
    let dataset = Dataset {
        csv: dialect.clone(),
        ..Dataset::new(Vec::new())
    };
    let (key, path) = (key.to_owned(), path.to_owned());
    RawFile::new(key, path, Arc::new(dataset), Labels::Optional)
}

/// Forms in which a text may spell a moment.
pub fn forms(text: &str, column_type: ColumnType) -> Vec<Form> {
    Form::of(text, column_type)
}

/// Of the columns of a CSV file, in its order: how many rows a quoted text of the column at a place
/// holds besides its own, because two quotes that are parts of texts close each other; `None` of a
/// text that holds none.
pub fn swallowed(dataset: &Dataset) -> impl Fn(&str, usize) -> Option<usize> + use<> {
    let places: Vec<Option<usize>> = (0..dataset.columns.len()).map(Some).collect();
    let dataset = Arc::new(dataset.clone());
    let raw = RawFile::new(
        "a.csv".to_owned(),
        PathBuf::new(),
        dataset,
        Labels::Optional,
    );
    let shape = csv::Shape::new(&raw, &places, places.len());
    move |text: &str, column: usize| shape.rows(text, column)
}

/// # Errors
/// A name that occurs twice, or none: exit 10.
fn distinct(columns: Vec<Found>, key: &str) -> Result<Vec<Found>> {
    let mut names = std::collections::HashSet::new();
    match columns.iter().find(|column| !names.insert(&column.name)) {
        Some(column) => Err(Failure::contract(format!(
            "{key}: column {:?} is in the file twice: give each column a name of its own, and a file without a header \
             one",
            column.name
        ))),
        None if columns.is_empty() => Err(Failure::contract(format!("{key} has no columns"))),
        None => Ok(columns),
    }
}

#[cfg(test)]
mod tests;
