//! What moves an alias, and what moves nothing.

use runtime::failure::exit_code;
use testing::{Fault, HttpProxy, Rule, mlflow};
use tracking::{CHAMPION, PREVIOUS_CHAMPION};

use super::home::{DATA, FAIR, GOOD, Home, decided, flags, name};
use super::verdict;
use super::window::a_version_that_was_rolled_back_is_no_standard;
use crate::Promote;
use crate::verdict::Comparison;

/// A test with models in the store, and once more with models in MLflow.
macro_rules! in_both_homes {
    ($($test:ident)*) => {
        mod in_the_store {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Home::new()).await;
            })*
        }
        mod in_mlflow {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Home::in_mlflow(testing::mlflow().uri())).await;
            })*
        }
    };
}

in_both_homes! {
    a_rerun_gives_the_same_outputs_and_moves_nothing
    another_workflow_finds_the_champion_in_place
    an_old_workflow_that_is_tried_again_moves_nothing
    a_rollback_goes_back_once_and_only_from_the_expected_version
    a_rollback_to_a_damaged_model_is_refused
    a_rollback_without_any_champion_is_exit_11
    a_promotion_that_was_killed_between_its_moves_can_still_be_rolled_back
    a_version_that_was_rolled_back_is_no_standard
}

/// A home where version 1 was champion, and what its promotion gave; version 2 is better.
async fn champion_and_candidate(home: Home) -> (Home, runtime::step::Outputs) {
    let first = home.register(&DATA, FAIR).await;
    let outputs = home.promote(first).await.unwrap();
    home.register(&DATA, GOOD).await;
    (home, outputs)
}

async fn a_rerun_gives_the_same_outputs_and_moves_nothing(home: Home) {
    let (home, first) = champion_and_candidate(home).await;
    assert_eq!(home.promote(1).await.unwrap(), first);
    let second = home.promote(2).await.unwrap();
    let objects = home.objects().await;
    assert_eq!(home.promote(2).await.unwrap(), second);
    assert_eq!(home.objects().await, objects);
}

async fn another_workflow_finds_the_champion_in_place(home: Home) {
    let (home, _) = champion_and_candidate(home).await;
    home.promote(2).await.unwrap();
    let other = home.step.in_workflow("alameda-pipeline-x2");
    for _ in 0..2 {
        let outputs = home.promote_with(&other, &flags(2)).await.unwrap();
        assert_eq!(
            decided(&outputs),
            ("false", "2", "version 2 is champion already")
        );
        assert_eq!(
            verdict(&home, &outputs).await.comparison,
            Comparison::ChampionAlready
        );
    }
    assert_eq!(home.alias(PREVIOUS_CHAMPION).await, Some(1));
}

async fn an_old_workflow_that_is_tried_again_moves_nothing(home: Home) {
    let (home, _) = champion_and_candidate(home).await;
    home.promote(2).await.unwrap();
    let outputs = home.promote(1).await.unwrap();
    assert_eq!(
        decided(&outputs),
        (
            "false",
            "2",
            "version 1 was registered before champion version 2"
        )
    );
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(2), Some(1))
    );

    // After a rollback the workflow that promoted version 2 is tried again.
    home.rollback(2).await.unwrap();
    let outputs = home.promote(2).await.unwrap();
    let (promoted, champion, reason) = decided(&outputs);
    assert_eq!((promoted, champion), ("false", "1"));
    assert!(
        reason.contains("version 2 was champion before and was rolled back"),
        "{reason}"
    );
    assert_eq!(home.champion().await, Some(1));
}

#[tokio::test]
async fn a_step_that_died_between_the_moves_is_finished_by_the_next_attempt() {
    let (home, _) = champion_and_candidate(Home::new()).await;
    // Dead after the verdict and the first move.
    let finished = home.promote(2).await.unwrap();
    for object in home
        .store
        .list(&catalog::layout::alias(&name(), CHAMPION))
        .await
        .unwrap()
    {
        if object.key.ends_with("000002.json") {
            std::fs::remove_file(home.store.local_path(&object.key).unwrap()).unwrap();
        }
    }
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(1), Some(1))
    );
    assert_eq!(home.promote(2).await.unwrap(), finished);
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(2), Some(1))
    );
}

#[tokio::test]
async fn who_moves_the_champion_by_the_verdict_of_another_workflow_knows_it_after_a_kill() {
    let (home, _) = champion_and_candidate(Home::new()).await;
    // The first workflow dies after its verdict, before any move.
    home.promote(2).await.unwrap();
    for alias in [CHAMPION, PREVIOUS_CHAMPION] {
        let moves = home
            .store
            .list(&catalog::layout::alias(&name(), alias))
            .await
            .unwrap();
        let last = &moves.last().unwrap().key;
        std::fs::remove_file(home.store.local_path(last).unwrap()).unwrap();
    }
    assert_eq!(home.champion().await, Some(1));
    // The second one moves the champion, dies before it tells so, and is tried again.
    let second = home.step.in_workflow("second");
    let moved = home.promote_with(&second, &flags(2)).await.unwrap();
    assert_eq!((decided(&moved).0, decided(&moved).1), ("true", "2"));
    assert_eq!(home.promote_with(&second, &flags(2)).await.unwrap(), moved);
    // A third one moved nothing, and says so.
    let third = home
        .promote_with(&home.step.in_workflow("third"), &flags(2))
        .await
        .unwrap();
    assert_eq!(decided(&third).0, "false");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mlflow_too_a_step_that_died_between_the_moves_is_finished_by_the_next_attempt() {
    let proxy = HttpProxy::start(mlflow().port()).unwrap();
    let (home, _) = champion_and_candidate(Home::in_mlflow(proxy.url())).await;
    // The alias is set for the first move, and never for the second.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let second = move |method: &str, path: &str| {
        let is_move = method == "POST" && path.ends_with("registered-models/alias");
        is_move && calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0
    };
    proxy.set([Rule::always(Fault::Status(503, String::new())).when(second)]);
    assert_eq!(exit_code(&home.promote(2).await.unwrap_err()), 75);
    proxy.set([]);
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(1), Some(1))
    );
    let outputs = home.promote(2).await.unwrap();
    assert_eq!((decided(&outputs).0, decided(&outputs).1), ("true", "2"));
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(2), Some(1))
    );
}

#[tokio::test]
async fn a_refused_candidate_is_judged_once() {
    let home = Home::new();
    home.promote(home.register(&DATA, GOOD).await)
        .await
        .unwrap();
    let worse = home.register(&DATA, FAIR).await;
    let first = home.promote(worse).await.unwrap();
    let objects = home.objects().await;
    // Without its holdout's part it could not be scored again.
    let part = objects
        .iter()
        .find(|object| object.key.starts_with("holdout/1/part-"))
        .unwrap();
    std::fs::remove_file(home.store.local_path(&part.key).unwrap()).unwrap();
    assert_eq!(
        home.promote_with(&home.step.in_workflow("other"), &flags(worse))
            .await
            .unwrap(),
        first
    );
    // Another gate is another question.
    let error = home
        .promote_with(
            &home.step,
            &Promote {
                gate: settings::GateArgs {
                    gate_margin: 0.4,
                    ..super::home::gate()
                },
                ..flags(worse)
            },
        )
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains(&part.key), "{error:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_candidates_that_are_promoted_at_once_the_newest_ends_as_champion() {
    let (home, _) = champion_and_candidate(Home::new()).await;
    let home = std::sync::Arc::new(home);
    let mut versions = vec![2];
    for sharpness in [2.0, 3.0, 4.0, 5.0] {
        versions.push(home.register(&DATA, [sharpness, 0.0]).await);
    }
    let tasks: Vec<_> = versions
        .iter()
        .map(|&version| {
            let home = home.clone();
            tokio::spawn(async move { home.promote(version).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // All rank alike, so that each one may follow any that is older.
    assert_eq!(home.champion().await, Some(6));
    let moves = home
        .store
        .list(&catalog::layout::alias(&name(), CHAMPION))
        .await
        .unwrap();
    let mut held = Vec::new();
    for object in &moves {
        let found: serde_json::Value = home.store.require_json(&object.key).await.unwrap();
        held.push(found["version"].as_u64().unwrap());
    }
    assert!(held.is_sorted(), "the champion never went back: {held:?}");
    assert_eq!(
        home.alias(PREVIOUS_CHAMPION).await,
        held.iter().rev().nth(1).copied()
    );
}

async fn a_rollback_goes_back_once_and_only_from_the_expected_version(home: Home) {
    let (home, _) = champion_and_candidate(home).await;
    let refused = async |expect| {
        let error = home.rollback(expect).await.unwrap_err();
        (exit_code(&error), error.to_string())
    };
    let (code, text) = refused(1).await;
    assert_eq!(code, 2);
    assert!(text.contains("no champion before version 1"), "{text}");

    home.promote(2).await.unwrap();
    let (code, text) = refused(1).await;
    assert_eq!(code, 2);
    let expected = format!(
        "version 2 is champion of {}, not version 1: nothing was moved",
        home.name
    );
    assert!(text.contains(&expected), "{text}");
    assert_eq!(home.champion().await, Some(2));

    let outputs = home.rollback(2).await.unwrap();
    assert_eq!(
        decided(&outputs),
        ("false", "1", "rolled back from version 2 to version 1")
    );
    assert_eq!(home.champion().await, Some(1));
    let (code, text) = refused(2).await;
    assert_eq!(code, 2);
    assert!(
        text.contains("if it was rolled back already, there is nothing to do"),
        "{text}"
    );
    assert_eq!(home.champion().await, Some(1));

    // Undone by another one.
    home.rollback(1).await.unwrap();
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(2), Some(1))
    );
}

async fn a_rollback_to_a_damaged_model_is_refused(home: Home) {
    let (home, _) = champion_and_candidate(home).await;
    home.promote(2).await.unwrap();
    let model = home
        .tracking
        .version(&home.name, 1)
        .await
        .unwrap()
        .model
        .replace("_manifest", "model");
    std::fs::remove_file(home.store.local_path(&model).unwrap()).unwrap();
    let error = home.rollback(2).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(error.to_string().contains(&model), "{error}");
    assert_eq!(home.champion().await, Some(2));
}

async fn a_rollback_without_any_champion_is_exit_11(home: Home) {
    assert_eq!(
        exit_code(&home.rollback(1).await.unwrap_err()),
        2,
        "the model is unknown"
    );
    home.register(&DATA, GOOD).await;
    assert_eq!(exit_code(&home.rollback(1).await.unwrap_err()), 11);
}

async fn a_promotion_that_was_killed_between_its_moves_can_still_be_rolled_back(home: Home) {
    let (home, _) = champion_and_candidate(home).await;
    home.promote(2).await.unwrap();
    let (champion, previous) = (
        home.champion().await.unwrap(),
        home.alias(PREVIOUS_CHAMPION).await.unwrap(),
    );
    // The next promotion put `previous-champion` and died before it moved `champion`.
    assert!(
        home.tracking
            .set_alias(&home.name, PREVIOUS_CHAMPION, champion, Some(previous))
            .await
            .unwrap()
    );
    home.rollback(champion).await.unwrap();
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(previous), Some(champion))
    );
}
