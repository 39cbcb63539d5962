//! Two classes.

use std::any::Any;

use super::metric::{larger, smaller};
use super::{
    CountedAs, Evaluation, LabelKind, Metric, PREDICTION, PROBABILITY, Predictions, Report, Rule,
    Target, Task, Values, part_of,
};
use crate::metrics::{Classification, RankMetrics, weighted};
use crate::rows::{RowError, Rows};

/// Two classes: the probability of the second, and a decision at a threshold.
#[derive(Clone, Copy, Debug)]
pub struct Binary;

impl Task for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn labels(&self) -> LabelKind {
        LabelKind::Classes {
            least: 2,
            most: Some(2),
        }
    }

    fn outputs(&self, _target: &Target) -> usize {
        1
    }

    fn predictions(&self, _target: &Target, rule: &Rule, outputs: &[f64]) -> Vec<Predictions> {
        let decide = |p: &f64| (!p.is_nan()).then_some(usize::from(*p >= rule.threshold));
        vec![
            Predictions {
                name: PREDICTION.to_owned(),
                values: Values::Classes(outputs.iter().map(decide).collect()),
            },
            Predictions {
                name: PROBABILITY.to_owned(),
                values: Values::Numbers(outputs.to_vec()),
            },
        ]
    }

    fn output_columns(&self, _target: &Target, _rule: &Rule) -> Vec<String> {
        vec![PROBABILITY.to_owned()]
    }

    fn counted_as(&self) -> CountedAs {
        CountedAs::PositiveClass
    }

    fn metrics(&self) -> &'static [Metric] {
        const METRICS: [Metric; 9] = [
            larger("accuracy"),
            larger("balanced_accuracy"),
            larger("precision"),
            larger("recall"),
            larger("f1"),
            smaller("log_loss"),
            smaller("brier"),
            larger("roc_auc"),
            larger("pr_auc"),
        ];
        &METRICS
    }

    fn gate_metric(&self) -> &'static str {
        "roc_auc"
    }

    fn evaluation(&self, _target: &Target, rule: &Rule) -> Box<dyn Evaluation> {
        Box::new(Measured {
            rows: Classification::new(rule.threshold),
            weighted: None,
        })
    }
}

#[derive(Clone, Debug)]
struct Measured {
    rows: Classification,
    /// Of rows that weigh.
    weighted: Option<weighted::Classification>,
}

impl Evaluation for Measured {
    fn add(
        &mut self,
        labels: &[f64],
        outputs: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(), RowError> {
        let rows = Rows {
            x: outputs,
            y: labels,
            weights,
        };
        rows.check_classes(2)?;
        if let Some(weights) = weights {
            let none = || weighted::Classification::new(self.rows.threshold());
            let weighted = self.weighted.get_or_insert_with(none);
            weighted.add_rows(labels, outputs, Some(weights))?;
        }
        let labels: Vec<u8> = labels.iter().map(|label| *label as u8).collect();
        Ok(self.rows.add_rows(&labels, outputs)?)
    }

    fn merge(&mut self, later: Box<dyn Evaluation>) {
        let later = part_of::<Self>(later);
        self.rows.merge(&later.rows);
        match (&mut self.weighted, later.weighted) {
            (Some(own), Some(later)) => own.merge(&later),
            (own @ None, later) => *own = later,
            (Some(_), None) => {}
        }
    }

    fn rankings(&self) -> usize {
        1
    }

    fn ranked(&self, _ranking: usize, label: f64, outputs: &[f64]) -> (f64, bool) {
        (outputs[0], label == 1.0)
    }

    fn report(&self, ranks: &[RankMetrics]) -> Report {
        let mut report = self.rows.report(ranks.first());
        if let Some(weighted) = &self.weighted {
            report.weigh(&weighted.report());
        }
        Report::Binary(Box::new(report))
    }

    fn copy(&self) -> Box<dyn Evaluation> {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
