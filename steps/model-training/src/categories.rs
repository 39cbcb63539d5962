//! Columns of few values that the model does not use, as later data is compared with them.

use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::manifest::{Column, DatasetManifest, Part};
use profile::reference::CategoryProfile;
use runtime::step::Step;
use runtime::threads::wait;
use store::Store;
use table::categories::{Categories, SegmentColumns};
use table::parts;

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

/// Counts their values over all training rows, in one more pass that reads nothing else.
pub(crate) async fn profile(
    step: &Step,
    store: &Store,
    setting: &SegmentColumns,
    train: &DatasetManifest,
) -> Result<Vec<CategoryProfile>> {
    let names: Arc<[String]> = columns(setting, train)?
        .into_iter()
        .map(|column| column.name.clone())
        .collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = vec![Categories::default(); names.len()];
    let count = {
        let (step, store, names) = (step.clone(), store.clone(), names.clone());
        move |part: Part| -> Result<Vec<Categories>> {
            let file = wait(store.file(&part.key))?;
            let count = |name: &String| {
                let mut counted = Categories::default();
                for batch in parts::read(&file, std::slice::from_ref(name), step.work())? {
                    step.check()?;
                    counted.add(batch?.column(0))?;
                    // A wide column of free texts is left after its first rows.
                    if counted.is_full() {
                        break;
                    }
                }
                Ok(counted)
            };
            let counted: Result<Vec<Categories>> = names.iter().map(count).collect();
            counted.with_context(|| format!("reading {}", part.key))
        }
    };
    step.fold(train.parts.to_vec(), count, |counted| {
        all.iter_mut()
            .zip(&counted)
            .for_each(|(all, counted)| all.merge(counted));
        Ok(())
    })
    .await
    .context("profiling the columns that rows are divided by")?;
    Ok(all
        .into_iter()
        .zip(names.iter())
        .map(|(counted, name)| counted.profile(name))
        .collect())
}
