//! Two classes.

use std::any::Any;

use serde_json::Value;

use super::{
    Evaluation, LabelKind, Metric, PREDICTION, PROBABILITY, Predictions, Rule, Target, Task,
    Values, larger, object, part_of, smaller,
};
use crate::metrics::RankMetrics;
use crate::metrics::weighted::Classification;
use crate::rows::RowError;

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
        Box::new(Measured(Classification::new(rule.threshold)))
    }
}

#[derive(Debug)]
struct Measured(Classification);

impl Evaluation for Measured {
    fn add(
        &mut self,
        labels: &[f64],
        outputs: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(), RowError> {
        self.0.add_rows(labels, outputs, weights)
    }

    fn merge(&mut self, later: Box<dyn Evaluation>) {
        self.0.merge(&part_of::<Self>(later).0);
    }

    fn rankings(&self) -> usize {
        1
    }

    fn ranked(&self, _ranking: usize, label: f64, outputs: &[f64]) -> (f64, bool) {
        (outputs[0], label == 1.0)
    }

    fn report(&self, ranks: &[RankMetrics]) -> Value {
        let rank = ranks.first().copied().unwrap_or_default();
        let more = [
            ("roc_auc", rank.roc_auc.into()),
            ("pr_auc", rank.pr_auc.into()),
        ];
        object(&self.0.report(), more)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
