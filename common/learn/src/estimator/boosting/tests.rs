//! Models of XGBoost, scored and explained here: the fixture and the script that made it are in
//! `testing/fixtures`.

mod damaged;

use super::*;
use crate::model::ClassValue;
use crate::rows::{InMemory, Passes, Rows};
use crate::task::Regression;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    model: Value,
    x: Vec<Vec<Option<f64>>>,
    margins: Vec<Vec<f64>>,
    contributions: Vec<Vec<f64>>,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../../../testing/fixtures/trees.json");
    let fixture: Fixture = serde_json::from_str(text).expect("a fixture");
    assert_eq!(fixture.cases.len(), 9);
    fixture.cases
}

impl Case {
    fn model(&self) -> GradientBoosting {
        let bytes = serde_json::to_vec(&self.model).expect("JSON");
        GradientBoosting::from_xgboost(&bytes).expect(&self.name)
    }

    fn rows(&self) -> Vec<f64> {
        let row = |row: &Vec<Option<f64>>| row.iter().map(|x| x.unwrap_or(f64::NAN)).collect();
        self.x.iter().flat_map(row as fn(_) -> Vec<f64>).collect()
    }
}

/// Models for what holds of every estimator: of numbers, of two and of three classes.
pub(in crate::estimator) fn of_classes(classes: usize) -> Option<GradientBoosting> {
    let case = cases().into_iter().find(|case| case.classes == classes);
    case.map(|case| case.model())
}

/// One tree of two inputs: 1 where the second is from the bound on, else 0.
pub(super) fn stump(bound: f32) -> GradientBoosting {
    let split = Node {
        input: 1,
        value: bound,
        left: 1,
        right: 2,
        ..Node::leaf(0.0, 4.0)
    };
    let nodes = vec![split, Node::leaf(0.0, 2.0), Node::leaf(1.0, 2.0)];
    let tree = Tree::new(0, nodes).expect("a tree");
    GradientBoosting::new(2, Loss::Squared, vec![tree], vec![0.0; 2]).expect("trees")
}

#[test]
fn margins_are_those_of_xgboost_bit_by_bit() {
    for case in cases() {
        let mut raw = Vec::new();
        case.model().raw(&case.rows(), &mut raw);
        let theirs: Vec<f64> = case.margins.concat();
        let differ = raw
            .iter()
            .zip(&theirs)
            .filter(|(ours, theirs)| ours != theirs);
        assert_eq!(
            (raw.len(), differ.count()),
            (theirs.len(), 0),
            "{}",
            case.name
        );
        assert!(raw.iter().any(|score| *score != raw[0]));
    }
}

#[test]
fn contributions_are_those_of_xgboost() {
    for case in cases() {
        let (model, rows) = (case.model(), case.rows());
        for (row, theirs) in rows.chunks_exact(3).zip(&case.contributions) {
            let ours = model.contributions(row, &[0.0; 3]).expect("parts");
            assert_eq!(ours.len(), theirs.len());
            // XGBoost sums in single precision, whose rounding goes with the size of the scores.
            let size = theirs.iter().map(|part| part.abs()).sum::<f64>().max(1.0);
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!(
                    (ours - theirs).abs() <= 1e-6 * size,
                    "{}: {ours} {theirs}",
                    case.name
                );
            }
        }
    }
}

/// The score of a row of which only some inputs are known: the mean over the training rows of the
/// others, as the covers of a tree say.
fn known(tree: &Tree, at: usize, row: &[f32], subset: usize) -> f64 {
    let node = &tree.nodes()[at];
    if node.is_leaf() {
        return f64::from(node.value);
    }
    let input = node.input as usize;
    let [hot, cold] = tree.children(at, row[input]);
    if subset >> input & 1 == 1 {
        return known(tree, hot, row, subset);
    }
    let cover = |of: usize| f64::from(tree.nodes()[of].cover) / f64::from(node.cover);
    [hot, cold]
        .map(|of| cover(of) * known(tree, of, row, subset))
        .iter()
        .sum()
}

#[test]
fn contributions_are_shapley_values() {
    for case in cases() {
        let (model, rows) = (case.model(), case.rows());
        for row in rows.chunks_exact(3).take(20) {
            let row = singles(row);
            for tree in &model.trees {
                let mut ours = [0.0; 4];
                shap::contributions(tree, &row, &mut ours);
                let of: Vec<f64> = (0..8).map(|subset| known(tree, 0, &row, subset)).collect();
                assert!((ours[3] - of[0]).abs() < 1e-9);
                for (input, ours) in ours[..3].iter().enumerate() {
                    let without = (0..8_usize).filter(|subset| subset >> input & 1 == 0);
                    let exact = without.map(|subset| {
                        // |S|! (3 - |S| - 1)! / 3!
                        let weight = [2.0, 1.0, 2.0][subset.count_ones() as usize] / 6.0;
                        weight * (of[subset | 1 << input] - of[subset])
                    });
                    let exact: f64 = exact.sum();
                    assert!((ours - exact).abs() < 1e-9, "{}: {ours} {exact}", case.name);
                }
            }
        }
    }
}

#[test]
fn what_is_written_for_xgboost_reads_back() {
    for case in cases() {
        let mut model = case.model();
        // What it begins with is not exact there, but in the leaves of its first trees.
        model.base_score.fill(0.0);
        let names = ["a", "b", "c"].map(str::to_owned);
        let file = model.to_xgboost(&names).expect("JSON");
        let read = GradientBoosting::from_xgboost(&file).expect("a model");
        assert_eq!(read.trees, model.trees);
        assert_eq!(read.base_score, model.base_score);
        let file: Value = serde_json::from_slice(&file).expect("JSON");
        assert_eq!(file["learner"]["feature_names"][2], "c");
        let odd = ["a", "b[1]", "c"].map(str::to_owned);
        let file = model.to_xgboost(&odd).expect("JSON");
        let file: Value = serde_json::from_slice(&file).expect("JSON");
        assert_eq!(file["learner"]["feature_names"], Value::Array(Vec::new()));
        let rounds = |model: &Value| {
            let rounds = &model["learner"]["gradient_booster"]["model"]["iteration_indptr"];
            rounds.as_array().expect("rounds").clone()
        };
        if case.name != "a forest" {
            // Rounds after the best one are left out.
            let (ours, theirs) = (rounds(&file), rounds(&case.model));
            assert!(theirs.starts_with(&ours) && ours.len() > 1, "{}", case.name);
        }
    }
}

#[test]
fn nodes_in_another_order_are_read_level_by_level() {
    for case in cases() {
        let mut file = case.model.clone();
        let trees = "/learner/gradient_booster/model/trees";
        for tree in file.pointer_mut(trees).unwrap().as_array_mut().unwrap() {
            let nodes = tree["left_children"].as_array().unwrap().len();
            // The root, and the others from the last one on.
            let place = |node: usize| if node == 0 { 0 } else { nodes - node };
            let columns = tree.as_object_mut().unwrap().iter_mut();
            for (name, column) in columns {
                let Some(old) = column.as_array().filter(|of| of.len() == nodes) else {
                    continue;
                };
                let moved = (0..nodes).map(|node| old[place(node)].clone());
                let moved = moved.map(|value| match value.as_u64() {
                    Some(child) if name.ends_with("_children") => place(child as usize).into(),
                    _ => value,
                });
                *column = moved.collect::<Vec<Value>>().into();
            }
        }
        let bytes = serde_json::to_vec(&file).unwrap();
        let read = GradientBoosting::from_xgboost(&bytes).unwrap();
        let mut scores = [Vec::new(), Vec::new()];
        read.raw(&case.rows(), &mut scores[0]);
        case.model().raw(&case.rows(), &mut scores[1]);
        assert_eq!(scores[0], scores[1], "{}", case.name);
        let mut nodes = read.trees.iter().flat_map(|tree| tree.nodes());
        assert!(nodes.all(|node| node.is_leaf() || node.right == node.left + 1));
    }
}

#[test]
fn what_no_model_here_can_be_is_refused_by_its_reason() {
    let refused = |field: &str, value: Value, reason: &str| {
        let mut file = cases()[0].model.clone();
        let learner = &mut file["learner"];
        learner["feature_names"] = serde_json::json!(["age", "city", "visits"]);
        *learner.pointer_mut(field).expect(field) = value;
        let bytes = serde_json::to_vec(&file).expect("JSON");
        let error = GradientBoosting::from_xgboost(&bytes).expect_err("refused");
        assert!(error.to_string().contains(reason), "{error}");
    };
    refused("/gradient_booster/name", "dart".into(), "only gbtree");
    let known = "those that are: reg:squarederror";
    refused("/objective/name", "reg:gamma".into(), known);
    let targets = "/learner_model_param/num_target";
    refused(targets, "2".into(), "predicts 2 targets");
    let tree = |field: &str| format!("/gradient_booster/model/trees/0/{field}");
    let of_leaf = tree("tree_param/size_leaf_vector");
    refused(&of_leaf, "3".into(), "a number for each class");
    let by_categories = "splits feature \"city\" by categories";
    refused(&tree("split_type/1"), 1.into(), by_categories);
}

#[test]
fn the_input_of_a_leaf_is_not_looked_at() {
    let mut trees = of_classes(0).expect("trees");
    let mut tree = serde_json::to_value(&trees.trees[0]).expect("JSON");
    for at in 0..trees.trees[0].nodes().len() {
        if tree["left_children"][at] == 0 {
            tree["split_indices"][at] = 99.into();
        }
    }
    let mut scores = [Vec::new(), Vec::new()];
    let row = [0.5, 60.0, f64::NAN];
    trees.raw(&row, &mut scores[0]);
    trees.trees[0] = serde_json::from_value(tree).expect("a tree");
    trees.validate().expect("valid");
    trees.raw(&row, &mut scores[1]);
    assert_eq!(scores[0], scores[1]);
}

#[test]
fn derivatives_are_those_of_the_loss() {
    let step = 1e-3_f32;
    for (loss, scores, label) in [
        (Loss::Squared, vec![2.5], 3.0),
        (Loss::Logistic, vec![-1.5], 1.0),
        (Loss::Logistic, vec![2.0], 0.0),
        (Loss::Softmax { classes: 3 }, vec![0.5, -1.0, 2.0], 1.0),
        (Loss::Shares { classes: 2 }, vec![0.7], 1.0),
        (Loss::Shares { classes: 3 }, vec![0.5, 0.2, 0.3], 1.0),
    ] {
        let derivatives = |scores: &[f32]| {
            let mut all = Vec::new();
            // The second row is as the first.
            let (scores, labels) = (scores.repeat(2), [label; 2]);
            loss.derivatives(&scores, &labels, |row, at, of| all.push((row, at, of)));
            let second = all.split_off(all.len() / 2);
            let of_rows = all.iter().zip(second);
            of_rows.for_each(|(first, second)| assert_eq!((1, first.1, first.2), second));
            all
        };
        let at = derivatives(&scores);
        assert_eq!(at.len(), loss.outputs());
        for (_, output, [first, second]) in at {
            let moved = |by: f32| {
                let mut scores = scores.clone();
                scores[output] += by;
                scores
            };
            let of_loss = |by: f32| loss.value(&moved(by), label);
            let slope = (of_loss(step) - of_loss(-step)) / f64::from(2.0 * step);
            assert!(
                (slope - f64::from(first)).abs() < 1e-4,
                "{loss:?}: {slope} {first}"
            );
            let slope = (derivatives(&moved(step))[output].2[0]
                - derivatives(&moved(-step))[output].2[0])
                / (2.0 * step);
            // XGBoost doubles the second derivative of more classes.
            let doubled = match loss {
                Loss::Softmax { .. } => 2.0,
                _ => 1.0,
            };
            assert!(
                (doubled * slope - second).abs() < 1e-3,
                "{loss:?}: {slope} {second}"
            );
        }
    }
}

#[test]
fn numbers_beyond_single_precision_go_to_its_bounds() {
    assert_eq!(single(1e300), f32::MAX);
    assert_eq!(single(-1e300), f32::MIN);
    assert!(single(f64::NAN).is_nan());
    assert_eq!(single(0.1), 0.1_f32);
    let model = of_classes(0).expect("a model");
    let score = |x: f64| {
        let mut raw = Vec::new();
        model.raw(&[x, 60.0, 0.0], &mut raw);
        raw[0]
    };
    assert_eq!(score(1e300), score(1e6));
}

#[test]
fn what_is_no_model_is_refused_by_its_reason() {
    let file = of_classes(3).expect("a model").to_json().expect("JSON");
    let other = |pointer: &str, value: Value| {
        let mut file = file.clone();
        *file.pointer_mut(pointer).expect(pointer) = value;
        let error = super::super::Families::standard().read(&file);
        let error = error.expect_err("refused");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error} {}", cause.unwrap_or_default())
    };
    let root = |of: u32| serde_json::json!([of, 0, 0]);
    for (pointer, value, reason) in [
        ("/trees/0/left_children/0", 0.into(), "without one parent"),
        (
            "/trees/0/left_children/0",
            9999.into(),
            "does not come after",
        ),
        ("/trees/0/left_children", root(1), "of other lengths"),
        ("/trees/0/split_indices/0", 7.into(), "looks at input 8"),
        ("/trees/0/output", 3.into(), "adds to score 3"),
        ("/trees/0/sum_hessian/0", (-1.0).into(), "negative cover"),
        (
            "/objective",
            "rank:ndcg".into(),
            "objective is \"rank:ndcg\"",
        ),
        (
            "/importance",
            serde_json::json!([1.0]),
            "importance is not of all",
        ),
        ("/trees", serde_json::json!([]), "no trees"),
    ] {
        let text = other(pointer, value);
        assert!(text.contains(reason), "{pointer}: {text}");
    }
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    for (options, reason) in [
        (r#"{"learning_rate": 0}"#, "learning_rate is 0"),
        (r#"{"n_estimators": 0}"#, "n_estimators is 0"),
        (r#"{"subsample": 1.5}"#, "subsample is 1.5"),
        (r#"{"max_bin": 1}"#, "max_bin is 1"),
        (r#"{"max_leaves": 0}"#, "max_depth is 0"),
        (r#"{"max_leaves": 1}"#, "max_leaves is 1"),
        (r#"{"reg_lambda": -1}"#, "reg_lambda is -1"),
        (r#"{"max_rows": 0}"#, "max_rows is 0"),
        (r#"{"eta": 0.1}"#, "unknown field `eta`"),
    ] {
        let given: Map<String, Value> = serde_json::from_str(options).expect("JSON");
        let error = Boosting.options(&given).expect_err("refused").to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_program_that_grows_no_trees_says_so() {
    let target = Target {
        name: "y".to_owned(),
        classes: Vec::new(),
    };
    let rows = Rows {
        x: &[1.0],
        y: &[1.0],
        weights: None,
    };
    let request = Request {
        quantiles: None,
        task: &Regression,
        target: &target,
        inputs: &["x".to_owned()],
        one_hot: &[],
        options: &Boosting.options(&Map::new()).expect("options"),
    };
    let fit = Boosting.fit(&mut InMemory::<AnyError>::new(rows, 8), &request);
    let error = fit.expect_err("refused").into_inner().to_string();
    assert!(error.contains("nothing that grows trees"), "{error}");
}

#[test]
fn a_pass_sees_what_is_there() {
    let names = ["a".to_owned(), "b".to_owned()];
    let (x, y) = (
        [1.0, f64::NAN, 3.0, 5.0, 8.0, f64::NAN, 100.0, 5.0],
        [0.0, 1.0, 1.0, 2.0],
    );
    let weights = [1.0, 1.0, 2.0, 0.0];
    let rows = |weights| Rows {
        x: &x,
        y: &y,
        weights,
    };
    let pass = |weights, chunk| {
        let mut passes = InMemory::<super::super::FitError>::new(rows(weights), chunk);
        passes.pass(Look::new(&names, 3)).expect("a pass")
    };
    let seen = pass(None, 2).seen();
    assert_eq!((seen.rows, seen.positives), (4, None));
    assert_eq!((seen.inputs[0].mean, seen.inputs[0].max), (28.0, 100.0));
    assert!((seen.inputs[0].std - 41.647328845).abs() < 1e-8);
    let [_, b] = seen.inputs.as_slice() else {
        panic!("{seen:?}");
    };
    assert_eq!((b.mean, b.std, b.min, b.max), (5.0, 0.0, 5.0, 5.0));
    let weighted = pass(Some(&weights[..]), 1);
    assert_eq!(weighted.seen().inputs[0].mean, 5.0);

    // Numbers whose squares are 0 are no constant.
    let small = x.map(|value| value * 1e-200);
    let rows = Rows {
        x: &small,
        y: &y,
        weights: None,
    };
    let mut passes = InMemory::<super::super::FitError>::new(rows, 2);
    let small = passes.pass(Look::new(&names, 3)).expect("a pass").seen();
    let ratio = small.inputs[0].std / seen.inputs[0].std;
    assert!((ratio / 1e-200 - 1.0).abs() < 1e-12, "{ratio:e}");
    assert_eq!(small.inputs[1].std, 0.0);

    let class = |name: &str| ClassValue::Text(name.to_owned());
    let target = Target {
        name: "y".to_owned(),
        classes: vec![class("p"), class("q"), class("r")],
    };
    let error = weighted.labels(&target).expect_err("refused").to_string();
    assert!(error.contains("class r has no training rows"), "{error}");
    let (_, shares) = pass(None, 3).labels(&target).expect("shares");
    assert_eq!(shares, [0.25, 0.5, 0.25]);
}
