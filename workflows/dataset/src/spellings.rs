//! Texts that are numbers or dates to a person.

use std::net::Ipv4Addr;

use table::dataset::{ColumnType, Csv};
use table::raw::NULL_TEXTS;

use crate::accounting;
use crate::column::{Column, SPELLED, in_quotes};
use crate::number_texts::{Affixed, has_lakhs, thousands, ungrouped};
use crate::places::Places;
use crate::question::{Question, quoted};
use crate::spelt_dates;

/// The mark of thousands of texts, some of which can be nothing else.
fn thousands_of<'a>(texts: impl Iterator<Item = &'a str>) -> Option<char> {
    let mut marks = texts.filter_map(thousands);
    marks.find_map(|(mark, is_certain)| is_certain.then_some(mark))
}

/// The first row of a text with this mark between thousands, which can be nothing else there.
fn grouped_by(column: &Column, mark: char) -> Option<usize> {
    let rows = column.distinct.iter().map(|&(_, _, row)| row);
    rows.filter(|&row| thousands(column.text(row)) == Some((mark, true)))
        .min()
}

/// What to do about texts that are numbers or dates to a person.
pub(crate) fn question(column: &Column, places: &Places) -> Option<Question> {
    if column.column_type != ColumnType::Utf8 {
        return None;
    }
    let name = column.name.as_str();
    let texts = || {
        column
            .distinct
            .iter()
            .map(|&(_, count, row)| (column.text(row), count))
    };
    let all: u64 = texts().map(|(_, count)| count).sum();
    let share = |is: &dyn Fn(&str) -> bool| {
        let of = texts()
            .filter(|(text, _)| is(text.trim()))
            .map(|(_, count)| count);
        of.sum::<u64>() as f64 / all.max(1) as f64
    };
    let number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let comma = |text: &str| text.contains(',') && number(&text.replacen(',', ".", 1));
    let except = |is: &dyn Fn(&str) -> bool| {
        let mut rows = column.distinct.iter().map(|&(_, _, row)| row);
        let other = rows.find(|&row| !is(column.text(row).trim()));
        other
            .map(|row| format!(", but {:?} in {}", column.show(row), places.of(row)))
            .unwrap_or_default()
    };
    let column_of = quoted(name);
    // Four numbers below 256 may be groups of three digits.
    if share(&|text| text.parse::<Ipv4Addr>().is_ok()) >= SPELLED {
        return None;
    }
    if let Some(question) = accounting::question(column, places) {
        return Some(question);
    }
    if share(&number) < SPELLED
        && let Some(question) = spelt_dates::question(column, places)
    {
        return Some(question);
    }
    let mark = thousands_of(texts().map(|(text, _)| text));
    // With a mark between thousands, SQL would make null of a large number; without one, a point
    // begins a fraction.
    let is_grouped = mark.filter(|mark| *mark != '.').is_some_and(|mark| {
        let of_groups = share(&|text| number(&ungrouped(text, mark)));
        of_groups > share(&number)
    });
    let (seen, advice) = if share(&number) >= SPELLED && !is_grouped {
        let example = texts().find(|(text, _)| number(text.trim()));
        let example = example.map(|(text, _)| text).unwrap_or_default();
        let seen = format!(
            "its texts are numbers such as {example:?}{}",
            except(&number)
        );
        let footer = match share(&number) < 1.0 {
            true => "if that row is not data (a footer, for example), remove it from the file; ",
            false => "",
        };
        let advice = format!(
            "it stays a text: {footer}if they are amounts, not codes, TRY_CAST({column_of} AS \
             DOUBLE) in features.sql makes numbers of them"
        );
        (seen, advice)
    } else if let [Some(comma), Some(point)] = [',', '.'].map(|mark| grouped_by(column, mark)) {
        let [comma, point] =
            [comma, point].map(|row| format!("{:?} in {}", column.show(row), places.of(row)));
        let seen =
            format!("its texts are numbers with both marks between thousands: {comma}, {point}");
        let advice = "it stays a text, because no setting reads both: write its numbers alike in the \
                      files";
        (seen, advice.to_owned())
    } else if let Some(mark) = mark
        && share(&|text| number(&ungrouped(text, mark))) >= SPELLED
    {
        let row_of = |is: fn(&str) -> bool| {
            let rows = column.distinct.iter().map(|&(_, _, row)| row);
            rows.filter(|&row| is(column.text(row))).min()
        };
        let (row, between) = match row_of(has_lakhs) {
            Some(row) => (Some(row), "groups of digits, as in India"),
            None => (row_of(|text: &str| thousands(text).is_some()), "thousands"),
        };
        let row = row.unwrap_or_default();
        let is_number = |text: &str| number(&ungrouped(text, mark));
        let seen = format!(
            "its texts are numbers with {mark:?} between {between}, such as {:?} in {}{}",
            column.show(row),
            places.of(row),
            except(&is_number)
        );
        let advice = match mark {
            ',' => format!("TRY_CAST(replace({column_of}, ',', '') AS DOUBLE) in features.sql"),
            '.' => format!(
                "TRY_CAST(replace(replace({column_of}, '.', ''), ',', '.') AS DOUBLE) in \
                 features.sql"
            ),
            _ => {
                let decimal = match texts().any(|(text, _)| text.contains(',')) {
                    true => "\"decimal\": \",\", ",
                    false => "",
                };
                format!(
                    "\"csv\": {{{decimal}\"thousands\": {}}} in dataset.json, with its type \
                     float64,",
                    in_quotes(&mark.to_string())
                )
            }
        };
        let advice = format!("it stays a text: {advice} makes numbers of them");
        (seen, advice)
    } else if share(&|text| number(text) || comma(text)) >= SPELLED {
        let seen = format!(
            "its texts are numbers with a decimal comma{}",
            except(&comma)
        );
        let advice = format!(
            "it stays a text: TRY_CAST(replace({column_of}, ',', '.') AS DOUBLE) in \
             features.sql makes numbers of them"
        );
        (seen, advice)
    } else if let Some(affixed) = texts().find_map(|(text, _)| Affixed::of(text))
        && share(&|text| Affixed::of(text).is_some_and(|of| of.is_like(&affixed))) >= SPELLED
    {
        let example = column.show(column.distinct[0].2);
        let seen = format!(
            "its texts are numbers with {:?} {}, such as {example:?}",
            affixed.unit(),
            affixed.place()
        );
        let advice = format!(
            "it stays a text: {} in features.sql makes numbers of them",
            affixed.sql(&column_of)
        );
        (seen, advice)
    } else {
        return None;
    };
    Some(Question::new(name, seen, advice))
}

/// What to do about a text in a column of numbers that is none, where the column names rows, or is
/// predicted: a footer, as it seems.
pub(crate) fn footer(column: &Column, places: &Places) -> Option<Question> {
    if column.column_type != ColumnType::Utf8 {
        return None;
    }
    let is_number = |row: usize| column.text(row).trim().parse::<f64>().is_ok();
    let others = column.distinct.iter().filter(|of| !is_number(of.2));
    let rows: u64 = others.clone().map(|(_, rows, _)| rows).sum();
    let first = others.map(|&(_, _, row)| row).min()?;
    let number = column.distinct.iter().find(|of| is_number(of.2))?.2;
    if rows as f64 > (1.0 - SPELLED) * (column.rows() - column.nulls()) as f64 {
        return None;
    }
    let seen = format!(
        "its texts are numbers such as {:?}, but {:?} in {}",
        column.show(number),
        column.show(first),
        places.of(first)
    );
    let advice = "it stays a text: if that row is not data (a footer, for example), remove it from \
                  the file, and run this again";
    Some(Question::new(&column.name, seen, advice))
}

/// What to do about texts of a feature that other programs write for a value that is missing.
pub(crate) fn missing(column: &Column, csv: &Csv) -> Option<Question> {
    if column.column_type != ColumnType::Utf8 {
        return None;
    }
    let is_null = |text: &str| NULL_TEXTS.contains(&text.to_ascii_lowercase().as_str());
    let found = column.distinct.iter();
    let found: Vec<(&str, u64)> = found
        .map(|&(_, rows, row)| (column.text(row), rows))
        .filter(|(text, _)| is_null(text))
        .collect();
    let rows: u64 = found.iter().map(|(_, rows)| rows).sum();
    let (first, _) = found.first()?;
    let nulls = found.iter().map(|(text, _)| *text);
    let sql = nulls.clone().fold(quoted(&column.name), |sql, text| {
        format!("NULLIF({sql}, '{text}')")
    });
    let setting = match column.spelled.iter().any(|(of, _)| of == "CSV") {
        true => {
            let known = csv.nulls.iter().map(String::as_str);
            let all: Vec<String> = known.chain(nulls).map(|text| format!("{text:?}")).collect();
            format!(
                "\"csv\": {{\"nulls\": [{}]}} in dataset.json, or ",
                all.join(", ")
            )
        }
        false => String::new(),
    };
    let seen = format!("{rows} of {} values are {first:?}", column.rows());
    let seen = match found.len() {
        1 => seen,
        more => format!("{seen} and {} more such texts", more - 1),
    };
    let advice = format!(
        "each such text is a category: if it stands for a missing value, {setting}{sql} in features.sql \
         makes it null"
    );
    Some(Question::new(&column.name, seen, advice))
}
