//! Values that a query can't be computed from: the column and the row are named.

use super::*;

/// Rows of which the third is the first with a zero.
fn rows() -> Vec<RecordBatch> {
    vec![
        raw(&[1.0, 2.0], &[1.0, 1.0]),
        raw(&[3.0, 4.0, 0.0, 5.0, 0.0], &[1.0, 2.0, 3.0, 4.0, 5.0]),
    ]
}

fn failure(sql: &str) -> String {
    let features = plan(sql).unwrap_or_else(|error| panic!("{sql}: {error:#}"));
    let error = compute(&features, rows()).expect_err(sql);
    assert_eq!(exit_code(&error), 10, "{sql}: {error:#}");
    error.to_string()
}

#[test]
fn the_column_and_the_first_row_are_named() {
    const ROW: &str = "of the row date 1970-01-01T00:00:00, customerId \"c2\"";
    const ZERO: &str = "(feature1 0.0): Divide by zero error (divide by nullif(x, 0) for null \
                        instead)";
    for sql in [
        "SELECT *, feature2 + 1 AS more, 1 / CAST(feature1 AS BIGINT) AS bad FROM raw",
        // What several columns have in common is computed once.
        "SELECT *, 1 / CAST(feature1 AS BIGINT) AS bad, 1 / CAST(feature1 AS BIGINT) + 1 AS too FROM raw",
        "SELECT * EXCEPT (n), 1 / n AS bad FROM (SELECT *, CAST(feature1 AS BIGINT) AS n FROM raw) AS t",
        "SELECT * EXCEPT (n), n + 1 AS bad FROM (SELECT *, 1 / CAST(feature1 AS BIGINT) AS n FROM raw) AS t",
    ] {
        let expected = format!("features.sql fails in the column \"bad\" {ROW} {ZERO}");
        assert_eq!(failure(sql), expected, "{sql}");
    }
    let of_many: Vec<String> = (0..300)
        .map(|i| format!("{i} / CAST(feature1 + {} AS BIGINT) AS f{i}", 299 - i))
        .collect();
    let text = failure(&format!("SELECT *, {} FROM raw", of_many.join(", ")));
    assert!(
        text.contains(&format!("in the column \"f299\" {ROW} {ZERO}")),
        "{text}"
    );
}

#[test]
fn each_kind_of_failure_has_advice_that_works() {
    for (bad, says, good) in [
        (
            "7 % CAST(feature1 AS BIGINT)",
            "divide by nullif(x, 0)",
            "7 % nullif(CAST(feature1 AS BIGINT), 0)",
        ),
        (
            "CAST(feature2 AS BIGINT) * 9223372036854775807",
            "compute with cast(x AS double)",
            "CAST(feature2 AS double) * 9223372036854775807",
        ),
        (
            "CAST(customerId AS BIGINT)",
            "try_cast(x AS type) gives null instead",
            "try_cast(customerId AS BIGINT)",
        ),
        (
            "date_part('year', to_timestamp(customerId))",
            "try_cast(x AS timestamp) gives null instead",
            "date_part('year', try_cast(customerId AS timestamp))",
        ),
        (
            "date_part('year', make_date(CAST(feature1 * 1000 AS INT), CAST(feature1 AS INT), 1))",
            "is out of range (CASE WHEN x BETWEEN ... THEN x END gives null instead)",
            "date_part('year', make_date(1999, CASE WHEN feature1 BETWEEN 1 AND 12 \
             THEN CAST(feature1 AS INT) END, 1))",
        ),
        (
            "length(substr(customerId, 1, CAST(feature1 - 1 AS BIGINT)))",
            "negative count not allowed: -1 (write greatest(x, 0))",
            "length(substr(customerId, 1, CAST(greatest(feature1 - 1, 0) AS BIGINT)))",
        ),
        (
            "sqrt(1 - feature1)",
            "a negative number (CASE WHEN x >= 0 THEN x END gives null instead)",
            "sqrt(CASE WHEN 1 - feature1 >= 0 THEN 1 - feature1 END)",
        ),
        (
            "length(chr(CAST(feature1 AS BIGINT) - 2))",
            "value: -1 (CASE WHEN x BETWEEN 1 AND 55295 THEN x END gives null instead)",
            "length(chr(CASE WHEN feature1 BETWEEN 1 AND 55295 THEN CAST(feature1 AS BIGINT) END))",
        ),
        (
            "date_part('day', make_date(2023, 2, CAST(feature1 + 27 AS INT)))",
            "(try_cast(concat(year, '-', month, '-', day) AS date) gives null instead)",
            "date_part('day', try_cast(concat(2023, '-', 2, '-', CAST(feature1 + 27 AS INT)) AS date))",
        ),
        (
            "date_part('year', to_date(customerId, '%d/%m/%Y'))",
            "nullif(x, 'n/a') gives null for a text that is not a time, and more formats may follow",
            "date_part('year', to_date(nullif(customerId, customerId), '%d/%m/%Y'))",
        ),
        (
            "date_part('hour', to_timestamp(concat('2024-03-31 02:30:00', substr(country, 3))) \
             AT TIME ZONE 'Europe/Berlin')",
            "this hour does not exist in the time zone, or exists twice, as the clocks change \
             (arrow_try_cast(x, 'Timestamp(us, \"Europe/Berlin\")') gives null instead",
            "date_part('hour', arrow_try_cast(to_timestamp(concat('2024-03-31 02:30:00', \
             substr(country, 3))), 'Timestamp(us, \"Europe/Berlin\")'))",
        ),
        (
            "date_part('hour', to_timestamp(concat('2024-10-27 02:00:00', substr(country, 3))) \
             AT TIME ZONE 'Europe/Berlin')",
            "for times of UTC write x AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin')",
            "date_part('hour', to_timestamp(concat('2024-10-27 02:00:00', substr(country, 3))) \
             AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin')",
        ),
    ] {
        let text = failure(&format!("SELECT *, {bad} AS bad FROM raw"));
        assert!(
            text.contains("in the column \"bad\" of the row date") && text.contains(says),
            "{bad}: {text}"
        );
        let features = plan(&format!("SELECT *, {good} AS good FROM raw")).unwrap();
        assert_eq!(compute(&features, rows()).unwrap().num_rows(), 7, "{good}");
    }
}

/// Expressions that fail whatever the rows hold, and why.
const FAULTS: [(&str, &str); 22] = [
    (
        "date_part('year', date_trunc('mnth', date))",
        "Unsupported date_trunc granularity: 'mnth'. Supported values are: microsecond",
    ),
    (
        "date_part('foo', date)",
        "Date part 'foo' not supported (write year, quarter, month",
    ),
    (
        "CASE WHEN feature1 > 0 THEN date_part('foo', date) ELSE 0 END",
        "Date part 'foo' not supported",
    ),
    (
        "length(to_char(date, '%Q'))",
        "to_char() does not know the format \"%Q\" (write codes such as '%Y-%m-%d %H:%M:%S'",
    ),
    (
        "date_part('epoch', to_timestamp(country, '%Y-%Q'))",
        "to_timestamp() does not know the format \"%Y-%Q\"",
    ),
    (
        "date_part('year', to_date(country, '%Y-%m'))",
        "to_date() reads no text by the format \"%Y-%m\", such as \"2024-12\"",
    ),
    (
        "regexp_count(country, '(')",
        "(write \\( for a bracket itself)",
    ),
    (
        "regexp_count(country, 'D', 1, 'q')",
        "unrecognized flag (the flags are i, m, s, U and x, and g in regexp_replace())",
    ),
    (
        "regexp_like(country, 'D', 'q')",
        "unrecognized flag (the flags are i, m, s, U and x, and g in regexp_replace())",
    ),
    (
        "length(split_part(country, ' ', 0))",
        "field position must not be zero",
    ),
    (
        "length(repeat(country, 100000000))",
        "repeat() would make a text of more than 1000000 bytes: make it shorter",
    ),
    (
        "length(repeat('x', 2000000000))",
        "repeat() would make a text of more than",
    ),
    (
        "length(lpad(country, 1000000000))",
        "lpad() would make a text of more than",
    ),
    (
        "length(rpad(country, 2000000, 'ä'))",
        "rpad() would make a text of more than",
    ),
    (
        "date_part('year', make_date(CAST(feature1 AS INT), 13, 1))",
        "Month value '13' is out of range",
    ),
    (
        "date_part('hour', make_time(25, CAST(feature1 AS INT), 0))",
        "Hour value '25' is out of range",
    ),
    (
        "length(substr(country, CAST(feature1 AS BIGINT), -1))",
        "negative count not allowed: -1",
    ),
    (
        "length(split_part(country, lower(country), 0))",
        "field position must not be zero",
    ),
    (
        "date_part('hour', date AT TIME ZONE 'Mars/Olympus')",
        "Invalid timezone \"Mars/Olympus\"",
    ),
    (
        "CASE WHEN feature1 > 0 THEN date_part('hour', date AT TIME ZONE 'Mars/Olympus') \
         ELSE 0 END",
        "(write a name such as 'Europe/Berlin', or an offset such as '+02:00')",
    ),
    (
        "date_part('epoch', to_timestamp('no time'))",
        "Error parsing timestamp from 'no time'",
    ),
    (
        "date_part('epoch', to_timestamp(country, '%Y-%m-%d %H:%M:%S.%f'))",
        "as 143 nanoseconds: write %.f, which takes the point too",
    ),
];

#[test]
fn what_is_not_planned_names_the_column() {
    for (bad, says) in [
        (
            "regexp_like(country, '(')",
            "a regular expression is wrong: unclosed group (write \\( for a bracket itself)",
        ),
        (
            "country ~ '('",
            "a regular expression is wrong: unclosed group",
        ),
        (
            "feature1 + CAST('x' AS BIGINT)",
            "Cannot cast string 'x' to value of Int64 type",
        ),
        (
            "date_part('hour', to_timestamp('2024-03-31 02:30:00') AT TIME ZONE 'Europe/Berlin')",
            "this hour does not exist in the time zone, or exists twice, as the clocks change \
             (arrow_try_cast(x, ",
        ),
    ] {
        let sql = format!("SELECT *, feature2 + 1 AS more,\n  {bad} AS bad, 1 AS one FROM raw");
        let error = plan(&sql)
            .err()
            .unwrap_or_else(|| panic!("{bad} was accepted"));
        assert_eq!(exit_code(&error), 2, "{bad}: {error:#}");
        let text = error.to_string();
        assert!(
            text.starts_with("features.sql, line 2, column ")
                && text.contains(": the column \"bad\" can't be computed: ")
                && text.contains(says),
            "{bad}: {text}"
        );
    }
}

#[test]
fn a_fault_of_the_query_is_found_without_rows() {
    for (bad, says) in FAULTS {
        for sql in [
            format!("SELECT *, feature2 + 1 AS more, {bad} AS bad, feature1 + 1 AS less FROM raw"),
            format!("SELECT * EXCEPT (n), n AS bad FROM (SELECT *, {bad} AS n FROM raw) AS t"),
        ] {
            let error = plan(&sql).unwrap().must_compute().expect_err(bad);
            assert_eq!(exit_code(&error), 2, "{sql}: {error:#}");
            let text = error.to_string();
            let column = "features.sql fails in the column \"bad\", whatever the rows hold: ";
            assert!(
                text.starts_with(column) && text.contains(says),
                "{sql}: {text}"
            );
        }
    }
}

#[test]
fn a_fault_of_constants_is_found_before_they_are_computed() {
    let read = "to_timestamp('2024-01-01 10:00:00.143', '%Y-%m-%d %H:%M:%S.%f')";
    let column = " in the column \"bad\"";
    for (sql, place) in [
        (
            format!("SELECT *, 1 AS one, date_part('nanosecond', {read}) AS bad FROM raw"),
            column,
        ),
        (
            format!("SELECT *, CASE WHEN date > {read} THEN 1 ELSE 0 END AS bad FROM raw"),
            column,
        ),
        (
            format!(
                "SELECT * EXCEPT (n), n + 1 AS bad FROM \
                 (SELECT *, date_part('nanosecond', {read}) AS n FROM raw) AS t"
            ),
            "",
        ),
    ] {
        let error = plan(&sql).unwrap().must_compute().expect_err(&sql);
        assert_eq!(exit_code(&error), 2, "{sql}: {error:#}");
        let (start, says) = (
            format!("features.sql fails{place}, whatever the rows hold: to_timestamp() reads .143"),
            "write %.f, which takes the point too",
        );
        let text = error.to_string();
        assert!(
            text.starts_with(&start) && text.contains(says),
            "{sql}: {text}"
        );
    }
    let filter = format!("date > {read}");
    let features = features_of(sample(Some(&filter)), "SELECT * FROM raw").unwrap();
    let error = features.must_compute().unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let says = "the filter of dataset.json fails, whatever the rows hold: to_timestamp() reads";
    assert!(error.to_string().starts_with(says), "{error:#}");
}

#[test]
fn a_fault_of_the_query_is_none_of_the_rows() {
    for (bad, says) in FAULTS {
        let features = plan(&format!(
            "SELECT *, feature2 + 1 AS more, {bad} AS bad FROM raw"
        ));
        let error = compute(&features.unwrap(), rows()).expect_err(bad);
        assert_eq!(exit_code(&error), 2, "{bad}: {error:#}");
        let text = error.to_string();
        assert!(
            text.starts_with("features.sql fails in the column \"bad\" of the row date 1970-01-01")
                && text.contains(says),
            "{bad}: {text}"
        );
    }
}

#[test]
fn no_value_is_taken_for_a_fault_of_the_query() {
    for good in [
        "1 / CAST(feature1 AS BIGINT)",
        "1 / CAST(coalesce(feature1, 0) AS BIGINT)",
        "CAST(coalesce(country, 'none') AS BIGINT)",
        "abs(CASE WHEN feature1 IS NULL THEN 1 / 0 ELSE 1 END)",
        "date_part('epoch', to_timestamp(country, '%d/%m/%Y'))",
        "date_part('epoch', to_timestamp(country, '%d/%m/%Y %H:%M', '%Y-%m-%d'))",
        "date_part('epoch', to_timestamp(country, '%H:%M', '%d/%m/%Y', '%Q'))",
        "date_part('epoch', to_timestamp(country, '%-d.%-m.%y %I:%M:%S%.f %p'))",
        "date_part('epoch', to_timestamp(country, '%Y-%m-%dT%H:%M:%S%#z'))",
        "date_part('epoch', to_timestamp(country, '%Y-%m-%d %H:%M:%S%z'))",
        "date_part('epoch', to_timestamp(country, '%Y-%m-%d %H:%M:%S %Z'))",
        "date_part('epoch', to_timestamp(country, '%Y%m%d%H%M%S'))",
        "date_part('epoch', to_timestamp(country, '%s'))",
        "date_part('year', to_date(country, '%a, %d %b %Y'))",
        "date_part('hour', to_time(country, '%H:%M'))",
        "to_unixtime(country, '%Y%j')",
        "length(to_char(date, '%Y-%m-%d'))",
        "date_part('dow', date_trunc('week', date))",
        "date_part('minute', date_bin(INTERVAL '15 minutes', date))",
        "country ~ '\\('",
        "regexp_count(country, '\\(')",
        "length(regexp_replace(country, '^(.).*$', '\\1', 'g'))",
        "length(concat_ws('-', country, customerId)) + strpos(country, 'D')",
        "length(split_part(country, '-', -1)) + length(substr(country, 3, 0))",
        "length(split_part(country, '-', 2)) + levenshtein(country, 'DE')",
        "round(power(feature1, 2), 2) + greatest(feature1, feature2) + nullif(feature2, 0)",
        "length(repeat(country, CAST(feature1 AS BIGINT)))",
        "date_part('day', make_date(CAST(feature1 AS INT), 2, 29))",
        "date_part('day', make_date(2023, CAST(feature1 AS INT), 31))",
        "length(substr(country, CAST(feature1 AS BIGINT), 2))",
        "date_part('hour', date AT TIME ZONE 'Europe/Berlin')",
        "date_part('hour', date AT TIME ZONE '+02:00')",
        "date_part('epoch', to_timestamp(country, '%Y-%m-%d %H:%M:%S,%3f'))",
        "length(to_char(date, '%S.%f'))",
    ] {
        let features = plan(&format!("SELECT *, {good} AS good FROM raw"));
        let features = features.unwrap_or_else(|error| panic!("{good}: {error:#}"));
        let found = features.must_compute();
        found.unwrap_or_else(|error| panic!("{good}: {error:#}"));
    }
}

#[test]
fn texts_may_be_padded_and_repeated_up_to_a_limit() {
    let features = plan(
        "SELECT *, length(repeat(country, 3)) AS a, length(lpad(country, 5, '0')) AS b, \
         length(rpad(country, 1000000)) AS c, length(rpad(country, 1 - length(country))) AS d, \
         length(repeat(country, CAST(-feature1 AS BIGINT))) AS e FROM raw",
    );
    let features = features.unwrap();
    features.must_compute().unwrap();
    let computed = compute(&features, vec![raw(&[1.0, 2.0], &[1.0, 1.0])]).unwrap();
    for (name, wanted) in [("a", 6), ("b", 5), ("c", 1_000_000), ("d", 0), ("e", 0)] {
        let column = computed.column_by_name(name).unwrap();
        let column = arrow::compute::cast(column, &DataType::Int64).unwrap();
        let column = column.as_primitive::<arrow::datatypes::Int64Type>();
        assert!(column.is_null(0), "{name}");
        assert_eq!(column.value(1), wanted, "{name}");
    }
    for (bad, rows, says) in [
        (
            "repeat(country, CAST(feature1 * 100000000 AS BIGINT))",
            2,
            "in the column \"bad\" of the row date 1970-01-01T00:00:00, customerId \"c1\"",
        ),
        (
            "repeat(country, 60000)",
            8_000,
            "texts of more than 268435456 bytes for 8000 rows at once: make them shorter",
        ),
    ] {
        let features = plan(&format!("SELECT *, length({bad}) AS bad FROM raw")).unwrap();
        features.must_compute().unwrap();
        let rows = raw(&vec![1.0; rows], &vec![1.0; rows]);
        let error = compute(&features, vec![rows]).expect_err(bad);
        assert_eq!(exit_code(&error), 2, "{bad}: {error:#}");
        assert!(error.to_string().contains(says), "{bad}: {error:#}");
    }
}

#[test]
fn a_fraction_of_a_second_is_read_as_one() {
    let read = "to_timestamp(concat('2024-02-05 10:20:30.143', substr(country, 3)), \
                '%Y-%m-%d %H:%M:%S%.f')";
    let sql = format!("SELECT *, CAST({read} AS BIGINT) % 1000000000 AS fraction FROM raw");
    let features = plan(&sql).unwrap();
    features.must_compute().unwrap();
    let computed = compute(&features, vec![raw(&[1.0, 2.0], &[1.0, 1.0])]).unwrap();
    let fraction = computed.column_by_name("fraction").unwrap();
    let fraction = fraction.as_primitive::<arrow::datatypes::Int64Type>();
    assert_eq!(fraction.value(1), 143_000_000);
}

#[test]
fn what_is_no_value_is_not_blamed_on_the_rows() {
    use arrow::error::ArrowError;
    use datafusion_common::error::DataFusionError;

    let of_values = |error: ArrowError| excerpt::is_of_values(&DataFusionError::from(error));
    assert!(of_values(ArrowError::DivideByZero));
    assert!(of_values(ArrowError::CastError(
        "x is no number".to_owned()
    )));
    assert!(!of_values(ArrowError::MemoryError("too little".to_owned())));
    assert!(!of_values(ArrowError::OffsetOverflowError(1 << 31)));
    assert!(!of_values(ArrowError::NotYetImplemented(
        "a cast".to_owned()
    )));
}

#[test]
fn a_fault_of_a_filter_is_found_without_rows() {
    let bad = "to_char(date, '%Q') = 'x'";
    let features = features_of(sample(Some(bad)), "SELECT * FROM raw").unwrap();
    for (error, says) in [
        (
            features.must_compute().unwrap_err(),
            "the filter of dataset.json fails, whatever the rows hold: to_char() does not know",
        ),
        (
            features.keep(&rows()[1]).unwrap_err(),
            "the filter of dataset.json fails on the row date 1970-01-01T00:00:00",
        ),
    ] {
        assert_eq!(exit_code(&error), 2, "{error:#}");
        assert!(error.to_string().starts_with(says), "{error:#}");
    }
}

#[test]
fn a_condition_names_the_row_too() {
    let bad = "1 / CAST(feature1 AS BIGINT) >= 0";
    let text = failure(&format!("SELECT * FROM raw WHERE {bad}"));
    assert!(
        text.starts_with("features.sql fails in the WHERE of the row date 1970-01-01T00:00:00"),
        "{text}"
    );
    let features = features_of(sample(Some(bad)), "SELECT * FROM raw").unwrap();
    let error = features.keep(&rows()[1]).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    insta::assert_snapshot!(error, @r#"the filter of dataset.json fails on the row date 1970-01-01T00:00:00, customerId "c2" (feature1 0.0): Divide by zero error (divide by nullif(x, 0) for null instead)"#);
}

#[test]
fn the_error_is_the_one_of_the_row_that_is_named() {
    let bad = "date_part('year', CAST(CAST(feature1 AS BIGINT) AS TIMESTAMP))";
    let rows = raw(&[0.0, 1e10, 3e10], &[1.0; 3]);
    let features = features_of(
        sample(Some(&format!("{bad} % 2 = 0"))),
        &format!("SELECT *, {bad} AS bad FROM raw"),
    );
    let features = features.unwrap();
    let computed = compute(&features, vec![rows.clone()]);
    for error in [computed.unwrap_err(), features.keep(&rows).unwrap_err()] {
        let text = error.to_string();
        assert!(
            text.contains("customerId \"c1\" (feature1 ")
                && text.contains(" value 10000000000 to "),
            "{text}"
        );
    }
}
