//! What the container may use: the limits of its cgroup.

use std::num::NonZero;
use std::path::Path;

/// Of the limit; the rest is for what the budget does not count.
const SHARE: f64 = 0.7;
/// Used where there is no limit.
const UNLIMITED: u64 = 1 << 30;

/// Cores, the cgroup's quota taken into account.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Bytes that a step may keep in memory.
pub(super) fn memory_budget() -> u64 {
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    limits
        .iter()
        .find_map(|file| limit(Path::new(file)))
        .map_or(UNLIMITED, |limit| (limit as f64 * SHARE) as u64)
}

/// Bytes that scratch files may take: what is free on the folder's file system, but for a
/// twentieth. A folder that is not there yet is looked up by what it will lie in; what can't be
/// looked up has no limit.
pub(super) fn disk_budget(folder: &Path) -> u64 {
    let free = folder.ancestors().find_map(|folder| {
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let system = rustix::fs::statvfs(folder).ok()?;
        Some(system.f_bavail.saturating_mul(system.f_frsize))
    });
    free.map_or(u64::MAX, |free| free - free / 20)
}

/// A limit of cgroups; `None` when there is none: "max" in version 2, a number near 2^63 in version
/// 1.
fn limit(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.trim()
        .parse()
        .ok()
        .filter(|limit| (1..1 << 60).contains(limit))
}
