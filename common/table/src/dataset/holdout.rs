//! Which labelled rows are held out of training.

mod setting;

use std::fmt;
use std::str::FromStr;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use chrono::{Duration, NaiveDate, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Dataset, keys};
use catalog::manifest::Role;

pub use setting::HoldoutSetting;

/// How the holdout is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HoldoutRule {
    /// The first raw file in the order of names.
    FirstShard,
    /// About this share of all ids, chosen by their hash: wherever a row lies, and however often
    /// its id occurs.
    Fraction(f64),
    /// The rows whose time is on this date or later.
    After(NaiveDate),
}

impl HoldoutRule {
    /// Whether the time of a row decides.
    pub fn is_of_time(self) -> bool {
        matches!(self, Self::After(_))
    }
}

impl FromStr for HoldoutRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.split_once('=') {
            None if text == "first-shard" => Some(Self::FirstShard),
            Some(("fraction", share)) => share
                .parse()
                .ok()
                .filter(|f| 0.0 < *f && *f < 1.0)
                .map(Self::Fraction),
            Some(("after", date)) => NaiveDate::parse_from_str(date, "%Y-%m-%d")
                .ok()
                .map(Self::After),
            _ => None,
        };
        parsed.ok_or_else(|| {
            "give first-shard, a fraction between 0 and 1 such as fraction=0.1, after=2024-10-01, or after=-7d".into()
        })
    }
}

impl TryFrom<String> for HoldoutRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<HoldoutRule> for String {
    fn from(rule: HoldoutRule) -> String {
        rule.to_string()
    }
}

impl fmt::Display for HoldoutRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstShard => f.write_str("first-shard"),
            Self::Fraction(share) => write!(f, "fraction={share}"),
            Self::After(date) => write!(f, "after={date}"),
        }
    }
}

/// A rule made ready for the rows of one contract.
#[derive(Clone, Debug)]
pub struct Holdout {
    rule: HoldoutRule,
    ids: Vec<String>,
    time: Option<String>,
    timezone: Tz,
}

impl Holdout {
    /// # Errors
    /// Those of [`HoldoutSetting::check`].
    pub fn new(rule: HoldoutRule, dataset: &Dataset, timezone: Tz) -> anyhow::Result<Self> {
        let time = dataset.time().map(|column| column.name.clone());
        HoldoutSetting::Fixed(rule).check(dataset)?;
        let ids = dataset
            .with_role(Role::Id)
            .map(|column| column.name.clone())
            .collect();
        Ok(Self {
            rule,
            ids,
            time,
            timezone,
        })
    }

    /// Whether the file of a row decides.
    pub fn is_by_file(&self) -> bool {
        self.rule == HoldoutRule::FirstShard
    }

    /// Which rows of a batch with the id columns and the column of time are held out; `first` tells
    /// whether they are of the first raw file.
    pub fn held_out(&self, batch: &RecordBatch, first: bool) -> anyhow::Result<BooleanArray> {
        let column = |name: &String| -> anyhow::Result<ArrayRef> {
            Ok(batch.column(batch.schema_ref().index_of(name)?).clone())
        };
        match (self.rule, &self.time) {
            (HoldoutRule::FirstShard, _) => Ok(vec![first; batch.num_rows()].into()),
            (HoldoutRule::Fraction(share), _) => {
                let ids = self
                    .ids
                    .iter()
                    .map(column)
                    .collect::<anyhow::Result<Vec<_>>>()?;
                // 2^64 is the number of values that the high half of a hash has.
                let limit = (share * 18_446_744_073_709_551_616.0) as u64;
                Ok(keys::hashes(&ids)?
                    .map(|hash| Some(((hash >> 64) as u64) < limit))
                    .collect())
            }
            (HoldoutRule::After(date), Some(time)) => Ok(self.on_or_after(date, &column(time)?)),
            (HoldoutRule::After(_), None) => Ok(vec![false; batch.num_rows()].into()),
        }
    }

    fn on_or_after(&self, date: NaiveDate, time: &ArrayRef) -> BooleanArray {
        let midnight = date.and_time(Default::default());
        match time.data_type() {
            DataType::Date32 => {
                let day = date.signed_duration_since(NaiveDate::default()).num_days();
                let times = time.as_primitive::<Date32Type>();
                times
                    .iter()
                    .map(|time| Some(time.is_some_and(|time| i64::from(time) >= day)))
                    .collect()
            }
            data_type => {
                let begin = match data_type {
                    // Some zones skip midnight on a day in spring: the day then begins with the
                    // first instant after.
                    DataType::Timestamp(_, Some(_)) => (0..48)
                        .find_map(|half_hours| {
                            let reading = midnight + Duration::minutes(30 * half_hours);
                            self.timezone.from_local_datetime(&reading).earliest()
                        })
                        .map_or(midnight.and_utc().timestamp_micros(), |begin| {
                            begin.timestamp_micros()
                        }),
                    _ => midnight.and_utc().timestamp_micros(),
                };
                let times = time.as_primitive::<TimestampMicrosecondType>();
                times
                    .iter()
                    .map(|time| Some(time.is_some_and(|time| time >= begin)))
                    .collect()
            }
        }
    }
}
