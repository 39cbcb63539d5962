use std::fmt::Write;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    UInt64Array, new_null_array,
};
use arrow::datatypes::DataType;
use clap::Parser;
use parquet::arrow::ArrowWriter;
use runtime::failure::{self, exit_code};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::check::{self, Report};
use crate::files::Files;
use crate::infer::{Inferred, Options, infer};
use crate::profile;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

#[derive(Parser)]
struct CheckLine {
    #[command(flatten)]
    options: check::Options,
}

#[derive(Parser)]
struct ProfileLine {
    #[command(flatten)]
    options: profile::Options,
}

mod checks;
mod dates;
mod dialects;
mod entities;
mod invisible;
mod leaks;
mod missing;
mod numbers;
mod pages;
mod refusals;
mod targets;
mod types;
mod windows;

/// A folder with raw files.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn csv(&self, name: &str, text: &str) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn parquet(&self, name: &str, columns: &[(&str, ArrayRef)]) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        let columns = columns
            .iter()
            .map(|(name, array)| (*name, array.clone(), true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let file = File::create(self.path(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self
    }

    fn try_infer(&self, arguments: &[&str]) -> anyhow::Result<Inferred> {
        let folder = self.0.path().to_str().unwrap();
        let line = ["infer", folder]
            .into_iter()
            .chain(arguments.iter().copied());
        let options = Line::parse_from(line).options;
        let files = Files::find(&options.files)?;
        infer(&options, files, &|_| {})
    }

    /// Checks `files` against the contract in `project`.
    fn check(&self, files: &str) -> anyhow::Result<Report> {
        let (files, config) = (self.path(files), self.path("project"));
        let line = [
            "check",
            files.to_str().unwrap(),
            "--dataset",
            config.to_str().unwrap(),
        ];
        let options = CheckLine::parse_from(line).options;
        check::check(&options, &Files::find(&options.files)?, &|_| {})
    }

    fn profile(&self, arguments: &[&str]) -> anyhow::Result<profile::Profile> {
        let folder = self.0.path().to_str().unwrap();
        let line = ["profile", folder]
            .into_iter()
            .chain(arguments.iter().copied());
        let options = ProfileLine::parse_from(line).options;
        profile::profile(&options, &Files::find(&options.files)?, &|_| {})
    }

    fn infer(&self, arguments: &[&str]) -> Inferred {
        self.try_infer(arguments).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let error = self.try_infer(arguments).unwrap_err();
        assert_eq!(exit_code(&error), 2, "{error:#}");
        format!("{error:#}")
    }
}

fn json(inferred: &Inferred, name: &str) -> Value {
    serde_json::from_str(text(inferred, name)).unwrap()
}

fn text<'a>(inferred: &'a Inferred, name: &str) -> &'a str {
    let files = &inferred.project.files;
    files
        .iter()
        .find(|(file, _)| *file == name)
        .map(|(_, text)| text)
        .unwrap()
}

fn column(inferred: &Inferred, name: &str) -> Value {
    let columns = json(inferred, "dataset.json")["columns"].clone();
    let mut columns = columns.as_array().unwrap().iter();
    let found = columns.find(|column| column["name"] == name);
    found.cloned().unwrap_or_default()
}

fn asked(inferred: &Inferred, about: &str) -> String {
    let questions = inferred
        .questions
        .iter()
        .filter(|question| question.about == about);
    questions
        .map(|question| format!("{}\n", question.seen))
        .collect()
}

/// What is seen and advised of a column of customers that are texts.
fn asked_of_texts(desk: &Desk, name: &str) -> (String, String) {
    let found = desk.infer(&["--target=churned", "--id=id", "--time=none"]);
    assert_eq!(column(&found, name)["type"], "utf8");
    let mut questions = found.questions.into_iter();
    let question = questions.find(|question| question.about == name);
    question
        .map(|question| (question.seen, question.advice))
        .unwrap()
}

/// 200 customers, of which every fifth left; `more` adds columns to a row.
fn customers(header: &str, more: impl Fn(usize, bool) -> String) -> String {
    let mut text = format!("id,spent{header},churned\n");
    for row in 0..200 {
        let left = row % 5 == 0;
        let spent = (row * 37 % 101) as f64 / 10.0;
        let churned = if left { "yes" } else { "no" };
        writeln!(text, "{},{spent:?}{},{churned}", row + 1, more(row, left)).unwrap();
    }
    text
}

#[test]
fn roles_are_guessed_with_reasons_and_else_asked_for() {
    let desk = Desk::new();
    desk.csv("a.csv", &customers("", |_, _| String::new()));
    let found = desk.infer(&[]);
    assert_eq!(
        column(&found, "churned"),
        json!({"name": "churned", "type": "utf8", "role": "target",
               "allowed": ["no", "yes"], "positive": "yes"})
    );
    assert_eq!(column(&found, "id")["role"], "id");
    assert!(asked(&found, "target").contains("churned, for its name, two values, the last column"));
    assert!(asked(&found, "id").contains("no value occurs twice"));
    assert_eq!(
        asked(&desk.infer(&["--target=churned", "--id=id"]), "id"),
        ""
    );
    assert!(
        desk.refused(&["--target=Churned"])
            .contains("there is \"churned\", and letter case counts")
    );
    assert!(
        desk.refused(&["--id=churned"])
            .contains("name one column twice")
    );

    let desk = Desk::new();
    let rows: String = (0..100)
        .map(|row| format!("{}.5,{}.25\n", row % 50, row % 40))
        .collect();
    desk.csv("a.csv", &format!("a,b\n{rows}"));
    let refused = desk.refused(&[]);
    assert!(
        refused.contains("no column is clearly the target: candidates are b (the last column)"),
        "{refused}"
    );
    let refused = desk.refused(&["--target=b"]);
    assert!(
        refused.contains("no column is clearly what names a row"),
        "{refused}"
    );
}

#[test]
fn what_a_person_should_look_at_is_asked() {
    let desk = Desk::new();
    let more = |row: usize, left: bool| {
        let closed = if left { "2024-05-01" } else { "" };
        let score = if left { 90 + row % 7 } else { row % 60 };
        let age = if row % 20 == 3 {
            -999
        } else {
            20 + (row % 50) as i64
        };
        let reason = if left { "b" } else { "a" };
        let spent = (row * 37 % 101) as f64 / 10.0;
        let many = if row.is_multiple_of(4) {
            row.to_string()
        } else {
            String::new()
        };
        // Near its neighbours, 11 is a number like any other.
        let (size, few) = match row % 20 {
            3 => (255, 11),
            _ => (row % 40, row % 4),
        };
        format!(",1,{spent:?},{closed},{score},{age},{reason},note {row} x,{many},{size},{few}")
    };
    let header = ",constant,same,closed,score,age,reason,note,many,size,few";
    desk.csv("a.csv", &customers(header, more));
    let found = desk.infer(&[]);
    for (name, role, seen) in [
        ("constant", "ignored", "every value is 1"),
        ("same", "ignored", "it equals spent in every row"),
        (
            "closed",
            "ignored",
            "it is filled only where the target is yes",
        ),
        ("score", "feature", "its ROC AUC is 1.0000"),
        ("age", "feature", "10 of 200 values are -999"),
        ("size", "feature", "10 of 200 values are 255"),
        ("note", "ignored", "200 of 200 texts differ"),
        ("many", "feature", "75 % of its values are null"),
    ] {
        assert_eq!(column(&found, name)["role"], role, "{name}");
        assert!(
            asked(&found, name).contains(seen),
            "{name}: {}",
            asked(&found, name)
        );
    }
    assert!(asked(&found, "reason").contains("its values are right in 100.0 % of the rows"));
    assert_eq!(asked(&found, "spent"), "");
    assert!(!asked(&found, "few").contains("are 11"));
    // Leaks are before what is only odd.
    let first = found
        .questions
        .iter()
        .position(|question| question.about == "closed");
    let odd = found
        .questions
        .iter()
        .position(|question| question.about == "constant");
    assert!(first < odd);
}

#[test]
fn whether_a_column_weighs_rows_is_asked_and_never_taken_for_granted() {
    let desk = Desk::new();
    let more = |row: usize, _| {
        let gap = if row == 9 {
            String::new()
        } else {
            "2".to_owned() + &row.to_string()
        };
        format!(",{}.5,{},{gap},{}", row % 40, row as i64 % 7 - 3, row % 30)
    };
    let header = ",sample_weight,netWeight,wt,lightweight";
    desk.csv("a.csv", &customers(header, more));
    let found = desk.infer(&[]);
    let asks = |name: &str| asked(&found, name).contains("that of a weight");
    // The second is negative somewhere, one value of the third is missing, and the last is a word
    // of its own.
    let names = ["sample_weight", "netWeight", "wt", "lightweight"];
    assert_eq!(names.map(asks), [true, false, false, false]);
    for name in names {
        assert_eq!(column(&found, name)["role"], "feature", "{name}");
    }
}

#[test]
fn a_rule_is_made_of_a_sample_only_where_it_is_asked_for() {
    let desk = Desk::new();
    desk.csv(
        "a.csv",
        &customers(",plan", |row, _| format!(",{}", ["s", "m", "l"][row % 3])),
    );
    let found = desk.infer(&[]);
    assert_eq!(
        column(&found, "spent"),
        json!({"name": "spent", "type": "float64", "role": "feature", "nullable": true})
    );
    let found = desk.infer(&["--strict"]);
    assert_eq!(
        column(&found, "spent"),
        json!({"name": "spent", "type": "float64", "role": "feature", "min": 0.0, "max": 10.0})
    );
    assert_eq!(
        column(&found, "plan"),
        json!({"name": "plan", "type": "utf8", "role": "feature", "allowed": ["l", "m", "s"]})
    );
    assert_eq!(column(&found, "churned")["allowed"], json!(["no", "yes"]));
}

#[test]
fn the_last_rows_are_held_out_where_there_is_a_time() {
    let desk = Desk::new();
    let day = |row: usize, _| format!(",2024-{:02}-{:02}", row / 25 + 1, row % 25 + 1);
    desk.csv("a.csv", &customers(",seen_at", day));
    let found = desk.infer(&[]);
    assert_eq!(found.holdout.0.to_string(), "after=2024-07-11");
    assert!(text(&found, "ml-config.yaml").contains("\n  HOLDOUT: after=2024-07-11\n"));
    assert_eq!(column(&found, "seen_at")["role"], "time");
    let found = desk.infer(&["--time=none"]);
    assert_eq!(found.holdout.0.to_string(), "fraction=0.2");

    let desk = Desk::new();
    desk.csv(
        "a.csv",
        &customers(",seen_at", |row, _| format!(",2024-01-{:02}", row % 2 + 1)),
    );
    assert_eq!(desk.infer(&[]).holdout.0.to_string(), "fraction=0.2");
}

#[test]
fn which_of_several_moments_is_the_time_is_said_or_asked() {
    let question = |found: &Inferred| {
        let mut questions = found.questions.iter();
        let of_time = questions.find(|question| question.about == "time");
        of_time.map(|question| format!("{}; {}", question.seen, question.advice))
    };
    let desk = Desk::new();
    let days = |row: usize, _| {
        let day = row % 25 + 1;
        format!(",2024-01-{day:02},2024-03-{day:02}")
    };
    desk.csv("a.csv", &customers(",opened,closed", days));
    let text = question(&desk.infer(&[])).unwrap();
    for part in [
        "no column is clearly the time",
        "opened, closed",
        "--time NAME",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (time, role) in [("opened", "time"), ("none", "ignored")] {
        let found = desk.infer(&["--time", time]);
        assert_eq!(question(&found), None);
        assert_eq!(column(&found, "opened")["role"], role);
    }
    desk.csv("a.csv", &customers(",seen_at,closed", days));
    let text = question(&desk.infer(&[])).unwrap();
    for part in ["seen_at, for a date", "--time NAME (or none) names another"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_task_follows_the_target() {
    let desk = Desk::new();
    let more = |row: usize, _| format!(",{},{}", ["x", "y", "z"][row % 3], row * 7 % 97);
    desk.csv("a.csv", &customers(",kind,price", more));
    let found = desk.infer(&["--target=kind"]);
    assert_eq!(column(&found, "kind")["allowed"], json!(["x", "y", "z"]));
    assert!(
        found.goal.starts_with("multiclass: kind is x 33.5 %"),
        "{}",
        found.goal
    );
    let found = desk.infer(&["--target=price"]);
    assert_eq!(json(&found, "dataset.json")["task"], "regression");
    let models = json(&found, "models.json");
    assert_eq!(models["candidates"][0]["family"], "linear-regression");
    // Another family would prepare columns otherwise.
    assert_eq!(models["preprocessing"], Value::Null);
    assert_eq!(models["threshold"], Value::Null);
    assert!(text(&found, "ml-config.yaml").contains("\n  GATE_METRIC: r2\n"));
}

#[test]
fn settings_name_the_files_by_the_narrowest_glob_that_tomorrows_files_match() {
    let desk = Desk::new();
    let text_of = customers("", |_, _| String::new());
    desk.csv("train/2024-01.csv", &text_of)
        .csv("predict/2024-03.csv", &text_of);
    let found = desk.infer(&[]);
    let settings = text(&found, "ml-config.yaml");
    assert!(
        settings.contains("\n  TRAIN_GLOB: train/*.csv\n"),
        "{settings}"
    );
    assert!(
        settings.contains("\n  PREDICT_GLOB: predict/*.csv\n"),
        "{settings}"
    );
    assert_eq!((found.files.train.len(), found.files.predict.len()), (1, 1));
    assert_eq!(found.rows, 200);

    let desk = Desk::new();
    desk.csv("a.csv", &text_of).csv("deep/b.csv", &text_of);
    assert!(desk.refused(&[]).contains("they are at different depths"));
}

#[test]
fn files_that_are_there_are_replaced_by_force_alone() {
    let desk = Desk::new();
    desk.csv("a.csv", &customers("", |_, _| String::new()));
    let out = desk.path("out");
    let project = desk.infer(&[]).project;
    project.write(&out, false).unwrap();
    project.write(&out, false).unwrap();
    fs::write(out.join("models.json"), "{}").unwrap();
    let error = project.write(&out, false).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    let expected = "holds models.json already: nothing was written; --force replaces them";
    assert!(format!("{error:#}").contains(expected), "{error:#}");
    project.write(&out, true).unwrap();
    let written = fs::read_to_string(out.join("models.json")).unwrap();
    assert_eq!(written, text(&desk.infer(&[]), "models.json"));
}

#[test]
fn the_same_files_give_the_same_answer_from_a_sample_of_each() {
    let desk = Desk::new();
    let whole = || Arc::new(Int64Array::from_iter_values(0..10_000)) as ArrayRef;
    let y = || Arc::new(Int64Array::from_iter_values((0..10_000).map(|row| row % 2))) as ArrayRef;
    desk.parquet("a.parquet", &[("id", whole()), ("x", y()), ("y", y())]);
    let found = desk.infer(&["--rows=100"]);
    assert_eq!((found.rows, found.of), (100, Some(10_000)));
    assert_eq!(found.columns, desk.infer(&["--rows=100"]).columns);
}

#[test]
fn a_column_without_a_name_is_left_out() {
    let desk = Desk::new();
    let named = customers(",index", |row, _| format!(",{row}"));
    desk.csv("a.csv", &named.replacen(",index", ",", 1));
    let found = desk.infer(&[]);
    assert!(asked(&found, "").contains("it has no name, as the index that pandas writes"));
    let columns = json(&found, "dataset.json")["columns"].clone();
    assert_eq!(columns.as_array().unwrap().len(), 3);
}
