//! One tree, from the root down to leaves that no split makes purer.

use anyhow::Result;
use learn::estimator::boosting::{self, Node};
use learn::estimator::forest::Options;
use learn::splitmix::number;

use super::cells::{Binned, Column, MISSING};

/// Cells of a column.
const CELLS: usize = MISSING as usize + 1;
/// What rounding makes of nothing, as a share of the sums.
const NOTHING: f64 = 1e-10;

/// What trees are grown on.
pub(super) struct Rows<'a> {
    pub(super) cells: &'a Binned,
    pub(super) labels: &'a [f32],
    pub(super) weights: Option<&'a [f32]>,
    /// Where there are more than two; else the label is the number that is predicted.
    pub(super) classes: usize,
    /// A number that numbers are close to, for the precision of their squares.
    pub(super) centre: f32,
}

/// A grown tree, with sums of its rows at each node.
pub(super) struct Tree {
    nodes: Vec<Node>,
    sums: Vec<Sums>,
}

/// Sums over rows as they were drawn.
#[derive(Clone, Debug, PartialEq)]
struct Sums {
    /// Each once.
    rows: u32,
    weight: f64,
    /// Of weight x label, or the weights of each class.
    labels: Vec<f64>,
}

/// A node that waits to be split.
struct Open {
    at: usize,
    depth: u32,
    /// Its place among the rows of the tree.
    begin: usize,
    end: usize,
}

/// Where a node is split.
struct Split {
    gain: f64,
    input: usize,
    /// Cells up to this one go left.
    last_left: u8,
    bound: f32,
    missing_left: bool,
    left: Sums,
}

/// A tree that grows.
struct Grower<'a> {
    rows: &'a Rows<'a>,
    options: &'a Options,
    /// Inputs that a split looks at.
    features: usize,
    /// Rows by their nodes, and how often each row was drawn.
    drawn: Vec<u32>,
    times: Vec<u32>,
    /// By cell; 0 where nothing was added.
    cells: Vec<Sums>,
    /// All inputs, in the order in which they are drawn.
    inputs: Vec<usize>,
    random: Random,
}

/// Numbers of a seed, one after another.
struct Random {
    seed: u64,
    next: u64,
}

impl Random {
    fn below(&mut self, end: usize) -> usize {
        let random = number(self.seed, self.next);
        self.next += 1;
        ((u128::from(random) * end as u128) >> 64) as usize
    }
}

impl Sums {
    fn none(outputs: usize) -> Self {
        Self {
            rows: 0,
            weight: 0.0,
            labels: vec![0.0; outputs],
        }
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.weight = 0.0;
        self.labels.fill(0.0);
    }

    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.weight += other.weight;
        let labels = self.labels.iter_mut().zip(&other.labels);
        labels.for_each(|(sum, of)| *sum += of);
    }

    /// What the squared error of the rows falls by where each gets their mean.
    fn explained(&self) -> f64 {
        let squares = self.labels.iter().map(|sum| sum * sum);
        squares.sum::<f64>() / self.weight
    }

    /// [`Sums::explained`] of the rows that are not among these.
    fn explained_without(&self, other: &Self) -> f64 {
        let labels = self.labels.iter().zip(&other.labels);
        let squares = labels.map(|(sum, of)| (sum - of) * (sum - of));
        squares.sum::<f64>() / (self.weight - other.weight)
    }
}

impl Rows<'_> {
    fn outputs(&self) -> usize {
        self.classes.max(1)
    }

    /// What a row was drawn for: its times by its weight.
    fn weight(&self, row: usize, times: u32) -> f64 {
        let weight = self.weights.map_or(1.0, |weights| f64::from(weights[row]));
        weight * f64::from(times)
    }

    fn add(&self, row: usize, times: u32, sums: &mut Sums) {
        let weight = self.weight(row, times);
        sums.rows += 1;
        sums.weight += weight;
        match self.classes {
            0 => sums.labels[0] += weight * f64::from(self.labels[row] - self.centre),
            _ => sums.labels[self.labels[row] as usize] += weight,
        }
    }
}

impl Tree {
    /// Grows tree `number` of a forest.
    pub(super) fn grow(rows: &Rows<'_>, options: &Options, features: usize, tree: u64) -> Self {
        let inputs = rows.cells.columns().len();
        let mut grower = Grower {
            rows,
            options,
            features,
            drawn: Vec::new(),
            times: vec![0; rows.cells.rows()],
            cells: vec![Sums::none(rows.outputs()); CELLS],
            inputs: (0..inputs).collect(),
            random: Random {
                seed: number(options.seed, tree),
                next: 0,
            },
        };
        grower.draw();
        grower.grow()
    }

    /// The tree of one raw score, of which there are trees enough that their sum is a mean.
    pub(super) fn of_output(&self, output: usize, base: f32, trees: u32) -> Result<boosting::Tree> {
        let several = self.sums[0].labels.len() > 1;
        let nodes = self.nodes.iter().zip(&self.sums).map(|(node, sums)| {
            if !node.is_leaf() {
                return *node;
            }
            // Numbers are sums beside the centre, which is the base score.
            let beside = if several { f64::from(base) } else { 0.0 };
            let mean = sums.labels[output] / sums.weight - beside;
            Node::leaf((mean / f64::from(trees)) as f32, sums.weight as f32)
        });
        Ok(boosting::Tree::new(output, nodes.collect())?)
    }
}

impl Grower<'_> {
    /// Draws rows with replacement; those that weigh nothing are left out.
    fn draw(&mut self) {
        let all = self.times.len();
        let wanted = (self.options.max_samples * all as f64).round() as usize;
        for _ in 0..wanted.max(1) {
            self.times[self.random.below(all)] += 1;
        }
        let weighs = |row: usize| self.rows.weight(row, self.times[row]) > 0.0;
        self.drawn = (0..all)
            .filter(|row| weighs(*row))
            .map(|row| row as u32)
            .collect();
        if self.drawn.is_empty() {
            let weights = self.rows.weights.unwrap_or_default();
            let any = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
            self.times[any] = 1;
            self.drawn.push(any as u32);
        }
    }

    fn grow(mut self) -> Tree {
        let (mut nodes, mut sums) = (Vec::new(), Vec::new());
        let of_root = self.sums(0, self.drawn.len());
        nodes.push(Node::leaf(0.0, of_root.weight as f32));
        sums.push(of_root);
        let mut open = vec![Open {
            at: 0,
            depth: 0,
            begin: 0,
            end: self.drawn.len(),
        }];
        while let Some(node) = open.pop() {
            let Some(split) = self.split(&node, &sums[node.at]) else {
                continue;
            };
            let middle = self.part(&node, &split);
            let left = nodes.len();
            // Not the difference of two sums, of which rows that weigh little keep no digit.
            let right_sums = self.sums(middle, node.end);
            nodes[node.at] = Node {
                input: split.input as u32,
                value: split.bound,
                left: left as u32,
                right: left as u32 + 1,
                missing_left: split.missing_left,
                cover: sums[node.at].weight as f32,
                gain: split.gain as f32,
            };
            for of_child in [split.left, right_sums] {
                nodes.push(Node::leaf(0.0, of_child.weight as f32));
                sums.push(of_child);
            }
            for (at, begin, end) in [(left + 1, middle, node.end), (left, node.begin, middle)] {
                let depth = node.depth + 1;
                open.push(Open {
                    at,
                    depth,
                    begin,
                    end,
                });
            }
        }
        Tree { nodes, sums }
    }

    /// Sums over the rows from one place to another.
    fn sums(&self, begin: usize, end: usize) -> Sums {
        let mut sums = Sums::none(self.rows.outputs());
        for row in &self.drawn[begin..end] {
            let row = *row as usize;
            self.rows.add(row, self.times[row], &mut sums);
        }
        sums
    }

    /// The best split of a node; `None` where it stays a leaf. Inputs of which all rows have the
    /// same do not count among those that are looked at.
    fn split(&mut self, node: &Open, sums: &Sums) -> Option<Split> {
        let least = self.options.min_samples_leaf;
        let too_deep = self.options.max_depth > 0 && node.depth >= self.options.max_depth;
        if too_deep || sums.rows < least.saturating_mul(2) {
            return None;
        }
        let squares = match self.rows.classes {
            0 => {
                let rows = self.drawn[node.begin..node.end]
                    .iter()
                    .map(|row| *row as usize);
                let square = |row: usize| {
                    let label = f64::from(self.rows.labels[row] - self.rows.centre);
                    self.rows.weight(row, self.times[row]) * label * label
                };
                rows.map(square).sum()
            }
            _ => sums.weight,
        };
        let nothing = NOTHING * squares;
        let before = sums.explained();
        if squares - before <= nothing {
            return None;
        }
        let mut best: Option<Split> = None;
        let (mut looked_at, all) = (0, self.inputs.len());
        for place in 0..all {
            if looked_at == self.features {
                break;
            }
            let other = place + self.random.below(all - place);
            self.inputs.swap(place, other);
            let input = self.inputs[place];
            let least_gain = best.as_ref().map_or(nothing, |best| best.gain);
            let (varies, split) = self.of_input(input, node, sums, before + least_gain);
            looked_at += usize::from(varies);
            if let Some(split) = split {
                best = Some(Split {
                    gain: split.gain - before,
                    ..split
                });
            }
        }
        best
    }

    /// Whether an input differs between the rows of a node, and its best split if that explains
    /// more than `least`.
    fn of_input(
        &mut self,
        input: usize,
        node: &Open,
        sums: &Sums,
        least: f64,
    ) -> (bool, Option<Split>) {
        let column = &self.rows.cells.columns()[input];
        let mut filled = [0_u64; CELLS / 64];
        for row in &self.drawn[node.begin..node.end] {
            let row = *row as usize;
            let cell = column.cells[row];
            filled[usize::from(cell / 64)] |= 1 << (cell % 64);
            self.rows
                .add(row, self.times[row], &mut self.cells[usize::from(cell)]);
        }
        let in_word = |(at, word): (usize, &u64)| {
            let (at, word) = (at, *word);
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| (64 * at + bit) as u8)
        };
        let filled: Vec<u8> = filled.iter().enumerate().flat_map(in_word).collect();
        let split = match filled.len() {
            1 => None,
            _ => self.best_of(column, &filled, sums, least),
        };
        for cell in &filled {
            self.cells[usize::from(*cell)].clear();
        }
        (
            filled.len() > 1,
            split.map(|split| Split { input, ..split }),
        )
    }

    fn best_of(&self, column: &Column, filled: &[u8], sums: &Sums, least: f64) -> Option<Split> {
        let missing = (filled.last() == Some(&MISSING)).then(|| &self.cells[usize::from(MISSING)]);
        let there = &filled[..filled.len() - usize::from(missing.is_some())];
        let (mut best, mut most) = (None, least);
        // Missing numbers on the right, and then on the left.
        for missing_left in [false, true]
            .into_iter()
            .take(1 + usize::from(missing.is_some()))
        {
            let mut left = Sums::none(self.rows.outputs());
            if let Some(missing) = missing.filter(|_| missing_left) {
                left.add(missing);
            }
            for (place, cell) in there.iter().enumerate() {
                left.add(&self.cells[usize::from(*cell)]);
                let bound = match there.get(place + 1) {
                    // Halfway to the next cell that holds any.
                    Some(next) => column.bounds[(usize::from(*cell) + usize::from(*next) - 1) / 2],
                    // What is there on the left, and what is missing on the right.
                    None if missing.is_some() && !missing_left => f32::MAX,
                    None => break,
                };
                let fewest = left.rows.min(sums.rows - left.rows);
                // Rows that weigh nothing beside the others have no mean to tell.
                if fewest < self.options.min_samples_leaf || left.weight >= sums.weight {
                    continue;
                }
                let explained = left.explained() + sums.explained_without(&left);
                if explained > most {
                    most = explained;
                    best = Some((*cell, bound, missing_left, left.clone()));
                }
            }
        }
        best.map(|(last_left, bound, missing_left, left)| Split {
            gain: most,
            input: 0,
            last_left,
            bound,
            // Where none was missing a later one goes where more rows went.
            missing_left: match missing {
                Some(_) => missing_left,
                None => 2.0 * left.weight >= sums.weight,
            },
            left,
        })
    }

    /// Parts the rows of a node: where those on the right begin.
    fn part(&mut self, node: &Open, split: &Split) -> usize {
        let column = &self.rows.cells.columns()[split.input].cells;
        let goes_left = |row: u32| match column[row as usize] {
            MISSING => split.missing_left,
            cell => cell <= split.last_left,
        };
        let (mut begin, mut end) = (node.begin, node.end);
        while begin < end {
            if goes_left(self.drawn[begin]) {
                begin += 1;
            } else {
                end -= 1;
                self.drawn.swap(begin, end);
            }
        }
        begin
    }
}
