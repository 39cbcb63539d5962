//! Drift of every column.

use chrono::NaiveDate;
use profile::drift::{self, Ks, MOST_HIDDEN, NoiseFloor, Psi, Verdict};
use settings::monitored::SCORE;

use super::Rules;
use crate::content::{ColumnDrift, Drift, Period, Periods, Summary};

/// Bars of a histogram.
pub const BINS: usize = 32;

/// Columns that the verdict is on, the score among them.
pub fn judged_of(features: &[String], rules: &Rules) -> usize {
    let columns = features.iter().map(String::as_str).chain([SCORE]);
    columns.filter(|name| rules.columns.judges(name)).count()
}

/// All columns, the features in the order of how bad they are.
pub fn together(
    score: ColumnDrift,
    mut features: Vec<ColumnDrift>,
    periods: Option<Periods>,
) -> Drift {
    let index = |column: &ColumnDrift| column.psi.as_ref().map_or(-1.0, |psi| psi.value);
    // Stable: equal ones stay in the model's order.
    features.sort_by(|a, b| {
        b.judged
            .cmp(&a.judged)
            .then(b.verdict.cmp(&a.verdict))
            .then(index(b).total_cmp(&index(a)))
    });
    let judged = || features.iter().filter(|column| column.judged);
    Drift {
        comparisons: judged().count() as u64 + u64::from(score.judged),
        categories: Vec::new(),
        drifted_features: judged()
            .filter(|column| column.verdict >= Verdict::Warn)
            .count() as u64,
        psi_max: judged()
            .filter_map(|column| Some(column.psi.as_ref()?.value))
            .max_by(f64::total_cmp),
        periods,
        score,
        features,
    }
}

/// The worst of all columns that are judged; insufficient data where none is.
pub fn verdict(drift: &Drift) -> Verdict {
    let columns = std::iter::once(&drift.score).chain(&drift.features);
    let columns = columns.filter(|column| column.judged);
    let categories = drift.categories.iter().filter(|column| column.judged);
    columns
        .map(|column| column.verdict)
        .chain(categories.map(|column| column.verdict))
        .max()
        .unwrap_or(Verdict::InsufficientData)
}

/// Stretches of time with their rows, and what chance explains in each; `None` without any.
pub fn over(
    unit: Period,
    dated: &[(NaiveDate, u64)],
    floor: &NoiseFloor,
    trained: u64,
    cells: usize,
) -> Option<Periods> {
    (!dated.is_empty()).then(|| Periods {
        unit,
        dates: dated.iter().map(|(date, _)| *date).collect(),
        rows: dated.iter().map(|(_, rows)| *rows).collect(),
        noise_floor: dated
            .iter()
            .map(|(_, rows)| floor.at(cells, trained.max(1), (*rows).max(1)))
            .collect(),
    })
}

/// A column beside training.
pub struct Compared<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its population stability index; `None` when a side has no rows.
    pub psi: Option<Psi>,
    /// Kolmogorov and Smirnov's distance; `None` when a side has no finite values.
    pub ks: Option<Ks>,
    /// The column in training.
    pub then: Summary,
    /// The column now.
    pub now: Summary,
    /// Share of training within which rows may have moved unseen.
    pub hidden: f64,
}

/// What a column comes to; what is shown beside it is left out.
pub fn judged(compared: Compared<'_>, rules: &Rules) -> ColumnDrift {
    let Compared {
        name,
        psi,
        ks,
        then,
        now,
        hidden,
    } = compared;
    let spread = then.std.filter(|std| *std > 0.0);
    let hidden = Some(hidden).filter(|hidden| *hidden >= MOST_HIDDEN);
    let verdict = match drift::verdict(psi.as_ref(), &rules.thresholds) {
        Verdict::Ok if hidden.is_some() => Verdict::Warn,
        verdict => verdict,
    };
    ColumnDrift {
        name: name.to_owned(),
        verdict,
        judged: rules.columns.judges(name),
        hidden,
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
