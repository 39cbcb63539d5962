//! `check`: raw files against their contract, by the code that prepares them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use catalog::manifest::{LeftOut, Role, TimeRange};
use clap::Args;
use runtime::failure::{self, Failure};
use runtime::step::Step;
use settings::published;
use sql::prepare::{Preparation, Purpose, Takers};
use store::LocalFile;
use store::spill::Sorter;
use table::config::{Config, DATASET_FILE};
use table::dataset::{Dataset, HoldoutRule};
use table::raw::probe::Probe;
use table::raw::{Others, TakeKey};
use table::{dates, models};

use crate::files::Files;
use crate::labels;
use crate::repeats::{self, Among, Record, Repeats};
use crate::source::Source;
use crate::together::Together;
use crate::weightless::Weightless;

/// What `check` looks at.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Raw files, folders with raw files, or globs with * in quotes
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,

    /// Folder with dataset.json, features.sql and optionally models.json
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dataset: PathBuf,

    /// Check all of them as files to score, which may lack labels
    #[arg(long)]
    pub score: bool,
}

/// What a file is.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its path below the folder that all files are in.
    pub key: String,
    /// Whether it is one to score.
    pub score: bool,
    /// Size in bytes.
    pub bytes: u64,
    /// Its rows; `None` of a file that breaks the contract.
    pub rows: Option<u64>,
    /// From its first to its last time.
    pub time: Option<TimeRange>,
    /// Rows that the contract leaves out.
    pub left_out: LeftOut,
    /// What breaks the contract, each with its first row and value.
    pub broken: Option<String>,
    /// Columns that the contract does not name.
    pub extra: Vec<String>,
}

impl Checked {
    /// A file that is not read yet.
    fn new(source: &Source, score: bool) -> Self {
        Self {
            key: source.key.clone(),
            score,
            bytes: source.bytes,
            rows: None,
            time: None,
            left_out: LeftOut::default(),
            broken: None,
            extra: Vec::new(),
        }
    }
}

/// Checks all files. `seen` is called with the bytes of each file.
///
/// # Errors
/// A configuration that is wrong: exit 2. What breaks the contract is no error, but for what it
/// gives.
pub fn check(options: &Options, files: &Files, seen: &dyn Fn(u64)) -> Result<Report> {
    if !options.dataset.join(DATASET_FILE).is_file() {
        return Err(Failure::usage(format!(
            "there is no dataset.json in {}: --dataset names the folder that has it, and `alameda \
             dataset infer` writes one",
            options.dataset.display()
        )));
    }
    let config = Config::from_folder(&options.dataset)?;
    let scratch = tempfile::tempdir().context("making a scratch folder")?;
    let step = Step::outside("dataset", scratch.path())?;
    let holdout = HoldoutRule::FirstShard;
    let train = Preparation::new(&step, &config, Purpose::Train(holdout, step.timezone()))?;
    // The contract of files to score is edited as well, and has to hold for those to train on.
    let others = others(files.train.iter().chain(&files.predict));
    let check = Check {
        train: train.with_others(others.clone()),
        score: Preparation::new(&step, &config, Purpose::Predict)?.with_others(others),
        config: &config,
        step: step.clone(),
    };
    // As the first step does.
    published::check_early(check.train.columns(), &config.dataset)?;
    models::check(&options.dataset, &config, check.train.columns(), holdout)?;
    for preparation in [&check.train, &check.score] {
        // A check reads each file once, and knows nothing of all rows to train on.
        preparation.look_up_nothing()?;
    }
    let scores = options.score || !files.predict.is_empty();
    let scores = scores.then_some(&check.score);
    let mut together = Together::new(&check.train, scores, &step)?;
    let mut weightless = Weightless::of(&config.dataset)?;
    let mut report = Report::default();
    let [mut train_keys, mut score_keys] = [(); 2].map(|()| Sorter::<Record>::new(step.work()));
    let mut digests: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let train = files.train.iter().map(|source| (source, options.score));
    let predict = files.predict.iter().map(|source| (source, true));
    for (source, score) in train.chain(predict) {
        let source_at = (report.files.len(), source);
        let counts = weightless.as_mut().filter(|_| !score);
        let keys = match score {
            true => &mut score_keys,
            false => &mut train_keys,
        };
        let (checked, digest) = check.file(source_at, score, keys, &mut together, counts)?;
        if let Some(digest) = digest.filter(|_| checked.rows > Some(0)) {
            let key = &checked.key;
            match digests.get(&digest) {
                None => {
                    digests.insert(digest, (key.clone(), score));
                }
                Some((same, false)) if !score => report
                    .doubles
                    .push(format!("{key} has the same bytes as {same}")),
                Some((same, scored)) => {
                    let why = match scored {
                        true => "a workflow that scores both in one data version refuses them",
                        false => "a model scores rows that it was trained on",
                    };
                    report
                        .accepted
                        .push(format!("{key} has the same bytes as {same}: {why}"));
                }
            }
        }
        report.files.push(checked);
        seen(source.bytes);
    }
    for source in &files.labels {
        let checked = check_labels(source, &config.dataset, &step)?;
        report.labels.push(checked);
        seen(source.bytes);
    }
    let has_copies = !report.accepted.is_empty();
    // A workflow comes to them once all files keep the contract.
    if report.files.iter().all(|file| file.broken.is_none()) {
        report.faults = together.finish()?;
        let said = weightless.iter().flat_map(Weightless::said);
        report.accepted.extend(said);
    }
    // In the order of the contract, in which the reader hashes them.
    let columns = config.dataset.columns.iter();
    let key = columns.filter(|column| matches!(column.role, Role::Id | Role::Time));
    let key: Vec<String> = key.map(|column| column.name.clone()).collect();
    let all = files.train.iter().chain(&files.predict);
    let all: Vec<Source> = all.cloned().collect();
    let repeats = Repeats::find(train_keys)?;
    if !repeats.is_empty() && report.doubles.is_empty() {
        let repeated_keys = config.dataset.repeated_keys;
        let said = repeats.said(&all, &key, &check.train, Among::Train(repeated_keys))?;
        match repeated_keys.is_refuse() {
            true => report.doubles.push(said),
            false => report.accepted.push(said),
        }
    }
    let repeats = Repeats::find(score_keys)?;
    if !repeats.is_empty() && !has_copies {
        let said = repeats.said(&all, &key, &check.score, Among::Score)?;
        report.accepted.push(said);
    }
    Ok(report)
}

/// Checks a label file.
///
/// # Errors
/// Those of [`labels::read`]. What breaks the contract is no error, but for what it gives.
fn check_labels(source: &Source, dataset: &Dataset, step: &Step) -> Result<Checked> {
    let mut checked = Checked::new(source, false);
    match labels::read(source, dataset, step) {
        Ok((rows, time)) => {
            checked.rows = Some(rows);
            checked.time = time;
        }
        Err(error) if failure::exit_code(&error) == failure::CONTRACT => {
            checked.broken = Some(format!("{error:#}"));
        }
        Err(error) => return Err(error),
    }
    Ok(checked)
}

/// The files, for advice about one of them.
fn others<'a>(files: impl Iterator<Item = &'a Source> + Clone) -> Others {
    let paths: BTreeMap<String, PathBuf> = files
        .clone()
        .map(|file| (file.key.clone(), file.path.clone()))
        .collect();
    Others::new(
        files.map(|file| (file.key.clone(), file.bytes)),
        move |key| {
            let path = paths.get(key).context("a file of the check")?;
            Ok(LocalFile::from(path.clone()))
        },
    )
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of their keys, those to train on first.
    pub files: Vec<Checked>,
    /// Files of labels, in the order of their keys.
    pub labels: Vec<Checked>,
    /// What is there twice among files to train on, which a workflow refuses.
    pub doubles: Vec<String>,
    /// What breaks no contract: files to score that have the bytes of another file, rows to train
    /// on whose keys may repeat, rows to score whose keys repeat across files, and classes whose
    /// rows weigh nothing.
    pub accepted: Vec<String>,
    /// What windows and aggregates can't be computed from, over the rows of all files.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether all files keep the contract.
    pub fn is_clean(&self) -> bool {
        self.doubles.is_empty()
            && self.faults.is_empty()
            && self.all().all(|file| file.broken.is_none())
    }

    /// The files, those of labels last.
    pub fn all(&self) -> impl Iterator<Item = &Checked> {
        self.files.iter().chain(&self.labels)
    }
}

struct Check<'a> {
    train: Preparation,
    score: Preparation,
    config: &'a Config,
    step: Step,
}

impl Check<'_> {
    /// Checks one file, given with its place among all; gives its digest too, if it was read.
    fn file(
        &self,
        (place, source): (usize, &Source),
        score: bool,
        keys: &mut Sorter<Record>,
        together: &mut Together<'_>,
        mut weightless: Option<&mut Weightless>,
    ) -> Result<(Checked, Option<String>)> {
        let dataset = &self.config.dataset;
        let mut checked = Checked::new(source, score);
        match Probe::open(&source.path, &source.key, &dataset.csv) {
            Ok(probe) if dataset.csv.header || probe.rows().is_some() => {
                let known: BTreeSet<&str> =
                    dataset.columns.iter().map(|of| of.name.as_str()).collect();
                let names = probe.columns().iter().map(|found| found.name.clone());
                checked.extra = names
                    .filter(|name| !known.contains(name.as_str()))
                    .collect();
            }
            // The check says it with its advice.
            _ => {}
        }
        let preparation = if score { &self.score } else { &self.train };
        let time = dataset.time().map(|column| column.name.as_str());
        // Those of a file that turns out to break the contract count for nothing.
        let found = Arc::new(Mutex::new(Sorter::<Record>::new(self.step.work())));
        let take = found.clone();
        let take_key: TakeKey = Box::new(move |hash| {
            let mut keys = take.lock().unwrap_or_else(PoisonError::into_inner);
            keys.push(repeats::record(hash, place))
        });
        let takers = Takers {
            key: Some(take_key),
            // They are counted, and a check writes nothing.
            quarantined: Some(Box::new(|_| Ok(()))),
        };
        let file = LocalFile::from(source.path.clone());
        let key = &source.key;
        let mut see = |rows: &RecordBatch| -> Result<()> {
            if let Some(time) = time {
                checked.time = dates::widened(checked.time, rows, time)?;
            }
            if let Some(weightless) = &mut weightless {
                weightless.see(rows);
            }
            Ok(())
        };
        let prepared = match together.takes(score) {
            true => preparation.raw_rows(key, &file, takers, |rows| {
                see(rows)?;
                together.take(key, score, rows)
            }),
            false => preparation.file(key, &file, false, takers, |_, rows| see(rows)),
        };
        match prepared {
            Ok(prepared) => {
                checked.rows = Some(prepared.rows_read);
                checked.left_out = prepared.left_out;
                if let Some(found) = Arc::into_inner(found) {
                    keys.merge(found.into_inner().unwrap_or_else(PoisonError::into_inner))?;
                }
                Ok((checked, Some(prepared.sha256)))
            }
            Err(error) if failure::exit_code(&error) == failure::CONTRACT => {
                let said = format!("{error:#}");
                // A file that is named anyway is not named twice.
                let preparing = format!("preparing {}: ", source.key);
                let rest = said.strip_prefix(&preparing);
                let said = rest
                    .filter(|rest| rest.contains(&source.key))
                    .unwrap_or(&said);
                checked.broken = Some(said.to_owned());
                Ok((checked, None))
            }
            Err(error) => Err(error),
        }
    }
}

/// The error that ends a check of files that break the contract.
pub fn broken(report: &Report) -> Option<anyhow::Error> {
    let broken = report.all().filter(|file| file.broken.is_some()).count();
    (!report.is_clean()).then(|| {
        let of = report.all().count();
        let broken = (broken > 0).then(|| format!("{broken} of {of} files break the contract"));
        let doubles = (!report.doubles.is_empty()).then(|| "training rows occur twice".to_owned());
        let faults = (!report.faults.is_empty())
            .then(|| "windows or aggregates can't be computed from the rows".to_owned());
        let found = broken.into_iter().chain(doubles).chain(faults);
        let found: Vec<String> = found.collect();
        Failure::contract(found.join(", and "))
    })
}
