//! Joins rows with late labels, and counts what needs both or looks across all rows. One pass, in
//! the order of the keys.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use learn::metrics::{Classification, CurvePoint, RankMetrics, Report, weighted};
use pages::content::LateLabels;
use profile::days::DayNumber;
use runtime::step::Step;
use runtime::work::Work;
use store::spill::Sorted;
use table::labels::Latest;

use crate::by_score::{ByScore, Scored, curve};
use crate::of_task::OfTask;
use crate::rows::{Joinable, LabelWords, LateLabel};
use crate::segments::Segmentation;

/// Rows between two looks at the signal to stop.
pub(crate) const CHECK_EVERY: u64 = 1 << 16;

pub(crate) struct Joined {
    /// By date; `None` holds the rows without one.
    pub(crate) days: BTreeMap<Option<DayNumber>, DayCounts>,
    /// Of all rows with label and prediction.
    pub(crate) ranks: RankMetrics,
    /// Points of their curves.
    pub(crate) curve: Vec<CurvePoint>,
    /// What they would be predicted at some thresholds.
    pub(crate) at_thresholds: Vec<CurvePoint>,
    pub(crate) segmentation: Segmentation,
    pub(crate) keys: Keys,
    /// What was measured of another task than two classes.
    pub(crate) of_task: Option<OfTask>,
}

/// What looks across all rows by their keys.
pub(crate) struct Keys {
    pub(crate) duplicate_keys: u64,
    pub(crate) duplicate_rows: u64,
    /// Without the names of the files, and without the labels that no row has.
    pub(crate) late: LateLabels,
    /// Labelled keys that no row has, by the date that is in the key.
    pub(crate) unmatched: BTreeMap<Option<DayNumber>, u64>,
}

impl Joined {
    /// Rows that have a date, by date.
    pub(crate) fn rows_by_day(&self) -> BTreeMap<DayNumber, u64> {
        let dated = self.days.iter();
        dated
            .filter_map(|(day, counts)| Some(((*day)?, counts.rows)))
            .collect()
    }
}

/// What is counted of one date.
#[derive(Clone, Debug)]
pub(crate) struct DayCounts {
    pub(crate) rows: u64,
    pub(crate) scored_rows: u64,
    pub(crate) labelled_rows: u64,
    pub(crate) score_sum: f64,
    pub(crate) predicted_positives: u64,
    /// Of the rows with label and prediction.
    pub(crate) metrics: Classification,
    pub(crate) ranks: RankMetrics,
    /// Of the same rows, where they weigh.
    pub(crate) weighted: Option<weighted::Classification>,
}

impl DayCounts {
    /// Of no rows yet.
    pub(crate) fn new(threshold: f64) -> Self {
        Self {
            rows: 0,
            scored_rows: 0,
            labelled_rows: 0,
            score_sum: 0.0,
            predicted_positives: 0,
            metrics: Classification::new(threshold),
            ranks: RankMetrics::default(),
            weighted: None,
        }
    }

    /// What was measured, by weight where rows weigh.
    pub(crate) fn report(&self, ranks: &RankMetrics) -> Report {
        let mut report = self.metrics.report(Some(ranks));
        if let Some(weighted) = &self.weighted {
            report.weigh(&weighted.report());
        }
        report
    }
}

/// Joins sorted [`Joinable`] rows with sorted [`LateLabel`]s; a late label wins over the row's own.
/// Ranks are sorted in the scratch folder.
pub(crate) fn join<K: Joinable>(
    step: &Step,
    rows: Sorted<K::Words>,
    late: Sorted<LabelWords>,
    threshold: f64,
    mut segmentation: Segmentation,
    work: &Work,
) -> Result<Joined> {
    let mut matching = Matching::new(late)?;
    let mut scored = ByScore::new(work);
    let mut days = BTreeMap::new();
    let mut highest: Option<f64> = None;
    for (index, row) in (0_u64..).zip(rows) {
        if index % CHECK_EVERY == 0 {
            step.check()?;
        }
        let (mut row, weight) = K::row(row?);
        let late = matching.label_of(row.key)?;
        row.label = late.map(|label| label as u8).or(row.label);
        segmentation.add(row.score, row.label, row.codes, weight);
        let day = days
            .entry(row.day)
            .or_insert_with(|| DayCounts::new(threshold));
        day.rows += 1;
        day.labelled_rows += u64::from(row.label.is_some());
        if let Some(score) = row.score {
            day.scored_rows += 1;
            day.score_sum += score;
            day.predicted_positives += u64::from(score >= threshold);
            if let Some(label) = row.label {
                highest = Some(highest.map_or(score, |highest| highest.max(score)));
                day.metrics
                    .add_rows(&[label], &[score])
                    .context("counting a scored row")?;
                if let Some(weight) = weight {
                    let none = || weighted::Classification::new(threshold);
                    day.weighted
                        .get_or_insert_with(none)
                        .add_rows(&[f64::from(label)], &[score], Some(&[weight]))
                        .context("weighing a scored row")?;
                }
                scored.push(&Scored {
                    score,
                    day: row.day,
                    positive: label == 1,
                    weight,
                })?;
            }
        }
    }
    let keys = matching.finish()?;
    let mut curve = curve(&days, threshold, highest);
    let ranks = scored.rank(step, &mut days, &mut curve)?;
    let (curve, at_thresholds) = curve.finish();
    Ok(Joined {
        days,
        ranks,
        curve,
        at_thresholds,
        segmentation,
        keys,
        of_task: None,
    })
}

/// Finds the late label of each row, and counts keys that repeat; rows come in the order of their
/// keys.
pub(crate) struct Matching {
    late: LatestLabels,
    duplicate_keys: u64,
    duplicate_rows: u64,
    previous: Option<u128>,
    repeats: bool,
}

impl Matching {
    pub(crate) fn new(late: Sorted<LabelWords>) -> Result<Self> {
        Ok(Self {
            late: LatestLabels::new(late)?,
            duplicate_keys: 0,
            duplicate_rows: 0,
            previous: None,
            repeats: false,
        })
    }

    /// The late label of the next row, which has this key.
    pub(crate) fn label_of(&mut self, key: u128) -> Result<Option<f64>> {
        if self.previous == Some(key) {
            self.duplicate_rows += 1;
            self.duplicate_keys += u64::from(!self.repeats);
            self.repeats = true;
        } else {
            self.repeats = false;
        }
        self.previous = Some(key);
        self.late.label_of(key)
    }

    pub(crate) fn finish(self) -> Result<Keys> {
        let (late, unmatched) = self.late.finish()?;
        Ok(Keys {
            duplicate_keys: self.duplicate_keys,
            duplicate_rows: self.duplicate_rows,
            late,
            unmatched,
        })
    }
}

/// The label that holds for each key, in the order of the keys.
struct LatestLabels {
    sorted: Sorted<LabelWords>,
    latest: Latest<LateLabel>,
    /// What holds for the current key, and whether a row has that key.
    current: Option<(LateLabel, bool)>,
    counts: LateLabels,
    unmatched: BTreeMap<Option<DayNumber>, u64>,
}

impl LatestLabels {
    fn new(sorted: Sorted<LabelWords>) -> Result<Self> {
        let mut labels = Self {
            sorted,
            latest: Latest::new(|label| label.file),
            current: None,
            counts: LateLabels::default(),
            unmatched: BTreeMap::new(),
        };
        labels.advance()?;
        Ok(labels)
    }

    /// The late label of a key; keys must be asked for in their order.
    fn label_of(&mut self, key: u128) -> Result<Option<f64>> {
        while self.current.is_some_and(|(label, _)| label.key < key) {
            self.advance()?;
        }
        match &mut self.current {
            Some((label, has_row)) if label.key == key => {
                *has_row = true;
                self.counts.matched_rows += 1;
                Ok(Some(label.label))
            }
            _ => Ok(None),
        }
    }

    fn finish(mut self) -> Result<(LateLabels, BTreeMap<Option<DayNumber>, u64>)> {
        while self.current.is_some() {
            self.advance()?;
        }
        Ok((self.counts, self.unmatched))
    }

    /// Goes on to the next key.
    fn advance(&mut self) -> Result<()> {
        if let Some((label, false)) = self.current {
            *self.unmatched.entry(label.day).or_default() += 1;
        }
        self.current = None;
        for words in self.sorted.by_ref() {
            let label = LateLabel::unpack(words?);
            self.counts.labels += 1;
            let holds = self.latest.push(&label, |held| held.key == label.key);
            if let Some(holds) = holds {
                self.current = Some((holds, false));
                return Ok(());
            }
        }
        self.current = self.latest.finish().map(|holds| (holds, false));
        Ok(())
    }
}
