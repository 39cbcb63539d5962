//! Tables as files: CSV and JSON.

use std::collections::BTreeMap;

use anyhow::Result;
use catalog::attempt::Attempt;
use catalog::manifest::{DatasetManifest, Quarantined, RawShard};
use chrono::{DateTime, NaiveDate, Utc};
use database::Predicted;
use learn::metrics::{CalibrationBin, Report as Metrics};
use pages::content::{AtThreshold, ColumnDrift, Day, FeatureQuality, Segment, Segments};
use serde_json::{Map, Value, json};
use tracking::RunView;

use super::{AllScored, DataSet, Live, Model, Scored};

/// Numbers and texts in rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// As a spreadsheet reads it: a text that it would take for a formula gets an apostrophe.
    ///
    /// # Errors
    /// Rows of another length: a bug.
    pub(crate) fn csv(&self) -> Result<Vec<u8>> {
        let cell = |text: &str| match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => format!("'{text}"),
            false => text.to_owned(),
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|name| cell(name)))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) => cell(text),
                other => other.to_string(),
            }))?;
        }
        Ok(writer
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)?)
    }

    /// A list of objects.
    ///
    /// # Errors
    /// None that happens: it is written to memory.
    pub(crate) fn json(&self) -> Result<Vec<u8>> {
        let names = self.columns.iter().cloned();
        let rows: Vec<Map<String, Value>> = self
            .rows
            .iter()
            .map(|row| names.clone().zip(row.iter().cloned()).collect())
            .collect();
        Ok(serde_json::to_vec_pretty(&rows)?)
    }
}

type Columns<T> = [(&'static str, fn(&T) -> Value)];

/// A row for each of `values`.
fn of<'a, T: 'a>(columns: &Columns<T>, values: impl IntoIterator<Item = &'a T>) -> Table {
    Table {
        columns: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
        rows: values
            .into_iter()
            .map(|value| columns.iter().map(|(_, get)| get(value)).collect())
            .collect(),
    }
}

fn date(day: Option<NaiveDate>) -> Value {
    day.map(|day| day.to_string()).into()
}

fn instant(at: Option<DateTime<Utc>>) -> Value {
    at.map(|at| at.to_rfc3339()).into()
}

/// What was scored, the newest first.
pub(crate) fn scored(all: &AllScored) -> Table {
    let columns: &Columns<Scored> = &[
        ("model_name", |of| of.model_name.as_str().into()),
        ("model_version", |of| of.model_version.into()),
        ("data_version", |of| of.data_version.as_str().into()),
        ("rows", |of| of.rows.into()),
        ("unscored_rows", |of| of.unscored_rows.into()),
        ("first_day", |of| date(of.first)),
        ("last_day", |of| date(of.last)),
        ("scored_at", |of| instant(of.scored_at)),
        ("workflow", |of| of.workflow.clone().into()),
    ];
    of(columns, all.newest_first())
}

/// Makes a table of a model's page; `None` where nothing was scored.
type OfModel = fn(&Model) -> Option<Table>;

/// The tables of a model's page, by name.
pub(crate) const OF_MODEL: [(&str, OfModel); 7] = [
    ("days", |model| Some(days(&model.side.as_ref()?.live))),
    ("features", |model| {
        Some(features(&model.side.as_ref()?.live))
    }),
    ("thresholds", |model| {
        Some(thresholds(&model.side.as_ref()?.live))
    }),
    ("segments", |model| Some(segments(&model.segments()?))),
    ("metrics", |model| Some(metrics(&model.side.as_ref()?.live))),
    ("calibration", |model| {
        Some(calibration(&model.side.as_ref()?.live))
    }),
    ("values", |model| Some(values(&model.side.as_ref()?.live))),
];

fn days(live: &Live) -> Table {
    let columns: &Columns<Day> = &[
        ("day", |day| date(Some(day.date))),
        ("rows", |day| day.rows.into()),
        ("scored_rows", |day| day.scored_rows.into()),
        ("labelled_rows", |day| day.labelled_rows.into()),
        ("mean_score", |day| day.mean_score.into()),
        ("predicted_positive_rate", |day| {
            day.predicted_positive_rate.into()
        }),
        ("base_rate", |day| day.base_rate.into()),
        ("accuracy", |day| day.accuracy.into()),
        ("precision", |day| day.precision.into()),
        ("recall", |day| day.recall.into()),
        ("f1", |day| day.f1.into()),
        ("roc_auc", |day| day.roc_auc.into()),
        ("brier", |day| day.brier.into()),
        ("true_positives", |day| day.confusion.true_positives.into()),
        ("false_positives", |day| {
            day.confusion.false_positives.into()
        }),
        ("false_negatives", |day| {
            day.confusion.false_negatives.into()
        }),
        ("true_negatives", |day| day.confusion.true_negatives.into()),
    ];
    of(columns, &live.performance.days)
}

/// Drift of the score and of each feature.
fn features(live: &Live) -> Table {
    let columns: &Columns<ColumnDrift> = &[
        ("column", |column| column.name.as_str().into()),
        ("verdict", |column| column.verdict.to_string().into()),
        ("psi", |column| {
            column.psi.as_ref().map(|psi| psi.value).into()
        }),
        ("noise_floor", |column| {
            column.psi.as_ref().map(|psi| psi.noise_floor).into()
        }),
        ("jensen_shannon", |column| column.jensen_shannon.into()),
        ("ks", |column| column.ks.map(|ks| ks.statistic).into()),
        ("reference_mean", |column| column.reference.mean.into()),
        ("mean", |column| column.current.mean.into()),
        ("reference_std", |column| column.reference.std.into()),
        ("std", |column| column.current.std.into()),
        ("reference_missing", |column| {
            column.reference.missing.into()
        }),
        ("missing", |column| column.current.missing.into()),
        ("bounded", |column| column.current.bounded.into()),
    ];
    of(
        columns,
        std::iter::once(&live.drift.score).chain(&live.drift.features),
    )
}

fn thresholds(live: &Live) -> Table {
    let columns: &Columns<AtThreshold> = &[
        ("threshold", |at| at.threshold.into()),
        ("predicted_positive_rate", |at| {
            at.predicted_positive_rate.into()
        }),
        ("accuracy", |at| at.accuracy.into()),
        ("precision", |at| at.precision.into()),
        ("recall", |at| at.recall.into()),
        ("f1", |at| at.f1.into()),
        ("true_positives", |at| at.confusion.true_positives.into()),
        ("false_positives", |at| at.confusion.false_positives.into()),
        ("false_negatives", |at| at.confusion.false_negatives.into()),
        ("true_negatives", |at| at.confusion.true_negatives.into()),
    ];
    of(columns, &live.performance.thresholds)
}

/// Metrics, now and on the holdout.
fn metrics(live: &Live) -> Table {
    type Pick = fn(&Metrics) -> Option<f64>;
    let picks: [(&str, Pick); 8] = [
        ("accuracy", |of| of.accuracy),
        ("balanced_accuracy", |of| of.balanced_accuracy),
        ("precision", |of| of.precision),
        ("recall", |of| of.recall),
        ("f1", |of| of.f1),
        ("roc_auc", |of| of.roc_auc),
        ("brier", |of| of.brier),
        ("base_rate", |of| of.base_rate),
    ];
    let now = live.performance.overall.as_ref();
    let holdout = live.performance.holdout.as_ref();
    let rows: Vec<_> = match &live.performance.of_task {
        Some(of) => {
            let metrics = of.metrics.iter();
            metrics
                .map(|of| (of.name.as_str(), of.now, of.holdout))
                .collect()
        }
        None => picks
            .map(|(name, pick)| (name, now.and_then(pick), holdout.and_then(pick)))
            .into(),
    };
    let columns: &Columns<(&str, Option<f64>, Option<f64>)> = &[
        ("metric", |row| row.0.into()),
        ("now", |row| row.1.into()),
        ("holdout", |row| row.2.into()),
    ];
    of(columns, &rows)
}

/// Predicted beside observed, by ranges of the score.
fn calibration(live: &Live) -> Table {
    let columns: &Columns<CalibrationBin> = &[
        ("lower", |bin| bin.lower.into()),
        ("upper", |bin| bin.upper.into()),
        ("rows", |bin| bin.rows.into()),
        ("mean_predicted", |bin| bin.mean_predicted.into()),
        ("observed_rate", |bin| bin.observed_rate.into()),
    ];
    of(
        columns,
        live.performance
            .overall
            .iter()
            .flat_map(|overall| &overall.calibration),
    )
}

/// What is wrong with the values of each feature.
fn values(live: &Live) -> Table {
    let columns: &Columns<FeatureQuality> = &[
        ("feature", |of| of.name.as_str().into()),
        ("nulls", |of| of.nulls.into()),
        ("nans", |of| of.nans.into()),
        ("infinities", |of| of.infinities.into()),
        ("below", |of| of.below.into()),
        ("above", |of| of.above.into()),
        ("reference_min", |of| of.reference_min.into()),
        ("reference_max", |of| of.reference_max.into()),
    ];
    of(columns, &live.features)
}

/// Parts of the rows: by score, then by column and value.
fn segments(segments: &Segments) -> Table {
    let columns: &Columns<(&str, &Segment)> = &[
        ("column", |(column, _)| (*column).into()),
        ("value", |(_, part)| part.name.clone().into()),
        ("lower", |(_, part)| part.lower.into()),
        ("upper", |(_, part)| part.upper.into()),
        ("rows", |(_, part)| part.rows.into()),
        ("mean_score", |(_, part)| part.mean_score.into()),
        ("share", |(_, part)| part.share.into()),
        ("reference_share", |(_, part)| part.reference_share.into()),
        ("measured_rows", |(_, part)| part.measured_rows.into()),
        ("base_rate", |(_, part)| part.base_rate.into()),
        ("accuracy", |(_, part)| part.accuracy.into()),
        ("precision", |(_, part)| part.precision.into()),
        ("recall", |(_, part)| part.recall.into()),
        ("f1", |(_, part)| part.f1.into()),
    ];
    let by_column = segments
        .columns
        .iter()
        .flat_map(|by| by.values.iter().map(|part| (by.column.as_str(), part)));
    let parts: Vec<(&str, &Segment)> = segments
        .score
        .iter()
        .map(|part| ("score", part))
        .chain(by_column)
        .collect();
    of(columns, &parts)
}

pub(crate) fn runs(runs: &[RunView]) -> Table {
    let columns: &Columns<RunView> = &[
        ("run_id", |view| view.run.run_id.as_str().into()),
        ("name", |view| view.run.name.as_str().into()),
        ("model_name", |view| {
            view.run.model_name.as_ref().map(ToString::to_string).into()
        }),
        ("status", |view| json!(view.run.status)),
        ("start_time", |view| instant(Some(view.run.start_time))),
        ("end_time", |view| instant(view.run.end_time)),
        ("url", |view| view.url.clone().into()),
        ("metrics", |view| {
            json!(
                view.run
                    .metrics
                    .iter()
                    .map(|(name, metric)| (name, metric.value))
                    .collect::<BTreeMap<_, _>>()
            )
        }),
    ];
    of(columns, runs)
}

/// How workflows ended.
pub(crate) fn workflows(attempts: &[Attempt]) -> Table {
    let columns: &Columns<Attempt> = &[
        ("workflow", |attempt| attempt.workflow.as_str().into()),
        ("data_version", |attempt| {
            attempt.data_version.to_string().into()
        }),
        ("model_name", |attempt| attempt.model_name.as_str().into()),
        ("status", |attempt| attempt.status.as_str().into()),
        ("duration_seconds", |attempt| {
            attempt.duration_seconds.into()
        }),
        ("attempts", |attempt| attempt.attempts.into()),
        ("recorded_at", |attempt| instant(Some(attempt.recorded_at))),
        ("failures", |attempt| attempt.failures.len().into()),
    ];
    of(columns, attempts)
}

/// Data sets.
pub(crate) fn prepared(sets: &[DataSet]) -> Table {
    let columns: &Columns<DataSet> = &[
        ("data_version", |set| {
            set.manifest.data_version.to_string().into()
        }),
        ("split", |set| set.manifest.split.to_string().into()),
        ("rows", |set| set.manifest.rows.into()),
        ("labelled_rows", |set| set.manifest.labelled_rows.into()),
        ("raw_files", |set| set.manifest.shards.len().into()),
        ("raw_bytes", |set| {
            set.manifest
                .shards
                .iter()
                .map(|shard| shard.bytes)
                .sum::<u64>()
                .into()
        }),
        ("left_out", |set| set.manifest.quarantined.len().into()),
        ("created_at", |set| {
            instant(Some(set.manifest.header.created_at))
        }),
        ("folder", |set| set.folder.as_str().into()),
    ];
    of(columns, sets)
}

/// The raw files of a data set.
pub(crate) fn raw_files(set: &DataSet) -> Table {
    let columns: &Columns<RawShard> = &[
        ("file", |file| file.key.as_str().into()),
        ("rows", |file| file.rows.into()),
        ("bytes", |file| file.bytes.into()),
        ("changed", |file| file.stamp.as_str().into()),
        ("sha256", |file| file.sha256.as_str().into()),
    ];
    of(columns, &set.manifest.shards)
}

pub(crate) fn left_out(sets: &[DataSet]) -> Table {
    let columns: &Columns<(&DatasetManifest, &Quarantined)> = &[
        ("data_version", |(set, _)| {
            set.data_version.to_string().into()
        }),
        ("split", |(set, _)| set.split.to_string().into()),
        ("file", |(_, file)| file.key.as_str().into()),
        ("reason", |(_, file)| file.reason.as_str().into()),
    ];
    let files = sets
        .iter()
        .map(|set| &set.manifest)
        .flat_map(|set| set.quarantined.iter().map(move |file| (set, file)));
    of(columns, &files.collect::<Vec<_>>())
}

/// The predictions of an id, with all columns of the table.
pub(crate) fn predictions(found: &Predicted) -> Table {
    let row = |row: &Map<String, Value>| {
        found
            .columns
            .iter()
            .map(|column| row.get(column).cloned().unwrap_or_default())
            .collect()
    };
    Table {
        columns: found.columns.clone(),
        rows: found.rows.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_stays_a_text() {
        let table = Table {
            columns: vec!["name".to_owned(), "value".to_owned()],
            rows: vec![
                vec!["=1+1".into(), 0.5.into()],
                vec!["a,\"b\"".into(), Value::Null],
            ],
        };
        assert_eq!(
            String::from_utf8(table.csv().unwrap()).unwrap(),
            "name,value\n'=1+1,0.5\n\"a,\"\"b\"\"\",\n"
        );
        let json: Value = serde_json::from_slice(&table.json().unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!([{"name": "=1+1", "value": 0.5}, {"name": "a,\"b\"", "value": null}])
        );
    }
}
