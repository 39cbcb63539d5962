//! Columns of other types than the contract's: what fits is taken, whatever the writer's type, and
//! everything else is refused with advice that works.

use arrow::array::{
    Array, BinaryArray, BooleanArray, Decimal128Array, Float32Array, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Float32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use serde_json::{Map, Value, json};

use super::*;

mod advice;
mod csv;
mod files;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// The columns of a fixture with their types, and their values as pandas reads them.
fn expected(of_int96: bool) -> Map<String, Value> {
    let text = fs::read_to_string(Path::new(FIXTURES).join("column_types.json")).unwrap();
    let mut columns: Map<String, Value> = serde_json::from_str(&text).unwrap();
    columns.retain(|name, _| name.ends_with("of int96") == of_int96);
    columns
}

/// A bench whose contract has an id, a label and these columns, all of them nullable.
fn bench(columns: &[(&str, &str)]) -> Bench {
    let bench = Bench::new();
    let column = |(name, column_type): &(&str, &str)| {
        let mut column = json!({"name": name, "role": "ignored", "nullable": true});
        column["type"] = json!(column_type);
        column
    };
    let mut all = vec![
        json!({"name": "id", "type": "int64", "role": "id"}),
        json!({"name": "y", "type": "int64", "role": "target"}),
    ];
    all.extend(columns.iter().map(column));
    bench.configure("dataset.json", &json!({"columns": all}).to_string());
    bench.configure("features.sql", "SELECT *, 1 AS f FROM raw");
    bench
}

/// A value as the fixture has it.
fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let bits = |float: f64| json!(format!("{:016x}", float.to_bits()));
    match column.data_type() {
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => bits(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => bits(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::Boolean => json!(column.as_boolean().value(row)),
        DataType::Date32 => json!(array_value_to_string(column, row).unwrap()),
        DataType::Timestamp(..) => {
            json!(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        other => panic!("{other}"),
    }
}

fn check(rows: &RecordBatch, expected: &Map<String, Value>, file: &str) {
    assert_eq!(rows.num_rows(), 4);
    for (name, expected) in expected {
        let column = rows.column_by_name(name).unwrap();
        let found: Vec<Value> = (0..4).map(|row| value(column, row)).collect();
        assert_eq!(json!(found), expected["values"], "{name} in {file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_any_writer_hold_the_values_that_pandas_reads() {
    for (odd, of_int96) in [("odd", false), ("int96", true)] {
        let expected = expected(of_int96);
        let columns: Vec<(&str, &str)> = expected
            .iter()
            .map(|(name, column)| (name.as_str(), column["type"].as_str().unwrap()))
            .collect();
        // Both directions: the first file has the contract's types, or the other one has.
        for (version, files) in [("1", ["plain", odd]), ("2", [odd, "plain"])] {
            let bench = bench(&columns);
            let copy = |file: &str, key: &str| {
                let fixture = Path::new(FIXTURES).join(format!("column_types/{file}.parquet"));
                fs::copy(fixture, bench.raw_path(key)).unwrap();
            };
            for (index, file) in files.into_iter().enumerate() {
                copy(file, &train_key(index));
            }
            copy(odd, "predict/a.parquet");
            bench
                .prepare(&[&format!("--data-version={version}")])
                .await
                .unwrap();
            for (file, split) in files.into_iter().zip(["holdout", "train"]) {
                let key = format!("{split}/{version}/_manifest.json");
                check(&bench.rows(&bench.manifest(&key).await), &expected, file);
            }
            let arguments = bench.select().await;
            let predicted = bench.predict(&arguments).await.unwrap();
            let manifest = bench.manifest(predicted.get("manifest").unwrap()).await;
            check(&bench.rows(&manifest), &expected, odd);
        }
    }
}

/// A contract of an id, a label and the column `c`, and two files with it.
fn with_c(column: Value, array: ArrayRef) -> Bench {
    with_each(column, [array.clone(), array])
}

/// The same with another column `c` in each file.
fn with_each(column: Value, arrays: [ArrayRef; 2]) -> Bench {
    let bench = bench(&[]);
    let mut all = json!([
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "y", "type": "int64", "role": "target"},
    ]);
    let mut c = json!({"name": "c", "role": "ignored", "nullable": true});
    c.as_object_mut()
        .unwrap()
        .extend(column.as_object().unwrap().clone());
    all.as_array_mut().unwrap().push(c);
    bench.configure("dataset.json", &json!({"columns": all}).to_string());
    for (index, array) in arrays.into_iter().enumerate() {
        let (first, rows) = (1 + 1_000 * index as i64, array.len() as i64);
        let whole = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let columns = [
            ("id", whole((first..first + rows).collect())),
            ("y", whole((0..rows).map(|row| row % 2).collect())),
            ("c", array),
        ];
        let rows = RecordBatch::try_from_iter_with_nullable(
            columns.map(|(name, array)| (name, array, true)),
        );
        bench.write(&train_key(index), rows.as_ref().unwrap());
        bench.write("predict/a.parquet", &rows.unwrap());
    }
    bench
}

/// What is said of such a file, in training and in scoring.
async fn refusals(column: Value, array: ArrayRef) -> [String; 2] {
    let bench = with_c(column, array);
    let training = failure(10, bench.prepare(&[]).await);
    let arguments = bench.select().await;
    let scoring = failure(10, bench.predict(&arguments).await);
    [training, scoring]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_is_named_with_the_contract_that_takes_it() {
    let doubles = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let wholes = |values: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let texts = |values: &[&str]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let decimals = |values: &[i128]| -> ArrayRef {
        let decimals = Decimal128Array::from(values.to_vec());
        Arc::new(decimals.with_precision_and_scale(20, 1).unwrap())
    };
    let seconds =
        |values: &[i64]| -> ArrayRef { Arc::new(TimestampSecondArray::from(values.to_vec())) };
    const LARGE: &str = "hold whole numbers as floats that are too large to be exact";
    // Type of the contract, the column, what is wrong with its second value, how that is shown, and
    // the type that takes the column.
    let table: [(&str, ArrayRef, &str, &str, Option<&str>); 19] = [
        (
            "int64",
            doubles(&[1.0, 2.5]),
            "are not whole, as int64 must be",
            "2.5",
            Some("float64"),
        ),
        (
            "int64",
            doubles(&[1.0, f64::INFINITY]),
            "are infinite, which int64 can't be",
            "inf",
            Some("float64"),
        ),
        (
            "int64",
            doubles(&[1.0, 9_007_199_254_740_992.0]),
            LARGE,
            "9007199254740992.0",
            Some("float64"),
        ),
        (
            "int64",
            Arc::new(Float32Array::from(vec![1.0, 16_777_216.0])),
            LARGE,
            "16777216.0",
            Some("float64"),
        ),
        (
            "int64",
            Arc::new(UInt64Array::from(vec![1, 1 << 63])),
            "are beyond the range of int64",
            "9223372036854775808",
            Some("float64"),
        ),
        (
            "int64",
            decimals(&[10, 15]),
            "are not whole, as int64 must be",
            "1.5",
            Some("float64"),
        ),
        (
            "int32",
            wholes(&[1, 1 << 31]),
            "are beyond the range of int32",
            "2147483648",
            Some("int64"),
        ),
        (
            "int32",
            doubles(&[1.0, 3e9]),
            "are beyond the range of int32",
            "3000000000",
            Some("int64"),
        ),
        (
            "float64",
            wholes(&[1, 9_007_199_254_740_993]),
            "can't be held exactly as float64",
            "9007199254740993",
            Some("int64"),
        ),
        (
            "float32",
            doubles(&[1.0, 0.1]),
            "can't be held exactly as float32",
            "0.1",
            Some("float64"),
        ),
        (
            "float32",
            wholes(&[1, (1 << 24) + 1]),
            "can't be held exactly as float32",
            "16777217.0",
            Some("float64"),
        ),
        (
            "float32",
            wholes(&[1, 9_007_199_254_740_993]),
            "can't be held exactly as float32",
            "9007199254740993",
            Some("int64"),
        ),
        (
            "int32",
            Arc::new(UInt64Array::from(vec![1, 1 << 63])),
            "are beyond the range of int32",
            "9223372036854775808",
            Some("float64"),
        ),
        (
            "bool",
            wholes(&[1, 2]),
            "are neither 0 nor 1, as a bool must be",
            "2",
            Some("int64"),
        ),
        (
            "date",
            seconds(&[0, 3_600]),
            "have a time of day, which a date can't hold",
            "1970-01-01T01:00:00",
            Some("timestamp"),
        ),
        (
            "date",
            texts(&["2024-02-29", "29.2.2024"]),
            "can't be read as date",
            "\"29.2.2024\"",
            Some("utf8"),
        ),
        (
            "timestamptz",
            texts(&["2024-02-29T00:00:00Z", "2024-02-29T10:00"]),
            "can't be read as timestamptz",
            "\"2024-02-29T10:00\"",
            None,
        ),
        (
            "timestamp",
            seconds(&[0, i64::MAX / 1_000]),
            "are beyond the range of timestamp",
            "9223372036854775",
            None,
        ),
        (
            "utf8",
            Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff"])),
            "are bytes that are not text in UTF-8",
            "\"\u{fffd}\"",
            None,
        ),
    ];
    for (column_type, array, words, example, taker) in table {
        let [training, scoring] = refusals(json!({"type": column_type}), array.clone()).await;
        let line = format!("column \"c\": 1 of 2 rows {words}, the first in row 2: {example}");
        for (text, file) in [
            (&training, "train/train_00.parquet"),
            (&scoring, "predict/a.parquet"),
        ] {
            assert!(
                text.contains(file) && text.contains(&line),
                "{column_type}: {line}\n{text}"
            );
        }
        let Some(taker) = taker else { continue };
        let advice = format!("\"type\": \"{taker}\"");
        assert!(
            training.contains(&format!("{advice} in dataset.json accepts them")),
            "{training}"
        );
        assert!(
            training.contains("or change the contract if the data is right"),
            "{training}"
        );
        assert!(
            scoring.contains("a model trained with")
                && scoring.contains(&format!("{advice} accepts them")),
            "{scoring}"
        );
        assert!(!scoring.contains("change the contract"), "{scoring}");
        with_c(json!({"type": taker}), array)
            .prepare(&[])
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_never_fits_is_refused_with_one_that_does() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    let wholes: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.5]));
    let readings: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![0, 1_000]));
    let instants: ArrayRef =
        Arc::new(TimestampNanosecondArray::from(vec![0, 1_000]).with_timezone("Europe/Berlin"));
    let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
    for (column_type, array, write, taker) in [
        (
            "int64",
            &texts,
            "write it as numbers (pandas: pd.to_numeric)",
            "utf8",
        ),
        (
            "float64",
            &texts,
            "write it as numbers (pandas: pd.to_numeric)",
            "utf8",
        ),
        ("bool", &texts, "write it as booleans", "utf8"),
        (
            "utf8",
            &wholes,
            "write it as text (pandas: astype(str))",
            "int64",
        ),
        (
            "utf8",
            &doubles,
            "write it as text (pandas: astype(str))",
            "float64",
        ),
        ("utf8", &booleans, "write it as text", "bool"),
        ("utf8", &readings, "write it as text", "timestamp"),
        (
            "timestamp",
            &instants,
            "write it without a time zone",
            "timestamptz",
        ),
        (
            "date",
            &instants,
            "write it without a time zone",
            "timestamptz",
        ),
        (
            "timestamptz",
            &readings,
            "write it with a time zone",
            "timestamp",
        ),
        (
            "timestamp",
            &wholes,
            "write it as a time (pandas: pd.to_datetime with format=\"%Y%m%d\" or unit=\"s\")",
            "int64",
        ),
        ("float64", &readings, "write it as numbers", "timestamp"),
    ] {
        let [training, scoring] = refusals(json!({"type": column_type}), array.clone()).await;
        let line = format!(
            "column \"c\" is of type {} in the file, and {column_type} in the contract: {write}",
            array.data_type()
        );
        let given = format!("or give it \"type\": \"{taker}\" in dataset.json");
        assert!(
            training.contains(&line) && training.contains(&given),
            "{line}\n{training}"
        );
        let trained = format!("or train a model with \"type\": \"{taker}\"");
        assert!(
            scoring.contains(&line) && scoring.contains(&trained),
            "{line}\n{scoring}"
        );
        assert!(!scoring.contains("dataset.json:\n") && !scoring.contains("change the contract"));
        with_c(json!({"type": taker}), array.clone())
            .prepare(&[])
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_nobody_can_tell_whether_to_keep_is_a_breach() {
    let bench = with_c(
        json!({"type": "int64"}),
        Arc::new(Float64Array::from(vec![20.0, 0.5])),
    );
    let contract = |filter: &str| {
        json!({"columns": [
            {"name": "id", "type": "int64", "role": "id"},
            {"name": "y", "type": "int64", "role": "target"},
            {"name": "c", "type": "int64", "role": "ignored", "nullable": true},
        ], "filter": filter})
        .to_string()
    };
    // 0.5 is no whole number, and whether it is above 10 can't be asked.
    bench.configure("dataset.json", &contract("c > 10"));
    let text = failure(10, bench.prepare(&[]).await);
    assert!(
        text.contains("column \"c\": 1 of 2 rows are not whole"),
        "{text}"
    );
    // Here the row is left out for another reason.
    bench.configure("dataset.json", &contract("id % 2 = 1"));
    bench.prepare(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_are_dates_where_the_contract_names_their_form() {
    let days: ArrayRef = Arc::new(Int64Array::from(vec![
        Some(20_240_229),
        None,
        Some(19_691_231),
    ]));
    let column = json!({"type": "date", "format": "%Y%m%d"});
    let bench = with_c(column.clone(), days);
    bench.prepare(&[]).await.unwrap();
    let rows = bench.rows(&bench.manifest(TRAIN).await);
    let found = rows.column_by_name("c").unwrap();
    let found: Vec<Value> = (0..3).map(|row| value(found, row)).collect();
    assert_eq!(
        found,
        [json!("2024-02-29"), Value::Null, json!("1969-12-31")]
    );

    let wrong: ArrayRef = Arc::new(Int64Array::from(vec![20_240_229, 20_230_229]));
    let text = failure(10, with_c(column, wrong).prepare(&[]).await);
    let line = "column \"c\": 1 of 2 rows can't be read as date, the first in row 2: \"20230229\"";
    assert!(text.contains(line), "{text}");
}
