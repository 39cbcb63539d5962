//! Intervals whose width goes by the row, beside LightGBM's quantiles.

use crate::bench::Bench;
use crate::python::answer;
use crate::trees::run_on;

const MODELS: &str = r#"{"candidates": [{"family": "gradient-boosting"}], "interval": 0.9,
    "interval_by": "quantiles"}"#;

#[test]
fn intervals_of_quantiles_cover_as_much_as_they_say_and_are_as_good_as_lightgbms() {
    let bench = Bench::empty();
    let file = run_on(&bench, "skewed", MODELS);
    let store = bench.store("");
    let places = [&store, &file].map(|path| path.to_str().unwrap());
    let reached = answer("quantiles.py", &[places[0], places[1], "0.9"]);
    let of = |name: &str| reached[name].as_f64().unwrap();
    assert!(of("rows") > 5000.0, "{reached}");
    // Four standard errors, of the holdout's rows and of the fewer validation rows.
    assert!((of("coverage") - 0.9).abs() < 0.03, "{reached}");
    for end in ["lower", "upper"] {
        assert!(of(end) < 1.02, "{reached}");
    }
}
