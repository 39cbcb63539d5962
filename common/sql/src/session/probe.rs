//! Faults of SQL that show without any row: an unknown unit of time, a format that is none, a text
//! that would be too long. DataFusion finds them once it computes.
//!
//! Each function is asked alone, with its own literals, and with columns in the place of all else.
//! So a CASE around it hides no fault, and no value of a row is taken for one.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, new_empty_array,
    new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::DateTime;
use chrono::format::{Item, Numeric, StrftimeItems};
use datafusion_common::error::{DataFusionError, Result};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, ScalarValue, exec_datafusion_err};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, Literal, NegativeExpr, TryCastExpr,
};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion_physical_plan::ExecutionPlan;

/// 2024-12-22T23:45:56 UTC: every part of it has its full number of digits, so that a format reads
/// what it writes.
const WRITTEN: i64 = 1_734_911_156;

/// Numbers of which most functions take one: a month, or a year that has a 29th of February.
const PLAIN: [i64; 2] = [1, 4];

/// The first fault of all that a plan computes.
pub(super) fn of_plan(plan: &Arc<dyn ExecutionPlan>) -> Option<DataFusionError> {
    let children = plan.children();
    let below = children.iter().find_map(|child| of_plan(child));
    if below.is_some() {
        return below;
    }
    let [input] = children[..] else { return None };
    let schema = input.schema();
    let mut fault = None;
    let walked = plan.apply_expressions(&mut |expr| {
        fault = of_expr(expr, &schema);
        Ok(until(&fault))
    });
    fault.or(walked.err())
}

/// The first fault of an expression over columns of `schema`.
pub(super) fn of_expr(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<DataFusionError> {
    let is_case = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<CaseExpr>().is_some();
    let chooses = expr.exists(|expr| Ok(is_case(expr))).unwrap_or(true);
    let mut fault = None;
    let walked = expr.apply(|expr| {
        fault = fault_of_zone(expr);
        let is_of_values = expr.downcast_ref::<BinaryExpr>().is_some()
            || expr.downcast_ref::<CastExpr>().is_some()
            || expr.downcast_ref::<NegativeExpr>().is_some();
        let is_asked = match is_of_values {
            // A CASE may fail on purpose, by 1 / 0, for rows that should not be there.
            true => !chooses,
            false => expr.downcast_ref::<ScalarFunctionExpr>().is_some(),
        };
        if is_asked && fault.is_none() {
            fault = Alone::of(expr, schema).ok().and_then(|alone| alone.fault());
        }
        Ok(until(&fault))
    });
    fault.or(walked.err())
}

/// The first fault of functions of constants, which are computed before there is a plan to run, and
/// the column of the result that has it; `None` for one below the result.
pub(super) fn of_logical(plan: &LogicalPlan) -> Option<(Option<usize>, DataFusionError)> {
    let mut found = None;
    let walked = plan.apply(|node| {
        let is_result = std::ptr::eq(node, plan) && matches!(node, LogicalPlan::Projection(_));
        let exprs = node.expressions();
        let mut columns = exprs.iter().enumerate();
        found = columns.find_map(|(column, expr)| {
            let fault = of_constants(expr)?;
            Some((is_result.then_some(column), fault))
        });
        Ok(until(&found))
    });
    found.or_else(|| Some((None, walked.err()?)))
}

/// The same of one expression, before it is simplified.
pub(super) fn of_constants(expr: &Expr) -> Option<DataFusionError> {
    let mut fault = None;
    let walked = expr.apply(|expr| {
        if let Expr::ScalarFunction(call) = expr
            && reads_times(call.name())
            && let [of, formats @ ..] = &call.args[..]
            && of.column_refs().is_empty()
            && of
                .get_type(&DFSchema::empty())
                .is_ok_and(|data_type| is_text(&data_type))
        {
            let known = formats.iter().filter_map(|format| match format {
                Expr::Literal(value, _) => value.try_as_str().flatten(),
                _ => None,
            });
            fault = fault_of_fraction(call.name(), known);
        }
        Ok(until(&fault))
    });
    fault.or(walked.err())
}

fn until<T>(found: &Option<T>) -> TreeNodeRecursion {
    match found {
        Some(_) => TreeNodeRecursion::Stop,
        None => TreeNodeRecursion::Continue,
    }
}

/// Why no time is put into the zone of a conversion.
fn fault_of_zone(expr: &Arc<dyn PhysicalExpr>) -> Option<DataFusionError> {
    let cast = expr.downcast_ref::<CastExpr>().map(CastExpr::cast_type);
    let tried = || {
        expr.downcast_ref::<TryCastExpr>()
            .map(TryCastExpr::cast_type)
    };
    let DataType::Timestamp(_, Some(zone)) = cast.or_else(tried)? else {
        return None;
    };
    let unknown = zone.parse::<Tz>().err()?;
    Some(unknown.into())
}

/// A function of its literals and of columns.
struct Alone {
    expr: Arc<dyn PhysicalExpr>,
    columns: SchemaRef,
}

impl Alone {
    fn of(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Self> {
        let mut columns = Vec::new();
        let mut arguments = Vec::new();
        for argument in expr.children() {
            if argument.downcast_ref::<Literal>().is_some() {
                arguments.push(argument.clone());
                continue;
            }
            let name = format!("column_{}", columns.len());
            arguments.push(Arc::new(Column::new(&name, columns.len())) as _);
            columns.push(Field::new(name, argument.data_type(schema)?, true));
        }
        Ok(Self {
            expr: expr.clone().with_new_children(arguments)?,
            columns: Arc::new(Schema::new(columns)),
        })
    }

    fn fault(&self) -> Option<DataFusionError> {
        // Of constants alone each row is the same, and some functions look at none without a row.
        let rows = usize::from(self.columns.fields().is_empty());
        match self.computed(rows, |of| Ok(new_empty_array(of))) {
            // No fault of the query is what only columns without rows are refused for.
            Err(error) => {
                let of_null = self.computed(1, |of| Ok(new_null_array(of, 1)));
                of_null.err().map(|_| error)
            }
            Ok(()) => self.fault_of_literals(),
        }
    }

    /// Computes it from so many rows.
    fn computed(&self, rows: usize, column: impl Fn(&DataType) -> Result<ArrayRef>) -> Result<()> {
        let fields = self.columns.fields().iter();
        let columns = fields.map(|field| column(field.data_type()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.columns.clone(), columns, &options)?;
        self.expr.evaluate(&batch).map(|_| ())
    }

    /// What a format, a pattern or a position is refused for: DataFusion looks at it for values
    /// that are not null.
    fn fault_of_literals(&self) -> Option<DataFusionError> {
        let call = self.expr.downcast_ref::<ScalarFunctionExpr>()?;
        let name = call.fun().name();
        let [column, ..] = &self.columns.fields()[..] else {
            return None;
        };
        let [of, others @ ..] = call.args() else {
            return None;
        };
        match name {
            "to_char" => {
                let format = others.first().and_then(text)?;
                let fault = self.fault_of_plain_values();
                fault.map(|_| unknown(name, Some(format)))
            }
            "date_bin" | "from_unixtime" | "make_date" | "make_time" | "overlay"
            | "regexp_count" | "regexp_instr" | "regexp_like" | "regexp_match"
            | "regexp_replace" | "split_part" | "substr" => self.fault_of_plain_values(),
            _ if reads_times(name) => {
                of.downcast_ref::<Column>()?;
                if !is_text(column.data_type()) {
                    return None;
                }
                let of_fraction = fault_of_fraction(name, others.iter().filter_map(text));
                if of_fraction.is_some() {
                    return of_fraction;
                }
                // A text is read by the first format that fits.
                let faults: Option<Vec<_>> = others
                    .iter()
                    .map(|format| self.fault_of_reading(name, format))
                    .collect();
                faults?.into_iter().next()
            }
            _ => None,
        }
    }

    /// Why it is not computed from values that few functions refuse: the literals are at fault.
    fn fault_of_plain_values(&self) -> Option<DataFusionError> {
        let mut fault = None;
        for number in PLAIN {
            let plain = |of: &DataType| match of.is_integer() {
                true => Ok(cast(&Int64Array::from(vec![number]), of)?),
                false => ScalarValue::new_default(of)?.to_array(),
            };
            let mut columns = self.columns.fields().iter();
            // No plain span of time is known: the default is of no length.
            if columns.any(|column| match column.data_type() {
                DataType::Interval(_) | DataType::Duration(_) => true,
                of => plain(of).is_err(),
            }) {
                return None;
            }
            fault = Some(self.computed(1, plain).err()?);
        }
        fault
    }

    /// Why no text is read by a format: it is none, or it reads not even what it writes.
    fn fault_of_reading(
        &self,
        name: &str,
        format: &Arc<dyn PhysicalExpr>,
    ) -> Option<DataFusionError> {
        let known = text(format)?;
        if StrftimeItems::new(known).any(|item| item == Item::Error) {
            return Some(unknown(name, Some(known)));
        }
        let mut written = String::new();
        let time = DateTime::from_timestamp(WRITTEN, 123_456_789)?;
        write!(written, "{}", time.format(known)).ok()?;
        let column = self.expr.children().first().copied()?.clone();
        let first = Arc::new(Schema::new(vec![self.columns.field(0).clone()]));
        let alone = Self {
            expr: self
                .expr
                .clone()
                .with_new_children(vec![column, format.clone()])
                .ok()?,
            columns: first,
        };
        let values: ArrayRef = Arc::new(StringArray::from_iter_values([&written]));
        let read = alone.computed(1, |of| Ok(cast(&values, of)?));
        read.err().map(|_| {
            exec_datafusion_err!(
                "{name}() reads no text by the format {known:?}, such as {written:?}"
            )
        })
    }
}

fn unknown(name: &str, format: Option<&str>) -> DataFusionError {
    exec_datafusion_err!(
        "{name}() does not know the format {:?}",
        format.unwrap_or_default()
    )
}

/// Whether a function reads texts by formats.
fn reads_times(name: &str) -> bool {
    name.starts_with("to_timestamp") || ["to_date", "to_time", "to_unixtime"].contains(&name)
}

fn is_text(data_type: &DataType) -> bool {
    use DataType::{LargeUtf8, Utf8, Utf8View};
    matches!(data_type, Utf8 | LargeUtf8 | Utf8View)
}

fn fault_of_fraction<'a>(
    name: &str,
    mut formats: impl Iterator<Item = &'a str>,
) -> Option<DataFusionError> {
    let format = formats.find(|format| reads_nanoseconds(format))?;
    Some(exec_datafusion_err!(
        "{name}() reads .143 by %f of {format:?} as 143 nanoseconds: \
         write %.f, which takes the point too, or %3f, %6f or %9f for so many digits"
    ))
}

/// Whether a format has `%f`, the number of nanoseconds, which a fraction of fewer digits is not.
fn reads_nanoseconds(format: &str) -> bool {
    let mut items = StrftimeItems::new(format);
    items.any(|item| matches!(item, Item::Numeric(Numeric::Nanosecond, _)))
}

fn text(expr: &Arc<dyn PhysicalExpr>) -> Option<&str> {
    expr.downcast_ref::<Literal>()?.value().try_as_str()?
}
