//! Damaged files of XGBoost and LightGBM: each is refused, or gives trees that score.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use learn::estimator::{AnyError, Families, Family, Request};
use learn::rows::{InMemory, Rows};
use learn::splitmix;
use learn::task::{Target, Tasks};
use serde::Deserialize;

use super::*;

/// Damaged files of the ordinary test: a second or two.
const FEW: u64 = 2000;
/// How long `just fuzz-import` damages files.
const LONG: Duration = Duration::from_secs(20 * 60);
/// Bytes that may be asked for at once; the files have 87 KiB at most.
const MOST: usize = 16 << 20;
/// Rows that are scored.
const ROWS: usize = 4;

/// Texts that replace a number of a file.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "2",
    "7",
    "255",
    "65536",
    "1048576",
    "4294967296",
    "18446744073709551615",
    "1e-45",
    "3.4e38",
    "-1e38",
    "1e39",
    "1e999",
    "nan",
];

#[global_allocator]
static MEMORY: Noted = Noted;

thread_local! {
    /// Bytes of the largest piece of memory that a thread asked for.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// The system's memory, of which the sizes that are asked for are noted.
struct Noted;

fn note(bytes: usize) {
    // A thread that ends has nothing to note in any more.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
}

// SAFETY: all is done by the system's allocator, with what the caller promises.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Noted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(bytes);
        unsafe { System.realloc(place, layout, bytes) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Seed>,
}

/// A file that another program wrote, and its raw scores of rows of three numbers. The fixtures and
/// the scripts that made them are in `common/testing/fixtures`.
#[derive(Deserialize)]
struct Seed {
    name: String,
    classes: usize,
    /// XGBoost's JSON, or LightGBM's text.
    model: Value,
    x: Vec<[Option<f64>; 3]>,
    #[serde(alias = "margins")]
    scores: Vec<Vec<f64>>,
}

fn seeds() -> Vec<Seed> {
    let fixtures = [
        include_str!("../../../../common/testing/fixtures/trees.json"),
        include_str!("../../../../common/testing/fixtures/lightgbm_models.json"),
    ];
    let cases = |text: &str| serde_json::from_str::<Fixture>(text).unwrap().cases;
    let seeds: Vec<Seed> = fixtures.into_iter().flat_map(cases).collect();
    assert_eq!(seeds.len(), 13);
    seeds
}

impl Seed {
    fn file(&self) -> Vec<u8> {
        match &self.model {
            Value::String(text) => text.clone().into_bytes(),
            model => serde_json::to_vec(model).unwrap(),
        }
    }

    /// The raw scores of the first rows by what an import makes of a file.
    ///
    /// # Errors
    /// What an import is refused for.
    fn score(&self, file: &[u8]) -> Result<Vec<f64>> {
        let inputs = ["a", "b", "c"].map(str::to_owned);
        let family = family(read(file)?, &inputs)?;
        let classes = 0..self.classes as i64;
        let target = Target {
            name: "y".to_owned(),
            classes: classes.map(ClassValue::Int).collect(),
        };
        let task = Tasks::standard().of_target(&target)?;
        anyhow::ensure!(family.learns(task, &target), "trees of another task");
        let x = self.x.iter().take(ROWS).flatten();
        let x: Vec<f64> = x.map(|x| x.unwrap_or(f64::NAN)).collect();
        let y: Vec<f64> = (0..ROWS)
            .map(|row| (row % self.classes.max(1)) as f64)
            .collect();
        let rows = Rows {
            x: &x,
            y: &y,
            weights: None,
        };
        let request = Request {
            task,
            target: &target,
            inputs: &inputs,
            one_hot: &[],
            options: &Map::new(),
            quantiles: None,
        };
        let fitted = family.fit(&mut InMemory::<AnyError>::new(rows, 8), &request);
        let fitted = fitted.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        // What is written is read again by every program that scores.
        let written = fitted.estimator.to_json()?;
        let estimator = Families::standard().read(&written).unwrap();
        estimator.exports(&inputs).unwrap();
        let (mut raw, mut predicted) = (Vec::new(), Vec::new());
        estimator.raw(&x, &mut raw);
        estimator.predict(&x, &mut predicted);
        let mut all = raw.iter().chain(&predicted);
        assert!(all.all(|score| score.is_finite()), "{raw:?} {predicted:?}");
        Ok(raw)
    }
}

/// Random numbers, one after another.
struct Random {
    seed: u64,
    next: u64,
}

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.next += 1;
        (splitmix::number(self.seed, self.next) % end as u64) as usize
    }
}

/// The file with one to three faults, the same ones for the same number.
fn damaged(file: &[u8], number: u64) -> Vec<u8> {
    let separators: &[u8] = if file[0] == b'{' { b"," } else { b"\n " };
    let mut random = Random {
        seed: number,
        next: 0,
    };
    let mut bytes = file.to_vec();
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2..=4 => {
                let other = NUMBERS[random.below(NUMBERS.len())];
                drop(bytes.splice(number_at(&bytes, at), other.bytes()));
            }
            // A line, a field or an item is lost, is there twice, or is somewhere else.
            fault => {
                let separator = separators[random.below(separators.len())];
                let place = piece(&bytes, at, separator);
                let piece = bytes[place.clone()].to_vec();
                if fault != 6 {
                    drop(bytes.drain(place.clone()));
                }
                let to = match fault {
                    6 => place.start,
                    _ => random.below(bytes.len() + 1),
                };
                if fault != 5 {
                    drop(bytes.splice(to..to, piece));
                }
            }
        }
    }
    bytes
}

/// Where the next number is from a place on.
fn number_at(bytes: &[u8], at: usize) -> Range<usize> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let digit = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit());
    let digit = digit.unwrap_or(at);
    let before = bytes[..digit].iter().rposition(|byte| !is_part(byte));
    let length = bytes[digit..].iter().position(|byte| !is_part(byte));
    let end = length.map_or(bytes.len(), |length| digit + length);
    before.map_or(0, |before| before + 1)..end
}

/// What is between two separators around a place, with the second of them.
fn piece(bytes: &[u8], at: usize, separator: u8) -> Range<usize> {
    let before = bytes[..at].iter().rposition(|byte| *byte == separator);
    let length = bytes[at..].iter().position(|byte| *byte == separator);
    let end = length.map_or(bytes.len(), |length| at + length + 1);
    before.map_or(0, |before| before + 1)..end
}

/// Fails unless the damaged files of these numbers are refused or score, and take little memory:
/// how many were refused, and how many scored.
fn refused_and_scored(numbers: impl Iterator<Item = u64>) -> [u64; 2] {
    let seeds = seeds();
    let files: Vec<Vec<u8>> = seeds.iter().map(Seed::file).collect();
    let mut counts = [0; 2];
    for number in numbers {
        let at = (number % seeds.len() as u64) as usize;
        let (seed, file) = (&seeds[at], damaged(&files[at], number));
        LARGEST.set(0);
        let scored = catch_unwind(AssertUnwindSafe(|| seed.score(&file)));
        let asked = LARGEST.get();
        let name = &seed.name;
        let Ok(scored) = scored else {
            panic!("damaged file {number}, of {name:?}, is neither refused nor scores");
        };
        assert!(asked <= MOST, "damaged file {number}, of {name:?}: {asked}");
        counts[usize::from(scored.is_ok())] += 1;
    }
    counts
}

#[test]
fn files_score_as_in_the_programs_that_wrote_them() {
    for seed in seeds() {
        let ours = seed.score(&seed.file()).unwrap();
        let theirs = seed.scores[..ROWS].concat();
        assert_eq!(ours.len(), theirs.len(), "{}", seed.name);
        for (ours, theirs) in ours.iter().zip(theirs) {
            let apart = (ours - theirs).abs();
            assert!(apart < 1e-5, "{}: {ours} {theirs}", seed.name);
        }
    }
}

#[test]
fn damaged_files_are_refused_or_score() {
    let [refused, scored] = refused_and_scored(0..FEW);
    // Neither all of them harmless, nor all of them no model.
    assert!(refused > FEW / 4 && scored > FEW / 50, "{refused} {scored}");
}

#[test]
#[ignore = "it takes twenty minutes: just fuzz-import"]
fn twenty_minutes_of_damaged_files_are_refused_or_score() {
    let end = Instant::now() + LONG;
    let numbers = (0..).take_while(|_| Instant::now() < end);
    let [refused, scored] = refused_and_scored(numbers);
    eprintln!("{refused} damaged files were refused, and {scored} scored");
}
