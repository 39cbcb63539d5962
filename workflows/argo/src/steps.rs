//! The programs that workflows call.

/// Name of each step: of its program, its image, and the `step` field of its log lines.
pub const STEPS: [&str; 6] = [
    "data-prep",
    "model-training",
    "model-promotion",
    "batch-inference",
    "publish-predictions",
    "model-monitoring",
];

/// It serves, and so is in no workflow and has no leaf.
pub const DASHBOARD: &str = "dashboard";

/// Whether a program has that name.
pub(crate) fn is_program(name: &str) -> bool {
    name == DASHBOARD || STEPS.contains(&name)
}
