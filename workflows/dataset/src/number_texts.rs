//! Texts that are numbers with marks between thousands, or with units beside them.

use crate::marks::other;

/// Marks between groups of three digits.
const MARKS: [char; 6] = [',', '.', '\'', ' ', '\u{a0}', '\u{202f}'];

/// The mark between groups of three digits, or of two before the last three, as in India, if a text
/// is a number with such groups, and whether it can't be a decimal mark.
pub(crate) fn thousands(text: &str) -> Option<(char, bool)> {
    let text = text.trim().trim_start_matches(['-', '+']);
    // The mark that comes first parts groups; another one begins the fraction.
    let mark = text.chars().find(|found| MARKS.contains(found))?;
    let has_comma = mark == '.' || mark != ',' && text.contains(',');
    let decimal = if has_comma { ',' } else { '.' };
    let (whole, fraction) = match text.split_once(decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(mark);
    let first = groups.next()?;
    let groups: Vec<&str> = groups.collect();
    let (last, inner) = groups.split_last()?;
    let are_of = |size: usize| first.len() <= size && inner.iter().all(|of| of.len() == size);
    let is_of_lakhs = mark == ',' && !inner.is_empty() && are_of(2);
    let fits = digits(first)
        && groups.iter().all(|group| digits(group))
        && last.len() == 3
        && (are_of(3) || is_of_lakhs)
        && fraction.is_none_or(digits);
    let is_certain = groups.len() > 1 || fraction.is_some() || !matches!(mark, ',' | '.');
    fits.then_some((mark, is_certain))
}

/// Whether a number has groups of two digits before the last three: 1,23,456.78.
pub(crate) fn has_lakhs(text: &str) -> bool {
    let inner = |text: &str| text.split(',').skip(1).any(|group| group.len() == 2);
    thousands(text).is_some_and(|(mark, _)| mark == ',') && inner(text.trim())
}

/// Whether a number without a sign and a unit can have this mark before its fraction.
pub(crate) fn may_have_decimal(number: &str, decimal: char) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match thousands(number) {
        Some((mark @ (',' | '.'), true)) => mark != decimal,
        Some((_, true)) => !number.contains(other(decimal)),
        Some((mark, false)) if mark != decimal => true,
        _ => number.splitn(2, decimal).all(digits),
    }
}

/// A number with a point, and without this mark between thousands.
pub(crate) fn ungrouped(text: &str, mark: char) -> String {
    let number = text.replace(mark, "");
    match mark {
        ',' => number,
        _ => number.replacen(',', ".", 1),
    }
}

/// A number with a unit: a share in percent, an amount of money, a weight.
pub(crate) struct Affixed<'a> {
    before: &'a str,
    number: &'a str,
    after: &'a str,
    decimal: char,
}

impl<'a> Affixed<'a> {
    /// `None` where there is no unit, or no number beside it.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let first = text.find(|c: char| c.is_ascii_digit())?;
        let last = text.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (before, number, after) = (&text[..first], &text[first..last], &text[last..]);
        let before = before.trim_matches(['-', '+']);
        let is_number = |decimal: char| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let mut parts = number.splitn(2, decimal);
            parts.all(digits)
        };
        let decimal = match thousands(number) {
            Some((mark, _)) if mark != ',' && number.contains(',') => ',',
            Some(('.', _)) => ',',
            Some(_) => '.',
            None if is_number('.') => '.',
            None if is_number(',') => ',',
            None => return None,
        };
        // Letters before a number make it a code.
        let is_code = before.chars().any(char::is_alphanumeric) && !before.ends_with(' ');
        let units = !(before.trim().is_empty() && after.trim().is_empty());
        (units && !is_code).then_some(Self {
            before,
            number,
            after,
            decimal,
        })
    }

    /// The number without its unit.
    pub(crate) fn number(&self) -> &'a str {
        self.number
    }

    /// Whether the unit is the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.before.trim(), self.after.trim()) == (other.before.trim(), other.after.trim())
    }

    pub(crate) fn unit(&self) -> String {
        format!("{}{}", self.before.trim(), self.after.trim())
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> &'static str {
        match (self.before.trim(), self.after.trim()) {
            (_, "") => "before them",
            ("", _) => "behind them",
            _ => "around them",
        }
    }

    /// What makes a number of a column.
    pub(crate) fn sql(&self, column: &str) -> String {
        number_sql(column, self.decimal)
    }
}

/// What makes numbers with this decimal mark of texts, whatever else is in them.
pub(crate) fn number_sql(column: &str, decimal: char) -> String {
    let number = format!("regexp_replace({column}, '[^0-9{decimal}+-]', '', 'g')");
    match decimal {
        '.' => format!("TRY_CAST({number} AS DOUBLE)"),
        _ => format!("TRY_CAST(replace({number}, '{decimal}', '.') AS DOUBLE)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_three_digits_have_a_mark() {
        for (text, expected) in [
            ("1,234,567", Some((',', true))),
            ("-1,234.5", Some((',', true))),
            ("1.234,5", Some(('.', true))),
            ("12'000", Some(('\'', true))),
            ("1 000", Some((' ', true))),
            ("12 000,50", Some((' ', true))),
            ("1,234", Some((',', false))),
            ("1234", None),
            ("1,23,456.78", Some((',', true))),
            ("12,34,56,789", Some((',', true))),
            ("1.23.456", None),
            ("123,45,678", None),
            ("1,23,45", None),
            ("1,23", None),
            ("1234,567", None),
            ("1,234.", None),
            ("a,bcd", None),
        ] {
            assert_eq!(thousands(text), expected, "{text}");
        }
    }

    #[test]
    fn a_unit_beside_a_number_is_taken_away() {
        let of = |text: &str| {
            let found = Affixed::of(text)?;
            let (unit, place) = (found.unit(), found.place());
            Some(format!("{unit} {place} {}", found.decimal))
        };
        for (text, expected) in [
            ("4.1%", Some("% behind them .")),
            ("-4,1 %", Some("% behind them ,")),
            ("$88,334.73", Some("$ before them .")),
            ("\u{20b9}1,23,456.78", Some("\u{20b9} before them .")),
            ("-$5", Some("$ before them .")),
            ("1.234,50 €", Some("€ behind them ,")),
            ("CHF 12'000", Some("CHF before them .")),
            ("12 000,50 €", Some("€ behind them ,")),
            ("~5 kg", Some("~kg around them .")),
            ("12.5", None),
            ("A33", None),
            ("12:30", None),
            ("12-15 kg", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
        let sql = |text: &str| Affixed::of(text).unwrap().sql("\"rate\"");
        assert_eq!(
            sql("4.1%"),
            r#"TRY_CAST(regexp_replace("rate", '[^0-9.+-]', '', 'g') AS DOUBLE)"#
        );
        assert_eq!(
            sql("4,1%"),
            r#"TRY_CAST(replace(regexp_replace("rate", '[^0-9,+-]', '', 'g'), ',', '.') AS DOUBLE)"#
        );
    }
}
