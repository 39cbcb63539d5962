//! Rows to train on that weigh nothing: where they are all of a class, no model learns it.

use anyhow::Result;
use arrow::array::RecordBatch;
use runtime::failure::Failure;
use table::dataset::{Dataset, Goal};
use table::parts;

/// Counts rows by class, and those of them that weigh nothing.
pub(crate) struct Weightless {
    weight: String,
    goal: Goal,
    /// Rows of each class, and those whose weight is 0; of a number as if there were one class.
    counts: Vec<(u64, u64)>,
}

impl Weightless {
    /// Of no rows yet; `None` where none has a weight.
    ///
    /// # Errors
    /// A contract whose target no task takes: exit 2.
    pub(crate) fn of(dataset: &Dataset) -> Result<Option<Self>> {
        let Some(weight) = dataset.weight() else {
            return Ok(None);
        };
        let goal = dataset.goal().map_err(Failure::usage)?;
        Ok(Some(Self {
            weight: weight.name.clone(),
            counts: vec![(0, 0); goal.target.classes.len().max(1)],
            goal,
        }))
    }

    /// Counts rows to train on. Rows that break the contract are reported elsewhere.
    pub(crate) fn see(&mut self, rows: &RecordBatch) {
        let column = |name: &str| rows.column_by_name(name);
        let (weight, target) = (column(&self.weight), column(&self.goal.target.name));
        let (Some(weight), Some(target)) = (weight, target) else {
            return;
        };
        let weights = parts::floats(weight, &self.weight);
        let (Ok(weights), Ok(labels)) = (weights, parts::labels(target, &self.goal)) else {
            return;
        };
        for (label, weight) in labels.into_iter().zip(weights.values()) {
            let Some(label) = label else {
                continue;
            };
            let class = match self.goal.target.classes.is_empty() {
                true => 0,
                false => label as usize,
            };
            if let Some((rows, weightless)) = self.counts.get_mut(class) {
                *rows += 1;
                *weightless += u64::from(*weight == 0.0);
            }
        }
    }

    /// What to say of classes all of whose rows weigh nothing.
    pub(crate) fn said(&self) -> Vec<String> {
        let Self { weight, goal, .. } = self;
        let names = goal.target.class_names();
        let all = self.counts.iter().enumerate();
        let all = all.filter(|(_, (rows, weightless))| *rows > 0 && weightless == rows);
        let said = |(class, (rows, _)): (usize, &(u64, u64))| {
            let of = match names.get(class) {
                Some(name) => format!("of {:?} {name:?}", goal.target.name),
                None => "to train on".to_owned(),
            };
            format!(
                "weight {weight:?} is 0 in all {rows} rows {of}, so that none of them counts: a \
                 training on these files alone is refused"
            )
        };
        all.map(said).collect()
    }
}
