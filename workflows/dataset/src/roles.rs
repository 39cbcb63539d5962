//! What each column is for: guesses with their reasons, since a person is to confirm them.

use std::collections::HashSet;

use anyhow::Result;
use runtime::failure::Failure;
use table::dataset::ColumnType;

use crate::column::{Column, in_line};
use crate::sample::Sampled;

/// Words that name what is predicted.
const TARGETS: [&str; 28] = [
    "target",
    "label",
    "y",
    "class",
    "outcome",
    "response",
    "churn",
    "churned",
    "default",
    "defaulted",
    "fraud",
    "survived",
    "purchase",
    "purchased",
    "converted",
    "conversion",
    "clicked",
    "bad",
    "status",
    "diagnosis",
    "event",
    "failure",
    "failed",
    "cancelled",
    "returned",
    "spam",
    "attrition",
    "quality",
];
/// Words that name rows.
const IDS: [&str; 10] = [
    "id", "key", "uuid", "guid", "index", "rownames", "rowid", "number", "no", "nr",
];
/// Names of what several rows may be about.
const ENTITIES: [&str; 12] = [
    "individual",
    "person",
    "subject",
    "participant",
    "patient",
    "customer",
    "client",
    "user",
    "account",
    "household",
    "student",
    "employee",
];
/// Words that name when something was.
const TIMES: [&str; 14] = [
    "time",
    "date",
    "day",
    "timestamp",
    "datetime",
    "ts",
    "at",
    "on",
    "when",
    "created",
    "month",
    "hour",
    "week",
    "ds",
];
/// Words of dates that say nothing of when a row came to be.
const NOT_TIMES: [&str; 8] = [
    "birth", "birthday", "dob", "born", "expiry", "expires", "until", "end",
];
/// From this on a guess is taken.
const TAKEN: i32 = 3;
/// Candidates that are named.
const NAMED: usize = 4;

/// A column that may be the one, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) column: usize,
    pub(crate) points: i32,
    pub(crate) reasons: Vec<String>,
}

/// The columns with roles.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    pub(crate) target: usize,
    pub(crate) ids: Vec<usize>,
    pub(crate) time: Option<usize>,
    /// Candidates for each role, the best one first.
    pub(crate) targets: Vec<Candidate>,
    pub(crate) names: Vec<Candidate>,
    pub(crate) times: Vec<Candidate>,
}

/// What the command line says of roles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// The column to predict.
    pub(crate) target: Option<String>,
    /// The columns that together name a row.
    pub(crate) ids: Vec<String>,
    /// The column of time; `none` for none.
    pub(crate) time: Option<String>,
}

impl Roles {
    /// # Errors
    /// A name that no usable column has: exit 2, with why. A role that no column is sure to have:
    /// exit 2, with the candidates.
    pub(crate) fn of(sampled: &Sampled, named: &Named) -> Result<Self> {
        let columns = &sampled.columns[..];
        let times = times(columns);
        let time = match named.time.as_deref() {
            Some("none") => None,
            Some(name) => Some(place(sampled, name, "--time")?),
            None => times.first().filter(|of| of.points > 0).map(|of| of.column),
        };
        if let Some(time) = time.filter(|&time| !columns[time].is_moment()) {
            return Err(Failure::usage(format!(
                "--time {}: it is of type {}, and a time is a date or a timestamp",
                columns[time].name, columns[time].column_type
            )));
        }
        let names = names(columns, time);
        let asked = named.ids.iter().map(|name| place(sampled, name, "--id"));
        let mut ids = asked.collect::<Result<Vec<usize>>>()?;
        let targets = targets(columns, time);
        let target = match &named.target {
            Some(name) => place(sampled, name, "--target")?,
            None => match targets.first() {
                Some(best) if best.points >= TAKEN => best.column,
                _ => return Err(undecided("the target", "--target", columns, &targets, "")),
            },
        };
        if ids.is_empty() {
            let best = names
                .iter()
                .find(|of| of.column != target && Some(of.column) != time);
            match best {
                Some(best) if best.points >= TAKEN => ids.push(best.column),
                _ => {
                    let mut advice = "; where no column does, give several with commas, which \
                        together do, or add one (pandas: df.insert(0, \"id\", range(len(df))))"
                        .to_owned();
                    // An index is what names a row in pandas.
                    for (name, why) in &sampled.unusable {
                        if why.contains("RangeIndex") {
                            advice += &format!("; column {name:?}: {why}");
                        }
                    }
                    return Err(undecided(
                        "what names a row",
                        "--id",
                        columns,
                        &names,
                        &advice,
                    ));
                }
            }
        }
        if ids.contains(&target) || time == Some(target) || time.is_some_and(|of| ids.contains(&of))
        {
            return Err(Failure::usage(
                "--target, --id and --time name one column twice: a column has one role",
            ));
        }
        Ok(Self {
            target,
            ids,
            time,
            targets,
            names,
            times,
        })
    }

    /// The candidates beside the chosen one, for the question.
    pub(crate) fn others(columns: &[Column], of: &[Candidate], chosen: &[usize]) -> String {
        let others = of
            .iter()
            .filter(|of| !chosen.contains(&of.column) && of.points > 0);
        let others = others.take(NAMED).map(|of| described(columns, of));
        others.collect::<Vec<_>>().join("; ")
    }
}

fn described(columns: &[Column], of: &Candidate) -> String {
    let name = in_line(&columns[of.column].name);
    format!("{name} ({})", of.reasons.join(", "))
}

fn undecided(
    what: &str,
    flag: &str,
    columns: &[Column],
    of: &[Candidate],
    advice: &str,
) -> anyhow::Error {
    let found = of.iter().take(NAMED).map(|of| described(columns, of));
    let found = match found.collect::<Vec<_>>().join("; ") {
        none if none.is_empty() => "nothing in the data indicates it".to_owned(),
        found => format!("candidates are {found}"),
    };
    Failure::usage(format!(
        "no column is clearly {what}: {found}\ngive {flag} NAME{advice}"
    ))
}

/// # Errors
/// A name that no column has, or one that can't be in a contract: exit 2.
pub(crate) fn place(sampled: &Sampled, name: &str, flag: &str) -> Result<usize> {
    let columns = &sampled.columns[..];
    let found = columns.iter().position(|column| column.name == name);
    found.ok_or_else(|| {
        if let Some((_, why)) = sampled.unusable.iter().find(|(of, _)| of == name) {
            return Failure::usage(format!("{flag} {name}: {why}"));
        }
        let alike = columns
            .iter()
            .find(|column| column.name.trim().eq_ignore_ascii_case(name.trim()));
        let there = match (alike, columns) {
            (Some(column), _) if column.name.trim() == name.trim() => {
                format!("there is {:?}, and spaces count", column.name)
            }
            (Some(column), _) => format!("there is {:?}, and letter case counts", column.name),
            (None, [only]) => format!(
                "the first line of {} names only one column, {:?}: remove the lines before the header, \
                 and make sure that it has as many fields as the rows",
                sampled.places.first_file(),
                only.name
            ),
            (None, _) => {
                let names = columns.iter().take(12).map(|column| in_line(&column.name));
                format!("all files have {}", names.collect::<Vec<_>>().join(", "))
            }
        };
        Failure::usage(format!(
            "{flag} {name}: there is no such column in all files; {there}"
        ))
    })
}

/// The words of a name: parted by what is no letter or digit, and before a capital after a small
/// letter.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_one_of(name: &str, known: &[&str]) -> bool {
    known.contains(&words(name).concat().as_str())
}

/// Whether a name is that of what names rows, or what they are about.
pub(crate) fn is_named_as_id(name: &str) -> bool {
    let last = words(name).pop().unwrap_or_default();
    is_one_of(name, &IDS) || IDS.contains(&last.as_str()) || last.ends_with("id") && last.len() > 4
}

/// Whether a name is that of what several rows may be about.
pub(crate) fn is_named_as_entity(name: &str) -> bool {
    let is_of_rows = has_one_of(name, &["index", "rownames", "rowid"]);
    is_one_of(name, &ENTITIES) || is_named_as_id(name) && !is_of_rows
}

fn has_one_of(name: &str, known: &[&str]) -> bool {
    words(name)
        .iter()
        .any(|word| known.contains(&word.as_str()))
}

fn ranked(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.retain(|of| of.points > 0);
    candidates.sort_by(|a, b| b.points.cmp(&a.points).then(a.column.cmp(&b.column)));
    candidates
}

fn targets(columns: &[Column], time: Option<usize>) -> Vec<Candidate> {
    let of = |(at, column): (usize, &Column)| {
        let (mut points, mut reasons) = (0, Vec::new());
        let mut note = |more: i32, reason: &str| {
            points += more;
            reasons.push(reason.to_owned());
        };
        let distinct = column.distinct.len();
        let text = column.column_type == ColumnType::Utf8;
        if distinct < 2 || column.is_moment() || Some(at) == time || text && distinct > 50 {
            return None;
        }
        if is_one_of(&column.name, &TARGETS) {
            note(3, "its name");
        } else if has_one_of(&column.name, &TARGETS) {
            note(2, "its name");
        }
        if distinct == 2 {
            note(1, "two values");
        }
        if at + 1 == columns.len() {
            note(if distinct == 2 { 2 } else { 1 }, "the last column");
        }
        Some(Candidate {
            column: at,
            points,
            reasons,
        })
    };
    ranked(columns.iter().enumerate().filter_map(of).collect())
}

/// The column that is taken for the target, if one clearly is it.
pub(crate) fn likely_target(columns: &[Column]) -> Option<usize> {
    let best = targets(columns, None).into_iter().next();
    best.filter(|best| best.points >= TAKEN)
        .map(|best| best.column)
}

fn names(columns: &[Column], time: Option<usize>) -> Vec<Candidate> {
    let of = |(at, column): (usize, &Column)| {
        let fits = matches!(
            column.column_type,
            ColumnType::Int32 | ColumnType::Int64 | ColumnType::Utf8
        );
        if !fits || column.has_nulls {
            return None;
        }
        let (mut points, mut reasons) = (0, Vec::new());
        let mut note = |more: i32, reason: &str| {
            points += more;
            reasons.push(reason.to_owned());
        };
        let by_name = is_named_as_id(&column.name);
        if column.is_unique() {
            note(1, "no value occurs twice");
            let of_length = |row: usize| column.show(row).len();
            let even = (1..column.values.len().min(1000)).all(|row| of_length(row) == of_length(0));
            if column.column_type != ColumnType::Utf8 && is_sequence(column) {
                note(2, "a running number");
            } else if column.column_type == ColumnType::Utf8 && even {
                note(2, "texts of one length");
            }
        } else if let Some(time) = time.filter(|_| by_name) {
            if !are_unique_together(&[column, &columns[time]]) {
                return None;
            }
            note(1, "no value occurs twice at one time");
        } else {
            return None;
        }
        if by_name {
            note(2, "its name");
        }
        if at == 0 {
            note(1, "the first column");
        }
        Some(Candidate {
            column: at,
            points,
            reasons,
        })
    };
    ranked(columns.iter().enumerate().filter_map(of).collect())
}

/// Whether the sampled values lie as close as a running number's, or ascend with the rows.
fn is_sequence(column: &Column) -> bool {
    let whole = column.keys.iter().map(|key| key.unwrap_or_default() as i64);
    let whole: Vec<i64> = whole.collect();
    let ascends = whole.windows(2).all(|pair| pair[0] < pair[1]);
    let (least, most) = (whole.iter().min(), whole.iter().max());
    let wide = least.zip(most).map(|(least, most)| most.abs_diff(*least));
    ascends || wide.is_some_and(|wide| wide < whole.len() as u64)
}

/// Whether no two rows are the same in all of these columns.
pub(crate) fn are_unique_together(columns: &[&Column]) -> bool {
    let rows = columns.first().map_or(0, |column| column.keys.len());
    let mut seen = HashSet::with_capacity(rows);
    (0..rows).all(|row| {
        let key: Vec<Option<u64>> = columns.iter().map(|column| column.keys[row]).collect();
        seen.insert(key)
    })
}

fn times(columns: &[Column]) -> Vec<Candidate> {
    let moments = columns.iter().filter(|column| column.is_moment()).count();
    let of = |(at, column): (usize, &Column)| {
        if !column.can_be_time() {
            return None;
        }
        let (mut points, mut reasons) = (0, Vec::new());
        let mut note = |more: i32, reason: &str| {
            points += more;
            reasons.push(reason.to_owned());
        };
        note(0, &format!("a {}", column.column_type));
        if moments == 1 {
            note(1, "the only one");
        }
        if has_one_of(&column.name, &TIMES) {
            note(2, "its name");
        }
        if has_one_of(&column.name, &NOT_TIMES) {
            note(-4, "its name is that of another time");
        }
        Some(Candidate {
            column: at,
            points,
            reasons,
        })
    };
    ranked(columns.iter().enumerate().filter_map(of).collect())
}
