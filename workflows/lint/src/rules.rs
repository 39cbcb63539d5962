//! The rules: the table in `docs/lint.md` and `alameda lint --explain RULE` are made from these,
//! and a test has a fault for each.

mod leaves;
mod others;
mod workflows;

use argo::finding::{Finding, Severity};
use argo::rules::{OF_READING, Rule};

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let rules = OF_READING.iter().chain(&workflows::RULES);
    rules.chain(&leaves::RULES).chain(&others::RULES)
}

pub(crate) fn find(name: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.name == name)
}

/// Rules whose findings refuse nothing, for one release before they do.
const WARNINGS: [&str; 1] = ["image-parameter"];

/// A finding of a rule, with what to do about it.
pub(crate) fn finding(
    rule: &'static str,
    file: &str,
    path: impl Into<String>,
    text: impl Into<String>,
) -> Finding {
    let severity = match WARNINGS.contains(&rule) {
        true => Severity::Warning,
        false => Severity::Error,
    };
    Finding {
        help: find(rule).map_or("", |rule| rule.help),
        severity,
        ..Finding::new(rule, file, path, text)
    }
}
