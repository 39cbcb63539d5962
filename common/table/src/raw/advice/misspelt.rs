//! What to do about texts that can't be read as their column's type.

use super::change::{Change, typed};
use super::one;
use super::remedy::{Line, Remedy, with};
use super::tried::{Tried, is_null};
use crate::dataset::rule::Breach;
use crate::dataset::{ColumnType, Csv, Form, Labels};
use crate::raw::values;
use catalog::manifest::Role;

const CLOCK: &str = "write a clock reading as 2024-12-31T23:59:59";

/// `example` is the first of them, in quotes.
pub(super) fn remedies(tried: &Tried<'_>, example: &str) -> Vec<Remedy> {
    let Tried { column, file, .. } = tried;
    let write = |text: &str| Remedy::Write(text.to_owned());
    // Quotes escape spaces that do not break, which may part thousands.
    let text = example.trim_matches('"').replace("\\u{a0}", "\u{a0}");
    let text = text.replace("\\u{202f}", "\u{202f}");
    let text = text.as_str();
    if text.trim() != text {
        return vec![write("write values without spaces around them")];
    }
    // Digits of a date may be whole numbers in the file.
    let as_text = || tried.first(&[ColumnType::Utf8, ColumnType::Int64], &Breach::Misspelt);
    let spelt = |lines: Vec<String>| {
        let lines = lines.into_iter().map(Line::exact).chain(as_text());
        vec![Remedy::Accepts(lines.collect())]
    };
    if is_null(text) {
        // The other texts may need a change too: then both are one.
        let stray = file.is_csv().then(|| tried.strays().other).flatten();
        let both = stray.map(|stray| spellings(tried, &stray, Some(&Breach::Misspelt)));
        if let Some(both) = both.filter(|both| !both.is_empty()) {
            return spelt(both);
        }
        if let Some(of_null) = of_null(tried, text) {
            // A class may be called so.
            let has_classes = column.role == Role::Target
                && file.labels == Labels::Required
                && (file.dataset.goal()).is_ok_and(|goal| !goal.target.classes.is_empty());
            let as_text = (has_classes || !file.is_csv()).then(as_text).flatten();
            return of_null.into_iter().chain(as_text.map(one)).collect();
        }
    }
    if text == column.name {
        return vec![write(
            "this is the header again: when you join files, keep only the first header",
        )];
    }
    let all = spellings(tried, text, Some(&Breach::Misspelt));
    if !all.is_empty() {
        return spelt(all);
    }
    let as_text = as_text().map(one);
    let some = spellings(tried, text, None);
    if !some.is_empty() {
        let some = [Remedy::AcceptsSome(some)].into_iter();
        return some.chain(as_text).collect();
    }
    let form = match file.is_csv() {
        true => file.dataset.csv.form(column),
        false => column.format.as_ref(),
    };
    if let Some(form) = form {
        let write = [Remedy::Write(format!("write it in the form {form}"))].into_iter();
        return write.chain(as_text).collect();
    }
    let other = |other: ColumnType| {
        let line = typed(column, other)?;
        let takes = tried.takes(&Change::of_type(other), &line, Some(&Breach::Misspelt));
        takes.then(|| Remedy::accepts(line))
    };
    let (write, contract) = match column.column_type {
        ColumnType::Timestamp if chrono::DateTime::parse_from_rfc3339(text).is_ok() => {
            match other(ColumnType::TimestampTz) {
                Some(zoned) => (None, Some(zoned)),
                None => (Some(CLOCK), as_text),
            }
        }
        ColumnType::TimestampTz if values::reading(text).is_some() => (
            Some("write an instant with its offset, such as 2024-12-31T23:59:59Z"),
            other(ColumnType::Timestamp).or(as_text),
        ),
        ColumnType::Date => (Some("write a date as 2024-12-31"), as_text),
        ColumnType::Timestamp => (Some(CLOCK), as_text),
        ColumnType::TimestampTz => (Some("write an instant as 2024-12-31T23:59:59Z"), as_text),
        ColumnType::Bool => (Some("write true, false, 1 or 0"), as_text),
        _ => (None, as_text),
    };
    let write = write.map(|text| Remedy::Write(text.to_owned()));
    write.into_iter().chain(contract).collect()
}

/// The lines of the contract by which a text has a value that it lacks now: of a breach, one that
/// all of its rows have.
fn spellings(tried: &Tried<'_>, text: &str, of: Option<&Breach>) -> Vec<String> {
    use ColumnType::{Date, Timestamp, TimestampTz};
    let column_type = tried.column.column_type;
    let changes: Vec<(Change, String)> = match column_type {
        Date | Timestamp | TimestampTz => {
            let forms = Form::of(text, column_type).into_iter();
            let change = |form: Form| {
                let line = format!("\"format\": \"{form}\"");
                (Change::of_form(form), line)
            };
            forms.map(change).collect()
        }
        _ if tried.file.is_csv() => dialects(&tried.file.dataset.csv, text),
        _ => Vec::new(),
    };
    let lines = changes.into_iter().filter_map(|(change, line)| match of {
        Some(of) => tried.taking(&change, line, of),
        None => tried.takes(&change, &line, None).then_some(line),
    });
    lines.take(2).collect()
}

/// What to do about a text that programs write for null; `None` where the column has no null.
fn of_null(tried: &Tried<'_>, text: &str) -> Option<Vec<Remedy>> {
    let file = tried.file;
    let more = tried.line_of_null()?;
    let write = |text: &str| match more {
        Some(line) => format!("{text} {}", with(file.pinned, line)),
        None => text.to_owned(),
    };
    if !file.is_csv() {
        let write = write("write null as null and not as a text");
        return Some(vec![Remedy::Write(write)]);
    }
    let write = Remedy::Write(write("write null as an empty field"));
    let nulls = format!("{text:?} added to \"nulls\" of \"csv\"");
    let line = match more {
        Some(nullable) => format!("{nulls} with {nullable}"),
        None => nulls,
    };
    let (text, known) = ([text.to_owned()], &file.dataset.csv);
    let change = Change::default().with_nulls(text, known, more.is_some());
    let contract = match tried.takes(&change, &line, Some(&Breach::Misspelt)) {
        true => Some(Remedy::accepts(line)),
        false if tried.takes(&change, &line, None) => Some(Remedy::AcceptsSome(vec![line])),
        false => None,
    };
    Some([write].into_iter().chain(contract).collect())
}

/// Dialects other than the known one in which a text is a number, each with its line.
fn dialects(known: &Csv, text: &str) -> Vec<(Change, String)> {
    const DIALECTS: [(char, Option<char>); 10] = [
        (',', None),
        ('.', Some(',')),
        (',', Some('.')),
        ('.', Some(' ')),
        (',', Some(' ')),
        ('.', Some('\'')),
        (',', Some('\'')),
        ('.', Some('\u{a0}')),
        (',', Some('\u{a0}')),
        (',', Some('\u{202f}')),
    ];
    let mut found: Vec<(Change, String)> = Vec::new();
    let is_number = |(decimal, thousands): (char, Option<char>)| {
        let number = values::Spelling { decimal, thousands }.plain(text);
        number.is_some_and(|number| number.parse::<f64>().is_ok())
    };
    for (decimal, thousands) in DIALECTS {
        if !is_number((decimal, thousands)) {
            continue;
        }
        let thousands = thousands.filter(|mark| text.contains(*mark));
        // A text without a decimal mark says nothing of it.
        let decimal = match text.contains(',') || thousands == Some(known.decimal) {
            true => decimal,
            false => known.decimal,
        };
        let dialect = (decimal, thousands);
        let is_other = dialect != (known.decimal, known.thousands);
        let mark = (decimal == ',' || decimal != known.decimal)
            .then(|| format!("\"decimal\": \"{decimal}\""));
        let groups = thousands.map(|mark| match mark.is_ascii() {
            true => format!("\"thousands\": \"{mark}\""),
            // JSON reads both, but a person sees no difference between spaces.
            false => format!("\"thousands\": \"\\u{:04x}\"", u32::from(mark)),
        });
        let settings: Vec<String> = mark.into_iter().chain(groups).collect();
        let line = format!("\"csv\": {{{}}}", settings.join(", "));
        let is_known = found.iter().any(|(_, other)| *other == line);
        if is_other && !is_known && is_number(dialect) && !settings.is_empty() {
            let csv = Csv {
                decimal,
                thousands,
                ..known.clone()
            };
            found.push((Change::of_csv(csv), line));
        }
    }
    found
}
