//! Against scipy and numpy: the fixture and the script that made it are in
//! `common/testing/fixtures`.

mod edges;

use serde::Deserialize;

use learn::splitmix::uniform;

use super::*;
use crate::drift::NoiseFloor;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    reference: Sample,
    current: Sample,
    ks_statistic: f64,
    ks_p_value: f64,
    psi: f64,
    psi_buckets: usize,
    psi_noise_floor: f64,
    mean: f64,
    std: f64,
    quantiles: [f64; 5],
}

#[derive(Deserialize)]
struct Sample {
    kind: String,
    seed: u64,
    rows: usize,
    shift: f64,
    scale: f64,
}

impl Sample {
    /// Values of a kind.
    fn of(kind: &str, seed: u64, rows: usize) -> Vec<f64> {
        let sample = Self {
            kind: kind.to_owned(),
            seed,
            rows,
            shift: 0.0,
            scale: 1.0,
        };
        sample.values()
    }

    /// `sample` of `drift.py`.
    fn values(&self) -> Vec<f64> {
        let uniform = |row: u64| uniform(self.seed, row);
        let normal = |row: u64| (0..12).fold(0.0, |sum, k| sum + uniform(row * 12 + k)) - 6.0;
        let base = |row: u64| match (self.kind.as_str(), row) {
            ("sentinel", row) if row % 20 == 0 => -999.0,
            ("far", 7) => 999_999_999.0,
            ("normal" | "sentinel" | "far", row) => normal(row),
            ("wide", row) => libm::exp(3.0 * normal(row)),
            ("exponential", row) => -libm::log(1.0 - uniform(row)),
            ("integers", row) => (uniform(row) * 6.0).floor(),
            ("counts", row) => (uniform(row) * 200.0).floor(),
            (other, _) => panic!("no samples of kind {other}"),
        };
        (0..self.rows as u64)
            .map(|row| self.shift + self.scale * base(row))
            .collect()
    }
}

fn fixture() -> Vec<Case> {
    let text = include_str!("../../../testing/fixtures/drift.json");
    serde_json::from_str::<Fixture>(text)
        .expect("a fixture")
        .cases
}

/// The cells of training, and values counted in them.
fn counted(reference: &Counted, values: &[f64]) -> Counts {
    let mut counts = Counts::new(&reference.cells);
    for value in values {
        counts.add(&reference.cells, *value, 1);
    }
    counts
}

fn compared<'a>(reference: &'a Counted, now: &Counts) -> Compared<'a> {
    let side = |counts: &Counts| Side::of(&reference.cells, counts);
    Compared::new(&reference.cells, side(&reference.counts), side(now))
}

/// Each case with its training data, and what came later.
fn each_case(mut look: impl FnMut(&Case, &Counted, &[f64])) {
    for case in fixture() {
        let reference = Counted::of(&case.reference.values());
        assert!(reference.is_sound(), "{}", case.name);
        look(&case, &reference, &case.current.values());
    }
}

#[test]
fn ks_is_that_of_scipy_within_its_bound() {
    each_case(|case, reference, values| {
        let ks = compared(reference, &counted(reference, values)).ks();
        let ks = ks.expect("values on both sides");
        let error = case.ks_statistic - ks.statistic;
        assert!(
            (-1e-12..=ks.error_bound + 1e-12).contains(&error),
            "{}: {ks:?}, scipy {}",
            case.name,
            case.ks_statistic
        );
        // A hundredth of training, and what lies in the same cell later.
        assert!(ks.error_bound < 0.025, "{}: {ks:?}", case.name);
        if case.reference.kind == "integers" {
            assert_eq!(ks.error_bound, 0.0, "{}", case.name);
        }
    });
}

#[test]
fn p_values_are_near_those_of_scipy() {
    each_case(|case, reference, values| {
        let ks = compared(reference, &counted(reference, values)).ks();
        let ks = ks.expect("values on both sides");
        // scipy has the exact distribution for finite samples, ours is the corrected limit; the
        // statistic is the same where it has no bound.
        if ks.error_bound == 0.0 {
            assert!((ks.p_value - case.ks_p_value).abs() < 0.01, "{}", case.name);
        }
    });
}

#[test]
fn psi_is_that_of_numpy_up_to_the_cells() {
    each_case(|case, reference, values| {
        if case.current.rows < 1000 {
            // A single row on the other side of a cut shows.
            return;
        }
        let floor = NoiseFloor::of(1);
        let psi = compared(reference, &counted(reference, values)).psi(&floor);
        let psi = psi.expect("rows on both sides");
        let noise = 1.0 / case.reference.rows as f64 + 1.0 / case.current.rows as f64;
        let tolerance = 0.06 * case.psi + 3.0 * noise;
        assert!(
            (psi.value - case.psi).abs() <= tolerance,
            "{}: {} and {}",
            case.name,
            psi.value,
            case.psi
        );
        assert_eq!(
            psi.buckets.len(),
            case.psi_buckets,
            "{}: {psi:?}",
            case.name
        );
        let (n, m) = (psi.reference_rows, psi.current_rows);
        let plain = floor.at(psi.buckets.len(), n, m);
        assert!(
            (plain - case.psi_noise_floor).abs() <= 1e-12,
            "{}",
            case.name
        );
        // Only where some bucket has few rows is the floor higher than chi-square's.
        let expected = |rows: u64| rows as f64 * n.min(m) as f64 / (n + m) as f64;
        let mut buckets = psi.buckets.iter();
        match buckets.any(|of| expected(of.reference + of.current) < 30.0) {
            true => assert!(psi.noise_floor >= plain, "{}", case.name),
            false => assert_eq!(psi.noise_floor, plain, "{}", case.name),
        }
    });
}

#[test]
fn psi_is_exact_on_its_own_edges() {
    each_case(|case, reference, b| {
        let a = case.reference.values();
        let psi = compared(reference, &counted(reference, b)).psi(&NoiseFloor::of(1));
        let psi = psi.expect("rows on both sides");
        let values: Vec<f64> = (0..reference.cells.len())
            .filter_map(|cell| reference.cells.value(cell))
            .collect();
        for bucket in psi.buckets {
            let inside = |x: &&f64| {
                let within = bucket.lower.is_none_or(|lower| **x >= lower)
                    && bucket.upper.is_none_or(|upper| **x < upper);
                match bucket.kind {
                    crate::drift::PsiKind::Value => Some(**x) == bucket.lower,
                    crate::drift::PsiKind::Above => bucket.lower.is_some_and(|max| **x > max),
                    _ => within && !values.contains(*x),
                }
            };
            let rows = |values: &[f64]| values.iter().filter(inside).count() as u64;
            assert_eq!(
                (bucket.reference, bucket.current),
                (rows(&a), rows(b)),
                "{}: {bucket:?}",
                case.name
            );
            let share = |rows: u64, all: usize| (rows as f64 / all as f64).max(1e-4);
            let (p, q) = (
                share(bucket.reference, a.len()),
                share(bucket.current, b.len()),
            );
            assert!((bucket.contribution - (q - p) * libm::log(q / p)).abs() < 1e-12);
        }
    });
}

#[test]
fn moments_beside_far_values_are_bounds_or_hold_what_the_sums_leave_out() {
    let reference = Counted::of(&(0..1000).map(f64::from).collect::<Vec<_>>());
    let cells = &reference.cells;
    let usual = (0..1999).map(|i| f64::from(i % 1000));
    let values: Vec<f64> = usual.chain([1e9]).collect();
    let counts = counted(&reference, &values);
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    let squares = values.iter().map(|value| (value - mean) * (value - mean));
    let std = (squares.sum::<f64>() / rows).sqrt();

    let bounded = Side::of(cells, &counts);
    assert!(bounded.bounded);
    assert!(bounded.mean < Some(mean / 2.0) && bounded.std < Some(std / 2.0));
    let mut excess = Excess::default();
    values.iter().for_each(|value| excess.add(cells, *value));
    let exact = bounded.with(cells, &counts, &excess);
    assert!(!exact.bounded);
    for (ours, theirs) in [(exact.mean, mean), (exact.std, std)] {
        let ours = ours.expect("values");
        assert!((ours - theirs).abs() <= 1e-9 * theirs, "{ours} {theirs}");
    }
    // Beyond the training data, but counted as it is.
    let near = counted(&reference, &[1e6, 5.0]);
    assert!(!Side::of(cells, &near).bounded);
    assert!(!Side::of(cells, &reference.counts).bounded);
}

#[test]
fn a_constant_has_its_own_mean_and_no_deviation() {
    // In thirds, so that sums are rounded.
    let values: Vec<f64> = (0..900).map(|i| f64::from(i % 7) / 3.0).collect();
    let reference = Counted::of(&values);
    let cells = &reference.cells;
    for value in [0.0, 1.0 / 3.0] {
        let counts = counted(&reference, &[value; 3000]);
        assert_ne!(counts.mean(cells), Some(value), "the sums are rounded");
        let side = Side::of(cells, &counts);
        assert_eq!((side.mean, side.std), (Some(value), Some(0.0)));
    }
    // A value that has no cell of its own, where the ends are known.
    let counts = counted(&reference, &[0.1; 3000]);
    let side = Side::of(cells, &counts).within(Some((0.1, 0.1)));
    assert_eq!((side.mean, side.std), (Some(0.1), Some(0.0)));
}

#[test]
fn moments_are_those_of_numpy_and_quantiles_lie_within_their_bounds() {
    each_case(|case, reference, values| {
        let counts = counted(reference, values);
        let cells = &reference.cells;
        let (mean, std) = (counts.mean(cells), counts.std(cells));
        let (mean, std) = (mean.expect("values"), std.expect("values"));
        // Sums are whole numbers of 2^-50 of the spread of training.
        let step = 1e-14 * cells.scale();
        assert!(
            (mean - case.mean).abs() <= 1e-12 * case.mean.abs() + step,
            "{}: {mean} {}",
            case.name,
            case.mean
        );
        assert!(
            (std - case.std).abs() <= 1e-9 * case.std + 1e-7 * cells.scale(),
            "{}: {std} {}",
            case.name,
            case.std
        );
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let ends = Some((sorted[0], sorted[sorted.len() - 1]));
        let compared = compared(reference, &counts);
        let now = compared.now.clone().within(ends);
        for (q, theirs) in [0.01, 0.25, 0.5, 0.75, 0.99]
            .into_iter()
            .zip(case.quantiles)
        {
            let ours = compared.quantile(&now, q).expect("values");
            assert!(
                ours.low <= theirs && theirs <= ours.high && ours.low <= ours.value,
                "{}: quantile {q} is {ours:?}, numpy {theirs}",
                case.name
            );
            // Values that are distributed as in training: two cells hold two hundredths of them.
            if case.name.contains("no drift") && case.current.rows > 1000 {
                let rank = |value: f64| sorted.partition_point(|x| *x < value) as f64;
                let within = (rank(ours.high) - rank(ours.low)) / sorted.len() as f64;
                assert!(
                    ours.low == ours.high || within < 0.02,
                    "{}: {ours:?}",
                    case.name
                );
            }
        }
    });
}

#[test]
fn cells_hold_a_hundredth_of_training_each() {
    for rows in [1_000, 30_000, 100_000] {
        let values = Sample::of("wide", 3, rows);
        let counted = sampled(&values);
        let inner = &counted.counts.cells[counted.cells.inner()];
        assert!((99..=104).contains(&inner.len()), "{rows}: {}", inner.len());
        // But for the four at the ends.
        let hundredth = rows as f64 / 100.0;
        for count in &inner[2..inner.len() - 2] {
            let near = (*count as f64 - hundredth).abs();
            assert!(near <= 1.0 + 0.1 * hundredth, "{rows}: {count}");
        }
    }
}

/// What training makes of values: the rows that are picked cut, and all are counted.
fn sampled(values: &[f64]) -> Counted {
    let picker = Picker::of(values.len() as u64);
    let mut sketch = Sketch::default();
    // In two parts, the second one first.
    let (first, second) = values.split_at(values.len() / 3);
    for (part, begin) in [(second, first.len()), (first, 0)] {
        let mut of_part = Sketch::default();
        of_part.see(part);
        for (row, value) in part.iter().enumerate() {
            if picker.picks((begin + row) as u64) {
                of_part.keep(*value);
            }
        }
        sketch.merge(&of_part);
    }
    let fine = sketch.fine((0.0, 1.0), &[]);
    let mut counts = Counts::new(&fine.cells);
    for value in values {
        counts.add(&fine.cells, *value, 1);
    }
    fine.coarse(&shares(), &counts.cells).of(&counts)
}
