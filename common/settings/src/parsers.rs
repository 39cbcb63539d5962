//! What a value may be. Each refusal says what to give instead.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::published;
use learn::model::{ClassWeight, LOGISTIC_REGRESSION};
use learn::task::Metric;

use crate::auto::Auto;

pub(super) fn family(text: &str) -> Result<String, String> {
    match text {
        LOGISTIC_REGRESSION => Ok(text.to_owned()),
        _ => Err(format!(
            "give {LOGISTIC_REGRESSION}, the only one that this version fits"
        )),
    }
}

pub(super) fn class_weight(text: &str) -> Result<ClassWeight, String> {
    match text {
        "balanced" => Ok(ClassWeight::Balanced),
        "none" => Ok(ClassWeight::None),
        _ => Err("give balanced or none".to_owned()),
    }
}

/// A metric of a known task, or `auto`.
pub(super) fn metric() -> impl TypedValueParser<Value = Auto<Metric>> {
    let names = [AUTO].into_iter().chain(Metric::names());
    PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
        AUTO => Ok(Auto::Auto),
        name => Metric::named(name).map(Auto::Said),
    })
}

/// A number, or `auto`.
pub(super) fn auto_number(text: &str) -> Result<Auto<f64>, String> {
    match text {
        AUTO => Ok(Auto::Auto),
        text => number(text)
            .map(Auto::Said)
            .map_err(|error| format!("{error}, or {AUTO}")),
    }
}

const AUTO: &str = "auto";

pub(super) fn number(text: &str) -> Result<f64, String> {
    float(text, |number| number.is_finite(), "give a number")
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    let holds = |number: f64| number.is_finite() && number > 0.0;
    float(text, holds, "give a positive number")
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let holds = |number: f64| (0.0..=1.0).contains(&number);
    float(text, holds, "give a share from 0 to 1, such as 0.01")
}

pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    let holds = |number: f64| number.is_finite() && number >= 0.0;
    float(text, holds, "give a number that is not negative")
}

pub(super) fn from_zero(text: &str) -> Result<f64, String> {
    let holds = |number: f64| (0.0..=f64::MAX).contains(&number);
    float(text, holds, "give a number, 0 or more")
}

pub(super) fn probability(text: &str) -> Result<f64, String> {
    let holds = |number: f64| (0.0..=1.0).contains(&number);
    float(text, holds, "give a number from 0 to 1")
}

pub(super) fn count<N: FromStr>(text: &str) -> Result<N, String> {
    whole(text, |_| true, "give a whole number, 0 or more")
}

/// Days between rows and their labels.
pub(super) fn delay(text: &str) -> Result<u64, String> {
    whole(
        text,
        |days| *days <= 3650,
        "give a number of days from 0 to 3650",
    )
}

pub(super) fn days(text: &str) -> Result<u32, String> {
    whole(text, |_| true, "give a whole number of days, 0 or more")
}

pub(super) fn from_one(text: &str) -> Result<u32, String> {
    whole(text, |number| *number > 0, "give a whole number, 1 or more")
}

pub(super) fn connections(text: &str) -> Result<usize, String> {
    let holds = |number: &usize| (1..=64).contains(number);
    whole(text, holds, "give a number from 1 to 64")
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "give an address and a port, such as 0.0.0.0:8501".to_owned())
}

pub(super) fn name_in_postgres(text: &str) -> Result<String, String> {
    published::check_name(text).map(|()| text.to_owned())
}

/// A glob over the keys below `RAW_URL`.
pub(super) fn glob(text: &str) -> Result<String, String> {
    let advice = if text.contains("://") || text.starts_with('/') {
        "give names below RAW_URL"
    } else if text.contains('\\') {
        "give / between folders"
    } else if text
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
    {
        "give folders below RAW_URL by name, and a name after the last /"
    } else if text.contains("**") || text.contains(['?', '[', ']', '{', '}']) {
        "* is the only wildcard, and matches any characters except /"
    } else {
        return Ok(text.to_owned());
    };
    Err(format!("{advice}, such as train/*.parquet"))
}

/// A glob that may hold the data version.
pub(super) fn predict_glob(text: &str) -> Result<String, String> {
    match glob(&text.replace("{data-version}", "x")) {
        Ok(_) => Ok(text.to_owned()),
        Err(advice) if text.contains('{') => {
            Err(format!("{advice}, or predict/{{data-version}}/*.parquet"))
        }
        Err(advice) => Err(advice),
    }
}

fn float(text: &str, holds: impl Fn(f64) -> bool, advice: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| holds(*number));
    number.ok_or_else(|| advice_for(text, advice))
}

fn whole<N: FromStr>(text: &str, holds: impl Fn(&N) -> bool, advice: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(holds);
    number.ok_or_else(|| advice_for(text, advice))
}

/// A decimal comma is what people of many countries write.
fn advice_for(text: &str, advice: &str) -> String {
    match text.replacen(',', ".", 1) {
        pointed if pointed != text && pointed.parse::<f64>().is_ok() => {
            format!("{advice}, with a decimal point: {pointed}")
        }
        _ => advice.to_owned(),
    }
}
