//! Rows that break the data contract and are quarantined: written beside the parts with the
//! reasons, counted, and refused where they are too many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use catalog::manifest::{DatasetManifest, Part, Violation};
use runtime::failure::Failure;
use store::Store;
use table::parts::PartWriter;
use table::raw::TakeQuarantined;

use crate::job::Job;

/// Reasons that a message names.
const SHOWN: usize = 8;

/// The file of a shard's quarantined rows; nothing is written where there are none.
#[derive(Clone)]
pub(crate) struct Quarantine(Arc<Mutex<Writing>>);

struct Writing {
    store: Store,
    key: String,
    ordinal: usize,
    schema: SchemaRef,
    part: Option<PartWriter>,
}

impl Quarantine {
    /// Of the shard with this place among all shards, at `key`.
    pub(crate) fn new(store: &Store, key: String, ordinal: usize, schema: SchemaRef) -> Self {
        Self(Arc::new(Mutex::new(Writing {
            store: store.clone(),
            key,
            ordinal,
            schema,
            part: None,
        })))
    }

    /// What takes the rows. It waits for the store, so it belongs on a blocking thread.
    pub(crate) fn take(&self) -> TakeQuarantined {
        let quarantine = self.clone();
        Box::new(move |rows| quarantine.locked().write(rows))
    }

    /// Makes the file visible.
    pub(crate) fn finish(&self) -> Result<Option<Part>> {
        let part = self.locked().part.take();
        part.map(PartWriter::finish).transpose()
    }

    fn locked(&self) -> MutexGuard<'_, Writing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let part = match &mut self.part {
            Some(part) => part,
            none => {
                let (key, schema) = (self.key.clone(), &self.schema);
                none.insert(PartWriter::new(&self.store, key, self.ordinal, schema)?)
            }
        };
        part.write(rows)
    }
}

/// Adds up to the manifest of the main split what of its raw files is quarantined or counted, and
/// warns of it. `holdout` has the other rows, of training data.
pub(crate) fn summarize(
    main: &mut DatasetManifest,
    holdout: Option<&DatasetManifest>,
    violations: &[Violation],
) {
    main.violations = Violation::sum(violations);
    let rows = read(main, holdout);
    let counted = listed(main, false);
    if !counted.is_empty() {
        main.warnings.push(format!(
            "rows that break the data contract are used, because on_violation is count; of {rows} \
             rows: {counted}"
        ));
    }
    if main.left_out.quarantined > 0 {
        main.warnings.push(format!(
            "{}: {}; {}",
            share(main, rows),
            listed(main, true),
            place(main)
        ));
    }
}

/// Refuses a data set of whose rows too many are quarantined. The rows of a holdout that is
/// prepared once more are counted by who measures on it.
///
/// # Errors
/// More than the job accepts: exit 10, with the columns and rules.
pub(crate) fn refuse_many(
    job: &Job,
    main: &DatasetManifest,
    holdout: Option<&DatasetManifest>,
) -> Result<()> {
    let rows = read(main, holdout);
    let most = job.max_quarantined_share.unwrap_or(0.0);
    let quarantined = main.left_out.quarantined;
    // Without a row there is no share.
    if job.is_again() || quarantined as f64 <= most * rows as f64 {
        return Ok(());
    }
    Err(Failure::contract(format!(
        "{}, and MAX_QUARANTINED_SHARE (--max-quarantined-share) is {most}: {}\n{}\nrepair the \
         files, correct dataset.json, or raise MAX_QUARANTINED_SHARE",
        share(main, rows),
        listed(main, true),
        place(main)
    )))
}

/// Rows of the raw files.
fn read(main: &DatasetManifest, holdout: Option<&DatasetManifest>) -> u64 {
    main.rows + holdout.map_or(0, |holdout| holdout.rows) + main.left_out.total()
}

fn share(main: &DatasetManifest, rows: u64) -> String {
    let quarantined = main.left_out.quarantined;
    let percent = 100.0 * quarantined as f64 / rows as f64;
    format!(
        "{quarantined} of {rows} rows ({percent:.2} %) break the data contract and are quarantined"
    )
}

fn listed(main: &DatasetManifest, quarantined: bool) -> String {
    let all = main.violations.iter();
    let mut found: Vec<&Violation> = all
        .filter(|violation| violation.quarantined == quarantined)
        .collect();
    found.sort_by_key(|violation| std::cmp::Reverse(violation.rows));
    let mut shown: Vec<String> = found.iter().take(SHOWN).map(ToString::to_string).collect();
    if found.len() > SHOWN {
        shown.push(format!("and by {} more rules", found.len() - SHOWN));
    }
    shown.join(", ")
}

/// Where the rows are.
fn place(main: &DatasetManifest) -> String {
    let first = main.quarantine.first().map_or("", |part| part.key.as_str());
    match main.quarantine.len() {
        0 | 1 => format!("the rows are in {first}"),
        files => format!("the rows are in {first} and {} more files", files - 1),
    }
}
