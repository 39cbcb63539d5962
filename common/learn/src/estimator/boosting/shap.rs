//! What each input adds to the score of a row: Shapley values over the paths of a tree, by
//! "Consistent Individualized Feature Attribution for Tree Ensembles" (Lundberg, Erion, Lee,
//! 2018), algorithm 2. XGBoost's `pred_contribs` gives the same numbers in single precision.

use super::super::{Estimator, whole};
use super::{GradientBoosting, Tree, singles};

/// The root has no input.
const NONE: usize = usize::MAX;
/// Pairs of a row and a tree that importance is taken from: a few seconds.
const PAIRS: usize = 1 << 22;

impl GradientBoosting {
    /// Mean size of what each input adds to the raw scores of some rows; with very many trees, of
    /// fewer of these rows, evenly spaced.
    pub(super) fn mean_contributions(&self, rows: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.inputs];
        let rows: Vec<&[f64]> = whole(rows, self.inputs).collect();
        let every = (self.trees.len() * rows.len()).div_ceil(PAIRS).max(1);
        let count = rows.len().div_ceil(every).max(1) as f64;
        for row in rows.into_iter().step_by(every) {
            let parts = self.parts(&singles(row));
            // Quantiles are beside what is predicted.
            let scores = match self.predicts_quantiles() {
                true => 1,
                false => self.base_score.len(),
            };
            for parts in parts.chunks_exact(self.inputs + 1).take(scores) {
                let sizes = sums.iter_mut().zip(parts);
                sizes.for_each(|(sum, part)| *sum += part.abs());
            }
        }
        sums.iter().map(|sum| sum / count).collect()
    }
}

/// An input on the way to a node.
#[derive(Clone, Copy)]
struct Step {
    input: usize,
    /// Share of the training rows that go this way, when the input is not known.
    unknown: f64,
    /// 1 where the row goes this way, else 0.
    known: f64,
    /// Weight of the subsets of so many inputs.
    weight: f64,
}

/// Adds what each input of `row` adds by this tree to `out`, and what the tree gives without
/// knowing any to its last number.
pub(super) fn contributions(tree: &Tree, row: &[f32], out: &mut [f64]) {
    let inputs = out.len() - 1;
    out[inputs] += expected(tree, 0);
    let walk = Walk { tree, row };
    walk.node(0, &[], [1.0, 1.0, 1.0], NONE, out);
}

/// The mean of the leaves below a node, by their cover.
fn expected(tree: &Tree, at: usize) -> f64 {
    let node = &tree.nodes()[at];
    if node.is_leaf() {
        return f64::from(node.value);
    }
    let children = [node.left as usize, node.right as usize];
    let of = |child: usize| share(tree, at, child) * expected(tree, child);
    children.into_iter().map(of).sum()
}

/// Share of a node's rows that go to a child.
fn share(tree: &Tree, at: usize, child: usize) -> f64 {
    let (all, part) = (tree.nodes()[at].cover, tree.nodes()[child].cover);
    match all > 0.0 {
        true => f64::from(part) / f64::from(all),
        false => 0.0,
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    row: &'a [f32],
}

impl Walk<'_> {
    /// Walks down from a node, which is reached by `path` and one more step.
    fn node(&self, at: usize, path: &[Step], step: [f64; 3], input: usize, out: &mut [f64]) {
        let mut path = extended(path, step, input);
        let node = &self.tree.nodes()[at];
        if node.is_leaf() {
            for place in 1..path.len() {
                let of = path[place];
                let weight = unwound_sum(&path, place);
                out[of.input] += weight * (of.known - of.unknown) * f64::from(node.value);
            }
            return;
        }
        let input = node.input as usize;
        let [hot, cold] = self.tree.children(at, self.row[input]);
        let (mut unknown, mut known) = (1.0, 1.0);
        if let Some(place) = path.iter().position(|step| step.input == input) {
            (unknown, known) = (path[place].unknown, path[place].known);
            unwind(&mut path, place);
        }
        for (child, known) in [(hot, known), (cold, 0.0)] {
            let step = [unknown * share(self.tree, at, child), known, 0.0];
            self.node(child, &path, step, input, out);
        }
    }
}

/// A path with one more step, of which `step` holds the share, whether it is known, and the weight
/// where it is the first.
fn extended(path: &[Step], [unknown, known, first]: [f64; 3], input: usize) -> Vec<Step> {
    let depth = path.len();
    let mut path = [path, &[]].concat();
    path.push(Step {
        input,
        unknown,
        known,
        weight: if depth == 0 { first } else { 0.0 },
    });
    let count = (depth + 1) as f64;
    for i in (0..depth).rev() {
        path[i + 1].weight += known * path[i].weight * (i + 1) as f64 / count;
        path[i].weight *= unknown * (depth - i) as f64 / count;
    }
    path
}

/// Takes a step out of a path again.
fn unwind(path: &mut Vec<Step>, place: usize) {
    let depth = path.len() - 1;
    let Step { unknown, known, .. } = path[place];
    let mut next = path[depth].weight;
    let count = (depth + 1) as f64;
    for i in (0..depth).rev() {
        if known == 0.0 {
            // A child without training rows: nothing ever came this way.
            let shrunk = unknown * (depth - i) as f64;
            path[i].weight *= if shrunk == 0.0 { 0.0 } else { count / shrunk };
        } else {
            let before = path[i].weight;
            path[i].weight = next * count / ((i + 1) as f64 * known);
            next = before - path[i].weight * unknown * (depth - i) as f64 / count;
        }
    }
    for i in place..depth {
        path[i] = Step {
            weight: path[i].weight,
            ..path[i + 1]
        };
    }
    path.pop();
}

/// The sum of the weights of a path without one of its steps.
fn unwound_sum(path: &[Step], place: usize) -> f64 {
    let depth = path.len() - 1;
    let Step { unknown, known, .. } = path[place];
    let mut next = path[depth].weight;
    let (mut total, count) = (0.0, (depth + 1) as f64);
    for i in (0..depth).rev() {
        if known != 0.0 {
            let of = next * count / ((i + 1) as f64 * known);
            total += of;
            next = path[i].weight - of * unknown * (depth - i) as f64 / count;
        } else if unknown != 0.0 {
            total += path[i].weight / (unknown * (depth - i) as f64 / count);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::boosting::{Loss, Node};

    #[test]
    fn of_very_many_trees_fewer_rows_say_what_inputs_matter() {
        // On average -0.5: small values are 0.5 below it, and large ones 1.5 above.
        let root = Node {
            value: 0.5,
            left: 1,
            right: 2,
            ..Node::leaf(0.0, 4.0)
        };
        let nodes = vec![root, Node::leaf(-1.0, 3.0), Node::leaf(1.0, 1.0)];
        let tree = Tree::new(0, nodes).unwrap();
        let rows: Vec<f64> = (0..512).map(|row| f64::from(row % 2)).collect();
        let mean_of = |trees: usize| {
            let trees = vec![tree.clone(); trees];
            let model = GradientBoosting::new(1, Loss::Squared, trees, vec![0.0]).unwrap();
            model.mean_contributions(&rows)[0]
        };
        let most = PAIRS / rows.len();
        assert_eq!(mean_of(most), most as f64);
        // Every second row.
        assert_eq!(mean_of(most + 1), 0.5 * (most + 1) as f64);
    }
}
