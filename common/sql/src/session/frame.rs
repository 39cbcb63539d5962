//! Running windows: over rows in their order, one entity at a time, with one frame in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, make_comparator};
use arrow::compute::{SortOptions, partition};
use arrow::datatypes::{DataType, Date32Type, Schema, TimestampMicrosecondType};
use datafusion_common::plan_err;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::projection::ProjectionExec;
use datafusion_physical_plan::streaming::StreamingTableExec;
use datafusion_physical_plan::windows::BoundedWindowAggExec;

use runtime::failure::Failure;
use table::dataset::keys;

use super::DAY_MICROS;
use super::windows::Windows;

/// How often the rows of a frame are in memory: as they came, in the buffer of their entity, and
/// twice while either grows.
const COPIES: u64 = 4;

/// That a plan runs windows as rows come, and does nothing besides.
pub(super) fn check_plan(plan: &Arc<dyn ExecutionPlan>) -> datafusion_common::error::Result<()> {
    if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        let below = window.input().schema();
        for expr in window.window_expr() {
            let arguments = expr.expressions();
            if !arguments.iter().all(|argument| is_plain(argument, &below)) {
                return plan_err!(
                    "{} is over what is not checked: write CAST(x AS DOUBLE) or CAST(x AS BIGINT) \
                     for what it is over",
                    expr.name()
                );
            }
        }
    } else if plan.downcast_ref::<ProjectionExec>().is_none()
        && plan.downcast_ref::<StreamingTableExec>().is_none()
    {
        return plan_err!("its windows would be computed by {}", plan.name());
    }
    plan.children().into_iter().try_for_each(check_plan)
}

/// Whether an argument of a window can neither fail nor wrap around: a column, a literal, or either
/// in a wider type, which DataFusion's coercion puts there.
fn is_plain(argument: &Arc<dyn PhysicalExpr>, below: &Schema) -> bool {
    let taken = match argument.downcast_ref::<CastExpr>() {
        Some(cast) => match cast.expr().data_type(below) {
            Ok(from) if is_wider(cast.cast_type(), &from) => cast.expr(),
            _ => return false,
        },
        None => argument,
    };
    taken.downcast_ref::<Column>().is_some() || taken.downcast_ref::<Literal>().is_some()
}

/// Whether every number of the type `from` is one of the type `to`.
fn is_wider(to: &DataType, from: &DataType) -> bool {
    use DataType::{Float16, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32};
    matches!(
        (from, to),
        (
            Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32,
            Int64 | Float64
        ) | (Float16 | Float32, Float64)
    )
}

/// Watches rows on their way into windows: they are in order, none lacks its entity or its time,
/// and a frame of them fits into memory.
pub(super) struct Watch {
    windows: Windows,
    entity: Vec<usize>,
    time: usize,
    memory: u64,
    /// The last row before: its entity, and its time.
    last: Option<(Vec<ArrayRef>, i64)>,
    /// The rows of the entity that are within the longest window: the time of the last one of each
    /// run of rows, and their bytes.
    frame: VecDeque<(i64, u64)>,
    bytes: u64,
}

impl Watch {
    pub(super) fn new(windows: &Windows, raw: &Schema, memory: u64) -> Result<Self> {
        let entity = windows.entity.iter().map(|name| raw.index_of(name));
        Ok(Self {
            entity: entity.collect::<Result<_, _>>()?,
            time: raw.index_of(&windows.time)?,
            windows: windows.clone(),
            memory,
            last: None,
            frame: VecDeque::new(),
            bytes: 0,
        })
    }

    /// # Errors
    /// A null in an entity: exit 10. A frame that does not fit: exit 2. Rows that are not in order.
    pub(super) fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let entity: Vec<ArrayRef> = self
            .entity
            .iter()
            .map(|&i| batch.column(i).clone())
            .collect();
        let named = self.windows.entity.iter().chain([&self.windows.time]);
        let place = self.entity.iter().chain([&self.time]);
        for (name, &place) in named.zip(place) {
            if batch.column(place).null_count() > 0 {
                return Err(Failure::contract(format!(
                    "column {name:?} holds nulls, and windows of features.sql use it: fill them, \
                     or leave these rows out by the `filter` of dataset.json"
                )));
            }
        }
        let times = micros(batch.column(self.time))?;
        let each = bytes(batch)? / rows as u64 + 1;
        for range in partition(&entity)?.ranges() {
            let one: Vec<ArrayRef> = entity.iter().map(|of| of.slice(range.start, 1)).collect();
            let same = match &self.last {
                Some((last, _)) => equal(last, &one)?,
                None => false,
            };
            if !same {
                self.frame.clear();
                self.bytes = 0;
            }
            let before = self.last.as_ref().filter(|_| same).map(|(_, time)| *time);
            let of_entity = &times[range.clone()];
            ensure!(
                of_entity.is_sorted() && before.is_none_or(|before| before <= of_entity[0]),
                "rows of an entity are not in the order of their time"
            );
            let last = of_entity[of_entity.len() - 1];
            self.frame.push_back((last, each * of_entity.len() as u64));
            self.bytes += each * of_entity.len() as u64;
            let begin = last.saturating_sub(self.windows.longest);
            while let Some(&(time, bytes)) = self.frame.front()
                && time < begin
            {
                self.frame.pop_front();
                self.bytes -= bytes;
            }
            if self.bytes.saturating_mul(COPIES) > self.memory {
                return Err(self.too_large(&one));
            }
            self.last = Some((one, last));
        }
        Ok(())
    }

    fn too_large(&self, entity: &[ArrayRef]) -> anyhow::Error {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        Failure::usage(format!(
            "the rows of {} within one window before column {:?} take {} MiB, and {COPIES} copies \
             of them do not fit into the memory budget of {} MiB: raise --memory (ALAMEDA_MEMORY) \
             to {} MiB, shorten the windows of features.sql, or leave rows of this entity out by \
             the `filter` of dataset.json",
            keys::show(&self.windows.entity, entity, 0),
            self.windows.time,
            mib(self.bytes),
            mib(self.memory),
            mib(self.bytes.saturating_mul(2 * COPIES)),
        ))
    }
}

fn equal(left: &[ArrayRef], right: &[ArrayRef]) -> Result<bool> {
    for (left, right) in left.iter().zip(right) {
        if make_comparator(left, right, SortOptions::default())?(0, 0).is_ne() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The times of a column, in microseconds.
pub(super) fn micros(column: &ArrayRef) -> Result<Vec<i64>> {
    Ok(match column.data_type() {
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().values().iter();
            days.map(|&day| i64::from(day).saturating_mul(DAY_MICROS))
                .collect()
        }
        _ => {
            let times = column.as_primitive_opt::<TimestampMicrosecondType>();
            times
                .context("the time is not a timestamp")?
                .values()
                .to_vec()
        }
    })
}

/// Bytes of the rows of a batch, whatever they share with others.
fn bytes(batch: &RecordBatch) -> Result<u64> {
    let columns = batch.columns().iter();
    let bytes = columns.map(|column| column.to_data().get_slice_memory_size());
    let bytes = bytes.sum::<Result<usize, _>>()?;
    Ok(bytes as u64)
}
