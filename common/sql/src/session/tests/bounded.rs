//! Texts that functions make longer have a limit.

use super::*;

/// A text that no constant of a query may be as long as.
const LONG: &str = "lpad(country, 900000, 'a')";

fn select(column: &str) -> String {
    format!("SELECT *, {column} FROM raw")
}

#[test]
fn a_text_that_gets_too_long_names_the_column_and_the_row() {
    for (bad, says) in [
        (format!("concat({LONG}, {LONG})"), "concat() would"),
        (format!("{LONG} || {LONG}"), "|| would"),
        (
            format!("concat_ws({LONG}, country, country, country)"),
            "concat_ws() would",
        ),
        (
            format!("overlay({LONG} PLACING {LONG} FROM 1 FOR 1)"),
            "overlay() would",
        ),
        (
            format!("replace({LONG}, 'a', rpad('', 30000, 'b'))"),
            "replace() could",
        ),
        (format!("replace({LONG}, 'a', 'bb')"), "replace() would"),
        (
            format!("regexp_replace({LONG}, 'a', rpad('', 30000, 'b'), 'g')"),
            "regexp_replace() could",
        ),
        (
            format!("regexp_replace({LONG}, '(a)', '\\1\\1', 'g')"),
            "regexp_replace() ",
        ),
        (format!("translate({LONG}, 'a', 'ä')"), "translate() would"),
        (
            "to_char(date, rpad(country, 900000, '%Y'))".to_owned(),
            "to_char() would",
        ),
        (
            "repeat(country, 10000 * CAST(feature1 AS BIGINT))".to_owned(),
            "repeat() would",
        ),
        // What a limited function makes is an argument of another one.
        (
            "concat(repeat(country, 400000), repeat(country, 400000))".to_owned(),
            "concat() would",
        ),
    ] {
        let features = plan(&select(&format!("length({bad}) AS bad"))).unwrap();
        features.must_compute().unwrap();
        let rows = raw(&[100.0, 100.0, 100.0], &[1.0; 3]);
        let error = compute(&features, vec![rows]).expect_err(&bad);
        assert_eq!(exit_code(&error), 2, "{bad}: {error:#}");
        let text = error.to_string();
        let row = "features.sql fails in the column \"bad\" of the row date 1970-01-01T00:00:00, \
                   customerId \"c1\"";
        assert!(
            text.starts_with(row)
                && text.contains(says)
                && text.contains(" make a text of more than 1000000 bytes: make it shorter"),
            "{bad}: {text}"
        );
    }
}

#[test]
fn no_steps_of_a_query_get_around_the_limit() {
    let mut sql = "WITH t0 AS (SELECT *, lpad(country, 100000) AS u0 FROM raw)".to_owned();
    for step in 1..12 {
        let before = step - 1;
        sql.push_str(&format!(
            ", t{step} AS (SELECT date, customerId, target, u{before} || u{before} AS u{step} \
             FROM t{before})"
        ));
    }
    sql.push_str("SELECT date, customerId, target, length(u11) AS bad FROM t11");
    let features = plan(&sql).unwrap();
    let error = compute(&features, vec![raw(&[1.0, 2.0], &[1.0, 1.0])]).unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let text = error.to_string();
    assert!(
        text.contains("\"bad\"") && text.contains("|| would make"),
        "{text}"
    );
}

#[test]
fn constants_that_get_too_long_are_refused_without_rows() {
    for bad in [
        "length(concat(repeat('x', 1000000), repeat('x', 1000000)))",
        "length(replace(repeat('x', 1000000), 'x', repeat('y', 1000000)))",
        "length(regexp_replace(repeat('x', 1000000), 'x', repeat('y', 1000000), 'g'))",
        // It would be copied for each row.
        "strpos(repeat('x', 1000000), country)",
        "length(CASE WHEN feature1 > 0 THEN repeat('x', 1000000) ELSE country END)",
    ] {
        let planned = plan(&select(&format!("{bad} AS bad")));
        let error = planned.and_then(|features| features.must_compute());
        let error = error.expect_err(bad);
        assert_eq!(exit_code(&error), 2, "{bad}: {error:#}");
        let text = error.to_string();
        assert!(
            text.contains("column \"bad\"") && text.contains("make it shorter"),
            "{bad}: {text}"
        );
    }
}

#[test]
fn texts_within_the_limit_are_what_they_were() {
    let features = plan(&select(
        "length(country || '-' || customerId) AS joined, \
         length(replace(country, 'D', 'dd')) AS replaced, \
         length(concat(country, customerId)) AS together, \
         length(concat_ws('-', country, customerId)) AS parts, \
         length(regexp_replace(country, '(.)', '\\1\\1', 'g')) AS twice, \
         length(translate(country, 'DE', 'äö')) AS translated, \
         length(to_char(date, '%Y-%m')) AS month, length(encode(country, 'hex')) AS hex, \
         length(repeat('x', 1000000)) AS long, length(country || 'x')",
    ));
    let features = features.unwrap();
    features.must_compute().unwrap();
    let computed = compute(&features, vec![raw(&[1.0, 2.0], &[1.0, 1.0])]).unwrap();
    for (name, wanted) in [
        ("joined", [None, Some(5)]),
        ("replaced", [None, Some(3)]),
        ("together", [Some(2), Some(4)]),
        ("parts", [Some(2), Some(5)]),
        ("twice", [None, Some(4)]),
        ("translated", [None, Some(2)]),
        ("month", [Some(7), Some(7)]),
        ("hex", [None, Some(4)]),
        ("long", [Some(1_000_000), Some(1_000_000)]),
        // A column without an alias is a feature of a trained model: it keeps its name.
        ("length(raw.country || Utf8(\"x\"))", [None, Some(3)]),
    ] {
        let column = computed
            .column_by_name(name)
            .unwrap_or_else(|| panic!("{name} in {:?}", computed.schema()));
        let column = arrow::compute::cast(column, &DataType::Int64).unwrap();
        let column = column.as_primitive::<arrow::datatypes::Int64Type>();
        assert_eq!(column.iter().collect::<Vec<_>>(), wanted, "{name}");
    }
}

#[test]
fn texts_whose_size_is_not_known_are_made_piece_by_piece() {
    const ROWS: usize = 300;
    let replaced = "regexp_replace(lpad(country, 10000, 'a'), 'b', rpad('', 1000, 'c'), 'g')";
    let features = plan(&select(&format!("length({replaced}) AS size"))).unwrap();
    let rows = raw(&[1.0; ROWS], &[1.0; ROWS]);
    let computed = compute(&features, vec![rows]).unwrap();
    let sizes = computed.column_by_name("size").unwrap();
    let sizes = arrow::compute::cast(sizes, &DataType::Int64).unwrap();
    let sizes = sizes.as_primitive::<arrow::datatypes::Int64Type>();
    let wanted = (0..ROWS).map(|row| (row % 3 > 0).then_some(10_000));
    assert!(sizes.iter().eq(wanted));
}

#[test]
fn texts_are_compared_up_to_a_limit() {
    let features = plan(&select(
        "levenshtein(lpad(country, 1000, 'D'), rpad(country, 1000, 'E')) AS near, \
         levenshtein(lpad(country, 900000, 'a'), country) AS far",
    ));
    let features = features.unwrap();
    features.must_compute().unwrap();
    let computed = compute(&features, vec![raw(&[1.0, 2.0], &[1.0, 1.0])]).unwrap();
    // The first has one D and one E in common, and the second all of the shorter one.
    for (name, wanted) in [("near", 998), ("far", 899_998)] {
        let column = computed.column_by_name(name).unwrap();
        let column = column.as_primitive::<arrow::datatypes::Int32Type>();
        assert_eq!(
            column.iter().collect::<Vec<_>>(),
            [None, Some(wanted)],
            "{name}"
        );
    }
    let says = "levenshtein() would compare a text of 5000 bytes with one of 5000, and their \
                product may be 16000000 at most: compare the beginnings, such as left(x, 1000)";
    let of = |size: &str| {
        let column = format!("levenshtein({size}, rpad(country, 5000)) AS bad");
        let features = plan(&select(&column)).unwrap();
        features.must_compute().unwrap();
        compute(&features, vec![raw(&[1.0, 2.0], &[1.0, 1.0])])
    };
    let error = of("lpad(country, 5000, 'ä')").unwrap_err().to_string();
    assert!(error.contains("a text of 9998 bytes"), "{error}");
    let error = of("lpad(country, 5000)").unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let row = "features.sql fails in the column \"bad\" of the row date 1970-01-01T00:00:00, \
               customerId \"c1\"";
    let text = error.to_string();
    assert!(text.starts_with(row) && text.ends_with(says), "{text}");
    of("left(lpad(country, 5000, 'ä'), 1000)").unwrap();
    let constants = "levenshtein(repeat('x', 20000), repeat('y', 20000)) AS bad";
    let error = plan(&select(constants))
        .unwrap()
        .must_compute()
        .unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    assert!(
        error.to_string().contains("column \"bad\", whatever"),
        "{error:#}"
    );
}
