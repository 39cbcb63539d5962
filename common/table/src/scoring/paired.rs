//! By how much a metric of two models differs on the same rows, and how sure that is.
//!
//! Each model reads the rows from parts of its own, since its configuration may have prepared other
//! features. Rows are the same where their ids and time are; an entity is what has the same ids.
//!
//! - The area under the ROC curve of two classes: DeLong's variance. Rows are sorted by score for
//!   their placements, and then by entity, in the scratch folder.
//! - Other metrics: the delete-a-group jackknife over [`GROUPS`] groups of entities.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use arrow::array::ArrayRef;

use crate::dataset::keys;
use crate::labelled::LabelledRows;
use catalog::manifest::{DatasetManifest, Role};
use learn::fitted_model::FittedModel;
use learn::metrics::ordered_bits;
use learn::metrics::paired::{AucDifference, Difference, jackknife};
use learn::rows::Rows;
use learn::task::{CountedAs, Evaluation, Metric, Report};
use runtime::step::Step;
use store::spill::{Merged, Runs, Sorter, Sorters};

/// Groups of the jackknife: the standard error is then itself known to some 5 %.
const GROUPS: u64 = 256;
/// Rows between two looks at the signal to stop.
const CHECK_EVERY: u64 = 1 << 16;
/// The metric that is compared by ranks.
const ROC_AUC: &str = "roc_auc";

/// An inverted score, an entity with a bit that says whether the row is a positive, and the row.
type ByScore = [u64; 3];
/// An entity with that bit, the row, and twice its placement.
type ByEntity = [u64; 3];

/// What is measured of each group of entities; none of those without rows.
type Groups = Vec<Option<Box<dyn Evaluation>>>;

/// What is kept of a model's rows for a metric.
#[derive(Clone)]
pub(super) struct Collector {
    columns: Vec<String>,
    ids: usize,
    method: Method,
}

/// How a metric of two models is compared.
#[derive(Clone)]
enum Method {
    /// DeLong's, of the scores of all rows.
    DeLong(Sorters<ByScore>),
    /// The jackknife, of groups of entities.
    Jackknife,
}

/// What was kept of a model's rows, to be compared with that of another model.
pub struct Paired(Result<Collected, String>);

enum Collected {
    Scores {
        runs: Runs<ByScore>,
        positives: u64,
        negatives: u64,
    },
    Groups(Groups),
}

/// What is kept of rows, one after the other.
pub(super) struct Pairs {
    /// How many of the columns name an entity.
    ids: usize,
    /// Entities and rows that were seen and not added yet.
    keys: VecDeque<[u64; 2]>,
    method: Method,
    groups: Groups,
}

impl Collector {
    /// For a metric of a model on a data set; the inner error says why there is nothing to keep.
    pub(super) fn new(
        rows: &LabelledRows,
        model: &FittedModel,
        dataset: &DatasetManifest,
        metric: Metric,
    ) -> Result<Self, String> {
        let names = |role: Role| {
            let named = dataset.columns.iter();
            let named = named.filter(move |column| column.role == role);
            named.map(|column| column.name.clone())
        };
        let ids = names(Role::Id).count();
        if ids == 0 {
            return Err("features.sql returns no id, so rows can't be paired".to_owned());
        }
        let of_two = matches!(model.task.counted_as(), CountedAs::PositiveClass);
        let ranked = model.task.evaluation(&model.target, &model.rule).rankings() > 0;
        let method = match metric.name {
            ROC_AUC if rows.weight().is_some() => {
                return Err("there is none for roc_auc with row weights".to_owned());
            }
            ROC_AUC if of_two => {
                let work = rows.work();
                // Beside the ranks of the report.
                let memory = work.sorter_memory() / 2;
                Method::DeLong(Sorters::with_memory(work.clone(), memory))
            }
            "roc_auc" | "pr_auc" if ranked => {
                return Err(format!("there is none for {} of this task", metric.name));
            }
            name if !metric.is_smooth() => return Err(format!("one row decides {name}")),
            _ => Method::Jackknife,
        };
        Ok(Self {
            columns: names(Role::Id).chain(names(Role::Time)).collect(),
            ids,
            method,
        })
    }

    /// The columns that name a row; those that name its entity come first.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// For the rows of one part.
    pub(super) fn part(&self) -> Pairs {
        Pairs {
            ids: self.ids,
            keys: VecDeque::new(),
            method: self.method.clone(),
            groups: (0..GROUPS).map(|_| None).collect(),
        }
    }

    /// What was kept of all parts.
    pub(super) fn finish(&self, pairs: Pairs, report: &Report) -> Result<Paired> {
        Ok(Paired(Ok(match (&self.method, report.binary()) {
            (Method::DeLong(sorters), Some(of_two)) => Collected::Scores {
                runs: sorters.runs()?,
                positives: of_two.positives,
                negatives: of_two.rows - of_two.positives,
            },
            _ => Collected::Groups(pairs.groups),
        })))
    }
}

impl Pairs {
    /// Sees the columns of the rows that are added next.
    pub(super) fn see(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = keys::hashes(columns)?.map(|hash| hash as u64);
        let entities = keys::hashes(&columns[..self.ids])?.map(|hash| hash as u64);
        self.keys.extend(entities.zip(rows).map(<[u64; 2]>::from));
        Ok(())
    }

    /// Adds the next rows, which `evaluation` measures as well.
    pub(super) fn add(
        &mut self,
        model: &FittedModel,
        evaluation: &dyn Evaluation,
        rows: &Rows<'_>,
        outputs: &[f64],
    ) -> Result<()> {
        let keys = self.keys.drain(..rows.len());
        let weights = rows.weights;
        let width = model.estimator.outputs();
        let rows = rows.y.iter().zip(outputs.chunks_exact(width));
        match &self.method {
            Method::DeLong(sorters) => sorters.lend(|sorter| {
                for ((label, outputs), [entity, row]) in rows.zip(keys) {
                    let (score, positive) = evaluation.ranked(0, *label, outputs);
                    let marked = entity & !1 | u64::from(positive);
                    sorter.push([!ordered_bits(score), marked, row])?;
                }
                Ok(())
            }),
            Method::Jackknife => {
                for (i, ((label, outputs), [entity, _])) in rows.zip(keys).enumerate() {
                    let group = &mut self.groups[(entity % GROUPS) as usize];
                    let group = group
                        .get_or_insert_with(|| model.task.evaluation(&model.target, &model.rule));
                    let weight = weights.map(|weights| &weights[i..=i]);
                    group.add(std::slice::from_ref(label), outputs, weight)?;
                }
                Ok(())
            }
        }
    }

    /// Merges what is kept of later rows.
    pub(super) fn merge(&mut self, later: Self) {
        for (group, later) in self.groups.iter_mut().zip(later.groups) {
            match (group, later) {
                (Some(group), Some(later)) => group.merge(later),
                (group @ None, later) => *group = later,
                (Some(_), None) => {}
            }
        }
    }
}

impl Paired {
    /// Of a model of which nothing is kept, for this reason.
    pub(super) fn none(why: String) -> Self {
        Self(Err(why))
    }

    /// The metric of this model less that of the other. The inner error says why there is none.
    ///
    /// # Errors
    /// A scratch folder that fails. SIGTERM: exit 143.
    pub fn less(
        &self,
        step: &Step,
        other: &Self,
        metric: Metric,
    ) -> Result<Result<Difference, String>> {
        let (ours, theirs) = match (&self.0, &other.0) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(why), _) | (_, Err(why)) => return Ok(Err(why.clone())),
        };
        let found = match (ours, theirs) {
            (Collected::Groups(ours), Collected::Groups(theirs)) => by_groups(ours, theirs, metric),
            (ours, theirs) => match (placements(step, ours)?, placements(step, theirs)?) {
                (Some(first), Some(second)) => return by_ranks(step, first, second),
                _ => None,
            },
        };
        Ok(found.ok_or_else(|| "too few entities have a label of each kind".to_owned()))
    }
}

/// Placements of the rows by entity, with the rows of each class: negatives, positives.
struct Placements {
    rows: Merged<ByEntity>,
    classes: [u64; 2],
}

/// Ranks the rows of a model.
fn placements(step: &Step, of: &Collected) -> Result<Option<Placements>> {
    let Collected::Scores {
        runs,
        positives,
        negatives,
    } = of
    else {
        return Ok(None);
    };
    let memory = step.work().sorter_memory();
    let mut sorter = Sorter::<ByEntity>::with_memory(step.work(), memory);
    // Twice: how many rows have a score is known only after the last of them.
    let (mut ahead, mut rows) = (runs.read()?, runs.read()?);
    let mut next = ahead.next_ref()?.copied();
    let (mut above, mut seen) = ([0_u64; 2], 0_u64);
    while let Some([score, ..]) = next {
        let mut tied = [0_u64; 2];
        while let Some([_, entity, _]) = next.filter(|row| row[0] == score) {
            tied[(entity & 1) as usize] += 1;
            next = ahead.next_ref()?.copied();
        }
        for _ in 0..tied[0] + tied[1] {
            if seen.is_multiple_of(CHECK_EVERY) {
                step.check()?;
            }
            seen += 1;
            let [_, entity, row] = rows.next_ref()?.copied().context("rows are read twice")?;
            let twice = match entity & 1 {
                1 => 2 * (negatives - above[0]) - tied[0],
                _ => 2 * above[1] + tied[1],
            };
            sorter.push([entity, row, twice])?;
        }
        above = [above[0] + tied[0], above[1] + tied[1]];
    }
    let rows = sorter.runs()?.read()?;
    Ok(Some(Placements {
        rows,
        classes: [*negatives, *positives],
    }))
}

/// DeLong's, of two models' placements.
fn by_ranks(
    step: &Step,
    mut first: Placements,
    mut second: Placements,
) -> Result<Result<Difference, String>> {
    let unpaired = || Ok(Err("the models were measured on other rows".to_owned()));
    let [negatives, positives] = first.classes;
    if first.classes != second.classes {
        return unpaired();
    }
    let mut difference = AucDifference::new(positives, negatives);
    for index in 0..negatives + positives {
        if index.is_multiple_of(CHECK_EVERY) {
            step.check()?;
        }
        let (ours, theirs) = (first.rows.next_ref()?, second.rows.next_ref()?);
        match (ours, theirs) {
            (Some([entity, row, ours]), Some([other, same, theirs]))
                if (entity, row) == (other, same) =>
            {
                difference.add(entity >> 1, entity & 1 == 1, [*ours, *theirs]);
            }
            _ => return unpaired(),
        }
    }
    let found = difference.finish();
    Ok(found.ok_or_else(|| "a class has rows of fewer than two entities".to_owned()))
}

/// The jackknife's, of two models' groups.
fn by_groups(first: &Groups, second: &Groups, metric: Metric) -> Option<Difference> {
    let (ours, theirs) = (values(first, metric)?, values(second, metric)?);
    let same = ours.without.len() == theirs.without.len();
    let pairs = ours.without.iter().zip(&theirs.without);
    let without: Vec<f64> = pairs.map(|(ours, theirs)| ours - theirs).collect();
    jackknife(ours.whole - theirs.whole, &without).filter(|_| same)
}

/// A metric of all rows, and without those of each group.
struct Values {
    whole: f64,
    without: Vec<f64>,
}

/// `None` where it is undefined for some of them.
fn values(groups: &Groups, metric: Metric) -> Option<Values> {
    let groups: Vec<&dyn Evaluation> = groups.iter().flatten().map(AsRef::as_ref).collect();
    let join = |so_far: &Option<Box<dyn Evaluation>>, next: &dyn Evaluation| match so_far {
        None => next.copy(),
        Some(so_far) => {
            let mut joined = so_far.copy();
            joined.merge(next.copy());
            joined
        }
    };
    // Of all groups after each: as many as there are groups, once each.
    let mut after = vec![None];
    for group in groups.iter().rev() {
        let joined = join(&after[after.len() - 1], *group);
        after.push(Some(joined));
    }
    let whole = after.pop()??.report(&[]).number(metric.name)?;
    let mut before: Option<Box<dyn Evaluation>> = None;
    let mut without = Vec::with_capacity(groups.len());
    for group in groups {
        let rest = match (&before, after.pop()?) {
            (None, after) => after,
            (before, None) => before.as_ref().map(|before| before.copy()),
            (before, Some(after)) => Some(join(before, after.as_ref())),
        };
        without.push(rest?.report(&[]).number(metric.name)?);
        before = Some(join(&before, group));
    }
    Some(Values { whole, without })
}
