//! One pass of a model over labelled rows.

use std::cell::RefCell;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::ArrayRef;

use crate::labelled::{LabelledRows, Unusable};
use catalog::manifest::{DatasetManifest, Part};
use learn::fitted_model::FittedModel;
use learn::rows::Rows;
use runtime::step::{Progress, Step};

/// What is made of rows and of what a model predicts for them: by part, and merged in their order.
pub(super) trait Watch: Send + Sized + 'static {
    /// Begins with a part.
    fn open(&mut self, _part: &Part) -> Result<()> {
        Ok(())
    }

    /// Sees other columns of rows that come next.
    fn see(&mut self, _columns: &[ArrayRef]) -> Result<()> {
        Ok(())
    }

    /// Appends what it takes of each row of the numbers that the estimator takes.
    fn outputs(model: &FittedModel, rows: &[f64], out: &mut Vec<f64>) {
        model.outputs(rows, out);
    }

    /// Takes rows with the outputs of the model, row by row.
    fn take(&mut self, rows: Rows<'_>, outputs: &[f64]) -> Result<()>;

    /// Bytes that it may come to hold, where they are many.
    fn bytes(&self) -> u64 {
        0
    }

    /// Merges what was made of later rows.
    fn merge(&mut self, later: Self);
}

/// Scores all rows of a data set. What is made of a part begins with the number of its first row
/// among all; `beside` are the other columns that it sees. Advances `progress` by each row.
///
/// # Errors
/// As [`super::evaluate`].
pub(super) async fn pass<W: Watch>(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    progress: &Progress,
    beside: &[String],
    begin: impl Fn(u64) -> W + Clone + Send + 'static,
) -> Result<W> {
    let mut first_row = 0;
    let placed = dataset.parts.iter().map(|part| {
        let placed = (part.clone(), first_row);
        first_row += rows.rows_of(part)?;
        Ok(placed)
    });
    let placed = placed.collect::<Result<Vec<(Part, u64)>>>()?;
    let mut all = begin(0);
    let bytes = all.bytes();
    let mut unusable = Unusable::none(rows.signature().features().len());
    let score = {
        let (rows, model, beside) = (rows.clone(), model.clone(), beside.to_vec());
        let (step, progress) = (step.clone(), progress.clone());
        move |(part, first_row): (Part, u64)| {
            let mut watch = begin(first_row);
            watch.open(&part)?;
            let watch = RefCell::new(watch);
            let mut outputs = Vec::new();
            let see = |columns: &[ArrayRef]| watch.borrow_mut().see(columns);
            let unusable = rows.each_chunk_beside(&part, &beside, see, |rows| {
                step.check()?;
                outputs.clear();
                W::outputs(&model, rows.x, &mut outputs);
                let taken = watch.borrow_mut().take(rows, &outputs);
                taken.with_context(|| format!("scoring {}", part.key))?;
                progress.advance(rows.len() as u64);
                Ok(())
            })?;
            Ok((watch.into_inner(), unusable))
        }
    };
    let merge = |(of_part, unusable_of_part)| {
        all.merge(of_part);
        unusable.merge(unusable_of_part);
        Ok(())
    };
    step.fold_sized(bytes, placed, score, merge).await?;
    unusable.refuse(dataset, rows).await?;
    Ok(all)
}
