//! What holds for all rows of the holdout must hold for each segment of them.

use std::sync::Arc;

use learn::metrics::Interval;
use runtime::failure::exit_code;
use settings::{GateArgs, SegmentsArgs};
use table::categories::SegmentColumns;
use table::dataset::keys::Keys;

use super::data::ids;
use super::home::{
    DATA, Data, FAIR, GOOD, Home, ROWS, auc_difference, auc_where, decided, flags, gate, region,
};
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

/// Quantiles of Student's distribution: scipy.stats.t.ppf(0.975, range(24, 32)).
const STUDENT: [f64; 8] = [
    2.0638985616280245,
    2.0595385527532972,
    2.0555294386428735,
    2.0518305164802846,
    2.0484071417952454,
    2.045229642132703,
    2.0422724563012378,
    2.039513446396408,
];

/// The 95 % interval of the AUC of a model in a region, or of that of one less that of another, by
/// leaving out every group of rows by the hash of their ids, and no farther than an AUC from 0 to 1
/// can be or can differ: computed without the code of the step.
fn interval(models: &[[f64; 2]], name: Option<&str>) -> [f64; 2] {
    let ids = ids(REGIONS.holdout);
    let keys = Keys::new(&[Arc::new(ids)]).unwrap();
    let hashes = keys.into_hashes();
    let groups: Vec<u64> = hashes.map(|hash| hash as u64 % 32).collect();
    let value = |without: Option<u64>| {
        let holds = |row: usize| region(row) == name && Some(groups[row]) != without;
        let auc = |of: [f64; 2]| auc_where(of, holds);
        auc(models[0]) - models.get(1).map_or(0.0, |theirs| auc(*theirs))
    };
    let there = |group: &u64| (0..ROWS).any(|row| region(row) == name && groups[row] == *group);
    let without = (0..32).filter(there).map(|group| value(Some(group)));
    let without: Vec<f64> = without.collect();
    let n = without.len() as f64;
    let mean = without.iter().sum::<f64>() / n;
    let squares: f64 = without.iter().map(|of| (of - mean).powi(2)).sum();
    let half = STUDENT[without.len() - 25] * ((n - 1.0) / n * squares).sqrt();
    let least = if models.len() == 1 { 0.0 } else { -1.0 };
    [
        (value(None) - half).max(least),
        (value(None) + half).min(1.0),
    ]
}

fn is_interval(found: Option<Interval>, [low, high]: [f64; 2]) -> bool {
    let close = |of: Interval| (of.low - low).abs() < 1e-12 && (of.high - high).abs() < 1e-12;
    found.is_some_and(close)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_bad_in_a_segment_is_refused_with_the_segment() {
    let home = Home::new();
    let candidate = home.register(&REGIONS, FAIR).await;
    let values = by_region(FAIR);
    let ends = NAMES.map(|name| interval(&[FAIR], name)[1]);
    let end = ends.into_iter().fold(1.0, f64::min);
    let worst = ends.iter().position(|of| *of == end).unwrap();
    assert!(end > values[worst] + 0.01, "{ends:?} of {values:?}");

    // A floor that no interval misses as a whole, though values do.
    let other = Home::new();
    other.register(&REGIONS, FAIR).await;
    let flags = asked(candidate, Some(end - 1e-6), None, 10);
    let outputs = other.promote_with(&other.step, &flags).await.unwrap();
    let (promoted, _, reason) = decided(&outputs);
    assert_eq!(promoted, "true", "{reason}");
    let judged = verdict(&other, &outputs).await.segments;
    let reason = &found(&judged, NAMES[worst]).reason;
    assert!(
        reason.contains("but its 95 % interval reaches it"),
        "{reason}"
    );

    let flags = asked(candidate, Some(end + 1e-6), None, 10);
    let error = home.promote_with(&home.step, &flags).await.unwrap_err();
    assert_eq!(exit_code(&error), 11, "no champion is left");
    let text = error.to_string();
    let named = format!("roc_auc {:.5} where region is ", values[worst]);
    assert!(
        text.contains(&named) && text.contains("is below the floor"),
        "{text}"
    );
    // Of so few rows nothing is said.
    let flags = asked(candidate, Some(0.99), None, 100);
    let outputs = home.promote_with(&home.step, &flags).await.unwrap();
    let (promoted, _, reason) = decided(&outputs);
    assert_eq!(promoted, "true", "{reason}");
    assert!(reason.contains("not judged: 3 of 3 segments"), "{reason}");
    let judged = verdict(&home, &outputs).await.segments;
    for (name, value) in NAMES.into_iter().zip(values) {
        let of = found(&judged, name);
        assert!(near(of.candidate, value), "{of:?}, not {value}");
        assert!(is_interval(of.interval, interval(&[FAIR], name)), "{of:?}");
        assert_eq!(
            of.rows,
            (0..ROWS).filter(|row| region(*row) == name).count() as u64
        );
        assert_eq!((of.refuses, of.champion, of.difference), (None, None, None));
        assert_eq!(of.reason, "has fewer than 100 rows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_may_be_worse_than_the_champion_in_no_segment() {
    let [ours, theirs] = [FAIR, GOOD].map(by_region);
    let differences = NAMES.map(|name| interval(&[FAIR, GOOD], name));
    let most = differences
        .iter()
        .map(|[_, high]| -high)
        .fold(0.0, f64::max);
    assert!(most > 0.0, "{differences:?}");
    for of_champion in [&REGIONS, &OTHER] {
        let home = Home::new();
        let champion = home.register(of_champion, GOOD).await;
        home.promote(champion).await.unwrap();
        let candidate = home.register(&REGIONS, FAIR).await;
        if of_champion.version != REGIONS.version {
            // Its own features have no regions: those of the candidate's holdout count.
            home.prepare(&REGIONS, of_champion, Ok(ROWS)).await;
        }
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
                assert!(is_interval(of.difference, differences[at]), "{of:?}");
                // Of 32 groups the standard error is known to some 13 %.
                let delong = auc_difference([FAIR, GOOD], |row| region(row) == name);
                let [low, high] = differences[at];
                let ratio = (high - low) / 2.0 / 2.04 / delong.standard_error;
                assert!((0.65..1.35).contains(&ratio), "{name:?}: {ratio}");
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

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_memory_does_not_hold_are_refused() {
    let home = Home::new();
    let candidate = home.register(&REGIONS, FAIR).await;
    let little = home.step.with_memory(64 << 10);
    let flags = asked(candidate, Some(0.5), None, 10);
    let error = home.promote_with(&little, &flags).await.unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let text = format!("{error:#}");
    assert!(
        text.contains("SEGMENT_COLUMNS") && text.contains("region"),
        "{text}"
    );
}
