//! What `plan` passes to `map` and `commit`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use catalog::fanout::Shard;
use catalog::layout::{self, DataVersion, Split};
use catalog::manifest::{Column, Quarantined, Role};
use chrono_tz::Tz;
use runtime::failure::Failure;
use runtime::step::Step;
use serde::{Deserialize, Serialize};
use sql::prepare::{Preparation, Purpose};
use store::Store;
use table::config::Config;
use table::dataset::{HoldoutRule, RepeatedKeys};
use table::shuffled;

use crate::keys::KeyColumns;
use crate::looks_back::LooksBack;
use crate::scored::Scored;

/// What is to be done with every raw file of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) data_version: DataVersion,
    /// Digest of the pinned configuration.
    pub(crate) config: String,
    /// How rows are or were held out; `None` for rows to score.
    pub(crate) holdout: Option<HoldoutRule>,
    /// In which a date of the holdout is meant.
    pub(crate) timezone: String,
    pub(crate) columns: Vec<Column>,
    /// How many raw files may be left out; `None` ends the run with the first bad one.
    ///
    /// It decides what is accepted and not what is made, so it is no input: a run that is repeated
    /// with another limit goes on with what is done.
    pub(crate) quarantine: Option<usize>,
    /// Share of the rows of the raw files that may be quarantined, as `quarantine` no input; `None`
    /// where the contract has none quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_quarantined_share: Option<f64>,
    /// Raw files that were written again with the bytes that are committed: key and stamp of
    /// today.
    pub(crate) retouched: BTreeMap<String, String>,
    /// Whether rows to train on may repeat the key of another row.
    #[serde(default, skip_serializing_if = "RepeatedKeys::is_refuse")]
    pub(crate) repeated_keys: RepeatedKeys,
    /// Of a holdout that is prepared once more, by another configuration than its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<Again>,
    /// Of rows to train on that were scored before their labels came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scored: Option<Scored>,
    /// Of a query that looks at other rows of an entity, which are brought together first, and of
    /// one that looks at aggregates over all rows to train on, which are to be computed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) windows: Option<Windowed>,
    /// Of such a query over rows to score: which files come after those to score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) looks_back: Option<LooksBack>,
}

/// How rows are brought together by entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Windowed {
    /// Into how many buckets entities are put by their hash.
    pub(crate) buckets: usize,
}

impl Windowed {
    /// For raw files of so many bytes each.
    pub(crate) fn of(files: impl Iterator<Item = u64>) -> Self {
        Self {
            buckets: shuffled::buckets(files.sum()),
        }
    }
}

/// What is known of a holdout that is prepared once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Again {
    pub(crate) folder: String,
    /// Digests of its raw files by key: who judges by it wants the very rows of then.
    pub(crate) contents: BTreeMap<String, String>,
    /// Keys of files that no row of it is from, and that its rows are computed with.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) history: BTreeSet<String>,
}

/// What a plan prepares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Rows to train on, and the holdout that the rule takes from them.
    Train(HoldoutRule),
    /// A holdout alone, which the rule took before.
    Holdout(HoldoutRule),
    /// Rows to score.
    Predict,
}

impl Job {
    pub(crate) fn kind(&self) -> Kind {
        match (self.holdout, &self.again) {
            (None, _) => Kind::Predict,
            (Some(rule), None) => Kind::Train(rule),
            (Some(rule), Some(_)) => Kind::Holdout(rule),
        }
    }

    /// Whether a holdout is prepared once more.
    pub(crate) fn is_again(&self) -> bool {
        self.again.is_some()
    }

    /// Whether rows of a file are held out where files decide. All of a holdout were, but for those
    /// that its rows are computed with; by row, it does not matter which file is the first.
    pub(crate) fn is_first(&self, file: &Shard) -> bool {
        match &self.again {
            Some(again) => !again.history.contains(&file.key),
            None => file.ordinal == 0,
        }
    }

    /// Whether rows of a file are looked back at alone.
    pub(crate) fn is_earlier(&self, place: usize) -> bool {
        let looks_back = self.looks_back.as_ref();
        looks_back.is_some_and(|looks_back| place >= looks_back.files)
    }

    /// Whether rows of a split are prepared.
    pub(crate) fn takes(&self, split: Split) -> bool {
        !self.is_again() || split == Split::Holdout
    }

    /// Whether rows of other files are looked through for keys that repeat.
    pub(crate) fn keys_count(&self) -> bool {
        match self.kind() {
            // Even where keys may repeat, a row that is held out may not be trained on.
            Kind::Predict | Kind::Train(HoldoutRule::FirstShard) => true,
            // All rows of a key are on the same side.
            Kind::Train(_) => self.repeated_keys.is_refuse(),
            // That was done when the holdout was made.
            Kind::Holdout(_) => false,
        }
    }

    /// Names of the columns that name a row.
    pub(crate) fn key_columns(&self) -> KeyColumns {
        let names = |role| self.with_role(role).map(|column| column.name.clone());
        names(Role::Id).chain(names(Role::Time)).collect()
    }

    /// Name of the column of time.
    pub(crate) fn time_column(&self) -> Option<&str> {
        self.with_role(Role::Time)
            .next()
            .map(|column| column.name.as_str())
    }

    fn with_role(&self, role: Role) -> impl Iterator<Item = &Column> {
        self.columns
            .iter()
            .filter(move |column| column.role == role)
    }

    /// What checks and computes the rows of the raw files, of the pinned configuration, with the
    /// values of its aggregates if it has any.
    ///
    /// # Errors
    /// A configuration whose SQL can't be planned, and a time zone that is none: exit 2.
    pub(crate) async fn preparation(&self, step: &Step, store: &Store) -> Result<Preparation> {
        let config = Config::load(store, &self.config).await?;
        let timezone = || -> Result<Tz> {
            let timezone = self.timezone.parse();
            timezone.map_err(|error| Failure::usage(format!("the plan's time zone: {error}")))
        };
        let purpose = match self.kind() {
            Kind::Predict => Purpose::Predict,
            Kind::Train(rule) => Purpose::Train(rule, timezone()?),
            Kind::Holdout(rule) => Purpose::Compare(rule, timezone()?),
        };
        let preparation = Preparation::new(step, &config, purpose)?;
        if preparation.looks_up() {
            preparation.look_up(&config.tables(store).await?)?;
        }
        Ok(preparation)
    }

    /// The split that is committed last; where it stands, everything stands.
    pub(crate) fn main_split(&self) -> Split {
        match self.kind() {
            Kind::Train(_) => Split::Train,
            Kind::Holdout(_) => Split::Holdout,
            Kind::Predict => Split::Predict,
        }
    }
}

/// The folder of a split's parts and manifest; `fingerprint` is that of the plan's inputs.
pub(crate) fn folder(job: &Job, fingerprint: &str, split: Split) -> String {
    match (split, &job.again) {
        (_, Some(again)) => again.folder.clone(),
        (Split::Predict, None) => layout::predict(&job.data_version, fingerprint),
        (Split::Train | Split::Holdout, None) => layout::dataset(split, &job.data_version),
    }
}

/// Whether the run may go on without these raw files. Who measures on a holdout that is prepared
/// once more reads in its manifest which files are not what they were.
///
/// # Errors
/// Too many of them: exit 10, with what is wrong with each.
pub(crate) fn accept(job: &Job, bad: &[Quarantined]) -> Result<()> {
    const SHOWN: usize = 4;
    if job.is_again() || bad.len() <= job.quarantine.unwrap_or(0) {
        return Ok(());
    }
    let mut text = match job.quarantine {
        Some(limit) => format!(
            "{} raw files break the data contract, and MAX_BAD_SHARDS (--max-bad-shards) is {limit}:",
            bad.len()
        ),
        None => format!(
            "{} raw files break the data contract, and ON_BAD_SHARD (--on-bad-shard) is fail:",
            bad.len()
        ),
    };
    for bad in bad.iter().take(SHOWN) {
        text.push_str("\n- ");
        text.push_str(&bad.reason);
    }
    if bad.len() > SHOWN {
        let names: Vec<&str> = bad
            .iter()
            .skip(SHOWN)
            .take(20)
            .map(|bad| bad.key.as_str())
            .collect();
        text.push_str(&format!(
            "\n- and {} more: {}",
            bad.len() - SHOWN,
            names.join(", ")
        ));
    }
    Err(Failure::contract(text))
}
