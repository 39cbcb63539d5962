//! What a person can do, as values, and how a message says it.

/// A line of the contract that takes values which it does not take now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) rounds: Rounds,
}

impl Line {
    pub(super) fn exact(text: String) -> Self {
        Self {
            text,
            rounds: Rounds::None,
        }
    }
}

/// Which values become others by being read as floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounds {
    None,
    /// Those that the message is about.
    Them,
    /// Others of the column.
    Large,
}

impl Rounds {
    pub(super) fn said(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Them => ", which rounds them",
            Self::Large => ", which rounds numbers beyond 2^53",
        }
    }
}

/// A line that a message would advise if another file took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) line: String,
    /// The key of that file.
    pub(super) by: String,
}

impl Refused {
    pub(super) fn said(&self, pinned: bool) -> String {
        let line = contract(pinned, &self.line);
        format!("with {line}, {} would be refused", self.by)
    }
}

/// Something that a person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Writing the file otherwise, and what else is true of the rows.
    Write(String),
    /// Any of these lines takes all rows.
    Accepts(Vec<Line>),
    /// Any of these lines takes some of the rows.
    AcceptsSome(Vec<String>),
}

impl Remedy {
    pub(super) fn accepts(line: impl Into<String>) -> Self {
        Self::Accepts(vec![Line::exact(line.into())])
    }

    fn said(&self, pinned: bool) -> String {
        match self {
            Self::Write(text) => text.clone(),
            Self::Accepts(lines) => {
                let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
                let rounds = lines.iter().map(|line| line.rounds.said());
                let rounds = rounds.max_by_key(|said| said.len()).unwrap_or_default();
                format!("{} them{rounds}", accepts(pinned, &texts.join(" or ")))
            }
            Self::AcceptsSome(lines) => {
                format!("{} some of them", accepts(pinned, &lines.join(" or ")))
            }
        }
    }
}

/// What a line of a contract does for what a file holds, up to the object of the sentence.
pub(in crate::raw) fn accepts(pinned: bool, line: &str) -> String {
    format!("{} accepts", contract(pinned, line))
}

/// A contract with a line, as the subject of a sentence.
fn contract(pinned: bool, line: &str) -> String {
    match pinned {
        false => format!("{line} in dataset.json"),
        true => format!("a model trained with {line}"),
    }
}

/// The line that a file which is written otherwise needs too.
pub(super) fn with(pinned: bool, line: &str) -> String {
    match pinned {
        false => format!("with {line} in dataset.json"),
        true => format!("for a model trained with {line}"),
    }
}

/// What a person can do, as one text; empty where there is nothing to say that holds for every
/// file.
pub(super) fn said(remedies: &[Remedy], pinned: bool) -> String {
    let said = remedies.iter().map(|remedy| remedy.said(pinned));
    said.collect::<Vec<_>>().join(", or ")
}
