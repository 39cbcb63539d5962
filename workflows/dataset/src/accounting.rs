//! Numbers as accounting writes them: negative ones are in parentheses, such as (2,909.76).

use crate::column::{Column, SPELLED};
use crate::number_texts::{Affixed, may_have_decimal, number_sql};
use crate::places::Places;
use crate::question::{Question, quoted};

/// A text without its parentheses, if they hold a number, and no letter or sign is outside of them.
fn opened(text: &str) -> Option<String> {
    let (before, rest) = text.trim().split_once('(')?;
    let (inner, after) = rest.split_once(')')?;
    let is_bare = |text: &str| !text.contains(|c: char| c.is_alphanumeric() || "+-(".contains(c));
    // A sign would count twice.
    let is_unsigned =
        inner.contains(|c: char| c.is_ascii_digit()) && !inner.contains(['+', '-', '(']);
    (is_unsigned && is_bare(before) && is_bare(after)).then(|| format!("{before}{inner}{after}"))
}

/// A number with its unit, without sign and parentheses.
struct Amount {
    number: String,
    unit: String,
}

impl Amount {
    fn of(text: &str) -> Self {
        let text = opened(text).unwrap_or_else(|| text.to_owned());
        match Affixed::of(&text) {
            Some(affixed) => Self {
                number: affixed.number().to_owned(),
                unit: affixed.unit(),
            },
            None => Self {
                number: text.trim().trim_start_matches(['-', '+']).to_owned(),
                unit: String::new(),
            },
        }
    }

    fn is_of(&self, unit: &str, decimal: char) -> bool {
        let has_digits = self.number.contains(|c: char| c.is_ascii_digit());
        has_digits && self.unit == unit && may_have_decimal(&self.number, decimal)
    }
}

/// What to do about texts that are numbers, some of them in parentheses.
pub(crate) fn question(column: &Column, places: &Places) -> Option<Question> {
    let texts = || {
        column
            .distinct
            .iter()
            .map(|&(_, rows, row)| (column.text(row), rows, row))
    };
    let enclosed = texts().filter(|(text, _, _)| opened(text).is_some());
    let first = enclosed.map(|(_, _, row)| row).min()?;
    let unit = Amount::of(column.text(first)).unit;
    let share = |decimal: char| {
        let (mut of, mut all) = (0_u64, 0_u64);
        for (text, rows, _) in texts() {
            all += rows;
            if Amount::of(text).is_of(&unit, decimal) {
                of += rows;
            }
        }
        of as f64 / all.max(1) as f64
    };
    let (with_point, with_comma) = (share('.'), share(','));
    let (share, decimal) = match with_comma > with_point {
        true => (with_comma, ','),
        false => (with_point, '.'),
    };
    if share < SPELLED {
        return None;
    }
    let other = texts().find(|(text, _, _)| !Amount::of(text).is_of(&unit, decimal));
    let except = match other {
        Some((_, _, row)) => format!(", but {:?} in {}", column.show(row), places.of(row)),
        None => String::new(),
    };
    let seen = format!(
        "its texts are numbers, and those in parentheses are negative as it seems, such as {:?} in \
         {}{except}",
        column.show(first),
        places.of(first)
    );
    let signed = format!("replace({}, '(', '-')", quoted(&column.name));
    let advice = format!(
        "it stays a text: {} in features.sql makes numbers of them, those in parentheses negative",
        number_sql(&signed, decimal)
    );
    Some(Question::new(&column.name, seen, advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_around_a_number_are_taken_away() {
        for (text, expected) in [
            ("(2,909.76)", Some("2,909.76")),
            (" ($5) ", Some("$5")),
            ("$(5)", Some("$5")),
            ("(5) %", Some("5 %")),
            ("2,909.76", None),
            ("(-5)", None),
            ("-(5)", None),
            ("(none)", None),
            ("Smith (3)", None),
            ("(555) 0123", None),
            ("(0.5, 1.5]", None),
        ] {
            assert_eq!(opened(text).as_deref(), expected, "{text}");
        }
    }
}
