//! From what was counted to the fitted state.

use super::categories::{Category, Counts, FrequentCategories, Labels, keep_frequent};
use super::error::Error;
use super::first_pass::{ColumnSums, FirstPass, NumberSums};
use super::fitted::{Categorical, Dropped, Encoding, FittedColumn, Numeric, Preprocessing};
use super::moments::{Moments, Scale};
use super::options::FitOptions;
use super::plan::{CategoricalPlan, ColumnPlan, ImputeNumber, NumericPlan};
use super::settings::Encode;
use super::target::{TargetTable, out_of_fold, table};
use super::transform::OutOfFold;
use crate::signature::Signature;

/// What a fit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// For rows to score.
    pub preprocessing: Preprocessing,
    /// For training rows; none with one fold, or without a column that the target encodes.
    pub out_of_fold: Option<OutOfFold>,
    /// By column, without those that are dropped.
    pub found: Vec<Found>,
}

/// What training rows held in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name of the feature.
    pub feature: String,
    /// Training rows.
    pub rows: u64,
    /// Of them, those without a value.
    pub missing: u64,
    /// Categories before rare ones were joined; none for numbers.
    pub distinct: Option<usize>,
    /// Categories that share `other`.
    pub rare: usize,
}

/// The fitted state. `median` gives the median of a column that was searched.
pub(super) fn fitted(
    signature: &Signature,
    plans: Vec<ColumnPlan>,
    first: FirstPass,
    median: impl Fn(&usize) -> Option<f64>,
    options: &FitOptions<'_>,
) -> Result<Fitted, Error> {
    let (labels, rows) = (first.labels(), first.rows);
    let (mut columns, mut found) = (Vec::new(), Vec::new());
    let mut tables = vec![Vec::new(); labels.folds];
    let of_columns = plans.into_iter().zip(first.columns);
    for (at, ((plan, sums), feature)) in of_columns.zip(signature.features()).enumerate() {
        let name = feature.name.as_str();
        let mut of_column = Found {
            feature: name.to_owned(),
            rows,
            missing: 0,
            distinct: None,
            rare: 0,
        };
        let column = match (plan, sums) {
            (ColumnPlan::Numeric(plan), ColumnSums::Numeric(_, sums)) => {
                of_column.missing = sums.missing;
                FittedColumn::Numeric(numeric(name, &plan, &sums, median(&at))?)
            }
            (ColumnPlan::Categorical(plan), ColumnSums::Categorical(counts)) => {
                of_column.missing = counts.missing.rows;
                let fit = categorical(name, &plan, counts, labels, options)?;
                (of_column.distinct, of_column.rare) = (Some(fit.distinct), fit.rare);
                for (fold, table) in fit.tables.into_iter().enumerate() {
                    tables[fold].push(table);
                }
                FittedColumn::Categorical(fit.column)
            }
            _ => {
                columns.push(FittedColumn::Dropped(Dropped {
                    name: name.to_owned(),
                    kind: feature.kind,
                }));
                continue;
            }
        };
        columns.push(column);
        found.push(of_column);
    }
    let encoded = tables.iter().any(|of_fold| !of_fold.is_empty());
    Ok(Fitted {
        preprocessing: Preprocessing::new(columns)?,
        out_of_fold: encoded.then_some(OutOfFold { tables }),
        found,
    })
}

fn numeric(
    name: &str,
    plan: &NumericPlan,
    sums: &NumberSums,
    median: Option<f64>,
) -> Result<Numeric, Error> {
    let column = || name.to_owned();
    let all_missing = || Error::AllMissing { column: column() };
    let impute = match plan.impute {
        ImputeNumber::None => None,
        ImputeNumber::Constant(value) => Some(value),
        _ if sums.all.count == 0 => return Err(all_missing()),
        ImputeNumber::Median => Some(median.ok_or_else(all_missing)?),
        ImputeNumber::Mean => Some(sums.plain.mean()),
        ImputeNumber::MostFrequent => match &sums.frequent {
            Some(frequent) => Some(frequent.frequent_number(name)?),
            None => None,
        },
    };
    if impute.is_some_and(|value| !value.is_finite()) {
        return Err(Error::Overflow { column: column() });
    }
    let mut moments = sums.moments;
    if let Some(value) = impute {
        moments.merge(&Moments::of(value, sums.missing_weight));
    }
    Ok(Numeric {
        name: column(),
        clip: plan.clip,
        impute,
        missing_indicator: plan.indicator && sums.missing > 0,
        scale: scale(name, plan.standardize, &moments)?,
    })
}

fn scale(name: &str, standardize: bool, moments: &Moments) -> Result<Option<Scale>, Error> {
    if !standardize {
        return Ok(None);
    }
    let column = name.to_owned();
    let scale = moments.scale().ok_or(Error::Overflow { column })?;
    Ok(Some(scale))
}

/// A fitted column of categories.
struct CategoricalFit {
    column: Categorical,
    distinct: usize,
    rare: usize,
    /// By fold, where the target encodes.
    tables: Vec<TargetTable>,
}

fn categorical(
    name: &str,
    plan: &CategoricalPlan,
    counts: Counts,
    labels: Labels,
    options: &FitOptions<'_>,
) -> Result<CategoricalFit, Error> {
    let missing_indicator = plan.indicator && counts.missing.rows > 0;
    let (all, impute) = counts.finish(name, plan)?;
    let distinct = all.len();
    let frequent = keep_frequent(all, plan);
    let mut tables = Vec::new();
    let (encoding, labels) = match plan.encode {
        Encode::OneHot => (Encoding::OneHot, Labels::NONE),
        Encode::Ordinal => (Encoding::Ordinal, Labels::NONE),
        Encode::Target => {
            let all = table(&frequent.groups, labels, |_| true).ok_or(Error::NoRows)?;
            if labels.folds > 1 {
                tables = out_of_fold(&frequent.groups, labels)?;
            }
            let groups = &frequent.groups[..frequent.categories.len()];
            let frequencies = || groups.iter().map(|group| group.rows).collect();
            let encoding = Encoding::Target {
                table: all,
                classes: options.classes.to_vec(),
                frequencies: (plan.frequency == Some(true)).then(frequencies),
            };
            (encoding, labels)
        }
    };
    let FrequentCategories {
        categories,
        groups,
        rare,
    } = frequent;
    let mut column = Categorical {
        name: name.to_owned(),
        impute,
        missing_indicator,
        categories,
        other: rare > 0,
        encoding,
        scales: Vec::new(),
    };
    if plan.standardize {
        let moments = of_outputs(&column, &groups, labels, &tables);
        let scales = moments
            .iter()
            .filter_map(|of| scale(name, true, of).transpose());
        column.scales = scales.collect::<Result<_, _>>()?;
    }
    Ok(CategoricalFit {
        column,
        distinct,
        rare,
        tables,
    })
}

/// Moments of what comes out for training rows: a function of category and fold.
fn of_outputs(
    column: &Categorical,
    groups: &[Category],
    labels: Labels,
    tables: &[TargetTable],
) -> Vec<Moments> {
    let mut moments = vec![Moments::default(); column.width()];
    for (at, group) in groups.iter().enumerate() {
        for fold in 0..labels.folds {
            // The weight of a fold is the same in the cells of all its classes.
            let weight = group.cells[fold * labels.outputs].weight;
            column.encode(Some(at), false, tables.get(fold), |output, value| {
                moments[output].add(value, weight);
            });
        }
    }
    moments
}
