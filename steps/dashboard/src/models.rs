//! What pages are made from, read from where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use chrono::{Days, NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt};
use pages::content::Segments;
use profile::drift::Verdict;
use tracking::CHAMPION;

use super::state::State;
use super::{Choice, Live, Reported, Scored, records};

/// Days that the overview looks back from the last one with rows, itself included.
const LOOKED_BACK: u64 = 28;
/// How long a page waits for each lookup beside the profiles.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// Models that are read at the same time.
const AT_ONCE: usize = 4;

/// Stands among the columns that divide the rows for the score.
pub(crate) const SCORE: &str = "score";

/// One model, and what is shown of it.
pub(crate) struct Model {
    pub(crate) name: String,
    /// All that it scored, the newest last.
    pub(crate) scored: Vec<Scored>,
    /// Version that the champion's alias points to; `None` where it is unknown.
    pub(crate) champion: Option<u64>,
    pub(crate) side: Option<Side>,
    /// What the report on the newest of the chosen data says; the overview does not ask.
    pub(crate) reported: Option<Reported>,
    /// Rows of the overview that are dated after the days it shows.
    pub(crate) later_rows: u64,
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
        self.side
            .as_ref()
            .map_or(Verdict::InsufficientData, |side| side.live.verdict)
    }

    /// Versions that scored, in order.
    pub(crate) fn versions(&self) -> BTreeSet<u64> {
        self.scored.iter().map(|of| of.model_version).collect()
    }

    /// Parts of the rows: by score of all that was chosen, and by column as the report has them; of
    /// one column when one is chosen. `None` when nothing was scored.
    pub(crate) fn segments(&self) -> Option<Segments> {
        let side = self.side.as_ref()?;
        let shown = |name: &str| {
            side.choice
                .segment
                .as_ref()
                .is_none_or(|segment| segment == name)
        };
        let reported = self.reported.as_ref().map(|reported| &reported.segments);
        Some(Segments {
            score: if shown(SCORE) {
                side.live.by_score.clone()
            } else {
                Vec::new()
            },
            columns: reported
                .iter()
                .flat_map(|of| &of.columns)
                .filter(|of| shown(&of.column))
                .cloned()
                .collect(),
            too_many_values: reported
                .map(|of| of.too_many_values.clone())
                .unwrap_or_default(),
        })
    }
}

/// The days of the overview: up to the last one with rows that is not after the day of scoring.
/// Where all are, from the first one on.
fn looked_at<'a>(
    scored: impl Iterator<Item = &'a Scored>,
) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let (mut last, mut first) = (None, None);
    for of in scored {
        last = last.max(of.up_to);
        first = [first, of.first].into_iter().flatten().min();
    }
    let before = Days::new(LOOKED_BACK - 1);
    match (last, first) {
        (Some(last), _) => (last.checked_sub_days(before), Some(last)),
        (None, Some(first)) => (Some(first), first.checked_add_days(before)),
        (None, None) => (None, None),
    }
}

/// Lookups beside the profiles. A page is about predictions: what is down takes a part from it, and
/// a moment, and not more.
#[derive(Default)]
pub(crate) struct Lookups {
    troubles: Mutex<BTreeMap<&'static str, String>>,
}

impl Lookups {
    /// What is found, or `None` when it can't be had: `what` is not asked for again then.
    async fn look<T>(
        &self,
        what: &'static str,
        look: impl Future<Output = Result<Option<T>>>,
    ) -> Option<T> {
        let troubles = || self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles().contains_key(what) {
            return None;
        }
        let error = match tokio::time::timeout(LOOKUP_TIMEOUT, look).await {
            Ok(Ok(found)) => return found,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs()),
        };
        tracing::warn!("{what} can't be shown: {error}");
        troubles().insert(what, error);
        None
    }

    /// What can't be shown, and why.
    pub(crate) fn troubles(self) -> Vec<(&'static str, String)> {
        self.troubles
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .into_iter()
            .collect()
    }
}

impl State {
    /// Every model over the last days that it scored; without `lookups` only what the profiles say.
    pub(crate) async fn overview(
        &self,
        lookups: Option<&Lookups>,
    ) -> Result<(Vec<Model>, Vec<String>)> {
        let all = self.source.scored().await?;
        let mut names: Vec<(String, Vec<Scored>)> = Vec::new();
        for scored in all.scored {
            match names
                .last_mut()
                .filter(|(name, _)| *name == scored.model_name)
            {
                Some((_, of_model)) => of_model.push(scored),
                None => names.push((scored.model_name.clone(), vec![scored])),
            }
        }
        let models = names.into_iter().map(|(name, scored)| async move {
            let newest = scored.last().map(|newest| newest.model_version);
            let of_newest = || {
                let scored = scored.iter();
                scored.filter(|of| Some(of.model_version) == newest)
            };
            let (from, to) = looked_at(of_newest());
            let choice = Choice {
                version: newest,
                from,
                to,
                ..Choice::default()
            };
            let later = of_newest().any(|of| of.last > to);
            let mut model = self.of_scored(name, scored, &choice, lookups).await?;
            if later && let Some(to) = to {
                model.later_rows = self.rows_after(&model, to).await?;
            }
            anyhow::Ok(model)
        });
        Ok((
            futures::stream::iter(models)
                .buffered(AT_ONCE)
                .try_collect()
                .await?,
            all.unreadable,
        ))
    }

    /// Rows of the version that is shown which are dated after a day.
    async fn rows_after(&self, model: &Model, day: NaiveDate) -> Result<u64> {
        let (Some(side), Some(from)) = (&model.side, day.succ_opt()) else {
            return Ok(0);
        };
        let choice = Choice {
            from: Some(from),
            ..Choice::default()
        };
        let counted = self
            .source
            .counted(&model.name, side.version, &model.scored, &choice)
            .await?;
        let days = counted.iter().flat_map(|counted| &counted.days);
        Ok(days.map(|day| day.profile.rows() as u64).sum())
    }

    /// One model as it was chosen; `None` when it scored nothing.
    pub(crate) async fn model(
        &self,
        name: &str,
        choice: &Choice,
        lookups: &Lookups,
    ) -> Result<Option<Model>> {
        let mut scored = self.source.scored().await?.scored;
        scored.retain(|of| of.model_name == name);
        if scored.is_empty() {
            return Ok(None);
        }
        let mut model = self
            .of_scored(name.to_owned(), scored, choice, Some(lookups))
            .await?;
        let version = model.side.as_ref().map(|side| side.version);
        let chosen = |of: &&Scored| {
            Some(of.model_version) == version
                && choice
                    .data
                    .as_ref()
                    .is_none_or(|data| *data == of.data_version)
        };
        if let Some(newest) = model.scored.iter().rfind(chosen) {
            model.reported = lookups
                .look("The report", records::reported(&self.store, newest))
                .await;
        }
        Ok(Some(model))
    }

    async fn of_scored(
        &self,
        name: String,
        scored: Vec<Scored>,
        choice: &Choice,
        lookups: Option<&Lookups>,
    ) -> Result<Model> {
        let champion = async {
            let (lookups, name) = (lookups?, name.parse().ok()?);
            lookups
                .look("The champion", self.tracking.alias(&name, CHAMPION))
                .await
        };
        let (champion, side) = futures::join!(champion, self.side(&name, &scored, choice, lookups));
        Ok(Model {
            name,
            side: side?,
            champion,
            scored,
            reported: None,
            later_rows: 0,
        })
    }

    /// One side of a comparison, or the whole of a page; `None` for a version that scored nothing.
    pub(crate) async fn side(
        &self,
        name: &str,
        scored: &[Scored],
        choice: &Choice,
        lookups: Option<&Lookups>,
    ) -> Result<Option<Side>> {
        let version = choice
            .version
            .or_else(|| scored.last().map(|newest| newest.model_version));
        let Some(version) = version else {
            return Ok(None);
        };
        let Some(counted) = self.source.counted(name, version, scored, choice).await? else {
            return Ok(None);
        };
        let holdout = match (
            scored.iter().rfind(|of| of.model_version == version),
            lookups,
        ) {
            (Some(of_version), Some(lookups)) => {
                lookups
                    .look("The holdout", records::holdout(&self.store, of_version))
                    .await
            }
            _ => None,
        };
        let timezone = counted.baseline.timezone.clone();
        let of_choice = scored.iter().filter(|of| of.model_version == version);
        let of_choice = of_choice.filter(|of| {
            choice
                .data
                .as_ref()
                .is_none_or(|data| *data == of.data_version)
        });
        // Where it is not known when they were scored, it was not after now.
        let scored_at = of_choice.filter_map(|of| of.scored_at).max();
        let scored_on = scored_at
            .unwrap_or_else(Utc::now)
            .with_timezone(&counted.baseline.timezone())
            .date_naive();
        let live = Live::new(&counted, choice, &self.rules, holdout.as_ref(), scored_on)?;
        Ok(Some(Side {
            version,
            choice: choice.clone(),
            timezone,
            live,
        }))
    }
}
