//! The entry `candidates`: a list in which an option may be a list of values, or `auto`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Chosen, ModelsError};
use crate::estimator::{EstimatorError, Families, Family};
use crate::task::{Target, Task};

/// Models that one file may fit.
pub const MOST: usize = 100;
/// The text in place of a list.
const AUTO: &str = "auto";

/// What may be fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Candidates {
    /// `"auto"`: what each family that learns the target offers, see
    /// [`Family::automatic`].
    Auto,
    /// These.
    List(Vec<Candidate>),
}

/// A family, and the options of its fit: each a value, or a list of values of which every
/// combination is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name of the family.
    pub family: String,
    /// Its options.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

impl TryFrom<Value> for Candidates {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text == AUTO => Ok(Self::Auto),
            Value::Array(_) => {
                let list = serde_json::from_value(value);
                list.map(Self::List)
                    .map_err(|error| format!("`candidates`: {error}"))
            }
            other => Err(format!(
                "`candidates` is {other}: it must be a list of families with their options, or \
                 \"{AUTO}\""
            )),
        }
    }
}

impl From<Candidates> for Value {
    fn from(candidates: Candidates) -> Self {
        match candidates {
            Candidates::Auto => AUTO.into(),
            // What was read is written.
            Candidates::List(list) => serde_json::to_value(list).unwrap_or_default(),
        }
    }
}

impl Candidates {
    /// Each model that is fitted, in the order of the file; of lists, the values of the last
    /// option by name change first, as in scikit-learn's `ParameterGrid`.
    ///
    /// # Errors
    /// A family that is not known or does not learn the target, options that it does not take, and
    /// none or more than [`MOST`] models.
    pub fn chosen(
        &self,
        families: &Families,
        task: &dyn Task,
        target: &Target,
    ) -> Result<Vec<Chosen>, ModelsError> {
        let mut chosen = Vec::new();
        match self {
            Self::Auto => {
                let learn = families.all().iter();
                for family in learn.filter(|family| family.learns(task, target)) {
                    for given in family.automatic(target) {
                        chosen.push(of(families, task, target, family.name(), &given)?);
                    }
                }
            }
            Self::List(list) => {
                for Candidate { family, options } in list {
                    let sizes = options.values().map(|value| match value {
                        Value::Array(values) => values.len(),
                        _ => 1,
                    });
                    let many = sizes.fold(1, |all: usize, size| all.saturating_mul(size));
                    if chosen.len().saturating_add(many) > MOST {
                        return Err(ModelsError::TooMany(chosen.len().saturating_add(many)));
                    }
                    for options in grid(options) {
                        chosen.push(of(families, task, target, family, &options)?);
                    }
                }
            }
        }
        match chosen.is_empty() {
            true => Err(ModelsError::NoCandidate),
            false => Ok(chosen),
        }
    }
}

/// Every combination of the values that are lists.
fn grid(options: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new()];
    for (name, value) in options {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let with = |before: &Map<String, Value>, value: &Value| {
            let mut options = before.clone();
            options.insert(name.clone(), value.clone());
            options
        };
        let all_with = |before| values.iter().map(move |value| with(before, value));
        all = all.iter().flat_map(all_with).collect();
    }
    all
}

fn of(
    families: &Families,
    task: &dyn Task,
    target: &Target,
    family: &str,
    options: &Map<String, Value>,
) -> Result<Chosen, ModelsError> {
    let wrong = |error| ModelsError::Candidate {
        family: family.to_owned(),
        error,
    };
    let known = families.get(family).map_err(wrong)?;
    if !known.learns(task, target) {
        let learn = families.all().iter();
        let learn = learn.filter(|family| family.learns(task, target));
        let learn: Vec<&str> = learn.map(|family| family.name()).collect();
        return Err(ModelsError::Task {
            family: family.to_owned(),
            target: target.name.clone(),
            task: task.name(),
            learn: learn.join(", "),
        });
    }
    let options = known.options(options);
    let options = options.map_err(|error| wrong(with_example(known, error)))?;
    Ok(Chosen {
        family: known,
        options,
    })
}

/// Shows an option that is missing by an example.
fn with_example(family: &dyn Family, error: EstimatorError) -> EstimatorError {
    let text = error.to_string();
    let mut examples = family.example_options().into_iter();
    let missing = examples.find(|(name, _)| text == format!("missing field `{name}`"));
    missing.map_or(error, |(name, example)| {
        let text = format!("`{name}` is missing: set it, such as \"{name}\": {example}");
        EstimatorError::Option(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClassValue;
    use crate::models::Models;
    use crate::task::Tasks;

    fn chosen(candidates: &str) -> Result<Vec<String>, String> {
        chosen_of(candidates, vec![ClassValue::Int(0), ClassValue::Int(1)])
    }

    fn chosen_of(candidates: &str, classes: Vec<ClassValue>) -> Result<Vec<String>, String> {
        let file = format!(r#"{{"candidates": {candidates}}}"#);
        let models = Models::parse(file.as_bytes()).map_err(|error| error.to_string())?;
        let target = Target {
            name: "y".to_owned(),
            classes,
        };
        let task = Tasks::standard().of_target(&target).expect("a task");
        let chosen = models
            .candidates
            .chosen(&Families::standard(), task, &target);
        let chosen = chosen.map_err(|error| error.to_string())?;
        Ok(chosen.iter().map(Chosen::to_string).collect())
    }

    #[test]
    fn lists_of_options_are_a_grid_in_scikit_learns_order() {
        // list(ParameterGrid({"c": [0.1, 10], "class_weight": ["none", "balanced"]}))
        let grid = chosen(
            r#"[{"family": "mean"}, {"family": "logistic-regression", "class_weight":
            ["none", "balanced"], "c": [0.1, 10]}]"#,
        );
        let start = |text: &String| text.split(", max_iter").next().unwrap_or("").to_owned();
        let grid: Vec<String> = grid.expect("candidates").iter().map(start).collect();
        assert_eq!(
            grid,
            [
                "mean",
                "logistic-regression: c 0.1, class_weight none",
                "logistic-regression: c 0.1, class_weight balanced",
                "logistic-regression: c 10, class_weight none",
                "logistic-regression: c 10, class_weight balanced",
            ]
        );
        assert!(chosen("\"auto\"").expect("candidates").len() > 1);
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        for (candidates, expected) in [
            ("[]", "`candidates` has 0 entries: give one"),
            (
                r#"[{"family": "logistic-regression", "c": []}]"#,
                "`candidates` has 0 entries",
            ),
            (
                r#"[{"family": "logistic-regression", "c": [1, 0]}]"#,
                "c is 0: it must be a positive number",
            ),
            ("\"all\"", "`candidates` is \"all\": it must be a list"),
            ("[{}]", "`candidates`: missing field `family`"),
        ] {
            let text = chosen(candidates).expect_err("refused");
            assert!(text.contains(expected), "{text}");
        }
        for (candidate, expected) in [
            (
                r#"{"family": "constant"}"#,
                "`value` is missing: set it, such as \"value\": 3.5",
            ),
            (
                r#"{"family": "constant", "valeu": 1}"#,
                "unknown field `valeu`",
            ),
        ] {
            let text = chosen_of(&format!("[{candidate}]"), Vec::new()).expect_err("refused");
            assert!(text.contains(expected), "{text}");
        }
        let many: Vec<String> = (1..=101).map(|c| c.to_string()).collect();
        let many = many.join(",");
        let many = format!(r#"[{{"family": "logistic-regression", "c": [{many}]}}]"#);
        let text = chosen(&many).expect_err("refused");
        assert!(text.contains("101 models: at most 100"), "{text}");
    }
}
