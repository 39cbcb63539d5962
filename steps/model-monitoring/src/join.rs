//! Joins rows with late labels, and counts what needs both or looks across all rows. One pass, in
//! the order of the keys.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use learn::metrics::weighted;
use runtime::step::Step;
use runtime::work::Work;
use store::spill::Sorted;

use crate::by_score::{ByScore, Scored, curve};
use crate::joined::{DayCounts, Joined};
use crate::matching::Matching;
use crate::rows::{CHECK_EVERY, Joinable, LabelWords};
use crate::segments::Segmentation;

/// Joins sorted [`Joinable`] rows with sorted late labels; a late label wins over the row's own.
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
