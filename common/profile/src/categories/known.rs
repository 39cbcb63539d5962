//! Which values training had beside its most frequent ones. Pure.

use learn::splitmix;
use serde::{Deserialize, Serialize};

/// Bits of a word.
const WORD: usize = u32::BITS as usize;
/// Bits at most: of values that training did not have, three of four are recognised where it had
/// 10,000 others, and one of five where it had 100,000.
const MOST_BITS: usize = 1 << 16;

/// A bit for each value, at a place that depends on its text alone: what has none was not in
/// training. New values that share the bit of another are taken for known ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Rows of training whose value is in no other row there, by these bits: as large a part of
    /// other rows holds new values without any drift (Good and Turing).
    pub once: u64,
    bits: Vec<u32>,
}

impl Known {
    /// Of values with their rows, each once.
    pub(super) fn of(values: &[(String, u64)]) -> Self {
        let bits = (2 * values.len()).next_power_of_two();
        let bits = bits.clamp(WORD, MOST_BITS);
        let mut known = Self {
            once: 0,
            bits: vec![0; bits / WORD],
        };
        let mut shared = vec![0; bits / WORD];
        for (value, _) in values {
            let (word, bit) = known.place(value);
            shared[word] |= known.bits[word] & bit;
            known.bits[word] |= bit;
        }
        let is_once = |(value, rows): &&(String, u64)| {
            let (word, bit) = known.place(value);
            *rows == 1 && shared[word] & bit == 0
        };
        known.once = values.iter().filter(is_once).count() as u64;
        known
    }

    /// Whether training may have had a value.
    pub fn has(&self, value: &str) -> bool {
        let (word, bit) = self.place(value);
        self.bits.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The word and the bit of a value.
    fn place(&self, value: &str) -> (usize, u32) {
        let bytes = value.bytes();
        let hash = bytes.fold(0, |hash, byte| splitmix::number(hash, u64::from(byte)));
        let at = (hash % (self.bits.len() * WORD).max(1) as u64) as usize;
        (at / WORD, 1 << (at % WORD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(range: std::ops::Range<usize>, rows: u64) -> Vec<(String, u64)> {
        range.map(|i| (format!("city {i}"), rows)).collect()
    }

    fn share(known: &Known, range: std::ops::Range<usize>) -> f64 {
        let count = range.len() as f64;
        let has = range.filter(|i| known.has(&format!("city {i}"))).count();
        has as f64 / count
    }

    #[test]
    fn every_value_of_training_is_known_and_most_others_are_not() {
        for (count, taken_for_known) in [(1, 0.04), (900, 0.37), (10_000, 0.27), (100_000, 0.79)] {
            let known = Known::of(&values(0..count, 2));
            assert_eq!(known.once, 0);
            assert_eq!(share(&known, 0..count), 1.0);
            let others = share(&known, 1_000_000..1_010_000);
            assert!(others <= taken_for_known + 0.02, "{count}: {others}");
        }
    }

    #[test]
    fn values_of_one_row_say_how_many_new_ones_are_usual() {
        let mut all = values(0..900, 2);
        all.extend(values(900..1000, 1));
        let known = Known::of(&all);
        // As many as their bits distinguish.
        assert!((40..100).contains(&known.once), "{}", known.once);
        let text = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<Known>(&text).unwrap(), known);
        let none = serde_json::from_str::<Known>(r#"{"once": 0, "bits": []}"#).unwrap();
        assert!(!none.has("city 1"));
    }
}
