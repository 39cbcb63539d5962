//! What `map` leaves for `commit`: what became of each raw file.

use catalog::fanout::{Finished, Shard};
use catalog::layout::Split;
use catalog::manifest::{LeftOut, Part, Quarantined, RawShard, TimeRange, Violation};
use serde::{Deserialize, Serialize};
use table::shuffled::Shuffled;

/// What became of one raw file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    /// The file; its `rows` are those of all splits.
    pub(crate) raw: RawShard,
    /// Why it is left out.
    pub(crate) bad: Option<String>,
    /// Whether it is left out because it is there no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gone: bool,
    /// Whether rows to score look back at it, and none of it is scored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) earlier: bool,
    /// Rows of it that are left out.
    #[serde(default)]
    pub(crate) left_out: LeftOut,
    /// Rows of it that break the contract, and are quarantined or taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) violations: Vec<Violation>,
    /// The file of those that are quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quarantine: Option<Part>,
    pub(crate) pieces: Vec<Piece>,
    /// Where its rows wait for those of other files, of a query that looks at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shuffled: Option<OfShuffle>,
}

impl Done {
    /// Rows that are prepared, or about to be.
    pub(crate) fn rows(&self) -> u64 {
        match &self.shuffled {
            Some(shuffled) => shuffled.splits.iter().map(|split| split.rows).sum(),
            None => self.pieces.iter().map(|piece| piece.part.rows).sum(),
        }
    }

    /// What it gives to a split.
    pub(crate) fn of_split(&self, split: Split) -> Option<Counted> {
        match &self.shuffled {
            Some(shuffled) => shuffled.splits.iter().find(|of| of.split == split).copied(),
            None => {
                let piece = self.pieces.iter().find(|piece| piece.split == split);
                piece.map(|piece| Counted {
                    split,
                    rows: piece.part.rows,
                    labelled_rows: piece.labelled_rows,
                    time: piece.time,
                })
            }
        }
    }
}

/// The rows of one raw file, in buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfShuffle {
    /// Where they are, with the states of aggregates over those that are trained on; `None` where
    /// there are none.
    pub(crate) object: Option<Shuffled>,
    pub(crate) splits: Vec<Counted>,
}

/// What a raw file gives to one split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counted {
    pub(crate) split: Split,
    pub(crate) rows: u64,
    pub(crate) labelled_rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<TimeRange>,
}

/// The rows of one split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Piece {
    pub(crate) split: Split,
    pub(crate) labelled_rows: u64,
    pub(crate) part: Part,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<TimeRange>,
}

impl Finished for Done {
    fn objects(&self) -> Vec<(&str, u64)> {
        let parts = self.pieces.iter().map(|piece| &piece.part);
        let shuffled = self.shuffled.iter();
        let shuffled = shuffled.filter_map(|shuffled| Some(&shuffled.object.as_ref()?.part));
        parts
            .chain(&self.quarantine)
            .chain(shuffled)
            .map(|part| (part.key.as_str(), part.bytes))
            .collect()
    }

    /// A file that was left out may have been unreadable for a while only.
    fn may_be_reused(&self) -> bool {
        self.bad.is_none()
    }
}

/// The raw files to leave out, but for those that others look back at.
pub(crate) fn bad(done: &[Done]) -> Vec<Quarantined> {
    let bad = |done: &Done| {
        Some(Quarantined {
            key: done.raw.key.clone(),
            reason: done.bad.clone()?,
            gone: done.gone,
        })
    };
    let prepared = done.iter().filter(|done| !done.earlier);
    prepared.filter_map(bad).collect()
}

pub(crate) fn raw(shard: &Shard, bytes: u64, sha256: String, rows: u64) -> RawShard {
    RawShard {
        key: shard.key.clone(),
        bytes,
        stamp: shard.stamp.clone(),
        sha256,
        rows,
        time: None,
    }
}
