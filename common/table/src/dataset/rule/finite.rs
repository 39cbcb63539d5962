//! Columns whose numbers must be finite: labels, and what rows weigh.

use super::{Rule, Values};
use crate::dataset::ColumnContract;
use learn::model::ClassValue;

impl Rule {
    /// The rule of labels: one of the classes, or else a number that is finite. NaN is no label, as
    /// null is none.
    pub(crate) fn target(
        column: &ColumnContract,
        nullable: bool,
        classes: &[ClassValue],
    ) -> Result<Self, String> {
        let mut rule = Self::new(column, nullable, classes)?;
        if let Values::Float { finite, .. } = &mut rule.values {
            *finite = true;
        }
        Ok(rule)
    }

    /// The rule of what rows weigh: a finite number that is not negative, within the bounds of the
    /// contract.
    pub(crate) fn weight(column: &ColumnContract, nullable: bool) -> Result<Self, String> {
        let mut rule = Self::new(column, nullable, &column.allowed)?;
        match &mut rule.values {
            values @ Values::Any => {
                *values = Values::Whole {
                    min: 0,
                    max: i64::MAX,
                    allowed: Vec::new(),
                };
            }
            Values::Whole { min, .. } => *min = (*min).max(0),
            Values::Float {
                min,
                bounded,
                finite,
                ..
            } => {
                *min = min.max(0.0);
                *bounded = true;
                *finite = true;
            }
            Values::Text(_) | Values::Bool(_) => {}
        }
        if column.min.is_none() {
            rule.min = "0".to_owned();
        }
        Ok(rule)
    }
}
