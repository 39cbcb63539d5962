//! Values of windows beside those of exact arithmetic and of DuckDB.

use super::*;

fn fixture() -> Value {
    let text = include_str!("../../../../../testing/fixtures/windows.json");
    serde_json::from_str(text).unwrap()
}

/// The rows of the fixture, and what the query computes of them.
fn of_fixture(fixture: &Value) -> (Features, RecordBatch) {
    let list = |name: &str| fixture[name].as_array().unwrap().clone();
    let columns = list("columns");
    let columns: Vec<&str> = columns.iter().map(|sql| sql.as_str().unwrap()).collect();
    let dataset = json!({
        "lookback": "7 days",
        "columns": [
            {"name": "date", "type": "timestamp", "role": "time"},
            {"name": "customerId", "type": "int64", "role": "id"},
            {"name": "feature1", "type": "float64", "role": "feature", "nullable": true},
            {"name": "feature2", "type": "float64", "role": "feature"},
            {"name": "wild", "type": "float64", "role": "feature"},
            {"name": "target", "type": "int64", "role": "target"},
        ]
    });
    let schema = table::dataset::Dataset::parse(dataset.to_string().as_bytes());
    let schema = schema.unwrap().raw_schema();
    let sql = format!("SELECT *, {} FROM raw", columns.join(", "));
    let features = features_of(dataset, &sql).unwrap();
    let ints = |name| -> Int64Array { list(name).iter().map(Value::as_i64).collect() };
    let floats = |name| -> ArrayRef {
        Arc::new(
            list(name)
                .iter()
                .map(Value::as_f64)
                .collect::<Float64Array>(),
        )
    };
    let times = TimestampMicrosecondArray::from_iter(ints("date").iter());
    let rows = times.len();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times),
        Arc::new(ints("customerId")),
        floats("feature1"),
        floats("feature2"),
        floats("wild"),
        Arc::new(Int64Array::from(vec![0; rows])),
    ];
    (features, RecordBatch::try_new(schema, columns).unwrap())
}

#[test]
fn sums_means_and_variances_are_those_of_exact_arithmetic() {
    let fixture = fixture();
    let (features, rows) = of_fixture(&fixture);
    let mut exact = 0;
    for size in [1, 13, rows.num_rows()] {
        let starts = (0..rows.num_rows()).step_by(size);
        let batches = starts.map(|at| rows.slice(at, size.min(rows.num_rows() - at)));
        let computed = compute(&features, batches.collect()).unwrap();
        for (name, expected) in fixture["exact"].as_object().unwrap() {
            let ours = arrow::compute::cast(&column(&computed, name), &DataType::Float64).unwrap();
            let ours = ours.as_primitive::<Float64Type>();
            for (row, expected) in expected.as_array().unwrap().iter().enumerate() {
                let found = ours.is_valid(row).then(|| ours.value(row));
                // A correlation is rounded three times.
                let near = |(a, b): (f64, f64)| (a - b).abs() <= 4e-16 * b.abs();
                let same = match name.starts_with("correlation") {
                    true => found.zip(expected.as_f64()).is_none_or(near),
                    false => found == expected.as_f64(),
                };
                assert!(same, "{name} of row {row}: {found:?} and {expected}");
                assert_eq!(found.is_some(), !expected.is_null(), "{name} of row {row}");
                exact += 1;
            }
        }
    }
    assert!(exact > 10_000);
}

#[test]
fn windows_are_those_of_duckdb() {
    let fixture = fixture();
    let (features, rows) = of_fixture(&fixture);
    let computed = compute(&features, vec![rows]).unwrap();
    for (name, expected) in fixture["duckdb"].as_object().unwrap() {
        let ours = arrow::compute::cast(&column(&computed, name), &DataType::Float64).unwrap();
        let ours = ours.as_primitive::<Float64Type>();
        for (row, expected) in expected.as_array().unwrap().iter().enumerate() {
            let found = ours.is_valid(row).then(|| ours.value(row));
            assert_eq!(found.is_some(), !expected.is_null(), "{name} of row {row}");
            if let Some((ours, theirs)) = found.zip(expected.as_f64()) {
                let near = (ours - theirs).abs() <= 1e-9 * theirs.abs();
                assert!(near, "{name} of row {row}: {ours} and {theirs}");
            }
        }
    }
}

#[test]
fn what_is_no_number_leaves_a_window_without_a_trace() {
    let features = windowed(&format!(
        "sum(feature1) {OVER} CURRENT ROW) AS total, var_pop(feature1) {OVER} CURRENT ROW) AS v"
    ))
    .unwrap();
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let values = [1.0, nan, 2.0, inf, 3.0, -inf, inf, 4.0];
    // Eight days apart, so that each window holds one row; and two at a time.
    for (step, totals) in [
        (8, [1.0, nan, 2.0, inf, 3.0, -inf, inf, 4.0]),
        (7, [1.0, nan, nan, inf, inf, -inf, nan, inf]),
    ] {
        let of = values
            .iter()
            .zip(0..)
            .map(|(&value, at)| (1, at * step * DAY, value));
        let computed = compute(&features, vec![rows(&of.collect::<Vec<_>>())]).unwrap();
        let total = column(&computed, "total")
            .as_primitive::<Float64Type>()
            .clone();
        for (row, (ours, expected)) in total.values().iter().zip(totals).enumerate() {
            assert!(
                ours.to_bits() == expected.to_bits() || (ours.is_nan() && expected.is_nan()),
                "row {row}: {ours} and {expected}"
            );
        }
        let variance = column(&computed, "v").as_primitive::<Float64Type>().clone();
        assert!(variance.value(1).is_nan());
        assert_eq!(variance.value(7).is_nan(), step == 7);
    }
}

#[test]
fn a_sum_of_whole_numbers_is_whole_or_an_error() {
    let features = windowed(&format!(
        "sum(CAST(feature1 AS BIGINT)) {OVER} CURRENT ROW) AS total, \
         avg(CAST(feature1 AS BIGINT)) {OVER} CURRENT ROW) AS mean"
    ))
    .unwrap();
    let great = 9_007_199_254_740_992.0;
    let of = [(1, 0, great), (1, 1, 1.0), (1, 2, 1.0)];
    let computed = compute(&features, vec![rows(&of)]).unwrap();
    let total = column(&computed, "total")
        .as_primitive::<Int64Type>()
        .clone();
    let whole = 9_007_199_254_740_992;
    assert_eq!(total.values()[..], [whole, whole + 1, whole + 2]);
    let of: Vec<_> = (0..3).map(|at| (1, at, 4.0e18)).collect();
    let error = compute(&features, vec![rows(&of)]).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert!(
        error.to_string().contains("12000000000000000000"),
        "{error}"
    );
}

#[test]
fn narrow_numbers_are_taken_as_they_are() {
    let dataset = json!({
        "lookback": "7 days",
        "columns": [
            {"name": "date", "type": "timestamp", "role": "time"},
            {"name": "customerId", "type": "utf8", "role": "id"},
            {"name": "whole", "type": "int32", "role": "feature", "nullable": true},
            {"name": "small", "type": "float32", "role": "feature"},
            {"name": "flag", "type": "bool", "role": "feature"},
            {"name": "target", "type": "int64", "role": "target"},
        ]
    });
    let schema = table::dataset::Dataset::parse(dataset.to_string().as_bytes());
    let count = 40;
    let times = (0..count).map(|row| row * DAY + row * 3_600_000_000);
    let whole = (0..count as i32).map(|row| (row % 5 > 0).then_some(i32::MAX - row));
    let float = (0..count).map(|row| 0.1_f32 * row as f32);
    let flags = (0..count).map(|row| Some(row % 3 == 0));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times)),
        Arc::new(StringArray::from(vec!["a"; count as usize])),
        Arc::new(whole.collect::<Int32Array>()),
        Arc::new(arrow::array::Float32Array::from_iter_values(float)),
        Arc::new(flags.collect::<arrow::array::BooleanArray>()),
        Arc::new(Int64Array::from(vec![0; count as usize])),
    ];
    let rows = RecordBatch::try_new(schema.unwrap().raw_schema(), columns).unwrap();
    for (narrow, wide) in [
        ("whole", "BIGINT"),
        ("small", "DOUBLE"),
        ("CAST(whole % 1000 AS SMALLINT)", "BIGINT"),
        ("date_part('hour', date)", "BIGINT"),
        ("length(\"customerId\")", "BIGINT"),
        ("CAST(flag AS INT)", "BIGINT"),
    ] {
        let functions = ["sum", "avg", "stddev_samp", "var_pop"];
        // What windows of several lengths share is computed below them.
        let lengths: [&[u32]; 2] = [&[4], &[4, 7]];
        for (function, lengths) in functions
            .iter()
            .flat_map(|function| lengths.map(|lengths| (function, lengths)))
        {
            let call = |number: &str, days: u32| {
                format!(
                    "{function}({number}) OVER (PARTITION BY customerId ORDER BY date RANGE \
                     BETWEEN INTERVAL '{days} days' PRECEDING AND CURRENT ROW)"
                )
            };
            // In a query of its own: DataFusion gives both the same name.
            let computed = |number: &str| {
                let select = lengths.iter().map(|&days| {
                    let call = call(number, days);
                    format!("{call} AS over{days}")
                });
                let select: Vec<String> = select.collect();
                let sql = format!("SELECT *, {} FROM raw", select.join(", "));
                let features = features_of(dataset.clone(), &sql)
                    .unwrap_or_else(|error| panic!("{sql}: {error:#}"));
                let batches = vec![rows.slice(0, 7), rows.slice(7, 33)];
                (compute(&features, batches).unwrap(), sql)
            };
            let (expected, _) = computed(&format!("CAST({narrow} AS {wide})"));
            let (found, sql) = computed(narrow);
            for days in lengths {
                let name = format!("over{days}");
                let expected = column(&expected, &name);
                assert!(expected.null_count() < 5, "{sql}");
                assert_eq!(&column(&found, &name), &expected, "{sql}");
            }
        }
    }
}
