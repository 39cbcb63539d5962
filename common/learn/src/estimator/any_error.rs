//! Why a fit of any family failed.

use std::error::Error;

/// Why a fit failed: an error of the sums, or of the passes.
///
/// It is no [`Error`] itself, so that every error becomes one by `?`; [`AnyError::into_inner`]
/// gives it back.
#[derive(Debug)]
pub struct AnyError(Box<dyn Error + Send + Sync>);

impl AnyError {
    /// The error.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for AnyError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}
