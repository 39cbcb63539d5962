//! Against plain counting of the rows, and against the metrics that are checked with scikit-learn.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};

use super::*;
use learn::fitted_model::Reader;
use learn::metrics::{Classification, rank_metrics};
use learn::model::ClassValue;
use learn::splitmix::uniform;
use learn::task::{Binary, Rule, Target, Task};
use profile::cells::Counted;
use profile::profiles::*;
use profile::reference::{ColumnProfile, FeatureProfile, Former, Reference, ScoreProfile};
use runtime::failure::exit_code;

/// About normal.
fn normal(seed: u64, i: u64) -> f64 {
    (0..12).map(|k| uniform(seed, i * 12 + k)).sum::<f64>() - 6.0
}

/// Rows of two features: a number with nulls and the like, and a grade of four.
struct Sample {
    days: Vec<Option<i32>>,
    labels: Vec<Option<f64>>,
    scores: Float64Array,
    features: [Float64Array; 2],
}

impl Sample {
    fn new(seed: u64, rows: u64) -> Self {
        let amount = |i: u64| match i % 97 {
            0 => None,
            1 => Some(f64::NAN),
            2 => Some(f64::NEG_INFINITY),
            3 => Some(1e9),
            _ => Some(50.0 + 15.0 * normal(seed, i)),
        };
        let score = |i: u64| (0.5 + 0.12 * normal(seed + 1, i)).clamp(0.0, 1.0);
        let label = |i: u64| {
            let is_positive = || u8::from(uniform(seed + 3, i) < score(i));
            (uniform(seed + 2, i) < 0.8).then(|| f64::from(is_positive()))
        };
        Self {
            days: (0..rows)
                .map(|i| Some(20_000 + (uniform(seed + 4, i) * 5.0) as i32))
                .collect(),
            labels: (0..rows).map(label).collect(),
            scores: (0..rows).map(|i| (i % 97 > 2).then(|| score(i))).collect(),
            features: [
                (0..rows).map(amount).collect(),
                (0..rows)
                    .map(|i| Some((uniform(seed + 5, i) * 4.0).floor()))
                    .collect(),
            ],
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            days: &self.days,
            labels: &self.labels,
            scores: &self.scores,
            weights: None,
            features: &self.features,
        }
    }

    fn slice(&self, from: usize, to: usize) -> Self {
        let part = |array: &Float64Array| array.slice(from, to - from);
        Self {
            days: self.days[from..to].to_vec(),
            labels: self.labels[from..to].to_vec(),
            scores: part(&self.scores),
            features: [part(&self.features[0]), part(&self.features[1])],
        }
    }
}

fn baseline() -> Arc<Baseline> {
    let trained = Sample::new(100, 20_000);
    let finite = |array: &Float64Array| {
        array
            .iter()
            .flatten()
            .filter(|x| x.is_finite() && *x < 1e6)
            .collect::<Vec<_>>()
    };
    let feature = |name: &str, values: &Float64Array| FeatureProfile {
        name: name.into(),
        profile: ColumnProfile::Cells(Counted::of(&finite(values))),
    };
    let labelled = trained.labels.iter().zip(&trained.scores);
    let (labels, scores): (Vec<u8>, Vec<f64>) = labelled
        .filter_map(|(label, score)| Some((label.as_ref().copied()? as u8, score?)))
        .unzip();
    let reference = Reference {
        format_version: profile::reference::FORMAT_VERSION,
        rows: 20_000,
        positives: 10_000,
        features: vec![
            feature("amount", &trained.features[0]),
            feature("grade", &trained.features[1]),
        ],
        score: ScoreProfile::of(0.437, &scores, &labels),
        categories: vec![],
    };
    let target = Target {
        name: "y".into(),
        classes: vec![ClassValue::Int(0), ClassValue::Int(1)],
    };
    let rule = Rule {
        threshold: 0.437,
        ..Rule::default()
    };
    let predicts = (&Binary as &dyn Task, &target, &rule);
    Arc::new(Baseline::new("f", predicts, None, &reference, chrono_tz::Tz::UTC).unwrap())
}

fn profiled(baseline: &Arc<Baseline>, samples: &[(&Sample, i64)]) -> Profiler {
    let mut profiler = Profiler::new(baseline, 1 << 24);
    for (sample, times) in samples {
        profiler.add(sample.rows(), *times).unwrap();
    }
    profiler
}

/// All days together.
fn total(profiler: &Profiler) -> Profile {
    let mut total = Profile::new(profiler.baseline());
    profiler
        .days()
        .values()
        .for_each(|day| total.merge(day).unwrap());
    total
}

#[test]
fn a_profile_counts_what_plain_counting_counts() {
    let (baseline, sample) = (baseline(), Sample::new(1, 9_000));
    let profiler = profiled(&baseline, &[(&sample, 1)]);
    let (amount, counts) = (&baseline.features[0], &total(&profiler).features[0]);

    assert_eq!(
        (
            counts.rows(),
            counts.nulls,
            counts.nans,
            counts.minus_infinities
        ),
        (9_000, 93, 93, 93)
    );
    let finite: Vec<f64> = sample.features[0]
        .iter()
        .flatten()
        .filter(|x| x.is_finite())
        .collect();
    assert_eq!(
        counts.above(&amount.cells),
        finite
            .iter()
            .filter(|x| **x > amount.cells.max().unwrap())
            .count() as i64
    );
    assert!(
        counts.above(&amount.cells) >= 93 && counts.below(&amount.cells) == 0
            || finite.iter().any(|x| *x < amount.cells.min().unwrap())
    );
    for (index, &count) in counts.cells.iter().enumerate() {
        let from = if index == 0 {
            f64::MIN
        } else {
            amount.cells.cuts()[index - 1]
        };
        let to = amount
            .cells
            .cuts()
            .get(index)
            .copied()
            .unwrap_or(f64::INFINITY);
        assert_eq!(
            count,
            finite.iter().filter(|x| from <= **x && **x < to).count() as i64,
            "cell {index}"
        );
    }
    assert!(amount.cells.len() > 90, "{}", amount.cells.len());

    let usual: Vec<f64> = finite
        .iter()
        .copied()
        .map(|x| {
            if x > 1e6 {
                amount.cells.center() + amount.cells.scale() * 1_048_576.0
            } else {
                x
            }
        })
        .collect();
    let n = usual.len() as f64;
    let mean = usual.iter().sum::<f64>() / n;
    let std = (usual.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    assert!(
        close(counts.mean(&amount.cells).unwrap(), mean)
            && close(counts.std(&amount.cells).unwrap(), std)
    );
    for (day, profile) in profiler.days() {
        assert_eq!(
            profile.rows(),
            sample.days.iter().filter(|other| *other == day).count() as i64
        );
        assert!(profile.is_sound(&baseline));
    }
    assert_eq!(
        total(&profiler).labelled_rows(),
        sample.labels.iter().flatten().count() as i64
    );
    assert_eq!(
        total(&profiler).unscored_rows(),
        sample.scores.null_count() as i64
    );
}

#[test]
fn few_distinct_values_have_a_cell_each_and_the_training_data_lies_in_the_same_cells() {
    let baseline = baseline();
    let grade = &baseline.features[1];
    let values = (0..grade.cells.len()).filter_map(|cell| grade.cells.value(cell));
    assert_eq!(values.collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
    // Nothing lies between them, below or above.
    assert_eq!(
        grade
            .reference
            .cells
            .iter()
            .filter(|count| **count > 0)
            .count(),
        4
    );
    for feature in &baseline.features {
        let (mean, std) = (
            feature.reference.mean(&feature.cells).unwrap(),
            feature.reference.std(&feature.cells).unwrap(),
        );
        assert!(feature.reference.is_sound(&feature.cells));
        let expected = if feature.name == "grade" {
            (1.5, 1.118)
        } else {
            (50.0, 15.0)
        };
        assert!(
            (mean - expected.0).abs() < 0.05 * std && (std - expected.1).abs() < 0.05 * std,
            "{mean} {std}"
        );
    }
    let hundredth = baseline.features[0].reference.count() / 100;
    let inner = &baseline.features[0].reference.cells[2..100];
    assert!(
        inner
            .iter()
            .all(|count| (hundredth / 3..hundredth * 3).contains(count)),
        "{inner:?}"
    );
}

#[test]
fn profiles_add_up_and_are_taken_off_to_the_last_bit_in_any_order() {
    let baseline = baseline();
    let (first, second) = (Sample::new(1, 4_000), Sample::new(2, 3_000));
    let whole = profiled(&baseline, &[(&first, 1)]);
    let (left, right) = (first.slice(0, 1_234), first.slice(1_234, 4_000));
    assert_eq!(
        profiled(&baseline, &[(&right, 1), (&left, 1)]).days(),
        whole.days()
    );
    let mut merged = profiled(&baseline, &[(&right, 1)]);
    merged.merge(profiled(&baseline, &[(&left, 1)])).unwrap();
    assert_eq!(merged.days(), whole.days());
    assert_eq!(
        profiled(&baseline, &[(&second, 1), (&first, 1), (&second, -1)]).days(),
        whole.days()
    );
    let taken_off = total(&profiled(&baseline, &[(&first, -1)]));
    assert!(!taken_off.is_sound(&baseline));
}

#[test]
fn confusion_is_exact_at_every_hundredth_and_at_the_models_threshold() {
    let (baseline, sample) = (baseline(), Sample::new(3, 9_000));
    let counts = total(&profiled(&baseline, &[(&sample, 1)])).score;
    let (of, counts) = (baseline.score.classes(), counts.classes());
    let counts = ScoredCounts::new(of.unwrap(), counts.unwrap());
    let labelled = |label: &Option<f64>, score: Option<f64>| Some(((*label)? as u8, score?));
    let (labels, scores): (Vec<u8>, Vec<f64>) = sample
        .labels
        .iter()
        .zip(&sample.scores)
        .filter_map(|(label, score)| labelled(label, score))
        .unzip();
    for threshold in (1..100)
        .map(|hundredths| f64::from(hundredths) / 100.0)
        .chain([0.437])
    {
        let mut plain = Classification::new(threshold);
        plain.add_rows(&labels, &scores).unwrap();
        assert_eq!(
            counts.confusion(threshold),
            Some(plain.report(None).confusion),
            "at {threshold}"
        );
    }
    assert_eq!(counts.confusion(0.123_456), None);

    let mut ranked: Vec<(f64, bool)> = scores
        .iter()
        .zip(&labels)
        .map(|(score, label)| (*score, *label == 1))
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let exact = rank_metrics(ranked.into_iter().map(Ok::<_, learn::metrics::RankError>))
        .unwrap()
        .roc_auc
        .unwrap();
    let Ranked {
        roc_auc,
        error_bound,
    } = counts.ranked().unwrap();
    assert!(
        (roc_auc - exact).abs() <= error_bound,
        "{roc_auc} {exact} {error_bound}"
    );
    assert!(
        error_bound < 0.003 && (roc_auc - exact).abs() < 1e-4,
        "{roc_auc} {exact} {error_bound}"
    );

    let mut plain = Classification::new(0.5);
    plain.add_rows(&labels, &scores).unwrap();
    let report = plain.report(None);
    assert!((counts.brier().unwrap() - report.brier.unwrap()).abs() < 1e-8);
    for (bin, exact) in counts.calibration().iter().zip(&report.calibration) {
        // No score of the sample lies on an edge but at the ends, which both count alike.
        assert_eq!(
            (bin.rows as u64, bin.positives as f64),
            (
                exact.rows,
                exact
                    .observed_rate
                    .map_or(0.0, |rate| (rate * exact.rows as f64).round())
            )
        );
        if let Some(mean) = exact.mean_predicted {
            assert!(
                (bin.mean_predicted.unwrap() - mean).abs() <= bin.error_bound + 1e-12
                    && bin.error_bound < 0.005_001
            );
        }
    }
}

#[test]
fn scores_that_lie_close_together_are_told_apart() {
    // A model of a rare event: almost all scores are below a hundredth.
    let trained: Vec<f64> = (0..20_000).map(|i| 0.01 * uniform(7, i).powi(2)).collect();
    let score = ScoreProfile::of(0.5, &trained, &vec![0; trained.len()]);
    let score = score.baseline(0.5, "y").unwrap();
    let mut counts = ScoreCounts::new(&score);
    trained
        .iter()
        .for_each(|trained| counts.add(&score, Some(*trained), Some(0.0), 1));
    let shares: Vec<f64> = counts
        .classes()
        .unwrap()
        .negative
        .cells
        .iter()
        .map(|count| *count as f64 / 20_000.0)
        .collect();
    assert!(
        shares.iter().all(|share| *share < 0.2),
        "{:?}",
        &shares[..16]
    );
}

#[test]
fn a_profile_comes_back_from_json() {
    let (baseline, sample) = (baseline(), Sample::new(4, 500));
    let profile = total(&profiled(&baseline, &[(&sample, 1)]));
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
    let text = serde_json::to_string(&*baseline).unwrap();
    assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), *baseline);
    assert!(
        profile.features[0].squares > i128::from(u64::MAX),
        "a wide number is among them"
    );
}

#[test]
fn rows_without_a_time_make_one_profile_and_too_many_days_are_refused() {
    let baseline = baseline();
    let mut sample = Sample::new(5, 300);
    sample.days = vec![None; 300];
    assert_eq!(
        profiled(&baseline, &[(&sample, 1)])
            .days()
            .keys()
            .collect::<Vec<_>>(),
        [&None]
    );

    let mut profiler = Profiler::new(&baseline, 8 * 3 * baseline.counters() as u64);
    let error = profiler.add(Sample::new(5, 300).rows(), 1).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(error.to_string().contains("more than 3 days"), "{error}");
}

#[test]
fn what_the_first_release_stored_is_read_and_adds_up_with_new_profiles() {
    let model = include_bytes!("../../../testing/fixtures/released/model.json");
    let reference = include_str!("../../../testing/fixtures/released/reference.json");
    let stored = include_str!("../../../testing/fixtures/released/profile.json");
    let former = include_str!("../../../testing/fixtures/released/baseline.json");
    let reference: Former = serde_json::from_str(reference).unwrap();
    let stored: StoredProfile<ReadProfile> = serde_json::from_str(stored).unwrap();
    let former: FormerBaseline = serde_json::from_str(former).unwrap();
    let model = Reader::standard().read(model).unwrap();
    let predicts = (model.task, &model.target, &model.rule);
    let timezone = "Etc/UTC".parse().unwrap();
    let baseline =
        Baseline::new(&stored.model, predicts, None, &reference.into(), timezone).unwrap();
    // What Postgres holds is what the model's files give: nothing has to be counted again.
    assert!(baseline.counts_as(&former.now().unwrap()));

    let profile = stored.of(&baseline).unwrap();
    assert_eq!((profile.rows(), stored.rows), (20, 20));
    let (x, counts) = (&baseline.features[0], &profile.features[0]);
    let (below, above) = (counts.below(&x.cells), counts.above(&x.cells));
    assert_eq!((x.kind, below, above), (Kind::Grid, 1, 0));
    // -77 lies below everything.
    assert_eq!(counts.cells[0], 1);

    let mut profiler = Profiler::new(&Arc::new(baseline), 1 << 24);
    profiler
        .add_stored(&[stored.clone(), stored.clone()])
        .unwrap();
    assert_eq!(total(&profiler).rows(), 40);
    let text = serde_json::to_string(&profiler.stored().unwrap()).unwrap();
    let again: Vec<StoredProfile<ReadProfile>> = serde_json::from_str(&text).unwrap();
    assert_eq!(again[0].format_version, FORMAT_VERSION);
    profiler.add_stored(&again).unwrap();
    assert_eq!(total(&profiler).rows(), 80);
    // Of another model it is refused.
    let other = StoredProfile {
        model: "other".to_owned(),
        ..stored
    };
    assert_eq!(exit_code(&profiler.add_stored(&[other]).unwrap_err()), 2);
}
