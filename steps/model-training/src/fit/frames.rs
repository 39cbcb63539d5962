//! The features that a preprocessing is fitted on, part by part.

use std::sync::Arc;

use anyhow::Result;
use catalog::manifest::{DatasetManifest, Part};
use learn::frame::{FramePasses, FrameSums};
use learn::preprocessing;
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use runtime::threads::wait;
use table::labelled::{LabelledRows, Unusable};

/// Passes over the features as they are.
pub(super) struct Frames {
    pub(super) step: Step,
    pub(super) rows: LabelledRows,
    pub(super) train: Arc<DatasetManifest>,
    pub(super) progress: Progress,
}

impl FramePasses for Frames {
    type Error = anyhow::Error;

    fn pass<S: FrameSums>(&mut self, start: S) -> Result<S>
    where
        anyhow::Error: From<S::Error>,
    {
        let mut all = start.clone();
        let add = {
            let (rows, step, train) = (self.rows.clone(), self.step.clone(), self.train.clone());
            let progress = self.progress.clone();
            move |part: Part| {
                let mut sums = start.clone();
                let unusable = rows.each_frame(&part, |frame, numbers| {
                    step.check()?;
                    let added = sums.add(frame).map_err(anyhow::Error::from);
                    added.map_err(|error| placed(error, &rows, &train, &part, numbers))?;
                    progress.advance(frame.y.len() as u64);
                    Ok(())
                })?;
                Ok((sums, unusable))
            }
        };
        let mut unusable = Unusable::none(self.rows.signature().features().len());
        // No more sums at a time than there is memory for, however many values are distinct.
        let ahead = self.step.threads();
        let parts = self.train.parts.clone();
        let merge = |(sums, of_part)| {
            all.merge(sums);
            unusable.merge(of_part);
            Ok(())
        };
        wait(self.step.fold_ahead(ahead, parts, add, merge))?;
        wait(unusable.refuse(&self.train, &self.rows))?;
        Ok(all)
    }
}

/// The error for a value that no model takes, with the row of the part that it is in; `numbers` are
/// the places of the rows that were added.
fn placed(
    error: anyhow::Error,
    rows: &LabelledRows,
    train: &DatasetManifest,
    part: &Part,
    numbers: &[u64],
) -> anyhow::Error {
    let Some(infinite @ preprocessing::Error::Infinite { row, .. }) = error.downcast_ref() else {
        return error;
    };
    match numbers.get(*row) {
        Some(row) => match rows.origin(train, &part.key, *row) {
            Ok(origin) => Failure::contract(format!("{infinite}; it is in {origin}")),
            Err(error) => error,
        },
        None => error,
    }
}
