//! Which columns scoring and publishing add, and what a table of predictions in Postgres can hold.
//! Decided from names and types alone, so that the first step of a workflow refuses what the last
//! one could not do.

use std::ffi::OsString;

use crate::{PartitionBy, RetentionArgs, TableArgs};
use catalog::manifest::Column;
use catalog::manifest::Role;
use learn::explanation::TOP_REASONS;
use learn::task::{
    LOWER, PREDICTION, PROBABILITY, Predictions, Rule, UPPER, Values, is_probability_of_class,
};
use runtime::failure::Failure;
use table::categories;
use table::dataset::Dataset;

/// Bytes that Postgres keeps of a name; it cuts longer ones without a word.
pub const NAME_BYTES: usize = 63;
/// What scoring adds beside predictions, with its type.
pub const ADDED_BY_SCORING: [(&str, &str); 3] = [
    ("model_name", "Utf8"),
    ("model_version", "Int64"),
    ("data_version", "Utf8"),
];
/// Names of predictions of any task of this project.
const PREDICTIONS: [&str; 5] = [PREDICTION, PROBABILITY, LOWER, UPPER, TOP_REASONS];
/// What publishing adds.
pub const SCORED_AT: &str = "scored_at";

/// Columns that every table of Postgres has of itself.
const SYSTEM_COLUMNS: [&str; 6] = ["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];
/// Columns of a table at most.
const COLUMNS: usize = 1600;

/// Bytes of a row at most: it has to fit into a page, and only texts are moved out of it.
const ROW_BYTES: usize = 8160;

/// Whether Postgres keeps a name as it is.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    match name {
        _ if name.is_empty() => Err("the name is empty".to_owned()),
        _ if name.contains('\0') => Err(format!("{name:?} holds a zero byte")),
        _ if name.len() > NAME_BYTES => Err(format!(
            "{name:?} has {} bytes, and Postgres keeps {NAME_BYTES} bytes of a name",
            name.len()
        )),
        _ => Ok(()),
    }
}

/// Whether scored rows and their table can have a column of that name beside their own.
pub fn can_hold(name: &str) -> bool {
    !is_added(name) && check_column(name).is_ok()
}

/// The column as scored rows have it: texts are plain ones, whatever the query made of them.
fn plain(column: Column) -> Column {
    match categories::holds_texts(&column.data_type) {
        true => Column {
            data_type: "Utf8".to_owned(),
            ..column
        },
        false => column,
    }
}

/// Whether scoring may add a column of that name, whatever the task.
fn is_added(name: &str) -> bool {
    PREDICTIONS.contains(&name)
        || is_probability_of_class(name)
        || ADDED_BY_SCORING.iter().any(|(added, _)| name == *added)
}

/// What a model of a contract predicts, as far as it is known before there is one: without an
/// interval, and without reasons.
///
/// # Errors
/// A contract without a task: exit 2.
pub fn predictions_of(dataset: &Dataset) -> anyhow::Result<Vec<Predictions>> {
    let goal = dataset.goal().map_err(Failure::usage)?;
    Ok(goal.task.predictions(&goal.target, &Rule::default(), &[]))
}

/// Whether scoring adds a column of that name beside these predictions.
pub fn is_taken(name: &str, predictions: &[Predictions]) -> bool {
    let predicted = predictions.iter().any(|of| of.name == name);
    predicted || ADDED_BY_SCORING.iter().any(|(added, _)| name == *added)
}

/// The columns of scored rows: ids, time, target, weight and features of the prepared ones, what is
/// carried, the predictions, and what scoring adds besides.
///
/// # Errors
/// A column that has the name of one that is added, and no target: exit 2.
pub fn scored_columns(
    prepared: &[Column],
    carried: Vec<Column>,
    predictions: &[Predictions],
) -> anyhow::Result<Vec<Column>> {
    let with_role = |role| prepared.iter().filter(move |column| column.role == role);
    let roles = [
        Role::Id,
        Role::Time,
        Role::Target,
        Role::Weight,
        Role::Feature,
    ];
    let kept = roles.into_iter().flat_map(with_role).cloned();
    let mut columns: Vec<Column> = kept.chain(carried).map(plain).collect();
    let taken = |column: &&Column| is_taken(&column.name, predictions);
    if let Some(taken) = columns.iter().find(taken) {
        let advice = match taken.role {
            // The query returns them unchanged.
            Role::Id | Role::Time | Role::Target | Role::Weight => {
                "give it another name in the files and in dataset.json"
            }
            _ => "give it another name in features.sql",
        };
        return Err(Failure::usage(format!(
            "column {:?} of the data has the name of a column that scoring adds: {advice}",
            taken.name
        )));
    }
    let target = with_role(Role::Target)
        .next()
        .ok_or_else(|| Failure::usage("the rows have no target column"))?;
    let type_of_target = target.data_type.clone();
    let predicted = predictions.iter().map(|of| {
        let data_type = match of.values {
            Values::Classes(_) => type_of_target.as_str(),
            Values::Numbers(_) => "Float64",
            Values::Texts(_) => "Utf8",
        };
        (of.name.as_str(), data_type)
    });
    let column = |(name, data_type): (&str, &str)| Column {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        role: Role::Ignored,
    };
    let added = predicted.chain(ADDED_BY_SCORING).map(column);
    columns.extend(added.collect::<Vec<Column>>());
    Ok(columns)
}

/// Whether a table can hold scored rows.
///
/// # Errors
/// Every column that it can't have, by name, and too many of them: exit 2.
pub fn check(scored: &[Column]) -> anyhow::Result<()> {
    const SHOWN: usize = 10;
    let mut problems: Vec<String> = scored
        .iter()
        .filter_map(|column| check_column(&column.name).err())
        .collect();
    problems.extend(check_size(scored).err());
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(SHOWN);
    problems.truncate(SHOWN);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(Failure::usage(format!(
        "these predictions can't be published in Postgres: {}",
        problems.join("; ")
    )))
}

/// Whether the contract has the column of time that partitions and retention go by.
///
/// # Errors
/// None, where a setting needs it: exit 2.
pub fn check_time(
    dataset: &Dataset,
    variable: impl Fn(&str) -> Option<OsString> + Copy,
) -> anyhow::Result<()> {
    if dataset.time().is_some() {
        return Ok(());
    }
    let table = crate::group::<TableArgs>(variable);
    let retention = crate::group::<RetentionArgs>(variable);
    let setting = match (table, retention.and_then(|kept| kept.retention_days)) {
        (Some(table), _) if table.predictions_partition == PartitionBy::Month => {
            "PREDICTIONS_PARTITION=month"
        }
        (_, Some(_)) => "RETENTION_DAYS",
        _ => return Ok(()),
    };
    Err(Failure::usage(format!(
        "{setting} needs a column with the role time, and dataset.json has none: \
         give a column that role, or leave the setting out"
    )))
}

/// The columns that a model's rows are prepared to, as far as names show: ids, time, target,
/// weight and features.
pub fn prepared_columns(dataset: &Dataset, features: &[String]) -> Vec<Column> {
    let column = |name: &String, data_type: String, role| Column {
        name: name.clone(),
        data_type,
        role,
    };
    let given = dataset.columns.iter().filter_map(|of| match of.role {
        Role::Id | Role::Time | Role::Target | Role::Weight => Some(column(
            &of.name,
            of.column_type.data_type().to_string(),
            of.role,
        )),
        _ => None,
    });
    let features = features
        .iter()
        .map(|name| column(name, "Float64".to_owned(), Role::Feature));
    given.chain(features).collect()
}

/// Refuses what publishing would, where a database is described.
///
/// # Errors
/// Those of [`scored_columns`] in any case, and those of [`check`] and [`check_time`]: exit 2.
pub fn check_early(prepared: &[Column], dataset: &Dataset) -> anyhow::Result<()> {
    let scored = scored_columns(prepared, Vec::new(), &predictions_of(dataset)?)?;
    if has_database() {
        check(&scored)?;
        check_time(dataset, variable)?;
    }
    Ok(())
}

/// Whether the variables of this program describe a database, in which predictions are published.
pub fn has_database() -> bool {
    crate::has_database(variable)
}

#[expect(clippy::disallowed_methods, reason = "all settings are looked at here")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn check_column(name: &str) -> Result<(), String> {
    const ADVICE: &str = "give it another name in features.sql";
    check_name(name).map_err(|text| format!("column {text}: {ADVICE}"))?;
    if SYSTEM_COLUMNS.contains(&name) {
        return Err(format!(
            "column {name:?} has the name of a system column of Postgres: \
             {ADVICE}"
        ));
    }
    if name == SCORED_AT {
        return Err(format!(
            "column {name:?} has the name of a column that publishing adds: {ADVICE}"
        ));
    }
    Ok(())
}

fn check_size(scored: &[Column]) -> Result<(), String> {
    // Beside the columns of the rows there is `scored_at`.
    let count = scored.len() + 1;
    if count > COLUMNS {
        return Err(format!(
            "there are {count} columns, and a Postgres table has at most {COLUMNS}: leave some \
             out of features.sql, or publish nothing (without DATABASE_URL and PGHOST predictions \
             are Parquet files only)"
        ));
    }
    let bytes = row_bytes(scored);
    if bytes > ROW_BYTES {
        return Err(format!(
            "a row of these {count} columns without nulls takes {bytes} bytes or more, and one of a \
             Postgres table at most {ROW_BYTES}: leave some features out of features.sql, or cast \
             them to real, or publish nothing (without DATABASE_URL and PGHOST predictions are \
             Parquet files only)"
        ));
    }
    Ok(())
}

/// Bytes that a row without nulls takes in a table, with texts of one letter.
fn row_bytes(scored: &[Column]) -> usize {
    /// What stands before the values.
    const HEADER: usize = 24;
    let sizes = scored.iter().map(|column| match column.data_type.as_str() {
        of if categories::holds_texts(of) => (2, 1),
        "Boolean" => (1, 1),
        "Int8" | "Int16" | "Int32" | "UInt8" | "UInt16" | "Float16" | "Float32" | "Date32"
        | "Date64" => (4, 4),
        _ => (8, 8),
    });
    // The last column is `scored_at`.
    let end = sizes
        .chain([(8, 8)])
        .fold(HEADER, |end, (size, alignment)| {
            usize::next_multiple_of(end, alignment) + size
        });
    end.next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: impl IntoIterator<Item = String>, data_type: &str) -> Vec<Column> {
        let column = |name, data_type: &str, role| Column {
            name,
            data_type: data_type.to_owned(),
            role,
        };
        let mut columns = vec![
            column("id".to_owned(), "Int64", Role::Id),
            column("y".to_owned(), "Int64", Role::Target),
        ];
        let features = names.into_iter();
        columns.extend(features.map(|name| column(name, data_type, Role::Feature)));
        columns
    }

    fn scored(prepared: &[Column]) -> anyhow::Result<Vec<Column>> {
        let of_two = [
            (PREDICTION, Values::Classes(Vec::new())),
            (PROBABILITY, Values::Numbers(Vec::new())),
        ];
        let predictions = of_two.map(|(name, values)| Predictions {
            name: name.to_owned(),
            values,
        });
        scored_columns(prepared, Vec::new(), &predictions)
    }

    fn refusal(prepared: &[Column]) -> String {
        let scored = scored(prepared).unwrap();
        check(&scored).unwrap_err().to_string()
    }

    #[test]
    fn every_name_that_postgres_does_not_take_is_named() {
        let long = "f".repeat(64);
        let names = ["ctid", "xmin", "scored_at", &long, "fine"];
        let text = refusal(&columns(names.map(str::to_owned), "Float64"));
        for name in &names[..4] {
            assert!(text.contains(&format!("{name:?}")), "{name}: {text}");
        }
        assert!(!text.contains("fine"), "{text}");
        // What Postgres takes: reserved words are quoted, and `oid` is a name like others.
        let fine = ["select", "oid", "Ä", " "].map(str::to_owned);
        check(&scored(&columns(fine, "Float64")).unwrap()).unwrap();
    }

    #[test]
    fn names_that_scoring_adds_are_refused_before_it() {
        let besides = ADDED_BY_SCORING.iter().map(|(name, _)| *name);
        for name in [PREDICTION, PROBABILITY].into_iter().chain(besides) {
            let columns = columns([name.to_owned()], "Float64");
            let text = scored(&columns).unwrap_err().to_string();
            assert!(
                text.contains(name) && text.contains("features.sql"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_table_has_1600_columns_at_most() {
        let of = |count| columns((0..count).map(|i| format!("f{i}")), "Float32");
        // Id, target, five columns of scoring and one of publishing.
        check(&scored(&of(1592)).unwrap()).unwrap();
        let text = refusal(&of(1593));
        assert!(
            text.contains("1601 columns") && text.contains("1600"),
            "{text}"
        );
    }

    /// Postgres 15 inserts a row of 1,009 such features, and refuses one of 1,010: "row is too big:
    /// size 8168, maximum size 8160".
    #[test]
    fn a_row_of_a_table_has_8160_bytes_at_most() {
        let of = |count, data_type| columns((0..count).map(|i| format!("f{i}")), data_type);
        check(&scored(&of(1009, "Float64")).unwrap()).unwrap();
        let text = refusal(&of(1010, "Float64"));
        for expected in ["1018 columns", "8168 bytes", "8160", "cast them to real"] {
            assert!(text.contains(expected), "{text}");
        }
        for data_type in ["Float32", "Utf8", "Boolean"] {
            check(&scored(&of(1010, data_type)).unwrap()).unwrap();
        }
    }
}
