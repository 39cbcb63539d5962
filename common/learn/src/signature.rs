//! The features of a model: their names, kinds and nullability, in order.
//!
//! ```
//! use learn::signature::{Feature, Kind, Signature};
//!
//! let city = Feature { name: "city".to_owned(), kind: Kind::Categorical, nullable: true };
//! let signature = Signature::new(vec![city.clone()]).unwrap();
//! assert_eq!(signature.features()[0].kind, Kind::Categorical);
//! assert!(Signature::new(vec![city.clone(), city]).is_err());
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What the values of a feature are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Numbers of any width, and decimals.
    Numeric,
    /// Texts, booleans and dictionaries.
    Categorical,
}

/// A feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name of its column.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Whether a value may be missing.
    pub nullable: bool,
}

/// The features of a model, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Feature>", into = "Vec<Feature>")]
pub struct Signature {
    features: Vec<Feature>,
}

/// Features that are no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There are none.
    #[error("there are no features: at least one column must be a feature")]
    Empty,
    /// Two have one name.
    #[error("two features are named {0:?}: give each its own name")]
    Twice(String),
}

impl Signature {
    /// Of these features.
    ///
    /// # Errors
    /// No features, or two of one name.
    pub fn new(features: Vec<Feature>) -> Result<Self, SignatureError> {
        if features.is_empty() {
            return Err(SignatureError::Empty);
        }
        let mut names = BTreeSet::new();
        match features.iter().find(|of| !names.insert(&of.name)) {
            Some(twice) => Err(SignatureError::Twice(twice.name.clone())),
            None => Ok(Self { features }),
        }
    }

    /// Those of its features that are of a kind; `None` where there are none.
    pub fn of_kind(&self, kind: Kind) -> Option<Self> {
        let features = self.features.iter().filter(|feature| feature.kind == kind);
        Self::new(features.cloned().collect()).ok()
    }

    /// Names of the features.
    pub fn names(&self) -> Vec<String> {
        let features = self.features.iter();
        features.map(|feature| feature.name.clone()).collect()
    }

    /// The features.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }
}

impl TryFrom<Vec<Feature>> for Signature {
    type Error = SignatureError;

    fn try_from(features: Vec<Feature>) -> Result<Self, SignatureError> {
        Self::new(features)
    }
}

impl From<Signature> for Vec<Feature> {
    fn from(signature: Signature) -> Self {
        signature.features
    }
}
