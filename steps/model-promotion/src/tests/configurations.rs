//! A champion whose features are not those of the candidate.

use super::home::{DATA, Data, FAIR, GOOD, Home, flags, told};
use super::verdict;
use crate::verdict::{Comparison, Side};
use learn::metrics::Metric;
use settings::GateArgs;

/// Version 2 of the data has other features.
pub(super) const OTHER: Data = Data {
    version: "2",
    train: "train/2.parquet",
    sql: "SELECT *, signal * 2 AS twice FROM raw",
    ..DATA
};

fn auc(side: &Side) -> f64 {
    Metric::RocAuc.of(side.report.as_ref().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_is_scored_by_its_own_configuration_from_the_raw_files() {
    let home = Home::new();
    let first = home
        .promote(home.register(&DATA, FAIR).await)
        .await
        .unwrap();
    let alone = verdict(&home, &first).await.candidate;
    let candidate = home.register(&OTHER, GOOD).await;
    let outputs = home
        .promote_with(&home.step, &home.flags_with_raw(candidate))
        .await
        .unwrap();
    assert_eq!(told(&outputs).0, "true", "{outputs:?}");
    let found = verdict(&home, &outputs).await;
    assert_eq!(found.comparison, Comparison::SameHoldout);
    // The holdout is the same raw file in both versions.
    assert_eq!(found.champion.unwrap().report, alone.report);
    assert!(auc(&found.candidate) > auc(&alone));
    assert_eq!(
        home.promote_with(&home.step, &home.flags_with_raw(candidate))
            .await
            .unwrap(),
        outputs
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_fair_raw_files_a_champion_is_not_comparable() {
    let sql = OTHER.sql;
    for (what, expected) in [
        (
            "changed",
            "raw file train/0.parquet was changed since the holdout was prepared",
        ),
        (
            "fewer rows",
            "its own configuration makes 100 rows of the holdout",
        ),
        ("contract", "signal"),
    ] {
        let home = Home::new();
        let champion = match what {
            "fewer rows" => Data {
                filter: Some("signal < 0"),
                ..DATA
            },
            "contract" => Data {
                max_signal: Some(0.1),
                ..DATA
            },
            _ => DATA,
        };
        // A filter leaves one class for the AUC; here accuracy is enough.
        let gate = |flags| crate::Promote {
            gate: GateArgs {
                gate_metric: Metric::Accuracy,
                gate_floor: 0.1,
                ..super::home::gate()
            },
            ..flags
        };
        let first = home.register(&champion, FAIR).await;
        home.promote_with(&home.step, &gate(flags(first)))
            .await
            .unwrap();
        let candidate = home.register(&Data { sql, ..OTHER }, GOOD).await;
        let flags = gate(home.flags_with_raw(candidate));
        let file = home.raw.local_path("train/0.parquet").unwrap();
        if what == "changed" {
            std::fs::copy(home.raw.local_path("train/2.parquet").unwrap(), file).unwrap();
        }
        let outputs = home.promote_with(&home.step, &flags).await.unwrap();
        let (promoted, champion, reason) = told(&outputs);
        assert_eq!((promoted, champion), ("false", "1"), "{what}: {reason}");
        assert!(
            reason.contains("champion version 1 of churn can't be compared: "),
            "{what}: {reason}"
        );
        assert!(reason.contains(expected), "{what}: {reason}");
        assert_eq!(
            verdict(&home, &outputs).await.comparison,
            Comparison::NotComparable,
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_on_rows_holds_for_two_configurations_with_the_same_ids() {
    let home = Home::new();
    // Both sides come from the same raw file.
    let rule = "fraction=0.999999999";
    let first = Data {
        rule,
        holdout: "train/0.parquet",
        train: "train/0.parquet",
        ..DATA
    };
    home.promote(home.register(&first, FAIR).await)
        .await
        .unwrap();
    let second = Data {
        version: "2",
        sql: OTHER.sql,
        ..first
    };
    let candidate = home.register(&second, GOOD).await;
    let outputs = home
        .promote_with(&home.step, &home.flags_with_raw(candidate))
        .await
        .unwrap();
    assert_eq!(told(&outputs).0, "true", "{outputs:?}");
}

#[tokio::test]
async fn a_champion_whose_training_data_was_prepared_anew_is_not_comparable() {
    let home = Home::new();
    let first = home.register(&DATA, GOOD).await;
    home.promote(first).await.unwrap();
    // The same data version, with the file that the champion was trained on as the holdout.
    let anew = Data {
        holdout: "train/1.parquet",
        train: "train/2.parquet",
        ..DATA
    };
    let second = home.register(&anew, FAIR).await;
    let outputs = home.promote(second).await.unwrap();
    assert_eq!(outputs.get("promoted"), Some("false"));
    let reason = outputs.get("reason").unwrap();
    assert!(
        reason.contains("train/1/_manifest.json was prepared anew since version 1"),
        "{reason}"
    );
}
