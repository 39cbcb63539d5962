//! Reading what training of earlier releases kept.

use super::{Grid, Profile};
use crate::cells::{Compared, Counts, Side};

/// Spread without a pattern over 0 to 1.
fn spread(count: usize, seed: usize) -> Vec<f64> {
    (0..count)
        .map(|i| ((i * 7_919 + seed * 104_729) % 10_007) as f64 / 10_007.0)
        .collect()
}

#[test]
fn a_stored_profile_reads_back_as_it_was() {
    for values in [spread(3_000, 4), vec![1.0, 2.0, 2.0], vec![]] {
        let profile = Profile::of(Grid::new(0.5, 0.3), &values);
        let text = serde_json::to_string(&profile).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Profile>(&text).expect("a profile"),
            profile
        );
    }
}

#[test]
fn a_damaged_profile_is_refused() {
    let values: Vec<f64> = (0..100).map(f64::from).collect();
    let good = serde_json::to_value(Profile::of(Grid::new(49.5, 28.9), &values)).expect("JSON");
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
fn training_lies_in_the_cells_of_its_profile() {
    for values in [
        spread(5_000, 1),
        spread(5_000, 2).iter().map(|x| (x * 5.0).floor()).collect(),
        spread(500, 3).iter().map(|x| x * 1e-9 + 1e9).collect(),
        vec![7.0; 30],
    ] {
        let rows = values.len() as f64;
        let mean = values.iter().sum::<f64>() / rows;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let grid = Grid::new(mean, (squares.sum::<f64>() / rows).sqrt());
        let counted = Profile::of(grid, &values).counted().expect("cells");
        let mut counts = Counts::new(&counted.cells);
        for value in &values {
            counts.add(&counted.cells, *value, 1);
        }
        assert!(counted.is_sound());
        assert_eq!(counts.cells, counted.counts.cells);
        let (below, above) = (counts.below(&counted.cells), counts.above(&counted.cells));
        assert_eq!((below, above), (0, 0));
        let side = |counts: &Counts| Side::of(&counted.cells, counts);
        let (then, now) = (side(&counted.counts), side(&counts));
        let near = |a: Option<f64>, b: Option<f64>| {
            let (a, b) = (a.expect("values"), b.expect("values"));
            (a - b).abs() <= 1e-9 * counted.cells.scale()
        };
        assert!(near(then.mean, now.mean), "{:?} {:?}", then.mean, now.mean);
        let compared = Compared::new(&counted.cells, then, now);
        let ks = compared.ks().expect("values");
        assert_eq!(ks.statistic, 0.0);
    }
}

#[test]
fn few_values_are_counted_exactly() {
    let values: Vec<f64> = spread(900, 5).iter().map(|x| (x * 4.0).floor()).collect();
    let counted = Profile::of(Grid::new(1.5, 1.1), &values)
        .counted()
        .expect("cells");
    let mut counts = Counts::new(&counted.cells);
    for value in &values {
        counts.add(&counted.cells, *value, 1);
    }
    let side = Side::of(&counted.cells, &counts);
    let compared = Compared::new(&counted.cells, side.clone(), side);
    let median = compared.quantile(&compared.now, 0.5).expect("values");
    assert!(
        [1.0, 2.0].contains(&median.value) && median.low == median.high,
        "{median:?}"
    );
    let bars = compared.bars(32);
    let bars: Vec<f64> = bars.iter().map(|bar| bar.lower).collect();
    assert_eq!(bars, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn cells_that_far_values_have_taken_hide_what_moves_in_them() {
    let mut far = spread(5_000, 1);
    far[7] = 1e9;
    let grid = Grid::new(2e5, 1.4e7);
    let hidden = Profile::of(grid, &far).hidden();
    assert!(hidden > 0.99, "{hidden}");
    assert_eq!(
        Profile::of(Grid::new(0.5, 0.3), &spread(5_000, 1)).hidden(),
        0.0
    );
    let few: Vec<f64> = spread(900, 5).iter().map(|x| (x * 1.2).floor()).collect();
    assert_eq!(Profile::of(Grid::new(0.2, 0.4), &few).hidden(), 0.0);
}
