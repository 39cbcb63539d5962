//! What boosting and forests share: trees, the losses that they minimise, and what grows them.

pub(super) mod boosting_options;
pub(super) mod forest_options;
mod growth;
mod look;
mod loss;
mod tree;
mod units;

pub use growth::{Grower, Grown, Growth};
pub use look::Look;
pub use loss::Loss;
pub(super) use tree::{Columns, short};
pub use tree::{Node, Tree, single};
pub use units::Units;
