//! Files of XGBoost that ask for too much, or whose scores would be no numbers.

use serde_json::json;

use super::super::xgboost::DEEPEST;
use super::*;

const TREES: &str = "/learner/gradient_booster/model/trees";

/// A model of numbers with another value at a place.
fn imported(pointer: &str, value: Value) -> Result<GradientBoosting, EstimatorError> {
    let mut file = cases().remove(0).model;
    *file.pointer_mut(pointer).expect(pointer) = value;
    let bytes = serde_json::to_vec(&file).expect("JSON");
    GradientBoosting::import(&bytes).map(|(trees, _)| trees)
}

fn must_be_refused(pointer: &str, value: Value, reason: &str) {
    let error = imported(pointer, value).expect_err(reason).to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn a_number_of_a_file_asks_for_no_memory() {
    for (name, value, reason) in [
        ("num_feature", "18446744073709551615", "it must be 1048576"),
        ("num_feature", "1048577", "num_feature is 1048577"),
        ("num_class", "18446744073709551615", "it has 8 trees of"),
        ("num_class", "9", "it has 8 trees of 9 classes"),
    ] {
        let pointer = format!("/learner/learner_model_param/{name}");
        must_be_refused(&pointer, value.into(), reason);
    }
}

#[test]
fn leaves_that_add_up_to_infinity_are_refused() {
    let reason = "add up to more than single precision holds";
    let base_score = "/learner/learner_model_param/base_score";
    must_be_refused(base_score, "[3E38]".into(), reason);
    let file = cases().remove(0).model;
    let children = file.pointer(&format!("{TREES}/0/left_children"));
    let children = children.and_then(Value::as_array).expect("nodes");
    let leaf = children.iter().position(|child| *child == -1);
    let leaf = format!("{TREES}/0/split_conditions/{}", leaf.expect("a leaf"));
    must_be_refused(&leaf, json!(-3.4e38), reason);
    assert!(imported(&leaf, json!(-1e38)).is_ok());
}

/// A tree of so many splits, each the right child of the one before.
fn chain(splits: usize) -> Value {
    let nodes = 2 * splits + 1;
    let child = |by: i64| {
        let of = |at: usize| match at.is_multiple_of(2) && at + 1 < nodes {
            true => at as i64 + by,
            false => -1,
        };
        (0..nodes).map(of).collect::<Vec<i64>>()
    };
    json!({
        "left_children": child(1),
        "right_children": child(2),
        "split_indices": vec![0; nodes],
        "split_conditions": vec![0.5; nodes],
        "default_left": vec![0; nodes],
        "sum_hessian": vec![1.0; nodes],
        "loss_changes": vec![0.0; nodes],
    })
}

#[test]
fn a_tree_that_is_too_deep_to_be_explained_is_refused() {
    let tree = format!("{TREES}/0");
    must_be_refused(&tree, chain(DEEPEST + 1), "1001 splits on the way");
    let deep = imported(&tree, chain(DEEPEST)).expect("trees");
    let row = [0.7, 60.0, -0.3];
    let parts = deep.contributions(&row, &[0.0; 3]).expect("parts");
    let mut raw = Vec::new();
    deep.raw(&row, &mut raw);
    assert!((parts.iter().sum::<f64>() - raw[0]).abs() < 1e-9);
}
