//! Settings of the gate that a candidate has to pass.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::auto::Auto;
use crate::parsers::{self, not_negative};
use learn::task::{CountedAs, Metric, Task};
use runtime::failure::Failure;

/// When a candidate becomes the champion.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct GateArgs {
    /// Effect of a refused candidate: soft keeps the champion and continues, hard fails the
    /// workflow
    #[arg(long, env = "GATE", default_value = "soft")]
    pub gate: GateMode,
    /// Holdout metric that compares candidate and champion: one of the model's task, or auto, which
    /// is roc_auc for two classes, log_loss for several, and r2 for a number
    #[arg(long, env = "GATE_METRIC", default_value = "auto", value_parser = parsers::metric())]
    pub gate_metric: Auto<Metric>,
    /// Minimum of the metric that a champion must reach, or maximum if lower is better; auto is 0.6
    /// for two classes if higher is better, otherwise no limit
    #[arg(long, env = "GATE_FLOOR", default_value = "auto", value_parser = parsers::auto_number)]
    pub gate_floor: Auto<f64>,
    /// Non-inferiority margin: how much worse than the champion a candidate may be
    #[arg(long, env = "GATE_MARGIN", default_value_t = 0.005, value_parser = not_negative)]
    pub gate_margin: f64,
    /// The candidate is also compared with the champions of this many past days, by the same
    /// margin; 0: only with the current champion
    #[arg(long, env = "GATE_WINDOW", default_value_t = 90, value_parser = parsers::days)]
    pub gate_window: u32,
    /// What must be within the margin: the estimate of the difference, or the worse end of its 95 %
    /// interval, which refuses more worse candidates and needs more rows
    #[arg(long, env = "GATE_COMPARE", default_value = "estimate")]
    pub gate_compare: GateCompare,
    /// Limit like GATE_FLOOR for each segment of the holdout, by the columns of SEGMENT_COLUMNS; a
    /// segment refuses if its whole 95 % interval misses it; by default there is none
    #[arg(long, env = "GATE_SEGMENT_FLOOR", value_parser = parsers::number)]
    pub gate_segment_floor: Option<f64>,
    /// How much worse than the champion a candidate may be in each segment of the holdout, on the
    /// same rows; a segment refuses if the whole 95 % interval of the difference is worse; by
    /// default segments are not compared
    #[arg(long, env = "GATE_SEGMENT_MARGIN", value_parser = not_negative)]
    pub gate_segment_margin: Option<f64>,
    /// Minimum number of rows of a segment of the holdout; smaller segments are not judged
    #[arg(long, env = "GATE_SEGMENT_ROWS", default_value_t = 200, value_parser = parsers::count::<u64>)]
    pub gate_segment_rows: u64,
}

/// How the floor of a gate is called.
const FLOOR_SETTING: &str = "GATE_FLOOR (--gate-floor)";
/// How the limit of each segment is called.
const SEGMENT_FLOOR_SETTING: &str = "GATE_SEGMENT_FLOOR (--gate-segment-floor)";

/// How the margin of each segment is called.
const SEGMENT_MARGIN_SETTING: &str = "GATE_SEGMENT_MARGIN (--gate-segment-margin)";

/// The floor of a gate on two classes, where more is better.
const FLOOR: f64 = 0.6;

impl GateArgs {
    /// The metric that decides on a model of a task, and its floor, where it has one.
    ///
    /// # Errors
    /// A metric that the task does not have, and a floor that the metric can't reach or miss, or a
    /// margin that two values of it can't exceed: exit 2.
    pub fn metric(&self, task: &dyn Task) -> Result<(Metric, Option<f64>)> {
        let own = task.metric(task.gate_metric());
        let metric = match (self.gate_metric, own) {
            (Auto::Said(metric), _) if task.metric(metric.name) == Some(metric) => metric,
            (Auto::Auto, Some(own)) => own,
            (said, _) => {
                let names: Vec<&str> = task.metrics().iter().map(|of| of.name).collect();
                let said = match said {
                    Auto::Said(metric) => metric.name,
                    Auto::Auto => task.gate_metric(),
                };
                return Err(Failure::usage(format!(
                    "GATE_METRIC (--gate-metric) is {said}, but the metrics of task {} are {}: \
                     give one of them, or auto",
                    task.name(),
                    names.join(", ")
                )));
            }
        };
        self.check_margins(metric)?;
        let of_two = matches!(task.counted_as(), CountedAs::PositiveClass);
        let Auto::Said(floor) = self.gate_floor else {
            return Ok((
                metric,
                (of_two && !metric.lower_is_better()).then_some(FLOOR),
            ));
        };
        reachable(FLOOR_SETTING, metric, floor)?;
        Ok((metric, Some(floor)))
    }

    /// Whether the metric can reach and miss the floor, exceed the margins, and has the interval
    /// that is compared, where they are said.
    ///
    /// # Errors
    /// A floor, a margin or an interval that it can't have: exit 2.
    pub fn check(&self) -> Result<()> {
        let Auto::Said(metric) = self.gate_metric else {
            return Ok(());
        };
        if let Auto::Said(floor) = self.gate_floor {
            reachable(FLOOR_SETTING, metric, floor)?;
        }
        self.check_margins(metric)?;
        if self.gate_compare == GateCompare::Interval && !metric.is_smooth() {
            return Err(Failure::usage(format!(
                "GATE_COMPARE (--gate-compare) is interval, and {} (GATE_METRIC, --gate-metric) has \
                 none, because one row decides it: give estimate, or another metric",
                metric.name
            )));
        }
        self.segment_floor(metric).map(|_| ())
    }

    /// Refuses margins that allow more than the metric can differ by. That much says that there is
    /// to be none.
    fn check_margins(&self, metric: Metric) -> Result<()> {
        let Some(span) = metric.span() else {
            return Ok(());
        };
        for (setting, margin) in [
            ("GATE_MARGIN (--gate-margin)", Some(self.gate_margin)),
            (SEGMENT_MARGIN_SETTING, self.gate_segment_margin),
        ] {
            if let Some(margin) = margin.filter(|margin| *margin > span) {
                return Err(Failure::usage(format!(
                    "{setting} is {margin}, and two values of {} (GATE_METRIC, --gate-metric) are \
                     never more than {span} apart, so every candidate would pass: give a margin \
                     that a bad candidate exceeds, or {span} for no limit",
                    metric.name
                )));
            }
        }
        Ok(())
    }

    /// Whether the holdout is judged by segments.
    pub fn judges_segments(&self) -> bool {
        self.gate_segment_floor.is_some() || self.gate_segment_margin.is_some()
    }

    /// The limit of each segment, where there is one.
    ///
    /// # Errors
    /// One that the metric can't reach or can't miss: exit 2.
    pub fn segment_floor(&self, metric: Metric) -> Result<Option<f64>> {
        if let Some(floor) = self.gate_segment_floor {
            reachable(SEGMENT_FLOOR_SETTING, metric, floor)?;
        }
        Ok(self.gate_segment_floor)
    }
}

/// What a gate says that judges segments, where no column divides the rows; `floor` is its limit
/// of each segment, if it has one.
pub fn without_segments(floor: Option<f64>) -> anyhow::Error {
    let setting = match floor {
        Some(_) => SEGMENT_FLOOR_SETTING,
        None => SEGMENT_MARGIN_SETTING,
    };
    Failure::usage(format!(
        "{setting} is set, and the holdout has no segment column: name one in SEGMENT_COLUMNS \
         (--segment-columns) that has the role ignored and is in the result of features.sql, or \
         remove GATE_SEGMENT_FLOOR and GATE_SEGMENT_MARGIN"
    ))
}

fn reachable(setting: &str, metric: Metric, floor: f64) -> Result<()> {
    if metric.can_reach(floor) {
        return missable(setting, metric, floor);
    }
    let range = match metric.lower_is_better() {
        true => "never below 0",
        false => "never above 1",
    };
    let advice = match (1.0..=100.0).contains(&floor) {
        true => format!(": for {floor} % give {}", floor / 100.0),
        false => String::new(),
    };
    Err(Failure::usage(format!(
        "{setting} is {floor}, and {} (GATE_METRIC, --gate-metric) is \
         {range}{advice}",
        metric.name
    )))
}

/// Refuses a floor beyond the worst value of the metric. The worst value itself says that there is
/// to be none.
fn missable(setting: &str, metric: Metric, floor: f64) -> Result<()> {
    let beyond = |worst: &f64| metric.higher_is_better(floor) < metric.higher_is_better(*worst);
    let Some(worst) = metric.worst().filter(beyond) else {
        return Ok(());
    };
    let side = if metric.lower_is_better() {
        "above"
    } else {
        "below"
    };
    Err(Failure::usage(format!(
        "{setting} is {floor}, and {} (GATE_METRIC, --gate-metric) is never {side} {worst}, so every \
         model would pass: give a limit that a bad model misses, or {worst} for no limit",
        metric.name
    )))
}

/// What of the difference to the champion must be within the margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateCompare {
    /// Its estimate.
    #[default]
    Estimate,
    /// The worse end of its 95 % interval.
    Interval,
}

/// What a refused candidate means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GateMode {
    /// The step succeeds, and the champion stays.
    Soft,
    /// The step fails.
    Hard,
}
