//! Texts that are dates to a person.

use chrono::NaiveDate;

use crate::column::Column;
use crate::doubts::{Question, quoted};
use crate::sample::Places;
use crate::spellings::SPELLED;

/// The form that a column of dates has.
const ISO: &str = "%Y-%m-%d";
const DAY_FIRST: &str = "%d/%m/%Y";
const MONTH_FIRST: &str = "%m/%d/%Y";
/// Forms that are looked for, the likelier ones first.
const FORMS: [&str; 7] = [
    ISO,
    "%d.%m.%Y",
    DAY_FIRST,
    MONTH_FIRST,
    "%Y/%m/%d",
    "%Y%m%d",
    "%d-%m-%Y",
];

fn is_of(text: &str, form: &str) -> bool {
    NaiveDate::parse_from_str(text, form).is_ok()
}

/// The dates among texts.
struct Dates<'a> {
    /// Forms, each with its first row of the sample, those of the most rows first. A text that has
    /// several of them counts as the first of these.
    forms: Vec<(&'static str, usize)>,
    /// The share of rows that are dates, of those that hold a text.
    share: f64,
    /// A text that is none.
    other: Option<&'a str>,
}

impl<'a> Dates<'a> {
    fn of(column: &'a Column) -> Self {
        let texts = column.distinct.iter();
        let mut rest: Vec<(&str, u64, usize)> = texts
            .map(|&(_, rows, row)| (column.text(row).trim(), rows, row))
            .collect();
        let all: u64 = rest.iter().map(|(_, rows, _)| rows).sum();
        let (mut forms, mut dates) = (Vec::new(), 0);
        loop {
            // Of as many rows the last one counts: that is the likelier form.
            let counted = FORMS.iter().rev().map(|form| {
                let of_form = rest.iter().filter(|(text, _, _)| is_of(text, form));
                (of_form.map(|(_, rows, _)| rows).sum::<u64>(), *form)
            });
            let Some((rows, form)) = counted.max_by_key(|(rows, _)| *rows) else {
                break;
            };
            if rows == 0 {
                break;
            }
            let found = rest.iter().filter(|(text, _, _)| is_of(text, form));
            let first = found.map(|(_, _, row)| *row).min();
            forms.extend(first.map(|row| (form, row)));
            dates += rows;
            rest.retain(|(text, _, _)| !is_of(text, form));
        }
        Self {
            forms,
            share: dates as f64 / all.max(1) as f64,
            other: rest.first().map(|(text, _, _)| *text),
        }
    }

    fn has(&self, form: &str) -> bool {
        self.forms.iter().any(|(of, _)| *of == form)
    }
}

/// What to do about a column of texts, if nearly all of them are dates.
pub(crate) fn question(column: &Column, places: &Places) -> Option<Question> {
    let dates = Dates::of(column);
    let (&(first, row), others) = dates.forms.split_first()?;
    if dates.share < SPELLED {
        return None;
    }
    let except = match dates.other {
        Some(other) => format!(", but {other:?}"),
        None => String::new(),
    };
    let form = "it stays a text: write dates as 2024-12-31, and its type is date";
    if others.is_empty() {
        let advice = match first == ISO && dates.other.is_some() {
            true => "it stays a text: leave what is no date empty, and its type is date",
            false => form,
        };
        let seen = format!("its texts are dates such as {:?}{except}", column.show(row));
        return Some(Question::new(&column.name, seen, advice));
    }
    let examples = dates.forms.iter();
    let examples =
        examples.map(|&(_, row)| format!("{:?} in {}", column.show(row), places.of(row)));
    let seen = format!(
        "its texts are dates in {} forms: {}{except}",
        dates.forms.len(),
        examples.collect::<Vec<_>>().join(", ")
    );
    // Whichever came first would be taken for the form of 05/06/2024.
    let advice = match dates.has(DAY_FIRST) && dates.has(MONTH_FIRST) {
        true => form.to_owned(),
        false => {
            let forms = dates.forms.iter().map(|(form, _)| format!("'{form}'"));
            format!(
                "{form}; or date_part('epoch', to_date({}, {})) / 86400 in features.sql makes \
                 days of them",
                quoted(&column.name),
                forms.collect::<Vec<_>>().join(", ")
            )
        }
    };
    Some(Question::new(&column.name, seen, advice))
}
