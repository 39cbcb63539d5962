//! A task and a family of estimators that this project does not have: counts, predicted by a mean
//! for each side of a split.

use std::any::Any;

use learn::estimator::{
    self, AnyError, AnyPasses, CoMoments, Estimator, EstimatorError, Family, FitBytes,
    FittedEstimator, Link, Read, Request, Seen,
};
use learn::metrics::{RankMetrics, regression};
use learn::preprocessing;
use learn::rows::RowError;
use learn::task::{
    Better, CountedAs, Evaluation, Label, LabelKind, Metric, Predictions, Report, Rule, Target,
    Task, TaskError, Values,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A count of something.
#[derive(Debug)]
pub(crate) struct Count;

#[derive(Clone, Debug, Default)]
struct Measured(regression::Regression);

impl Task for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn labels(&self) -> LabelKind {
        LabelKind::Number
    }

    fn outputs(&self, _target: &Target) -> usize {
        1
    }

    fn predictions(&self, _target: &Target, _rule: &Rule, outputs: &[f64]) -> Vec<Predictions> {
        let column = |name: &str, values: Vec<f64>| Predictions {
            name: name.to_owned(),
            values: Values::Numbers(values),
        };
        vec![
            column("prediction", outputs.iter().map(|v| v.round()).collect()),
            column("expected", outputs.to_vec()),
        ]
    }

    fn output_columns(&self, _target: &Target, _rule: &Rule) -> Vec<String> {
        vec!["expected".to_owned()]
    }

    fn counted_as(&self) -> CountedAs {
        CountedAs::Number
    }

    fn metrics(&self) -> &'static [Metric] {
        const METRICS: [Metric; 1] = [Metric {
            name: "mae",
            better: Better::Smaller,
        }];
        &METRICS
    }

    fn gate_metric(&self) -> &'static str {
        "mae"
    }

    fn evaluation(&self, _target: &Target, _rule: &Rule) -> Box<dyn Evaluation> {
        Box::new(Measured::default())
    }

    fn label(&self, target: &Target, label: Label<'_>) -> Result<f64, TaskError> {
        match label {
            Label::Int(count @ 0..) => Ok(count as f64),
            other => Err(TaskError::NotANumber {
                target: target.name.clone(),
                label: other.to_string(),
                task: self.name(),
            }),
        }
    }
}

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
        let later = later.into_any().downcast::<Self>().expect("of this task");
        self.0.merge(&later.0);
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

/// One value on either side of the first input's mean.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stump {
    inputs: usize,
    at: f64,
    low: f64,
    high: f64,
}

impl Estimator for Stump {
    fn kind(&self) -> &'static str {
        "stump"
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        1
    }

    fn link(&self) -> Link {
        Link::Identity
    }

    fn raw(&self, rows: &[f64], out: &mut Vec<f64>) {
        let rows = rows.chunks_exact(self.inputs);
        out.extend(rows.map(|row| {
            if row[0] < self.at {
                self.low
            } else {
                self.high
            }
        }));
    }

    fn importance(&self, std: &[f64]) -> Vec<f64> {
        let mut all = vec![0.0; std.len()];
        all[0] = self.high - self.low;
        all
    }

    fn contributions(&self, _row: &[f64], _centre: &[f64]) -> Option<Vec<f64>> {
        None
    }

    fn validate(&self) -> Result<(), EstimatorError> {
        if self.inputs > 0 && [self.at, self.low, self.high].iter().all(|v| v.is_finite()) {
            return Ok(());
        }
        Err(EstimatorError::Invalid("its numbers are not finite".into()))
    }

    fn fields(&self) -> Result<Value, EstimatorError> {
        estimator::fields(self)
    }
}

/// Fits one value for either side of the first input's mean.
#[derive(Debug)]
pub(crate) struct Split;

impl Family for Split {
    fn name(&self) -> &'static str {
        "stump"
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        vec![("stump", estimator::read::<Stump>)]
    }

    fn learns(&self, task: &dyn Task, _target: &Target) -> bool {
        task.labels() == LabelKind::Number
    }

    fn preparation(&self) -> preprocessing::Family {
        preprocessing::Family::Trees
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        Ok(given.clone())
    }

    fn bytes(&self, _inputs: usize, _target: &Target) -> FitBytes {
        FitBytes { once: 0, each: 0 }
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let inputs = request.inputs;
        let moments = estimator::pass(rows, CoMoments::new(inputs, &[]))?;
        let slope = moments.product(0, inputs.len()) / moments.product(0, 0);
        let (mean, half) = (moments.mean(inputs.len()), slope * moments.std(0));
        Ok(FittedEstimator {
            estimator: Box::new(Stump {
                inputs: inputs.len(),
                at: moments.mean(0),
                low: mean - half,
                high: mean + half,
            }),
            seen: Seen::from(&moments),
            importance: Vec::new(),
            descent: None,
        })
    }
}
