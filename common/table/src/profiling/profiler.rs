//! Counting rows by day, within a bounded memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, Float64Array};

use profile::days::DayNumber;
use profile::profiles::{Baseline, Profile};
use runtime::failure::Failure;

/// Some rows, column by column.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The date of each row; `None` where there is no time.
    pub days: &'a [Option<DayNumber>],
    /// What [`Baseline::label`] makes of each label.
    pub labels: &'a [Option<f64>],
    /// The probability or the number that was predicted; null without a prediction.
    pub scores: &'a Float64Array,
    /// What each row weighs, where rows do; one that is null weighs 1.
    pub weights: Option<&'a Float64Array>,
    /// One per feature of the baseline, of categories their codes. None at all leaves the features
    /// uncounted.
    pub features: &'a [Float64Array],
}

/// Profiles of rows by day: constant memory in rows, bounded in days.
#[derive(Clone, Debug)]
pub struct Profiler {
    baseline: Arc<Baseline>,
    most_days: usize,
    days: BTreeMap<Option<DayNumber>, Profile>,
}

impl Profiler {
    /// Of no rows yet; the profiles may take `memory` bytes, and those of one day always fit.
    pub fn new(baseline: &Arc<Baseline>, memory: u64) -> Self {
        let most_days = usize::try_from(memory / (8 * baseline.counters() as u64))
            .unwrap_or(usize::MAX)
            .max(1);
        Self {
            baseline: baseline.clone(),
            most_days,
            days: BTreeMap::new(),
        }
    }

    /// What the profiles are counted by.
    pub fn baseline(&self) -> &Arc<Baseline> {
        &self.baseline
    }

    /// The profile of every day that has rows.
    pub fn days(&self) -> &BTreeMap<Option<DayNumber>, Profile> {
        &self.days
    }

    /// Adds rows `times` times; -1 takes them off.
    ///
    /// # Errors
    /// More days than fit: exit 2.
    pub fn add(&mut self, rows: Rows<'_>, times: i64) -> Result<()> {
        // Rows of one day often follow each other, and looking a day up costs more than counting a
        // row.
        let mut from = 0;
        while from < rows.days.len() {
            let day = rows.days[from];
            let to = from
                + rows.days[from..]
                    .iter()
                    .take_while(|other| **other == day)
                    .count();
            self.add_of_day(day, rows, from..to, times)?;
            from = to;
        }
        Ok(())
    }

    fn add_of_day(
        &mut self,
        day: Option<DayNumber>,
        rows: Rows<'_>,
        range: std::ops::Range<usize>,
        times: i64,
    ) -> Result<()> {
        let baseline = self.baseline.clone();
        let profile = self.day(day)?;
        for row in range.clone() {
            let score = rows
                .scores
                .is_valid(row)
                .then(|| rows.scores.value(row))
                .filter(|score| !score.is_nan());
            let label = rows.labels[row];
            profile.score.add(&baseline.score, score, label, times);
            if let (Some(weights), Some(score), Some(label)) = (&mut profile.weights, score, label)
            {
                let weight = rows.weights.filter(|weights| weights.is_valid(row));
                let weight = weight.map_or(1.0, |weights| weights.value(row));
                weights.add(&baseline.score, score, label, weight, times);
            }
        }
        for ((column, counts), baseline) in rows
            .features
            .iter()
            .zip(&mut profile.features)
            .zip(&baseline.features)
        {
            for row in range.clone() {
                match column.is_valid(row) {
                    true => drop(counts.add(&baseline.cells, column.value(row), times)),
                    false => counts.add_nulls(times),
                }
            }
        }
        Ok(())
    }

    fn day(&mut self, day: Option<DayNumber>) -> Result<&mut Profile> {
        if !self.days.contains_key(&day) && self.days.len() >= self.most_days {
            return Err(Failure::usage(format!(
                "the rows are of more than {} days, and profiles of {} features for each of them take more memory than there \
                 is: publish data versions of fewer days, see to the column of time if that is too many, or raise --memory \
                 (ALAMEDA_MEMORY)",
                self.most_days,
                self.baseline.features.len()
            )));
        }
        Ok(self
            .days
            .entry(day)
            .or_insert_with(|| Profile::new(&self.baseline)))
    }

    /// Adds what another profiler of the same baseline counted.
    ///
    /// # Errors
    /// Those of [`Profiler::add`], and numbers that overflow.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        other
            .days
            .iter()
            .try_for_each(|(day, profile)| self.add_profile(*day, profile))
    }

    pub(super) fn add_profile(&mut self, day: Option<DayNumber>, profile: &Profile) -> Result<()> {
        Ok(self.day(day)?.merge(profile)?)
    }
}
