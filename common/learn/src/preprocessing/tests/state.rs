//! Settings, names of the columns, and the fitted state as it is kept.

use super::*;

fn table() -> Vec<(&'static str, Values)> {
    let ages = vec![30.0, f64::NAN, 40.0, 50.0];
    vec![
        ("age", Values::Numbers(ages)),
        ("city", texts(&["Bern", "(other)", "Bern", "\"x\""])),
        ("id", texts(&["1", "2", "3", "4"])),
    ]
}

const SETTINGS: &str = r#"{
    "categorical": {"min_frequency": 1},
    "columns": {"id": {"drop": true}, "age": {"clip": [null, 45]}}
}"#;

#[test]
fn columns_are_named_by_feature_and_category() {
    let table = table();
    let fitted = Training::new(&table).fit(SETTINGS).unwrap();
    let cities = [r#"city = "\"x\"""#, r#"city = "(other)""#, "city = Bern"];
    let expected = [&["age", "age (missing)"], &cities[..]].concat();
    assert_eq!(names(&fitted), expected);
    let outputs = fitted.preprocessing.output_columns();
    assert_eq!(outputs[1].origin, Origin::Missing);
    assert_eq!(outputs[4].feature, "city");
    let bern = Origin::Category(Some("Bern".to_owned()));
    assert_eq!(outputs[4].origin, bern);
    let found = fitted
        .found
        .iter()
        .map(|of| (of.feature.as_str(), of.missing));
    assert_eq!(found.collect::<Vec<_>>(), [("age", 1), ("city", 0)]);
}

#[test]
fn rare_and_unknown_categories_share_other() {
    let columns = [("c", texts(&["a", "a", "a", "b", "c"]))];
    let settings = r#"{"categorical": {"min_frequency": 2}}"#;
    let fitted = Training::new(&columns).fit(settings).unwrap();
    assert_eq!(names(&fitted), ["c = a", "c = (other)"]);
    let scored = ["a", "c", "z"].map(|text| Some(text.to_owned()));
    let scored = Values::Texts([&scored[..], &[None]].concat());
    let ours = transform(&fitted.preprocessing, &[("c", scored)]).unwrap();
    assert_eq!(ours, [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn missing_texts_are_imputed_where_said() {
    let values = vec![Some("b".into()), None, Some("a".into()), Some("b".into())];
    let columns = [("c", Values::Texts(values))];
    for impute in [r#""most-frequent""#, r#"{"constant": "b"}"#] {
        let own = format!(r#""impute": {impute}, "min_frequency": 1, "missing_indicator": true"#);
        let settings = format!(r#"{{"categorical": {{{own}}}}}"#);
        let fitted = Training::new(&columns).fit(&settings).unwrap();
        assert_eq!(names(&fitted), ["c = a", "c = b", "c (missing)"]);
        let ours = transform(&fitted.preprocessing, &columns).unwrap();
        assert_eq!(ours[..6], [0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    }
}

#[test]
fn standardised_encodings_have_mean_0_and_deviation_1_out_of_fold() {
    let columns = [("c", texts(&["a", "b", "a", "c", "b", "c", "a", "b"]))];
    let mut training = Training::new(&columns);
    training.y = vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    let folds = vec![0, 0, 1, 1, 0, 1, 0, 1];
    training.folds = Some(folds.clone());
    let settings = r#"{"categorical": {"encode": "target"}}"#;
    let fitted = training.fit(settings).unwrap();
    let matrix = out_of_fold(&fitted, &columns, &folds);
    let squares: f64 = matrix.iter().map(|value| value * value).sum();
    close(&[matrix.iter().sum(), squares / 8.0], &[0.0, 1.0]);
}

#[test]
fn the_state_is_kept_to_the_bit_and_checked_when_it_is_read() {
    let table = table();
    let mut training = Training::new(&table);
    let fitted = training.fit(SETTINGS).unwrap().preprocessing;
    let kept = serde_json::to_string(&fitted).unwrap();
    let read: Preprocessing = serde_json::from_str(&kept).unwrap();
    assert_eq!(read, fitted);
    fitted.check_signature(&training.signature()).unwrap();
    training.columns = &table[..2];
    fitted.check_signature(&training.signature()).unwrap_err();
    let breaks = [
        (r#""city""#, r#""age""#, "two columns are named \"age\""),
        (
            r#""deviation":"#,
            r#""deviation":-"#,
            "the deviation above 0",
        ),
        (r#""Bern""#, r#""(other)""#, "categories must be in order"),
        (
            r#""other":"#,
            r#""more":1,"other":"#,
            "unknown field `more`",
        ),
        (
            r#""scales":[]"#,
            r#""scales":[{"mean":0,"deviation":1}]"#,
            "one scale per column",
        ),
    ];
    for (from, to, why) in breaks {
        let broken = kept.replace(from, to);
        assert_ne!(broken, kept);
        let read = serde_json::from_str::<Preprocessing>(&broken);
        let error = read.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn an_imputed_number_that_is_not_finite_is_refused() {
    let column = FittedColumn::Numeric(Numeric {
        name: "age".to_owned(),
        clip: [None, None],
        impute: Some(f64::INFINITY),
        missing_indicator: false,
        scale: None,
    });
    let error = Preprocessing::new(vec![column]).unwrap_err().to_string();
    let why = "column \"age\": what is imputed is not a finite number";
    assert!(error.contains(why), "{error}");
}

#[test]
fn settings_that_do_not_fit_name_the_column_and_what_would() {
    let table = table();
    let mut training = Training::new(&table);
    let of_column = [
        ("agee", "{}", "no such feature; there are age, city, id"),
        ("age", r#"{"encode": "target"}"#, "cast(age as varchar)"),
        ("age", r#"{"frequency": true}"#, "leave `frequency` out"),
        ("city", r#"{"frequency": true}"#, "set `encode: target`"),
        (
            "city",
            r#"{"encode": "ordinal", "frequency": true}"#,
            "leave `frequency` out",
        ),
        ("age", r#"{"clip": [5, 1]}"#, "lower bound of `clip`"),
        (
            "age",
            r#"{"impute": {"constant": "x"}}"#,
            "must be a number",
        ),
        ("city", r#"{"impute": {"constant": 1}}"#, "must be a text"),
        ("city", r#"{"impute": "median"}"#, "\"most-frequent\""),
        ("city", r#"{"clip": [1, 2]}"#, "leave `clip` out"),
        ("city", r#"{"max_categories": 0}"#, "must be 1 or more"),
    ];
    for (column, settings, why) in of_column {
        let settings = format!(r#"{{"columns": {{"{column}": {settings}}}}}"#);
        for family in [Family::Linear, Family::Trees] {
            training.family = family;
            let error = training.fit(&settings).unwrap_err();
            assert!(error.is_setting());
            let error = error.to_string();
            assert!(error.contains(why) && error.contains(column), "{error}");
        }
    }
    for (settings, why) in [
        (
            r#"{"numeric": {"frequency": true}}"#,
            "`numeric` columns: `frequency` is for categories: leave it out of `numeric`",
        ),
        (
            r#"{"categorical": {"frequency": true}}"#,
            "`categorical` columns: `frequency` counts rows",
        ),
    ] {
        let error = training.fit(settings).unwrap_err();
        assert!(error.is_setting());
        assert!(error.to_string().contains(why), "{error}");
    }
    let nothing = r#"{"numeric": {"drop": true}, "categorical": {"drop": true}}"#;
    assert_eq!(training.fit(nothing), Err(Error::NothingLeft));
    let misspelt = r#"{"columns": {"age": {"inpute": "mean"}}}"#;
    let error = serde_json::from_str::<Settings>(misspelt).unwrap_err();
    assert!(error.to_string().contains("unknown field `inpute`"));
}
