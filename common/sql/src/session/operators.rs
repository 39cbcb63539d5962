//! What is written as an operator or a clause, as functions, which can be limited and checked:
//! between constants before there is a plan, because DataFusion computes them then, and wraps them
//! around in silence.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion_common::error::Result;
use datafusion_common::{DFSchema, exec_err, plan_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion_functions::core::overlay;
use datafusion_physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion_sql::sqlparser::ast::BinaryOperator;

use super::{bounded, values};

/// Plans clauses, and operators between constants, as functions.
#[derive(Debug)]
pub(super) struct Planner;

impl ExprPlanner for Planner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        // Those of columns are replaced in the plan, where columns without an alias have their
        // names.
        if expr.right.any_column_refs() || expr.left.any_column_refs() {
            return Ok(PlannerResult::Original(expr));
        }
        let operator = match expr.op {
            BinaryOperator::StringConcat => Operator::StringConcat,
            BinaryOperator::PGBitwiseShiftLeft => Operator::BitwiseShiftLeft,
            BinaryOperator::PGBitwiseShiftRight => Operator::BitwiseShiftRight,
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let types = (expr.left.get_type(schema), expr.right.get_type(schema));
        // DataFusion says what is wrong with a side that has no type, and computes with times.
        let (Ok(left), Ok(right)) = types else {
            return Ok(PlannerResult::Original(expr));
        };
        if is_arithmetic(operator) && !(left.is_integer() && right.is_integer()) {
            return Ok(PlannerResult::Original(expr));
        }
        let (left, right) = BinaryTypeCoercer::new(&left, &operator, &right).get_input_types()?;
        let sides = vec![
            expr.left.cast_to(&left, schema)?,
            expr.right.cast_to(&right, schema)?,
        ];
        let call = ScalarFunction::new_udf(function_of(operator), sides);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let call = ScalarFunction::new_udf(bounded::limited(overlay()), args);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

/// An operator of a plan as a function, if it joins texts or shifts bits. `schema` is that of the
/// columns on its sides.
///
/// # Errors
/// Sides that it does not take.
pub(super) fn replaced(
    binary: &BinaryExpr,
    schema: &Schema,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    use Operator::{BitwiseShiftLeft, BitwiseShiftRight, StringConcat};
    let operator = *binary.op();
    if !matches!(
        operator,
        StringConcat | BitwiseShiftLeft | BitwiseShiftRight
    ) {
        return Ok(None);
    }
    let function = function_of(operator);
    let name = function.name().to_owned();
    let field = Field::new(&name, binary.data_type(schema)?, true);
    let sides = vec![binary.left().clone(), binary.right().clone()];
    let call = ScalarFunctionExpr::new(&name, function, sides, Arc::new(field), Arc::default());
    Ok(Some(Arc::new(call)))
}

/// A conversion of numbers to dates, of numbers that are checked: DataFusion would make dates
/// without a year of those that are too large. `None` of what converts nothing, or something else.
/// `schema` is that of the columns that it converts.
///
/// # Errors
/// What has no type.
pub(super) fn of_days(
    expr: &Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let Some(cast) = expr.downcast_ref::<CastExpr>() else {
        return Ok(None);
    };
    let days = cast.expr();
    let data_type = days.data_type(schema)?;
    if *cast.cast_type() != DataType::Date32 || !data_type.is_numeric() {
        return Ok(None);
    }
    let function = Arc::new(ScalarUDF::from(Days::new()));
    let name = function.name().to_owned();
    let field = Arc::new(Field::new(&name, data_type, days.nullable(schema)?));
    let call = ScalarFunctionExpr::new(&name, function, vec![days.clone()], field, Arc::default());
    expr.clone()
        .with_new_children(vec![Arc::new(call)])
        .map(Some)
}

fn function_of(operator: Operator) -> Arc<ScalarUDF> {
    let function = Arc::new(ScalarUDF::from(Operated::new(operator)));
    match operator {
        Operator::StringConcat => bounded::limited(function),
        _ => function,
    }
}

fn is_arithmetic(operator: Operator) -> bool {
    use Operator::{Minus, Multiply, Plus};
    matches!(operator, Plus | Minus | Multiply)
}

/// What an operator of DataFusion computes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Operated {
    operator: Operator,
    name: String,
    signature: Signature,
}

impl Operated {
    fn new(operator: Operator) -> Self {
        Self {
            operator,
            name: operator.to_string(),
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Operated {
    fn name(&self) -> &str {
        &self.name
    }

    /// As the operator's own: a column without an alias is named by it.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [left, right] = args else {
            return plan_err!("{} has two sides", self.name);
        };
        let (left, right) = (left.schema_name(), right.schema_name());
        Ok(format!("{left} {} {right}", self.name))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else {
            return plan_err!("{} has two sides", self.name);
        };
        BinaryTypeCoercer::new(left, &self.operator, right).get_result_type()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Operator::BitwiseShiftLeft | Operator::BitwiseShiftRight = self.operator {
            check_shift(&args)?;
        }
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
            return plan_err!("{} has two sides", self.name);
        };
        let computed = BinaryExpr::new(left.clone(), self.operator, right.clone());
        let computed = computed.with_fail_on_overflow(true);
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        let schema = Arc::new(Schema::new(fields));
        computed.evaluate(&RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

/// Numbers of days as they are, each of which has a date.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Days {
    signature: Signature,
}

impl Days {
    fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Days {
    fn name(&self) -> &str {
        "days"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [days] => Ok(days.clone()),
            _ => plan_err!("a date is made of one number"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        values::check_days(&args)?;
        match args.args.into_iter().next() {
            Some(days) => Ok(days),
            None => plan_err!("a date is made of one number"),
        }
    }
}

/// Refuses a shift by a negative number of bits, and by as many as a number has or more: DataFusion
/// would shift by the remainder of a division by them.
fn check_shift(args: &ScalarFunctionArgs) -> Result<()> {
    let [of, by] = &args.args[..] else {
        return plan_err!("a shift has two sides");
    };
    let bits = 8 * of.data_type().primitive_width().unwrap_or_default() as i64;
    // A constant is asked even if there is no row.
    let by = by.cast_to(&DataType::Int64, None)?.into_array(1)?;
    let mut by = by.as_primitive::<Int64Type>().iter().flatten();
    match by.find(|by| !(0..bits).contains(by)) {
        None => Ok(()),
        Some(by) => exec_err!(
            "a shift by {by} bits is out of range: a number of {bits} bits is shifted by 0 to {}",
            bits - 1
        ),
    }
}
