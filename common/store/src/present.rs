//! Whether many objects are there.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};

use super::Store;

/// Objects of a folder from which on it is listed: a call of a listing tells of 1000 objects, a
/// look-up of one.
const LISTED_FROM: usize = 32;
/// Look-ups at the same time.
const CONCURRENT: usize = 16;

impl Store {
    /// The place of the first of some objects, each a key and a size, that is not there or has
    /// another size.
    pub async fn first_missing(&self, objects: &[(&str, u64)]) -> Result<Option<usize>> {
        let mut folders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, (key, _)) in objects.iter().enumerate() {
            folders
                .entry(key.rsplit_once('/').map_or("", |(folder, _)| folder))
                .or_default()
                .push(place);
        }
        let (mut missing, mut alone) = (Vec::new(), Vec::new());
        for (folder, places) in folders {
            if places.len() < LISTED_FROM || folder.is_empty() {
                alone.extend(places);
                continue;
            }
            let listed = self.glob(&format!("{folder}/*")).await?;
            let sizes: HashMap<&str, u64> = listed
                .iter()
                .map(|object| (object.key.as_str(), object.bytes))
                .collect();
            missing.extend(
                places
                    .into_iter()
                    .find(|&place| sizes.get(objects[place].0) != Some(&objects[place].1)),
            );
        }
        alone.sort_unstable();
        let mut sizes = futures::stream::iter(alone)
            .map(|place| async move {
                Ok::<_, anyhow::Error>((place, self.size(objects[place].0).await?))
            })
            .buffered(CONCURRENT);
        while let Some((place, size)) = sizes.try_next().await? {
            if size != Some(objects[place].1) {
                missing.push(place);
                break;
            }
        }
        Ok(missing.into_iter().min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_object_that_is_gone_or_changed_is_found_among_few_and_many() {
        for count in [3, LISTED_FROM, 2 * LISTED_FROM] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::create(folder.path().to_str().unwrap()).unwrap();
            let keys: Vec<String> = (0..count).map(|i| format!("a b/{i}")).collect();
            for key in &keys {
                store.put(key, vec![1; 2]).await.unwrap();
            }
            store.put("a b/c/0", vec![1; 2]).await.unwrap();
            let objects: Vec<(&str, u64)> = keys.iter().map(|key| (key.as_str(), 2)).collect();
            assert_eq!(store.first_missing(&objects).await.unwrap(), None);
            store.put(&keys[2], vec![1; 3]).await.unwrap();
            assert_eq!(store.first_missing(&objects).await.unwrap(), Some(2));
            store.delete(&keys[1]).await.unwrap();
            assert_eq!(store.first_missing(&objects).await.unwrap(), Some(1));
            let with_others = [&[("elsewhere", 2)], &objects[..]].concat();
            assert_eq!(
                store.first_missing(&with_others).await.unwrap(),
                Some(0),
                "of any folder"
            );
        }
    }
}
