use std::collections::BTreeSet;

use super::*;
use crate::estimator::Families;

#[derive(serde::Deserialize)]
struct Schema {
    properties: Map<String, Value>,
    #[serde(rename = "$defs")]
    defs: Map<String, Value>,
}

fn keys(object: &Value) -> BTreeSet<String> {
    let keys = object.as_object().expect("an object").keys();
    keys.cloned().collect()
}

/// Whether a key is taken, whatever its value.
fn takes(file: &str, key: &str) -> bool {
    match Models::parse(file.as_bytes()) {
        Ok(_) => true,
        Err(error) => !error
            .to_string()
            .contains(&format!("unknown field `{key}`")),
    }
}

#[test]
fn the_schema_names_what_is_read_and_nothing_else() {
    let schema = include_str!("../../../../config-maps/models.schema.json");
    let schema: Schema = serde_json::from_str(schema).expect("a schema");
    let whole = Models {
        schema: Some(String::new()),
        candidates: Candidates::Auto,
        metric: Some(String::new()),
        preprocessing: Settings::default(),
        calibration: Some(Method::Sigmoid),
        threshold: Some(Threshold::At(0.5)),
        validation: Some(Validation {
            by: Some(By::Id),
            folds: Some(5),
            ..Validation::default()
        }),
        refit: Some(true),
        explain: Some(3),
        interval: Some(0.9),
        interval_by: Some(IntervalBy::Quantiles),
        register: Some(false),
    };
    let whole = serde_json::to_value(whole).expect("JSON");
    assert_eq!(
        keys(&Value::Object(schema.properties.clone())),
        keys(&whole)
    );
    let candidate = r#""candidates": [{"family": "mean"}]"#;
    for key in keys(&schema.defs["column"]["properties"]) {
        let file = format!(r#"{{{candidate}, "preprocessing": {{"numeric": {{"{key}": {{}}}}}}}}"#);
        assert!(takes(&file, &key), "{key}");
    }
    assert!(!takes(r#"{"candidates": [], "depth": 3}"#, "depth"));

    let families = Families::standard();
    let offered = schema.defs["candidate"]["oneOf"].as_array();
    let offered = offered.expect("families");
    assert_eq!(offered.len(), families.all().len());
    for family in families.all() {
        let is_it = |of: &&Value| of["properties"]["family"]["const"] == family.name();
        let offered = offered.iter().find(is_it).expect("the family");
        let needed = offered["required"].as_array().expect("required").iter();
        let needed = needed
            .filter_map(Value::as_str)
            .filter(|of| *of != "family");
        let given = family.example_options();
        assert!(needed.eq(given.keys()), "{}", family.name());
        let options = family.options(&given).expect("options");
        let mut named: BTreeSet<String> = options.keys().cloned().collect();
        named.insert("family".to_owned());
        // What is left out of the options at its default is taken all the same.
        let taken = |key: &String| {
            let default = offered["properties"][key]["default"].clone();
            let given = given.clone().into_iter().chain([(key.clone(), default)]);
            named.contains(key) || family.options(&given.collect()).is_ok()
        };
        let keys = keys(&offered["properties"]);
        assert!(named.is_subset(&keys), "{named:?} {keys:?}");
        assert!(keys.iter().all(taken), "{keys:?}");
        for (name, default) in options
            .iter()
            .filter(|(name, _)| !given.contains_key(*name))
        {
            assert_eq!(
                offered["properties"][name]["default"].as_f64(),
                default.as_f64(),
                "{name}"
            );
        }
    }
}

#[test]
fn folds_share_no_row() {
    let parsed = |validation: &str| {
        let file = format!(r#"{{"candidates": "auto", "validation": {validation}}}"#);
        Models::parse(file.as_bytes()).map_err(|error| error.to_string())
    };
    for taken in [
        r#"{"folds": 1}"#,
        r#"{"folds": 5}"#,
        r#"{"folds": 10, "fraction": 0.1}"#,
        r#"{"folds": 3, "fraction": 0.33}"#,
    ] {
        assert!(parsed(taken).is_ok(), "{taken}");
    }
    for (refused, expected) in [
        (
            r#"{"folds": 0}"#,
            "`folds` of `validation` is 0: with the fraction 0.2 it must be from 1 to 5",
        ),
        (r#"{"folds": 6}"#, "is 6"),
        (r#"{"folds": 2, "fraction": 0.6}"#, "from 1 to 1"),
    ] {
        let error = parsed(refused).expect_err(refused);
        assert!(error.contains(expected), "{error}");
    }
}
