//! How CSV files are written, as the key `csv` of `dataset.json` says it.

use serde::{Deserialize, Serialize};

use super::{ColumnContract, ColumnType, Form};

/// How CSV files are written. By default as RFC 4180 has it, in UTF-8, with a point as decimal
/// mark and moments as ISO 8601 has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Csv {
    /// The separator between fields.
    pub separator: char,
    /// What a field is put in that holds separators, quotes or line breaks; a quote in it is
    /// doubled. Without one no field is quoted.
    pub quote: Option<char>,
    /// The decimal mark of numbers.
    pub decimal: char,
    /// The separator between groups of three digits before the decimal mark, if anything does.
    pub thousands: Option<char>,
    /// How dates are spelt.
    pub date_format: Option<Form>,
    /// How clock readings are spelt.
    pub timestamp_format: Option<Form>,
    /// How instants are spelt.
    pub timestamptz_format: Option<Form>,
    /// What the bytes of a file mean.
    pub encoding: Encoding,
    /// Fields that are null, besides the empty one.
    pub nulls: Vec<String>,
    /// Whether the first row holds the names of the columns. Without it the columns of a file are
    /// those of the contract, in its order.
    pub header: bool,
    /// What a line begins with that is no row.
    pub comment: Option<char>,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            separator: ',',
            quote: Some('"'),
            decimal: '.',
            thousands: None,
            date_format: None,
            timestamp_format: None,
            timestamptz_format: None,
            encoding: Encoding::default(),
            nulls: Vec::new(),
            header: true,
            comment: None,
        }
    }
}

/// What the bytes of a CSV file mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with a byte order mark or without.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Each byte is the character of its number.
    #[serde(rename = "latin-1")]
    Latin1,
    /// As Latin-1, with other characters from 0x80 to 0x9F.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// UTF-16 of either byte order, which a mark at the beginning names.
    #[serde(rename = "utf-16")]
    Utf16,
}

impl Csv {
    /// How values of a column are spelt; `None` for the forms of ISO 8601.
    pub(crate) fn form<'a>(&'a self, column: &'a ColumnContract) -> Option<&'a Form> {
        let of_type = match column.column_type {
            ColumnType::Date => &self.date_format,
            ColumnType::Timestamp => &self.timestamp_format,
            ColumnType::TimestampTz => &self.timestamptz_format,
            _ => &None,
        };
        column.format.as_ref().or(of_type.as_ref())
    }

    /// # Errors
    /// A setting that can't be, or two that exclude each other.
    pub(super) fn validate(&self) -> Result<(), String> {
        let mark = |name: &str, mark: char, may: &dyn Fn(char) -> bool, what: &str| {
            if may(mark) {
                Ok(())
            } else {
                Err(format!("`csv`: `{name}` is {mark:?}: it must be {what}"))
            }
        };
        let between = |mark: char| {
            mark.is_ascii_punctuation() && mark != '.' || matches!(mark, '\t' | ' ' | '\u{1}')
        };
        let separates =
            "a tab, a space, \"\\u0001\", or an ASCII punctuation mark except the point";
        mark("separator", self.separator, &between, separates)?;
        if let Some(quote) = self.quote {
            let what = "an ASCII punctuation mark, or null if no field is quoted";
            mark("quote", quote, &|mark| mark.is_ascii_punctuation(), what)?;
        }
        mark(
            "decimal",
            self.decimal,
            &|mark| ".,".contains(mark),
            "\".\" or \",\"",
        )?;
        if let Some(thousands) = self.thousands {
            let groups = |mark: char| {
                !mark.is_alphanumeric() && !mark.is_control() && !matches!(mark, '+' | '-')
            };
            let what = "a punctuation mark or a space, but not + or -";
            mark("thousands", thousands, &groups, what)?;
        }
        if let Some(comment) = self.comment {
            let begins = |mark: char| mark.is_ascii_punctuation() && !"+-.".contains(mark);
            let what = "an ASCII punctuation mark that no number begins with";
            mark("comment", comment, &begins, what)?;
        }
        let marks = [
            ("separator", Some(self.separator)),
            ("quote", self.quote),
            ("comment", self.comment),
            ("decimal", Some(self.decimal)),
            ("thousands", self.thousands),
        ];
        for (place, (name, mark)) in marks.iter().enumerate() {
            for (other, same) in &marks[..place] {
                // A number with the separator in it can be put in quotes.
                let may = *other == "separator" && matches!(*name, "decimal" | "thousands");
                if mark.is_some() && mark == same && !(may && self.quote.is_some()) {
                    return Err(format!(
                        "`csv`: `{other}` and `{name}` are the same: {:?}",
                        mark.unwrap_or_default()
                    ));
                }
            }
        }
        for (name, form, column_type) in [
            ("date_format", &self.date_format, ColumnType::Date),
            (
                "timestamp_format",
                &self.timestamp_format,
                ColumnType::Timestamp,
            ),
            (
                "timestamptz_format",
                &self.timestamptz_format,
                ColumnType::TimestampTz,
            ),
        ] {
            let suits = form.as_ref().map(|form| form.suits(column_type));
            if let (Some(form), Some(Err(reason))) = (form, suits) {
                return Err(format!("`csv`: `{name}` is \"{form}\": it {reason}"));
            }
        }
        Ok(())
    }
}
