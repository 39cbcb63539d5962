//! A task and an estimator of another crate train, score and report with what the crate offers, and
//! without an edit of it.

#![allow(clippy::expect_used)]

mod count;

use learn::estimator::{AnyError, Families, Request};
use learn::rows::{InMemory, Rows};
use learn::task::{Label, Rule, Target, Tasks, Values, evaluate};
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
