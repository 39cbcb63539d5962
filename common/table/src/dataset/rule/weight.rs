//! What rows weigh.

use super::{Rule, Values};
use crate::dataset::ColumnContract;

impl Rule {
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
            Values::Float { min, max, bounded } => {
                *min = min.max(0.0);
                *max = max.min(f64::MAX);
                *bounded = true;
            }
            Values::Text(_) | Values::Bool(_) => {}
        }
        if column.min.is_none() {
            rule.min = "0".to_owned();
        }
        Ok(rule)
    }
}
