//! Columns of categories, as later data is compared with them: features as they were before
//! anything was imputed or encoded, and columns of few values that the model does not use.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::ArrayRef;
use catalog::manifest::{Column, DatasetManifest, Part};
use learn::preprocessing::MAX_DISTINCT;
use learn::signature::{Kind, Signature};
use profile::reference::{CategoryProfile, ColumnProfile, FeatureProfile};
use runtime::step::Step;
use runtime::threads::wait;
use store::Store;
use table::categories::{Categories, SegmentColumns};
use table::parts;

use crate::memory;

/// The columns to profile.
///
/// # Errors
/// A column that the setting names and that is none of these: exit 2.
pub(crate) fn columns<'a>(
    setting: &SegmentColumns,
    train: &'a DatasetManifest,
) -> Result<Vec<&'a Column>> {
    setting.profiled(&train.columns)
}

/// Counts the values of those columns.
pub(crate) async fn profile(
    step: &Step,
    store: &Store,
    setting: &SegmentColumns,
    train: &DatasetManifest,
) -> Result<Vec<CategoryProfile>> {
    let columns = columns(setting, train)?.into_iter();
    let names: Arc<[String]> = columns.map(|column| column.name.clone()).collect();
    // A wide column of free texts is left after its first rows.
    let counted = count(step, store, &names, Categories::default(), true, train).await?;
    let counted = counted.into_iter().zip(names.iter());
    Ok(counted.map(|(of, name)| of.profile(name)).collect())
}

/// Counts the values of the features that hold categories.
pub(crate) async fn features(
    step: &Step,
    store: &Store,
    signature: &Signature,
    train: &DatasetManifest,
) -> Result<Vec<FeatureProfile>> {
    let of_kind = signature.of_kind(Kind::Categorical);
    let names: Arc<[String]> = of_kind.map_or_else(Vec::new, |of| of.names()).into();
    let none = Categories::up_to(MAX_DISTINCT);
    let counted = count(step, store, &names, none, false, train).await?;
    let profile = |(counted, name): (Categories, &String)| FeatureProfile {
        name: name.clone(),
        profile: ColumnProfile::Categories(counted.of_feature()),
    };
    Ok(counted.into_iter().zip(names.iter()).map(profile).collect())
}

/// Counts the values of columns over all training rows, in one more pass that reads nothing else;
/// in more passes where the values of all columns take more memory than there is for them.
/// `leaves` says that a column is left once its values are too many.
async fn count(
    step: &Step,
    store: &Store,
    names: &Arc<[String]>,
    none: Categories,
    leaves: bool,
    train: &DatasetManifest,
) -> Result<Vec<Categories>> {
    let mut all: Vec<Option<Categories>> = vec![None; names.len()];
    loop {
        let open = (0..names.len()).filter(|at| all[*at].is_none());
        let open: Arc<[usize]> = open.collect();
        if open.is_empty() {
            return Ok(all.into_iter().flatten().collect());
        }
        let count = {
            let (step, store, names) = (step.clone(), store.clone(), names.clone());
            let (open, none) = (open.clone(), none.clone());
            move |part: Part| -> Result<Together> {
                let file = wait(store.file(&part.key))?;
                let mut counted = Together::new(open.len(), &none, memory::distinct(&step));
                for (at, column) in open.iter().enumerate() {
                    let name = std::slice::from_ref(&names[*column]);
                    for batch in parts::read(&file, name, step.work())? {
                        step.check()?;
                        let full = counted.add(at, batch?.column(0))?;
                        if leaves && full || counted.is_put_off(at) {
                            break;
                        }
                    }
                }
                Ok(counted)
            }
        };
        let count = move |part: Part| {
            let key = part.key.clone();
            count(part).with_context(|| format!("reading {key}"))
        };
        let mut together = Together::new(open.len(), &none, memory::distinct(step));
        let parts = train.parts.to_vec();
        let merge = |counted| {
            together.merge(counted);
            Ok(())
        };
        step.fold_ahead(step.threads(), parts, count, merge)
            .await
            .with_context(|| format!("counting the values of {}", names.join(", ")))?;
        for (at, counted) in open.iter().zip(together.columns) {
            all[*at] = counted;
        }
    }
}

/// Counts of several columns, within a limit of memory: those that find no room are put off, but
/// never the first one.
struct Together {
    columns: Vec<Option<Categories>>,
    memory: u64,
}

impl Together {
    fn new(columns: usize, none: &Categories, memory: u64) -> Self {
        Self {
            columns: vec![Some(none.clone()); columns],
            memory,
        }
    }

    fn is_put_off(&self, at: usize) -> bool {
        self.columns[at].is_none()
    }

    /// Counts values of a column; gives whether more would change nothing.
    fn add(&mut self, at: usize, values: &ArrayRef) -> Result<bool> {
        if let Some(counted) = &mut self.columns[at] {
            counted.add(values)?;
        }
        self.bound();
        Ok(self.columns[at].as_ref().is_some_and(Categories::is_full))
    }

    fn merge(&mut self, later: Self) {
        for (own, later) in self.columns.iter_mut().zip(later.columns) {
            match (own.as_mut(), later) {
                (Some(own), Some(later)) => own.merge(&later),
                _ => *own = None,
            }
        }
        self.bound();
    }

    /// Puts off the last columns that take memory, until the others are within the limit.
    fn bound(&mut self) {
        let bytes = |of: &Option<Categories>| of.as_ref().map_or(0, Categories::bytes);
        while self.columns.iter().map(bytes).sum::<u64>() > self.memory {
            let last = self.columns.iter().rposition(|of| bytes(of) > 0);
            match last.filter(|last| *last > 0) {
                Some(last) => self.columns[last] = None,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn what_finds_no_room_is_put_off_and_the_first_column_never_is() {
        let values = |column: usize| -> ArrayRef {
            let values = (0..100).map(|row| format!("{column}-{row}"));
            Arc::new(StringArray::from_iter_values(values))
        };
        let none = Categories::up_to(1000);
        let of_one = {
            let mut one = none.clone();
            one.add(&values(0)).unwrap();
            one.bytes()
        };
        for (memory, counted) in [(0, 1), (of_one, 1), (2 * of_one, 2), (3 * of_one, 3)] {
            let mut together = Together::new(3, &none, memory);
            let mut part = Together::new(3, &none, memory);
            for column in 0..3 {
                together.add(column, &values(column)).unwrap();
                part.add(column, &values(column)).unwrap();
            }
            together.merge(part);
            let there = |of: &&Option<Categories>| of.is_some();
            assert_eq!(together.columns.iter().filter(there).count(), counted);
            assert!(!together.is_put_off(0));
        }
    }
}
