//! Columns of categories, as later data is compared with them: features as they were before
//! anything was imputed or encoded, and columns of few values that the model does not use.

use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::manifest::{Column, DatasetManifest, Part};
use learn::preprocessing::MAX_DISTINCT;
use learn::signature::{Kind, Signature};
use profile::reference::{CategoryProfile, ColumnProfile, FeatureProfile};
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

/// Counts the values of columns over all training rows, in one more pass that reads nothing else.
/// `leaves` says that a column is left once its values are too many.
async fn count(
    step: &Step,
    store: &Store,
    names: &Arc<[String]>,
    none: Categories,
    leaves: bool,
    train: &DatasetManifest,
) -> Result<Vec<Categories>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = vec![none.clone(); names.len()];
    let count = {
        let (step, store, names) = (step.clone(), store.clone(), names.clone());
        move |part: Part| -> Result<Vec<Categories>> {
            let file = wait(store.file(&part.key))?;
            let count = |name: &String| {
                let mut counted = none.clone();
                for batch in parts::read(&file, std::slice::from_ref(name), step.work())? {
                    step.check()?;
                    counted.add(batch?.column(0))?;
                    if leaves && counted.is_full() {
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
    .with_context(|| format!("counting the values of {}", names.join(", ")))?;
    Ok(all)
}
