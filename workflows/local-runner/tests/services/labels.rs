//! `publish-predictions labels` on a real Postgres: against a join by DuckDB, killed, and run at
//! the same time.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use learn::model::{ClassWeight, Model, Training};
use parquet::arrow::ArrowWriter;
use profile::cells::Counted;
use profile::reference::{ColumnProfile, FeatureProfile, Reference, ScoreProfile};
use serde_json::json;
use table::config::Config;

use crate::lab::Ran;
use crate::publish::fixture::{Home, Results, customer, date};

const CONTRACT: &str = r#"{"columns": [
    {"name": "date", "type": "timestamp", "role": "time"},
    {"name": "customerId", "type": "utf8", "role": "id"},
    {"name": "feature1", "type": "float64", "role": "feature", "nullable": true},
    {"name": "feature2", "type": "float64", "role": "feature"},
    {"name": "target", "type": "int64", "role": "target", "allowed": [0, 1]}
]}"#;

/// The model that made-up results name.
fn write_model(home: &Home) {
    let config = Config::parse(CONTRACT.to_owned(), "SELECT * FROM raw".to_owned()).unwrap();
    let folder = home.store().join("_config").join(config.digest());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("dataset.json"), CONTRACT).unwrap();
    fs::write(folder.join("features.sql"), "SELECT * FROM raw").unwrap();

    let names = ["feature1", "feature2"];
    let trained = Counted::of(&(0..1000).map(|i| f64::from(i) / 12.0).collect::<Vec<_>>());
    let scores: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
    let features = names.map(|name| FeatureProfile {
        name: name.to_owned(),
        profile: ColumnProfile::Cells(trained.clone()),
    });
    let reference = Reference {
        format_version: profile::reference::FORMAT_VERSION,
        rows: 1000,
        positives: 1000,
        features: features.to_vec(),
        score: ScoreProfile::of(0.5, &scores, &[1; 1000]),
        categories: Vec::new(),
    };
    let classes = config.dataset.goal().unwrap().target.classes;
    let model = Model {
        format_version: learn::model::FORMAT_VERSION,
        family: learn::model::LOGISTIC_REGRESSION.to_owned(),
        target: "target".to_owned(),
        classes: learn::model::Classes {
            negative: classes[0].clone(),
            positive: classes[1].clone(),
        },
        threshold: 0.5,
        features: names.map(str::to_owned).to_vec(),
        coefficients: vec![0.0, 0.0],
        intercept: 0.0,
        training: Training {
            c: 1.0,
            class_weight: ClassWeight::None,
            rows: 9,
            iterations: 3,
            converged: true,
        },
    };
    fs::create_dir_all(home.store().join("models/files")).unwrap();
    let mut files = Vec::new();
    for (name, bytes) in [
        ("model.json", model.to_json().unwrap()),
        ("reference.json", serde_json::to_vec(&reference).unwrap()),
    ] {
        let key = format!("models/files/{name}");
        files.push(json!({"key": key, "bytes": bytes.len(), "sha256": store::digest::hex(&bytes)}));
        fs::write(home.store().join(&key), bytes).unwrap();
    }
    let manifest = json!({
        "format_version": 1, "fingerprint": "f00d", "inputs": {}, "created_at": "2025-01-01T00:00:00Z", "workflow": "made-up",
        "model_name": "churn", "config": config.digest(), "data_version": "1", "train_manifest": "t", "holdout_manifest": "h",
        "features": names, "files": files, "run_id": "r", "warnings": []
    });
    fs::write(home.store().join("models/m"), manifest.to_string()).unwrap();
}

/// Writes a label file for some customers.
fn write_labels(
    home: &Home,
    name: &str,
    customers: std::ops::Range<u64>,
    label: fn(u64) -> Option<i64>,
) {
    let folder = home.folder().join("raw/labels");
    fs::create_dir_all(&folder).unwrap();
    let columns: [(&str, ArrayRef); 3] = [
        (
            "customerId",
            Arc::new(StringArray::from_iter_values(
                customers.clone().map(customer),
            )),
        ),
        (
            "date",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                customers.clone().map(date),
            )),
        ),
        (
            "target",
            Arc::new(Int64Array::from_iter(customers.map(label))),
        ),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .unwrap();
    let mut writer = ArrowWriter::try_new(
        File::create(folder.join(name)).unwrap(),
        batch.schema(),
        None,
    )
    .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn labels(home: &Home, results: &Results) -> Command {
    home.verb(
        "labels",
        results,
        &["--raw-url", home.folder().join("raw").to_str().unwrap()],
    )
}

fn ran(mut command: Command) -> Ran {
    command.output().unwrap().into()
}

fn silent(mut command: Command) -> Child {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Fails the test unless the targets are what DuckDB joins from parts and label files, and the
/// profiles what numpy counts.
fn assert_labelled(home: &Home, results: &Results) {
    let script = format!(
        r#"
import duckdb, os, psycopg
db = duckdb.connect()
store, raw = os.environ["STORE"], os.environ["STORE"] + "/../raw"
db.execute(f"""CREATE TABLE labels AS SELECT * FROM read_parquet('{{raw}}/labels/*.parquet', filename = true)
    WHERE target IS NOT NULL QUALIFY row_number() OVER (PARTITION BY customerId, date ORDER BY filename DESC) = 1""")
expected = db.execute(f"""SELECT p.customerId, p.date, coalesce(l.target, p.target)
    FROM read_parquet('{{store}}/results/{}/churn/v1/*.parquet') p LEFT JOIN labels l USING (customerId, date)""").fetchall()
with psycopg.connect(os.environ["DATABASE_URL"]) as server:
    found = server.execute('SELECT "customerId", date, target FROM predictions').fetchall()
print("same" if sorted(found, key=repr) == sorted(expected, key=repr) else f"{{len(found)}} and {{len(expected)}} rows differ")
"#,
        results.data_version
    );
    assert_eq!(home.python(&script).trim(), "same");
    let check = include_str!("../../../../common/database/src/profiles/check.py")
        .replace("y, prob", "target, prob");
    assert_eq!(
        home.python(&format!(
            "import os\nos.environ['DAY'] = 'date::date'\n{check}"
        ))
        .trim(),
        "same"
    );
}

/// Results without labels, published, and two label files.
fn labelled_later(customers: u64) -> (Home, Results) {
    let home = Home::new();
    write_model(&home);
    let results = Results::new("1", 1, 10, 0..customers);
    home.write(&results);
    home.publish(&results, &[]).expect(0);
    write_labels(&home, "2025-02.parquet", 0..customers / 2, |i| {
        (i % 3 > 0).then_some((i % 2) as i64)
    });
    write_labels(
        &home,
        "2025-03.parquet",
        customers / 3..customers + 100,
        |i| (i % 7 > 0).then_some(1),
    );
    (home, results)
}

#[test]
fn late_labels_are_what_a_join_gives() {
    let (home, results) = labelled_later(4_000);
    let first = ran(labels(&home, &results)).expect(0);
    assert!(
        first.stdout.contains(r#""reused":false"#),
        "{}",
        first.stdout
    );
    assert!(
        first.stderr.contains("labels have no row in"),
        "{}",
        first.stderr
    );
    assert_labelled(&home, &results);
    let again = ran(labels(&home, &results)).expect(0);
    assert!(
        again.stdout.contains(r#""reused":true"#),
        "{}",
        again.stdout
    );

    // Scored again, the rows keep their labels; and a label file that comes then is filled in.
    let next = Results::new("2", 1, 20, 0..4_000)
        .with(&[("target", |rows| Arc::new(Int64Array::new_null(rows)))]);
    home.write(&next);
    home.publish(&next, &[]).expect(0);
    write_labels(&home, "2025-04.parquet", 100..200, |_| Some(0));
    let more = ran(labels(&home, &next)).expect(0);
    assert!(more.stdout.contains(r#""reused":false"#), "{}", more.stdout);
    assert_eq!(home.psql("SELECT sum(target) FROM predictions WHERE right(\"customerId\", 12) BETWEEN '000000000064' AND '0000000000c7'"), "0");
}

#[test]
fn a_broken_label_file_changes_nothing() {
    let (home, results) = labelled_later(500);
    let before =
        home.psql("SELECT md5(string_agg(p::text, ',' ORDER BY 1)) FROM (SELECT * FROM predictions ORDER BY 1, 2) p");
    fs::write(
        home.folder().join("raw/labels/2025-09.parquet"),
        "PAR1 and no more",
    )
    .unwrap();
    let ran = ran(labels(&home, &results)).expect(10);
    assert!(
        ran.stderr.contains("labels/2025-09.parquet"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        home.psql("SELECT md5(string_agg(p::text, ',' ORDER BY 1)) FROM (SELECT * FROM predictions ORDER BY 1, 2) p"),
        before
    );
}

#[test]
fn without_a_database_or_labels_there_is_nothing_to_do() {
    let mut home = Home::new();
    write_model(&home);
    let results = Results::new("1", 1, 10, 0..10);
    home.write(&results);
    fs::create_dir_all(home.folder().join("raw")).unwrap();
    let none = ran(labels(&home, &results)).expect(0);
    assert!(
        none.stdout.contains(r#""labels":0"#) && none.stderr.contains("no label file"),
        "{}",
        none.shown()
    );
    home.set("DATABASE_URL", "");
    let none = ran(labels(&home, &results)).expect(0);
    assert!(
        none.stderr.contains("no database is configured"),
        "{}",
        none.shown()
    );
}

#[test]
fn killed_anywhere_and_run_again_by_several_at_once_the_labels_are_those_of_one_run() {
    let (home, results) = labelled_later(20_000);
    let whole = {
        let (twin, results) = labelled_later(20_000);
        let started = Instant::now();
        ran(labels(&twin, &results)).expect(0);
        started.elapsed()
    };
    for tenth in 1..=9 {
        let mut child = silent(labels(&home, &results));
        // Where it is by then does not matter: any place will do.
        std::thread::sleep(whole * tenth / 10 + Duration::from_millis(u64::from(tenth)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut together: Vec<_> = (0..3).map(|_| silent(labels(&home, &results))).collect();
    for child in &mut together {
        assert!(child.wait().unwrap().success());
    }
    assert_labelled(&home, &results);
    assert!(
        ran(labels(&home, &results))
            .expect(0)
            .stdout
            .contains(r#""reused":true"#)
    );
    assert_eq!(home.psql("SELECT count(*) FROM prediction_labels"), "1");
}
