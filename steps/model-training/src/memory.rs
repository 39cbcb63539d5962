//! How much memory a fit takes, and on how many threads that fits in the budget.

use anyhow::Result;
use learn::estimator::FitBytes;
use learn::models::Chosen;
use learn::task::Target;
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::work::size;

/// Bytes of a number.
const NUMBER: u64 = 8;
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
pub(crate) fn rows(step: &Step, fitting: Fitting<'_>, inputs: usize, rows: u64) -> Result<()> {
    let Fitting {
        candidate, target, ..
    } = fitting;
    let (family, options) = (candidate.family, &candidate.options);
    let of = |rows: u64| family.row_bytes(rows, inputs, target, options);
    let wanted = of(rows)?;
    if wanted == 0 {
        return Ok(());
    }
    let free = step.memory().saturating_sub(BASE);
    tracing::info!(
        "{} grows trees on {rows} rows of {inputs} numbers, which takes about {} of memory",
        family.name(),
        size(wanted + BASE)
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
    Err(Failure::usage(format!(
        "{} on {rows} rows of {inputs} numbers takes about {} of memory, and --memory \
         (ALAMEDA_MEMORY) is {}, which is enough for {least} rows: give the candidate \
         `\"max_rows\": {least}` in models.json, so that it is trained on a sample of them, or \
         raise --memory, on Argo the parameter memory-mib",
        family.name(),
        size(wanted + BASE),
        size(step.memory()),
    )))
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
        let rows = (8 * 1024 * NUMBER * 4 * inputs as u64).min(ROWS);
        FitBytes {
            once: BASE + tables.once + PROFILE * self.features as u64,
            each: tables.each + rows,
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

    #[test]
    fn the_limit_of_features_is_the_last_that_fits() {
        let target = Target {
            name: "y".to_owned(),
            classes: vec![ClassValue::Int(0), ClassValue::Int(1)],
        };
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
