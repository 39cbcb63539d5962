//! States of groups: each has a key and what is known of its rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, RecordBatch, UInt64Array, new_empty_array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use arrow::row::{RowConverter, SortField};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use datafusion_common::error::DataFusionError;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use datafusion_physical_expr::GroupsAccumulatorAdapter;

use runtime::failure::Failure;
use table::config::aggregates as files;

use super::super::fault;
use super::Aggregate;

/// What a key takes in a table of keys besides its bytes.
const KEY: u64 = 64;

/// Keys as bytes, which are compared as the keys are.
pub(super) struct Keys {
    converter: RowConverter,
    columns: usize,
}

impl Keys {
    pub(super) fn of(aggregate: &Aggregate) -> Result<Self> {
        let fields = aggregate.key_fields.iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(fields.collect())?,
            columns: aggregate.key_fields.len(),
        })
    }

    /// Hands the key of each row to `take`.
    pub(super) fn each(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Result<()> {
        if self.columns == 0 {
            (0..rows).for_each(|_| take(&[]));
            return Ok(());
        }
        let keys = self.converter.convert_columns(columns)?;
        keys.iter().for_each(|key| take(key.as_ref()));
        Ok(())
    }

    fn columns(&self, keys: &[&[u8]]) -> Result<Vec<ArrayRef>> {
        if self.columns == 0 {
            return Ok(Vec::new());
        }
        let parser = self.converter.parser();
        let rows = keys.iter().map(|key| parser.parse(key));
        Ok(self.converter.convert_rows(rows)?)
    }
}

/// The groups of one aggregate.
struct Groups {
    aggregate: Arc<Aggregate>,
    keys: Keys,
    places: HashMap<Box<[u8]>, usize>,
    /// What the keys take.
    bytes: u64,
    functions: Vec<Box<dyn GroupsAccumulator>>,
}

impl Groups {
    fn new(aggregate: &Arc<Aggregate>) -> Result<Self> {
        let functions = aggregate.values.iter().map(|value| {
            // Of floats DataFusion's own least and greatest value pass over NaN in some orders.
            let is_float = value.function.field().data_type().is_floating();
            if value.function.groups_accumulator_supported() && !is_float {
                return value.function.create_groups_accumulator();
            }
            let function = value.function.clone();
            let one = move || function.create_accumulator();
            Ok(Box::new(GroupsAccumulatorAdapter::new(one)) as _)
        });
        Ok(Self {
            aggregate: aggregate.clone(),
            keys: Keys::of(aggregate)?,
            places: HashMap::new(),
            bytes: 0,
            functions: functions.collect::<datafusion_common::error::Result<_>>()?,
        })
    }

    /// The group of each row; there may be new ones among them.
    fn places(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<usize>> {
        let mut places = Vec::with_capacity(rows);
        let (known, bytes) = (&mut self.places, &mut self.bytes);
        self.keys.each(columns, rows, |key| {
            let next = known.len();
            // A key that is known is not copied.
            let place = known.get(key).copied().unwrap_or_else(|| {
                *bytes += key.len() as u64 + KEY;
                match known.entry(key.into()) {
                    Entry::Vacant(entry) => *entry.insert(next),
                    Entry::Occupied(entry) => *entry.get(),
                }
            });
            places.push(place);
        })?;
        Ok(places)
    }

    fn add(&mut self, what: &str, rows: &RecordBatch) -> Result<()> {
        let aggregate = self.aggregate.clone();
        let keys = aggregate.keys.iter();
        let keys: Vec<ArrayRef> = keys.map(|&key| rows.column(key).clone()).collect();
        let places = self.places(&keys, rows.num_rows())?;
        for (value, function) in aggregate.values.iter().zip(&mut self.functions) {
            let added = value.arguments(rows).and_then(|arguments| {
                function.update_batch(&arguments, &places, None, self.places.len())
            });
            added.map_err(|error| {
                let found = fault::first(rows, |rows| value.arguments(rows));
                let (what, of_row) = match found {
                    Some((row, of_row)) => {
                        let row = fault::row(rows, row, &aggregate.of_row, &value.reads);
                        let column = &value.column;
                        (format!("{what}, in the column {column:?} of {row}"), of_row)
                    }
                    None => (what.to_owned(), None),
                };
                let fault = value.fault(rows.schema_ref());
                failure(&aggregate, &what, fault, of_row.as_ref().unwrap_or(&error))
            })?;
        }
        Ok(())
    }

    fn merge(&mut self, what: &str, states: &RecordBatch) -> Result<()> {
        let columns = self.aggregate.key_fields.len();
        let places = self.places(&states.columns()[..columns], states.num_rows())?;
        let mut at = columns;
        for (value, function) in self.aggregate.values.iter().zip(&mut self.functions) {
            let to = at + value.function.state_fields()?.len();
            let columns = states.columns().get(at..to);
            let columns = columns.with_context(|| format!("{what} lacks columns"))?;
            let merged = function.merge_batch(columns, &places, self.places.len());
            merged.map_err(|error| failure(&self.aggregate, what, None, &error))?;
            at = to;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        let functions = self.functions.iter();
        self.bytes + functions.map(|of| of.size() as u64).sum::<u64>()
    }

    /// Keys and states or values, in the order of the keys.
    fn emit(mut self, what: Emitted) -> Result<RecordBatch> {
        let known = self.places.iter();
        let mut keys: Vec<(&[u8], u64)> =
            known.map(|(key, place)| (&**key, *place as u64)).collect();
        keys.sort_unstable();
        let (keys, order): (Vec<&[u8]>, Vec<u64>) = keys.into_iter().unzip();
        let mut columns = self.keys.columns(&keys)?;
        let mut fields = self.aggregate.key_fields.clone();
        let order = UInt64Array::from(order);
        for (value, function) in self.aggregate.values.iter().zip(&mut self.functions) {
            let of_value = match what {
                Emitted::States => value.function.state_fields()?,
                Emitted::Values => vec![value.function.field()],
            };
            let made = match (what, order.is_empty()) {
                // Without a group a function does not say what its states are.
                (_, true) => Ok(of_value
                    .iter()
                    .map(|field| new_empty_array(field.data_type()))
                    .collect()),
                (Emitted::States, false) => function.state(EmitTo::All),
                (Emitted::Values, false) => function.evaluate(EmitTo::All).map(|made| vec![made]),
            };
            let made = made
                .map_err(|error| failure(&self.aggregate, "the rows to train on", None, &error))?;
            for (place, (field, made)) in of_value.iter().zip(made).enumerate() {
                let name = match what {
                    Emitted::States => format!("{} {place}", value.column),
                    Emitted::Values => value.column.clone(),
                };
                fields.push(Field::new(name, field.data_type().clone(), true));
                columns.push(take(&made, &order, None)?);
            }
        }
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    }
}

/// What is wanted of groups.
#[derive(Clone, Copy, PartialEq)]
enum Emitted {
    /// States, which others can be merged with.
    States,
    Values,
}

fn failure(
    aggregate: &Aggregate,
    what: &str,
    fault: Option<DataFusionError>,
    error: &DataFusionError,
) -> anyhow::Error {
    let file = files::file_of(&aggregate.name);
    fault::failure(&format!("{file} fails on {what}"), fault, error)
}

/// All aggregates of some rows.
pub struct Fit {
    groups: Vec<Groups>,
    memory: u64,
}

impl Fit {
    pub(super) fn new(aggregates: &[Arc<Aggregate>], memory: u64) -> Result<Self> {
        Ok(Self {
            groups: aggregates.iter().map(Groups::new).collect::<Result<_>>()?,
            memory,
        })
    }

    /// Takes in raw rows of `what`, such as the name of a file.
    ///
    /// # Errors
    /// Rows that the SQL can't be computed from: exit 10. More keys than there is memory for:
    /// exit 2.
    pub fn add(&mut self, what: &str, rows: &RecordBatch) -> Result<()> {
        for groups in &mut self.groups {
            groups.add(what, rows)?;
        }
        self.must_fit(what)
    }

    /// Takes in what [`Fit::partial`] gave of `what`.
    ///
    /// # Errors
    /// As of [`Fit::add`].
    pub fn merge(&mut self, what: &str, partial: &[u8]) -> Result<()> {
        let mut rest = partial;
        for groups in &mut self.groups {
            let cut = || format!("the stored aggregates of {what} are truncated");
            let (size, tail) = rest.split_first_chunk().with_context(cut)?;
            let size = usize::try_from(u64::from_le_bytes(*size))?;
            let (states, tail) = tail.split_at_checked(size).with_context(cut)?;
            for states in StreamReader::try_new(states, None)? {
                groups.merge(what, &states?)?;
            }
            rest = tail;
        }
        ensure!(
            rest.is_empty(),
            "the stored aggregates of {what} belong to other queries"
        );
        self.must_fit(what)
    }

    /// The states of all groups as bytes, the same for the same rows.
    ///
    /// # Errors
    /// States that are no columns.
    pub fn partial(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for groups in self.groups {
            let states = groups.emit(Emitted::States)?;
            let states = encoded(&states)?;
            bytes.extend((states.len() as u64).to_le_bytes());
            bytes.extend(states);
        }
        Ok(bytes)
    }

    /// The values of all groups: for each aggregate its name and the table, an Arrow stream of keys
    /// and values in the order of the keys.
    ///
    /// # Errors
    /// A sum that its type does not hold: exit 10.
    pub fn finish(self) -> Result<Vec<(String, Vec<u8>)>> {
        let tables = self.groups.into_iter().map(|groups| {
            let name = groups.aggregate.name.clone();
            let values = groups.emit(Emitted::Values)?;
            Ok((name, encoded(&values)?))
        });
        tables.collect()
    }

    fn must_fit(&self, what: &str) -> Result<()> {
        let size: u64 = self.groups.iter().map(Groups::size).sum();
        if size <= self.memory {
            return Ok(());
        }
        let largest = self.groups.iter().max_by_key(|groups| groups.size());
        let largest = largest.context("an aggregate")?;
        Err(too_large(
            &largest.aggregate,
            largest.places.len(),
            what,
            size,
            self.memory,
        ))
    }
}

/// The refusal of an aggregate that has more keys than there is memory for.
pub(super) fn too_large(
    aggregate: &Aggregate,
    keys: usize,
    what: &str,
    size: u64,
    memory: u64,
) -> anyhow::Error {
    let names: Vec<&str> = aggregate
        .key_fields
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    Failure::usage(format!(
        "{}: with {what} there are {keys} distinct keys ({}), which take {} MiB, and there are {} MiB \
         for them: group by fewer or coarser columns, write windows where a key is a customer, or \
         raise --memory (ALAMEDA_MEMORY; memory-mib on Argo)",
        files::file_of(&aggregate.name),
        names.join(", "),
        size.div_ceil(1 << 20),
        memory >> 20
    ))
}

fn encoded(rows: &RecordBatch) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, rows.schema_ref())?;
    writer.write(rows)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}
