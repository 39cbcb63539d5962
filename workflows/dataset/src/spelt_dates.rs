//! Texts that are dates to a person.

use table::dataset::Form;

use crate::column::{Column, SPELLED};
use crate::places::Places;
use crate::question::{Question, quoted};

/// The form that a column of dates has.
const ISO: &str = "%Y-%m-%d";
/// Forms that are looked for, the likelier ones first.
const FORMS: [&str; 18] = [
    ISO,
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d-%b-%y",
];
/// Forms that a text such as 05/06/2024 may both have.
const MISTAKABLE: [[&str; 2]; 3] = [
    ["%d/%m/%Y", "%m/%d/%Y"],
    ["%d-%m-%Y", "%m-%d-%Y"],
    ["%d/%m/%y", "%m/%d/%y"],
];

fn is_of(text: &str, form: &Form) -> bool {
    form.read(text).is_some()
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
        let known: Vec<(&'static str, Form)> = FORMS
            .iter()
            .filter_map(|name| Some((*name, Form::try_from((*name).to_owned()).ok()?)))
            .collect();
        let (mut forms, mut dates) = (Vec::new(), 0);
        loop {
            // Of as many rows the last one counts: that is the likelier form.
            let counted = known.iter().rev().map(|(name, form)| {
                let of_form = rest.iter().filter(|(text, _, _)| is_of(text, form));
                let rows = of_form.map(|(_, rows, _)| rows).sum::<u64>();
                (rows, *name, form)
            });
            let Some((rows, name, form)) = counted.max_by_key(|(rows, _, _)| *rows) else {
                break;
            };
            if rows == 0 {
                break;
            }
            let found = rest.iter().filter(|(text, _, _)| is_of(text, form));
            let first = found.map(|(_, _, row)| *row).min();
            forms.extend(first.map(|row| (name, row)));
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
            true => "it stays a text: leave what is not a date empty, and its type is date",
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
    // Whichever came first would be taken for the form of 05/06/2024, and no form reads the rest.
    let are_mistakable = MISTAKABLE
        .iter()
        .any(|pair| pair.iter().all(|form| dates.has(form)));
    let advice = match are_mistakable || dates.other.is_some() {
        true => form.to_owned(),
        false => {
            let forms = dates.forms.iter().map(|(form, _)| *form);
            // To SQL, 24 may be a year of four digits, but 2024 is none of two.
            let (short, long): (Vec<&str>, Vec<&str>) = forms.partition(|form| form.contains("%y"));
            let forms = short.into_iter().chain(long);
            let forms = forms.map(|form| format!("'{form}'"));
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
