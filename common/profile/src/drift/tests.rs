//! Against scipy and numpy: the fixtures and the script that made them are in `tests/fixtures`.

mod edges;

use serde::Deserialize;

use super::*;

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
    /// `sample` of `tests/fixtures/drift.py`.
    fn values(&self) -> Vec<f64> {
        let base = |row: usize| match self.kind.as_str() {
            "normal" => (0..12).fold(0.0, |sum, k| sum + uniform(self.seed, row * 12 + k)) - 6.0,
            "exponential" => -libm::log(1.0 - uniform(self.seed, row)),
            "integers" => (uniform(self.seed, row) * 6.0).floor(),
            "counts" => (uniform(self.seed, row) * 200.0).floor(),
            other => panic!("no samples of kind {other}"),
        };
        (0..self.rows)
            .map(|row| self.shift + self.scale * base(row))
            .collect()
    }
}

/// Number `i` of a seed, as in `tests/fixtures/splitmix.py`.
fn uniform(seed: u64, i: usize) -> f64 {
    let mut z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
}

fn fixture() -> Vec<Case> {
    let text = include_str!("../../../testing/fixtures/drift.json");
    let fixture = serde_json::from_str::<Fixture>(text).expect("a fixture");
    // A grid says too little of values that are spread so unevenly.
    let even = |case: &Case| !["sentinel", "far", "wide"].contains(&case.reference.kind.as_str());
    fixture.cases.into_iter().filter(even).collect()
}

fn profile(grid: Grid, values: &[f64]) -> Profile {
    let mut profile = Profile::new(grid);
    profile.add_all(values);
    profile
}

/// The grid that training would choose.
fn grid_of(values: &[f64]) -> Grid {
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    Grid::new(
        mean,
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / rows).sqrt(),
    )
}

fn pair(reference: &[f64], current: &[f64]) -> (Profile, Profile) {
    let grid = grid_of(reference);
    (profile(grid, reference), profile(grid, current))
}

fn psi_of(reference: &Profile, current: &Profile) -> Psi {
    psi(reference, current, &NoiseFloor::of(1))
        .expect("one grid")
        .expect("rows on both sides")
}

fn ks_of(reference: &Profile, current: &Profile) -> Ks {
    ks(reference, current)
        .expect("one grid")
        .expect("values on both sides")
}

fn verdict_of(reference: &Profile, current: &Profile) -> Verdict {
    verdict(
        psi(reference, current, &NoiseFloor::of(1))
            .expect("one grid")
            .as_ref(),
        &Thresholds::default(),
    )
}

#[test]
fn ks_is_that_of_scipy_within_its_bound() {
    for case in fixture() {
        let (reference, current) = pair(&case.reference.values(), &case.current.values());
        let ks = ks_of(&reference, &current);
        let error = case.ks_statistic - ks.statistic;
        assert!(
            (-1e-12..=ks.error_bound + 1e-12).contains(&error),
            "{}: {ks:?}, scipy {}",
            case.name,
            case.ks_statistic
        );
        let largest_share = [&reference, &current]
            .into_iter()
            .flat_map(|profile| {
                profile
                    .filled()
                    .map(|(_, count)| count as f64 / profile.count() as f64)
            })
            .fold(0.0, f64::max);
        assert!(ks.error_bound <= largest_share + 1e-12, "{}", case.name);
    }
}

#[test]
fn p_values_are_near_those_of_scipy() {
    for case in fixture() {
        // scipy has the exact distribution for finite samples, ours is the corrected limit.
        let ours = super::ks::p_value(
            case.ks_statistic,
            case.reference.rows as f64,
            case.current.rows as f64,
        );
        assert!(
            (ours - case.ks_p_value).abs() < 0.01,
            "{}: {ours} and {}",
            case.name,
            case.ks_p_value
        );
    }
    assert_eq!(super::ks::p_value(0.0, 10.0, 10.0), 1.0);
    assert_eq!(super::ks::p_value(1.0, 1e6, 1e6), 0.0);
}

#[test]
fn ks_of_few_distinct_values_is_exact() {
    for case in fixture()
        .iter()
        .filter(|case| case.reference.kind == "integers")
    {
        let (reference, current) = pair(&case.reference.values(), &case.current.values());
        let ks = ks_of(&reference, &current);
        assert_eq!(ks.error_bound, 0.0);
        assert!(
            (ks.statistic - case.ks_statistic).abs() < 1e-12,
            "{}",
            case.name
        );
    }
}

#[test]
fn the_bound_of_ks_is_tight_for_smooth_columns() {
    let case = &fixture()[0];
    let (reference, current) = pair(&case.reference.values(), &case.current.values());
    assert!(ks_of(&reference, &current).error_bound < 0.01);
}

#[test]
fn psi_is_that_of_numpy_up_to_the_grid() {
    for case in fixture() {
        let (reference, current) = pair(&case.reference.values(), &case.current.values());
        let psi = psi_of(&reference, &current);
        if case.current.rows < 1000 {
            // A single row on the other side of a cut shows; `psi_is_exact_on_its_own_edges` covers
            // it.
            continue;
        }
        let tolerance = 0.06 * case.psi
            + 3.0 * (1.0 / case.reference.rows as f64 + 1.0 / case.current.rows as f64);
        assert!(
            (psi.value - case.psi).abs() <= tolerance,
            "{}: {} and {}",
            case.name,
            psi.value,
            case.psi
        );
        // A bucket at the end of the range reaches a little beyond it, so a single row outside may
        // count as inside.
        assert!(
            psi.buckets.len().abs_diff(case.psi_buckets) <= 2,
            "{}: {:?}",
            case.name,
            psi.buckets
        );
        if psi.buckets.len() == case.psi_buckets {
            assert!(
                (psi.noise_floor - case.psi_noise_floor).abs() <= 1e-12,
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn psi_is_exact_on_its_own_edges() {
    for case in fixture() {
        let (a, b) = (case.reference.values(), case.current.values());
        let (reference, current) = pair(&a, &b);
        for bucket in psi_of(&reference, &current).buckets {
            let inside = |value: &&f64| {
                let cell = reference.grid().bucket(**value);
                bucket
                    .lower
                    .is_none_or(|lower| reference.grid().cut(cell) >= lower)
                    && bucket
                        .upper
                        .is_none_or(|upper| reference.grid().cut(cell) < upper)
            };
            assert_eq!(
                bucket.reference,
                a.iter().filter(inside).count() as u64,
                "{}: {bucket:?}",
                case.name
            );
            assert_eq!(
                bucket.current,
                b.iter().filter(inside).count() as u64,
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
    }
}

#[test]
fn moments_and_quantiles_are_those_of_numpy() {
    for case in fixture() {
        let (_, current) = pair(&case.reference.values(), &case.current.values());
        let (mean, std) = (
            current.mean().expect("values"),
            current.std().expect("values"),
        );
        assert!(
            (mean - case.mean).abs() <= 1e-12 * case.mean.abs() + 1e-13,
            "{}: {mean}",
            case.name
        );
        assert!(
            (std - case.std).abs() <= 1e-9 * case.std,
            "{}: {std}",
            case.name
        );
        for (q, theirs) in [0.01, 0.25, 0.5, 0.75, 0.99]
            .into_iter()
            .zip(case.quantiles)
        {
            let ours = current.quantile(q).expect("values");
            if current.values().is_some() && current.count() > 64 {
                assert_eq!(ours, theirs, "{}", case.name);
            }
            // A bucket is at most 1/64 of its distance from the centre wide.
            let width =
                (theirs - current.grid().center()).abs() / 64.0 + current.grid().scale() / 64.0;
            assert!(
                (ours - theirs).abs() <= width,
                "{}: quantile {q} is {ours}, numpy {theirs}",
                case.name
            );
        }
    }
}
