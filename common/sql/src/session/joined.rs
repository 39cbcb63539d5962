//! What is written as an operator or a clause, as functions, so that the texts that they make can
//! have a limit.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};

pub(super) const NAME: &str = "||";

/// The function, which computes what DataFusion's operator does.
pub(super) fn function() -> ScalarUDF {
    ScalarUDF::from(Joined {
        signature: Signature::any(2, Volatility::Immutable),
    })
}

/// Plans `OVERLAY(... PLACING ...)` as this function.
#[derive(Debug)]
pub(super) struct Planner {
    pub(super) overlay: Arc<ScalarUDF>,
}

impl ExprPlanner for Planner {
    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let call = ScalarFunction::new_udf(self.overlay.clone(), args);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    signature: Signature,
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else {
            return plan_err!("|| joins two texts");
        };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        let mut sides: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        for value in args.args {
            match value {
                ColumnarValue::Scalar(scalar) => sides.push(Arc::new(Literal::new(scalar))),
                ColumnarValue::Array(array) => {
                    let name = format!("column_{}", columns.len());
                    sides.push(Arc::new(Column::new(&name, columns.len())));
                    fields.push(Field::new(name, array.data_type().clone(), true));
                    columns.push(array);
                }
            }
        }
        let [left, right] = &sides[..] else {
            return plan_err!("|| joins two texts");
        };
        let joined = BinaryExpr::new(left.clone(), Operator::StringConcat, right.clone());
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        let schema = Arc::new(Schema::new(fields));
        joined.evaluate(&RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}
