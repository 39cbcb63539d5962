//! What is done with each column: settings and defaults joined, and refused where they do not
//! fit.

use super::error::Error;
use super::settings::{
    ColumnSettings, Encode, Family, Impute, MAX_CATEGORIES, MIN_FREQUENCY, ONE_HOT_OF_TREES,
    Settings, Value,
};
use crate::signature::{Feature, Kind, Signature};

/// What is done with one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ColumnPlan {
    Numeric(NumericPlan),
    Categorical(CategoricalPlan),
    Dropped(Kind),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct NumericPlan {
    pub(super) clip: [Option<f64>; 2],
    pub(super) impute: ImputeNumber,
    pub(super) indicator: bool,
    pub(super) standardize: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ImputeNumber {
    None,
    Constant(f64),
    Mean,
    Median,
    MostFrequent,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct CategoricalPlan {
    pub(super) impute: ImputeText,
    pub(super) indicator: bool,
    pub(super) encode: Encode,
    /// Where the target encodes.
    pub(super) frequency: Option<bool>,
    /// More categories than so many are encoded by the target after all.
    pub(super) one_hot_up_to: Option<usize>,
    pub(super) min_frequency: Option<u64>,
    pub(super) max_categories: Option<usize>,
    pub(super) standardize: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ImputeText {
    None,
    Constant(String),
    MostFrequent,
}

impl CategoricalPlan {
    /// Decides the encoding of a column of which so many categories were found.
    pub(super) fn decide_encoding(&mut self, distinct: usize) {
        if self.one_hot_up_to.is_some_and(|most| distinct > most) {
            self.encode = Encode::Target;
            self.max_categories = None;
            self.frequency.get_or_insert(true);
        }
    }

    /// Whether a category of so many rows is rare.
    pub(super) fn is_rare(&self, rows: u64) -> bool {
        let least = match self.encode {
            Encode::OneHot => MIN_FREQUENCY,
            Encode::Ordinal | Encode::Target => 1,
        };
        rows < self.min_frequency.unwrap_or(least)
    }
}

/// The plan of every feature.
///
/// # Errors
/// A setting that does not fit its column, or names none.
pub(super) fn plan(
    signature: &Signature,
    settings: &Settings,
    family: Family,
) -> Result<Vec<ColumnPlan>, Error> {
    let features = signature.features();
    let known = |name: &String| features.iter().any(|feature| feature.name == *name);
    if let Some(unknown) = settings.columns.keys().find(|name| !known(name)) {
        let names: Vec<_> = features.iter().map(|of| of.name.as_str()).collect();
        let reason = format!("there is no such feature; there are {}", names.join(", "));
        return Err(Error::setting(unknown, reason));
    }
    if let Some(setting) = for_categories(&settings.numeric) {
        return Err(Error::Kind {
            kind: "numeric",
            reason: format!(
                "`{setting}` is for categories: leave it out of `numeric`, or move it to \
                 `categorical`"
            ),
        });
    }
    let plans: Vec<_> = features
        .iter()
        .map(|feature| column(feature, settings, family))
        .collect::<Result<_, _>>()?;
    let dropped = |plan: &ColumnPlan| matches!(plan, ColumnPlan::Dropped(_));
    if plans.iter().all(dropped) {
        return Err(Error::NothingLeft);
    }
    Ok(plans)
}

fn column(feature: &Feature, settings: &Settings, family: Family) -> Result<ColumnPlan, Error> {
    let of_kind = match feature.kind {
        Kind::Numeric => &settings.numeric,
        Kind::Categorical => &settings.categorical,
    };
    let own = settings.columns.get(&feature.name);
    let mut settings = own.map_or_else(|| of_kind.clone(), |own| own.or(of_kind));
    if settings.drop == Some(true) {
        return Ok(ColumnPlan::Dropped(feature.kind));
    }
    match feature.kind {
        Kind::Numeric => numeric(&feature.name, &settings, family).map(ColumnPlan::Numeric),
        Kind::Categorical => {
            check_frequency(&feature.name, own, &mut settings)?;
            categorical(&feature.name, &settings, family).map(ColumnPlan::Categorical)
        }
    }
}

/// That rows are counted where the target encodes: what `categorical` says of it is a default, and
/// does not hold for a column with an encoding of its own.
fn check_frequency(
    name: &str,
    own: Option<&ColumnSettings>,
    settings: &mut ColumnSettings,
) -> Result<(), Error> {
    if settings.frequency != Some(true) || settings.encode == Some(Encode::Target) {
        return Ok(());
    }
    let reason = format!(
        "`frequency` counts rows beside the means of `encode: target`: set `encode: target`, or \
         leave `frequency` out; trees have both by default for a column of more than \
         {ONE_HOT_OF_TREES} categories"
    );
    match own {
        Some(own) if own.frequency.is_some() => Err(Error::setting(name, reason)),
        Some(own) if own.encode.is_some() => {
            settings.frequency = None;
            Ok(())
        }
        _ => Err(Error::Kind {
            kind: "categorical",
            reason,
        }),
    }
}

/// The first setting that is for categories.
fn for_categories(settings: &ColumnSettings) -> Option<&'static str> {
    let given = [
        ("encode", settings.encode.is_some()),
        ("frequency", settings.frequency.is_some()),
        ("min_frequency", settings.min_frequency.is_some()),
        ("max_categories", settings.max_categories.is_some()),
    ];
    let found = given.into_iter().find(|(_, said)| *said);
    found.map(|(setting, _)| setting)
}

fn numeric(name: &str, settings: &ColumnSettings, family: Family) -> Result<NumericPlan, Error> {
    if let Some(setting) = for_categories(settings) {
        let reason = format!(
            "`{setting}` is for categories, and the column is numeric: make it a text in \
                 features.sql (cast({name} as varchar)), or leave `{setting}` out"
        );
        return Err(Error::setting(name, reason));
    }
    let linear = family == Family::Linear;
    let impute = match &settings.impute {
        None if linear => ImputeNumber::Median,
        None | Some(Impute::None) => ImputeNumber::None,
        Some(Impute::Median) => ImputeNumber::Median,
        Some(Impute::Mean) => ImputeNumber::Mean,
        Some(Impute::MostFrequent) => ImputeNumber::MostFrequent,
        Some(Impute::Constant(Value::Number(value))) if value.is_finite() => {
            ImputeNumber::Constant(*value)
        }
        Some(Impute::Constant(_)) => {
            let reason = "`impute: {\"constant\": ...}` of a numeric column must be a number";
            return Err(Error::setting(name, reason));
        }
    };
    let clip = settings.clip.unwrap_or([None, None]);
    check_clip(clip).map_err(|reason| Error::setting(name, reason))?;
    Ok(NumericPlan {
        clip,
        impute,
        indicator: settings.missing_indicator.unwrap_or(linear),
        standardize: settings.standardize.unwrap_or(linear),
    })
}

/// That bounds are finite and in order.
pub(super) fn check_clip(clip: [Option<f64>; 2]) -> Result<(), &'static str> {
    if clip.iter().flatten().any(|bound| !bound.is_finite()) {
        return Err("the bounds of `clip` must be finite numbers, or null for no bound");
    }
    match clip {
        [Some(low), Some(high)] if low > high => Err("the lower bound of `clip` must come first"),
        _ => Ok(()),
    }
}

fn categorical(
    name: &str,
    settings: &ColumnSettings,
    family: Family,
) -> Result<CategoricalPlan, Error> {
    if settings.clip.is_some() {
        let reason = "`clip` is for numbers, and the column holds categories: leave `clip` out";
        return Err(Error::setting(name, reason));
    }
    let encode = settings.encode.unwrap_or(Encode::OneHot);
    let one_hot = encode == Encode::OneHot;
    let linear = family == Family::Linear;
    let impute = match &settings.impute {
        None if linear && encode == Encode::Ordinal => ImputeText::MostFrequent,
        None | Some(Impute::None) => ImputeText::None,
        Some(Impute::MostFrequent) => ImputeText::MostFrequent,
        Some(Impute::Constant(Value::Text(value))) => ImputeText::Constant(value.clone()),
        Some(Impute::Constant(Value::Number(_))) => {
            let reason = "`impute: {\"constant\": ...}` of a categorical column must be a text";
            return Err(Error::setting(name, reason));
        }
        Some(Impute::Median | Impute::Mean) => {
            let reason = "`impute` of a categorical column must be \"most-frequent\", \
                 {\"constant\": \"...\"} or \"none\"";
            return Err(Error::setting(name, reason));
        }
    };
    if settings.max_categories == Some(0) {
        return Err(Error::setting(name, "`max_categories` must be 1 or more"));
    }
    let by_default = one_hot.then_some(MAX_CATEGORIES);
    let open = !linear && settings.encode.is_none() && settings.max_categories.is_none();
    Ok(CategoricalPlan {
        impute,
        indicator: settings.missing_indicator.unwrap_or(false),
        encode,
        frequency: settings.frequency,
        one_hot_up_to: open.then_some(ONE_HOT_OF_TREES),
        min_frequency: settings.min_frequency,
        max_categories: settings.max_categories.or(by_default),
        standardize: settings.standardize.unwrap_or(linear && !one_hot),
    })
}
