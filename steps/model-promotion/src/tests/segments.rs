//! What holds for all rows of the holdout must hold for each segment of them.

use runtime::failure::exit_code;
use settings::{GateArgs, SegmentsArgs};
use table::categories::SegmentColumns;

use super::home::{DATA, Data, FAIR, GOOD, Home, ROWS, auc_where, decided, flags, gate, region};
use super::verdict;
use crate::Promote;
use crate::verdict::JudgedSegment;

const REGIONS: Data = Data {
    regions: true,
    ..DATA
};

/// Other features, of a champion.
const OTHER: Data = Data {
    version: "2",
    train: "train/2.parquet",
    sql: "SELECT *, signal * 2 AS twice FROM raw",
    ..DATA
};

const NAMES: [Option<&str>; 3] = [Some("north"), Some("south"), None];

/// The AUC of a model in each region.
fn by_region(coefficients: [f64; 2]) -> [f64; 3] {
    NAMES.map(|name| auc_where(coefficients, |row| region(row) == name))
}

fn asked(version: u64, floor: Option<f64>, margin: Option<f64>, rows: u64) -> Promote {
    Promote {
        gate: GateArgs {
            gate_segment_floor: floor,
            gate_segment_margin: margin,
            gate_segment_rows: rows,
            // All rows pass.
            gate_margin: 1.0,
            ..gate()
        },
        segments: SegmentsArgs {
            segment_columns: SegmentColumns::Named(vec!["region".to_owned()]),
        },
        ..flags(version)
    }
}

fn found<'a>(segments: &'a [JudgedSegment], name: Option<&str>) -> &'a JudgedSegment {
    let is_it = |of: &&JudgedSegment| of.value.as_deref() == name;
    segments.iter().find(is_it).unwrap()
}

fn near(ours: Option<f64>, theirs: f64) -> bool {
    ours.is_some_and(|ours| (ours - theirs).abs() < 1e-12)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_bad_in_a_segment_is_refused_with_the_segment() {
    let home = Home::new();
    let candidate = home.register(&REGIONS, FAIR).await;
    let values = by_region(FAIR);
    let worst = values.iter().copied().fold(1.0, f64::min);
    let above_worst = values.iter().filter(|value| **value < worst + 1e-6).count();
    assert_eq!(above_worst, 1, "one is the worst: {values:?}");

    let flags = asked(candidate, Some(worst + 1e-6), None, 10);
    let error = home.promote_with(&home.step, &flags).await.unwrap_err();
    assert_eq!(exit_code(&error), 11, "no champion is left");
    let text = error.to_string();
    let named = format!("roc_auc {worst:.5} where region is ");
    assert!(
        text.contains(&named) && text.contains("is below the floor"),
        "{text}"
    );
    // Of so few rows nothing is said.
    let flags = asked(candidate, Some(0.99), None, 100);
    let outputs = home.promote_with(&home.step, &flags).await.unwrap();
    let (promoted, _, reason) = decided(&outputs);
    assert_eq!(promoted, "true", "{reason}");
    assert!(reason.contains("3 segments have too few rows"), "{reason}");
    let judged = verdict(&home, &outputs).await.segments;
    for (name, value) in NAMES.into_iter().zip(values) {
        let of = found(&judged, name);
        assert!(near(of.candidate, value), "{of:?}, not {value}");
        assert_eq!(
            of.rows,
            (0..ROWS).filter(|row| region(*row) == name).count() as u64
        );
        assert_eq!((of.refuses, of.champion), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_may_be_worse_than_the_champion_in_no_segment() {
    for of_champion in [&REGIONS, &OTHER] {
        let home = Home::new();
        let champion = home.register(of_champion, GOOD).await;
        home.promote(champion).await.unwrap();
        let candidate = home.register(&REGIONS, FAIR).await;
        if of_champion.version != REGIONS.version {
            // Its own features have no regions: those of the candidate's holdout count.
            home.prepare(&REGIONS, of_champion, Ok(ROWS)).await;
        }
        let [ours, theirs] = [FAIR, GOOD].map(by_region);
        let behind = ours.iter().zip(theirs).map(|(ours, theirs)| theirs - ours);
        let most = behind.fold(0.0, f64::max);
        for (margin, promoted) in [(most - 1e-6, "false"), (most + 1e-6, "true")] {
            let flags = asked(candidate, None, Some(margin), 10);
            let outputs = home.promote_with(&home.step, &flags).await.unwrap();
            let (found_promoted, _, reason) = decided(&outputs);
            assert_eq!(found_promoted, promoted, "{reason}");
            assert_eq!(
                reason.contains("of version 1 by more than"),
                promoted == "false"
            );
            let judged = verdict(&home, &outputs).await.segments;
            for (at, name) in NAMES.into_iter().enumerate() {
                let of = found(&judged, name);
                assert!(
                    near(of.candidate, ours[at]) && near(of.champion, theirs[at]),
                    "{of:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn segments_that_are_asked_for_and_not_there_are_named() {
    let home = Home::new();
    let candidate = home.register(&DATA, GOOD).await;
    let error = home
        .promote_with(&home.step, &asked(candidate, Some(0.5), None, 10))
        .await
        .unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(error.to_string().contains("SEGMENT_COLUMNS"), "{error}");
    let none = Promote {
        segments: SegmentsArgs {
            segment_columns: SegmentColumns::Nothing,
        },
        ..asked(candidate, Some(0.5), None, 10)
    };
    let error = home.promote_with(&home.step, &none).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(error.to_string().contains("GATE_SEGMENT_FLOOR"), "{error}");
    // Without a rule nobody asks for columns.
    let flags = asked(candidate, None, None, 10);
    let outputs = home.promote_with(&home.step, &flags).await.unwrap();
    let found = verdict(&home, &outputs).await;
    assert!(found.gate.segments.is_none() && found.segments.is_empty());
}
