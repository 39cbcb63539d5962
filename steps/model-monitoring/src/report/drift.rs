//! Drift of every column, from what was counted of the rows.

use chrono::{Days, Months, NaiveDate};
use pages::content::{ColumnDrift, ComparedWith, Drift, OddPeriod, Period, Periods};
use pages::judge::Rules;
use pages::judge::drift::{Column, judged, judged_of, over, together};
use pages::judge::odd;
use pages::judge::window::Window;
use profile::drift::NoiseFloor;
use settings::monitored::SCORE;

use super::categories::Carried;
use crate::by_period::{Columns, SortedPeriod};
use crate::scan::Scan;
use crate::subject::Subject;

pub(super) fn drift(
    subject: &Subject,
    scan: &Scan,
    columns: &Columns,
    carried: &Carried<'_>,
    window: &Window,
    rules: &Rules,
) -> Drift {
    let features = &subject.model.features();
    let comparisons = judged_of(features, rules) + carried.judged(rules);
    let unit = scan.periods.unit;
    let shown = |period: &SortedPeriod<'_>| window.meets(period.date, end_of(unit, period.date));
    let periods: Vec<SortedPeriod<'_>> = scan.periods.sorted().into_iter().filter(shown).collect();
    let floors = Floors {
        column: NoiseFloor::of(comparisons),
        period: NoiseFloor::of(comparisons * periods.len()),
    };
    let by_period = |index: usize| -> Vec<Option<f64>> {
        let parts = columns.parts(index);
        let psi = |period: &SortedPeriod<'_>| {
            let psi = parts.psi(period.of(columns, index), &floors.period)?;
            Some((psi.value * 1e6).round() / 1e6)
        };
        periods.iter().map(psi).collect()
    };
    let baseline = &subject.baseline;
    let of_score = &scan.score;
    let mut compared = baseline.score.compared(&of_score.counts);
    if let (Some(now), Some(of)) = (of_score.counts.numbers(), baseline.score.numbers()) {
        let (cells, excess) = (&of.prediction.cells, &of_score.excess);
        compared.now = compared.now.with(cells, &now.prediction, excess);
    }
    compared.now = compared.now.within(of_score.seen.ends());
    let score = Column {
        name: SCORE,
        compared: &compared,
        hidden: of_score.hidden(),
        distinct: of_score.seen.distinct(),
        categories: None,
        new: None,
        unknown: None,
        psi_by_period: by_period(features.len()),
    };
    let score = ColumnDrift {
        compared_with: match subject.model.estimator.is_surer_of_training_rows() {
            true => ComparedWith::Holdout,
            false => ComparedWith::Training,
        },
        ..judged(score, &floors.column, rules)
    };
    let known = subject.reference.features.iter();
    let known = known.map(|of| of.profile.known());
    let features = baseline.features.iter().zip(&scan.features).zip(known);
    let features = features.enumerate().map(|(index, ((of, scan), known))| {
        let mut compared = of.compared(&scan.counts);
        let now = compared.now.with(&of.cells, &scan.counts, &scan.excess);
        compared.now = now.within(scan.seen.ends());
        let column = Column {
            name: &of.name,
            compared: &compared,
            hidden: scan.hidden(),
            distinct: scan.seen.distinct(),
            categories: of.categories(),
            new: Some(&scan.new),
            unknown: known.map(|known| [known.once, scan.unknown]),
            psi_by_period: by_period(index),
        };
        judged(column, &floors.column, rules)
    });
    let features: Vec<ColumnDrift> = features.collect();
    let dated: Vec<(NaiveDate, u64)> = periods
        .iter()
        .map(|period| (period.date, period.rows))
        .collect();
    let over = over(
        unit,
        &dated,
        &floors.period,
        subject.reference.rows,
        columns.most_parts(),
    );
    let odd = |over: &Periods| -> Vec<OddPeriod> {
        let columns_of = features.iter().chain([&score]).enumerate();
        let judged = columns_of.filter(|(_, column)| column.judged);
        let of_column = |(index, column): (usize, &ColumnDrift)| {
            // Values that are missing are the first part of each column.
            let missing = |period: &SortedPeriod<'_>| [period.of(columns, index)[0], period.rows];
            let missing: Vec<[u64; 2]> = periods.iter().map(missing).collect();
            let (floor, alert) = (&floors.period, rules.thresholds.alert);
            odd::periods(column, &missing, over, floor, alert)
        };
        judged.flat_map(of_column).collect()
    };
    let periods = over.map(|over| Periods {
        odd: odd(&over),
        ..over
    });
    let categories = carried.drift(&floors.column, rules);
    Drift {
        comparisons: comparisons as u64,
        categories,
        ..together(score, features, periods)
    }
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
