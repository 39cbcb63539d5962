use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Float64Type};
use serde_json::{Value, json};

use super::*;
use runtime::failure::exit_code;

mod aggregates;
mod bounded;
mod faults;
mod refusals;
mod values;
mod windows;

fn features_of(dataset: Value, sql: &str) -> Result<Features> {
    let config = Config::parse(dataset.to_string(), sql.to_owned()).unwrap();
    Features::new(&config, 64 << 20)
}

/// The contract of the sample data, with a text that is no feature.
fn sample(filter: Option<&str>) -> Value {
    json!({
        "columns": [
            {"name": "date", "type": "timestamp", "role": "time"},
            {"name": "customerId", "type": "utf8", "role": "id"},
            {"name": "feature1", "type": "float64", "role": "feature"},
            {"name": "feature2", "type": "float64", "role": "feature"},
            {"name": "country", "type": "utf8", "role": "ignored", "nullable": true},
            {"name": "target", "type": "int64", "role": "target"},
        ],
        "filter": filter,
    })
}

fn plan(sql: &str) -> Result<Features> {
    features_of(sample(None), sql)
}

/// Raw rows of the sample contract.
fn raw(feature1: &[f64], feature2: &[f64]) -> RecordBatch {
    let rows = feature1.len();
    let dataset = table::dataset::Dataset::parse(sample(None).to_string().as_bytes()).unwrap();
    let country: Vec<Option<&str>> = (0..rows).map(|row| (row % 3 > 0).then_some("DE")).collect();
    RecordBatch::try_new(
        dataset.raw_schema(),
        vec![
            Arc::new(TimestampMicrosecondArray::from(vec![0; rows])),
            Arc::new(
                (0..rows)
                    .map(|row| Some(format!("c{row}")))
                    .collect::<StringArray>(),
            ),
            Arc::new(Float64Array::from(feature1.to_vec())),
            Arc::new(Float64Array::from(feature2.to_vec())),
            Arc::new(StringArray::from(country)),
            Arc::new(Int64Array::from(vec![1; rows])),
        ],
    )
    .unwrap()
}

fn compute(features: &Features, batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    let computed = features
        .compute(batches.into_iter().map(Ok))?
        .collect::<Result<Vec<_>>>()?;
    Ok(arrow::compute::concat_batches(
        features.schema(),
        &computed,
    )?)
}

#[test]
fn the_default_features_have_their_roles() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config-maps");
    let config = Config::from_folder(Path::new(folder)).unwrap();
    let features = Features::new(&config, 64 << 20).unwrap();
    features.must_compute().unwrap();
    let columns: Vec<String> = features
        .columns()
        .iter()
        .map(|column| format!("{} {} {}", column.name, column.data_type, column.role))
        .collect();
    insta::assert_debug_snapshot!(columns, @r#"
    [
        "date Timestamp(µs) time",
        "customerId Utf8 id",
        "feature1 Float64 feature",
        "feature2 Float64 feature",
        "target Int64 target",
        "feature1_times_feature2 Float64 feature",
        "feature1_minus_feature2 Float64 feature",
    ]
    "#);
}

#[test]
fn features_equal_those_of_duckdb_bit_by_bit() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../testing/fixtures/features.json")).unwrap();
    let floats = |values: &Value| -> Vec<f64> {
        let bits = |value: &Value| {
            f64::from_bits(u64::from_str_radix(value.as_str().unwrap(), 16).unwrap())
        };
        values.as_array().unwrap().iter().map(bits).collect()
    };
    let expressions = fixture["expressions"].as_object().unwrap();
    let select: Vec<String> = expressions
        .iter()
        .map(|(name, found)| format!("{} AS {name}", found["sql"].as_str().unwrap()))
        .collect();
    let features = plan(&format!("SELECT *, {} FROM raw", select.join(", "))).unwrap();
    let rows = raw(&floats(&fixture["feature1"]), &floats(&fixture["feature2"]));
    let computed = compute(&features, vec![rows]).unwrap();
    for (name, found) in expressions {
        let column = computed
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Float64Type>();
        for (row, (ours, theirs)) in column
            .values()
            .iter()
            .zip(floats(&found["values"]))
            .enumerate()
        {
            assert_eq!(
                ours.to_bits(),
                theirs.to_bits(),
                "{name} of row {row}: {ours} and {theirs}"
            );
        }
    }
}

#[test]
fn rows_keep_their_order_over_batches() {
    let features = plan("SELECT *, feature1 + 1 AS next FROM raw WHERE feature1 >= 0").unwrap();
    let batches = (0..7)
        .map(|i| raw(&vec![f64::from(i); 3_000], &vec![0.5; 3_000]))
        .collect();
    let computed = compute(&features, batches).unwrap();
    let next: Vec<f64> = computed
        .column_by_name("next")
        .unwrap()
        .as_primitive::<Float64Type>()
        .values()
        .to_vec();
    assert_eq!(next.len(), 21_000);
    assert!(next.is_sorted());
    let ids = computed
        .column_by_name("customerId")
        .unwrap()
        .as_string::<i32>();
    assert!((0..21_000).all(|row| ids.value(row) == format!("c{}", row % 3_000)));
}

#[test]
fn a_query_may_have_names_and_steps_of_its_own() {
    for sql in [
        "WITH a AS (SELECT *, feature1 * 2 AS twice FROM raw) SELECT *, twice + 1 AS more FROM a",
        "SELECT r.*, r.feature1 / r.feature2 AS ratio FROM raw AS r",
        "SELECT * FROM (SELECT *, ABS(feature1) AS size FROM raw) AS t",
        "SELECT date, \"customerId\", target, coalesce(feature1, 0) AS a, upper(country) = 'DE' AS german FROM raw;",
        "-- The features.\nselect date, customerId, target, round(log(feature2), 2) AS l, date_part('dow', date) AS d from raw\n",
        "SELECT * EXCEPT (feature1) FROM raw",
        "SELECT date, customerId, target, CASE country WHEN 'DE' THEN 1 ELSE 0 END AS german FROM raw",
    ] {
        let features = plan(sql).unwrap_or_else(|error| panic!("{sql}: {error:#}"));
        let computed = compute(&features, vec![raw(&[1.0, 2.0], &[3.0, 4.0])]).unwrap();
        assert_eq!(computed.num_rows(), 2, "{sql}");
    }
}

#[test]
fn columns_with_odd_names_work() {
    let names = [
        "with space",
        "dotted.name",
        "quote\"d",
        "ÜPPER",
        "select",
        "it's",
    ];
    let columns: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "type": "float64", "role": "feature"}))
        .chain([
            json!({"name": "The Id", "type": "int64", "role": "id"}),
            json!({"name": "the.target", "type": "int64", "role": "target"}),
        ])
        .collect();
    let contract = json!({"columns": columns, "filter": "\"dotted.name\" > 0"});
    let dataset = table::dataset::Dataset::parse(contract.to_string().as_bytes()).unwrap();
    let numbers = |_| -> arrow::array::ArrayRef { Arc::new(Float64Array::from(vec![2.0])) };
    let ids: arrow::array::ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let arrays = names
        .iter()
        .map(numbers)
        .chain([ids.clone(), ids])
        .collect();
    let rows = RecordBatch::try_new(dataset.raw_schema(), arrays).unwrap();
    for sql in [
        "SELECT * FROM raw",
        "SELECT \"The Id\", \"the.target\", \"with space\" * \"dotted.name\" AS \"a.b\", \"quote\"\"d\", ÜPPER, \"select\", \
         \"it's\" AS \"The Other\" FROM raw",
    ] {
        let features =
            features_of(contract.clone(), sql).unwrap_or_else(|error| panic!("{sql}: {error:#}"));
        assert_eq!(features.keep(&rows).unwrap().unwrap().true_count(), 1);
        assert_eq!(
            compute(&features, vec![rows.clone()]).unwrap().num_rows(),
            1
        );
    }
}

#[test]
fn the_filter_keeps_the_rows_for_which_it_is_true() {
    let rows = raw(&[1.0, 2.0, 3.0, 4.0], &[0.0; 4]);
    for (filter, kept) in [
        ("feature1 > 2", [false, false, true, true]),
        // Null is not true: the country of rows 0 and 3 is null.
        ("country = 'DE'", [false, true, true, false]),
        ("country IS NULL OR feature1 = 2", [true, true, false, true]),
        (
            "coalesce(country, 'none') = 'none'",
            [true, false, false, true],
        ),
        (
            "feature1 BETWEEN 2 AND 3 -- the middle",
            [false, true, true, false],
        ),
    ] {
        let features = features_of(sample(Some(filter)), "SELECT * FROM raw").unwrap();
        let mask = features.keep(&rows).unwrap().unwrap();
        assert_eq!(mask.null_count(), 0);
        assert_eq!(mask.values().iter().collect::<Vec<_>>(), kept, "{filter}");
    }
    assert!(
        plan("SELECT * FROM raw")
            .unwrap()
            .keep(&rows)
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_value_that_can_not_be_computed_with_breaks_the_contract() {
    let features = plan("SELECT *, 1 / CAST(feature1 AS BIGINT) AS inverse FROM raw").unwrap();
    let error = compute(&features, vec![raw(&[1.0, 0.0], &[1.0, 1.0])]).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    insta::assert_snapshot!(error, @r#"features.sql fails in the column "inverse" of the row date 1970-01-01T00:00:00, customerId "c1" (feature1 0.0): Divide by zero error (divide by nullif(x, 0) for null instead)"#);
    // A division of floats by zero is infinity, as IEEE 754 says.
    let floats = plan("SELECT *, 1 / feature1 AS inverse FROM raw").unwrap();
    let computed = compute(&floats, vec![raw(&[0.0], &[1.0])]).unwrap();
    assert_eq!(
        computed
            .column_by_name("inverse")
            .unwrap()
            .as_primitive::<Float64Type>()
            .value(0),
        f64::INFINITY
    );
}

#[test]
fn a_whole_number_that_leaves_its_type_is_an_error_and_no_other_number() {
    for sql in [
        "SELECT *, CAST(feature1 AS BIGINT) * 9223372036854775807 AS big FROM raw",
        "SELECT * EXCEPT (n), n + 9223372036854775807 AS big FROM (SELECT *, CAST(feature1 AS BIGINT) AS n FROM raw) AS t",
        "SELECT *, abs(-9223372036854775807 - CAST(feature1 AS BIGINT)) AS big FROM raw",
        "SELECT *, -(CAST(feature1 AS BIGINT) - 9223372036854775807 - 3) AS big FROM raw",
    ] {
        let error = compute(&plan(sql).unwrap(), vec![raw(&[2.0], &[1.0])]).unwrap_err();
        assert_eq!(exit_code(&error), 10);
        assert!(
            error.to_string().to_lowercase().contains("overflow"),
            "{sql}: {error}"
        );
    }
}

#[test]
fn an_error_of_the_rows_keeps_its_meaning() {
    let features = plan("SELECT * FROM raw").unwrap();
    let rows = vec![
        Ok(raw(&[1.0], &[1.0])),
        Err(Failure::contract("train/a.parquet is broken")),
    ];
    let error = features
        .compute(rows.into_iter())
        .unwrap()
        .find_map(Result::err)
        .unwrap();
    assert_eq!(exit_code(&error), 10);
    assert_eq!(error.to_string(), "train/a.parquet is broken");
}

#[test]
fn columns_that_neither_the_query_nor_the_filter_names_are_not_read() {
    let of = |filter, sql| features_of(sample(filter), sql).unwrap().reads();
    let narrow = "SELECT date, customerId, target, feature1 * 2 AS x FROM raw";
    assert_eq!(of(None, narrow), [true, true, true, false, false, true]);
    let filter = Some("country = 'DE' OR feature2 > 1");
    assert_eq!(of(filter, narrow), [true; 6]);
    assert_eq!(of(None, "SELECT * FROM raw"), [true; 6]);
    let nested = "SELECT date, customerId, target, feature2 FROM (SELECT * FROM raw) AS r \
                  WHERE length(country) > 1";
    assert_eq!(of(None, nested), [true, true, false, true, true, true]);
}
