//! A task that another program defines, on real services: what Postgres has of it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::lab::{Lab, Ran};

/// Rows of a file.
const ROWS: usize = 120;
const CONTRACT: &str = r#"{
  "task": "count",
  "columns": [
    {"name": "id", "type": "utf8", "role": "id"},
    {"name": "day", "type": "date", "role": "time"},
    {"name": "age", "type": "float64", "role": "feature"},
    {"name": "y", "type": "int64", "role": "target"}
  ]
}"#;

/// Visits go with age, with a jump at 40.
fn age_and_visits(file: usize, row: usize) -> (usize, usize) {
    let age = 20 + (row * 7 + file) % 40;
    (age, usize::from(age >= 40) * 4 + age % 3)
}

fn day(row: usize) -> String {
    format!("2026-10-{:02}", 1 + row % 20)
}

/// A raw file, without the labels of some rows.
fn csv(file: usize, labelled: impl Fn(usize) -> bool) -> String {
    let mut text = "id,day,age,y\n".to_owned();
    for row in 0..ROWS {
        let (age, visits) = age_and_visits(file, row);
        let visits = match labelled(row) {
            true => visits.to_string(),
            false => String::new(),
        };
        writeln!(text, "{file}-{row:03},{},{age},{visits}", day(row)).unwrap();
    }
    text
}

/// The folder for `--config-maps`.
fn configure(lab: &Lab) -> String {
    let config = lab.folder().join("config-maps");
    fs::create_dir(&config).unwrap();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
    let with_csv = |text: String| text.replace("/*.parquet", "/*.csv");
    let with_models = |text: String| {
        let line = "      - features.sql\n";
        text.replace(line, &format!("{line}      - models.json\n"))
    };
    let read = |name: &str| fs::read_to_string(default.join(name)).unwrap();
    for (name, text) in [
        ("ml-config.yaml", with_csv(read("ml-config.yaml"))),
        (
            "kustomization.yaml",
            with_models(read("kustomization.yaml")),
        ),
        ("dataset.json", CONTRACT.to_owned()),
        ("features.sql", "SELECT * FROM raw".to_owned()),
        (
            "models.json",
            r#"{"candidates": [{"family": "stump"}]}"#.to_owned(),
        ),
    ] {
        fs::write(config.join(name), text).unwrap();
    }
    config.display().to_string()
}

#[test]
fn the_predictions_of_a_task_of_another_program_are_published_labelled_and_profiled() {
    let mut lab = Lab::new();
    let raw = lab.folder().join("raw");
    for (name, text) in [
        ("train/0.csv", csv(0, |_| true)),
        ("train/1.csv", csv(1, |_| true)),
        ("predict/0.csv", csv(0, |row| row % 2 == 0)),
    ] {
        let file = raw.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let mut late = "id,day,y\n".to_owned();
    for row in (1..ROWS).step_by(2) {
        let (_, visits) = age_and_visits(0, row);
        writeln!(late, "0-{row:03},{},{visits}", day(row)).unwrap();
    }
    fs::create_dir(raw.join("labels")).unwrap();
    fs::write(raw.join("labels/late.csv"), late).unwrap();
    lab.set("RAW_URL", raw.to_str().unwrap());
    let config = configure(&lab);

    let program = Path::new(env!("CARGO_BIN_EXE_alameda"));
    let program = program.with_file_name("examples").join("new_task");
    let mut submit = lab.program(&program);
    submit.arg("--home").arg(lab.home()).args([
        "submit",
        "--from=workflowtemplate/alameda-pipeline",
        "-p=data-version=2026-11",
        &format!("-p=model-name={}", lab.name),
        &format!("--config-maps={config}"),
    ]);
    Ran::from(submit.output().unwrap()).expect(0);

    let shown = lab.python(
        r#"
import json, os, psycopg
database = psycopg.connect(os.environ["DATABASE_URL"])
rows = database.execute("SELECT id, prediction, expected, y FROM predictions ORDER BY id").fetchall()
errors = database.execute("""
    SELECT sum(rows), (
        SELECT sum(cell::bigint) FROM prediction_profiles p,
            jsonb_array_elements_text(p.features->'|prediction - y|'->'cells') AS cell)
    FROM prediction_profiles""").fetchone()
print(json.dumps({"rows": rows, "profiled": [int(of) for of in errors]}))
"#,
    );
    let found: Value = serde_json::from_str(&shown).unwrap();
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), ROWS);
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for (row, values) in rows.iter().enumerate() {
        let (age, visits) = age_and_visits(0, row);
        let [prediction, expected, y] = [1, 2, 3].map(|at: usize| values[at].as_f64().unwrap());
        assert_eq!(values[0], format!("0-{row:03}"));
        // Half of them came late.
        assert_eq!(y, visits as f64, "{values}");
        assert_eq!(prediction, expected.round(), "{values}");
        if age < 40 { &mut low } else { &mut high }.push(expected);
    }
    // One mean on each side of the jump.
    for side in [&low, &high] {
        assert!(side.windows(2).all(|pair| pair[0] == pair[1]), "{side:?}");
    }
    assert!(low[0] < high[0]);
    assert_eq!(found["profiled"], serde_json::json!([ROWS, ROWS]));
}
