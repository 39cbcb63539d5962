use runtime::failure::exit_code;
use serde_json::{Value, json};

use super::*;

async fn attempt(
    store: &Store,
    date: &str,
    workflow: &str,
    model_name: &str,
    status: &str,
    hour: u32,
) {
    let attempt = json!({
        "format_version": 1, "workflow": workflow, "data_version": date, "model_name": model_name, "status": status,
        "duration_seconds": null, "attempts": 1, "recorded_at": format!("2026-11-09T0{hour}:00:00Z"), "failures": [],
    });
    store
        .put_json(
            &layout::attempt(&DataVersion::of(day(date)), workflow),
            &attempt,
        )
        .await
        .unwrap();
}

/// A store with five dates: never attempted, failed, scored, scored and then failed, ended without
/// results.
async fn store(folder: &std::path::Path) -> Store {
    let store = Store::create(folder.to_str().unwrap()).unwrap();
    let model = name();
    for (date, attempts, scored) in [
        (
            "2026-11-02",
            &[("a", "Succeeded", 1), ("b", "Error", 2)][..],
            false,
        ),
        (
            "2026-11-03",
            &[("a", "Failed", 1), ("b", "Succeeded", 2)],
            true,
        ),
        (
            "2026-11-04",
            &[("z", "Succeeded", 1), ("a", "Failed", 2)],
            true,
        ),
        ("2026-11-05", &[("a", "Succeeded", 1)], false),
    ] {
        let version = DataVersion::of(day(date));
        for (workflow, status, hour) in attempts {
            attempt(&store, date, workflow, "m", status, *hour).await;
        }
        if scored {
            store
                .put_json(
                    &layout::manifest(&layout::scored(&version, &model, 3)),
                    &json!({}),
                )
                .await
                .unwrap();
        }
        // A choice of files is no result, and neither is that of another model.
        store
            .put_json(&layout::selection(&version, &model), &json!({}))
            .await
            .unwrap();
        let other = layout::scored(&version, &"other".parse().unwrap(), 1);
        store
            .put_json(&layout::manifest(&other), &json!({}))
            .await
            .unwrap();
    }
    store
}

fn name() -> ModelName {
    "m".parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn request(from: &str, to: &str) -> Request {
    Request {
        from: day(from),
        to: day(to),
        model_name: name(),
        model_ref: "champion".to_owned(),
        reprocess: Reprocess::None,
        max_active: "4".to_owned(),
        newest_first: false,
        dry_run: false,
        glob: "predict/{data-version}/*.csv".to_owned(),
    }
}

#[tokio::test]
async fn what_became_of_another_model_is_of_no_matter() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path()).await;
    let state = async |date: &str| state(&store, &name(), day(date)).await.unwrap().0;
    attempt(&store, "2026-11-01", "x", "other", "Succeeded", 9).await;
    assert_eq!(state("2026-11-01").await, State::Open);
    attempt(&store, "2026-11-03", "x", "other", "Failed", 9).await;
    assert_eq!(state("2026-11-03").await, State::Scored);
    // Of a record that does not name its model nobody knows.
    attempt(&store, "2026-11-03", "x", "", "Failed", 9).await;
    assert_eq!(state("2026-11-03").await, State::Failed);
}

#[tokio::test]
async fn dates_are_chosen_by_their_last_attempt_and_their_results() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path()).await;
    for (reprocess, expected) in [
        (Reprocess::None, &["2026-11-01"][..]),
        (
            Reprocess::Failed,
            &["2026-11-01", "2026-11-02", "2026-11-04", "2026-11-05"],
        ),
        (
            Reprocess::All,
            &[
                "2026-11-01",
                "2026-11-02",
                "2026-11-03",
                "2026-11-04",
                "2026-11-05",
            ],
        ),
    ] {
        let request = Request {
            reprocess,
            ..request("2026-11-01", "2026-11-05")
        };
        let decisions = decide(&store, &request).await.unwrap();
        let outputs = outputs(&request, &decisions).unwrap();
        let dates: Vec<String> = serde_json::from_str(outputs.get("dates").unwrap()).unwrap();
        assert_eq!(dates, expected, "{reprocess:?}");
        assert_eq!(outputs.get("max-active"), Some("4"));
        let decisions: Value = serde_json::from_str(outputs.get("decisions").unwrap()).unwrap();
        assert_eq!(decisions.as_array().unwrap().len(), 5);
        assert_eq!(decisions[1]["state"], "failed");
    }
}

#[tokio::test]
async fn the_newest_can_come_first_and_a_dry_run_or_no_date_runs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path()).await;
    let all = Request {
        reprocess: Reprocess::All,
        newest_first: true,
        ..request("2026-11-03", "2026-11-05")
    };
    let decisions = decide(&store, &all).await.unwrap();
    let dates = |outputs: &Outputs| outputs.get("dates").unwrap().to_owned();
    let newest = r#"["2026-11-05","2026-11-04","2026-11-03"]"#;
    assert_eq!(dates(&outputs(&all, &decisions).unwrap()), newest);

    let dry = outputs(
        &Request {
            dry_run: true,
            ..all
        },
        &decisions,
    )
    .unwrap();
    assert_eq!(
        (
            dates(&dry).as_str(),
            dry.get("max-active"),
            dry.get("count")
        ),
        (newest, Some("0"), Some("3"))
    );

    let none = request("2026-11-03", "2026-11-05");
    let none = outputs(&none, &decide(&store, &none).await.unwrap()).unwrap();
    assert_eq!(
        (
            dates(&none).as_str(),
            none.get("max-active"),
            none.get("count")
        ),
        (r#"["none"]"#, Some("0"), Some("0"))
    );
}

#[tokio::test]
async fn what_cannot_be_backfilled_is_refused_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path()).await;
    for (request, words) in [
        (
            request("2026-11-02", "2026-11-01"),
            &["2026-11-02", "after"][..],
        ),
        (request("2020-01-01", "2026-11-01"), &["1000"]),
    ] {
        let error = check(&request).unwrap_err();
        assert_eq!(exit_code(&error), 2);
        words
            .iter()
            .for_each(|word| assert!(error.to_string().contains(word), "{error}"));
    }
    let many = request("2026-01-01", "2026-10-01");
    let error = outputs(&many, &decide(&store, &many).await.unwrap()).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(error.to_string().contains("274 dates"), "{error}");
}

#[tokio::test]
async fn a_date_needs_files_of_its_own_unless_they_are_chosen_already() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path()).await;
    let decided = async |from: &str, to: &str, reprocess| {
        let request = Request {
            reprocess,
            ..request(from, to)
        };
        decide(&store, &request).await.unwrap()
    };
    // Never attempted, and failed without results.
    let open = decided("2026-11-01", "2026-11-05", Reprocess::Failed).await;
    let error = check_glob("predict/*.csv", &open).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    for word in [
        "PREDICT_GLOB",
        "3 of the dates, such as 2026-11-01",
        "predict/{data-version}/*.parquet",
    ] {
        assert!(error.to_string().contains(word), "{error}");
    }
    check_glob("predict/{data-version}/*.csv", &open).unwrap();
    // Scored, and failed after that.
    let scored = decided("2026-11-03", "2026-11-04", Reprocess::Failed).await;
    assert!(scored.iter().any(|decision| decision.run));
    check_glob("predict/*.csv", &scored).unwrap();
}

#[test]
fn dates_are_read_as_data_versions_are() {
    for (text, expected) in [
        ("2026-11-01", Some("2026-11-01")),
        ("2026-11-01T23:30:00Z", Some("2026-11-02")),
        ("2026-11-1", None),
        ("2026-02-30", None),
        ("25.05.1", None),
        ("", None),
        ("{{workflow.scheduledTime}}", None),
    ] {
        let read = date("--from", text, chrono_tz::Europe::Berlin);
        assert_eq!(
            read.as_ref().ok().map(NaiveDate::to_string).as_deref(),
            expected,
            "{text}"
        );
        if let Err(error) = read {
            assert_eq!(exit_code(&error), 2);
            assert!(format!("{error:#}").contains("--from"), "{error:#}");
        }
    }
}
