//! What windows are over, computed in projections below them, where whole numbers are checked.

use std::sync::Arc;

use datafusion_common::Column;
use datafusion_common::error::DataFusionError;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_expr::{Expr, LogicalPlan, Projection, Window};

/// The plan with what windows are over computed in projections below them, where it is checked.
pub(super) fn in_projections(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    plan.transform_up(|node| match node {
        LogicalPlan::Window(window) => {
            plain(window).map(|window| Transformed::yes(LogicalPlan::Window(window)))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn plain(window: Window) -> Result<Window, DataFusionError> {
    let mut computed = Vec::new();
    let exprs = window.window_expr.into_iter().map(|expr| {
        let name = expr.schema_name().to_string();
        let replaced = expr.transform_up(|expr| {
            let Expr::WindowFunction(mut function) = expr else {
                return Ok(Transformed::no(expr));
            };
            for argument in &mut function.params.args {
                if !matches!(argument, Expr::Column(_) | Expr::Literal(..)) {
                    let name = format!("__argument_{}", computed.len());
                    let column = Expr::Column(Column::from_name(&name));
                    computed.push(std::mem::replace(argument, column).alias(name));
                }
            }
            Ok(Transformed::yes(Expr::WindowFunction(function)))
        });
        replaced.data()?.alias_if_changed(name)
    });
    let exprs = exprs.collect::<Result<Vec<_>, DataFusionError>>()?;
    let mut input = window.input;
    if !computed.is_empty() {
        let columns = input.schema().columns().into_iter().map(Expr::Column);
        let columns = columns.chain(computed).collect();
        input = Arc::new(LogicalPlan::Projection(Projection::try_new(
            columns, input,
        )?));
    }
    Window::try_new(exprs, input)
}
