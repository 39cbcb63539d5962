//! Work on many items at the same time, with results in the order of the items.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Step;
use super::workers::Workers;

/// Results for each thread that may wait for one that comes before them.
const AHEAD: usize = 8;

impl Step {
    /// Works on all items on blocking threads, at most [`Step::threads`] at the same time; gives
    /// the results in the order of the items. The first error ends it.
    pub async fn each<T, R>(
        &self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> Result<R> + Clone + Send + 'static,
    ) -> Result<Vec<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let mut results = Vec::new();
        self.fold(items, work, |result| {
            results.push(result);
            Ok(())
        })
        .await?;
        Ok(results)
    }

    /// Works on all items as [`Step::each`] does, and takes in each result in the order of the
    /// items: results that are taken in do not stay in memory.
    pub async fn fold<T, R>(
        &self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> Result<R> + Clone + Send + 'static,
        take: impl FnMut(R) -> Result<()>,
    ) -> Result<()>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        self.fold_sized(0, items, work, take).await
    }

    /// [`Step::fold`] of results that hold so many bytes each: no more of them wait than half of
    /// the memory holds.
    pub async fn fold_sized<T, R>(
        &self,
        bytes: u64,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> Result<R> + Clone + Send + 'static,
        take: impl FnMut(R) -> Result<()>,
    ) -> Result<()>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let fit = self.memory() / 2 / bytes.max(1);
        let ahead = usize::try_from(fit).unwrap_or(usize::MAX);
        self.fold_ahead(ahead.min(AHEAD * self.threads), items, work, take)
            .await
    }

    /// [`Step::fold`] with a limit to how many results are in memory, those that are being made and
    /// those that wait for one before them. A thread that is done goes on to the next item
    /// meanwhile.
    pub async fn fold_ahead<T, R>(
        &self,
        ahead: usize,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> Result<R> + Clone + Send + 'static,
        mut take: impl FnMut(R) -> Result<()>,
    ) -> Result<()>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let mut items = items.into_iter().enumerate();
        let mut workers = Workers::new(self, work);
        let (mut waiting, mut next, mut failed) = (BTreeMap::new(), 0, false);
        loop {
            // After a failure only what comes before it is of interest: the first error in order is
            // the one to report.
            while !failed
                && workers.busy < self.threads
                && workers.busy + waiting.len() < ahead.max(1)
            {
                match items.next() {
                    Some(item) => workers.give(item),
                    None => break,
                }
            }
            if workers.busy == 0 {
                return Ok(());
            }
            let (number, result) = workers.next().await;
            failed |= result.is_err();
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&next) {
                take(result?)?;
                next += 1;
            }
        }
    }
}
