//! A holdout as another configuration than its own prepares it: the rows that judge a candidate,
//! with the features of a champion that was trained on others.
//!
//! ```
//! use catalog::compared::Compared;
//! use catalog::manifest::DatasetManifest;
//!
//! let holdout: DatasetManifest = serde_json::from_str(r#"{
//!     "format_version": 1, "fingerprint": "3f", "inputs": {}, "workflow": "training",
//!     "created_at": "2026-11-28T00:00:00Z", "data_version": "1", "split": "holdout",
//!     "config": "9c", "holdout": "first-shard", "columns": [], "rows": 0, "labelled_rows": 0,
//!     "parts": [], "shards": [], "quarantined": []
//! }"#)?;
//! let by = |config| Compared { holdout: &holdout, config, timezone: chrono_tz::Tz::UTC };
//! // Each configuration prepares it in a folder of its own, for any caller.
//! assert_eq!(by("a1").folder(), by("a1").folder());
//! assert_ne!(by("a1").folder(), by("b2").folder());
//! # Ok::<(), serde_json::Error>(())
//! ```

use anyhow::Result;
use chrono_tz::Tz;

use crate::layout;
use crate::manifest::{self, DatasetManifest, Inputs, ModelManifest};
use store::Store;

/// What such a data set is made from. Who prepares it and who reads it find it by this.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The holdout, prepared by its own configuration.
    pub holdout: &'a DatasetManifest,
    /// Digest of the other configuration.
    pub config: &'a str,
    /// In which a date of the holdout's rule is meant.
    pub timezone: Tz,
}

impl Compared<'_> {
    /// Adds what it depends on.
    pub fn inputs(&self, inputs: Inputs) -> Inputs {
        inputs
            .with("data-version", &self.holdout.data_version)
            .with("split", self.holdout.split)
            .with(ModelManifest::HOLDOUT_DATA, self.holdout.content())
            .with("config", self.config)
            .with("holdout", &self.holdout.holdout)
            .with("timezone", self.timezone)
    }

    /// Its folder, whatever program prepares it.
    pub fn folder(&self) -> String {
        let inputs = self.inputs(Inputs::default());
        layout::compared(&self.holdout.data_version, &inputs.fingerprint())
    }

    /// What is committed of it. Where raw files are quarantined they are not what they were, or
    /// break the contract of the other configuration, and nothing can be measured on the rest.
    ///
    /// # Errors
    /// A corrupt manifest: exit 2.
    pub async fn read(&self, store: &Store) -> Result<Option<DatasetManifest>> {
        let found: Option<DatasetManifest> =
            manifest::read(store, &layout::manifest(&self.folder())).await?;
        let content = self.holdout.content();
        Ok(found.filter(|found| {
            let of = found.header.inputs.get(ModelManifest::HOLDOUT_DATA);
            found.config == self.config && of == Some(&content)
        }))
    }
}
