//! Both models on one holdout, or why that can't be.

use std::sync::Arc;

use anyhow::Result;
use catalog::manifest::Role;
use catalog::manifest::{self, DatasetManifest, Manifest, ModelManifest};
use learn::fitted_model::FittedModel;
use learn::task::{Metric, Report};
use runtime::failure::{self, Failure};
use runtime::step::Step;
use store::Store;
use table::config::Config;
use table::dataset::ColumnContract;
use table::labelled::LabelledRows;
use table::scoring::{self, Divisions, Paired, Segments};
use tracking::Version;

use crate::holdout::Holdout;

/// A model in the comparison.
pub(crate) struct Contender {
    pub(crate) version: Version,
    pub(crate) manifest: ModelManifest,
    train: DatasetManifest,
}

impl Contender {
    /// Reads what is known of a version.
    ///
    /// # Errors
    /// Files that are missing or not as they were written: exit 2. Training data that was prepared
    /// again, so that nobody knows which rows it has seen: exit 10.
    pub(crate) async fn read(store: &Store, version: Version) -> Result<Self> {
        let manifest: ModelManifest = manifest::require(store, &version.model).await?;
        if manifest.header().fingerprint != version.fingerprint {
            return Err(Failure::damaged(format!(
                "{} is not the model that was registered",
                version.model
            )));
        }
        manifest.check_files(store).await?;
        let train: DatasetManifest = manifest::require(store, &manifest.train_manifest).await?;
        if manifest.header.inputs.get(ModelManifest::TRAIN_DATA) != Some(&train.content()) {
            return Err(Failure::contract(format!(
                "{} was prepared again since version {} was trained on it: train it again",
                manifest.train_manifest, version.version
            )));
        }
        Ok(Self {
            version,
            manifest,
            train,
        })
    }

    /// Its metrics on a holdout that its own configuration prepared, and what another model is
    /// compared with by `metric`, if one is. Rows weigh what they do in `judged`, the holdout of
    /// the candidate, where that is another one.
    pub(crate) async fn score(
        &self,
        step: &Step,
        store: &Store,
        holdout: &DatasetManifest,
        judged: Option<&DatasetManifest>,
        metric: Option<Metric>,
    ) -> Result<(Report, Option<Paired>)> {
        let (model, rows) = self.rows(step, store, holdout, judged).await?;
        let progress = step.progress(holdout.rows, "rows of the holdout").clone();
        let Some(metric) = metric else {
            let report = scoring::evaluate_rows(step, &rows, &model, holdout, &progress);
            return Ok((report.await?, None));
        };
        let paired = scoring::evaluate_paired(step, &rows, &model, holdout, metric, &progress);
        let (report, paired) = paired.await?;
        Ok((report, Some(paired)))
    }

    /// A metric on each segment of a holdout that its own configuration prepared; rows weigh, and
    /// are divided, as in `judged`, the holdout of the candidate.
    pub(crate) async fn segments(
        &self,
        step: &Step,
        store: &Store,
        holdout: &DatasetManifest,
        divisions: &Divisions<'_>,
        metric: Metric,
    ) -> Result<Segments> {
        let judged = Some(divisions.judged);
        let (model, rows) = self.rows(step, store, holdout, judged).await?;
        let progress = step.progress(holdout.rows, "rows in segments").clone();
        let on = (step, store);
        scoring::evaluate_segments(on, &rows, &model, holdout, divisions, metric, &progress).await
    }

    /// The model, and the rows of a holdout that its own configuration prepared, with what they
    /// weigh in `judged`.
    async fn rows(
        &self,
        step: &Step,
        store: &Store,
        holdout: &DatasetManifest,
        judged: Option<&DatasetManifest>,
    ) -> Result<(Arc<FittedModel>, LabelledRows)> {
        let config = Config::load(store, &holdout.config).await?;
        let judged = judged.filter(|judged| judged.config != holdout.config);
        let weights = match judged {
            Some(judged) => Some((Config::load(store, &judged.config).await?, judged)),
            None => None,
        };
        let weighs = |config: &Config| config.dataset.weight().is_some();
        let weights = weights.filter(|(judging, _)| weighs(&config) || weighs(judging));
        let weights = weights.as_ref().map(|(config, judged)| (config, *judged));
        let model = Arc::new(self.manifest.load_model(store).await?);
        let rows = scoring::rows_of((step, store, &config), &model, holdout, weights)?;
        Ok((model, rows))
    }
}

/// The candidate's holdout. The inner error says why it can't be used.
pub(crate) async fn holdout(
    store: &Store,
    candidate: &Contender,
) -> Result<Result<DatasetManifest, String>> {
    let key = &candidate.manifest.holdout_manifest;
    let holdout: DatasetManifest = match by_data_or_damage(manifest::require(store, key).await)? {
        Ok(holdout) => holdout,
        Err(why) => return Ok(Err(why)),
    };
    if candidate
        .manifest
        .header
        .inputs
        .get(ModelManifest::HOLDOUT_DATA)
        != Some(&holdout.content())
    {
        return Ok(Err(format!(
            "the holdout {key} was prepared again since the candidate was trained: train it again"
        )));
    }
    Ok(match scoring::overlap(&candidate.train, &holdout, true) {
        Some(why) => Err(format!(
            "{why}: the holdout {key} can't judge the candidate"
        )),
        None => Ok(holdout),
    })
}

/// A champion that can be scored on the candidate's holdout.
pub(crate) struct ComparableChampion {
    contender: Contender,
    /// Digest of its configuration, where that is not the holdout's.
    own: Option<String>,
}

impl ComparableChampion {
    /// # Errors
    /// A champion that can't be compared by what is known of the data: exit 10. What a person or
    /// another try may cure: exit 2 or 75.
    pub(crate) async fn read(
        store: &Store,
        champion: Version,
        holdout: &DatasetManifest,
    ) -> Result<Self> {
        let contender = Contender::read(store, champion).await?;
        let own = own_configuration(store, &contender, holdout).await?;
        Ok(Self { contender, own })
    }

    pub(crate) fn version(&self) -> u64 {
        self.contender.version.version
    }

    /// Digest of the configuration that has to prepare the holdout for it, where it is not the
    /// holdout's own.
    pub(crate) fn own_configuration(&self) -> Option<&str> {
        self.own.as_deref()
    }

    /// Its metrics on the holdout, and what the candidate is compared with by `metric`, if it is.
    ///
    /// # Errors
    /// As those of [`ComparableChampion::read`] and [`Holdout::prepared_by`].
    pub(crate) async fn score(
        &self,
        step: &Step,
        store: &Store,
        holdout: &Holdout<'_>,
        candidate: &Report,
        metric: Option<Metric>,
    ) -> Result<(Report, Option<Paired>)> {
        let Some(config) = &self.own else {
            let contender = &self.contender;
            return contender
                .score(step, store, holdout.manifest, None, metric)
                .await;
        };
        let prepared = holdout.prepared_by(config, &self.contender.version).await?;
        let judged = Some(holdout.manifest);
        let contender = &self.contender;
        let (report, paired) = contender
            .score(step, store, &prepared, judged, metric)
            .await?;
        let (ours, theirs) = (counts(&report), counts(candidate));
        if ours != theirs {
            let positives = |(_, positives): (u64, Option<u64>), of: &str| match positives {
                Some(positives) => format!("{of}{positives}"),
                None => String::new(),
            };
            return Err(Failure::contract(format!(
                "its own configuration gives {} rows of the holdout{}, and the candidate's gives \
                 {}{}",
                ours.0,
                positives(ours, ", of them positive "),
                theirs.0,
                positives(theirs, " and "),
            )));
        }
        Ok((report, paired))
    }
}

impl ComparableChampion {
    /// A metric of it on each segment of the candidate's holdout.
    ///
    /// # Errors
    /// As [`ComparableChampion::score`].
    pub(crate) async fn segments(
        &self,
        step: &Step,
        store: &Store,
        holdout: &Holdout<'_>,
        divisions: &Divisions<'_>,
        metric: Metric,
    ) -> Result<Segments> {
        let contender = &self.contender;
        let prepared = match &self.own {
            None => holdout.manifest.clone(),
            Some(config) => holdout.prepared_by(config, &contender.version).await?,
        };
        contender
            .segments(step, store, &prepared, divisions, metric)
            .await
    }
}

/// Rows that were measured, and of two classes how many of them are positive.
fn counts(report: &Report) -> (u64, Option<u64>) {
    (
        report.rows(),
        report.binary().map(|of_two| of_two.positives),
    )
}

/// Digest of the configuration of a champion of another one; `None` for one of the same.
///
/// # Errors
/// Why it can't be compared.
async fn own_configuration(
    store: &Store,
    champion: &Contender,
    holdout: &DatasetManifest,
) -> Result<Option<String>> {
    let theirs = Config::load(store, &holdout.config).await?;
    let ours = Config::load(store, &champion.manifest.config).await?;
    if let Some(why) = scoring::overlap(
        &champion.train,
        holdout,
        row_names(&ours) == row_names(&theirs),
    ) {
        return Err(Failure::contract(format!(
            "{why}, so the comparison would favour it"
        )));
    }
    if ours.digest() == theirs.digest() {
        return Ok(None);
    }
    if ours.dataset.target().name != theirs.dataset.target().name
        || ours.dataset.goal() != theirs.dataset.goal()
    {
        return Err(Failure::contract("it predicts another target"));
    }
    Ok(Some(ours.digest()))
}

/// The columns that name a row.
fn row_names(config: &Config) -> Vec<&ColumnContract> {
    config
        .dataset
        .with_role(Role::Id)
        .chain(config.dataset.time())
        .collect()
}

/// Takes what the data say for a reason in a verdict, and nothing else: a file that is missing, a
/// key that has expired or a service that is away says nothing of a model.
pub(crate) fn by_data<T>(result: Result<T>) -> Result<Result<T, String>> {
    sorted(result, |error| {
        failure::exit_code(error) == failure::CONTRACT
    })
}

/// [`by_data`], where what is missing or damaged for certain is a reason too.
pub(crate) fn by_data_or_damage<T>(result: Result<T>) -> Result<Result<T, String>> {
    sorted(result, |error| {
        failure::exit_code(error) == failure::CONTRACT || failure::is_damaged(error)
    })
}

fn sorted<T>(
    result: Result<T>,
    is_reason: impl Fn(&anyhow::Error) -> bool,
) -> Result<Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if is_reason(&error) => Ok(Err(format!("{error:#}"))),
        Err(error) => Err(error),
    }
}
