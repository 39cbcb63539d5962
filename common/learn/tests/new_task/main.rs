//! A task and an estimator of another crate train, score and report with what the crate offers, and
//! without an edit of it.

#![allow(clippy::expect_used)]

mod count;

use learn::estimator::{AnyError, Families, Request};
use learn::fitted_model::Reader;
use learn::rows::{InMemory, Rows};
use learn::task::{
    Better, CountedAs, Evaluation, Label, LabelKind, Metric, Predictions, Rule, Target, Task,
    Tasks, Values, evaluate,
};
use serde_json::Map;

use count::{Count, Split};

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
        quantiles: None,
        task,
        target: &target,
        inputs: &["age".to_owned()],
        one_hot: &[],
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

/// Counts, with a metric that no other task has.
#[derive(Debug)]
struct Measured;

impl Task for Measured {
    fn name(&self) -> &'static str {
        "measured-count"
    }

    fn labels(&self) -> LabelKind {
        Count.labels()
    }

    fn outputs(&self, target: &Target) -> usize {
        Count.outputs(target)
    }

    fn predictions(&self, target: &Target, rule: &Rule, outputs: &[f64]) -> Vec<Predictions> {
        Count.predictions(target, rule, outputs)
    }

    fn output_columns(&self, target: &Target, rule: &Rule) -> Vec<String> {
        Count.output_columns(target, rule)
    }

    fn counted_as(&self) -> CountedAs {
        Count.counted_as()
    }

    fn metrics(&self) -> &'static [Metric] {
        const METRICS: [Metric; 1] = [Metric {
            name: "bias",
            better: Better::Smaller,
        }];
        &METRICS
    }

    fn gate_metric(&self) -> &'static str {
        "bias"
    }

    fn evaluation(&self, target: &Target, rule: &Rule) -> Box<dyn Evaluation> {
        Count.evaluation(target, rule)
    }
}

#[test]
fn the_whole_program_reads_with_what_is_installed() {
    let reader = || Reader {
        tasks: Tasks::standard().with(&Measured),
        families: Families::standard().with(&Split),
    };
    reader().install().expect("nothing was read yet");
    assert_eq!(Metric::named("bias").map(|of| of.name), Ok("bias"));
    assert!(Metric::names().contains(&"bias"));
    let known = Reader::known();
    assert!(known.tasks.get("measured-count").is_ok());
    assert!(known.families.get("stump").is_ok());
    assert!(reader().install().is_err());
}
