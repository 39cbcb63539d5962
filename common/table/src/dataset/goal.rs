//! What is predicted: the task, and the target with its classes.

use std::fmt;

use super::{ColumnContract, ColumnType};
use catalog::manifest::Role;
use learn::fitted_model::Reader;
use learn::model::{ClassValue, Classes};
use learn::task::{Binary, LabelKind, Target, Task};

/// What is predicted, and as what.
#[derive(Clone)]
pub struct Goal {
    /// The task.
    pub task: &'static dyn Task,
    /// The target, with its classes where it has some.
    pub target: Target,
}

impl Goal {
    /// One of two classes.
    pub fn of_two(name: &str, classes: &Classes) -> Self {
        Self {
            task: &Binary,
            target: Target {
                name: name.to_owned(),
                classes: vec![classes.negative.clone(), classes.positive.clone()],
            },
        }
    }

    /// Of a target's contract. Without a `task` the type and the allowed values say it: two values
    /// are `binary`, more are `multiclass`, and a float is `regression`.
    pub(super) fn new(column: &ColumnContract, task: Option<&str>) -> Result<Self, String> {
        let tasks = &Reader::known().tasks;
        let named = task.map(|name| tasks.get(name)).transpose();
        let named = named.map_err(|error| error.to_string())?;
        let of_numbers = match named {
            Some(task) => task.labels() == LabelKind::Number,
            None => is_float(column.column_type),
        };
        let target = Target {
            name: column.name.clone(),
            classes: match of_numbers {
                true => Vec::new(),
                false => classes(column)?,
            },
        };
        if of_numbers {
            check_number(column)?;
        }
        let task = match named {
            Some(task) => task.check(&target).map(|()| task),
            None => tasks.of_target(&target),
        };
        let task = task.map_err(|error| format!("{error}: name them in its `allowed`"))?;
        Ok(Self { task, target })
    }
}

impl PartialEq for Goal {
    fn eq(&self, other: &Self) -> bool {
        (self.task.name(), &self.target) == (other.task.name(), &other.target)
    }
}

impl fmt::Debug for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.task.name(), self.target)
    }
}

fn is_float(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Float32 | ColumnType::Float64)
}

fn check_number(column: &ColumnContract) -> Result<(), String> {
    let (name, of) = (&column.name, column.column_type);
    if !is_float(of) && !matches!(of, ColumnType::Int32 | ColumnType::Int64) {
        return Err(format!(
            "target {name:?} is of type {of}, and the task predicts a number: its type must be \
             int32, int64, float32 or float64"
        ));
    }
    let classes = !column.allowed.is_empty() || column.positive.is_some();
    match classes {
        true => Err(format!(
            "target {name:?} is a number to predict, and has `allowed` or `positive`: remove \
             them, or name the `task` binary or multiclass"
        )),
        false => Ok(()),
    }
}

/// That no other column than the target names a class.
///
/// # Errors
/// The column that does.
pub(super) fn check_positive(column: &ColumnContract) -> Result<(), String> {
    match (&column.positive, column.role) {
        (None, _) | (Some(_), Role::Target) => Ok(()),
        (Some(_), role) => Err(format!(
            "column {:?} with the role {role} has `positive`, which names a class of the target",
            column.name
        )),
    }
}

/// The classes of a target, the positive one of two last.
fn classes(column: &ColumnContract) -> Result<Vec<ClassValue>, String> {
    let (name, of) = (&column.name, column.column_type);
    let mut values = match (of, column.allowed.as_slice()) {
        (ColumnType::Bool, []) => vec![ClassValue::Bool(false), ClassValue::Bool(true)],
        (ColumnType::Int32 | ColumnType::Int64, []) => vec![ClassValue::Int(0), ClassValue::Int(1)],
        (ColumnType::Bool | ColumnType::Int32 | ColumnType::Int64, allowed) => allowed.to_vec(),
        (ColumnType::Utf8, allowed) => allowed.to_vec(),
        (other, _) => {
            return Err(format!(
                "target {name:?} is of type {other}: classes are bool, int32, int64 or utf8, and \
                 a number to predict may be float32 or float64"
            ));
        }
    };
    if values.len() < 2 {
        return Err(format!(
            "target {name:?} must have two values or more in `allowed`: the classes, the positive \
             one of two last"
        ));
    }
    if let Some(at) = (1..values.len()).find(|at| values[..*at].contains(&values[*at])) {
        return Err(format!(
            "target {name:?} has {} twice in `allowed`",
            values[at]
        ));
    }
    let Some(positive) = &column.positive else {
        return Ok(values);
    };
    match (values.len(), values.iter().position(|of| of == positive)) {
        (2, Some(at)) => {
            values.swap(at, 1);
            Ok(values)
        }
        (_, None) => Err(format!(
            "`positive` of target {name:?} is {positive}, which is not one of `allowed`"
        )),
        (many, Some(_)) => Err(format!(
            "target {name:?} has `positive` and {many} classes: only one of two classes is the \
             positive one"
        )),
    }
}
