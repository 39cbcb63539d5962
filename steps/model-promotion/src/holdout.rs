//! The candidate's holdout, on which both are measured: as its own configuration prepared it, and
//! as data-prep did by the configuration of a champion that was trained on other features.

use anyhow::Result;
use catalog::compared::Compared;
use catalog::manifest::{DatasetManifest, Manifest};
use runtime::failure::Failure;
use runtime::step::Step;
use store::Store;
use tracking::Version;

use crate::Promote;

/// The candidate's holdout.
pub(crate) struct Holdout<'a> {
    pub(crate) step: &'a Step,
    pub(crate) store: &'a Store,
    pub(crate) flags: &'a Promote,
    /// The champion of now.
    pub(crate) champion: Option<u64>,
    /// Key of its manifest.
    pub(crate) key: &'a str,
    pub(crate) manifest: &'a DatasetManifest,
}

impl Holdout<'_> {
    /// As the configuration with this digest prepared it, to score `version` on.
    ///
    /// # Errors
    /// Raw files that were changed, or that break that configuration's contract: exit 10. Raw files
    /// that are gone: exit 2. It is not prepared: exit 75 if the champion was moved since that was
    /// planned, else exit 2 with the commands that prepare it.
    pub(crate) async fn prepared_by(
        &self,
        config: &str,
        version: &Version,
    ) -> Result<DatasetManifest> {
        let compared = Compared {
            holdout: self.manifest,
            config,
            timezone: self.step.timezone(),
        };
        // Parts that are lost can be made again, and say nothing of the champion.
        let found = match compared.read(self.store).await? {
            Some(found) if self.store.first_missing(&found.objects()).await?.is_none() => found,
            _ => return Err(self.missing(config, version)),
        };
        match found.quarantined.first() {
            None => Ok(found),
            Some(file) if file.gone => Err(Failure::damaged(file.reason.clone())),
            Some(file) => Err(Failure::contract(file.reason.clone())),
        }
    }

    fn missing(&self, config: &str, version: &Version) -> anyhow::Error {
        let (key, name) = (self.key, &version.model_name);
        let needs = format!(
            "version {} of {name} has another configuration, with which the holdout {key} is not \
             prepared",
            version.version
        );
        let now = AtPlan(self.champion);
        if let Some(planned) = self
            .flags
            .planned_champion
            .filter(|planned| *planned != now)
        {
            return Failure::Unavailable(format!(
                "{needs}: the champion was moved after the plan, from {planned} to {now}; argo \
                 resubmit plans again, and reuses the rest"
            ))
            .into();
        }
        let raw = match &self.flags.raw_url {
            Some(url) => format!(" --raw-url={url}"),
            None => String::new(),
        };
        Failure::usage(format!(
            "{needs}: submit alameda-training, which prepares it, or run\n  \
             data-prep plan --split=holdout --data-version={} --holdout-manifest={key} \
             --config={config}{raw}\n  \
             data-prep map --plan=PLAN --group=GROUP{raw}, for each group of the plan\n  \
             data-prep commit --plan=PLAN\nand promote again; model-promotion plan lists all \
             configurations that are needed",
            self.manifest.data_version
        ))
    }
}

/// Which version was champion when the preparation was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtPlan(pub(crate) Option<u64>);

impl std::str::FromStr for AtPlan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            number => number
                .parse()
                .map(|number| Self(Some(number)))
                .map_err(|_| {
                    format!(
                        "{number:?} is not a version: give a number, or none if there was no \
                             champion"
                    )
                }),
        }
    }
}

impl std::fmt::Display for AtPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(version) => write!(f, "{version}"),
        }
    }
}
