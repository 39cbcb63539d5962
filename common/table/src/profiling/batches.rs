//! Profiling the batches of scored parts, on several threads.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::{Float64Array, RecordBatch};

use super::{Profiler, Rows};
use crate::dataset::Goal;
use crate::dates;
use crate::features;
use crate::parts;
use crate::values;
use learn::task::PREDICTION;
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
    /// The predicted class, where labels are compared with it.
    predicted: Option<usize>,
    /// Rows to score need no weight.
    weight: Option<usize>,
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
            score: position(baseline.score.name())?,
            predicted: match baseline.values.is_empty() {
                true => None,
                false => Some(position(PREDICTION)?),
            },
            weight: (baseline.weight.as_ref())
                .and_then(|weight| columns.iter().position(|column| column == weight)),
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
        let labels = self.labels(batch)?;
        let scores = parts::numbers(batch.column(self.score), self.baseline.score.name())?;
        let weights = self.weight.map(|at| {
            let name = self.baseline.weight.as_deref().unwrap_or_default();
            parts::numbers(batch.column(at), name)
        });
        let weights = weights.transpose()?;
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
                weights: weights.as_ref(),
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

    /// A value that is no label of the task is none, as in a database that others write to.
    fn labels(&self, batch: &RecordBatch) -> Result<Vec<Option<f64>>> {
        let (baseline, target) = (&self.baseline, batch.column(self.target));
        if let Some(classes) = &baseline.classes
            && let Ok(labels) = parts::labels(target, &Goal::of_two(&baseline.target, classes))
        {
            return Ok(labels);
        }
        if baseline.score.numbers().is_some() {
            let numbers = parts::numbers(target, &baseline.target)?;
            let finite = |label: &f64| label.is_finite();
            return Ok(numbers.iter().map(|label| label.filter(finite)).collect());
        }
        let shown = values::texts(target)?;
        let Some(predicted) = self.predicted else {
            return Ok(shown.iter().map(|of| baseline.label(of, None)).collect());
        };
        let predicted = values::texts(batch.column(predicted))?;
        let pairs = shown.iter().zip(&predicted);
        Ok(pairs
            .map(|(of, predicted)| baseline.label(of, predicted))
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
