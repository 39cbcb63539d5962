//! Scores batches of prepared rows.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array,
    new_empty_array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use learn::fitted_model::FittedModel;
use learn::model::ClassValue;
use learn::task::Values;
use runtime::failure::Failure;
use table::categories;
use table::features::Features;
use table::parts;
use tracking::ModelUri;

/// A model, and what it adds to rows.
pub(crate) struct Scorer {
    model: Arc<FittedModel>,
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
    /// The target's classes, by index.
    classes: ArrayRef,
}

impl Scorer {
    /// For rows of the schema `kept`, whose last columns are only `carried`.
    pub(crate) fn new(
        model: Arc<FittedModel>,
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
            .features()
            .iter()
            .map(column)
            .collect::<Result<Vec<usize>>>()?;
        let target = kept.field(column(&model.target.name)?).data_type().clone();
        let predicted = model.predicted(&[], &[]).into_iter().map(|column| {
            let data_type = match column.values {
                Values::Classes(_) => target.clone(),
                Values::Numbers(_) => DataType::Float64,
                Values::Texts(_) => DataType::Utf8,
            };
            (column.name, data_type)
        });
        let added = [
            ("model_name", DataType::Utf8),
            ("model_version", DataType::Int64),
            ("data_version", DataType::Utf8),
        ];
        let added = added.map(|(name, data_type)| (name.to_owned(), data_type));
        let added = predicted.chain(added);
        let mut fields: Vec<Arc<Field>> = kept.fields().iter().cloned().collect();
        fields.extend(added.map(|(name, data_type)| Arc::new(Field::new(name, data_type, true))));
        Ok(Self {
            classes: classes(&model.target.classes, &target)?,
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

    /// The rows with their predictions, and how many could not be scored because a feature is
    /// missing or not finite: theirs are null.
    pub(crate) fn score(&self, batch: &RecordBatch) -> Result<(RecordBatch, u64)> {
        let (rows, model) = (batch.num_rows(), &self.model);
        let features = Features::of(batch, &self.features, &model.signature)?;
        let (mut matrix, mut outputs) = (Vec::new(), Vec::new());
        features.with(|frame| model.score(frame, &mut matrix, &mut outputs))?;
        let width = model.estimator.outputs();
        let unscored = outputs.chunks_exact(width);
        let unscored = unscored.filter(|row| row.iter().any(|output| output.is_nan()));
        let unscored = unscored.count();

        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for &at in &self.texts {
            columns[at] = Arc::new(categories::texts(&columns[at])?);
        }
        for column in model.predicted(&matrix, &outputs) {
            columns.push(match column.values {
                Values::Classes(indices) => {
                    let indices = indices.iter().map(|index| index.map(|index| index as u32));
                    take(&self.classes, &indices.collect::<UInt32Array>(), None)?
                }
                Values::Numbers(numbers) => {
                    let numbers = numbers.iter().map(|number| Some(*number));
                    let numbers = numbers.map(|number| number.filter(|number| !number.is_nan()));
                    Arc::new(numbers.collect::<Float64Array>())
                }
                Values::Texts(texts) => Arc::new(StringArray::from(texts)),
            });
        }
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
        Ok((scored, unscored as u64))
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

/// The classes as values of the target's type.
fn classes(classes: &[ClassValue], data_type: &DataType) -> Result<ArrayRef> {
    if classes.is_empty() {
        return Ok(new_empty_array(data_type));
    }
    let typed = parts::of_classes(&classes.iter().map(Some).collect::<Vec<_>>(), data_type)?;
    match classes
        .iter()
        .enumerate()
        .find(|(at, _)| typed.is_null(*at))
    {
        None => Ok(typed),
        Some((_, class)) => Err(Failure::usage(format!(
            "class {class} of the model can't be read as {data_type}"
        ))),
    }
}
