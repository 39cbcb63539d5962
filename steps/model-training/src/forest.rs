//! Growing forests: trees side by side on all threads, each on a draw of its own of rows that are
//! held in cells of one byte a number.

mod cells;
mod tree;

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use learn::estimator::AnyError;
use learn::estimator::boosting::{Grown, Growth, Loss};
use learn::estimator::forest::Options;
use rayon::prelude::*;
use runtime::threads::wait;

use crate::passes::fit_error;
use crate::training_rows::TrainingRows;
use crate::tree_rows::table_of;
use cells::Binned;
use tree::{Rows, Tree};

/// Grows a forest on the rows.
pub(crate) fn grow(rows: &TrainingRows, growth: &Growth<'_, Options>) -> Result<Grown, AnyError> {
    let options = growth.options;
    let kept_rows =
        wait(table_of(rows, growth, options.max_rows, options.seed)).map_err(fit_error)?;
    let (look, table) = kept_rows;
    let (units, base_score) = growth.start(&look)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(rows.step.threads());
    let threads = threads
        .build()
        .context("starting threads")
        .map_err(fit_error)?;
    let trees = threads.install(|| -> Result<Vec<_>> {
        let binned = Binned::of(&table, options.seed)?;
        let (labels, weights) = (table.labels(units)?, table.weights()?);
        let of_trees = Rows {
            cells: &binned,
            labels: &labels,
            weights: weights.as_deref(),
            classes: match growth.loss {
                Loss::Shares { classes } if classes > 2 => classes,
                _ => 0,
            },
            centre: base_score[0],
        };
        let features = options.features_of(growth.inputs.len(), growth.loss);
        let (all, done) = (options.n_estimators, AtomicUsize::new(0));
        let shown = (all as usize / 10).max(1);
        let grown = (0..u64::from(all)).into_par_iter().map(|number| {
            rows.step.check()?;
            let tree = Tree::grow(&of_trees, options, features, number);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(shown) {
                tracing::info!("grew {done} of {all} trees");
            }
            Ok(tree)
        });
        let grown: Vec<Tree> = grown.collect::<Result<_>>()?;
        let of_output = |output: usize| {
            let base = base_score[output];
            let of_tree = |tree: &Tree| tree.of_output(output, base, all);
            grown.iter().map(of_tree).collect::<Vec<_>>()
        };
        let trees = (0..growth.loss.outputs()).flat_map(of_output);
        trees.collect::<Result<_>>()
    });
    Ok(Grown {
        trees: trees.map_err(fit_error)?,
        base_score,
        units,
        seen: look.seen(),
        sample: Vec::new(),
    })
}
