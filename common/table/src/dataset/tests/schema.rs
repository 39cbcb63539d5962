//! The schema that editors go by says what is read, and nothing else.

use std::collections::BTreeSet;

use learn::fitted_model::Reader;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

fn schema() -> Value {
    let text = include_str!("../../../../../config-maps/dataset.schema.json");
    serde_json::from_str(text).unwrap()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// The keys with which a value is written.
fn written(value: &impl Serialize) -> BTreeSet<String> {
    keys(&serde_json::to_value(value).unwrap())
}

/// The values that a type may have, as its error names them.
fn variants<T: DeserializeOwned + std::fmt::Debug>() -> BTreeSet<String> {
    let error = serde_json::from_str::<T>("\"?\"").unwrap_err().to_string();
    let values = error.split_once("expected").unwrap().1;
    values
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn values(schema: &Value) -> BTreeSet<String> {
    let values = schema["enum"].as_array().unwrap().iter();
    values
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

fn default<T: Default + Serialize>() -> Value {
    serde_json::to_value(T::default()).unwrap()
}

#[test]
fn the_schema_names_every_key_of_the_contract_and_no_other() {
    let schema = schema();
    let text = Some(String::new());
    let column = ColumnContract {
        min: Some(0.into()),
        max: Some(1.into()),
        allowed: vec![ClassValue::Int(0)],
        positive: Some(ClassValue::Int(0)),
        format: Some("%d.%m.%Y".to_owned().try_into().unwrap()),
        on_violation: OnViolation::Count,
        ..with_column(json!({"name": "f", "type": "int64", "role": "feature"}))
            .unwrap()
            .columns[2]
            .clone()
    };
    let csv = Csv {
        separator: ';',
        ..Csv::default()
    };
    let whole = Dataset {
        schema: text.clone(),
        columns: vec![column.clone()],
        task: text.clone(),
        filter: text.clone(),
        train_filter: text,
        unlabelled: Unlabelled::Drop,
        nan: Nan::Keep,
        repeated_keys: RepeatedKeys::Allow,
        entity: vec!["id".to_owned()],
        lookback: Some("30 days".to_owned().try_into().unwrap()),
        warm_up: WarmUp::Drop,
        csv: csv.clone(),
    };
    let properties = &schema["properties"];
    assert_eq!(keys(properties), written(&whole));
    let of_column = &schema["$defs"]["column"]["properties"];
    assert_eq!(keys(of_column), written(&column));
    assert_eq!(keys(&properties["csv"]["properties"]), written(&csv));
}

#[test]
fn the_schema_names_every_value_and_default() {
    let schema = schema();
    let properties = &schema["properties"];
    let column = &schema["$defs"]["column"]["properties"];
    let csv = &properties["csv"]["properties"];
    assert_eq!(values(&column["type"]), variants::<ColumnType>());
    assert_eq!(values(&column["role"]), variants::<Role>());
    assert_eq!(values(&properties["unlabelled"]), variants::<Unlabelled>());
    assert_eq!(values(&properties["nan"]), variants::<Nan>());
    assert_eq!(
        values(&properties["repeated_keys"]),
        variants::<RepeatedKeys>()
    );
    assert_eq!(values(&properties["warm_up"]), variants::<WarmUp>());
    assert_eq!(values(&column["on_violation"]), variants::<OnViolation>());
    assert_eq!(values(&csv["encoding"]), variants::<Encoding>());
    let tasks = &Reader::known().tasks;
    let task = &properties["task"];
    let unknown = tasks.get("?").err().unwrap().to_string();
    for name in values(task) {
        assert!(
            tasks.get(&name).is_ok() && unknown.contains(&name),
            "{name}: {unknown}"
        );
    }
    for (name, value) in default::<Csv>().as_object().unwrap() {
        assert_eq!(csv[name]["default"], *value, "{name}");
    }
    assert_eq!(properties["unlabelled"]["default"], default::<Unlabelled>());
    assert_eq!(column["on_violation"]["default"], default::<OnViolation>());
    assert_eq!(properties["nan"]["default"], default::<Nan>());
    assert_eq!(properties["warm_up"]["default"], default::<WarmUp>());
    assert_eq!(
        properties["repeated_keys"]["default"],
        default::<RepeatedKeys>()
    );
}
