//! Data set versions whose rows are computed, and models of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use catalog::layout::DataVersion;
use catalog::manifest::Part;
use learn::metrics::paired::{AucDifference, Difference};
use learn::model::{ClassValue, ClassWeight, Classes, LOGISTIC_REGRESSION, Model, Training};
use runtime::threads::blocking;
use serde_json::json;
use store::Store;
use table::config::Config;
use table::parts::PartWriter;

use super::home::ROWS;

/// A data set version: its holdout is one raw file, its training data another.
#[derive(Clone)]
pub(crate) struct Data {
    pub(crate) version: &'static str,
    /// Keys of the raw files.
    pub(crate) holdout: &'static str,
    pub(crate) train: &'static str,
    /// The rule that split them.
    pub(crate) rule: &'static str,
    /// Text of features.sql.
    pub(crate) sql: &'static str,
    /// Filter of dataset.json.
    pub(crate) filter: Option<&'static str>,
    /// Bound of `signal` in dataset.json.
    pub(crate) max_signal: Option<f64>,
    /// Whether the label follows the first feature; else it is 1 in all rows.
    pub(crate) both_classes: bool,
    /// Whether the data has the column `region`.
    pub(crate) regions: bool,
}

pub(crate) const DATA: Data = Data {
    version: "1",
    holdout: "train/0.parquet",
    train: "train/1.parquet",
    rule: "first-shard",
    sql: "SELECT * FROM raw",
    filter: None,
    max_signal: None,
    both_classes: true,
    regions: false,
};

/// Coefficients of the features `signal`, which the label follows, and `noise`.
pub(crate) const GOOD: [f64; 2] = [1.0, 0.0];
pub(crate) const FAIR: [f64; 2] = [1.0, 0.8];
pub(crate) const USELESS: [f64; 2] = [0.0, 1.0];

pub(super) fn version(data: &Data) -> DataVersion {
    serde_json::from_value(data.version.into()).unwrap()
}

pub(crate) fn config(data: &Data) -> Config {
    let mut columns = vec![
        json!({"name": "id", "type": "int64", "role": "id"}),
        json!({"name": "signal", "type": "float64", "role": "feature", "max": data.max_signal.unwrap_or(1.0)}),
        json!({"name": "noise", "type": "float64", "role": "feature"}),
        json!({"name": "target", "type": "int64", "role": "target"}),
    ];
    if data.regions {
        columns.push(json!({"name": "region", "type": "utf8", "role": "ignored"}));
    }
    let dataset = json!({"columns": columns, "filter": data.filter});
    Config::parse(dataset.to_string(), data.sql.to_owned()).unwrap()
}

pub(super) fn model(coefficients: [f64; 2]) -> Model {
    Model {
        format_version: learn::model::FORMAT_VERSION,
        family: LOGISTIC_REGRESSION.to_owned(),
        target: "target".to_owned(),
        classes: Classes {
            negative: ClassValue::Int(0),
            positive: ClassValue::Int(1),
        },
        threshold: 0.5,
        features: vec!["signal".to_owned(), "noise".to_owned()],
        coefficients: coefficients.to_vec(),
        intercept: 0.0,
        training: Training {
            c: 1.0,
            class_weight: ClassWeight::Balanced,
            rows: 1,
            iterations: 1,
            converged: true,
        },
    }
}

pub(super) async fn write(store: &Store, key: String, batch: RecordBatch) -> Part {
    let store = store.clone();
    let written = blocking(move || {
        let mut writer = PartWriter::new(&store, key, 0, &batch.schema())?;
        writer.write(&batch)?;
        writer.finish()
    });
    written.await.unwrap()
}

/// The region of a row: every third is in the north, another third in the south.
pub(crate) fn region(row: usize) -> Option<&'static str> {
    [Some("north"), Some("south"), None][row % 3]
}

/// The AUC of a model on the rows of any file.
pub(crate) fn auc(coefficients: [f64; 2]) -> f64 {
    auc_where(coefficients, |_| true)
}

/// The AUC of a model on some rows of any file, by comparing all pairs.
pub(crate) fn auc_where(coefficients: [f64; 2], holds: impl Fn(usize) -> bool) -> f64 {
    let scored: Vec<(f64, bool)> = rows(&DATA)
        .enumerate()
        .filter(|(row, _)| holds(*row))
        .map(|(_, (signal, noise, label))| {
            (
                coefficients[0] * signal + coefficients[1] * noise,
                label == 1,
            )
        })
        .collect();
    let (mut right, mut pairs) = (0.0, 0.0);
    for (above, _) in scored.iter().filter(|(_, positive)| *positive) {
        for (below, _) in scored.iter().filter(|(_, positive)| !positive) {
            pairs += 1.0;
            right += if above > below {
                1.0
            } else if above == below {
                0.5
            } else {
                0.0
            };
        }
    }
    right / pairs
}

/// The AUC of one model less that of another on some rows of any file, each an entity, with
/// DeLong's variance.
pub(crate) fn auc_difference(models: [[f64; 2]; 2], holds: impl Fn(usize) -> bool) -> Difference {
    let held: Vec<(f64, f64, i64)> = rows(&DATA)
        .enumerate()
        .filter(|(row, _)| holds(*row))
        .map(|(_, row)| row)
        .collect();
    let positives = held.iter().filter(|(.., label)| *label == 1).count();
    let mut difference = AucDifference::new(positives as u64, (held.len() - positives) as u64);
    for (entity, (signal, noise, label)) in held.iter().enumerate() {
        let placement = |of: [f64; 2]| {
            let score = |signal: &f64, noise: &f64| of[0] * signal + of[1] * noise;
            let own = score(signal, noise);
            let others = held.iter().filter(|(.., other)| other != label);
            let twice = others.map(|(signal, noise, _)| {
                let above = own - score(signal, noise);
                let right = if *label == 1 { above } else { -above };
                u64::from(right > 0.0) + u64::from(right >= 0.0)
            });
            twice.sum::<u64>()
        };
        difference.add(entity as u64, *label == 1, models.map(placement));
    }
    difference.finish().unwrap()
}

/// Signal, noise and label. Every eleventh label is wrong.
pub(super) fn rows(data: &Data) -> impl Iterator<Item = (f64, f64, i64)> {
    let both_classes = data.both_classes;
    (0..ROWS).map(move |i| {
        let signal = ((i * 37) % ROWS) as f64 / ROWS as f64 - 0.5;
        let noise = ((i * 71 + 13) % 199) as f64 / 199.0 - 0.5;
        let label = i64::from(!both_classes || (signal > 0.0) != (i % 11 == 0));
        (signal, noise, label)
    })
}

/// Ids of the rows of a raw file.
pub(super) fn ids(raw: &str) -> Int64Array {
    let bytes = raw.bytes().map(i64::from);
    let first = bytes.fold(0, |sum, byte| sum * 31 % 1_000_003 + byte) * 1000;
    (first..).take(ROWS).collect()
}

/// The label follows `signal` and knows nothing of `noise`.
pub(super) fn batch(data: &Data, raw: &str) -> RecordBatch {
    let signal: Vec<f64> = rows(data).map(|row| row.0).collect();
    let noise: Vec<f64> = rows(data).map(|row| row.1).collect();
    let target: Vec<i64> = rows(data).map(|row| row.2).collect();
    let mut fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("signal", DataType::Float64, true),
        Field::new("noise", DataType::Float64, true),
        Field::new("target", DataType::Int64, true),
    ];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(ids(raw)),
        Arc::new(Float64Array::from(signal)),
        Arc::new(Float64Array::from(noise)),
        Arc::new(Int64Array::from(target)),
    ];
    if data.regions {
        fields.push(Field::new("region", DataType::Utf8, true));
        columns.push(Arc::new((0..ROWS).map(region).collect::<StringArray>()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
