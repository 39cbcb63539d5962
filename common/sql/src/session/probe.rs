//! Faults of SQL that show without any row: an unknown unit of time, a format that is none, a text
//! that would be too long. DataFusion finds them once it computes.
//!
//! Each function is asked alone, with its own literals, and with columns in the place of all else.
//! So a CASE around it hides no fault, and no value of a row is taken for one.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_empty_array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::DateTime;
use chrono::format::{Item, StrftimeItems};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ScalarValue, exec_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;

/// 2024-12-22T23:45:56 UTC: every part of it has its full number of digits, so that a format reads
/// what it writes.
const WRITTEN: i64 = 1_734_911_156;

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
        let is_asked = match expr.downcast_ref::<BinaryExpr>() {
            // A CASE may fail on purpose, by 1 / 0, for rows that should not be there.
            Some(_) => !chooses,
            None => expr.downcast_ref::<ScalarFunctionExpr>().is_some(),
        };
        if is_asked {
            fault = Alone::of(expr, schema).ok().and_then(|alone| alone.fault());
        }
        Ok(until(&fault))
    });
    fault.or(walked.err())
}

fn until(fault: &Option<DataFusionError>) -> TreeNodeRecursion {
    match fault {
        Some(_) => TreeNodeRecursion::Stop,
        None => TreeNodeRecursion::Continue,
    }
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
        match self.computed(0, |of| Ok(new_empty_array(of))) {
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

    /// What a format, a pattern or a position is refused for: DataFusion looks at it for values that
    /// are not null.
    fn fault_of_literals(&self) -> Option<DataFusionError> {
        let call = self.expr.downcast_ref::<ScalarFunctionExpr>()?;
        let name = call.fun().name();
        let ([column], [of, formats @ ..]) = (&self.columns.fields()[..], call.args()) else {
            return None;
        };
        of.downcast_ref::<Column>()?;
        match name {
            "to_char" => {
                let [format] = formats else { return None };
                let fault = self.fault_of_default(column.data_type());
                fault.map(|_| unknown(name, text(format)))
            }
            "regexp_count" | "regexp_instr" | "regexp_like" | "regexp_match" | "regexp_replace"
            | "substr" | "split_part" | "overlay" => self.fault_of_default(column.data_type()),
            _ if name.starts_with("to_timestamp")
                || ["to_date", "to_time", "to_unixtime"].contains(&name) =>
            {
                use DataType::{LargeUtf8, Utf8, Utf8View};
                let is_text = matches!(column.data_type(), Utf8 | LargeUtf8 | Utf8View);
                let formats = formats.iter().filter(|_| is_text);
                // A text is read by the first format that fits.
                let faults: Option<Vec<_>> = formats
                    .map(|format| self.fault_of_reading(name, format))
                    .collect();
                faults?.into_iter().next()
            }
            _ => None,
        }
    }

    /// Why it is not computed from the default value of its column, such as an empty text.
    fn fault_of_default(&self, column: &DataType) -> Option<DataFusionError> {
        let default = ScalarValue::new_default(column).ok()?;
        self.computed(1, |_| default.to_array()).err()
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
        let alone = Self {
            expr: self
                .expr
                .clone()
                .with_new_children(vec![column, format.clone()])
                .ok()?,
            columns: self.columns.clone(),
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

fn text(expr: &Arc<dyn PhysicalExpr>) -> Option<&str> {
    expr.downcast_ref::<Literal>()?.value().try_as_str()?
}
