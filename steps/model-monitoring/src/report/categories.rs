//! Drift of the columns of few values that the rows carry and the model does not use, and what is
//! said of categories, theirs and those of features.

use std::collections::HashMap;

use learn::preprocessing::MAX_DISTINCT;
use pages::content::{CategoryDrift, CategoryRows, CategoryShares, ColumnDrift, Content, Segments};
use pages::format::{count, metric, number, share, some};
use pages::judge::performance::SegmentCounts;
use pages::judge::{Rules, ratio};
use profile::drift::{self, NoiseFloor, Psi, PsiBucket, PsiKind, Verdict};
use profile::reference::CategoryProfile;

use crate::segments::{Dictionaries, Named, Segmentation};
use crate::subject::Subject;

/// Share of the rows by which nulls, and rare values, have to change to be reported.
const NULLS: f64 = 0.01;

/// What the rows carry, and how often.
pub(super) struct Carried<'a> {
    pub(super) subject: &'a Subject,
    pub(super) segmentation: &'a Segmentation,
    pub(super) dictionaries: &'a Dictionaries,
}

/// The values that training had of a column, each with its rows.
type Trained<'a> = Option<(&'a CategoryProfile, &'a [(String, u64)])>;

impl Carried<'_> {
    fn trained(&self, column: &str) -> Trained<'_> {
        let profile = self.subject.category(column)?;
        Some((profile, profile.values.as_deref()?))
    }

    /// Columns that are compared with training, and that the verdict is on.
    pub(super) fn judged(&self, rules: &Rules) -> usize {
        let columns = self.subject.segment_columns();
        let judged = |name: &&String| rules.columns.judges(name) && self.trained(name).is_some();
        columns.iter().filter(judged).count()
    }

    pub(super) fn drift(&self, floor: &NoiseFloor, rules: &Rules) -> Vec<CategoryDrift> {
        let named = self.dictionaries.named().into_iter();
        named
            .zip(&self.segmentation.values)
            .map(|(named, counts)| {
                let column = compared(&named, counts, self.trained(&named.column));
                judged(column, floor, rules)
            })
            .collect()
    }
}

/// A column beside training, not judged yet.
fn compared(
    named: &Named,
    counts: &HashMap<u32, SegmentCounts>,
    trained: Trained<'_>,
) -> CategoryDrift {
    let now: HashMap<&str, u64> = counts
        .iter()
        .filter_map(|(code, counts)| Some((named.values.get(code)?.as_str(), counts.rows)))
        .collect();
    let rows = counts.values().map(|counts| counts.rows).sum();
    let nulls = counts.get(&0).map_or(0, |counts| counts.rows);
    let (profile, trained) = trained.unzip();
    let row = |value: &str, reference: u64| CategoryRows {
        value: value.to_owned(),
        reference,
        current: now.get(value).copied().unwrap_or(0),
    };
    let known = trained.unwrap_or_default();
    let values: Vec<CategoryRows> = known.iter().map(|(value, n)| row(value, *n)).collect();
    let old: u64 = values.iter().map(|value| value.current).sum();
    let is_new = |value: &&str| known.binary_search_by(|(other, _)| other.as_str().cmp(value));
    let mut new_values: Vec<CategoryRows> = now
        .keys()
        .filter(|value| trained.is_some() && is_new(value).is_err())
        .map(|value| row(value, 0))
        .filter(|value| value.current > 0)
        .collect();
    if named.has_too_many(counts) {
        // Which of them have a number is chance.
        new_values.clear();
    }
    CategoryDrift {
        column: named.column.clone(),
        verdict: Verdict::InsufficientData,
        judged: false,
        psi: None,
        noise_floor: None,
        shares: CategoryShares {
            reference_rows: profile.map_or(0, |profile| profile.rows),
            rows,
            reference_nulls: profile.map_or(0, |profile| profile.nulls),
            nulls,
            reference_rest: 0,
            reference_unknown: None,
            unknown: None,
            values,
            new_rows: if trained.is_some() {
                rows - nulls - old
            } else {
                0
            },
            new_values,
        }
        .sorted(),
    }
}

fn judged(column: CategoryDrift, floor: &NoiseFloor, rules: &Rules) -> CategoryDrift {
    let shares = &column.shares;
    if shares.reference_rows == 0 {
        return column;
    }
    let bucket = |kind, then, now| PsiBucket::new(kind, None, None, then, now);
    let ends = [
        bucket(PsiKind::Missing, shares.reference_nulls, shares.nulls),
        bucket(PsiKind::Above, 0, shares.new_rows),
    ];
    let values = shares
        .values
        .iter()
        .map(|value| bucket(PsiKind::Range, value.reference, value.current));
    let psi = Psi::of(ends.into_iter().chain(values), floor);
    CategoryDrift {
        verdict: drift::verdict(psi.as_ref(), &rules.thresholds),
        judged: rules.columns.judges(&column.column),
        noise_floor: psi.as_ref().map(|psi| psi.noise_floor),
        psi: psi.map(|psi| psi.value),
        ..column
    }
}

/// Says of each part of the rows what share of training it had.
pub(super) fn beside_training(segments: &mut Segments, categories: &[CategoryDrift]) {
    for column in &mut segments.columns {
        let of = categories.iter().find(|of| of.column == column.column);
        let shares = of.map(|of| &of.shares);
        let Some(of) = shares.filter(|of| of.reference_rows > 0) else {
            continue;
        };
        for segment in &mut column.values {
            let rows = match &segment.name {
                None => of.reference_nulls,
                Some(name) => of
                    .values
                    .iter()
                    .find(|value| value.value == *name)
                    .map_or(0, |value| value.reference),
            };
            segment.reference_share = ratio(rows, of.reference_rows);
        }
    }
}

/// Values that a finding names.
const NAMED: usize = 3;
/// A value that was expected in so many rows and is in none is gone, and not rare by chance.
const EXPECTED: f64 = 10.0;

/// What is said of the columns of a verdict.
pub(super) fn drifted(categories: &[CategoryDrift], verdict: Verdict, limit: f64) -> Vec<String> {
    let columns = categories
        .iter()
        .filter(|column| column.judgement() == Some(verdict));
    let text = |of: &CategoryDrift| drifted_by(&of.column, of.psi, &of.shares, limit);
    columns.map(text).collect()
}

/// How a column drifted.
pub(super) fn drifted_by(
    name: &str,
    psi: Option<f64>,
    shares: &CategoryShares,
    limit: f64,
) -> String {
    let mut why: Vec<String> = concentrated(shares).into_iter().collect();
    why.extend(changes(shares));
    if why.is_empty() {
        why.extend(moved(shares));
    }
    format!(
        "{name} drifted: PSI {} (limit {}){}.",
        metric(psi),
        number(Some(limit)),
        why.iter().map(|why| format!("; {why}")).collect::<String>()
    )
}

/// What a person should know of the other columns: first the features, then those that are carried.
pub(super) fn notes(content: &Content) -> Vec<String> {
    let feature = |column: &ColumnDrift| {
        let found = column.judgement() >= Some(Verdict::Warn);
        let shares = column.categories.as_ref().filter(|_| !found)?;
        note(&column.name, shares)
    };
    let carried = |column: &CategoryDrift| {
        let (name, shares) = (&column.column, &column.shares);
        if shares.reference_rows == 0 {
            return Some(format!(
                "Values of {name} are not judged: the model was trained without a profile of that column; train it again."
            ));
        }
        let found = column.judgement() >= Some(Verdict::Warn);
        (!found).then(|| note(name, shares)).flatten()
    };
    let features = content.drift.features.iter().filter_map(feature);
    let carried = content.drift.categories.iter().filter_map(carried);
    let unseen = content.drift.features.iter().filter_map(unseen);
    features.chain(carried).chain(unseen).collect()
}

fn note(name: &str, shares: &CategoryShares) -> Option<String> {
    let changes = changes(shares).join("; ");
    (!changes.is_empty()).then(|| format!("{name}: {changes}."))
}

/// Columns most of whose values may have been replaced unseen.
fn unseen(column: &ColumnDrift) -> Option<String> {
    let shares = column.categories.as_ref().filter(|_| column.judged)?;
    let hidden = shares.hidden()?;
    Some(format!(
        "{} is judged in part: {} of the training rows hold values beyond the {} most frequent, and \
         whether these values changed is not known. Train again; if there are more than {} values \
         then, group them in features.sql.",
        column.name,
        share(Some(hidden)),
        shares.values.len(),
        count(MAX_DISTINCT as u64)
    ))
}

/// Values that came and went, and how often a value lacks.
fn changes(column: &CategoryShares) -> Vec<String> {
    let mut changes = Vec::new();
    let then = ratio(column.reference_rest, column.reference_rows);
    let now = ratio(column.new_rows, column.rows);
    if column.reference_rest > 0
        && let (Some(was), Some(is)) = (then, now)
    {
        // Which of the other values are new is not known.
        if (was - is).abs() >= NULLS {
            changes.push(format!(
                "values beyond the {} most frequent of training went from {} to {}",
                column.values.len(),
                share(then),
                share(now)
            ));
        }
        let then = ratio(column.reference_unknown.unwrap_or(0), column.reference_rows);
        let now = ratio(column.unknown.unwrap_or(0), column.rows);
        if let (Some(was), Some(is)) = (then, now)
            && is - was >= NULLS
        {
            changes.push(format!(
                "{} or more of the rows hold values which training did not have, where {} are usual",
                share(now),
                share(then)
            ));
        }
    } else if column.new_rows > 0 {
        let named = |of: &CategoryRows| format!("{:?}", of.value);
        let names: Vec<String> = column.new_values.iter().map(named).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let values = match names[..] {
            [] => "values, too many to list,".to_owned(),
            _ => some(&names, NAMED),
        };
        let part = share(ratio(column.new_rows, column.rows));
        changes.push(format!(
            "{part} of the rows hold {values} which training did not have"
        ));
    }
    let gone: Vec<String> = column
        .values
        .iter()
        .filter(|value| value.current == 0 && expected(column, value.reference) >= EXPECTED)
        .map(|value| {
            let part = share(ratio(value.reference, column.reference_rows));
            format!("{:?} ({part} of training)", value.value)
        })
        .collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    if !gone.is_empty() {
        changes.push(format!("no row holds {}", some(&gone, NAMED)));
    }
    let then = ratio(column.reference_nulls, column.reference_rows);
    let now = ratio(column.nulls, column.rows);
    if let (Some(was), Some(is)) = (then, now)
        && (was - is).abs() >= NULLS
    {
        changes.push(format!("nulls went from {} to {}", share(then), share(now)));
    }
    changes
}

/// The value of the most rows now that has no profile of its own, where it has become frequent.
fn concentrated(column: &CategoryShares) -> Option<String> {
    let value = column.new_values.first()?;
    let most = column.most_unlisted()?;
    let then = ratio(most, column.reference_rows);
    let now = ratio(value.current, column.rows);
    let is_frequent = now? - then? >= NULLS;
    (most > 0 && is_frequent).then(|| {
        let (then, now) = (share(then), share(now));
        format!("{:?} went from {then} or less to {now}", value.value)
    })
}

/// Rows that would hold a value if it were as frequent as in training.
fn expected(column: &CategoryShares, reference: u64) -> f64 {
    ratio(reference, column.reference_rows).unwrap_or(0.0) * column.rows as f64
}

/// The value whose share changed most.
fn moved(column: &CategoryShares) -> Option<String> {
    let shares = |value: &CategoryRows| {
        let then = ratio(value.reference, column.reference_rows)?;
        Some((then, ratio(value.current, column.rows)?))
    };
    let values = column.values.iter();
    let all = values.filter_map(|value| Some((value, shares(value)?)));
    let apart = |(_, (then, now)): &(&CategoryRows, (f64, f64))| (then - now).abs();
    let (value, (then, now)) = all.max_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    Some(format!(
        "{:?} went from {} to {}",
        value.value,
        share(Some(then)),
        share(Some(now))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(value: &str, reference: u64, current: u64) -> CategoryRows {
        CategoryRows {
            value: value.to_owned(),
            reference,
            current,
        }
    }

    #[test]
    fn values_that_came_and_went_are_named_where_training_is_known_whole() {
        let shares = CategoryShares {
            reference_rows: 1000,
            rows: 200,
            reference_nulls: 100,
            nulls: 10,
            reference_rest: 0,
            reference_unknown: None,
            unknown: None,
            values: vec![rows("a", 600, 120), rows("b", 298, 0), rows("c", 2, 0)],
            new_rows: 70,
            new_values: vec![rows("d", 0, 69), rows("e", 0, 1)],
        };
        let expected = [
            "35 % of the rows hold \"d\", \"e\" which training did not have",
            // Of "c" no row is to be expected among 200.
            "no row holds \"b\" (29.8 % of training)",
            "nulls went from 10 % to 5 %",
        ];
        assert_eq!(changes(&shares), expected);
        assert_eq!(
            drifted_by("city", Some(0.5), &shares, 0.25),
            format!(
                "city drifted: PSI 0.500 (limit 0.25); {}.",
                expected.join("; ")
            )
        );
        // Which of the others are new is not known where training had too many values.
        let rest = CategoryShares {
            reference_rest: 300,
            ..shares
        };
        let expected = "values beyond the 3 most frequent of training went from 30 % to 35 %";
        assert_eq!(changes(&rest)[0], expected);
        let same = CategoryShares {
            reference_rest: 350,
            new_values: Vec::new(),
            ..rest
        };
        assert_eq!(changes(&same).len(), 2);
        // One of the others took the place of all.
        let taken = CategoryShares {
            new_values: vec![rows("rare", 0, 70)],
            ..same.clone()
        };
        let text = drifted_by("city", Some(0.5), &taken, 0.25);
        let expected = "(limit 0.25); \"rare\" went from 0.2 % or less to 35 %; ";
        assert!(text.contains(expected), "{text}");
        assert_eq!(note("city", &taken), note("city", &same));
        // Others took their place.
        let replaced = CategoryShares {
            reference_unknown: Some(20),
            unknown: Some(60),
            ..same
        };
        let expected =
            "30 % or more of the rows hold values which training did not have, where 2 % are usual";
        assert_eq!(changes(&replaced)[0], expected);
    }

    #[test]
    fn a_column_that_only_shifts_says_which_value_did() {
        let shares = CategoryShares {
            reference_rows: 100,
            rows: 100,
            values: vec![rows("false", 60, 20), rows("true", 40, 80)],
            ..CategoryShares::default()
        };
        assert_eq!(note("member", &shares), None);
        let text = drifted_by("member", Some(0.7), &shares, 0.25);
        assert!(
            text.ends_with("; \"true\" went from 40 % to 80 %."),
            "{text}"
        );
    }
}
