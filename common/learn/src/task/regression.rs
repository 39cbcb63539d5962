//! A number.

use std::any::Any;

use super::metric::{larger, smaller};
use super::{
    CountedAs, Evaluation, LOWER, LabelKind, Metric, PREDICTION, Predictions, Report, Rule, Target,
    Task, UPPER, Values, part_of,
};
use crate::metrics::RankMetrics;
use crate::metrics::regression;
use crate::rows::RowError;

/// A number, with an interval where the rule has one.
#[derive(Clone, Copy, Debug)]
pub struct Regression;

impl Task for Regression {
    fn name(&self) -> &'static str {
        "regression"
    }

    fn labels(&self) -> LabelKind {
        LabelKind::Number
    }

    fn outputs(&self, _target: &Target) -> usize {
        1
    }

    fn predictions(&self, _target: &Target, rule: &Rule, outputs: &[f64]) -> Vec<Predictions> {
        let moved = |name: &str, by: f64| Predictions {
            name: name.to_owned(),
            values: Values::Numbers(outputs.iter().map(|value| value + by).collect()),
        };
        let mut columns = vec![moved(PREDICTION, 0.0)];
        if let Some([lower, upper]) = rule.interval {
            columns.extend([moved(LOWER, lower), moved(UPPER, upper)]);
        }
        columns
    }

    fn output_columns(&self, _target: &Target) -> Vec<String> {
        vec![PREDICTION.to_owned()]
    }

    fn counted_as(&self) -> CountedAs {
        CountedAs::Number
    }

    fn metrics(&self) -> &'static [Metric] {
        const METRICS: [Metric; 5] = [
            smaller("mae"),
            smaller("rmse"),
            larger("r2"),
            smaller("mape"),
            smaller("max_error"),
        ];
        &METRICS
    }

    fn gate_metric(&self) -> &'static str {
        // On one holdout it ranks as the RMSE does, and it has no unit: a margin means the same for
        // any target.
        "r2"
    }

    fn evaluation(&self, _target: &Target, rule: &Rule) -> Box<dyn Evaluation> {
        Box::new(Measured(regression::Regression::with_interval(
            rule.interval,
        )))
    }
}

#[derive(Clone, Debug)]
struct Measured(regression::Regression);

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

    fn report(&self, _ranks: &[RankMetrics]) -> Report {
        Report::other(&self.0.report(), [])
    }

    fn copy(&self) -> Box<dyn Evaluation> {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
