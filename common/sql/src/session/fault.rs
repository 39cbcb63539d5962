//! The column and the row that a query fails on: DataFusion names neither. They are looked for once
//! a batch has failed, with parts of the query and of the batch.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use datafusion_common::error::{DataFusionError, Result as SqlResult};
use datafusion_expr::{Expr, LogicalPlan, Projection};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::projection::ProjectionExec;
use datafusion_physical_plan::windows::BoundedWindowAggExec;
use futures::StreamExt;
use futures::executor::block_on;

use catalog::manifest::Role;
use runtime::failure::Failure;
use table::config::FEATURES_FILE;
use table::dataset::{Dataset, keys};
use table::parts;

use super::check::Checked;
use super::engine::Engine;
use super::excerpt::Query;
use super::lineage::{self, Origin};
use super::source::Source;
use super::{Features, excerpt, overflow, probe, sliding};

/// Values of a row, besides its key, that a message shows.
const SHOWN: usize = 5;

/// Places of the raw columns that name a row.
pub(super) fn key(dataset: &Dataset, raw: &Schema) -> Vec<usize> {
    let key = dataset.columns.iter();
    let key = key.filter(|column| matches!(column.role, Role::Id | Role::Time));
    key.filter_map(|column| raw.index_of(&column.name).ok())
        .collect()
}

/// The least number for which something fails that fails for every greater one as well; `None` if
/// it does not fail for the greatest.
fn least(greatest: usize, fails: impl Fn(usize) -> bool) -> Option<usize> {
    if greatest == 0 || !fails(greatest) {
        return None;
    }
    let (mut below, mut least) = (0, greatest);
    while least - below > 1 {
        let middle = below + (least - below) / 2;
        match fails(middle) {
            true => least = middle,
            false => below = middle,
        }
    }
    Some(least)
}

/// The first of the rows that something fails for, and how it fails for this row alone, if it does.
pub(super) fn first<T>(
    rows: &RecordBatch,
    run: impl Fn(&RecordBatch) -> SqlResult<T>,
) -> Option<(usize, Option<DataFusionError>)> {
    let count = least(rows.num_rows(), |count| run(&rows.slice(0, count)).is_err())?;
    Some((count - 1, run(&rows.slice(count - 1, 1)).err()))
}

/// A row as a message shows it: its key, and some of the values at the places `reads`.
pub(super) fn row(rows: &RecordBatch, row: usize, key: &[usize], reads: &[usize]) -> String {
    let shown = |places: &[usize]| {
        let schema = rows.schema_ref();
        let names = places
            .iter()
            .map(|&place| schema.field(place).name().clone());
        let columns = places.iter().map(|&place| rows.column(place).clone());
        let (names, columns): (Vec<String>, Vec<ArrayRef>) = (names.collect(), columns.collect());
        keys::show(&names, &columns, row)
    };
    let others = reads.iter().copied().filter(|place| !key.contains(place));
    let others: Vec<usize> = others.take(SHOWN).collect();
    match (key.is_empty(), others.is_empty()) {
        (false, false) => format!("the row {} ({})", shown(key), shown(&others)),
        (false, true) => format!("the row {}", shown(key)),
        (true, false) => format!("a row with {}", shown(&others)),
        (true, true) => "a row".to_owned(),
    }
}

/// The error for what fails as `what` says: `fault` is the one of the SQL itself, if it has one.
pub(super) fn failure(
    what: &str,
    fault: Option<DataFusionError>,
    error: &DataFusionError,
) -> anyhow::Error {
    match fault {
        Some(fault) => Failure::usage(format!("{what}: {}", excerpt::of_values(&fault))),
        None => {
            let text = format!("{what}: {}", excerpt::of_values(error));
            match excerpt::is_of_values(error) {
                true => Failure::contract(text),
                false => Failure::usage(text),
            }
        }
    }
}

/// The error for a fault that shows without any row.
pub(super) fn refusal(what: &str, fault: &DataFusionError) -> anyhow::Error {
    let text = excerpt::of_values(fault);
    Failure::usage(format!("{what}, whatever the rows hold: {text}"))
}

/// The refusal of a query that DataFusion does not plan, with the column that it is about.
pub(super) fn of_planning(
    engine: &Engine,
    query: &Query<'_>,
    checked: &Checked,
    error: &DataFusionError,
) -> anyhow::Error {
    let LogicalPlan::Projection(select) = &checked.plan else {
        return query.failure(error);
    };
    let planned = |plan: &LogicalPlan| planned(engine, plan).is_ok();
    let fails = |count: usize| {
        let part = Projection::try_new(select.expr[..count].to_vec(), select.input.clone());
        !part.is_ok_and(|part| planned(&LogicalPlan::Projection(part)))
    };
    // What fails below is in the way of every column.
    let count = match planned(&select.input) {
        true => least(select.expr.len(), fails),
        false => None,
    };
    let Some(count) = count else {
        return query.failure(error);
    };
    let names = select.schema.fields();
    let name = names[count - 1].name();
    let text = excerpt::of_values(error);
    let text = format!("the column {name:?} can't be computed: {text}");
    query.refusal(query.find(name), &text)
}

/// Some of the rows of a query.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) batch: RecordBatch,
    /// The place of the first one among all rows of the query.
    pub(super) first: u64,
}

/// What was on its way when a query failed.
pub(super) struct OnTheirWay<'a> {
    /// The raw rows that it took last.
    pub(super) taken: Option<Rows>,
    /// What its windows gave last.
    pub(super) given: Option<Rows>,
    /// The file of a row by its place among all rows, where there are several files.
    pub(super) file: &'a dyn Fn(u64) -> Option<String>,
}

impl OnTheirWay<'_> {
    /// What a message says of a row, with its file.
    fn row(&self, rows: &Rows, place: usize, key: &[usize], reads: &[usize]) -> String {
        let file = (self.file)(rows.first + place as u64);
        let file = file.map(|file| format!(" in {file}")).unwrap_or_default();
        format!(" of {}{file}", row(&rows.batch, place, key, reads))
    }
}

/// Where a query fails.
struct Place {
    /// A column of its result that shows it.
    column: usize,
    text: String,
    /// The error of the row that is named: the one of a batch may be another row's.
    of_row: Option<DataFusionError>,
}

impl Features {
    /// Refuses SQL with a fault that DataFusion finds only once it computes, such as an unknown
    /// unit of time, before any row is read. What was trained with such SQL before is not asked:
    /// no row may have come to the fault.
    ///
    /// # Errors
    /// A fault that shows without any row: exit 2, with the column.
    pub fn must_compute(&self) -> Result<()> {
        self.aggregates.must_compute()?;
        for condition in self.filter.iter().chain(&self.train_filter) {
            condition.must_compute(&self.raw)?;
        }
        if let Some((column, fault)) = probe::of_logical(&self.logical) {
            return Err(self.refusal(column, &fault));
        }
        let Some(fault) = probe::of_plan(&self.plan) else {
            return Ok(());
        };
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let count = least(all.len(), |count| self.fault(&all[..count]).is_some());
        let column = count.map(|count| count - 1);
        let of_column = column.and_then(|column| self.fault(&[column]));
        Err(self.refusal(column, &of_column.unwrap_or(fault)))
    }

    fn refusal(&self, column: Option<usize>, fault: &DataFusionError) -> anyhow::Error {
        let place = column.map(|column| self.in_column(column));
        let what = format!("{FEATURES_FILE} fails{}", place.unwrap_or_default());
        refusal(&what, fault)
    }

    /// The fault of these columns of the result that shows without any row.
    fn fault(&self, columns: &[usize]) -> Option<DataFusionError> {
        probe::of_plan(&self.part(columns).ok()?)
    }

    fn in_column(&self, column: usize) -> String {
        format!(" in the column {:?}", self.schema.field(column).name())
    }

    /// The error for rows that the query can't be computed from.
    pub(super) fn failure(&self, error: &DataFusionError, met: &OnTheirWay<'_>) -> anyhow::Error {
        // Where the search fails as well, the error itself is the message.
        let place = self.place(error, met).ok().flatten();
        let fault = match &place {
            Some(place) => self.fault(&[place.column]),
            None => probe::of_plan(&self.plan).filter(|fault| is_same(fault, error)),
        };
        let of_row = place.as_ref().and_then(|place| place.of_row.as_ref());
        let error = of_row.unwrap_or(error);
        let place = place.as_ref().map_or("", |place| place.text.as_str());
        failure(&format!("{FEATURES_FILE} fails{place}"), fault, error)
    }

    /// Where the query fails.
    fn place(&self, error: &DataFusionError, met: &OnTheirWay<'_>) -> Result<Option<Place>> {
        let origins = lineage::of_plan(&self.logical)?;
        let above = met.given.as_ref();
        let above = above.and_then(|given| self.above_windows(error, met, given, &origins));
        if above.is_some() {
            return Ok(above);
        }
        let Some(last) = &met.taken else {
            return Ok(None);
        };
        let rows = &last.batch;
        let (windowed, others): (Vec<usize>, Vec<usize>) =
            (0..origins.len()).partition(|&column| origins[column].windowed);
        let (taken, computed): (Vec<usize>, Vec<usize>) = others
            .into_iter()
            .partition(|&column| origins[column].raw.is_some());
        let first_row = |part: &Arc<dyn ExecutionPlan>, reads: &[usize]| {
            let (row, of_row) = first(rows, |rows| self.run(part.clone(), rows.clone()))?;
            Some((met.row(last, row, &self.key, reads), of_row))
        };
        // A condition fails whatever is selected.
        if let (true, Some(&column)) = (self.condition.is_some(), taken.first())
            && let Some((row, of_row)) = first_row(&self.part(&[column])?, &[])
        {
            return Ok(Some(Place {
                column,
                text: format!(" in the WHERE{row}"),
                of_row,
            }));
        }
        // What windows are over is computed from each row, as all is without windows.
        for columns in [computed, windowed.clone()] {
            let part = |columns: &[usize]| self.part(columns).map(below_windows);
            let count = least(columns.len(), |count| {
                let part = part(&columns[..count]);
                part.is_ok_and(|part| self.run(part, rows.clone()).is_err())
            });
            if let Some(count) = count {
                let column = columns[count - 1];
                let reads: Vec<usize> = origins[column].reads.iter().copied().collect();
                let found = first_row(&part(&[column])?, &reads);
                let (row, of_row) = found.unwrap_or_default();
                return Ok(Some(Place {
                    column,
                    text: format!("{}{row}", self.in_column(column)),
                    of_row,
                }));
            }
        }
        // Windows depend on rows that came before: another error than the one to place says
        // nothing, and neither does the row.
        let count = least(windowed.len(), |count| {
            let part = self.part(&windowed[..count]);
            let again = part.and_then(|part| self.run(sliding::in_place(part)?, rows.clone()));
            again.is_err_and(|again| is_same(&again, error))
        });
        Ok(count.map(|count| {
            let column = windowed[count - 1];
            Place {
                column,
                text: self.in_column(column),
                of_row: None,
            }
        }))
    }

    /// Where the query fails on rows that its windows gave, if it does.
    fn above_windows(
        &self,
        error: &DataFusionError,
        met: &OnTheirWay<'_>,
        given: &Rows,
        origins: &[Origin],
    ) -> Option<Place> {
        let all: Vec<usize> = (0..origins.len()).collect();
        let count = least(all.len(), |count| {
            let part = self.part(&all[..count]);
            let again = part.and_then(|part| above_windows(&part, &given.batch));
            again.is_err_and(|again| is_same(&again, error))
        })?;
        let column = count - 1;
        let part = self.part(&[column]).ok()?;
        let found = first(&given.batch, |rows| above_windows(&part, rows));
        let schema = given.batch.schema_ref();
        let places = |raw: &[usize]| -> Vec<usize> {
            let names = raw.iter().map(|&place| self.raw.field(place).name());
            names
                .filter_map(|name| schema.index_of(name).ok())
                .collect()
        };
        let reads: Vec<usize> = origins[column].reads.iter().copied().collect();
        let (key, reads) = (places(&self.key), places(&reads));
        let found = found.map(|(row, of_row)| (met.row(given, row, &key, &reads), of_row));
        let (row, of_row) = found.unwrap_or_default();
        Some(Place {
            column,
            text: format!("{}{row}", self.in_column(column)),
            of_row,
        })
    }

    /// The query with these columns of its result alone.
    fn part(&self, columns: &[usize]) -> SqlResult<Arc<dyn ExecutionPlan>> {
        let all = self.logical.schema().columns();
        let columns = columns
            .iter()
            .filter_map(|&column| all.get(column).cloned());
        let query = Arc::new(self.logical.clone());
        let part = Projection::try_new(columns.map(Expr::Column).collect(), query)?;
        planned(&self.engine, &LogicalPlan::Projection(part))
    }

    /// Runs a part of the query over rows, for its error.
    fn run(&self, part: Arc<dyn ExecutionPlan>, rows: RecordBatch) -> SqlResult<()> {
        let source = Source::new(std::iter::once(Ok(rows)));
        let mut stream = self.stream(part, Arc::new(source))?;
        while let Some(batch) = block_on(stream.next()) {
            batch?;
        }
        Ok(())
    }
}

/// The plan that a query is run by.
///
/// # Errors
/// Those of DataFusion, and of numbers that would overflow without a word.
pub(super) fn planned(engine: &Engine, plan: &LogicalPlan) -> SqlResult<Arc<dyn ExecutionPlan>> {
    engine.physical(plan).and_then(overflow::check_plan)
}

/// What a plan computes from each row alone: all without windows, else what comes before them.
fn below_windows(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let mut node = &plan;
    while let [input] = node.children()[..] {
        if node.downcast_ref::<BoundedWindowAggExec>().is_some() {
            return input.clone();
        }
        node = input;
    }
    plan
}

/// What a plan computes from rows that its windows gave.
fn above_windows(plan: &Arc<dyn ExecutionPlan>, given: &RecordBatch) -> SqlResult<RecordBatch> {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
        let schema = plan.schema();
        let names = schema.fields().iter().map(|field| field.name());
        let places = names.map(|name| given.schema_ref().index_of(name));
        let places = places.collect::<Result<Vec<usize>, ArrowError>>()?;
        return Ok(given.project(&places)?);
    };
    let rows = above_windows(projection.input(), given)?;
    let columns = projection.expr().iter().map(|column| {
        let computed = column.expr.evaluate(&rows)?;
        computed.into_array(rows.num_rows())
    });
    let columns = columns.collect::<SqlResult<Vec<ArrayRef>>>()?;
    let schema = parts::nullable(&projection.schema());
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn is_same(left: &DataFusionError, right: &DataFusionError) -> bool {
    excerpt::text(left) == excerpt::text(right)
}
