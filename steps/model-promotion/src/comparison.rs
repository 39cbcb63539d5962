//! Both models on one holdout, or why that can't be.

use anyhow::Result;
use common::config::Config;
use common::failure::{self, Failure};
use common::layout::ModelName;
use common::manifest::{self, DatasetManifest, Manifest, ModelManifest};
use common::metrics::Report;
use common::scoring;
use common::step::Step;
use common::store::Store;
use common::tracking::Version;

/// A model in the comparison.
pub(crate) struct Contender {
    pub(crate) version: Version,
    pub(crate) manifest: ModelManifest,
    train: DatasetManifest,
}

impl Contender {
    /// Reads what is known of a version. The inner error says why it can't be used.
    pub(crate) async fn read(store: &Store, version: Version) -> Result<Result<Self, String>> {
        let read = async {
            let manifest: ModelManifest = manifest::require(store, &version.model).await?;
            if manifest.header().fingerprint != version.fingerprint {
                return Err(Failure::usage(format!("{} is another model than was registered", version.model)));
            }
            manifest.check_files(store).await?;
            let train = manifest::require(store, &manifest.train_manifest).await?;
            Ok(Self { version, manifest, train })
        };
        reason(read.await)
    }

    /// Why the model may have been trained on rows of the holdout.
    pub(crate) fn saw(&self, holdout: &DatasetManifest) -> Option<String> {
        scoring::overlap(&self.train, holdout)
    }

    /// Its metrics on a holdout that its own configuration prepared.
    pub(crate) async fn score(&self, step: &Step, store: &Store, holdout: &DatasetManifest) -> Result<Report> {
        let config = Config::load(store, &holdout.config).await?;
        let model = self.manifest.load_model(store).await?;
        let progress = step.progress(holdout.rows, "rows of the holdout").clone();
        scoring::evaluate(step, store, &config, &model, holdout, &progress).await
    }
}

/// The candidate's holdout. The inner error says why it can't be used.
pub(crate) async fn holdout(store: &Store, candidate: &Contender) -> Result<Result<DatasetManifest, String>> {
    let holdout: DatasetManifest = match reason(manifest::require(store, &candidate.manifest.holdout_manifest).await)? {
        Ok(holdout) => holdout,
        Err(why) => return Ok(Err(why)),
    };
    let key = &candidate.manifest.holdout_manifest;
    if holdout.config != candidate.manifest.config {
        return Ok(Err(format!("the holdout {key} was prepared anew since the candidate was trained: train it again")));
    }
    Ok(match candidate.saw(&holdout) {
        Some(why) => Err(format!("{why}: the holdout {key} can't judge the candidate")),
        None => Ok(holdout),
    })
}

/// Why a champion can't be compared with the candidate on its holdout; `None` when it can.
pub(crate) fn incomparable(champion: &Contender, holdout: &DatasetManifest, name: &ModelName) -> Option<String> {
    let version = champion.version.version;
    if let Some(why) = champion.saw(holdout) {
        return Some(format!("champion version {version} of {name} can't be compared: {why}, which it was trained on"));
    }
    (champion.manifest.config != holdout.config).then(|| {
        format!("champion version {version} of {name} can't be compared: it was trained with another configuration")
    })
}

/// Tells what a person must see to from what a retry may cure: the first is a reason, the second an error.
fn reason<T>(result: Result<T>) -> Result<Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if failure::exit_code(&error) == failure::USAGE => Ok(Err(format!("{error:#}"))),
        Err(error) => Err(error),
    }
}
