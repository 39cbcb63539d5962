//! Counting rows by day, within a bounded memory.

use std::collections::{BTreeMap, HashMap};
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
        let baseline = self.baseline.clone();
        let (days, mut profiles) = self.profiles_of(rows.days)?;
        for (row, &day) in days.iter().enumerate() {
            let profile = &mut *profiles[day];
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
        // Column by column: the counts of one column on all days stay in the processor's cache,
        // and those of all columns do not.
        let features = rows.features.iter().zip(&baseline.features);
        for (feature, (column, baseline)) in features.enumerate() {
            for (row, &day) in days.iter().enumerate() {
                let counts = &mut profiles[day].features[feature];
                match column.is_valid(row) {
                    true => drop(counts.add(&baseline.cells, column.value(row), times)),
                    false => counts.add_nulls(times),
                }
            }
        }
        Ok(())
    }

    /// The profiles of some rows' days, and the place of each row's among them.
    fn profiles_of(
        &mut self,
        days: &[Option<DayNumber>],
    ) -> Result<(Vec<usize>, Vec<&mut Profile>)> {
        let mut places = HashMap::new();
        let of_rows = days.iter().map(|day| {
            let next = places.len();
            *places.entry(*day).or_insert(next)
        });
        let of_rows = of_rows.collect();
        for day in places.keys() {
            self.day(*day)?;
        }
        let all = self.days.iter_mut();
        let mut profiles: Vec<(usize, &mut Profile)> = all
            .filter_map(|(day, profile)| Some((*places.get(day)?, profile)))
            .collect();
        profiles.sort_unstable_by_key(|(place, _)| *place);
        let profiles = profiles.into_iter().map(|(_, profile)| profile).collect();
        Ok((of_rows, profiles))
    }

    fn day(&mut self, day: Option<DayNumber>) -> Result<&mut Profile> {
        if !self.days.contains_key(&day) && self.days.len() >= self.most_days {
            return Err(Failure::usage(format!(
                "the rows are of more than {} days, and profiles of {} features for each of them \
                 take more memory than there is: publish data versions of fewer days, correct the \
                 time column if that is too many, or raise --memory (ALAMEDA_MEMORY)",
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
