//! Running windows by two ends that move over the rows of an entity: one pass, whatever the length
//! of the windows.
//!
//! DataFusion's own operator looks for the ends of each window of each row by arithmetic over
//! scalars, which takes ten times as long as all the rest. This one takes its place where it knows
//! the functions and bounds, with DataFusion's accumulators for all but exact sums.

mod running;
mod sums;

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use datafusion_common::error::Result;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{ScalarValue, internal_err};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::utils::collect_columns;
use datafusion_physical_expr::window::{
    SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr,
};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::DAY_MICROS;
use super::exact::Kind;
use super::source::Source;
use running::Running;

/// The plan with this operator in the place of DataFusion's, where it can take it.
pub(super) fn in_place(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|plan| {
        let window = plan.downcast_ref::<BoundedWindowAggExec>();
        Ok(match window.and_then(Sliding::of) {
            Some(sliding) => Transformed::yes(Arc::new(sliding) as _),
            None => Transformed::no(plan),
        })
    })
    .data()
}

/// What a window gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    /// How many values are not null.
    Count,
    /// The value of the first row, or of the last one.
    First,
    Last,
    /// An exact sum, or what is computed from such; `whole` over whole numbers.
    Sums {
        kind: Kind,
        whole: bool,
    },
    /// What an accumulator says of the values.
    Aggregate,
}

#[derive(Clone, Debug)]
struct Window {
    expr: Arc<dyn WindowExpr>,
    function: Function,
    data_type: DataType,
    /// Its place among the bounds.
    bounds: usize,
}

/// Where windows begin and end, in microseconds before their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    start: i64,
    end: i64,
}

/// Computes windows over rows that come sorted by entity and time.
#[derive(Clone, Debug)]
struct Sliding {
    input: Arc<dyn ExecutionPlan>,
    windows: Vec<Window>,
    bounds: Vec<Bounds>,
    /// Places of the columns that rows are partitioned by, and of the time.
    entity: Vec<usize>,
    time: usize,
    properties: Arc<PlanProperties>,
}

impl Sliding {
    /// In the place of an operator; `None` where that has to stay.
    fn of(plan: &BoundedWindowAggExec) -> Option<Self> {
        let mut sliding = Self {
            input: plan.input().clone(),
            windows: Vec::new(),
            bounds: Vec::new(),
            entity: Vec::new(),
            time: 0,
            properties: plan.properties().clone(),
        };
        // Windows of several lengths come as operators one upon the other, of which those below are
        // in place already.
        let below = sliding.input.downcast_ref::<Self>().cloned();
        if let Some(below) = below {
            sliding = Self {
                properties: sliding.properties,
                ..below
            };
        }
        for expr in plan.window_expr() {
            sliding.add(expr)?;
        }
        Some(sliding)
    }

    fn add(&mut self, expr: &Arc<dyn WindowExpr>) -> Option<()> {
        let width = self.input.schema().fields().len();
        let place = |expr: &Arc<dyn PhysicalExpr>| {
            let place = expr.downcast_ref::<Column>()?.index();
            (place < width).then_some(place)
        };
        // Windows are of raw columns, and not of what other windows give.
        let arguments = expr.expressions();
        let mut columns = arguments.iter().flat_map(collect_columns);
        if columns.any(|column| column.index() >= width) {
            return None;
        }
        let entity = expr.partition_by().iter().map(place);
        let entity: Vec<usize> = entity.collect::<Option<_>>()?;
        let [by] = expr.order_by() else {
            return None;
        };
        let time = place(&by.expr)?;
        if self.windows.is_empty() {
            (self.entity, self.time) = (entity, time);
        } else if (&self.entity, self.time) != (&entity, time) {
            return None;
        }
        let bounds = bounds(expr.get_window_frame())?;
        let known = self.bounds.iter().position(|known| *known == bounds);
        let place = known.unwrap_or(self.bounds.len());
        if known.is_none() {
            self.bounds.push(bounds);
        }
        self.windows.push(Window {
            expr: expr.clone(),
            function: function(expr, &self.input.schema())?,
            data_type: expr.field().ok()?.data_type().clone(),
            bounds: place,
        });
        Some(())
    }
}

fn function(expr: &Arc<dyn WindowExpr>, schema: &Schema) -> Option<Function> {
    if let Some(aggregate) = expr.as_any().downcast_ref::<SlidingAggregateWindowExpr>() {
        let function = aggregate.get_aggregate_expr().fun();
        let arguments = expr.expressions();
        if function.name() == "count" && arguments.len() == 1 {
            return Some(Function::Count);
        }
        let Some(kind) = Kind::of(function) else {
            return Some(Function::Aggregate);
        };
        let whole = arguments.first()?.data_type(schema).ok()? == DataType::Int64;
        return Some(Function::Sums { kind, whole });
    }
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any();
    match function.downcast_ref::<WindowUDFExpr>()?.fun().name() {
        "first_value" => Some(Function::First),
        "last_value" => Some(Function::Last),
        _ => None,
    }
}

fn bounds(frame: &WindowFrame) -> Option<Bounds> {
    if frame.units != WindowFrameUnits::Range {
        return None;
    }
    let micros = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Preceding(ScalarValue::IntervalMonthDayNano(Some(back))) => {
            let days = i64::from(back.days).checked_mul(DAY_MICROS)?;
            (back.months == 0).then(|| days.checked_add(back.nanoseconds / 1_000))?
        }
        _ => None,
    };
    Some(Bounds {
        start: micros(&frame.start_bound)?,
        end: micros(&frame.end_bound)?,
    })
}

impl DisplayAs for Sliding {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sliding: {} windows", self.windows.len())
    }
}

impl ExecutionPlan for Sliding {
    fn name(&self) -> &str {
        "Sliding"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("windows are of one input");
        };
        Ok(Arc::new(Self {
            input,
            ..Self::clone(&self)
        }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion_physical_plan::execution_plan::ChildrenPropertiesMode;
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let source = context.session_config().get_extension::<Source>();
        let rows = self.input.execute(partition, context)?;
        let state = Some((rows, Running::new(self.clone())));
        let given = stream::unfold(state, |state| async move {
            let (mut rows, mut running) = state?;
            loop {
                let given: Result<Option<RecordBatch>> = match rows.next().await {
                    Some(Ok(batch)) => running.take(&batch),
                    Some(Err(error)) => Err(error),
                    None => {
                        let last = running.finish().transpose();
                        return last.map(|last| (last, None));
                    }
                };
                match given.transpose() {
                    None => {}
                    Some(Ok(batch)) => return Some((Ok(batch), Some((rows, running)))),
                    Some(error) => return Some((error, None)),
                }
            }
        });
        let given = given.inspect_ok(move |batch| {
            if let Some(source) = &source {
                source.give(batch);
            }
        });
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, given)))
    }
}
