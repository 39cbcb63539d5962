//! How much memory a fit takes of so many features, and on how many threads that fits in the
//! budget.

use anyhow::Result;
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::work::size;

/// Tables of features x features numbers that are there once: the moments, the sums over all rows,
/// the Hessians of two points, and those in which the step between them is computed.
const TABLES: u64 = 9;
/// Tables that each thread has: sums of a part and of what it reads.
const TABLES_OF_THREAD: u64 = 3;
/// Bytes of a number.
const NUMBER: u64 = 8;
/// What a thread has of rows: as they are in the file, and as numbers.
const ROWS: u64 = 48 << 20;
/// Bytes of the profile of a feature, while its cells are still fine.
const PROFILE: u64 = 64 << 10;
/// What a step takes whatever it does.
const BASE: u64 = 24 << 20;

/// The step on as many threads as the budget of memory has room for with so many features.
///
/// # Errors
/// More features than there is memory for on one thread: exit 2, with how many there may be.
pub(crate) fn fitting(step: &Step, features: usize) -> Result<Step> {
    let (once, each) = needs(features as u64);
    if once + each > step.memory() {
        return Err(Failure::usage(format!(
            "{features} features: fitting a model takes {} of memory, for tables of {features} x {features} numbers, and \
             --memory (ALAMEDA_MEMORY) is {}, which is enough for {} features: select fewer in features.sql, or raise \
             --memory, on Argo the parameter memory-mib",
            size(once + each),
            size(step.memory()),
            most(step.memory()),
        )));
    }
    Ok(step.fitting(once, each, &format!("sums of {features} features")))
}

/// Results that may be in memory at the same time when each takes so many bytes, besides what a fit
/// of so many features takes.
pub(crate) fn ahead(step: &Step, features: usize, bytes: u64) -> usize {
    let (once, each) = needs(features as u64);
    let taken = once + each * step.threads() as u64;
    let room = step.memory().saturating_sub(taken).min(step.memory() / 4);
    let room = usize::try_from(room / bytes.max(1)).unwrap_or(usize::MAX);
    room.clamp(step.threads(), 8 * step.threads())
}

/// Features that are profiled in one pass over the rows.
pub(crate) fn profiled_together(step: &Step) -> usize {
    // Of all rows, of a part, and one for each result that is made or waits.
    let copies = 2 + 2 * step.threads() as u64;
    usize::try_from(step.memory() / 4 / (PROFILE * copies)).map_or(usize::MAX, |many| many.max(1))
}

/// Bytes that are taken once, and by each thread.
fn needs(features: u64) -> (u64, u64) {
    let table = NUMBER * (features + 1) * (features + 1);
    let rows = (8 * 1024 * NUMBER * 4 * features).min(ROWS);
    (
        BASE + TABLES * table + PROFILE * features,
        TABLES_OF_THREAD * table + rows,
    )
}

/// The largest number of features for which there is memory.
fn most(memory: u64) -> u64 {
    let fits = |features: u64| {
        let (once, each) = needs(features);
        once + each <= memory
    };
    let (mut least, mut most) = (0, 1 << 24);
    while least < most {
        let middle = u64::midpoint(least, most + 1);
        match fits(middle) {
            true => least = middle,
            false => most = middle - 1,
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_features_is_the_last_that_fits() {
        for memory in [64 << 20, 256 << 20, 2 << 30, 1 << 40] {
            let last = most(memory);
            let taken = |features| needs(features).0 + needs(features).1;
            assert!(taken(last) <= memory && taken(last + 1) > memory, "{last}");
        }
        assert!(most(256 << 20) > 1000, "{}", most(256 << 20));
        assert_eq!(most(0), 0);
    }
}
