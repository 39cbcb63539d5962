//! Which columns are carried, and what is counted of their values.

use std::sync::Arc;

use arrow::array::{BooleanArray, LargeStringArray};

use super::*;
use runtime::failure::exit_code;

fn column(name: &str, data_type: &str, role: Role) -> Column {
    Column {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        role,
    }
}

fn prepared() -> Vec<Column> {
    vec![
        column("id", "Int64", Role::Id),
        column("comment", "Utf8", Role::Ignored),
        column("region", "LargeUtf8", Role::Ignored),
        column("grade", "Int32", Role::Ignored),
        column("vip", "Boolean", Role::Ignored),
        column("seen", "Date32", Role::Ignored),
        column("x", "Float64", Role::Feature),
    ]
}

fn names(columns: Result<Vec<&Column>>) -> Vec<String> {
    let columns = columns.unwrap();
    columns.into_iter().map(|of| of.name.clone()).collect()
}

#[test]
fn what_is_carried_follows_the_setting_and_what_training_held() {
    let few = |name: &str, values: Option<u32>| CategoryProfile {
        name: name.to_owned(),
        values: values.map(|n| (0..n).map(|i| (i.to_string(), 1)).collect()),
        ..CategoryProfile::default()
    };
    let trained = [
        few("comment", None),
        few("region", Some(5)),
        few("vip", Some(2)),
    ];
    let all = prepared();
    for (setting, profiled, carried, of_older) in [
        (
            "",
            vec!["comment", "region", "vip"],
            vec!["region", "vip"],
            vec![],
        ),
        ("none", vec![], vec![], vec![]),
        (
            "grade,comment",
            vec!["grade", "comment"],
            vec!["grade", "comment"],
            vec!["grade", "comment"],
        ),
    ] {
        let setting: SegmentColumns = setting.parse().unwrap();
        assert_eq!(names(setting.profiled(&all)), profiled, "{setting}");
        assert_eq!(names(setting.carried(&all, &trained)), carried);
        assert_eq!(names(setting.carried(&all, &[])), of_older);
        assert_eq!(setting.to_string().parse(), Ok(setting));
    }
    for (setting, why) in [
        ("town", "is not a column of the result of features.sql; it"),
        (
            "regoin",
            "is not a column of the result of features.sql (did you mean \"region\"?); it",
        ),
        ("x", "has the role feature"),
        ("seen", "is of type Date32"),
    ] {
        let setting: SegmentColumns = setting.parse().unwrap();
        let error = setting.carried(&all, &trained).unwrap_err();
        assert_eq!(exit_code(&error), 2);
        let text = error.to_string();
        assert!(
            text.contains(why) && text.contains("it can name comment, region, grade, vip"),
            "{text}"
        );
    }
    for (wrong, why) in [
        ("a,,b", "empty"),
        ("a,a", "twice"),
        ("a,b,c,d,e", "at most 4"),
    ] {
        let error = wrong.parse::<SegmentColumns>().unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn values_are_counted_the_same_in_any_order_and_wide_ones_are_cut() {
    let wide = "ß".repeat(70_000);
    let of = |values: Vec<Option<&str>>| -> ArrayRef { Arc::new(LargeStringArray::from(values)) };
    let batches = [
        of(vec![Some("b"), None, Some(wide.as_str())]),
        of(vec![Some("a"), Some("b"), None]),
    ];
    let mut counted = Categories::default();
    batches.iter().for_each(|batch| counted.add(batch).unwrap());
    let mut merged = Categories::default();
    for batch in batches.iter().rev() {
        let mut one = Categories::default();
        one.add(batch).unwrap();
        merged.merge(&one);
    }
    let cut = format!("{}…", "ß".repeat(MOST_CHARACTERS));
    let expected = CategoryProfile {
        name: "c".to_owned(),
        rows: 6,
        nulls: 2,
        values: Some(vec![("a".to_owned(), 1), ("b".to_owned(), 2), (cut, 1)]),
    };
    assert_eq!(counted.profile("c"), expected);
    assert_eq!(merged.profile("c"), expected);

    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
    let mut counted = Categories::default();
    counted.add(&flags).unwrap();
    assert_eq!(
        counted.profile("flag").values,
        Some(vec![("false".to_owned(), 1), ("true".to_owned(), 1)])
    );
}

#[test]
fn more_values_than_fit_are_too_many_on_whatever_side_they_come() {
    let batch = |from: usize, to: usize| -> Categories {
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(
            (from..to).map(|i| i.to_string()),
        ));
        let mut counted = Categories::default();
        counted.add(&values).unwrap();
        counted
    };
    for (first, second, few) in [
        ((0, 30), (20, MOST_VALUES), true),
        ((0, 30), (20, MOST_VALUES + 1), false),
        ((0, 60), (0, 1), false),
        ((0, 1), (0, 60), false),
    ] {
        let mut all = batch(first.0, first.1);
        all.merge(&batch(second.0, second.1));
        let profile = all.profile("c");
        assert_eq!(profile.values.is_some(), few, "{first:?} {second:?}");
        let rows = if few {
            first.1 - first.0 + second.1 - second.0
        } else {
            0
        };
        assert_eq!(profile.rows, rows as u64);
    }
}

#[test]
fn types_that_hold_texts_are_known_by_their_names() {
    use arrow::datatypes::DataType;
    let dictionary = |values: DataType| {
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(values)).to_string()
    };
    for texts in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        assert!(holds_texts(&texts.to_string()) && holds_texts(&dictionary(texts)));
    }
    for other in [DataType::Int64, DataType::Boolean, DataType::Date32] {
        assert!(!holds_texts(&other.to_string()) && !holds_texts(&dictionary(other)));
    }
}

#[test]
fn of_a_feature_the_most_frequent_values_are_kept_and_where_there_are_too_many_none() {
    let values = |range: std::ops::Range<usize>| -> ArrayRef {
        let texts = range.map(|i| (i % 7 > 0).then(|| format!("{:03}", i % 150)));
        Arc::new(texts.collect::<StringArray>())
    };
    for (most, kept) in [(150, 100), (149, 0)] {
        let mut counted = Categories::up_to(most);
        counted.add(&values(0..1050)).unwrap();
        // What is merged is the same, and more rows of what is too many are still counted.
        let mut merged = Categories::up_to(most);
        for part in [0..400, 400..1050] {
            let mut one = Categories::up_to(most);
            one.add(&values(part)).unwrap();
            merged.merge(&one);
        }
        let (counted, merged) = (counted.of_feature(), merged.of_feature());
        assert_eq!(counted, merged);
        assert_eq!((counted.nulls, counted.values.len()), (150, kept));
        let named: u64 = counted.values.iter().map(|(_, rows)| rows).sum();
        assert_eq!(named + counted.rest, 900, "{most}");
    }
}
