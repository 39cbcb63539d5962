//! From profiles to what a report says, for any range of days and any threshold. Pure.

mod of_task;
mod two_classes;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use database::CountedDays;
use learn::task::Report;
use pages::content::{
    ColumnDrift, ComparedWith, Day, Drift, FeatureQuality, Outside, Performance, Period, Segment,
};
use pages::judge::drift::{Column, judged, judged_of, over, together, verdict};
use pages::judge::window::Window;
use pages::judge::{Rules, ratio};
use profile::cells::{Cells, Parts, Side};
use profile::days;
use profile::drift::{NoiseFloor, Verdict};
use profile::profiles::{Baseline, Overflow, Profile};

use super::Choice;
use of_task::OfTask;
use settings::monitored::SCORE;
use two_classes::{TwoClasses, nearest};

/// Up to so many periods are in the chart of drift over time.
const MOST_PERIODS: usize = 120;
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
    /// Of two classes: the threshold that is used, the cut next to the one chosen, else the
    /// model's.
    pub(crate) threshold: Option<f64>,
    /// The model's own.
    pub(crate) model_threshold: Option<f64>,
    /// Rows whose dates lie outside those that are shown, unless these dates were chosen.
    pub(crate) outside: Outside,
    /// Rows whose profile can't be added to the others.
    pub(crate) left_out_rows: u64,
    /// The true area under the ROC curve differs by so much at most.
    pub(crate) roc_error: Option<f64>,
    /// Whether sums of predictions, labels or errors count a number as nearer than it is.
    pub(crate) bounded_scores: bool,
}

impl Live {
    /// `holdout` is what the model reached there, where that is known. Days end with `scored`, the
    /// date of scoring, unless later ones were chosen.
    ///
    /// # Errors
    /// Profiles that do not add up.
    pub(crate) fn new(
        counted: &CountedDays,
        choice: &Choice,
        rules: &Rules,
        holdout: Option<&Report>,
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
        let measure = Measure::of(baseline, choice);
        let common = Performance {
            scored_rows: (all.rows() - all.unscored_rows()) as u64,
            mean_score: baseline.score.compared(&all.score).now.mean,
            labelled_rows: all.labelled_rows() as u64,
            label_coverage: ratio(all.labelled_rows() as u64, all.rows() as u64),
            time_column: (!by_day.is_empty()).then(|| "the rows".to_owned()),
            days: by_day
                .iter()
                .map(|(date, profile)| measure.day(day(baseline, *date, profile), profile))
                .collect(),
            ..Performance::default()
        };
        let (performance, roc_error) = measure.performance(common, &all, holdout);
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
            by_score: measure.by_score(&all),
            threshold: measure.threshold(),
            model_threshold: baseline.threshold,
            outside,
            left_out_rows: counted.left_out_rows,
            roc_error,
            bounded_scores: all.score.is_bounded(&baseline.score),
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

/// How right predictions were, as their task says it.
enum Measure<'a> {
    OfTwo(TwoClasses<'a>),
    OfTask(OfTask<'a>),
}

impl<'a> Measure<'a> {
    fn of(baseline: &'a Baseline, choice: &Choice) -> Self {
        let two = (
            &baseline.classes,
            baseline.threshold,
            baseline.score.classes(),
        );
        match two {
            (Some(classes), Some(own), Some(scores)) => Self::OfTwo(TwoClasses {
                classes,
                own,
                threshold: nearest(scores.cells.cuts(), choice.threshold.unwrap_or(own)),
                baseline: scores,
            }),
            _ => Self::OfTask(OfTask(baseline)),
        }
    }

    fn threshold(&self) -> Option<f64> {
        match self {
            Self::OfTwo(of) => Some(of.threshold),
            Self::OfTask(_) => None,
        }
    }

    fn performance(
        &self,
        common: Performance,
        all: &Profile,
        holdout: Option<&Report>,
    ) -> (Performance, Option<f64>) {
        match self {
            Self::OfTwo(of) => of.performance(all, holdout, common),
            Self::OfTask(of) => (of.performance(all, holdout, common), None),
        }
    }

    fn day(&self, common: Day, profile: &Profile) -> Day {
        match self {
            Self::OfTwo(of) => of.day(profile, common),
            Self::OfTask(of) => of.day(profile, common),
        }
    }

    fn by_score(&self, all: &Profile) -> Vec<Segment> {
        match self {
            Self::OfTwo(of) => of.by_score(all),
            Self::OfTask(of) => of.by_score(all),
        }
    }
}

/// What is known of a day, whatever the task.
fn day(baseline: &Baseline, date: NaiveDate, profile: &Profile) -> Day {
    let (rows, labelled_rows) = (profile.rows() as u64, profile.labelled_rows() as u64);
    Day {
        date,
        rows,
        scored_rows: rows - profile.unscored_rows() as u64,
        labelled_rows,
        label_coverage: ratio(labelled_rows, rows),
        mean_score: baseline.score.compared(&profile.score).now.mean,
        ..Day::default()
    }
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
    let (psi_by_period, mut most) = over_time(score.cells(), &score.side(), &|profile| {
        profile.score.side(score)
    });
    let column = Column {
        name: SCORE,
        compared: &score.compared(&all.score),
        hidden: 0.0,
        distinct: None,
        categories: None,
        new: None,
        unknown: None,
        psi_by_period,
    };
    let score = ColumnDrift {
        compared_with: ComparedWith::Either,
        ..judged(column, &floor, rules)
    };
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
            unknown: None,
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
