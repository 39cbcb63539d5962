mod configurations;
mod data;
mod golden;
mod home;
mod moves;
mod preparation;
mod segments;
mod window;

use runtime::failure::exit_code;
use tracking::PREVIOUS_CHAMPION;

use home::{DATA, Data, FAIR, GOOD, Home, USELESS, decided, flags, name};

use crate::verdict::{Comparison, Verdict};
use settings::{Auto, GateArgs, GateCompare, GateMode};

use self::home::gate;
use crate::Promote;
use learn::task::Metric;

async fn verdict(home: &Home, outputs: &runtime::step::Outputs) -> Verdict {
    home.store
        .require_json(outputs.get("verdict").unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_first_champion_needs_the_floor_and_the_next_one_the_margin() {
    let home = Home::new();
    let first = home.register(&DATA, FAIR).await;
    let outputs = home.promote(first).await.unwrap();
    let (promoted, champion, reason) = decided(&outputs);
    assert_eq!((promoted, champion), ("true", "1"));
    assert!(
        reason.contains("reaches the floor 0.6, and there was no champion"),
        "{reason}"
    );
    assert_eq!(home.alias(PREVIOUS_CHAMPION).await, None);

    let better = home.register(&DATA, GOOD).await;
    let outputs = home.promote(better).await.unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
    assert_eq!(
        (home.champion().await, home.alias(PREVIOUS_CHAMPION).await),
        (Some(2), Some(1))
    );
    let found = verdict(&home, &outputs).await;
    assert_eq!(
        (found.comparison, found.promoted),
        (Comparison::SameHoldout, true)
    );
    let of = |side: &crate::verdict::Side| side.report.as_ref().unwrap().number("roc_auc").unwrap();
    assert!(
        of(&found.candidate) > of(found.champion.as_ref().unwrap()) + 0.05,
        "{found:?}"
    );
    let difference = found.difference.unwrap();
    let apart = of(&found.candidate) - of(found.champion.as_ref().unwrap());
    assert!((difference.value - apart).abs() < 1e-12, "{difference:?}");
    assert!(difference.standard_error > 0.0);
    assert!(found.reason.contains("95 % interval"), "{}", found.reason);
    assert_eq!(found.candidate.report.unwrap().rows(), 200);

    let worse = home.register(&DATA, [1.0, 0.9]).await;
    let outputs = home.promote(worse).await.unwrap();
    let (promoted, champion, reason) = decided(&outputs);
    assert_eq!((promoted, champion), ("false", "2"));
    assert!(
        reason.contains("is worse than") && reason.contains("of champion version 2"),
        "{reason}"
    );
    assert_eq!(home.champion().await, Some(2));
}

#[tokio::test]
async fn by_the_interval_a_candidate_that_may_be_worse_is_refused() {
    let home = Home::new();
    home.promote(home.register(&DATA, GOOD).await)
        .await
        .unwrap();
    // A little worse: by less than the margin, and not surely so.
    let close = home.register(&DATA, [1.0, 0.1]).await;
    let by = |gate_compare| Promote {
        gate: GateArgs {
            gate_compare,
            ..gate()
        },
        ..flags(close)
    };
    let outputs = home
        .promote_with(&home.step, &by(GateCompare::Interval))
        .await
        .unwrap();
    let (promoted, _, reason) = decided(&outputs);
    assert_eq!(promoted, "false", "{reason}");
    assert!(reason.contains("may be worse than"), "{reason}");
    let other = home.step.in_workflow("other");
    let outputs = home
        .promote_with(&other, &by(GateCompare::Estimate))
        .await
        .unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
}

#[tokio::test]
async fn a_hard_gate_fails_and_a_soft_one_goes_on() {
    let home = Home::new();
    home.promote(home.register(&DATA, GOOD).await)
        .await
        .unwrap();
    let worse = home.register(&DATA, FAIR).await;
    let error = home
        .promote_with(
            &home.step,
            &Promote {
                gate: GateArgs {
                    gate: GateMode::Hard,
                    ..gate()
                },
                ..flags(worse)
            },
        )
        .await
        .unwrap_err();
    assert_eq!(exit_code(&error), 11);
    assert!(
        error.to_string().contains("version 1 stays champion"),
        "{error}"
    );
    assert!(
        error.to_string().contains("verdict-"),
        "it says where the verdict is: {error}"
    );
    let outputs = home.promote(worse).await.unwrap();
    assert_eq!(decided(&outputs).0, "false");
    // The candidate that is champion already is no refusal, for a hard gate either.
    let again = Promote {
        gate: GateArgs {
            gate: GateMode::Hard,
            ..gate()
        },
        ..flags(1)
    };
    home.promote_with(&home.step.in_workflow("other"), &again)
        .await
        .unwrap();
}

#[tokio::test]
async fn without_any_champion_a_refusal_is_exit_11() {
    let home = Home::new();
    let useless = home.register(&DATA, USELESS).await;
    for _ in 0..2 {
        let error = home.promote(useless).await.unwrap_err();
        assert_eq!(exit_code(&error), 11, "also for a soft gate");
        let text = error.to_string();
        assert!(
            text.contains("is below the floor 0.6") && text.contains("there is no champion"),
            "{text}"
        );
    }
    assert_eq!(home.champion().await, None);
    // A lower gate is another question.
    let lower = Promote {
        gate: GateArgs {
            gate_floor: Auto::Said(0.1),
            ..gate()
        },
        ..flags(useless)
    };
    assert_eq!(
        decided(&home.promote_with(&home.step, &lower).await.unwrap()).0,
        "true"
    );
}

#[tokio::test]
async fn a_metric_where_lower_is_better_is_compared_that_way() {
    let home = Home::new();
    let lower = |version| Promote {
        gate: GateArgs {
            gate_metric: Auto::Said(Metric::named("log_loss").unwrap()),
            gate_floor: Auto::Said(0.7),
            ..gate()
        },
        ..flags(version)
    };
    let first = home.register(&DATA, GOOD).await;
    home.promote_with(&home.step, &lower(first)).await.unwrap();
    // Sharper is better here: the labels follow the signal closely.
    let sharper = home.register(&DATA, [6.0, 0.0]).await;
    let outputs = home
        .promote_with(&home.step, &lower(sharper))
        .await
        .unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
    let wrong = home.register(&DATA, [-6.0, 0.0]).await;
    let outputs = home.promote_with(&home.step, &lower(wrong)).await.unwrap();
    assert!(
        decided(&outputs).2.contains("is above the floor 0.7"),
        "{outputs:?}"
    );
}

#[tokio::test]
async fn a_champion_of_another_data_version_is_scored_on_the_candidates_holdout() {
    let home = Home::new();
    home.promote(home.register(&DATA, FAIR).await)
        .await
        .unwrap();
    // The first file stays the holdout, and a new one comes to the training data.
    let second = Data {
        version: "2",
        train: "train/2.parquet",
        ..DATA
    };
    let outputs = home
        .promote(home.register(&second, GOOD).await)
        .await
        .unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
    assert_eq!(
        verdict(&home, &outputs).await.holdout,
        "holdout/2/_manifest.json"
    );
}

#[tokio::test]
async fn a_champion_that_saw_the_holdout_is_not_comparable() {
    for (holdout, rule, comparable) in [
        // The champion was trained on this file.
        ("train/1.parquet", "first-shard", false),
        // A rule on rows keeps them apart within one file.
        ("train/1.parquet", "fraction=0.1", true),
    ] {
        let home = Home::new();
        home.promote(home.register(&Data { rule, ..DATA }, FAIR).await)
            .await
            .unwrap();
        let second = Data {
            version: "2",
            holdout,
            train: "train/2.parquet",
            rule,
            ..DATA
        };
        let candidate = home.register(&second, GOOD).await;
        let outputs = home.promote(candidate).await.unwrap();
        assert_eq!(decided(&outputs).0, comparable.to_string(), "{outputs:?}");
        if !comparable {
            let found = verdict(&home, &outputs).await;
            assert_eq!(found.comparison, Comparison::NotComparable);
            assert!(
                found.reason.contains("raw file train/1.parquet"),
                "{}",
                found.reason
            );
            let hard = Promote {
                gate: GateArgs {
                    gate: GateMode::Hard,
                    ..gate()
                },
                ..flags(candidate)
            };
            assert_eq!(
                exit_code(&home.promote_with(&home.step, &hard).await.unwrap_err()),
                11
            );
        }
    }
}

#[tokio::test]
async fn files_that_are_not_as_they_were_written_refuse_the_promotion() {
    let home = Home::new();
    let version = home.register(&DATA, GOOD).await;
    let model = home
        .tracking
        .version(&name(), version)
        .await
        .unwrap()
        .model
        .replace("_manifest", "model");
    let bytes = home.store.require(&model).await.unwrap();
    home.store
        .put(
            &model,
            String::from_utf8(bytes.clone())
                .unwrap()
                .replace("0.5", "0.6")
                .into_bytes(),
        )
        .await
        .unwrap();
    let error = home.promote(version).await.unwrap_err();
    assert_eq!(exit_code(&error), 11);
    assert!(
        error
            .to_string()
            .contains("its digest differs from the manifest's"),
        "{error}"
    );
    std::fs::remove_file(home.store.local_path(&model).unwrap()).unwrap();
    let error = home.promote(version).await.unwrap_err();
    assert!(
        error.to_string().contains("there is no models/churn/"),
        "{error}"
    );
    // Restored, it is judged on its merits.
    home.store.put(&model, bytes).await.unwrap();
    assert_eq!(decided(&home.promote(version).await.unwrap()).0, "true");
}

#[tokio::test]
async fn a_holdout_of_one_class_cannot_show_an_auc() {
    let home = Home::new();
    let version = home
        .register(
            &Data {
                both_classes: false,
                ..DATA
            },
            GOOD,
        )
        .await;
    let error = home.promote(version).await.unwrap_err();
    assert_eq!(exit_code(&error), 11);
    assert!(
        error
            .to_string()
            .contains("roc_auc of the candidate is undefined"),
        "{error}"
    );
}

#[tokio::test]
async fn unknown_models_and_versions_are_refused_with_those_that_are_known() {
    let home = Home::new();
    let error = home.promote(1).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(
        error.to_string().contains("no model churn is registered"),
        "{error}"
    );
    home.register(&DATA, GOOD).await;
    let error = home.promote(7).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(
        error.to_string().contains("has no version 7; there are: 1"),
        "{error}"
    );
}

#[test]
fn flags_are_checked_by_name() {
    let parse = |extra: &[&str]| {
        let line = ["model-promotion", "promote", "--model-name=churn"];
        crate::command()
            .try_get_matches_from(line.iter().chain(extra))
            .map(drop)
            .map_err(|error| error.to_string())
    };
    for valid in [
        &["--model-version=2"][..],
        &["--model-version=2", "--planned-champion=1"],
        &["--model-version=2", "--planned-champion=none"],
        // As the last release took it.
        &["--model-version=2", "--raw-url=raw"],
    ] {
        assert!(parse(valid).is_ok(), "{valid:?}");
    }
    assert!(parse(&["--rollback", "--expect=2"]).is_ok());
    for (extra, expected) in [
        (&[][..], "--model-version <MODEL_VERSION>"),
        (&["--rollback"], "--expect <EXPECT>"),
        (&["--model-version=2", "--expect=2"], "cannot be used with"),
        (&["--expect=2"], "--model-version <MODEL_VERSION>"),
        (
            &["--model-version=2", "--rollback", "--expect=2"],
            "cannot be used with",
        ),
        (&["--model-version=new"], "invalid digit"),
        (
            &["--model-version=2", "--planned-champion=new"],
            "is not a version: give a number, or none",
        ),
        (&["--model-version=2", "--gate=maybe"], "soft, hard"),
        (&["--model-version=2", "--gate-metric=auc"], "roc_auc"),
        (&["--model-version=2", "--gate-floor=NaN"], "give a number"),
        (
            &["--model-version=2", "--gate-margin=-0.1"],
            "give a number that is not negative",
        ),
    ] {
        let error = parse(extra).expect_err(&format!("{extra:?}"));
        assert!(error.contains(expected), "{extra:?}: {error}");
    }
}
