//! Scores in the units that trees were grown in.

use super::{GradientBoosting, Loss, Units};
use crate::estimator::EstimatorError;

impl GradientBoosting {
    /// Of trees that were grown in these units: in the leaves, where these hold the numbers, so
    /// that other programs read them.
    pub(in crate::estimator) fn in_units(mut self, units: Units) -> Self {
        if units == Units::default() {
            return self;
        }
        if units.fit_in(&self.trees) {
            let trees = self.trees.iter_mut();
            trees.for_each(|tree| tree.scale(units.scale));
        } else {
            self.units = Some(units);
        }
        self
    }

    /// The number of a raw score of single precision.
    pub(super) fn number(&self, score: f32) -> f64 {
        self.units
            .map_or(f64::from(score), |units| units.number(score))
    }

    /// Turns what each input adds to a raw score, and what is left, into the target's own units.
    pub(super) fn own_units(&self, parts: &mut [f64]) {
        let Some(units) = self.units else {
            return;
        };
        parts.iter_mut().for_each(|part| *part *= units.scale);
        if let Some(left) = parts.last_mut() {
            *left += units.offset;
        }
    }

    pub(super) fn check_units(&self) -> Result<(), EstimatorError> {
        let Some(Units { offset, scale }) = self.units else {
            return Ok(());
        };
        EstimatorError::finite("units", &[offset, scale])?;
        let of_numbers = matches!(self.loss(), Some(Loss::Squared | Loss::Interval));
        if scale <= 0.0 || !of_numbers {
            return Err(EstimatorError::invalid("units that are of no number"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Look;
    use super::super::tests::stump;
    use super::*;
    use crate::estimator::{Estimator, Families, FitError};
    use crate::rows::{InMemory, Passes, Rows};
    use crate::task::Target;

    #[test]
    fn only_what_single_precision_does_not_hold_gets_other_units() {
        let two = |power: i32| libm::ldexp(1.0, power);
        for (mean, std, offset, scale) in [
            (0.0, 0.0, 0.0, 1.0),
            (12.5, 2.5, 0.0, 1.0),
            (2005.0, 0.5, 0.0, 1.0),
            (-3e11, 1e12, 0.0, 1.0),
            // What does not vary.
            (0.1, 0.0, 0.0, 1.0),
            (1.5e160, 0.0, 0.0, two(498)),
            (0.0, 0.001, 0.0, two(-10)),
            (1e-30, 1e-30, 0.0, two(-100)),
            (1e30, 0.0, 0.0, two(100)),
            (5e140, 1e140, 0.0, two(465)),
            (1e7, 1.0, 1e7, 1.0),
            (-1.7e18, 1e9, -1.7e18, 1.0),
            (1.0, two(-20), 1.0, two(-20)),
        ] {
            let units = Units::of(mean, std);
            assert_eq!((units.offset, units.scale), (offset, scale), "{mean} {std}");
        }
        let units = Units::of(-1.7e18, 1e9);
        assert_eq!(units.label(-1.7e18 + 2e9), 2e9);
        assert_eq!(units.number(2e9), -1.7e18 + 2e9);
        assert_eq!(Units::default().label(1e300), f32::MAX);
    }

    #[test]
    fn leaves_hold_the_numbers_where_they_can() {
        for (mean, std, held, high) in [
            (0.0, 1.0, true, 1.0),
            (0.0, libm::ldexp(1.0, -100), true, libm::ldexp(1.0, -100)),
            (0.0, libm::ldexp(1.0, 100), true, libm::ldexp(1.0, 100)),
            (0.0, libm::ldexp(1.0, 140), false, libm::ldexp(1.0, 140)),
            (0.0, libm::ldexp(1.0, -140), false, libm::ldexp(1.0, -140)),
            (1.7e18, 1e9, false, 1.7e18 + 1.0),
            (1e7, 1.0, false, 1e7 + 1.0),
        ] {
            let trees = stump(2.0).in_units(Units::of(mean, std));
            assert_eq!(trees.units.is_none(), held, "{mean} {std}");
            let mut raw = Vec::new();
            trees.raw(&[0.0, 3.0], &mut raw);
            assert_eq!(raw, [high]);
            let parts = trees.contributions(&[0.0, 3.0], &[0.0; 2]).expect("parts");
            // Of four rows two are in each leaf.
            assert_eq!(parts[..2], [0.0, 0.5 * Units::of(mean, std).scale]);
            assert_eq!(parts.iter().sum::<f64>(), high);

            let names = ["a", "b"].map(str::to_owned);
            assert_eq!(
                trees.exports(&names).expect("files").len(),
                usize::from(held)
            );
            assert_eq!(trees.to_xgboost(&names).is_ok(), held);
            let file = trees.to_json().expect("JSON");
            assert_eq!(file.get("units").is_none(), held);
            let read = Families::standard().read(&file).expect("trees");
            let mut again = Vec::new();
            read.raw(&[0.0, 3.0], &mut again);
            assert_eq!(again, raw);
        }
    }

    #[test]
    fn units_that_make_no_sense_are_refused() {
        let trees = stump(2.0).in_units(Units::of(1e7, 1.0));
        let file = trees.to_json().expect("JSON");
        for (pointer, value) in [
            ("/units/scale", 0.0.into()),
            ("/units/scale", (-1.0).into()),
            ("/objective", "binary:logistic".into()),
        ] {
            let mut file = file.clone();
            *file.pointer_mut(pointer).expect(pointer) = value;
            let error = Families::standard().read(&file).expect_err("refused");
            assert!(
                error.to_string().contains("units that are of no number"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_target_without_a_spread_in_double_precision_is_refused_by_its_name() {
        let target = Target {
            name: "price".to_owned(),
            classes: Vec::new(),
        };
        let units = |y: [f64; 3]| {
            let rows = Rows {
                x: &[0.0; 3],
                y: &y,
                weights: None,
            };
            let look = Look::new(&["x".to_owned()], 0);
            let look = InMemory::<FitError>::new(rows, 2)
                .pass(look)
                .expect("a pass");
            look.units(&target)
        };
        for (y, range) in [
            ([0.0, 1e160, 3e160], "from 0e0 to 3e160"),
            ([1e-170, 3e-170, 2e-170], "from 1e-170 to 3e-170"),
        ] {
            let text = units(y).expect_err("refused").to_string();
            assert!(text.contains("target \"price\" is"), "{text}");
            assert!(text.contains(range), "{text}");
        }
        let (value, rows) = (5.0, 3);
        assert_eq!(units([value; 3]), Err(FitError::OneValue { value, rows }));
        assert_eq!(units([0.0, 1.0, 3.0]), Ok(Units::default()));
    }
}
