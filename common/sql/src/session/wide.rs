//! Queries that select very many columns, planned some columns at a time.
//!
//! DataFusion compares the name of each selected column with those before it, as texts that it
//! makes again: 10,000 columns take it ten seconds.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion_common::error::DataFusionError;
use datafusion_expr::{LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion_sql::parser::Statement;
use datafusion_sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, SetExpr, Statement as Sql, TableFactor,
    WildcardAdditionalOptions,
};

use super::RAW;
use super::engine::Engine;

/// Columns that are planned together.
const TOGETHER: usize = 256;

/// The plan of a query over a table with the columns of `raw`.
pub(super) fn plan(
    engine: &Engine,
    statement: Statement,
    raw: &Schema,
) -> Result<LogicalPlan, DataFusionError> {
    // What can't be planned in pieces is planned as a whole, and refused as a whole.
    match in_pieces(engine, &statement, raw) {
        Some(plan) => Ok(plan),
        None => engine.plan(statement),
    }
}

fn in_pieces(engine: &Engine, statement: &Statement, raw: &Schema) -> Option<LogicalPlan> {
    let items = expanded(select(statement)?, raw);
    if items.len() <= TOGETHER {
        return None;
    }
    let mut pieces = items.chunks(TOGETHER).map(|items| {
        let plan = engine.plan(of_items(statement, items)?).ok()?;
        match plan {
            LogicalPlan::Projection(piece) if only_rows(&piece.input) => Some(piece),
            _ => None,
        }
    });
    let Projection {
        mut expr, input, ..
    } = pieces.next()??;
    for piece in pieces {
        let piece = piece?;
        if piece.input != input {
            return None;
        }
        expr.extend(piece.expr);
    }
    let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(input)).project(expr);
    plan.and_then(LogicalPlanBuilder::build).ok()
}

fn select(statement: &Statement) -> Option<&Select> {
    match statement {
        Statement::Statement(statement) => match statement.as_ref() {
            Sql::Query(query) => match query.body.as_ref() {
                SetExpr::Select(select) => Some(select),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The same statement that selects these items alone.
fn of_items(statement: &Statement, items: &[SelectItem]) -> Option<Statement> {
    let Statement::Statement(statement) = statement else {
        return None;
    };
    let Sql::Query(query) = statement.as_ref() else {
        return None;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let mut select = select.clone();
    select.projection = items.to_vec();
    let mut query = query.clone();
    query.body = Box::new(SetExpr::Select(select));
    Some(Statement::Statement(Box::new(Sql::Query(query))))
}

/// What is selected, with the columns of `raw` for a `*` that means them.
fn expanded(select: &Select, raw: &Schema) -> Vec<SelectItem> {
    let is_raw = match &select.from[..] {
        [from] if from.joins.is_empty() => match &from.relation {
            TableFactor::Table { name, .. } => name.to_string() == RAW,
            _ => false,
        },
        _ => false,
    };
    let column = |name: &String| {
        SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', name.clone())))
    };
    let items = select.projection.iter().flat_map(|item| match item {
        SelectItem::Wildcard(options) if is_raw && is_plain(options) => raw
            .fields()
            .iter()
            .map(|field| column(field.name()))
            .collect(),
        other => vec![other.clone()],
    });
    items.collect()
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    *options
        == WildcardAdditionalOptions {
            wildcard_token: options.wildcard_token.clone(),
            ..WildcardAdditionalOptions::default()
        }
}

/// Whether a plan gives rows of a table and nothing else, so that what is selected of them does not
/// change it.
fn only_rows(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Filter(filter) => only_rows(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => only_rows(&alias.input),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::super::check::one_select;
    use super::super::engine::Engine;
    use super::super::excerpt::Query;
    use super::*;

    const COLUMNS: usize = 2 * TOGETHER + 1;

    /// The plan in pieces, if there is one, and the plan of the whole.
    fn plans(sql: &str) -> (Option<LogicalPlan>, Result<LogicalPlan, DataFusionError>) {
        let field = |i| Field::new(format!("Col \"{i}\""), DataType::Float64, true);
        let raw = Arc::new(Schema::new((0..COLUMNS).map(field).collect::<Vec<_>>()));
        let engine = Engine::new(RAW, &raw, 64 << 20).unwrap();
        let name = "features.sql";
        let statement = one_select(&Query { name, sql }, "one SELECT").unwrap();
        let pieces = in_pieces(&engine, &statement, &raw);
        (pieces, engine.plan(statement))
    }

    #[test]
    fn pieces_make_the_plan_of_the_whole() {
        let first = r#""Col ""0""""#;
        let many: Vec<String> = (0..COLUMNS)
            .map(|i| format!("{first} * {i} AS m{i}"))
            .collect();
        for sql in [
            "SELECT * FROM raw".to_owned(),
            format!("SELECT *, {first} + 1 AS more FROM raw r WHERE r.{first} > 0.5"),
            format!("SELECT {} FROM raw", many.join(", ")),
            format!("SELECT *, {} FROM raw", many.join(", ")),
        ] {
            let (pieces, whole) = plans(&sql);
            assert_eq!(pieces.unwrap(), whole.unwrap(), "{sql}");
        }
    }

    #[test]
    fn what_pieces_would_change_is_planned_as_a_whole() {
        for sql in [
            "SELECT DISTINCT * FROM raw",
            "SELECT * FROM raw LIMIT 3",
            "SELECT * FROM raw ORDER BY 1",
            "SELECT *, count(*) OVER () AS n FROM raw",
            "SELECT *, * FROM raw",
            "SELECT *, no_such_column FROM raw",
        ] {
            assert_eq!(plans(sql).0, None, "{sql}");
        }
    }
}
