//! One column over all files: its type by value, and what its sampled values are.

use std::collections::HashMap;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use learn::model::ClassValue;
use runtime::failure::shortened;
use table::dataset::{ColumnType, Csv, Form};
use table::raw::probe::{Found, forms};

/// Distinct whole numbers up to which they may be codes, and rows for each of them at least.
pub(crate) const CODES: (usize, usize) = (20, 20);
/// The share of texts that spell a number or a date from which a column is meant as such.
pub(crate) const SPELLED: f64 = 0.9;

/// The values of one column in one file.
pub(crate) type Piece = (Found, ArrayRef);

/// A column that every file has.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    /// How its texts spell moments, where it is not as ISO 8601 has it; more than one where the
    /// texts leave a choice.
    pub(crate) forms: Vec<Form>,
    /// Types in the files, each with how many files spell it so; the most frequent one first.
    pub(crate) spelled: Vec<(String, usize)>,
    /// Whether a value of the sample, or a footer, is null.
    pub(crate) has_nulls: bool,
    /// The sampled values.
    pub(crate) values: ArrayRef,
    /// What is equal among them: equal numbers, texts, moments.
    pub(crate) keys: Vec<Option<u64>>,
    /// Each distinct value with its rows and the first of them; the most frequent one first.
    pub(crate) distinct: Vec<(u64, u64, usize)>,
}

/// What a file calls the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Native {
    /// Texts of a CSV file.
    Csv,
    Text,
    Whole,
    Double,
    Single,
    Decimal,
    Bool,
    Date,
    Clock,
    Instant,
    Null,
}

fn native(found: Option<&DataType>) -> Option<Native> {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, Dictionary, FixedSizeBinary, Float16, Float32,
        Float64, LargeBinary, LargeUtf8, Null, Timestamp, Utf8, Utf8View,
    };
    Some(match found {
        None => Native::Csv,
        Some(Dictionary(_, values)) => return native(Some(values)),
        Some(Utf8 | LargeUtf8 | Utf8View) => Native::Text,
        Some(Binary | LargeBinary | BinaryView | FixedSizeBinary(_)) => Native::Text,
        Some(Float16 | Float32) => Native::Single,
        Some(Float64) => Native::Double,
        Some(Boolean) => Native::Bool,
        Some(Date32 | Date64) => Native::Date,
        Some(Timestamp(_, None)) => Native::Clock,
        Some(Timestamp(_, Some(_))) => Native::Instant,
        Some(Null) => Native::Null,
        Some(whole) if whole.is_integer() => Native::Whole,
        Some(decimal) if decimal.is_numeric() => Native::Decimal,
        Some(_) => return None,
    })
}

/// The types to try, the narrowest first. What the writers chose counts where the values leave a
/// choice: doubles stay doubles, unless gaps, or another file, say that they are whole numbers.
fn candidates(pieces: &[Piece], dialect: &Csv) -> Vec<ColumnType> {
    use ColumnType::{Bool, Date, Float32, Float64, Int64, Timestamp, TimestampTz, Utf8};
    let natives = pieces
        .iter()
        .filter(|(_, values)| values.null_count() < values.len());
    let natives: Vec<Native> = natives
        .filter_map(|(found, _)| native(found.data_type.as_ref()))
        .filter(|native| *native != Native::Null)
        .collect();
    let has = |wanted: &[Native]| natives.iter().any(|native| wanted.contains(native));
    let all = |wanted: &[Native]| natives.iter().all(|native| wanted.contains(native));
    let gaps = pieces.iter().any(|(_, values)| values.null_count() > 0);
    if natives.is_empty() {
        return vec![Utf8];
    }
    if all(&[Native::Csv]) {
        let spelled = Spelled::of(pieces, dialect);
        return match spelled {
            Spelled { coded: true, .. } => vec![Utf8],
            Spelled { point: true, .. } if !gaps => {
                vec![Float64, Bool, Date, Timestamp, TimestampTz, Utf8]
            }
            _ => vec![Int64, Float64, Bool, Date, Timestamp, TimestampTz, Utf8],
        };
    }
    if has(&[Native::Csv]) {
        return vec![Int64, Float64, Bool, Date, Timestamp, TimestampTz, Utf8];
    }
    if all(&[Native::Bool]) {
        return vec![Bool];
    }
    let whole = gaps || has(&[Native::Whole, Native::Bool]);
    let mut types = Vec::new();
    match () {
        () if all(&[Native::Single]) => types.extend([Float32]),
        () if all(&[
            Native::Whole,
            Native::Bool,
            Native::Double,
            Native::Single,
            Native::Decimal,
        ]) =>
        {
            if whole || all(&[Native::Decimal]) {
                types.push(Int64);
            }
            types.push(Float64);
        }
        () if all(&[Native::Instant]) => types.extend([TimestampTz]),
        () => types.extend([Date, Timestamp, TimestampTz, Utf8]),
    }
    types
}

/// How the numbers of CSV files are spelled.
struct Spelled {
    /// Some have a point or an exponent.
    point: bool,
    /// Some lose digits as numbers: they begin with a zero that counts for nothing, as postal codes
    /// do, or no whole number is as long.
    coded: bool,
}

impl Spelled {
    fn of(pieces: &[Piece], dialect: &Csv) -> Self {
        let mark = dialect.decimal as u8;
        let mut spelled = Self {
            point: false,
            coded: false,
        };
        let texts = pieces
            .iter()
            // Beside CSV files there may be Parquet files in which the column holds only nulls.
            .filter(|(found, _)| found.data_type.is_none())
            .flat_map(|(_, values)| values.as_string::<i32>().iter().flatten());
        for text in texts {
            let digits = text.trim_start_matches(['-', '+']).as_bytes();
            spelled.point |= digits
                .iter()
                .any(|byte| *byte == mark || matches!(byte, b'e' | b'E'));
            let is_whole = digits.len() > 1 && digits.iter().all(u8::is_ascii_digit);
            spelled.coded |= is_whole && (digits[0] == b'0' || text.parse::<i64>().is_err());
        }
        spelled
    }
}

/// A column whose type was looked for.
pub(crate) enum Chosen {
    Column(Box<Column>),
    /// No type takes the values of all files.
    Differing(Vec<(String, usize)>),
}

impl Column {
    /// The type that takes the values of all files, and the values.
    pub(crate) fn of(name: &str, pieces: &[Piece], dialect: &Csv) -> Result<Chosen> {
        let spelled = spelled(pieces);
        for column_type in candidates(pieces, dialect) {
            let mut fitting = fit(pieces, column_type, dialect, None)?;
            let mut of_moments = Vec::new();
            if fitting.is_none() {
                for form in possible(pieces, column_type) {
                    if let Some(arrays) = fit(pieces, column_type, dialect, Some(&form))? {
                        fitting.get_or_insert(arrays);
                        of_moments.push(form);
                    }
                }
            }
            let Some(arrays) = fitting else {
                continue;
            };
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            let values = concat(&arrays)?;
            let has_nulls = |(found, _): &Piece| found.nulls.is_some_and(|nulls| nulls > 0);
            let keys = keys(&values)?;
            return Ok(Chosen::Column(Box::new(Self {
                name: name.to_owned(),
                column_type,
                forms: of_moments,
                spelled,
                has_nulls: values.null_count() > 0 || pieces.iter().any(has_nulls),
                distinct: distinct(&keys),
                keys,
                values,
            })));
        }
        Ok(Chosen::Differing(spelled))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.values.len() as u64
    }

    pub(crate) fn nulls(&self) -> u64 {
        self.values.null_count() as u64
    }

    pub(crate) fn is_number(&self) -> bool {
        use ColumnType::{Float32, Float64, Int32, Int64};
        matches!(self.column_type, Int32 | Int64 | Float32 | Float64)
    }

    pub(crate) fn is_moment(&self) -> bool {
        use ColumnType::{Date, Timestamp, TimestampTz};
        matches!(self.column_type, Date | Timestamp | TimestampTz)
    }

    /// Whether it may say when a row came to be.
    pub(crate) fn can_be_time(&self) -> bool {
        self.is_moment() && !self.has_nulls && self.distinct.len() > 1
    }

    /// Whether every value is there, and none occurs twice.
    pub(crate) fn is_unique(&self) -> bool {
        !self.has_nulls && self.rows() > 0 && self.distinct.len() as u64 == self.rows()
    }

    /// The values as numbers, NaN where there is none; `None` of texts and moments.
    pub(crate) fn numbers(&self) -> Result<Option<Vec<f64>>> {
        if !self.is_number() && self.column_type != ColumnType::Bool {
            return Ok(None);
        }
        let floats = cast(&self.values, &DataType::Float64)?;
        let floats = floats.as_primitive::<Float64Type>().iter();
        Ok(Some(
            floats.map(|value| value.unwrap_or(f64::NAN)).collect(),
        ))
    }

    /// Moments as whole numbers: days, or microseconds.
    pub(crate) fn ticks(&self) -> Result<Vec<Option<i64>>> {
        let whole = match self.column_type {
            ColumnType::Date => cast(&cast(&self.values, &DataType::Int32)?, &DataType::Int64)?,
            _ => cast(&self.values, &DataType::Int64)?,
        };
        Ok(whole.as_primitive::<Int64Type>().iter().collect())
    }

    /// A value as a person reads it.
    pub(crate) fn show(&self, row: usize) -> String {
        let text = array_value_to_string(&self.values, row).unwrap_or_default();
        shortened(&text, 24)
    }

    /// A value as an example within one line, in six digits.
    pub(crate) fn example(&self, row: usize) -> String {
        match self.show(row).parse::<f64>() {
            Ok(value) if matches!(self.column_type, ColumnType::Float32 | ColumnType::Float64) => {
                let short = format!("{value:.5e}").parse::<f64>();
                short.map_or_else(|_| value.to_string(), |short| short.to_string())
            }
            _ => in_line(&self.show(row)),
        }
    }

    /// A value of a column of texts; empty of others and of null.
    pub(crate) fn text(&self, row: usize) -> &str {
        match self.values.as_string_opt::<i32>() {
            Some(texts) if texts.is_valid(row) => texts.value(row),
            _ => "",
        }
    }

    /// A value as the contract names it; `None` of floats and moments.
    pub(crate) fn class(&self, row: usize) -> Option<ClassValue> {
        if self.values.is_null(row) {
            return None;
        }
        match self.column_type {
            ColumnType::Bool => Some(ClassValue::Bool(self.values.as_boolean().value(row))),
            ColumnType::Int32 | ColumnType::Int64 => {
                let whole = cast(&self.values, &DataType::Int64).ok()?;
                Some(ClassValue::Int(
                    whole.as_primitive::<Int64Type>().value(row),
                ))
            }
            ColumnType::Utf8 => Some(ClassValue::Text(
                self.values.as_string::<i32>().value(row).to_owned(),
            )),
            _ => None,
        }
    }
}

/// Whether a character shows as nothing, or as a blank that is none.
fn is_invisible(char: char) -> bool {
    let is_format = matches!(
        char,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    );
    char != ' ' && (is_format || char.is_control() || char.is_whitespace())
}

/// A text within one line, in which nothing is hidden: a no-break space is written as `\u{a0}`.
pub fn in_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            control if control.is_control() => line.extend(control.escape_debug()),
            hidden if is_invisible(hidden) => line.extend(hidden.escape_unicode()),
            other => line.push(other),
        }
    }
    line
}

/// A text in quotes, as JSON and Python read it, in which nothing is hidden.
pub(crate) fn in_quotes(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for char in serde_json::Value::from(text).to_string().chars() {
        match is_invisible(char) {
            true => quoted += &format!("\\u{:04x}", u32::from(char)),
            false => quoted.push(char),
        }
    }
    quoted
}

/// The values of all files as a type, if all fit.
fn fit(
    pieces: &[Piece],
    column_type: ColumnType,
    dialect: &Csv,
    form: Option<&Form>,
) -> Result<Option<Vec<ArrayRef>>> {
    let mut arrays = Vec::with_capacity(pieces.len());
    for (found, values) in pieces {
        match found.fit(values, column_type, dialect, form)? {
            Some(fit) if fit.misfits == 0 => arrays.push(fit.values),
            _ => return Ok(None),
        }
    }
    Ok(Some(arrays))
}

/// Whether every text of a CSV column, but for those of `nulls`, is of a type.
pub(crate) fn is_of(piece: &Piece, column_type: ColumnType, dialect: &Csv) -> Result<bool> {
    Ok(fit(std::slice::from_ref(piece), column_type, dialect, None)?.is_some())
}

/// Other forms than that of ISO 8601 which the first text may have.
fn possible(pieces: &[Piece], column_type: ColumnType) -> Vec<Form> {
    use ColumnType::{Date, Timestamp, TimestampTz};
    if !matches!(column_type, Date | Timestamp | TimestampTz) {
        return Vec::new();
    }
    let texts = pieces
        .iter()
        .filter_map(|(_, values)| values.as_string_opt::<i32>());
    let first = texts.flat_map(|texts| texts.iter().flatten()).next();
    first
        .map(|text| forms(text, column_type))
        .unwrap_or_default()
}

fn spelled(pieces: &[Piece]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for (found, _) in pieces {
        let name = match &found.data_type {
            None => "CSV".to_owned(),
            Some(data_type) => data_type.to_string(),
        };
        match counts.iter_mut().find(|(of, _)| *of == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

/// What makes values equal.
fn keys(values: &ArrayRef) -> Result<Vec<Option<u64>>> {
    Ok(match values.data_type() {
        DataType::Utf8 => {
            // Numbered in the order in which they come: a hash could be that of another text.
            let mut numbers: HashMap<&str, u64> = HashMap::new();
            let texts = values.as_string::<i32>().iter();
            texts
                .map(|text| {
                    let next = numbers.len() as u64;
                    text.map(|text| *numbers.entry(text).or_insert(next))
                })
                .collect()
        }
        moment if moment.is_temporal() => {
            let ticks = match moment {
                DataType::Date32 => cast(values, &DataType::Int32)?,
                _ => values.clone(),
            };
            let ticks = cast(&ticks, &DataType::Int64)?;
            let ticks = ticks.as_primitive::<Int64Type>().iter();
            ticks.map(|tick| tick.map(|tick| tick as u64)).collect()
        }
        DataType::Int64 => {
            let whole = values.as_primitive::<Int64Type>().iter();
            whole.map(|value| value.map(|value| value as u64)).collect()
        }
        _ => {
            let floats = cast(values, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>().iter();
            // Minus zero equals zero.
            floats
                .map(|value| value.map(|value| (value + 0.0).to_bits()))
                .collect()
        }
    })
}

fn distinct(keys: &[Option<u64>]) -> Vec<(u64, u64, usize)> {
    let mut counts: HashMap<u64, (u64, usize)> = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        if let Some(key) = key {
            counts.entry(*key).or_insert((0, row)).0 += 1;
        }
    }
    let counts = counts
        .into_iter()
        .map(|(key, (count, row))| (key, count, row));
    let mut counts: Vec<(u64, u64, usize)> = counts.collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.2.cmp(&b.2)));
    counts
}
