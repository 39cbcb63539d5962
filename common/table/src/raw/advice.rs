//! What a message says of values that break the contract, and what a person can do about them. A
//! file to score has the contract of its model: there, an edit of `dataset.json` helps with the
//! next training alone.

mod change;
mod misspelt;
mod remedy;
mod tried;
mod types;

use super::RawFile;
use crate::dataset::rule::Breach;
use crate::dataset::{ColumnContract, ColumnType, Labels};
use catalog::manifest::Role;
use change::typed;
pub(super) use remedy::accepts;
use remedy::{Line, Remedy, said, with};
pub(super) use tried::{Mistyped, Tried};
pub(super) use types::of_type;

/// Texts that other programs write for a value that is missing.
pub const NULL_TEXTS: [&str; 9] = ["na", "n/a", "null", "none", "nat", "<na>", "nil", "-", "?"];

/// What a person can do about a file.
pub(super) fn of_file(file: &RawFile) -> &'static str {
    match file.pinned {
        false => "repair or remove the file, or change the contract if the data is right",
        true => {
            "repair or remove the file; its contract is that of the model, so a change of \
             dataset.json takes effect with the next training"
        }
    }
}

/// What to do about a CSV file whose quotes are parts of texts.
pub(super) fn unquoted(pinned: bool) -> String {
    let takes = accepts(pinned, "\"csv\": {\"quote\": null}");
    format!("if no field of the file is quoted, {takes} it")
}

/// What is wrong with the rows of a column.
pub(super) fn what(breach: &Breach, column: &ColumnContract, file: &RawFile) -> String {
    let column_type = column.column_type;
    match breach {
        Breach::Null => "hold null, which the contract does not allow".to_owned(),
        Breach::NanAsNull => "hold NaN, which is read as null, and the contract does not allow \
                              null"
            .to_owned(),
        Breach::NotANumber => "hold NaN, which is not within the bounds".to_owned(),
        Breach::Below(min) => format!("are below the minimum {min}"),
        Breach::Above(max) => format!("are above the maximum {max}"),
        Breach::NotAllowed if column.role == Role::Target => {
            let goal = file.dataset.goal();
            let classes = goal
                .map(|goal| goal.target.class_names())
                .unwrap_or_default();
            match classes.as_slice() {
                [one, other] => format!("hold a value that is neither {one} nor {other}"),
                classes => format!("hold a value that is none of {}", classes.join(", ")),
            }
        }
        Breach::NotAllowed => "hold a value that is not allowed".to_owned(),
        Breach::Misspelt => format!("can't be read as {column_type}"),
        Breach::Fraction => format!("are not whole, as {column_type} must be"),
        Breach::Beyond => format!("are beyond the range of {column_type}"),
        Breach::Ambiguous => {
            "hold whole numbers as floats that are too large to be exact".to_owned()
        }
        Breach::Rounded => format!("can't be held exactly as {column_type}"),
        Breach::Infinite if matches!(column.role, Role::Target | Role::Weight) => {
            format!("are infinite, which a {} can't be", column.role)
        }
        Breach::Infinite => format!("are infinite, which {column_type} can't be"),
        Breach::NotBoolean => "are neither 0 nor 1, as a bool must be".to_owned(),
        Breach::NotText => "are bytes that are not text in UTF-8".to_owned(),
        Breach::TimeOfDay => "have a time of day, which a date can't hold".to_owned(),
        Breach::Inexact => "can't be held in microseconds".to_owned(),
    }
}

/// What to do about the rows of a column, as the end of their line; `example` is the first value.
/// It is empty where there is nothing to say that holds for every file.
pub(super) fn of_breach(breach: &Breach, tried: &Tried<'_>, example: &str) -> String {
    let remedies = remedies(breach, tried, example);
    let accepts = |remedy: &Remedy| matches!(remedy, Remedy::Accepts(_));
    let said = said(&remedies, tried.file.pinned);
    match noted(said, tried, remedies.iter().any(accepts)) {
        said if said.is_empty() => said,
        said => format!(" ({said})"),
    }
}

fn remedies(breach: &Breach, tried: &Tried<'_>, example: &str) -> Vec<Remedy> {
    let Tried { column, file, .. } = tried;
    let write = |text: &str| vec![Remedy::Write(text.to_owned())];
    let accepts = |line: &str| vec![Remedy::accepts(line)];
    match breach {
        Breach::Null if column.role == Role::Target && file.labels == Labels::Required => {
            write("\"unlabelled\": \"drop\" leaves such rows out of training")
        }
        Breach::Null | Breach::NanAsNull => {
            let nullable = nullable(column).into_iter();
            nullable.map(Remedy::accepts).collect()
        }
        Breach::NotANumber => write("without \"nan\": \"keep\" it is null"),
        Breach::Below(_) | Breach::Infinite if column.role == Role::Weight => {
            write("give a row that should not count the weight 0, or leave it out with \"filter\"")
        }
        Breach::Below(_) => accepts("a lower \"min\""),
        Breach::Above(_) => accepts("a higher \"max\""),
        Breach::NotAllowed if column.role == Role::Target => vec![Remedy::Write(classes(tried))],
        Breach::NotAllowed => accepts("it in \"allowed\""),
        Breach::Misspelt => misspelt::remedies(tried, example),
        Breach::Infinite if column.role == Role::Target && file.labels == Labels::Required => {
            write("\"on_violation\": \"quarantine-row\" leaves such rows out")
        }
        Breach::Infinite if column.role == Role::Target => {
            write("write null for a label that is not known")
        }
        Breach::Fraction | Breach::Infinite => numbers(&[ColumnType::Float64], breach, tried),
        Breach::Beyond if is_whole(column.column_type) => beyond(tried),
        Breach::Beyond if column.column_type == ColumnType::Float32 => {
            numbers(&[ColumnType::Float64], breach, tried)
        }
        Breach::Beyond => Vec::new(),
        Breach::Ambiguous => {
            let write = write("write the column as integers (pandas: astype(\"Int64\"))");
            let float = tried.first(&[ColumnType::Float64], breach).into_iter();
            write.into_iter().chain(float.map(one)).collect()
        }
        Breach::Rounded => {
            let types = [ColumnType::Float64, ColumnType::Int64];
            or_otherwise(tried.first(&types, breach), tried)
        }
        Breach::NotBoolean => {
            let types = [ColumnType::Int64, ColumnType::Float64];
            or_otherwise(tried.first(&types, breach), tried)
        }
        Breach::NotText => write("write texts in UTF-8"),
        Breach::TimeOfDay => {
            let moments = tried.first(&[ColumnType::Timestamp], breach);
            moments
                .or_else(|| as_text(breach, tried))
                .map(one)
                .into_iter()
                .collect()
        }
        Breach::Inexact => write("round them (pandas: dt.floor(\"us\"))"),
    }
}

fn one(line: Line) -> Remedy {
    Remedy::Accepts(vec![line])
}

/// Texts, which take everything that other files of texts hold too, where those refuse what would
/// help this file. The classes of a target are not what a wrong value of it is.
fn as_text(breach: &Breach, tried: &Tried<'_>) -> Option<Line> {
    let may_help = !tried.refused().is_empty() && tried.column.role != Role::Target;
    may_help
        .then(|| tried.first(&[ColumnType::Utf8], breach))
        .flatten()
}

/// What to do about numbers that one of these types takes.
fn numbers(types: &[ColumnType], breach: &Breach, tried: &Tried<'_>) -> Vec<Remedy> {
    let found = tried.first(types, breach);
    let found = found.or_else(|| as_text(breach, tried));
    match found.is_none() && tried.refused().is_empty() {
        true => Vec::new(),
        false => or_otherwise(found, tried),
    }
}

fn or_otherwise(found: Option<Line>, tried: &Tried<'_>) -> Vec<Remedy> {
    let otherwise = || Remedy::Write(written_otherwise(tried));
    vec![found.map_or_else(otherwise, one)]
}

/// What to do about a target that is none of its classes.
fn classes(tried: &Tried<'_>) -> String {
    let Tried { column, file, .. } = tried;
    if file.pinned {
        return "the classes are those of the model; train one with every class in \"allowed\""
            .to_owned();
    }
    let write = "name every class in \"allowed\" of dataset.json, the positive one of two last";
    let is_number = column.allowed.is_empty() && column.positive.is_none();
    match column.column_type {
        ColumnType::Int32 | ColumnType::Int64 if is_number => {
            format!("{write}, or say \"task\": \"regression\" there if it is a number to predict")
        }
        ColumnType::Int32 | ColumnType::Int64 if column.allowed.len() > 2 => format!(
            "{write}, or leave such rows out by \"train_filter\" there, or say \"task\": \
             \"regression\" there instead of \"allowed\" if it is a number to predict"
        ),
        _ if !column.allowed.is_empty() => {
            format!("{write}, or leave such rows out by \"train_filter\" there")
        }
        _ => write.to_owned(),
    }
}

fn is_whole(column_type: ColumnType) -> bool {
    use ColumnType::{Bool, Int32, Int64};
    matches!(column_type, Bool | Int32 | Int64)
}

/// What to do about whole numbers that leave their type.
fn beyond(tried: &Tried<'_>) -> Vec<Remedy> {
    if let Some(whole) = tried.first(&[ColumnType::Int64], &Breach::Beyond) {
        return vec![one(whole)];
    }
    let float = tried.first(&[ColumnType::Float64], &Breach::Beyond);
    if tried.file.is_csv() {
        let text = || tried.first(&[ColumnType::Utf8], &Breach::Beyond);
        return float.or_else(text).map(one).into_iter().collect();
    }
    let otherwise = Remedy::Write(written_otherwise(tried));
    [otherwise].into_iter().chain(float.map(one)).collect()
}

/// How a file has to hold whole numbers that no type of the contract holds as they are.
fn written_otherwise(tried: &Tried<'_>) -> String {
    let ways = [
        (ColumnType::Utf8, "as text", "", "str"),
        (
            ColumnType::Float64,
            "as floats",
            ", which rounds them",
            "\"float64\"",
        ),
    ];
    let ways = ways.iter().filter_map(|(other, way, rounds, pandas)| {
        let line = with(tried.file.pinned, &typed(tried.column, *other)?);
        let all = match tried.is_refused_by_others(*other) {
            true => " in every file",
            false => "",
        };
        Some(format!(
            "{way}{all}{rounds} (pandas: astype({pandas})) {line}"
        ))
    });
    format!("write the column {}", ways.collect::<Vec<_>>().join(" or "))
}

/// What is said, and what else is to be: what a feature needs with it, which file refuses what
/// would help another one, and on how many files it was tried.
fn noted(said: String, tried: &Tried<'_>, is_advised: bool) -> String {
    const SHOWN: usize = 2;
    let needs = types::needs(tried.column, &said);
    let refused = tried.refused();
    let refused = refused.iter().take(SHOWN);
    let bounded = tried.bounded().filter(|_| is_advised);
    let said = [said].into_iter().filter(|said| !said.is_empty());
    let parts = said
        .chain(needs)
        .chain(refused.map(|of| of.said(tried.file.pinned)))
        .chain(bounded.map(|(some, all)| format!("tried on {some} of {all} files")));
    parts.collect::<Vec<String>>().join("; ")
}

/// The line of the contract that takes nulls, if it does not yet and its role allows that.
fn nullable(column: &ColumnContract) -> Option<&'static str> {
    let given = [Role::Id, Role::Time, Role::Target, Role::Weight];
    let fits = !column.nullable && !given.contains(&column.role);
    fits.then_some("\"nullable\": true")
}
