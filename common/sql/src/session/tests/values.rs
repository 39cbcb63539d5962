//! Values for which DataFusion gives another one in silence.

use arrow::datatypes::Int64Type;

use super::*;

/// What no row can be computed with, and what is said of it.
const FAULTS: [(&str, &str); 12] = [
    (
        "1 << 64",
        "a shift by 64 bits is out of range: a number of 64 bits is shifted by 0 to 63",
    ),
    ("1 << (60 + 4)", "a shift by 64 bits is out of range"),
    (
        "CAST(feature1 AS BIGINT) >> 64",
        "a shift by 64 bits is out of range",
    ),
    (
        "CAST(feature1 AS INT) << CAST(-1 AS INT)",
        "a shift by -1 bits is out of range: a number of 32 bits is shifted by 0 to 31",
    ),
    (
        "CASE WHEN feature1 > 0 THEN 1 >> 64 ELSE 0 END",
        "a shift by 64 bits is out of range",
    ),
    (
        "9223372036854775807 + 1",
        "9223372036854775807 + 1 (compute with cast(x AS double))",
    ),
    (
        "CAST(feature1 AS BIGINT) - 4611686018427387904 * 2",
        "4611686018427387904 * 2 (compute with cast(x AS double))",
    ),
    (
        "-(-9223372036854775808)",
        "(compute with cast(x AS double))",
    ),
    (
        "power(0, -1)",
        "zero raised to a negative power is undefined (power(nullif(x, 0), y) gives null instead)",
    ),
    (
        "CASE WHEN feature1 > 0 THEN power(0, -1) ELSE 0 END",
        "zero raised to a negative power is undefined",
    ),
    (
        "date_part('year', from_unixtime(100000000000000000))",
        "from_unixtime() of 1e17 is out of range: it takes numbers from -8210000000000 to \
         8210000000000",
    ),
    (
        "date_part('year', to_timestamp(CAST('NaN' AS DOUBLE)))",
        "to_timestamp() of NaN is out of range: it takes numbers from -9223372036 to 9223372036",
    ),
];

/// The value of `x` for one row with this number.
fn value(x: &str, number: f64) -> Option<f64> {
    let features = plan(&format!("SELECT *, {x} AS x FROM raw")).unwrap();
    features.must_compute().unwrap();
    let computed = compute(&features, vec![raw(&[number], &[1.0])]).unwrap();
    let column = computed.column_by_name("x").unwrap();
    let column = arrow::compute::cast(column, &DataType::Float64).unwrap();
    let column = column.as_primitive::<Float64Type>();
    column.is_valid(0).then(|| column.value(0))
}

#[test]
fn a_constant_that_has_no_value_is_found_without_rows() {
    for (bad, says) in FAULTS {
        for sql in [
            format!("SELECT *, feature2 + 1 AS more, {bad} AS bad FROM raw"),
            format!("SELECT * EXCEPT (n), n AS bad FROM (SELECT *, {bad} AS n FROM raw) AS t"),
        ] {
            let features = plan(&sql).unwrap();
            let found = features.must_compute().expect_err(bad);
            let computed = compute(&features, vec![raw(&[1.0, 2.0], &[1.0, 1.0])]);
            for error in [found, computed.expect_err(bad)] {
                assert_eq!(exit_code(&error), 2, "{sql}: {error:#}");
                let text = error.to_string();
                assert!(
                    text.contains("in the column \"bad\"") && text.contains(says),
                    "{sql}: {text}"
                );
            }
        }
    }
    let features = features_of(sample(Some("1 << 64 > feature1")), "SELECT * FROM raw").unwrap();
    let error = features.must_compute().unwrap_err();
    let says = "the filter of dataset.json fails, whatever the rows hold: a shift by 64 bits";
    assert!(error.to_string().starts_with(says), "{error:#}");
}

#[test]
fn a_value_that_has_none_names_the_column_and_the_row() {
    for (bad, says, good) in [
        (
            "1 << CAST(feature1 AS BIGINT)",
            "(feature1 64.0): a shift by 64 bits is out of range: a number of 64 bits is shifted by \
             0 to 63",
            "1 << CASE WHEN feature1 < 64 THEN CAST(feature1 AS BIGINT) END",
        ),
        (
            "CAST(feature2 AS BIGINT) >> CAST(feature1 AS BIGINT)",
            "a shift by 64 bits is out of range",
            "CAST(feature2 AS BIGINT) >> CAST(least(feature1, 63) AS BIGINT)",
        ),
        (
            "date_part('year', to_timestamp(feature1 * 1e9))",
            "to_timestamp() of 64000000000.0 is out of range",
            "date_part('year', to_timestamp_seconds(feature1 * 1e9))",
        ),
        (
            "date_part('year', to_timestamp_seconds(feature1 * 1e12))",
            "to_timestamp_seconds() of 64000000000000.0 is out of range",
            "date_part('year', to_timestamp_seconds(CASE WHEN feature1 BETWEEN 0 AND 8 \
             THEN feature1 * 1e12 END))",
        ),
        (
            "date_part('year', to_date(CAST(feature1 * 2000000 AS BIGINT)))",
            "to_date() of 128000000.0 is out of range",
            "date_part('year', to_date(CAST(feature1 * 1000000 AS BIGINT)))",
        ),
        (
            "date_part('year', CAST(CAST(feature1 * 2000000 AS BIGINT) AS DATE))",
            "a date of 128000000.0 is out of range: it takes numbers from -95023148 to 95023148",
            "date_part('year', CAST(CAST(feature1 * 1000000 AS BIGINT) AS DATE))",
        ),
        (
            "date_part('year', CAST(CAST(feature1 * 2000000 AS INT) AS DATE))",
            "a date of 128000000.0 is out of range",
            "date_part('year', CAST(CASE WHEN feature1 < 64 THEN CAST(feature1 AS INT) END AS DATE))",
        ),
        // More than the 32 bits of a date.
        (
            "date_part('year', CAST(CAST(power(feature1, 6) AS BIGINT) AS DATE))",
            "a date of 68719476736.0 is out of range",
            "date_part('year', CAST(CAST(power(feature1, 4) AS BIGINT) AS DATE))",
        ),
    ] {
        let rows = vec![raw(&[3.0, 1.0], &[1.0; 2]), raw(&[2.0, 64.0], &[1.0; 2])];
        let features = plan(&format!("SELECT *, {bad} AS bad FROM raw")).unwrap();
        features.must_compute().unwrap();
        let error = compute(&features, rows.clone()).expect_err(bad);
        assert_eq!(exit_code(&error), 10, "{bad}: {error:#}");
        let text = error.to_string();
        let row = "features.sql fails in the column \"bad\" of the row date 1970-01-01T00:00:00, \
                   customerId \"c1\"";
        assert!(
            text.starts_with(row) && text.contains(says),
            "{bad}: {text}"
        );
        assert!(
            text.ends_with("(CASE WHEN x BETWEEN ... THEN x END gives null instead)"),
            "{bad}: {text}"
        );
        let features = plan(&format!("SELECT *, {good} AS good FROM raw")).unwrap();
        assert_eq!(compute(&features, rows).unwrap().num_rows(), 4, "{good}");
    }
}

#[test]
fn shifts_within_the_width_are_those_of_the_language() {
    for (number, by) in [(1, 0), (1, 62), (-8, 1), (12_345, 7), (-1, 63)] {
        let features = plan(&format!(
            "SELECT *, CAST(feature1 AS BIGINT) << {by} AS l, \
             CAST(feature1 AS BIGINT) >> CAST(feature2 AS BIGINT) AS r, \
             CAST(feature1 AS BIGINT) << 1 FROM raw"
        ));
        let rows = raw(&[f64::from(number)], &[f64::from(by)]);
        let computed = compute(&features.unwrap(), vec![rows]).unwrap();
        let of = |name: &str| {
            let column = computed.column_by_name(name).unwrap();
            column.as_primitive::<Int64Type>().value(0)
        };
        assert_eq!(of("l"), i64::from(number) << by, "{number} << {by}");
        assert_eq!(of("r"), i64::from(number) >> by, "{number} >> {by}");
        // A column without an alias is a feature of a trained model: it keeps its name.
        assert_eq!(of("raw.feature1 << Int64(1)"), i64::from(number) << 1);
    }
}

/// The values are those of DuckDB 2.0, but for `trunc(x, -400)`, which is 0 in Postgres alone.
#[test]
fn more_places_than_a_number_has_change_nothing_of_it() {
    for (x, number, wanted) in [
        ("round(feature1, 400)", 1.5, 1.5),
        ("round(feature1, 400)", 0.0, 0.0),
        ("round(feature1, 308)", 12_345.678, 12_345.678),
        ("round(feature1, 20)", 1e300, 1e300),
        ("round(feature1, 320)", 1e-310, 1e-310),
        ("round(feature1, CAST(400 * feature2 AS INT))", -2.5, -2.5),
        ("round(feature1, -400)", 1.5, 0.0),
        ("round(feature1, -308)", 1.7e308, 1.7e308),
        ("round(feature1, -2)", 1_234.5, 1_200.0),
        ("round(feature1, 1)", 1.25, 1.3),
        ("round(CAST(feature1 AS REAL), 40)", 1.5, 1.5),
        ("round(1.5, 400) + feature1", 1.0, 2.5),
        ("trunc(feature1, 400)", -1.5, -1.5),
        ("trunc(feature1, 20)", 1e300, 1e300),
        ("trunc(feature1, -400)", 1.5, 0.0),
        ("trunc(feature1, 1)", 1.29, 1.2),
        ("round(feature1, -400)", f64::INFINITY, f64::INFINITY),
        ("round(feature1)", f64::NEG_INFINITY, f64::NEG_INFINITY),
    ] {
        assert_eq!(value(x, number), Some(wanted), "{x} of {number}");
    }
    assert!(value("round(feature1, 3)", f64::NAN).is_some_and(f64::is_nan));
    assert_eq!(value("round(nullif(feature1, 1.5), 400)", 1.5), None);
}

#[test]
fn as_many_places_as_a_number_has_change_nothing_of_it() {
    for (x, number, wanted) in [
        ("trunc(feature1, 20)", 51.18, 51.18),
        ("trunc(feature1, 2)", 0.29, 0.29),
        ("round(feature1, 14)", 42.27, 42.27),
        (
            "round(feature1, 1)",
            1_000_000_000_000_000.5,
            1_000_000_000_000_000.5,
        ),
        ("trunc(feature1, -2)", 1_200.0, 1_200.0),
        (
            "trunc(CAST(feature1 AS REAL), 9)",
            51.18,
            f64::from(51.18_f32),
        ),
        // One place less.
        ("trunc(feature1, 1)", 51.18, 51.1),
        ("round(feature1, 1)", 42.27, 42.3),
    ] {
        assert_eq!(value(x, number), Some(wanted), "{x} of {number}");
    }
    let (mut numbers, mut places) = (Vec::new(), Vec::new());
    for cents in 0..2_000_u32 {
        let text = format!("{}.{:02}", cents / 100, cents % 100);
        let number: f64 = text.parse().unwrap();
        for more in [2, 3, 9, 14, 15, 16, 22, 30] {
            numbers.extend([number, -number]);
            places.extend([f64::from(more); 2]);
        }
    }
    for function in ["round", "trunc"] {
        let x = format!("{function}(feature1, CAST(feature2 AS INT))");
        let features = plan(&format!("SELECT *, {x} AS x FROM raw")).unwrap();
        let computed = compute(&features, vec![raw(&numbers, &places)]).unwrap();
        let found = computed.column_by_name("x").unwrap();
        let found = found.as_primitive::<Float64Type>();
        assert_eq!(found.values().to_vec(), numbers, "{function}");
    }
}

/// The ends of what is accepted have the years that they have in the calendar: 1970 and the seconds
/// of 365.2425 days each.
#[test]
fn each_number_that_is_a_time_has_a_year() {
    const YEAR: f64 = 365.2425 * 86_400.0;
    for (name, units, seconds) in [
        ("from_unixtime", 1.0, 8.21e12),
        ("to_timestamp", 1.0, 9_223_372_036.0),
        ("to_timestamp_seconds", 1.0, 8.21e12),
        ("to_timestamp_millis", 1e3, 8.21e12),
        ("to_timestamp_micros", 1e6, 8.21e12),
        ("to_date", 1.0 / 86_400.0, 8.2e12),
    ] {
        for sign in [1.0, -1.0] {
            let number = sign * seconds * units;
            let year = format!("date_part('year', {name}(CAST(feature1 AS BIGINT)))");
            let found = value(&year, number).unwrap_or_else(|| panic!("{name} of {number}"));
            let wanted = 1970.0 + sign * seconds / YEAR;
            assert!((found - wanted).abs() <= 1.0, "{name} of {number}: {found}");
        }
    }
}

#[test]
fn what_a_sub_query_computes_is_computed_where_it_is_used() {
    let of = |x: &str, n: &str| {
        let sql = "SELECT * EXCEPT (n), {x} AS x FROM (SELECT *, {n} AS n FROM raw) AS t";
        plan(&sql.replace("{x}", x).replace("{n}", n)).unwrap()
    };
    let rows = || vec![raw(&[0.0, 1.0], &[1.0, 1.0])];
    // A CASE computes only what it chooses.
    let chosen = of(
        "CASE WHEN feature1 <> 0 THEN n END",
        "1 / CAST(feature1 AS BIGINT)",
    );
    let computed = compute(&chosen, rows()).unwrap();
    let x = computed.column_by_name("x").unwrap();
    assert!(x.is_null(0) && x.is_valid(1), "{x:?}");
    // A function sees the constants that it is given.
    let month = of("date_part('month', date_trunc(n, date))", "'month'");
    month.must_compute().unwrap();
    compute(&month, rows()).unwrap();
    let pattern = of("regexp_like(country, n)", "'('");
    let error = pattern.must_compute().unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
}
