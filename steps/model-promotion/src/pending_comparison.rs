//! One comparison: what its verdict depends on, and the verdict.

use anyhow::{Context, Result};
use catalog::layout;
use catalog::manifest::{DatasetManifest, Inputs, Manifest};
use learn::metrics::paired::Difference;
use learn::task::{Metric, Report};
use runtime::step::Step;
use runtime::threads::blocking;
use store::Store;
use table::scoring::{Divisions, Paired};
use tracking::Version;

use crate::comparison::{self, ComparableChampion, Contender};
use crate::gate::{Champion, Gate};
use crate::history::History;
use crate::holdout::Holdout;
use crate::past_champion::PastChampion;
use crate::verdict::{Comparison, FORMAT_VERSION, JudgedSegment, Side, Verdict};
use crate::{ALGORITHM, Promote};

/// A comparison that is to be judged.
pub(crate) struct PendingComparison<'a> {
    flags: &'a Promote,
    gate: Gate,
    candidate: &'a Version,
    champion: Option<&'a Version>,
    comparison: Comparison,
    /// Why nothing is compared; empty where something is.
    why: String,
    /// What the verdict depends on besides.
    inputs: Inputs,
    history: History,
    /// Columns that the holdout is divided by, where the gate looks at segments.
    columns: Vec<String>,
}

/// What was measured for a verdict.
#[derive(Default)]
struct Measured {
    holdout: String,
    candidate: Option<Report>,
    champion: Option<Report>,
    difference: Option<Difference>,
    past: Vec<PastChampion>,
    segments: Vec<JudgedSegment>,
}

impl<'a> PendingComparison<'a> {
    pub(crate) fn new(
        (flags, gate): (&'a Promote, Gate),
        candidate: &'a Version,
        champion: Option<&'a Version>,
        comparison: Comparison,
        why: String,
    ) -> Self {
        let of_champion = champion.map_or("none".to_owned(), |champion| {
            format!("{} {}", champion.version, champion.fingerprint)
        });
        let inputs = Inputs::new("model-promotion", ALGORITHM)
            .with(
                "candidate",
                format!("{} {}", candidate.version, candidate.fingerprint),
            )
            .with("champion", of_champion)
            .with("comparison", comparison.name())
            .with("why", &why)
            .with("metric", gate.metric.name)
            .with(
                "floor",
                gate.floor
                    .map_or("none".to_owned(), |floor| floor.to_string()),
            )
            .with("margin", gate.margin)
            .with("compare", format!("{:?}", gate.compare).to_lowercase());
        Self {
            flags,
            gate,
            candidate,
            champion,
            comparison,
            why,
            inputs,
            history: History::none(),
            columns: Vec::new(),
        }
    }

    /// With the holdout divided by these columns, where the gate looks at segments.
    pub(crate) fn divided_by(mut self, columns: Vec<String>) -> Result<Self> {
        if let Some(rules) = &self.gate.segments {
            let rules = serde_json::to_string(rules)?;
            self.inputs = self
                .inputs
                .with("segments", format!("{rules} of {}", columns.join(", ")))
                // Releases before went by estimates.
                .with("segments by", "intervals");
        }
        self.columns = columns;
        Ok(self)
    }

    pub(crate) fn on(mut self, holdout: &DatasetManifest) -> Self {
        self.inputs = self.inputs.with("holdout", &holdout.header().fingerprint);
        self
    }

    /// Beside the champions of the gate's window.
    pub(crate) fn beside(mut self, history: History) -> Self {
        let window = self.flags.gate.gate_window;
        self.inputs = self
            .inputs
            .with("window", window)
            .with("champions of the window", history.input());
        self.history = history;
        self
    }

    fn key(&self, folder: &str) -> String {
        layout::verdict(folder, &self.inputs.fingerprint())
    }

    /// A verdict without a comparison: the candidate is not promoted.
    pub(crate) async fn write(
        self,
        step: &Step,
        store: &Store,
        folder: &str,
    ) -> Result<(String, Verdict)> {
        let verdict = self.verdict(step, false, self.why.clone(), Measured::default());
        commit(store, self.key(folder), verdict).await
    }

    /// Scores both on the holdout and asks the gate, unless that was done before.
    pub(crate) async fn compare(
        self,
        step: &Step,
        store: &Store,
        folder: &str,
        candidate: &Contender,
        champion: Option<&ComparableChampion>,
        holdout: &Holdout<'_>,
    ) -> Result<(String, Verdict)> {
        let key = self.key(folder);
        if let Some(verdict) = store.get_json(&key).await? {
            tracing::info!(key, "this comparison was made before");
            return Ok((key, verdict));
        }
        let gate = self.gate;
        let metric = champion.map(|_| gate.metric);
        let (report, ours) = candidate
            .score(step, store, holdout.manifest, None, metric)
            .await?;
        let mut measured = Measured {
            holdout: candidate.manifest.holdout_manifest.clone(),
            ..Measured::default()
        };
        let compared = match champion {
            None => None,
            Some(champion) => {
                let scored = champion.score(step, store, holdout, &report, metric).await;
                match comparison::by_data(scored)? {
                    Ok((of_champion, theirs)) => {
                        measured.champion = Some(of_champion);
                        let difference = difference(step, gate.metric, ours, theirs).await?;
                        measured.difference = difference.clone().ok();
                        Some((champion.version(), difference))
                    }
                    Err(why) => {
                        return self
                            .not_comparable(step, store, folder, holdout.manifest, &why)
                            .await;
                    }
                }
            }
        };
        let measured_by =
            compared
                .zip(measured.champion.as_ref())
                .map(|((version, difference), report)| Champion {
                    version,
                    report,
                    difference,
                });
        let certainty = measured_by.as_ref().map(|champion| {
            let Champion {
                version,
                difference,
                ..
            } = champion;
            gate.certainty(*version, difference)
        });
        let (mut promoted, mut reason) = gate.decide(&report, measured_by);
        if promoted {
            measured.past = self
                .history
                .compare(step, store, &gate, holdout, &report)
                .await?;
            let (passes, why) = gate.decide_by_past(&report, &measured.past);
            promoted = passes;
            reason += &why;
        }
        if let Some(rules) = gate.segments.filter(|_| promoted) {
            let divisions = Divisions {
                judged: holdout.manifest,
                columns: &self.columns,
            };
            let (metric, on) = (gate.metric, holdout.manifest);
            let ours = candidate.segments(step, store, on, &divisions, metric);
            let ours = ours.await?;
            let theirs = match champion.filter(|_| rules.margin.is_some()) {
                None => None,
                Some(champion) => {
                    let theirs = champion.segments(step, store, holdout, &divisions, metric);
                    match comparison::by_data(theirs.await)? {
                        Ok(theirs) => Some((champion.version(), theirs)),
                        Err(why) => {
                            return self
                                .not_comparable(step, store, folder, holdout.manifest, &why)
                                .await;
                        }
                    }
                }
            };
            let judged = gate.decide_by_segments(rules, ours, theirs);
            (promoted, measured.segments) = (judged.passes, judged.segments);
            reason += &judged.reason;
        }
        reason += &certainty.unwrap_or_default();
        measured.candidate = Some(report);
        let verdict = self.verdict(step, promoted, reason, measured);
        commit(store, key, verdict).await
    }

    /// A verdict on a champion that the data keep from being compared.
    pub(crate) async fn not_comparable(
        &self,
        step: &Step,
        store: &Store,
        folder: &str,
        holdout: &DatasetManifest,
        why: &str,
    ) -> Result<(String, Verdict)> {
        let why = self.champion.map_or(why.to_owned(), |champion| {
            format!(
                "champion version {} of {} can't be compared: {why}",
                champion.version, champion.model_name
            )
        });
        let comparison = Comparison::NotComparable;
        let pending = PendingComparison::new(
            (self.flags, self.gate),
            self.candidate,
            self.champion,
            comparison,
            why,
        );
        pending.on(holdout).write(step, store, folder).await
    }

    fn verdict(&self, step: &Step, promoted: bool, reason: String, measured: Measured) -> Verdict {
        let side = |version: &Version, report| Side {
            version: version.version,
            fingerprint: version.fingerprint.clone(),
            report,
        };
        Verdict {
            format_version: FORMAT_VERSION,
            model_name: self.flags.model_name.clone(),
            promoted,
            reason,
            comparison: self.comparison,
            gate: self.gate,
            holdout: measured.holdout,
            candidate: side(self.candidate, measured.candidate),
            champion: self
                .champion
                .map(|version| side(version, measured.champion)),
            difference: measured.difference,
            past: measured.past,
            segments: measured.segments,
            workflow: step.workflow().to_owned(),
        }
    }
}

/// The difference of the two models, or why there is none.
async fn difference(
    step: &Step,
    metric: Metric,
    ours: Option<Paired>,
    theirs: Option<Paired>,
) -> Result<Result<Difference, String>> {
    let step = step.clone();
    let (ours, theirs) = (ours.context("of pairs")?, theirs.context("of pairs")?);
    blocking(move || ours.less(&step, &theirs, metric)).await
}

/// The first verdict on a comparison holds.
pub(crate) async fn commit(
    store: &Store,
    key: String,
    verdict: Verdict,
) -> Result<(String, Verdict)> {
    if store.put_json_new(&key, &verdict).await? {
        return Ok((key, verdict));
    }
    let first = store.require_json(&key).await?;
    Ok((key, first))
}
