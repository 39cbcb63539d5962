//! Regression trees over single-precision numbers, as XGBoost keeps them.

use serde::{Deserialize, Serialize};

use crate::estimator::EstimatorError;

/// The numbers that trees compare: of single precision, those beyond it at its bounds.
pub fn single(value: f64) -> f32 {
    value.clamp(f32::MIN.into(), f32::MAX.into()) as f32
}

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Of a split: the input that it looks at.
    pub input: u32,
    /// Of a split: the bound below which a number goes left. Of a leaf: what it adds.
    pub value: f32,
    /// Of a split: its left child; 0 says that the node is a leaf.
    pub left: u32,
    /// Of a split: its right child.
    pub right: u32,
    /// Of a split: whether a missing number goes left.
    pub missing_left: bool,
    /// Sum of the second derivatives of the loss in its training rows.
    pub cover: f32,
    /// Of a split: by how much it lowered the loss.
    pub gain: f32,
}

/// A tree of one raw score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Columns", into = "Columns")]
pub struct Tree {
    output: usize,
    nodes: Vec<Node>,
    /// The nodes, as rows pass through them.
    steps: Vec<Step>,
}

/// What scoring reads of a node. A leaf leads to itself, so that rows that pass through a tree
/// together need not end together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    input: u32,
    value: f32,
    /// Where a number leads that is not below the bound, and one that is.
    next: [u32; 2],
    missing_left: bool,
}

/// Rows that pass through a tree together: none waits for the memory of another.
const TOGETHER: usize = 16;
/// Steps between two looks whether all of them have ended.
const STEPS: usize = 4;

/// A tree in a file: columns of its nodes, by XGBoost's names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::estimator) struct Columns {
    pub(in crate::estimator) output: usize,
    pub(in crate::estimator) left_children: Vec<u32>,
    pub(in crate::estimator) right_children: Vec<u32>,
    pub(in crate::estimator) split_indices: Vec<u32>,
    pub(in crate::estimator) split_conditions: Vec<f64>,
    pub(in crate::estimator) default_left: Vec<u8>,
    pub(in crate::estimator) sum_hessian: Vec<f64>,
    pub(in crate::estimator) loss_changes: Vec<f64>,
}

impl Node {
    /// A leaf.
    pub fn leaf(value: f32, cover: f32) -> Self {
        Self {
            input: 0,
            value,
            left: 0,
            right: 0,
            missing_left: false,
            cover,
            gain: 0.0,
        }
    }

    /// Whether it has no children.
    pub fn is_leaf(&self) -> bool {
        self.left == 0
    }

    fn step(&self, at: usize) -> Step {
        // Rows pass through leaves too, whose input is no input of theirs for certain.
        let (input, next) = match self.is_leaf() {
            true => (0, [at as u32; 2]),
            false => (self.input, [self.right, self.left]),
        };
        Step {
            input,
            value: self.value,
            next,
            missing_left: self.missing_left,
        }
    }
}

impl Step {
    /// Where a number leads.
    #[inline]
    fn next(&self, value: f32) -> u32 {
        let left = (value < self.value) | (value.is_nan() & self.missing_left);
        self.next[usize::from(left)]
    }
}

impl Tree {
    /// Of nodes, the root first and every other one after its parent; it adds to raw score
    /// `output`.
    ///
    /// # Errors
    /// Nodes that are no tree.
    pub fn new(output: usize, nodes: Vec<Node>) -> Result<Self, EstimatorError> {
        let mut tree = Self {
            output,
            nodes,
            steps: Vec::new(),
        };
        tree.check()?;
        tree.set_steps();
        Ok(tree)
    }

    fn set_steps(&mut self) {
        let nodes = self.nodes.iter().enumerate();
        self.steps = nodes.map(|(at, node)| node.step(at)).collect();
    }

    /// The raw score that it adds to.
    pub fn output(&self) -> usize {
        self.output
    }

    /// Its nodes, the root first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Adds to every leaf.
    pub(in crate::estimator) fn shift(&mut self, by: f32) {
        let leaves = self.nodes.iter_mut().filter(|node| node.is_leaf());
        leaves.for_each(|leaf| leaf.value += by);
        self.set_steps();
    }

    /// Multiplies every leaf.
    pub(in crate::estimator) fn scale(&mut self, by: f64) {
        let leaves = self.nodes.iter_mut().filter(|node| node.is_leaf());
        leaves.for_each(|leaf| leaf.value = (f64::from(leaf.value) * by) as f32);
        self.set_steps();
    }

    /// Looks at input `places[i]` in place of input `i`.
    pub(in crate::estimator) fn move_inputs(&mut self, places: &[usize]) {
        let splits = self.nodes.iter_mut().filter(|node| !node.is_leaf());
        for split in splits {
            if let Some(place) = places.get(split.input as usize) {
                split.input = *place as u32;
            }
        }
        self.set_steps();
    }

    /// Adds to the scores of rows of `width` numbers; a row has as many scores as there are raw
    /// ones.
    pub(in crate::estimator) fn add(
        &self,
        rows: &[f32],
        width: usize,
        scores: &mut [f32],
        outputs: usize,
    ) {
        let groups = rows.chunks(TOGETHER * width);
        for (rows, scores) in groups.zip(scores.chunks_mut(TOGETHER * outputs)) {
            let mut places = [0; TOGETHER];
            let places = &mut places[..rows.len() / width];
            let mut pass = |moved: &mut bool| {
                for (row, place) in rows.chunks_exact(width).zip(&mut *places) {
                    let step = &self.steps[*place as usize];
                    let next = step.next(row[step.input as usize]);
                    *moved |= next != *place;
                    *place = next;
                }
            };
            let mut moved = true;
            while moved {
                // Whether all rows are at leaves is not worth asking at each step.
                (1..STEPS).for_each(|_| pass(&mut false));
                moved = false;
                pass(&mut moved);
            }
            for (scores, place) in scores.chunks_exact_mut(outputs).zip(places) {
                scores[self.output] += self.steps[*place as usize].value;
            }
        }
    }

    /// The same tree, adding to another raw score.
    pub fn adding_to(self, output: usize) -> Self {
        Self { output, ..self }
    }

    /// Children of a split: the one that a number leads to, then the other.
    pub(in crate::estimator) fn children(&self, at: usize, value: f32) -> [usize; 2] {
        let (node, next) = (&self.nodes[at], self.steps[at].next(value));
        let other = match next == node.left {
            true => node.right,
            false => node.left,
        };
        [next as usize, other as usize]
    }

    /// That each node but the root is the child of one before it, and numbers are numbers.
    fn check(&self) -> Result<(), EstimatorError> {
        let invalid = |reason: &str| Err(EstimatorError::invalid(format!("a tree has {reason}")));
        let mut parents = vec![0_u8; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            let numbers = [node.value, node.cover, node.gain];
            if numbers.iter().any(|number| !number.is_finite()) || node.cover < 0.0 {
                return invalid("a node of a number that is not finite, or of a negative cover");
            }
            if node.is_leaf() {
                continue;
            }
            for child in [node.left as usize, node.right as usize] {
                match parents.get_mut(child) {
                    Some(parents) if child > at => *parents += 1,
                    _ => return invalid("a node whose child does not come after it"),
                }
            }
        }
        match parents.split_first() {
            None => invalid("no nodes"),
            Some((_, others)) if others.iter().any(|parents| *parents != 1) => {
                invalid("a node without one parent")
            }
            Some(_) => Ok(()),
        }
    }

    /// Splits on the way to the farthest leaf.
    pub(in crate::estimator) fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        let splits = self.nodes.iter().enumerate();
        for (at, node) in splits.filter(|(_, node)| !node.is_leaf()) {
            // Children come after their parent.
            for child in [node.left as usize, node.right as usize] {
                depths[child] = depths[at] + 1;
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// The largest input that a split looks at.
    pub(in crate::estimator) fn last_input(&self) -> Option<u32> {
        let splits = self.nodes.iter().filter(|node| !node.is_leaf());
        splits.map(|node| node.input).max()
    }
}

impl From<Tree> for Columns {
    fn from(tree: Tree) -> Self {
        fn column<T>(tree: &Tree, of: impl Fn(&Node) -> T) -> Vec<T> {
            tree.nodes.iter().map(of).collect()
        }
        Self {
            output: tree.output,
            left_children: column(&tree, |node| node.left),
            right_children: column(&tree, |node| node.right),
            split_indices: column(&tree, |node| node.input),
            split_conditions: column(&tree, |node| short(node.value)),
            default_left: column(&tree, |node| u8::from(node.missing_left)),
            sum_hessian: column(&tree, |node| short(node.cover)),
            loss_changes: column(&tree, |node| short(node.gain)),
        }
    }
}

impl TryFrom<Columns> for Tree {
    type Error = EstimatorError;

    fn try_from(columns: Columns) -> Result<Self, EstimatorError> {
        let rows = columns.left_children.len();
        let lengths = [
            columns.right_children.len(),
            columns.split_indices.len(),
            columns.split_conditions.len(),
            columns.default_left.len(),
            columns.sum_hessian.len(),
            columns.loss_changes.len(),
        ];
        if lengths.iter().any(|length| *length != rows) {
            return Err(EstimatorError::invalid(
                "a tree has columns of other lengths",
            ));
        }
        Self::new(
            columns.output,
            (0..rows).map(|at| columns.node(at)).collect(),
        )
    }
}

impl Columns {
    fn node(&self, at: usize) -> Node {
        Node {
            input: self.split_indices[at],
            value: self.split_conditions[at] as f32,
            left: self.left_children[at],
            right: self.right_children[at],
            missing_left: self.default_left[at] != 0,
            cover: self.sum_hessian[at] as f32,
            gain: self.loss_changes[at] as f32,
        }
    }

    /// With children side by side, as XGBoost expects them, level by level where they are not: the
    /// files of other programs have another order. Nodes that no split leads to are left out:
    /// XGBoost leaves them where it pruned. Columns that are no tree stay as they are, for
    /// [`Tree::new`] to refuse.
    pub(in crate::estimator) fn in_levels(self) -> Self {
        let nodes = self.left_children.len();
        let mut order = vec![0];
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            let children = [&self.left_children, &self.right_children];
            let children = children.map(|of| of.get(node).map_or(0, |child| *child as usize));
            order.extend(children.into_iter().filter(|child| *child > 0));
            at += 1;
            if order.len() > nodes {
                return self;
            }
        }
        let mut splits = self.left_children.iter().zip(&self.right_children);
        if order.len() == nodes && splits.all(|(left, right)| *left == 0 || *right == left + 1) {
            return self;
        }
        let mut places = vec![0; nodes];
        for (place, node) in order.iter().enumerate() {
            match places.get_mut(*node) {
                Some(of) => *of = place as u32,
                None => return self,
            }
        }
        fn sorted<T: Copy>(column: &[T], order: &[usize]) -> Vec<T> {
            order
                .iter()
                .filter_map(|node| column.get(*node).copied())
                .collect()
        }
        let children = |column: &[u32]| -> Vec<u32> {
            let old = sorted(column, &order).into_iter();
            old.map(|child| places.get(child as usize).copied().unwrap_or(child))
                .collect()
        };
        Self {
            output: self.output,
            left_children: children(&self.left_children),
            right_children: children(&self.right_children),
            split_indices: sorted(&self.split_indices, &order),
            split_conditions: sorted(&self.split_conditions, &order),
            default_left: sorted(&self.default_left, &order),
            sum_hessian: sorted(&self.sum_hessian, &order),
            loss_changes: sorted(&self.loss_changes, &order),
        }
    }
}

/// The number whose text is the shortest that reads back to these bits, so that files stay small.
pub(in crate::estimator) fn short(value: f32) -> f64 {
    match value.to_string().parse::<f64>() {
        Ok(short) if (short as f32).to_bits() == value.to_bits() => short,
        _ => f64::from(value),
    }
}
