//! The columns of a result and what they are for.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use arrow::datatypes::Field;
use datafusion_expr::LogicalPlan;

use catalog::manifest::{Column, Role};
use table::config::Config;
use table::dataset::ColumnContract;
use table::features;

use super::check::MadeOf;
use super::excerpt::Query;

/// The columns of a result, each with its role.
pub(super) fn of_plan(
    query: &Query<'_>,
    config: &Config,
    plan: &LogicalPlan,
    made_of: &[MadeOf],
) -> Result<Vec<Column>> {
    let dataset = &config.dataset;
    let contract = dataset.columns.iter();
    let contract: HashMap<&str, &ColumnContract> = contract
        .map(|column| (column.name.as_str(), column))
        .collect();
    let mut columns: Vec<Column> = Vec::new();
    let mut names = HashSet::new();
    let mut unfit = Vec::new();
    for (field, made_of) in plan.schema().fields().iter().zip(made_of) {
        let name = field.name();
        let known = contract.get(name.as_str()).copied();
        let role = known.map_or(Role::Feature, |column| column.role);
        if !names.insert(name.as_str()) {
            let text = format!("two columns of the result are named {name:?}");
            unfit.push((query.find(name), text));
        } else if let Some(text) = why_unfit(config, known, field, *made_of) {
            unfit.push((query.find(name), text));
        }
        columns.push(Column {
            name: name.clone(),
            data_type: field.data_type().to_string(),
            role,
        });
    }
    let needed = |column: &&ColumnContract| {
        matches!(
            column.role,
            Role::Id | Role::Time | Role::Target | Role::Weight
        ) && !names.contains(column.name.as_str())
    };
    unfit.extend(dataset.columns.iter().filter(needed).map(|column| {
        let text = format!(
            "column {:?} with the role {} is not in the result: select it",
            column.name, column.role
        );
        (None, text)
    }));
    if !unfit.is_empty() {
        return Err(query.refusals(unfit));
    }
    if !columns.iter().any(|column| column.role == Role::Feature) {
        return Err(query.refusal(
            None,
            "the result has no feature: select a column with the role feature, or compute one",
        ));
    }
    Ok(columns)
}

/// Why a column of the result can't have its role, if it can't; `known` is the column of that name
/// in the contract.
fn why_unfit(
    config: &Config,
    known: Option<&ColumnContract>,
    field: &Field,
    made_of: MadeOf,
) -> Option<String> {
    let (name, data_type) = (field.name(), field.data_type());
    let role = known.map_or(Role::Feature, |column| column.role);
    let wanted = known.map(|column| column.column_type.data_type());
    match role {
        Role::Id | Role::Time | Role::Target | Role::Weight
            if wanted.as_ref() != Some(data_type) =>
        {
            Some(format!(
                "column {name:?} with the role {role} comes out as {data_type}: it must be the \
                 raw column, unchanged"
            ))
        }
        Role::Id | Role::Time | Role::Target | Role::Weight if !made_of.itself => Some(format!(
            "column {name:?} with the role {role} is computed by the query: it must be the raw \
             column, unchanged"
        )),
        Role::Feature if made_of.target => Some(format!(
            "feature {name:?} is computed from the target {:?}, which it should predict",
            config.dataset.target().name
        )),
        Role::Feature => {
            let column = Column {
                name: name.clone(),
                data_type: data_type.to_string(),
                role,
            };
            let error = features::kind(&column, config.categories).err()?;
            // A column that the query computes is not in the contract.
            let more = known.map_or("", |_| ", or give it the role ignored in dataset.json");
            Some(format!("{error}{more}"))
        }
        _ => None,
    }
}
