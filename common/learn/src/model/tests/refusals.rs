//! Rows and passes that no model can be fitted on.

use super::*;

#[test]
fn rows_that_cannot_be_learnt_from_are_refused_by_name() {
    let options = FitOptions::default();
    let none = Rows {
        p: 1,
        x: vec![],
        y: vec![],
    };
    assert_eq!(fitted(&none, &options), Err(FitError::NoRows));
    let ones = Rows {
        p: 1,
        x: vec![1.0, 2.0],
        y: vec![1, 1],
    };
    assert_eq!(
        fitted(&ones, &options),
        Err(FitError::OneClass { label: 1, rows: 2 })
    );
    let zeros = Rows {
        p: 1,
        x: vec![1.0],
        y: vec![0],
    };
    assert_eq!(
        fitted(&zeros, &options),
        Err(FitError::OneClass { label: 0, rows: 1 })
    );

    let huge = Rows {
        p: 1,
        x: vec![-1e200, 1e200],
        y: vec![0, 1],
    };
    assert_eq!(
        fitted(&huge, &options),
        Err(FitError::Overflow {
            feature: "feature1".into()
        })
    );
    let two = Rows {
        p: 1,
        x: vec![1.0, 2.0],
        y: vec![0, 1],
    };
    let bad = FitOptions {
        c: 0.0,
        ..options.clone()
    };
    assert_eq!(
        fitted(&two, &bad),
        Err(FitError::Option {
            name: "c",
            value: 0.0
        })
    );

    let mut moments = Moments::new(&names(2));
    let error = moments
        .add_rows(&[1.0, 2.0, 3.0, f64::NAN], &[0, 1])
        .expect_err("NaN");
    assert_eq!(
        error.to_string(),
        "feature feature2 is NaN in row 1: fill or filter such values before training"
    );
    let error = moments.add_rows(&[1.0, 2.0], &[7]).expect_err("label");
    assert_eq!(error, RowError::Label { row: 0, value: 7 });
    assert_eq!(moments.rows(), 0, "a refused call adds nothing");
}

#[test]
fn a_later_pass_over_other_rows_is_noticed() {
    let two = Rows {
        p: 1,
        x: vec![1.0, 2.0],
        y: vec![0, 1],
    };
    let more = Rows {
        p: 1,
        x: vec![1.0, 2.0, 3.0],
        y: vec![0, 1, 1],
    };
    let changed = fit(&moments(&two, 9), &FitOptions::default(), |beta| {
        Ok(sums(&more, beta, 9))
    });
    assert_eq!(
        changed,
        Err(FitError::RowsChanged {
            expected: 2,
            found: 3
        })
    );
    let broken = Rows {
        p: 1,
        x: vec![1.0, f64::NAN],
        y: vec![0, 1],
    };
    let not_finite = fit(&moments(&two, 9), &FitOptions::default(), |beta| {
        Ok(sums(&broken, beta, 9))
    });
    assert_eq!(not_finite, Err(FitError::NotFinite));
}

#[test]
fn an_error_of_the_callers_pass_comes_back_as_it_was() {
    #[derive(Debug, PartialEq)]
    enum Caller {
        Read,
        Fit(FitError),
    }
    impl From<FitError> for Caller {
        fn from(error: FitError) -> Self {
            Self::Fit(error)
        }
    }
    let two = Rows {
        p: 1,
        x: vec![1.0, 2.0],
        y: vec![0, 1],
    };
    assert_eq!(
        fit(&moments(&two, 9), &FitOptions::default(), |_| Err(
            Caller::Read
        )),
        Err(Caller::Read)
    );
    let none = Moments::new(&names(1));
    assert_eq!(
        fit(&none, &FitOptions::default(), |_| Err(Caller::Read)),
        Err(Caller::Fit(FitError::NoRows))
    );
}
