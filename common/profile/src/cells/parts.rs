//! Cells put together for a population stability index.

use super::{Cells, MINUS_INFINITY, NAN, NULL, PLUS_INFINITY, Side};
use crate::drift::{NoiseFloor, Psi, PsiBucket, PsiKind};

/// Parts that a column without special values has.
const TENTHS: u128 = 10;

/// The buckets of an index: missing values, each infinity, what lies below and above the training
/// data, each special value, and the other values in parts of about a tenth of the rows. Where all
/// values of training are special, the others are new ones, and one part.
#[derive(Clone, Debug)]
pub struct Parts {
    parts: Vec<Part>,
    /// The place in `parts` of each place of the cells.
    of_place: Vec<u16>,
    /// Rows of training in each part.
    reference: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    kind: PsiKind,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Parts {
    /// Of a column, as training fixes them.
    pub fn new(cells: &Cells, reference: &Side) -> Self {
        let mut made = Self {
            parts: Vec::new(),
            of_place: vec![0; cells.places()],
            reference: Vec::new(),
        };
        let beside = |place: usize| cells.len() + place;
        made.add(PsiKind::Missing, (None, None), [beside(NULL), beside(NAN)]);
        made.add(
            PsiKind::MinusInfinity,
            (None, None),
            [beside(MINUS_INFINITY)],
        );
        let inner = cells.inner();
        made.add(PsiKind::Below, (None, cells.min()), 0..inner.start);
        // What follows a special value begins there, and does not hold it.
        let begin = |cell: usize| {
            let before = cell.checked_sub(1).and_then(|before| cells.value(before));
            before.or(cells.edges(cell).0)
        };
        for ranges in of_range(cells, reference) {
            let (kind, ends) = match ranges[..] {
                [cell] if cells.special(cell).is_some() => {
                    (PsiKind::Value, (cells.special(cell), cells.special(cell)))
                }
                [first, .., last] => (PsiKind::Range, (begin(first), cells.edges(last).1)),
                [cell] => (PsiKind::Range, (begin(cell), cells.edges(cell).1)),
                [] => continue,
            };
            made.add(kind, ends, ranges);
        }
        made.add(PsiKind::Above, (cells.max(), None), inner.end..cells.len());
        made.add(PsiKind::PlusInfinity, (None, None), [beside(PLUS_INFINITY)]);
        made.reference = made.rows(reference);
        made
    }

    fn add(
        &mut self,
        kind: PsiKind,
        (lower, upper): (Option<f64>, Option<f64>),
        places: impl IntoIterator<Item = usize>,
    ) {
        for place in places {
            // There are fewer cells than that.
            self.of_place[place] = self.parts.len() as u16;
        }
        self.parts.push(Part { kind, lower, upper });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The part of a place of the cells.
    #[inline]
    pub fn of(&self, place: usize) -> usize {
        usize::from(self.of_place[place])
    }

    /// The rows of a side in each part.
    pub fn rows(&self, side: &Side) -> Vec<u64> {
        let mut rows = vec![0; self.parts.len()];
        let places = side.cells.iter().copied().chain(side.beside());
        for (place, count) in places.enumerate() {
            rows[self.of(place)] += count;
        }
        rows
    }

    /// The index of rows that were counted by part. `None` when either side has no rows.
    pub fn psi(&self, current: &[u64], floor: &NoiseFloor) -> Option<Psi> {
        let rows = self.reference.iter().zip(current);
        let bucket = |(part, (&reference, &current)): (&Part, (&u64, &u64))| {
            PsiBucket::new(part.kind, part.lower, part.upper, reference, current)
        };
        Psi::of(self.parts.iter().zip(rows).map(bucket), floor)
    }
}

/// The cells within the range of training by part, in the order of the first of each.
fn of_range(cells: &Cells, reference: &Side) -> Vec<Vec<usize>> {
    let (special, usual): (Vec<usize>, Vec<usize>) = cells
        .inner()
        .partition(|cell| cells.special(*cell).is_some());
    let rows = |cell: &usize| u128::from(reference.cells[*cell]);
    let (all, of_usual) = (
        u128::from(reference.count()),
        usual.iter().map(rows).sum::<u128>(),
    );
    // Rounded.
    let wanted = ((2 * TENTHS * of_usual + all) / (2 * all).max(1)).clamp(1, TENTHS);
    let mut sum = 0;
    // Rows before each cell but the first.
    let before: Vec<u128> = usual
        .iter()
        .take(usual.len().saturating_sub(1))
        .map(|cell| {
            sum += rows(cell);
            sum
        })
        .collect();
    let cuts = (1..wanted).filter_map(|part| {
        let apart = |at: &usize| (before[*at] * wanted).abs_diff(part * of_usual);
        let inside = |at: &usize| 0 < before[*at] && before[*at] < of_usual;
        (0..before.len()).filter(inside).min_by_key(apart)
    });
    let mut cuts: Vec<usize> = cuts.map(|at| at + 1).collect();
    cuts.dedup();
    let begins = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([usual.len()]);
    let mut parts: Vec<Vec<usize>> = begins
        .zip(ends)
        .map(|(from, to)| usual[from..to].to_vec())
        .chain(special.into_iter().map(|cell| vec![cell]))
        .filter(|part| !part.is_empty())
        .collect();
    parts.sort_by_key(|part| part[0]);
    parts
}
