//! The message to the webhook about an outcome.

use std::collections::{BTreeMap, BTreeSet};

use catalog::attempt::{Attempt, NodeFailure};
use catalog::layout::{self, DataVersion, ModelName};
use pages::format::duration;
use runtime::failure::shortened;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::NotifyFormat;
use store::Store;

use super::{Ended, NAMED, OWN_LEAF, name, why};

/// As much of a failure's text as a message holds.
const MESSAGE_CHARACTERS: usize = 400;

/// An end, in fields.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    /// Equal for each try to report the same end.
    id: String,
    workflow: String,
    data_version: Option<String>,
    model_name: Option<String>,
    /// Argo's word: `Succeeded`, `Failed` or `Error`.
    status: String,
    /// How often the workflow has ended; `null` without a record.
    attempts: Option<u32>,
    duration_seconds: Option<f64>,
    /// What the workflow failed of: a step that succeeded in a later attempt is not among them.
    failures: Vec<Cause>,
    /// Failures that are not listed.
    more_failures: usize,
    /// Attempts that failed and were made again.
    retried_attempts: usize,
    /// What goes on from here, where Argo's own words don't say it.
    next: Option<String>,
    /// Of the report that this workflow made.
    verdict: Option<String>,
    report: Option<String>,
}

#[derive(Debug, Serialize)]
struct Cause {
    name: String,
    message: String,
}

/// What a message contains of the report.
pub(super) struct Report {
    verdict: String,
    page: String,
}

impl Message {
    pub(super) fn new(
        ended: &Ended,
        attempt: Option<&Attempt>,
        duration_seconds: Option<f64>,
        nodes: &[NodeFailure],
        report: Option<Report>,
        id: &str,
    ) -> Self {
        let (causes, retried_attempts) = causes(&ended.status, nodes);
        let known = |text: &str| {
            Some(text.to_owned()).filter(|text| !text.is_empty() && !text.contains("{{"))
        };
        let cause = |node: &&NodeFailure| Cause {
            name: name(node).to_owned(),
            message: shortened(&why(node), MESSAGE_CHARACTERS),
        };
        let next = next(&ended.workflow, nodes);
        let (verdict, page) = report.map(|report| (report.verdict, report.page)).unzip();
        Self {
            id: id.to_owned(),
            workflow: ended.workflow.clone(),
            data_version: attempt
                .map(|attempt| attempt.data_version.to_string())
                .or_else(|| known(&ended.data_version)),
            model_name: known(&ended.model_name),
            status: known(&ended.status).unwrap_or_else(|| "unknown".to_owned()),
            attempts: attempt.map(|attempt| attempt.attempts),
            duration_seconds,
            more_failures: causes.len().saturating_sub(NAMED),
            failures: causes.iter().take(NAMED).map(cause).collect(),
            retried_attempts,
            next,
            verdict,
            report: page,
        }
    }

    /// The body of the request.
    pub(super) fn body(&self, format: NotifyFormat) -> Value {
        match format {
            NotifyFormat::Json => json!(self),
            NotifyFormat::Slack => json!({ "text": self.text() }),
        }
    }

    fn text(&self) -> String {
        let mut head = format!("*{}* ended as {}", self.workflow, self.status);
        let mut add = |what: &str, value: Option<String>| {
            head += &value
                .map(|value| format!("{what}{value}"))
                .unwrap_or_default();
        };
        add(" for data version ", self.data_version.clone());
        add(", model ", self.model_name.clone());
        add(
            ", attempt ",
            self.attempts
                .filter(|attempts| *attempts > 1)
                .map(|attempts| attempts.to_string()),
        );
        add(
            ", after ",
            self.duration_seconds.map(|seconds| duration(seconds, 1)),
        );
        let mut lines = vec![head];
        lines.extend(
            self.failures
                .iter()
                .map(|failure| format!("• {}: {}", failure.name, failure.message)),
        );
        if self.more_failures > 0 {
            lines.push(format!("• and {} more", self.more_failures));
        }
        lines.extend(self.next.clone());
        lines.extend(
            self.verdict
                .as_ref()
                .map(|verdict| format!("Verdict: {verdict}")),
        );
        lines.extend(
            self.report
                .as_ref()
                .map(|report| format!("Report: {report}")),
        );
        // Slack's own marks.
        lines
            .join("\n")
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    }
}

/// What to do about a run that was stopped, or whose pod did not start, by the messages of its
/// nodes.
fn next(workflow: &str, nodes: &[NodeFailure]) -> Option<String> {
    let any = |part: &str| nodes.iter().any(|node| node.message.contains(part));
    if any("Stopped with strategy") {
        return Some(format!(
            "It was stopped: `argo resubmit {workflow}` continues and reuses finished work, while \
             `argo retry` may run only the exit handler."
        ));
    }
    any("longer than the specified deadline").then(|| {
        "A pod did not start, or did not end in time: `kubectl get events \
         --sort-by=.lastTimestamp` names a missing image, ConfigMap or Secret."
            .to_owned()
    })
}

/// What a workflow failed of, and how many attempts were made again. Argo lists every node that
/// failed: attempts that a later one made good, each attempt of a leaf beside the leaf, and the
/// DAGs above them.
fn causes<'a>(status: &str, nodes: &'a [NodeFailure]) -> (Vec<&'a NodeFailure>, usize) {
    let nodes: Vec<&NodeFailure> = nodes
        .iter()
        .filter(|node| node.template_name != OWN_LEAF)
        .collect();
    let attempts = nodes
        .iter()
        .filter(|node| attempt(&node.display_name).is_some())
        .count();
    if status == "Succeeded" {
        return (Vec::new(), attempts);
    }
    let failed: BTreeSet<&str> = nodes
        .iter()
        .map(|node| node.display_name.as_str())
        .collect();
    let is_leaf_known = nodes
        .iter()
        .any(|node| attempt(&node.display_name).is_some_and(|(leaf, _)| failed.contains(leaf)));
    // The last attempt of each leaf says why.
    let mut last: BTreeMap<&str, (u32, &NodeFailure)> = BTreeMap::new();
    let mut others = Vec::new();
    for node in &nodes {
        match attempt(&node.display_name) {
            None => others.push(*node),
            Some((leaf, _)) if is_leaf_known && !failed.contains(leaf) => {}
            Some((leaf, number)) if last.get(leaf).is_none_or(|(known, _)| *known < number) => {
                last.insert(leaf, (number, node));
            }
            Some(_) => {}
        }
    }
    let retried = attempts - last.len();
    others.retain(|node| !last.contains_key(node.display_name.as_str()));
    let (above, mut causes): (Vec<&NodeFailure>, Vec<_>) = others
        .into_iter()
        .partition(|node| node.message.is_empty() || node.message.starts_with("child '"));
    causes.extend(last.into_values().map(|(_, node)| node));
    if causes.is_empty() {
        causes = above;
    }
    causes.sort();
    (causes, retried)
}

/// Leaf and number of an attempt: Argo calls them `leaf(0)`, `leaf(1)`.
fn attempt(name: &str) -> Option<(&str, u32)> {
    let (leaf, number) = name.strip_suffix(')')?.rsplit_once('(')?;
    Some((leaf, number.parse().ok()?))
}

/// The report that this workflow made, if it made one. A message does without what can't be read.
pub(super) async fn report(
    store: &Store,
    ended: &Ended,
    data_version: &DataVersion,
) -> Option<Report> {
    #[derive(Deserialize)]
    struct Page {
        key: String,
    }
    #[derive(Deserialize)]
    struct Found {
        workflow: String,
        verdict: String,
        html: Page,
    }
    let model: ModelName = ended.model_name.parse().ok()?;
    let unread = |error: &anyhow::Error| tracing::warn!("the message has no report: {error:#}");
    for object in store
        .glob(&layout::reports(data_version, &model))
        .await
        .inspect_err(unread)
        .ok()?
    {
        let found: Found = store
            .require_json(&object.key)
            .await
            .inspect_err(unread)
            .ok()?;
        if found.workflow == ended.workflow {
            return Some(Report {
                verdict: found.verdict,
                page: format!("{}/{}", store.url(), found.html.key),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, template: &str, message: &str) -> NodeFailure {
        NodeFailure {
            display_name: name.into(),
            template_name: template.into(),
            message: message.into(),
            ..NodeFailure::default()
        }
    }

    fn summary(status: &str, nodes: &[NodeFailure]) -> (Vec<String>, usize) {
        let (causes, retried) = causes(status, nodes);
        (
            causes
                .into_iter()
                .map(|node| format!("{}: {}", node.display_name, node.message))
                .collect(),
            retried,
        )
    }

    #[test]
    fn attempts_are_told_apart_from_failures() {
        let overcome = node("data-prep-plan(0)", "data-prep-plan", "75");
        assert_eq!(
            summary("Succeeded", std::slice::from_ref(&overcome)),
            (vec![], 1)
        );
        let own = node("model-monitoring-notify(0)", OWN_LEAF, "75");
        let of_a_failure = [
            node("alameda-pipeline-x", "pipeline", "child 'training' failed"),
            node(
                "data-prep-map(1:001)",
                "data-prep-map",
                "No more retries left",
            ),
            node(
                "data-prep-map(1:001)(1)",
                "data-prep-map",
                "main: Error (exit code 10): b",
            ),
            overcome,
            node("training", "training", ""),
            node(
                "data-prep-map(1:001)(0)",
                "data-prep-map",
                "main: Error (exit code 75)",
            ),
            own,
        ];
        let cause = "data-prep-map(1:001)(1): main: Error (exit code 10): b".to_owned();
        assert_eq!(summary("Failed", &of_a_failure), (vec![cause], 2));
    }

    #[test]
    fn every_failure_has_a_message() {
        // Pods alone, as some versions of Argo list them.
        let pods = [
            node("a(0)", "a", "75"),
            node("a(1)", "a", "10"),
            node("b(0)", "b", "2"),
        ];
        assert_eq!(
            summary("Failed", &pods),
            (vec!["a(1): 10".to_owned(), "b(0): 2".to_owned()], 1)
        );
        let dag = [node("x", "main", "child 'y' errored")];
        assert_eq!(summary("Error", &dag).0, ["x: child 'y' errored"]);
        let text = [node("", "", "the pod was deleted")];
        assert_eq!(summary("Failed", &text).0, [": the pod was deleted"]);
        assert_eq!(summary("Failed", &[]), (vec![], 0));
    }
}
