//! Of metrics, CronWorkflows and ConfigMaps.

use argo::rules::FoundByArgo::{No, Partly};
use argo::rules::{Rule, rule};

pub(super) static RULES: [Rule; 9] = [
    // ---- Metrics
    rule(
        "metric",
        Partly,
        "the controller drops it, or it makes new series in every run",
        "",
        "metrics.md",
    ),
    // ---- CronWorkflows
    rule(
        "cron",
        Partly,
        "a default of Argo causes trouble: runs overlap, are missed, or vanish from the list",
        "",
        "cron-workflows.md, #9632",
    ),
    rule(
        "cron-timezone",
        No,
        "the run's date and the steps' dates differ around midnight",
        "set `timezone` to the ALAMEDA_TIMEZONE of the ConfigMap",
        "cron-workflows.md",
    ),
    // ---- ConfigMaps
    rule(
        "setting",
        No,
        "the step falls back to its default",
        "see docs/contract.md for the variables",
        "docs/contract.md",
    ),
    rule(
        "setting-value",
        No,
        "the first step of a run refuses it",
        "see docs/contract.md for what the variable takes",
        "docs/contract.md",
    ),
    rule(
        "kustomization",
        No,
        "a local run and the cluster have other settings",
        "",
        "config-maps/README.md",
    ),
    rule(
        "data",
        No,
        "the first step refuses the data contract or models.json",
        "see config-maps/README.md for dataset.json, and config-maps/models.md for models.json",
        "config-maps/README.md",
    ),
    rule(
        "features",
        No,
        "the first step refuses the query",
        "see config-maps/README.md for what features.sql may compute",
        "config-maps/README.md",
    ),
    rule(
        "publishing",
        No,
        "with a database the first step refuses it; without one predictions are Parquet files only",
        "",
        "docs/predictions-table.md",
    ),
];
