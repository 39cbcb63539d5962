//! Drift of every column, from what was counted of the rows.

use anyhow::Result;
use chrono::{Days, Months, NaiveDate};
use pages::content::{Bin, ColumnDrift, Drift, Period, Summary, Values};
use pages::judge::Rules;
use pages::judge::drift::{BINS, Compared, judged, judged_of, over, together};
use pages::judge::window::Window;
use profile::drift::{self, Hidden, NoiseFloor, Profile};
use settings::monitored::SCORE;

use super::categories::Carried;
use crate::by_period::{Columns, SortedPeriod};
use crate::scan::Scan;
use crate::subject::Subject;

/// Up to so many distinct values have a bar each.
const FEW_VALUES: usize = 24;
/// Share of the values that a histogram leaves out on either side: a few far values would squeeze
/// the rest.
const TAIL: f64 = 0.002;

pub(super) fn drift(
    subject: &Subject,
    scan: &Scan,
    columns: &Columns,
    carried: &Carried<'_>,
    window: &Window,
    rules: &Rules,
) -> Result<Drift> {
    let reference = subject.reference_score()?;
    let features = &subject.model.features;
    let comparisons = judged_of(features, rules) + carried.judged(rules);
    let unit = scan.periods.unit;
    let shown = |period: &SortedPeriod<'_>| window.meets(period.date, end_of(unit, period.date));
    let periods: Vec<SortedPeriod<'_>> = scan.periods.sorted().into_iter().filter(shown).collect();
    let floors = Floors {
        column: NoiseFloor::of(comparisons),
        period: NoiseFloor::of(comparisons * periods.len()),
    };
    let judge =
        |index: usize, name: &str, reference: &Profile, current: &Profile, hidden: &Hidden| {
            let cells = columns.cells(index);
            let by_period = periods.iter().map(|period| {
                let psi = cells.psi(period.of(columns, index), &floors.period);
                psi.map(|psi| (psi.value * 1e6).round() / 1e6)
            });
            let psi = cells.psi(&cells.counts(current)?, &floors.column);
            let compared = Compared {
                name,
                psi,
                ks: drift::ks(reference, current)?,
                then: summary(reference),
                now: summary(current),
                hidden: hidden.share(),
            };
            anyhow::Ok(ColumnDrift {
                values: values(reference, current),
                psi_by_period: by_period.collect(),
                histogram: histogram(reference, current),
                ..judged(compared, rules)
            })
        };
    let last = scan.features.len();
    let score = judge(last, SCORE, &reference, &scan.score, &scan.score_hidden)?;
    let mut features = Vec::with_capacity(scan.features.len());
    for (index, (reference, current)) in subject
        .reference
        .features
        .iter()
        .zip(&scan.features)
        .enumerate()
    {
        features.push(judge(
            index,
            &reference.name,
            &reference.profile,
            &current.profile,
            &current.hidden,
        )?);
    }
    let dated: Vec<(NaiveDate, u64)> = periods
        .iter()
        .map(|period| (period.date, period.rows))
        .collect();
    let periods = over(
        unit,
        &dated,
        &floors.period,
        subject.reference.rows,
        columns.most_cells(),
    );
    let categories = carried.drift(&floors.column, rules);
    Ok(Drift {
        comparisons: comparisons as u64,
        categories,
        ..together(score, features, periods)
    })
}

/// The date after a period.
fn end_of(unit: Period, first: NaiveDate) -> NaiveDate {
    match unit {
        Period::Day => first.succ_opt(),
        Period::Week => first.checked_add_days(Days::new(7)),
        Period::Month => first.checked_add_months(Months::new(1)),
        Period::Year => first.checked_add_months(Months::new(12)),
    }
    .unwrap_or(NaiveDate::MAX)
}

/// What chance explains.
struct Floors {
    /// Over all rows: one index for each column.
    column: NoiseFloor,
    /// Of each period: one for each column and period.
    period: NoiseFloor,
}

/// Values that one side has and the other lacks, where both have few.
fn values(reference: &Profile, current: &Profile) -> Option<Values> {
    let (then, now) = (reference.values()?, current.values()?);
    let lacking = |side: &[(f64, u64)], other: &[(f64, u64)]| {
        let has = |value: f64| other.iter().any(|(known, _)| *known == value);
        side.iter()
            .map(|&(value, _)| value)
            .filter(|value| !has(*value))
            .collect()
    };
    Some(Values {
        new: lacking(now, then),
        vanished: lacking(then, now),
    })
}

fn summary(profile: &Profile) -> Summary {
    Summary {
        rows: profile.rows(),
        missing: profile.rows() - profile.count(),
        mean: profile.mean(),
        std: profile.std(),
        min: profile.min(),
        median: profile.quantile(0.5),
        max: profile.max(),
    }
}

/// Both distributions over the same bars.
fn histogram(reference: &Profile, current: &Profile) -> Vec<Bin> {
    if let (Some(a), Some(b)) = (reference.values(), current.values()) {
        let mut values: Vec<f64> = a.iter().chain(b).map(|&(value, _)| value).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.len() <= FEW_VALUES {
            let count_of = |side: &[(f64, u64)], value: f64| {
                side.iter()
                    .find(|(other, _)| *other == value)
                    .map_or(0, |&(_, count)| count)
            };
            let bar = |&value: &f64| Bin {
                lower: value,
                upper: value,
                reference: count_of(a, value),
                current: count_of(b, value),
            };
            return values.iter().map(bar).collect();
        }
    }
    let ends = |q: f64| {
        [reference, current]
            .into_iter()
            .filter_map(move |side| side.quantile(q))
    };
    let lower = ends(TAIL).fold(f64::INFINITY, f64::min);
    let upper = ends(1.0 - TAIL).fold(f64::NEG_INFINITY, f64::max);
    if lower >= upper {
        return Vec::new();
    }
    let (a, b) = (
        reference.histogram_between(lower, upper, BINS),
        current.histogram_between(lower, upper, BINS),
    );
    a.iter()
        .zip(&b)
        .map(|(a, b)| Bin {
            lower: a.lower,
            upper: a.upper,
            reference: a.count,
            current: b.count,
        })
        .collect()
}
