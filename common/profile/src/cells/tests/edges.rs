//! Adding up, storing, and columns that are constant, empty, null, far out or repeated.

use super::super::*;
use super::{Sample, compared, counted, sampled};
use crate::drift::{NoiseFloor, Psi, PsiKind, Thresholds, Verdict, verdict};

fn psi(reference: &Counted, now: &Counts) -> Psi {
    let psi = compared(reference, now).psi(&NoiseFloor::of(1));
    psi.expect("rows on both sides")
}

fn judged(reference: &Counted, now: &Counts) -> Verdict {
    let psi = compared(reference, now).psi(&NoiseFloor::of(1));
    verdict(psi.as_ref(), &Thresholds::default())
}

#[test]
fn counts_add_up_and_are_taken_off_to_the_last_bit_in_any_order() {
    for kind in ["wide", "integers", "sentinel", "far"] {
        let reference = Counted::of(&Sample::of(kind, 1, 3_000));
        let values = Sample::of(kind, 2, 5_000);
        let whole = counted(&reference, &values);
        let parts: Vec<Counts> = values
            .chunks(333)
            .map(|of| counted(&reference, of))
            .collect();
        let mut merged = Counts::new(&reference.cells);
        for part in parts.iter().rev() {
            merged.merge(part).expect("no overflow");
        }
        assert_eq!(merged, whole, "{kind}");
        for value in &values[2_000..] {
            merged.add(&reference.cells, *value, -1);
        }
        assert_eq!(merged, counted(&reference, &values[..2_000]), "{kind}");
        merged.add(&reference.cells, 1e9, -1);
        assert!(!merged.is_sound(&reference.cells));
    }
}

#[test]
fn the_cuts_do_not_depend_on_the_order_in_which_parts_come() {
    let values = Sample::of("sentinel", 4, 50_000);
    let picker = Picker::of(values.len() as u64);
    let picked = (0..50_000).filter(|row| picker.picks(*row)).count() as u64;
    assert!(picked.abs_diff(SAMPLE) < 500, "{picked}");
    let once = sampled(&values);
    let mut sketch = Sketch::default();
    sketch.see(&values);
    for (row, value) in values.iter().enumerate() {
        if picker.picks(row as u64) {
            sketch.keep(*value);
        }
    }
    let fine = sketch.fine((0.0, 1.0), &[]);
    let counts = {
        let mut counts = Counts::new(&fine.cells);
        values.iter().for_each(|value| {
            counts.add(&fine.cells, *value, 1);
        });
        counts
    };
    assert_eq!(fine.coarse(&shares(), &counts.cells).of(&counts), once);
}

#[test]
fn a_value_that_repeats_has_a_cell_and_a_bucket_of_its_own() {
    let values = Sample::of("sentinel", 1, 4_000);
    let reference = Counted::of(&values);
    let cell = reference.cells.cell(-999.0);
    assert_eq!(reference.cells.value(cell), Some(-999.0));
    assert_eq!(reference.counts.cells[cell], 200);
    let others: Vec<f64> = values.iter().copied().filter(|x| *x != -999.0).collect();
    let gone = psi(&reference, &counted(&reference, &others));
    let bucket = gone.buckets.iter().find(|of| of.kind == PsiKind::Value);
    let bucket = bucket.expect("a bucket");
    assert_eq!(
        (bucket.lower, bucket.reference, bucket.current),
        (Some(-999.0), 200, 0)
    );
    // 0.05 * ln(0.05 / 0.0001)
    assert!((gone.value - 0.31).abs() < 0.01, "{}", gone.value);
    // The same value beside it is none that training had.
    let near = counted(&reference, &[-999.0_f64.next_up()]);
    assert_eq!(near.cells[cell], 0);
}

#[test]
fn half_of_a_column_that_is_one_value_has_its_median() {
    let mut values = vec![0.0; 6_000];
    values.extend(Sample::of("wide", 1, 4_000).iter().map(|x| x + 1.0));
    let reference = Counted::of(&values);
    let compared = compared(&reference, &reference.counts);
    for side in [&compared.then, &compared.now] {
        let median = compared.quantile(side, 0.5);
        assert_eq!(
            median.map(|of| (of.value, of.low, of.high)),
            Some((0.0, 0.0, 0.0))
        );
    }
}

#[test]
fn a_far_value_hides_no_shift() {
    let mut trained = Sample::of("normal", 1, 4_000);
    for far in [1e9, -1e300, f64::MAX, f64::MIN] {
        trained[7] = far;
        let reference = Counted::of(&trained);
        let same = counted(&reference, &Sample::of("normal", 2, 2_000));
        assert_eq!(judged(&reference, &same), Verdict::Ok, "{far}");
        let moved: Vec<f64> = Sample::of("normal", 2, 2_000)
            .iter()
            .map(|x| x + 1.0)
            .collect();
        let moved = counted(&reference, &moved);
        assert_eq!(judged(&reference, &moved), Verdict::Alert, "{far}");
        let compared = compared(&reference, &moved);
        let median = compared.quantile(&compared.now, 0.5).expect("values");
        assert!(
            median.low <= 1.05 && 0.95 <= median.high,
            "{far}: {median:?}"
        );
        assert!(median.high - median.low < 0.2, "{far}: {median:?}");
    }
}

#[test]
fn values_that_are_no_numbers_are_counted_apart() {
    let reference = Counted::of(&[1.0, 2.0, 3.0, f64::NAN]);
    let mut now = counted(
        &reference,
        &[
            1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            9.0,
        ],
    );
    now.add_nulls(4);
    assert_eq!(
        (now.rows(), now.count(), now.nulls, now.nans),
        (11, 3, 4, 1)
    );
    assert_eq!((now.minus_infinities, now.plus_infinities), (2, 1));
    assert_eq!(
        (now.below(&reference.cells), now.above(&reference.cells)),
        (1, 1)
    );
    let psi = psi(&reference, &now);
    let rows: Vec<(PsiKind, u64)> = psi.buckets.iter().map(|of| (of.kind, of.current)).collect();
    let expected = [
        (PsiKind::Missing, 5),
        (PsiKind::MinusInfinity, 2),
        (PsiKind::Below, 1),
        (PsiKind::Above, 1),
        (PsiKind::PlusInfinity, 1),
    ];
    assert!(expected.iter().all(|of| rows.contains(of)), "{rows:?}");
    assert_eq!(psi.current_rows, 11);
}

#[test]
fn sides_without_rows_are_insufficient_data() {
    let reference = Counted::of(&[1.0, 2.0]);
    let nothing = Counts::new(&reference.cells);
    assert_eq!(judged(&reference, &nothing), Verdict::InsufficientData);
    let compared = compared(&reference, &nothing);
    assert_eq!(
        (compared.ks(), compared.quantile(&compared.now, 0.5)),
        (None, None)
    );
    assert_eq!(
        (
            nothing.mean(&reference.cells),
            nothing.std(&reference.cells)
        ),
        (None, None)
    );
    let empty = Counted::of(&[]);
    assert_eq!((empty.cells.len(), empty.cells.min()), (1, None));
    assert_eq!(judged(&empty, &empty.counts), Verdict::InsufficientData);
}

#[test]
fn a_constant_column_drifts_when_it_changes() {
    let reference = Counted::of(&[7.3; 1000]);
    let same = counted(&reference, &[7.3; 600]);
    assert_eq!(
        (same.mean(&reference.cells), same.std(&reference.cells)),
        (Some(7.3), Some(0.0))
    );
    let index = psi(&reference, &same);
    assert_eq!(
        (index.value, index.noise_floor, index.buckets.len()),
        (0.0, 0.0, 1)
    );
    assert_eq!(judged(&reference, &same), Verdict::Ok);
    let changed = counted(&reference, &[7.4; 600]);
    assert_eq!(psi(&reference, &changed).buckets[1].kind, PsiKind::Above);
    assert_eq!(judged(&reference, &changed), Verdict::Alert);
    let ks = compared(&reference, &changed).ks().expect("values");
    assert_eq!((ks.statistic, ks.error_bound), (1.0, 0.0));
}

#[test]
fn a_column_of_nulls_drifts_when_it_is_filled() {
    let mut nulls = Counted::of(&[]);
    nulls.counts.add_nulls(1000);
    assert_eq!(judged(&nulls, &nulls.counts), Verdict::Ok);
    assert_eq!(compared(&nulls, &nulls.counts).ks(), None);
    let filled = counted(&nulls, &[1.0; 1000]);
    assert_eq!(judged(&nulls, &filled), Verdict::Alert);
}

#[test]
fn a_flag_has_one_bucket_per_value_and_one_for_what_is_new() {
    let flags =
        |ones: usize| -> Vec<f64> { (0..1000).map(|i| f64::from(u8::from(i < ones))).collect() };
    let reference = Counted::of(&flags(860));
    let rows = |psi: &Psi| -> Vec<(u64, u64)> {
        psi.buckets
            .iter()
            .map(|of| (of.reference, of.current))
            .collect()
    };
    let now = counted(&reference, &flags(500));
    assert_eq!(rows(&psi(&reference, &now)), [(140, 500), (860, 500)]);
    assert_eq!(judged(&reference, &now), Verdict::Alert);
    let ks = compared(&reference, &now).ks().expect("values");
    assert!(
        (ks.statistic - 0.36).abs() < 1e-12 && ks.error_bound == 0.0,
        "{ks:?}"
    );
    let bars = compared(&reference, &now).bars(32);
    let bars: Vec<(f64, f64, u64)> = bars.iter().map(|of| (of.lower, of.upper, of.now)).collect();
    assert_eq!(bars, [(0.0, 0.0, 500), (1.0, 1.0, 500)]);

    let now = counted(&reference, &[flags(500), vec![0.5; 250]].concat());
    let psi = psi(&reference, &now);
    assert!(rows(&psi).contains(&(0, 250)), "{psi:?}");
    assert_eq!(
        compared(&reference, &now).ks().map(|ks| ks.error_bound),
        Some(0.0)
    );
}

#[test]
fn without_drift_the_index_stays_below_its_noise_floor() {
    for (kind, rows) in [("normal", 5_000), ("sentinel", 5_000), ("integers", 5_000)] {
        let reference = Counted::of(&Sample::of(kind, 1, rows));
        let alarms = (0..200)
            .filter(|i| {
                let again = counted(&reference, &Sample::of(kind, 1000 + i, 600));
                let psi = psi(&reference, &again);
                psi.value > psi.noise_floor
            })
            .count();
        assert!(alarms <= 2, "{kind}: {alarms} of 200");
    }
}

#[test]
fn bars_count_every_value_once() {
    for kind in ["normal", "exponential", "sentinel", "wide"] {
        let values = Sample::of(kind, 4, 10_000);
        let reference = Counted::of(&values);
        let compared = compared(&reference, &reference.counts);
        let bars = compared.bars(20);
        assert_eq!(bars.len(), 20, "{kind}");
        assert!(bars.windows(2).all(|pair| pair[0].upper == pair[1].lower));
        let drawn: u64 = bars.iter().map(|bar| bar.then).sum();
        // But for two thousandths on either side.
        assert!((9_950..=10_000).contains(&drawn), "{kind}: {drawn}");
        for bar in bars {
            let inside = |x: &&f64| (bar.lower..bar.upper).contains(*x);
            let exact = values.iter().filter(inside).count() as u64;
            // A cell that an edge cuts is spread evenly: at most its rows at each edge.
            assert!(
                bar.then.abs_diff(exact) <= 220,
                "{kind}: {bar:?}, exactly {exact}"
            );
        }
    }
    let constant = Counted::of(&[2.0; 5]);
    let bars = compared(&constant, &constant.counts).bars(10);
    assert_eq!(
        bars.iter()
            .map(|bar| (bar.lower, bar.then))
            .collect::<Vec<_>>(),
        [(2.0, 5)]
    );
    let widest = Counted::of(&[f64::MIN, f64::MAX, 0.0, 1.0, 2.0]);
    let bars = compared(&widest, &widest.counts).bars(2);
    assert_eq!(bars.iter().map(|bar| bar.then).sum::<u64>(), 5);
}

#[test]
fn distinct_values_are_kept_up_to_64() {
    let values: Vec<f64> = (0..65).map(f64::from).collect();
    let mut sketch = Distinct::default();
    values[..64].iter().for_each(|value| sketch.add(*value));
    assert_eq!(sketch.values().map(<[_]>::len), Some(64));
    let mut merged = Distinct::default();
    values[..40].iter().for_each(|value| merged.add(*value));
    let mut other = Distinct::default();
    values[30..].iter().for_each(|value| other.add(*value));
    merged.merge(&other);
    assert_eq!(merged.values(), None);
    merged.merge(&Distinct::default());
    assert_eq!(merged.values(), None, "what is lost stays lost");
    let mut zero = Distinct::default();
    [0.0, -0.0].iter().for_each(|value| zero.add(*value));
    assert_eq!(zero.values(), Some(&[(0.0, 2)][..]));
}

#[test]
fn stored_cells_read_back_as_they_were_and_damaged_ones_are_refused() {
    for kind in ["normal", "integers", "far"] {
        let counted = Counted::of(&Sample::of(kind, 4, 3_000));
        let text = serde_json::to_string(&counted).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Counted>(&text).expect("cells"),
            counted
        );
    }
    let good = serde_json::to_value(Counted::of(&[1.0, 2.0, 3.0]).cells).expect("JSON");
    let refused = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        edit(&mut value);
        let refusal = serde_json::from_value::<Cells>(value).expect_err("a refusal");
        refusal.to_string()
    };
    assert!(refused(&|v| v["cuts"][0] = 9.into()).contains("do not ascend"));
    assert!(refused(&|v| v["min"] = serde_json::Value::Null).contains("min and max"));
    assert!(refused(&|v| v["max"] = 0.into()).contains("min and max"));
    assert!(refused(&|v| v["around"] = serde_json::json!([1.0])).contains("as many values"));
}

#[test]
fn fixed_cuts_stay_cuts() {
    let values = Sample::of("exponential", 1, 3_000);
    let counted = Counted::at(&values, &[-3.0, 0.29, 0.5, 99.0]);
    for cut in [-3.0, 0.29, 0.5, 99.0] {
        assert!(counted.cells.cuts().contains(&cut), "{cut}");
        let below: i64 = counted.counts.cells[..counted.cells.cell(cut)].iter().sum();
        let exact = values.iter().filter(|x| **x < cut).count() as i64;
        assert_eq!(below, exact, "{cut}");
    }
    let (below, above) = (
        counted.counts.below(&counted.cells),
        counted.counts.above(&counted.cells),
    );
    assert_eq!((below, above), (0, 0));
}
