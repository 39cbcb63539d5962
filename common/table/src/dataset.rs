//! The data contract, `dataset.json`: which columns a raw file has, what they are for, and what
//! they may hold.

mod dialect;
mod form;
mod goal;
mod holdout;
pub mod keys;
mod lookback;
mod parse;
pub(crate) mod rule;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

pub use dialect::{Csv, Encoding};
pub use form::Form;
pub use goal::Goal;
pub use holdout::{Holdout, HoldoutRule, HoldoutSetting};
pub use lookback::{Lookback, WarmUp};
pub(crate) use parse::MARK;

use catalog::manifest::Role;
use learn::model::ClassValue;
use rule::Rule;

/// A data contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Names the schema for editors; nothing else reads it.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Columns of a raw file; others in the file are ignored.
    pub columns: Vec<ColumnContract>,
    /// What the target is to be predicted as, where its type and its values do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// SQL condition on raw columns other than the target; rows for which it is not true are left
    /// out, and the rest has to keep the contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// SQL condition on raw columns, the target included; rows for which it is not true are left
    /// out of training and of the holdout, and are scored all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_filter: Option<String>,
    /// What becomes of training rows without a label.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unlabelled: Unlabelled,
    /// What becomes of NaN.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nan: Nan,
    /// Whether rows to train on may repeat the key of another row.
    #[serde(default, skip_serializing_if = "RepeatedKeys::is_refuse")]
    pub repeated_keys: RepeatedKeys,
    /// Columns by whose values windows of `features.sql` are partitioned; empty for the ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entity: Vec<String>,
    /// The longest window that `features.sql` may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback: Option<Lookback>,
    /// What becomes of training rows whose windows reach back behind the earliest row.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warm_up: WarmUp,
    /// How raw files in CSV are written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub csv: Csv,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What becomes of training rows without a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlabelled {
    /// They break the contract.
    #[default]
    Fail,
    /// They are left out of training and of the holdout, and counted.
    Drop,
}

/// What becomes of NaN in columns of floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nan {
    /// It is read as null, which pandas and numpy mean by it: `filter` and `features.sql` see null.
    #[default]
    Null,
    /// It stays NaN, which SQL counts as greater than every number.
    Keep,
}

/// What is done with rows to train on that have the same ids and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedKeys {
    /// They are an error: as a rule a file was delivered twice.
    #[default]
    Refuse,
    /// Each counts, as long as none of them is held out.
    Allow,
}

impl RepeatedKeys {
    /// Whether it is the default.
    pub fn is_refuse(&self) -> bool {
        *self == Self::Refuse
    }
}

/// What one raw column must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnContract {
    /// Its name, letter case included.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Role of the column.
    pub role: Role,
    /// Whether it may hold nulls.
    #[serde(default)]
    pub nullable: bool,
    /// Least value, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<serde_json::Value>,
    /// Greatest value, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<serde_json::Value>,
    /// The values that may occur; empty when any may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "parse::some")]
    pub allowed: Vec<ClassValue>,
    /// Of the target: the value of the positive class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<ClassValue>,
    /// How dates and times are spelt where they come as texts, in CSV and in parquet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Form>,
    /// What becomes of rows that break the contract of the column.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_violation: OnViolation,
}

impl ColumnContract {
    /// A column that may hold any values of its type, and no nulls.
    pub fn new(name: impl Into<String>, column_type: ColumnType, role: Role) -> Self {
        Self {
            name: name.into(),
            column_type,
            role,
            nullable: false,
            min: None,
            max: None,
            allowed: Vec::new(),
            positive: None,
            format: None,
            on_violation: OnViolation::default(),
        }
    }
}

/// What becomes of rows that break the contract of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnViolation {
    /// The file is bad.
    #[default]
    Fail,
    /// They are left out, and written with the reason.
    QuarantineRow,
    /// They are taken and counted, where the value is one of the column's type: outside the bounds,
    /// or none of the allowed values. Every other breach fails.
    Count,
}

/// Types of raw columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// 32-bit float.
    Float32,
    /// 64-bit float.
    Float64,
    /// Text.
    Utf8,
    /// Boolean.
    Bool,
    /// Calendar date.
    Date,
    /// Clock reading without a zone.
    Timestamp,
    /// Instant.
    TimestampTz,
}

impl ColumnType {
    /// Every type.
    pub const ALL: [Self; 9] = [
        Self::Int32,
        Self::Int64,
        Self::Float32,
        Self::Float64,
        Self::Utf8,
        Self::Bool,
        Self::Date,
        Self::Timestamp,
        Self::TimestampTz,
    ];

    /// The Arrow type in which it is prepared.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Utf8 => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Utf8 => "utf8",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
        })
    }
}

/// Whether rows must be labelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// As training data must.
    Required,
    /// As training data must whose rows without a label are left out.
    Dropped,
    /// As for labels that come later: the column must be there, and may hold nulls.
    Pending,
    /// As for rows to score, which may even lack the column.
    Optional,
    /// As for rows that are given late labels: the column may lack, and rows that have no label
    /// even so are left out.
    Late,
}

impl Labels {
    /// Whether rows may lack a column of the role: what rows to score know only later.
    pub(crate) fn may_lack(self, role: Role) -> bool {
        match self {
            Self::Optional => matches!(role, Role::Target | Role::Weight),
            Self::Late => role == Role::Target,
            Self::Required | Self::Dropped | Self::Pending => false,
        }
    }

    /// Whether rows without a label are left out.
    pub(crate) fn are_dropped(self) -> bool {
        matches!(self, Self::Dropped | Self::Late)
    }
}

/// That a column can hold what rows weigh.
fn check_weight(column: &ColumnContract) -> Result<(), String> {
    let (name, of) = (&column.name, column.column_type);
    let is_number = matches!(
        of,
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float32 | ColumnType::Float64
    );
    if !is_number {
        return Err(format!(
            "column {name:?} with the role weight is of type {of}: it must be int32, int64, \
             float32 or float64"
        ));
    }
    if column.nullable {
        return Err(format!(
            "column {name:?} with the role weight is nullable: a training row must have a weight; \
             \"on_violation\": \"quarantine-row\" leaves those without one out, and rows to score \
             may lack it"
        ));
    }
    let least = column.min.as_ref().and_then(serde_json::Value::as_f64);
    if least.is_some_and(|least| least < 0.0) {
        return Err(format!(
            "column {name:?} with the role weight has a negative `min`: weights can't be \
             negative"
        ));
    }
    if column.on_violation == OnViolation::Count {
        return Err(format!(
            "column {name:?} with the role weight has `on_violation` count, but a negative weight \
             can't be used: quarantine-row leaves the row out"
        ));
    }
    Ok(())
}

impl Dataset {
    /// A contract of some columns, with defaults for everything else.
    pub fn new(columns: Vec<ColumnContract>) -> Self {
        Self {
            schema: None,
            columns,
            task: None,
            filter: None,
            train_filter: None,
            unlabelled: Unlabelled::default(),
            nan: Nan::default(),
            repeated_keys: RepeatedKeys::default(),
            entity: Vec::new(),
            lookback: None,
            warm_up: WarmUp::default(),
            csv: Csv::default(),
        }
    }

    fn validate(&self) -> Result<(), String> {
        self.csv.validate()?;
        let mut names = HashSet::new();
        for column in &self.columns {
            let (name, column_type) = (&column.name, column.column_type);
            if name.is_empty() || !names.insert(name) {
                return Err(format!("column {name:?} occurs twice, or has no name"));
            }
            goal::check_positive(column)?;
            if column.nullable && matches!(column.role, Role::Id | Role::Time) {
                return Err(format!(
                    "column {name:?} with the role {} is nullable, but it identifies rows",
                    column.role
                ));
            }
            let moment = matches!(
                column_type,
                ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz
            );
            if column.role == Role::Time && !moment {
                return Err(format!(
                    "column {name:?} with the role time is of type {column_type}: it must be date, timestamp or timestamptz"
                ));
            }
            if let Some(form) = &column.format {
                form.suits(column_type).map_err(|reason| {
                    format!("column {name:?}: `format` is \"{form}\": it {reason}")
                })?;
            }
            if column.role == Role::Weight {
                check_weight(column)?;
            }
            if column.role == Role::Id
                && matches!(column_type, ColumnType::Float32 | ColumnType::Float64)
            {
                return Err(format!(
                    "column {name:?} with the role id is of type {column_type}: floats can't identify rows"
                ));
            }
        }
        if self.with_role(Role::Id).next().is_none() {
            return Err("no column has the role id: rows need an identifier".to_owned());
        }
        let times = self.with_role(Role::Time).count();
        if times > 1 {
            return Err(format!(
                "{times} columns have the role time: there may be one"
            ));
        }
        let weights = self.with_role(Role::Weight).count();
        if weights > 1 {
            return Err(format!(
                "{weights} columns have the role weight: there may be one"
            ));
        }
        let targets = self.with_role(Role::Target).count();
        if targets != 1 {
            return Err(format!(
                "{targets} columns have the role target: there must be one"
            ));
        }
        if self.target().on_violation == OnViolation::Count
            && !self.goal()?.target.classes.is_empty()
        {
            return Err(format!(
                "target {:?} has `on_violation` count, but a label outside the classes can't \
                 be used: quarantine-row leaves its row out",
                self.target().name
            ));
        }
        lookback::validate(self)?;
        self.rules(Labels::Required).map(drop)
    }

    /// Names of the columns by whose values windows are partitioned: `entity`, or else the ids.
    pub fn entity_columns(&self) -> Vec<String> {
        if !self.entity.is_empty() {
            return self.entity.clone();
        }
        let ids = self.with_role(Role::Id);
        ids.map(|column| column.name.clone()).collect()
    }

    /// Whether rows of some column that break the contract are quarantined.
    pub fn quarantines(&self) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|column| column.on_violation == OnViolation::QuarantineRow)
    }

    /// The rules of all columns, in order.
    pub(crate) fn rules(&self, labels: Labels) -> Result<Vec<Rule>, String> {
        let goal = self.goal()?;
        let rule = |column: &ColumnContract| match column.role {
            Role::Target => Rule::target(column, labels != Labels::Required, &goal.target.classes),
            Role::Weight => Rule::weight(column, labels.may_lack(Role::Weight)),
            _ => Rule::new(column, column.nullable, &column.allowed),
        };
        self.columns.iter().map(rule).collect()
    }

    /// The schema of `raw`: the columns in order. All may hold nulls, so that no query is planned
    /// on a promise that is checked only later.
    pub fn raw_schema(&self) -> SchemaRef {
        let field = |column: &ColumnContract| {
            Field::new(&column.name, column.column_type.data_type(), true)
        };
        Arc::new(Schema::new(
            self.columns.iter().map(field).collect::<Vec<_>>(),
        ))
    }

    /// Columns of a role, in order.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &ColumnContract> {
        self.columns
            .iter()
            .filter(move |column| column.role == role)
    }

    /// The column that is predicted.
    #[expect(
        clippy::expect_used,
        reason = "a contract without a target is refused when it is read"
    )]
    pub fn target(&self) -> &ColumnContract {
        self.with_role(Role::Target)
            .next()
            .expect("a validated contract has a target")
    }

    /// The column of time, if there is one.
    pub fn time(&self) -> Option<&ColumnContract> {
        self.with_role(Role::Time).next()
    }

    /// The column of what a row weighs, if there is one.
    pub fn weight(&self) -> Option<&ColumnContract> {
        self.with_role(Role::Weight).next()
    }

    /// Names of the columns that together name a row: ids, then time.
    pub fn key(&self) -> Vec<String> {
        self.with_role(Role::Id)
            .chain(self.time())
            .map(|column| column.name.clone())
            .collect()
    }

    /// What is predicted, and as what.
    ///
    /// # Errors
    /// A target that no task takes, with what would be right.
    pub fn goal(&self) -> Result<Goal, String> {
        let target = self.with_role(Role::Target).next();
        Goal::new(target.ok_or("there is no target")?, self.task.as_deref())
    }
}

#[cfg(test)]
mod tests;
