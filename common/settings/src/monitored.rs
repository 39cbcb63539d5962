//! Which columns the verdict is on.

use std::fmt;
use std::str::FromStr;

use runtime::spelling;

/// What the score is called among the columns.
pub const SCORE: &str = "score";

/// Which columns the verdict is on, as the setting `MONITOR_COLUMNS` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MonitorColumns {
    /// All.
    #[default]
    All,
    /// These alone.
    Only(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

impl FromStr for MonitorColumns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::All);
        }
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        let left_out: Vec<&str> = names
            .iter()
            .filter_map(|name| name.strip_prefix('-'))
            .map(str::trim)
            .collect();
        if names.iter().chain(&left_out).any(|name| name.is_empty()) {
            return Err("a name is empty: give x1,x2 or -x1,-x2".to_owned());
        }
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match left_out.len() {
            0 => Ok(Self::Only(owned(&names))),
            all if all == names.len() => Ok(Self::AllBut(owned(&left_out))),
            _ => Err(
                "some names begin with - and some do not: give the columns to judge, such as x1,x2, or those \
                 to exclude, such as -x1,-x2"
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for MonitorColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Only(names) => f.write_str(&names.join(",")),
            Self::AllBut(names) => write!(f, "-{}", names.join(",-")),
        }
    }
}

impl MonitorColumns {
    /// Whether the verdict is on a column.
    pub fn judges(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|of| of == name),
            Self::AllBut(names) => !names.iter().any(|of| of == name),
        }
    }

    /// What is wrong with names that none of `columns` has, which are those that a report judges:
    /// they are listed. `model` is what the text calls the model that they are of; `None` of one
    /// that is to be trained.
    pub fn unknown(&self, columns: &[String], model: Option<&str>) -> Option<String> {
        let (Self::Only(names) | Self::AllBut(names)) = self else {
            return None;
        };
        let known = || columns.iter().map(String::as_str);
        let unknown = names.iter().filter(|name| !columns.contains(name));
        let unknown: Vec<String> = unknown
            .map(|name| format!("{name:?}{}", spelling::meant(name, known())))
            .collect();
        if unknown.is_empty() {
            return None;
        }
        let are = if unknown.len() == 1 { "is" } else { "are" };
        let (of_model, later) = match model {
            Some(model) => (
                format!(" of {model}"),
                "; the verdict goes by the others: a column that only a later version of the model \
                 has counts once that version is the champion",
            ),
            None => (String::new(), ""),
        };
        Some(format!(
            "MONITOR_COLUMNS (--monitor-columns) names {}, which {are} none of the columns{of_model} \
             that a report judges: name features, segment columns or {SCORE}; there are {}{later}",
            spelling::listed(unknown.iter().map(String::as_str)),
            spelling::listed(known())
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_are_judged_or_those_that_are_not() {
        for (text, judged) in [
            ("", [true, true, true]),
            (" x1 , score", [true, false, true]),
            ("-x1,-x2", [false, false, true]),
        ] {
            let columns: MonitorColumns = text.parse().unwrap();
            let found = ["x1", "x2", "score"].map(|name| columns.judges(name));
            assert_eq!(found, judged, "{text}");
            assert_eq!(columns.to_string().parse(), Ok(columns));
        }
        for (text, why) in [
            ("x1,-x2", "some names begin with -"),
            ("x1,,x2", "empty"),
            ("-", "empty"),
        ] {
            assert!(text.parse::<MonitorColumns>().unwrap_err().contains(why));
        }
    }
}
