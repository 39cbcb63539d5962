//! The rules: the table in `docs/lint.md` and `alameda lint --explain RULE` are made from these,
//! and a test has a fault for each.

mod leaves;
mod others;
mod workflows;

use std::fmt;

/// One rule.
pub(crate) struct Rule {
    /// Its name, which stands behind each finding.
    pub name: &'static str,
    /// What happens without it.
    pub why: &'static str,
    /// What to do; empty where the finding itself says it.
    pub help: &'static str,
    /// Where Argo's documentation, code or issues tell of it.
    pub source: &'static str,
    /// Which of the tests' faults `argo lint --offline --strict` of Argo 4.1.2 finds.
    pub argo: Argo,
}

/// How much Argo's own lint finds.
#[derive(Clone, Copy)]
pub(crate) enum Argo {
    Yes,
    Partly,
    No,
}

impl fmt::Display for Argo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Argo::Yes => "yes",
            Argo::Partly => "partly",
            Argo::No => "no",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule {
            name,
            why,
            help,
            source,
            argo,
        } = self;
        let help = if help.is_empty() {
            "as the finding tells"
        } else {
            help
        };
        write!(
            f,
            "{name}: {why}\n\nDo this: {help}\nSource: {source}\n`argo lint` finds it: {argo}\n"
        )
    }
}

/// Every rule.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    let rules = workflows::RULES.iter().chain(&leaves::RULES);
    rules.chain(&others::RULES)
}

/// The rule of that name.
pub(crate) fn find(name: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.name == name)
}

/// What to do about a finding of that rule.
pub(crate) fn help(name: &str) -> &'static str {
    find(name).map_or("", |rule| rule.help)
}

const fn rule(
    name: &'static str,
    argo: Argo,
    why: &'static str,
    help: &'static str,
    source: &'static str,
) -> Rule {
    Rule {
        name,
        why,
        help,
        source,
        argo,
    }
}

/// Rules whose findings refuse nothing: what is told for one release before it is refused.
pub(crate) const WARNINGS: [&str; 1] = ["image-parameter"];
