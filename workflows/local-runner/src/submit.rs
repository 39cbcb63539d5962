//! Submitting, retrying and resubmitting: from a WorkflowTemplate to an ended workflow.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use argo::config_maps::ConfigMaps;
use argo::finding::Severity;
use argo::library::{Entry, FORMER_PARAMETERS, Library};
use argo::spec::{Parameters, WorkflowSpec};
use argo::yaml;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use runtime::failure::Failure;
use serde_json::Value;

use crate::answers::{self, Answer};
use crate::engine::{Engine, Finished};
use crate::output::{Output, print_workflow};
use crate::place::Place;
use crate::runs::Run;
use crate::workflow::{Phase, RESUBMITTED_FROM, SCHEDULED_TIME, Workflow};
use crate::{retry, ui};

/// What to submit.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// workflowtemplate/NAME or cronwf/NAME
    #[arg(long, value_name = "KIND/NAME")]
    pub from: String,

    /// Input parameter; overrides the file
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,

    /// YAML or JSON file with input parameters
    #[arg(short = 'f', long, value_name = "FILE")]
    pub parameter_file: Option<PathBuf>,

    /// Answer for a suspended step, such as approval.decision=approve; by default the terminal asks
    #[arg(long = "output-parameter", value_name = "STEP.NAME=VALUE")]
    pub answers: Vec<Answer>,

    /// Name of the workflow [default: the template's name and five letters]
    #[arg(long)]
    pub name: Option<String>,

    /// Instant for {{workflow.scheduledTime}}, such as 2026-09-20T02:30:00Z
    #[arg(long, value_name = "TIME")]
    pub scheduled_time: Option<String>,

    /// Run the workflow without linting it first
    #[arg(long)]
    pub no_lint: bool,

    /// Output format
    #[arg(short, long)]
    pub output: Option<Output>,

    /// Accepted as Argo's: submit always waits
    #[arg(short, long, hide = true)]
    pub wait: bool,

    /// Accepted as Argo's: a terminal always shows the running workflow
    #[arg(long, hide = true)]
    pub watch: bool,
}

pub(crate) fn submit(place: &Place, options: &Options) -> Result<ExitCode> {
    let (workflow, run) = create(place, options)?;
    finish(
        place,
        execute(place, workflow, run, &options.answers)?,
        options.output,
    )
}

/// Makes the workflow and its folder.
pub(crate) fn create(place: &Place, options: &Options) -> Result<(Workflow, Run)> {
    let library = Library::load(&place.workflows()?)?;
    let given = given(&options.parameters, options.parameter_file.as_ref())?;
    let Origin {
        template,
        spec,
        scheduled,
        base,
    } = origin(&library, &options.from)?;
    let mut workflow = new_workflow(&library, template, spec, &given)?;
    if !options.no_lint {
        check(&library, &place.maps()?, &workflow, &options.from)?;
    }
    let time = options.scheduled_time.as_deref().map(instant).transpose()?;
    if let Some(time) = time.or(scheduled) {
        workflow
            .metadata
            .annotations
            .insert(SCHEDULED_TIME.to_owned(), time);
    }
    for (name, url) in place.given()? {
        workflow.metadata.annotations.insert(name, url);
    }
    answers::check(&options.answers, &workflow.status.stored_templates)?;
    name_and_save(place, workflow, options.name.as_deref(), base)
}

/// Prints what is wrong with what a run would use.
///
/// # Errors
/// Faults of the workflows, and files that a ConfigMap lacks. Other faults of a ConfigMap the first
/// step refuses, so that the run is recorded and reported as one that failed.
fn check(library: &Library, maps: &ConfigMaps, workflow: &Workflow, from: &str) -> Result<()> {
    let stored = workflow.status.stored_templates.keys();
    let homes = stored.filter_map(|name| Some(name.split_once('/')?.0));
    let named = from.split_once('/').map(|(_, name)| name);
    let values = workflow.spec.arguments.parameters.iter();
    let values = values.filter_map(|parameter| parameter.given()).collect();
    let found = lint::lint_run(
        library,
        maps,
        programs::command,
        &homes.chain(named).collect(),
        &values,
    );
    let mut faults = 0;
    for finding in &found.workflows {
        faults += usize::from(!finding.is_warning());
        ui::eprint(&format!("{finding}\n"));
    }
    for mut finding in found.maps {
        finding.severity = Severity::Warning;
        ui::eprint(&format!("{finding}\n"));
    }
    match faults {
        0 => Ok(()),
        faults => Err(Failure::usage(format!(
            "{faults} problem(s) found in what {from} runs: correct them, or give --no-lint to \
             run it as it is"
        ))),
    }
}

/// What to run again.
#[derive(Debug, Args)]
pub(crate) struct Again {
    /// Name of the workflow, or @latest
    pub name: String,

    /// Input parameter to change
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,

    /// Answer for a suspended step, such as approval.decision=approve
    #[arg(long = "output-parameter", value_name = "STEP.NAME=VALUE")]
    pub answers: Vec<Answer>,

    /// Output format
    #[arg(short, long)]
    pub output: Option<Output>,
}

pub(crate) fn retry(place: &Place, again: &Again) -> Result<ExitCode> {
    let Again {
        name,
        parameters,
        answers,
        output,
    } = again;
    let runs = place.runs()?;
    let found = runs.get(name)?;
    let run = runs.lock(found.name())?;
    // Another runner may have ended it in between.
    let mut workflow = runs.get(found.name())?;
    if workflow.status.phase == Phase::Pending || workflow.status.phase == Phase::Running {
        workflow.mark_abandoned();
    }
    answers::check(answers, &workflow.status.stored_templates)?;
    let dropped = retry::reset(&mut workflow)?;
    for (name, value) in given(parameters, None)? {
        set(
            &mut workflow.spec.arguments,
            &name,
            &value,
            workflow.spec.workflow_template_ref.name.as_str(),
        )?;
    }
    // Saved first: a leftover folder is harmless, a node without its folder is not.
    run.save(&workflow)?;
    for node in &dropped {
        let folder = run.node(&workflow, node);
        if folder.exists() && node.name != workflow.name() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("removing {}", folder.display()))?;
        }
    }
    finish(place, execute(place, workflow, run, answers)?, *output)
}

pub(crate) fn resubmit(place: &Place, again: &Again) -> Result<ExitCode> {
    let Again {
        name,
        parameters,
        answers,
        output,
    } = again;
    let old = place.runs()?.get(name)?;
    let library = Library::load(&place.workflows()?)?;
    let template = &old.spec.workflow_template_ref.name;
    let mut spec = library.template(template)?.spec.clone();
    // What a CronWorkflow laid over the template is in the old spec.
    let stored = &old.status.stored_workflow_template_spec;
    (spec.entrypoint, spec.on_exit) = (stored.entrypoint.clone(), stored.on_exit.clone());
    let old_values = old
        .spec
        .arguments
        .parameters
        .iter()
        .filter_map(|p| Some((p.name.clone(), p.value.clone()?)));
    let mut values: BTreeMap<String, String> = old_values.collect();
    values.extend(given(parameters, None)?);
    let mut workflow = new_workflow(&library, template, spec, &values)?;
    workflow.metadata.annotations = old.metadata.annotations.clone();
    workflow
        .metadata
        .labels
        .insert(RESUBMITTED_FROM.to_owned(), old.name().to_owned());
    answers::check(answers, &workflow.status.stored_templates)?;
    let (workflow, run) = name_and_save(place, workflow, None, template)?;
    finish(place, execute(place, workflow, run, answers)?, *output)
}

/// Runs a workflow to its end.
pub(crate) fn execute(
    place: &Place,
    workflow: Workflow,
    run: Run,
    answers: &[Answer],
) -> Result<Finished> {
    let maps = place.maps()?;
    let addresses = place.addresses(&workflow.metadata.annotations)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut view = ui::view();
    Engine::new(
        workflow,
        run,
        &maps,
        addresses,
        answers,
        cores,
        view.as_mut(),
    )
    .run()
}

fn finish(place: &Place, finished: Finished, output: Option<Output>) -> Result<ExitCode> {
    print_workflow(&finished.workflow, output)?;
    Ok(exit_code(place, &finished))
}

/// The exit code of an ended workflow; says what failed and what to do.
pub(crate) fn exit_code(place: &Place, finished: &Finished) -> ExitCode {
    if finished.workflow.status.phase == Phase::Succeeded {
        return ExitCode::SUCCESS;
    }
    ui::eprint(&ui::explain_failure(&finished.workflow, &|words| {
        place.command(words)
    }));
    ExitCode::from(finished.stopped_by.map_or(1, |signal| 128 + signal))
}

/// What `--from` names.
struct Origin<'a> {
    template: &'a str,
    spec: WorkflowSpec,
    scheduled: Option<String>,
    base: &'a str,
}

fn origin<'a>(library: &'a Library, from: &'a str) -> Result<Origin<'a>> {
    match from.split_once('/') {
        Some(("workflowtemplate" | "wftmpl", name)) => {
            let entry = library.template(name)?;
            Ok(Origin {
                template: &entry.name,
                spec: entry.spec.clone(),
                scheduled: None,
                base: &entry.name,
            })
        }
        Some(("cronwf" | "cronworkflow", name)) => {
            let cron = library.cron(name)?;
            let spec = &cron.spec;
            let reference = spec
                .workflow_template_ref
                .as_ref()
                .filter(|_| spec.templates.is_empty());
            let target = reference.ok_or_else(|| {
                Failure::usage(format!(
                    "cronwf/{name} needs a workflowTemplateRef and no templates of its own"
                ))
            })?;
            let entry = library.template(&target.name)?;
            let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
            Ok(Origin {
                template: &entry.name,
                spec: overlay(entry, cron)?,
                scheduled: Some(now),
                base: &cron.name,
            })
        }
        _ => Err(Failure::usage(format!(
            "--from {from}: give workflowtemplate/NAME or cronwf/NAME"
        ))),
    }
}

/// The template's spec, with what the CronWorkflow sets itself.
fn overlay(entry: &Entry, cron: &Entry) -> Result<WorkflowSpec> {
    let mut spec = entry.spec.clone();
    let over = &cron.spec;
    spec.entrypoint = over.entrypoint.clone().or(spec.entrypoint);
    spec.on_exit = over.on_exit.clone().or(spec.on_exit);
    spec.parallelism = over.parallelism.or(spec.parallelism);
    for parameter in &over.arguments.parameters {
        set(
            &mut spec.arguments,
            &parameter.name,
            parameter.given().unwrap_or_default(),
            &entry.name,
        )?;
    }
    Ok(spec)
}

fn new_workflow(
    library: &Library,
    template: &str,
    mut spec: WorkflowSpec,
    given: &BTreeMap<String, String>,
) -> Result<Workflow> {
    if spec.entrypoint.is_none() {
        return Err(Failure::usage(format!(
            "workflowtemplate/{template} has no entrypoint: it is a library of templates for others to call"
        )));
    }
    for (name, value) in given {
        if FORMER_PARAMETERS.contains(&name.as_str()) && !spec.arguments.has(name) {
            ui::eprint(&format!(
                "warning: the parameter {name} is ignored: images are stamped into the templates\n"
            ));
            continue;
        }
        set(&mut spec.arguments, name, value, template)?;
    }
    for parameter in &mut spec.arguments.parameters {
        let Some(value) = parameter.given() else {
            let name = &parameter.name;
            return Err(Failure::usage(format!(
                "the parameter {name} is missing: give -p {name}=VALUE"
            )));
        };
        parameter.value = Some(value.to_owned());
    }
    let stored = library.reachable(template, &spec)?;
    Ok(Workflow::new(String::new(), template, spec, stored))
}

/// Sets a parameter that the template has, to a value that its enum allows.
fn set(arguments: &mut Parameters, name: &str, value: &str, template: &str) -> Result<()> {
    let known: Vec<_> = arguments
        .parameters
        .iter()
        .map(|parameter| parameter.name.clone())
        .collect();
    let Some(parameter) = arguments
        .parameters
        .iter_mut()
        .find(|parameter| parameter.name == name)
    else {
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Failure::usage(format!(
            "workflowtemplate/{template} has no parameter `{name}`; it takes: {known}"
        )));
    };
    if !parameter.choices.is_empty() && !parameter.choices.iter().any(|choice| choice == value) {
        let choices = parameter.choices.join(", ");
        return Err(Failure::usage(format!(
            "the parameter {name} is `{value}`, but must be one of: {choices}"
        )));
    }
    parameter.value = Some(value.to_owned());
    Ok(())
}

/// Parameters by file and command line.
fn given(parameters: &[String], file: Option<&PathBuf>) -> Result<BTreeMap<String, String>> {
    let mut given = BTreeMap::new();
    if let Some(path) = file {
        let text = yaml::read(path)?;
        let refuse = |what: String| Failure::usage(format!("{}: {what}", path.display()));
        for document in yaml::load(&text).map_err(refuse)? {
            let Value::Object(fields) = document else {
                return Err(refuse("must hold a mapping of names to values".to_owned()));
            };
            for (name, value) in fields {
                let value = match value {
                    Value::String(text) => text,
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
                given.insert(name, value);
            }
        }
    }
    for parameter in parameters {
        let Some((name, value)) = parameter.split_once('=') else {
            return Err(Failure::usage(format!(
                "expected parameter of the form: NAME=VALUE. Received: {parameter}"
            )));
        };
        given.insert(name.to_owned(), value.to_owned());
    }
    Ok(given)
}

fn instant(text: &str) -> Result<String> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Failure::usage(format!(
            "--scheduled-time {text}: {error}; give an instant such as 2026-09-20T02:30:00Z"
        ))),
    }
}

/// Gives the workflow the name that was asked for, else a free one; makes its folder and saves it.
fn name_and_save(
    place: &Place,
    mut workflow: Workflow,
    name: Option<&str>,
    base: &str,
) -> Result<(Workflow, Run)> {
    let runs = place.runs()?;
    for attempt in 0..100_u32 {
        let candidate = name.map_or_else(|| format!("{base}-{}", suffix(attempt)), str::to_owned);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !candidate.chars().all(plain)
            || !candidate.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Err(Failure::usage(format!(
                "{candidate} is not a valid name: lower-case letters, digits, dashes and dots"
            )));
        }
        if let Some(run) = runs.create(&candidate)? {
            workflow.metadata.name = candidate;
            run.save(&workflow)?;
            return Ok((workflow, run));
        }
        if name.is_some() {
            return Err(Failure::usage(format!(
                "there is a workflow {candidate} already: choose another --name"
            )));
        }
    }
    Err(Failure::usage(format!(
        "found no free name for a run of {base}: remove old folders of runs"
    )))
}

/// Five letters, as Kubernetes adds them to `generateName`.
fn suffix(attempt: u32) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let nanos = Utc::now().timestamp_nanos_opt().unwrap_or_default() as u64;
    // Mixed by a large odd number, so that close instants give distant names.
    let mut bits = (nanos ^ u64::from(std::process::id()) << 32 ^ u64::from(attempt))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^= bits >> 29;
    let letter = |_| {
        let letter = LETTERS[(bits % LETTERS.len() as u64) as usize];
        bits /= LETTERS.len() as u64;
        letter as char
    };
    (0..5).map(letter).collect()
}
