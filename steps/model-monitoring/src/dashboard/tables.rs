//! Tables as files: CSV and JSON.

use anyhow::Result;
use serde_json::{Map, Value};

use super::{Live, Scored};

/// Numbers and texts in rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    pub(crate) fn new(columns: &[&'static str], rows: impl IntoIterator<Item = Vec<Value>>) -> Self {
        Self { columns: columns.to_vec(), rows: rows.into_iter().collect() }
    }

    /// As a spreadsheet reads it: a text that it would take for a formula gets an apostrophe.
    ///
    /// # Errors
    /// Rows of another length: a bug.
    pub(crate) fn csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }))?;
        }
        Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
    }

    /// A list of objects.
    ///
    /// # Errors
    /// None that happens: it is written to memory.
    pub(crate) fn json(&self) -> Result<Vec<u8>> {
        let names = self.columns.iter().map(|name| (*name).to_owned());
        let rows: Vec<Map<String, Value>> =
            self.rows.iter().map(|row| names.clone().zip(row.iter().cloned()).collect()).collect();
        Ok(serde_json::to_vec_pretty(&rows)?)
    }
}

pub(crate) fn scored(scored: &[Scored]) -> Table {
    let row = |of: &Scored| {
        vec![
            of.model_name.as_str().into(),
            of.model_version.into(),
            of.data_version.as_str().into(),
            of.rows.into(),
            of.unscored_rows.into(),
            of.first.map(|day| day.to_string()).into(),
            of.last.map(|day| day.to_string()).into(),
            of.scored_at.map(|at| at.to_rfc3339()).into(),
            of.workflow.clone().into(),
        ]
    };
    let columns = [
        "model_name",
        "model_version",
        "data_version",
        "rows",
        "unscored_rows",
        "first_day",
        "last_day",
        "scored_at",
        "workflow",
    ];
    Table::new(&columns, scored.iter().map(row))
}

pub(crate) fn days(live: &Live) -> Table {
    let row = |day: &crate::content::Day| {
        vec![
            day.date.to_string().into(),
            day.rows.into(),
            day.scored_rows.into(),
            day.labelled_rows.into(),
            day.mean_score.into(),
            day.predicted_positive_rate.into(),
            day.base_rate.into(),
            day.accuracy.into(),
            day.precision.into(),
            day.recall.into(),
            day.f1.into(),
            day.roc_auc.into(),
            day.brier.into(),
            day.confusion.true_positives.into(),
            day.confusion.false_positives.into(),
            day.confusion.false_negatives.into(),
            day.confusion.true_negatives.into(),
        ]
    };
    let columns = [
        "day",
        "rows",
        "scored_rows",
        "labelled_rows",
        "mean_score",
        "predicted_positive_rate",
        "base_rate",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "roc_auc",
        "brier",
        "true_positives",
        "false_positives",
        "false_negatives",
        "true_negatives",
    ];
    Table::new(&columns, live.performance.days.iter().map(row))
}

pub(crate) fn features(live: &Live) -> Table {
    let row = |column: &crate::content::ColumnDrift| {
        vec![
            column.name.as_str().into(),
            column.verdict.to_string().into(),
            column.psi.as_ref().map(|psi| psi.value).into(),
            column.psi.as_ref().map(|psi| psi.noise_floor).into(),
            column.ks.map(|ks| ks.statistic).into(),
            column.reference.mean.into(),
            column.current.mean.into(),
            column.reference.std.into(),
            column.current.std.into(),
            column.reference.missing.into(),
            column.current.missing.into(),
        ]
    };
    let columns = [
        "column",
        "verdict",
        "psi",
        "noise_floor",
        "ks",
        "reference_mean",
        "mean",
        "reference_std",
        "std",
        "reference_missing",
        "missing",
    ];
    let all = std::iter::once(&live.drift.score).chain(&live.drift.features);
    Table::new(&columns, all.map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_stays_a_text() {
        let table =
            Table::new(&["name", "value"], [vec!["=1+1".into(), 0.5.into()], vec!["a,\"b\"".into(), Value::Null]]);
        assert_eq!(String::from_utf8(table.csv().unwrap()).unwrap(), "name,value\n'=1+1,0.5\n\"a,\"\"b\"\"\",\n");
        let json: Value = serde_json::from_slice(&table.json().unwrap()).unwrap();
        assert_eq!(json, serde_json::json!([{"name": "=1+1", "value": 0.5}, {"name": "a,\"b\"", "value": null}]));
    }
}
