//! The champions before the current one, so that small losses do not add up from one champion to
//! the next.

use anyhow::Result;
use catalog::compared::Compared;
use catalog::manifest::{self, DatasetManifest, Manifest, ModelManifest};
use catalog::model_files::ModelMetrics;
use learn::task::Report;
use runtime::step::Step;
use store::Store;
use tracking::{CHAMPION, Tracking, Version};

use crate::comparison::{self, ComparableChampion};
use crate::gate::Gate;
use crate::holdout::Holdout;
use crate::past_champion::{PastChampion, Source};

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

impl Known<'_> {
    /// Whether its own training measured it on this very holdout.
    fn was_measured_on(&self, holdout: &DatasetManifest) -> bool {
        let measured_on = self
            .manifest
            .header()
            .inputs
            .get(ModelManifest::HOLDOUT_DATA);
        measured_on == Some(&holdout.content()) && self.manifest.config == holdout.config
    }
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
                    .ok_or_else(|| "it is no longer registered".to_owned())
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

    /// Those whose recorded metric is known, and why the others are passed over: first those that
    /// cost nothing, then the most promising.
    async fn ranked(
        &self,
        store: &Store,
        gate: &Gate,
        holdout: &DatasetManifest,
    ) -> Result<(Vec<Known<'_>>, Vec<PastChampion>)> {
        let (mut passed_over, mut known) = (Vec::new(), Vec::new());
        for past in &self.champions {
            match recorded(store, gate, past).await? {
                Ok(found) => known.push(found),
                Err(why) => passed_over.push(PastChampion::passed_over(past.version, why)),
            }
        }
        known.sort_by(|a, b| {
            let rank = |known: &Known| gate.metric.higher_is_better(known.recorded);
            b.was_measured_on(holdout)
                .cmp(&a.was_measured_on(holdout))
                .then(rank(b).total_cmp(&rank(a)))
        });
        Ok((known, passed_over))
    }

    /// Digests of the other configurations that have to prepare the holdout, so that
    /// [`History::compare`] can score whom it scores again: those of [`RESCORED`] champions, and
    /// of such as are known to be no standard.
    ///
    /// # Errors
    /// As those of [`History::compare`].
    pub(crate) async fn other_configurations(
        &self,
        step: &Step,
        store: &Store,
        gate: &Gate,
        holdout: &DatasetManifest,
    ) -> Result<Vec<String>> {
        let (known, _) = self.ranked(store, gate, holdout).await?;
        let (mut configurations, mut scored) = (Vec::new(), 0);
        for past in known.iter().filter(|past| !past.was_measured_on(holdout)) {
            if scored == RESCORED {
                break;
            }
            let comparable = ComparableChampion::read(store, past.version.clone(), holdout).await;
            let Ok(comparable) = comparison::by_data_or_damage(comparable)? else {
                continue;
            };
            let Some(config) = comparable.own_configuration() else {
                scored += 1;
                continue;
            };
            let timezone = step.timezone();
            let compared = Compared {
                holdout,
                config,
                timezone,
            };
            // One that will be passed over leaves its place to the next.
            let prepared = compared.read(store).await?;
            let is_wanting = prepared
                .is_some_and(|found| !found.quarantined.is_empty() || found.rows != holdout.rows);
            scored += usize::from(!is_wanting);
            configurations.push(config.to_owned());
        }
        Ok(configurations)
    }

    /// Each of them on the candidate's holdout, or why it is passed over.
    ///
    /// # Errors
    /// A service that fails, or files that may not be read: exit 75 or 2.
    pub(crate) async fn compare(
        &self,
        step: &Step,
        store: &Store,
        gate: &Gate,
        holdout: &Holdout<'_>,
        candidate: &Report,
    ) -> Result<Vec<PastChampion>> {
        let (known, mut compared) = self.ranked(store, gate, holdout.manifest).await?;
        let mut scored = 0;
        for past in known {
            let number = past.version.version;
            if past.was_measured_on(holdout.manifest) {
                compared.push(PastChampion::of(number, past.recorded, Source::Recorded));
                continue;
            }
            if gate.refuses(candidate, &compared) || scored == RESCORED {
                let why = format!(
                    "it was not scored: {}",
                    if scored == RESCORED {
                        format!("{RESCORED} champions with a better recorded metric were")
                    } else {
                        "another champion of the window decides already".to_owned()
                    }
                );
                compared.push(PastChampion::passed_over(number, why));
                continue;
            }
            match again(step, store, past.version, holdout, candidate).await? {
                Ok(report) => {
                    scored += 1;
                    compared.push(match report.number(gate.metric.name) {
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
    Ok(match comparison::by_data_or_damage(read.await)? {
        Err(why) => Err(why),
        Ok((manifest, metrics)) => match metrics.holdout.number(gate.metric.name) {
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
    version: &Version,
    holdout: &Holdout<'_>,
    candidate: &Report,
) -> Result<Result<Report, String>> {
    let score = async {
        let comparable = ComparableChampion::read(store, version.clone(), holdout.manifest).await?;
        let (report, _) = comparable
            .score(step, store, holdout, candidate, None)
            .await?;
        Ok(report)
    };
    comparison::by_data_or_damage(score.await)
}

fn undefined(gate: &Gate) -> String {
    format!("its {} is undefined", gate.metric.name)
}
