//! Days put together into weeks or months, so that a long time stays readable, and days with too
//! few rows left out.

use std::collections::BTreeMap;

use learn::metrics::Intervals;
use learn::metrics::weighted::Shares;

use crate::content::{Day, Period};

/// Up to so many days are drawn one by one, and up to so many are put together by week.
const BY_DAY: usize = 120;
const BY_WEEK: usize = 750;
/// Up to so many days are drawn as thin lines too, where they are put together.
const THIN: usize = 1500;

/// Metrics that are means of rows.
const MEANS: [&str; 5] = ["accuracy", "bias", "log_loss", "mae", "mape"];
/// The root of the mean of squares.
const ROOT: &str = "rmse";
/// What the rows of a metric weigh.
const WEIGHT: &str = "weight";

/// The name of a period.
pub fn name(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
        Period::Year => "year",
    }
}

/// What is drawn of days.
pub struct Drawn {
    /// What each point is of.
    pub period: Period,
    /// One for each period, under its first date.
    pub points: Vec<Day>,
    /// The days themselves, where periods are longer and the days not too many.
    pub days: Vec<Day>,
}

/// A period that leaves few enough of so many days.
pub fn fitting(days: usize) -> Period {
    match days {
        few if few <= BY_DAY => Period::Day,
        some if some <= BY_WEEK => Period::Week,
        _ => Period::Month,
    }
}

/// Puts days together by `unit`, else by one that leaves few enough. What is drawn is exact: rates
/// are counted again from all rows of a period.
pub fn periods(days: &[Day], unit: Option<Period>) -> Drawn {
    let period = unit.unwrap_or_else(|| fitting(days.len()));
    let mut points: Vec<Day> = Vec::new();
    for day in days {
        let date = period.begin_of(day.date);
        match points.last_mut().filter(|last| last.date == date) {
            Some(last) => *last = together(last, day),
            None => points.push(Day {
                date,
                ..day.clone()
            }),
        }
    }
    let thin = period != Period::Day && days.len() <= THIN;
    Drawn {
        period,
        points: usual(points),
        days: usual(if thin { days.to_vec() } else { Vec::new() }),
    }
}

/// Two periods as one; what cannot be counted again is left out.
fn together(a: &Day, b: &Day) -> Day {
    let mut confusion = a.confusion;
    confusion.merge(&b.confusion);
    let weights = a.weights.zip(b.weights);
    let weights = weights.map(|(a, b)| std::array::from_fn(|cell| a[cell] + b[cell]));
    let shares = weights.map_or_else(|| confusion.shares(), Shares::of);
    let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let weighted = |x: Option<f64>, y: Option<f64>| match (x, y) {
        (Some(x), Some(y)) => {
            let share = b.scored_rows as f64 / (a.scored_rows + b.scored_rows) as f64;
            Some(x + (y - x) * share)
        }
        (x, y) => x.or(y),
    };
    let (rows, labelled_rows) = (a.rows + b.rows, a.labelled_rows + b.labelled_rows);
    Day {
        date: a.date,
        rows,
        scored_rows: a.scored_rows + b.scored_rows,
        labelled_rows,
        label_coverage: ratio(labelled_rows, rows),
        mean_score: weighted(a.mean_score, b.mean_score),
        predicted_positive_rate: weighted(a.predicted_positive_rate, b.predicted_positive_rate),
        base_rate: shares.base_rate,
        accuracy: shares.accuracy,
        precision: shares.precision,
        recall: shares.recall,
        f1: shares.f1,
        roc_auc: None,
        log_loss: None,
        brier: None,
        intervals: match weights {
            Some(_) => Intervals::default(),
            None => confusion.intervals(),
        },
        confusion,
        weights,
        metrics: metrics_together(a, b),
    }
}

/// The metrics of another task that are means of its rows, or the root of one, by what they weigh.
fn metrics_together(a: &Day, b: &Day) -> BTreeMap<String, f64> {
    let weight = |of: &Day| of.metrics.get(WEIGHT).copied();
    let both = weight(a).zip(weight(b));
    let (of_a, of_b) = both.unwrap_or((a.labelled_rows as f64, b.labelled_rows as f64));
    let mean = |x: f64, y: f64| (x * of_a + y * of_b) / (of_a + of_b);
    let of = |name: &str| -> Option<f64> {
        let both = (a.metrics.get(name), b.metrics.get(name));
        Some(match (both, name) {
            ((Some(x), Some(y)), ROOT) => mean(x * x, y * y).sqrt(),
            ((Some(x), Some(y)), _) => mean(*x, *y),
            ((x, y), _) => *x.or(y)?,
        })
    };
    let known = MEANS.into_iter().chain([ROOT]);
    let metrics = known.filter_map(|name| Some((name.to_owned(), of(name)?)));
    let weight = both.map(|(a, b)| (WEIGHT.to_owned(), a + b));
    metrics.chain(weight).collect()
}

/// The periods without the numbers of too few rows: a line would show chance there, and squeeze the
/// rest.
fn usual(mut periods: Vec<Day>) -> Vec<Day> {
    let measured = |day: &Day| match day.metrics.is_empty() {
        true => day.confusion.rows(),
        false => day.labelled_rows,
    };
    let few_scored = twentieth(periods.iter().map(|day| day.scored_rows));
    let few_measured = twentieth(periods.iter().map(measured));
    for day in &mut periods {
        if day.scored_rows < few_scored {
            (day.mean_score, day.predicted_positive_rate) = (None, None);
        }
        if measured(day) < few_measured {
            (
                day.base_rate,
                day.accuracy,
                day.precision,
                day.recall,
                day.f1,
            ) = (None, None, None, None, None);
            day.intervals = Intervals::default();
            day.metrics.clear();
        }
    }
    periods
}

/// A twentieth of the median of the counts that are not 0.
fn twentieth(counts: impl Iterator<Item = u64>) -> u64 {
    let mut counts: Vec<u64> = counts.filter(|count| *count > 0).collect();
    counts.sort_unstable();
    counts.get(counts.len() / 2).map_or(0, |median| median / 20)
}

#[cfg(test)]
mod tests {
    use chrono::{Days, NaiveDate};
    use learn::metrics::Confusion;

    use super::*;

    fn day(date: NaiveDate, right: u64, wrong: u64, mean_score: f64) -> Day {
        let confusion = Confusion {
            true_positives: right,
            false_positives: wrong,
            ..Confusion::default()
        };
        let rows = right + wrong;
        Day {
            date,
            rows,
            scored_rows: rows,
            labelled_rows: rows,
            label_coverage: Some(1.0),
            mean_score: Some(mean_score),
            predicted_positive_rate: Some(1.0),
            base_rate: None,
            accuracy: Some(right as f64 / rows as f64),
            precision: None,
            recall: None,
            f1: None,
            weights: None,
            roc_auc: Some(0.5),
            log_loss: None,
            brier: None,
            intervals: confusion.intervals(),
            confusion,
            metrics: BTreeMap::new(),
        }
    }

    fn days(count: u64) -> Vec<Day> {
        let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap(); // a Monday
        (0..count)
            .map(|i| day(first + Days::new(i), 10 + i % 7, 10, (i % 7) as f64 / 10.0))
            .collect()
    }

    #[test]
    fn weeks_begin_on_monday_and_count_their_rows_anew() {
        let Drawn {
            period,
            points: weeks,
            days: thin,
        } = periods(&days(140), None);
        assert_eq!((period, weeks.len(), thin.len()), (Period::Week, 20, 140));
        let week = &weeks[3];
        assert_eq!(week.date, NaiveDate::from_ymd_opt(2024, 1, 22).unwrap());
        assert_eq!((week.rows, week.confusion.true_positives), (161, 91));
        assert_eq!(week.accuracy, Some(91.0 / 161.0));
        let mean = (0..7)
            .map(|i| f64::from(20 + i) * f64::from(i) / 10.0)
            .sum::<f64>()
            / 161.0;
        assert!((week.mean_score.unwrap() - mean).abs() < 1e-12);
        assert_eq!(week.roc_auc, None);
    }

    #[test]
    fn few_days_stay_and_many_become_months() {
        let few = periods(&days(120), None);
        assert_eq!(
            (few.period, few.points.len(), few.days.len()),
            (Period::Day, 120, 0)
        );
        let Drawn {
            period,
            points: months,
            ..
        } = periods(&days(800), None);
        assert_eq!(
            (period, months.len(), months[1].date.to_string().as_str()),
            (Period::Month, 27, "2024-02-01")
        );
        assert_eq!(periods(&[], None).points, []);
    }

    #[test]
    fn a_day_with_hardly_any_rows_is_left_out_of_the_lines() {
        let mut days = days(30);
        days[29] = day(days[29].date, 0, 1, 0.9);
        days[28] = day(days[28].date, 1, 1, 0.9);
        let drawn = periods(&days, None).points;
        assert_eq!(
            (drawn[29].accuracy, drawn[29].mean_score, drawn[29].rows),
            (Some(0.0), Some(0.9), 1)
        );
        days.iter_mut()
            .take(28)
            .for_each(|day| day.confusion.true_positives += 100);
        assert_eq!(periods(&days, None).points[29].accuracy, None);
    }
}
