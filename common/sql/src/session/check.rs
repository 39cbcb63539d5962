//! What a query may do: compute from each row, and from windows of its entity.

use std::ops::ControlFlow;

use anyhow::Result;
use arrow::datatypes::Schema;
use datafusion_common::DFSchema;
use datafusion_common::error::DataFusionError;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan, Volatility};
use datafusion_sql::parser::{DFParserBuilder, Statement};
use datafusion_sql::sqlparser::ast;
use datafusion_sql::sqlparser::dialect::GenericDialect;

use table::dataset::Dataset;

use super::RAW;
use super::arguments;
use super::engine::Engine;
use super::excerpt::Query;
use super::lineage::{self, Origin};
use super::wide;
use super::windows::{Rules, Windows};

/// Why a query may not look further.
const OWN_ROW: &str = "a feature is computed from its own row, so that it does not depend on how rows are \
     distributed over files";

/// What a column of the result is made of.
#[derive(Clone, Copy)]
pub(super) struct MadeOf {
    /// Whether it depends on the target.
    pub(super) target: bool,
    /// Whether it is the raw column of its own name, as it is.
    pub(super) itself: bool,
}

/// A plan that was found to be in order.
pub(super) struct Checked {
    pub(super) plan: LogicalPlan,
    /// What each column of the result is made of.
    pub(super) made_of: Vec<MadeOf>,
    /// What its windows look back at, if it has any.
    pub(super) windows: Option<Windows>,
    /// What its WHERE is refused with in a training, if it has one.
    pub(super) condition: Option<String>,
}

/// Plans a features query.
pub(super) fn features(
    engine: &Engine,
    query: &Query<'_>,
    raw: &Schema,
    dataset: &Dataset,
) -> Result<Checked> {
    let target = dataset.target().name.as_str();
    let mut statement = one_select(query, "features are one SELECT over raw")?;
    aggregates_by_name(&mut statement, raw);
    let plan = wide::plan(engine, statement, raw).map_err(|error| {
        // DataFusion would advise GROUP BY, which is no way out here; else it says of windows what
        // is wrong.
        let of_windows = query.find("OVER").is_some() && !error.to_string().contains("GROUP BY");
        let aggregate = match of_windows {
            false => query.find_call(|name| engine.is_aggregate(name)),
            true => None,
        };
        aggregate.map_or_else(
            || query.failure(&error),
            |name| refuse(query, &[&name], &format!("aggregate function {name}")),
        )
    })?;
    walk(query, &plan, |node| {
        check_node(query, node).or_else(|| check_expressions(query, node))
    })?;
    // What a condition reads is known of plans that hold nothing else than rows computed from
    // themselves.
    walk(query, &plan, |node| check_where(query, node, raw, target))?;
    let condition = walk(query, &plan, |node| refuse_where(query, node)).err();
    let rules = Rules {
        query,
        dataset,
        raw,
    };
    let windows = rules.of_plan(&plan)?;
    let failure = |error| query.failure(&error);
    let origins = lineage::of_plan(&plan).map_err(failure)?;
    let names = plan.schema().fields().iter().map(|field| field.name());
    let made_of = origins.iter().zip(names).map(|(origin, name)| MadeOf {
        target: reads(origin, raw, target),
        itself: origin
            .raw
            .is_some_and(|place| raw.field(place).name() == name),
    });
    let made_of = made_of.collect();
    let plan = match windows {
        Some(_) => arguments::in_projections(plan).map_err(failure)?,
        None => plan,
    };
    Ok(Checked {
        plan,
        made_of,
        windows,
        condition: condition.map(|refusal| refusal.to_string()),
    })
}

/// Gives the first refusal of a node, from the top.
fn walk(
    query: &Query<'_>,
    plan: &LogicalPlan,
    check: impl Fn(&LogicalPlan) -> Option<anyhow::Error>,
) -> Result<()> {
    let mut refusal = None;
    let walked = plan.apply_with_subqueries(|node| {
        refusal = check(node);
        Ok(if refusal.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    walked.map_err(|error| query.failure(&error))?;
    refusal.map_or(Ok(()), Err)
}

/// Plans a condition on raw columns.
pub(super) fn filter(engine: &Engine, query: &Query<'_>, schema: &DFSchema) -> Result<Expr> {
    let parsed = DFParserBuilder::new(query.sql)
        .with_dialect(&GenericDialect {})
        .build();
    let parsed = parsed
        .and_then(|mut parser| parser.parse_into_expr())
        .map_err(|error| query.failure(&error))?;
    if let Some(alias) = &parsed.alias {
        return Err(query.refusal(
            query.find(&alias.value),
            "a condition has no alias, and nothing may follow it",
        ));
    }
    let expr = engine
        .expression(parsed, schema)
        .map_err(|error| query.failure(&error))?;
    match check_expression(query, &expr, false) {
        Some(refusal) => Err(refusal),
        None => Ok(expr),
    }
}

/// The one statement of a query; `what` says what it has to be.
pub(super) fn one_select(query: &Query<'_>, what: &str) -> Result<Statement> {
    let mut parser = DFParserBuilder::new(query.sql)
        .with_dialect(&GenericDialect {})
        .build()
        .map_err(|error| query.failure(&error))?;
    let mut statements = parser
        .parse_statements()
        .map_err(|error| query.failure(&error))?;
    let count = statements.len();
    let Some(statement) = statements.pop_front() else {
        return Err(query.refusal(None, &format!("it is empty: {what}")));
    };
    let refuse = |name: &str| {
        Err(query.refusal(
            query.find(name),
            &format!("{name} is refused: {what}, which only reads"),
        ))
    };
    match &statement {
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Query(select) => {
                if let Some(clause) = unplanned(select) {
                    return refuse(clause);
                }
            }
            other => {
                let text = other.to_string();
                return refuse(text.split_whitespace().next().unwrap_or("this statement"));
            }
        },
        Statement::CreateExternalTable(_) => return refuse("CREATE"),
        Statement::CopyTo(_) => return refuse("COPY"),
        Statement::Explain(_) => return refuse("EXPLAIN"),
        Statement::Reset(_) => return refuse("RESET"),
    }
    if count > 1 {
        return Err(query.refusal(None, &format!("it holds {count} statements: {what}")));
    }
    Ok(statement)
}

/// Has columns of aggregates found that are written without quotes: `store.mean` is the column
/// "store.mean" and no column of a table store.
fn aggregates_by_name(statement: &mut Statement, raw: &Schema) {
    let Statement::Statement(inner) = statement else {
        return;
    };
    let _ = ast::visit_expressions_mut(inner.as_mut(), |expr| {
        if let ast::Expr::CompoundIdentifier(parts) = expr
            && let [table, column] = &parts[..]
        {
            let name = format!("{}.{}", table.value, column.value);
            if raw.column_with_name(&name).is_some() {
                let span = table.span;
                *expr = ast::Expr::Identifier(ast::Ident::with_quote_and_span('"', span, name));
            }
        }
        ControlFlow::<()>::Continue(())
    });
}

/// A clause that the parser knows and the planner would pass over in silence.
fn unplanned(query: &ast::Query) -> Option<&'static str> {
    if !query.locks.is_empty() || query.for_clause.is_some() {
        return Some("FOR");
    }
    if query.settings.is_some() {
        return Some("SETTINGS");
    }
    if query.format_clause.is_some() {
        return Some("FORMAT");
    }
    let common = query.with.iter().flat_map(|with| &with.cte_tables);
    // It would be its own rows, and is planned as those of the table.
    let is_itself = |table: &ast::Cte| table.alias.name.value == RAW;
    if query.with.as_ref().is_some_and(|with| with.recursive) && common.clone().any(is_itself) {
        return Some("RECURSIVE");
    }
    common
        .map(|table| table.query.as_ref())
        .find_map(unplanned)
        .or_else(|| unplanned_in_body(&query.body))
}

fn unplanned_in_body(body: &ast::SetExpr) -> Option<&'static str> {
    match body {
        ast::SetExpr::Select(select) => {
            let clauses = [
                (select.into.is_some(), "INTO"),
                (select.prewhere.is_some(), "PREWHERE"),
                (!select.connect_by.is_empty(), "CONNECT"),
                (!select.distribute_by.is_empty(), "DISTRIBUTE"),
                (select.exclude.is_some(), "EXCLUDE"),
                (select.value_table_mode.is_some(), "AS"),
                (select.select_modifiers.is_some(), "SELECT"),
            ];
            let clause = clauses
                .into_iter()
                .find_map(|(present, name)| present.then_some(name));
            clause.or_else(|| {
                select
                    .from
                    .iter()
                    .map(|from| &from.relation)
                    .find_map(unplanned_in_table)
            })
        }
        ast::SetExpr::Query(query) => unplanned(query),
        ast::SetExpr::SetOperation { left, right, .. } => {
            unplanned_in_body(left).or_else(|| unplanned_in_body(right))
        }
        _ => None,
    }
}

fn unplanned_in_table(table: &ast::TableFactor) -> Option<&'static str> {
    match table {
        ast::TableFactor::Table {
            with_hints,
            version,
            partitions,
            json_path,
            sample,
            index_hints,
            ..
        } => {
            let clauses = [
                (sample.is_some(), "TABLESAMPLE"),
                (version.is_some(), "FOR"),
                (!partitions.is_empty(), "PARTITION"),
                (!with_hints.is_empty() || !index_hints.is_empty(), "WITH"),
                (json_path.is_some(), "FROM"),
            ];
            clauses
                .into_iter()
                .find_map(|(present, name)| present.then_some(name))
        }
        ast::TableFactor::Derived {
            sample: Some(_), ..
        } => Some("TABLESAMPLE"),
        ast::TableFactor::Derived { subquery, .. } => unplanned(subquery),
        _ => None,
    }
}

fn check_node(query: &Query<'_>, node: &LogicalPlan) -> Option<anyhow::Error> {
    let (words, what): (&[&str], String) = match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Window(_) => return None,
        LogicalPlan::TableScan(scan) if scan.table_name.table() == RAW => return None,
        LogicalPlan::TableScan(scan) => (
            &["FROM"],
            format!("table {}: there is only raw", scan.table_name),
        ),
        LogicalPlan::Aggregate(aggregate) => {
            match aggregate.aggr_expr.iter().find_map(aggregate_name) {
                Some(name) => {
                    return Some(refuse(
                        query,
                        &[name],
                        &format!("aggregate function {name}"),
                    ));
                }
                None => (&["GROUP", "HAVING"], "GROUP BY".to_owned()),
            }
        }
        LogicalPlan::Sort(_) => (&["ORDER"], "ORDER BY".to_owned()),
        LogicalPlan::Limit(_) => (&["LIMIT", "OFFSET", "FETCH"], "LIMIT".to_owned()),
        LogicalPlan::Distinct(_) => (&["DISTINCT", "UNION"], "DISTINCT".to_owned()),
        LogicalPlan::Join(_) => (&["JOIN", "INTERSECT", "EXCEPT"], "a join".to_owned()),
        LogicalPlan::Union(_) => (&["UNION"], "UNION".to_owned()),
        LogicalPlan::Unnest(_) => (&["UNNEST"], "UNNEST".to_owned()),
        LogicalPlan::Subquery(_) => (&["EXISTS", "IN"], "a subquery in an expression".to_owned()),
        LogicalPlan::RecursiveQuery(_) => (&["RECURSIVE"], "a recursive query".to_owned()),
        LogicalPlan::Values(_) => (&["VALUES"], "VALUES".to_owned()),
        LogicalPlan::EmptyRelation(_) => (&[], "a SELECT that does not read raw".to_owned()),
        other => (&[], other.display().to_string()),
    };
    Some(refuse(query, words, &what))
}

fn refuse(query: &Query<'_>, words: &[&str], what: &str) -> anyhow::Error {
    let place = words.iter().find_map(|word| query.find(word));
    query.refusal(place, &format!("{what} is refused: {OWN_ROW}"))
}

fn aggregate_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Alias(alias) => aggregate_name(&alias.expr),
        Expr::AggregateFunction(function) => Some(function.func.name()),
        _ => None,
    }
}

/// Rows to score have no label, so that a condition on it would lose them.
fn check_where(
    query: &Query<'_>,
    node: &LogicalPlan,
    raw: &Schema,
    target: &str,
) -> Option<anyhow::Error> {
    let LogicalPlan::Filter(filter) = node else {
        return None;
    };
    let input = match lineage::of_plan(&filter.input) {
        Ok(input) => input,
        Err(error) => return Some(query.failure(&error)),
    };
    let origin = lineage::of_expr(&filter.predicate, filter.input.schema(), &input);
    reads(&origin, raw, target).then(|| {
        let text = format!(
            "a condition on the target {target:?} is refused: rows to score have none, and \
             would be lost; leave training rows out by `train_filter` or \"unlabelled\": \
             \"drop\" in dataset.json"
        );
        query.refusal(query.find("WHERE"), &text)
    })
}

/// Each row has one in the result: where a condition does not hold, a step would fail.
fn refuse_where(query: &Query<'_>, node: &LogicalPlan) -> Option<anyhow::Error> {
    let text = "a condition (WHERE) is refused: the query must return each row; to leave rows out, \
                make the condition the `train_filter` of dataset.json, or its `filter` if they \
                should not be scored either";
    matches!(node, LogicalPlan::Filter(_)).then(|| query.refusal(query.find("WHERE"), text))
}

fn check_expressions(query: &Query<'_>, node: &LogicalPlan) -> Option<anyhow::Error> {
    let windows = matches!(node, LogicalPlan::Window(_));
    node.expressions()
        .iter()
        .find_map(|expr| check_expression(query, expr, windows))
}

/// Why an expression is refused, if it is; windows, which have rules of their own, are where the
/// plan has its `windows`.
pub(super) fn check_expression(
    query: &Query<'_>,
    expr: &Expr,
    windows: bool,
) -> Option<anyhow::Error> {
    let mut refusal = None;
    let walked = expr.apply(|expr| {
        refusal = match expr {
            Expr::ScalarFunction(function)
                if function.func.signature().volatility != Volatility::Immutable =>
            {
                let name = function.name();
                // `now()` goes by other names too, such as current_timestamp.
                let place =
                    std::iter::once(name).chain(function.func.aliases().iter().map(String::as_str));
                let place = place.filter_map(|name| query.find(name)).next();
                Some(query.refusal(
                    place,
                    &format!(
                        "function {name}() is refused: its result depends on the clock or on chance"
                    ),
                ))
            }
            Expr::AggregateFunction(function) => {
                let name = function.func.name();
                Some(refuse(
                    query,
                    &[name],
                    &format!("aggregate function {name}"),
                ))
            }
            Expr::WindowFunction(_) if windows => None,
            Expr::WindowFunction(_) => Some(refuse(query, &["OVER"], "a window function (OVER)")),
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::ScalarSubquery(_)
            | Expr::SetComparison(_) => Some(refuse(
                query,
                &["EXISTS", "IN", "ANY", "ALL"],
                "a subquery in an expression",
            )),
            Expr::Unnest(_) => Some(refuse(query, &["UNNEST"], "UNNEST")),
            Expr::Placeholder(placeholder) => Some(query.refusal(
                None,
                &format!(
                    "{} is refused: nothing fills in a placeholder",
                    placeholder.id
                ),
            )),
            Expr::ScalarVariable(_, names) => Some(query.refusal(
                None,
                &format!("{} is refused: there are no variables", names.join(".")),
            )),
            _ => None,
        };
        Ok::<_, DataFusionError>(if refusal.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    match walked {
        Ok(_) => refusal,
        Err(error) => Some(query.failure(&error)),
    }
}

/// Whether a column of a checked plan depends on the raw column `name`.
fn reads(origin: &Origin, raw: &Schema, name: &str) -> bool {
    let mut places = origin.reads.iter();
    places.any(|&place| raw.field(place).name() == name)
}
