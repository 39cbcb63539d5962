//! Profiling the batches of scored parts, on several threads.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::{Profiler, Rows};
use crate::dataset::Goal;
use crate::dates;
use crate::features;
use crate::parts;
use profile::profiles::Baseline;
use runtime::failure::Failure;

/// Profiles batches of scored rows: each thread fills a profiler of its own.
#[derive(Debug)]
pub struct Profiling {
    baseline: Arc<Baseline>,
    memory: u64,
    features: Vec<usize>,
    target: usize,
    score: usize,
    time: Option<usize>,
    idle: Mutex<Vec<Profiler>>,
}

impl Profiling {
    /// For batches of the named columns, one of which may be of the time. The profiles of each
    /// thread may take `memory` bytes.
    ///
    /// # Errors
    /// A column of the model that is not among them: exit 2.
    pub fn new(
        baseline: &Arc<Baseline>,
        columns: &[String],
        time: Option<&str>,
        memory: u64,
    ) -> Result<Self> {
        let position = |name: &str| {
            columns
                .iter()
                .position(|column| column == name)
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "the scored rows have no column {name:?}, which the model was trained with"
                    ))
                })
        };
        Ok(Self {
            features: baseline
                .features
                .iter()
                .map(|feature| position(&feature.name))
                .collect::<Result<_>>()?,
            target: position(&baseline.target)?,
            score: position(&baseline.score.name)?,
            time: time.map(position).transpose()?,
            baseline: baseline.clone(),
            memory,
            idle: Mutex::default(),
        })
    }

    /// Counts the rows of a batch.
    ///
    /// # Errors
    /// Those of [`Profiler::add`].
    pub fn push(&self, batch: &RecordBatch) -> Result<()> {
        let days = match self.time {
            Some(time) => dates::of_column(batch.column(time), self.baseline.timezone()),
            None => vec![None; batch.num_rows()],
        };
        let labels = self.labels(batch.column(self.target))?;
        let scores = parts::numbers(batch.column(self.score), &self.baseline.score.name)?;
        let features = self.features.iter().zip(&self.baseline.features);
        let features: Vec<Float64Array> = features
            .map(|(&position, feature)| features::counted(batch.column(position), feature))
            .collect::<Result<_>>()?;

        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut profiler = idle.unwrap_or_else(|| Profiler::new(&self.baseline, self.memory));
        profiler.add(
            Rows {
                days: &days,
                labels: &labels,
                scores: &scores,
                features: &features,
            },
            1,
        )?;
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(profiler);
        Ok(())
    }

    /// A value that is neither class is no label, as in a database that others write to.
    fn labels(&self, target: &ArrayRef) -> Result<Vec<Option<u8>>> {
        let (classes, name) = (&self.baseline.classes, &self.baseline.target);
        if let Ok(labels) = parts::labels(target, &Goal::of_two(name, classes)) {
            let class = |label: Option<f64>| label.map(|label| label as u8);
            return Ok(labels.into_iter().map(class).collect());
        }
        let shown = cast(target, &DataType::Utf8)?;
        Ok(shown
            .as_string::<i32>()
            .iter()
            .map(|shown| self.baseline.label(shown))
            .collect())
    }

    /// What all batches held together; nothing is left.
    ///
    /// # Errors
    /// Those of [`Profiler::merge`].
    pub fn finish(&self) -> Result<Profiler> {
        let mut all = Profiler::new(&self.baseline, self.memory);
        for profiler in
            std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner))
        {
            all.merge(profiler)?;
        }
        Ok(all)
    }
}
