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
use crate::rule::{ends, width};

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
        let column = |name: &str, of: &dyn Fn(&[f64]) -> f64| Predictions {
            name: name.to_owned(),
            values: Values::Numbers(outputs.chunks_exact(width(rule)).map(of).collect()),
        };
        let mut columns = vec![column(PREDICTION, &|row| row[0])];
        if let Some(interval) = rule.interval {
            let end = |at: usize| move |row: &[f64]| ends(row, interval)[at];
            columns.extend([column(LOWER, &end(0)), column(UPPER, &end(1))]);
        }
        columns
    }

    fn output_columns(&self, _target: &Target, rule: &Rule) -> Vec<String> {
        let names = [PREDICTION, LOWER, UPPER].into_iter().take(width(rule));
        names.map(str::to_owned).collect()
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
        Box::new(Measured(regression::Regression::of(rule)))
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
