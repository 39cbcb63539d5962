//! Windows: what a query may compute from other rows of the same entity.
//!
//! A window is taken if its result does not depend on where the rows that are at hand begin: it
//! reaches back a stated time at most, and no row is counted.

use std::collections::BTreeSet;

use anyhow::Result;
use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use arrow::datatypes::Schema;
use datafusion_common::DFSchema;
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::{NullTreatment, WindowFunction};
use datafusion_expr::{Expr, LogicalPlan, SortExpr, WindowFrameBound, WindowFrameUnits, col};

use table::dataset::{ColumnType, Dataset, Lookback};

use super::DAY_MICROS;
use super::exact::EXACT;
use super::excerpt::Query;
use super::lineage::{self, Origin};

/// Functions of a window beside the exact ones: the value of a row by its place.
const BY_PLACE: [&str; 2] = ["first_value", "last_value"];

/// What the rows of a windowed query have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The columns by whose values rows are partitioned.
    pub entity: Vec<String>,
    /// The column of time.
    pub time: String,
    /// How far a window reaches back at most: what the contract says, and not less than the longest
    /// window of the query.
    pub lookback: Lookback,
    /// The longest window of the query, in microseconds.
    pub(super) longest: i64,
}

/// What windows are checked against.
pub(super) struct Rules<'a> {
    pub(super) query: &'a Query<'a>,
    pub(super) dataset: &'a Dataset,
    pub(super) raw: &'a Schema,
}

/// Where a frame begins and ends, in microseconds before its row.
struct Frame {
    start: i64,
    text: String,
}

/// The order in which rows with windows come, for a table that declares it.
pub(super) fn order(dataset: &Dataset) -> Vec<SortExpr> {
    let column = |name: &str| col(datafusion_common::Column::from_name(name));
    let entity = dataset.entity_columns();
    let entity = entity.iter().map(|name| column(name).sort(true, true));
    // None of them holds nulls; SQL's ORDER BY says where they would come.
    let time = dataset
        .time()
        .map(|time| column(&time.name).sort(true, false));
    entity.chain(time).collect()
}

impl Rules<'_> {
    /// The windows of a plan, if it has any.
    ///
    /// # Errors
    /// A window that is refused, with what to write: exit 2.
    pub(super) fn of_plan(&self, plan: &LogicalPlan) -> Result<Option<Windows>> {
        let mut windows = Vec::new();
        let mut filters = false;
        let walked = plan.apply(|node| {
            match node {
                LogicalPlan::Window(window) => windows.push(window.clone()),
                LogicalPlan::Filter(_) => filters = true,
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
        walked.map_err(|error| self.query.failure(&error))?;
        if windows.is_empty() {
            return Ok(None);
        }
        let mut longest: Option<Frame> = None;
        for window in &windows {
            let origins = lineage::of_plan(&window.input);
            let origins = origins.map_err(|error| self.query.failure(&error))?;
            for expr in &window.window_expr {
                let frame = self.frame(expr, window.input.schema(), &origins)?;
                if longest
                    .as_ref()
                    .is_none_or(|longest| longest.start < frame.start)
                {
                    longest = Some(frame);
                }
            }
        }
        if filters {
            return Err(self.refuse(
                &["WHERE", "QUALIFY"],
                "a condition beside windows (WHERE) is refused: it would be unclear whether \
                 windows see the rows that it leaves out; make it the `filter` or the \
                 `train_filter` of dataset.json",
            ));
        }
        let longest = longest.map_or((0, String::new()), |frame| (frame.start, frame.text));
        self.within_lookback(longest)
    }

    fn within_lookback(&self, (start, text): (i64, String)) -> Result<Option<Windows>> {
        let needed = Lookback::at_least(start);
        let Some(lookback) = self.dataset.lookback else {
            return Err(self.refuse(
                &["INTERVAL", "OVER"],
                &format!(
                    "windows need `lookback` in dataset.json, the length of the longest one: \
                     write \"lookback\": \"{needed}\""
                ),
            ));
        };
        if needed > lookback {
            return Err(self.refuse(
                &["INTERVAL"],
                &format!(
                    "a window of {text} is longer than the `lookback` of dataset.json, \
                     \"{lookback}\": write \"lookback\": \"{needed}\", or make it shorter"
                ),
            ));
        }
        let time = self.dataset.time().map(|time| time.name.clone());
        Ok(Some(Windows {
            entity: self.dataset.entity_columns(),
            time: time.unwrap_or_default(),
            lookback,
            longest: start,
        }))
    }

    /// The frame of one window, which is found to be in order.
    fn frame(&self, expr: &Expr, schema: &DFSchema, input: &[Origin]) -> Result<Frame> {
        let mut plain = expr;
        while let Expr::Alias(alias) = plain {
            plain = &alias.expr;
        }
        let Expr::WindowFunction(window) = plain else {
            return Err(self.refuse(&["OVER"], "a window that is not a function is refused"));
        };
        self.check_function(window)?;
        self.check_arguments(window, schema, input)?;
        self.check_partition(window, schema, input)?;
        self.check_order(window, schema, input)?;
        self.check_frame(window)
    }

    fn check_function(&self, window: &WindowFunction) -> Result<()> {
        let name = window.fun.name().to_lowercase();
        let name = name.as_str();
        let history = "its result depends on where the available rows begin";
        let rewrite = match name {
            "lag" => Some(format!("write last_value(x) {}", self.over(true))),
            "lead" => Some("a feature may not look ahead of its row".to_owned()),
            "row_number" | "rank" | "dense_rank" => {
                Some(format!("write count(*) {}", self.over(false)))
            }
            "nth_value" => Some(format!(
                "write first_value(x) or last_value(x) {}",
                self.over(false)
            )),
            "ntile" | "percent_rank" | "cume_dist" => {
                Some("compare the row with min(x) and max(x) of a window".to_owned())
            }
            _ => None,
        };
        if let Some(rewrite) = rewrite {
            return Err(self.refuse(
                &[name],
                &format!("{name}() is refused: {history}; {rewrite}"),
            ));
        }
        let known = [&EXACT[..], &BY_PLACE].concat();
        if !known.contains(&name) {
            return Err(self.refuse(
                &[name],
                &format!(
                    "{name}() is refused as a window: there are {}",
                    known.join(", ")
                ),
            ));
        }
        let params = &window.params;
        if params.distinct {
            return Err(self.refuse(
                &["DISTINCT"],
                "DISTINCT in a window is refused: all values of a window would have to be kept",
            ));
        }
        if params.filter.is_some() {
            return Err(self.refuse(
                &["FILTER"],
                &format!(
                    "FILTER in a window is refused: write {name}(CASE WHEN condition THEN x END)"
                ),
            ));
        }
        if params.null_treatment == Some(NullTreatment::IgnoreNulls) {
            return Err(self.refuse(
                &["IGNORE"],
                "IGNORE NULLS is refused: it would have to search the whole window; max(CASE WHEN \
                 x IS NOT NULL THEN time END) has the time of the last value",
            ));
        }
        Ok(())
    }

    fn check_arguments(
        &self,
        window: &WindowFunction,
        schema: &DFSchema,
        input: &[Origin],
    ) -> Result<()> {
        let name = window.fun.name();
        let target = &self.dataset.target().name;
        for argument in &window.params.args {
            let origin = lineage::of_expr(argument, schema, input);
            let reads = |place: &usize| self.raw.field(*place).name() == target;
            if origin.reads.iter().any(reads) {
                return Err(self.refuse(
                    &[name],
                    &format!(
                        "a window over the target {target:?} is refused: rows to score have no \
                         label, and it is not known when those of earlier rows came"
                    ),
                ));
            }
            if origin.windowed {
                return Err(self.refuse(
                    &[name],
                    "a window over the result of another window is refused: together they look \
                     further back than either says; compute it from raw columns",
                ));
            }
        }
        Ok(())
    }

    fn check_partition(
        &self,
        window: &WindowFunction,
        schema: &DFSchema,
        input: &[Origin],
    ) -> Result<()> {
        let entity = self.dataset.entity_columns();
        let wanted: BTreeSet<usize> = entity
            .iter()
            .filter_map(|name| self.raw.index_of(name).ok())
            .collect();
        let found = window.params.partition_by.iter();
        let found = found.map(|expr| lineage::of_expr(expr, schema, input).raw);
        let found: Option<BTreeSet<usize>> = found.collect();
        if found.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let names = list(&entity);
        let write = format!("write PARTITION BY {names}");
        if window.params.partition_by.is_empty() {
            return Err(self.refuse(
                &["OVER"],
                &format!(
                    "a window without PARTITION BY is refused, because it would cover all rows: \
                     {write}"
                ),
            ));
        }
        let texts: Vec<String> = window.params.partition_by.iter().map(shown).collect();
        Err(self.refuse(
            &["PARTITION"],
            &format!(
                "PARTITION BY {} is refused: a model has one entity in this release, which is \
                 {names} (`entity` of dataset.json, or else the ids): {write}, or change `entity`",
                texts.join(", ")
            ),
        ))
    }

    fn check_order(
        &self,
        window: &WindowFunction,
        schema: &DFSchema,
        input: &[Origin],
    ) -> Result<()> {
        let Some(time) = self.dataset.time() else {
            return Err(self.refuse(
                &["OVER"],
                "windows need a column with the role time in dataset.json, and it has none",
            ));
        };
        let place = self.raw.index_of(&time.name).ok();
        let order = &window.params.order_by;
        if let [by] = &order[..]
            && by.asc
            && !by.nulls_first
            && place.is_some()
            && lineage::of_expr(&by.expr, schema, input).raw == place
        {
            return Ok(());
        }
        let texts: Vec<String> = order.iter().map(ToString::to_string).collect();
        let what = match order.is_empty() {
            true => "a window without ORDER BY".to_owned(),
            false => format!("ORDER BY {}", texts.join(", ")),
        };
        Err(self.refuse(
            &["ORDER", "OVER"],
            &format!(
                "{what} is refused: windows must be ordered by the time, ascending: write ORDER BY {}",
                quoted(&time.name)
            ),
        ))
    }

    fn check_frame(&self, window: &WindowFunction) -> Result<Frame> {
        let frame = &window.params.window_frame;
        let write = || format!("write {}", self.frame_text(false));
        let words: &[&str] = match frame.units {
            WindowFrameUnits::Range => &[],
            WindowFrameUnits::Rows => &["ROWS"],
            WindowFrameUnits::Groups => &["GROUPS"],
        };
        if let [unit] = words
            && self.query.find(unit).is_some()
        {
            return Err(self.refuse(
                words,
                &format!(
                    "a window of {unit} is refused: how far back it reaches depends on which rows are \
                     available; {}",
                    write()
                ),
            ));
        }
        let unbounded = "a window without a bound (UNBOUNDED, or none given) is refused: its \
                         result would depend on where the available rows begin";
        let (start, text) = match &frame.start_bound {
            WindowFrameBound::Preceding(bound) if bound.is_null() => {
                let text = format!("{unbounded}; {}", write());
                return Err(self.refuse(&["UNBOUNDED", "OVER"], &text));
            }
            WindowFrameBound::Preceding(bound) => (self.micros(bound)?, bound.to_string()),
            WindowFrameBound::CurrentRow => (0, String::new()),
            WindowFrameBound::Following(_) => return Err(self.following()),
        };
        let end = match &frame.end_bound {
            WindowFrameBound::Preceding(bound) => self.micros(bound)?,
            WindowFrameBound::CurrentRow => 0,
            WindowFrameBound::Following(_) => return Err(self.following()),
        };
        if end > start {
            return Err(self.refuse(
                &["RANGE"],
                "a window that ends before it begins is always empty: swap its bounds",
            ));
        }
        Ok(Frame { start, text })
    }

    fn following(&self) -> anyhow::Error {
        self.refuse(
            &["FOLLOWING"],
            &format!(
                "FOLLOWING is refused: a feature may not look ahead of its row; write {}",
                self.frame_text(false)
            ),
        )
    }

    /// Length of an interval, in microseconds.
    fn micros(&self, bound: &ScalarValue) -> Result<i64> {
        let text = bound.try_as_str().flatten().unwrap_or_default();
        let wrong = |reason: &str| {
            let text = format!(
                "a bound of {text:?} is refused: {reason}, such as INTERVAL '30 days' PRECEDING"
            );
            self.refuse(&["RANGE"], &text)
        };
        if text.trim().parse::<f64>().is_ok() {
            return Err(wrong("write an interval with its unit"));
        }
        let Ok(interval) = parse_interval_month_day_nano(text) else {
            return Err(wrong("write days, hours, minutes or seconds"));
        };
        if interval.months != 0 {
            return Err(wrong("months differ in length: write days"));
        }
        if interval.nanoseconds % 1_000 != 0 {
            return Err(wrong("times are kept in microseconds: use nothing finer"));
        }
        let micros = i64::from(interval.days)
            .checked_mul(DAY_MICROS)
            .and_then(|days| days.checked_add(interval.nanoseconds / 1_000));
        let Some(micros) = micros.filter(|micros| *micros >= 0) else {
            return Err(wrong("write a time that is not negative"));
        };
        if self.is_date() && micros % DAY_MICROS != 0 {
            return Err(wrong("the time column holds dates: write whole days"));
        }
        Ok(micros)
    }

    fn is_date(&self) -> bool {
        let time = self.dataset.time();
        time.is_some_and(|time| time.column_type == ColumnType::Date)
    }

    /// A frame that would be taken; `before` for one that ends before its row.
    fn frame_text(&self, before: bool) -> String {
        let length = self.dataset.lookback;
        let length = length.map_or_else(|| "30 days".to_owned(), |length| length.to_string());
        let step = if self.is_date() {
            "1 day"
        } else {
            "1 microsecond"
        };
        let end = match before {
            true => format!("INTERVAL '{step}' PRECEDING"),
            false => "CURRENT ROW".to_owned(),
        };
        format!("RANGE BETWEEN INTERVAL '{length}' PRECEDING AND {end}")
    }

    /// A window that would be taken.
    fn over(&self, before: bool) -> String {
        let entity = list(&self.dataset.entity_columns());
        let time = self.dataset.time().map_or("time", |time| &time.name);
        format!(
            "OVER (PARTITION BY {entity} ORDER BY {} {})",
            quoted(time),
            self.frame_text(before)
        )
    }

    fn refuse(&self, words: &[&str], text: &str) -> anyhow::Error {
        let place = words.iter().find_map(|word| self.query.find(word));
        self.query.refusal(place, text)
    }
}

/// Names as SQL writes them.
fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    names.join(", ")
}

fn quoted(name: &str) -> String {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    match name.chars().all(is_word) && !name.starts_with(|char: char| char.is_ascii_digit()) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// An expression as it was written, near enough.
fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => quoted(&column.name),
        other => other.to_string(),
    }
}
