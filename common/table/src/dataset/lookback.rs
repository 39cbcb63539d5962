//! How far windows of `features.sql` look back.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ColumnType, Dataset};
use catalog::manifest::Role;

/// Units, the longest first, and their microseconds.
const UNITS: [(&str, i64); 4] = [
    ("day", 86_400_000_000),
    ("hour", 3_600_000_000),
    ("minute", 60_000_000),
    ("second", 1_000_000),
];

/// The longest time that a window may look back: a whole number of days, hours, minutes or seconds.
///
/// ```
/// use table::dataset::Lookback;
///
/// let lookback: Lookback = serde_json::from_str(r#""36 hours""#)?;
/// assert_eq!(lookback.micros(), 36 * 3_600_000_000);
/// assert_eq!(lookback.to_string(), "36 hours");
/// assert_eq!(Lookback::at_least(2 * 86_400_000_000).to_string(), "2 days");
/// assert!(serde_json::from_str::<Lookback>(r#""1 month""#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lookback(i64);

impl Lookback {
    /// Its length in microseconds; above 0.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The shortest one of at least so many microseconds, and of at least a second.
    pub fn at_least(micros: i64) -> Self {
        let (_, second) = UNITS[3];
        let rest = i64::from(micros % second > 0);
        Self(
            (micros / second)
                .saturating_add(rest)
                .max(1)
                .saturating_mul(second),
        )
    }
}

impl TryFrom<String> for Lookback {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.trim().split_once(' ').and_then(|(count, unit)| {
            let count: i64 = count.parse().ok().filter(|count| *count > 0)?;
            let unit = unit.trim();
            let unit = unit.strip_suffix('s').unwrap_or(unit);
            let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit)?;
            count.checked_mul(*micros)
        });
        parsed.map(Self).ok_or_else(|| {
            "expected a whole number above 0 of days, hours, minutes or seconds, such as \
             \"30 days\""
                .to_owned()
        })
    }
}

impl From<Lookback> for String {
    fn from(lookback: Lookback) -> Self {
        lookback.to_string()
    }
}

impl fmt::Display for Lookback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A day is said as a day, and 36 hours as hours.
        let unit = UNITS.iter().find(|(_, micros)| self.0 % micros == 0);
        let (name, micros) = unit.unwrap_or(&("microsecond", 1));
        let count = self.0 / micros;
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} {name}{plural}")
    }
}

/// What becomes of training rows within `lookback` after the earliest row, whose windows reach back
/// behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WarmUp {
    /// They are taken, and counted.
    #[default]
    Count,
    /// They are left out, and counted.
    Drop,
}

/// That windows can be of the contract's entity and time.
pub(super) fn validate(dataset: &Dataset) -> Result<(), String> {
    let mut names = HashSet::new();
    for name in &dataset.entity {
        if !names.insert(name) {
            return Err(format!("`entity` names column {name:?} twice"));
        }
        let column = dataset.columns.iter().find(|column| column.name == *name);
        let Some(column) = column else {
            return Err(format!(
                "`entity` names column {name:?}, which is not in `columns`"
            ));
        };
        if matches!(column.role, Role::Target | Role::Time | Role::Weight) {
            return Err(format!(
                "`entity` names column {name:?} with the role {}: an entity is what rows are \
                 about, such as a customer",
                column.role
            ));
        }
        if matches!(
            column.column_type,
            ColumnType::Float32 | ColumnType::Float64
        ) {
            return Err(format!(
                "`entity` names column {name:?} of type {}: floats can't identify an entity",
                column.column_type
            ));
        }
    }
    let Some(lookback) = dataset.lookback else {
        return match dataset.warm_up {
            WarmUp::Count => Ok(()),
            WarmUp::Drop => Err(
                "`warm_up` is for windows: give `lookback`, the longest one, such as \"30 days\""
                    .to_owned(),
            ),
        };
    };
    match dataset.time() {
        Some(time) if time.column_type == ColumnType::Date && lookback.0 % UNITS[0].1 != 0 => {
            Err(format!(
                "`lookback` is \"{lookback}\", and {:?}, the time column, holds dates: give whole \
                 days",
                time.name
            ))
        }
        Some(_) => Ok(()),
        None => Err("`lookback` needs a column with the role time".to_owned()),
    }
}
