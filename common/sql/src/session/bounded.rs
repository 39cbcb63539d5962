//! Functions that make long texts out of short ones, with a limit: DataFusion's own allocate
//! whatever is asked for, which ends the process.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// The functions, each of a text and a number: how often it is repeated, or how long it becomes.
const FUNCTIONS: [&str; 3] = [REPEAT, "lpad", "rpad"];
const REPEAT: &str = "repeat";

/// Length of one text, in bytes or characters.
const LONGEST: i64 = 1_000_000;
/// The same of all texts of a batch together: its bytes, at most four for a character, have places
/// of 31 bits.
const TOGETHER: i64 = 1 << 28;

/// Puts limits to the functions of a session.
///
/// # Errors
/// A session without them.
pub(super) fn register(context: &SessionContext) -> Result<()> {
    for name in FUNCTIONS {
        let inner = context.udf(name)?;
        context.register_udf(ScalarUDF::from(Bounded { inner }));
    }
    Ok(())
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

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        // DataFusion takes a negative number of a column for a huge one; one that is written out
        // makes an empty text.
        if let Some(ColumnarValue::Array(numbers)) = args.args.get_mut(1)
            && let Some(of) = numbers.as_primitive_opt::<Int64Type>()
        {
            *numbers = Arc::new(of.unary::<_, Int64Type>(|number| number.max(0)));
        }
        self.inner.invoke_with_args(args)
    }
}

impl Bounded {
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let [text, number, ..] = &args.args[..] else {
            return Ok(());
        };
        // The number itself is at fault, even if there is no row.
        if let ColumnarValue::Scalar(ScalarValue::Int64(Some(number))) = number
            && *number > LONGEST
        {
            return Err(self.too_long(*number));
        }
        let numbers = cast(&number.to_array(args.number_rows)?, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        let lengths = length(&text.to_array(args.number_rows)?)?;
        let lengths = cast(&lengths, &DataType::Int64)?;
        let lengths = lengths.as_primitive::<Int64Type>();
        let mut together = 0_i64;
        for (number, length) in numbers.iter().zip(lengths.iter()) {
            let (Some(number @ 1..), Some(length)) = (number, length) else {
                continue;
            };
            let longest = match self.name() {
                REPEAT => number.saturating_mul(length),
                _ => number,
            };
            if longest > LONGEST {
                return Err(self.too_long(longest));
            }
            together = together.saturating_add(longest);
        }
        if together > TOGETHER {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{}() would make texts of {together} characters for {} rows at once, of which \
                 there may be {TOGETHER}: make them shorter",
                self.name(),
                numbers.len(),
            )));
        }
        Ok(())
    }

    fn too_long(&self, longest: i64) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!(
            "{}() would make a text of {longest} characters, of which it may have {LONGEST}: make \
             it shorter",
            self.name()
        ))
    }
}
