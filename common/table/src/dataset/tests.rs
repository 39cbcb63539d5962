use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use chrono::DateTime;
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::*;
use runtime::failure::exit_code;

mod dialect;
mod lookback;
mod schema;

/// A contract with an id and a target, and one more column.
fn with_column(column: Value) -> anyhow::Result<Dataset> {
    let contract = json!({"columns": [
        {"name": "id", "type": "utf8", "role": "id"},
        {"name": "target", "type": "int64", "role": "target"},
        column,
    ]});
    Dataset::parse(contract.to_string().as_bytes())
}

#[test]
fn the_default_contract_is_valid() {
    let text = include_bytes!("../../../../config-maps/dataset.json");
    let dataset = Dataset::parse(text).unwrap();
    assert_eq!(dataset.key(), ["customerId", "date"]);
    assert_eq!(dataset.target().name, "target");
}

#[test]
fn a_contract_that_makes_no_sense_is_refused_by_column() {
    for (column, reason) in [
        (
            json!({"name": "id", "type": "int64", "role": "feature"}),
            "\"id\" occurs twice",
        ),
        (
            json!({"name": "", "type": "int64", "role": "feature"}),
            "has no name",
        ),
        (
            json!({"name": "k", "type": "int64", "role": "id", "nullable": true}),
            "\"k\" with the role id is nullable",
        ),
        (
            json!({"name": "k", "type": "float64", "role": "id"}),
            "floats can't identify rows",
        ),
        (
            json!({"name": "t", "type": "int64", "role": "time"}),
            "\"t\" with the role time is of type int64",
        ),
        (
            json!({"name": "y", "type": "int64", "role": "target"}),
            "2 columns have the role target",
        ),
        (
            json!({"name": "w", "type": "utf8", "role": "weight"}),
            "\"w\" with the role weight is of type utf8: it must be int32",
        ),
        (
            json!({"name": "w", "type": "float64", "role": "weight", "nullable": true}),
            "\"w\" with the role weight is nullable",
        ),
        (
            json!({"name": "w", "type": "float64", "role": "weight", "min": -1}),
            "\"w\" with the role weight has a negative `min`",
        ),
        (
            json!({"name": "w", "type": "int64", "role": "weight", "on_violation": "count"}),
            "`on_violation` count",
        ),
        (
            json!({"name": "f", "type": "int64", "role": "feature", "min": 0.5}),
            "a bound that is not a whole number",
        ),
        (
            json!({"name": "f", "type": "float64", "role": "feature", "max": "9"}),
            "a bound that is not a number",
        ),
        (
            json!({"name": "f", "type": "int32", "role": "feature", "min": 5, "max": 4}),
            "a `min` that is above its `max`",
        ),
        (
            json!({"name": "f", "type": "float64", "role": "feature", "min": 0.5, "max": -0.5}),
            "a `min` that is above its `max`",
        ),
        (
            json!({
                "name": "f", "type": "date", "role": "feature",
                "min": "2026-02-01", "max": "2026-01-31"
            }),
            "a `min` that is above its `max`",
        ),
        (
            json!({"name": "f", "type": "float64", "role": "feature", "allowed": [1]}),
            "give `min` and `max`",
        ),
        (
            json!({"name": "f", "type": "utf8", "role": "feature", "min": 0}),
            "give its `allowed` values",
        ),
        (
            json!({"name": "f", "type": "utf8", "role": "feature", "allowed": [1]}),
            "not a text in quotes",
        ),
        (
            json!({"name": "f", "type": "bool", "role": "feature", "allowed": ["true"]}),
            "neither true nor false",
        ),
        (
            json!({"name": "f", "type": "date", "role": "feature", "min": "1.1.2024"}),
            "such as \"2024-12-31\"",
        ),
        (
            json!({"name": "f", "type": "timestamptz", "role": "ignored", "min": "2024-12-31"}),
            "not an instant",
        ),
        (
            json!({"name": "f", "type": "float64", "role": "feature", "minimum": 1}),
            "unknown field `minimum`",
        ),
        (
            json!({"name": "f", "type": "decimal", "role": "feature"}),
            "unknown variant `decimal`",
        ),
    ] {
        let error = with_column(column.clone()).unwrap_err();
        assert_eq!(exit_code(&error), 2);
        assert!(error.to_string().contains(reason), "{column}: {error}");
    }
}

#[test]
fn a_wrong_key_is_named_with_what_it_may_be() {
    let contract = |keys: &str, column: &str| {
        let columns = format!(
            r#"{{"name": "id", "type": "utf8", "role": "id"}},
               {{"name": "y", "type": "bool", "role": "target"}}, {column}"#
        );
        format!("{{{keys} \"columns\": [{columns}]}}")
    };
    let good = r#"{"name": "f", "type": "int32", "role": "feature"}"#;
    Dataset::parse(format!("\u{feff}{}", contract("", good)).as_bytes()).unwrap();
    for (text, reason) in [
        (
            contract("", r#"{"name": "f", "type": "decimal", "role": "feature"}"#),
            "column \"f\": `type` is \"decimal\": unknown variant `decimal`, expected one of `int32`",
        ),
        (
            contract(
                "",
                r#"{"name": "f", "type": "int32", "role": "feature", "nullable": "yes"}"#,
            ),
            "column \"f\": `nullable` is \"yes\": invalid type: string \"yes\", expected a boolean",
        ),
        (
            contract("", r#"{"name": "f", "type": "int32"}"#),
            "column \"f\": missing field `role`",
        ),
        (
            contract("", r#"{"type": "int32", "role": "feature"}"#),
            "column 3 of the list: missing field `name`",
        ),
        (
            contract(
                "",
                r#"{"name": "f", "type": "int32", "role": "feature", "allowed": [0.5]}"#,
            ),
            "column \"f\": `allowed` is [0.5]: expected texts, whole numbers, true or false",
        ),
        (
            contract(
                "",
                r#"{"name": "f", "type": "int32", "role": "feature", "allowed": []}"#,
            ),
            "column \"f\": `allowed` is []: the list is empty: name the values that may occur",
        ),
        (
            contract("\"unlabelled\": \"ignore\",", good),
            "`unlabelled` is \"ignore\": unknown variant `ignore`, expected `fail` or `drop`",
        ),
        (contract("\"nan\": true,", good), "`nan` is true: "),
        (
            contract("\"filters\": \"f > 0\",", good),
            "unknown field `filters`, expected one of `$schema`, `columns`, `task`, `filter`",
        ),
        (
            contract("", good).replace("\"role\"", "role"),
            "line 1 column",
        ),
        (
            "[{\"name\": \"id\"}]".to_owned(),
            "it is a list, and a contract is an object: put the list of columns into",
        ),
    ] {
        let error = Dataset::parse(text.as_bytes()).unwrap_err();
        assert_eq!(exit_code(&error), 2);
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
    let utf16: Vec<u8> = contract("", good)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let utf16 = [&[0xff, 0xfe][..], &utf16].concat();
    let error = Dataset::parse(&utf16).unwrap_err();
    assert!(error.to_string().contains("save it as UTF-8"), "{error}");
}

fn breaches(column: Value, array: ArrayRef) -> Vec<(usize, rule::Breach)> {
    let dataset = with_column(column).unwrap();
    let mut found = Vec::new();
    dataset.rules(Labels::Required).unwrap()[2]
        .check(&array, None, |breach, row| found.push((row, breach)));
    found
}

#[test]
fn a_date_as_a_bound_of_clock_readings_means_its_whole_day() {
    let micros = |text: &str| {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_micros()
    };
    let column = json!({"name": "t", "type": "timestamp", "role": "time", "min": "2024-01-01", "max": "2024-12-31"});
    let readings = [
        "2023-12-31T23:59:59.999999Z",
        "2024-01-01T00:00:00Z",
        "2024-12-31T23:59:59.999999Z",
        "2025-01-01T00:00:00Z",
    ];
    let array = Arc::new(TimestampMicrosecondArray::from(
        readings.map(micros).to_vec(),
    ));
    assert_eq!(
        breaches(column, array),
        [
            (0, rule::Breach::Below("\"2024-01-01\"".into())),
            (3, rule::Breach::Above("\"2024-12-31\"".into()))
        ]
    );
}

#[test]
fn a_weight_is_a_finite_number_that_is_not_negative() {
    use arrow::array::Float64Array;
    use rule::Breach;

    let rule = |column_type, labels| {
        let column = json!({"name": "w", "type": column_type, "role": "weight"});
        let rules = with_column(column).unwrap().rules(labels);
        rules.unwrap().remove(2)
    };
    let found = |rule: &rule::Rule, array: ArrayRef| {
        let mut found = Vec::new();
        rule.check(&array, None, |breach, row| found.push((row, breach)));
        found
    };
    let below = || Breach::Below("0".to_owned());
    let floats = [
        Some(0.0),
        None,
        Some(-0.5),
        Some(f64::INFINITY),
        Some(f64::MAX),
    ];
    let floats: ArrayRef = Arc::new(Float64Array::from(floats.to_vec()));
    let wrong = [(2, below()), (3, Breach::Infinite)];
    let train = rule("float64", Labels::Required);
    let with_null = [&[(1, Breach::Null)], &wrong[..]].concat();
    assert_eq!(found(&train, floats.clone()), with_null);
    assert_eq!(found(&rule("float64", Labels::Optional), floats), wrong);
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN]));
    assert_eq!(found(&train, nan), [(0, Breach::NotANumber)]);
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![0, 7, -1]));
    let train = rule("int64", Labels::Dropped);
    assert_eq!(found(&train, whole), [(2, below())]);
}

#[test]
fn a_number_to_predict_is_finite_whatever_its_bounds() {
    use arrow::array::Float32Array;
    use rule::Breach;

    let values = [1.0, f32::INFINITY, f32::NAN, f32::NEG_INFINITY, 1e30];
    let values: ArrayRef = Arc::new(Float32Array::from(values.to_vec()));
    for (bounds, others) in [
        (json!({}), vec![]),
        (
            json!({"min": 0, "max": 9}),
            vec![(2, Breach::NotANumber), (4, Breach::Above("9".to_owned()))],
        ),
    ] {
        let mut target = json!({"name": "y", "type": "float32", "role": "target"});
        let bounds = bounds.as_object().unwrap().clone();
        target.as_object_mut().unwrap().extend(bounds);
        let id = json!({"name": "id", "type": "int64", "role": "id"});
        let contract = json!({"columns": [id, target], "task": "regression"});
        let dataset = Dataset::parse(contract.to_string().as_bytes()).unwrap();
        for labels in [Labels::Required, Labels::Optional, Labels::Pending] {
            let rule = dataset.rules(labels).unwrap().remove(1);
            let mut found = Vec::new();
            rule.check(&values, None, |breach, row| found.push((row, breach)));
            let mut expected = vec![(1, Breach::Infinite), (3, Breach::Infinite)];
            expected.extend(others.iter().cloned());
            expected.sort();
            assert_eq!(found, expected, "{labels:?}");
        }
    }
}

#[test]
fn a_single_precision_bound_is_within_the_bounds() {
    let column = json!({"name": "f", "type": "float32", "role": "feature", "min": 0.7, "max": 0.9});
    let array = Arc::new(arrow::array::Float32Array::from(vec![0.7_f32, 0.9, 0.69]));
    assert_eq!(
        breaches(column, array),
        [(2, rule::Breach::Below("0.7".into()))]
    );
}

#[test]
fn keys_hash_as_siphash_says() {
    // From tests/fixtures/raw.py, which implements SipHash on its own.
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../../testing/fixtures/holdout.json")).unwrap();
    for row in &rows {
        let number: ArrayRef = Arc::new(Int64Array::from(vec![row["number"].as_i64().unwrap()]));
        let text: ArrayRef = Arc::new(StringArray::from(vec![row["text"].as_str().unwrap()]));
        let hash = keys::hashes(&[number, text]).unwrap().next().unwrap();
        assert_eq!(
            store::digest::digits(&hash.to_le_bytes()),
            row["hash"].as_str().unwrap(),
            "{row}"
        );
    }
}

#[test]
fn parts_of_a_key_do_not_run_into_each_other() {
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let hash = |a: &str, b: &str| keys::hashes(&[text(a), text(b)]).unwrap().next().unwrap();
    assert_ne!(hash("ab", "c"), hash("a", "bc"));
    assert_ne!(hash("", "abc"), hash("abc", ""));
}

#[test]
fn holdout_rules_are_written_as_they_are_read() {
    for text in ["first-shard", "fraction=0.1", "after=2024-10-01"] {
        assert_eq!(text.parse::<HoldoutRule>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "first",
        "fraction=0",
        "fraction=1",
        "fraction=x",
        "fraction=NaN",
        "after=2024-13-01",
        "after=",
        "last=1",
    ] {
        assert!(text.parse::<HoldoutRule>().is_err(), "{text:?}");
    }
}

/// Rows with a text id, and a time of the type that the contract says.
fn rows(ids: &[String], times: ArrayRef) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
    RecordBatch::try_from_iter([("id", ids), ("time", times)]).unwrap()
}

fn holdout(rule: &str, time: &str, timezone: Tz) -> Holdout {
    let dataset = with_column(json!({"name": "time", "type": time, "role": "time"})).unwrap();
    Holdout::new(rule.parse().unwrap(), &dataset, timezone).unwrap()
}

#[test]
fn a_fraction_holds_out_its_share_of_ids_wherever_they_lie() {
    let ids: Vec<String> = (0..20_000).map(|i| format!("customer-{i}")).collect();
    let days = |day: i32| -> ArrayRef { Arc::new(Date32Array::from(vec![day; 20_000])) };
    let holdout = holdout("fraction=0.1", "date", Tz::UTC);
    let chosen = holdout.held_out(&rows(&ids, days(19_000)), true).unwrap();
    // Five standard deviations of a binomial around 2,000.
    assert!(
        (1_788..=2_212).contains(&chosen.true_count()),
        "{}",
        chosen.true_count()
    );

    let reversed: Vec<String> = ids.iter().rev().cloned().collect();
    let again = holdout
        .held_out(&rows(&reversed, days(20_000)), false)
        .unwrap();
    assert!(
        chosen.iter().eq(again.iter().rev()),
        "order, time and file make no difference"
    );
}

#[test]
fn after_a_date_means_the_day_of_the_time_zone() {
    let instants = [
        "2024-09-30T21:59:59.999999Z",
        "2024-09-30T22:00:00Z",
        "2024-10-01T00:00:00Z",
    ];
    let micros = instants
        .map(|text| {
            DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp_micros()
        })
        .to_vec();
    let ids: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
    let held_out = |time: &str, timezone: Tz| -> Vec<bool> {
        let times = TimestampMicrosecondArray::from(micros.clone());
        let times: ArrayRef = match time {
            "timestamptz" => Arc::new(times.with_timezone("UTC")),
            _ => Arc::new(times),
        };
        let holdout = holdout("after=2024-10-01", time, timezone);
        holdout
            .held_out(&rows(&ids, times), true)
            .unwrap()
            .iter()
            .flatten()
            .collect()
    };
    assert_eq!(
        held_out("timestamptz", Tz::Europe__Berlin),
        [false, true, true]
    );
    assert_eq!(held_out("timestamptz", Tz::UTC), [false, false, true]);
    // A clock reading has its day already.
    assert_eq!(
        held_out("timestamp", Tz::Europe__Berlin),
        [false, false, true]
    );

    let days: ArrayRef = Arc::new(Date32Array::from(vec![19_996, 19_997, 19_998]));
    let by_date = holdout("after=2024-10-01", "date", Tz::UTC)
        .held_out(&rows(&ids, days), true)
        .unwrap();
    assert_eq!(
        by_date.iter().flatten().collect::<Vec<_>>(),
        [false, true, true]
    );
}

#[test]
fn a_day_without_a_midnight_begins_with_its_first_instant() {
    // In Sao Paulo the clocks went from 23:59:59 on 3 November 2018 to 01:00:00, which was 03:00
    // UTC.
    let instants = ["2018-11-04T02:59:59Z", "2018-11-04T03:00:00Z"];
    let micros = instants
        .map(|text| {
            DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp_micros()
        })
        .to_vec();
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"));
    let holdout = holdout("after=2018-11-04", "timestamptz", Tz::America__Sao_Paulo);
    let held_out = holdout
        .held_out(&rows(&["a".into(), "b".into()], times), true)
        .unwrap();
    assert_eq!(held_out.iter().flatten().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn after_needs_a_time() {
    let dataset = with_column(json!({"name": "f", "type": "float64", "role": "feature"})).unwrap();
    let error = Holdout::new("after=2024-10-01".parse().unwrap(), &dataset, Tz::UTC).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    for setting in ["after=2024-10-01", "after=-7d"] {
        let parsed: HoldoutSetting = setting.parse().unwrap();
        let error = parsed.check(&dataset).unwrap_err();
        let named = format!("the holdout {setting} needs a column with the role time");
        assert!(error.to_string().starts_with(&named), "{error}");
    }
    let fraction: HoldoutSetting = "fraction=0.1".parse().unwrap();
    fraction.check(&dataset).unwrap();
}
