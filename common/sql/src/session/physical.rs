//! What computes a query: the operators of a checked plan, one partition of rows in their order.
//!
//! DataFusion's own planner knows every kind of query, and its optimizer spreads them over
//! partitions and sorts. Of a query that computes from rows as they come it merges projections.

use std::sync::Arc;

use datafusion_common::tree_node::{TransformedResult, TreeNode};
use datafusion_common::{DFSchema, Result, internal_err, not_impl_err, plan_err};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::expr::{NullTreatment, physical_name};
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{
    EmptyRelation, Expr, Filter, LogicalPlan, Projection, TableScan, Window, WindowFrame,
    WindowFrameBound,
};
use datafusion_physical_expr::projection::{ProjectionExpr, project_ordering};
use datafusion_physical_expr::window::WindowExpr;
use datafusion_physical_expr::{
    LexOrdering, PhysicalExpr, create_physical_expr, create_physical_exprs,
    create_physical_sort_exprs,
};
use datafusion_physical_plan::empty::EmptyExec;
use datafusion_physical_plan::filter::FilterExecBuilder;
use datafusion_physical_plan::projection::{ProjectionExec, remove_unnecessary_projections};
use datafusion_physical_plan::streaming::StreamingTableExec;
use datafusion_physical_plan::windows::{BoundedWindowAggExec, create_window_expr};
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties, InputOrderMode};

use super::source::{RawRows, TableOfRows};

type Operator = Arc<dyn ExecutionPlan>;

/// What computes a plan, in batches of `rows` rows where a condition leaves some out.
///
/// # Errors
/// Those of DataFusion; windows over rows in another order than theirs; a plan of other nodes.
pub(super) fn plan(
    plan: &LogicalPlan,
    properties: &ExecutionProps,
    rows: usize,
) -> Result<Operator> {
    let mut computes = operator(plan, properties, rows)?;
    // The plan keeps the names of sub-queries between projections. Merged, a CASE computes only
    // what it chooses, and functions see the constants that they are given. DataFusion does it
    // twice: a projection that moved below a condition meets another one there.
    for _ in 0..2 {
        computes = computes
            .transform_down(remove_unnecessary_projections)
            .data()?;
    }
    Ok(computes)
}

fn operator(plan: &LogicalPlan, properties: &ExecutionProps, rows: usize) -> Result<Operator> {
    let below = |input: &LogicalPlan| operator(input, properties, rows);
    match plan {
        LogicalPlan::TableScan(scan) => table(scan, properties),
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input),
        LogicalPlan::Projection(node) => projection(node, below(&node.input)?, properties),
        LogicalPlan::Filter(node) => filter(node, below(&node.input)?, properties, rows),
        LogicalPlan::Window(node) => window(node, below(&node.input)?, properties),
        // What a condition leaves that is never true.
        LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema,
        }) => Ok(Arc::new(EmptyExec::new(schema.inner().clone()))),
        other => not_impl_err!("no rows are computed by {}", other.display()),
    }
}

/// What computes an expression over columns of `schema`.
///
/// # Errors
/// Those of DataFusion.
pub(super) fn expression(
    expr: &Expr,
    schema: &DFSchema,
    properties: &ExecutionProps,
) -> Result<Arc<dyn PhysicalExpr>> {
    create_physical_expr(
        expr,
        schema,
        properties,
        &PhysicalPlanningContext::default(),
    )
}

fn table(scan: &TableScan, properties: &ExecutionProps) -> Result<Operator> {
    let Some(rows) = scan.source.downcast_ref::<TableOfRows>() else {
        return internal_err!("{} is no table of rows", scan.table_name);
    };
    let schema = DFSchema::try_from(rows.schema.clone())?;
    let context = PhysicalPlanningContext::default();
    let order = create_physical_sort_exprs(&rows.order, &schema, properties, &context)?;
    let read = scan.projection.as_ref();
    let order = LexOrdering::new(order).and_then(|order| match read {
        Some(_) => project_ordering(&order, scan.projected_schema.inner()),
        None => Some(order),
    });
    Ok(Arc::new(StreamingTableExec::try_new(
        rows.schema.clone(),
        vec![Arc::new(RawRows::new(rows.schema.clone()))],
        read,
        order,
        false,
        scan.fetch,
    )?))
}

fn projection(node: &Projection, input: Operator, properties: &ExecutionProps) -> Result<Operator> {
    let below = node.input.schema();
    let columns = node.expr.iter().map(|expr| {
        // A column of the input is named as there: what it is computed by may be spelled with the
        // name of a table in a plan, and without it here.
        let place = match expr {
            Expr::Column(column) => below.maybe_index_of_column(column),
            _ => None,
        };
        let alias = match place {
            Some(place) => input.schema().field(place).name().clone(),
            None => physical_name(expr)?,
        };
        let expr = expression(expr, below, properties)?;
        Ok(ProjectionExpr { expr, alias })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, input)?))
}

fn filter(
    node: &Filter,
    input: Operator,
    properties: &ExecutionProps,
    rows: usize,
) -> Result<Operator> {
    let condition = expression(&node.predicate, node.input.schema(), properties)?;
    let filter = FilterExecBuilder::new(condition, input).with_batch_size(rows);
    Ok(Arc::new(filter.build()?))
}

fn window(node: &Window, input: Operator, properties: &ExecutionProps) -> Result<Operator> {
    let windows = node.window_expr.iter();
    let windows = windows.map(|expr| window_expression(expr, &node.schema, properties));
    let windows = windows.collect::<Result<Vec<_>>>()?;
    if !windows.iter().all(|window| window.uses_bounded_memory()) {
        return plan_err!("its windows would have to hold all rows of an entity");
    }
    let window = BoundedWindowAggExec::try_new(windows, input, InputOrderMode::Sorted, false)?;
    let order = window.input().equivalence_properties();
    for needed in window.required_input_ordering().into_iter().flatten() {
        if !order.ordering_satisfy_requirement(needed.into_single())? {
            return plan_err!("its windows would not be computed in the order of the rows");
        }
    }
    Ok(Arc::new(window))
}

fn window_expression(
    expr: &Expr,
    schema: &DFSchema,
    properties: &ExecutionProps,
) -> Result<Arc<dyn WindowExpr>> {
    let (name, plain) = match expr {
        Expr::Alias(alias) => {
            let plain = alias.expr.as_ref().clone().unalias_nested();
            (alias.name.clone(), plain.data)
        }
        _ => (expr.schema_name().to_string(), expr.clone()),
    };
    let Expr::WindowFunction(window) = &plain else {
        return internal_err!("{plain} is no window");
    };
    let of = &window.params;
    if !ends_after_its_start(&of.window_frame) {
        return plan_err!("a window ends before it starts: {}", of.window_frame);
    }
    let context = PhysicalPlanningContext::default();
    let exprs = |exprs: &[Expr]| create_physical_exprs(exprs, schema, properties, &context);
    let filter = of.filter.as_ref();
    let filter = filter.map(|filter| expression(filter, schema, properties));
    create_window_expr(
        &window.fun,
        name,
        &exprs(&of.args)?,
        &exprs(&of.partition_by)?,
        &create_physical_sort_exprs(&of.order_by, schema, properties, &context)?,
        Arc::new(of.window_frame.clone()),
        schema.inner().clone(),
        of.null_treatment == Some(NullTreatment::IgnoreNulls),
        of.distinct,
        filter.transpose()?,
    )
}

/// The bounds are of one type once a plan is analyzed.
fn ends_after_its_start(frame: &WindowFrame) -> bool {
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    match (&frame.start_bound, &frame.end_bound) {
        (Following(_), Preceding(_) | CurrentRow) | (CurrentRow, Preceding(_)) => false,
        (Preceding(start), Preceding(end)) => !end.is_null() && (start.is_null() || start >= end),
        (Following(start), Following(end)) => !start.is_null() && (end.is_null() || start <= end),
        _ => true,
    }
}
