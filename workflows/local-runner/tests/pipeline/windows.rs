//! Features that look at other rows of a customer, in other files: the values are those that DuckDB
//! computes from the raw files.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::bench::{Bench, Ran, assert_unchanged};
use crate::bring_your_own::{add_file, configure};
use crate::python::{answer, python};

const SCRIPT: &str = "windows.py";

const FEATURES: &str = r#"SELECT "customerId", date, amount, target,
    count(amount) OVER month AS events,
    min(amount) OVER month AS least,
    max(amount) OVER month AS most,
    coalesce(last_value(amount) OVER (PARTITION BY "customerId" ORDER BY date
        RANGE BETWEEN INTERVAL '7 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING), -1) AS last
FROM raw
WINDOW month AS (PARTITION BY "customerId" ORDER BY date
    RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW)"#;

/// A data contract whose windows are over the rows of a customer.
pub(crate) fn dataset() -> String {
    let dataset = json!({"lookback": "30 days", "columns": [
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "date", "type": "timestamp", "role": "time"},
        {"name": "amount", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target", "allowed": [0, 1]},
    ]});
    dataset.to_string()
}

/// A home with raw files, and the arguments that train on them.
fn bench(settings: &[(&str, &str)]) -> (Bench, Vec<String>) {
    let (bench, arguments) = empty(settings);
    python(SCRIPT, &["write", bench.raw("").to_str().unwrap()]);
    (bench, arguments)
}

/// The same without a file.
fn empty(settings: &[(&str, &str)]) -> (Bench, Vec<String>) {
    let bench = Bench::empty();
    let config = configure(&bench, &dataset(), FEATURES, settings);
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

/// Makes homes in which the whole pipeline can run, and more arguments of its submission.
pub(crate) fn pipelines() -> impl Fn() -> (Bench, Vec<String>) {
    let (first, _) = bench(&[]);
    move || {
        let (bench, arguments) = empty(&[]);
        for folder in ["train", "predict"] {
            for file in fs::read_dir(first.raw(folder)).unwrap().map(Result::unwrap) {
                // A raw file is known by its time too, and homes are to be alike.
                let link = bench.raw(folder).join(file.file_name());
                fs::hard_link(file.path(), link).unwrap();
            }
        }
        (bench, arguments[4..].to_vec())
    }
}

/// The arguments for another data version.
pub(crate) fn of_version(arguments: &[String], version: &str) -> Vec<String> {
    let version = ["-p".to_owned(), format!("data-version={version}")];
    [&version[..], &arguments[2..]].concat()
}

/// Submits a workflow.
pub(crate) fn submit(bench: &Bench, template: &str, arguments: &[String]) -> Ran {
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
        submit(&bench, "alameda-training", &arguments).expect(0);
        let [raw, store] = [bench.raw(""), bench.store("")];
        let paths = [raw, store].map(|path| path.to_str().unwrap().to_owned());
        let answer = answer(SCRIPT, &["compare", &paths[0], &paths[1]]);
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
        submit(&bench, "alameda-training", &arguments).expect(0);
        assert_unchanged(&before, &bench.lasting());
        for task in ["data-prep-shuffle", "data-prep-reduce", "data-prep-commit"] {
            assert_eq!(bench.output(task, "reused"), "true", "{task}");
        }
    }
}

/// A home with a champion whose features look back, trained on the first 170 days, and files of the
/// 30 days after them by the pattern; gives the days.
fn nights(pattern: &str, settings: &[(&str, &str)]) -> (Bench, Vec<String>, Vec<String>) {
    training(pattern, settings, &[])
}

/// The same with other files of the configuration.
pub(crate) fn training(
    pattern: &str,
    settings: &[(&str, &str)],
    files: &[(&str, &str)],
) -> (Bench, Vec<String>, Vec<String>) {
    let (bench, arguments) = empty(settings);
    let config = Path::new(arguments.last().unwrap());
    for (name, content) in files {
        add_file(config, name, content);
    }
    let days = answer(
        SCRIPT,
        &["nights", bench.raw("").to_str().unwrap(), pattern],
    );
    submit(&bench, "alameda-training", &arguments).expect(0);
    (bench, arguments, serde_json::from_value(days).unwrap())
}

/// Lets the rows of a day come, and scores them by the nightly workflow.
pub(crate) fn night(bench: &Bench, day: &str, arguments: &[String]) {
    let [later, predict] = ["later", "predict"].map(|of| bench.raw(&format!("{of}/{day}.parquet")));
    fs::copy(later, predict).unwrap();
    let time = format!("--scheduled-time={day}T02:30:00Z");
    let night = [
        "submit",
        "--from",
        "cronwf/alameda-nightly-inference",
        &time,
    ];
    let more: Vec<&str> = arguments.iter().skip(2).map(String::as_str).collect();
    bench.alameda(&[&night[..], &more].concat()).expect(0);
}

/// Scores some days by the workflow for past dates, two at a time and the newest first.
pub(crate) fn backfill(bench: &Bench, days: &[String], arguments: &[String]) -> Ran {
    let (first, last) = (days.first().unwrap(), days.last().unwrap());
    let range = [
        format!("from={first}"),
        format!("to={last}"),
        "newest-first=true".to_owned(),
        "max-active=2".to_owned(),
    ];
    let range = range.into_iter().flat_map(|range| ["-p".to_owned(), range]);
    let asked: Vec<String> = range.chain(arguments[2..].iter().cloned()).collect();
    submit(bench, "alameda-backfill", &asked)
}

/// Where the raw files of a day are that a backfill scores.
pub(crate) const OF_DAY: &str = "predict/{}/0.parquet";
/// The setting that finds them.
pub(crate) const BY_DAY: (&str, &str) = ("PREDICT_GLOB", "predict/{data-version}/*.parquet");

/// What DuckDB says of all that was scored.
fn scored(bench: &Bench) -> Value {
    let paths = [bench.raw(""), bench.store("")].map(|path| path.to_str().unwrap().to_owned());
    answer(SCRIPT, &["scored", &paths[0], &paths[1]])
}

#[test]
fn thirty_nights_one_by_one_are_all_at_once_and_have_the_values_of_duckdb() {
    let (bench, arguments, days) = nights("later/{}.parquet", &[]);
    assert_eq!(days.len(), 30);
    let mut looked_back = Vec::new();
    for day in &days {
        night(&bench, day, &arguments);
        assert_eq!(bench.result("shards"), "1");
        let selection = bench.json(&bench.output("batch-inference-resolve", "selection"));
        looked_back.push(selection["history"]["files"].as_array().unwrap().len());
    }
    // Files of training, and then nights, of which those are read that are at most 30 days old.
    assert_eq!(looked_back[0], 4);
    assert_eq!(looked_back[29], 4 + 29);
    fs::remove_dir_all(bench.raw("later")).unwrap();
    submit(&bench, "alameda-inference", &of_version(&arguments, "all")).expect(0);
    let answer = scored(&bench);
    let rows = &answer["rows"];
    assert!(rows.as_u64().unwrap() > 1_500, "{answer}");
    assert!(answer["looking-back"].as_u64().unwrap() > 1_000, "{answer}");
    assert_eq!(
        (&answer["differing"], &answer["other-scores"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(rows, &answer["together"]);
    // Again nothing changes, although later nights are there now.
    let before = bench.lasting();
    let new = ["-p", "predict-shards=new"].map(str::to_owned);
    let again = [&of_version(&arguments, &days[3])[..], &new].concat();
    submit(&bench, "alameda-inference", &again).expect(0);
    assert_unchanged(&before, &bench.lasting());
    assert_eq!(bench.output("data-prep-commit", "reused"), "true");
}

#[test]
fn a_backfill_in_any_order_has_the_values_of_duckdb() {
    let (bench, arguments, days) = nights(OF_DAY, &[BY_DAY]);
    backfill(&bench, &days[..8], &arguments).expect(0);
    let answer = scored(&bench);
    assert!(answer["rows"].as_u64().unwrap() > 300, "{answer}");
    assert_eq!(answer["differing"], 0, "{answer}");
    // A file that was not scored then is looked back at all the same, and its times are known
    // since.
    let history = |day: &str| {
        let key = format!("results/{day}/m/v1/_selection.json");
        let files = bench.json(&key)["history"]["files"].clone();
        files.as_array().unwrap().len()
    };
    assert_eq!(history(&days[0]), 4);
    assert_eq!(history(&days[7]), 4 + 7);
}

#[test]
fn a_champion_of_other_windows_is_measured_on_the_same_holdout() {
    let (bench, arguments) = bench(&[]);
    submit(&bench, "alameda-training", &arguments).expect(0);
    let metrics = bench.output("model-training-train", "model");
    let metrics = bench.json(&metrics.replace("_manifest", "metrics"));
    let config = arguments.last().unwrap();
    let sql = FEATURES.replace("30 days", "14 days");
    fs::write(format!("{config}/features.sql"), sql).unwrap();
    submit(&bench, "alameda-training", &of_version(&arguments, "2")).expect(0);
    let verdict = bench.json(&bench.output("model-promotion-promote", "verdict"));
    assert_eq!(verdict["comparison"], "same-holdout", "{verdict:#}");
    assert_eq!(verdict["champion"]["report"], metrics["holdout"]);
    assert_ne!(verdict["candidate"]["report"], metrics["holdout"]);
}
