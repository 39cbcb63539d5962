//! What holds for every estimator, of whatever family.

use super::*;
use crate::estimator::boosting::{Grower, Grown, Growth, Look, Node, Tree, single};
use crate::model::ClassValue;
use crate::task::{Target, Tasks};

/// Rows, and what grows trees on them: what grows those of training is no part of this crate.
struct Growing<'a> {
    rows: InMemory<'a, AnyError>,
    sample: &'a [f64],
}

impl AnyPasses for Growing<'_> {
    fn pass_any(&mut self, start: Erased) -> Result<Erased, AnyError> {
        self.rows.pass(start)
    }

    fn grower(&mut self) -> Option<&mut dyn Grower> {
        Some(self)
    }
}

impl Grower for Growing<'_> {
    fn grow(&mut self, growth: &Growth<'_>) -> Result<Grown, AnyError> {
        self.split_at_means(growth)
    }

    fn grow_forest(&mut self, growth: &Growth<'_, forest::Options>) -> Result<Grown, AnyError> {
        self.split_at_means(growth)
    }
}

impl Growing<'_> {
    /// A tree for each input and raw score. The leaves of all raw scores add up to 0, as those of
    /// shares have to.
    fn split_at_means<O>(&mut self, growth: &Growth<'_, O>) -> Result<Grown, AnyError> {
        let look = self
            .rows
            .pass(Look::new(growth.inputs, growth.target.classes.len()))?;
        let (units, base_score) = growth.start(&look)?;
        let (seen, outputs) = (look.seen(), growth.loss.outputs());
        let tree = |input: usize, output: usize| {
            let by = match output {
                0 => 0.05,
                _ => -0.05 / (outputs - 1) as f32,
            };
            let root = Node {
                input: input as u32,
                value: single(seen.inputs[input].mean),
                left: 1,
                right: 2,
                gain: 1.0,
                ..Node::leaf(0.0, 8.0)
            };
            Tree::new(
                output,
                vec![root, Node::leaf(by, 3.0), Node::leaf(-by, 5.0)],
            )
        };
        let of_input = |input| (0..outputs).map(move |output| (input, output));
        let trees = (0..growth.inputs.len()).flat_map(of_input);
        let trees = trees.map(|(input, output)| tree(input, output));
        Ok(Grown {
            trees: trees.collect::<Result<_, _>>()?,
            base_score,
            units,
            seen,
            sample: self.sample.to_vec(),
        })
    }
}

/// What each family fits for each task that it learns, with rows to predict: whatever is in the
/// registry is tried. Then trees of XGBoost, which are deeper.
fn fitted() -> Vec<(Box<dyn Estimator>, Data)> {
    let mut all: Vec<(Box<dyn Estimator>, Data)> = Vec::new();
    for family in Families::standard().all() {
        for classes in [0, 2, 3] {
            let target = Target {
                name: "label".to_owned(),
                classes: names("class", classes)
                    .into_iter()
                    .map(ClassValue::Text)
                    .collect(),
            };
            let task = Tasks::standard().of_target(&target).expect("a task");
            if !family.learns(task, &target) {
                continue;
            }
            let options = family.options(&family.example_options());
            let request = Request {
                quantiles: None,
                task,
                target: &target,
                inputs: &names("x", 3),
                one_hot: &[],
                options: &options.expect("options"),
            };
            let data = Data::new(30 + classes as u64, 200, 3, classes, false);
            let rows = Rows {
                x: &data.x,
                y: &data.y,
                weights: Some(&data.weights),
            };
            let fit = || {
                let mut rows = Growing {
                    rows: InMemory::new(rows, 64),
                    sample: &data.x[..60],
                };
                family.fit(&mut rows, &request).expect("a fit")
            };
            let (fit, again) = (fit(), fit().estimator);
            assert_eq!(again.to_json().ok(), fit.estimator.to_json().ok());
            assert_eq!((fit.seen.rows, fit.seen.inputs.len()), (200, 3));
            assert!(fit.descent.is_none_or(|descent| descent.converged));
            assert_eq!(fit.estimator.outputs(), task.outputs(&target));
            all.push((fit.estimator, data));
        }
    }
    for classes in [0, 2, 3] {
        let trees = boosting::tests::of_classes(classes).expect("trees");
        let data = Data::new(30 + classes as u64, 200, 3, classes, false);
        all.push((Box::new(trees), data));
    }
    all
}

fn predictions(estimator: &dyn Estimator, rows: &[f64], batch: usize) -> Vec<u64> {
    let mut all = Vec::new();
    for rows in rows.chunks(batch * estimator.inputs()) {
        estimator.predict(rows, &mut all);
    }
    all.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_kind_is_tried() {
    let tried: Vec<&str> = fitted().iter().map(|(e, _)| e.kind()).collect();
    for (kind, _) in Families::standard().kinds() {
        assert!(tried.contains(&kind), "{kind} is not among {tried:?}");
    }
}

#[test]
fn a_file_reads_back_to_the_same_bits() {
    for (estimator, data) in fitted() {
        let object = estimator.to_json().expect("JSON");
        let text = serde_json::to_string_pretty(&object).expect("JSON");
        let read = Families::standard()
            .read(&serde_json::from_str(&text).expect("JSON"))
            .expect("an estimator");
        assert_eq!(read.kind(), estimator.kind());
        assert_eq!(
            serde_json::to_string_pretty(&read.to_json().expect("JSON")).expect("JSON"),
            text
        );
        assert_eq!(
            predictions(&*read, &data.x, 100),
            predictions(&*estimator, &data.x, 100)
        );
        for (extra, reason) in [
            ("of_another_release", "unknown field"),
            ("kind", "this program knows"),
        ] {
            let mut other = object.clone();
            other[extra] = "oak".into();
            let error = Families::standard().read(&other).expect_err("refused");
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let text = format!("{error} {}", cause.unwrap_or_default());
            assert!(text.contains(reason), "{text}");
        }
    }
}

#[test]
fn batches_of_any_size_get_the_same_predictions() {
    for (estimator, data) in fitted() {
        let whole = predictions(&*estimator, &data.x, usize::MAX >> 8);
        assert_eq!(whole.len(), data.y.len() * estimator.outputs());
        for batch in [1, 7, 64] {
            assert_eq!(whole, predictions(&*estimator, &data.x, batch));
        }
    }
}

#[test]
fn contributions_add_up_to_the_raw_score() {
    for (estimator, data) in fitted() {
        let inputs = estimator.inputs();
        let centre = &data.x[..inputs];
        for row in data.x.chunks_exact(inputs).take(20) {
            let mut raw = Vec::new();
            estimator.raw(row, &mut raw);
            let parts = estimator.contributions(row, centre).expect("parts");
            assert_eq!(parts.len(), raw.len() * (inputs + 1));
            for (parts, raw) in parts.chunks_exact(inputs + 1).zip(raw) {
                let size = parts.iter().fold(1.0, |sum, part| sum + part.abs());
                let sum: f64 = parts.iter().sum();
                assert!((sum - raw).abs() <= 1e-12 * size, "{estimator:?}");
            }
        }
        let importance = estimator.importance(&vec![1.0; inputs]);
        assert!(importance.len() == inputs && importance.iter().all(|i| *i >= 0.0));
    }
}

/// The raw scores of a row, computed anew of what an estimator says of itself.
fn by_formula(formula: &Formula<'_>, row: &[f64]) -> Vec<f64> {
    let linear = |(coefficients, intercept): (&&[f64], &f64)| {
        let products = coefficients.iter().zip(row).map(|(of, x)| of * x);
        intercept + products.sum::<f64>()
    };
    match formula {
        Formula::Constant(scores) => scores.to_vec(),
        Formula::Linear {
            coefficients,
            intercepts,
        } => coefficients.iter().zip(*intercepts).map(linear).collect(),
        Formula::Trees {
            base_score,
            trees,
            units,
        } => {
            let mut scores = base_score.to_vec();
            for tree in *trees {
                let mut node = &tree.nodes()[0];
                while !node.is_leaf() {
                    let x = row[node.input as usize] as f32;
                    let goes_left = x < node.value || x.is_nan() && node.missing_left;
                    let child = if goes_left { node.left } else { node.right };
                    node = &tree.nodes()[child as usize];
                }
                scores[tree.output()] += node.value;
            }
            let units = units.unwrap_or_default();
            let number = |score: &f32| units.offset() + units.scale() * f64::from(*score);
            scores.iter().map(number).collect()
        }
    }
}

#[test]
fn other_programs_get_the_same_files_again_and_a_formula_of_the_raw_score() {
    for (estimator, data) in fitted() {
        let inputs = estimator.inputs();
        let names = names("x", inputs);
        let files = estimator.exports(&names).expect("files");
        let object = estimator.to_json().expect("JSON");
        let read = Families::standard().read(&object).expect("an estimator");
        assert_eq!(read.exports(&names).expect("files"), files);
        let Some(formula) = estimator.formula() else {
            continue;
        };
        for row in data.x.chunks_exact(inputs).take(20) {
            let mut raw = Vec::new();
            estimator.raw(row, &mut raw);
            let theirs = by_formula(&formula, row);
            assert_eq!(theirs.len(), raw.len());
            for (theirs, raw) in theirs.iter().zip(&raw) {
                let size = theirs.abs().max(1.0);
                assert!((theirs - raw).abs() <= 1e-9 * size, "{estimator:?}");
            }
        }
    }
}

#[test]
fn probabilities_are_shares_and_missing_values_give_none() {
    for (estimator, data) in fitted() {
        let mut predicted = Vec::new();
        estimator.predict(&data.x, &mut predicted);
        assert!(predicted.iter().all(|value| value.is_finite()));
        if estimator.outputs() > 1 {
            for row in predicted.chunks_exact(estimator.outputs()) {
                let sum: f64 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-14, "{row:?}");
            }
        }
        let mut missing = data.x[..estimator.inputs()].to_vec();
        missing[0] = f64::NAN;
        let mut predicted = Vec::new();
        estimator.predict(&missing, &mut predicted);
        let scored = estimator.kind() == constant::KIND || estimator.takes_missing();
        assert!(predicted.iter().all(|value| value.is_nan() != scored));
    }
}

#[test]
fn numbers_that_are_none_are_not_written() {
    for value in [f64::NAN, f64::INFINITY] {
        let linear = LinearRegression {
            coefficients: vec![1.0, value],
            intercept: 0.0,
        };
        let error = linear.to_json().expect_err("refused").to_string();
        assert!(error.contains("coefficients"), "{error}");
    }
}
