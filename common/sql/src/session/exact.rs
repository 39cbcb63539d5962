//! Aggregate functions whose results are exact: each is the number next to the true value, whatever
//! the order of the rows, and whatever rows a window held before.
//!
//! They replace DataFusion's own of the same names, which add with rounding, and take rows
//! away from a window by subtraction.

mod moments;
mod number;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::error::Result;
use datafusion_common::plan_err;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

pub(super) use moments::{Moments, Numbers, Rows};

/// What is computed; `sample` for the estimate that divides by the rows less one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Sum,
    Mean,
    Variance { sample: bool },
    Deviation { sample: bool },
    Correlation,
}

impl Kind {
    /// Of one of the functions of this module.
    pub(super) fn of(function: &AggregateUDF) -> Option<Self> {
        let exact = function.inner().downcast_ref::<Exact>();
        exact.map(|exact| exact.kind)
    }

    /// Whether the result over numbers, whole or not, is a whole one.
    pub(super) fn is_whole(self, whole: bool) -> bool {
        whole && self == Self::Sum
    }

    fn has_squares(self) -> bool {
        !matches!(self, Self::Sum | Self::Mean)
    }
}

/// Aggregate functions whose result is the same whatever the order of the rows, and whatever rows a
/// window held before: those of this module, and DataFusion's that count or compare.
pub(super) const EXACT: [&str; 10] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "var",
    "var_pop",
    "stddev",
    "stddev_pop",
    "corr",
];

/// Names of each function, the first as DataFusion has it.
const FUNCTIONS: [(Kind, &[&str]); 7] = [
    (Kind::Sum, &["sum"]),
    (Kind::Mean, &["avg", "mean"]),
    (
        Kind::Variance { sample: true },
        &["var", "var_samp", "var_sample"],
    ),
    (
        Kind::Variance { sample: false },
        &["var_pop", "var_population"],
    ),
    (Kind::Deviation { sample: true }, &["stddev", "stddev_samp"]),
    (Kind::Deviation { sample: false }, &["stddev_pop"]),
    (Kind::Correlation, &["corr"]),
];

/// The exact functions, for the place of those of the same names.
pub(super) fn functions() -> impl Iterator<Item = Arc<AggregateUDF>> {
    FUNCTIONS.into_iter().map(|(kind, names)| {
        Arc::new(AggregateUDF::from(Exact {
            kind,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    kind: Kind,
    names: Vec<String>,
    signature: Signature,
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        &self.names[0]
    }

    fn aliases(&self) -> &[String] {
        &self.names[1..]
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        let wanted = if self.kind == Kind::Correlation { 2 } else { 1 };
        if types.len() != wanted {
            return plan_err!(
                "{name}() takes {wanted} argument(s), and has {}",
                types.len()
            );
        }
        let taken = types.iter().map(|data_type| match data_type {
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Ok(DataType::Int64),
            DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null => {
                Ok(DataType::Float64)
            }
            other => plan_err!(
                "{name}() takes numbers, and is given {other}: cast it to BIGINT or DOUBLE"
            ),
        });
        taken.collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.kind.is_whole(types == [DataType::Int64]) {
            true => DataType::Int64,
            false => DataType::Float64,
        })
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let first = arguments.exprs.first();
        let first = first
            .map(|expr| expr.data_type(arguments.schema))
            .transpose()?;
        let whole = first == Some(DataType::Int64);
        Ok(Box::new(Moments::new(self.kind, whole)))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(arguments.name, "sums");
        Ok(vec![Field::new(name, DataType::Binary, true).into()])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
