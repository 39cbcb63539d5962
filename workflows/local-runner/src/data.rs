//! `dataset`: looks at raw files on this machine.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use catalog::manifest::TimeRange;
use chrono::NaiveDateTime;
use clap::Subcommand;
use dataset::check::{self, Report};
use dataset::files::{Files, shown};
use dataset::infer::{self, Inferred};
use dataset::{Question, in_line, profile};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::failure::Failure;

use crate::place::Place;
use crate::ui;

#[cfg(test)]
mod tests;

/// Columns of a table that are shown.
const COLUMNS: usize = 60;
/// Questions with the same advice that are shown, and names of the others.
const ALIKE: usize = 5;
const NAMED: usize = 20;

/// What is done with the files.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draft dataset.json, features.sql, models.json and settings from raw files, and list what you
    /// should check
    ///
    /// It reads the schemas of all files, and a sample of their rows: the same number from each
    /// file, spread over it. The same files give the same draft. It replaces no existing file,
    /// unless --force is given.
    Infer(infer::Options),
    /// Check raw files against dataset.json and features.sql, as a workflow would, and write
    /// nothing
    ///
    /// It reads every row of every file, and names each file that breaks the contract, with the
    /// first row of each fault. The exit code is then 10, and 2 for a wrong setting. If FILES
    /// contain the folders train and predict, it checks those of predict as files to score, and
    /// those directly in a folder labels beside them as label files: ids, time and target.
    Check(check::Options),
    /// Write a page about raw files: nulls, quantiles and values of each column, and their relation
    /// to the target
    Profile(profile::Options),
}

pub(crate) fn run(place: &Place, command: &Command) -> Result<ExitCode> {
    match command {
        Command::Infer(options) => run_infer(place, options),
        Command::Check(options) => run_check(options),
        Command::Profile(options) => run_profile(options),
    }
}

fn run_infer(place: &Place, options: &infer::Options) -> Result<ExitCode> {
    let files = Files::find(&options.files)?;
    let bar = bar(files.bytes(), "checking the files");
    let inferred = infer::infer(options, files, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let inferred = inferred?;
    inferred.project.write(&options.out, options.force)?;
    let root = shown(&inferred.files.root)?;
    let out = options.out.display().to_string();
    let command = |words: &[&str]| place.command(words);
    let given = options.files.iter().map(|path| path.display().to_string());
    let given: Vec<String> = given.collect();
    ui::print(&described(&inferred, &given, &root, &out, &command));
    Ok(ExitCode::SUCCESS)
}

fn run_check(options: &check::Options) -> Result<ExitCode> {
    let files = Files::find(&options.files)?;
    let others = files.predict.iter().chain(&files.labels);
    let bytes = files.bytes() + others.map(|file| file.bytes).sum::<u64>();
    let bar = bar(bytes, "checking the files");
    let report = check::check(options, &files, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let report = report?;
    ui::print(&checked(&report));
    match check::broken(&report) {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn run_profile(options: &profile::Options) -> Result<ExitCode> {
    if options.out.exists() && !options.force {
        return Err(Failure::usage(format!(
            "{} is there already: --force replaces it, --out names another file",
            options.out.display()
        )));
    }
    let files = Files::find(&options.files)?;
    let bar = bar(files.bytes(), "counting the rows");
    let profile = profile::profile(options, &files, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let profile = profile?;
    let writing = || format!("writing {}", options.out.display());
    std::fs::write(&options.out, &profile.html).with_context(writing)?;
    let target = match profile.target {
        Some(target) => format!("related to {target}"),
        None => "without a target: --target names one".to_owned(),
    };
    ui::print(&format!(
        "{} rows of {}, {target}\n{}\n",
        profile.rows,
        count(files.train.len()),
        options.out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn bar(bytes: u64, what: &str) -> ProgressBar {
    let style = format!("{what} [{{bar:30}}] {{bytes}}/{{total_bytes}}");
    let style = ProgressStyle::with_template(&style);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style.progress_chars("━━╌"))
}

/// What `infer` found, and what comes next. The files were `given` so and lie below `root`, the
/// files were written to `out`, and `command` writes a command line of this program.
fn described(
    inferred: &Inferred,
    given: &[String],
    root: &str,
    out: &str,
    command: &dyn Fn(&[&str]) -> String,
) -> String {
    let files = inferred.files.train.len();
    let read = match inferred.of {
        Some(of) if of == inferred.rows => format!("all {of} rows"),
        Some(of) => format!("{} of {of} rows, spread over each file", inferred.rows),
        None => format!(
            "{} rows, spread over the first 5000000 of each file",
            inferred.rows
        ),
    };
    let names: Vec<&str> = inferred
        .project
        .files
        .iter()
        .map(|(name, _)| *name)
        .collect();
    let (holdout, why) = &inferred.holdout;
    let workflow = match inferred.files.predict.is_empty() {
        true => "alameda-training",
        false => "alameda-pipeline",
    };
    let check_line: Vec<&str> = ["dataset", "check"]
        .into_iter()
        .chain(given.iter().map(String::as_str))
        .collect();
    let dataset = format!("--dataset={out}");
    let check = command(&[&check_line[..], &[dataset.as_str()]].concat());
    let submit = command(&[
        "submit",
        &format!("--config-maps={out}"),
        &format!("--raw-url={root}"),
        &format!("--from=workflowtemplate/{workflow}"),
        "-p",
        "data-version=1",
        "-p",
        &format!("model-name={}", inferred.model),
    ]);
    let files = count(files);
    format!(
        "{files} below {root}: all schemas, and {read}\n\n{}\ntask     {}\nholdout  {holdout}: {why}; \
         HOLDOUT in ml-config.yaml says so\n\n{}\nwritten to {out}: {}\n\nnext\n  {check}\n  {submit}\n",
        columns(&inferred.columns),
        inferred.goal,
        questions(&inferred.questions),
        names.join(", "),
    )
}

/// What `check` found: a line for each file, then what is wrong.
fn checked(report: &Report) -> String {
    let titles = ["FILE", "ROWS", "SIZE", "FROM", "TO", "CONTRACT"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let mut said = String::new();
    let labels = report.labels.iter().map(|file| (file, "kept, labels"));
    let files = report.files.iter().map(|file| match file.score {
        true => (file, "kept, to score"),
        false => (file, "kept"),
    });
    for (file, kept) in files.chain(labels) {
        let time = |of: fn(&TimeRange) -> NaiveDateTime| {
            let time = file.time.as_ref().map(of);
            time.map(|time| time.format("%Y-%m-%d %H:%M").to_string())
                .unwrap_or_default()
        };
        let verdict = match &file.broken {
            Some(_) => "broken",
            None => kept,
        };
        rows.push(vec![
            file.key.clone(),
            file.rows.map(|rows| rows.to_string()).unwrap_or_default(),
            ui::mebibytes(file.bytes),
            time(|range| range.first),
            time(|range| range.last),
            verdict.to_owned(),
        ]);
        if let Some(broken) = &file.broken {
            said += &format!("\n{broken}\n");
        }
        if !file.extra.is_empty() {
            let more = file.extra.len().saturating_sub(NAMED);
            let names = file.extra.iter().take(NAMED).map(|name| visible(name));
            let names = names.collect::<Vec<_>>().join(", ");
            let end = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            said += &format!(
                "\n{}: ignored, not in dataset.json: {names}{end}\n",
                file.key
            );
        }
        if !file.left_out.is_none() {
            said += &format!("\n{}: left out {}\n", file.key, file.left_out);
        }
    }
    let of_several = report.doubles.iter().chain(&report.accepted);
    let of_several = of_several.chain(&report.faults);
    let of_several = of_several.map(|text| format!("\n{text}\n"));
    format!(
        "{}{said}{}",
        ui::table(&rows),
        of_several.collect::<String>()
    )
}

/// A name of a column, in quotes where one would not see it: a header may have an empty one.
fn visible(name: &str) -> Cow<'_, str> {
    match name.trim() == name && !name.is_empty() && in_line(name) == name {
        true => name.into(),
        false => format!("{name:?}").into(),
    }
}

fn count(files: usize) -> String {
    match files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    }
}

/// Questions that are answered alike are listed a few times, and then named.
fn questions(questions: &[Question]) -> String {
    let mut text = match questions.len() {
        0 => return "no questions\n".to_owned(),
        1 => "1 question: check it before training\n".to_owned(),
        count => format!("{count} questions: check them before training\n"),
    };
    let mut alike: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Question {
        about,
        seen,
        advice,
    } in questions
    {
        let before = alike.entry(advice).or_default();
        before.push(about);
        if before.len() <= ALIKE {
            text += &format!("  {}: {seen}\n      {advice}\n", visible(about));
        }
    }
    for (advice, about) in alike.iter().filter(|(_, about)| about.len() > ALIKE) {
        let more = about.len() - ALIKE;
        let names = about[ALIKE..]
            .iter()
            .take(NAMED)
            .map(|about| visible(about))
            .collect::<Vec<_>>()
            .join(", ");
        let end = if more > NAMED { ", ..." } else { "" };
        text += &format!("  {more} more with the same question: {names}{end}\n      {advice}\n");
    }
    text
}

/// The first columns of a wide table.
fn columns(rows: &[Vec<String>]) -> String {
    let shown = ui::table(&rows[..rows.len().min(COLUMNS + 1)]);
    match rows.len().saturating_sub(COLUMNS + 1) {
        0 => shown,
        more => format!("{shown}and {more} more columns: dataset.json holds all\n"),
    }
}
