//! Several candidates, in one pod or in a pod each.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::bench::{Bench, assert_unchanged};

const MODELS: &str = r#"{
    "candidates": [
        {"family": "mean"},
        {"family": "logistic-regression", "c": [0.001, 1]},
        {"family": "gradient-boosting", "n_estimators": 30, "early_stopping_rounds": 3}
    ]
}"#;

/// A home where rows to train on are many from this number on; the flag that submits with it.
pub(crate) fn with_candidates(rows: u64) -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let limit = format!("FAN_OUT_ROWS: '{rows}'");
    let config = bench.config(&[("FAN_OUT_ROWS: '5000000'", limit.as_str())]);
    crate::models_json::write_models(config.as_ref(), MODELS);
    (bench, vec!["--config-maps".to_owned(), config])
}

fn pipeline(bench: &Bench, more: &[String], others: &[&str]) {
    let more = more.iter().map(String::as_str);
    let more: Vec<&str> = more.chain(others.iter().copied()).collect();
    bench.pipeline(&more).expect(0);
}

/// Phases of the nodes of a task in the last workflow, by their names.
fn phases(bench: &Bench, task: &str) -> BTreeMap<String, String> {
    let workflow = bench.latest();
    let nodes = workflow["status"]["nodes"].as_object().unwrap().values();
    let text = |node: &Value, field: &str| node[field].as_str().unwrap_or_default().to_owned();
    nodes
        .map(|node| (text(node, "displayName"), text(node, "phase")))
        .filter(|(name, _)| name.starts_with(task))
        .collect()
}

/// What runs of training hold, by their names.
fn tracked(bench: &Bench) -> BTreeMap<String, Value> {
    let runs = fs::read_dir(bench.store("tracking/runs")).unwrap();
    let runs = runs.map(|file| fs::read(file.unwrap().path()).unwrap());
    let runs = runs.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
    let held = |run: Value| {
        let name = run["name"].as_str().unwrap().to_owned();
        let metrics = run["metrics"].as_object().unwrap().iter();
        let values = metrics.map(|(name, of)| (name.clone(), of["value"].clone()));
        let values: BTreeMap<String, Value> = values.collect();
        (name, serde_json::json!([run["params"], values]))
    };
    let is_of_training = |name: &str| name.starts_with("train") || name.starts_with("candidate");
    runs.map(held)
        .filter(|(name, _)| is_of_training(name))
        .collect()
}

/// The texts in the cells of each row of a table of a page.
fn cells<'a>(page: &'a str, caption: &str) -> Vec<Vec<&'a str>> {
    let (_, table) = page.split_once(&format!("<caption>{caption}<")).unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    let (_, body) = table.split_once("<tbody>").unwrap();
    let texts = |row: &'a str| {
        let texts = row.split('<').filter_map(|piece| piece.split_once('>'));
        let texts = texts.map(|(_, text)| text.trim());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    let rows = body.split("<tr>").skip(1);
    rows.map(texts).collect()
}

/// The page shows how much worse the metric gets without each feature, as `metrics.json` says.
fn must_show_permutation_importance(bench: &Bench) {
    let model = bench.output("model-training-train", "model");
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    let measured = metrics["selection"]["permutation"].as_array().unwrap();
    let page = fs::read_to_string(bench.store("reports/1/m/v1/report.html")).unwrap();
    let shown = cells(&page, "Permutation importance");
    assert_eq!((shown.len(), measured.len()), (4, 4), "{shown:?}");
    assert!(measured[0]["mean"].as_f64() > Some(0.01), "{measured:?}");
    for (shown, of) in shown.iter().zip(measured) {
        let [feature, mean, std] = shown[..] else {
            panic!("{shown:?}");
        };
        assert_eq!(of["feature"], feature);
        // The page has a minus sign that is as wide as the digits.
        let number = |text: &str| text.replace('−', "-").parse::<f64>().unwrap();
        let [mean, std] = [mean, std].map(number);
        let [exact, spread] = ["mean", "std"].map(|name| of[name].as_f64().unwrap());
        // To three places, and to three digits at least.
        assert!((mean - exact).abs() <= 0.000_501, "{of}");
        assert!((std - spread).abs() <= 0.005_01 * spread, "{of}");
    }
}

#[test]
fn candidates_of_pods_of_their_own_make_the_bytes_of_one_pod() {
    let (one, more) = with_candidates(5_000_000);
    pipeline(&one, &more, &[]);
    must_show_permutation_importance(&one);
    let skipped = phases(&one, "candidate");
    assert_eq!(skipped.values().collect::<Vec<_>>(), ["Skipped"]);
    let expected = one.lasting();

    let (each, more) = with_candidates(1);
    pipeline(&each, &more, &[]);
    let measured = phases(&each, "candidate(");
    // A retry node and a pod each.
    assert_eq!(measured.len(), 8, "{measured:?}");
    assert!(measured.values().all(|phase| phase == "Succeeded"));
    assert_unchanged(&expected, &each.lasting());
    assert_eq!(tracked(&one).len(), 5);
    assert_eq!(tracked(&one), tracked(&each));
    let shown = each.result("candidates");
    assert!(
        shown.ends_with("of 4") && shown == one.result("candidates"),
        "{shown}"
    );

    // The model is there: nothing is left to measure.
    pipeline(&each, &more, &[]);
    let skipped = phases(&each, "candidate");
    assert_eq!(skipped.values().collect::<Vec<_>>(), ["Skipped"]);
    pipeline(&each, &more, &["-p", "cache=refresh"]);
    let again = each.pods("model-training-train");
    let reused = again
        .iter()
        .map(|pod| crate::bench::parameter(&pod["outputs"], "reused"));
    assert!(again.len() == 5 && reused.into_iter().all(|reused| reused == "false"));
    assert_unchanged(&expected, &each.lasting());
}
