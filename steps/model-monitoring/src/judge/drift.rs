//! Drift of every column.

use anyhow::Result;
use chrono::NaiveDate;
use common::drift::{self, Cells, Ks, NoiseFloor, Profile, Psi, Thresholds, Verdict};

use crate::by_period::Columns;
use crate::content::{Bin, ColumnDrift, Drift, Period, Periods, Summary, Values};
use crate::scan::Scan;
use crate::subject::Subject;

/// Bars of a histogram.
pub(crate) const BINS: usize = 32;
/// Up to so many distinct values have a bar each.
const FEW_VALUES: usize = 24;
/// Share of the values that a histogram leaves out on either side: a few far values would squeeze the rest.
const TAIL: f64 = 0.002;

pub(super) fn drift(
    subject: &Subject,
    scan: &Scan,
    columns: &Columns,
    thresholds: &Thresholds,
) -> Result<Drift> {
    let reference = subject.reference_score()?;
    let comparisons = scan.features.len() + 1;
    let periods = scan.periods.sorted();
    let floors = Floors {
        column: NoiseFloor::of(comparisons),
        period: NoiseFloor::of(comparisons * periods.len()),
    };
    let judge = |index: usize, name: &str, reference: &Profile, current: &Profile| {
        let cells = columns.cells(index);
        let by_period = periods.iter().map(|period| {
            let psi = cells.psi(period.of(columns, index), &floors.period);
            psi.map(|psi| (psi.value * 1e6).round() / 1e6)
        });
        column(
            name,
            reference,
            current,
            cells,
            &floors.column,
            by_period.collect(),
            thresholds,
        )
    };
    let score = judge(scan.features.len(), "score", &reference, &scan.score)?;
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
        )?);
    }
    let dated: Vec<(NaiveDate, u64)> = periods
        .iter()
        .map(|period| (period.date, period.rows))
        .collect();
    let periods = over(
        scan.periods.unit,
        &dated,
        &floors.period,
        subject.reference.rows,
    );
    Ok(together(score, features, periods))
}

/// All columns, the features in the order of how bad they are.
pub(crate) fn together(
    score: ColumnDrift,
    mut features: Vec<ColumnDrift>,
    periods: Option<Periods>,
) -> Drift {
    let index = |column: &ColumnDrift| column.psi.as_ref().map_or(-1.0, |psi| psi.value);
    // Stable: equal ones stay in the model's order.
    features.sort_by(|a, b| {
        b.verdict
            .cmp(&a.verdict)
            .then(index(b).total_cmp(&index(a)))
    });
    Drift {
        comparisons: features.len() as u64 + 1,
        drifted_features: features
            .iter()
            .filter(|column| column.verdict >= Verdict::Warn)
            .count() as u64,
        psi_max: features
            .iter()
            .filter_map(|column| Some(column.psi.as_ref()?.value))
            .max_by(f64::total_cmp),
        periods,
        score,
        features,
    }
}

/// The worst of all columns.
pub(crate) fn verdict(drift: &Drift) -> Verdict {
    drift
        .features
        .iter()
        .map(|column| column.verdict)
        .fold(drift.score.verdict, Verdict::max)
}

/// Stretches of time with their rows, and what chance explains in each; `None` without any.
pub(crate) fn over(
    unit: Period,
    dated: &[(NaiveDate, u64)],
    floor: &NoiseFloor,
    trained: u64,
) -> Option<Periods> {
    (!dated.is_empty()).then(|| Periods {
        unit,
        dates: dated.iter().map(|(date, _)| *date).collect(),
        rows: dated.iter().map(|(_, rows)| *rows).collect(),
        noise_floor: dated
            .iter()
            .map(|(_, rows)| floor.at(MOST_BUCKETS, trained.max(1), (*rows).max(1)))
            .collect(),
    })
}

/// What an index and both sides come to; what is shown beside them is left out.
pub(crate) fn judged(
    name: &str,
    psi: Option<Psi>,
    ks: Option<Ks>,
    then: Summary,
    now: Summary,
    thresholds: &Thresholds,
) -> ColumnDrift {
    let spread = then.std.filter(|std| *std > 0.0);
    ColumnDrift {
        name: name.to_owned(),
        verdict: drift::verdict(psi.as_ref(), thresholds),
        jensen_shannon: psi.as_ref().map(Psi::jensen_shannon),
        psi,
        ks,
        mean_shift: now
            .mean
            .zip(then.mean)
            .zip(spread)
            .map(|((now, then), spread)| (now - then) / spread),
        std_ratio: now.std.zip(spread).map(|(now, spread)| now / spread),
        values: None,
        psi_by_period: Vec::new(),
        reference: then,
        current: now,
        histogram: Vec::new(),
    }
}

/// Buckets that an index has at most.
const MOST_BUCKETS: usize = 14;

/// What chance explains.
struct Floors {
    /// Over all rows: one index for each column.
    column: NoiseFloor,
    /// Of each period: one for each column and period.
    period: NoiseFloor,
}

fn column(
    name: &str,
    reference: &Profile,
    current: &Profile,
    cells: &Cells,
    floor: &NoiseFloor,
    psi_by_period: Vec<Option<f64>>,
    thresholds: &Thresholds,
) -> Result<ColumnDrift> {
    let psi = cells.psi(&cells.counts(current)?, floor);
    let ks = drift::ks(reference, current)?;
    Ok(ColumnDrift {
        values: values(reference, current),
        psi_by_period,
        histogram: histogram(reference, current),
        ..judged(
            name,
            psi,
            ks,
            summary(reference),
            summary(current),
            thresholds,
        )
    })
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
