//! One pass over the result parts and the label files: profiles of the columns, and rows and labels
//! for the sorters.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use catalog::manifest::Part;
use chrono_tz::Tz;
use profile::categories::Known;
use profile::cells::Counts;
use profile::grid::Hidden;
use profile::profiles::{Baseline, Overflow, ScoreCounts};
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use runtime::work::{Work, size};
use store::spill::{Sorter, Sorters};
use store::{Object, Store};
use table::dataset::Goal;
use table::dates;
use table::features;
use table::labels::{self, LabelReader};
use table::parts;

use crate::by_period::{Columns, PeriodCounts};
use crate::column::ColumnScan;
use crate::reasons::Reasons;
use crate::rows::{LabelWords, LateLabel, Row, RowRecord, Seen, place, weights_of};
use crate::segments::Dictionaries;
use crate::subject::Subject;

/// What is known of the rows without looking across them.
pub(crate) struct Scan {
    pub(crate) rows: u64,
    pub(crate) unscored_rows: u64,
    pub(crate) undated_rows: u64,
    /// In the model's order.
    pub(crate) features: Vec<ColumnScan>,
    pub(crate) score: ColumnScan<ScoreCounts>,
    pub(crate) periods: PeriodCounts,
    pub(crate) reasons: Reasons,
}

/// Bytes that the profile of a feature takes: its cells, and values where they are few.
const PROFILE: u64 = 8 << 10;
/// Bytes that the values of a feature of categories take which training did not have.
const NEW_VALUES: u64 = 48 << 10;
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
    let of_categories = subject.baseline.features.iter();
    let of_categories = of_categories.filter(|of| of.categories().is_some());
    let new = NEW_VALUES * of_categories.count() as u64;
    let each = PROFILE * features + new;
    let once = ONCE * PROFILE * features + new;
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
    pub(crate) fn of(subject: &Subject) -> Self {
        let Baseline {
            features, score, ..
        } = &subject.baseline;
        let features = features.iter().map(|of| (&of.cells, of.side()));
        let score = (score.cells(), score.side());
        Self {
            columns: Arc::new(Columns::new(features.chain([score]))),
            dictionaries: Dictionaries::new(subject.segment_columns().into_iter().map(|name| {
                let values = subject.category(&name).and_then(|of| of.values.as_deref());
                let known = values.unwrap_or_default().iter();
                (
                    name.clone(),
                    known.map(|(value, _)| value.clone()).collect(),
                )
            })),
        }
    }
}

/// Reads every part once: gives the profiles, and pushes one record per row into `sorters`.
pub(crate) async fn scan_parts<K: RowRecord>(
    step: &Step,
    store: &Store,
    subject: &Subject,
    divisions: &Divisions,
    sorters: &Sorters<K::Words>,
) -> Result<Scan> {
    let progress = step.progress(subject.results.rows, "rows").clone();
    let scanner = Arc::new(Scanner::<K>::new(
        step, store, subject, divisions, sorters, progress,
    )?);
    let mut total = scanner.nothing();
    let work = {
        let scanner = scanner.clone();
        move |(ordinal, part): (u64, Part)| scanner.part(ordinal, &part)
    };
    // Each result that waits for one before it takes as much as a thread.
    let ahead = 2 * step.threads();
    let parts = (0..).zip(subject.results.parts.clone());
    step.fold_ahead(ahead, parts, work, |part| total.merge(&part))
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
struct Scanner<K: RowRecord> {
    step: Step,
    store: Store,
    sorters: Sorters<K::Words>,
    progress: Progress,
    timezone: Tz,
    /// What is read: the key, the features, target, score, the columns that rows are divided by,
    /// and the reasons, the weight and the time if there are such.
    columns: Vec<String>,
    keys: usize,
    divisions: Divisions,
    segments: usize,
    /// Whether there are reasons.
    explained: bool,
    /// The column of what a row weighs, if there is one.
    weight: Option<String>,
    /// The types that labels have in the columns of the key; empty without labels.
    label_types: Vec<DataType>,
    baseline: Arc<Baseline>,
    /// Of each feature of categories, the values that training had beside those with a cell.
    known: Vec<Option<Known>>,
    /// What the grids of an older model hide, of each feature and of the score.
    hidden: Vec<Option<Hidden>>,
    goal: Goal,
}

impl<K: RowRecord> Scanner<K> {
    fn new(
        step: &Step,
        store: &Store,
        subject: &Subject,
        divisions: &Divisions,
        sorters: &Sorters<K::Words>,
        progress: Progress,
    ) -> Result<Self> {
        let keys = subject.keys();
        let baseline = Arc::new(subject.baseline.clone());
        let features = baseline.features.iter().map(|of| of.name.clone());
        let target = subject.config.dataset.target().name.clone();
        let label_types = match subject.label_files.is_empty() {
            true => Vec::new(),
            false => subject.key_types(),
        };
        let columns = keys
            .iter()
            .cloned()
            .chain(features)
            .chain([target, baseline.score.name().to_owned()])
            .chain(subject.segment_columns())
            .chain(subject.reasons().map(str::to_owned))
            .chain(subject.weight().map(str::to_owned))
            .chain(subject.time().map(str::to_owned))
            .collect();
        let reference = &subject.reference;
        let hidden = reference.features.iter().map(|of| of.profile.hidden());
        let known = reference.features.iter().map(|of| of.profile.known());
        Ok(Self {
            known: known.map(Option::<&Known>::cloned).collect(),
            hidden: hidden.chain([reference.score.hidden()]).collect(),
            step: step.clone(),
            store: store.clone(),
            sorters: sorters.clone(),
            progress,
            timezone: step.timezone(),
            columns,
            keys: keys.len(),
            divisions: divisions.clone(),
            segments: subject.segment_columns().len(),
            explained: subject.reasons().is_some(),
            weight: subject.weight().map(str::to_owned),
            label_types,
            baseline,
            goal: subject.config.goal()?,
        })
    }

    fn nothing(&self) -> Scan {
        let Baseline {
            features, score, ..
        } = &*self.baseline;
        let counts = features.iter().map(|of| Counts::new(&of.cells));
        Scan {
            rows: 0,
            unscored_rows: 0,
            undated_rows: 0,
            features: counts.zip(&self.hidden).map(ColumnScan::new).collect(),
            score: ColumnScan::new((ScoreCounts::new(score), self.hidden.last().unwrap_or(&None))),
            periods: PeriodCounts::new(&self.divisions.columns),
            reasons: Reasons::default(),
        }
    }

    fn part(&self, ordinal: u64, part: &Part) -> Result<Scan> {
        let mut scan = self.nothing();
        self.sorters
            .lend(|sorter| {
                let file = parts::local(&self.store, &part.key, &part.sha256)?;
                for batch in parts::read(&file, &self.columns, self.step.work())? {
                    self.step.check()?;
                    let batch = batch?;
                    self.batch(&batch, ordinal, &mut scan, sorter)?;
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
        ordinal: u64,
        scan: &mut Scan,
        sorter: &mut Sorter<K::Words>,
    ) -> Result<()> {
        let first = place(ordinal, scan.rows);
        scan.rows += batch.num_rows() as u64;
        let (keys, rest) = batch.columns().split_at(self.keys);
        let (features, rest) = rest.split_at(self.baseline.features.len());
        let name = self.baseline.score.name();
        let (target, score) = (&rest[0], parts::numbers(&rest[1], name)?);
        let (segments, rest) = rest[2..].split_at(self.segments);
        let (reasons, rest) = rest.split_at(usize::from(self.explained));
        let (weight, time) = rest.split_at(usize::from(self.weight.is_some()));
        let weights = weight.first().zip(self.weight.as_ref());
        let weights = weights.map(|(column, name)| weights_of(column, name));
        let weights = weights.transpose()?;
        let days = match time.first() {
            Some(time) => dates::of_column(time, self.timezone),
            None => vec![None; batch.num_rows()],
        };
        scan.undated_rows += days.iter().filter(|day| day.is_none()).count() as u64;
        scan.unscored_rows += score.null_count() as u64;
        reasons
            .iter()
            .try_for_each(|column| scan.reasons.add(column))?;
        let places = scan.periods.places(&days);
        let columns = &self.divisions.columns;
        for (index, (column, of)) in features.iter().zip(&self.baseline.features).enumerate() {
            let counted = features::counted(column, of)?;
            if let Some(names) = of.categories() {
                let known = self.known[index].as_ref();
                scan.features[index].see_new(column, &counted, names.len(), known)?;
            }
            let values = scan.features[index].add(&of.cells, &counted);
            scan.periods.add(columns, index, &values, &places);
        }
        let values = scan.score.add(&self.baseline.score, &score, first);
        scan.periods.add(columns, features.len(), &values, &places);

        let labels = parts::labels(target, &self.goal)?;
        let codes = self
            .divisions
            .dictionaries
            .codes(segments, batch.num_rows())?;
        for (row, key) in self.hashes(keys)?.enumerate() {
            let score = score.is_valid(row).then(|| score.value(row));
            sorter.push(K::words(Seen {
                place: first + row as u64,
                row: Row {
                    key,
                    score,
                    day: days[row],
                    label: labels[row].map(|label| label as u8),
                    codes: codes[row],
                },
                weight: weights.as_ref().map_or(1.0, |weights| weights[row]),
            }))?;
        }
        Ok(())
    }

    /// # Errors
    /// A key of another type than that of the labels, which could match none of them: exit 2.
    fn hashes(&self, columns: &[ArrayRef]) -> Result<impl Iterator<Item = u128> + use<K>> {
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

impl Scan {
    /// Adds a later part.
    fn merge(&mut self, later: &Self) -> Result<()> {
        self.rows += later.rows;
        self.unscored_rows += later.unscored_rows;
        self.undated_rows += later.undated_rows;
        let (score, of_score) = (&mut self.score, &later.score);
        score.counts.merge(&of_score.counts).ok_or(Overflow)?;
        score.merge_seen(of_score);
        self.periods.merge(&later.periods);
        self.reasons.merge(&later.reasons);
        for (ours, theirs) in self.features.iter_mut().zip(&later.features) {
            ours.counts.merge(&theirs.counts).ok_or(Overflow)?;
            ours.merge_seen(theirs);
        }
        Ok(())
    }
}
