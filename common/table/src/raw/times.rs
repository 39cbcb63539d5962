//! The times of a raw file's rows, known before anything else is: from the statistics of a parquet
//! file, or else by reading its column of time alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use catalog::manifest::{Role, TimeRange};
use chrono::TimeDelta;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use runtime::failure::{self, Failure};
use runtime::threads::blocking;
use runtime::work::Work;
use store::{Object, Store};

use super::{Format, RawFile, Reads, format_of};
use crate::dataset::{Dataset, Labels, OnViolation, RepeatedKeys};
use crate::dates;

/// Bytes of a parquet file's end that are read at first.
const TAIL: u64 = 1 << 16;
/// Bytes after the metadata of a parquet file: their length, and the magic.
const FOOTER: usize = 8;

/// What is known of the times of a raw file's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// There are no rows.
    None,
    /// All rows are within it; there need not be one at its ends.
    Within(TimeRange),
    /// The file can't be read, or breaks the contract.
    Unknown,
}

impl Times {
    /// Of the rows of both.
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::None, known) | (known, Self::None) => known,
            (Self::Within(a), Self::Within(b)) => Self::Within(a.with(b)),
        }
    }
}

/// The times of the rows of a raw file, as `dataset` reads them. What is copied to be read is in
/// the scratch folder of `work`.
///
/// # Errors
/// A store that does not answer, and a file that is gone. What is wrong with the file itself is for
/// those to say who check it.
pub async fn times(raw: &Store, file: &Object, dataset: &Dataset, work: &Work) -> Result<Times> {
    let Some(time) = dataset.time() else {
        return Ok(Times::Unknown);
    };
    let (name, wanted) = (time.name.clone(), time.column_type.data_type());
    if format_of(&file.key) == Some(Format::Parquet)
        && let Some(tail) = metadata(raw, file).await?
        && let Ok(Some(known)) =
            catch_unwind(AssertUnwindSafe(|| by_statistics(&tail, &name, &wanted)))
    {
        return Ok(known);
    }
    let local = raw
        .find_file(&file.key)
        .await?
        .ok_or_else(|| gone(raw, file))?;
    let (of_time, key, work) = (Arc::new(alone(dataset)), file.key.clone(), work.clone());
    let read = blocking(move || {
        let places = of_time
            .columns
            .iter()
            .map(|column| column.role == Role::Time);
        let columns = Some(places.collect());
        let path = local.path().to_owned();
        let rows = RawFile {
            reads: Reads {
                columns,
                batch_rows: None,
            },
            pinned: true,
            ..RawFile::new(key, path, of_time, Labels::Optional)
        };
        let mut range = None;
        for batch in rows.checked(work, |_| Ok(None))? {
            range = dates::widened(range, &batch?, &name)?;
        }
        Ok(range.map_or(Times::None, Times::Within))
    });
    match read.await {
        Err(error) if failure::exit_code(&error) == failure::CONTRACT => Ok(Times::Unknown),
        read => read,
    }
}

fn gone(raw: &Store, file: &Object) -> anyhow::Error {
    Failure::usage(format!(
        "{} is gone from {} since it was listed: restore it, or submit a new workflow",
        file.key,
        raw.url()
    ))
}

/// The contract of the column of time alone, and of the target, which every contract has: other
/// columns may hold anything.
fn alone(dataset: &Dataset) -> Dataset {
    let columns = dataset.columns.iter();
    let columns = columns.filter(|column| matches!(column.role, Role::Time | Role::Target));
    let columns = columns.map(|column| {
        let mut column = column.clone();
        if column.role == Role::Time {
            (column.min, column.max, column.nullable) = (None, None, true);
        }
        column.on_violation = OnViolation::Fail;
        column
    });
    Dataset {
        filter: None,
        train_filter: None,
        repeated_keys: RepeatedKeys::Allow,
        columns: columns.collect(),
        ..dataset.clone()
    }
}

/// The metadata of a parquet file, as bytes; `None` for what is none.
async fn metadata(raw: &Store, file: &Object) -> Result<Option<Vec<u8>>> {
    let Some(mut tail) = raw.tail(&file.key, TAIL).await? else {
        return Err(gone(raw, file));
    };
    let Some(length) = length(&tail) else {
        return Ok(None);
    };
    if length + FOOTER > tail.len() {
        if (length + FOOTER) as u64 > file.bytes {
            return Ok(None);
        }
        let whole = raw.tail(&file.key, (length + FOOTER) as u64).await?;
        tail = whole.ok_or_else(|| gone(raw, file))?;
    }
    tail.truncate(tail.len() - FOOTER);
    let before = tail.len().checked_sub(length);
    Ok(before.map(|before| tail.split_off(before)))
}

/// How long the metadata is, by the end of the file.
fn length(tail: &[u8]) -> Option<usize> {
    let (_, end) = tail.split_at_checked(tail.len().checked_sub(FOOTER)?)?;
    let (&[a, b, c, d], b"PAR1") = end.split_first_chunk::<4>()? else {
        return None;
    };
    usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()
}

/// What the statistics of a file say; `None` where they do not cover all rows.
fn by_statistics(metadata: &[u8], name: &str, wanted: &DataType) -> Option<Times> {
    let metadata = ParquetMetaDataReader::decode_metadata(metadata).ok()?;
    let of_file = metadata.file_metadata();
    let schema = of_file.schema_descr();
    let arrow = parquet_to_arrow_schema(schema, of_file.key_value_metadata()).ok()?;
    let found = arrow.field_with_name(name).ok()?.data_type().clone();
    if !matches!(found, DataType::Timestamp(..) | DataType::Date32) {
        return None;
    }
    if metadata
        .row_groups()
        .iter()
        .all(|group| group.num_rows() == 0)
    {
        return Some(Times::None);
    }
    let converter = StatisticsConverter::try_new(name, &arrow, schema).ok()?;
    has_bounds(&metadata, converter.parquet_column_index()?)?;
    let groups = metadata.row_groups().iter();
    let ends = [
        converter.row_group_mins(groups.clone()).ok()?,
        converter.row_group_maxes(groups).ok()?,
    ];
    let mut range: Option<TimeRange> = None;
    for end in ends {
        let of_end = whole(&end)?;
        range = Some(range.map_or(of_end, |range| range.with(of_end)));
    }
    let mut range = range?;
    // Another spelling of the same times, of which a zone shifts some at most by a day.
    if found != *wanted {
        range.first = range.first.checked_sub_signed(TimeDelta::days(1))?;
        range.last = range.last.checked_add_signed(TimeDelta::days(1))?;
    }
    Some(Times::Within(range))
}

/// Whether every row group has its least and its greatest value, as numbers that are compared as
/// the times are.
fn has_bounds(metadata: &ParquetMetaData, column: usize) -> Option<()> {
    let groups = metadata.row_groups().iter();
    let bounds = groups.map(|group| match group.column(column).statistics()? {
        Statistics::Int32(of) => of.min_opt().and(of.max_opt()).map(drop),
        Statistics::Int64(of) => of.min_opt().and(of.max_opt()).map(drop),
        _ => None,
    });
    bounds.collect()
}

/// The range of times without a null among them.
fn whole(times: &ArrayRef) -> Option<TimeRange> {
    match times.null_count() {
        0 => dates::range(times).ok()?,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{ColumnContract, ColumnType};
    use arrow::array::{RecordBatch, StringArray, TimestampMicrosecondArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::{EnabledStatistics, WriterProperties};

    const DAY: i64 = 86_400_000_000;

    fn dataset() -> Dataset {
        let column = ColumnContract::new;
        let mut target = column("y", ColumnType::Int64, Role::Target);
        target.allowed = serde_json::from_str("[0, 1]").unwrap();
        Dataset::new(vec![
            column("id", ColumnType::Utf8, Role::Id),
            column("at", ColumnType::Timestamp, Role::Time),
            target,
        ])
    }

    fn range(first: i64, last: i64) -> Times {
        let time = |day: i64| chrono::DateTime::from_timestamp_micros(day * DAY).unwrap();
        Times::Within(TimeRange {
            first: time(first).naive_utc(),
            last: time(last).naive_utc(),
        })
    }

    fn parquet(times: &[Option<i64>], statistics: EnabledStatistics) -> Vec<u8> {
        let times = times.iter().map(|day| day.map(|day| day * DAY));
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter(times));
        let ids: ArrayRef = Arc::new(StringArray::from(vec![Some("a"); times.len()]));
        let rows = RecordBatch::try_from_iter([("at", times), ("id", ids)]).unwrap();
        let properties = WriterProperties::builder()
            .set_statistics_enabled(statistics)
            .set_max_row_group_row_count(Some(2));
        let mut bytes = Vec::new();
        let properties = Some(properties.build());
        let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), properties).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        bytes
    }

    async fn of(name: &str, bytes: Vec<u8>) -> Times {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(name), bytes).unwrap();
        let raw = Store::open(home.path().to_str().unwrap()).unwrap();
        let file = raw.head(name).await.unwrap().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        times(&raw, &file, &dataset(), &scratch.path().into())
            .await
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn times_are_those_of_the_statistics_or_of_the_rows() {
        use EnabledStatistics::{Chunk, None as Nothing};
        let days = [Some(5), Some(3), Some(9), None];
        for statistics in [Chunk, Nothing] {
            let name = "a.parquet";
            assert_eq!(of(name, parquet(&days, statistics)).await, range(3, 9));
            assert_eq!(of(name, parquet(&[], statistics)).await, Times::None);
        }
        let csv = |rows: &str| format!("id,at,y\n{rows}").into_bytes();
        let rows = "a,1970-01-04 00:00:00,\nb,1970-01-02 00:00:00,\n";
        assert_eq!(of("a.csv", csv(rows)).await, range(1, 3));
        assert_eq!(of("a.csv", csv("")).await, Times::None);
        assert_eq!(of("a.csv", csv("a,yesterday,\n")).await, Times::Unknown);
        assert_eq!(of("a.parquet", b"PAR1PAR1".to_vec()).await, Times::Unknown);
        let cut = parquet(&days, Chunk);
        let cut = cut[..cut.len() - 9].to_vec();
        assert_eq!(of("a.parquet", cut).await, Times::Unknown);
    }

    #[test]
    fn what_is_not_known_of_one_is_not_known_of_both() {
        let (a, b) = (range(1, 3), range(2, 9));
        assert_eq!(a.with(b), range(1, 9));
        assert_eq!(a.with(Times::None), a);
        assert_eq!(Times::None.with(a), a);
        assert_eq!(a.with(Times::Unknown), Times::Unknown);
    }
}
