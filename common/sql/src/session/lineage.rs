//! Which raw columns a column of a plan is computed from.

use std::collections::BTreeSet;

use datafusion_common::error::Result;
use datafusion_common::{DFSchema, plan_err};
use datafusion_expr::{Expr, LogicalPlan};

/// Where a column comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Origin {
    /// Places of the raw columns that it is computed from.
    pub(super) reads: BTreeSet<usize>,
    /// The place of the raw column that it is, as it is.
    pub(super) raw: Option<usize>,
    /// Whether it is computed from other rows too.
    pub(super) windowed: bool,
}

impl Origin {
    /// Of the raw column at a place, as it is.
    pub(super) fn of_raw(place: usize) -> Self {
        Self {
            reads: BTreeSet::from([place]),
            raw: Some(place),
            windowed: false,
        }
    }
}

/// The origin of each column of a checked plan.
///
/// # Errors
/// A node of which it is not known what its columns are computed from.
pub(super) fn of_plan(plan: &LogicalPlan) -> Result<Vec<Origin>> {
    Ok(match plan {
        LogicalPlan::TableScan(scan) => {
            let columns = scan.projected_schema.fields().len();
            let place = |column| match &scan.projection {
                Some(read) => read.get(column).copied().unwrap_or(column),
                None => column,
            };
            (0..columns).map(place).map(Origin::of_raw).collect()
        }
        LogicalPlan::Projection(projection) => {
            let input = of_plan(&projection.input)?;
            let schema = projection.input.schema();
            let of_expr = |expr| of_expr(expr, schema, &input);
            projection.expr.iter().map(of_expr).collect()
        }
        LogicalPlan::Window(window) => {
            let mut columns = of_plan(&window.input)?;
            let schema = window.input.schema();
            let computed = window.window_expr.iter().map(|expr| Origin {
                windowed: true,
                ..of_expr(expr, schema, &columns)
            });
            let computed: Vec<Origin> = computed.collect();
            columns.extend(computed);
            columns
        }
        LogicalPlan::Filter(filter) => of_plan(&filter.input)?,
        LogicalPlan::SubqueryAlias(alias) => of_plan(&alias.input)?,
        other => return plan_err!("it is not known what {} computes", other.display()),
    })
}

/// The origin of an expression over the columns of `schema`, which come from `input`.
pub(super) fn of_expr(expr: &Expr, schema: &DFSchema, input: &[Origin]) -> Origin {
    let columns = expr.column_refs();
    let places = columns
        .iter()
        .filter_map(|column| schema.maybe_index_of_column(column));
    let mut origin = Origin::default();
    for from in places.filter_map(|place| input.get(place)) {
        origin.reads.extend(&from.reads);
        origin.windowed |= from.windowed;
    }
    let mut plain = expr;
    while let Expr::Alias(alias) = plain {
        plain = &alias.expr;
    }
    if let Expr::Column(column) = plain {
        let from = schema.maybe_index_of_column(column);
        origin.raw = from.and_then(|place| input.get(place)?.raw);
    }
    origin
}
