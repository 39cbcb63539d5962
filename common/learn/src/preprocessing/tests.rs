//! Preprocessing against scikit-learn: fixtures/preprocessing.json, and the script beside it.

mod edges;
mod frequency;
mod scikit;
mod state;

use super::*;
use crate::frame::{Column, Frame, InMemory, LabelledFrame};
use crate::signature::{Feature, Kind, Signature};

/// Columns that own their values.
enum Values {
    Numbers(Vec<f64>),
    Texts(Vec<Option<String>>),
}

fn texts(values: &[&str]) -> Values {
    Values::Texts(values.iter().map(|text| Some((*text).to_owned())).collect())
}

/// Training rows, and how they are passed over.
struct Training<'a> {
    columns: &'a [(&'a str, Values)],
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    folds: Option<Vec<u32>>,
    classes: Vec<String>,
    family: Family,
    memory: u64,
    chunk: usize,
}

impl<'a> Training<'a> {
    fn new(columns: &'a [(&'a str, Values)]) -> Self {
        let rows = match &columns[0].1 {
            Values::Numbers(values) => values.len(),
            Values::Texts(values) => values.len(),
        };
        Self {
            columns,
            y: vec![0.0; rows],
            weights: None,
            folds: None,
            classes: Vec::new(),
            family: Family::Linear,
            memory: u64::MAX,
            chunk: 7,
        }
    }

    fn signature(&self) -> Signature {
        let feature = |(name, values): &(&str, Values)| Feature {
            name: (*name).to_owned(),
            kind: match values {
                Values::Numbers(_) => Kind::Numeric,
                Values::Texts(_) => Kind::Categorical,
            },
            nullable: true,
        };
        Signature::new(self.columns.iter().map(feature).collect()).unwrap()
    }

    fn fit(&self, settings: &str) -> Result<Fitted, Error> {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        with_frame(self.columns, |frame| {
            // Columns of fixtures hold rows to score after those of training.
            let rows = LabelledFrame {
                frame: frame.slice(0..self.y.len()),
                y: &self.y,
                weights: self.weights.as_deref(),
                folds: self.folds.as_deref(),
            };
            let folds = self.folds.iter().flatten().max();
            let options = FitOptions {
                family: self.family,
                classes: &self.classes,
                folds: folds.map_or(1, |fold| *fold as usize + 1),
                memory: self.memory,
            };
            let mut passes = InMemory::<Error>::new(rows, self.chunk);
            fit(&mut passes, &self.signature(), &settings, &options)
        })
    }
}

fn with_frame<T>(columns: &[(&str, Values)], run: impl FnOnce(Frame<'_>) -> T) -> T {
    let texts: Vec<Vec<Option<&str>>> = columns
        .iter()
        .map(|(_, values)| match values {
            Values::Numbers(_) => Vec::new(),
            Values::Texts(texts) => texts.iter().map(Option::as_deref).collect(),
        })
        .collect();
    let mut all = Vec::new();
    for ((_, values), texts) in columns.iter().zip(&texts) {
        all.push(match values {
            Values::Numbers(numbers) => Column::Numbers(numbers),
            Values::Texts(_) => Column::Texts(texts),
        });
    }
    run(Frame::new(all))
}

fn transform(fitted: &Preprocessing, columns: &[(&str, Values)]) -> Result<Vec<f64>, Error> {
    let mut out = vec![f64::NAN; 3];
    with_frame(columns, |frame| fitted.transform(&frame, &mut out)).map(|()| out)
}

fn names(fitted: &Fitted) -> Vec<String> {
    let outputs = fitted.preprocessing.output_columns();
    outputs.into_iter().map(|output| output.name).collect()
}

/// To 1e-12 of the larger one.
fn close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (at, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let near = (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0);
        assert!(near || (a.is_nan() && b.is_nan()), "{at}: {a} and {b}");
    }
}

/// The numbers of training rows.
fn out_of_fold(fitted: &Fitted, columns: &[(&str, Values)], folds: &[u32]) -> Vec<f64> {
    let (mut out, tables) = (Vec::new(), fitted.out_of_fold.as_ref().unwrap());
    let all = &fitted.preprocessing;
    with_frame(columns, |frame| {
        all.transform_training(&frame, tables, folds, &mut out, &mut Vec::new())
    })
    .unwrap();
    out
}
