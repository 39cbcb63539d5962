//! Windows over the rows of an entity.

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::Int64Type;

use super::*;

pub(super) mod documented;
mod exact;
mod faults;
mod sliding;

const DAY: i64 = 86_400_000_000;

/// The contract of the sample data, with keys besides.
fn contract(keys: Value) -> Value {
    let mut contract = sample(None);
    let keys = keys.as_object().unwrap().clone();
    contract.as_object_mut().unwrap().extend(keys);
    contract
}

fn windowed(select: &str) -> Result<Features> {
    let dataset = contract(json!({"lookback": "30 days"}));
    features_of(dataset, &format!("SELECT *, {select} FROM raw"))
}

fn refusal(keys: Value, sql: &str) -> String {
    let error = features_of(contract(keys), sql)
        .err()
        .unwrap_or_else(|| panic!("{sql} was accepted"));
    assert_eq!(exit_code(&error), 2, "{sql}: {error:#}");
    format!("{error:#}")
}

/// Rows of the sample contract: customer, time in microseconds, and a value.
fn rows(of: &[(i32, i64, f64)]) -> RecordBatch {
    let values: Vec<f64> = of.iter().map(|row| row.2).collect();
    let plain = raw(&values, &values);
    let times = TimestampMicrosecondArray::from_iter_values(of.iter().map(|row| row.1));
    let ids = StringArray::from_iter_values(of.iter().map(|row| format!("c{:06}", row.0)));
    let mut columns = plain.columns().to_vec();
    columns[0] = Arc::new(times);
    columns[1] = Arc::new(ids);
    columns[4] = Arc::new(StringArray::from(vec!["DE"; of.len()]));
    RecordBatch::try_new(plain.schema(), columns).unwrap()
}

/// Rows in order: entities of no row to hundreds, with ties of the time.
fn many() -> Vec<(i32, i64, f64)> {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let mut rows = Vec::new();
    for customer in 0..60 {
        let (count, mut time) = (next(90), 0);
        for _ in 0..count {
            time += [0, 1, DAY, 3 * DAY, 31 * DAY][next(5) as usize];
            rows.push((customer, time, next(1_000) as f64 - 500.0));
        }
    }
    rows
}

fn column(batch: &RecordBatch, name: &str) -> ArrayRef {
    batch.column_by_name(name).unwrap().clone()
}

const OVER: &str = "OVER (PARTITION BY customerId ORDER BY date RANGE BETWEEN INTERVAL '7 days' \
                    PRECEDING AND";

#[test]
fn windows_have_the_values_of_a_search_through_all_rows() {
    let features = windowed(&format!(
        "count(*) {OVER} CURRENT ROW) AS n, \
         count(CASE WHEN feature1 > 0 THEN 1 END) {OVER} INTERVAL '1 day' PRECEDING) AS positive, \
         min(feature1) {OVER} CURRENT ROW) AS least, \
         max(feature1 * 2) {OVER} INTERVAL '1 microsecond' PRECEDING) AS greatest, \
         first_value(feature1) {OVER} CURRENT ROW) AS first, \
         last_value(feature1) {OVER} INTERVAL '1 microsecond' PRECEDING) AS last"
    ))
    .unwrap();
    let of = many();
    assert!(of.len() > 1_000);
    let mut seen = Vec::new();
    // Where batches end changes nothing.
    for size in [1, 7, 100, of.len()] {
        let batches = of.chunks(size).map(rows).collect();
        let computed = compute(&features, batches).unwrap();
        assert_eq!(computed.num_rows(), of.len());
        seen.push(computed);
    }
    assert!(seen.iter().all(|other| *other == seen[0]));
    let computed = &seen[0];
    let ints = |name| column(computed, name).as_primitive::<Int64Type>().clone();
    let floats = |name| column(computed, name).as_primitive::<Float64Type>().clone();
    let value = |array: &Float64Array, row| array.is_valid(row).then(|| array.value(row));
    let (n, positive) = (ints("n"), ints("positive"));
    let (least, greatest) = (floats("least"), floats("greatest"));
    let (first, last) = (floats("first"), floats("last"));
    for (row, &(customer, time, _)) in of.iter().enumerate() {
        let within = |end: i64| -> Vec<f64> {
            let frame = time - 7 * DAY..=time - end;
            let frame = of
                .iter()
                .filter(|row| row.0 == customer && frame.contains(&row.1));
            frame.map(|row| row.2).collect()
        };
        let (all, earlier, day) = (within(0), within(1), within(DAY));
        assert_eq!(n.value(row) as usize, all.len(), "row {row}");
        let above = day.iter().filter(|value| **value > 0.0).count();
        assert_eq!(positive.value(row) as usize, above, "row {row}");
        assert_eq!(value(&least, row), all.iter().copied().reduce(f64::min));
        let most = earlier
            .iter()
            .copied()
            .reduce(f64::max)
            .map(|most| 2.0 * most);
        assert_eq!(value(&greatest, row), most);
        assert_eq!(value(&first, row), all.first().copied(), "row {row}");
        assert_eq!(value(&last, row), earlier.last().copied(), "row {row}");
    }
}

#[test]
fn what_windows_look_back_at_is_known() {
    let features = windowed(&format!("count(*) {OVER} CURRENT ROW) AS n")).unwrap();
    let windows = features.windows().unwrap();
    assert_eq!(
        (&windows.entity[..], &windows.time[..]),
        (&["customerId".to_owned()][..], "date")
    );
    assert_eq!(windows.lookback.to_string(), "30 days");
    // The query reads what it selects, and what its windows are by.
    let sql =
        format!("SELECT date, customerId, target, min(feature1) {OVER} CURRENT ROW) AS n FROM raw");
    let features = features_of(contract(json!({"lookback": "7 days"})), &sql).unwrap();
    assert_eq!(features.reads(), [true, true, true, false, false, true]);
    assert!(plan("SELECT * FROM raw").unwrap().windows().is_none());
}

#[test]
fn an_entity_may_be_of_other_columns_than_the_ids() {
    let over = "OVER (PARTITION BY country, shop ORDER BY date RANGE BETWEEN INTERVAL '1 hour' \
                PRECEDING AND CURRENT ROW)";
    let mut dataset = contract(json!({"lookback": "90 minutes", "entity": ["shop", "country"]}));
    let shop = json!({"name": "shop", "type": "int32", "role": "ignored"});
    dataset["columns"].as_array_mut().unwrap().push(shop);
    let sql = format!("SELECT *, count(*) {over} AS n FROM raw");
    let features = features_of(dataset.clone(), &sql).unwrap();
    let dataset = table::dataset::Dataset::parse(dataset.to_string().as_bytes()).unwrap();
    let batch = |shops: [i32; 3], countries: [Option<&str>; 3]| {
        let mut columns = rows(&[(1, 0, 1.0), (2, 0, 1.0), (3, 1, 1.0)])
            .columns()
            .to_vec();
        columns[4] = Arc::new(StringArray::from(countries.to_vec()));
        columns.push(Arc::new(Int32Array::from(shops.to_vec())));
        RecordBatch::try_new(dataset.raw_schema(), columns).unwrap()
    };
    let computed = compute(&features, vec![batch([1, 2, 2], [Some("DE"); 3])]).unwrap();
    let n = column(&computed, "n").as_primitive::<Int64Type>().clone();
    assert_eq!(n.values()[..], [1, 1, 2]);
    let error = compute(&features, vec![batch([1, 2, 2], [Some("DE"), None, None])]).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert!(
        error.to_string().contains("column \"country\" holds nulls"),
        "{error}"
    );
}

#[test]
fn a_frame_has_to_fit_into_memory() {
    let sql = format!("SELECT *, count(*) {OVER} CURRENT ROW) AS n FROM raw");
    let config = contract(json!({"lookback": "30 days"})).to_string();
    let config = Config::parse(config, sql).unwrap();
    let features = Features::new(&config, 1 << 20).unwrap();
    let run = |step: i64| {
        let of: Vec<_> = (0..40_000).map(|i| (1, i * step, 0.0)).collect();
        compute(&features, of.chunks(1_000).map(rows).collect())
    };
    // As many rows of one entity that are spread over the years are no frame.
    assert_eq!(run(DAY).unwrap().num_rows(), 40_000);
    let error = run(1).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    let text = error.to_string();
    for part in [
        "customerId",
        "c000001",
        "\"date\"",
        "--memory (ALAMEDA_MEMORY)",
        "1 MiB",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn whole_numbers_below_windows_do_not_wrap_around() {
    let features = windowed(&format!(
        "max(CAST(feature1 AS BIGINT) * 9223372036854775807) {OVER} CURRENT ROW) AS m"
    ))
    .unwrap();
    let error = compute(&features, vec![rows(&[(1, 0, 2.0)])]).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert!(
        error.to_string().to_lowercase().contains("overflow"),
        "{error}"
    );
}

#[test]
fn windows_that_depend_on_more_than_their_rows_are_refused_with_what_to_write() {
    let by = "PARTITION BY customerId ORDER BY date";
    let good = "RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW";
    let write = "write RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW";
    let count = |over: &str| format!("SELECT *, count(feature1) OVER ({over}) AS n FROM raw");
    let call = |call: &str| format!("SELECT *, {call} OVER ({by} {good}) AS n FROM raw");
    for (sql, reason) in [
        (
            count(&format!("PARTITION BY country ORDER BY date {good}")),
            "PARTITION BY country is refused: a model has one entity in this release, which is \
             customerId (`entity` of dataset.json, or else the ids): write PARTITION BY customerId",
        ),
        (
            count(&format!(
                "PARTITION BY customerId, country ORDER BY date {good}"
            )),
            "PARTITION BY customerId, country is refused",
        ),
        (
            count(&format!("ORDER BY date {good}")),
            "write PARTITION BY customerId",
        ),
        (
            count(&format!(
                "PARTITION BY customerId ORDER BY date DESC {good}"
            )),
            "must be ordered by the time, ascending: write ORDER BY date",
        ),
        (
            count(
                "PARTITION BY customerId ORDER BY feature1 RANGE BETWEEN 1 PRECEDING AND CURRENT ROW",
            ),
            "write ORDER BY date",
        ),
        (count("PARTITION BY customerId"), "write ORDER BY date"),
        (
            count(by),
            "a window without a bound (UNBOUNDED, or none given)",
        ),
        (
            count(&format!("{by} ROWS BETWEEN 3 PRECEDING AND CURRENT ROW")),
            write,
        ),
        (
            count(&format!("{by} GROUPS BETWEEN 3 PRECEDING AND CURRENT ROW")),
            write,
        ),
        (
            count(&format!(
                "{by} RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
            )),
            write,
        ),
        (
            count(&format!(
                "{by} RANGE BETWEEN INTERVAL '1 day' PRECEDING AND INTERVAL '1 day' FOLLOWING"
            )),
            "FOLLOWING is refused: a feature may not look ahead",
        ),
        (
            count(&format!(
                "{by} RANGE BETWEEN INTERVAL '1 month' PRECEDING AND CURRENT ROW"
            )),
            "months differ in length: write days",
        ),
        (
            count(&format!("{by} RANGE BETWEEN 30 PRECEDING AND CURRENT ROW")),
            "write an interval with its unit, such as INTERVAL '30 days' PRECEDING",
        ),
        (
            count(&format!(
                "{by} RANGE BETWEEN INTERVAL '1 day' PRECEDING AND INTERVAL '2 days' PRECEDING"
            )),
            "swap its bounds",
        ),
        (
            count(&format!(
                "{by} RANGE BETWEEN INTERVAL '31 days' PRECEDING AND CURRENT ROW"
            )),
            "is longer than the `lookback` of dataset.json, \"30 days\": write \"lookback\": \"31 days\"",
        ),
        (
            call("lag(feature1)"),
            "lag() is refused: its result depends on where the available rows begin; write \
             last_value(x) OVER (PARTITION BY customerId ORDER BY date RANGE BETWEEN INTERVAL '30 \
             days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING)",
        ),
        (call("lead(feature1)"), "may not look ahead"),
        (
            call("row_number()"),
            "write count(*) OVER (PARTITION BY customerId",
        ),
        (call("rank()"), "write count(*)"),
        (call("ntile(4)"), "compare the row with min(x) and max(x)"),
        (
            call("median(feature1)"),
            "median() is refused as a window: there are count",
        ),
        (call("sum(1.5::DECIMAL)"), "BIGINT or DOUBLE"),
        (
            call("count(DISTINCT feature1)"),
            "DISTINCT in a window is refused",
        ),
        (
            call("count(feature1) FILTER (WHERE feature1 > 0)"),
            "write count(CASE WHEN condition THEN x END)",
        ),
        (
            call("last_value(feature1) IGNORE NULLS"),
            "IGNORE NULLS is refused",
        ),
        (
            call("max(target)"),
            "a window over the target \"target\" is refused",
        ),
        (
            format!(
                "SELECT * EXCEPT (t), min(t) OVER ({by} {good}) AS n FROM \
                 (SELECT *, target + 1 AS t FROM raw) AS inner"
            ),
            "a window over the target \"target\" is refused",
        ),
        (
            format!(
                "SELECT * EXCEPT (n), max(n) OVER ({by} {good}) AS m FROM \
                 (SELECT *, count(*) OVER ({by} {good}) AS n FROM raw) AS inner"
            ),
            "a window over the result of another window is refused",
        ),
        (
            format!("SELECT *, count(*) OVER ({by} {good}) AS n FROM raw WHERE feature1 > 0"),
            "make it the `filter` or the `train_filter` of dataset.json",
        ),
        (
            format!("SELECT * FROM raw QUALIFY count(*) OVER ({by} {good}) > 1"),
            "a condition beside windows",
        ),
        (
            format!("SELECT DISTINCT *, count(*) OVER ({by} {good}) AS n FROM raw"),
            "DISTINCT is refused",
        ),
        (
            format!("SELECT *, sum(count(*)) OVER ({by} {good}) AS n FROM raw"),
            "is refused",
        ),
    ] {
        let text = refusal(json!({"lookback": "30 days"}), &sql);
        assert!(text.contains(reason), "{sql}: {text}");
    }
    let text = refusal(json!({}), &call("count(*)"));
    assert!(text.contains("write \"lookback\": \"7 days\""), "{text}");
    let timeless = json!({"columns": [
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "date", "type": "timestamp", "role": "ignored"},
        {"name": "feature1", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    let text = refusal(timeless, &call("count(*)"));
    assert!(
        text.contains("windows need a column with the role time"),
        "{text}"
    );
    let dates = json!({"lookback": "7 days", "columns": [
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "date", "type": "date", "role": "time"},
        {"name": "feature1", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    let hours = count(&format!(
        "{by} RANGE BETWEEN INTERVAL '36 hours' PRECEDING AND CURRENT ROW"
    ));
    let text = refusal(dates, &hours);
    assert!(
        text.contains("the time column holds dates: write whole days"),
        "{text}"
    );
}
