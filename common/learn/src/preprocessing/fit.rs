//! The fit: one pass that counts, then passes that search the medians.

use std::collections::BTreeMap;

use super::error::Error;
use super::finish::{self, Fitted};
use super::first_pass::{ColumnSums, FirstPass};
use super::median::Search;
use super::options::FitOptions;
use super::plan::{ColumnPlan, ImputeNumber, plan};
use super::settings::{Family, Settings};
use super::transform::clipped;
use crate::frame::{Column, FramePasses, FrameSums, LabelledFrame};
use crate::signature::Signature;

/// Fits preprocessing on the rows of some passes: at least one pass, and a few more where a
/// median is asked for.
///
/// Medians, frequent values and vocabularies do not depend on the chunks; means and deviations do
/// in their last bits alone. Weights weigh means, deviations and target encodings; what is
/// imputed and what is rare count rows, as in scikit-learn.
///
/// # Errors
/// Settings that do not fit the signature, values that are refused, and those of the passes.
pub fn fit<P: FramePasses>(
    passes: &mut P,
    signature: &Signature,
    settings: &Settings,
    options: &FitOptions<'_>,
) -> Result<Fitted, P::Error>
where
    P::Error: From<Error>,
{
    let mut plans = plan(signature, settings, options.family)?;
    let first = passes.pass(FirstPass::new(signature, &plans, options))?;
    if first.rows == 0 {
        return Err(Error::NoRows.into());
    }
    if let Some(excess) = first.excess {
        return Err(excess.into());
    }
    for (plan, sums) in plans.iter_mut().zip(&first.columns) {
        if let (ColumnPlan::Categorical(plan), ColumnSums::Categorical(counts)) = (plan, sums) {
            plan.decide_encoding(counts.distinct());
        }
    }
    let mut searches = Searches::new(&plans, &first);
    while searches.0.values().any(|of| of.search.median().is_none()) {
        for of in searches.0.values_mut() {
            of.search.start();
        }
        searches = passes.pass(searches)?;
        for of in searches.0.values_mut() {
            of.search.narrow();
        }
    }
    let median = |column: &usize| searches.0.get(column)?.search.median();
    Ok(finish::fitted(signature, plans, first, median, options)?)
}

/// That settings fit a signature.
///
/// # Errors
/// Names the column and the setting.
pub fn check(signature: &Signature, settings: &Settings, family: Family) -> Result<(), Error> {
    plan(signature, settings, family).map(drop)
}

/// Medians that are searched, by column.
#[derive(Clone, Debug)]
struct Searches(BTreeMap<usize, ClippedSearch>);

#[derive(Clone, Debug)]
struct ClippedSearch {
    clip: [Option<f64>; 2],
    search: Search,
}

impl Searches {
    fn new(plans: &[ColumnPlan], first: &FirstPass) -> Self {
        let search = |(column, plan): (usize, &ColumnPlan)| match (plan, &first.columns[column]) {
            (ColumnPlan::Numeric(plan), ColumnSums::Numeric(_, sums))
                if plan.impute == ImputeNumber::Median && sums.all.count > 0 =>
            {
                let (clip, search) = (plan.clip, Search::new(sums.all));
                Some((column, ClippedSearch { clip, search }))
            }
            _ => None,
        };
        Self(plans.iter().enumerate().filter_map(search).collect())
    }
}

impl FrameSums for Searches {
    type Error = Error;

    fn add(&mut self, rows: &LabelledFrame<'_>) -> Result<(), Error> {
        for (column, of) in &mut self.0 {
            if let Some(Column::Numbers(numbers)) = rows.frame.columns().get(*column) {
                let clipped = numbers.iter().map(|number| clipped(of.clip, *number));
                for number in clipped.filter(|number| !number.is_nan()) {
                    of.search.add(number);
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        for (own, later) in self.0.values_mut().zip(later.0.values()) {
            own.search.merge(&later.search);
        }
    }
}
