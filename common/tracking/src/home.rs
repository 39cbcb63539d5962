//! The two places where runs and models are kept.

use super::embedded::Embedded;
use super::mlflow::Mlflow;

#[derive(Clone, Debug)]
pub(super) enum Home {
    Embedded(Embedded),
    Mlflow(Box<Mlflow>),
}
