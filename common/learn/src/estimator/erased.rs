//! Passes and sums whose types are not known when the code that fits is compiled.

use std::any::Any;

use super::any_error::AnyError;
use super::trees::Grower;
use crate::rows::{Passes, Rows, Sums};

/// [`Sums`] of any type.
pub trait AnySums: Send + Sync {
    /// [`Clone`].
    fn boxed(&self) -> Box<dyn AnySums>;
    /// [`Sums::add`].
    ///
    /// # Errors
    /// A row that cannot be added.
    fn add_any(&mut self, rows: Rows<'_>) -> Result<(), AnyError>;
    /// [`Sums::merge`], of sums of the same type.
    fn merge_any(&mut self, later: Box<dyn AnySums>);
    /// [`Sums::bytes`].
    fn bytes_any(&self) -> u64;
    /// For [`AnySums::merge_any`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<S: Sums> AnySums for S
where
    AnyError: From<S::Error>,
{
    fn boxed(&self) -> Box<dyn AnySums> {
        Box::new(self.clone())
    }

    fn add_any(&mut self, rows: Rows<'_>) -> Result<(), AnyError> {
        Ok(self.add(rows)?)
    }

    fn merge_any(&mut self, later: Box<dyn AnySums>) {
        self.merge(own(later));
    }

    fn bytes_any(&self) -> u64 {
        self.bytes()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn own<S: 'static>(sums: Box<dyn AnySums>) -> S {
    match sums.into_any().downcast::<S>() {
        Ok(sums) => *sums,
        Err(_) => panic!("sums of different passes: a bug of the caller"),
    }
}

/// Sums of some type, as passes add them up.
pub struct Erased(Box<dyn AnySums>);

impl Clone for Erased {
    fn clone(&self) -> Self {
        Self(self.0.boxed())
    }
}

impl Sums for Erased {
    type Error = AnyError;

    fn add(&mut self, rows: Rows<'_>) -> Result<(), AnyError> {
        self.0.add_any(rows)
    }

    fn merge(&mut self, later: Self) {
        self.0.merge_any(later.0);
    }

    fn bytes(&self) -> u64 {
        self.0.bytes_any()
    }
}

/// [`Passes`] of any type.
pub trait AnyPasses {
    /// One pass over all rows.
    ///
    /// # Errors
    /// Those of [`Passes::pass`].
    fn pass_any(&mut self, start: Erased) -> Result<Erased, AnyError>;

    /// What grows trees on these rows, in a program that can.
    fn grower(&mut self) -> Option<&mut dyn Grower> {
        None
    }
}

impl<P: Passes<Error = AnyError>> AnyPasses for P {
    fn pass_any(&mut self, start: Erased) -> Result<Erased, AnyError> {
        self.pass(start)
    }
}

/// [`Passes`] over those of any type.
pub(super) struct Over<'a>(pub(super) &'a mut dyn AnyPasses);

impl Passes for Over<'_> {
    type Error = AnyError;

    fn pass<S: Sums>(&mut self, start: S) -> Result<S, AnyError>
    where
        AnyError: From<S::Error>,
    {
        let Erased(sums) = self.0.pass_any(Erased(Box::new(start)))?;
        Ok(own(sums))
    }
}

/// One pass over rows of any type, for a family of another crate.
///
/// # Errors
/// Those of the sums, and of the passes.
pub fn pass<S: Sums>(rows: &mut dyn AnyPasses, start: S) -> Result<S, AnyError>
where
    AnyError: From<S::Error>,
{
    Over(rows).pass(start)
}
