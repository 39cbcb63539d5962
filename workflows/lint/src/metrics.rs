//! Prometheus metrics.

use std::collections::BTreeMap;

use argo::finding::Finding;
use argo::library::Library;
use argo::raw::{get, has, list, text};
use argo::template::SCHEDULED_TIME;
use serde_json::Value;

use super::{Linter, finding, spec, spec_path};

/// What is new in every run, and would be a series of its own each time.
const UNIQUE: [&str; 8] = [
    "workflow.name",
    "workflow.uid",
    "workflow.creationTimestamp",
    SCHEDULED_TIME,
    "pod.name",
    "node.name",
    "workflow.failures",
    "item",
];

impl<'a> Linter<'a> {
    pub(super) fn metrics(&mut self, holder: &'a Value) {
        self.at(".metrics", |l| {
            l.each(get(holder, "metrics"), "prometheus", |l, metric| {
                let name = text(metric, "name");
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if name.is_empty()
                    || name.starts_with(|c: char| c.is_ascii_digit())
                    || !name.chars().all(is_name)
                {
                    l.find(
                        "metric",
                        format!("`{name}` is not a metric name: use letters, digits and `_`"),
                    );
                }
                if text(metric, "help").is_empty() {
                    l.find("metric", format!("`{name}` needs `help`"));
                }
                if has(metric, "counter") && name.ends_with("_total") {
                    l.find(
                        "metric",
                        format!("Argo appends `_total` to the counter `{name}`: leave it out"),
                    );
                }
                l.each(metric, "labels", |l, label| {
                    let names = argo::template::variables(text(label, "value")).unwrap_or_default();
                    for name in names
                        .iter()
                        .filter(|name| UNIQUE.contains(&name.as_str()) || name.starts_with("item."))
                    {
                        l.find(
                            "metric",
                            format!(
                                "{{{{{name}}}}} makes a new series in every run: use a value that stays the same"
                            ),
                        );
                    }
                });
                if get(metric, "gauge.realtime") == &Value::Bool(true) {
                    l.at(".gauge.realtime", |l| {
                        l.find("metric", "only a duration is known in real time: set false")
                    });
                }
            });
        });
    }
}

/// A metric has the same help wherever it stands, or the controller refuses all but one.
pub(super) fn same_help(library: &Library, findings: &mut Vec<Finding>) {
    let mut helps: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in library.templates.values().chain(library.crons.values()) {
        let (spec, at) = (spec(entry), spec_path(&entry.raw));
        let templates = list(spec, "templates").iter().enumerate();
        let places = templates.map(|(i, template)| (format!("{at}.templates[{i}]"), template));
        for (path, holder) in std::iter::once((at.to_owned(), spec)).chain(places) {
            for (i, metric) in list(holder, "metrics.prometheus").iter().enumerate() {
                let (name, help) = (text(metric, "name"), text(metric, "help"));
                let first = helps.entry(name).or_insert(help);
                if *first != help {
                    let path = format!("{}{path}.metrics.prometheus[{i}].help", entry.name);
                    let what = format!("`{name}` has another help elsewhere: `{first}`");
                    findings.push(finding(entry, "metric", &path, what));
                }
            }
        }
    }
}
