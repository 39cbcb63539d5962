//! What `infer` does not read out of CSV files by itself: quotes other than ", marks of thousands,
//! and files without a header. It asks.

use crate::doubts::Question;

/// Marks between groups of three digits.
const MARKS: [char; 6] = [',', '.', '\'', ' ', '\u{a0}', '\u{202f}'];

/// What the names of the columns say of the files.
pub(crate) fn of_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<Question> {
    let mut questions = Vec::new();
    let quoted = |name: &&str| name.len() > 1 && name.starts_with('\'') && name.ends_with('\'');
    if let Some(name) = names.clone().find(quoted) {
        questions.push(Question::new(
            "csv",
            format!("the header names {name}: fields are in single quotes"),
            "they are read as a part of the field: \"csv\": {\"quote\": \"'\"} in dataset.json \
             takes them away, and names and values there are without them",
        ));
    }
    let is_value = |name: &&str| name.trim_matches('\'').parse::<f64>().is_ok();
    let values: Vec<&str> = names.filter(is_value).collect();
    if let Some(first) = values.first() {
        questions.push(Question::new(
            "csv",
            format!(
                "{} names of the header are numbers, such as {first}: it may be a row",
                values.len()
            ),
            "the first row is taken for the header: files without one need \"csv\": {\"header\": \
             false}, and in dataset.json a name for each column, in their order",
        ));
    }
    questions
}

/// The mark between groups of three digits, if a text is a number with such groups, and whether it
/// can't be a decimal mark.
pub(crate) fn thousands(text: &str) -> Option<(char, bool)> {
    let text = text.trim().trim_start_matches(['-', '+']);
    // The mark that comes first parts groups; another one begins the fraction.
    let mark = text.chars().find(|found| MARKS.contains(found))?;
    let decimal = if mark == '.' { ',' } else { '.' };
    let (whole, fraction) = match text.split_once(decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(mark);
    let first = groups.next()?;
    let groups: Vec<&str> = groups.collect();
    let fits = digits(first)
        && first.len() <= 3
        && !groups.is_empty()
        && groups.iter().all(|group| digits(group) && group.len() == 3)
        && fraction.is_none_or(digits);
    let is_certain = groups.len() > 1 || fraction.is_some() || !matches!(mark, ',' | '.');
    fits.then_some((mark, is_certain))
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
            ("1,234", Some((',', false))),
            ("1234", None),
            ("1,23", None),
            ("1234,567", None),
            ("1,234.", None),
            ("a,bcd", None),
        ] {
            assert_eq!(thousands(text), expected, "{text}");
        }
    }

    #[test]
    fn a_header_of_values_or_of_quotes_is_asked_about() {
        let asked = |names: &[&str]| {
            let questions = of_names(names.iter().copied());
            questions
                .into_iter()
                .map(|question| question.seen)
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&["id", "x1", "churned"]), [""; 0]);
        assert_eq!(
            asked(&["7", "0.5", "yes"]),
            ["2 names of the header are numbers, such as 7: it may be a row"]
        );
        assert_eq!(
            asked(&["'id'", "'x'"]),
            ["the header names 'id': fields are in single quotes"]
        );
    }
}
