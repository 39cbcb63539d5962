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
fn a_query_that_may_leave_rows_out_is_not_for_training() {
    for (sql, is_refused) in [
        ("SELECT * FROM raw", false),
        ("SELECT * FROM raw WHERE feature1 > 0", true),
        (
            "SELECT * FROM (SELECT * FROM raw WHERE feature1 > 0) AS r",
            true,
        ),
    ] {
        let kept = plan(sql).unwrap().must_keep_rows();
        assert_eq!(kept.is_err(), is_refused, "{sql}");
        let Err(error) = kept else { continue };
        assert_eq!(exit_code(&error), 2);
        let text = error.to_string();
        assert!(
            text.contains("features.sql, line 1, column ")
                && text.contains("a condition (WHERE) is refused")
                && text.contains("`train_filter` of dataset.json"),
            "{text}"
        );
    }
}
