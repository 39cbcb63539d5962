//! The champions before the current one, so that small losses do not add up from one champion to
//! the next.

use anyhow::Result;
use catalog::manifest::{self, DatasetManifest, Manifest, ModelManifest};
use catalog::model_files::ModelMetrics;
use learn::metrics::Report;
use runtime::step::Step;
use store::Store;
use tracking::{CHAMPION, Tracking, Version};

use crate::comparison::{self, Rival};
use crate::gate::Gate;
use crate::verdict::{PastChampion, Source};

/// Past champions that are scored again at most: each is a pass over the holdout. Those whose
/// recorded metric is best come first; one that was measured on this very holdout is not scored.
const RESCORED: usize = 5;

/// The champions of the window, but the current one and the candidate.
pub(crate) struct History {
    champions: Vec<Past>,
}

struct Past {
    version: u64,
    /// What is registered, or why it is passed over.
    found: Result<Version, String>,
}

/// What is known of a past champion that may be compared.
struct Known<'a> {
    version: &'a Version,
    manifest: ModelManifest,
    recorded: f64,
}

impl History {
    /// No champions.
    pub(crate) fn none() -> Self {
        Self {
            champions: Vec::new(),
        }
    }

    /// The window ends when the candidate was registered, so that the same candidate meets the
    /// same champions whenever it is judged.
    ///
    /// A version that was rolled back is no standard: somebody found it wanting.
    pub(crate) async fn read(
        tracking: &Tracking,
        gate: &Gate,
        candidate: &Version,
        champion: &Version,
    ) -> Result<Self> {
        let name = &candidate.model_name;
        let days = gate.window.unwrap_or_default();
        if days == 0 {
            return Ok(Self::none());
        }
        let mut holders = tracking
            .holders(name, CHAMPION, candidate.created_at, days)
            .await?;
        holders.retain(|holder| ![candidate.version, champion.version].contains(&holder.version));
        if holders.is_empty() {
            return Ok(Self::none());
        }
        let versions = tracking.versions(name).await?;
        let champions = holders.into_iter().rev().map(|holder| Past {
            version: holder.version,
            found: if holder.was_rolled_back() {
                Err("it was rolled back".to_owned())
            } else {
                let known = versions
                    .iter()
                    .find(|known| known.version == holder.version);
                known
                    .cloned()
                    .ok_or_else(|| "it is registered no more".to_owned())
            },
        });
        Ok(Self {
            champions: champions.collect(),
        })
    }

    /// What a verdict depends on.
    pub(crate) fn input(&self) -> String {
        let line = |past: &Past| match &past.found {
            Ok(version) => format!("{} {}", version.version, version.fingerprint),
            Err(why) => format!("{} {why}", past.version),
        };
        self.champions
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Each of them on the candidate's holdout, or why it is passed over.
    ///
    /// # Errors
    /// A service that fails, or files that may not be read: exit 75 or 2.
    pub(crate) async fn compare(
        &self,
        step: &Step,
        store: &Store,
        raw_url: Option<&str>,
        gate: &Gate,
        holdout: &DatasetManifest,
        candidate: &Report,
    ) -> Result<Vec<PastChampion>> {
        let (mut compared, mut known) = (Vec::new(), Vec::new());
        for past in &self.champions {
            match recorded(store, gate, past).await? {
                Ok(found) => known.push(found),
                Err(why) => compared.push(PastChampion::passed_over(past.version, why)),
            }
        }
        // Those that cost nothing first, then the most promising.
        let is_same = |known: &Known| {
            let measured_on = known
                .manifest
                .header()
                .inputs
                .get(ModelManifest::HOLDOUT_DATA);
            measured_on == Some(&holdout.content()) && known.manifest.config == holdout.config
        };
        known.sort_by(|a, b| {
            let rank = |known: &Known| gate.metric.higher_is_better(known.recorded);
            is_same(b)
                .cmp(&is_same(a))
                .then(rank(b).total_cmp(&rank(a)))
        });
        let mut scored = 0;
        for past in known {
            let number = past.version.version;
            if is_same(&past) {
                compared.push(PastChampion::of(number, past.recorded, Source::Recorded));
                continue;
            }
            if gate.refuses(candidate, &compared) || scored == RESCORED {
                let why = format!(
                    "it was not scored: {}",
                    if scored == RESCORED {
                        format!("{RESCORED} champions of a better recorded metric were")
                    } else {
                        "another champion of the window decides already".to_owned()
                    }
                );
                compared.push(PastChampion::passed_over(number, why));
                continue;
            }
            match again(step, store, raw_url, past.version, holdout, candidate).await? {
                Ok(report) => {
                    scored += 1;
                    compared.push(match gate.metric.of(&report) {
                        Some(value) => PastChampion::of(number, value, Source::Scored),
                        None => PastChampion::passed_over(number, undefined(gate)),
                    });
                }
                Err(why) => compared.push(PastChampion::passed_over(number, why)),
            }
        }
        compared.sort_by_key(|past| std::cmp::Reverse(past.version));
        Ok(compared)
    }
}

/// The metric that was recorded when a champion was trained. The inner error says why there is
/// none.
async fn recorded<'a>(
    store: &Store,
    gate: &Gate,
    past: &'a Past,
) -> Result<Result<Known<'a>, String>> {
    let version = match &past.found {
        Ok(version) => version,
        Err(why) => return Ok(Err(why.clone())),
    };
    let read = async {
        let manifest: ModelManifest = manifest::require(store, &version.model).await?;
        let metrics: ModelMetrics = manifest.load_metrics(store).await?;
        Ok((manifest, metrics))
    };
    Ok(match comparison::kept(read.await)? {
        Err(why) => Err(why),
        Ok((manifest, metrics)) => match gate.metric.of(&metrics.holdout) {
            Some(recorded) => Ok(Known {
                version,
                manifest,
                recorded,
            }),
            None => Err(undefined(gate)),
        },
    })
}

/// Scores a past champion on the candidate's holdout. The inner error says why it can't be.
async fn again(
    step: &Step,
    store: &Store,
    raw_url: Option<&str>,
    version: &Version,
    holdout: &DatasetManifest,
    candidate: &Report,
) -> Result<Result<Report, String>> {
    let score = async {
        let rival = Rival::read(step, store, raw_url, version.clone(), holdout).await?;
        rival.score(step, store, holdout, candidate).await
    };
    comparison::kept(score.await)
}

fn undefined(gate: &Gate) -> String {
    format!("its {} is undefined", gate.metric.name())
}
