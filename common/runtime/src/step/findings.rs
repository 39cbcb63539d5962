//! What is wrong with the settings of a workflow, as its first step refuses them.

use std::fmt;

/// One setting and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Name of the setting.
    pub name: String,
    /// What is wrong, name and value included.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was found when all settings were looked at.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Settings that are wrong, in the order of their groups.
    pub problems: Vec<Problem>,
    /// Names in the ConfigMap that no step reads.
    pub unread: Vec<String>,
}

impl Findings {
    /// All problems in one line, which a list of steps shows whole; `None` when nothing is wrong.
    pub fn message(&self) -> Option<String> {
        let texts: Vec<&str> = self
            .problems
            .iter()
            .map(|problem| problem.text.as_str())
            .collect();
        match texts.as_slice() {
            [] => None,
            [only] => Some(format!("a setting is wrong: {only}")),
            texts => Some(format!(
                "{} settings are wrong: {}",
                texts.len(),
                texts.join("; ")
            )),
        }
    }
}
