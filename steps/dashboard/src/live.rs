//! From profiles to what a report says, for any range of days and any threshold. Pure.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use database::CountedDays;
use learn::metrics::{CalibrationBin, Classification, Confusion, CurvePoint, Report as Metrics};
use pages::content::{
    ClassNames, ColumnDrift, Day, Drift, FeatureQuality, Outside, Performance, Period, Segment,
};
use pages::judge::drift::{Column, judged, judged_of, over, together, verdict};
use pages::judge::performance::{SegmentCounts, at_threshold, segment};
use pages::judge::window::Window;
use pages::judge::{Rules, ratio};
use profile::cells::{Cells, Parts, Side};
use profile::days;
use profile::drift::{NoiseFloor, Verdict};
use profile::profiles::{
    Baseline, Overflow, Profile, ScoreBaseline, ScoreCounts, ScoredCounts as Counts,
};

use super::Choice;
use settings::monitored::SCORE;

/// Up to so many periods stand in the chart of drift over time.
const MOST_PERIODS: usize = 120;
/// Thresholds that a table shows, in hundredths.
const SHOWN: std::ops::Range<u32> = 1..10;

/// What profiles say of the days that were chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Live {
    pub(crate) verdict: Verdict,
    pub(crate) rows: u64,
    pub(crate) unscored_rows: u64,
    pub(crate) first: Option<NaiveDate>,
    pub(crate) last: Option<NaiveDate>,
    pub(crate) features: Vec<FeatureQuality>,
    pub(crate) performance: Performance,
    pub(crate) drift: Drift,
    /// The rows by their score, as a report divides them.
    pub(crate) by_score: Vec<Segment>,
    /// The threshold that is used: the cut next to the one chosen, else the model's.
    pub(crate) threshold: f64,
    /// The model's own.
    pub(crate) model_threshold: f64,
    /// Rows whose dates lie outside those that are shown, unless these dates were chosen.
    pub(crate) outside: Outside,
    /// Rows whose profile can't be added to the others.
    pub(crate) left_out_rows: u64,
    /// The true area under the ROC curve differs by so much at most.
    pub(crate) roc_error: Option<f64>,
}

impl Live {
    /// `holdout` is what the model reached there, where that is known, at its own threshold: at
    /// another one it is no measure for what depends on the threshold. Days end with `scored`,
    /// the date of scoring, unless later ones were chosen.
    ///
    /// # Errors
    /// Profiles that do not add up.
    pub(crate) fn new(
        counted: &CountedDays,
        choice: &Choice,
        rules: &Rules,
        holdout: Option<Metrics>,
        scored: NaiveDate,
    ) -> Result<Self, Overflow> {
        let baseline = &*counted.baseline;
        let mut all = Profile::new(baseline);
        let mut by_day: BTreeMap<NaiveDate, Profile> = BTreeMap::new();
        for counted in &counted.days {
            all.merge(&counted.profile)?;
            if let Some(day) = counted.day {
                by_day
                    .entry(day)
                    .or_insert_with(|| Profile::new(baseline))
                    .merge(&counted.profile)?;
            }
        }
        let outside = shown(&mut by_day, choice, scored);
        let threshold = nearest(
            baseline.score.cells.cuts(),
            choice.threshold.unwrap_or(baseline.threshold),
        );
        let holdout = match holdout {
            Some(holdout) if threshold != baseline.threshold => Some(Metrics {
                accuracy: None,
                balanced_accuracy: None,
                precision: None,
                recall: None,
                f1: None,
                ..holdout
            }),
            holdout => holdout,
        };
        let (performance, roc_error) = performance(baseline, &all, &by_day, threshold, holdout);
        let drift = drift_of(baseline, &all, &by_day, choice.by, rules)?;
        Ok(Self {
            verdict: verdict(&drift),
            rows: all.rows() as u64,
            unscored_rows: all.unscored_rows() as u64,
            first: by_day.keys().next().copied(),
            last: by_day.keys().next_back().copied(),
            features: baseline
                .features
                .iter()
                .zip(&all.features)
                .map(|(feature, counts)| FeatureQuality::of(feature, counts, None))
                .collect(),
            performance,
            drift,
            by_score: by_score(&baseline.score, &all.score, threshold),
            threshold,
            model_threshold: baseline.threshold,
            outside,
            left_out_rows: counted.left_out_rows,
            roc_error,
        })
    }
}

/// Takes off the days that are not shown, and says how many rows they have.
fn shown(by_day: &mut BTreeMap<NaiveDate, Profile>, choice: &Choice, scored: NaiveDate) -> Outside {
    let rows = by_day.iter();
    let rows = rows.map(|(date, profile)| (days::number(*date), profile.rows() as u64));
    let window = Window::new(&rows.collect(), scored);
    if choice.from.is_none() && choice.to.is_none() {
        by_day.retain(|date, _| window.holds(*date));
    }
    window.outside
}

/// The cut that is nearest: at cuts counts are exact.
fn nearest(cuts: &[f64], wanted: f64) -> f64 {
    let distance = |cut: &f64| (cut - wanted).abs();
    cuts.iter()
        .copied()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(wanted)
}

fn performance(
    baseline: &Baseline,
    all: &Profile,
    by_day: &BTreeMap<NaiveDate, Profile>,
    threshold: f64,
    holdout: Option<Metrics>,
) -> (Performance, Option<f64>) {
    let counts = Counts::new(&baseline.score, &all.score);
    let confusion = counts.confusion(threshold).unwrap_or_default();
    let ranked = counts.ranked();
    let overall = (confusion.rows() > 0).then(|| metrics(&counts, confusion, threshold));
    let cuts = SHOWN
        .map(|tenth| f64::from(tenth * 10) / 100.0)
        .chain([threshold, baseline.threshold]);
    let mut cuts: Vec<f64> = cuts.collect();
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    let at = |cut: f64| Some(at_threshold(cut, counts.confusion(cut)?));
    let empty = || Classification::new(baseline.threshold).report(None);
    let scored = baseline.score.compared(&all.score).now;
    let performance = Performance {
        scored_rows: scored.count(),
        predicted_positives: predicted_positives(&baseline.score, &scored, threshold),
        mean_score: scored.mean,
        highest_score: None,
        labelled_rows: all.labelled_rows() as u64,
        label_coverage: ratio(all.labelled_rows() as u64, all.rows() as u64),
        majority_accuracy: confusion.base_rate().map(|rate| rate.max(1.0 - rate)),
        intervals: confusion.intervals(),
        curve: if overall.is_some() {
            curve(baseline.score.cells.cuts(), &all.score)
        } else {
            Vec::new()
        },
        thresholds: if overall.is_some() {
            cuts.into_iter().filter_map(at).collect()
        } else {
            Vec::new()
        },
        overall,
        holdout: holdout.unwrap_or_else(empty),
        classes: ClassNames {
            negative: baseline.classes.negative.to_string(),
            positive: baseline.classes.positive.to_string(),
        },
        time_column: (!by_day.is_empty()).then(|| "the rows".to_owned()),
        days: by_day
            .iter()
            .map(|(date, profile)| day(baseline, *date, profile, threshold))
            .collect(),
    };
    (performance, ranked.map(|ranked| ranked.error_bound))
}

/// All metrics that follow from cells; the others are `None`.
fn metrics(counts: &Counts<'_>, confusion: Confusion, threshold: f64) -> Metrics {
    let empty = Classification::new(threshold).report(None);
    let (found, kept) = (
        confusion.recall(),
        ratio(
            confusion.true_negatives,
            confusion.true_negatives + confusion.false_positives,
        ),
    );
    let calibration = counts
        .calibration()
        .into_iter()
        .map(|range| CalibrationBin {
            lower: range.lower,
            upper: range.upper,
            rows: range.rows as u64,
            mean_predicted: range.mean_predicted,
            observed_rate: ratio(range.positives as u64, range.rows as u64),
        });
    Metrics {
        rows: confusion.rows(),
        positives: confusion.positives(),
        base_rate: confusion.base_rate(),
        accuracy: confusion.accuracy(),
        balanced_accuracy: found
            .filter(|_| confusion.positives() > 0)
            .zip(kept)
            .map(|(found, kept)| (found + kept) / 2.0),
        precision: confusion.precision(),
        recall: confusion.recall(),
        f1: confusion.f1(),
        brier: counts.brier(),
        roc_auc: counts.ranked().map(|ranked| ranked.roc_auc),
        calibration: calibration.collect(),
        confusion,
        ..empty
    }
}

/// A point for each cut, from the highest on: each is exact.
fn curve(cuts: &[f64], score: &ScoreCounts) -> Vec<CurvePoint> {
    let (mut positives, mut negatives) = (0, 0);
    let mut points = Vec::new();
    for index in (0..=cuts.len()).rev() {
        positives += score.positive.cells[index] as u64;
        negatives += score.negative.cells[index] as u64;
        let threshold = index.checked_sub(1).map_or(0.0, |below| cuts[below]);
        let point = CurvePoint {
            threshold,
            true_positives: positives,
            false_positives: negatives,
        };
        let same = |last: &CurvePoint| {
            (last.true_positives, last.false_positives) == (positives, negatives)
        };
        if positives + negatives > 0 && !points.last().is_some_and(same) {
            points.push(point);
        }
    }
    points
}

fn day(baseline: &Baseline, date: NaiveDate, profile: &Profile, threshold: f64) -> Day {
    let counts = Counts::new(&baseline.score, &profile.score);
    let confusion = counts.confusion(threshold).unwrap_or_default();
    let (rows, labelled_rows) = (profile.rows() as u64, profile.labelled_rows() as u64);
    let score = baseline.score.compared(&profile.score).now;
    let above = predicted_positives(&baseline.score, &score, threshold);
    Day {
        date,
        rows,
        scored_rows: score.count(),
        labelled_rows,
        label_coverage: ratio(labelled_rows, rows),
        mean_score: score.mean,
        predicted_positive_rate: ratio(above, score.count()),
        base_rate: confusion.base_rate(),
        accuracy: confusion.accuracy(),
        precision: confusion.precision(),
        recall: confusion.recall(),
        f1: confusion.f1(),
        roc_auc: counts.ranked().map(|ranked| ranked.roc_auc),
        log_loss: None,
        brier: counts.brier(),
        intervals: confusion.intervals(),
        confusion,
    }
}

/// Rows from the threshold on, which is one of the cuts.
fn predicted_positives(baseline: &ScoreBaseline, score: &Side, threshold: f64) -> u64 {
    let from = baseline
        .cells
        .cuts()
        .partition_point(|cut| *cut < threshold)
        + 1;
    score.cells.get(from..).unwrap_or_default().iter().sum()
}

/// The rows by ranges of the score that each held about a tenth of the training data. Their mean
/// score takes each row as the middle of its cell.
fn by_score(baseline: &ScoreBaseline, score: &ScoreCounts, threshold: f64) -> Vec<Segment> {
    let sum = |counts: &ScoreCounts, from: usize, to: usize| -> [u64; 3] {
        [&counts.unlabelled, &counts.negative, &counts.positive]
            .map(|label| label.cells[from..to].iter().sum::<i64>() as u64)
    };
    let rows =
        |counts: &ScoreCounts, from: usize, to: usize| sum(counts, from, to).iter().sum::<u64>();
    let middle = |cell: usize| {
        let lower = cell
            .checked_sub(1)
            .map_or(0.0, |below| baseline.cells.cuts()[below]);
        (lower + baseline.cells.cuts().get(cell).copied().unwrap_or(1.0)) / 2.0
    };
    let cells = baseline.cells.len();
    let (trained, scored) = (rows(&baseline.reference, 0, cells), rows(score, 0, cells));
    // The cell above each decile, between the first and the one behind the last.
    let deciles = baseline
        .compared(score)
        .tenths()
        .into_iter()
        .map(|cut| cut + 1);
    let edges: Vec<usize> = std::iter::once(0).chain(deciles).chain([cells]).collect();
    // Cells from here on are predicted positive.
    let predicted = baseline
        .cells
        .cuts()
        .partition_point(|cut| *cut < threshold)
        + 1;
    edges
        .windows(2)
        .map(|range| {
            let (from, to) = (range[0], range[1]);
            let cut = predicted.clamp(from, to);
            let ([_, true_negatives, false_negatives], [_, false_positives, true_positives]) =
                (sum(score, from, cut), sum(score, cut, to));
            let confusion = Confusion {
                true_negatives,
                false_positives,
                false_negatives,
                true_positives,
            };
            let counts = SegmentCounts {
                rows: rows(score, from, to),
                scored_rows: rows(score, from, to),
                score_sum: (from..to)
                    .map(|cell| middle(cell) * rows(score, cell, cell + 1) as f64)
                    .sum(),
                confusion,
            };
            Segment {
                lower: from
                    .checked_sub(1)
                    .map(|below| baseline.cells.cuts()[below]),
                upper: baseline.cells.cuts().get(to - 1).copied(),
                reference_share: ratio(rows(&baseline.reference, from, to), trained),
                ..segment(None, &counts, scored)
            }
        })
        .collect()
}

fn drift_of(
    baseline: &Baseline,
    all: &Profile,
    by_day: &BTreeMap<NaiveDate, Profile>,
    by: Option<Period>,
    rules: &Rules,
) -> Result<Drift, Overflow> {
    let (unit, periods) = periods(baseline, by_day, by)?;
    let names: Vec<String> = baseline.features.iter().map(|of| of.name.clone()).collect();
    let comparisons = judged_of(&names, rules);
    let (floor, period_floor) = (
        NoiseFloor::of(comparisons),
        NoiseFloor::of(comparisons * periods.len().max(1)),
    );
    let over_time = |cells: &Cells, then: &Side, now: &dyn Fn(&Profile) -> Side| {
        let parts = Parts::new(cells, then);
        let psi = |(_, profile): &(NaiveDate, Profile)| {
            let psi = parts.psi(&parts.rows(&now(profile)), &period_floor)?;
            Some(psi.value)
        };
        (periods.iter().map(psi).collect(), parts.len())
    };
    let score = &baseline.score;
    let (psi_by_period, most) = over_time(&score.cells, &score.reference.side(), &|profile| {
        profile.score.side()
    });
    let column = Column {
        name: SCORE,
        compared: &score.compared(&all.score),
        hidden: 0.0,
        distinct: None,
        categories: None,
        new: None,
        psi_by_period,
    };
    let (score, mut most) = (judged(column, &floor, rules), most);
    let mut features: Vec<ColumnDrift> = Vec::with_capacity(baseline.features.len());
    for (index, feature) in baseline.features.iter().enumerate() {
        let (psi_by_period, parts) = over_time(&feature.cells, &feature.side(), &|profile| {
            Side::of(&feature.cells, &profile.features[index])
        });
        most = most.max(parts);
        let column = Column {
            name: &feature.name,
            compared: &feature.compared(&all.features[index]),
            hidden: feature.hidden,
            distinct: None,
            categories: feature.categories(),
            new: None,
            psi_by_period,
        };
        features.push(judged(column, &floor, rules));
    }
    let dated: Vec<(NaiveDate, u64)> = periods
        .iter()
        .map(|(date, profile)| (*date, profile.rows() as u64))
        .collect();
    let periods = over(unit, &dated, &period_floor, score.reference.rows, most);
    Ok(together(score, features, periods))
}

/// Days put together as asked, else as short as fits.
fn periods(
    baseline: &Baseline,
    by_day: &BTreeMap<NaiveDate, Profile>,
    by: Option<Period>,
) -> Result<(Period, Vec<(NaiveDate, Profile)>), Overflow> {
    let count = |unit: Period| {
        let mut dates: Vec<NaiveDate> = by_day.keys().map(|day| unit.begin_of(*day)).collect();
        dates.dedup();
        dates.len()
    };
    let fits = [Period::Day, Period::Week, Period::Month]
        .into_iter()
        .find(|unit| count(*unit) <= MOST_PERIODS);
    let unit = by
        .filter(|by| count(*by) <= 6 * MOST_PERIODS)
        .or(fits)
        .unwrap_or(Period::Year);
    let mut periods: Vec<(NaiveDate, Profile)> = Vec::new();
    for (day, profile) in by_day {
        let date = unit.begin_of(*day);
        if periods.last().is_none_or(|(last, _)| *last != date) {
            periods.push((date, Profile::new(baseline)));
        }
        if let Some((_, sum)) = periods.last_mut() {
            sum.merge(profile)?;
        }
    }
    Ok((unit, periods))
}
