//! Three classes and more.

use std::any::Any;

use super::metric::{larger, smaller};
use super::{
    CountedAs, Evaluation, LabelKind, Metric, PREDICTION, PROBABILITY, Predictions, Report, Rule,
    Target, Task, Values, part_of,
};
use crate::metrics::RankMetrics;
use crate::metrics::multiclass::{Classification, most_probable, one_vs_rest};
use crate::rows::RowError;

/// Three classes and more: the probability of each, and the most probable one.
#[derive(Clone, Copy, Debug)]
pub struct Multiclass;

impl Task for Multiclass {
    fn name(&self) -> &'static str {
        "multiclass"
    }

    fn labels(&self) -> LabelKind {
        LabelKind::Classes {
            least: 3,
            most: None,
        }
    }

    fn outputs(&self, target: &Target) -> usize {
        target.classes.len()
    }

    fn predictions(&self, target: &Target, _rule: &Rule, outputs: &[f64]) -> Vec<Predictions> {
        let rows = || outputs.chunks_exact(target.classes.len());
        let predicted: Vec<Option<usize>> = rows().map(most_probable).collect();
        let of_it = rows().zip(&predicted);
        let probability = of_it.map(|(row, class)| class.map_or(f64::NAN, |class| row[class]));
        let numbers = |name: String, values: Vec<f64>| Predictions {
            name,
            values: Values::Numbers(values),
        };
        let mut columns = vec![numbers(PROBABILITY.to_owned(), probability.collect())];
        for (class, name) in target.class_names().iter().enumerate() {
            let values = rows().map(|row| row[class]).collect();
            columns.push(numbers(probability_of(name), values));
        }
        columns.insert(
            0,
            Predictions {
                name: PREDICTION.to_owned(),
                values: Values::Classes(predicted),
            },
        );
        columns
    }

    fn output_columns(&self, target: &Target, _rule: &Rule) -> Vec<String> {
        target
            .class_names()
            .iter()
            .map(|name| probability_of(name))
            .collect()
    }

    fn counted_as(&self) -> CountedAs {
        CountedAs::PredictedClass
    }

    fn metrics(&self) -> &'static [Metric] {
        const METRICS: [Metric; 10] = [
            larger("accuracy"),
            larger("balanced_accuracy"),
            larger("macro_precision"),
            larger("macro_recall"),
            larger("macro_f1"),
            larger("weighted_precision"),
            larger("weighted_recall"),
            larger("weighted_f1"),
            smaller("log_loss"),
            larger("roc_auc"),
        ];
        &METRICS
    }

    fn gate_metric(&self) -> &'static str {
        "log_loss"
    }

    fn evaluation(&self, target: &Target, _rule: &Rule) -> Box<dyn Evaluation> {
        let classes = target.classes.len();
        Box::new(Measured {
            classes,
            rows: Classification::new(classes),
        })
    }
}

/// The column of a class's probability.
fn probability_of(class: &str) -> String {
    format!("{PROBABILITY}_{class}")
}

#[derive(Clone, Debug)]
struct Measured {
    classes: usize,
    rows: Classification,
}

impl Evaluation for Measured {
    fn add(
        &mut self,
        labels: &[f64],
        outputs: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(), RowError> {
        self.rows.add_rows(labels, outputs, weights)
    }

    fn merge(&mut self, later: Box<dyn Evaluation>) {
        self.rows.merge(&part_of::<Self>(later).rows);
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes()
    }

    /// One for each class, against the rest.
    fn rankings(&self) -> usize {
        self.classes
    }

    fn report(&self, ranks: &[RankMetrics]) -> Report {
        let complete = ranks.len() == self.classes;
        let all = complete.then(|| one_vs_rest(ranks)).flatten();
        let of_classes: Vec<Option<f64>> = ranks.iter().map(|rank| rank.roc_auc).collect();
        let more = [
            ("roc_auc", all.into()),
            ("roc_auc_of_classes", of_classes.into()),
        ];
        Report::other(&self.rows.report(), more)
    }

    fn copy(&self) -> Box<dyn Evaluation> {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
