//! The six steps that this binary can be, each under its own name.

use std::process::ExitCode;

/// A step of Alameda, linked into this binary.
pub(crate) struct Step {
    /// Name of the program, the image and the `step` field of a log line.
    pub name: &'static str,
    /// What the container runs.
    pub main: fn() -> ExitCode,
    /// Its command line.
    pub command: fn() -> clap::Command,
}

/// Every step.
pub(crate) const STEPS: [Step; 6] = [
    Step {
        name: "data-prep",
        main: data_prep::main,
        command: data_prep::command,
    },
    Step {
        name: "model-training",
        main: model_training::main,
        command: model_training::command,
    },
    Step {
        name: "model-promotion",
        main: model_promotion::main,
        command: model_promotion::command,
    },
    Step {
        name: "batch-inference",
        main: batch_inference::main,
        command: batch_inference::command,
    },
    Step {
        name: "publish-predictions",
        main: publish_predictions::main,
        command: publish_predictions::command,
    },
    Step {
        name: "model-monitoring",
        main: model_monitoring::main,
        command: model_monitoring::command,
    },
];

/// The step of that name.
pub(crate) fn find(name: &str) -> Option<&'static Step> {
    STEPS.iter().find(|step| step.name == name)
}
