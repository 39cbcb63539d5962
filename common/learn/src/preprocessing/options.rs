//! What a fit is for.

use super::settings::Family;

/// What a fit is for.
#[derive(Clone, Copy, Debug)]
pub struct FitOptions<'a> {
    /// The kind of the model.
    pub family: Family,
    /// Names of the classes where a label is the index of one of three or more; none where it is
    /// 0 or 1, or a number.
    pub classes: &'a [String],
    /// How many folds the training rows are in, for target encoding; 1 for none.
    pub folds: usize,
    /// Bytes of memory that the distinct values of all columns may take, in the counts of some rows
    /// and in those of all.
    pub memory: u64,
}
