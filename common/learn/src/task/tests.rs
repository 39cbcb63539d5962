//! Labels, decisions and reports of the tasks.

use super::*;
use crate::metrics::Interval;

fn target(classes: &[&str]) -> Target {
    Target {
        name: "kind".to_owned(),
        classes: (classes.iter())
            .map(|class| ClassValue::Text((*class).to_owned()))
            .collect(),
    }
}

fn names(columns: &[Predictions]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn the_classes_of_a_target_say_its_task() {
    let tasks = Tasks::standard();
    let name = |classes: &[&str]| tasks.of_target(&target(classes)).map(|task| task.name());
    assert_eq!(name(&[]), Ok("regression"));
    assert_eq!(name(&["a", "b"]), Ok("binary"));
    assert_eq!(name(&["a", "b", "c"]), Ok("multiclass"));
    let error = name(&["a"]).expect_err("nothing to predict").to_string();
    assert_eq!(
        error,
        "target kind has one class: there is nothing to predict"
    );
    let error = tasks.get("ranking").expect_err("unknown").to_string();
    assert!(error.contains("binary, multiclass, regression"), "{error}");
    let binary = tasks.get("binary").expect("a task");
    let error = binary.check(&target(&["a", "b", "c"])).expect_err("three");
    assert_eq!(
        error.to_string(),
        "target kind has 3 classes, and task binary needs 2"
    );
}

#[test]
fn a_label_is_a_class_or_a_number() {
    let classes = Target {
        name: "bought".to_owned(),
        classes: vec![ClassValue::Int(0), ClassValue::Int(1)],
    };
    for label in [Label::Int(1), Label::Number(1.0)] {
        assert_eq!(Binary.label(&classes, label), Ok(1.0));
    }
    for label in [
        Label::Int(2),
        Label::Number(0.5),
        Label::Bool(true),
        Label::Text("1"),
    ] {
        let error = Binary.label(&classes, label).expect_err("no class");
        let expected = format!("bought is {label}: its allowed values are 0, 1");
        assert_eq!(error.to_string(), expected);
    }
    let flags = Target {
        classes: vec![ClassValue::Bool(false), ClassValue::Bool(true)],
        ..classes
    };
    assert_eq!(Binary.label(&flags, Label::Bool(true)), Ok(1.0));
    let price = target(&[]);
    assert_eq!(Regression.label(&price, Label::Int(-3)), Ok(-3.0));
    assert_eq!(Regression.label(&price, Label::Number(0.5)), Ok(0.5));
    for label in [Label::Number(f64::NAN), Label::Text("3"), Label::Bool(true)] {
        let error = Regression.label(&price, label).expect_err("no number");
        assert!(error.to_string().contains("a finite number"), "{error}");
    }
}

#[test]
fn predictions_have_the_columns_of_their_task() {
    let rule = Rule::default();
    let three = target(&["a", "b", "c"]);
    let columns = Multiclass.predictions(&three, &rule, &[0.2, 0.5, 0.3, f64::NAN, 0.5, 0.5]);
    let expected = [
        "prediction",
        "probability",
        "probability_a",
        "probability_b",
        "probability_c",
    ];
    assert_eq!(names(&columns), expected);
    assert_eq!(columns[0].values, Values::Classes(vec![Some(1), None]));
    let Values::Numbers(probability) = &columns[1].values else {
        panic!("a number");
    };
    assert!(probability[0] == 0.5 && probability[1].is_nan());
    assert_eq!(names(&Multiclass.predictions(&three, &rule, &[])), expected);

    let price = target(&[]);
    let columns = Regression.predictions(&price, &rule, &[2.0]);
    assert_eq!(names(&columns), ["prediction"]);
    let rule = Rule {
        interval: Some([-1.0, 3.0]),
        ..rule
    };
    let columns = Regression.predictions(&price, &rule, &[2.0]);
    assert_eq!(names(&columns), ["prediction", "lower", "upper"]);
    assert_eq!(columns[1].values, Values::Numbers(vec![1.0]));
    assert_eq!(columns[2].values, Values::Numbers(vec![5.0]));
    assert_eq!(Regression.output_columns(&price, &rule), ["prediction"]);

    // The ends are added to quantiles, and the prediction lies within.
    let rule = Rule {
        quantiles: true,
        ..rule
    };
    let outputs = [2.0, 1.5, 4.0, 2.0, 7.0, -9.0, f64::NAN, f64::NAN, f64::NAN];
    let columns = Regression.predictions(&price, &rule, &outputs);
    let numbers = |at: usize| match &columns[at].values {
        Values::Numbers(numbers) => numbers.clone(),
        _ => panic!("numbers"),
    };
    assert_eq!(numbers(0)[..2], [2.0, 2.0]);
    assert_eq!(numbers(1)[..2], [0.5, 2.0]);
    assert_eq!(numbers(2)[..2], [7.0, 2.0]);
    assert!((0..3).all(|at| numbers(at)[2].is_nan()));
    let read = ["prediction", "lower", "upper"];
    assert_eq!(Regression.output_columns(&price, &rule), read);

    let labels = [0.0, 2.0];
    let report = evaluate(
        Regression.evaluation(&price, &rule),
        &labels,
        &outputs[..6],
        None,
    );
    let report = report.expect("rows");
    assert_eq!(report.number("coverage"), Some(0.5));
    assert_eq!(report.number("mean_width"), Some(3.25));
    assert_eq!(report.number("max_error"), Some(2.0));
}

#[test]
fn every_metric_of_a_task_is_in_its_report_whole_or_in_parts() {
    let labels = [0.0, 1.0, 2.0, 1.0, 0.0];
    let three = [
        0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.125, 0.25, 0.625, 0.5, 0.25, 0.25, 0.75, 0.125, 0.125,
    ];
    let cases: [(&str, Target, Vec<f64>, Vec<f64>); 3] = [
        (
            "multiclass",
            target(&["a", "b", "c"]),
            labels.to_vec(),
            three.to_vec(),
        ),
        (
            "binary",
            target(&["a", "b"]),
            labels.map(|label: f64| label.min(1.0)).to_vec(),
            vec![0.25, 0.5, 0.75, 0.5, 0.5],
        ),
        (
            "regression",
            target(&[]),
            labels.to_vec(),
            vec![0.5, 1.0, 2.5, 0.0, 0.0],
        ),
    ];
    let rule = Rule::default();
    for (name, target, labels, outputs) in cases {
        let task = Tasks::standard().get(name).expect("a task");
        let report =
            evaluate(task.evaluation(&target, &rule), &labels, &outputs, None).expect("rows");
        for metric in task.metrics() {
            assert!(
                report.number(metric.name).is_some(),
                "{name}, {}",
                metric.name
            );
        }
        assert!(task.metric(task.gate_metric()).is_some());

        let width = task.outputs(&target);
        let mut parts = task.evaluation(&target, &rule);
        for (row, label) in labels.iter().enumerate() {
            let mut part = task.evaluation(&target, &rule);
            let of_row = &outputs[row * width..(row + 1) * width];
            part.add(&[*label], of_row, None).expect("a row");
            parts.merge(part);
        }
        let parts = parts.report(&[]);
        for metric in task.metrics() {
            let (whole, part) = (report.number(metric.name), parts.number(metric.name));
            match metric.name {
                "roc_auc" | "pr_auc" => assert_eq!(part, None),
                _ => assert!((whole.unwrap_or(9.0) - part.unwrap_or(-9.0)).abs() < 1e-12),
            }
        }
    }
}

#[test]
fn an_interval_ends_where_its_metric_does() {
    for (name, value, [low, high], expected) in [
        ("log_loss", 0.1, [-0.2, 1.4], [0.0, 1.4]),
        ("brier", 0.6, [-0.2, 1.4], [0.0, 1.0]),
        ("rmse", 3.0, [-1.0, 7.0], [0.0, 7.0]),
        ("roc_auc", 0.9, [0.7, 1.1], [0.7, 1.0]),
        ("precision", 0.1, [-0.1, 0.3], [0.0, 0.3]),
        ("r2", 0.1, [-0.9, 1.1], [-0.9, 1.0]),
        ("accuracy", 0.5, [0.4, 0.6], [0.4, 0.6]),
    ] {
        let metric = Metric::named(name).expect(name);
        let Interval { low, high } = metric.possible(value, Interval { low, high });
        assert_eq!([low, high], expected, "{name}");
    }
    // A correlation of another program, which may be below 0.
    let other = Metric {
        name: "correlation",
        better: Better::Larger,
    };
    let interval = Interval {
        low: -0.3,
        high: -0.1,
    };
    assert_eq!(other.possible(-0.2, interval), interval);
}

#[test]
fn a_difference_is_at_most_as_large_as_the_range_of_its_metric() {
    let infinite = f64::INFINITY;
    for (name, value, [low, high], expected) in [
        ("roc_auc", -0.9, [-1.2, -0.6], [-1.0, -0.6]),
        ("brier", 0.9, [0.7, 1.1], [0.7, 1.0]),
        ("log_loss", -1.5, [-2.5, -0.5], [-2.5, -0.5]),
        ("r2", 1.5, [-infinite, 2.5], [-infinite, 2.5]),
    ] {
        let metric = Metric::named(name).expect(name);
        let interval = Interval { low, high };
        let Interval { low, high } = metric.possible_difference(value, interval);
        assert_eq!([low, high], expected, "{name}");
    }
}
