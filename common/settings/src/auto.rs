//! Settings that may be left to the program.

/// A setting that is said, or follows from the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Auto<T> {
    /// Derived from the model.
    Auto,
    /// Set by the user.
    Said(T),
}

impl<T> Auto<T> {
    /// What is said, or what follows from the model.
    pub fn or(self, auto: impl FnOnce() -> T) -> T {
        match self {
            Self::Auto => auto(),
            Self::Said(value) => value,
        }
    }
}
