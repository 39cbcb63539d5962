//! Values that lie far apart from all others of their feature, and not by chance, such as 999999 in
//! place of a missing one.
//!
//! Deviations and quantiles say nothing here: the former are made by such values, and of a long
//! tail the largest of many rows are as many quantile ranges away as one likes. What long tails do
//! not have are gaps. A value is looked at that lies [`FAR`] times as far from all others as these
//! lie apart. Of the largest of Pareto's distribution of index a, with any number of rows, that
//! happens with a chance of 101^-a, which is 0.001 for 1.5; of log-normal ones it hardly ever does.
//! Therefore it is named only if it also looks like a placeholder; or if it is rare and [`ABSURD`]
//! times as far, whose chance is 0.00003. A tail does not repeat its largest value either. So a
//! number that looks like a placeholder, and that [`REPEATED`] rows hold, is named as soon as it
//! lies farther from all others than these lie apart; unless they are a few values, such as prices,
//! which may have nines of their own. Numbers such as 888 or 255 are named from [`NEAR`] times as
//! far on, and any other, such as 0 among years, from [`OUTSIDE`] times on: nearer by, 0 is the
//! amount of those who buy nothing. Where rows repeat the values of their group, the largest of
//! Pareto's distribution of index 1 is that far in one column of 20, of 2 in one of 400. Where all
//! others are alike, as beside a rare flag, nothing says what is far.

use profile::placeholder::{NEAR, is_placeholder, may_be_placeholder};

use super::{Extreme, ROUNDING};

/// Distinct values that are kept at either end: more of them are no placeholders.
const KEPT: usize = 8;
/// Of the range of all other values: as far off lies what may be a placeholder...
const FAR: f64 = 100.0;
/// ... and as far any other value that is rare.
const ABSURD: f64 = 1000.0;
/// One in so many rows is rare: what is more frequent may be a code.
const RARE: u64 = 100;
/// What looks like a placeholder, and is smaller, is one only if it repeats.
const LARGE: f64 = 999.0;
/// In so many rows or more a value repeats.
const REPEATED: u64 = 5;
/// As far off lies any other number, if it repeats.
const OUTSIDE: f64 = 20.0;
/// Other values that there are at least, beside one that repeats.
const OTHERS: usize = 10;

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

    /// The value that is farthest from 0, with the first of its rows.
    pub(super) fn farthest(&self) -> Option<Extreme> {
        let greatest = self.greatest.0.first().map(|of| Extreme {
            value: -of.value,
            ..*of
        });
        let both = self.least.0.first().copied().into_iter().chain(greatest);
        both.max_by(|one, other| one.value.abs().total_cmp(&other.value.abs()))
    }

    /// The values that lie apart from all others, once values beyond bounds are as these.
    pub(crate) fn apart(&self, [low, high]: [Option<f64>; 2]) -> Option<Apart> {
        let (low, high) = (low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX));
        let ends = [
            self.least.within(low, high),
            self.greatest.within(-high, -low),
        ];
        let far = taken_off(&ends, |_| Some(FAR));
        let is_named = |apart: &Apart| {
            let Extreme { value, count, .. } = apart.extreme;
            let is_rare = count == 1 || count.saturating_mul(RARE) <= self.rows;
            let is_one = value.abs() >= LARGE && is_placeholder(value);
            is_one || (is_rare && apart.ranges >= ABSURD)
        };
        let repeated = || taken_off(&ends, |cut| cut.repeated_from());
        far.filter(is_named).or_else(repeated)
    }
}

/// The ends of a column, cut into what is taken off and what is left; those of the greatest values
/// have the other sign.
struct Cut<'a> {
    below: [&'a [Extreme]; 2],
    above: [&'a [Extreme]; 2],
}

impl Cut<'_> {
    /// From how many times as far on what is taken off is named because it repeats.
    fn repeated_from(&self) -> Option<f64> {
        let ([below, _], [above, _]) = (self.below, self.above);
        let below = below.iter().map(|of| (of.value, of.count));
        let taken = below.chain(above.iter().map(|of| (-of.value, of.count)));
        let (mut times, mut rows) = (1.0_f64, 0);
        for (value, count) in taken {
            let (from, least) = match is_placeholder(value) {
                true => (1.0, 2),
                false if may_be_placeholder(value) => (NEAR, REPEATED),
                false => (OUTSIDE, REPEATED),
            };
            if count < least {
                return None;
            }
            (times, rows) = (times.max(from), rows + count);
        }
        (rows >= REPEATED && self.others() >= OTHERS).then_some(times)
    }

    /// The distinct values that are left, as far as they are known.
    fn others(&self) -> usize {
        let ([_, least], [_, greatest]) = (self.below, self.above);
        let is_new = |of: &&Extreme| least.iter().all(|other| other.value != -of.value);
        least.len() + greatest.iter().filter(is_new).count()
    }
}

/// The most values that can be taken off the ends, so that each lies so many times as far from the
/// others as these lie apart.
fn taken_off(
    [least, greatest]: &[Vec<Extreme>; 2],
    times: impl Fn(&Cut<'_>) -> Option<f64>,
) -> Option<Apart> {
    let value = |of: &Extreme| of.value;
    let mut found: Option<(usize, Apart)> = None;
    for from in 0..least.len() {
        for to in 0..greatest.len() {
            let (below, above) = (least.split_at(from), greatest.split_at(to));
            let cut = Cut {
                below: below.into(),
                above: above.into(),
            };
            let (from, to) = (value(&least[from]), -value(&greatest[to]));
            let range = to - from;
            if from >= to || range <= ROUNDING * from.abs().max(to.abs()) {
                continue;
            }
            let (below, above) = (below.0, above.0);
            let taken = below.len() + above.len();
            let near = [
                below.last().map(|of| from - value(of)),
                above.last().map(|of| -value(of) - to),
            ];
            let is_less = found.is_some_and(|(most, _)| most >= taken);
            let nearest = near.into_iter().flatten().fold(f64::INFINITY, f64::min);
            if taken == 0 || is_less || nearest <= range {
                continue;
            }
            if !times(&cut).is_some_and(|times| nearest > times * range) {
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
    found.map(|(_, apart)| apart)
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

    /// Of mean 5.
    fn poisson(u: f64) -> f64 {
        let (mut count, mut chance, mut up_to) = (0.0, libm::exp(-5.0), libm::exp(-5.0));
        while u > up_to && count < 40.0 {
            count += 1.0;
            chance *= 5.0 / count;
            up_to += chance;
        }
        count
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
    fn placeholders_that_repeat_are_found_nearer_by() {
        let ages = |u: f64| (18.0 + 72.0 * u).floor();
        let even = |u: f64| 30.0 * u;
        let grades = |u: f64| (1.0 + 5.0 * u).floor();
        let years = |u: f64| (1950.0 + 75.0 * u).floor();
        let cases = [
            (with(ages, &[-999.0; 5]), Some((-999.0, 5))),
            (with(even, &[99.0; 20]), Some((99.0, 20))),
            (with(even, &[999.9; 400]), Some((999.9, 400))),
            // Neither hides the other.
            (
                with(ages, &[-999.0, -9999.0, 999.0].repeat(2)),
                Some((-9999.0, 6)),
            ),
            // Numbers of one digit, and others that lie farther out, each with enough rows.
            (with(ages, &[-888.0; 5]), Some((-888.0, 5))),
            (with(ages, &[8888.0; 5]), Some((8888.0, 5))),
            (with(years, &[8888.0; 5]), Some((8888.0, 5))),
            (with(years, &[9999.0; 5]), Some((9999.0, 5))),
            (with(years, &[255.0; 5]), Some((255.0, 5))),
            (with(years, &[0.0; 5]), Some((0.0, 5))),
            (
                with(years, &[[0.0; 5], [255.0; 5]].concat()),
                Some((0.0, 10)),
            ),
            (with(poisson, &[99.0; 5]), Some((99.0, 5))),
            // Too few rows, too near, no placeholder, and too few others.
            (with(ages, &[-999.0; 4]), None),
            (with(ages, &[-888.0; 4]), None),
            (with(years, &[0.0; 4]), None),
            (with(ages, &[255.0; 20]), None),
            (with(years, &[0.0, 8888.0, 7.0, 8.0, 255.0]), None),
            (with(|u| 90.0 * u - 5.0, &[99.0; 20]), None),
            (with(ages, &[-500.0; 20]), None),
            // Each is huge, and none repeats.
            (with(|u| 1e30 * u, &[2e31, 4e31, 5e31, 6e31, 7e31]), None),
            (with(grades, &[99.0; 20]), None),
            (
                with(|u| [9.0, 19.0, 29.0][(3.0 * u) as usize], &[99.0; 50]),
                None,
            ),
        ];
        for (at, (values, expected)) in cases.into_iter().enumerate() {
            let found = ends(&values).apart(NO_CLIP).map(|of| of.extreme);
            assert_eq!(found.map(|of| (of.value, of.count)), expected, "{at}");
            assert!(found.is_none_or(|of| of.row >= 2000), "{at}: {found:?}");
        }
        assert_eq!(
            ends(&with(ages, &[-999.0; 5])).apart([Some(0.0), None]),
            None
        );
    }

    #[test]
    fn honest_values_raise_no_alarm() {
        let exponential = |u: f64| -40.0 * libm::log(1.0 - u);
        let log_normal = |spread: f64| {
            move |u: f64, v: f64| {
                let normal =
                    (-2.0 * libm::log(1.0 - u)).sqrt() * libm::cos(std::f64::consts::TAU * v);
                libm::exp(4.0 + spread * normal)
            }
        };
        let pareto = |index: f64| move |u: f64, _: f64| 10.0 * libm::pow(1.0 - u, -1.0 / index);
        type Of<'a> = Box<dyn Fn(f64, f64) -> f64 + 'a>;
        let kinds: [(&str, Of<'_>); 20] = [
            ("poisson", Box::new(|u, _| poisson(u))),
            ("ages", Box::new(|u, _| (100.0 * u).floor())),
            (
                "100 percent",
                Box::new(|u, v| if v < 0.4 { 100.0 } else { (30.0 * u).floor() }),
            ),
            (
                "0 or an amount",
                Box::new(|u, v| if v < 0.7 { 0.0 } else { 980.0 + 100.0 * u }),
            ),
            (
                "0 or a long tail",
                Box::new(|u, v| if v < 0.7 { 0.0 } else { pareto(1.5)(u, v) }),
            ),
            (
                "0 or hours",
                Box::new(|u, v| {
                    if v < 0.3 {
                        0.0
                    } else {
                        (30.0 + 15.0 * u).floor()
                    }
                }),
            ),
            ("even", Box::new(|u, _| 99.0 * u)),
            ("exponential", Box::new(|u, _| exponential(u))),
            ("log-normal", Box::new(log_normal(1.0))),
            ("a long tail", Box::new(log_normal(3.0))),
            (
                "whole, log-normal",
                Box::new(|u, v| log_normal(2.0)(u, v).floor()),
            ),
            ("pareto", Box::new(pareto(1.5))),
            ("whole, pareto", Box::new(|u, v| pareto(1.1)(u, v).floor())),
            ("counts", Box::new(|u, _| exponential(u).floor())),
            // Integers with a mode at the end: cut off at a number of nines, or mostly 0.
            ("cut off", Box::new(|u, _| exponential(u).floor().min(99.0))),
            (
                "mostly cut off",
                Box::new(|u, _| (20.0 * exponential(u)).floor().min(999.0)),
            ),
            (
                "mostly 0",
                Box::new(|u, v| if v < 0.9 { 0.0 } else { 999.0 + exponential(u) }),
            ),
            ("percent", Box::new(|u, _| (130.0 * u).floor().min(100.0))),
            // Prices.
            (
                "ends in nines",
                Box::new(|u, v| 100.0 * pareto(1.5)(u, v).floor() - 1.0),
            ),
            (
                "of two digits",
                Box::new(|u, _| 10.0 * (exponential(u) / 20.0).floor() + 9.0),
            ),
        ];
        for (name, of) in kinds {
            for seed in 0..60 {
                for rows in [60, 2000] {
                    let row = |row| of(uniform(2 * seed, row), uniform(2 * seed + 1, row));
                    let values: Vec<f64> = (0..rows).map(row).collect();
                    let ends = ends(&values);
                    let all = [ends.least.0, ends.greatest.0];
                    let found = taken_off(&all, |cut| cut.repeated_from());
                    assert_eq!(found, None, "{name}, {rows} rows, {seed}");
                }
            }
        }
    }
}
