//! What a person chose to see, as it is in the address of a page. Pure.

use chrono::NaiveDate;
use pages::content::Period;
use url::form_urlencoded;

/// What is shown: of which model version, days and data version, and how it is put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    pub(crate) version: Option<u64>,
    pub(crate) data: Option<String>,
    pub(crate) from: Option<NaiveDate>,
    pub(crate) to: Option<NaiveDate>,
    pub(crate) by: Option<Period>,
    pub(crate) threshold: Option<f64>,
    /// The column whose values divide the rows; all of them without a choice.
    pub(crate) segment: Option<String>,
}

/// Names of the periods that a choice can be of.
pub(crate) const PERIODS: [(&str, Period); 3] = [
    ("day", Period::Day),
    ("week", Period::Week),
    ("month", Period::Month),
];

/// The value of a parameter; an empty one is not given.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

impl Choice {
    /// Reads the query of an address; `prefix` is before each name but those of both sides,
    /// `by`, `threshold` and `segment`.
    ///
    /// # Errors
    /// Names the parameter that can't be read, and what it may be.
    pub(crate) fn parse(query: &str, prefix: &str) -> Result<Self, String> {
        let get = |name: &str| parameter(query, &format!("{prefix}{name}"));
        let date = |name: &str| match get(name) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| format!("{prefix}{name} is not a date, such as 2025-01-31")),
        };
        let version = match get("version") {
            None => None,
            Some(text) => Some(
                text.trim_start_matches('v')
                    .parse()
                    .map_err(|_| format!("{prefix}version is not a number"))?,
            ),
        };
        let by = match parameter(query, "by") {
            None => None,
            Some(text) => {
                let known = PERIODS.iter().find(|(name, _)| *name == text);
                Some(known.ok_or("by must be day, week or month")?.1)
            }
        };
        let threshold = match parameter(query, "threshold") {
            None => None,
            Some(text) => {
                let number: Option<f64> = text
                    .parse()
                    .ok()
                    .filter(|number| (0.0..=1.0).contains(number));
                Some(number.ok_or("threshold must be a number from 0 to 1")?)
            }
        };
        let segment = parameter(query, "segment");
        let choice = Self {
            version,
            data: get("data"),
            from: date("from")?,
            to: date("to")?,
            by,
            threshold,
            segment,
        };
        match (choice.from, choice.to) {
            (Some(from), Some(to)) if from > to => Err(format!("{prefix}from is after {prefix}to")),
            _ => Ok(choice),
        }
    }

    /// Whether a day is in the range; a row without a day is in no range but the whole.
    pub(crate) fn holds(&self, day: Option<NaiveDate>) -> bool {
        match day {
            None => self.from.is_none() && self.to.is_none(),
            Some(day) => {
                self.from.is_none_or(|from| day >= from) && self.to.is_none_or(|to| day <= to)
            }
        }
    }

    /// The parameters that say the same, after `prefix`.
    pub(crate) fn pairs(&self, prefix: &str) -> Vec<(String, String)> {
        let own = [
            ("version", self.version.map(|version| version.to_string())),
            ("data", self.data.clone()),
            ("from", self.from.map(|from| from.to_string())),
            ("to", self.to.map(|to| to.to_string())),
        ];
        let shared = [
            (
                "by",
                self.by
                    .and_then(|by| PERIODS.iter().find(|(_, period)| *period == by))
                    .map(|(name, _)| (*name).to_owned()),
            ),
            (
                "threshold",
                self.threshold.map(|threshold| threshold.to_string()),
            ),
            ("segment", self.segment.clone()),
        ];
        let own = own
            .into_iter()
            .map(|(name, value)| (format!("{prefix}{name}"), value));
        let shared = shared
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        own.chain(shared)
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// Columns of a key that can be asked for.
const KEY: usize = 16;

/// The key of the predictions that are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// The first one without it.
    pub(crate) table: Option<String>,
    /// Values of the columns of its key, in order.
    pub(crate) values: Vec<Option<String>>,
}

impl Wanted {
    /// Reads the query of an address.
    pub(crate) fn parse(query: &str) -> Self {
        let values = (0..KEY).map(|place| parameter(query, &key_parameter(place)));
        Self {
            table: parameter(query, "table"),
            values: values.collect(),
        }
    }

    /// Whether anything is asked for.
    pub(crate) fn is_some(&self) -> bool {
        self.values.first().is_some_and(Option::is_some)
    }

    /// The parameters that say the same.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let table = self.table.iter();
        let table = table.map(|table| ("table".to_owned(), table.clone()));
        let values = self.values.iter().enumerate();
        let values =
            values.filter_map(|(place, value)| Some((key_parameter(place), value.clone()?)));
        table.chain(values).collect()
    }
}

/// `id`, `id2`, `id3` and so on.
pub(crate) fn key_parameter(place: usize) -> String {
    match place {
        0 => "id".to_owned(),
        place => format!("id{}", place + 1),
    }
}

/// An address with parameters.
pub(crate) fn address(path: &str, pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    format!(
        "{path}?{}",
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_stands_in_the_address_and_comes_back() {
        let query = "version=3&data=25.05.1&from=2025-01-01&to=2025-02-01&by=week&threshold=0.4&segment=region";
        let choice = Choice::parse(query, "").unwrap();
        assert_eq!(address("", &choice.pairs("")), format!("?{query}"));
        let side = Choice::parse("a-version=v2&b-version=3&by=day", "b-").unwrap();
        assert_eq!((side.version, side.by), (Some(3), Some(Period::Day)));
        assert_eq!(
            Choice::parse("version=&from=&by=", "").unwrap(),
            Choice::default()
        );
        let day = |text: &str| Some(text.parse().unwrap());
        assert!(
            choice.holds(day("2025-02-01"))
                && !choice.holds(day("2025-02-02"))
                && !choice.holds(None)
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (query, named) in [
            ("version=x", "version"),
            ("from=yesterday", "from"),
            ("by=hour", "by"),
            ("threshold=2", "threshold"),
            ("threshold=NaN", "threshold"),
            ("from=2025-02-01&to=2025-01-01", "from is after to"),
        ] {
            assert!(
                Choice::parse(query, "").unwrap_err().contains(named),
                "{query}"
            );
        }
    }
}
