//! Rows put into cells: all that trees are grown on.

use std::sync::Arc;

use anyhow::{Context, Result};
use hessboost::data::{BinnedMatrix, DMatrix};
use learn::estimator::boosting::{Growth, Units};

use crate::training_rows::TrainingRows;
use crate::tree_rows::table::{Table, Values};
use crate::tree_rows::table_of;

/// Rows that the importance of inputs is taken from.
const SAMPLE: usize = 512;

/// Rows in cells.
pub(super) struct Cells {
    pub(super) binned: BinnedMatrix,
    /// Some of the rows, as they were before.
    pub(super) sample: Vec<f64>,
}

impl Cells {
    /// Of the rows of a table, which is given back to the disk, and labels in these units.
    ///
    /// # Errors
    /// Values that nothing can be fitted on.
    pub(super) fn of(
        table: Arc<Table>,
        units: Units,
        growth: &Growth<'_>,
        rows: &TrainingRows,
    ) -> Result<Self> {
        let most = growth.options.max_bin as usize;
        let sampled = if rows.ranks { SAMPLE } else { 0 };
        let (binned, sample) = binned(&table, units, most, sampled, rows.step.threads())?;
        Ok(Self { binned, sample })
    }
}

/// Rows that are not trained on, with their labels in the units of those that are.
pub(super) async fn rows_beside(
    rows: &TrainingRows,
    growth: &Growth<'_>,
    units: Units,
) -> Result<DMatrix> {
    let (_, table) = table_of(rows, growth, None, growth.options.seed).await?;
    matrix(&table, table.values()?, units)
}

/// Makes the cells, and hands back some of the rows.
fn binned(
    table: &Table,
    units: Units,
    cells: usize,
    sampled: usize,
    threads: usize,
) -> Result<(BinnedMatrix, Vec<f64>)> {
    let (rows, width) = (table.rows(), table.width());
    let values = table.values()?;
    let sampled = rows.min(sampled);
    let places = (0..sampled).map(|i| i * rows / sampled);
    let of_row = |row: usize| &values.as_ref()[row * width..][..width];
    let sample = places.flat_map(of_row).map(|value| f64::from(*value));
    let sample = sample.collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.build().context("starting threads")?;
    let binned = values.pages().released_during(|| -> Result<_> {
        let matrix = matrix(table, values, units)?;
        let binned = pool.install(|| BinnedMatrix::new(&matrix, cells));
        binned.context("putting rows into cells")
    });
    Ok((binned?, sample))
}

/// The rows of a table that weigh anything.
fn matrix(table: &Table, values: Values, units: Units) -> Result<DMatrix> {
    let rows = table.rows();
    let mut matrix = DMatrix::from_dense_shared(Arc::new(values), rows, table.width(), f32::NAN)?;
    let (mut labels, weights) = (table.labels(units)?, table.weights()?);
    let Some(mut weights) = weights else {
        return Ok(matrix.with_labels(&labels)?);
    };
    let weighs = |weight: &f32| *weight > 0.0;
    if !weights.iter().all(weighs) {
        // A view of the numbers, which are not copied. Labels and weights would be: they follow.
        let weighing: Vec<usize> = (0..rows).filter(|row| weighs(&weights[*row])).collect();
        matrix = matrix.select_rows(&weighing)?;
        let mut of_labels = weights.iter();
        labels.retain(|_| of_labels.next().is_some_and(weighs));
        weights.retain(weighs);
    }
    let matrix = matrix.with_labels(&labels)?;
    drop(labels);
    Ok(matrix.with_weights(&weights)?)
}

#[cfg(test)]
mod tests {
    use learn::rows::Rows;
    use runtime::step::Step;

    use super::*;
    use crate::tree_rows::sample::Sample;

    #[test]
    fn rows_that_weigh_nothing_are_in_no_matrix() {
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-training", folder.path());
        let table = Table::new(step.work(), Sample::new(4, None, 0), 2).unwrap();
        let weights = [0.5, 0.0, 2.0, 0.0];
        let rows = Rows {
            x: &[0.0, 1.0, 2.0, 3.0, 4.0, f64::NAN, 6.0, 7.0],
            y: &[10.0, 20.0, 30.0, 40.0],
            weights: Some(&weights),
        };
        table.write(0, rows).unwrap();
        let matrix = matrix(&table, table.values().unwrap(), Units::default()).unwrap();
        assert_eq!(matrix.labels(), Some(&[10.0, 30.0][..]));
        assert_eq!(matrix.weights(), Some(&[0.5, 2.0][..]));
        let numbers = [0, 1].map(|row| [0, 1].map(|input| matrix.get(row, input)));
        assert_eq!(numbers, [[Some(0.0), Some(1.0)], [Some(4.0), None]]);
        assert_eq!(matrix.n_rows(), 2);
    }
}
