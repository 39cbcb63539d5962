//! A metric with its bootstrap replicates, for models that are compared on the same rows.

use std::sync::Arc;

use anyhow::Result;

use super::pass::{Watch, pass};
use super::{Measured, Ranks, rankings};
use crate::labelled::LabelledRows;
use catalog::manifest::DatasetManifest;
use learn::fitted_model::FittedModel;
use learn::metrics::bootstrap::{REPLICATES, weight};
use learn::metrics::{RankMetrics, from_ordered_bits, ordered_bits, weighted};
use learn::rows::Rows;
use learn::task::{Evaluation, Report};
use runtime::step::{Progress, Step};
use runtime::threads::blocking;
use store::spill::Sorters;

/// What was measured of a model, and how its metric varies.
#[derive(Debug)]
pub struct Resampled {
    /// On all rows.
    pub report: Report,
    /// The metric in each bootstrap replicate: the same rows for every model.
    pub replicates: Vec<Option<f64>>,
}

/// Measures a model on rows, as [`super::evaluate_rows`] does, and one metric on replicates of
/// them. Memory does not grow with the rows.
///
/// # Errors
/// As [`super::evaluate`].
pub async fn resample(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    metric: &'static str,
    progress: &Progress,
) -> Result<Resampled> {
    let ranks = Ranks::of_task(step.work(), model);
    let orders = Orders::of(step, model, metric);
    let begin = {
        let model = model.clone();
        move |row| Both::new(&model, &ranks, &orders, row)
    };
    let both = pass(step, rows, model, dataset, progress, &[], begin).await?;
    blocking(move || both.finish(metric)).await
}

/// The rows themselves, and the replicates.
struct Both {
    rows: Measured,
    replicates: Vec<Box<dyn Evaluation>>,
    weights: Vec<f64>,
    orders: Orders,
    /// Number of the next row among all.
    row: u64,
}

impl Both {
    fn new(model: &Arc<FittedModel>, ranks: &[Ranks], orders: &Orders, row: u64) -> Self {
        let none = |_| model.task.evaluation(&model.target, &model.rule);
        Self {
            rows: Measured::new(model, ranks),
            replicates: (0..REPLICATES).map(none).collect(),
            weights: Vec::new(),
            orders: orders.clone(),
            row,
        }
    }
}

impl Watch for Both {
    fn take(&mut self, rows: Rows<'_>, outputs: &[f64]) -> Result<()> {
        self.rows.take(rows, outputs)?;
        let row = self.row;
        for (replicate, evaluation) in (0..).zip(&mut self.replicates) {
            self.weights.clear();
            let of_rows = (0..rows.len()).map(|at| {
                let given = rows.weights.map_or(1.0, |weights| weights[at]);
                given * weight(replicate, row + at as u64)
            });
            self.weights.extend(of_rows);
            evaluation.add(rows.y, outputs, Some(&self.weights))?;
        }
        self.row += rows.len() as u64;
        let evaluation = self.rows.evaluation.as_ref();
        self.orders.add(evaluation, rows, outputs, row)
    }

    fn merge(&mut self, later: Self) {
        self.rows.merge(later.rows);
        let pairs = self.replicates.iter_mut().zip(later.replicates);
        pairs.for_each(|(ours, theirs)| ours.merge(theirs));
    }
}

impl Both {
    fn finish(self, metric: &str) -> Result<Resampled> {
        // By order, then by replicate.
        let ranks = self
            .orders
            .0
            .iter()
            .map(ranked)
            .collect::<Result<Vec<_>>>()?;
        let replicates = self.replicates.iter().enumerate();
        let replicates = replicates.map(|(replicate, of)| {
            let ranks: Vec<_> = ranks.iter().map(|ranks| ranks[replicate]).collect();
            of.report(&ranks).number(metric)
        });
        let replicates = replicates.collect();
        Ok(Resampled {
            report: self.rows.report()?,
            replicates,
        })
    }
}

/// The rows by score, in each order that the metric needs: of each its score, its number with
/// whether it is a positive, and what it weighs.
#[derive(Clone)]
struct Orders(Vec<Sorters<[u64; 3]>>);

impl Orders {
    fn of(step: &Step, model: &FittedModel, metric: &str) -> Self {
        let needed = rankings(model, metric);
        let memory = step.work().sorter_memory() / needed.max(1);
        let of = |_| Sorters::with_memory(step.work().clone(), memory);
        Self((0..needed).map(of).collect())
    }

    fn add(
        &self,
        evaluation: &dyn Evaluation,
        rows: Rows<'_>,
        outputs: &[f64],
        first: u64,
    ) -> Result<()> {
        let width = outputs.len().checked_div(rows.len()).unwrap_or(0);
        for (order, sorters) in self.0.iter().enumerate() {
            sorters.lend(|sorter| {
                let scored = rows.y.iter().zip(outputs.chunks_exact(width.max(1)));
                for (at, (label, outputs)) in scored.enumerate() {
                    let (score, positive) = evaluation.ranked(order, *label, outputs);
                    let place = (first + at as u64) << 1 | u64::from(positive);
                    let given = rows.weights.map_or(1.0, |weights| weights[at]);
                    // Inverted, so that ascending values are descending scores.
                    sorter.push([!ordered_bits(score), place, given.to_bits()])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The areas of each replicate in one order.
fn ranked(sorters: &Sorters<[u64; 3]>) -> Result<Vec<RankMetrics>> {
    let mut replicates = vec![weighted::Ranking::default(); REPLICATES as usize];
    for value in sorters.finish()? {
        let [score, place, given] = value?;
        let (score, given) = (from_ordered_bits(!score), f64::from_bits(given));
        for (replicate, ranking) in (0..).zip(&mut replicates) {
            ranking.add(score, place & 1 == 1, given * weight(replicate, place >> 1))?;
        }
    }
    Ok(replicates.into_iter().map(|of| of.metrics()).collect())
}
