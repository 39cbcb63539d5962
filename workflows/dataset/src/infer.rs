//! `infer`: from raw files to a first contract, features, models and settings, with questions.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use clap::Args;
use runtime::failure::Failure;
use table::dataset::HoldoutRule;

use crate::column::{Column, in_line};
use crate::csv_questions;
use crate::draft::{Draft, dataset_json};
use crate::entities;
use crate::far_dates::{self, Far, day};
use crate::files::Files;
use crate::goal::Goal;
use crate::project::{self, Project};
use crate::question::Question;
use crate::roles::{Named, Roles, are_unique_together, words};
use crate::sample::{self, Sampled};

/// The share of rows that are held out.
const HELD_OUT: f64 = 0.2;
/// Days from which on the last ones are held out.
const DAYS: usize = 5;
/// Names of targets that say nothing of a model.
const GENERIC: [&str; 6] = ["target", "label", "y", "class", "outcome", "response"];

/// What `infer` looks at, and what it writes.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Raw files, folders with raw files, or globs with * in quotes
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,

    /// The column to predict
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,

    /// The columns that together identify a row, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub id: Vec<String>,

    /// The time column; none for no time
    #[arg(long, value_name = "NAME")]
    pub time: Option<String>,

    /// Predict the target as a number, though its values are few enough for classes
    #[arg(long)]
    pub regression: bool,

    /// Folder to write the files to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,

    /// Replace existing files
    #[arg(long)]
    pub force: bool,

    /// Turn the observed bounds, columns without nulls and values of small categories into rules of
    /// the contract. A later file with a value that breaks a rule is then refused
    #[arg(long)]
    pub strict: bool,

    /// Number of rows to sample, the same from each file
    #[arg(
        long,
        value_name = "N",
        default_value_t = 200_000,
        value_parser = clap::value_parser!(u64).range(100..)
    )]
    pub rows: u64,
}

/// What was found, and what it leads to.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The files.
    pub files: Files,
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows of all files; `None` where one was not read to its end.
    pub of: Option<u64>,
    /// The columns: name, type, role, nulls, distinct values, examples.
    pub columns: Vec<Vec<String>>,
    /// A name for the model.
    pub model: String,
    /// What is predicted, in one line.
    pub goal: String,
    /// Which rows are held out, and why these.
    pub holdout: (HoldoutRule, String),
    /// What a person should look at, leaks first.
    pub questions: Vec<Question>,
    /// The files to write.
    pub project: Project,
}

/// Looks at the files. Nothing is written yet. `seen` is called with the bytes of each file.
///
/// # Errors
/// Files that no step could read: exit 10. Roles that the data do not say: exit 2, with the
/// candidates.
pub fn infer(options: &Options, files: Files, seen: &dyn Fn(u64)) -> Result<Inferred> {
    if files.train.is_empty() {
        return Err(Failure::usage("there is no file to train on"));
    }
    let glob = files.train_glob()?;
    let scratch = tempfile::tempdir().context("making a scratch folder")?;
    let work = sample::work_in(scratch.path());
    let sampled = sample::read(&files, options.rows, &work, seen)?;
    let columns = &sampled.columns;
    if sampled.rows == 0 {
        return Err(Failure::contract(
            "the files hold no rows: deliver them again, or look at others",
        ));
    }
    let named = Named {
        target: options.target.clone(),
        ids: options.id.clone(),
        time: options.time.clone(),
    };
    let roles = Roles::of(&sampled, &named)?;
    let goal = match options.regression {
        true => Goal::number(&columns[roles.target])?,
        false => Goal::of(&columns[roles.target])?,
    };
    let draft = Draft::of(&sampled, &roles, &goal, options.strict)?;
    let config = draft.config(&sampled)?;
    let holdout = holdout(columns, &roles, &sampled)?;
    let mut questions = of_roles(columns, &roles, &named);
    if sampled.is_csv {
        let names = columns.iter().map(|column| column.name.as_str());
        questions.extend(csv_questions::of_names(names));
        questions.extend(csv_questions::of_texts(&sampled, &config.dataset));
    }
    questions.extend(far_dates::questions(&sampled, roles.time, holdout.0)?);
    questions.extend(entities::questions(&sampled, &config.dataset, holdout.0)?);
    questions.extend(sampled.questions.iter().cloned());
    questions.extend(draft.questions(&sampled));
    let task = config.dataset.goal().map_err(Failure::usage)?;
    let project = project::of(&project::Content {
        dataset: dataset_json(&config.dataset),
        features: config.features_sql.clone(),
        goal: &task,
        clips: &draft.clips,
        train_glob: &glob,
        predict_glob: files.predict_glob().as_deref(),
        holdout: holdout.0,
        floor: floor(&goal),
    })?;
    Ok(Inferred {
        rows: sampled.rows,
        of: sampled.of,
        columns: draft.table(columns),
        model: model_name(&columns[roles.target].name, &files.root),
        goal: in_line(&goal.described(&columns[roles.target].name)),
        holdout,
        questions,
        project,
        files,
    })
}

/// A name that a registered model can have: from what it predicts, or from the folder where a name
/// such as `target` says nothing.
fn model_name(target: &str, root: &Path) -> String {
    let plain = |name: &str| {
        let words = words(name).into_iter();
        let words = words.filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric()));
        let name: String = words
            .collect::<Vec<_>>()
            .join("-")
            .chars()
            .take(40)
            .collect();
        name.trim_end_matches('-').to_owned()
    };
    let folder = root
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let names = match GENERIC.contains(&target.to_lowercase().as_str()) {
        true => [plain(folder), plain(target)],
        false => [plain(target), plain(folder)],
    };
    names
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "model".to_owned())
}

fn of_roles(columns: &[Column], roles: &Roles, named: &Named) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut ask = |about: &str, flag: &str, chosen: &[usize], of: &[crate::roles::Candidate]| {
        let reasons = of.iter().find(|of| chosen.contains(&of.column));
        let reasons = reasons.map(|of| of.reasons.join(", ")).unwrap_or_default();
        let others = match Roles::others(columns, of, chosen) {
            none if none.is_empty() => String::new(),
            others => format!("; else {others}"),
        };
        let names = chosen.iter().map(|&at| columns[at].name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let seen = format!("{names}, for {reasons}{others}");
        questions.push(Question::new(about, seen, format!("{flag} names another")));
    };
    if named.target.is_none() {
        ask("target", "--target NAME", &[roles.target], &roles.targets);
    }
    if named.ids.is_empty() {
        ask("id", "--id NAME", &roles.ids, &roles.names);
    }
    if let (None, Some(time)) = (&named.time, roles.time) {
        ask("time", "--time NAME (or none)", &[time], &roles.times);
    }
    let moments = columns.iter().filter(|column| column.can_be_time());
    let moments: Vec<&str> = moments.map(|column| column.name.as_str()).collect();
    if named.time.is_none() && roles.time.is_none() && !moments.is_empty() {
        questions.push(Question::new(
            "time",
            format!(
                "no column is clearly the time of a row: {}",
                moments.join(", ")
            ),
            "--time NAME takes one of them; --time none says that none is",
        ));
    }
    let key: Vec<&Column> = roles
        .ids
        .iter()
        .chain(&roles.time)
        .map(|&at| &columns[at])
        .collect();
    if !are_unique_together(&key) {
        let names: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
        questions.push(Question::new(
            "id",
            format!("rows repeat their ({})", names.join(", ")),
            "such files are refused: give more columns by --id, or \"repeated_keys\": \"allow\" in \
             dataset.json",
        ));
    }
    questions
}

/// Which rows are held out: the last ones where there is a time, so that a model is measured on
/// what came after; else a share of the ids.
fn holdout(columns: &[Column], roles: &Roles, sampled: &Sampled) -> Result<(HoldoutRule, String)> {
    let share = |why: &str| {
        let rule = HoldoutRule::Fraction(HELD_OUT);
        (
            rule,
            format!("about {:.0} % of the ids, {why}", 100.0 * HELD_OUT),
        )
    };
    let Some(time) = roles.time.map(|time| &columns[time]) else {
        return Ok(share("since there is no time"));
    };
    if sampled.of.is_none() {
        return Ok(share(
            "since a file was too long to see how its times are spread",
        ));
    }
    let far = Far::of(time)?;
    let mut days: Vec<NaiveDate> = time
        .ticks()?
        .into_iter()
        .flatten()
        .filter(|tick| far.as_ref().is_none_or(|far| far.tick != *tick))
        .filter_map(|tick| day(time.column_type, tick))
        .collect();
    days.sort_unstable();
    let at = (days.len() as f64 * (1.0 - HELD_OUT)) as usize;
    let Some(&date) = days.get(at) else {
        return Ok(share("since there is no time"));
    };
    let mut distinct = days.clone();
    distinct.dedup();
    if distinct.len() < DAYS {
        return Ok(share(&format!(
            "since all times are on {} days",
            distinct.len()
        )));
    }
    // A day is held out as a whole: where it would be cut, rather less than the share is.
    let begin = days.partition_point(|day| *day < date);
    let next = days.partition_point(|day| *day <= date);
    let date = match days.get(next) {
        Some(&later) if begin < at && (days.len() - next) * 10 >= days.len() => later,
        _ => date,
    };
    let held = days.len() - days.partition_point(|day| *day < date);
    if held == 0 || held == days.len() {
        return Ok(share("since the times do not divide the rows"));
    }
    let percent = 100.0 * held as f64 / days.len() as f64;
    let why = format!(
        "about {percent:.0} % of the rows, the last by {}",
        in_line(&time.name)
    );
    Ok((HoldoutRule::After(date), why))
}

/// What a model that knows no feature reaches, by the metric that is compared: log loss, or R².
/// `None` where the default will do.
fn floor(goal: &Goal) -> Option<f64> {
    if goal.classes.len() == 2 {
        return None;
    }
    if goal.classes.is_empty() {
        // The mean explains nothing of the variance.
        return Some(0.0);
    }
    let all = goal.rows.iter().sum::<u64>() as f64;
    let shares = goal.rows.iter().map(|&rows| rows as f64 / all);
    Some(-shares.map(|share| share * libm::log(share)).sum::<f64>())
}
