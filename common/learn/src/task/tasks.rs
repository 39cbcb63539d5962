//! The tasks that a program knows, and their metrics by name.

use std::sync::OnceLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Binary, Metric, Multiclass, Regression, Target, Task, TaskError};

static KNOWN: OnceLock<Tasks> = OnceLock::new();

/// The tasks that a program knows.
#[derive(Clone, Debug)]
pub struct Tasks {
    known: Vec<&'static dyn Task>,
}

impl Tasks {
    /// `binary`, `multiclass` and `regression`.
    pub fn standard() -> Self {
        Self {
            known: vec![&Binary, &Multiclass, &Regression],
        }
    }

    /// Those of the whole process: what was installed, or else [`Tasks::standard`].
    pub(crate) fn known() -> &'static Self {
        KNOWN.get_or_init(Self::standard)
    }

    /// Makes them those of the whole process.
    ///
    /// # Errors
    /// Some are known already; these are given back.
    pub(crate) fn install(self) -> Result<(), Self> {
        KNOWN.set(self)
    }

    /// With one more task, in place of another of the same name.
    pub fn with(mut self, task: &'static dyn Task) -> Self {
        self.known.retain(|known| known.name() != task.name());
        self.known.push(task);
        self
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.known.iter().map(|task| task.name())
    }

    /// A task by its name.
    ///
    /// # Errors
    /// A name that is not known.
    pub fn get(&self, name: &str) -> Result<&'static dyn Task, TaskError> {
        let found = self.known.iter().find(|task| task.name() == name);
        found.copied().ok_or_else(|| TaskError::Unknown {
            found: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        })
    }

    /// The first task that takes a target.
    ///
    /// # Errors
    /// A target of one class.
    pub fn of_target(&self, target: &Target) -> Result<&'static dyn Task, TaskError> {
        let found = self.known.iter().find(|task| task.check(target).is_ok());
        found.copied().ok_or_else(|| TaskError::OneClass {
            target: target.name.clone(),
        })
    }
}

impl Metric {
    /// The metric of that name, of whatever known task: one name is one metric.
    ///
    /// # Errors
    /// A name that no task has.
    pub fn named(name: &str) -> Result<Self, TaskError> {
        let mut known = Tasks::known().known.iter();
        let found = known.find_map(|task| task.metric(name));
        found.ok_or_else(|| TaskError::Metric {
            found: name.to_owned(),
            known: Self::names().join(", "),
        })
    }

    /// Names of the metrics of the known tasks, each once.
    pub fn names() -> Vec<&'static str> {
        let tasks = Tasks::known().known.iter();
        let metrics = tasks.flat_map(|task| task.metrics());
        let mut names: Vec<&str> = Vec::new();
        for metric in metrics {
            if !names.contains(&metric.name) {
                names.push(metric.name);
            }
        }
        names
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::named(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
