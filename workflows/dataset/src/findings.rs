//! What a person should look at in a column before a model learns from it.

use anyhow::Result;
use profile::placeholder::{NEAR, is_placeholder, may_be_placeholder};
use table::dataset::ColumnType;
use table::values::{UNROUNDED, rounded};

use crate::column::{CODES, Column, in_line};
use crate::leaks::{self, Target};
use crate::places::Places;
use crate::question::{Question, quoted};
use crate::roles::{is_named_as_id, words};
use crate::spellings;

/// Nulls from which they are worth a look.
const MANY_NULLS: f64 = 0.5;
/// The share of distinct values from which texts name rows.
const NAMES: f64 = 0.9;
/// Rows that hold such a number at least.
pub(crate) const SENTINEL_ROWS: u64 = 3;

/// Words that name what a row counts, unless they name what somebody or something weighs.
const WEIGHTS: [&str; 6] = ["weight", "weights", "wt", "wgt", "pweight", "exposure"];

/// What was found in a column that is neither target, id nor time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Why it is no feature, if it is none.
    pub(crate) left_out: Option<&'static str>,
    /// What to look at; leaks come first.
    pub(crate) leaks: Vec<Question>,
    pub(crate) others: Vec<Question>,
    /// Bounds for values that are infinite.
    pub(crate) clip: Option<[f64; 2]>,
}

impl Findings {
    /// Of a column; `before` are the columns that are before it, and `places` those of all rows.
    pub(crate) fn of(
        column: &Column,
        before: &[&Column],
        target: &Target<'_>,
        places: &Places,
    ) -> Result<Self> {
        let mut findings = Self::default();
        let name = column.name.as_str();
        let rows = column.rows();
        if column.nulls() == rows {
            findings.leave_out("empty", name, "it holds no value".to_owned());
            return Ok(findings);
        }
        if column.distinct.len() == 1 && !column.has_nulls {
            let only = in_line(&column.show(column.distinct[0].2));
            findings.leave_out("constant", name, format!("every value is {only}"));
            return Ok(findings);
        }
        if let Some(same) = before.iter().find(|other| is_same(column, other)) {
            findings.leave_out(
                "duplicate",
                name,
                format!("it equals {} in every row that was looked at", same.name),
            );
            return Ok(findings);
        }
        findings.leaks.extend(leaks::of(column, target)?);
        findings.others.extend(spellings::question(column, places));
        if column.is_moment() {
            let advice = "it is not a feature: split it in features.sql, such as \
                          date_part('epoch', ...) / 86400 for days";
            findings.left_out = Some("a moment");
            findings.others.push(Question::new(
                name,
                format!("it is a {}", column.column_type),
                advice,
            ));
        }
        let is_text = column.column_type == ColumnType::Utf8;
        let is_whole = matches!(column.column_type, ColumnType::Int32 | ColumnType::Int64);
        if names_rows(column) && (is_text || is_whole && is_named_as_id(name)) {
            let example = column.show(column.distinct[0].2);
            let (values, example) = match is_text {
                true => ("texts", format!("{example:?}")),
                false => ("numbers", example),
            };
            let seen = format!(
                "{} of {} {values} differ, such as {example}",
                column.distinct.len(),
                rows - column.nulls(),
            );
            findings.leave_out("names rows", name, seen);
        }
        let nulls = column.nulls() as f64 / rows.max(1) as f64;
        if nulls >= MANY_NULLS && column.is_number() {
            let advice = "models.json imputes the median and says where it was missing";
            let seen = format!("{:.0} % of its values are null", 100.0 * nulls);
            findings.others.push(Question::new(name, seen, advice));
        }
        if let Some((first, count)) = rounded(column.values.as_ref()) {
            let which = match count {
                1 => String::new(),
                count => format!(", the first of {count} such values"),
            };
            let seen = format!(
                "it is {} in {}, which double precision rounds{which}: different values may be \
                 taken for the same",
                column.show(first),
                places.of(first)
            );
            findings.others.push(Question::new(name, seen, UNROUNDED));
        }
        if let Some(numbers) = column.numbers()? {
            findings.of_numbers(column, &numbers);
        }
        Ok(findings)
    }

    fn leave_out(&mut self, why: &'static str, name: &str, seen: String) {
        self.left_out = Some(why);
        let advice = "it is not a feature: \"role\": \"feature\" in dataset.json makes it one";
        self.others.push(Question::new(name, seen, advice));
    }

    fn of_numbers(&mut self, column: &Column, numbers: &[f64]) {
        let name = column.name.as_str();
        let finite = numbers.iter().copied().filter(|value| value.is_finite());
        let ends = finite.fold(None, |ends: Option<[f64; 2]>, value| {
            let [least, most] = ends.unwrap_or([value; 2]);
            Some([least.min(value), most.max(value)])
        });
        if numbers.iter().any(|value| value.is_infinite())
            && let Some(ends) = ends
        {
            self.clip = Some(ends);
            let advice = format!("models.json clips it to {} and {}", ends[0], ends[1]);
            self.others
                .push(Question::new(name, "some values are infinite", advice));
        }
        let is_weight = |value: &f64| value.is_finite() && *value >= 0.0;
        let named = words(name).into_iter();
        let named = named.filter(|word| WEIGHTS.contains(&word.as_str()));
        if !column.has_nulls && numbers.iter().all(is_weight) && named.count() > 0 {
            let advice = "it stays a feature: if it says how much a row counts, as a survey \
                          weight does, \"role\": \"weight\" in dataset.json makes it the weight \
                          of the rows";
            let seen = "its name is that of a weight, and no value is negative";
            self.others.push(Question::new(name, seen, advice));
        }
        let distinct = column.distinct.len();
        let whole = numbers
            .iter()
            .all(|value| value.is_nan() || value.fract() == 0.0);
        if whole && (3..=CODES.0).contains(&distinct) && distinct * CODES.1 <= numbers.len() {
            let advice = "it stays a number: if they are codes, not amounts, CAST(... AS VARCHAR) \
                          in features.sql makes categories of them";
            let seen = format!("it holds only {distinct} different whole numbers");
            self.others.push(Question::new(name, seen, advice));
        }
        if let Some((value, rows, why)) = sentinel(column, numbers) {
            // As a float, a large whole number would be another.
            let first = numbers.iter().position(|of| *of == value);
            let value = match first.filter(|_| column.column_type == ColumnType::Int64) {
                Some(row) => column.show(row),
                None => value.to_string(),
            };
            let advice = format!(
                "if it stands for a missing value, NULLIF({}, {value}) in features.sql says so",
                quoted(name)
            );
            let seen = format!("{rows} of {} values are {value}, {why}", column.rows());
            self.others.push(Question::new(name, seen, advice));
        }
    }
}

/// Whether nearly all values differ.
pub(crate) fn names_rows(column: &Column) -> bool {
    let share = column.distinct.len() as f64 / (column.rows() - column.nulls()).max(1) as f64;
    column.distinct.len() > 20 && share > NAMES
}

/// Whether two columns are equal in every row: as numbers, or as texts and moments of one type.
fn is_same(one: &Column, other: &Column) -> bool {
    if one.distinct.len() != other.distinct.len() || one.nulls() != other.nulls() {
        return false;
    }
    if let (Ok(Some(a)), Ok(Some(b))) = (one.numbers(), other.numbers()) {
        let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
        return a.iter().zip(&b).all(same);
    }
    one.column_type == other.column_type && one.values.as_ref() == other.values.as_ref()
}

/// A number that represents a missing value, as it seems: it lies at an end, far from all others,
/// or is negative among numbers that are not.
fn sentinel(column: &Column, numbers: &[f64]) -> Option<(f64, u64, &'static str)> {
    let mut finite: Vec<f64> = numbers
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    finite.sort_by(f64::total_cmp);
    let (least, most) = (*finite.first()?, *finite.last()?);
    [least, most].into_iter().find_map(|end| {
        if !may_be_placeholder(end) || column.distinct.len() < 4 {
            return None;
        }
        let others = || finite.iter().copied().filter(|value| *value != end);
        let rows = (finite.len() - others().count()) as u64;
        let (low, high) = (others().next()?, others().next_back()?);
        let gap = if end == least { low - end } else { end - high };
        let ranges = if is_placeholder(end) { 1.0 } else { NEAR };
        let values = column.distinct.len();
        let is_row = values <= CODES.0
            && high - end + 1.0 == values as f64
            && others().all(|other| other.fract() == 0.0);
        let why = match end {
            -1.0 if is_row => {
                "a missing value, or a code as the others, which follow it without a gap"
            }
            _ if end < 0.0 && low >= 0.0 => "the only negative number",
            // Near its neighbours it says nothing.
            -1.0 | -9.0 => return None,
            _ if gap > ranges * (high - low) => "far from all others",
            // Another placeholder is beside it.
            _ if others().all(|other| other >= 0.0 || may_be_placeholder(other)) && end < 0.0 => {
                "and every other negative number looks like a missing value too"
            }
            _ => return None,
        };
        (rows >= SENTINEL_ROWS).then_some((end, rows, why))
    })
}
