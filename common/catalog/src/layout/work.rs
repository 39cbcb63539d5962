//! Keys of the scratch of plans, which lasts no longer than a workflow.

use runtime::failure::Failure;

/// The profiles of one shard in a work folder.
pub fn shard_profiles(work: &str, shard: &str) -> String {
    format!("{work}/profiles/{shard}.json")
}

/// The profiles of all shards of a group, put together, in a work folder.
pub fn group_profiles(work: &str, id: &str) -> String {
    format!("{}/{id}.json", groups_profiles(work))
}

/// The folder of the profiles of groups.
pub fn groups_profiles(work: &str) -> String {
    format!("{work}/profile-groups")
}

/// The folder of a plan, its groups and its finished shards.
pub fn work(fingerprint: &str) -> String {
    format!("_work/{fingerprint}")
}

/// The plan in a work folder.
pub fn plan(work: &str) -> String {
    format!("{work}/plan.json")
}

/// The work folder that a plan's key is in.
pub fn work_of(plan: &str) -> anyhow::Result<&str> {
    plan.strip_suffix("/plan.json")
        .filter(|work| work.starts_with("_work/"))
        .ok_or_else(|| {
            Failure::usage(format!(
                "{plan:?} is not the key of a plan, such as _work/.../plan.json"
            ))
        })
}

/// A group of shards in a work folder.
pub fn group(work: &str, id: &str) -> String {
    format!("{work}/groups/{id}.json")
}

/// The mark of a finished shard in a work folder.
pub fn done(work: &str, shard: &str) -> String {
    format!("{work}/done/{shard}.json")
}

/// The marker of a candidate that was measured in a pod of its own, in a work folder; counted
/// from 1.
pub fn candidate(work: &str, number: usize) -> String {
    format!("{work}/candidates/{number}.json")
}

/// The keys of the rows of a group, sorted, in a work folder.
pub fn group_keys(work: &str, id: &str) -> String {
    format!("{}/{id}.bin", groups_keys(work))
}

/// The folder of the keys of groups' rows.
pub fn groups_keys(work: &str) -> String {
    format!("{work}/keys")
}

/// The marks of all shards of a finished group in a work folder.
pub fn group_done(work: &str, id: &str) -> String {
    format!("{}/{id}.json", groups_done(work))
}

/// The folder of the marks of finished groups.
pub fn groups_done(work: &str) -> String {
    format!("{work}/done-groups")
}

/// The states of aggregates over the rows of a group, in a work folder.
pub fn group_aggregates(work: &str, id: &str) -> String {
    format!("{}/{id}.bin", groups_aggregates(work))
}

/// The folder of the states of groups' aggregates.
pub fn groups_aggregates(work: &str) -> String {
    format!("{work}/aggregates")
}

/// The rows of a shard in the buckets of their entities, in a work folder.
pub fn shuffled(work: &str, shard: &str) -> String {
    format!("{work}/shuffled/{shard}.bin")
}
