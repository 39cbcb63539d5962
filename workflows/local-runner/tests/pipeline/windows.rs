//! Features that look at other rows of a customer, in other files: the values are those that DuckDB
//! computes from the raw files.

use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, Ran, assert_unchanged};
use crate::bring_your_own::configure;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pipeline/windows.py");

const FEATURES: &str = r#"SELECT "customerId", date, amount, target,
    count(amount) OVER month AS events,
    min(amount) OVER month AS least,
    max(amount) OVER month AS most,
    coalesce(last_value(amount) OVER (PARTITION BY "customerId" ORDER BY date
        RANGE BETWEEN INTERVAL '7 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING), -1) AS last
FROM raw
WINDOW month AS (PARTITION BY "customerId" ORDER BY date
    RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW)"#;

fn python(arguments: &[&str]) -> String {
    let mut command = Command::new(testing::python().unwrap());
    let ran = command.arg(SCRIPT).args(arguments).output().unwrap();
    Ran::from(ran).expect(0).stdout
}

/// A home with raw files, and the arguments that train on them.
fn bench(settings: &[(&str, &str)]) -> (Bench, Vec<String>) {
    let bench = Bench::empty();
    python(&["write", bench.raw("").to_str().unwrap()]);
    let dataset = json!({"lookback": "30 days", "columns": [
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "date", "type": "timestamp", "role": "time"},
        {"name": "amount", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target", "allowed": [0, 1]},
    ]});
    let config = configure(&bench, &dataset.to_string(), FEATURES, settings);
    let config = config.to_str().unwrap();
    let arguments = [
        "-p",
        "data-version=1",
        "-p",
        "model-name=m",
        "--config-maps",
        config,
    ];
    let arguments = arguments.map(str::to_owned).to_vec();
    (bench, arguments)
}

/// Submits a workflow.
fn submit(bench: &Bench, template: &str, arguments: &[String]) -> Ran {
    let template = format!("workflowtemplate/{template}");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    bench.alameda(&[&["submit", "--from", &template][..], &arguments].concat())
}

/// The nodes that a task became, its items among them: name, phase and message.
fn nodes(bench: &Bench, task: &str) -> Vec<(String, String)> {
    let workflow = bench.latest();
    let nodes = workflow["status"]["nodes"].as_object().unwrap().values();
    let of_task = nodes.filter(|node| {
        let name = node["displayName"].as_str().unwrap();
        name == task || name.starts_with(&format!("{task}("))
    });
    let text = |node: &Value, field: &str| node[field].as_str().unwrap_or_default().to_owned();
    of_task
        .map(|node| (text(node, "phase"), text(node, "message")))
        .collect()
}

#[test]
fn windows_over_all_files_have_the_values_of_duckdb() {
    for holdout in ["first-shard", "fraction=0.2", "after=2024-06-01"] {
        let (bench, arguments) = bench(&[("HOLDOUT", holdout)]);
        // There is no champion, and this model becomes none.
        submit(&bench, "alameda-training", &arguments).expect(1);
        let [raw, store] = [bench.raw(""), bench.store("")];
        let paths = [raw, store].map(|path| path.to_str().unwrap().to_owned());
        let answer = python(&["compare", &paths[0], &paths[1]]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (&answer["differing"], &answer["rows"]),
            (&json!(0), &json!(12_000))
        );
        assert!(answer["first"].as_u64().unwrap() > 0, "{answer}");

        // The other way to features is skipped as an empty list is, and nothing has failed.
        let skipped = ("Skipped".to_owned(), "Skipped, empty params".to_owned());
        assert_eq!(nodes(&bench, "data-prep-map"), [skipped]);
        for task in ["data-prep-shuffle", "data-prep-reduce"] {
            let nodes = nodes(&bench, task);
            assert!(nodes.len() > 1, "{task}: {nodes:?}");
            assert!(
                nodes.iter().all(|(phase, _)| phase == "Succeeded"),
                "{task}: {nodes:?}"
            );
        }
        // Again nothing is done, and nothing changes.
        let before = bench.lasting();
        submit(&bench, "alameda-training", &arguments).expect(1);
        assert_unchanged(&before, &bench.lasting());
        for task in ["data-prep-shuffle", "data-prep-reduce", "data-prep-commit"] {
            assert_eq!(bench.output(task, "reused"), "true", "{task}");
        }
    }
}

#[test]
fn rows_to_score_are_not_computed_without_what_came_before() {
    let (bench, arguments) = bench(&[]);
    let warned = submit(&bench, "alameda-training", &arguments).expect(1);
    let train = bench.json("train/1/_manifest.json");
    let warning = train["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("can't be scored by this release"),
        "{warning}"
    );
    // It is no champion, so that no night fails for it.
    let text = "is refused, and there is no champion: its features look at earlier rows";
    assert!(warned.shown().contains(text), "{}", warned.shown());
    let asked = [&arguments[..], &["-p", "model-ref=1"].map(str::to_owned)].concat();
    let refused = submit(&bench, "alameda-inference", &asked).expect(1);
    let text = "features.sql of this model has windows";
    assert!(
        refused.shown().contains(text) && refused.shown().contains("exit code 2"),
        "{}",
        refused.shown()
    );
    assert_eq!(
        std::fs::read_dir(bench.store("predict"))
            .map(Iterator::count)
            .unwrap_or(0),
        0
    );
}
