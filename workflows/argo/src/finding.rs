//! What is wrong in a file, and where.

use serde::Serialize;

use crate::rules;

/// Something wrong in a file. It prints as `file:line:column: path: text [rule]`, with what to do
/// in a second line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, as given or relative to the repository's root.
    pub file: String,
    /// Where in the file, from 1; 0 when it is about no line.
    pub line: usize,
    /// Where in the line, from 1; 0 when it is not known.
    pub column: usize,
    /// What it is about, such as `alameda-data-prep.spec.templates[0].container`.
    pub path: String,
    /// What is wrong.
    pub text: String,
    /// The rule of `docs/lint.md`.
    pub rule: &'static str,
    /// What to do.
    pub help: &'static str,
    /// Whether it is refused.
    pub severity: Severity,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run would fail.
    Error,
    /// It goes wrong in some places.
    Warning,
}

impl Finding {
    /// Without its place in the file.
    pub fn new(
        rule: &'static str,
        file: &str,
        path: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let help = rules::help(rule);
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            path: path.into(),
            text: text.into(),
            rule,
            help,
            severity: Severity::Error,
        }
    }

    /// Whether it is only said, and nothing is refused for it.
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column]
            .into_iter()
            .filter(|number| *number > 0)
        {
            write!(f, ":{number}")?;
        }
        let level = if self.is_warning() { "warning: " } else { "" };
        write!(f, ": {level}{}: {} [{}]", self.path, self.text, self.rule)?;
        if self.help.is_empty() {
            Ok(())
        } else {
            write!(f, "\n    help: {}", self.help)
        }
    }
}
