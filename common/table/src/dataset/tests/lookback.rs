//! The entity, the time and the length of windows.

use super::*;

#[test]
fn windows_are_of_an_entity_and_a_time() {
    let with = |keys: Value| {
        let mut contract = json!({"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "shop", "type": "int32", "role": "ignored", "nullable": true},
            {"name": "price", "type": "float64", "role": "feature"},
            {"name": "day", "type": "date", "role": "time"},
            {"name": "target", "type": "int64", "role": "target"},
        ]});
        let keys = keys.as_object().unwrap().clone();
        contract.as_object_mut().unwrap().extend(keys);
        Dataset::parse(contract.to_string().as_bytes())
    };
    let entity = |keys| with(keys).unwrap().entity_columns();
    assert_eq!(entity(json!({})), ["id"]);
    assert_eq!(
        entity(json!({"entity": ["shop"], "lookback": "7 days"})),
        ["shop"]
    );
    for (keys, reason) in [
        (
            json!({"entity": ["x"]}),
            "`entity` names column \"x\", which is not in `columns`",
        ),
        (
            json!({"entity": ["shop", "shop"]}),
            "`entity` names column \"shop\" twice",
        ),
        (json!({"entity": ["target"]}), "with the role target"),
        (json!({"entity": ["day"]}), "with the role time"),
        (
            json!({"entity": ["price"]}),
            "floats can't identify an entity",
        ),
        (
            json!({"lookback": "1 month"}),
            "`lookback` is \"1 month\": expected a whole number",
        ),
        (
            json!({"lookback": "0 days"}),
            "expected a whole number above 0",
        ),
        (
            json!({"lookback": "30 hours"}),
            "holds dates: give whole days",
        ),
        (
            json!({"warm_up": "drop"}),
            "give `lookback`, the longest one",
        ),
        (json!({"warm_up": "no"}), "`warm_up` is \"no\""),
    ] {
        let error = with(keys.clone()).unwrap_err();
        assert_eq!(exit_code(&error), 2);
        assert!(error.to_string().contains(reason), "{keys}: {error}");
    }
    let untimed = json!({"lookback": "1 day", "columns": [
        {"name": "id", "type": "utf8", "role": "id"},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    let error = with(untimed).unwrap_err().to_string();
    assert!(
        error.contains("needs a column with the role time"),
        "{error}"
    );
}
