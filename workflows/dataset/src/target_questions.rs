//! What a person should look at in the target before it is learned.

use std::collections::BTreeMap;

use anyhow::Result;
use learn::model::ClassValue;

use crate::column::{Column, in_quotes};
use crate::goal::{Goal, class_of};
use crate::places::Places;
use crate::question::{Question, quoted};

/// Whole numbers from which on they are rather counts or grades than classes.
const GRADES: usize = 5;
/// Rows of a class of which a holdout of a fifth may have none.
const RARE: u64 = 10;
/// Classes that are named.
const NAMED: usize = 4;

/// A class, with its rows and the first of them.
struct Class {
    value: ClassValue,
    rows: u64,
    first: usize,
}

impl Class {
    fn described(&self, value: &str, places: &Places) -> String {
        match self.rows {
            1 => format!("{value} has 1, {}", places.of(self.first)),
            rows => format!("{value} has {rows}, the first {}", places.of(self.first)),
        }
    }
}

/// Asks about classes that are none, as it seems.
pub(crate) fn questions(target: &Column, goal: &Goal, places: &Places) -> Result<Vec<Question>> {
    if goal.classes.is_empty() {
        return Ok(Vec::new());
    }
    let classes = target.distinct.iter();
    let classes = classes.map(|&(_, rows, first)| {
        Ok(Class {
            value: class_of(target, first)?,
            rows,
            first,
        })
    });
    let classes = classes.collect::<Result<Vec<Class>>>()?;
    let questions = [
        grades(&target.name, &classes),
        spellings(&target.name, &classes, places),
        rare(target, &classes, places),
    ];
    Ok(questions.into_iter().flatten().collect())
}

/// Whole numbers that may be counts.
fn grades(name: &str, classes: &[Class]) -> Option<Question> {
    let numbers = classes.iter().map(|class| match class.value {
        ClassValue::Int(value) => Some(value),
        _ => None,
    });
    let numbers = numbers.collect::<Option<Vec<i64>>>()?;
    let (least, most) = (*numbers.iter().min()?, *numbers.iter().max()?);
    let are_close = most.abs_diff(least) < 2 * numbers.len() as u64;
    let has_rare = classes.iter().any(|class| class.rows < RARE);
    let may_be = numbers.len() >= GRADES || numbers.len() > 2 && has_rare;
    (are_close && may_be).then(|| {
        let seen = format!(
            "its {} whole numbers from {least} to {most} are taken for classes",
            numbers.len()
        );
        let advice = "if they count or grade something, --regression predicts them as a number: \
                      \"task\": \"regression\" in dataset.json, and what goes with it in the other \
                      files";
        Question::new(name, seen, advice)
    })
}

/// Texts that are the same to a person.
fn spellings(name: &str, classes: &[Class], places: &Places) -> Option<Question> {
    let mut alike: BTreeMap<String, Vec<&Class>> = BTreeMap::new();
    for class in classes {
        if let ClassValue::Text(text) = &class.value {
            let plain = text.trim().to_lowercase();
            alike.entry(plain).or_default().push(class);
        }
    }
    let mut alike: Vec<Vec<&Class>> = alike.into_values().filter(|of| of.len() > 1).collect();
    if alike.is_empty() {
        return None;
    }
    let more = match alike.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    alike.truncate(NAMED);
    let alike = alike.iter().map(|of| {
        let each = of.iter().map(|class| {
            let value = format!("{:?}", class.value.to_string());
            class.described(&value, places)
        });
        each.collect::<Vec<_>>().join(", ")
    });
    let seen = format!(
        "classes differ only by letter case or by spaces around them: of the rows {}{more}",
        alike.collect::<Vec<_>>().join("; ")
    );
    let advice = format!(
        "each is a class of its own: write them alike in the files (pandas: df[{0}] = \
         df[{0}].str.strip().str.lower()) and infer again with --force, because features.sql \
         does not change the target",
        in_quotes(name)
    );
    Some(Question::new(name, seen, advice))
}

/// Classes of few rows.
fn rare(target: &Column, classes: &[Class], places: &Places) -> Option<Question> {
    let name = target.name.as_str();
    let rare = classes.iter().rev().filter(|class| class.rows < RARE);
    let rare: Vec<&Class> = rare.collect();
    if rare.is_empty() {
        return None;
    }
    let named = rare.iter().take(NAMED);
    let named = named.map(|class| class.described(&class.value.to_string(), places));
    let more = match rare.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more classes have as few"),
    };
    let seen = format!(
        "of {} rows class {}{more}",
        target.rows() - target.nulls(),
        named.collect::<Vec<_>>().join("; class "),
    );
    let out = match classes.len() - rare.len() {
        0 | 1 => String::new(),
        left => {
            let values = rare.iter().map(|class| match &class.value {
                ClassValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
                other => other.to_string(),
            });
            let values = values.collect::<Vec<_>>().join(", ");
            let filter = format!("{} NOT IN ({values})", quoted(name));
            let two = match left {
                2 => ", and of the two others the last in \"allowed\" is the positive one",
                _ => "",
            };
            format!(
                "; to leave them out, remove them from \"allowed\" in dataset.json and add \
                 \"train_filter\": {} there{two}",
                in_quotes(&filter)
            )
        }
    };
    let advice = format!(
        "the holdout may have none of them, and its metrics then say nothing of them, or all, and \
         training is then refused; if they are mistakes, correct them in the files and infer again with \
         --force; else add such rows{out}"
    );
    Some(Question::new(name, seen, advice))
}
