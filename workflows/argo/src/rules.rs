//! What a rule is, and those of reading a file. `lint` holds the others.

use std::fmt;

use FoundByArgo::{No, Partly, Yes};

/// One rule.
pub struct Rule {
    /// Its name, which is behind each finding.
    pub name: &'static str,
    /// What happens without it.
    pub why: &'static str,
    /// What to do; empty where the finding itself says it.
    pub help: &'static str,
    /// Where Argo's documentation, code or issues say so.
    pub source: &'static str,
    /// Which of the tests' faults `argo lint --offline --strict` of Argo 4.1.2 finds.
    pub argo: FoundByArgo,
}

/// How much Argo's own lint finds.
#[derive(Clone, Copy)]
pub enum FoundByArgo {
    /// All of them.
    Yes,
    /// Some of them.
    Partly,
    /// None of them.
    No,
}

impl fmt::Display for FoundByArgo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FoundByArgo::Yes => "yes",
            FoundByArgo::Partly => "partly",
            FoundByArgo::No => "no",
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
            "see the finding"
        } else {
            help
        };
        write!(
            f,
            "{name}: {why}\n\nDo this: {help}\nSource: {source}\n`argo lint` finds it: {argo}\n"
        )
    }
}

/// The rules of reading a file, before anything of it is checked further.
pub static OF_READING: [Rule; 9] = [
    rule(
        "yaml",
        Partly,
        "of a key that occurs twice parsers use either value, and a broken file is not read at all",
        "",
        "YAML 1.1",
    ),
    rule(
        "merge-key",
        No,
        "strict parsers refuse a key that a merge duplicates: `argo lint --strict` skips the file \
         silently, and `argo template create` finds nothing in it",
        "write the fields out",
        "sigs.k8s.io/yaml",
    ),
    rule(
        "kind",
        No,
        "other kinds are not checked",
        "make it a WorkflowTemplate, or a CronWorkflow that runs one",
        "workflow-templates.md",
    ),
    rule(
        "name",
        Yes,
        "the name becomes a label of 63 characters; a CronWorkflow appends a time of 11",
        "shorten it: a WorkflowTemplate takes 63 characters of a-z, 0-9, `-` and `.`, a CronWorkflow 52",
        "CRD rules of 4.0",
    ),
    rule(
        "duplicate",
        Yes,
        "one of the two is never used",
        "rename or remove one",
        "validate.go",
    ),
    rule(
        "unknown-field",
        Yes,
        "a misspelt field has no effect",
        "look for the right spelling in Argo's fields.md",
        "fields.md",
    ),
    rule(
        "removed-field",
        Yes,
        "Argo 4 ignores or refuses it",
        "",
        "deprecations.md, upgrading.md",
    ),
    rule(
        "type",
        Partly,
        "an unquoted y, n, yes, no, on, off is a boolean, and Argo wants text",
        "quote it",
        "YAML 1.1",
    ),
    rule(
        "template-kind",
        Yes,
        "a template has exactly one of `container`, `dag`, `steps` and the like",
        "",
        "validate.go",
    ),
];

/// What to do about a finding of a rule of reading.
pub(crate) fn help(name: &str) -> &'static str {
    let rule = OF_READING.iter().find(|rule| rule.name == name);
    rule.map_or("", |rule| rule.help)
}

/// A rule, its fields in the order of the table in `docs/lint.md`.
pub const fn rule(
    name: &'static str,
    argo: FoundByArgo,
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
