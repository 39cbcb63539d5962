//! When rows were observed.

use catalog::manifest::{DatasetManifest, TimeRange};
use chrono::NaiveDateTime;
use table::dataset::HoldoutRule;

/// The range of all rows of a data set; `None` unless it is known of each file with rows.
fn of_all(manifest: &DatasetManifest) -> Option<TimeRange> {
    let with_rows = manifest.shards.iter().filter(|shard| shard.rows > 0);
    let ranges: Option<Vec<TimeRange>> = with_rows.map(|shard| shard.time).collect();
    ranges?.into_iter().reduce(TimeRange::with)
}

/// What to say of a first file that is held out and older than most rows to train on, as the first
/// of files that are named by month is.
pub(crate) fn old_holdout(
    rule: HoldoutRule,
    train: &DatasetManifest,
    holdout: &DatasetManifest,
) -> Option<String> {
    if rule != HoldoutRule::FirstShard {
        return None;
    }
    let (of_train, of_holdout) = (of_all(train)?, of_all(holdout)?);
    let later = train
        .shards
        .iter()
        .filter(|shard| shard.time.is_some_and(|time| time.first >= of_holdout.last));
    let later: u64 = later.map(|shard| shard.rows).sum();
    if of_train.last <= of_holdout.last || 2 * later < train.rows {
        return None;
    }
    let day = |time: NaiveDateTime| time.date();
    Some(format!(
        "the holdout is older than the rows to train on: {} ({} to {}) is held out by first-shard, \
         and {later} of {} rows to train on are later, up to {}, so the model is measured on data \
         older than its training data; HOLDOUT=after=DATE holds out the latest rows",
        holdout
            .shards
            .first()
            .map(|shard| shard.key.as_str())
            .unwrap_or_default(),
        day(of_holdout.first),
        day(of_holdout.last),
        train.rows,
        day(of_train.last)
    ))
}
