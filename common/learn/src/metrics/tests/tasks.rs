//! Metrics of several classes, of numbers and of weighted rows, against scikit-learn.

use serde::Deserialize;
use serde_json::Value;

use super::assert_same;
use crate::metrics::regression::{Bands, Regression};
use crate::metrics::select::{Select, Step};
use crate::metrics::{RankMetrics, multiclass, weighted};
use crate::rows::RowError;

#[derive(Deserialize)]
struct Fixture {
    multiclass: Vec<Case>,
    binary: Vec<Case>,
    regression: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Vec<f64>,
    outputs: Vec<f64>,
    weights: Option<Vec<f64>>,
    #[serde(flatten)]
    theirs: serde_json::Map<String, Value>,
}

fn fixture() -> Fixture {
    let text = include_str!("../../../../testing/fixtures/task_metrics.json");
    serde_json::from_str(text).expect("a fixture")
}

impl Case {
    fn number(&self, name: &str) -> Option<f64> {
        self.theirs[name].as_f64()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let list = self.theirs[name].as_array().expect("a list");
        let flat = list.iter().flat_map(|value| match value {
            Value::Array(inner) => inner.clone(),
            other => vec![other.clone()],
        });
        flat.map(|value| value.as_f64().expect("a number"))
            .collect()
    }

    fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Labels, outputs and weights of chunks.
    fn chunks(&self, size: usize) -> impl Iterator<Item = (&[f64], &[f64], Option<&[f64]>)> {
        let width = self.outputs.len() / self.labels.len();
        (0..self.labels.len()).step_by(size).map(move |start| {
            let end = (start + size).min(self.labels.len());
            (
                &self.labels[start..end],
                &self.outputs[start * width..end * width],
                self.weights().map(|weights| &weights[start..end]),
            )
        })
    }

    /// Every metric of a report that the fixture knows, by name.
    fn compare(&self, report: &impl serde::Serialize) {
        let Value::Object(ours) = serde_json::to_value(report).expect("JSON") else {
            panic!("a report is an object");
        };
        let known = ours
            .iter()
            .filter(|(name, value)| self.theirs.contains_key(*name) && !value.is_array());
        let compared = known.map(|(name, value)| {
            let theirs = self.number(name);
            let ours = value.as_f64();
            let size = theirs.map_or(1.0, |value| value.abs().max(1.0));
            assert_same(
                ours.map(|value| value / size),
                theirs.map(|value| value / size),
                &format!("{}, {name}", self.name),
            );
        });
        assert!(compared.count() >= 6, "{}", self.name);
    }

    /// Ranked by output `class` of each row, as a row of this class against all others.
    fn ranked(&self, class: f64, width: usize, at: usize) -> RankMetrics {
        let mut rows: Vec<(f64, bool, f64)> = (self.labels.iter().enumerate())
            .map(|(row, label)| {
                let weight = self.weights().map_or(1.0, |weights| weights[row]);
                (self.outputs[row * width + at], *label == class, weight)
            })
            .collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut ranking = weighted::Ranking::default();
        for (score, positive, weight) in rows {
            ranking.add(score, positive, weight).expect("sorted");
        }
        ranking.metrics()
    }
}

#[test]
fn several_classes_are_measured_as_by_scikit_learn() {
    let cases = fixture().multiclass;
    assert_eq!(cases.len(), 7);
    for case in cases {
        let classes = case.number("classes").expect("a number") as usize;
        for size in [usize::MAX >> 1, 7] {
            let mut all = multiclass::Classification::new(classes);
            for (labels, outputs, weights) in case.chunks(size) {
                let mut part = multiclass::Classification::new(classes);
                part.add_rows(labels, outputs, weights).expect("rows");
                all.merge(&part);
            }
            let report = all.report();
            case.compare(&report);
            let confusion = report.confusion.concat();
            for (ours, theirs) in confusion.iter().zip(case.numbers("confusion")) {
                assert_same(Some(*ours), Some(theirs), &case.name);
            }
            assert_same(all.top_k_accuracy(2), case.number("top_2"), &case.name);
            assert_eq!(all.top_k_accuracy(classes), Some(1.0));
        }
        let ranks: Vec<RankMetrics> = (0..classes)
            .map(|class| case.ranked(class as f64, classes, class))
            .collect();
        assert_same(
            multiclass::one_vs_rest(&ranks),
            case.number("roc_auc"),
            &case.name,
        );
    }
}

#[test]
fn weighted_rows_of_two_classes_are_measured_as_by_scikit_learn() {
    let cases = fixture().binary;
    assert_eq!(cases.len(), 3);
    for case in cases {
        let threshold = case.number("threshold").expect("a number");
        let mut all = weighted::Classification::new(threshold);
        for (labels, outputs, weights) in case.chunks(50) {
            let mut part = weighted::Classification::new(threshold);
            part.add_rows(labels, outputs, weights).expect("rows");
            all.merge(&part);
        }
        let report = all.report();
        case.compare(&report);
        for (ours, theirs) in report.confusion.iter().zip(case.numbers("confusion")) {
            assert_same(Some(*ours), Some(theirs), &case.name);
        }
        let ranks = case.ranked(1.0, 1, 0);
        assert_same(ranks.roc_auc, case.number("roc_auc"), &case.name);
        assert_same(ranks.pr_auc, case.number("pr_auc"), &case.name);
    }
}

fn quantiles(shares: &[f64], chunks: &[(Vec<f64>, Option<&[f64]>)]) -> Vec<Option<f64>> {
    let mut select = Select::new(shares);
    for _ in 0..4 {
        let start = select.clone();
        for (values, weights) in chunks {
            let mut part = start.clone();
            part.add(values, *weights);
            select.merge(&part);
        }
        match select.advance() {
            Step::Again(next) => select = next,
            Step::Done(quantiles) => return quantiles,
        }
    }
    panic!("four passes settle 64 bits");
}

#[test]
fn numbers_are_measured_as_by_scikit_learn() {
    let cases = fixture().regression;
    assert_eq!(cases.len(), 9);
    for case in cases {
        for size in [usize::MAX >> 1, 13] {
            let mut all = Regression::default();
            for (labels, outputs, weights) in case.chunks(size) {
                let mut part = Regression::default();
                part.add_rows(labels, outputs, weights).expect("rows");
                all.merge(&part);
            }
            case.compare(&all.report());
            let errors: Vec<_> = case
                .chunks(size)
                .map(|(labels, outputs, weights)| {
                    let pairs = labels.iter().zip(outputs);
                    (pairs.map(|(y, p)| (p - y).abs()).collect(), weights)
                })
                .collect();
            let median = quantiles(&[0.5], &errors)[0];
            assert_same(median, case.number("median"), &case.name);
        }
    }
}

#[test]
fn errors_by_decile_are_those_of_its_rows() {
    for case in fixture().regression {
        let shares: Vec<f64> = (1..10).map(|i| f64::from(i) / 10.0).collect();
        let plain: Vec<_> = case
            .chunks(17)
            .map(|(_, outputs, _)| (outputs.to_vec(), None))
            .collect();
        let edges: Vec<f64> = quantiles(&shares, &plain).into_iter().flatten().collect();
        assert_eq!(edges, case.numbers("edges"), "{}", case.name);
        let mut all = Bands::new(&edges);
        for (labels, outputs, _) in case.chunks(17) {
            let mut part = Bands::new(&edges);
            part.add_rows(labels, outputs, None).expect("rows");
            all.merge(&part);
        }
        let filled = all.report().into_iter().filter(|band| band.report.rows > 0);
        let ours: Vec<f64> = filled.filter_map(|band| band.report.mae).collect();
        let theirs = case.numbers("mae_of_bands");
        assert_eq!(ours.len(), theirs.len(), "{}", case.name);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_same(Some(*ours), Some(*theirs), &case.name);
        }
    }
}

#[test]
fn quantiles_are_found_among_any_numbers() {
    let numbers = [
        f64::MIN,
        -1.5,
        -f64::MIN_POSITIVE,
        -0.0,
        0.0,
        5e-324,
        1.0,
        1.0 + f64::EPSILON,
        f64::MAX,
    ];
    let chunks = [(numbers[4..].to_vec(), None), (numbers[..4].to_vec(), None)];
    for (i, number) in numbers.iter().enumerate() {
        let share = (i as f64 + 0.5) / 9.0;
        assert_eq!(quantiles(&[share], &chunks), [Some(*number)]);
    }
    let ends = quantiles(&[0.0, 1.0], &chunks);
    assert_eq!(ends, [Some(f64::MIN), Some(f64::MAX)]);
    let nothing = [(vec![1.0], Some([0.0].as_slice()))];
    assert_eq!(quantiles(&[0.5, 0.9], &nothing), [None, None]);
}

#[test]
fn what_cannot_be_measured_is_refused_by_row() {
    let mut rows = multiclass::Classification::new(3);
    let error = rows.add_rows(&[0.0, 3.0], &[0.5; 6], None);
    let text = error.expect_err("a class too many").to_string();
    assert!(text.contains("label is 3 in row 1"), "{text}");
    let error = rows.add_rows(&[0.0, 1.0], &[0.5, 0.5, 0.0, 0.5, 1.5, 0.0], None);
    let text = error.expect_err("no probability").to_string();
    assert!(text.contains("prediction is 1.5 in row 1"), "{text}");
    assert_eq!(rows.report().accuracy, None);
    assert_eq!(rows.report().macro_f1, None);

    let mut rows = Regression::default();
    let error = rows.add_rows(&[0.0, 1.0], &[1.0, f64::INFINITY], None);
    assert!(matches!(error, Err(RowError::Prediction { row: 1, .. })));
    let error = rows.add_rows(&[0.0, 1.0], &[1.0, 1.0], Some(&[1.0, -1.0]));
    assert!(matches!(error, Err(RowError::Weight { row: 1, .. })));
    let report = rows.report();
    assert_eq!((report.rows, report.mae, report.r2), (0, None, None));
}
