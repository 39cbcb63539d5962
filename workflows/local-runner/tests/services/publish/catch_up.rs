//! Results that earlier runs could not publish.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use testing::postgres;

use super::failures::{Holding, OURS, end, until};
use super::fixture::{Home, Results};
use crate::lab::Ran;

/// The results of some nights, of two versions of the model; none of their rows meet.
fn nights(home: &Home) -> Vec<Results> {
    let of = |night: u64| {
        let customers = night * 100..night * 100 + 60;
        Results::new(
            &format!("2026-11-0{night}"),
            night % 2 + 1,
            night as i64,
            customers,
        )
    };
    let nights: Vec<Results> = (1..=4).map(of).collect();
    nights.iter().for_each(|results| home.write(results));
    nights
}

/// Catches up without results of its own.
fn catch_up(home: &Home, more: &[&str]) -> Ran {
    let flags = [&["--model-name=churn"], more].concat();
    home.step("publish", &flags).output().unwrap().into()
}

fn output(home: &Home, name: &str) -> String {
    fs::read_to_string(home.folder().join("out").join(name)).unwrap()
}

/// Data versions in the ledger, in the order of their publishing.
fn ledger(home: &Home) -> String {
    home.psql(
        "SELECT string_agg(data_version, ' ' ORDER BY finished_at) FROM prediction_publications",
    )
}

#[test]
fn what_earlier_nights_could_not_publish_is_published_after_the_results_of_today() {
    let home = Home::new();
    let nights = nights(&home);
    let other = Results {
        model_name: "other".to_owned(),
        ..Results::new("2026-11-01", 1, 9, 900..950)
    };
    home.write(&other);
    // Without a model name nothing but what is asked for is published.
    home.publish(&nights[1], &[]).expect(0);
    home.assert_table_is(&[&nights[1]]);

    let ran = home.publish(&nights[3], &["--model-name=churn"]).expect(0);
    assert_eq!(
        ["rows", "reused", "caught-up"].map(|name| output(&home, name)),
        ["60", "false", "2"]
    );
    assert!(
        ran.shown()
            .contains("2 earlier results of churn were not in"),
        "{}",
        ran.shown()
    );
    assert_eq!(ledger(&home), "2026-11-02 2026-11-04 2026-11-01 2026-11-03");
    let all: Vec<&Results> = nights.iter().collect();
    home.assert_table_is(&all);

    home.publish(&nights[3], &["--model-name=churn"]).expect(0);
    assert_eq!(
        ["reused", "caught-up"].map(|name| output(&home, name)),
        ["true", "0"]
    );
    // Done again is what is asked for, and not all that is published.
    home.publish(&nights[3], &["--model-name=churn", "--cache=refresh"])
        .expect(0);
    assert_eq!(
        ["reused", "caught-up"].map(|name| output(&home, name)),
        ["false", "0"]
    );
}

#[test]
fn a_night_without_results_catches_up_the_newest_and_leaves_out_what_was_deleted() {
    let home = Home::new();
    let nights = nights(&home);
    catch_up(&home, &["--catch-up=0"]).expect(0);
    assert_eq!(
        ["rows", "reused", "caught-up"].map(|name| output(&home, name)),
        ["0", "false", "0"]
    );
    catch_up(&home, &["--catch-up=1"]).expect(0);
    home.assert_table_is(&[&nights[3]]);
    fs::remove_dir_all(home.store().join("results").join("2026-11-02")).unwrap();
    catch_up(&home, &["--catch-up=2"]).expect(0);
    assert_eq!(output(&home, "caught-up"), "1");
    home.assert_table_is(&[&nights[2], &nights[3]]);
    catch_up(&home, &[]).expect(0);
    assert_eq!(ledger(&home), "2026-11-04 2026-11-03 2026-11-01");
}

#[test]
fn results_older_than_the_retention_are_left_out() {
    let home = Home::new();
    let nights = nights(&home);
    for (results, last) in nights.iter().zip(["20", "19", "21", "22"]) {
        let path = home.store().join(results.key());
        let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        manifest["shards"] = json!([{
            "key": "predict/a.parquet", "bytes": 1, "stamp": "s", "sha256": "0", "rows": 60,
            "time": {"first": "2025-01-01T00:00:00", "last": format!("2025-01-{last}T00:00:00")}
        }]);
        fs::write(&path, manifest.to_string()).unwrap();
    }
    home.publish(&nights[3], &[]).expect(0);
    // Rows from January 2025 are long past.
    home.publish(&nights[3], &["--retention-days=30"]).expect(0);
    catch_up(&home, &["--retention-days=30"]).expect(0);
    assert_eq!(output(&home, "caught-up"), "0");
    home.psql("UPDATE prediction_retention SET kept_from = '2025-01-21'");
    catch_up(&home, &[]).expect(0);
    assert_eq!(output(&home, "caught-up"), "2");
    let rows = "SELECT count(*) FILTER (WHERE date < '2025-01-21') FROM predictions";
    assert_eq!(home.psql(rows), "0");
}

#[test]
fn killed_while_it_catches_up_the_next_run_publishes_the_rest() {
    let home = Home::new();
    let nights = nights(&home);
    home.publish(&nights[3], &[]).expect(0);
    for signal in ["-KILL", "-TERM"] {
        let url = postgres().url(&home.database);
        let lock = "BEGIN; LOCK TABLE predictions IN SHARE ROW EXCLUSIVE MODE";
        let holding = Holding::new(&url, lock);
        until(
            postgres(),
            &home.database,
            "EXISTS (SELECT FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND granted \
             AND relation = 'predictions'::regclass)",
        );
        let mut command = home.step("publish", &["--model-name=churn"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        until(
            postgres(),
            &home.database,
            &format!("EXISTS (SELECT FROM {OURS} AND wait_event_type = 'Lock')"),
        );
        let id = child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &id])
            .status();
        assert!(sent.unwrap().success());
        let code = end(child).code;
        assert_eq!(code, (signal == "-TERM").then_some(143));
        drop(holding);
        home.assert_table_is(&[&nights[3]]);
    }
    catch_up(&home, &[]).expect(0);
    assert_eq!(output(&home, "caught-up"), "3");
    let all: Vec<&Results> = nights.iter().collect();
    home.assert_table_is(&all);
}

#[test]
fn neither_results_nor_a_model_and_results_of_another_model_are_refused() {
    let home = Home::new();
    let nights = nights(&home);
    let ran: Ran = home.step("publish", &[]).output().unwrap().into();
    assert!(ran.expect(2).stderr.contains("--results-manifest"));
    let ran = home.publish(&nights[0], &["--model-name=other"]).expect(2);
    assert!(
        ran.stderr.contains("holds results of model churn"),
        "{}",
        ran.stderr
    );
}
