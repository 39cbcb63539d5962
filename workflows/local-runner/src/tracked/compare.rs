//! `models compare`: two versions of a model side by side.

use std::collections::BTreeSet;

use anyhow::Result;
use catalog::layout::ModelName;
use clap::Args;
use runtime::failure::Failure;
use serde::Serialize;
use tracking::{TrackingArgs, VersionView};

use super::{ask, row};
use crate::cli::{Output, Place, print_object};
use crate::ui;

/// Versions of a model that are looked through for the two.
const VERSIONS: usize = 1_000;
/// Metrics of a version that say how much each feature counts, which `models -o json` has.
const IMPORTANCE: &str = "importance.";

/// Flags of `models compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareOptions {
    /// The model
    name: ModelName,
    /// A version number, or an alias such as champion
    a: String,
    /// What it is compared with
    b: String,
    /// Output format
    #[arg(short, long)]
    output: Option<Output>,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Two versions side by side.
#[derive(Debug, PartialEq, Serialize)]
struct Compared {
    model_name: String,
    versions: [u64; 2],
    aliases: [Vec<String>; 2],
    /// Settings of the training that are not the same.
    settings: Vec<Line<String>>,
    /// Settings that are the same.
    same_settings: usize,
    metrics: Vec<Line<f64>>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Line<T> {
    name: String,
    a: Option<T>,
    b: Option<T>,
}

/// Shows two versions side by side.
///
/// # Errors
/// A version that is not there: exit 2.
pub(crate) fn compare(place: &Place, options: &CompareOptions) -> Result<()> {
    let versions = ask(place, &options.tracking, async |tracking| {
        tracking.registered(Some(&options.name), VERSIONS).await
    })?;
    let [a, b] = [&options.a, &options.b].map(|wanted| found(&versions, wanted, &options.name));
    let compared = compared(a?, b?);
    match options.output {
        Some(Output::Json | Output::Yaml) => print_object(&compared, options.output)?,
        _ => ui::print(&table(&compared)),
    }
    Ok(())
}

fn found<'a>(
    versions: &'a [VersionView],
    wanted: &str,
    name: &ModelName,
) -> Result<&'a VersionView> {
    let is_it = |view: &&VersionView| {
        view.version.version.to_string() == wanted || view.aliases.iter().any(|of| of == wanted)
    };
    versions.iter().find(is_it).ok_or_else(|| {
        let known = versions.iter().map(|view| view.version.version.to_string());
        Failure::usage(format!(
            "model {name} has no version and no alias {wanted:?}: its versions are {}",
            known.collect::<Vec<_>>().join(", ")
        ))
    })
}

fn compared(a: &VersionView, b: &VersionView) -> Compared {
    let runs = [a, b].map(|view| view.run.as_ref().map(|of| &of.run));
    let params = runs.map(|run| run.map(|run| run.params.clone()).unwrap_or_default());
    let names: BTreeSet<&String> = params.iter().flat_map(|of| of.keys()).collect();
    let settings: Vec<Line<String>> = names
        .iter()
        .map(|name| Line {
            name: (*name).clone(),
            a: params[0].get(*name).cloned(),
            b: params[1].get(*name).cloned(),
        })
        .filter(|line| line.a != line.b)
        .collect();
    let metrics = runs.map(|run| run.map(|run| run.metrics.clone()).unwrap_or_default());
    let measured: BTreeSet<&String> = metrics.iter().flat_map(|of| of.keys()).collect();
    let measured = measured
        .into_iter()
        .filter(|of| !of.starts_with(IMPORTANCE));
    Compared {
        model_name: a.version.model_name.to_string(),
        versions: [a, b].map(|view| view.version.version),
        aliases: [a, b].map(|view| view.aliases.clone()),
        same_settings: names.len() - settings.len(),
        settings,
        metrics: measured
            .map(|name| Line {
                name: name.clone(),
                a: metrics[0].get(name).map(|metric| metric.value),
                b: metrics[1].get(name).map(|metric| metric.value),
            })
            .collect(),
    }
}

fn table(compared: &Compared) -> String {
    let [a, b] = compared.versions.map(|version| format!("v{version}"));
    let mut rows = vec![vec![
        compared.model_name.to_uppercase(),
        a.to_uppercase(),
        b.to_uppercase(),
        "CHANGE".to_owned(),
    ]];
    let [of_a, of_b] = &compared.aliases;
    if !(of_a.is_empty() && of_b.is_empty()) {
        rows.push(row(["alias", &of_a.join(", "), &of_b.join(", "), ""]));
    }
    let none = || "-".to_owned();
    for line in &compared.settings {
        let [a, b] = [&line.a, &line.b].map(|of| of.clone().unwrap_or_else(none));
        rows.push(vec![line.name.clone(), a, b, String::new()]);
    }
    for line in &compared.metrics {
        let four = |value: Option<f64>| value.map_or_else(none, |value| format!("{value:.4}"));
        let apart = line.a.zip(line.b).map(|(a, b)| format!("{:+.4}", b - a));
        rows.push(vec![
            line.name.clone(),
            four(line.a),
            four(line.b),
            apart.unwrap_or_default(),
        ]);
    }
    let same = match compared.same_settings {
        1 => "1 setting is the same".to_owned(),
        same => format!("{same} settings are the same"),
    };
    format!("{}{same}\n", ui::table(&rows))
}
