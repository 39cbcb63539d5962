//! Trees that another program grew, as the only fit of a family.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::precision::{Bounds, Moved};
use super::{GradientBoosting, KIND, Look, Loss};
use crate::estimator::family::{Family, FitBytes, FittedEstimator, Read, Request};
use crate::estimator::{AnyError, AnyPasses, EstimatorError, pass};
use crate::preprocessing;
use crate::rows::{Rows, Sums};
use crate::task::{Target, Task};

/// Rows that the importance of inputs is taken from.
const SAMPLE: usize = 1000;

/// Fits nothing: it gives the trees that it holds, and what the training rows hold.
#[derive(Debug)]
pub struct Imported {
    trees: GradientBoosting,
    bounds: Arc<Bounds>,
    moved: OnceLock<Moved>,
}

impl Imported {
    /// Trees whose inputs are those of the rows, in their order: see [`GradientBoosting::places`].
    /// With `bounds`, of the same inputs, where another program compares doubles.
    pub fn new(trees: GradientBoosting, bounds: Bounds) -> Self {
        Self {
            trees,
            bounds: Arc::new(bounds),
            moved: OnceLock::new(),
        }
    }

    /// The training rows that go another way than by the bounds; `None` before a fit.
    pub fn moved(&self) -> Option<&Moved> {
        self.moved.get()
    }

    /// Keeps what a fit saw.
    fn keep(&self, moved: Moved, inputs: &[String]) -> Result<(), EstimatorError> {
        let refused = moved.first.filter(|_| moved.are_many()).map(|(input, number)| {
            let (name, rows, of) = (&inputs[input], moved.rows, moved.of);
            EstimatorError::Features(format!(
                "{rows} of {of} training rows would go another way through the trees than in LightGBM, \
                 because Alameda compares numbers in single precision (about 7 digits), and feature {name:?} \
                 has more, such as {number}: subtract a constant or scale it in features.sql, and train \
                 the model on the result"
            ))
        });
        self.moved.get_or_init(|| moved);
        refused.map_or(Ok(()), Err)
    }
}

impl Family for Imported {
    fn name(&self) -> &'static str {
        "imported"
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        vec![(KIND, super::read::<GradientBoosting>)]
    }

    fn learns(&self, task: &dyn Task, target: &Target) -> bool {
        let loss = Loss::of(task, target);
        loss.is_some_and(|loss| Some(loss) == self.trees.loss())
    }

    fn preparation(&self) -> preprocessing::Family {
        preprocessing::Family::Trees
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        Ok(given.clone())
    }

    fn bytes(&self, inputs: usize, _target: &Target) -> FitBytes {
        FitBytes::alike((size_of::<f64>() * inputs * (SAMPLE + 16)) as u64)
    }

    fn importance_is(&self) -> &'static str {
        super::IMPORTANCE
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let start = Sampled {
            look: Look::new(request.inputs, request.target.classes.len()),
            sample: Vec::new(),
            bounds: self.bounds.clone(),
            moved: Moved::default(),
        };
        let Sampled {
            look,
            sample,
            moved,
            ..
        } = pass(rows, start)?;
        self.keep(moved, request.inputs)?;
        let seen = look.seen();
        let mut trees = self.trees.clone();
        trees.importance = trees.mean_contributions(&sample);
        Ok(FittedEstimator {
            importance: trees.ranked(&seen),
            estimator: Box::new(trees),
            seen,
            descent: None,
        })
    }
}

/// What the rows hold, the first of them, and those that go another way.
#[derive(Clone)]
struct Sampled {
    look: Look,
    sample: Vec<f64>,
    bounds: Arc<Bounds>,
    moved: Moved,
}

impl Sampled {
    fn keep(&mut self, rows: &[f64], inputs: usize) {
        let left = (SAMPLE * inputs).saturating_sub(self.sample.len());
        self.sample.extend(&rows[..left.min(rows.len())]);
    }
}

impl Sums for Sampled {
    type Error = <Look as Sums>::Error;

    fn add(&mut self, rows: Rows<'_>) -> Result<(), Self::Error> {
        self.look.add(rows)?;
        self.bounds.look(rows.x, &mut self.moved);
        self.keep(rows.x, self.look.names().len());
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        let inputs = self.look.names().len();
        self.look.merge(later.look);
        self.keep(&later.sample, inputs);
        self.moved.merge(later.moved);
    }

    fn bytes(&self) -> u64 {
        self.look.bytes() + (size_of::<f64>() * SAMPLE * self.look.names().len()) as u64
    }
}

impl GradientBoosting {
    /// Where each input of the trees is among `inputs`. `names` are those that the file has;
    /// without any, or where they only count, inputs keep their order.
    ///
    /// # Errors
    /// [`EstimatorError::Features`], with the input that one side lacks, or the names of a file
    /// that has not one for each of its inputs.
    pub fn places(
        &self,
        names: &[String],
        inputs: &[String],
    ) -> Result<Vec<usize>, EstimatorError> {
        let counted = |of: &&str| {
            let mut names = names.iter().enumerate();
            names.all(|(at, name)| *name == format!("{of}{at}"))
        };
        let unnamed = names.is_empty() || ["f", "Column_"].iter().any(counted);
        let known = names.iter().any(|name| inputs.contains(name));
        if unnamed && !known {
            return match self.inputs == inputs.len() {
                true => Ok((0..self.inputs).collect()),
                false => Err(EstimatorError::Features(format!(
                    "the model takes {} features without names, and there are {}: {}",
                    self.inputs,
                    inputs.len(),
                    inputs.join(", ")
                ))),
            };
        }
        if names.len() != self.inputs {
            return Err(EstimatorError::Features(format!(
                "the model file names {} features, and its trees take {}",
                names.len(),
                self.inputs
            )));
        }
        if let Some(other) = inputs.iter().find(|input| !names.contains(input)) {
            return Err(EstimatorError::Features(format!(
                "the data has a feature {other:?} that the model does not have; the model's features are {}",
                names.join(", ")
            )));
        }
        let place = |name: &String| {
            let place = inputs.iter().position(|input| input == name);
            place.ok_or_else(|| {
                EstimatorError::Features(format!(
                    "the model needs a feature {name:?} that the data does not have"
                ))
            })
        };
        let places: Vec<usize> = names.iter().map(place).collect::<Result<_, _>>()?;
        // Each input has a name: with more names than inputs, one is there twice.
        match places.len() == inputs.len() {
            true => Ok(places),
            false => Err(EstimatorError::Features(format!(
                "the model file names a feature twice: {}",
                names.join(", ")
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::Estimator;
    use crate::estimator::boosting::tests::stump;
    use crate::rows::InMemory;
    use crate::task::{Binary, Regression};

    fn trees() -> GradientBoosting {
        stump(2.0)
    }

    fn named(names: &[String], inputs: &[String]) -> Result<GradientBoosting, EstimatorError> {
        let places = trees().places(names, inputs)?;
        trees().moved(&places)
    }

    fn names(of: &str) -> Vec<String> {
        of.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn inputs_are_found_by_their_names() {
        let ordered = named(&names("a b"), &names("b a")).expect("trees");
        let mut scores = Vec::new();
        ordered.predict(&[2.5, 0.0, 0.0, 2.5], &mut scores);
        assert_eq!(scores, [1.0, 0.0]);
        for unnamed in ["", "f0 f1", "Column_0 Column_1"] {
            let same = named(&names(unnamed), &names("b a")).expect("trees");
            assert_eq!(same, trees(), "{unnamed}");
        }
    }

    #[test]
    fn what_one_side_lacks_is_named() {
        for (of_file, inputs, lacks) in [
            ("a b", "a c", "feature \"c\" that the model does not"),
            ("a b", "a", "needs a feature \"b\""),
            ("", "a b c", "takes 2 features"),
            ("a b c", "a b c", "names 3 features, and its trees take 2"),
            ("a a", "a", "names a feature twice"),
        ] {
            let refused = named(&names(of_file), &names(inputs));
            let text = refused.expect_err("refused").to_string();
            assert!(text.contains(lacks), "{text}");
        }
    }

    #[test]
    fn a_fit_changes_no_tree_and_looks_at_the_rows() {
        let family = Imported::new(trees(), Bounds::default());
        let number = |classes| Target {
            name: "y".to_owned(),
            classes,
        };
        assert!(!family.learns(&Binary, &number(Vec::new())));
        let target = number(Vec::new());
        assert!(family.learns(&Regression, &target));
        let request = Request {
            quantiles: None,
            task: &Regression,
            target: &target,
            inputs: &names("a b"),
            one_hot: &[],
            options: &Map::new(),
        };
        let rows = Rows {
            x: &[0.0, 1.0, 5.0, 3.0],
            y: &[0.0, 1.0],
            weights: None,
        };
        let fitted = family
            .fit(&mut InMemory::<AnyError>::new(rows, 1), &request)
            .expect("a fit");
        let importance: Vec<_> = fitted
            .importance
            .iter()
            .map(|of| (&of.feature[..], of.importance))
            .collect();
        assert_eq!(importance, [("b", 0.5), ("a", 0.0)]);
        assert_eq!(fitted.seen.inputs[0].mean, 2.5);
    }
}
