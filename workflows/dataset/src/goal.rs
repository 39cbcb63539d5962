//! What is to be predicted: the task and the classes that the sampled values of the target suggest.

use anyhow::Result;
use learn::model::ClassValue;
use pages::format;
use runtime::failure::Failure;
use table::dataset::ColumnType;

use crate::column::Column;
use crate::roles::words;

/// Classes at most: whole numbers of more values are numbers to predict.
const CLASSES: usize = 20;
/// Texts that may be classes at most.
const TEXTS: usize = 100;
/// Of two classes the one with such a name is what is looked for.
const POSITIVES: [&str; 16] = [
    "yes",
    "true",
    "1",
    "y",
    "t",
    "bad",
    "default",
    "defaulted",
    "churn",
    "churned",
    "fraud",
    "positive",
    "malignant",
    "m",
    "failure",
    "spam",
];

/// The target's part of the contract.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    /// Its values, the negative class first; none of a number.
    pub(crate) classes: Vec<ClassValue>,
    /// Rows of each class in the sample.
    pub(crate) rows: Vec<u64>,
    /// The type in the contract.
    pub(crate) column_type: ColumnType,
    /// The task, where type and values do not say it.
    pub(crate) task: Option<&'static str>,
}

impl Goal {
    /// # Errors
    /// A target of one value, or of too many texts: exit 2.
    pub(crate) fn of(column: &Column) -> Result<Self> {
        let distinct = column.distinct.len();
        let refused = |why: String| refused(column, &why);
        if distinct < 2 {
            let rows = column.rows();
            return Err(refused(format!(
                "has {distinct} value in the {rows} rows that were looked at"
            )));
        }
        if column.is_moment() {
            return Err(refused(format!("is of type {}", column.column_type)));
        }
        let whole = is_whole(column)?;
        if column.is_number() && (distinct > CLASSES || !whole) {
            return Self::number(column);
        }
        if distinct > TEXTS {
            return Err(refused(format!(
                "has {distinct} texts, too many for classes"
            )));
        }
        let mut classes: Vec<(ClassValue, u64)> = Vec::new();
        for &(_, rows, row) in &column.distinct {
            classes.push((class_of(column, row)?, rows));
        }
        classes.sort_by(|a, b| order(&a.0, &b.0));
        if let [negative, positive] = &classes[..]
            && is_positive(&negative.0)
            && !is_positive(&positive.0)
        {
            classes.swap(0, 1);
        } else if let [(ClassValue::Text(_), first), (other, second)] = &classes[..]
            && !is_positive(other)
            && first < second
        {
            // Of two texts that say nothing the rarer one is looked for.
            classes.swap(0, 1);
        }
        let column_type = match column.column_type {
            ColumnType::Float32 | ColumnType::Float64 => ColumnType::Int64,
            other => other,
        };
        let (classes, rows) = classes.into_iter().unzip();
        Ok(Self {
            classes,
            rows,
            column_type,
            task: None,
        })
    }

    /// A number to predict, however few its values are.
    ///
    /// # Errors
    /// A target of one value, or that is no number: exit 2.
    pub(crate) fn number(column: &Column) -> Result<Self> {
        if !column.is_number() {
            let why = format!(
                "is of type {}, and --regression predicts a number",
                column.column_type
            );
            return Err(refused(column, &why));
        }
        if column.distinct.len() < 2 {
            return Self::of(column);
        }
        let float = matches!(
            column.column_type,
            ColumnType::Float32 | ColumnType::Float64
        );
        Ok(Self {
            classes: Vec::new(),
            rows: Vec::new(),
            column_type: column.column_type,
            task: (!float).then_some("regression"),
        })
    }

    /// One line about it.
    pub(crate) fn described(&self, name: &str) -> String {
        let all: u64 = self.rows.iter().sum();
        // A rare class is not one that never occurs.
        let share = |rows: u64| match rows as f64 / all.max(1) as f64 {
            part if part >= 0.01 => format!("{:.1} %", 100.0 * part),
            part => format::share(Some(part)),
        };
        match (&self.classes[..], &self.rows[..]) {
            ([negative, positive], [_, rows]) => format!(
                "binary: {name} is {positive} in {} of the rows, else {negative}",
                share(*rows)
            ),
            ([], _) => format!("regression: {name} is a number"),
            (classes, rows) => {
                let each = classes.iter().zip(rows);
                let each = each.map(|(class, rows)| format!("{class} {}", share(*rows)));
                format!(
                    "multiclass: {name} is {}",
                    each.collect::<Vec<_>>().join(", ")
                )
            }
        }
    }
}

fn refused(column: &Column, why: &str) -> anyhow::Error {
    let name = &column.name;
    Failure::usage(format!("target {name:?} {why}; --target names another"))
}

/// The class of a row that has one.
pub(crate) fn class_of(column: &Column, row: usize) -> Result<ClassValue> {
    match column.class(row) {
        Some(class) => Ok(class),
        // Whole numbers as floats: the contract has them as integers.
        None => Ok(ClassValue::Int(column.show(row).parse::<f64>()? as i64)),
    }
}

fn is_whole(column: &Column) -> Result<bool> {
    let numbers = column.numbers()?.unwrap_or_default();
    Ok(numbers
        .iter()
        .all(|value| value.is_nan() || value.fract() == 0.0 && value.abs() < 1e15))
}

fn is_positive(class: &ClassValue) -> bool {
    let said = words(&class.to_string()).concat();
    POSITIVES.contains(&said.as_str())
}

fn order(a: &ClassValue, b: &ClassValue) -> std::cmp::Ordering {
    match (a, b) {
        (ClassValue::Int(a), ClassValue::Int(b)) => a.cmp(b),
        (ClassValue::Bool(a), ClassValue::Bool(b)) => a.cmp(b),
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}
