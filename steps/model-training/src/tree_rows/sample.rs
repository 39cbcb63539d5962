//! A sample of rows, of an exact size, that depends on a seed and how many rows there are.

use learn::splitmix::number;

/// Rows in a word.
const WORD: u64 = u64::BITS as u64;

/// Which rows are taken, and where each comes to stand among them.
pub(crate) struct Sample {
    rows: u64,
    /// `None` where all are taken.
    taken: Option<Taken>,
}

struct Taken {
    /// A bit a row.
    words: Vec<u64>,
    /// Rows that are taken before each word.
    before: Vec<u64>,
}

impl Sample {
    /// `most` rows at most of `rows`.
    pub(crate) fn new(rows: u64, most: Option<u64>, seed: u64) -> Self {
        let Some(most) = most.filter(|most| *most < rows) else {
            return Self { rows, taken: None };
        };
        let words = rows.div_ceil(WORD) as usize;
        let mut taken = Taken {
            words: vec![0; words],
            before: vec![0; words],
        };
        // Selection sampling (Knuth, volume 2, algorithm S).
        let mut wanted = most;
        for row in 0..rows {
            let (word, bit) = ((row / WORD) as usize, row % WORD);
            if bit == 0 {
                taken.before[word] = most - wanted;
            }
            let left = u128::from(rows - row);
            if (u128::from(number(seed, row)) * left) >> 64 < u128::from(wanted) {
                taken.words[word] |= 1 << bit;
                wanted -= 1;
            }
        }
        Self {
            rows: most,
            taken: Some(taken),
        }
    }

    /// How many are taken.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Where a row stands among those that are taken; `None` where it is not.
    pub(crate) fn place(&self, row: u64) -> Option<u64> {
        let Some(taken) = &self.taken else {
            return Some(row);
        };
        let (word, bit) = ((row / WORD) as usize, row % WORD);
        let of_word = *taken.words.get(word)?;
        let before = of_word & ((1 << bit) - 1);
        let is_taken = of_word >> bit & 1 == 1;
        is_taken.then(|| taken.before[word] + u64::from(before.count_ones()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_size_and_every_row_the_same_chance() {
        let mut hits = vec![0_u32; 1000];
        for seed in 0..400 {
            let sample = Sample::new(1000, Some(130), seed);
            assert_eq!(sample.rows(), 130);
            let places: Vec<u64> = (0..1000).filter_map(|row| sample.place(row)).collect();
            assert_eq!(places, (0..130).collect::<Vec<u64>>());
            for (row, hits) in hits.iter_mut().enumerate() {
                *hits += u32::from(sample.place(row as u64).is_some());
            }
        }
        // 52 of 400 are expected, with a standard deviation of 6.7.
        let far = hits
            .iter()
            .filter(|hits| !(19..=85).contains(*hits))
            .count();
        assert_eq!(far, 0, "{hits:?}");
        let all = Sample::new(10, Some(10), 1);
        assert_eq!((all.rows(), all.place(9)), (10, Some(9)));
    }
}
