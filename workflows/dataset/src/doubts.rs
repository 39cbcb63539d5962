//! What a person should look at in a column before a model learns from it.

use std::collections::HashMap;

use anyhow::Result;
use learn::metrics::{RankError, rank_metrics};
use profile::placeholder::{NEAR, is_placeholder, may_be_placeholder};
use table::dataset::ColumnType;
use table::values::{UNROUNDED, rounded};

use crate::column::Column;
use crate::csv_doubts::{Affixed, thousands};
use crate::goal::Goal;
use crate::roles::{is_named_as_id, words};
use crate::sample::Places;
use crate::spelt_dates;

/// The sample and the smallest class, below which nothing is said of a relation to the target.
const ROWS: usize = 50;
const ROWS_OF_CLASS: u64 = 5;
/// The area under the ROC curve from which a number separates two classes almost exactly.
const SEPARATES: f64 = 0.995;
/// The same of the rows that are not of the largest class, where each value of the column stands
/// for one class.
const SEPARATES_CLASSES: f64 = 0.98;
/// The same of the correlation with a number to predict.
const SEPARATES_NUMBER: f64 = 0.999;
/// Nulls from which they are worth a look.
const MANY_NULLS: f64 = 0.5;
/// Distinct whole numbers up to which they may be codes, and rows for each of them at least.
const CODES: (usize, usize) = (20, 20);
/// The share of distinct values from which texts name rows.
const NAMES: f64 = 0.9;
/// The share of texts that spell a number or a date from which a column is meant as such.
pub(crate) const SPELLED: f64 = 0.9;
/// Rows that hold such a number at least.
const SENTINEL_ROWS: u64 = 3;

/// Words that name what a row counts, unless they name what somebody or something weighs.
const WEIGHTS: [&str; 6] = ["weight", "weights", "wt", "wgt", "pweight", "exposure"];

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The column, or what else it is about.
    pub about: String,
    /// What was seen.
    pub seen: String,
    /// What was done, and what to do where that is wrong.
    pub advice: String,
}

impl Question {
    pub(crate) fn new(about: &str, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            about: about.to_owned(),
            seen: seen.into(),
            advice: advice.into(),
        }
    }
}

/// The mark of thousands of texts, some of which can be nothing else.
fn thousands_of<'a>(texts: impl Iterator<Item = &'a str>) -> Option<char> {
    let mut marks = texts.filter_map(thousands);
    marks.find_map(|(mark, is_certain)| is_certain.then_some(mark))
}

/// What is thought of a column that is neither target, id nor time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubts {
    /// Why it is no feature, if it is none.
    pub(crate) left_out: Option<&'static str>,
    /// What to look at; leaks come first.
    pub(crate) leaks: Vec<Question>,
    pub(crate) others: Vec<Question>,
    /// Bounds for values that are infinite.
    pub(crate) clip: Option<[f64; 2]>,
}

impl Doubts {
    /// Of a column; `before` are the columns that are before it, and `places` those of all rows.
    pub(crate) fn of(
        column: &Column,
        before: &[&Column],
        target: &Column,
        goal: &Goal,
        places: &Places,
    ) -> Result<Self> {
        let mut doubts = Self::default();
        let name = column.name.as_str();
        let rows = column.rows();
        if column.nulls() == rows {
            doubts.leave_out("empty", name, "it holds no value".to_owned());
            return Ok(doubts);
        }
        if column.distinct.len() == 1 && !column.has_nulls {
            let only = column.show(column.distinct[0].2);
            doubts.leave_out("constant", name, format!("every value is {only}"));
            return Ok(doubts);
        }
        if let Some(same) = before.iter().find(|other| is_same(column, other)) {
            doubts.leave_out(
                "duplicate",
                name,
                format!("it equals {} in every row that was looked at", same.name),
            );
            return Ok(doubts);
        }
        doubts.leaks(column, target, goal)?;
        doubts.spellings(column, places);
        if column.is_moment() {
            let advice = "it is not a feature: split it in features.sql, such as \
                          date_part('epoch', ...) / 86400 for days";
            doubts.left_out = Some("a moment");
            doubts.others.push(Question::new(
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
            doubts.leave_out("names rows", name, seen);
        }
        let nulls = column.nulls() as f64 / rows.max(1) as f64;
        if nulls >= MANY_NULLS && column.is_number() {
            let advice = "models.json imputes the median and says where it was missing";
            let seen = format!("{:.0} % of its values are null", 100.0 * nulls);
            doubts.others.push(Question::new(name, seen, advice));
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
            doubts.others.push(Question::new(name, seen, UNROUNDED));
        }
        if let Some(numbers) = column.numbers()? {
            doubts.of_numbers(column, &numbers);
        }
        Ok(doubts)
    }

    fn leave_out(&mut self, why: &'static str, name: &str, seen: String) {
        self.left_out = Some(why);
        let advice = "it is not a feature: \"role\": \"feature\" in dataset.json makes it one";
        self.others.push(Question::new(name, seen, advice));
    }

    fn leaks(&mut self, column: &Column, target: &Column, goal: &Goal) -> Result<()> {
        let name = column.name.as_str();
        let advice =
            "if it is known only afterwards, give it \"role\": \"ignored\" in dataset.json";
        let mut leak = |seen: String| self.leaks.push(Question::new(name, seen, advice));
        let few = goal.rows.iter().any(|&rows| rows < ROWS_OF_CLASS);
        if column.keys.len() < ROWS || few {
            return Ok(());
        }
        if goal.classes.is_empty() {
            let numbers = column.numbers()?.zip(target.numbers()?);
            let correlation = numbers.and_then(|(x, y)| correlation(&x, &y));
            if let Some(r) = correlation.filter(|r| r.abs() >= SEPARATES_NUMBER) {
                leak(format!(
                    "alone it predicts the target: their correlation is {r:.4}"
                ));
            }
            return Ok(());
        }
        if let Some(class) = only_class(column, target) {
            leak(format!("it is filled only where the target is {class}"));
            return Ok(());
        }
        if let [_, positive] = &goal.classes[..]
            && let Some(numbers) = column.numbers()?
        {
            let is_positive: Vec<Option<bool>> = (0..target.keys.len())
                .map(|row| Some(shown_class(target, row)? == positive.to_string()))
                .collect();
            let area = area(&numbers, &is_positive)?;
            if let Some(area) = area.filter(|area| area.max(1.0 - area) >= SEPARATES) {
                let area = area.max(1.0 - area);
                leak(format!(
                    "alone it predicts the target: its ROC AUC is {area:.4}"
                ));
                return Ok(());
            }
        }
        if let Some(share) = telling(column, target).filter(|share| *share >= SEPARATES_CLASSES) {
            leak(format!(
                "alone it predicts the target: its values are right in {:.1} % of the rows that the \
                 largest class does not explain",
                100.0 * share
            ));
        }
        Ok(())
    }

    /// Texts that are numbers or dates to a person.
    fn spellings(&mut self, column: &Column, places: &Places) {
        if column.column_type != ColumnType::Utf8 {
            return;
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
            let other = texts().find(|(text, _)| !is(text.trim()));
            other
                .map(|(text, _)| format!(", but {text:?}"))
                .unwrap_or_default()
        };
        let column_of = quoted(name);
        if share(&number) < SPELLED
            && let Some(question) = spelt_dates::question(column, places)
        {
            self.others.push(question);
        } else if share(&number) >= SPELLED {
            let example = texts().find(|(text, _)| number(text.trim()));
            let example = example.map(|(text, _)| text).unwrap_or_default();
            let seen = format!(
                "its texts are numbers such as {example:?}{}",
                except(&number)
            );
            let advice = format!(
                "it stays a text: if they are amounts, not codes, TRY_CAST({column_of} AS DOUBLE) \
                 in features.sql makes numbers of them"
            );
            self.others.push(Question::new(name, seen, advice));
        } else if let Some(mark) = thousands_of(texts().map(|(text, _)| text))
            && share(&|text| number(text) || thousands(text).is_some()) >= SPELLED
        {
            let seen = format!("its texts are numbers with {mark:?} between thousands");
            let advice = format!(
                "it stays a text: \"csv\": {{\"thousands\": \"{mark}\"}} in dataset.json, with its \
                 type float64, makes numbers of them"
            );
            self.others.push(Question::new(name, seen, advice));
        } else if share(&|text| number(text) || comma(text)) >= SPELLED {
            let seen = format!(
                "its texts are numbers with a decimal comma{}",
                except(&comma)
            );
            let advice = format!(
                "it stays a text: TRY_CAST(replace({column_of}, ',', '.') AS DOUBLE) in \
                 features.sql makes numbers of them"
            );
            self.others.push(Question::new(name, seen, advice));
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
            self.others.push(Question::new(name, seen, advice));
        }
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
        if let Some((value, rows)) = sentinel(column, numbers) {
            let advice = format!(
                "if it stands for a missing value, NULLIF({}, {value}) in features.sql says so",
                quoted(name)
            );
            let seen = format!(
                "{rows} of {} values are {value}, far from all others",
                column.rows()
            );
            self.others.push(Question::new(name, seen, advice));
        }
    }
}

/// Whether nearly all values differ.
pub(crate) fn names_rows(column: &Column) -> bool {
    let share = column.distinct.len() as f64 / (column.rows() - column.nulls()).max(1) as f64;
    column.distinct.len() > 20 && share > NAMES
}

/// A name as SQL takes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The class of a row of the target, as text.
fn shown_class(target: &Column, row: usize) -> Option<String> {
    target.keys[row]?;
    match target.class(row) {
        Some(class) => Some(class.to_string()),
        // Whole numbers as floats.
        None => target
            .show(row)
            .parse::<f64>()
            .ok()
            .map(|value| format!("{value:.0}")),
    }
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

/// The one class of all rows in which the column has a value, where that is no chance.
fn only_class(column: &Column, target: &Column) -> Option<String> {
    let (mut filled, mut empty) = (
        HashMap::<u64, (u64, usize)>::new(),
        HashMap::<u64, u64>::new(),
    );
    for (row, class) in target.keys.iter().enumerate() {
        let Some(class) = *class else {
            continue;
        };
        match column.keys[row] {
            Some(_) => filled.entry(class).or_insert((0, row)).0 += 1,
            None => *empty.entry(class).or_insert(0) += 1,
        }
    }
    let [(class, (count, row))] = filled.into_iter().collect::<Vec<_>>()[..] else {
        return None;
    };
    let others: u64 = empty
        .iter()
        .filter(|(of, _)| **of != class)
        .map(|(_, count)| count)
        .sum();
    let all = count + empty.values().sum::<u64>();
    let share = (all - others) as f64 / all.max(1) as f64;
    // That as many rows are of that class by chance.
    let chance = libm::pow(share, count as f64);
    (others > 0 && chance < 1e-6).then(|| target.show(row))
}

/// Of the rows that the largest class does not explain, the share that is right where each value
/// of the column represents its most frequent class; `None` where values are too many to say.
fn telling(column: &Column, target: &Column) -> Option<f64> {
    if column.distinct.len() * CODES.1 > column.keys.len() {
        return None;
    }
    let mut cells: HashMap<Option<u64>, HashMap<u64, u64>> = HashMap::new();
    let mut classes: HashMap<u64, u64> = HashMap::new();
    for (key, class) in column.keys.iter().zip(&target.keys) {
        if let Some(class) = class {
            *cells.entry(*key).or_default().entry(*class).or_insert(0) += 1;
            *classes.entry(*class).or_insert(0) += 1;
        }
    }
    let most = |counts: &HashMap<u64, u64>| counts.values().copied().max().unwrap_or(0);
    let (all, base) = (classes.values().sum::<u64>(), most(&classes));
    let right: u64 = cells.values().map(most).sum();
    (all > base).then(|| (right - base) as f64 / (all - base) as f64)
}

fn area(numbers: &[f64], is_positive: &[Option<bool>]) -> Result<Option<f64>> {
    let rows = numbers.iter().zip(is_positive);
    let rows = rows.filter(|(value, _)| !value.is_nan());
    let mut rows: Vec<(f64, bool)> = rows
        .filter_map(|(value, is)| Some((*value, (*is)?)))
        .collect();
    if rows.len() < ROWS {
        return Ok(None);
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(rank_metrics::<RankError>(rows.into_iter().map(Ok))?.roc_auc)
}

/// Pearson's correlation of the rows that have both; `None` of too few, or of constants.
pub(crate) fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let pairs = x
        .iter()
        .zip(y)
        .filter(|(x, y)| x.is_finite() && y.is_finite());
    let pairs: Vec<(f64, f64)> = pairs.map(|(x, y)| (*x, *y)).collect();
    if pairs.len() < ROWS {
        return None;
    }
    let rows = pairs.len() as f64;
    let mean_x = pairs.iter().map(|pair| pair.0).sum::<f64>() / rows;
    let mean_y = pairs.iter().map(|pair| pair.1).sum::<f64>() / rows;
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xy += (x - mean_x) * (y - mean_y);
        xx += (x - mean_x) * (x - mean_x);
        yy += (y - mean_y) * (y - mean_y);
    }
    let r = xy / (xx * yy).sqrt();
    r.is_finite().then_some(r)
}

/// A number that represents a missing value, as it seems: it lies at an end, far from all others.
fn sentinel(column: &Column, numbers: &[f64]) -> Option<(f64, u64)> {
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
        let far = match end {
            // Near its neighbours: only the one negative number of a column says something.
            -1.0 | -9.0 => low >= 0.0,
            _ if is_placeholder(end) => gap > high - low,
            _ => gap > NEAR * (high - low),
        };
        (far && rows >= SENTINEL_ROWS).then_some((end, rows))
    })
}
