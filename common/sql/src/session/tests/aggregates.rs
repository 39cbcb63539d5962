//! Aggregates over the rows to train on.

mod documented;

use std::collections::BTreeMap;

use arrow::compute::concat_batches;

use super::*;

const COUNTRY: &str = "SELECT country, count(*) AS rows, count(feature2) AS known, \
    sum(CAST(feature2 AS BIGINT)) AS whole, sum(feature1) AS total, avg(feature1) AS mean, \
    min(feature1) AS least, max(feature1) AS most, var_samp(feature1) AS variance, \
    stddev_pop(feature1) AS deviation, corr(feature1, feature2) AS together, \
    count(CASE WHEN feature1 > 0.25 THEN 1 END) AS large FROM train GROUP BY country";

fn with(aggregates: &[(&str, &str)], sql: &str) -> Result<Features> {
    let config = Config::parse(sample(None).to_string(), sql.to_owned()).unwrap();
    let aggregates = aggregates.iter();
    let aggregates: BTreeMap<String, String> = aggregates
        .map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned()))
        .collect();
    Features::new(&config.with_aggregates(aggregates), 64 << 20)
}

fn refused(sql: &str) -> String {
    let error = with(&[("store", sql)], "SELECT * FROM raw").err();
    let error = error.unwrap_or_else(|| panic!("{sql} was accepted"));
    assert_eq!(exit_code(&error), 2, "{sql}: {error:#}");
    format!("{error:#}")
}

/// The tables after the partial states of some files were put together.
fn fitted(features: &Features, files: &[RecordBatch]) -> Vec<(String, Vec<u8>)> {
    let mut all = features.fit(64 << 20).unwrap();
    for file in files {
        let mut of_file = features.fit(64 << 20).unwrap();
        of_file.add("a file", file).unwrap();
        all.merge("a file", &of_file.partial().unwrap()).unwrap();
    }
    all.finish().unwrap()
}

/// Rows whose values lose digits when they are added up in floating point.
fn rows(count: usize) -> RecordBatch {
    let value = |row: usize| match row % 5 {
        0 => 1e16,
        1 => 0.1 * (row as f64),
        2 => -1e16,
        3 => 1e-9 * (row as f64),
        _ => 0.3,
    };
    let feature1: Vec<f64> = (0..count).map(value).collect();
    let feature2: Vec<f64> = (0..count).map(|row| (row * row % 17) as f64).collect();
    raw(&feature1, &feature2)
}

#[test]
fn however_rows_are_spread_over_files_the_tables_are_the_same() {
    let all = "SELECT count(*) AS rows FROM train";
    let aggregates = [("store", COUNTRY), ("all", all)];
    let features = with(&aggregates, "SELECT * FROM raw").unwrap();
    let rows = rows(1_000);
    let whole = fitted(&features, std::slice::from_ref(&rows));
    assert_eq!(whole.len(), 2);
    for files in [2, 7, 64] {
        let ends: Vec<usize> = (0..=files).map(|file| file * 1_000 / files).collect();
        let slices = ends.windows(2).map(|at| rows.slice(at[0], at[1] - at[0]));
        let mut slices: Vec<RecordBatch> = slices.collect();
        slices.push(rows.slice(0, 0));
        assert_eq!(fitted(&features, &slices), whole, "{files}");
        slices.reverse();
        assert_eq!(fitted(&features, &slices), whole, "{files} reversed");
    }
}

#[test]
fn values_are_exact_and_null_is_a_key() {
    let sql = "SELECT *, store.rows * 2 AS doubled FROM raw";
    let features = with(&[("store", COUNTRY)], sql).unwrap();
    let rows = rows(990);
    features
        .look_up(&fitted(&features, std::slice::from_ref(&rows)))
        .unwrap();
    let computed = compute(&features, vec![rows.clone()]).unwrap();
    let country = computed.column_by_name("country").unwrap().clone();
    let float = |name: &str| computed[name].as_primitive::<Float64Type>().clone();
    let int = |name: &str| {
        let column = computed[name].as_primitive::<arrow::datatypes::Int64Type>();
        column.clone()
    };
    for null in [true, false] {
        let of = |row: &usize| country.is_null(*row) == null;
        let members: Vec<usize> = (0..990).filter(of).collect();
        let values = rows.column(2).as_primitive::<Float64Type>();
        let values: Vec<f64> = members.iter().map(|&row| values.value(row)).collect();
        // 1e16 and -1e16 are as many: what is left of the sum is that of the others.
        let small: f64 = values.iter().filter(|value| value.abs() < 1e15).sum();
        let plain: f64 = values.iter().sum();
        let first = members[0];
        let total = float("store.total").value(first);
        assert!((total / small - 1.0).abs() < 1e-12, "{total} {small}");
        assert!(
            (plain / small - 1.0).abs() > 1e-6,
            "{plain} loses no digits"
        );
        let mean = total / members.len() as f64;
        assert!((float("store.mean").value(first) / mean - 1.0).abs() < 1e-15);
        let count = members.len() as i64;
        assert_eq!(int("store.rows").value(first), count);
        assert_eq!(int("doubled").value(first), 2 * count);
        assert_eq!(int("store.known").value(first), count);
        let large = values.iter().filter(|value| **value > 0.25).count() as i64;
        assert_eq!(int("store.large").value(first), large);
        assert_eq!(float("store.least").value(first), -1e16);
        assert_eq!(float("store.most").value(first), 1e16);
    }
}

#[test]
fn a_key_that_training_never_saw_has_nulls() {
    let features = with(&[("store", COUNTRY)], "SELECT * FROM raw").unwrap();
    let rows = rows(9);
    let known = rows.slice(0, 1);
    assert!(known.column(4).is_null(0));
    features.look_up(&fitted(&features, &[known])).unwrap();
    let computed = compute(&features, vec![rows]).unwrap();
    let counts = computed.column_by_name("store.rows").unwrap();
    let nulls: Vec<bool> = (0..9).map(|row| counts.is_null(row)).collect();
    assert_eq!(nulls, (0..9).map(|row| row % 3 > 0).collect::<Vec<_>>());
}

#[test]
fn what_is_not_finite_shows_in_its_group_alone() {
    let sql = "SELECT country, sum(feature1) AS total, max(feature1) AS most, \
        min(feature1) AS least FROM train GROUP BY country";
    let features = with(&[("store", sql)], "SELECT * FROM raw").unwrap();
    let values = [1.0, f64::NAN, 2.0, 4.0, f64::INFINITY, 3.0];
    let rows = raw(&values, &[0.0; 6]);
    let halves = [rows.slice(0, 3), rows.slice(3, 3)];
    features.look_up(&fitted(&features, &halves)).unwrap();
    let computed = compute(&features, vec![rows]).unwrap();
    let float = |name: &str| computed[name].as_primitive::<Float64Type>().clone();
    assert_eq!(float("store.total").value(0), 5.0);
    assert!(float("store.total").value(1).is_nan());
    // NaN is the greatest value, as in DuckDB and in the windows of features.sql.
    assert!(float("store.most").value(1).is_nan());
    assert_eq!(float("store.least").value(1), 2.0);
}

#[test]
fn it_is_not_run_without_values_and_a_check_has_nulls() {
    let rows = rows(5);
    let features = with(&[("store", COUNTRY)], "SELECT * FROM raw").unwrap();
    let error = compute(&features, vec![rows.clone()]).unwrap_err();
    assert!(error.to_string().contains("aggregates are not known"));
    features.look_up_nothing().unwrap();
    let computed = compute(&features, vec![rows]).unwrap();
    assert_eq!(computed["store.mean"].null_count(), 5);
}

#[test]
fn keys_that_do_not_fit_are_reported_with_the_file() {
    let sql = "SELECT customerId, sum(feature1) AS total FROM train GROUP BY customerId";
    let features = with(&[("store", sql)], "SELECT * FROM raw").unwrap();
    let mut fit = features.fit(1 << 16).unwrap();
    let error = fit.add("train/7.parquet", &rows(5_000)).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    let text = error.to_string();
    let start =
        "aggregate.store.sql: with train/7.parquet there are 5000 distinct keys (customerId)";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("raise --memory"), "{text}");
}

#[test]
fn a_sum_of_whole_numbers_that_no_64_bits_hold_ends_the_step() {
    let sql = "SELECT country, sum(CAST(feature2 AS BIGINT)) AS total FROM train GROUP BY country";
    let features = with(&[("store", sql)], "SELECT * FROM raw").unwrap();
    let mut fit = features.fit(1 << 20).unwrap();
    let large = [9e18, 9e18, 9e18, 9e18];
    fit.add("a file", &raw(&[0.0; 4], &large)).unwrap();
    let error = fit.finish().unwrap_err();
    assert_eq!(exit_code(&error), 10, "{error:#}");
    assert!(
        error.to_string().contains("sum(CAST(x AS DOUBLE))"),
        "{error:#}"
    );
}

#[test]
fn other_queries_are_refused_with_what_to_write() {
    for (sql, reason) in [
        (
            "SELECT country FROM train",
            "computes nothing over several rows",
        ),
        (
            "SELECT country FROM train GROUP BY country",
            "computes nothing over several rows",
        ),
        ("SELECT count(*) AS n FROM raw", "raw' not found"),
        (
            "SELECT country, median(feature1) AS m FROM train GROUP BY country",
            "median() is refused in an aggregate: there are count, sum",
        ),
        (
            "SELECT country, first_value(feature1) AS m FROM train GROUP BY country",
            "first_value() is refused",
        ),
        (
            "SELECT country, avg(target) AS m FROM train GROUP BY country",
            "over the target \"target\" is refused",
        ),
        (
            "SELECT country, count(CASE WHEN target = 1 THEN 1 END) AS m FROM train GROUP BY country",
            "over the target",
        ),
        (
            "SELECT target, count(*) AS m FROM train GROUP BY target",
            "over the target",
        ),
        (
            "SELECT feature1, count(*) AS m FROM train GROUP BY feature1",
            "floats can't be grouping columns",
        ),
        (
            "SELECT upper(country) AS c, count(*) AS m FROM train GROUP BY upper(country)",
            "grouping columns must be columns of the raw files",
        ),
        (
            "SELECT country, sum(feature1) / count(*) AS m FROM train GROUP BY country",
            "compute it in features.sql",
        ),
        (
            "SELECT country, count(*) FROM train GROUP BY country",
            "has no name: name it with AS",
        ),
        (
            "SELECT country, count(*) AS m FROM train WHERE feature1 > 0 GROUP BY country",
            "WHERE is refused",
        ),
        (
            "SELECT country, count(*) AS m FROM train GROUP BY country HAVING count(*) > 2",
            "HAVING is refused",
        ),
        (
            "SELECT country, count(*) AS m FROM train GROUP BY country ORDER BY m",
            "ORDER BY is refused",
        ),
        (
            "SELECT country, count(*) AS m FROM train GROUP BY country LIMIT 3",
            "LIMIT is refused",
        ),
        (
            "SELECT country, count(DISTINCT feature1) AS m FROM train GROUP BY country",
            "DISTINCT in an aggregate is refused",
        ),
        (
            "SELECT country, count(*) FILTER (WHERE feature1 > 0) AS m FROM train GROUP BY country",
            "FILTER is refused",
        ),
        (
            "SELECT a.country, count(*) AS m FROM train a JOIN train b ON a.country = b.country \
             GROUP BY a.country",
            "without a join",
        ),
        (
            "SELECT country, sum(feature1) OVER () AS m FROM train",
            "a window is refused in an aggregate",
        ),
        (
            "SELECT country, count(*) AS m FROM train GROUP BY ROLLUP (country)",
            "grouping columns must be columns",
        ),
        (
            "SELECT country, sum(random()) AS m FROM train GROUP BY country",
            "depends on the clock or on chance",
        ),
        (
            "SELECT country, count(*) AS m, sum(feature1) AS m FROM train GROUP BY country",
            "m",
        ),
        ("SELECT country, count(*) AS m", "country"),
        (
            "DELETE FROM train",
            "DELETE is refused: an aggregate is one SELECT over train",
        ),
    ] {
        let text = refused(sql);
        assert!(text.starts_with("aggregate.store.sql"), "{sql}: {text}");
        assert!(text.contains(reason), "{sql}: {text}");
    }
    // A filter decides which rows there are to aggregate.
    let mut dataset = sample(Some("\"store.m\" > 2"));
    dataset["columns"][4]["role"] = "feature".into();
    let config = Config::parse(dataset.to_string(), "SELECT * FROM raw".to_owned()).unwrap();
    let sql = "SELECT country, count(*) AS m FROM train GROUP BY country".to_owned();
    let config = config.with_aggregates(BTreeMap::from([("store".to_owned(), sql)]));
    let error = Features::new(&config, 64 << 20).err().unwrap();
    assert!(
        error.to_string().contains("the filter of dataset.json"),
        "{error:#}"
    );
}

#[test]
fn batches_of_rows_have_the_values_of_one() {
    let features = with(&[("store", COUNTRY)], "SELECT * FROM raw").unwrap();
    let rows = rows(700);
    features
        .look_up(&fitted(&features, std::slice::from_ref(&rows)))
        .unwrap();
    let whole = compute(&features, vec![rows.clone()]).unwrap();
    let pieces = (0..7).map(|at| rows.slice(at * 100, 100)).collect();
    let pieces = compute(&features, pieces).unwrap();
    assert_eq!(concat_batches(features.schema(), [&pieces]).unwrap(), whole);
}

#[test]
fn a_fault_of_an_aggregate_is_found_without_rows() {
    let bad = "SELECT country, max(date_part('foo', date)) AS most FROM train GROUP BY country";
    let features = with(&[("store", bad)], "SELECT * FROM raw").unwrap();
    for (error, says) in [
        (
            features.must_compute().unwrap_err(),
            "aggregate.store.sql fails in the column \"store.most\", whatever the rows hold: Date part",
        ),
        (
            features
                .fit(64 << 20)
                .unwrap()
                .add("a file", &rows(5))
                .unwrap_err(),
            "aggregate.store.sql fails on a file, in the column \"store.most\" of the row date \
             1970-01-01T00:00:00, customerId \"c0\"",
        ),
    ] {
        assert_eq!(exit_code(&error), 2, "{error:#}");
        assert!(error.to_string().starts_with(says), "{error:#}");
    }
}

#[test]
fn a_value_of_an_aggregate_that_fails_names_the_row() {
    for (bad, code, says) in [
        (
            "max(length(repeat(country, 400000 * CAST(feature2 AS BIGINT))))",
            2,
            "(feature2 2.0, country \"DE\"): repeat() would make a text of more than 1000000 bytes",
        ),
        (
            "sum(1 << CAST(feature2 + 62 AS BIGINT))",
            10,
            "(feature2 2.0): a shift by 64 bits is out of range",
        ),
    ] {
        let sql = format!("SELECT country, {bad} AS bad FROM train GROUP BY country");
        let features = with(&[("store", &sql)], "SELECT * FROM raw").unwrap();
        features.must_compute().unwrap();
        let rows = raw(&[1.0; 3], &[0.0, 1.0, 2.0]);
        let mut fit = features.fit(64 << 20).unwrap();
        let error = fit.add("a.csv", &rows).expect_err(bad);
        assert_eq!(exit_code(&error), code, "{bad}: {error:#}");
        let text = error.to_string();
        let place = "aggregate.store.sql fails on a.csv, in the column \"store.bad\" of the row \
                     date 1970-01-01T00:00:00, customerId \"c2\" ";
        assert!(
            text.starts_with(place) && text[place.len()..].starts_with(says),
            "{bad}: {text}"
        );
    }
}
