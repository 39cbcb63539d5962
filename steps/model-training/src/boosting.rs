//! Growing trees: `hessboost` on cells that are made of the rows, which pass through a file.

mod cells;
mod sample;
mod table;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use anyhow::{Context, Result};
use hessboost::config::{GrowPolicy, TrainingParams, TreeMethod};
use hessboost::data::BinnedMatrix;
use hessboost::metric::EvalMetric;
use hessboost::objective::{GradPair, Loss as Objective};
use hessboost::tree::RegTree;
use learn::estimator::AnyError;
use learn::estimator::boosting::{Grower, Grown, Growth, Loss, Node, Options, Tree};
use rayon::prelude::*;
use runtime::threads::wait;

use crate::passes::kept;
use crate::training_rows::TrainingRows;
use cells::Cells;

/// Rows whose derivatives are taken together.
const BLOCK: usize = 4096;

impl Grower for TrainingRows {
    fn grow(&mut self, growth: &Growth<'_>) -> Result<Grown, AnyError> {
        let cells = wait(Cells::of(self, growth)).map_err(kept)?;
        let base_score = growth.base_score(&cells.look)?;
        let trees = grow(self, growth, &cells.binned, &base_score).map_err(kept)?;
        Ok(Grown {
            trees,
            base_score,
            seen: cells.look.seen(),
            sample: cells.sample,
        })
    }
}

/// Grows the trees.
fn grow(
    rows: &TrainingRows,
    growth: &Growth<'_>,
    binned: &BinnedMatrix,
    base_score: &[f32],
) -> Result<Vec<Tree>> {
    let objective = Derivatives {
        loss: growth.loss,
        base_score: base_score.to_vec(),
    };
    let params = params(growth.options, rows.step.threads(), objective)?;
    let rounds = growth.options.n_estimators as usize;
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
    let trainer = hessboost::training::Trainer::new(&params, binned, rounds).on_round(hook);
    let result = trainer.train().context("growing trees")?;
    rows.step.check()?;
    let model = result.model;
    let outputs = model.tree_outputs().map(|of| of.start);
    let trees = model.trees().iter().zip(outputs);
    trees.map(|(tree, output)| read(tree, output)).collect()
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

fn params(options: &Options, threads: usize, objective: Derivatives) -> Result<TrainingParams> {
    let mut params = TrainingParams::default();
    params.nthread = NonZeroUsize::new(threads);
    params.seed = options.seed;
    params.objective = hessboost::objective::Objective::custom(objective);
    params.eta = options.learning_rate;
    params.gamma = options.gamma;
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
    params.alpha = options.reg_alpha;
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
            for (at, out) in out.chunks_exact_mut(outputs).enumerate() {
                let row = block * BLOCK + at;
                let weight = weights.map_or(1.0, |weights| weights[row]);
                let scores = &scores[row * outputs..][..outputs];
                self.loss
                    .derivatives(scores, labels[row], |output, [first, second]| {
                        out[output] = GradPair::new(first * weight, second * weight);
                    });
            }
        });
    }

    fn base_margins_info(&self, _info: &hessboost::data::MetaInfo<'_>) -> Vec<f32> {
        self.base_score.clone()
    }

    fn default_metric(&self) -> EvalMetric {
        EvalMetric::Rmse
    }
}
