//! Scores batches of prepared rows.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, BooleanArray, Datum, Float64Array, Int64Array, RecordBatch, Scalar,
    StringArray,
};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use learn::model::{ClassValue, Model};
use runtime::failure::Failure;
use table::categories;
use table::parts;
use tracking::ModelUri;

/// A model, and what it adds to rows.
pub(crate) struct Scorer {
    model: Model,
    uri: ModelUri,
    data_version: String,
    /// Of the rows as they are kept: ids, time, target, features, and what is carried.
    kept: SchemaRef,
    /// Where carried texts stand: they are cut to a length.
    texts: Vec<usize>,
    /// Of the scored rows.
    schema: SchemaRef,
    /// Positions of the model's features in `kept`.
    features: Vec<usize>,
    positive: Scalar<ArrayRef>,
    negative: Scalar<ArrayRef>,
}

impl Scorer {
    /// For rows of the schema `kept`, whose last columns are only `carried`.
    pub(crate) fn new(
        model: Model,
        uri: ModelUri,
        data_version: String,
        kept: &Schema,
        carried: usize,
    ) -> Result<Self> {
        let is_text = |at: &usize| categories::is_text(&kept.field(*at).data_type().to_string());
        let width = kept.fields().len();
        let texts: Vec<usize> = (width - carried..width).filter(is_text).collect();
        let kept = with_texts(&parts::nullable(kept), &texts);
        let column = |name: &String| {
            kept.index_of(name).map_err(|_| {
                Failure::usage(format!(
                    "the rows have no column {name:?}, which {uri} needs"
                ))
            })
        };
        let features = model
            .features
            .iter()
            .map(column)
            .collect::<Result<Vec<usize>>>()?;
        let target = kept.field(column(&model.target)?).data_type().clone();
        let added = [
            ("prediction", target.clone()),
            ("probability", DataType::Float64),
            ("model_name", DataType::Utf8),
            ("model_version", DataType::Int64),
            ("data_version", DataType::Utf8),
        ];
        let mut fields: Vec<Arc<Field>> = kept.fields().iter().cloned().collect();
        fields.extend(added.map(|(name, data_type)| Arc::new(Field::new(name, data_type, true))));
        Ok(Self {
            positive: scalar(&model.classes.positive, &target)?,
            negative: scalar(&model.classes.negative, &target)?,
            schema: Arc::new(Schema::new(fields)),
            model,
            uri,
            data_version,
            kept,
            texts,
            features,
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows with prediction and probability, and how many could not be scored because a feature
    /// is missing or not finite: theirs are null.
    pub(crate) fn score(&self, batch: &RecordBatch) -> Result<(RecordBatch, u64)> {
        let rows = batch.num_rows();
        let matrix = parts::matrix(&batch.project(&self.features)?, &self.model.features)?;
        let mut probabilities = Vec::with_capacity(rows);
        self.model.predict_probability(&matrix, &mut probabilities);
        // An infinite feature would give a probability of 0 or 1, as if that were certain.
        let unscored: BooleanArray = matrix
            .chunks_exact(self.features.len())
            .map(|row| Some(!row.iter().all(|value| value.is_finite())))
            .collect();
        let positive: BooleanArray = probabilities
            .iter()
            .map(|&probability| Some(self.model.decide(probability)))
            .collect();
        let prediction = zip(
            &positive,
            &self.positive as &dyn Datum,
            &self.negative as &dyn Datum,
        )?;
        let probability: ArrayRef = Arc::new(Float64Array::from(probabilities));

        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for &at in &self.texts {
            columns[at] = Arc::new(categories::texts(&columns[at])?);
        }
        columns.push(nullif(&prediction, &unscored)?);
        columns.push(nullif(&probability, &unscored)?);
        columns.push(Arc::new(StringArray::from_iter_values(
            std::iter::repeat_n(self.uri.model_name.to_string(), rows),
        )));
        columns.push(Arc::new(Int64Array::from_value(
            self.uri.version as i64,
            rows,
        )));
        columns.push(Arc::new(StringArray::from_iter_values(
            std::iter::repeat_n(&self.data_version, rows),
        )));
        let scored = RecordBatch::try_new(self.schema.clone(), columns)
            .with_context(|| format!("the rows are not of the columns {:?}", self.kept))?;
        Ok((scored, unscored.true_count() as u64))
    }
}

/// The schema with plain texts at some places.
fn with_texts(schema: &Schema, texts: &[usize]) -> SchemaRef {
    let field = |(at, field): (usize, &Arc<Field>)| match texts.contains(&at) {
        true => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        false => field.clone(),
    };
    let fields = schema.fields().iter().enumerate().map(field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A class as a value of the target's type.
fn scalar(class: &ClassValue, data_type: &DataType) -> Result<Scalar<ArrayRef>> {
    let value: ArrayRef = match class {
        ClassValue::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
        ClassValue::Int(value) => Arc::new(Int64Array::from(vec![*value])),
        ClassValue::Text(value) => Arc::new(StringArray::from(vec![value.as_str()])),
    };
    let typed = cast(&value, data_type)
        .ok()
        .filter(|typed| typed.null_count() == 0);
    typed
        .map(Scalar::new)
        .ok_or_else(|| Failure::usage(format!("class {class} of the model is no {data_type}")))
}
