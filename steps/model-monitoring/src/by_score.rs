//! Labelled rows of two classes in the order of their scores: areas and curves.

use std::collections::BTreeMap;

use anyhow::Result;
use learn::metrics::{
    Confusion, Curve, RankError, RankMetrics, Ranking, from_ordered_bits, ordered_bits, weighted,
};
use profile::days::DayNumber;
use runtime::step::Step;
use runtime::work::Work;
use store::spill::Sorter;

use crate::joined::DayCounts;
use crate::rows::{CHECK_EVERY, pack_day, unpack_day};

/// A row with label and prediction.
pub(crate) struct Scored {
    pub(crate) score: f64,
    pub(crate) day: Option<DayNumber>,
    pub(crate) positive: bool,
    /// What it weighs, where rows do.
    pub(crate) weight: Option<f64>,
}

/// Sorts rows by their scores, the highest first, in the scratch folder.
pub(crate) struct ByScore {
    work: Work,
    unweighted: Sorter<[u64; 2]>,
    weighted: Option<Sorter<[u64; 3]>>,
}

impl ByScore {
    pub(crate) fn new(work: &Work) -> Self {
        Self {
            work: work.clone(),
            unweighted: Sorter::new(work),
            weighted: None,
        }
    }

    pub(crate) fn push(&mut self, row: &Scored) -> Result<()> {
        // Inverted, so that ascending records are descending scores.
        let score = !ordered_bits(row.score);
        let rest = pack_day(row.day) << 1 | u64::from(row.positive);
        match row.weight {
            None => self.unweighted.push([score, rest]),
            Some(weight) => {
                let none = || Sorter::new(&self.work);
                let sorter = self.weighted.get_or_insert_with(none);
                sorter.push([score, rest, weight.to_bits()])
            }
        }
    }

    /// Ranks all rows, and those of each date, and follows the curve, in one pass.
    pub(crate) fn rank(
        self,
        step: &Step,
        days: &mut BTreeMap<Option<DayNumber>, DayCounts>,
        curve: &mut Curve,
    ) -> Result<RankMetrics> {
        match self.weighted {
            None => {
                let rows = self.unweighted.finish()?;
                let rows = rows.map(|row| row.map(|[score, rest]| unpack(score, rest, None)));
                rank(step, rows, days, curve)
            }
            Some(weighted) => {
                let rows = weighted.finish()?;
                let rows = rows.map(|row| {
                    row.map(|[score, rest, weight]| {
                        unpack(score, rest, Some(f64::from_bits(weight)))
                    })
                });
                rank(step, rows, days, curve)
            }
        }
    }
}

fn unpack(score: u64, rest: u64, weight: Option<f64>) -> Scored {
    Scored {
        score: from_ordered_bits(!score),
        day: unpack_day(rest >> 1),
        positive: rest & 1 == 1,
        weight,
    }
}

fn rank(
    step: &Step,
    rows: impl Iterator<Item = Result<Scored>>,
    days: &mut BTreeMap<Option<DayNumber>, DayCounts>,
    curve: &mut Curve,
) -> Result<RankMetrics> {
    let mut all = Ranks::default();
    let mut by_day: BTreeMap<Option<DayNumber>, Ranks> = BTreeMap::new();
    for (index, row) in (0_u64..).zip(rows) {
        if index % CHECK_EVERY == 0 {
            step.check()?;
        }
        let row = row?;
        all.add(&row)?;
        curve.add(row.score, row.positive, row.weight);
        by_day.entry(row.day).or_default().add(&row)?;
    }
    for (day, ranks) in by_day {
        if let Some(counts) = days.get_mut(&day) {
            counts.ranks = ranks.metrics();
        }
    }
    Ok(all.metrics())
}

/// Ranks rows, by weight where they weigh.
#[derive(Default)]
struct Ranks {
    unweighted: Ranking,
    weighted: Option<weighted::Ranking>,
}

impl Ranks {
    fn add(&mut self, row: &Scored) -> Result<(), RankError> {
        match row.weight {
            None => self.unweighted.add(row.score, row.positive),
            Some(weight) => {
                let ranking = self.weighted.get_or_insert_default();
                ranking.add(row.score, row.positive, weight)
            }
        }
    }

    fn metrics(self) -> RankMetrics {
        match self.weighted {
            None => self.unweighted.metrics(),
            Some(weighted) => weighted.metrics(),
        }
    }
}

/// The curve of the rows of all days; its table has every twentieth, the model's own threshold, and
/// the highest score: where the class is rare, all others lie above it.
pub(crate) fn curve(
    days: &BTreeMap<Option<DayNumber>, DayCounts>,
    threshold: f64,
    highest: Option<f64>,
) -> Curve {
    let mut all = Confusion::default();
    days.values()
        .for_each(|day| all.merge(day.metrics.confusion()));
    let thresholds: Vec<f64> = (1..20)
        .map(|twentieth| f64::from(twentieth) * 5.0 / 100.0)
        .chain([threshold])
        .chain(highest)
        .collect();
    Curve::new(all.positives(), all.rows() - all.positives(), &thresholds)
}
