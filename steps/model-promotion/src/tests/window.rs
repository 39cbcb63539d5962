//! The champions before the current one: small losses do not add up.

use catalog::layout;
use settings::{Auto, GateArgs};
use tracking::CHAMPION;

use super::home::{DATA, Data, FAIR, GOOD, Home, auc, decided, flags, gate};
use super::verdict;
use crate::Promote;
use crate::past_champion::Source;

/// The margin of these tests.
const MARGIN: f64 = 0.035;

fn with_margin(version: u64) -> Promote {
    Promote {
        gate: GateArgs {
            gate_floor: Auto::Said(0.1),
            gate_margin: MARGIN,
            ..gate()
        },
        ..flags(version)
    }
}

async fn promote(home: &Home, version: u64, gate: &Promote) -> (bool, String) {
    let gate = Promote {
        model_version: Some(version),
        ..gate.clone()
    };
    let outputs = home.promote_with(&home.step, &gate).await.unwrap();
    let (promoted, _, reason) = decided(&outputs);
    (promoted == "true", reason.to_owned())
}

/// Coefficients whose AUC falls by less than the margin each time, and by more than it in two.
fn downhill(steps: usize) -> Vec<[f64; 2]> {
    let mut found = vec![[1.0, 0.0]];
    let mut last = auc(found[0]);
    for share in (1..5_000).map(|i| f64::from(i) * 0.0002) {
        let coefficients = [1.0 - 2.0 * share, share];
        let now = auc(coefficients);
        if (0.55 * MARGIN..0.99 * MARGIN).contains(&(last - now)) && found.len() <= steps {
            found.push(coefficients);
            last = now;
        }
    }
    assert_eq!(found.len(), steps + 1, "data that fall so often");
    found
}

#[tokio::test]
async fn seventeen_trainings_each_a_little_worse_move_the_alias_at_most_once() {
    for (window, expected) in [(90, 1), (0, 17)] {
        let home = Home::new();
        let mut moved = 0;
        for (i, coefficients) in downhill(17).into_iter().enumerate() {
            let version = home.register(&DATA, coefficients).await;
            let gate = Promote {
                gate: GateArgs {
                    gate_window: window,
                    ..with_margin(version).gate
                },
                ..with_margin(version)
            };
            let (promoted, reason) = promote(&home, version, &gate).await;
            assert!(promoted || window > 0, "{reason}");
            moved += usize::from(promoted && i > 0);
            if i == 2 && window > 0 {
                assert!(!promoted);
                assert!(
                    reason.contains(
                        "of champion version 2 by more than the margin 0.035, but is worse"
                    ) && reason
                        .contains("of version 1, the best of the champions of the last 90 days"),
                    "{reason}"
                );
            }
        }
        assert_eq!(moved, expected, "window of {window} days");
    }
}

#[tokio::test]
async fn a_champion_before_is_measured_on_todays_holdout() {
    let home = Home::new();
    let gate = with_margin(1);
    let [best, middle, worst] = downhill(2)[..] else {
        panic!("three")
    };
    for coefficients in [best, middle] {
        let version = home.register(&DATA, coefficients).await;
        assert!(promote(&home, version, &gate).await.0);
    }
    // The same holdout again: what was recorded counts.
    let third = home.register(&DATA, worst).await;
    let outputs = home
        .promote_with(&home.step, &with_margin(third))
        .await
        .unwrap();
    let found = verdict(&home, &outputs).await;
    assert_eq!((found.promoted, found.past.len()), (false, 1));
    let past = &found.past[0];
    assert_eq!((past.version, past.source), (1, Some(Source::Recorded)));
    let recorded = past.value;

    // Another holdout: scored again, on the same rows here.
    let next = Data {
        version: "2",
        holdout: "train/9.parquet",
        ..DATA
    };
    let fourth = home.register(&next, worst).await;
    let outputs = home
        .promote_with(&home.step, &with_margin(fourth))
        .await
        .unwrap();
    let found = verdict(&home, &outputs).await;
    assert_eq!(found.past[0].source, Some(Source::Scored));
    assert_eq!((found.promoted, found.past[0].value), (false, recorded));
}

#[tokio::test]
async fn who_cannot_be_measured_fairly_is_passed_over_with_the_reason() {
    let home = Home::new();
    let gate = with_margin(1);
    let [best, middle, worst] = downhill(2)[..] else {
        panic!("three")
    };
    // The first champion was trained on the file that is the holdout later.
    let first = Data {
        holdout: "train/5.parquet",
        train: "train/7.parquet",
        ..DATA
    };
    let second = Data {
        version: "2",
        holdout: "train/6.parquet",
        ..DATA
    };
    let third = Data {
        version: "3",
        holdout: "train/7.parquet",
        ..DATA
    };
    let version = home.register(&first, best).await;
    assert!(promote(&home, version, &gate).await.0);
    let version = home.register(&second, middle).await;
    assert!(promote(&home, version, &gate).await.0);
    let version = home.register(&third, worst).await;
    let (promoted, reason) = promote(&home, version, &gate).await;
    assert!(promoted, "{reason}");
    assert!(
        reason.contains("days: version 1 (raw file train/7.parquet is in the training data"),
        "{reason}"
    );
}

#[tokio::test]
async fn what_is_gone_for_good_is_passed_over_with_the_reason() {
    for (what, expected) in [
        ("version", "version 1 (it is no longer registered)"),
        ("metrics", "version 1 (there is no models/churn/"),
        ("manifest", "version 1 (there is no model manifest"),
    ] {
        let home = Home::new();
        let gate = with_margin(1);
        let coefficients = downhill(2);
        for coefficients in &coefficients[..2] {
            let version = home.register(&DATA, *coefficients).await;
            assert!(promote(&home, version, &gate).await.0);
        }
        let first = home.tracking.version(&home.name, 1).await.unwrap();
        let key = match what {
            "version" => layout::version(&home.name, 1),
            "metrics" => first.model.replace("_manifest.json", layout::METRICS_FILE),
            _ => first.model,
        };
        home.store.delete(&key).await.unwrap();
        let third = home.register(&DATA, coefficients[2]).await;
        let (promoted, reason) = promote(&home, third, &gate).await;
        assert!(promoted, "{what}: {reason}");
        assert!(reason.contains(expected), "{what}: {reason}");
    }
}

#[tokio::test]
async fn a_champion_of_before_the_window_is_forgotten() {
    let home = Home::new();
    let gate = with_margin(1);
    let coefficients = downhill(2);
    for coefficients in &coefficients[..2] {
        let version = home.register(&DATA, *coefficients).await;
        assert!(promote(&home, version, &gate).await.0);
    }
    let third = home.register(&DATA, coefficients[2]).await;
    for (days, promoted) in [(89, false), (91, true)] {
        home.date_moves(CHAMPION, days).await;
        // Another gate, so that the verdict is a new one.
        let gate = Promote {
            gate: GateArgs {
                gate_floor: Auto::Said(0.1 + f64::from(days) * 1e-6),
                ..gate.gate.clone()
            },
            ..gate.clone()
        };
        assert_eq!(
            promote(&home, third, &gate).await.0,
            promoted,
            "{days} days ago"
        );
    }
}

pub(super) async fn a_version_that_was_rolled_back_is_no_standard(home: Home) {
    let first = home.register(&DATA, FAIR).await;
    home.promote(first).await.unwrap();
    let second = home.register(&DATA, GOOD).await;
    home.promote(second).await.unwrap();
    home.rollback(2).await.unwrap();
    // Better than the champion, and worse than the version that somebody took back.
    let third = home.register(&DATA, [1.0, 0.7]).await;
    let outputs = home.promote(third).await.unwrap();
    let (promoted, champion, reason) = decided(&outputs);
    assert_eq!((promoted, champion), ("true", "3"), "{reason}");
    assert!(
        reason.contains("days: version 2 (it was rolled back)"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_verdict_of_an_earlier_release_answers_a_rerun() {
    let home = Home::new();
    let version = home.register(&DATA, GOOD).await;
    let outputs = home.promote(version).await.unwrap();
    let key = outputs.get("verdict").unwrap();
    let mut old: serde_json::Value = home.store.require_json(key).await.unwrap();
    old["gate"].as_object_mut().unwrap().remove("window");
    home.store.put_json(key, &old).await.unwrap();
    assert_eq!(home.promote(version).await.unwrap(), outputs);
}
