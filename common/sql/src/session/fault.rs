//! The column and the row that a query fails on: DataFusion names neither. They are looked for once
//! a batch has failed, with parts of the query and of the batch.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use datafusion::error::{DataFusionError, Result as SqlResult};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use futures::executor::block_on;

use catalog::manifest::Role;
use runtime::failure::Failure;
use table::config::FEATURES_FILE;
use table::dataset::{Dataset, keys};

use super::source::Source;
use super::{Features, excerpt, lineage, overflow};

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
pub(super) fn least(greatest: usize, fails: impl Fn(usize) -> bool) -> Option<usize> {
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

impl Features {
    /// The error for rows that the query can't be computed from; `last` are those that it took last.
    pub(super) fn failure(
        &self,
        error: &DataFusionError,
        last: Option<&RecordBatch>,
    ) -> anyhow::Error {
        // Where the search fails as well, the error itself is the message.
        let place = last.and_then(|rows| self.place(rows).ok().flatten());
        Failure::contract(format!(
            "{FEATURES_FILE} fails{}: {}",
            place.unwrap_or_default(),
            excerpt::of_values(error)
        ))
    }

    /// Where the query fails on rows. What windows compute is not looked at: it depends on rows that
    /// came before.
    fn place(&self, rows: &RecordBatch) -> Result<Option<String>> {
        let origins = lineage::of_plan(&self.logical)?;
        let fails = |columns: &[usize], rows: RecordBatch| {
            let part = self.part(columns);
            part.is_ok_and(|part| self.run(part, rows).is_err())
        };
        let first_row = |column: usize, reads: &[usize]| {
            let part = self.part(&[column]).ok()?;
            let fails = |count| self.run(part.clone(), rows.slice(0, count)).is_err();
            let count = least(rows.num_rows(), fails)?;
            Some(row(rows, count - 1, &self.key, reads))
        };
        let of = |row: Option<String>| row.map(|row| format!(" of {row}")).unwrap_or_default();
        let (taken, computed): (Vec<usize>, Vec<usize>) = (0..origins.len())
            .filter(|&column| !origins[column].windowed)
            .partition(|&column| origins[column].raw.is_some());
        // A condition fails whatever is selected.
        if let (true, Some(&column)) = (self.condition.is_some(), taken.first())
            && fails(&[column], rows.clone())
        {
            return Ok(Some(format!(" in the WHERE{}", of(first_row(column, &[])))));
        }
        let count = least(computed.len(), |count| {
            fails(&computed[..count], rows.clone())
        });
        Ok(count.map(|count| {
            let column = computed[count - 1];
            let reads: Vec<usize> = origins[column].reads.iter().copied().collect();
            format!(
                " in the column {:?}{}",
                self.schema.field(column).name(),
                of(first_row(column, &reads))
            )
        }))
    }

    /// The query with these columns of its result alone.
    fn part(&self, columns: &[usize]) -> SqlResult<Arc<dyn ExecutionPlan>> {
        let all = self.logical.schema().columns();
        let columns = columns
            .iter()
            .filter_map(|&column| all.get(column).cloned());
        let part = Projection::try_new(
            columns.map(Expr::Column).collect(),
            Arc::new(self.logical.clone()),
        );
        let part = LogicalPlan::Projection(part?);
        block_on(self.state.create_physical_plan(&part)).and_then(overflow::check_plan)
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
