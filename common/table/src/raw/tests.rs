use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int16Array, Int64Array,
    LargeStringArray, StringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt32Array,
};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use serde_json::json;

use super::*;
use runtime::failure::exit_code;

mod compressed;
mod csv_dialects;
mod csv_files;
mod csv_form;
mod csv_swallowed;
mod damage;
mod nulls;
mod pandas;
mod weights;
mod width;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testing/fixtures/raw");

/// The contract of the sample data, in which `feature2` may not be 0 or less.
pub(super) fn contract() -> Arc<Dataset> {
    let contract = json!({"columns": [
        {"name": "date", "type": "timestamp", "role": "time"},
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "feature1", "type": "float64", "role": "feature"},
        {"name": "feature2", "type": "float64", "role": "feature", "min": 1e-6, "max": 100},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap())
}

pub(super) fn file(path: &Path, dataset: &Arc<Dataset>, labels: Labels) -> RawFile {
    let key = format!("train/{}", path.file_name().unwrap().to_str().unwrap());
    RawFile::new(key, path.to_owned(), dataset.clone(), labels)
}

/// The rows and counts of a file; a breach is an error.
pub(super) fn read(file: &RawFile) -> Result<(Vec<RecordBatch>, Summary)> {
    let scratch = tempfile::tempdir().unwrap();
    let checked = file.checked(scratch.path(), |_| Ok(None))?;
    let summary = checked.summary();
    let batches = checked.collect::<Result<Vec<_>>>()?;
    let summary = summary.lock().unwrap().clone();
    Ok((batches, summary))
}

/// What is wrong with a file.
pub(super) fn complaint(file: &RawFile) -> String {
    let error = read(file).unwrap_err();
    assert_eq!(exit_code(&error), 10, "{error:#}");
    let text = format!("{error:#}");
    assert!(text.contains(&file.key), "{text}");
    text
}

/// A parquet file with the columns of the sample contract, some of them replaced.
struct Sample {
    folder: tempfile::TempDir,
    columns: Vec<(&'static str, ArrayRef)>,
}

impl Sample {
    fn of(rows: usize) -> Self {
        let number = |f: fn(usize) -> f64| -> ArrayRef {
            Arc::new((0..rows).map(f).collect::<Float64Array>())
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "date",
                Arc::new(TimestampMicrosecondArray::from(vec![
                    1_700_000_000_000_000;
                    rows
                ])),
            ),
            (
                "customerId",
                Arc::new(
                    (0..rows)
                        .map(|i| Some(format!("c{i}")))
                        .collect::<StringArray>(),
                ),
            ),
            ("feature1", number(|i| i as f64 - 50.0)),
            ("feature2", number(|i| (i % 97 + 1) as f64 / 7.0)),
            (
                "target",
                Arc::new((0..rows).map(|i| i as i64 % 2).collect::<Int64Array>()),
            ),
        ];
        Self {
            folder: tempfile::tempdir().unwrap(),
            columns,
        }
    }

    fn with(mut self, name: &'static str, array: ArrayRef) -> Self {
        match self.columns.iter_mut().find(|(known, _)| *known == name) {
            Some(column) => column.1 = array,
            None => self.columns.push((name, array)),
        }
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.columns.retain(|(known, _)| *known != name);
        self
    }

    fn write(&self, labels: Labels) -> RawFile {
        let path = self.folder.path().join("a.parquet");
        let batch = RecordBatch::try_from_iter(self.columns.clone()).unwrap();
        let sink = std::fs::File::create(&path).unwrap();
        let mut writer =
            ::parquet::arrow::ArrowWriter::try_new(sink, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        file(&path, &contract(), labels)
    }
}

#[test]
fn rows_come_in_the_order_and_the_types_of_the_contract() {
    let sample = Sample::of(20_000).with("unknown", Arc::new(Int64Array::from(vec![1; 20_000])));
    let (batches, summary) = read(&sample.write(Labels::Required)).unwrap();
    assert_eq!(
        summary,
        Summary {
            rows: 20_000,
            kept: 20_000,
            ..Summary::default()
        }
    );
    assert!(batches.len() > 2, "a file is read in batches");
    for batch in &batches {
        assert_eq!(batch.schema(), contract().raw_schema());
    }
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        20_000
    );
}

#[test]
fn files_of_other_writers_hold_the_same_rows() {
    let read = |name: &str| {
        let file = file(
            &Path::new(FIXTURES).join(name),
            &contract(),
            Labels::Required,
        );
        let (batches, _) = super::tests::read(&file).unwrap();
        arrow::compute::concat_batches(&contract().raw_schema(), &batches).unwrap()
    };
    let expected = read("plain.parquet");
    assert_eq!(expected.num_rows(), 100);
    // Whole numbers from -50 to 49 are the same in single precision.
    for name in ["checksums.parquet", "polars.parquet", "pyarrow.parquet"] {
        assert_eq!(read(name), expected, "{name}");
    }
}

#[test]
fn types_that_hold_every_value_exactly_are_taken() {
    let dates: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![
        1_700_000_000_000,
        5,
        6,
    ]));
    let dictionary: DictionaryArray<Int32Type> = ["a", "b", "c"].into_iter().collect();
    for (name, array) in [
        ("date", dates),
        (
            "date",
            Arc::new(TimestampNanosecondArray::from(vec![1_000, 2_000, -3_000])),
        ),
        (
            "customerId",
            Arc::new(LargeStringArray::from(vec!["a", "b", "c"])),
        ),
        (
            "customerId",
            Arc::new(StringViewArray::from(vec!["a", "b", "c"])),
        ),
        ("customerId", Arc::new(dictionary)),
        (
            "feature1",
            Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3])),
        ),
        ("target", Arc::new(Int16Array::from(vec![0, 1, 1]))),
        ("target", Arc::new(UInt32Array::from(vec![0, 1, 1]))),
    ] {
        let found = array.data_type().clone();
        let (batches, _) = read(&Sample::of(3).with(name, array).write(Labels::Required)).unwrap();
        assert_eq!(
            batches[0].schema(),
            contract().raw_schema(),
            "{name} of {found}"
        );
    }
}

#[test]
fn other_types_are_refused_by_name_with_what_was_found() {
    let zoned = TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("Europe/Berlin");
    for (name, array, found, wanted) in [
        (
            "target",
            Arc::new(StringArray::from(vec!["0", "1", "1"])) as ArrayRef,
            "Utf8",
            "int64: write it as numbers (pandas: pd.to_numeric), or give it \"type\": \"utf8\"",
        ),
        (
            "customerId",
            Arc::new(Int64Array::from(vec![1, 2, 3])),
            "Int64",
            "utf8: write it as text (pandas: astype(str)), or give it \"type\": \"int64\"",
        ),
        // A float names no row.
        (
            "customerId",
            Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0])),
            "Float64",
            "utf8: write it as text (pandas: astype(str))\n",
        ),
        (
            "date",
            Arc::new(Int64Array::from(vec![1, 2, 3])),
            "Int64",
            "timestamp: write it as a time (pandas: pd.to_datetime with format=\"%Y%m%d\" or \
             unit=\"s\")\n",
        ),
        (
            "date",
            Arc::new(zoned),
            "Timestamp(µs, \"Europe/Berlin\")",
            "timestamp: write it without a time zone (pandas: dt.tz_localize(None)), or give it \
             \"type\": \"timestamptz\"",
        ),
    ] {
        let text = complaint(&Sample::of(3).with(name, array).write(Labels::Required));
        let line =
            format!("column {name:?} is of type {found} in the file, and {wanted} in the contract");
        let line = line.replacen(": write", " in the contract: write", 1);
        let line = line.strip_suffix(" in the contract").unwrap_or(&line);
        assert!(text.contains(line), "{line}\n{text}");
    }
}

/// Moments as INT96: days and nanoseconds of the day.
fn int96(moments: &[(i64, u64)]) -> (tempfile::TempDir, RawFile) {
    use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type, Int96, Int96Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    const SCHEMA: &str = "message m { required int96 date; required binary customerId (UTF8);
        required double feature1; required double feature2; required int64 target; }";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let sink = std::fs::File::create(&path).unwrap();
    let properties = Arc::new(WriterProperties::default());
    let mut writer = SerializedFileWriter::new(sink, schema, properties).unwrap();
    let int96 = |&(day, nanos): &(i64, u64)| {
        let mut value = Int96::new();
        // Day 2,440,588 of the Julian calendar is the first of 1970.
        value.set_data(nanos as u32, (nanos >> 32) as u32, (day + 2_440_588) as u32);
        value
    };
    let dates: Vec<Int96> = moments.iter().map(int96).collect();
    let ids: Vec<ByteArray> = (0..dates.len())
        .map(|row| ByteArray::from(format!("c{row}").into_bytes()))
        .collect();
    let ones = vec![1.0; dates.len()];
    let mut group = writer.next_row_group().unwrap();
    let mut place = 0;
    while let Some(mut column) = group.next_column().unwrap() {
        let written = match place {
            0 => column.typed::<Int96Type>().write_batch(&dates, None, None),
            1 => column
                .typed::<ByteArrayType>()
                .write_batch(&ids, None, None),
            4 => column
                .typed::<Int64Type>()
                .write_batch(&vec![1; dates.len()], None, None),
            _ => column.typed::<DoubleType>().write_batch(&ones, None, None),
        };
        written.unwrap();
        column.close().unwrap();
        place += 1;
    }
    group.close().unwrap();
    writer.close().unwrap();
    let file = file(&path, &contract(), Labels::Required);
    (folder, file)
}

#[test]
fn moments_as_int96_have_their_microsecond_in_any_year() {
    // 9999-12-31 is beyond what nanoseconds in 64 bits can count. More rows than a batch has.
    let mut moments: Vec<(i64, u64)> = (0..9_000).map(|row| (row, 1_000)).collect();
    moments[8_500] = (2_932_896, 86_399_999_999_000);
    let (_folder, file) = int96(&moments);
    let (batches, _) = read(&file).unwrap();
    let rows = arrow::compute::concat_batches(&contract().raw_schema(), &batches).unwrap();
    let found = rows.column(0).as_primitive::<TimestampMicrosecondType>();
    for (row, (day, nanos)) in moments.iter().enumerate() {
        let micros = day * 86_400_000_000 + *nanos as i64 / 1_000;
        assert_eq!(found.value(row), micros, "row {row}");
    }
    moments[8_700].1 = 1_001;
    let (_folder, file) = int96(&moments);
    let text = complaint(&file);
    let line = "column \"date\": 1 of 9000 rows can't be held in microseconds, the first in row 8701: \
                1993-10-27T00:00:00.000001";
    assert!(text.contains(line), "{text}");
}

#[test]
fn all_breaches_are_reported_at_once_with_counts_and_examples() {
    let mut feature2: Vec<f64> = vec![1.0; 9_000];
    (feature2[10], feature2[8_500], feature2[8_600]) = (-4.5, 101.0, f64::NAN);
    let mut ids: Vec<Option<&str>> = vec![Some("x"); 9_000];
    (ids[7], ids[8_999]) = (None, None);
    let mut target = vec![1_i64; 9_000];
    target[3] = 2;
    let sample = Sample::of(9_000)
        .with("feature2", Arc::new(Float64Array::from(feature2)))
        .with("customerId", Arc::new(StringArray::from(ids)))
        .with("target", Arc::new(Int64Array::from(target)))
        .with(
            "date",
            Arc::new((0..9_000).map(Some).collect::<TimestampMicrosecondArray>()),
        );
    insta::assert_snapshot!(complaint(&sample.write(Labels::Required)), @r#"
    train/a.parquet breaks the data contract (dataset.json):
      column "customerId": 2 of 9000 rows hold null, which the contract does not allow, the first in row 8
      column "feature2": 1 of 9000 rows hold NaN, which is read as null, and the contract does not allow null, the first in row 8601: NaN ("nullable": true in dataset.json accepts them)
      column "feature2": 1 of 9000 rows are below the minimum 1e-6, the first in row 11: -4.5 (a lower "min" in dataset.json accepts them)
      column "feature2": 1 of 9000 rows are above the maximum 100, the first in row 8501: 101.0 (a higher "max" in dataset.json accepts them)
      column "target": 1 of 9000 rows hold a value that is neither 0 nor 1, the first in row 4: 2 (name every class in "allowed" of dataset.json, the positive one of two last, or say "task": "regression" there if it is a number to predict)
    repair or remove the file, or change the contract if the data is right
    "#);
}

#[test]
fn missing_columns_are_reported_with_what_is_there() {
    let sample = Sample::of(3).without("feature2").without("customerId");
    let sample = sample.with(
        "CUSTOMERID",
        Arc::new(StringArray::from(vec!["a", "b", "c"])),
    );
    insta::assert_snapshot!(complaint(&sample.write(Labels::Required)), @r#"
    train/a.parquet breaks the data contract (dataset.json):
      column "customerId" is missing; the file has "CUSTOMERID", and spelling counts
      column "feature2" is missing; the file has "date", "feature1", "target", "CUSTOMERID"
    repair or remove the file, or change the contract if the data is right
    "#);
}

#[test]
fn labels_are_required_to_train_and_optional_to_score() {
    let unlabelled = Sample::of(3).without("target");
    assert!(
        complaint(&unlabelled.write(Labels::Required)).contains("column \"target\" is missing")
    );
    let (batches, _) = read(&unlabelled.write(Labels::Optional)).unwrap();
    assert_eq!(batches[0].schema(), contract().raw_schema());
    assert_eq!(batches[0].column(4).null_count(), 3);

    let partly = Sample::of(3).with(
        "target",
        Arc::new(Int64Array::from(vec![Some(1), None, Some(0)])),
    );
    assert!(
        complaint(&partly.write(Labels::Required))
            .contains("column \"target\": 1 of 3 rows hold null")
    );
    read(&partly.write(Labels::Optional)).unwrap();
    let wrong = Sample::of(3).with("target", Arc::new(Int64Array::from(vec![1, 7, 0])));
    assert!(
        complaint(&wrong.write(Labels::Optional))
            .contains("neither 0 nor 1, the first in row 2: 7")
    );
}

#[test]
fn a_clock_reading_finer_than_a_microsecond_is_a_breach() {
    let sample = Sample::of(3).with(
        "date",
        Arc::new(TimestampNanosecondArray::from(vec![1_000, 1_001, 2_000])),
    );
    let text = complaint(&sample.write(Labels::Required));
    assert!(
        text.contains(
            "column \"date\": 1 of 3 rows can't be held in microseconds, the first in row 2"
        ),
        "{text}"
    );
}

#[test]
fn a_repeated_key_is_found_across_batches() {
    let ids = (0..20_000)
        .map(|i| Some(format!("c{}", if i == 19_000 { 5 } else { i })))
        .collect::<StringArray>();
    let sample = Sample::of(20_000).with("customerId", Arc::new(ids));
    let text = complaint(&sample.write(Labels::Required));
    let line = "1 of 20000 rows repeat the (date, customerId) of another row, such as row 6 and row 19001: \
                date 2023-11-14T22:13:20, customerId \"c5\"";
    assert!(text.contains(line), "{text}");
}

#[test]
fn an_id_may_come_back_at_another_time() {
    let dates = Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]));
    let sample = Sample::of(3)
        .with("customerId", Arc::new(StringArray::from(vec!["a"; 3])))
        .with("date", dates);
    read(&sample.write(Labels::Required)).unwrap();
}

#[test]
fn only_rows_that_the_filter_keeps_must_keep_the_contract() {
    let sample = Sample::of(4)
        .with(
            "feature2",
            Arc::new(Float64Array::from(vec![1.0, -1.0, 2.0, 3.0])),
        )
        .with(
            "customerId",
            Arc::new(StringArray::from(vec![
                Some("a"),
                None,
                Some("a"),
                Some("b"),
            ])),
        );
    let scratch = tempfile::tempdir().unwrap();
    let keep = |mask: [bool; 4]| move |_: &RecordBatch| Ok(Some(BooleanArray::from(mask.to_vec())));
    let file = sample.write(Labels::Required);
    let checked = file
        .checked(scratch.path(), keep([true, false, false, true]))
        .unwrap();
    let summary = checked.summary();
    let rows: usize = checked.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 2);
    let summary = summary.lock().unwrap().clone();
    assert_eq!((summary.rows, summary.kept), (4, 2));

    let mut repeated = file
        .checked(scratch.path(), keep([true, false, true, true]))
        .unwrap();
    let error = repeated.find_map(Result::err).unwrap();
    assert!(error.to_string().contains("row 1 and row 3"), "{error}");
}

#[test]
fn floats_without_bounds_may_be_infinite_and_are_counted() {
    let odd = vec![2.0, f64::INFINITY, 1.0, f64::NEG_INFINITY];
    let (_, summary) = read(
        &Sample::of(4)
            .with("feature1", Arc::new(Float64Array::from(odd)))
            .write(Labels::Required),
    )
    .unwrap();
    assert_eq!(summary.not_finite, [("feature1".to_owned(), 2)]);
}

#[test]
fn a_file_without_rows_is_in_order() {
    let (batches, summary) = read(&Sample::of(0).write(Labels::Required)).unwrap();
    assert_eq!((batches.len(), summary.rows), (0, 0));
}

#[test]
fn the_name_tells_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::write(&path, "{}").unwrap();
    let error = read(&file(&path, &contract(), Labels::Required)).unwrap_err();
    assert_eq!(exit_code(&error), 2);
}
