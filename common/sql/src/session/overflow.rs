//! Whole numbers that leave their type end the query. DataFusion would wrap them around to another
//! number in silence. Those of constants are checked by [`super::operators`], before there is a
//! plan.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use super::bounded;

/// The plan with all that it computes checked.
pub(super) fn check_plan(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|plan| {
        let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
            return Ok(Transformed::no(plan));
        };
        let exprs = projection.expr().iter().map(|column| {
            Ok(ProjectionExpr {
                expr: check(column.expr.clone())?,
                alias: column.alias.clone(),
            })
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let checked: Arc<dyn ExecutionPlan> =
            Arc::new(ProjectionExec::try_new(exprs, projection.input().clone())?);
        Ok(Transformed::yes(checked))
    })
    .data()
}

/// The expression with its sums, differences and products checked.
///
/// # Errors
/// A constant text that is too long.
pub(super) fn check(expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    bounded::check_constants(&expr)?;
    expr.transform_up(|expr| {
        Ok(match expr.downcast_ref::<BinaryExpr>() {
            Some(binary) => {
                Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true)) as _)
            }
            None => Transformed::no(expr),
        })
    })
    .data()
}
