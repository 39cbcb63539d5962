//! Whole numbers that leave their type end the query. DataFusion would wrap them around to another
//! number in silence. Those of constants are checked by [`super::operators`], before there is a
//! plan.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion_common::ScalarValue;
use datafusion_common::error::Result;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, Literal, NegativeExpr};
use datafusion_physical_expr::projection::ProjectionExpr;
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::projection::ProjectionExec;

use super::{bounded, operators};

/// The plan with all that it computes checked.
pub(super) fn check_plan(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|plan| {
        let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
            return Ok(Transformed::no(plan));
        };
        let schema = projection.input().schema();
        let exprs = projection.expr().iter().map(|column| {
            Ok(ProjectionExpr {
                expr: check(column.expr.clone(), &schema)?,
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

/// The expression over columns of `schema` with its sums, differences, products, shifts and
/// signs checked, the texts that it joins, and the numbers that it converts to dates.
///
/// # Errors
/// A constant text that is too long.
pub(super) fn check(expr: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    bounded::check_constants(&expr)?;
    expr.transform_up(|expr| {
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            return Ok(Transformed::yes(
                match operators::replaced(binary, schema)? {
                    Some(call) => call,
                    None => checked(binary.clone()),
                },
            ));
        }
        if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
            let data_type = negative.data_type(schema)?;
            // 0 - x would lose the sign of a float's 0.
            if data_type.is_integer() {
                let zero = Arc::new(Literal::new(ScalarValue::new_zero(&data_type)?));
                let difference = BinaryExpr::new(zero, Operator::Minus, negative.arg().clone());
                return Ok(Transformed::yes(checked(difference)));
            }
        }
        Ok(match operators::of_days(&expr, schema)? {
            Some(checked) => Transformed::yes(checked),
            None => Transformed::no(expr),
        })
    })
    .data()
}

fn checked(binary: BinaryExpr) -> Arc<dyn PhysicalExpr> {
    Arc::new(binary.with_fail_on_overflow(true))
}
