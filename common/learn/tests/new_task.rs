//! A task and an estimator of another crate: counts, predicted by a mean for each side of a split.
//! They train, score, publish and report with what the crate offers, and without an edit of it.

#![allow(clippy::expect_used)]

use std::any::Any;

use learn::estimator::{
    self, AnyError, AnyPasses, CoMoments, Estimator, EstimatorError, Families, Family, FitBytes,
    FittedEstimator, Link, Read, Request, Seen,
};
use learn::metrics::{RankMetrics, regression};
use learn::preprocessing;
use learn::rows::{InMemory, RowError, Rows};
use learn::task::{
    Better, CountedAs, Evaluation, Label, LabelKind, Metric, Predictions, Report, Rule, Target,
    Task, TaskError, Tasks, Values, evaluate,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Debug)]
struct Count;

#[derive(Debug, Default)]
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

    fn output_columns(&self, _target: &Target) -> Vec<String> {
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

/// Fits [`Stump`].
#[derive(Debug)]
struct Split;

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

#[test]
fn a_task_of_another_crate_goes_the_whole_way() {
    let tasks = Tasks::standard().with(&Count);
    let families = Families::standard().with(&Split);
    let target = Target {
        name: "visits".to_owned(),
        classes: Vec::new(),
    };
    let task = tasks.get("count").expect("the new task");
    assert!(task.check(&target).is_ok());
    let labels: Vec<f64> = [1, 1, 5, 5]
        .map(|count| task.label(&target, Label::Int(count)).expect("a count"))
        .to_vec();
    assert!(task.label(&target, Label::Int(-1)).is_err());

    let rows = Rows {
        x: &[1.0, 2.0, 8.0, 9.0],
        y: &labels,
        weights: None,
    };
    let family = families.get("stump").expect("the new family");
    let request = Request {
        task,
        target: &target,
        inputs: &["age".to_owned()],
        options: &Map::new(),
    };
    let fit = family.fit(&mut InMemory::<AnyError>::new(rows, 3), &request);
    let stump = fit.expect("a fit").estimator;
    let file = stump.to_json().expect("a file");
    assert!(Families::standard().read(&file).is_err());
    let read = families.read(&file).expect("the new estimator");

    let mut outputs = Vec::new();
    read.predict(rows.x, &mut outputs);
    let columns = task.predictions(&target, &Rule::default(), &outputs);
    assert_eq!(columns[0].values, Values::Numbers(vec![1.0, 1.0, 5.0, 5.0]));
    let evaluation = task.evaluation(&target, &Rule::default());
    let report = evaluate(evaluation, &labels, &outputs, None).expect("a report");
    let metric = task.metric(task.gate_metric()).expect("a metric");
    assert!(report.number(metric.name).expect("a value") < 0.1);
}
