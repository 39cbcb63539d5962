//! What a model scored, as scoring commits it, and labels that come later.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use catalog::layout;
use catalog::manifest::{Column, Inputs, Part, Quarantined, RawShard, ResultsManifest, Role};
use learn::explanation::TOP_REASONS;
use learn::task::{PREDICTION, PROBABILITY};
use parquet::arrow::ArrowWriter;
use runtime::threads::blocking;
use store::Store;
use table::parts::PartWriter;

use crate::{Home, Rows, header, name, version};

impl Home {
    fn schema_and_columns(&self, rows: &Rows) -> (RecordBatch, Vec<Column>) {
        let names = &self.names;
        let mut columns: Vec<(String, &str, Role, ArrayRef)> = Vec::new();
        let floats =
            |values: &[Option<f64>]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        let whole =
            |values: &[Option<i64>]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        columns.push((
            names.id.into(),
            "Utf8",
            Role::Id,
            Arc::new(StringArray::from(rows.id.clone())),
        ));
        if let Some(time) = names.time {
            let at = TimestampMicrosecondArray::from(rows.at.clone()).with_timezone("UTC");
            columns.push((
                time.into(),
                "Timestamp(Microsecond, Some(\"UTC\"))",
                Role::Time,
                Arc::new(at),
            ));
        }
        columns.push((
            names.target.into(),
            "Int64",
            Role::Target,
            whole(&rows.label),
        ));
        for (name, values) in names.features.iter().zip(&rows.features) {
            columns.push(((*name).into(), "Float64", Role::Feature, floats(values)));
        }
        if let Some(region) = self.region {
            let texts = StringArray::from_iter((0..rows.len()).map(region));
            columns.push(("region".into(), "Utf8", self.region_role, Arc::new(texts)));
        }
        if let Some(weight) = self.weight {
            let weights = Float64Array::from_iter_values((0..rows.len()).map(weight));
            columns.push(("weight".into(), "Float64", Role::Weight, Arc::new(weights)));
        }
        let decided: Vec<Option<i64>> = rows
            .score
            .iter()
            .map(|score| score.map(|score| i64::from(score >= self.threshold)))
            .collect();
        columns.push((PREDICTION.into(), "Int64", Role::Ignored, whole(&decided)));
        columns.push((
            PROBABILITY.into(),
            "Float64",
            Role::Ignored,
            floats(&rows.score),
        ));
        if let Some(reasons) = self.reasons {
            let texts = StringArray::from_iter((0..rows.len()).map(reasons));
            columns.push((TOP_REASONS.into(), "Utf8", Role::Ignored, Arc::new(texts)));
        }
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns
                .iter()
                .map(|(name, _, _, array)| (name.as_str(), array.clone(), true)),
        );
        let described = columns
            .into_iter()
            .map(|(name, data_type, role, _)| Column {
                name,
                data_type: data_type.to_owned(),
                role,
            })
            .collect();
        (batch.unwrap(), described)
    }

    /// Writes results of one part per entry; gives the key of their manifest.
    pub async fn results(&self, parts: &[Rows]) -> String {
        self.results_with(parts, Vec::new()).await
    }

    /// The same with raw files that were left out.
    pub async fn results_with(&self, parts: &[Rows], quarantined: Vec<Quarantined>) -> String {
        let folder = layout::scored(&version("25.05.1"), &name(), 3);
        let inputs = Inputs::new("batch-inference", 1).with("rows", format!("{parts:?}"));
        let mut written = Vec::new();
        let (_, columns) = self.schema_and_columns(&Rows {
            features: vec![vec![]; 9],
            ..Rows::default()
        });
        for (ordinal, rows) in parts.iter().enumerate() {
            let (batch, _) = self.schema_and_columns(rows);
            let key = layout::part(&folder, &inputs.fingerprint(), ordinal);
            written.push(write_part(&self.store, key, ordinal, batch.schema(), batch).await);
        }
        let manifest = ResultsManifest {
            header: header(inputs, "score-1"),
            data_version: version("25.05.1"),
            model_name: name(),
            model_version: 3,
            model: layout::manifest(&self.model_folder()),
            predict_manifest: "predict/25.05.1/0/_manifest.json".to_owned(),
            columns,
            rows: written.iter().map(|part| part.rows).sum(),
            profiles: Vec::new(),
            unscored_rows: parts
                .iter()
                .flat_map(|rows| &rows.score)
                .filter(|score| score.is_none())
                .count() as u64,
            shards: (0..written.len())
                .map(|i| RawShard {
                    key: format!("predict/{i}.parquet"),
                    bytes: 1,
                    stamp: "s".to_owned(),
                    sha256: "0".to_owned(),
                    rows: written[i].rows,
                    time: None,
                })
                .collect(),
            parts: written,
            quarantined,
            left_out: Default::default(),
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        key
    }

    /// Delivers late labels: id, time, label.
    pub fn deliver(&self, file: &str, labels: &[(&str, i64, Option<i64>)]) {
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
            labels.iter().map(|label| label.0),
        ));
        let at: ArrayRef = Arc::new(
            TimestampMicrosecondArray::from_iter_values(labels.iter().map(|label| label.1))
                .with_timezone("UTC"),
        );
        let values: ArrayRef = Arc::new(Int64Array::from_iter(labels.iter().map(|label| label.2)));
        let mut columns = vec![
            (self.names.target, values, true),
            (self.names.id, ids, false),
        ];
        columns.extend(self.names.time.map(|time| (time, at, false)));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        std::fs::create_dir_all(self.folder.path().join("raw/labels")).unwrap();
        write_raw(&self.folder.path().join("raw/labels").join(file), &batch);
    }
}

async fn write_part(
    store: &Store,
    key: String,
    ordinal: usize,
    schema: SchemaRef,
    batch: RecordBatch,
) -> Part {
    let store = store.clone();
    blocking(move || {
        let mut writer = PartWriter::new(&store, key, ordinal, &schema)?;
        writer.write(&batch)?;
        writer.finish()
    })
    .await
    .unwrap()
}

fn write_raw(file: &Path, batch: &RecordBatch) {
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}
