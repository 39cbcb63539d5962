//! Values of aggregates, looked up by the keys of a row.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::SchemaRef;
use arrow_ipc::reader::StreamReader;

use super::groups::{Keys, too_large};
use super::{Aggregate, Fit};

/// The tables of all aggregates.
pub(in super::super) struct Lookup {
    tables: Vec<Table>,
    extended: SchemaRef,
}

struct Table {
    aggregate: Arc<Aggregate>,
    keys: Keys,
    places: HashMap<Box<[u8]>, u32>,
    /// The values, a row for each key.
    values: Vec<ArrayRef>,
}

impl Lookup {
    pub(super) fn new(
        aggregates: &[Arc<Aggregate>],
        extended: &SchemaRef,
        tables: &[(String, Vec<u8>)],
        memory: u64,
    ) -> Result<Self> {
        let of = |aggregate: &Arc<Aggregate>| {
            let table = tables.iter().find(|(name, _)| *name == aggregate.name);
            let (_, bytes) = table.with_context(|| {
                format!("no training has computed the aggregate {}", aggregate.name)
            })?;
            Table::read(aggregate, bytes, memory)
        };
        Ok(Self {
            tables: aggregates.iter().map(of).collect::<Result<_>>()?,
            extended: extended.clone(),
        })
    }

    pub(super) fn unknown(aggregates: &[Arc<Aggregate>], extended: &SchemaRef) -> Result<Self> {
        let nothing = Fit::new(aggregates, u64::MAX)?.finish()?;
        Self::new(aggregates, extended, &nothing, u64::MAX)
    }

    /// Raw rows with the columns of the aggregates, which are null where a key is unknown.
    pub(in super::super) fn attach(&self, raw: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = raw.columns().to_vec();
        for table in &self.tables {
            table.attach(raw, &mut columns)?;
        }
        Ok(RecordBatch::try_new(self.extended.clone(), columns)?)
    }
}

impl Table {
    fn read(aggregate: &Arc<Aggregate>, bytes: &[u8], memory: u64) -> Result<Self> {
        let reader = StreamReader::try_new(bytes, None)?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>()?;
        let rows = concat_batches(&schema, &batches)?;
        let columns = aggregate.key_fields.len();
        ensure!(
            rows.num_columns() == columns + aggregate.values.len(),
            "the table of the aggregate {} has other columns",
            aggregate.name
        );
        let (mut places, mut size) = (HashMap::new(), bytes.len() as u64);
        let keys = Keys::of(aggregate)?;
        keys.each(&rows.columns()[..columns], rows.num_rows(), |key| {
            let place = places.len() as u32;
            size += key.len() as u64;
            places.insert(Box::from(key), place);
        })?;
        if size > memory {
            let count = places.len();
            return Err(too_large(
                aggregate,
                count,
                "all rows to train on",
                size,
                memory,
            ));
        }
        Ok(Self {
            aggregate: aggregate.clone(),
            keys,
            places,
            values: rows.columns()[columns..].to_vec(),
        })
    }

    fn attach(&self, raw: &RecordBatch, columns: &mut Vec<ArrayRef>) -> Result<()> {
        let rows = raw.num_rows();
        if self.places.is_empty() {
            let values = self.values.iter();
            columns.extend(values.map(|value| new_null_array(value.data_type(), rows)));
            return Ok(());
        }
        let keys = self.aggregate.keys.iter();
        let keys: Vec<ArrayRef> = keys.map(|&key| raw.column(key).clone()).collect();
        let mut places = Vec::with_capacity(rows);
        self.keys.each(&keys, rows, |key| {
            places.push(self.places.get(key).copied())
        })?;
        let places = UInt32Array::from(places);
        for value in &self.values {
            columns.push(take(value, &places, None)?);
        }
        Ok(())
    }
}
