//! One pass over the result parts and the label files: profiles of the columns, and rows and labels
//! for the sorters.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::DataType;
use catalog::manifest::Part;
use chrono_tz::Tz;
use learn::model::Classes;
use profile::drift::{Grid, Hidden, Profile};
use profile::reference::ScoreProfile;
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use runtime::work::{Work, size};
use store::spill::{Sorter, Sorters};
use store::{Object, Store};
use table::dates;
use table::labels::{self, LabelReader};
use table::parts;

use crate::by_period::{Columns, PeriodCounts};
use crate::rows::{LabelWords, LateLabel, Row, RowWords};
use crate::segments::Dictionaries;
use crate::subject::Subject;

/// The column that scoring adds for the probability of the positive class.
const SCORE: &str = "probability";

/// What is known of the rows without looking across them.
pub(crate) struct Scan {
    pub(crate) rows: u64,
    pub(crate) unscored_rows: u64,
    pub(crate) undated_rows: u64,
    /// In the model's order.
    pub(crate) features: Vec<FeatureScan>,
    pub(crate) score: Profile,
    pub(crate) score_hidden: Hidden,
    pub(crate) periods: PeriodCounts,
}

/// What is known of a feature.
#[derive(Clone)]
pub(crate) struct FeatureScan {
    pub(crate) profile: Profile,
    pub(crate) hidden: Hidden,
    pub(crate) below: u64,
    pub(crate) above: u64,
}

/// Bytes that the profile of a feature takes.
const PROFILE: u64 = 56 << 10;
/// Profiles of a feature that are there once: of the training data, and of all rows.
const ONCE: u64 = 2;
/// What else a thread takes of memory, for its batches.
const BATCHES: u64 = 40 << 20;

/// The step on as many threads as there is memory for, since each counts the values of every
/// feature.
///
/// # Errors
/// More features than one thread has memory for: exit 2.
pub(crate) fn fitting(step: &Step, subject: &Subject) -> Result<Step> {
    let features = subject.reference.features.len() as u64;
    let (once, each) = (ONCE * PROFILE * features, PROFILE * features);
    if once + each > step.memory() {
        return Err(Failure::usage(format!(
            "{features} features: counting their values takes {} of memory, and --memory (ALAMEDA_MEMORY) is {}, which is \
             enough for {} features: select fewer in features.sql, or raise --memory",
            size(once + each),
            size(step.memory()),
            step.memory() / ((ONCE + 1) * PROFILE),
        )));
    }
    Ok(step.fitting(
        once,
        each + BATCHES,
        &format!("the counts of {features} features"),
    ))
}

/// What rows are divided by, besides their dates.
#[derive(Clone)]
pub(crate) struct Divisions {
    pub(crate) columns: Arc<Columns>,
    pub(crate) dictionaries: Dictionaries,
}

impl Divisions {
    /// Those of a subject.
    ///
    /// # Errors
    /// A reference profile that is damaged.
    pub(crate) fn of(subject: &Subject) -> Result<Self> {
        let score = subject.reference_score()?;
        let features = subject
            .reference
            .features
            .iter()
            .map(|feature| &feature.profile);
        let columns = Arc::new(Columns::new(features.chain([&score])));
        Ok(Self {
            columns,
            dictionaries: Dictionaries::new(subject.segment_columns().into_iter().map(|name| {
                let values = subject.category(&name).and_then(|of| of.values.as_deref());
                let known = values.unwrap_or_default().iter();
                (
                    name.clone(),
                    known.map(|(value, _)| value.clone()).collect(),
                )
            })),
        })
    }
}

/// Reads every part once: gives the profiles, and pushes one [`Row`] per row into `sorters`.
pub(crate) async fn scan_parts(
    step: &Step,
    store: &Store,
    subject: &Subject,
    divisions: &Divisions,
    sorters: &Sorters<RowWords>,
) -> Result<Scan> {
    let progress = step.progress(subject.results.rows, "rows").clone();
    let scanner = Arc::new(Scanner::new(
        step, store, subject, divisions, sorters, progress,
    )?);
    let mut total = scanner.nothing();
    let work = {
        let scanner = scanner.clone();
        move |part| scanner.part(&part)
    };
    // Each result that waits for one before it takes as much as a thread.
    let ahead = 2 * step.threads();
    step.fold_ahead(ahead, subject.results.parts.clone(), work, |part| {
        total.merge(&part)
    })
    .await?;
    Ok(total)
}

/// Reads every label file once, and pushes one [`LateLabel`] per label into `sorters`.
pub(crate) async fn scan_labels(
    step: &Step,
    raw: &Store,
    subject: &Subject,
    work: &Work,
    sorters: &Sorters<LabelWords>,
) -> Result<()> {
    let reader = LabelReader::new(&subject.config.dataset, &subject.keys())?;
    let (raw, step_of_thread, sorters, work) =
        (raw.clone(), step.clone(), sorters.clone(), work.clone());
    // The time is the last column of a key.
    let (timed, timezone) = (subject.time().is_some(), step.timezone());
    let read = move |(ordinal, file): (u64, Object)| {
        sorters.lend(|sorter| {
            for rows in reader.read(&raw, &file, &work)? {
                step_of_thread.check()?;
                let rows = rows?;
                let days = match rows.keys.last().filter(|_| timed) {
                    Some(time) => dates::of_column(time, timezone),
                    None => vec![None; rows.labels.len()],
                };
                let keys = labels::key_hashes(&rows.keys)?;
                for ((key, label), day) in keys.zip(rows.labels).zip(days) {
                    if let Some(label) = label {
                        sorter.push(
                            LateLabel {
                                key,
                                file: ordinal,
                                day,
                                label,
                            }
                            .pack(),
                        )?;
                    }
                }
            }
            Ok(())
        })
    };
    step.fold((0..).zip(subject.label_files.clone()), read, |()| Ok(()))
        .await
}

/// Reads parts; shared by all threads.
struct Scanner {
    step: Step,
    store: Store,
    sorters: Sorters<RowWords>,
    progress: Progress,
    timezone: Tz,
    /// What is read: the key, the features, target, score, the columns that rows are divided by,
    /// and the time if there is one.
    columns: Vec<String>,
    keys: usize,
    divisions: Divisions,
    segments: usize,
    /// The types that labels have in the columns of the key; empty without labels.
    label_types: Vec<DataType>,
    features: Vec<Reference>,
    score_hidden: Hidden,
    classes: Classes,
}

/// What a feature is compared with.
struct Reference {
    name: String,
    grid: Grid,
    hidden: Hidden,
    /// Least and greatest value.
    range: Option<(f64, f64)>,
}

impl Scanner {
    fn new(
        step: &Step,
        store: &Store,
        subject: &Subject,
        divisions: &Divisions,
        sorters: &Sorters<RowWords>,
        progress: Progress,
    ) -> Result<Self> {
        let keys = subject.keys();
        let features: Vec<Reference> = subject
            .reference
            .features
            .iter()
            .map(|feature| Reference {
                name: feature.name.clone(),
                grid: feature.profile.grid(),
                hidden: Hidden::new(&feature.profile),
                range: feature.profile.min().zip(feature.profile.max()),
            })
            .collect();
        let target = subject.config.dataset.target().name.clone();
        let label_types = match subject.label_files.is_empty() {
            true => Vec::new(),
            false => subject.key_types(),
        };
        let columns = keys
            .iter()
            .cloned()
            .chain(features.iter().map(|feature| feature.name.clone()))
            .chain([target, SCORE.to_owned()])
            .chain(subject.segment_columns())
            .chain(subject.time().map(str::to_owned))
            .collect();
        Ok(Self {
            score_hidden: Hidden::new(&subject.reference_score()?),
            step: step.clone(),
            store: store.clone(),
            sorters: sorters.clone(),
            progress,
            timezone: step.timezone(),
            columns,
            keys: keys.len(),
            divisions: divisions.clone(),
            segments: subject.segment_columns().len(),
            label_types,
            features,
            classes: subject.model.classes.clone(),
        })
    }

    fn nothing(&self) -> Scan {
        let feature = |feature: &Reference| FeatureScan {
            profile: Profile::new(feature.grid),
            hidden: feature.hidden.clone(),
            below: 0,
            above: 0,
        };
        Scan {
            rows: 0,
            unscored_rows: 0,
            undated_rows: 0,
            features: self.features.iter().map(feature).collect(),
            score: Profile::new(ScoreProfile::grid()),
            score_hidden: self.score_hidden.clone(),
            periods: PeriodCounts::new(&self.divisions.columns),
        }
    }

    fn part(&self, part: &Part) -> Result<Scan> {
        let mut scan = self.nothing();
        self.sorters
            .lend(|sorter| {
                let file = parts::local(&self.store, &part.key, &part.sha256)?;
                for batch in parts::read(&file, &self.columns, self.step.work())? {
                    self.step.check()?;
                    let batch = batch?;
                    self.batch(&batch, &mut scan, sorter)?;
                    self.progress.advance(batch.num_rows() as u64);
                }
                Ok(())
            })
            .with_context(|| format!("reading {}", part.key))?;
        if scan.rows != part.rows {
            return Err(Failure::usage(format!(
                "{} holds {} rows, and its manifest says {}: it was changed; score the data again with cache=refresh",
                part.key, scan.rows, part.rows
            )));
        }
        Ok(scan)
    }

    fn batch(
        &self,
        batch: &RecordBatch,
        scan: &mut Scan,
        sorter: &mut Sorter<RowWords>,
    ) -> Result<()> {
        scan.rows += batch.num_rows() as u64;
        let (keys, rest) = batch.columns().split_at(self.keys);
        let (features, rest) = rest.split_at(self.features.len());
        let (target, score) = (&rest[0], parts::numbers(&rest[1], SCORE)?);
        let (segments, time) = rest[2..].split_at(self.segments);
        let days = match time.first() {
            Some(time) => dates::of_column(time, self.timezone),
            None => vec![None; batch.num_rows()],
        };
        scan.undated_rows += days.iter().filter(|day| day.is_none()).count() as u64;
        scan.unscored_rows += score.null_count() as u64;
        let places = scan.periods.places(&days);
        for (index, (column, reference)) in features.iter().zip(&self.features).enumerate() {
            let numbers = parts::numbers(column, &reference.name)?;
            scan.features[index].add(&numbers, reference);
            scan.periods
                .add(&self.divisions.columns, index, or_nan(&numbers), &places);
        }
        add_numbers(&mut scan.score, &mut scan.score_hidden, &score);
        scan.periods.add(
            &self.divisions.columns,
            self.features.len(),
            or_nan(&score),
            &places,
        );

        let labels = parts::labels(
            target,
            &self.classes,
            &self.columns[self.keys + self.features.len()],
        )?;
        let codes = self
            .divisions
            .dictionaries
            .codes(segments, batch.num_rows())?;
        for (row, key) in self.hashes(keys)?.enumerate() {
            let score = score.is_valid(row).then(|| score.value(row));
            sorter.push(
                Row {
                    key,
                    score,
                    day: days[row],
                    label: labels[row],
                    codes: codes[row],
                }
                .pack(),
            )?;
        }
        Ok(())
    }

    /// # Errors
    /// A key of another type than that of the labels, which could match none of them: exit 2.
    fn hashes(&self, columns: &[ArrayRef]) -> Result<impl Iterator<Item = u128> + use<>> {
        for ((column, wanted), name) in columns.iter().zip(&self.label_types).zip(&self.columns) {
            if column.data_type() != wanted {
                return Err(Failure::usage(format!(
                    "column {name:?} of the results is of type {}, and that of the labels is {wanted}: they can't be joined; keep \
                     the column's type in features.sql and train a new version, or set --labels-glob (LABELS_GLOB) to a place without files",
                    column.data_type()
                )));
            }
        }
        labels::key_hashes(columns)
    }
}

impl FeatureScan {
    fn add(&mut self, numbers: &Float64Array, reference: &Reference) {
        add_numbers(&mut self.profile, &mut self.hidden, numbers);
        if let Some((min, max)) = reference.range {
            for value in numbers.iter().flatten().filter(|value| value.is_finite()) {
                self.below += u64::from(value < min);
                self.above += u64::from(value > max);
            }
        }
    }
}

impl Scan {
    /// Adds a later part.
    fn merge(&mut self, later: &Self) -> Result<()> {
        self.rows += later.rows;
        self.unscored_rows += later.unscored_rows;
        self.undated_rows += later.undated_rows;
        self.score.merge(&later.score)?;
        self.score_hidden.merge(&later.score_hidden);
        self.periods.merge(&later.periods);
        for (ours, theirs) in self.features.iter_mut().zip(&later.features) {
            ours.profile.merge(&theirs.profile)?;
            ours.hidden.merge(&theirs.hidden);
            ours.below += theirs.below;
            ours.above += theirs.above;
        }
        Ok(())
    }
}

fn or_nan(numbers: &Float64Array) -> impl Iterator<Item = f64> {
    numbers.iter().map(|value| value.unwrap_or(f64::NAN))
}

fn add_numbers(profile: &mut Profile, hidden: &mut Hidden, numbers: &Float64Array) {
    if numbers.null_count() == 0 {
        profile.add_all(numbers.values());
        hidden.add_all(numbers.values());
        return;
    }
    let present: Vec<f64> = numbers.iter().flatten().collect();
    profile.add_nulls(numbers.null_count() as u64);
    profile.add_all(&present);
    hidden.add_all(&present);
}
