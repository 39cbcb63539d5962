//! From raw columns to the numbers of a model: fitted on training rows, applied unchanged.
//!
//! [`fit()`] asks for passes over frames and keeps counts alone. [`Preprocessing`] is a part of the
//! model; [`Preprocessing::transform`] gives a row-major matrix, and
//! [`Preprocessing::output_columns`] says what each of its columns is.
//!
//! ```
//! use learn::frame::{Column, Frame, InMemory, LabelledFrame};
//! use learn::preprocessing::{Error, Family, FitOptions, Settings, fit};
//! use learn::signature::{Feature, Kind, Signature};
//!
//! let feature = |name: &str, kind| Feature { name: name.to_owned(), kind, nullable: true };
//! let features = vec![feature("age", Kind::Numeric), feature("city", Kind::Categorical)];
//! let signature = Signature::new(features).unwrap();
//! let settings: Settings = serde_json::from_str(
//!     r#"{"numeric": {"standardize": false}, "categorical": {"min_frequency": 1}}"#,
//! ).unwrap();
//!
//! let cities = [Some("Bern"), None, Some("Rome")];
//! let columns = vec![Column::Numbers(&[30.0, f64::NAN, 40.0]), Column::Texts(&cities)];
//! let frame = Frame::new(columns);
//! let y = &[0.0, 1.0, 1.0];
//! let rows = LabelledFrame { frame: frame.clone(), y, weights: None, folds: None };
//! let options = FitOptions { family: Family::Linear, classes: &[], folds: 1, memory: 1 << 20 };
//! let mut passes = InMemory::<Error>::new(rows, 2);
//! let fitted = fit(&mut passes, &signature, &settings, &options).unwrap();
//!
//! let outputs = fitted.preprocessing.output_columns();
//! let names: Vec<_> = outputs.iter().map(|output| &output.name).collect();
//! assert_eq!(names, ["age", "age (missing)", "city = Bern", "city = Rome", "city = (missing)"]);
//! let mut matrix = Vec::new();
//! fitted.preprocessing.transform(&frame, &mut matrix).unwrap();
//! assert_eq!(matrix[5..10], [35.0, 1.0, 0.0, 0.0, 1.0]);
//! ```

mod categories;
mod error;
mod finish;
mod first_pass;
mod fit;
mod fitted;
mod median;
mod moments;
mod options;
mod output;
mod plan;
mod settings;
mod target;
#[cfg(test)]
mod tests;
mod transform;

pub use categories::{MAX_DISTINCT, MAX_TARGET_CELLS, MAX_TEXT_BYTES};
pub use error::Error;
pub use finish::{Fitted, Found};
pub use fit::{check, fit};
pub use fitted::{Categorical, Dropped, Encoding, FittedColumn, Numeric, Preprocessing};
pub use moments::Scale;
pub use options::FitOptions;
pub use output::{OneHot, Origin, OutputColumn};
pub use settings::{
    ColumnSettings, Encode, Family, Impute, MAX_CATEGORIES, MIN_FREQUENCY, ONE_HOT_OF_TREES,
    Settings, Value,
};
pub use target::TargetTable;
pub use transform::{FOLDS, OutOfFold, fold_of};
