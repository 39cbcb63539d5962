//! Sums over one-hot columns, of which a row has at most one that is not at its lowest value: the
//! work of a row grows with the number of categorical features, and not with their categories.

use std::ops::Range;

use super::beta::Beta;
use super::sum::Sum;

/// Rows that are worked on together: their columns stay in the first-level cache, and a product of
/// this many factors between 1 and 2 cannot overflow.
pub(super) const BLOCK: usize = 256;

/// Which columns stand alone, and which are one-hot together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) alone: Vec<usize>,
    pub(crate) groups: Vec<Range<usize>>,
}

/// The one-hot columns of a group in a block of rows.
pub(super) struct Hot {
    /// Of each row the column within the group that is not at its lowest; past the last for none.
    column: [u32; BLOCK],
    /// Its coordinate; 0 for none.
    z: [f64; BLOCK],
}

/// What rows of a block contribute: to the gradient, and to the Hessian.
pub(super) struct Weighed<'a> {
    pub(super) residual: &'a [f64; BLOCK],
    pub(super) absolute: &'a [f64; BLOCK],
    pub(super) curvature: &'a [f64; BLOCK],
    /// Coordinates of the columns that stand alone.
    pub(super) alone: &'a [[f64; BLOCK]],
}

/// Sums of one block for one column.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct OfColumn {
    pub(super) gradient: f64,
    pub(super) spread: f64,
    /// Of the Hessian: with itself, and with the intercept.
    pub(super) square: f64,
    pub(super) curvature: f64,
}

/// Products of one-hot columns with other columns, of the rows of one call.
pub(super) struct Products {
    /// Where the slots of each group begin: one a column, and one for none.
    first: Vec<usize>,
    of_block: Vec<OfColumn>,
    /// By slot and column that stands alone.
    with_alone: Vec<f64>,
    /// By pair of groups, the earlier one first: by slot of either.
    pairs: Vec<Vec<f64>>,
    pub(super) absolute: Sum,
}

impl Layout {
    /// Of `columns` columns; groups in order, that do not overlap.
    pub(crate) fn new(columns: usize, groups: Vec<Range<usize>>) -> Self {
        let in_group = |column: &usize| groups.iter().any(|group| group.contains(column));
        Self {
            alone: (0..columns).filter(|column| !in_group(column)).collect(),
            groups,
        }
    }
}

impl Hot {
    pub(super) fn new() -> Self {
        Self {
            column: [0; BLOCK],
            z: [0.0; BLOCK],
        }
    }

    /// Reads the columns of a group from row-major rows, and adds what they contribute to `eta`.
    pub(super) fn load(
        &mut self,
        beta: &Beta,
        group: &Range<usize>,
        x: &[f64],
        eta: &mut [f64; BLOCK],
    ) {
        self.read(&beta.centre, group, x);
        for ((column, z), eta) in self.column.iter().zip(&mut self.z).zip(eta) {
            let j = group.start + *column as usize;
            if j < group.end {
                *z *= beta.inverse_scale[j];
                *eta += beta.coefficients[j] * *z;
            }
        }
    }

    /// Reads how far values are from the lowest of their columns, in row-major rows.
    fn read(&mut self, lowest: &[f64], group: &Range<usize>, x: &[f64]) {
        self.column.fill(group.len() as u32);
        self.z.fill(0.0);
        let of_group = &lowest[group.clone()];
        for (row, x) in x.chunks_exact(lowest.len()).enumerate() {
            let values = &x[group.clone()];
            let mut pairs = values.iter().zip(of_group);
            if let Some(at) = pairs.position(|(value, lowest)| value != lowest) {
                self.column[row] = at as u32;
                self.z[row] = values[at] - of_group[at];
            }
        }
    }
}

/// Rows whose co-moments are taken, with the lowest value and the mean of each column.
pub(super) struct Block<'a> {
    pub(super) x: &'a [f64],
    pub(super) rows: usize,
    pub(super) lowest: &'a [f64],
    pub(super) means: &'a [f64],
}

impl Block<'_> {
    /// Fills the upper triangle of the co-moments of one-hot columns with all others; `alone` holds
    /// the centred columns that stand alone.
    pub(super) fn co_moments(
        &self,
        layout: &Layout,
        alone: &[[f64; BLOCK]],
        co_moments: &mut [f64],
    ) {
        let (p, rows) = (self.means.len(), self.rows as f64);
        let read = |group: &Range<usize>| {
            let mut hot = Hot::new();
            hot.read(self.lowest, group, self.x);
            hot
        };
        let hot: Vec<Hot> = layout.groups.iter().map(read).collect();
        let weighed = Weighed {
            residual: &[0.0; BLOCK],
            absolute: &[0.0; BLOCK],
            curvature: &[1.0; BLOCK],
            alone,
        };
        let mut products = Products::new(layout);
        products.add(layout, &vec![0.0; p], &hot, &weighed, |j, of| {
            co_moments[j * p + j] = of.square;
        });
        products.each(layout, |i, j, product| co_moments[i * p + j] = product);
        let height = |j: usize| self.means[j] - self.lowest[j];
        // What stands alone is centred, so that its products with any constant vanish.
        let one_hot: Vec<usize> = layout.groups.iter().cloned().flatten().collect();
        for (at, &i) in one_hot.iter().enumerate() {
            for &j in &one_hot[at..] {
                co_moments[i * p + j] -= rows * height(i) * height(j);
            }
        }
    }
}

impl Products {
    pub(super) fn new(layout: &Layout) -> Self {
        let slots = |group: &Range<usize>| group.len() + 1;
        let (mut first, mut all) = (Vec::new(), 0);
        for group in &layout.groups {
            first.push(all);
            all += slots(group);
        }
        let pairs = layout.groups.iter().enumerate().flat_map(|(at, group)| {
            let later = layout.groups[at + 1..].iter();
            later.map(move |other| vec![0.0; slots(group) * slots(other)])
        });
        Self {
            first,
            of_block: vec![OfColumn::default(); all],
            with_alone: vec![0.0; all * layout.alone.len()],
            pairs: pairs.collect(),
            absolute: Sum::default(),
        }
    }

    /// Adds a block, and hands over the sums of its rows by column.
    pub(super) fn add(
        &mut self,
        layout: &Layout,
        middle: &[f64],
        hot: &[Hot],
        rows: &Weighed<'_>,
        mut take: impl FnMut(usize, OfColumn),
    ) {
        let mut pair = 0;
        for (at, (group, own)) in layout.groups.iter().zip(hot).enumerate() {
            let mut weighted = [0.0; BLOCK];
            let product = weighted.iter_mut().zip(rows.curvature).zip(&own.z);
            product.for_each(|((weighted, curvature), z)| *weighted = curvature * z);
            self.add_group(at, &middle[group.clone()], own, &weighted, rows);
            for (later, other) in layout.groups.iter().zip(hot).skip(at + 1) {
                let (products, width) = (&mut self.pairs[pair], later.len() + 1);
                let rows = own.column.iter().zip(&other.column);
                let values = weighted.iter().zip(&other.z);
                for ((own, other), (weighted, z)) in rows.zip(values) {
                    products[*own as usize * width + *other as usize] += weighted * z;
                }
                pair += 1;
            }
            let slots = &mut self.of_block[self.first[at]..][..group.len()];
            for (of_column, j) in slots.iter_mut().zip(group.clone()) {
                if *of_column != OfColumn::default() {
                    take(j, std::mem::take(of_column));
                }
            }
        }
    }

    fn add_group(
        &mut self,
        at: usize,
        middle: &[f64],
        own: &Hot,
        weighted: &[f64; BLOCK],
        rows: &Weighed<'_>,
    ) {
        let alone = rows.alone.len();
        for row in 0..BLOCK {
            let (column, z, weighted) = (own.column[row] as usize, own.z[row], weighted[row]);
            let Some(middle) = middle.get(column) else {
                continue;
            };
            let slot = self.first[at] + column;
            let of = &mut self.of_block[slot];
            of.gradient += rows.residual[row] * z;
            of.spread += rows.absolute[row] * ((z - middle).abs() - middle.abs());
            of.square += weighted * z;
            of.curvature += weighted;
            let products = &mut self.with_alone[slot * alone..][..alone];
            for (product, column) in products.iter_mut().zip(rows.alone) {
                *product += weighted * column[row];
            }
        }
    }

    /// Hands over the products of each pair of columns.
    pub(super) fn each(&self, layout: &Layout, mut take: impl FnMut(usize, usize, f64)) {
        let alone = layout.alone.len();
        let mut pairs = self.pairs.iter();
        for (at, group) in layout.groups.iter().enumerate() {
            for (column, j) in group.clone().enumerate() {
                let products = &self.with_alone[(self.first[at] + column) * alone..][..alone];
                let products = products.iter().zip(&layout.alone);
                products.for_each(|(product, &i)| take(i.min(j), i.max(j), *product));
            }
            for later in &layout.groups[at + 1..] {
                let Some(products) = pairs.next() else {
                    return;
                };
                for (of_column, i) in products.chunks(later.len() + 1).zip(group.clone()) {
                    let products = of_column.iter().zip(later.clone());
                    products.for_each(|(product, j)| take(i, j, *product));
                }
            }
        }
    }
}
