//! Which families and estimators there are.

use serde_json::Value;

use super::{
    Estimator, EstimatorError, Family, Read, boosting, constant, forest, linear, logistic,
};

/// The families that a program knows, and the estimators of model files.
#[derive(Clone, Debug)]
pub struct Families {
    known: Vec<&'static dyn Family>,
}

impl Families {
    /// Those of this crate.
    pub fn standard() -> Self {
        Self {
            known: vec![
                &logistic::Logistic,
                &linear::Linear,
                &boosting::Boosting,
                &forest::Forest,
                &constant::Mean,
                &constant::Given,
            ],
        }
    }

    /// With one more family, in place of another of the same name.
    pub fn with(mut self, family: &'static dyn Family) -> Self {
        self.known.retain(|known| known.name() != family.name());
        self.known.push(family);
        self
    }

    /// The families.
    pub fn all(&self) -> &[&'static dyn Family] {
        &self.known
    }

    /// A family by its name.
    ///
    /// # Errors
    /// A name that is not known.
    pub fn get(&self, name: &str) -> Result<&'static dyn Family, EstimatorError> {
        let found = self.known.iter().find(|family| family.name() == name);
        found.copied().ok_or_else(|| {
            let known: Vec<&str> = self.known.iter().map(|family| family.name()).collect();
            EstimatorError::Family {
                found: name.to_owned(),
                known: known.join(", "),
            }
        })
    }

    /// Names of the estimators of model files, and what reads each.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, Read)> {
        self.known.iter().flat_map(|family| family.kinds())
    }

    /// The estimator of an object `{"kind": ...}`.
    ///
    /// # Errors
    /// A kind that is not known, unknown or missing fields, and what
    /// [`Estimator::validate`] refuses.
    pub fn read(&self, object: &Value) -> Result<Box<dyn Estimator>, EstimatorError> {
        let Value::Object(fields) = object else {
            return Err(EstimatorError::invalid("it is not an object"));
        };
        let mut fields = fields.clone();
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => kind,
            _ => return Err(EstimatorError::invalid("it has no text `kind`")),
        };
        let Some((_, read)) = self.kinds().find(|(known, _)| *known == kind) else {
            let known: Vec<String> = self.kinds().map(|(kind, _)| format!("{kind:?}")).collect();
            return Err(EstimatorError::Kind {
                found: kind,
                known: known.join(", "),
            });
        };
        let estimator = read(Value::Object(fields))?;
        estimator.validate()?;
        Ok(estimator)
    }
}
