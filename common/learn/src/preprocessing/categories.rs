//! The categories of a column: counted in one pass, then those that are kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;

use super::error::Error;
use super::moments::Moments;
use super::plan::{CategoricalPlan, ImputeText};
use super::settings::Encode;

/// Distinct values of a column that a fit keeps in memory at most.
pub const MAX_DISTINCT: usize = 100_000;
/// Bytes of distinct texts of a column that a fit keeps in memory at most.
pub const MAX_TEXT_BYTES: usize = 16 << 20;
/// Distinct values times folds times classes at most, where a target encodes them.
pub const MAX_TARGET_CELLS: usize = 1 << 20;

/// Bytes of a distinct value beside its text and its cells: in a map that has just grown its place
/// is taken up to three times, and each of two allocations has a rest.
const VALUE_BYTES: usize = 3 * size_of::<(Box<str>, Category)>() + 32;

/// The categories in their order, missing last, and what is imputed.
type Finished = (Vec<(Option<String>, Category)>, Option<String>);

/// How labels are cut into cells of a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    /// Encodings of one category: one per class, or one.
    pub(super) outputs: usize,
    /// Whether a label is the index of a class, of which each has an encoding.
    pub(super) classes: bool,
    pub(super) folds: usize,
}

impl Labels {
    /// Of a column that the target does not encode.
    pub(super) const NONE: Self = Self {
        outputs: 1,
        classes: false,
        folds: 1,
    };

    pub(super) fn cells(&self) -> usize {
        self.outputs * self.folds
    }

    /// Bytes of memory that a distinct value takes at most.
    fn bytes(&self, text: &str) -> u64 {
        (VALUE_BYTES + self.cells() * size_of::<Moments>() + text.len()) as u64
    }

    pub(super) fn value(&self, y: f64, output: usize) -> f64 {
        if self.classes {
            f64::from(u8::from(y == output as f64))
        } else {
            y
        }
    }
}

/// The training rows of a category.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Category {
    pub(super) rows: u64,
    /// Moments of the target, by fold and then by class.
    pub(super) cells: Vec<Moments>,
}

impl Category {
    fn add(&mut self, labels: Labels, y: f64, weight: f64, fold: usize) {
        self.rows += 1;
        self.cells.resize(labels.cells(), Moments::default());
        // Of a column that the target does not encode, all rows are in one fold.
        let fold = fold.min(labels.folds - 1);
        for output in 0..labels.outputs {
            let value = labels.value(y, output);
            self.cells[fold * labels.outputs + output].add(value, weight);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        if self.cells.len() < other.cells.len() {
            self.cells.resize(other.cells.len(), Moments::default());
        }
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            cell.merge(other);
        }
    }
}

/// Why counting gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    Distinct,
    Texts,
}

/// Categories of a column, counted.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    labels: Labels,
    texts: HashMap<Box<str>, Category>,
    /// Of the texts alone.
    bytes: usize,
    /// Of memory.
    taken: u64,
    pub(super) missing: Category,
    excess: Option<Excess>,
}

impl Counts {
    pub(super) fn new(labels: Labels) -> Self {
        Self {
            labels,
            texts: HashMap::new(),
            bytes: 0,
            taken: 0,
            missing: Category::default(),
            excess: None,
        }
    }

    fn limit(&self) -> usize {
        MAX_DISTINCT.min(MAX_TARGET_CELLS / self.labels.cells())
    }

    pub(super) fn add(&mut self, text: Option<&str>, y: f64, weight: f64, fold: usize) {
        let labels = self.labels;
        let Some(text) = text else {
            self.missing.add(labels, y, weight, fold);
            return;
        };
        if self.excess.is_some() {
            return;
        }
        if let Some(category) = self.texts.get_mut(text) {
            category.add(labels, y, weight, fold);
            return;
        }
        let mut category = Category::default();
        category.add(labels, y, weight, fold);
        self.bytes += text.len();
        self.taken += labels.bytes(text);
        self.texts.insert(text.into(), category);
        self.check();
    }

    /// Bytes of memory that the distinct values take at most.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn clear(&mut self) {
        (self.texts, self.taken) = (HashMap::new(), 0);
    }

    /// Categories so far, a missing value not among them.
    pub(super) fn distinct(&self) -> usize {
        self.texts.len()
    }

    /// Counts a number that is not missing, by its shortest text that reads back as its bits.
    pub(super) fn add_number(&mut self, number: f64) {
        // One zero, whatever its sign.
        self.add(Some(&(number + 0.0).to_string()), 0.0, 1.0, 0);
    }

    /// The most frequent number, of several the smallest.
    pub(super) fn frequent_number(&self, column: &str) -> Result<f64, Error> {
        self.refuse(column)?;
        let most = self.texts.values().map(|category| category.rows).max();
        let of_most = self.texts.iter().filter(|(_, of)| Some(of.rows) == most);
        let numbers = of_most.filter_map(|(text, _)| text.parse().ok());
        numbers.min_by(f64::total_cmp).ok_or_else(|| {
            let column = column.to_owned();
            Error::AllMissing { column }
        })
    }

    pub(super) fn merge(&mut self, later: Self) {
        self.missing.merge(&later.missing);
        self.excess = self.excess.or(later.excess);
        if self.excess.is_some() {
            self.clear();
            return;
        }
        for (text, category) in later.texts {
            match self.texts.entry(text) {
                Place::Occupied(mut own) => own.get_mut().merge(&category),
                Place::Vacant(place) => {
                    self.bytes += place.key().len();
                    self.taken += self.labels.bytes(place.key());
                    place.insert(category);
                }
            }
        }
        self.check();
    }

    fn check(&mut self) {
        if self.texts.len() > self.limit() {
            self.excess = Some(Excess::Distinct);
        } else if self.bytes > MAX_TEXT_BYTES {
            self.excess = Some(Excess::Texts);
        }
        if self.excess.is_some() {
            self.clear();
        }
    }

    /// The categories in their order, missing last, after imputation; and what is imputed.
    pub(super) fn finish(self, column: &str, plan: &CategoricalPlan) -> Result<Finished, Error> {
        self.refuse(column)?;
        let mut missing = self.missing;
        let mut texts: Vec<(String, Category)> = self
            .texts
            .into_iter()
            .map(|(text, category)| (text.into_string(), category))
            .collect();
        texts.sort_by(|a, b| a.0.cmp(&b.0));
        let impute = match &plan.impute {
            ImputeText::None => None,
            ImputeText::Constant(value) => Some(value.clone()),
            ImputeText::MostFrequent => Some(most_frequent(&texts).ok_or_else(|| {
                let column = column.to_owned();
                Error::AllMissing { column }
            })?),
        };
        if let Some(value) = impute.as_ref().filter(|_| missing.rows > 0) {
            match texts.binary_search_by(|(text, _)| text.cmp(value)) {
                Ok(at) => texts[at].1.merge(&missing),
                Err(at) => texts.insert(at, (value.clone(), missing)),
            }
            missing = Category::default();
        }
        let mut all: Vec<_> = texts
            .into_iter()
            .map(|(text, category)| (Some(text), category))
            .collect();
        // The code of a missing value is a missing number.
        if missing.rows > 0 && plan.encode != Encode::Ordinal {
            all.push((None, missing));
        }
        Ok((all, impute))
    }

    fn refuse(&self, column: &str) -> Result<(), Error> {
        let column = column.to_owned();
        let of = match self.labels.cells() {
            1 => String::new(),
            cells => format!(" (with {cells} folds and classes of a target encoding)"),
        };
        match self.excess {
            None => Ok(()),
            Some(Excess::Distinct) => Err(Error::Distinct {
                column,
                limit: self.limit(),
                of,
            }),
            Some(Excess::Texts) => Err(Error::Texts {
                column,
                limit: MAX_TEXT_BYTES,
            }),
        }
    }
}

/// Of the most frequent, the first.
fn most_frequent(texts: &[(String, Category)]) -> Option<String> {
    let most = texts.iter().map(|(_, category)| category.rows).max()?;
    let first = texts.iter().find(|(_, category)| category.rows == most)?;
    Some(first.0.clone())
}

/// The categories that have an encoding of their own, and all others as one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FrequentCategories {
    pub(super) categories: Vec<Option<String>>,
    /// Of each of these, and last of the others, if there are any.
    pub(super) groups: Vec<Category>,
    /// How many share `other`.
    pub(super) rare: usize,
}

/// Keeps the frequent categories, as scikit-learn's encoders do.
pub(super) fn keep_frequent(
    all: Vec<(Option<String>, Category)>,
    plan: &CategoricalPlan,
) -> FrequentCategories {
    let mut rare: Vec<bool> = all
        .iter()
        .map(|(_, category)| plan.is_rare(category.rows))
        .collect();
    let kept = rare.iter().filter(|rare| !**rare).count();
    if let Some(most) = plan.max_categories.filter(|most| *most < kept + 1) {
        // A stable sort: of equally frequent ones the last in order are kept.
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&at| all[at].1.rows);
        for &at in &order[..all.len() - (most - 1)] {
            rare[at] = true;
        }
    }
    let mut frequent = FrequentCategories {
        categories: Vec::new(),
        groups: Vec::new(),
        rare: 0,
    };
    let mut other = Category::default();
    for ((category, rows), rare) in all.into_iter().zip(rare) {
        if rare {
            frequent.rare += 1;
            other.merge(&rows);
        } else {
            frequent.categories.push(category);
            frequent.groups.push(rows);
        }
    }
    if frequent.rare > 0 {
        frequent.groups.push(other);
    }
    frequent
}
