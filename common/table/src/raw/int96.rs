//! Moments as INT96, the days and nanoseconds that Spark, Hive and Impala write. Arrow counts them
//! in nanoseconds, which end in the year 2262 and go round in silence. In microseconds every date
//! has its place, but what is finer is dropped: so they are read in both, and the two must agree.

use std::fs::File;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{AsArray, RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    DataType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type;
use parquet::errors::ParquetError;

use super::{Misfit, Notes, RawFile, Wanted, convert};
use crate::dataset::ColumnType;
use crate::dataset::rule::Breach;

type Builder = ParquetRecordBatchReaderBuilder<File>;

/// The columns of a file that are INT96, in nanoseconds.
pub(super) struct Nanos {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    /// What was read and not yet asked for.
    rest: RecordBatch,
}

/// The builder with columns of the contract that are INT96 in microseconds, and a reader of the
/// same in nanoseconds; `None` where there are none.
pub(super) fn in_microseconds(raw: &RawFile, builder: Builder) -> Result<(Builder, Option<Nanos>)> {
    let places = places(raw, &builder);
    if places.is_empty() {
        return Ok((builder, None));
    }
    // A hint of the writer's may ask for another unit: both are asked for by name.
    let in_unit = |unit: TimeUnit| {
        let fields = builder.schema().fields().iter().enumerate();
        let fields =
            fields.map(
                |(place, field)| match places.iter().find(|(int96, _)| *int96 == place) {
                    Some((_, zone)) => {
                        let zone = zone.filter(|_| unit == TimeUnit::Microsecond);
                        let moment = DataType::Timestamp(unit, zone.map(Into::into));
                        Arc::new(field.as_ref().clone().with_data_type(moment))
                    }
                    None => field.clone(),
                },
            );
        let metadata = builder.schema().metadata().clone();
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata);
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        ArrowReaderMetadata::try_new(builder.metadata().clone(), options)
            .map_err(|error| raw.unreadable("parquet", &error))
    };
    let open = |unit: TimeUnit| -> Result<Builder> {
        let file = File::open(&raw.path);
        let file = file.with_context(|| format!("opening {}", raw.path.display()))?;
        Ok(Builder::new_with_metadata(file, in_unit(unit)?))
    };
    let nanos = open(TimeUnit::Nanosecond)?;
    let mask = ProjectionMask::roots(
        nanos.parquet_schema(),
        places.iter().map(|(place, _)| *place),
    );
    let reader = nanos.with_projection(mask).build();
    let reader = reader.map_err(|error| raw.unreadable("parquet", &error))?;
    let schema = reader.schema();
    let nanos = Nanos {
        rest: RecordBatch::new_empty(schema.clone()),
        schema,
        reader,
    };
    Ok((open(TimeUnit::Microsecond)?, Some(nanos)))
}

/// Places of the columns in the file, each with the zone that it is read in. INT96 itself has none.
fn places(raw: &RawFile, builder: &Builder) -> Vec<(usize, Option<&'static str>)> {
    let columns = builder.parquet_schema().root_schema().get_fields();
    let place = |(place, column): (usize, &Arc<parquet::schema::types::Type>)| {
        if !column.is_primitive() || column.get_physical_type() != Type::INT96 {
            return None;
        }
        let known = raw
            .dataset
            .columns
            .iter()
            .find(|known| known.name == column.name())?;
        match known.column_type {
            ColumnType::TimestampTz => Some((place, Some("UTC"))),
            ColumnType::Date | ColumnType::Timestamp => Some((place, None)),
            _ => None,
        }
    };
    columns.iter().enumerate().filter_map(place).collect()
}

impl Nanos {
    /// The next rows, so many.
    ///
    /// # Errors
    /// A file that is damaged.
    pub(super) fn rows(&mut self, rows: usize) -> Result<RecordBatch, ParquetError> {
        while self.rest.num_rows() < rows {
            let Some(batch) = self.reader.next().transpose()? else {
                return Err(ParquetError::EOF("its columns differ in length".to_owned()));
            };
            self.rest = concat_batches(&self.schema, [&self.rest, &batch])?;
        }
        let taken = self.rest.slice(0, rows);
        self.rest = self.rest.slice(rows, self.rest.num_rows() - rows);
        Ok(taken)
    }
}

/// Notes moments that are finer than a microsecond. The rows have the columns of the contract; its
/// dates are not looked at.
pub(super) fn check(
    rows: &RecordBatch,
    nanos: &RecordBatch,
    wanted: &[Wanted],
    misfits: &mut Vec<Misfit>,
) {
    for (wanted, micros) in wanted.iter().zip(rows.columns()) {
        let name = rows.schema_ref().field(wanted.column).name();
        let Some(nanos) = nanos.column_by_name(name) else {
            continue;
        };
        let Some(micros) = micros.as_primitive_opt::<TimestampMicrosecondType>() else {
            continue;
        };
        let notes = &mut Notes::new(wanted, misfits);
        let nanos = nanos.as_primitive::<TimestampNanosecondType>();
        for (row, (micros, nanos)) in micros.iter().zip(nanos).enumerate() {
            let (Some(micros), Some(nanos)) = (micros, nanos) else {
                continue;
            };
            if nanos.wrapping_sub(micros.wrapping_mul(1_000)) != 0 {
                notes.add(row, Breach::Inexact, || convert::shown(micros, 1_000_000));
            }
        }
    }
}
