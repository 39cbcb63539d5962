//! Values that lie far apart from all others of their feature, and not by chance, such as 999999 in
//! place of a missing one.
//!
//! Deviations and quantiles say nothing here: the former are made by such values, and of a long tail
//! the largest of many rows are as many quantile ranges away as one likes. What long tails do not
//! have are gaps. A value is looked at that lies [`FAR`] times as far from all others as these lie
//! apart. Of the largest of Pareto's distribution of index a, with any number of rows, that happens
//! with a chance of 101^-a, which is 0.001 for 1.5; of log-normal ones it hardly ever does.
//! Therefore it is named only if it also looks like a placeholder; or if it is rare and [`ABSURD`]
//! times as far, whose chance is 0.00003.
//! Where all others are alike, as beside a rare flag, nothing says what is far.

use super::{Extreme, ROUNDING};

/// Distinct values that are kept at either end: more of them are no placeholders.
const KEPT: usize = 8;
/// Of the range of all other values: as far off lies what may be a placeholder...
const FAR: f64 = 100.0;
/// ... and as far any other value that is rare.
const ABSURD: f64 = 1000.0;
/// One in so many rows is rare: what is more frequent may be a code.
const RARE: u64 = 100;
/// From here on floats are no longer all of the whole numbers.
const INEXACT: f64 = 9_007_199_254_740_992.0;
/// The ends of integers of 16 and 32 bits.
const ENDS: [f64; 6] = [
    -32_768.0,
    32_767.0,
    65_535.0,
    -2_147_483_648.0,
    2_147_483_647.0,
    4_294_967_295.0,
];

/// The least and the greatest values of a column, each with the first of its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ends {
    /// Finite values.
    rows: u64,
    least: Least,
    /// Of the values with the other sign.
    greatest: Least,
}

/// The least distinct values, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
struct Least(Vec<Extreme>);

/// Values that lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Apart {
    /// The farthest of them, with the rows of all.
    pub(super) extreme: Extreme,
    /// From it to the nearest of the others, in ranges of these.
    pub(super) ranges: f64,
}

impl Ends {
    /// Bytes of a column.
    pub(crate) const BYTES: u64 = (2 * KEPT * size_of::<Extreme>()) as u64;

    /// Looks at values of rows from `row` on.
    pub(crate) fn see(&mut self, values: &[f64], row: u64) {
        for (value, row) in values.iter().zip(row..) {
            if value.is_finite() {
                self.rows += 1;
                let count = 1;
                // One zero, whichever sign.
                for (end, value) in [(&mut self.least, *value), (&mut self.greatest, -value)] {
                    let value = value + 0.0;
                    end.add(Extreme { value, row, count });
                }
            }
        }
    }

    /// Adds those of other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        for (own, other) in [
            (&mut self.least, &other.least),
            (&mut self.greatest, &other.greatest),
        ] {
            other.0.iter().for_each(|extreme| own.add(*extreme));
        }
    }

    /// The same, of rows that come after so many others.
    pub(super) fn after(mut self, rows: u64) -> Self {
        let ends = [&mut self.least, &mut self.greatest].into_iter();
        ends.flat_map(|end| &mut end.0)
            .for_each(|of| of.row += rows);
        self
    }

    /// The values that lie apart from all others, once values beyond bounds are as these.
    pub(crate) fn apart(&self, [low, high]: [Option<f64>; 2]) -> Option<Apart> {
        let (low, high) = (low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX));
        let least = self.least.within(low, high);
        let greatest = self.greatest.within(-high, -low);
        let value = |of: &Extreme| of.value;
        let mut found: Option<(usize, Apart)> = None;
        // So many values are taken off at either end.
        for below in 0..least.len() {
            for above in 0..greatest.len() {
                let (from, to) = (least[below].value, -greatest[above].value);
                let range = to - from;
                if from >= to || range <= ROUNDING * from.abs().max(to.abs()) {
                    continue;
                }
                let (below, above) = (&least[..below], &greatest[..above]);
                let taken = below.len() + above.len();
                let near = [
                    below.last().map(|of| from - value(of)),
                    above.last().map(|of| -value(of) - to),
                ];
                let is_far = near.into_iter().flatten().all(|gap| gap >= FAR * range);
                if taken == 0 || !is_far || found.is_some_and(|(most, _)| most >= taken) {
                    continue;
                }
                let lowest = below.first().map(|of| (from - value(of), *of));
                let highest = above.first().map(|of| {
                    let value = -value(of);
                    (value - to, Extreme { value, ..*of })
                });
                let both = lowest.into_iter().chain(highest);
                let Some((gap, farthest)) = both.max_by(|a, b| a.0.total_cmp(&b.0)) else {
                    continue;
                };
                let count = below.iter().chain(above).map(|of| of.count).sum();
                let extreme = Extreme { count, ..farthest };
                let ranges = gap / range;
                found = Some((taken, Apart { extreme, ranges }));
            }
        }
        let (_, apart) = found?;
        let count = apart.extreme.count;
        let is_rare = count == 1 || count.saturating_mul(RARE) <= self.rows;
        let is_named = is_placeholder(apart.extreme.value) || (is_rare && apart.ranges >= ABSURD);
        is_named.then_some(apart)
    }
}

impl Least {
    fn add(&mut self, new: Extreme) {
        let known = &mut self.0;
        if known.len() == KEPT && known[KEPT - 1].value < new.value {
            return;
        }
        let at = known.partition_point(|of| of.value < new.value);
        match known.get_mut(at).filter(|of| of.value == new.value) {
            Some(same) => {
                same.count += new.count;
                same.row = same.row.min(new.row);
            }
            None => {
                known.truncate(KEPT - 1);
                known.insert(at, new);
            }
        }
    }

    /// The same with values that are within bounds.
    fn within(&self, low: f64, high: f64) -> Vec<Extreme> {
        let mut within = Self::default();
        for extreme in &self.0 {
            let value = extreme.value.max(low).min(high);
            within.add(Extreme { value, ..*extreme });
        }
        within.0
    }
}

/// Whether a number is one that programs and people put where there is none: nines, the end of a
/// type of integers, or larger than any that counts or measures something.
fn is_placeholder(value: f64) -> bool {
    let size = value.abs();
    let is_nines = || {
        let whole = size as u64;
        size.fract() == 0.0 && whole >= 999 && whole.to_string().bytes().all(|digit| digit == b'9')
    };
    size >= INEXACT || ENDS.contains(&value) || is_nines()
}

#[cfg(test)]
mod tests {
    use learn::splitmix::uniform;

    use super::*;

    const NO_CLIP: [Option<f64>; 2] = [None, None];

    fn ends(values: &[f64]) -> Ends {
        let mut ends = Ends::default();
        ends.see(values, 0);
        ends
    }

    /// Values of a column, and some more after them.
    fn with(of_row: impl Fn(f64) -> f64, more: &[f64]) -> Vec<f64> {
        let values = (0..2000).map(|row| of_row(uniform(7, row)));
        values.chain(more.iter().copied()).collect()
    }

    #[test]
    fn placeholders_and_absurd_values_are_found_with_their_rows() {
        let even = |u: f64| u;
        let tail = |u: f64| libm::pow(u, -1.0 / 1.5);
        let counts = |u: f64| (100.0 * (u - 0.95).max(0.0)).floor();
        let missing = |row: u64| {
            if row.is_multiple_of(4) {
                -9.2e18
            } else {
                40.0 + 0.1 * row as f64
            }
        };
        let often: Vec<f64> = (0..400).map(missing).collect();
        let cases: [(Vec<f64>, f64, u64, u64); 7] = [
            (with(even, &[99_999.0]), 99_999.0, 2000, 1),
            (with(even, &[5.0, -999.0, 0.5, -999.0]), -999.0, 2001, 2),
            (with(even, &[12_345.6]), 12_345.6, 2000, 1),
            // Each would hide the other.
            (with(even, &[-99_999.0, 999_999.0]), 999_999.0, 2001, 2),
            (with(tail, &[9_999_999.0]), 9_999_999.0, 2000, 1),
            // Most rows are 0, and so are all quartiles.
            (with(counts, &[0.0, 32_767.0]), 32_767.0, 2001, 1),
            (often, -9.2e18, 0, 100),
        ];
        for (values, value, row, count) in cases {
            let found = ends(&values).apart(NO_CLIP).expect("a value");
            assert_eq!(found.extreme, Extreme { value, row, count });
            assert!(found.ranges >= FAR, "{found:?}");
            // Once it is clipped it is far no longer.
            assert_eq!(ends(&values).apart([Some(-1.0), Some(2.0)]), None);
            let mut parts = Ends::default();
            for (part, values) in values.chunks(300).enumerate() {
                let mut later = Ends::default();
                later.see(values, 0);
                parts.merge(&later.after(300 * part as u64));
            }
            assert_eq!(parts, ends(&values));
        }
    }

    #[test]
    fn tails_flags_codes_and_constants_have_none() {
        let pareto = |u: f64| libm::pow(u, -1.0 / 1.5);
        // Of Cauchy's, which has no mean.
        let cauchy = |u: f64| libm::tan(std::f64::consts::PI * (u - 0.5));
        let log_uniform = |u: f64| libm::exp(40.0 * u);
        let flag = |u: f64| if u < 0.001 { 999_999.0 } else { 0.0 };
        let codes = |u: f64| [1.0, 1e3, 1e6, 1e9][(4.0 * u) as usize];
        let income = |u: f64| if u < 0.9 { 0.0 } else { libm::exp(12.0 * u) };
        let rounded = |u: f64| if u < 0.001 { 5.0 } else { 0.1 + 1e-17 * u };
        let cases: [(&str, Vec<f64>); 9] = [
            ("pareto", with(pareto, &[])),
            ("cauchy", with(cauchy, &[])),
            ("log-uniform", with(log_uniform, &[])),
            ("flag", with(flag, &[])),
            ("codes", with(codes, &[])),
            ("zeros and incomes", with(income, &[])),
            ("rounding", with(rounded, &[])),
            ("an age", with(|u| 18.0 + 60.0 * u, &[120.0])),
            ("one value", with(|_| 7.3, &[])),
        ];
        for (name, values) in cases {
            assert_eq!(ends(&values).apart(NO_CLIP), None, "{name}");
        }
        assert_eq!(ends(&[f64::NAN, f64::INFINITY]).apart(NO_CLIP), None);
        assert_eq!(ends(&[]).apart(NO_CLIP), None);
    }

    #[test]
    fn what_looks_like_a_placeholder() {
        for value in [999.0, -999.0, 99_999.0, 2_147_483_647.0, -9.2e18, 1e20] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in [0.0, 99.0, 998.0, 999.5, 1e6, 2_147_483_646.0] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
