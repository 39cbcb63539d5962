//! How often a gate lets a candidate pass that is as good as the champion, and one that is worse by
//! the margin or by twice the margin: by simulation, with scores that are normal within each class.
//!
//! ```sh
//! cargo run --release -p learn --example gate_power
//! ```

// What it prints is all that it is for.
#![allow(clippy::print_stdout)]

use learn::metrics::paired::{AucDifference, Difference};
use learn::splitmix;

const MARGIN: f64 = 0.005;
const BASE_RATE: f64 = 0.3;
/// Correlation of the two models' scores within a class: of a model that was trained again.
const CORRELATION: f64 = 0.95;
/// Distances of the classes' means by which the area is 0.75, and less by the margin and by twice
/// the margin: its root of 2 times the quantile of the normal distribution (scipy.stats.norm.ppf).
const DISTANCES: [(&str, f64); 3] = [
    ("as good", 0.953_872_552_4),
    ("worse by the margin", 0.931_737_200_5),
    ("worse by twice the margin", 0.909_827_797_6),
];

/// The numbers of a seed, one after the other.
struct Random {
    seed: u64,
    next: u64,
}

impl Random {
    fn uniform(&mut self) -> f64 {
        self.next += 1;
        (splitmix::number(self.seed, self.next) >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

/// Twice the rows of the other class that each row is on the right side of; no two scores are alike.
fn placements(positive: &[bool], scores: &[f64]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let positives = positive.iter().filter(|of| **of).count() as u64;
    let (mut below, mut placements) = ([0_u64; 2], vec![0; scores.len()]);
    for row in order {
        placements[row] = match positive[row] {
            true => 2 * below[0],
            false => 2 * (positives - below[1]),
        };
        below[usize::from(positive[row])] += 1;
    }
    placements
}

/// A candidate less a champion on so many rows.
fn difference(random: &mut Random, rows: usize, distances: [f64; 2]) -> Option<Difference> {
    let positive: Vec<bool> = (0..rows).map(|_| random.uniform() < BASE_RATE).collect();
    let own = (1.0 - CORRELATION * CORRELATION).sqrt();
    let (mut candidate, mut champion) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for of in &positive {
        let shared = random.normal();
        let label = f64::from(u8::from(*of));
        candidate.push(distances[0] * label + CORRELATION * shared + own * random.normal());
        champion.push(distances[1] * label + shared);
    }
    let (ours, theirs) = (
        placements(&positive, &candidate),
        placements(&positive, &champion),
    );
    let positives = positive.iter().filter(|of| **of).count() as u64;
    let mut difference = AucDifference::new(positives, rows as u64 - positives);
    for (row, of) in positive.iter().enumerate() {
        difference.add(row as u64, *of, [ours[row], theirs[row]]);
    }
    difference.finish()
}

fn main() {
    println!("| candidate | rows | by the estimate | by the interval |");
    println!("|---|---|---|---|");
    for (name, distance) in DISTANCES {
        for (rows, times) in [(1_000, 4_000), (10_000, 1_000), (100_000, 400)] {
            let mut random = Random {
                seed: rows as u64,
                next: 0,
            };
            let mut passed = [0_u32; 2];
            for _ in 0..times {
                let distances = [distance, DISTANCES[0].1];
                if let Some(found) = difference(&mut random, rows, distances) {
                    passed[0] += u32::from(found.value >= -MARGIN);
                    passed[1] += u32::from(found.interval().low >= -MARGIN);
                }
            }
            let [estimate, interval] =
                passed.map(|passed| 100.0 * f64::from(passed) / f64::from(times));
            println!("| {name} | {rows} | {estimate:.0} % | {interval:.0} % |");
        }
    }
}
