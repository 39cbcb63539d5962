//! Settings that are wrong, through the real workflows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testing::Receiver;

use crate::lab::Ran;

/// A folder with a copy of the repository's configuration, and no raw files.
struct Home {
    folder: tempfile::TempDir,
    receiver: Receiver,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let maps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
        fs::create_dir(folder.path().join("maps")).unwrap();
        for name in [
            "dataset.json",
            "features.sql",
            "kustomization.yaml",
            "ml-config.yaml",
        ] {
            fs::copy(maps.join(name), folder.path().join("maps").join(name)).unwrap();
        }
        let receiver = Receiver::start().unwrap();
        Self { folder, receiver }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives the ConfigMap these settings besides its own, or in their place.
    fn set(&self, settings: &[(&str, &str)]) {
        let maps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
        let text = fs::read_to_string(maps.join("ml-config.yaml")).unwrap();
        let is_set = |line: &&str| {
            let name = line.trim().split(':').next().unwrap_or_default();
            !settings.iter().any(|(set, _)| *set == name)
        };
        let mut text: String = text
            .lines()
            .filter(is_set)
            .map(|l| format!("{l}\n"))
            .collect();
        for (name, value) in settings {
            text += &format!("  {name}: '{value}'\n");
        }
        fs::write(self.path("maps/ml-config.yaml"), text).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a variable of tests")]
    fn alameda(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap());
        command.env("NOTIFY_URL", self.receiver.url("secret"));
        command.current_dir(self.folder.path());
        command
            .args(["--home=home", "--config-maps=maps"])
            .args(arguments);
        command.output().unwrap().into()
    }

    /// Submits a template with parameters.
    fn submit(&self, template: &str, parameters: &[&str]) -> Ran {
        let from = format!("--from=workflowtemplate/{template}");
        let parameters = parameters.iter().flat_map(|parameter| ["-p", *parameter]);
        let arguments: Vec<&str> = ["submit", &from].into_iter().chain(parameters).collect();
        self.alameda(&arguments)
    }

    /// `alameda get` of the last workflow: as a person sees it, and as JSON.
    fn last(&self) -> (String, Value) {
        let shown = self.alameda(&["get", "@latest"]).expect(0).stdout;
        let json = self.alameda(&["get", "@latest", "-o", "json"]).expect(0);
        (shown, serde_json::from_str(&json.stdout).unwrap())
    }
}

const PIPELINE: (&str, &[&str]) = ("alameda-pipeline", &["data-version=1", "model-name=m"]);

/// Names of the templates whose pods ran.
fn ran(workflow: &Value) -> Vec<&str> {
    let nodes = workflow["status"]["nodes"].as_object().unwrap();
    let pods = nodes.values().filter(|node| node["type"] == "Pod");
    let mut names: Vec<&str> = pods
        .map(|node| node["templateName"].as_str().unwrap_or_default())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn the_first_step_refuses_each_setting_of_every_step() {
    let home = Home::new();
    for (name, value, advice) in [
        ("TRAIN_GLOB", "/train/*.csv", "give names below RAW_URL"),
        (
            "PREDICT_GLOB",
            "predict/{date}/*.csv",
            "predict/{data-version}",
        ),
        ("LABELS_GLOB", "labels/*.{csv,parquet}", "the only wildcard"),
        ("HOLDOUT", "10%", "fraction=0.1"),
        ("ON_BAD_SHARD", "skip", "give fail or quarantine"),
        ("MAX_BAD_SHARDS", "-1", "0 or more"),
        ("MODEL_FAMILY", "trees", "logistic-regression"),
        ("MODEL_C", "0", "positive"),
        ("MODEL_CLASS_WEIGHT", "auto", "give balanced or none"),
        ("MODEL_MAX_ITER", "0", "1 or more"),
        ("MODEL_TOL", "tiny", "positive"),
        ("MODEL_THRESHOLD", "50%", "from 0 to 1"),
        ("GATE", "firm", "give soft or hard"),
        ("GATE_METRIC", "auc", "roc_auc"),
        ("GATE_FLOOR", "high", "give a number"),
        ("GATE_MARGIN", "-1", "not negative"),
        ("PREDICTIONS_PARTITION", "day", "give none or month"),
        ("RETENTION_DAYS", "2y", "1 or more"),
        ("PSI_WARN", "0,1", "0.1"),
        ("PSI_ALERT", "0.01", "PSI_WARN"),
        ("MIN_ROWS", "many", "0 or more"),
        ("REPORT_FAIL_ON", "always", "give alert, warn or never"),
        ("NOTIFY_ON", "failures", "give always, failure or never"),
        ("NOTIFY_FORMAT", "teams", "give json or slack"),
        ("ALAMEDA_TIMEZONE", "UTC+2", "Europe/Berlin"),
        ("MODEL_CC", "1", "did you mean MODEL_C?"),
        ("PSI_WARM", "1", "did you mean PSI_WARN?"),
    ] {
        home.set(&[(name, value)]);
        home.submit(PIPELINE.0, PIPELINE.1).expect(1);
        let (shown, workflow) = home.last();
        let line = shown.lines().find(|line| line.contains("data-prep-plan"));
        let line = line.unwrap_or_else(|| panic!("{shown}"));
        let shows_value = name == "MODEL_CC" || name == "PSI_WARM" || line.contains(value);
        for part in ["Error (exit code 2)", name, advice] {
            assert!(
                line.contains(part) && shows_value,
                "{name}: {part}: {shown}"
            );
        }
        let first = ["data-prep-plan", "model-monitoring-notify"];
        assert_eq!(ran(&workflow), first, "{name}");
        assert!(!home.path("home/store/_work").exists(), "{name}");
    }
}

#[test]
fn settings_that_do_not_fit_the_data_are_refused_by_lint_and_by_the_first_step() {
    let home = Home::new();
    fs::create_dir_all(home.path("home/raw/train")).unwrap();
    for (name, value, advice) in [
        (
            "MONITOR_COLUMNS",
            "-feature_1",
            "did you mean \"feature1\"?",
        ),
        ("SEGMENT_COLUMNS", "region", "the result of features.sql"),
        ("GATE_METRIC", "rmse", "the metrics of task binary are"),
        ("GATE_FLOOR", "60", "for 60 % give 0.6"),
        ("GATE_SEGMENT_MARGIN", "0.1", "has no segment column"),
    ] {
        home.set(&[(name, value)]);
        let lint = home.alameda(&["lint"]).expect(1);
        for part in [name, advice, "[setting-value]"] {
            assert!(lint.stdout.contains(part), "{part}: {}", lint.stdout);
        }
        home.submit(PIPELINE.0, PIPELINE.1).expect(1);
        let (shown, workflow) = home.last();
        for part in ["Error (exit code 2)", name, advice] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let first = ["data-prep-plan", "model-monitoring-notify"];
        assert_eq!(ran(&workflow), first, "{name}");
    }
}

#[test]
fn every_workflow_begins_with_a_step_that_refuses_the_settings_of_the_last() {
    let home = Home::new();
    home.set(&[("PSI_WARN", "0,1"), ("MODEL_CC", "2")]);
    let manifest = "results-manifest=results/1/m/v1/_manifest.json";
    for (template, parameters, first) in [
        ("alameda-training", PIPELINE.1, &["data-prep-plan"][..]),
        ("alameda-pipeline", PIPELINE.1, &["data-prep-plan"]),
        (
            "alameda-inference",
            PIPELINE.1,
            &["batch-inference-resolve"],
        ),
        (
            "alameda-backfill",
            &["from=2026-11-01", "to=2026-11-02", "model-name=m"],
            &["batch-inference-backfill"],
        ),
        (
            "alameda-monitoring",
            &[manifest],
            &["model-monitoring-check"],
        ),
        (
            "alameda-retrain-on-drift",
            &[manifest, "data-version=2026-11-23", "model-name=m"],
            &["model-monitoring-check"],
        ),
    ] {
        home.submit(template, parameters).expect(1);
        let (shown, workflow) = home.last();
        for step in first {
            let nodes = workflow["status"]["nodes"].as_object().unwrap();
            let of_step = |node: &&Value| node["templateName"] == *step && node["type"] == "Pod";
            let node = nodes
                .values()
                .find(of_step)
                .unwrap_or_else(|| panic!("{step}: {shown}"));
            assert_eq!(
                node["message"],
                "main: Error (exit code 2): 2 settings are wrong: PSI_WARN is `0,1`: give a \
                 number, 0 or more, with a decimal point: 0.1; MODEL_CC is not a setting: did you \
                 mean MODEL_C?",
                "{template}"
            );
        }
        let mut expected: Vec<&str> = first.to_vec();
        expected.push("model-monitoring-notify");
        expected.sort_unstable();
        let ran = ran(&workflow);
        assert!(
            ran.iter().all(|name| expected.contains(name)),
            "{template}: {ran:?}"
        );
    }
}

#[test]
fn what_postgres_does_not_take_is_a_warning_without_a_database_and_refused_with_one() {
    let home = Home::new();
    let sql = fs::read_to_string(home.path("maps/features.sql")).unwrap();
    let sql = sql.replacen("FROM raw", ", 1.0 AS ctid, 2.0 AS scored_at FROM raw", 1);
    fs::write(home.path("maps/features.sql"), sql).unwrap();
    let lint = home.alameda(&["lint"]).expect(0);
    for part in ["warning: ", "\"ctid\"", "\"scored_at\"", "[publishing]"] {
        assert!(lint.stdout.contains(part), "{part}: {}", lint.stdout);
    }
    home.set(&[("PREDICTIONS_PARTITION", "month")]);
    let platform = "kind: ConfigMap\nmetadata: {name: alameda-platform}\ndata: {PGHOST: db}\n";
    fs::write(home.path("maps/platform.yaml"), platform).unwrap();
    let raw = home.path("home/raw/train");
    fs::create_dir_all(&raw).unwrap();
    home.submit(PIPELINE.0, PIPELINE.1).expect(1);
    let (shown, workflow) = home.last();
    assert_eq!(
        ran(&workflow),
        ["data-prep-plan", "model-monitoring-notify"]
    );
    for part in ["Error (exit code 2)", "\"ctid\"", "\"scored_at\""] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_wrong_aggregate_is_found_where_it_stands() {
    let home = Home::new();
    let sql = "SELECT median(feature1) AS middle FROM train";
    fs::write(home.path("maps/aggregate.all.sql"), sql).unwrap();
    let listed = fs::read_to_string(home.path("maps/kustomization.yaml")).unwrap();
    let last = "      - features.sql\n";
    let listed = listed.replacen(last, &format!("{last}      - aggregate.all.sql\n"), 1);
    fs::write(home.path("maps/kustomization.yaml"), listed).unwrap();
    let lint = home.alameda(&["lint"]).expect(1);
    for part in [
        "data[aggregate.all.sql]",
        "median() is refused",
        "[features]",
    ] {
        assert!(lint.stdout.contains(part), "{part}: {}", lint.stdout);
    }
}

#[test]
fn the_exit_handler_records_the_end_whatever_the_settings_are() {
    let home = Home::new();
    for (number, (name, value)) in [
        ("NOTIFY_ON", "failures"),
        ("NOTIFY_FORMAT", "teams"),
        ("PSI_WARN", "0,1"),
        ("ALAMEDA_TIMEZONE", "UTC+2"),
        ("ALAMEDA_THREADS", "none"),
        ("ALAMEDA_RETRY_BUDGET", "long"),
        ("MODEL_CC", "1"),
        ("DASHBOARD_BIND", "8501"),
    ]
    .into_iter()
    .enumerate()
    {
        home.set(&[(name, value)]);
        let version = format!("data-version={number}");
        let parameters = [version.as_str(), "model-name=m"];
        home.submit(PIPELINE.0, &parameters).expect(1);
        let recorded = fs::read_dir(home.path(&format!("home/store/_attempts/{number}")));
        assert_eq!(
            recorded.map(Iterator::count).unwrap_or_default(),
            1,
            "{name}"
        );
        let received = home.receiver.take();
        assert_eq!(received.len(), 1, "{name}");
        let failures = &received[0].body["failures"];
        let text = failures[0]["message"].as_str().unwrap_or_default();
        assert!(text.contains(name), "{name}: {failures:#}");
        let (shown, _) = home.last();
        let line = shown
            .lines()
            .find(|line| line.contains("model-monitoring-notify"));
        let line = line.unwrap_or_else(|| panic!("{shown}"));
        assert!(
            line.contains("exit code 2") && line.contains(name),
            "{name}: {shown}"
        );
    }
}

#[test]
fn what_the_flag_parser_refuses_is_a_message_and_a_line_of_json() {
    let home = Home::new();
    let log = home.path("termination-log");
    let run = |arguments: &[&str]| {
        fs::write(&log, "").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
        command
            .env_clear()
            .args(arguments)
            .env("ALAMEDA_LOG", "json");
        command.env("ALAMEDA_TERMINATION_LOG", &log);
        let ran = Ran::from(command.output().unwrap()).expect(2);
        let line: Value = serde_json::from_str(ran.stderr.trim()).unwrap();
        assert_eq!(
            (&line["level"], &line["exit_code"]),
            (&"ERROR".into(), &2.into())
        );
        let message = line["message"].as_str().unwrap().to_owned();
        assert_eq!(fs::read_to_string(&log).unwrap(), message);
        message
    };
    let plan = ["data-prep", "plan", "--raw-url=r", "--data-version=1"];
    let text = run(&[&plan[..], &["--split=some"]].concat());
    assert!(
        text.contains("'some' for '--split <SPLIT>' [possible values: train, predict, holdout]"),
        "{text}"
    );
    let text = run(&[&plan[..], &["--split=train", "--parallelism=0"]].concat());
    assert!(text.contains("--parallelism"), "{text}");
    let text = run(&[&plan[..], &["--split=train", "--holdot=x"]].concat());
    assert!(
        text.contains("'--holdot'") && text.contains("'--holdout'"),
        "{text}"
    );
    let text = run(&["data-prep", "plan"]);
    assert!(
        text.contains("--split") && text.contains("--data-version"),
        "{text}"
    );
    assert!(run(&["data-prep"]).contains("subcommand"));
}

#[test]
fn outputs_are_known_to_be_writable_before_anything_is_done() {
    let home = Home::new();
    fs::write(home.path("file"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
    command.env_clear().current_dir(home.folder.path());
    command.args([
        "model-promotion",
        "promote",
        "--model-name=m",
        "--rollback",
        "--expect=2",
    ]);
    command.args(["--store-url=store", "--out=file/out"]);
    let refused = Ran::from(command.output().unwrap()).expect(2);
    assert!(
        refused.stderr.contains("(--out, ALAMEDA_OUT)"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("nothing was done"),
        "{}",
        refused.stderr
    );
    assert!(!home.path("store").exists());
}

#[test]
fn a_configuration_that_is_not_utf_8_is_refused_by_its_file() {
    let home = Home::new();
    fs::write(home.path("maps/dataset.json"), b"\xff\xfe{\0}\0").unwrap();
    let ran = home.submit(PIPELINE.0, PIPELINE.1).expect(2);
    assert!(
        ran.stderr
            .contains("maps/dataset.json is not text in UTF-8"),
        "{}",
        ran.stderr
    );
}
