//! Tasks: what a label is, what is decided and published, and how it is measured.
//!
//! [`Tasks::standard`] knows `binary`, `multiclass` and `regression`; a task of another crate
//! joins by [`Tasks::with`].
//!
//! ```
//! use learn::model::ClassValue;
//! use learn::task::{Label, Rule, Target, Tasks, Values};
//!
//! let tasks = Tasks::standard();
//! let target = Target {
//!     name: "churned".to_owned(),
//!     classes: vec![ClassValue::Text("no".into()), ClassValue::Text("yes".into())],
//! };
//! let task = tasks.of_target(&target)?;
//! assert_eq!((task.name(), task.gate_metric()), ("binary", "roc_auc"));
//! assert_eq!(task.label(&target, Label::Text("yes"))?, 1.0);
//!
//! let rule = Rule { threshold: 0.3, ..Rule::default() };
//! let columns = task.predictions(&target, &rule, &[0.25, 0.5]);
//! assert_eq!(columns[0].name, "prediction");
//! assert_eq!(columns[0].values, Values::Classes(vec![Some(0), Some(1)]));
//! # Ok::<(), learn::task::TaskError>(())
//! ```

mod binary;
mod metric;
mod multiclass;
mod regression;
mod report;
mod tasks;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::metrics::{RankError, RankMetrics, Ranking, weighted};
use crate::model::ClassValue;
use crate::rows::RowError;

pub use crate::rule::Rule;
pub use binary::Binary;
pub use metric::{Better, Metric};
pub use multiclass::Multiclass;
pub use regression::Regression;
pub use report::Report;
pub use tasks::Tasks;

/// The column that every task publishes first.
pub const PREDICTION: &str = "prediction";
/// The column of the probability of the positive, or of the predicted, class.
pub const PROBABILITY: &str = "probability";
/// The column of the lower end of an interval around a number.
pub const LOWER: &str = "lower";
/// The column of its upper end.
pub const UPPER: &str = "upper";

/// Whether a column is the probability of one of several classes.
pub fn is_probability_of_class(name: &str) -> bool {
    let class = name.strip_prefix(PROBABILITY);
    class.is_some_and(|class| class.starts_with('_'))
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the column.
    pub name: String,
    /// Its values, in the order of the class indices; of two the second is the positive one. None
    /// of a number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassValue>,
}

/// What a target's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    /// One of at least and at most so many classes.
    Classes {
        /// Classes at least.
        least: usize,
        /// Classes at most.
        most: Option<usize>,
    },
    /// A finite number.
    Number,
}

/// A value of the target's column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Label<'a> {
    /// `false` or `true`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'a str),
}

/// A column of predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Name of the column.
    pub name: String,
    /// Its values, one for each row.
    pub values: Values,
}

/// Values of a column of predictions.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Indices of the target's classes; `None` without a prediction.
    Classes(Vec<Option<usize>>),
    /// Numbers; NaN without a prediction.
    Numbers(Vec<f64>),
    /// Texts; `None` without a prediction.
    Texts(Vec<Option<String>>),
}

/// What is counted of a task's predictions: training keeps it of its rows, scoring counts it by
/// day, and reports and the dashboard compare the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedAs {
    /// The column `probability` of the positive class, apart for the rows of either class.
    PositiveClass,
    /// The column `probability` of the predicted class, apart for right and wrong predictions.
    PredictedClass,
    /// The column `prediction`, a number, and its errors.
    Number,
}

/// Why a label or a target does not fit a task.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TaskError {
    /// The task is not known.
    #[error("task {found:?} is not known: it must be one of {known}")]
    Unknown {
        /// What was asked for.
        found: String,
        /// Those that are.
        known: String,
    },
    /// No task has the metric.
    #[error("metric {found:?} is not known: it must be one of {known}")]
    Metric {
        /// What was asked for.
        found: String,
        /// Those that are.
        known: String,
    },
    /// The target has another number of classes.
    #[error("target {target} has {classes} classes, and task {task} needs {needs}")]
    Classes {
        /// Name of the target.
        target: String,
        /// How many it has.
        classes: usize,
        /// Name of the task.
        task: &'static str,
        /// What it needs.
        needs: String,
    },
    /// No task takes the target.
    #[error("target {target} has one class: there is nothing to predict")]
    OneClass {
        /// Name of the target.
        target: String,
    },
    /// The label is none of the classes.
    #[error("{target} is {label}: its allowed values are {allowed}")]
    NotAClass {
        /// Name of the target.
        target: String,
        /// The value that was found.
        label: String,
        /// The classes.
        allowed: String,
    },
    /// The label is no number.
    #[error("{target} is {label}: a label of task {task} is a finite number")]
    NotANumber {
        /// Name of the target.
        target: String,
        /// The value that was found.
        label: String,
        /// Name of the task.
        task: &'static str,
    },
}

/// A kind of prediction.
pub trait Task: Debug + Send + Sync {
    /// Its name in contracts and model files.
    fn name(&self) -> &'static str;

    /// What its labels are.
    fn labels(&self) -> LabelKind;

    /// Numbers that an estimator predicts for a row.
    fn outputs(&self, target: &Target) -> usize;

    /// The columns of predictions, of an estimator's `outputs`: row-major numbers. Names and kinds
    /// depend on the target and the rule alone, so that no rows give the columns of a schema.
    fn predictions(&self, target: &Target, rule: &Rule, outputs: &[f64]) -> Vec<Predictions>;

    /// The names of the columns of [`Task::predictions`] that hold an estimator's outputs, in
    /// their order: what was predicted is read back from them.
    fn output_columns(&self, target: &Target, rule: &Rule) -> Vec<String>;

    /// What is counted of its predictions.
    fn counted_as(&self) -> CountedAs;

    /// Its metrics, by their names in [`Evaluation::report`].
    fn metrics(&self) -> &'static [Metric];

    /// The metric that a gate compares, unless another is asked for.
    fn gate_metric(&self) -> &'static str;

    /// Measures no rows yet.
    fn evaluation(&self, target: &Target, rule: &Rule) -> Box<dyn Evaluation>;

    /// That a target has as many classes as the task needs.
    ///
    /// # Errors
    /// Another number of classes.
    fn check(&self, target: &Target) -> Result<(), TaskError> {
        let classes = target.classes.len();
        let (fits, needs) = match self.labels() {
            LabelKind::Number => (classes == 0, "a number".to_owned()),
            LabelKind::Classes { least, most } => (
                classes >= least && most.is_none_or(|most| classes <= most),
                match most {
                    Some(most) if most == least => least.to_string(),
                    Some(most) => format!("{least} to {most}"),
                    None => format!("{least} or more"),
                },
            ),
        };
        if fits {
            return Ok(());
        }
        Err(TaskError::Classes {
            target: target.name.clone(),
            classes,
            task: self.name(),
            needs,
        })
    }

    /// The index of a label's class, or its number.
    ///
    /// # Errors
    /// A value that is no class of the target, or no finite number.
    fn label(&self, target: &Target, label: Label<'_>) -> Result<f64, TaskError> {
        match self.labels() {
            LabelKind::Classes { .. } => target.index(label),
            LabelKind::Number => label.number().ok_or_else(|| TaskError::NotANumber {
                target: target.name.clone(),
                label: label.to_string(),
                task: self.name(),
            }),
        }
    }

    /// A metric by its name.
    fn metric(&self, name: &str) -> Option<Metric> {
        self.metrics().iter().find(|of| of.name == name).copied()
    }
}

/// What is measured on labelled rows, streamed and mergeable.
pub trait Evaluation: Debug + Send {
    /// Adds rows: labels, and row-major outputs of the estimator.
    ///
    /// # Errors
    /// The first row that cannot be measured. Nothing is added then.
    fn add(
        &mut self,
        labels: &[f64],
        outputs: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(), RowError>;

    /// Merges the rows of a later part of the same evaluation.
    fn merge(&mut self, later: Box<dyn Evaluation>);

    /// Bytes that it holds, however many rows are added.
    fn bytes(&self) -> u64 {
        size_of_val(self) as u64
    }

    /// In how many orders the rows are ranked beside this: for each of them all rows are sorted by
    /// the score of [`Evaluation::ranked`].
    fn rankings(&self) -> usize {
        0
    }

    /// A row's score in an order, and whether it is a positive there.
    fn ranked(&self, ranking: usize, label: f64, outputs: &[f64]) -> (f64, bool) {
        (outputs[ranking], label == ranking as f64)
    }

    /// Every metric by its name, null where it is undefined, and more that a page shows. Without
    /// `ranks`, one for each ranking, those that need them are null.
    fn report(&self, ranks: &[RankMetrics]) -> Report;

    /// The same rows once more.
    fn copy(&self) -> Box<dyn Evaluation>;

    /// For [`Evaluation::merge`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// The report of rows that are all in memory.
///
/// # Errors
/// The first row that cannot be measured.
///
/// # Panics
/// When the slices do not hold the same rows: a bug of the caller.
pub fn evaluate(
    mut evaluation: Box<dyn Evaluation>,
    labels: &[f64],
    outputs: &[f64],
    weights: Option<&[f64]>,
) -> Result<Report, RowError> {
    evaluation.add(labels, outputs, weights)?;
    let width = outputs.len().checked_div(labels.len()).unwrap_or(0);
    let row = |i: usize| &outputs[i * width..(i + 1) * width];
    let rank = |ranking: usize| -> Result<RankMetrics, RankError> {
        let scored = labels.iter().enumerate().map(|(i, label)| {
            let (score, positive) = evaluation.ranked(ranking, *label, row(i));
            (score, positive, weights.map_or(1.0, |weights| weights[i]))
        });
        let mut scored: Vec<_> = scored.collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut all, mut weighed) = (Ranking::default(), weighted::Ranking::default());
        for (score, positive, weight) in scored {
            match weights {
                Some(_) => weighed.add(score, positive, weight)?,
                None => all.add(score, positive)?,
            }
        }
        Ok(match weights {
            Some(_) => weighed.metrics(),
            None => all.metrics(),
        })
    };
    // The evaluation has refused what cannot be ranked.
    let ranks: Result<Vec<_>, _> = (0..evaluation.rankings()).map(rank).collect();
    Ok(evaluation.report(&ranks.unwrap_or_default()))
}

impl Target {
    fn index(&self, label: Label<'_>) -> Result<f64, TaskError> {
        let found = self.classes.iter().position(|class| label.is(class));
        found
            .map(|class| class as f64)
            .ok_or_else(|| TaskError::NotAClass {
                target: self.name.clone(),
                label: label.to_string(),
                allowed: self.class_names().join(", "),
            })
    }

    /// Its classes as text, by index.
    pub fn class_names(&self) -> Vec<String> {
        self.classes.iter().map(ClassValue::to_string).collect()
    }
}

impl Label<'_> {
    /// Whether it is a class: whole numbers whatever their type.
    fn is(self, class: &ClassValue) -> bool {
        match (self, class) {
            (Self::Bool(ours), ClassValue::Bool(theirs)) => ours == *theirs,
            (Self::Int(ours), ClassValue::Int(theirs)) => ours == *theirs,
            (Self::Number(ours), ClassValue::Int(theirs)) => {
                ours == *theirs as f64 && ours.abs() <= MAX_WHOLE
            }
            (Self::Text(ours), ClassValue::Text(theirs)) => ours == theirs,
            _ => false,
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(value as f64),
            Self::Number(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }
}

/// 2^53: every whole number up to it is a number of its own.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

impl std::fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// Sums of an evaluation that other parts of it merge into.
fn part_of<T: 'static>(later: Box<dyn Evaluation>) -> T {
    match later.into_any().downcast::<T>() {
        Ok(part) => *part,
        Err(_) => panic!("parts of different evaluations: a bug of the caller"),
    }
}
