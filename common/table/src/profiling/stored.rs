//! Profiles in the object store, beside the rows that they count.

use anyhow::Result;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Profiler;
use profile::days;
use profile::profiles::{Baseline, FORMAT_VERSION, FORMER_VERSION, Profile, ReadProfile};
use runtime::failure::Failure;

/// The profile of one day, as it is in the object store. Labels that come later are not in it.
/// It is read as a `StoredProfile<ReadProfile>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredProfile<P = Profile> {
    /// [`FORMAT_VERSION`], or [`FORMER_VERSION`].
    pub format_version: u32,
    /// Fingerprint of the model: from what was saved beside it follows the [`Baseline`].
    pub model: String,
    /// Day of the rows; `None` where there is no time.
    pub day: Option<NaiveDate>,
    /// Rows in all.
    pub rows: i64,
    /// Rows that came with a label.
    pub labelled_rows: i64,
    /// Rows without a prediction.
    pub unscored_rows: i64,
    /// What is counted of them.
    pub profile: P,
}

impl Profiler {
    /// The profiles as they are stored, in the order of the days.
    ///
    /// # Errors
    /// A day beyond the calendar: exit 10.
    pub fn stored(&self) -> Result<Vec<StoredProfile>> {
        let stored = |(day, profile): (&Option<days::DayNumber>, &Profile)| {
            let date = |day: days::DayNumber| {
                let beyond = || {
                    Failure::contract(format!(
                        "a time is {day} days from 1970-01-01, beyond the calendar"
                    ))
                };
                days::date(day).ok_or_else(beyond)
            };
            Ok(StoredProfile {
                format_version: FORMAT_VERSION,
                model: self.baseline().model.clone(),
                day: day.map(date).transpose()?,
                rows: profile.rows(),
                labelled_rows: profile.labelled_rows(),
                unscored_rows: profile.unscored_rows(),
                profile: profile.clone(),
            })
        };
        self.days().iter().map(stored).collect()
    }

    /// Adds what was stored of other rows.
    ///
    /// # Errors
    /// Profiles of another model or version of the code: exit 2. Those of [`Profiler::merge`].
    pub fn add_stored(&mut self, stored: &[StoredProfile<ReadProfile>]) -> Result<()> {
        for stored in stored {
            let Some(profile) = stored.of(self.baseline()) else {
                return Err(Failure::usage(format!(
                    "the profiles are of model {} and format {}, and not of {} and {FORMAT_VERSION}: score the rows again",
                    stored.model,
                    stored.format_version,
                    self.baseline().model
                )));
            };
            self.add_profile(stored.day.map(days::number), &profile)?;
        }
        Ok(())
    }
}

impl StoredProfile<ReadProfile> {
    /// What is counted, in the cells of `baseline`; `None` where it was counted by others.
    pub fn of(&self, baseline: &Baseline) -> Option<Profile> {
        let known = [FORMER_VERSION, FORMAT_VERSION].contains(&self.format_version);
        if !known || self.model != baseline.model {
            return None;
        }
        self.profile.clone().now(baseline)
    }
}
