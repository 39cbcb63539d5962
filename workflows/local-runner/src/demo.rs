//! The demo: sample data, the whole pipeline, and what came out, in one command.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use console::Style;
use indicatif::{ProgressBar, ProgressStyle};
use store::digest;

use crate::place::Place;
use crate::runs::folder_name;
use crate::sample_data::{self, Drift, Summary};
use crate::workflow::{Phase, RAW_URL, Workflow};
use crate::{submit, ui};

#[cfg(test)]
mod tests;

/// How much data, and which.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Rows per file
    #[arg(long, default_value_t = 50_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub rows_per_file: usize,

    /// Training files; the first one becomes the holdout
    #[arg(long, default_value_t = 10)]
    pub train_files: usize,

    /// Files to score
    #[arg(long, default_value_t = 4)]
    pub predict_files: usize,

    /// Seed; the same seed gives the same data
    #[arg(long, default_value_t = 42)]
    pub seed: u64,

    /// Faults to put into the files to score, so that the report shows drift; several separated by
    /// commas
    #[arg(long, value_enum, value_delimiter = ',')]
    pub drift: Vec<Drift>,
}

impl Options {
    /// Name of the data set version: other options, another version.
    fn data_version(&self) -> String {
        let Options {
            rows_per_file,
            train_files,
            predict_files,
            seed,
            drift,
        } = self;
        let text =
            format!("rows={rows_per_file} train={train_files} predict={predict_files} seed={seed}");
        let text = if drift.is_empty() {
            text
        } else {
            format!("{text} drift={drift:?}")
        };
        format!("demo-{}", &digest::hex(text.as_bytes())[..8])
    }

    /// The same as options of the generator.
    pub(crate) fn sample(&self, url: String) -> sample_data::Options {
        sample_data::Options {
            url,
            train_files: self.train_files,
            predict_files: self.predict_files,
            rows_per_file: self.rows_per_file,
            seed: self.seed,
            drift: self.drift.clone(),
        }
    }
}

/// `demo`
pub(crate) fn run(place: &Place, options: &Options) -> Result<ExitCode> {
    let version = options.data_version();
    // A folder of its own below the raw files: whatever else lies there is not touched.
    let raw = format!(
        "{}/{version}",
        place
            .addresses(&place.given()?)?
            .raw_url
            .trim_end_matches('/')
    );
    let summary = generate(&options.sample(raw.clone()))?;
    ui::eprint(&format!("{}\n", describe(&summary, &raw)));
    let request = submit::Options {
        from: "workflowtemplate/alameda-pipeline".to_owned(),
        parameters: vec![format!("data-version={version}")],
        no_lint: true,
        ..submit::Options::default()
    };
    let (mut workflow, run) = submit::create(place, &request)?;
    workflow
        .metadata
        .annotations
        .insert(RAW_URL.to_owned(), raw);
    run.save(&workflow)?;
    let finished = submit::execute(place, workflow, run, &request.answers)?;
    if finished.workflow.status.phase == Phase::Succeeded {
        let store = place
            .addresses(&finished.workflow.metadata.annotations)?
            .store_url;
        let copy = copied_report(place, &finished.workflow)?;
        ui::print(&result(&finished.workflow, &store, copy, &|words| {
            place.command(words)
        }));
    }
    Ok(submit::exit_code(place, &finished))
}

/// Writes sample files, with a bar on a terminal.
pub(crate) fn generate(options: &sample_data::Options) -> Result<Summary> {
    let bar = ProgressBar::new((options.train_files + options.predict_files) as u64);
    let style = ProgressStyle::with_template("sample data [{bar:30}] {pos}/{len} files");
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━━╌"),
    );
    let summary = sample_data::generate(options, |_| bar.inc(1));
    bar.finish_and_clear();
    summary
}

/// One line about sample files.
pub(crate) fn describe(summary: &Summary, url: &str) -> String {
    let Summary {
        written,
        reused,
        removed,
        rows,
        bytes,
    } = summary;
    let removed = if *removed > 0 {
        format!(", {removed} of other options removed")
    } else {
        String::new()
    };
    let size = ui::mebibytes(*bytes);
    format!(
        "sample data: {rows} rows, {size} in {url}: {written} files written, {reused} kept{removed}"
    )
}

/// The copy of the report that the runner keeps, as Argo keeps its artifact.
fn copied_report(place: &Place, workflow: &Workflow) -> Result<Option<PathBuf>> {
    let folder = place.runs()?.folder(workflow);
    let mut files = workflow.pods().into_iter().map(|pod| {
        folder
            .join(folder_name(workflow, pod))
            .join("outputs/report.html")
    });
    Ok(files.rfind(|file| file.is_file()))
}

/// What a person wants to know at the end.
fn result(
    workflow: &Workflow,
    store: &str,
    copy: Option<PathBuf>,
    command: &dyn Fn(&[&str]) -> String,
) -> String {
    let output = |name: &str| {
        workflow
            .root()
            .and_then(|root| root.output(name))
            .unwrap_or_default()
    };
    let metric = |name: &str| match output(name).parse::<f64>() {
        Ok(value) => format!("{value:.4}"),
        Err(_) => "undefined".to_owned(),
    };
    let pods: Vec<_> = workflow
        .pods()
        .into_iter()
        .filter(|pod| pod.phase == Phase::Succeeded)
        .collect();
    let reused = pods.iter().filter(|pod| pod.reused()).count();
    let able = pods
        .iter()
        .filter(|pod| pod.output("reused").is_some())
        .count();
    let peak = pods
        .iter()
        .filter_map(|pod| Some((pod.peak_memory_bytes?, pod.template_name.as_str())))
        .max();
    let promoted = if output("promoted") == "true" {
        ", promoted in this run"
    } else {
        ""
    };
    let seconds = workflow
        .status
        .started_at
        .map(|start| ui::duration(start, workflow.status.finished_at));
    let report = format!(
        "{}/{}",
        store.trim_start_matches("file://").trim_end_matches('/'),
        output("report")
    );
    let verdict = match output("verdict") {
        "ok" => Style::new().green(),
        "alert" => Style::new().red(),
        _ => Style::new().yellow(),
    };
    let mut rows = vec![
        (
            "data version",
            parameter(workflow, "data-version").to_owned(),
        ),
        ("rows trained", output("rows-trained").to_owned()),
        ("rows scored", output("rows-scored").to_owned()),
        (
            "model",
            format!(
                "{} version {}",
                parameter(workflow, "model-name"),
                output("model-version")
            ),
        ),
        (
            "champion",
            format!("version {}{promoted}", output("champion-version")),
        ),
        (
            "on the holdout",
            format!(
                "accuracy {}, ROC AUC {}, F1 {}",
                metric("accuracy"),
                metric("roc-auc"),
                metric("f1")
            ),
        ),
        (
            "drift verdict",
            verdict.apply_to(output("verdict")).to_string(),
        ),
        (
            "duration",
            format!(
                "{}, {reused} of {able} steps reused finished work",
                seconds.unwrap_or_default()
            ),
        ),
    ];
    if !output("candidates").is_empty() {
        rows.push(("chosen", output("candidates").to_owned()));
    }
    if !output("training-warnings").is_empty() {
        let warnings = Style::new().yellow().apply_to(output("training-warnings"));
        rows.push(("warnings of training", warnings.to_string()));
    }
    if let Some((bytes, step)) = peak {
        rows.push(("most memory", format!("{} in {step}", ui::mebibytes(bytes))));
    }
    rows.push(("report", report));
    // A browser can't open what is in S3.
    if let (Some(copy), true) = (copy, store.starts_with("s3://")) {
        rows.push(("a copy of it", copy.display().to_string()));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    let done = Style::new().green().apply_to("✔");
    let version = format!("data-version={}", parameter(workflow, "data-version"));
    let raw = workflow
        .metadata
        .annotations
        .get(RAW_URL)
        .map(|raw| format!("--raw-url={raw}"))
        .unwrap_or_default();
    let inference = "workflowtemplate/alameda-inference";
    let next = [
        (
            "health, performance and drift in a browser",
            command(&["dashboard"]),
        ),
        (
            "every step, its time and memory",
            command(&["get", "@latest", "-o", "wide"]),
        ),
        (
            "the log of a step",
            command(&["logs", "@latest", "model-training-train"]),
        ),
        (
            "score again with this model",
            command(&["submit", "--from", inference, "-p", &version, &raw]),
        ),
        ("another data set", command(&["demo", "--seed", "7"])),
    ];
    let next = next
        .map(|(what, command)| format!("  # {what}\n  {command}\n"))
        .concat();
    format!(
        "\n{done} {}\n\n{}\nNext:\n{next}",
        workflow.name(),
        ui::table(&rows)
    )
}

fn parameter<'a>(workflow: &'a Workflow, name: &str) -> &'a str {
    let parameters = &workflow.spec.arguments.parameters;
    parameters
        .iter()
        .find(|p| p.name == name)
        .and_then(|p| p.value.as_deref())
        .unwrap_or_default()
}
