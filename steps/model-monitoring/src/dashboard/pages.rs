//! What pages are made from, read from where it is.

use anyhow::Result;
use chrono::Days;
use common::drift::Verdict;
use common::tracking::CHAMPION;
use futures::{StreamExt, TryStreamExt};

use super::server::State;
use super::{Choice, Live, Scored, records};

/// Days that the overview looks back from the last one with rows.
const LOOKED_BACK: u64 = 28;
/// Models that are read at the same time.
const AT_ONCE: usize = 4;

/// One model, and what is shown of it.
pub(crate) struct Model {
    pub(crate) name: String,
    /// All that it scored, the newest last.
    pub(crate) scored: Vec<Scored>,
    /// Version that the champion's alias points to; `None` where it is unknown.
    pub(crate) champion: Option<u64>,
    pub(crate) side: Option<Side>,
}

/// One model version over the days that were chosen.
pub(crate) struct Side {
    pub(crate) version: u64,
    pub(crate) choice: Choice,
    pub(crate) timezone: String,
    pub(crate) live: Live,
}

impl Model {
    /// The verdict on the days that are shown.
    pub(crate) fn verdict(&self) -> Verdict {
        self.side.as_ref().map_or(Verdict::InsufficientData, |side| side.live.verdict)
    }
}

impl State {
    /// Every model over the last days that it scored.
    pub(crate) async fn overview(&self) -> Result<Vec<Model>> {
        let mut names: Vec<(String, Vec<Scored>)> = Vec::new();
        for scored in self.source.scored().await? {
            match names.last_mut().filter(|(name, _)| *name == scored.model_name) {
                Some((_, of_model)) => of_model.push(scored),
                None => names.push((scored.model_name.clone(), vec![scored])),
            }
        }
        let models = names.into_iter().map(|(name, scored)| async move {
            let newest = scored.last();
            let last = scored
                .iter()
                .filter(|of| Some(of.model_version) == newest.map(|newest| newest.model_version))
                .filter_map(|of| of.last)
                .max();
            let from = last.and_then(|last| last.checked_sub_days(Days::new(LOOKED_BACK - 1)));
            let choice = Choice { version: newest.map(|newest| newest.model_version), from, ..Choice::default() };
            self.of_scored(name, scored, &choice).await
        });
        futures::stream::iter(models).buffered(AT_ONCE).try_collect().await
    }

    /// One model as it was chosen; `None` when it scored nothing.
    pub(crate) async fn model(&self, name: &str, choice: &Choice) -> Result<Option<Model>> {
        let mut scored = self.source.scored().await?;
        scored.retain(|of| of.model_name == name);
        if scored.is_empty() {
            return Ok(None);
        }
        self.of_scored(name.to_owned(), scored, choice).await.map(Some)
    }

    async fn of_scored(&self, name: String, scored: Vec<Scored>, choice: &Choice) -> Result<Model> {
        let champion = async {
            let Ok(name) = name.parse() else { return None };
            // The page is about predictions; without the tracking it lacks a word.
            match self.tracking.alias(&name, CHAMPION).await {
                Ok(champion) => champion,
                Err(error) => {
                    tracing::warn!("the champion of {name} is not shown: {error:#}");
                    None
                }
            }
        };
        let (champion, side) = futures::join!(champion, self.side(&name, &scored, choice));
        Ok(Model { name, side: side?, champion, scored })
    }

    /// One side of a comparison, or the whole of a page; `None` for a version that scored nothing.
    pub(crate) async fn side(&self, name: &str, scored: &[Scored], choice: &Choice) -> Result<Option<Side>> {
        let version = choice.version.or_else(|| scored.last().map(|newest| newest.model_version));
        let Some(version) = version else { return Ok(None) };
        let Some(counted) = self.source.counted(name, version, choice).await? else { return Ok(None) };
        let of_version = scored.iter().rfind(|of| of.model_version == version);
        let holdout = match of_version {
            Some(of_version) => records::holdout(&self.store, of_version).await.unwrap_or_else(|error| {
                tracing::warn!("the holdout of {name} v{version} is not shown: {error:#}");
                None
            }),
            None => None,
        };
        let live = Live::new(&counted.baseline, &counted.days, choice, &self.thresholds, holdout)?;
        Ok(Some(Side { version, choice: choice.clone(), timezone: counted.baseline.timezone.clone(), live }))
    }
}
