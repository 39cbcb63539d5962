//! What can't be computed from windows or for them: the column is named, and the row.

use super::*;

const ROW: &str = "of the row date 1970-01-02T00:00:00, customerId \"c000002\"";

fn failure(bad: &str) -> (u8, String) {
    let select = format!(
        "count(*) {OVER} CURRENT ROW) AS n, {bad} AS bad, max(feature2) {OVER} CURRENT ROW) AS m"
    );
    let features = windowed(&select).unwrap_or_else(|error| panic!("{bad}: {error:#}"));
    let batches = vec![
        rows(&[(1, 0, 1.0), (1, DAY, 2.0)]),
        rows(&[(2, 0, 3.0), (2, DAY, 0.0), (2, 2 * DAY, 0.0)]),
    ];
    let error = compute(&features, batches).expect_err(bad);
    (exit_code(&error), error.to_string())
}

#[test]
fn what_windows_are_over_names_the_column_and_the_row() {
    for bad in [
        format!("sum(1 / CAST(feature1 AS BIGINT)) {OVER} CURRENT ROW)"),
        format!("1 + min(1 / CAST(feature1 AS BIGINT)) {OVER} INTERVAL '1 day' PRECEDING)"),
        format!(
            "max(feature1) {OVER} INTERVAL '2 days' PRECEDING) \
             + last_value(1 / CAST(feature1 AS BIGINT)) {OVER} CURRENT ROW)"
        ),
    ] {
        let (code, text) = failure(&bad);
        assert_eq!(code, 10, "{bad}: {text}");
        let wanted = format!(
            "features.sql fails in the column \"bad\" {ROW} (feature1 0.0): Divide by zero error \
             (divide by nullif(x, 0) for null instead)"
        );
        assert_eq!(text, wanted, "{bad}");
    }
}

#[test]
fn what_is_computed_from_windows_names_the_column_and_the_row() {
    let first = "the row date 1970-01-01T00:00:00, customerId \"c000001\"";
    let last = "the row date 1970-01-03T00:00:00, customerId \"c000002\"";
    for (bad, row, code, says) in [
        (
            format!("1 / (count(*) {OVER} CURRENT ROW) - 1)"),
            first,
            10,
            ": Divide by zero error (divide by nullif(x, 0) for null instead)",
        ),
        // Only the last row of all fails, once no row follows.
        (
            format!("1 / (count(*) {OVER} CURRENT ROW) - 3)"),
            last,
            10,
            ": Divide by zero error",
        ),
        (
            format!("sum(feature1) {OVER} CURRENT ROW) / CAST(customerId AS BIGINT)"),
            first,
            10,
            "Cannot cast string 'c000001'",
        ),
        // What is computed from the row alone, beside windows.
        (
            "1 / CAST(feature1 - 2 AS BIGINT)".to_owned(),
            "the row date 1970-01-02T00:00:00, customerId \"c000001\" (feature1 2.0)",
            10,
            ": Divide by zero error",
        ),
        // A text that only the rows of a window together make too long.
        (
            format!(
                "length(repeat(last_value(lpad(country, 400000)) {OVER} CURRENT ROW), \
                 CAST(count(*) {OVER} CURRENT ROW) AS BIGINT)))"
            ),
            last,
            2,
            ": repeat() would make a text of more than 1000000 bytes: make it shorter",
        ),
    ] {
        let (found, text) = failure(&bad);
        assert_eq!(found, code, "{bad}: {text}");
        let place = format!("features.sql fails in the column \"bad\" of {row}");
        assert!(
            text.starts_with(&place) && text.contains(says),
            "{bad}: {text}"
        );
    }
}

#[test]
fn what_windows_themselves_fail_on_names_the_column() {
    let bad = format!(
        "sum(CASE WHEN customerId = 'c000002' THEN 9000000000000000000 ELSE 0 END) \
         {OVER} CURRENT ROW)"
    );
    let (code, text) = failure(&bad);
    assert_eq!(code, 10, "{text}");
    assert!(
        text.starts_with("features.sql fails in the column \"bad\": "),
        "{text}"
    );
}

#[test]
fn the_file_of_a_row_is_named_where_there_are_several() {
    for (bad, row) in [
        (
            format!("1 / (count(*) {OVER} CURRENT ROW) - 2)"),
            "the row date 1970-01-02T00:00:00, customerId \"c000001\" in row 1 of all",
        ),
        (
            format!("max(1 / CAST(feature1 - 4 AS BIGINT)) {OVER} CURRENT ROW)"),
            "the row date 1970-01-02T00:00:00, customerId \"c000002\" (feature1 4.0) in row 3 of \
             all",
        ),
    ] {
        let features = windowed(&format!("{bad} AS bad")).unwrap();
        let batches = vec![
            Ok(rows(&[(1, 0, 1.0), (1, DAY, 2.0)])),
            Ok(rows(&[(2, 0, 3.0), (2, DAY, 4.0)])),
        ];
        let computed =
            features.compute_of(batches.into_iter(), |row| Some(format!("row {row} of all")));
        let error = computed.unwrap().find_map(Result::err).expect(&bad);
        let place = format!("features.sql fails in the column \"bad\" of {row}: ");
        assert!(error.to_string().starts_with(&place), "{bad}: {error:#}");
    }
}

#[test]
fn a_fault_of_the_query_is_found_inside_and_outside_of_windows() {
    for bad in [
        format!("max(date_part('foo', date)) {OVER} CURRENT ROW)"),
        format!("date_part('foo', max(date) {OVER} CURRENT ROW))"),
    ] {
        let select = format!("count(*) {OVER} CURRENT ROW) AS n, {bad} AS bad");
        let error = windowed(&select).unwrap().must_compute().expect_err(&bad);
        assert_eq!(exit_code(&error), 2, "{bad}: {error:#}");
        let column = "features.sql fails in the column \"bad\", whatever the rows hold: Date part";
        assert!(error.to_string().starts_with(column), "{bad}: {error:#}");
        let (code, text) = failure(&bad);
        assert_eq!(code, 2, "{bad}: {text}");
        assert!(
            text.contains("in the column \"bad\"") && text.contains("Date part 'foo'"),
            "{bad}: {text}"
        );
    }
}
