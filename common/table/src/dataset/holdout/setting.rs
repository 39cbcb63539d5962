//! The setting `HOLDOUT`: a rule, or one that depends on the date of the data version.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, NaiveDate};

use super::{Dataset, HoldoutRule};
use runtime::failure::Failure;

/// What is held out of a data version.
///
/// ```
/// use table::dataset::HoldoutSetting;
///
/// let week: HoldoutSetting = "after=-7d".parse()?;
/// let rule = week.rule("2026-11-23".parse().ok());
/// assert_eq!(rule.map(|rule| rule.to_string()), Some("after=2026-11-16".to_owned()));
/// assert_eq!(week.rule(None), None);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HoldoutSetting {
    /// The same of every data version.
    Fixed(HoldoutRule),
    /// The rows of so many days before a date, and later ones.
    DaysBefore(u64),
}

impl HoldoutSetting {
    /// Whether the time of a row decides.
    pub fn is_of_time(self) -> bool {
        match self {
            Self::Fixed(rule) => rule.is_of_time(),
            Self::DaysBefore(_) => true,
        }
    }

    /// Checks that the columns of a contract allow it.
    ///
    /// # Errors
    /// `after` for data without a column of time: exit 2.
    pub fn check(self, dataset: &Dataset) -> anyhow::Result<()> {
        if !self.is_of_time() || dataset.time().is_some() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "the holdout {self} needs a column with the role time, and dataset.json has none: use \
             first-shard or fraction=0.1"
        )))
    }

    /// The rule of a data version whose rows end with a date; `None` where it needs the date, and
    /// there is none.
    pub fn rule(self, last: Option<NaiveDate>) -> Option<HoldoutRule> {
        match self {
            Self::Fixed(rule) => Some(rule),
            Self::DaysBefore(days) => last?
                .checked_sub_days(Days::new(days))
                .map(HoldoutRule::After),
        }
    }
}

impl FromStr for HoldoutSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text
            .strip_prefix("after=-")
            .and_then(|text| text.strip_suffix('d'));
        match days.map(str::parse) {
            Some(Ok(days @ 1..=36_500)) => Ok(Self::DaysBefore(days)),
            Some(_) => Err("give after=-7d for the last seven days, or as many as you mean".into()),
            None => text.parse().map(Self::Fixed),
        }
    }
}

impl fmt::Display for HoldoutSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(rule) => rule.fmt(f),
            Self::DaysBefore(days) => write!(f, "after=-{days}d"),
        }
    }
}
