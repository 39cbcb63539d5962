//! What `map` leaves for `commit`.

use catalog::fanout::Finished;
use catalog::manifest::{File, Part};
use serde::{Deserialize, Serialize};

/// What is known of a scored part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scored {
    pub(crate) part: Part,
    pub(crate) unscored_rows: u64,
    /// Of its rows by day.
    pub(crate) profiles: File,
}

impl Finished for Scored {
    fn objects(&self) -> Vec<(&str, u64)> {
        vec![
            (&self.part.key, self.part.bytes),
            (&self.profiles.key, self.profiles.bytes),
        ]
    }
}
