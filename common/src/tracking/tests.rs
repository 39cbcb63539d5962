use super::*;
use crate::failure::exit_code;
use crate::layout;

struct Home {
    _folder: tempfile::TempDir,
    store: Store,
    tracking: Tracking,
    step: Step,
}

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let step = Step::for_test("model-training", folder.path());
    let store = step.store().unwrap();
    Home { tracking: Tracking::open(&store).unwrap(), store, step, _folder: folder }
}

fn name() -> ModelName {
    "churn".parse().unwrap()
}

fn fingerprint(i: usize) -> String {
    digest::hex(i.to_string().as_bytes())
}

#[tokio::test]
async fn a_run_is_found_again_and_reopened() {
    let Home { tracking, store, step, _folder } = home();
    let spec = RunSpec::new(&step, "train 25.05.1", &name(), &fingerprint(1)).tag("data-version", "25.05.1");
    let first = tracking.start_run(&spec).await.unwrap();
    first.log_params([("c", "1".to_owned())]).await.unwrap();
    first.log_metrics([("f1", 0.5), ("nothing", f64::NAN)]).await.unwrap();
    let record = tracking.find_run(&fingerprint(1)).await.unwrap().unwrap();
    assert_eq!((record.status, record.end_time), (Status::Running, None));
    assert_eq!(record.metrics.keys().collect::<Vec<_>>(), ["f1"], "NaN is not a metric");
    first.clone().close(Status::Failed).await.unwrap();

    let again = tracking.start_run(&spec).await.unwrap();
    assert_eq!(again.id(), first.id());
    again.log_metrics([("f1", 0.75)]).await.unwrap();
    again.close(Status::Finished).await.unwrap();
    let record = tracking.find_run(&fingerprint(1)).await.unwrap().unwrap();
    assert_eq!(record.status, Status::Finished);
    assert_eq!(record.metrics["f1"].value, 0.75);
    assert_eq!(record.params["c"], "1", "what was logged before the run was reopened is kept");
    assert_eq!(record.tags[FINGERPRINT_TAG], fingerprint(1));
    assert_eq!(store.list(layout::RUNS).await.unwrap().len(), 2, "one run, and the workflow's");

    let parent = tracking.find_run(&workflow_fingerprint("test")).await.unwrap().unwrap();
    assert_eq!(record.parent_run_id, Some(parent.run_id));
    assert_eq!((parent.name.as_str(), parent.status, parent.model_name), ("test", Status::Finished, None));
    assert_eq!(tracking.find_run(&fingerprint(2)).await.unwrap(), None);
}

#[tokio::test]
async fn a_run_is_closed_as_its_work_ends() {
    let Home { tracking, step, _folder, .. } = home();
    let cases = [
        (Status::Finished, None),
        (Status::Failed, Some(Failure::Contract("null in target".into()))),
        (Status::Killed, Some(Failure::Stopped)),
    ];
    for (i, (status, failure)) in cases.into_iter().enumerate() {
        let spec = RunSpec::new(&step, "train", &name(), &fingerprint(i));
        let expected = failure.as_ref().map(Failure::exit_code);
        let result = tracking
            .in_run(&spec, async |_| match failure {
                None => Ok(()),
                Some(failure) => Err(anyhow::Error::from(failure).context("fitting")),
            })
            .await;
        assert_eq!(result.err().map(|error| exit_code(&error)), expected);
        let record = tracking.find_run(&fingerprint(i)).await.unwrap().unwrap();
        assert_eq!(record.status, status);
        assert!(record.end_time.is_some());
    }
}

#[tokio::test]
async fn the_same_fingerprint_is_one_version() {
    let Home { tracking, _folder, .. } = home();
    for (i, version) in [(7, 1), (8, 2), (7, 1), (9, 3), (8, 2)] {
        let registered = tracking.register(&name(), "models/m/_manifest.json", &fingerprint(i), "run").await.unwrap();
        assert_eq!(registered.version, version);
        assert_eq!(tracking.version(&name(), version).await.unwrap(), registered);
    }
    assert_eq!(tracking.versions(&name()).await.unwrap().len(), 3);
    assert_eq!(tracking.versions(&"other".parse().unwrap()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versions_that_are_registered_at_once_get_numbers_of_their_own() {
    let Home { tracking, _folder, .. } = home();
    let tasks: Vec<_> = (0..24)
        .map(|i| {
            let tracking = tracking.clone();
            // Every fingerprint comes twice.
            tokio::spawn(async move { tracking.register(&name(), "m", &fingerprint(i / 2), "run").await.unwrap() })
        })
        .collect();
    let mut registered = Vec::new();
    for task in tasks {
        let version = task.await.unwrap();
        registered.push((version.fingerprint, version.version));
    }
    registered.sort();
    registered.dedup();
    let mut numbers: Vec<u64> = registered.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_move_an_alias_at_once_one_wins() {
    let Home { tracking, store, _folder, .. } = home();
    let tasks: Vec<_> = (1..=12)
        .map(|version| {
            let tracking = tracking.clone();
            tokio::spawn(async move { (version, tracking.set_alias(&name(), CHAMPION, version, None).await.unwrap()) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        let (version, won) = task.await.unwrap();
        winners.extend(won.then_some(version));
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(tracking.alias(&name(), CHAMPION).await.unwrap(), Some(winners[0]));
    assert_eq!(store.list(&layout::alias(&name(), CHAMPION)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_alias_moves_only_from_where_it_is_expected() {
    let Home { tracking, _folder, .. } = home();
    let set = async |version, expected| tracking.set_alias(&name(), CHAMPION, version, expected).await.unwrap();
    assert_eq!(tracking.alias(&name(), CHAMPION).await.unwrap(), None);
    assert!(!set(1, Some(2)).await, "it points nowhere");
    assert!(set(1, None).await);
    assert!(!set(2, None).await);
    assert!(set(2, Some(1)).await);
    assert!(set(2, Some(2)).await, "it stays");
    assert!(!set(3, Some(1)).await, "a late comer has seen an older state");
    assert_eq!(tracking.alias(&name(), CHAMPION).await.unwrap(), Some(2));
    assert!(tracking.ever_held(&name(), CHAMPION, 1).await.unwrap());
    assert!(!tracking.ever_held(&name(), CHAMPION, 3).await.unwrap());
    // More than nine moves: the last one holds, not the one whose number sorts last as a text.
    for version in 3..15 {
        assert!(set(version, Some(version - 1)).await);
    }
    assert_eq!(tracking.alias(&name(), CHAMPION).await.unwrap(), Some(14));
}

#[tokio::test]
async fn a_reference_is_resolved_or_refused_with_what_to_do() {
    let Home { tracking, _folder, .. } = home();
    let refused = async |reference: &str| {
        let error = tracking.resolve(&name(), reference).await.unwrap_err();
        (exit_code(&error), error.to_string())
    };
    for reference in [CHAMPION, "1"] {
        let (code, text) = refused(reference).await;
        assert_eq!(code, 2, "{reference}: {text}");
        assert!(text.contains("no model churn is registered; there are: none yet"), "{text}");
    }
    for i in 1..=2 {
        tracking.register(&name(), "m", &fingerprint(i), "run").await.unwrap();
    }
    assert_eq!(tracking.resolve(&name(), "2").await.unwrap().uri().to_string(), "models:/churn/2");
    for (reference, code, expected) in [
        (CHAMPION, 11, "model churn has no champion (versions: 1, 2): promote one with"),
        ("3", 2, "model churn has no version 3; there are: 1, 2"),
        ("staging", 2, "model churn has no alias \"staging\""),
        ("../x", 2, "neither an alias nor a version number"),
        ("", 2, "neither an alias nor a version number"),
    ] {
        let (found, text) = refused(reference).await;
        assert_eq!(found, code, "{reference}: {text}");
        assert!(text.contains(expected), "{text}");
    }
    tracking.set_alias(&name(), CHAMPION, 2, None).await.unwrap();
    assert_eq!(tracking.resolve(&name(), CHAMPION).await.unwrap().version, 2);
    let error = tracking.resolve(&"chrn".parse().unwrap(), "1").await.unwrap_err();
    assert!(error.to_string().contains("no model chrn is registered; there are: churn"), "{error}");
}

#[test]
fn an_address_is_read_as_it_is_written() {
    let uri: ModelUri = "models:/customer-classifier/12".parse().unwrap();
    assert_eq!(uri.version, 12);
    assert_eq!(uri.to_string(), "models:/customer-classifier/12");
    for text in ["", "models:/a", "models:/A/1", "models:/a/x", "models:/a/1/2", "a/1", "models:/a/-1"] {
        assert!(text.parse::<ModelUri>().is_err(), "{text:?}");
    }
}
