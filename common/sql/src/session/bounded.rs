//! Functions with limits: of those that make long texts out of short ones DataFusion's own allocate
//! whatever is asked for, which ends the process; others take hours, or give a wrong value in
//! silence.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::kernels::length::length;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion_common::error::{DataFusionError, Result};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{ScalarValue, plan_datafusion_err, plan_err};
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Literal;

use super::values;

/// The functions by name, besides those of [`values`]; OVERLAY and `||` are planned past the
/// registry.
const FUNCTIONS: [&str; 11] = [
    CONCAT,
    CONCAT_WS,
    ENCODE,
    LEVENSHTEIN,
    LPAD,
    REGEXP_REPLACE,
    REPEAT,
    REPLACE,
    RPAD,
    TO_CHAR,
    TRANSLATE,
];
const CONCAT: &str = "concat";
const CONCAT_WS: &str = "concat_ws";
const ENCODE: &str = "encode";
const LEVENSHTEIN: &str = "levenshtein";
const LPAD: &str = "lpad";
const OVERLAY: &str = "overlay";
const REGEXP_REPLACE: &str = "regexp_replace";
const REPEAT: &str = "repeat";
const REPLACE: &str = "replace";
const RPAD: &str = "rpad";
const TO_CHAR: &str = "to_char";
const TRANSLATE: &str = "translate";
/// The function that joins two texts, which an operator of a query becomes.
const JOIN: &str = "||";

/// Bytes of one text, unless one of those that it is made of is longer.
const LONGEST: i64 = 1_000_000;
/// Bytes of all texts of a batch together, whose places have 31 bits.
const TOGETHER: i64 = 1 << 28;
/// Bytes that texts may take which are made at once, if it is not known how many they will.
const AT_ONCE: i64 = 1 << 26;
/// Bytes of a constant text: DataFusion makes a copy of it for each row of a batch.
const CONSTANT: usize = 1 << 15;
/// Bytes of a character at most.
const CHARACTER: i64 = 4;
/// Bytes that a code of a format of times makes at most, such as `%+` of the year 262142.
const CODE: i64 = 64;
/// Product of the bytes of two texts that are compared, each with each: two of 4,000 bytes take
/// some ten milliseconds.
const COMPARED: i64 = 16_000_000;

/// The functions that need limits, with these.
///
/// # Errors
/// One of them is not among `known`.
pub(super) fn functions(known: &HashMap<String, Arc<ScalarUDF>>) -> Result<Vec<Arc<ScalarUDF>>> {
    let names = FUNCTIONS.into_iter().chain(values::functions());
    let functions = names.map(|name| match known.get(name) {
        Some(inner) => Ok(limited(inner.clone())),
        None => plan_err!("there is no function {name}"),
    });
    functions.collect()
}

/// The function with its limits.
pub(super) fn limited(inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Bounded { inner }))
}

/// Refuses a constant text that would take too much memory beside the rows of a batch.
///
/// # Errors
/// Such a text.
pub(super) fn check_constants(expr: &Arc<dyn PhysicalExpr>) -> Result<()> {
    expr.apply(|expr| {
        let literal = expr.downcast_ref::<Literal>();
        let text = literal.and_then(|literal| literal.value().try_as_str().flatten());
        match text {
            Some(text) if text.len() > CONSTANT => Err(plan_datafusion_err!(
                "a constant text has {} bytes, and may have {CONSTANT} at most: make it shorter",
                text.len()
            )),
            _ => Ok(TreeNodeRecursion::Continue),
        }
    })
    .map(|_| ())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.name() {
            values::ROUND | values::TRUNC => return values::rounded(&self.inner, args),
            LEVENSHTEIN => check_compared(&args)?,
            name => match values::greatest_of_time(name) {
                Some(greatest) => values::check_time(&format!("{name}()"), greatest, &args)?,
                None => return self.text(args),
            },
        }
        self.inner.invoke_with_args(args)
    }
}

/// What is known of the text of a row before it is made.
struct Size {
    /// Its bytes at most.
    most: i64,
    /// How many it may have.
    limit: i64,
}

impl Bounded {
    /// Makes texts.
    fn text(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // DataFusion takes a negative number of a column for a huge one; one that is written out
        // makes an empty text.
        if let Some(ColumnarValue::Array(numbers)) = args.args.get_mut(1)
            && let Some(of) = numbers.as_primitive_opt::<Int64Type>()
        {
            *numbers = Arc::new(of.unary::<_, Int64Type>(|number| number.max(0)));
        }
        // The number itself is at fault, even if there is no row.
        if let (LPAD | RPAD | REPEAT, Some(ColumnarValue::Scalar(ScalarValue::Int64(Some(number))))) =
            (self.name(), args.args.get(1))
            && *number > LONGEST
        {
            return Err(self.too_long("would", LONGEST));
        }
        let sizes = self.sizes(&args)?;
        if self.is_exact() {
            self.check_exact(&sizes)?;
            return self.inner.invoke_with_args(args);
        }
        self.in_pieces(args, &sizes)
    }

    /// Whether the size of a text is known before it is made.
    fn is_exact(&self) -> bool {
        [CONCAT, REPEAT, JOIN].contains(&self.name())
    }

    /// The size of each text that is made: of one, if all arguments are constants.
    fn sizes(&self, args: &ScalarFunctionArgs) -> Result<Vec<Size>> {
        let arguments = args.args.iter().map(Measured::of);
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let is_constant = arguments.iter().all(|argument| argument.is_constant);
        let rows = if is_constant { 1 } else { args.number_rows };
        let mut of_row = Vec::with_capacity(arguments.len());
        let sizes = (0..rows).map(|row| {
            of_row.clear();
            of_row.extend(arguments.iter().map(|argument| argument.at(row)));
            let texts = arguments.iter().zip(&of_row);
            let texts = texts.filter_map(|(argument, of)| of.filter(|_| argument.is_text));
            let limit = texts.max().unwrap_or_default().max(LONGEST);
            let mut most = self.most(&of_row);
            if self.name() == REPLACE && most > limit {
                most = replaced(&args.args, row)?.unwrap_or(most);
            }
            Ok(Size { most, limit })
        });
        sizes.collect()
    }

    /// Bytes that a text has at most: `of` are the lengths of the texts that it is made of, and the
    /// numbers.
    fn most(&self, of: &[Option<i64>]) -> i64 {
        let skips_nulls = [CONCAT, CONCAT_WS].contains(&self.name());
        if !skips_nulls && of.contains(&None) {
            return 0;
        }
        let at = |place: usize| of.get(place).copied().flatten().unwrap_or_default().max(0);
        let all = of.iter().flatten();
        let all = all.fold(0_i64, |all, &one| all.saturating_add(one.max(0)));
        let [text, second, third] = [at(0), at(1), at(2)];
        let made = match self.name() {
            REPEAT => return text.saturating_mul(second),
            LPAD | RPAD => second.saturating_mul(CHARACTER),
            CONCAT_WS => text.saturating_mul(of.len() as i64),
            REPLACE => text.saturating_mul(third),
            REGEXP_REPLACE => {
                // With flags it may replace between all characters. What it takes of each match,
                // such as by \1, comes from another part of the text.
                let matches = if of.len() > 3 { text + 1 } else { 1 };
                let written = third.saturating_mul(matches);
                written.saturating_add(text.saturating_mul(third / 2))
            }
            TO_CHAR => second.saturating_mul(CODE),
            TRANSLATE => text.saturating_mul(CHARACTER),
            // A negative length has a part of it twice.
            OVERLAY => text,
            // Two digits a byte.
            ENCODE => text,
            _ => 0,
        };
        made.saturating_add(all)
    }

    /// Refuses texts of known sizes that are too long.
    fn check_exact(&self, sizes: &[Size]) -> Result<()> {
        let mut together = 0_i64;
        for size in sizes {
            if size.most > size.limit {
                return Err(self.too_long("would", size.limit));
            }
            together = together.saturating_add(size.most);
        }
        match together > TOGETHER {
            true => Err(self.too_many(sizes.len())),
            false => Ok(()),
        }
    }

    /// Makes the texts of as many rows at once as there is room for, whatever they come to.
    fn in_pieces(&self, args: ScalarFunctionArgs, sizes: &[Size]) -> Result<ColumnarValue> {
        if let Some(size) = sizes.iter().find(|size| size.most > TOGETHER) {
            return Err(self.too_long("could", size.limit));
        }
        let mut pieces = Vec::new();
        let (mut start, mut made) = (0, 0_i64);
        while start < sizes.len() {
            let mut at_once = sizes[start].most;
            let further = sizes[start + 1..].iter().take_while(|size| {
                at_once += size.most;
                at_once <= AT_ONCE
            });
            let rows = 1 + further.count();
            let is_all = rows == sizes.len();
            let piece = match is_all {
                true => args.clone(),
                false => sliced(&args, start, rows),
            };
            let piece = self.inner.invoke_with_args(piece)?;
            let lengths = Measured::of(&piece)?;
            for (row, size) in sizes[start..start + rows].iter().enumerate() {
                let length = lengths.at(row).unwrap_or_default();
                if length > size.limit {
                    return Err(self.too_long("would", size.limit));
                }
                made += length;
            }
            if made > TOGETHER {
                return Err(self.too_many(sizes.len()));
            }
            if is_all {
                return Ok(piece);
            }
            pieces.push(piece.into_array(rows)?);
            start += rows;
        }
        if pieces.is_empty() {
            return self.inner.invoke_with_args(args);
        }
        let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref()).collect();
        Ok(ColumnarValue::Array(concat(&pieces)?))
    }

    fn too_long(&self, would: &str, limit: i64) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!(
            "{} {would} make a text of more than {limit} bytes: make it shorter",
            self.shown()
        ))
    }

    fn too_many(&self, rows: usize) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!(
            "{} would make texts of more than {TOGETHER} bytes for {rows} rows at once: make them \
             shorter",
            self.shown()
        ))
    }

    fn shown(&self) -> String {
        match self.name() {
            JOIN => JOIN.to_owned(),
            name => format!("{name}()"),
        }
    }
}

/// Refuses to compare texts that are too long.
fn check_compared(args: &ScalarFunctionArgs) -> Result<()> {
    let [left, right] = &args.args[..] else {
        return Ok(());
    };
    let (left, right) = (Measured::of(left)?, Measured::of(right)?);
    let is_constant = left.is_constant && right.is_constant;
    let rows = if is_constant { 1 } else { args.number_rows };
    for row in 0..rows {
        let [one, other] = [&left, &right].map(|text| text.at(row).unwrap_or_default());
        if one.saturating_mul(other) > COMPARED {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{LEVENSHTEIN}() would compare a text of {one} bytes with one of {other}, and their \
                 product may be {COMPARED} at most: compare the beginnings, such as left(x, 1000)"
            )));
        }
    }
    Ok(())
}

/// The bytes of each text of an argument, or its whole numbers; 0 for what is neither.
struct Measured {
    of: Int64Array,
    is_text: bool,
    is_constant: bool,
}

impl Measured {
    fn of(argument: &ColumnarValue) -> Result<Self> {
        use DataType::{Binary, BinaryView, Int64, LargeBinary, LargeUtf8, Utf8, Utf8View};
        let is_constant = matches!(argument, ColumnarValue::Scalar(_));
        let mut array = match argument {
            ColumnarValue::Array(array) => array.clone(),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        if let DataType::Dictionary(_, of) = array.data_type() {
            array = cast(&array, &of.clone())?;
        }
        let is_text = matches!(
            array.data_type(),
            Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView
        );
        let of: ArrayRef = match array.data_type() {
            Int64 => array,
            _ if is_text => cast(&length(&array)?, &Int64)?,
            _ => Arc::new(Int64Array::from(vec![0; array.len()])),
        };
        Ok(Self {
            of: of.as_primitive::<Int64Type>().clone(),
            is_text,
            is_constant,
        })
    }

    fn at(&self, row: usize) -> Option<i64> {
        let row = if self.is_constant { 0 } else { row };
        let is_there = row < self.of.len() && self.of.is_valid(row);
        is_there.then(|| self.of.value(row))
    }
}

/// The arguments of some rows.
fn sliced(args: &ScalarFunctionArgs, start: usize, rows: usize) -> ScalarFunctionArgs {
    let of_rows = args.args.iter().map(|argument| match argument {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, rows)),
        constant => constant.clone(),
    });
    ScalarFunctionArgs {
        args: of_rows.collect(),
        number_rows: rows,
        ..args.clone()
    }
}

/// Bytes of the text that `replace` makes in a row, if it is one of texts.
fn replaced(args: &[ColumnarValue], row: usize) -> Result<Option<i64>> {
    let value = |place: usize| match &args[place] {
        ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row),
        ColumnarValue::Scalar(scalar) => Ok(scalar.clone()),
    };
    let values = [value(0)?, value(1)?, value(2)?];
    let [Some(text), Some(from), Some(to)] =
        [0, 1, 2].map(|place: usize| values[place].try_as_str().flatten())
    else {
        return Ok(None);
    };
    let matches = match from.is_empty() {
        true => 0,
        false => text.matches(from).count(),
    };
    let kept = text.len() - matches * from.len();
    let bytes = matches.saturating_mul(to.len()).saturating_add(kept);
    Ok(Some(i64::try_from(bytes).unwrap_or(i64::MAX)))
}
