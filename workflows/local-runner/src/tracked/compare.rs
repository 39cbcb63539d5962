//! `models compare`: two versions of a model side by side, or runs of models that are none.

use std::collections::BTreeSet;

use anyhow::Result;
use catalog::layout::ModelName;
use clap::Args;
use runtime::failure::Failure;
use serde::Serialize;
use tracking::{RunRecord, RunView, TrackingArgs, VersionView};

use super::{ask, row};
use crate::output::{Output, print_object};
use crate::place::Place;
use crate::ui;

/// Versions and runs of a model that are looked through for the two.
const LOOKED_THROUGH: usize = 1_000;
/// Characters of a run's id that name it.
const SHORT_ID: usize = 8;
/// Metrics of a version that say how much each feature counts, which `models -o json` has.
const IMPORTANCE: &str = "importance.";

/// Flags of `models compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareOptions {
    /// Name of the model
    name: ModelName,
    /// A version number, an alias such as champion, or the id of a training run or at least its
    /// first 8 characters, as `alameda runs -o wide` shows it
    a: String,
    /// The version or run to compare with
    b: String,
    /// Output format
    #[arg(short, long)]
    output: Option<Output>,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// One of the two.
struct Side {
    /// None of a run whose model is not registered.
    version: Option<u64>,
    aliases: Vec<String>,
    run: Option<RunRecord>,
}

/// Two of them side by side.
#[derive(Debug, PartialEq, Serialize)]
struct Compared {
    model_name: String,
    versions: [Option<u64>; 2],
    runs: [Option<String>; 2],
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

/// Shows two of them side by side.
///
/// # Errors
/// One that is not there: exit 2.
pub(crate) fn compare(place: &Place, options: &CompareOptions) -> Result<()> {
    let name = &options.name;
    let (versions, runs) = ask(place, &options.tracking, async |tracking| {
        let versions = tracking.registered(Some(name), LOOKED_THROUGH).await?;
        let runs = tracking.runs(Some(name), LOOKED_THROUGH).await?;
        Ok((versions, runs))
    })?;
    let [a, b] = [&options.a, &options.b].map(|wanted| found(&versions, &runs, wanted, name));
    let compared = compared(name, [a?, b?]);
    match options.output {
        Some(Output::Json | Output::Yaml) => print_object(&compared, options.output)?,
        _ => ui::print(&table(&compared)),
    }
    Ok(())
}

fn found(
    versions: &[VersionView],
    runs: &[RunView],
    wanted: &str,
    name: &ModelName,
) -> Result<Side> {
    let is_it = |view: &&VersionView| {
        view.version.version.to_string() == wanted || view.aliases.iter().any(|of| of == wanted)
    };
    if let Some(view) = versions.iter().find(is_it) {
        return Ok(Side {
            version: Some(view.version.version),
            aliases: view.aliases.clone(),
            run: view.run.as_ref().map(|of| of.run.clone()),
        });
    }
    let is_named =
        |view: &&RunView| wanted.len() >= SHORT_ID && view.run.run_id.starts_with(wanted);
    if let Some(view) = runs.iter().find(is_named) {
        return Ok(Side {
            version: None,
            aliases: Vec::new(),
            run: Some(view.run.clone()),
        });
    }
    let known = versions.iter().map(|view| view.version.version.to_string());
    let known: Vec<String> = known.collect();
    let known = match known.is_empty() {
        true => "it has no versions yet".to_owned(),
        false => format!("its versions are {}", known.join(", ")),
    };
    Err(Failure::usage(format!(
        "model {name} has no version, no alias and no run {wanted:?}: {known}; `alameda runs \
         --model-name={name} -o wide` shows its runs"
    )))
}

fn compared(name: &ModelName, sides: [Side; 2]) -> Compared {
    let runs = sides.each_ref().map(|side| side.run.as_ref());
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
        model_name: name.to_string(),
        same_settings: names.len() - settings.len(),
        settings,
        metrics: measured
            .map(|name| Line {
                name: name.clone(),
                a: metrics[0].get(name).map(|metric| metric.value),
                b: metrics[1].get(name).map(|metric| metric.value),
            })
            .collect(),
        versions: sides.each_ref().map(|side| side.version),
        runs: runs.map(|run| run.map(|run| run.run_id.clone())),
        aliases: sides.map(|side| side.aliases),
    }
}

fn table(compared: &Compared) -> String {
    let label = |of: usize| match (compared.versions[of], &compared.runs[of]) {
        (Some(version), _) => format!("V{version}"),
        (None, run) => {
            let id = run.as_deref().unwrap_or_default();
            format!("RUN {}", id.get(..SHORT_ID).unwrap_or(id))
        }
    };
    let mut rows = vec![vec![
        compared.model_name.to_uppercase(),
        label(0),
        label(1),
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
