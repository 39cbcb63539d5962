//! `renew`: reports are made again on the results whose labels came after them.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use catalog::layout::{self, ModelName};
use catalog::manifest::{Inputs, Manifest, ResultsManifest};
use catalog::results::newest;
use pages::content::Committed;
use pages::judge::Rules;
use profile::days::{self, DayNumber};
use runtime::step::{Outputs, Step};
use runtime::threads::blocking;
use settings::FailOn;
use store::{Object, Store};
use table::dates;
use table::labels::{self, LabelReader};
use tracking::{Status, Tracking};

use crate::report;
use crate::subject::Subject;

pub(crate) struct Request {
    pub(crate) model_name: ModelName,
    /// How many of the newest results are looked at.
    pub(crate) newest: usize,
    pub(crate) labels_glob: String,
    pub(crate) rules: Rules,
}

/// Makes the reports again, one after the other, the oldest first. Each is a commit of its own, so
/// that the next run goes on where this one was killed.
pub(crate) async fn renew(
    step: &Step,
    store: &Store,
    raw: &Store,
    tracking: &Tracking,
    request: &Request,
) -> Result<Outputs> {
    let known = |key: &str, results: &ResultsManifest| Reported::new(key, results);
    let newest = newest(store, &request.model_name, request.newest, known).await?;
    let mut search = Search {
        step,
        store,
        raw,
        tracking,
        request,
        files: labels::find(raw, &request.labels_glob).await?,
        days: HashMap::new(),
    };
    let mut renewed = 0;
    for results in &newest {
        step.check()?;
        let looking = || format!("looking for labels of {}", results.key);
        if !search.is_late(results).await.with_context(looking)? {
            continue;
        }
        let of_results = report::Request {
            // The verdict on an earlier day fails no run of another one.
            fail_on: FailOn::Never,
            results_manifest: results.key.clone(),
            labels_glob: request.labels_glob.clone(),
            rules: request.rules.clone(),
        };
        report::report(step, store, raw, tracking, &of_results)
            .await
            .with_context(|| format!("renewing the report on {}", results.key))?;
        renewed += 1;
    }
    tracing::info!(
        renewed,
        "{renewed} of {} reports of {} were replaced, because labels arrived after them",
        newest.len(),
        request.model_name
    );
    Ok(Outputs::new().set("renewed", renewed))
}

/// Results, as far as it takes to see whether their report is out of date.
struct Reported {
    key: String,
    /// Key of the report.
    report: String,
    /// Days of the rows; `None` where they are not known.
    days: Option<BTreeSet<DayNumber>>,
}

impl Reported {
    fn new(key: &str, results: &ResultsManifest) -> Self {
        let folder = layout::report(
            &results.data_version,
            &results.model_name,
            results.model_version,
        );
        let days = results.profiles.iter();
        let days: Option<BTreeSet<DayNumber>> = days
            .map(|file| layout::profile_day(&file.key).map(days::number))
            .collect();
        Self {
            key: key.to_owned(),
            report: layout::report_json(&folder),
            days: days.filter(|days| !days.is_empty()),
        }
    }
}

/// Looks for reports that are out of date.
struct Search<'a> {
    step: &'a Step,
    store: &'a Store,
    raw: &'a Store,
    tracking: &'a Tracking,
    request: &'a Request,
    /// The label files of today.
    files: Vec<Object>,
    /// Days of the labels of files, by configuration and file, so that each is read once; `None`
    /// where labels have no time.
    days: HashMap<(String, String), Option<BTreeSet<DayNumber>>>,
}

impl Search<'_> {
    /// Whether label files came, changed or went since the report, and may hold labels of its rows.
    async fn is_late(&mut self, results: &Reported) -> Result<bool> {
        // Without a report, or with one of another release, there is none to renew.
        let committed = match self.store.get(&results.report).await? {
            Some(bytes) => serde_json::from_slice::<Committed>(&bytes).ok(),
            None => None,
        };
        let Some(committed) = committed else {
            return Ok(false);
        };
        // Killed between report and record: the report's own step finds the one and makes the
        // other.
        if !self.is_recorded(&committed.header().fingerprint).await? {
            return Ok(true);
        }
        let inputs = &committed.header().inputs;
        let today = Inputs::default().with_raw(&self.files);
        // What a file held that is gone or was written again, nobody knows any more.
        if inputs.raw().any(|(name, was)| today.get(name) != Some(was)) {
            return Ok(true);
        }
        let is_new = |file: &&Object| inputs.get(&Inputs::raw_name(&file.key)).is_none();
        let new: Vec<Object> = self.files.iter().filter(is_new).cloned().collect();
        let (Some(of_rows), false) = (&results.days, new.is_empty()) else {
            return Ok(!new.is_empty());
        };
        let glob = &self.request.labels_glob;
        let subject = Subject::load(
            self.store,
            self.raw,
            &results.key,
            glob,
            self.step.timezone(),
        )
        .await?;
        for file in &new {
            let of_labels = self.days_of(&subject, file).await?;
            if of_labels.is_none_or(|of_labels| !of_labels.is_disjoint(of_rows)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the run of a report is closed in the tracking.
    async fn is_recorded(&self, fingerprint: &str) -> Result<bool> {
        let (tracking, model_name) = (self.tracking, &self.request.model_name);
        let Some(found) = tracking.find_run(model_name, fingerprint).await? else {
            return Ok(false);
        };
        let run = tracking.run(&found.run_id).await?;
        Ok(run.is_some_and(|view| view.run.status == Status::Finished))
    }

    async fn days_of(
        &mut self,
        subject: &Subject,
        file: &Object,
    ) -> Result<Option<&BTreeSet<DayNumber>>> {
        let id = (subject.manifest.config.clone(), file.key.clone());
        if !self.days.contains_key(&id) {
            let days = match subject.time() {
                Some(_) => Some(read(self.step, self.raw, subject, file).await?),
                None => None,
            };
            self.days.insert(id.clone(), days);
        }
        Ok(self.days.get(&id).and_then(Option::as_ref))
    }
}

/// Reads the days of a file's labels.
async fn read(
    step: &Step,
    raw: &Store,
    subject: &Subject,
    file: &Object,
) -> Result<BTreeSet<DayNumber>> {
    let reader = LabelReader::new(&subject.config.dataset, &subject.keys())?;
    let (step, raw, file) = (step.clone(), raw.clone(), file.clone());
    blocking(move || {
        let scratch = step.scratch()?;
        let work = step.work().in_folder(scratch.path());
        let mut days = BTreeSet::new();
        for rows in reader.read(&raw, &file, &work)? {
            step.check()?;
            // The time is the last column of a key.
            if let Some(time) = rows?.keys.last() {
                days.extend(
                    dates::of_column(time, step.timezone())
                        .into_iter()
                        .flatten(),
                );
            }
        }
        Ok(days)
    })
    .await
}
