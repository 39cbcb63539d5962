//! Windows while rows come.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::{concat_batches, partition, take};
use datafusion_common::error::Result;
use datafusion_common::{ScalarValue, exec_datafusion_err, internal_err};
use datafusion_expr::Accumulator;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr::window::SlidingAggregateWindowExpr;

use super::super::frame::micros;
use super::sums::{Given, Sums};
use super::{Bounds, Function, Sliding, Window};

/// The rows of the last entity that some window still reaches, and the ends of its windows.
pub(super) struct Running {
    plan: Sliding,
    /// Rows that are needed again: those of the last entity alone.
    held: Option<RecordBatch>,
    /// How many of them were given.
    given: usize,
    /// Ends of the windows of the row that was given last, for each of the bounds.
    ends: Vec<Range<usize>>,
    states: Vec<State>,
}

/// What is known of the rows of a window.
enum State {
    /// Nothing: its ends say all.
    Ends,
    Sums(Sums),
    Accumulating(Accumulating),
}

impl State {
    fn new(function: Function) -> Self {
        match function {
            Function::Count | Function::First | Function::Last => Self::Ends,
            Function::Sums { kind, whole } => Self::Sums(Sums::new(kind, whole)),
            Function::Aggregate => Self::Accumulating(Accumulating::from(0)),
        }
    }

    /// Forgets all rows: those of another entity begin there.
    fn begin(&mut self, at: usize) {
        match self {
            Self::Ends => {}
            Self::Sums(sums) => sums.begin(at),
            Self::Accumulating(accumulating) => *accumulating = Accumulating::from(at),
        }
    }

    /// The rows that it is of.
    fn rows(&mut self) -> Option<&mut Range<usize>> {
        match self {
            Self::Ends => None,
            Self::Sums(sums) => Some(&mut sums.rows),
            Self::Accumulating(accumulating) => Some(&mut accumulating.rows),
        }
    }
}

/// What a window gives, row by row.
enum Results {
    Sums(Given),
    Scalars(Vec<ScalarValue>),
}

/// What an accumulator has taken in.
struct Accumulating {
    accumulator: Option<Box<dyn Accumulator>>,
    rows: Range<usize>,
    /// What it said of these rows.
    said: Option<ScalarValue>,
}

impl Running {
    pub(super) fn new(plan: Sliding) -> Self {
        let mut running = Self {
            held: None,
            given: 0,
            ends: Vec::new(),
            states: Vec::new(),
            plan,
        };
        let windows = running.plan.windows.iter();
        running.states = windows.map(|window| State::new(window.function)).collect();
        running.begin_entity(0);
        running
    }

    /// Takes in rows; gives those whose windows are known, if there are any.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let rows = match &self.held {
            Some(held) if held.num_rows() > 0 => concat_batches(&batch.schema(), [held, batch])?,
            _ => batch.clone(),
        };
        self.advance(&rows, false)
    }

    /// Gives the rows that are left.
    pub(super) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        match self.held.take() {
            Some(held) => self.advance(&held, true),
            None => Ok(None),
        }
    }

    fn advance(&mut self, rows: &RecordBatch, is_last: bool) -> Result<Option<RecordBatch>> {
        let count = rows.num_rows();
        if count == 0 {
            return Ok(None);
        }
        let times =
            micros(rows.column(self.plan.time)).map_err(|error| exec_datafusion_err!("{error}"))?;
        let entity = self.plan.entity.iter();
        let entity: Vec<ArrayRef> = entity.map(|&place| rows.column(place).clone()).collect();
        let entities = partition(&entity)?.ranges();
        let last = entities.last().cloned().unwrap_or(0..count);
        // Rows of the same time see each other, and more of them may come.
        let ready = match is_last {
            true => count,
            false => {
                last.start + times[last.clone()].partition_point(|&time| time < times[count - 1])
            }
        };
        let begin = self.given;
        let given = match begin < ready {
            true => Some(self.windows(rows, &times, &entities, begin..ready)?),
            false => None,
        };
        let keep = match ready > last.start {
            true => self.first_needed().min(ready),
            false => {
                self.begin_entity(last.start);
                last.start
            }
        };
        self.given = ready.max(keep) - keep;
        self.held = Some(rows.slice(keep, count - keep));
        self.shift(keep);
        Ok(given)
    }

    /// The first row that some window still holds.
    fn first_needed(&mut self) -> usize {
        let of_bounds = self.ends.iter().map(|ends| ends.start);
        let taken = self.states.iter_mut().filter_map(State::rows);
        let taken = taken.map(|rows| rows.start);
        of_bounds.chain(taken).min().unwrap_or(0)
    }

    /// Counts rows from another one on.
    fn shift(&mut self, by: usize) {
        let taken = self.states.iter_mut().filter_map(State::rows);
        for rows in self.ends.iter_mut().chain(taken) {
            *rows = rows.start.saturating_sub(by)..rows.end.saturating_sub(by);
        }
    }

    /// Forgets all rows: those of another entity begin there.
    fn begin_entity(&mut self, at: usize) {
        self.ends.clear();
        self.ends.resize(self.plan.bounds.len(), at..at);
        self.states.iter_mut().for_each(|state| state.begin(at));
    }

    /// Some rows with what their windows give.
    fn windows(
        &mut self,
        rows: &RecordBatch,
        times: &[i64],
        entities: &[Range<usize>],
        wanted: Range<usize>,
    ) -> Result<RecordBatch> {
        let arguments = self.plan.windows.iter();
        let arguments: Vec<Vec<ArrayRef>> = arguments
            .map(|window| window.expr.evaluate_args(rows))
            .collect::<Result<_>>()?;
        // The rows of each window, by bounds and row.
        let mut ends: Vec<Vec<Range<usize>>> =
            vec![Vec::with_capacity(wanted.len()); self.plan.bounds.len()];
        let windows = self.plan.windows.iter();
        let mut results: Vec<Results> = windows
            .map(|window| match window.function {
                Function::Sums { kind, whole } => {
                    Results::Sums(Given::new(kind, whole, wanted.len()))
                }
                _ => Results::Scalars(Vec::new()),
            })
            .collect();
        for entity in entities.iter().filter(|of| of.end > wanted.start) {
            let of_entity = entity.start.max(wanted.start)..entity.end.min(wanted.end);
            if of_entity.is_empty() {
                continue;
            }
            if entity.start >= wanted.start {
                self.begin_entity(entity.start);
            }
            let place = ends.first().map_or(0, Vec::len);
            let all = self.plan.bounds.iter().zip(&mut self.ends).zip(&mut ends);
            for ((bounds, current), ends) in all {
                slide(*bounds, times, entity, &of_entity, current, ends);
            }
            let windows = self.plan.windows.iter().zip(&mut self.states);
            for (((window, state), arguments), results) in windows.zip(&arguments).zip(&mut results)
            {
                let ends = &ends[window.bounds][place..];
                match (state, results) {
                    (State::Sums(sums), Results::Sums(given)) => {
                        sums.give(arguments, ends, given)?;
                    }
                    (State::Accumulating(state), Results::Scalars(scalars)) => {
                        for ends in ends {
                            scalars.push(state.of(window, arguments, ends.clone())?);
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        for column in &mut columns {
            *column = column.slice(wanted.start, wanted.len());
        }
        for (window, (arguments, results)) in
            self.plan.windows.iter().zip(arguments.iter().zip(results))
        {
            let ends = &ends[window.bounds];
            columns.push(match (window.function, &arguments[..], results) {
                (_, _, Results::Sums(given)) => given.finish(),
                (Function::Count, [values], _) => count(values, ends),
                (Function::First, [values, ..], _) => value(values, ends, |ends| ends.start)?,
                (Function::Last, [values, ..], _) => value(values, ends, |ends| ends.end - 1)?,
                (Function::Aggregate, _, Results::Scalars(scalars)) => {
                    ScalarValue::iter_to_array(scalars)?
                }
                _ => return internal_err!("{} of nothing", window.expr.name()),
            });
        }
        let schema = datafusion_physical_plan::ExecutionPlan::schema(&self.plan);
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

/// Moves the ends of a window over some rows of an entity.
fn slide(
    bounds: Bounds,
    times: &[i64],
    entity: &Range<usize>,
    rows: &Range<usize>,
    current: &mut Range<usize>,
    ends: &mut Vec<Range<usize>>,
) {
    for row in rows.clone() {
        let from = times[row].saturating_sub(bounds.start);
        let to = times[row].saturating_sub(bounds.end);
        while current.start < entity.end && times[current.start] < from {
            current.start += 1;
        }
        while current.end < entity.end && times[current.end] <= to {
            current.end += 1;
        }
        ends.push(current.clone());
    }
}

/// How many values of each window are not null.
fn count(values: &ArrayRef, ends: &[Range<usize>]) -> ArrayRef {
    let counts: Int64Array = match values.logical_nulls() {
        Some(nulls) if nulls.null_count() > 0 => {
            let mut known = Vec::with_capacity(values.len() + 1);
            known.push(0);
            let mut valid = 0;
            for is_valid in nulls.iter() {
                valid += i64::from(is_valid);
                known.push(valid);
            }
            let of_window = |ends: &Range<usize>| known[ends.end] - known[ends.start];
            ends.iter().map(of_window).collect()
        }
        _ => ends.iter().map(|ends| ends.len() as i64).collect(),
    };
    Arc::new(counts)
}

/// A value of each window, null for one without rows.
fn value(
    values: &ArrayRef,
    ends: &[Range<usize>],
    place: impl Fn(&Range<usize>) -> usize,
) -> Result<ArrayRef> {
    if values.is_empty() {
        return Ok(new_null_array(values.data_type(), ends.len()));
    }
    let places = ends.iter();
    let places = places.map(|ends| (!ends.is_empty()).then(|| place(ends) as u64));
    Ok(take(values, &places.collect::<UInt64Array>(), None)?)
}

impl Accumulating {
    /// Of no rows, which begin at a place.
    fn from(at: usize) -> Self {
        Self {
            accumulator: None,
            rows: at..at,
            said: None,
        }
    }

    /// What the window gives for some rows, which begin and end no earlier than those before.
    fn of(
        &mut self,
        window: &Window,
        arguments: &[ArrayRef],
        wanted: Range<usize>,
    ) -> Result<ScalarValue> {
        if wanted.is_empty() {
            *self = Self {
                accumulator: None,
                rows: wanted,
                said: None,
            };
            return aggregate(window)?.default_value(&window.data_type);
        }
        if let Some(said) = self.said.as_ref().filter(|_| self.rows == wanted) {
            return Ok(said.clone());
        }
        if wanted.start >= self.rows.end {
            self.accumulator = None;
            self.rows = wanted.start..wanted.start;
        }
        let accumulator = match &mut self.accumulator {
            Some(accumulator) => accumulator,
            none => none.insert(aggregate(window)?.create_sliding_accumulator()?),
        };
        let of = |rows: Range<usize>| -> Vec<ArrayRef> {
            let arguments = arguments.iter();
            arguments
                .map(|of| of.slice(rows.start, rows.len()))
                .collect()
        };
        if self.rows.end < wanted.end {
            accumulator.update_batch(&of(self.rows.end..wanted.end))?;
        }
        if self.rows.start < wanted.start {
            accumulator.retract_batch(&of(self.rows.start..wanted.start))?;
        }
        self.rows = wanted;
        let said = accumulator.evaluate()?;
        self.said = Some(said.clone());
        Ok(said)
    }
}

fn aggregate(window: &Window) -> Result<&AggregateFunctionExpr> {
    let expr = window.expr.as_any();
    match expr.downcast_ref::<SlidingAggregateWindowExpr>() {
        Some(expr) => Ok(expr.get_aggregate_expr()),
        None => internal_err!("{} accumulates nothing", window.expr.name()),
    }
}
