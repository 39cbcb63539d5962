//! Columns that say nearly alone what the target is, as what is known only afterwards does.

use std::collections::HashMap;

use anyhow::Result;
use learn::metrics::{RankError, rank_metrics};

use crate::column::{CODES, Column};
use crate::explained::{ROWS, Ranked, correlation, explained};
use crate::goal::Goal;
use crate::question::Question;

/// Rows of a class below which nothing is said of its relation to a column.
const ROWS_OF_CLASS: u64 = 5;
/// The area under the ROC curve from which a number separates two classes almost exactly.
const SEPARATES: f64 = 0.995;
/// The same of the rows that are not of the largest class, where each value of the column stands
/// for one class.
const SEPARATES_CLASSES: f64 = 0.98;
/// The same of the correlation with a number to predict.
const SEPARATES_NUMBER: f64 = 0.999;
/// The same of the share of a number's variance, which is the square of a correlation.
const EXPLAINS: f64 = SEPARATES_NUMBER * SEPARATES_NUMBER;

/// The target, with what the relation of every column to it takes.
pub(crate) struct Target<'a> {
    column: &'a Column,
    goal: &'a Goal,
    /// What it is as a number.
    numbers: Option<Ranked>,
    /// Which rows are of the positive one of two classes; `None` where there is no class.
    is_positive: Vec<Option<bool>>,
}

impl<'a> Target<'a> {
    pub(crate) fn of(column: &'a Column, goal: &'a Goal) -> Result<Self> {
        let numbers = match goal.classes.is_empty() {
            true => column.numbers()?.map(Ranked::of),
            false => None,
        };
        let is_positive = match &goal.classes[..] {
            [_, positive] => {
                let positive = positive.to_string();
                let rows = 0..column.keys.len();
                rows.map(|row| Some(shown_class(column, row)? == positive))
                    .collect()
            }
            _ => Vec::new(),
        };
        Ok(Self {
            column,
            goal,
            numbers,
            is_positive,
        })
    }
}

/// What a column says of the target, if it nearly says what it is.
pub(crate) fn of(column: &Column, target: &Target<'_>) -> Result<Option<Question>> {
    let seen = match target.goal.classes.is_empty() {
        true => of_number(column, target)?,
        false => of_classes(column, target)?,
    };
    let advice = "if it is known only afterwards, give it \"role\": \"ignored\" in dataset.json";
    Ok(seen.map(|seen| Question::new(&column.name, seen, advice)))
}

fn of_number(column: &Column, target: &Target<'_>) -> Result<Option<String>> {
    let Some(y) = &target.numbers else {
        return Ok(None);
    };
    let x = column.numbers()?;
    let correlation = x.as_ref().and_then(|x| correlation(x, &y.values));
    if let Some(r) = correlation.filter(|r| r.abs() >= SEPARATES_NUMBER) {
        return Ok(Some(format!(
            "alone it predicts the target: their correlation is {r:.4}"
        )));
    }
    let found = explained(&column.keys, x.as_deref(), y, ROWS);
    let found = found.filter(|(share, _)| *share >= EXPLAINS);
    Ok(found.map(|(share, what)| {
        format!(
            "alone it predicts the target: its values explain {:.2} % of the variance of {what}",
            100.0 * share
        )
    }))
}

fn of_classes(column: &Column, target: &Target<'_>) -> Result<Option<String>> {
    // A class of a few rows more does not hide what the others say.
    let large = target
        .goal
        .rows
        .iter()
        .filter(|rows| **rows >= ROWS_OF_CLASS);
    if column.keys.len() < ROWS || large.count() < 2 {
        return Ok(None);
    }
    if let Some(class) = only_class(column, target.column) {
        return Ok(Some(format!(
            "it is filled only where the target is {class}"
        )));
    }
    if target.goal.classes.len() == 2
        && let Some(numbers) = column.numbers()?
    {
        let area = area(&numbers, &target.is_positive)?;
        if let Some(area) = area.filter(|area| area.max(1.0 - area) >= SEPARATES) {
            let area = area.max(1.0 - area);
            return Ok(Some(format!(
                "alone it predicts the target: its ROC AUC is {area:.4}"
            )));
        }
    }
    let share = telling(column, target.column).filter(|share| *share >= SEPARATES_CLASSES);
    Ok(share.map(|share| {
        format!(
            "alone it predicts the target: its values are right in {:.1} % of the rows that the \
             largest class does not explain",
            100.0 * share
        )
    }))
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
