//! Rows that trees are grown on: all, or a sample, in a file that one pass writes.

pub(crate) mod sample;
pub(crate) mod table;

use std::sync::Arc;

use anyhow::Result;
use learn::estimator::AnyError;
use learn::estimator::boosting::{Growth, Look};
use learn::rows::{Rows, Sums as _};

use self::sample::Sample;
use self::table::Table;
use crate::passes::RefusedRow;
use crate::training_rows::{Sums, TrainingRows};

/// The training rows, or a sample of them, in a table that one pass writes.
///
/// # Errors
/// Values that nothing can be fitted on, and a scratch folder without room.
pub(crate) async fn table_of<O>(
    rows: &TrainingRows,
    growth: &Growth<'_, O>,
    most: Option<u64>,
    seed: u64,
) -> Result<(Look, Arc<Table>)> {
    let sample = Sample::new(rows.count(), most, seed);
    if sample.rows() < rows.count() {
        tracing::info!(
            "trees are grown on {} of {} rows (max_rows in models.json)",
            sample.rows(),
            rows.count()
        );
    }
    let keep = Keep {
        look: Look::new(growth.inputs, growth.target.classes.len()),
        table: Arc::new(Table::new(rows.work(), sample, growth.inputs.len())?),
        row: 0,
    };
    let Keep { look, table, .. } = rows.sum(keep).await?;
    rows.step.check()?;
    Ok((look, table))
}

/// Writes rows into the table as they pass.
#[derive(Clone)]
struct Keep {
    look: Look,
    table: Arc<Table>,
    /// Number of the next row.
    row: u64,
}

impl Sums for Keep {
    fn bytes(&self) -> u64 {
        self.look.bytes()
    }

    fn begin(&mut self, row: u64) {
        self.row = row;
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        let looked = self.look.add(rows);
        looked.map_err(|error| anyhow::Error::new(RefusedRow(AnyError::from(error))))?;
        self.table.write(self.row, rows)?;
        self.row += rows.len() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.look.merge(later.look);
        Ok(())
    }
}
