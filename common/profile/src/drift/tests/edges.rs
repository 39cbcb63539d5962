//! Merging, storing, and columns that are constant, empty, null or discrete.

use super::super::*;
use super::{Sample, grid_of, ks_of, pair, profile, psi_of, verdict_of};

#[test]
fn parts_merge_to_the_whole_in_any_order() {
    for kind in ["normal", "integers", "counts"] {
        let values = Sample {
            kind: kind.into(),
            seed: 3,
            rows: 5_000,
            shift: 1.0,
            scale: 2.0,
        }
        .values();
        let grid = grid_of(&values);
        let whole = profile(grid, &values);
        let parts: Vec<Profile> = values
            .chunks(333)
            .map(|chunk| profile(grid, chunk))
            .collect();
        let merged = |order: &mut dyn Iterator<Item = &Profile>| {
            let mut all = Profile::new(grid);
            for part in order {
                all.merge(part).expect("one grid");
            }
            all
        };
        for all in [merged(&mut parts.iter()), merged(&mut parts.iter().rev())] {
            assert!(all.filled().eq(whole.filled()));
            assert_eq!(
                (all.rows(), all.min(), all.max()),
                (whole.rows(), whole.min(), whole.max())
            );
            assert_eq!(all.values(), whole.values());
            assert!((all.mean().expect("values") - whole.mean().expect("values")).abs() < 1e-12);
            assert!(
                (all.variance().expect("values") / whole.variance().expect("values") - 1.0).abs()
                    < 1e-12
            );
        }
        assert_eq!(merged(&mut parts.iter()), merged(&mut parts.iter()));
    }
}

#[test]
fn values_that_are_no_numbers_are_counted_apart() {
    let mut profile = Profile::new(Grid::new(0.0, 1.0));
    profile.add_all(&[1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0]);
    profile.add(3.0);
    profile.add_nulls(4);
    assert_eq!(
        (
            profile.rows(),
            profile.count(),
            profile.nulls(),
            profile.nans(),
            profile.infinities()
        ),
        (10, 3, 4, 1, 2)
    );
    assert_eq!(
        (profile.min(), profile.max(), profile.mean()),
        (Some(-1.0), Some(3.0), Some(1.0))
    );
}

#[test]
fn other_grids_are_refused() {
    let (mut a, b) = (
        Profile::new(Grid::new(0.0, 1.0)),
        Profile::new(Grid::new(0.0, 2.0)),
    );
    let error = GridMismatch {
        left: a.grid(),
        right: b.grid(),
    };
    assert_eq!(a.merge(&b), Err(error.clone()));
    assert_eq!(ks(&a, &b), Err(error.clone()));
    assert_eq!(psi(&a, &b, &NoiseFloor::of(1)), Err(error));
}

#[test]
fn sides_without_rows_are_insufficient_data() {
    let (reference, current) = pair(&[1.0, 2.0], &[]);
    assert_eq!(psi(&reference, &current, &NoiseFloor::of(1)), Ok(None));
    assert_eq!(ks(&reference, &current), Ok(None));
    assert_eq!(ks(&current, &reference), Ok(None));
    assert_eq!(verdict_of(&reference, &current), Verdict::InsufficientData);
    assert_eq!(
        (
            current.mean(),
            current.std(),
            current.min(),
            current.quantile(0.5)
        ),
        (None, None, None, None)
    );
    assert!(current.edges_of_deciles().is_empty());
    assert!(current.histogram(10).is_empty());
}

#[test]
fn a_constant_column_drifts_when_it_changes() {
    let (reference, same) = pair(&[7.3; 1000], &[7.3; 600]);
    assert_eq!((reference.std(), reference.mean()), (Some(0.0), Some(7.3)));
    assert!(reference.edges_of_deciles().is_empty());
    let psi = psi_of(&reference, &same);
    assert_eq!(
        (psi.value, psi.noise_floor, psi.buckets.len()),
        (0.0, 0.0, 1)
    );
    assert_eq!(verdict_of(&reference, &same), Verdict::Ok);
    assert_eq!(ks_of(&reference, &same).statistic, 0.0);

    let changed = profile(reference.grid(), &[7.4; 600]);
    let psi = psi_of(&reference, &changed);
    assert_eq!(psi.buckets[1].kind, PsiKind::Above);
    assert_eq!(verdict_of(&reference, &changed), Verdict::Alert);
    assert_eq!(ks_of(&reference, &changed).statistic, 1.0);
}

#[test]
fn a_column_of_nulls_drifts_when_it_is_filled() {
    let mut nulls = Profile::new(Grid::new(f64::NAN, f64::NAN));
    nulls.add_nulls(1000);
    assert_eq!(verdict_of(&nulls, &nulls), Verdict::Ok);
    assert_eq!(ks(&nulls, &nulls), Ok(None));
    let filled = profile(nulls.grid(), &[1.0; 1000]);
    for (reference, current) in [(&nulls, &filled), (&filled, &nulls)] {
        assert_eq!(verdict_of(reference, current), Verdict::Alert);
        assert_eq!(psi_of(reference, current).buckets[0].kind, PsiKind::Missing);
    }
}

#[test]
fn more_nulls_and_values_out_of_range_have_their_own_buckets() {
    let values = Sample {
        kind: "normal".into(),
        seed: 1,
        rows: 2000,
        shift: 0.0,
        scale: 1.0,
    }
    .values();
    let (reference, mut current) = pair(&values, &values[..1000]);
    current.add_nulls(300);
    current.add_all(&[-50.0, 50.0, 60.0, f64::INFINITY]);
    let psi = psi_of(&reference, &current);
    let rows = |kind| {
        psi.buckets
            .iter()
            .filter(|bucket| bucket.kind == kind)
            .map(|b| b.current)
            .sum::<u64>()
    };
    assert_eq!(rows(PsiKind::Missing), 300);
    assert_eq!(rows(PsiKind::Infinite), 1);
    assert_eq!(
        (
            rows(PsiKind::Below),
            rows(PsiKind::Above),
            rows(PsiKind::Range)
        ),
        (1, 2, 1000)
    );
    assert_eq!(psi.buckets.len(), 14);
    assert_eq!(
        psi.buckets.iter().map(|b| b.current).sum::<u64>(),
        psi.current_rows
    );
    assert_eq!(verdict(Some(&psi), &Thresholds::default()), Verdict::Alert);
}

#[test]
fn a_flag_has_one_bucket_per_value() {
    let flags =
        |ones: usize| -> Vec<f64> { (0..1000).map(|i| f64::from(u8::from(i < ones))).collect() };
    let (reference, current) = pair(&flags(860), &flags(500));
    let psi = psi_of(&reference, &current);
    let counts: Vec<(u64, u64)> = psi
        .buckets
        .iter()
        .map(|b| (b.reference, b.current))
        .collect();
    assert_eq!(counts, [(140, 500), (860, 500)]);
    assert_eq!(verdict(Some(&psi), &Thresholds::default()), Verdict::Alert);
    assert!((ks_of(&reference, &current).statistic - 0.36).abs() < 1e-12);
    assert_eq!(current.values(), Some(&[(0.0, 500), (1.0, 500)][..]));
}

#[test]
fn the_verdict_needs_effect_rows_and_more_than_noise() {
    let of = |value: f64, noise_floor: f64, rows: u64| {
        let psi = Psi {
            value,
            noise_floor,
            reference_rows: 10_000,
            current_rows: rows,
            buckets: vec![],
        };
        verdict(Some(&psi), &Thresholds::default())
    };
    assert_eq!(of(0.0999, 0.05, 500), Verdict::Ok);
    assert_eq!(of(0.1, 0.05, 500), Verdict::Warn);
    assert_eq!(of(0.25, 0.05, 500), Verdict::Alert);
    assert_eq!(of(0.25, 0.25, 500), Verdict::Ok);
    assert_eq!(of(9.0, 0.05, 499), Verdict::InsufficientData);
    let worst = [Verdict::InsufficientData, Verdict::Ok].into_iter().max();
    assert_eq!(worst, Some(Verdict::InsufficientData));
    assert!(Verdict::Alert > Verdict::Warn && Verdict::Warn > Verdict::InsufficientData);
    for verdict in [
        Verdict::Ok,
        Verdict::InsufficientData,
        Verdict::Warn,
        Verdict::Alert,
    ] {
        assert_eq!(
            serde_json::to_value(verdict).expect("JSON"),
            verdict.to_string()
        );
    }
}

#[test]
fn without_drift_the_index_stays_below_its_noise_floor() {
    let values = Sample {
        kind: "normal".into(),
        seed: 1,
        rows: 5_000,
        shift: 0.0,
        scale: 1.0,
    }
    .values();
    let grid = grid_of(&values);
    let reference = profile(grid, &values);
    let alarms = (0..200)
        .filter(|&i| {
            let again = Sample {
                kind: "normal".into(),
                seed: 1000 + i,
                rows: 600,
                shift: 0.0,
                scale: 1.0,
            }
            .values();
            let psi = psi_of(&reference, &profile(grid, &again));
            psi.value > psi.noise_floor
        })
        .count();
    assert!(alarms <= 2, "{alarms} of 200");
}

#[test]
fn more_than_64_values_are_no_longer_kept_one_by_one() {
    let values: Vec<f64> = (0..65).map(f64::from).collect();
    let grid = grid_of(&values);
    assert_eq!(
        profile(grid, &values[..64]).values().map(<[_]>::len),
        Some(64)
    );
    let mut merged = profile(grid, &values[..40]);
    merged
        .merge(&profile(grid, &values[30..]))
        .expect("one grid");
    assert_eq!(merged.values(), None);
    merged
        .merge(&profile(grid, &values[..1]))
        .expect("one grid");
    assert_eq!(merged.values(), None, "what is lost stays lost");
    assert_eq!(profile(grid, &[0.0, -0.0]).values(), Some(&[(0.0, 2)][..]));
}

#[test]
fn histograms_count_every_value_once() {
    for kind in ["normal", "exponential", "integers"] {
        let values = Sample {
            kind: kind.into(),
            seed: 4,
            rows: 10_000,
            shift: -3.0,
            scale: 2.0,
        }
        .values();
        let profile = profile(grid_of(&values), &values);
        let bins = profile.histogram(20);
        assert_eq!(bins.len(), 20);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 10_000);
        assert_eq!(
            (Some(bins[0].lower), Some(bins[19].upper)),
            (profile.min(), profile.max())
        );
        assert!(bins.windows(2).all(|pair| pair[0].upper == pair[1].lower));
        for bin in &bins {
            let exact = values
                .iter()
                .filter(|v| (bin.lower..bin.upper).contains(v))
                .count() as u64;
            // A bucket that an edge cuts counts on one side: at most a bucket's rows at each edge.
            let slack = if kind == "integers" { 1800 } else { 220 };
            assert!(
                bin.count.abs_diff(exact) <= slack,
                "{kind}: {bin:?}, exactly {exact}"
            );
        }
    }
    let constant = profile(Grid::new(0.0, 1.0), &[2.0; 5]);
    assert_eq!(
        constant.histogram(10),
        [HistogramBin {
            lower: 2.0,
            upper: 2.0,
            count: 5
        }]
    );
    assert!(constant.histogram(0).is_empty());
    let outside = constant.histogram_between(3.0, 4.0, 2);
    assert_eq!(outside.iter().map(|bin| bin.count).sum::<u64>(), 0);
    let widest = profile(Grid::new(0.0, 1.0), &[f64::MIN, f64::MAX]).histogram(2);
    assert_eq!(
        widest.iter().map(|bin| bin.count).collect::<Vec<_>>(),
        [1, 1]
    );
}

#[test]
fn a_stored_profile_reads_back_as_it_was() {
    for kind in ["normal", "integers"] {
        let values = Sample {
            kind: kind.into(),
            seed: 4,
            rows: 3_000,
            shift: 0.1,
            scale: 0.3,
        }
        .values();
        let mut profile = profile(grid_of(&values), &values);
        profile.add_all(&[f64::NAN, f64::INFINITY]);
        profile.add_nulls(3);
        let text = serde_json::to_string(&profile).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Profile>(&text).expect("a profile"),
            profile
        );
    }
    let empty = Profile::new(Grid::new(0.0, 1.0));
    let text = serde_json::to_string(&empty).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Profile>(&text).expect("a profile"),
        empty
    );
    // A variance that overflows is unknown, also after reading back.
    let huge = profile(empty.grid(), &[-1e200, 1e200]);
    let text = serde_json::to_string(&huge).expect("JSON");
    let again: Profile = serde_json::from_str(&text).expect("a profile");
    assert_eq!(
        (again.variance(), again.mean(), again.max()),
        (None, huge.mean(), Some(1e200))
    );
}

#[test]
fn a_damaged_profile_is_refused() {
    let values: Vec<f64> = (0..100).map(f64::from).collect();
    let good = serde_json::to_value(profile(grid_of(&values), &values)).expect("JSON");
    let refused = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        edit(&mut value);
        serde_json::from_value::<Profile>(value)
            .expect_err("a refusal")
            .to_string()
    };
    assert!(refused(&|v| v["count"] = 99.into()).contains("do not sum up"));
    assert!(refused(&|v| v["buckets"][0][0] = (-9999).into()).contains("outside the grid"));
    assert!(refused(&|v| v["buckets"][0][0] = 9999.into()).contains("ascending"));
    assert!(refused(&|v| v["min"] = serde_json::Value::Null).contains("min and max"));
    assert!(refused(&|v| v["nulls"] = u64::MAX.into()).contains("overflow"));
    assert!(
        refused(&|v| v["values"] = serde_json::json!([[1.0, 3]])).contains("values do not sum up")
    );
    assert!(refused(&|v| v["buckets"][0][1] = u64::MAX.into()).contains("do not sum up"));
}

#[test]
fn jensen_and_shannons_distance_is_that_of_scipy() {
    #[derive(serde::Deserialize)]
    struct Fixture {
        jensen_shannon: Vec<Case>,
    }
    #[derive(serde::Deserialize)]
    struct Case {
        reference: Vec<u64>,
        current: Vec<u64>,
        distance: f64,
    }
    let text = include_str!("../../../../testing/fixtures/intervals.json");
    for case in serde_json::from_str::<Fixture>(text)
        .expect("a fixture")
        .jensen_shannon
    {
        let bucket = |(&reference, &current): (&u64, &u64)| PsiBucket {
            kind: PsiKind::Range,
            lower: None,
            upper: None,
            reference,
            current,
            contribution: 0.0,
        };
        let psi = Psi {
            value: 0.0,
            noise_floor: 0.0,
            reference_rows: case.reference.iter().sum(),
            current_rows: case.current.iter().sum(),
            buckets: case
                .reference
                .iter()
                .zip(&case.current)
                .map(bucket)
                .collect(),
        };
        let found = psi.jensen_shannon();
        assert!(
            (found - case.distance).abs() < 1e-12,
            "{found} and {}",
            case.distance
        );
    }
}

#[test]
fn rows_counted_by_cell_have_the_index_of_their_profile() {
    let floor = NoiseFloor::of(3);
    let values = Sample {
        kind: "exponential".into(),
        seed: 5,
        rows: 3_000,
        shift: 0.0,
        scale: 1.3,
    }
    .values();
    let mut now = Sample {
        kind: "exponential".into(),
        seed: 6,
        rows: 900,
        shift: -0.2,
        scale: 1.9,
    }
    .values();
    now.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -9.0, 1e9]);
    let (reference, current) = pair(&values, &now);
    let cells = Cells::new(&reference);
    let mut counts = vec![0; cells.len()];
    now.iter().for_each(|value| counts[cells.of(*value)] += 1);
    assert_eq!(counts, cells.counts(&current).expect("one grid"));
    assert_eq!(
        cells.psi(&counts, &floor),
        psi(&reference, &current, &floor).expect("one grid")
    );
}

#[test]
fn among_three_hundred_columns_none_exceeds_its_noise_floor_by_chance() {
    let floors = [NoiseFloor::of(1), NoiseFloor::of(300)];
    let values = Sample {
        kind: "normal".into(),
        seed: 1,
        rows: 2_000,
        shift: 0.0,
        scale: 1.0,
    }
    .values();
    let reference = profile(grid_of(&values), &values);
    let alarms = floors.map(|floor| {
        let exceeds = |i: &u64| {
            let again = Sample {
                kind: "normal".into(),
                seed: 5000 + i,
                rows: 500,
                shift: 0.0,
                scale: 1.0,
            }
            .values();
            let psi = psi(&reference, &profile(reference.grid(), &again), &floor)
                .expect("one grid")
                .expect("rows");
            psi.value > psi.noise_floor
        };
        (0..300).filter(exceeds).count()
    });
    assert!(alarms[0] >= alarms[1] && alarms[1] == 0, "{alarms:?}");
}
