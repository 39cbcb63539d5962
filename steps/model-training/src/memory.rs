//! How much memory a fit takes, and on how many threads that fits in the budget.

use anyhow::Result;
use learn::estimator::{FitBytes, HeldRows};
use learn::models::Chosen;
use learn::task::Target;
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::work::size;

/// Bytes of a number.
pub(crate) const NUMBER: u64 = size_of::<f64>() as u64;
/// What a thread has of rows: as they are in the file, and as numbers.
const ROWS: u64 = 48 << 20;
/// Bytes of the profile of a feature, while its cells are still fine.
const PROFILE: u64 = 64 << 10;
/// What a step takes whatever it does.
const BASE: u64 = 24 << 20;

/// What is fitted: its tables grow with the numbers of a row.
#[derive(Clone, Copy)]
pub(crate) struct Fitting<'a> {
    pub(crate) candidate: &'a Chosen,
    pub(crate) target: &'a Target,
    pub(crate) features: usize,
}

/// The step on as many threads as the budget of memory has room for with so many numbers a row.
///
/// # Errors
/// More numbers than there is memory for on one thread: exit 2, with how many there may be.
pub(crate) fn fitting(step: &Step, fitting: Fitting<'_>, inputs: usize) -> Result<Step> {
    let FitBytes { once, each } = fitting.bytes(inputs);
    if once + each > step.memory() {
        return Err(Failure::usage(format!(
            "{inputs} features: fitting a model takes {} of memory, for tables of {inputs} x {inputs} numbers, and \
             --memory (ALAMEDA_MEMORY) is {}, which is enough for {} features: select fewer in features.sql, or raise \
             --memory, on Argo the parameter memory-mib",
            size(once + each),
            size(step.memory()),
            fitting.most(step.memory()),
        )));
    }
    Ok(step.fitting(once, each, &format!("sums of {inputs} features")))
}

/// Refuses rows that have to be in memory, and are more than there is memory for.
///
/// # Errors
/// Exit 2, with what they take and how many there may be.
pub(crate) fn rows(step: &Step, fitting: Fitting<'_>, held: HeldRows) -> Result<()> {
    let Fitting {
        candidate, target, ..
    } = fitting;
    let (family, options) = (candidate.family, &candidate.options);
    let HeldRows {
        fit: rows, inputs, ..
    } = held;
    let of = |fit: u64| family.row_bytes(HeldRows { fit, ..held }, target, options);
    let wanted = of(rows)?;
    if wanted == 0 {
        return Ok(());
    }
    let beside = beside(inputs, step.threads());
    let free = step.memory().saturating_sub(beside);
    tracing::info!(
        "{} grows trees on {rows} rows of {inputs} numbers, which takes about {} of memory",
        family.name(),
        size(wanted.saturating_add(beside))
    );
    if wanted <= free {
        return Ok(());
    }
    let (mut least, mut most) = (0, rows);
    while least < most {
        let middle = u64::midpoint(least, most + 1);
        match of(middle)? <= free {
            true => least = middle,
            false => most = middle - 1,
        }
    }
    let (takes, has) = (size(wanted.saturating_add(beside)), size(step.memory()));
    let enough = match least {
        0 => "which is not enough for any: give the candidate a smaller `max_depth`, `max_leaves` \
              or `max_bin` in models.json"
            .to_owned(),
        _ => format!(
            "which is enough for {least} rows: give the candidate `\"max_rows\": {least}` in \
             models.json, so that it is trained on a sample of them"
        ),
    };
    Err(Failure::usage(format!(
        "{} on {rows} rows of {inputs} numbers takes about {takes} of memory, and --memory \
         (ALAMEDA_MEMORY) is {has}, {enough}, or raise --memory, on Argo the parameter memory-mib",
        family.name(),
    )))
}

/// Bytes that are taken beside the rows that trees grow on: the pass that reads these leaves its
/// buffers behind.
fn beside(inputs: usize, threads: usize) -> u64 {
    BASE + passing(inputs) * threads as u64
}

/// Bytes of the rows that a thread has in a pass.
fn passing(inputs: usize) -> u64 {
    (8 * 1024 * NUMBER * 4 * inputs as u64).min(ROWS)
}

/// Results that may be in memory at the same time when each takes so many bytes.
pub(crate) fn ahead(step: &Step, bytes: u64) -> usize {
    let room = usize::try_from(step.memory() / 4 / bytes.max(1)).unwrap_or(usize::MAX);
    room.clamp(step.threads(), 8 * step.threads())
}

/// Bytes that counts of distinct values may take, those of some rows or of all, where as many of
/// them as there are threads, and those of all, share half of the memory.
pub(crate) fn distinct(step: &Step) -> u64 {
    step.memory() / 2 / (step.threads() as u64 + 1)
}

/// Features that are profiled in one pass over the rows.
pub(crate) fn profiled_together(step: &Step) -> usize {
    // Of all rows, of a part, and one for each result that is made or waits.
    let copies = 2 + 2 * step.threads() as u64;
    usize::try_from(step.memory() / 4 / (PROFILE * copies)).map_or(usize::MAX, |many| many.max(1))
}

impl Fitting<'_> {
    /// Bytes that are taken once, and by each thread.
    fn bytes(&self, inputs: usize) -> FitBytes {
        let tables = self.candidate.family.bytes(inputs, self.target);
        FitBytes {
            once: BASE + tables.once + PROFILE * self.features as u64,
            each: tables.each + passing(inputs),
        }
    }

    /// The largest number of inputs, each a feature, for which there is memory.
    fn most(&self, memory: u64) -> usize {
        let fits = |inputs: usize| {
            let of = Self {
                features: inputs,
                ..*self
            };
            let FitBytes { once, each } = of.bytes(inputs);
            once + each <= memory
        };
        let (mut least, mut most) = (0, 1 << 24);
        while least < most {
            let middle = usize::midpoint(least, most + 1);
            match fits(middle) {
                true => least = middle,
                false => most = middle - 1,
            }
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use learn::estimator::Families;
    use learn::model::ClassValue;

    fn target() -> Target {
        Target {
            name: "y".to_owned(),
            classes: vec![ClassValue::Int(0), ClassValue::Int(1)],
        }
    }

    /// Peaks of `train` on two threads, without the text of the program: anonymous memory and the
    /// mapped rows, sampled from `/proc`. Few rows make trees far from full, for which a bound has
    /// to be wide: here at most 256 nodes are open at once.
    #[test]
    fn what_is_announced_is_what_was_measured_and_at_most_two_thirds_more() {
        let measured = [
            (r#"{}"#, 50_000, 200, 230),
            (r#"{"max_leaves": 0, "max_depth": 6}"#, 50_000, 200, 230),
            (r#"{"max_leaves": 0, "max_depth": 9}"#, 50_000, 200, 222),
            (r#"{}"#, 200_000, 20, 55),
            (r#"{"max_leaves": 0, "max_depth": 6}"#, 200_000, 20, 58),
            (r#"{"max_leaves": 0, "max_depth": 9}"#, 200_000, 20, 57),
        ];
        let family = Families::standard().get("gradient-boosting").unwrap();
        for (options, fit, inputs, peak) in measured {
            let options = serde_json::from_str(options).unwrap();
            let held = HeldRows {
                fit,
                validation: 0,
                inputs,
            };
            let rows = family.row_bytes(held, &target(), &options).unwrap();
            let announced = (rows + beside(inputs, 2)) >> 20;
            assert!(announced >= peak, "{options:?}: {announced} of {peak}");
            assert!(
                3 * announced <= 5 * peak,
                "{options:?}: {announced} of {peak}"
            );
        }
    }

    #[test]
    fn the_limit_of_features_is_the_last_that_fits() {
        let target = target();
        let family = Families::standard().get("logistic-regression").unwrap();
        let candidate = Chosen {
            family,
            options: Default::default(),
        };
        let of = |features| Fitting {
            candidate: &candidate,
            target: &target,
            features,
        };
        for memory in [64 << 20, 256 << 20, 2 << 30, 1 << 40] {
            let last = of(0).most(memory);
            let taken =
                |features| of(features).bytes(features).once + of(features).bytes(features).each;
            assert!(taken(last) <= memory && taken(last + 1) > memory, "{last}");
        }
        assert!(of(0).most(256 << 20) > 1000, "{}", of(0).most(256 << 20));
        assert_eq!(of(0).most(0), 0);
    }
}
