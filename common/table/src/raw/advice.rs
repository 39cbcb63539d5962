//! What a message says of values that break the contract, and what a person can do about them. A
//! file to score has the contract of its model: there, an edit of `dataset.json` helps with the
//! next training alone.

mod tried;

use arrow::datatypes::DataType;

use super::{Format, RawFile, convert, format_of, values};
use crate::dataset::rule::Breach;
use crate::dataset::{ColumnContract, ColumnType, Csv, Form, Labels};
use catalog::manifest::Role;
pub(super) use tried::Tried;

/// Texts that other programs write for a value that is missing.
pub const NULL_TEXTS: [&str; 9] = ["na", "n/a", "null", "none", "nat", "<na>", "nil", "-", "?"];

/// What a person can do about a file.
pub(super) fn of_file(file: &RawFile) -> &'static str {
    match file.pinned {
        false => "repair or remove the file, or change the contract if the data is right",
        true => {
            "repair or remove the file; its contract is that of the model, so a change of \
             dataset.json takes effect with the next training"
        }
    }
}

/// What a line of the contract does for what a file holds, up to the object of the sentence.
pub(super) fn takes(file: &RawFile, line: &str) -> String {
    takes_line(file.pinned, line)
}

/// The same of a contract that is, or is not, `pinned` with a model.
pub(super) fn takes_line(pinned: bool, line: &str) -> String {
    match pinned {
        false => format!("{line} in dataset.json accepts"),
        true => format!("a model trained with {line} accepts"),
    }
}

/// What a line of the contract does that helps with a part of the rows alone.
fn takes_some(file: &RawFile, line: &str) -> String {
    format!("{} some of them", takes(file, line))
}

/// What is wrong with the rows of a column.
pub(super) fn what(breach: &Breach, column: &ColumnContract, file: &RawFile) -> String {
    let column_type = column.column_type;
    match breach {
        Breach::Null => "hold null, which the contract does not allow".to_owned(),
        Breach::NanAsNull => "hold NaN, which is read as null, and the contract does not allow \
                              null"
            .to_owned(),
        Breach::NotANumber => "hold NaN, which is not within the bounds".to_owned(),
        Breach::Below(min) => format!("are below the minimum {min}"),
        Breach::Above(max) => format!("are above the maximum {max}"),
        Breach::NotAllowed if column.role == Role::Target => {
            let goal = file.dataset.goal();
            let classes = goal
                .map(|goal| goal.target.class_names())
                .unwrap_or_default();
            match classes.as_slice() {
                [one, other] => format!("hold a value that is neither {one} nor {other}"),
                classes => format!("hold a value that is none of {}", classes.join(", ")),
            }
        }
        Breach::NotAllowed => "hold a value that is not allowed".to_owned(),
        Breach::Misspelt => format!("can't be read as {column_type}"),
        Breach::Fraction => format!("are not whole, as {column_type} must be"),
        Breach::Beyond => format!("are beyond the range of {column_type}"),
        Breach::Ambiguous => {
            "hold whole numbers as floats that are too large to be exact".to_owned()
        }
        Breach::Rounded => format!("can't be held exactly as {column_type}"),
        Breach::Infinite if column.role == Role::Weight => {
            "are infinite, which a weight can't be".to_owned()
        }
        Breach::Infinite => format!("are infinite, which {column_type} can't be"),
        Breach::NotBoolean => "are neither 0 nor 1, as a bool must be".to_owned(),
        Breach::NotText => "are bytes that are not text in UTF-8".to_owned(),
        Breach::TimeOfDay => "have a time of day, which a date can't hold".to_owned(),
        Breach::Inexact => "can't be held in microseconds".to_owned(),
    }
}

/// What to do about the rows of a column, as the end of their line; `example` is the first value.
/// It is empty where there is nothing to say that holds for every file.
pub(super) fn of_breach(breach: &Breach, tried: Tried<'_>, example: &str) -> String {
    let Tried { column, file, .. } = tried;
    let wider = |types: &[ColumnType]| (String::new(), tried.first(types, breach));
    let write = |what: &str| (what.to_owned(), None);
    let (write, contract) = match breach {
        Breach::Null if column.role == Role::Target && file.labels == Labels::Required => {
            let rule = "\"unlabelled\": \"drop\" leaves such rows out of training";
            return ending(&[rule.to_owned()]);
        }
        Breach::Null | Breach::NanAsNull => (String::new(), nullable(column)),
        Breach::NotANumber => write("without \"nan\": \"keep\" it is null"),
        Breach::Below(_) | Breach::Infinite if column.role == Role::Weight => {
            write("give a row that should not count the weight 0, or leave it out with \"filter\"")
        }
        Breach::Below(_) => (String::new(), Some("a lower \"min\"".to_owned())),
        Breach::Above(_) => (String::new(), Some("a higher \"max\"".to_owned())),
        Breach::NotAllowed if column.role == Role::Target => (classes(column, file), None),
        Breach::NotAllowed => (String::new(), Some("it in \"allowed\"".to_owned())),
        Breach::Misspelt => misspelt(tried, example),
        Breach::Infinite if column.role == Role::Target => (String::new(), None),
        Breach::Fraction | Breach::Infinite => wider(&[ColumnType::Float64]),
        Breach::Beyond if is_whole(column.column_type) => beyond(tried),
        Breach::Beyond if column.column_type == ColumnType::Float32 => {
            wider(&[ColumnType::Float64])
        }
        Breach::Beyond => (String::new(), None),
        Breach::Ambiguous => {
            let write = "write the column as integers (pandas: astype(\"Int64\"))";
            (write.to_owned(), typed(column, ColumnType::Float64))
        }
        Breach::Rounded => rounded(tried),
        Breach::NotBoolean => match wider(&[ColumnType::Int64, ColumnType::Float64]) {
            (_, None) => (written_otherwise(column, file), None),
            found => found,
        },
        Breach::NotText => write("write texts in UTF-8"),
        Breach::TimeOfDay => wider(&[ColumnType::Timestamp]),
        Breach::Inexact => write("round them (pandas: dt.floor(\"us\"))"),
    };
    let contract = contract.map(|contract| format!("{} them", takes(file, &contract)));
    let parts: Vec<String> = [write].into_iter().chain(contract).collect();
    ending(&parts)
}

/// What to do about a target that is none of its classes.
fn classes(column: &ColumnContract, file: &RawFile) -> String {
    if file.pinned {
        return "the classes are those of the model; train one with every class in \"allowed\""
            .to_owned();
    }
    let write = "name every class in \"allowed\" of dataset.json, the positive one of two last";
    let is_number = column.allowed.is_empty() && column.positive.is_none();
    match column.column_type {
        ColumnType::Int32 | ColumnType::Int64 if is_number => {
            format!("{write}, or say \"task\": \"regression\" there if it is a number to predict")
        }
        _ => write.to_owned(),
    }
}

fn is_whole(column_type: ColumnType) -> bool {
    use ColumnType::{Bool, Int32, Int64};
    matches!(column_type, Bool | Int32 | Int64)
}

/// What to do about whole numbers that leave their type.
fn beyond(tried: Tried<'_>) -> (String, Option<String>) {
    let Tried { column, file, .. } = tried;
    let whole = tried.first(&[ColumnType::Int64], &Breach::Beyond);
    if whole.is_some() {
        return (String::new(), whole);
    }
    // Texts and decimals are rounded to floats, and integers are not.
    let float = tried.first(&[ColumnType::Float64], &Breach::Beyond);
    match is_csv(file) {
        true => match float {
            Some(float) => {
                let rounds = format!("{} them, which rounds them", takes(file, &float));
                (rounds, None)
            }
            None => (String::new(), typed(column, ColumnType::Utf8)),
        },
        // The floats of another file may not be exact.
        false => (written_otherwise(column, file), float),
    }
}

/// What to do about numbers that a float does not hold exactly.
fn rounded(tried: Tried<'_>) -> (String, Option<String>) {
    let types = [ColumnType::Float64, ColumnType::Int64];
    match tried.first(&types, &Breach::Rounded) {
        None => (written_otherwise(tried.column, tried.file), None),
        found => (String::new(), found),
    }
}

/// How a file has to hold whole numbers that no type of the contract holds as they are.
fn written_otherwise(column: &ColumnContract, file: &RawFile) -> String {
    let ways = [
        (ColumnType::Utf8, "as text (pandas: astype(str))"),
        (
            ColumnType::Float64,
            "as floats, which rounds them (pandas: astype(\"float64\"))",
        ),
    ];
    let ways = ways.iter().filter_map(|(other, way)| {
        let line = typed(column, *other)?;
        Some(match file.pinned {
            false => format!("{way} with {line} in dataset.json"),
            true => format!("{way} for a model trained with {line}"),
        })
    });
    format!("write the column {}", ways.collect::<Vec<_>>().join(" or "))
}

fn ending(parts: &[String]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    match parts.join(", or ") {
        empty if empty.is_empty() => empty,
        advice => format!(" ({advice})"),
    }
}

/// What to do about a column of a type that no contract has.
const ANY_TYPE: &str = "write it as one of the contract's types";
const ANY_TYPE_OR_NONE: &str =
    "write it as one of the contract's types, or remove it from dataset.json";

/// What to do about a column of a type that no value of the contract's type can have.
pub(super) fn of_type(found: &DataType, tried: Tried<'_>) -> String {
    let Tried { column, file, .. } = tried;
    use ColumnType::{Bool, Date, Float64, Int64, TimestampTz, Utf8};
    use DataType::{Boolean, Date32, Date64, Dictionary, Timestamp};
    // Integers without a sign may be larger than any type of the contract holds.
    let fits = |other| *found != DataType::UInt64 || tried.takes_all(other);
    let (write, other) = match (found, column.column_type) {
        (Dictionary(_, values), _) => return of_type(values, tried),
        (Timestamp(_, Some(_)), Date | ColumnType::Timestamp) => (
            "write it without a time zone (pandas: dt.tz_localize(None))",
            Some(TimestampTz),
        ),
        (Timestamp(_, None) | Date32 | Date64, TimestampTz) => (
            "write it with a time zone (pandas: dt.tz_localize(\"UTC\"))",
            Some(ColumnType::Timestamp),
        ),
        (Timestamp(_, zone), Utf8) => {
            let other = if zone.is_some() {
                TimestampTz
            } else {
                ColumnType::Timestamp
            };
            ("write it as text", Some(other))
        }
        (Date32 | Date64, Utf8) => ("write it as text", Some(Date)),
        (Boolean, Utf8) => ("write it as text", Some(Bool)),
        (number, Utf8) if number.is_integer() => {
            let other = fits(Int64).then_some(Int64);
            ("write it as text (pandas: astype(str))", other)
        }
        (number, Utf8) if number.is_numeric() => {
            ("write it as text (pandas: astype(str))", Some(Float64))
        }
        (text, _) if convert::is_text(text) => (
            match column.column_type {
                Bool => "write it as booleans",
                _ => "write it as numbers (pandas: pd.to_numeric)",
            },
            Some(Utf8),
        ),
        (number, Date | ColumnType::Timestamp | TimestampTz) if number.is_integer() => {
            let other = fits(Int64).then_some(Int64);
            (
                "write it as a time (pandas: pd.to_datetime with format=\"%Y%m%d\" or unit=\"s\")",
                other,
            )
        }
        (Timestamp(_, zone), _) => {
            let other = if zone.is_some() {
                TimestampTz
            } else {
                ColumnType::Timestamp
            };
            ("write it as numbers", Some(other))
        }
        (Date32 | Date64, _) => ("write it as numbers", Some(Date)),
        _ => match column.role {
            Role::Feature | Role::Ignored => (ANY_TYPE_OR_NONE, None),
            _ => (ANY_TYPE, None),
        },
    };
    let is_other = [ANY_TYPE, ANY_TYPE_OR_NONE].contains(&write);
    match other.and_then(|other| typed(column, other)) {
        None if file.pinned && is_other => "write it as the contract says".to_owned(),
        None => write.to_owned(),
        Some(other) if file.pinned => format!("{write}, or train a model with {other}"),
        Some(other) => format!(
            "{write}, or give it {other} in dataset.json{}",
            cast(column, found)
        ),
    }
}

/// A feature has to become a number.
fn cast(column: &ColumnContract, found: &DataType) -> &'static str {
    if column.role == Role::Feature && !found.is_numeric() && *found != DataType::Boolean {
        " and compute a number from it in features.sql"
    } else {
        ""
    }
}

/// The line of the contract that gives a column another type, if its role allows that.
fn typed(column: &ColumnContract, other: ColumnType) -> Option<String> {
    use ColumnType::{Bool, Date, Float32, Float64, Int32, Int64, Timestamp, TimestampTz, Utf8};
    let fits = match column.role {
        Role::Id => !matches!(other, Float32 | Float64),
        Role::Time => matches!(other, Date | Timestamp | TimestampTz),
        // A float is a number to predict, and has no classes.
        Role::Target if matches!(other, Float32 | Float64) => {
            column.allowed.is_empty() && column.positive.is_none()
        }
        Role::Target => matches!(other, Bool | Int32 | Int64 | Utf8),
        Role::Weight => matches!(other, Int32 | Int64 | Float32 | Float64),
        Role::Feature | Role::Ignored => true,
    };
    // Without a list the classes are 0 and 1, and texts have none.
    let lists = column.role == Role::Target
        && (other == Utf8 || column.column_type == Bool && matches!(other, Int32 | Int64));
    let listed = if lists {
        " with every class in \"allowed\""
    } else {
        ""
    };
    let format = if loses_format(column, other) {
        " without \"format\""
    } else {
        ""
    };
    fits.then(|| format!("\"type\": \"{other}\"{format}{listed}"))
}

/// Whether the column has a form that values of another type can't have.
fn loses_format(column: &ColumnContract, other: ColumnType) -> bool {
    let format = column.format.as_ref();
    format.is_some_and(|format| format.suits(other).is_err())
}

/// The line of the contract that takes nulls, if it does not yet and its role allows that.
fn nullable(column: &ColumnContract) -> Option<String> {
    let given = [Role::Id, Role::Time, Role::Target, Role::Weight];
    let fits = !column.nullable && !given.contains(&column.role);
    fits.then(|| "\"nullable\": true".to_owned())
}

fn misspelt(tried: Tried<'_>, example: &str) -> (String, Option<String>) {
    let Tried { column, file, .. } = tried;
    let text = example.trim_matches('"');
    if text.trim() != text {
        return ("write values without spaces around them".to_owned(), None);
    }
    let is_csv = is_csv(file);
    if NULL_TEXTS.contains(&text.to_ascii_lowercase().as_str()) {
        if !is_csv {
            let write = "write null as null and not as a text";
            return (write.to_owned(), nullable(column));
        }
        // A list in place of that of the contract would lose its texts.
        let listed = file.dataset.csv.nulls.iter().map(String::as_str);
        let listed: Vec<String> = listed.chain([text]).map(|of| format!("{of:?}")).collect();
        let nulls = format!("\"csv\": {{\"nulls\": [{}]}}", listed.join(", "));
        let contract = match nullable(column) {
            Some(nullable) => format!("{nulls} with {nullable}"),
            None => nulls,
        };
        let write = "write null as an empty field";
        let is_null = |csv: &mut Csv| csv.nulls.push(text.to_owned());
        return match tried.takes_dialect(is_null, Some(&Breach::Misspelt)) {
            true => (write.to_owned(), Some(contract)),
            false => (format!("{write}, or {}", takes_some(file, &contract)), None),
        };
    }
    if text == column.name {
        let write = "this is the header again: when you join files, keep only the first header";
        return (write.to_owned(), None);
    }
    // Digits of a date may be whole numbers in the file.
    let as_text = tried.first(&[ColumnType::Utf8, ColumnType::Int64], &Breach::Misspelt);
    let spelt = |of: Option<&Breach>| -> Vec<String> {
        match column.column_type {
            ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz => {
                let forms = Form::of(text, column.column_type).into_iter();
                let forms = forms.filter(|form| tried.takes_form(form, of)).take(2);
                forms
                    .map(|form| format!("\"format\": \"{form}\""))
                    .collect()
            }
            _ if is_csv => numbers(tried, text, of),
            _ => Vec::new(),
        }
    };
    let mut all = spelt(Some(&Breach::Misspelt));
    if !all.is_empty() {
        all.extend(as_text);
        return (String::new(), Some(all.join(" or ")));
    }
    let some = spelt(None);
    if !some.is_empty() {
        return (takes_some(file, &some.join(" or ")), as_text);
    }
    let form = match is_csv {
        true => file.dataset.csv.form(column),
        false => column.format.as_ref(),
    };
    if let Some(form) = form {
        return (format!("write it in the form {form}"), as_text);
    }
    let takes_all = |other| tried.takes(other, &Breach::Misspelt);
    let other = |other| typed(column, other).filter(|_| takes_all(other));
    match column.column_type {
        ColumnType::Timestamp
            if chrono::DateTime::parse_from_rfc3339(text).is_ok()
                && takes_all(ColumnType::TimestampTz) =>
        {
            (String::new(), typed(column, ColumnType::TimestampTz))
        }
        ColumnType::TimestampTz if values::reading(text).is_some() => (
            "write an instant with its offset, such as 2024-12-31T23:59:59Z".to_owned(),
            other(ColumnType::Timestamp).or(as_text),
        ),
        ColumnType::Date => ("write a date as 2024-12-31".to_owned(), as_text),
        ColumnType::Timestamp => (
            "write a clock reading as 2024-12-31T23:59:59".to_owned(),
            as_text,
        ),
        ColumnType::TimestampTz => (
            "write an instant as 2024-12-31T23:59:59Z".to_owned(),
            as_text,
        ),
        ColumnType::Bool => ("write true, false, 1 or 0".to_owned(), as_text),
        _ => (String::new(), as_text),
    }
}

fn is_csv(file: &RawFile) -> bool {
    matches!(format_of(&file.key), Some(Format::Csv(_)))
}

/// The dialects in which a text is a number, and every number of the file stays one; of a breach,
/// all of its rows are numbers in them.
fn numbers(tried: Tried<'_>, text: &str, of: Option<&Breach>) -> Vec<String> {
    let known = &tried.file.dataset.csv;
    const DIALECTS: [(char, Option<char>); 10] = [
        (',', None),
        ('.', Some(',')),
        (',', Some('.')),
        ('.', Some(' ')),
        (',', Some(' ')),
        ('.', Some('\'')),
        (',', Some('\'')),
        ('.', Some('\u{a0}')),
        (',', Some('\u{a0}')),
        (',', Some('\u{202f}')),
    ];
    let mut found: Vec<String> = Vec::new();
    let is_number = |(decimal, thousands): (char, Option<char>)| {
        let number = values::Spelling { decimal, thousands }.plain(text);
        number.is_some_and(|number| number.parse::<f64>().is_ok())
    };
    for (decimal, thousands) in DIALECTS {
        if is_number((decimal, thousands)) {
            let thousands = thousands.filter(|mark| text.contains(*mark));
            // A text without a decimal mark says nothing of it.
            let decimal = match text.contains(',') || thousands == Some(known.decimal) {
                true => decimal,
                false => known.decimal,
            };
            let dialect = (decimal, thousands);
            let is_other = dialect != (known.decimal, known.thousands);
            let mark = (decimal == ',' || decimal != known.decimal)
                .then(|| format!("\"decimal\": \"{decimal}\""));
            let groups = thousands.map(|mark| format!("\"thousands\": \"{mark}\""));
            let settings: Vec<String> = mark.into_iter().chain(groups).collect();
            let change = |csv: &mut Csv| (csv.decimal, csv.thousands) = dialect;
            let may_help = is_other && is_number(dialect) && !settings.is_empty();
            if may_help && tried.takes_dialect(change, of) {
                found.push(format!("\"csv\": {{{}}}", settings.join(", ")));
            }
        }
    }
    found.dedup();
    found.truncate(2);
    found
}
