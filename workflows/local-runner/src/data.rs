//! `dataset`: looks at raw files on this machine.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use dataset::Question;
use dataset::files::{Files, shown};
use dataset::infer::{self, Inferred};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Place;
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
    /// Write a first dataset.json, features.sql, models.json and settings of raw files, and ask
    /// what a person should look at
    ///
    /// The schemas of all files are read, and a sample of their rows: the same number of each file,
    /// spread over it. The same files give the same answer. Nothing that is there already is
    /// replaced, unless --force is given.
    Infer(infer::Options),
}

pub(crate) fn run(place: &Place, command: &Command) -> Result<ExitCode> {
    match command {
        Command::Infer(options) => run_infer(place, options),
    }
}

fn run_infer(place: &Place, options: &infer::Options) -> Result<ExitCode> {
    let files = Files::find(&options.files)?;
    let bar = bar(files.bytes(), "looking at the files");
    let inferred = infer::infer(options, files, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let inferred = inferred?;
    inferred.project.write(&options.out, options.force)?;
    let root = shown(&inferred.files.root)?;
    let out = options.out.display().to_string();
    let command = |words: &[&str]| place.command(words);
    ui::print(&described(&inferred, &root, &out, &command));
    Ok(ExitCode::SUCCESS)
}

fn bar(bytes: u64, what: &str) -> ProgressBar {
    let style = format!("{what} [{{bar:30}}] {{bytes}}/{{total_bytes}}");
    let style = ProgressStyle::with_template(&style);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style.progress_chars("━━╌"))
}

/// What `infer` found, and what comes next. The raw files lie below `root`, the files were written
/// to `out`, and `command` writes a command line of this program.
fn described(
    inferred: &Inferred,
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
    let refused = inferred
        .refused
        .iter()
        .map(|why| format!("\nnot yet    {why}\n"));
    let (holdout, why) = &inferred.holdout;
    let workflow = match inferred.files.predict.is_empty() {
        true => "alameda-training",
        false => "alameda-pipeline",
    };
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
    let files = match files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    };
    format!(
        "{files} below {root}: all schemas, and {read}\n\n{}\ntask     {}\nholdout  {holdout}: {why}; \
         HOLDOUT in ml-config.yaml says so\n{}\n{}\nwritten to {out}: {}\n\nnext\n  {submit}\n",
        columns(&inferred.columns),
        inferred.goal,
        refused.collect::<String>(),
        questions(&inferred.questions),
        names.join(", "),
    )
}

/// Questions that are answered alike are listed a few times, and then named.
fn questions(questions: &[Question]) -> String {
    let mut text = match questions.len() {
        0 => return "no questions\n".to_owned(),
        1 => "1 question: look at it before a model learns\n".to_owned(),
        count => format!("{count} questions: look at them before a model learns\n"),
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
            text += &format!("  {about}: {seen}\n      {advice}\n");
        }
    }
    for (advice, about) in alike.iter().filter(|(_, about)| about.len() > ALIKE) {
        let more = about.len() - ALIKE;
        let names = about[ALIKE..]
            .iter()
            .take(NAMED)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let end = if more > NAMED { ", ..." } else { "" };
        text += &format!("  {more} more of which the same holds: {names}{end}\n      {advice}\n");
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
