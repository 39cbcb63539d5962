//! How often a gate lets a candidate pass that is as good as the champion, and one that is worse by
//! the margin or by twice the margin, and how often a segment of the holdout refuses one: by
//! simulation, with scores that are normal within each class.
//!
//! ```sh
//! cargo run --release -p learn --example gate_power
//! ```

// What it prints is all that it is for.
#![allow(clippy::print_stdout)]

use learn::metrics::Ranking;
use learn::metrics::paired::{AucDifference, Difference, jackknife_interval};
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

/// Groups of the jackknife of a segment.
const GROUPS: usize = 32;
/// Segments that are drawn of each size.
const SEGMENTS: u32 = 4_000;
/// The true area of a segment, by the first of the distances.
const AREA: f64 = 0.75;
/// Floors: the true area, and more.
const FLOORS: [f64; 3] = [0.75, 0.8, 0.85];

/// The numbers of a seed, one after the other.
struct Random {
    seed: u64,
    next: u64,
}

impl Random {
    fn uniform(&mut self) -> f64 {
        self.next += 1;
        splitmix::uniform(self.seed, self.next)
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

/// Twice the rows of the other class that each row is on the right side of; no two scores are
/// alike.
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

/// The area of a segment of entities of so many rows, without each group of the jackknife and
/// without none. The rows of an entity have one label, and half of their scores' variance in
/// common.
fn areas(random: &mut Random, entities: usize, rows: usize) -> Option<(f64, Vec<f64>)> {
    let mut scored = Vec::with_capacity(entities * rows);
    for entity in 0..entities {
        let positive = random.uniform() < BASE_RATE;
        let shared = random.normal();
        let group = splitmix::number(0, entity as u64) as usize % GROUPS;
        for _ in 0..rows {
            let noise = match rows {
                1 => shared,
                _ => (shared + random.normal()) / std::f64::consts::SQRT_2,
            };
            let score = DISTANCES[0].1 * f64::from(u8::from(positive)) + noise;
            scored.push((score, positive, group));
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let area = |left_out: usize| {
        let mut ranking = Ranking::default();
        let kept = scored.iter().filter(|(.., group)| *group != left_out);
        for (score, positive, _) in kept {
            ranking.add(*score, *positive).ok()?;
        }
        ranking.metrics().roc_auc
    };
    let there = |group: &usize| scored.iter().any(|(.., of)| of == group);
    let without: Option<Vec<f64>> = (0..GROUPS).filter(there).map(area).collect();
    Some((area(GROUPS)?, without?))
}

/// How often the interval of a segment's area holds the true one, and how often floors refuse the
/// segment by the estimate and by the interval.
fn segments() {
    println!(
        "| rows | rows of an entity | intervals that hold | floor | by the estimate | by the interval |"
    );
    println!("|---|---|---|---|---|---|");
    for (rows, of_entity) in [(200, 1), (200, 5), (1_000, 1), (1_000, 5), (1_000, 50)] {
        let mut random = Random {
            seed: (rows + of_entity) as u64,
            next: 0,
        };
        let (mut hold, mut known) = (0_u32, 0_u32);
        let mut refused = [[0_u32; 2]; 3];
        for _ in 0..SEGMENTS {
            let found = areas(&mut random, rows / of_entity, of_entity);
            let judged =
                found.and_then(|(area, without)| Some((area, jackknife_interval(area, &without)?)));
            let Some((area, interval)) = judged else {
                continue;
            };
            known += 1;
            hold += u32::from((interval.low..=interval.high).contains(&AREA));
            for (floor, refused) in FLOORS.iter().zip(&mut refused) {
                refused[0] += u32::from(area < *floor);
                refused[1] += u32::from(interval.high < *floor);
            }
        }
        let share = |of: u32| 100.0 * f64::from(of) / f64::from(known);
        for (floor, refused) in FLOORS.iter().zip(refused) {
            let [estimate, interval] = refused.map(share);
            println!(
                "| {rows} | {of_entity} | {:.1} % | {floor} | {estimate:.0} % | {interval:.1} % |",
                share(hold)
            );
        }
    }
}

fn main() {
    candidates();
    println!();
    segments();
}

fn candidates() {
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
