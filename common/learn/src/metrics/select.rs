//! Exact quantiles without sorting: four passes, each counting sixteen more bits of the numbers.
//!
//! They are numpy's `averaged_inverted_cdf`, for rows of weights too: the median is the middle
//! value, or the mean of the two middle ones.
//!
//! ```
//! use learn::metrics::select::{Select, Step};
//!
//! let mut select = Select::new(&[0.5]);
//! let quantiles = loop {
//!     select.add(&[3.0, 1.0, 2.0, 10.0], None);
//!     match select.advance() {
//!         Step::Again(next) => select = next,
//!         Step::Done(quantiles) => break quantiles,
//!     }
//! };
//! assert_eq!(quantiles, [Some(2.5)]);
//! ```

use std::collections::BTreeMap;

use super::order::{from_ordered_bits, ordered_bits};

/// Bits that one pass settles.
const BITS: u32 = 16;
const CELLS: usize = 1 << BITS;

/// One pass of the search; mergeable. It takes 512 KiB for each number that is sought at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Bits of the numbers that lie below those that this pass counts.
    below: u32,
    quantiles: Vec<f64>,
    /// Two for each quantile, once the weight of all rows is known.
    sought: Vec<Sought>,
    /// By the bits that are settled: weight by the next ones.
    counts: BTreeMap<u64, Vec<f64>>,
}

/// One number that is sought.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sought {
    prefix: u64,
    /// Weight that is still to be passed by numbers of this prefix.
    left: f64,
    /// Whether that weight must be exceeded, and not only reached.
    beyond: bool,
}

/// What follows a pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Another pass over the same numbers.
    Again(Select),
    /// The quantiles; `None` where no row weighs anything.
    Done(Vec<Option<f64>>),
}

impl Select {
    /// The first pass, for these shares from 0 to 1.
    pub fn new(quantiles: &[f64]) -> Self {
        Self {
            below: 64 - BITS,
            quantiles: quantiles.to_vec(),
            sought: Vec::new(),
            counts: BTreeMap::from([(0, vec![0.0; CELLS])]),
        }
    }

    /// Adds numbers, none of them NaN, and what they weigh.
    ///
    /// # Panics
    /// Without one weight a number: a bug of the caller.
    pub fn add(&mut self, values: &[f64], weights: Option<&[f64]>) {
        assert!(weights.is_none_or(|weights| weights.len() == values.len()));
        for (i, number) in values.iter().enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            let key = ordered_bits(*number);
            let settled = key.checked_shr(self.below + BITS).unwrap_or(0);
            if let Some(counts) = self.counts.get_mut(&settled) {
                counts[(key >> self.below) as usize % CELLS] += weight;
            }
        }
    }

    /// Merges a later part of the same pass.
    ///
    /// # Panics
    /// When it is of another pass: a bug of the caller.
    pub fn merge(&mut self, later: &Self) {
        assert!(self.below == later.below && self.sought == later.sought);
        for (ours, theirs) in self.counts.values_mut().zip(later.counts.values()) {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                *ours += theirs;
            }
        }
    }

    /// Goes on once all numbers were added.
    pub fn advance(mut self) -> Step {
        if self.below + BITS == 64 && !self.begin() {
            return Step::Done(vec![None; self.quantiles.len()]);
        }
        let counts = &self.counts;
        for sought in &mut self.sought {
            if let Some(counts) = counts.get(&sought.prefix) {
                sought.refine(counts);
            }
        }
        if self.below == 0 {
            let middle = |pair: &[Sought]| {
                let (low, high) = (
                    from_ordered_bits(pair[0].prefix),
                    from_ordered_bits(pair[1].prefix),
                );
                Some(if low == high {
                    low
                } else {
                    low / 2.0 + high / 2.0
                })
            };
            return Step::Done(self.sought.chunks_exact(2).map(middle).collect());
        }
        let prefixes = self.sought.iter().map(|sought| sought.prefix);
        Step::Again(Self {
            below: self.below - BITS,
            counts: prefixes.map(|prefix| (prefix, vec![0.0; CELLS])).collect(),
            ..self
        })
    }

    /// Knows the weight of all rows, and with it how far each number lies; false without rows.
    fn begin(&mut self) -> bool {
        let total: f64 = self.counts.values().flatten().sum();
        let sought = |quantile: &f64| {
            [false, true].map(|beyond| Sought {
                prefix: 0,
                left: quantile * total,
                beyond,
            })
        };
        self.sought = self.quantiles.iter().flat_map(sought).collect();
        total > 0.0
    }
}

impl Sought {
    /// Settles the next bits: the first cell that reaches the weight, the last one otherwise.
    fn refine(&mut self, counts: &[f64]) {
        let mut last = (0, self.left);
        for (cell, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            last = (cell, self.left);
            if *count > self.left || (!self.beyond && *count == self.left) {
                break;
            }
            self.left -= count;
        }
        self.prefix = self.prefix << BITS | last.0 as u64;
        self.left = last.1;
    }
}
