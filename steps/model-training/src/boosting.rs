//! Growing trees: `hessboost` on cells that are made of the rows, which pass through a file.

mod cells;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use anyhow::{Context, Result};
use hessboost::config::{GrowPolicy, LeafEstimation, TrainingParams, TreeMethod};
use hessboost::data::{BinnedMatrix, DMatrix};
use hessboost::metric::{EvalMetric, Metric};
use hessboost::objective::{GradPair, Loss as Objective, Quantiles};
use hessboost::tree::RegTree;
use learn::estimator::boosting::{Grower, Grown, Growth, Loss, Node, Options, Tree, Units};
use learn::estimator::{AnyError, forest};
use rayon::prelude::*;
use runtime::threads::wait;

use crate::passes::fit_error;
use crate::training_rows::TrainingRows;
use crate::tree_rows::table_of;
use cells::Cells;

/// Rows whose derivatives are taken together.
const BLOCK: usize = 4096;

impl Grower for TrainingRows {
    fn grow(&mut self, growth: &Growth<'_>) -> Result<Grown, AnyError> {
        let options = growth.options;
        let rows = wait(table_of(self, growth, options.max_rows, options.seed));
        let (look, table) = rows.map_err(fit_error)?;
        let (units, mut base_score) = growth.start(&look)?;
        let cells = Cells::of(table, units, growth, self).map_err(fit_error)?;
        let beside = match (options.early_stopping_rounds, &self.validation) {
            (0, _) | (_, None) => None,
            (_, Some(rows)) => {
                Some(wait(cells::rows_beside(rows, growth, units)).map_err(fit_error)?)
            }
        };
        let on = On {
            rows: self,
            options,
            units,
            binned: &cells.binned,
            beside: beside.as_ref(),
        };
        let objective = Derivatives {
            loss: growth.loss,
            base_score: base_score.clone(),
        };
        let objective = hessboost::objective::Objective::custom(objective);
        let of_loss = grow(on, objective, Some(growth.loss)).map_err(fit_error)?;
        let mut trees = of_loss.trees;
        for (at, level) in growth.quantiles.into_iter().flatten().enumerate() {
            tracing::info!("growing the trees of the quantile {level}");
            let of_level = grow_quantile(on, level).map_err(fit_error)?;
            let output = growth.loss.outputs() + at;
            trees.extend(
                of_level
                    .trees
                    .into_iter()
                    .map(|tree| tree.adding_to(output)),
            );
            base_score.extend(of_level.base_score);
        }
        Ok(Grown {
            trees,
            base_score,
            units,
            seen: look.seen(),
            sample: cells.sample,
        })
    }

    fn grow_forest(&mut self, growth: &Growth<'_, forest::Options>) -> Result<Grown, AnyError> {
        crate::forest::grow(self, growth)
    }
}

/// What trees are grown on: the rows in cells, and those by which growth stops.
#[derive(Clone, Copy)]
struct On<'a> {
    rows: &'a TrainingRows,
    options: &'a Options,
    /// Of the labels.
    units: Units,
    binned: &'a BinnedMatrix,
    beside: Option<&'a DMatrix>,
}

/// Trees, and what their sums begin with.
struct Sums {
    trees: Vec<Tree>,
    base_score: Vec<f32>,
}

/// Grows the trees of a quantile. Splits are found by a smooth loss, which is XGBoost's; a leaf is
/// then the quantile of what its rows leave over, as in LightGBM.
fn grow_quantile(on: On<'_>, level: f64) -> Result<Sums> {
    let levels = Quantiles::new([level]).context("level of a quantile")?;
    let objective = hessboost::objective::Objective::Quantile(levels);
    grow(on, objective, None)
}

/// Grows the trees; where there are rows beside, until these lose no less any more: by a loss, or
/// by what the objective has.
fn grow(
    on: On<'_>,
    objective: hessboost::objective::Objective,
    loss: Option<Loss>,
) -> Result<Sums> {
    let On {
        rows,
        options,
        binned,
        beside,
        ..
    } = on;
    let params = params(options, on.units, rows.step.threads(), objective)?;
    let rounds = options.n_estimators as usize;
    let shown = (rounds / 10).max(1);
    let hook = |round: hessboost::training::RoundEval<'_>| {
        let done = round.iteration() + 1;
        if done % shown == 0 {
            tracing::info!("grew {done} of {rounds} rounds of trees");
        }
        match rows.step.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let mut trainer = hessboost::training::Trainer::new(&params, binned, rounds).on_round(hook);
    if let Some(beside) = beside {
        trainer = trainer.eval(beside, "validation");
        if let Some(loss) = loss {
            trainer = trainer.custom_metric(Box::new(MeanLoss(loss)));
        }
        let patience = NonZeroUsize::new(options.early_stopping_rounds as usize);
        trainer = trainer.early_stopping_rounds(patience.unwrap_or(NonZeroUsize::MIN));
    }
    let result = trainer.train().context("growing trees")?;
    rows.step.check()?;
    let model = result.model;
    let outputs = model.tree_outputs().map(|of| of.start);
    let grown = model.num_boost_rounds();
    let kept = model.best_iteration().map_or(grown, |best| best + 1);
    if beside.is_some() {
        tracing::info!("the loss on the validation rows is least after {kept} of {grown} rounds");
    }
    let trees = model.trees().iter().zip(outputs);
    let trees = trees.take(kept * model.trees_per_iteration());
    let trees = trees.map(|(tree, output)| read(tree, output));
    Ok(Sums {
        trees: trees.collect::<Result<_>>()?,
        base_score: model.base_scores().to_vec(),
    })
}

/// A tree, as scores are made of it.
fn read(tree: &RegTree, output: usize) -> Result<Tree> {
    let node = |node: &hessboost::tree::Node| match node.is_leaf() {
        true => Node::leaf(node.leaf_value, node.sum_hess),
        false => Node {
            input: node.split_feature,
            value: node.split_cond,
            left: node.left as u32,
            right: node.right as u32,
            missing_left: node.default_left,
            cover: node.sum_hess,
            gain: node.split_gain,
        },
    };
    let nodes = tree.nodes().iter().map(node).collect();
    Ok(Tree::new(output, nodes)?)
}

fn params(
    options: &Options,
    units: Units,
    threads: usize,
    objective: hessboost::objective::Objective,
) -> Result<TrainingParams> {
    let mut params = TrainingParams::default();
    params.nthread = NonZeroUsize::new(threads);
    params.seed = options.seed;
    if matches!(objective, hessboost::objective::Objective::Quantile(_)) {
        params.leaf_estimation = LeafEstimation::Exact;
    }
    params.objective = objective;
    params.eta = options.learning_rate;
    // Of the loss, which is the square of a number.
    params.gamma = (options.gamma / units.scale() / units.scale()).min(f32::MAX.into());
    params.max_depth = NonZeroUsize::new(options.max_depth as usize);
    params.max_leaves = NonZeroUsize::new(options.max_leaves as usize);
    params.grow_policy = match options.max_leaves {
        0 => GrowPolicy::DepthWise,
        _ => GrowPolicy::LossGuide,
    };
    params.min_child_weight = options.min_child_weight;
    params.subsample = options.subsample;
    params.colsample_bytree = options.colsample_bytree;
    params.colsample_bynode = options.colsample_bynode;
    params.lambda = options.reg_lambda;
    params.alpha = (options.reg_alpha / units.scale()).min(f32::MAX.into());
    params.tree_method = TreeMethod::Hist;
    params.max_bin = options.max_bin as usize;
    params.num_parallel_tree = options.num_parallel_tree as usize;
    params.validate().context("options of gradient-boosting")?;
    Ok(params)
}

/// Derivatives by our own exponentials, which are the same on every machine.
struct Derivatives {
    loss: Loss,
    base_score: Vec<f32>,
}

impl Objective for Derivatives {
    fn name(&self) -> &str {
        "derivatives"
    }

    fn n_outputs(&self) -> usize {
        self.loss.outputs()
    }

    fn gradient(
        &self,
        scores: &[f32],
        labels: &[f32],
        weights: Option<&[f32]>,
        out: &mut [GradPair],
    ) {
        let outputs = self.loss.outputs();
        let blocks = out.par_chunks_mut(BLOCK * outputs).enumerate();
        blocks.for_each(|(block, out)| {
            let rows = block * BLOCK..(block * BLOCK + out.len() / outputs);
            let scores = &scores[rows.start * outputs..rows.end * outputs];
            let weights = weights.map(|weights| &weights[rows.clone()]);
            let labels = &labels[rows];
            self.loss
                .derivatives(scores, labels, |row, output, [first, second]| {
                    let weight = weights.map_or(1.0, |weights| weights[row]);
                    out[row * outputs + output] = GradPair::new(first * weight, second * weight);
                });
        });
    }

    fn base_margins_info(&self, _info: &hessboost::data::MetaInfo<'_>) -> Vec<f32> {
        self.base_score.clone()
    }

    /// Never looked at: what stops is [`MeanLoss`].
    fn default_metric(&self) -> EvalMetric {
        match self.loss {
            Loss::Squared | Loss::Logistic | Loss::Shares { .. } | Loss::Interval => {
                EvalMetric::Rmse
            }
            Loss::Softmax { .. } => EvalMetric::MLogLoss,
        }
    }
}

/// The mean loss of rows, by our own logarithms.
struct MeanLoss(Loss);

impl Metric for MeanLoss {
    fn name(&self) -> &str {
        "mean-loss"
    }

    fn prediction_width(&self, _info: &hessboost::data::MetaInfo<'_>) -> Option<usize> {
        Some(self.0.outputs())
    }

    fn eval(&self, scores: &[f32], labels: &[f32], weights: Option<&[f32]>) -> f64 {
        let outputs = self.0.outputs();
        let of_block = |block: usize| {
            let rows = block * BLOCK..((block + 1) * BLOCK).min(labels.len());
            let weight = |row: usize| weights.map_or(1.0, |weights| f64::from(weights[row]));
            rows.fold([0.0, 0.0], |[loss, total], row| {
                let of_row = self
                    .0
                    .value(&scores[row * outputs..][..outputs], labels[row]);
                [loss + weight(row) * of_row, total + weight(row)]
            })
        };
        let blocks: Vec<[f64; 2]> = (0..labels.len().div_ceil(BLOCK))
            .into_par_iter()
            .map(of_block)
            .collect();
        // In their order, whatever the threads.
        let sum = |of: usize| blocks.iter().map(|sums| sums[of]).sum::<f64>();
        sum(0) / sum(1)
    }
}
