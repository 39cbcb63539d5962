//! What a person is asked to look at.

use crate::column::in_line;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The column, or what else it is about.
    pub about: String,
    /// What was seen.
    pub seen: String,
    /// What was done, and what to do where that is wrong.
    pub advice: String,
}

impl Question {
    pub(crate) fn new(about: &str, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            about: about.to_owned(),
            // Names and values are in it as they are. Advice is copied, and has to stay so.
            seen: in_line(&seen.into()),
            advice: advice.into(),
        }
    }
}

/// A name as SQL takes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
