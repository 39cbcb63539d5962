//! Files without a fault, and faults that each rule finds in them.

mod config_maps;
mod leaves;
mod parameters;
mod workflows;

/// A WorkflowTemplate without a fault.
pub(super) const GOOD: &str = include_str!("good.yaml");
/// A CronWorkflow that runs it.
pub(super) const CRON: &str = include_str!("cron.yaml");
/// Its ConfigMap.
pub(super) const MAP: &str = include_str!("map.yaml");

/// The kustomization that lists it, as `m.yaml`.
pub(super) const KUSTOMIZATION: &str = "resources: [m.yaml]\n";

/// One way to break a rule.
pub(super) struct Case {
    pub rule: &'static str,
    /// What is replaced by what, once each.
    pub faults: &'static [(&'static str, &'static str)],
    /// The first place of this text in the broken file is where the finding has to point.
    pub at: &'static str,
    /// A part of what the finding says.
    pub text: &'static str,
}

/// Every case.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    let of_workflows = workflows::CASES.iter().chain(parameters::CASES);
    of_workflows.chain(leaves::CASES).chain(config_maps::CASES)
}

type Faults = &'static [(&'static str, &'static str)];

const fn case(rule: &'static str, faults: Faults, at: &'static str, text: &'static str) -> Case {
    Case {
        rule,
        faults,
        at,
        text,
    }
}
