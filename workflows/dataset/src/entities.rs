//! Columns that name what several rows are about, such as a patient.

use std::collections::HashMap;

use anyhow::Result;
use catalog::manifest::Role;
use table::dataset::{ColumnContract, ColumnType, Dataset, HoldoutRule};

use crate::column::Column;
use crate::far_dates::day;
use crate::findings::names_rows;
use crate::question::Question;
use crate::roles::is_named_as_entity;
use crate::sample::Sampled;

/// Values up to which a column names groups that are few enough to be categories.
const GROUPS: usize = 20;

/// Asks about the columns whose rows the holdout parts.
pub(crate) fn questions(
    sampled: &Sampled,
    dataset: &Dataset,
    holdout: HoldoutRule,
) -> Result<Vec<Question>> {
    let ids: Vec<&str> = dataset
        .with_role(Role::Id)
        .map(|id| id.name.as_str())
        .collect();
    let contracts = dataset.columns.iter();
    let named = contracts.filter(|contract| may_name(contract, &ids));
    let columns = named.filter_map(|contract| {
        let mut columns = sampled.columns.iter();
        let column = columns.find(|column| column.name == contract.name)?;
        repeats(column).then_some((column, contract.role))
    });
    let late = late(sampled, dataset, holdout)?;
    let late = late.as_deref();
    let questions = columns.filter_map(|(column, role)| {
        question(column, role, sampled, (dataset, &ids[..]), holdout, late)
    });
    Ok(questions.collect())
}

/// Of each row whether it is held out for its time; `None` where the time does not decide.
fn late(
    sampled: &Sampled,
    dataset: &Dataset,
    holdout: HoldoutRule,
) -> Result<Option<Vec<Option<bool>>>> {
    let (HoldoutRule::After(from), Some(time)) = (holdout, dataset.time()) else {
        return Ok(None);
    };
    let mut columns = sampled.columns.iter();
    let Some(time) = columns.find(|column| column.name == time.name) else {
        return Ok(None);
    };
    let ticks = time.ticks()?.into_iter();
    let late = ticks.map(|tick| Some(day(time.column_type, tick?)? >= from));
    Ok(Some(late.collect()))
}

/// A row to train on and one held out that have the same value.
fn on_both_sides(keys: &[Option<u64>], late: &[Option<bool>]) -> Option<[usize; 2]> {
    let mut sides: HashMap<u64, [Option<usize>; 2]> = HashMap::new();
    for (row, (key, late)) in keys.iter().zip(late).enumerate() {
        if let (Some(key), Some(late)) = (key, late) {
            let of = sides.entry(*key).or_default();
            of[usize::from(*late)].get_or_insert(row);
            if let [Some(early), Some(late)] = *of {
                return Some([early, late]);
            }
        }
    }
    None
}

fn may_name(contract: &ColumnContract, ids: &[&str]) -> bool {
    let is_of_type = matches!(
        contract.column_type,
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Utf8
    );
    let is_of_role = match contract.role {
        Role::Feature => true,
        // The rows of the only id stay together.
        Role::Id => ids.len() > 1,
        _ => false,
    };
    is_of_type && is_of_role && is_named_as_entity(&contract.name)
}

fn repeats(column: &Column) -> bool {
    column.distinct.len() > GROUPS && !names_rows(column)
}

fn question(
    column: &Column,
    role: Role,
    sampled: &Sampled,
    (dataset, ids): (&Dataset, &[&str]),
    holdout: HoldoutRule,
    late: Option<&[Option<bool>]>,
) -> Option<Question> {
    let name = column.name.as_str();
    let [first, second] = match late {
        Some(late) => on_both_sides(&column.keys, late)?,
        None => {
            let &(key, _, first) = column.distinct.first()?;
            let mut later = column.keys.iter().skip(first + 1);
            [first, first + 1 + later.position(|of| *of == Some(key))?]
        }
    };
    let (parted, way) = match holdout {
        HoldoutRule::After(date) => (
            format!("those before {date} are trained on, the others held out"),
            "and HOLDOUT: fraction=0.2 in ml-config.yaml, holds",
        ),
        _ => (
            format!("the holdout is by {}, and parts them", ids.join(", ")),
            "holds",
        ),
    };
    let seen = format!(
        "its name is that of what rows are about, and only {} values are in {} rows, such as {} in \
         {} and {}: {parted}, so the metrics are too good where such rows are alike",
        column.distinct.len(),
        column.rows() - column.nulls(),
        column.show(first),
        sampled.places.of(first),
        sampled.places.of(second),
    );
    let left_out = match role {
        Role::Feature => {
            "it stays a feature: \"role\": \"ignored\" in dataset.json leaves it out; "
        }
        _ => "",
    };
    // Without a time the ids alone are the key of a row.
    let score = match dataset.time() {
        Some(_) => "",
        None => ", where a row to score is then the only one of its id",
    };
    let advice = format!(
        "{left_out}--id {name}, with \"repeated_keys\": \"allow\" in dataset.json, {way} out all \
         rows of a value or none{score}"
    );
    Some(Question::new(name, seen, advice))
}
