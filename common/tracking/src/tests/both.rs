//! What holds wherever runs and models are kept.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::*;

/// A test in each home.
macro_rules! in_both_homes {
    ($($test:ident)*) => {
        mod in_the_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Home::embedded()).await;
            })*
        }
        mod in_mlflow {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Home::mlflow()).await;
            })*
        }
    };
}

in_both_homes! {
    a_run_is_found_again_and_reopened
    a_run_lies_inside_another_and_is_found_again
    a_run_is_closed_as_its_work_ends
    a_panic_closes_the_run_and_its_workflows
    the_same_fingerprint_is_one_version
    those_who_register_the_same_at_once_get_one_version
    an_alias_moves_only_from_where_it_is_expected
    a_version_that_held_an_alias_is_remembered
    who_held_an_alias_is_known_with_the_last_departure
    a_reference_is_resolved_or_refused_with_what_to_do
}

async fn a_run_lies_inside_another_and_is_found_again(home: Home) {
    let (outer, inner) = (home.spec(1), home.spec(2));
    for c in ["1", "2"] {
        let work = async |run: &Run| {
            let log =
                async |nested: &Run| nested.log_params([(format!("c{c}"), c.to_owned())]).await;
            run.nested(&inner, log).await?;
            Ok(run.id().to_owned())
        };
        let id = home.tracking.in_run(&outer, work).await.unwrap();
        let nested = home.run(2).await;
        assert_eq!(nested.parent_run_id, Some(id));
        assert_eq!(nested.status, Status::Finished);
        assert_eq!(nested.params[&format!("c{c}")], c);
        assert_eq!(home.run(1).await.status, Status::Finished);
    }
}

async fn a_run_is_found_again_and_reopened(home: Home) {
    let spec = home.spec(1).tag("data-version", "25.05.1");
    let first = home.tracking.start_run(&spec).await.unwrap();
    first.log_params([("c", "1".to_owned())]).await.unwrap();
    first
        .log_metrics([("f1", 0.5), ("nothing", f64::NAN)])
        .await
        .unwrap();
    let record = home.run(1).await;
    assert_eq!((record.status, record.end_time), (Status::Running, None));
    assert_eq!(
        record.metrics.keys().collect::<Vec<_>>(),
        ["f1"],
        "NaN is not a metric"
    );
    assert_eq!(record.tags["alameda.not_finite.nothing"], "NaN");
    first.clone().close(Status::Failed).await.unwrap();
    assert_eq!(home.run(1).await.status, Status::Failed);

    let again = home.tracking.start_run(&spec).await.unwrap();
    assert_eq!(again.id(), first.id());
    assert_eq!(home.run(1).await.status, Status::Running);
    again.log_metrics([("f1", 0.75)]).await.unwrap();
    again.close(Status::Finished).await.unwrap();
    let record = home.run(1).await;
    assert_eq!(
        (record.status, record.name.as_str()),
        (Status::Finished, "train 1")
    );
    assert!(record.end_time.is_some());
    assert_eq!(record.metrics["f1"].value, 0.75);
    assert_eq!(
        record.params["c"], "1",
        "what was logged before the run was reopened is kept"
    );
    assert_eq!(
        (&record.tags[FINGERPRINT_TAG], &record.tags["data-version"]),
        (&fingerprint(1), &"25.05.1".to_owned())
    );
    assert_eq!(record.model_name, Some(home.name.clone()));

    let parent = home
        .tracking
        .find_run(&home.name, &workflow_fingerprint("test"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.parent_run_id, Some(parent.run_id));
    assert_eq!(
        (parent.name.as_str(), parent.status, parent.model_name),
        ("test", Status::Finished, None)
    );
    assert_eq!(
        home.tracking
            .find_run(&home.name, &fingerprint(2))
            .await
            .unwrap(),
        None
    );
}

async fn a_run_is_closed_as_its_work_ends(home: Home) {
    let cases = [
        (Status::Finished, None),
        (
            Status::Failed,
            Some(Failure::Contract("null in target".into())),
        ),
        (Status::Killed, Some(Failure::Stopped)),
    ];
    for (i, (status, failure)) in cases.into_iter().enumerate() {
        let expected = failure.as_ref().map(Failure::exit_code);
        let result = home
            .tracking
            .in_run(&home.spec(i), async |_| match failure {
                None => Ok(()),
                Some(failure) => Err(anyhow::Error::from(failure).context("fitting")),
            })
            .await;
        assert_eq!(result.err().map(|error| exit_code(&error)), expected);
        for fingerprint in [fingerprint(i), workflow_fingerprint("test")] {
            let record = home
                .tracking
                .find_run(&home.name, &fingerprint)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(record.status, status);
            assert!(record.end_time.is_some());
        }
    }
}

async fn a_panic_closes_the_run_and_its_workflows(home: Home) {
    let spec = home.spec(1);
    let work = home
        .tracking
        .in_run(&spec, async |_| -> Result<()> { panic!("made up") });
    let panic = AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"made up"), "it goes on");
    assert_eq!(home.run(1).await.status, Status::Failed);
    let parent = home
        .tracking
        .find_run(&home.name, &workflow_fingerprint("test"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(parent.status, Status::Failed);
}

async fn the_same_fingerprint_is_one_version(home: Home) {
    for (i, version) in [(7, 1), (8, 2), (7, 1), (9, 3), (8, 2)] {
        let registered = home.register(i).await;
        assert_eq!(
            (registered.version, &registered.fingerprint),
            (version, &fingerprint(i))
        );
        assert_eq!(
            registered.model,
            format!("models/{}/{i}/_manifest.json", home.name)
        );
        assert_eq!(registered.description, homes::description(i));
        assert_eq!(
            home.tracking.version(&home.name, version).await.unwrap(),
            registered
        );
    }
    assert_eq!(home.tracking.versions(&home.name).await.unwrap().len(), 3);
    assert_eq!(
        home.tracking
            .versions(&"other".parse().unwrap())
            .await
            .unwrap(),
        []
    );
}

async fn those_who_register_the_same_at_once_get_one_version(home: Home) {
    let home = std::sync::Arc::new(home);
    let tasks: Vec<_> = (0..8)
        .map(|i| {
            let home = home.clone();
            // Every fingerprint comes twice.
            tokio::spawn(async move { home.register(i / 2).await })
        })
        .collect();
    let mut registered = Vec::new();
    for task in tasks {
        let version = task.await.unwrap();
        registered.push((version.fingerprint, version.version));
    }
    registered.sort();
    registered.dedup();
    assert_eq!(
        registered.len(),
        4,
        "each fingerprint has one version, and the other way round: {registered:?}"
    );
    let versions = home.tracking.versions(&home.name).await.unwrap();
    let mut known: Vec<_> = versions
        .into_iter()
        .map(|version| (version.fingerprint, version.version))
        .collect();
    known.sort();
    assert_eq!(known, registered);
}

async fn an_alias_moves_only_from_where_it_is_expected(home: Home) {
    for i in 1..=4 {
        home.register(i).await;
    }
    assert_eq!(
        home.tracking.alias(&home.name, CHAMPION).await.unwrap(),
        None
    );
    assert!(!home.set(1, Some(2)).await, "it points nowhere");
    assert!(home.set(1, None).await);
    assert!(!home.set(2, None).await);
    assert!(home.set(2, Some(1)).await);
    assert!(home.set(2, Some(2)).await, "it stays");
    assert!(
        !home.set(3, Some(1)).await,
        "a late comer has seen an older state"
    );
    assert_eq!(
        home.tracking.alias(&home.name, CHAMPION).await.unwrap(),
        Some(2)
    );
    assert!(home.set(3, Some(2)).await);
    assert_eq!(
        home.tracking.alias(&home.name, CHAMPION).await.unwrap(),
        Some(3)
    );
}

async fn a_version_that_held_an_alias_is_remembered(home: Home) {
    for i in 1..=3 {
        home.register(i).await;
    }
    let before = async || {
        home.tracking
            .alias_before(&home.name, CHAMPION)
            .await
            .unwrap()
    };
    let held = async |version| {
        home.tracking
            .ever_held(&home.name, CHAMPION, version)
            .await
            .unwrap()
    };
    assert_eq!(before().await, None);
    home.set(1, None).await;
    assert_eq!(before().await, None, "it pointed nowhere");
    home.set(2, Some(1)).await;
    assert_eq!(before().await, Some(1));
    home.set(1, Some(2)).await;
    assert_eq!(before().await, Some(2));
    assert_eq!(
        (held(1).await, held(2).await, held(3).await),
        (true, true, false)
    );
    assert!(
        !home
            .tracking
            .ever_held(&home.name, PREVIOUS_CHAMPION, 1)
            .await
            .unwrap(),
        "another alias"
    );
}

async fn who_held_an_alias_is_known_with_the_last_departure(home: Home) {
    for i in 1..=4 {
        home.register(i).await;
    }
    let held = async |alias: &str, days_ahead: i64, days: u32| {
        let end = chrono::Utc::now() + chrono::Duration::days(days_ahead);
        let holders = home
            .tracking
            .holders(&home.name, alias, end, days)
            .await
            .unwrap();
        let short = |holder: &Holder| {
            assert_eq!(holder.left.is_some(), holder.to.is_some());
            (holder.version, holder.to, holder.was_rolled_back())
        };
        holders.iter().map(short).collect::<Vec<_>>()
    };
    assert_eq!(held(CHAMPION, 0, 1).await, []);
    home.set(1, None).await;
    home.set(2, Some(1)).await;
    home.set(1, Some(2)).await;
    let rolled_back = [(1, None, false), (2, Some(1), true)];
    assert_eq!(held(CHAMPION, 0, 1).await, rolled_back);
    home.set(3, Some(1)).await;
    let forward = [(1, Some(3), false), (2, Some(1), true), (3, None, false)];
    assert_eq!(held(CHAMPION, 0, 1).await, forward);
    assert_eq!(held(PREVIOUS_CHAMPION, 0, 1).await, [], "another alias");
    // Ten days on, only the current one held it in the last day.
    assert_eq!(held(CHAMPION, 10, 1).await, [(3, None, false)]);
    assert_eq!(held(CHAMPION, 10, 11).await, forward);
}

async fn a_reference_is_resolved_or_refused_with_what_to_do(home: Home) {
    let name = &home.name;
    let refused = async |reference: &str| {
        let error = home.tracking.resolve(name, reference).await.unwrap_err();
        (exit_code(&error), error.to_string())
    };
    for reference in [CHAMPION, "1"] {
        let (code, text) = refused(reference).await;
        assert_eq!(code, 2, "{reference}: {text}");
        assert!(
            text.contains(&format!("no model {name} is registered; there are: ")),
            "{text}"
        );
    }
    for i in 1..=2 {
        home.register(i).await;
    }
    let resolved = home.tracking.resolve(name, "2").await.unwrap();
    assert_eq!(resolved.uri().to_string(), format!("models:/{name}/2"));
    for (reference, code, expected) in [
        (
            CHAMPION,
            11,
            "has no champion (versions: 1, 2): promote one with",
        ),
        ("3", 2, "has no version 3; there are: 1, 2"),
        ("staging", 2, "has no alias \"staging\""),
        ("latest", 2, "has no alias \"latest\""),
        ("../x", 2, "neither an alias nor a version number"),
        ("", 2, "neither an alias nor a version number"),
    ] {
        let (found, text) = refused(reference).await;
        assert_eq!(found, code, "{reference}: {text}");
        assert!(text.contains(expected), "{text}");
    }
    assert!(home.set(2, None).await);
    assert_eq!(
        home.tracking.resolve(name, CHAMPION).await.unwrap().version,
        2
    );
    let error = home
        .tracking
        .resolve(&"chrn".parse().unwrap(), "1")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no model chrn is registered; there are: "),
        "{error}"
    );
    assert!(
        home.tracking
            .models()
            .await
            .unwrap()
            .contains(&name.to_string())
    );
}
