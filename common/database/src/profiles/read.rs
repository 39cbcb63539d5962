//! Counting rows of the table, as a stream.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, Date32Array, Float64Array, TimestampMicrosecondArray};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::Changes;
use crate::binary::{EPOCH_DAYS, EPOCH_MICROS};
use crate::definition::{self, Existing};
use crate::names::{literal, quoted};
use crate::session::Session;
use learn::task::PREDICTION;
use profile::categories::code;
use profile::profiles::{Baseline, FeatureBaseline};
use runtime::retry::Trouble;
use table::categories;
use table::dates;
use table::parts::BATCH_ROWS;
use table::profiling::{Profiler, Rows as Columns};

/// Which rows of the table are counted; the table is called `present`.
pub(crate) struct Rows<'a> {
    /// What it is joined with, such as `JOIN ... ON ...`.
    pub(crate) join: &'a str,
    /// What the rows fulfil, besides being of the model name.
    pub(crate) condition: &'a str,
    /// The target and an expression of the label that takes its place. Then the label alone is
    /// counted: off as it is, and on as it becomes.
    pub(crate) relabel: Option<(&'a str, &'a str)>,
}

impl Changes<'_> {
    /// Counts rows `times` times; -1 takes them off.
    ///
    /// # Errors
    /// More days than memory holds: exit 2.
    pub(crate) async fn read(&mut self, rows: &Rows<'_>, times: i64) -> Result<(), Trouble> {
        if self.baselines.is_empty() {
            return Ok(());
        }
        let Some(existing) = definition::look_up(self.session, self.table).await? else {
            return Ok(());
        };
        let session: &Session<'_> = self.session;
        let mut reader = Reader::new(self, rows, &existing, times);
        let sql = reader.sql(rows, &existing);
        session
            .each("reading rows to profile", &sql, &[], |row| reader.take(row))
            .await?;
        reader.flush().map_err(Trouble::Lasting)
    }
}

/// Takes in rows, and counts them in batches.
struct Reader<'c, 'a> {
    changes: &'c mut Changes<'a>,
    times: i64,
    /// The target whose label is replaced.
    relabelled: Option<String>,
    /// Type of the column of time, as Postgres shows it; empty without.
    type_of_time: String,
    /// Columns of the scores of all model versions, in the order of the query.
    scores: Vec<String>,
    /// Targets of all model versions, after the scores.
    targets: Vec<String>,
    /// Weights of all model versions, after the targets.
    weights: Vec<String>,
    /// Features of all model versions, and whether they hold categories, in the order of the query,
    /// after the weights.
    features: Vec<(String, bool)>,
    /// By model and data version.
    batches: BTreeMap<(i64, String), Batch>,
    waiting: usize,
}

/// Columns of the query before the scores: model version, data version, time, new label and
/// prediction.
const LEADING: usize = 5;

/// Rows of one model and data version, column by column.
struct Batch {
    baseline: Arc<Baseline>,
    /// Where its score is in a row.
    score: usize,
    /// Where its target is in a row.
    target: usize,
    /// Where its weight does, if rows weigh.
    weight: Option<usize>,
    /// Where its features do; none when they are not counted.
    positions: Vec<usize>,
    times: Vec<Option<i64>>,
    labels: Vec<Option<f64>>,
    new_labels: Vec<Option<f64>>,
    scores: Vec<Option<f64>>,
    weights: Vec<Option<f64>>,
    features: Vec<Vec<Option<f64>>>,
}

impl<'c, 'a> Reader<'c, 'a> {
    fn new(changes: &'c mut Changes<'a>, rows: &Rows<'_>, existing: &Existing, times: i64) -> Self {
        let (mut scores, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut features = Vec::new();
        for baseline in changes.baselines.values() {
            scores.push(baseline.score.name().to_owned());
            targets.push(baseline.target.clone());
            weights.extend(baseline.weight.clone());
            if rows.relabel.is_none() {
                features.extend(baseline.features.iter().map(asked));
            }
        }
        for names in [&mut scores, &mut targets, &mut weights] {
            names.sort_unstable();
            names.dedup();
        }
        features.sort_unstable();
        features.dedup();
        let type_of_time = changes
            .time
            .and_then(|time| existing.type_of(time))
            .unwrap_or_default()
            .to_owned();
        Self {
            changes,
            times,
            relabelled: rows.relabel.map(|(target, _)| target.to_owned()),
            type_of_time,
            scores,
            targets,
            weights,
            features,
            batches: BTreeMap::new(),
            waiting: 0,
        }
    }

    fn sql(&self, rows: &Rows<'_>, existing: &Existing) -> String {
        let column = |name: &String, as_type: &str| match existing.type_of(name) {
            Some("boolean") if as_type == "float8" => {
                format!("present.{}::int::float8", quoted(name))
            }
            Some(_) => format!("present.{}::{as_type}", quoted(name)),
            // Who drops a column makes it unknown.
            None => format!("NULL::{as_type}"),
        };
        let time = match (self.changes.time, self.type_of_time.as_str()) {
            (Some(time), known) if !known.is_empty() => format!("present.{}", quoted(time)),
            _ => "NULL::date".to_owned(),
        };
        let label = rows.relabel.map_or("NULL", |(_, label)| label);
        let mut columns = vec![
            "present.model_version".to_owned(),
            "present.data_version".to_owned(),
            time,
        ];
        columns.push(format!("({label})::text"));
        columns.push(column(&PREDICTION.to_owned(), "text"));
        columns.extend(self.scores.iter().map(|score| column(score, "float8")));
        columns.extend(self.targets.iter().map(|target| column(target, "text")));
        columns.extend(self.weights.iter().map(|weight| column(weight, "float8")));
        let features = self.features.iter();
        columns.extend(features.map(|(name, categories)| match categories {
            true => column(name, "text"),
            false => column(name, "float8"),
        }));
        format!(
            "SELECT {} FROM {} AS present {} WHERE present.model_name = {} AND ({})",
            columns.join(", "),
            self.changes.table,
            rows.join,
            literal(self.changes.model_name),
            rows.condition
        )
    }

    fn take(&mut self, row: &Row) -> Result<()> {
        let (version, data_version): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
        let Some(baseline) = self.changes.baselines.get(&version) else {
            return Ok(());
        };
        if self
            .relabelled
            .as_ref()
            .is_some_and(|target| *target != baseline.target)
        {
            return Ok(());
        }
        let key = (version, data_version.to_owned());
        let batch = match self.batches.get_mut(&key) {
            Some(batch) => batch,
            None => {
                let names = [&self.scores, &self.targets, &self.weights];
                let batch = Batch::new(baseline.clone(), names, &self.features);
                self.batches.entry(key).or_insert(batch)
            }
        };
        batch.push(row)?;
        self.waiting += 1;
        if self.waiting >= BATCH_ROWS {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.waiting = 0;
        for (key, batch) in std::mem::take(&mut self.batches) {
            let memory = self.changes.memory;
            let profiler = self
                .changes
                .counted
                .entry(key)
                .or_insert_with(|| Profiler::new(&batch.baseline, memory));
            batch.count(
                profiler,
                &self.type_of_time,
                self.times,
                self.relabelled.is_some(),
            )?;
        }
        self.changes.check_memory()
    }
}

/// What the query asks for of a feature: its name, and whether it holds categories.
fn asked(feature: &FeatureBaseline) -> (String, bool) {
    (feature.name.clone(), feature.categories().is_some())
}

impl Batch {
    /// By the names of the scores, targets and weights, and of the features, in the query.
    fn new(
        baseline: Arc<Baseline>,
        [scores, targets, weights]: [&Vec<String>; 3],
        features: &[(String, bool)],
    ) -> Self {
        let is_score = |name: &String| name.as_str().cmp(baseline.score.name());
        let score = LEADING + scores.binary_search_by(is_score).unwrap_or(0);
        let first = LEADING + scores.len();
        let target = first + targets.binary_search(&baseline.target).unwrap_or(0);
        let first = first + targets.len();
        let weight = baseline.weight.as_ref();
        let weight = weight.and_then(|weight| weights.binary_search(weight).ok());
        let weight = weight.map(|at| first + at);
        let position = |feature| {
            let at = features.binary_search(&asked(feature)).ok()?;
            Some(first + weights.len() + at)
        };
        let positions: Vec<usize> = baseline.features.iter().filter_map(position).collect();
        Self {
            baseline,
            score,
            target,
            weight,
            features: vec![Vec::new(); positions.len()],
            positions,
            times: Vec::new(),
            labels: Vec::new(),
            new_labels: Vec::new(),
            scores: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn push(&mut self, row: &Row) -> Result<()> {
        self.times
            .push(row.try_get::<_, Option<Moment>>(2)?.map(|moment| moment.0));
        let predicted = row.try_get(4)?;
        let label = |at: usize| -> Result<Option<f64>> {
            Ok(self.baseline.label(row.try_get(at)?, predicted))
        };
        self.new_labels.push(label(3)?);
        self.labels.push(label(self.target)?);
        self.scores.push(row.try_get(self.score)?);
        if let Some(weight) = self.weight {
            self.weights.push(row.try_get(weight)?);
        }
        let features = self.positions.iter().zip(&mut self.features);
        for ((&position, values), feature) in features.zip(&self.baseline.features) {
            values.push(match feature.categories() {
                None => row.try_get(position)?,
                Some(names) => {
                    let text = row.try_get::<_, Option<&str>>(position)?;
                    text.map(|text| code(names, &categories::cut(text)))
                }
            });
        }
        Ok(())
    }

    fn count(
        self,
        profiler: &mut Profiler,
        type_of_time: &str,
        times: i64,
        relabelled: bool,
    ) -> Result<()> {
        let micros = || {
            self.times
                .iter()
                .copied()
                .collect::<TimestampMicrosecondArray>()
        };
        let column: Box<dyn Array> = match type_of_time {
            "date" => {
                let day = |day: i64| i32::try_from(day).ok();
                Box::new(
                    self.times
                        .iter()
                        .map(|time| time.and_then(day))
                        .collect::<Date32Array>(),
                )
            }
            "timestamp with time zone" => Box::new(micros().with_timezone("UTC")),
            _ => Box::new(micros()),
        };
        let days = dates::of_column(&*column, self.baseline.timezone());
        let (scores, features): (Float64Array, Vec<Float64Array>) = (
            self.scores.into(),
            self.features.into_iter().map(Float64Array::from).collect(),
        );
        let weights = self.weight.map(|_| Float64Array::from(self.weights));
        let rows = |labels| Columns {
            days: &days,
            labels,
            scores: &scores,
            weights: weights.as_ref(),
            features: &features,
        };
        if relabelled {
            profiler.add(rows(&self.labels), -times)?;
            return profiler.add(rows(&self.new_labels), times);
        }
        profiler.add(rows(&self.labels), times)
    }
}

/// A date in days, or a timestamp in microseconds, from 1970-01-01.
struct Moment(i64);

impl<'a> FromSql<'a> for Moment {
    fn from_sql(data_type: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        if *data_type == Type::DATE {
            return Ok(Self(
                i64::from(i32::from_sql(&Type::INT4, raw)?) + i64::from(EPOCH_DAYS),
            ));
        }
        Ok(Self(
            i64::from_sql(&Type::INT8, raw)?.saturating_add(EPOCH_MICROS),
        ))
    }

    fn accepts(data_type: &Type) -> bool {
        [Type::DATE, Type::TIMESTAMP, Type::TIMESTAMPTZ].contains(data_type)
    }
}
