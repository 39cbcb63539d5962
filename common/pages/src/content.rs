//! What a report says: the plain data behind `report.json`, from which the page is drawn.

mod drift;
mod origin;
mod performance;

use catalog::layout::{DataVersion, ModelName};
use catalog::manifest::{File, Header, LeftOut, Manifest, Quarantined};
use chrono::NaiveDate;
use profile::cells::{Cells, Counts};
use profile::drift::{Thresholds, Verdict};
use profile::profiles::FeatureBaseline;
use serde::{Deserialize, Serialize};

pub use drift::{
    Bin, CategoryDrift, CategoryRows, CategoryShares, ColumnDrift, ComparedWith, Drift, OddPeriod,
    Period, Periods, Summary, Values,
};
pub use origin::{
    GateSegment, GateVerdict, LISTED_FILES, Lineage, ModelCard, Provenance, Training,
};
pub use performance::{
    AtThreshold, ClassNames, Day, Deciding, DecidingRow, FarPredictions, MetricNow, OfTask,
    Performance, Segment, SegmentedColumn, Segments,
};

/// The shape of `report.json` that this version of the code writes.
pub const REPORT_VERSION: u32 = 2;

/// `report.json`: the commit of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    /// The shared part of all manifests; `created_at` is when the rows were scored.
    #[serde(flatten)]
    pub header: Header,
    /// The page.
    pub html: File,
    /// What the report says.
    #[serde(flatten)]
    pub content: Content,
}

impl Manifest for Committed {
    const KIND: &'static str = "report";
    fn header(&self) -> &Header {
        &self.header
    }
    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }
    fn objects(&self) -> Vec<(&str, u64)> {
        vec![(&self.html.key, self.html.bytes)]
    }
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// [`REPORT_VERSION`].
    pub report_version: u32,
    /// The worst verdict on the score and the features.
    pub verdict: Verdict,
    /// What a person should know first, worst first.
    pub findings: Vec<Finding>,
    /// Registered name of the model.
    pub model_name: ModelName,
    /// Version of the model.
    pub model_version: u64,
    /// The data set version that was scored.
    pub data_version: DataVersion,
    /// Time zone in which instants were cut to their dates.
    pub timezone: String,
    /// The flags that decide the verdict.
    pub thresholds: Thresholds,
    /// Whether the rows can be trusted.
    pub quality: Quality,
    /// How right the predictions were.
    pub performance: Performance,
    /// How far the rows lie from those of training.
    pub drift: Drift,
    /// Performance and share of parts of the rows.
    pub segments: Segments,
    /// What the model is.
    pub model: ModelCard,
    /// The features that come first among the reasons of most rows; empty without reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<FirstReason>,
    /// Where all of it comes from.
    pub provenance: Provenance,
}

/// A feature, by the rows in which it is the first of the reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstReason {
    /// Name of the feature; `None` of all others together.
    pub feature: Option<String>,
    /// Rows in which it comes first.
    pub rows: u64,
    /// Their share, of 1, of the rows that have a reason.
    pub share: f64,
    /// Mean of what it adds to the raw score of these rows; `None` of several features.
    pub mean_contribution: Option<f64>,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Area of the finding.
    pub area: Area,
    /// One sentence.
    pub text: String,
}

/// How bad a finding is, from bad to good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Act on it.
    Alert,
    /// Look at it.
    Warn,
    /// Know it.
    Note,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// The model itself, as training left it.
    Model,
    /// Data quality.
    Quality,
    /// Performance.
    Performance,
    /// Drift.
    Drift,
}

/// Whether the rows can be trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Rows of the results.
    pub rows: u64,
    /// Rows without a prediction, because a feature is null or not finite.
    pub unscored_rows: u64,
    /// Raw files that were scored.
    pub shards: u64,
    /// Raw files that were left out.
    pub quarantined: Vec<Quarantined>,
    /// Rows that the contract's filter left out.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// Columns that name a row.
    pub key: Vec<String>,
    /// Keys that several rows have.
    pub duplicate_keys: u64,
    /// Rows that repeat the key of another one.
    pub duplicate_rows: u64,
    /// Rows whose time is null; `null` without a time column.
    pub undated_rows: Option<u64>,
    /// How fresh the rows are; `null` when none has a date.
    pub freshness: Option<Freshness>,
    /// Rows that lie outside the dates that are shown.
    #[serde(default)]
    pub outside: Outside,
    /// Rows dated before all rows that the model was trained and measured on; `None` without such,
    /// or where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_training: Option<BeforeTraining>,
    /// Every feature, in the model's order.
    pub features: Vec<FeatureQuality>,
    /// Labels that came later than the predictions.
    pub late_labels: LateLabels,
}

/// Rows whose dates lie outside those that are shown: days end with the one of scoring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// Rows dated after the day on which they were scored.
    pub later_rows: u64,
    /// The last such date; `null` without one, and beyond the calendar.
    pub latest: Option<NaiveDate>,
    /// Rows dated so long before the others that it is hardly their date.
    pub ancient_rows: u64,
    /// The first such date; `null` without one, and beyond the calendar.
    pub earliest: Option<NaiveDate>,
}

/// Rows dated before those that a model was trained and measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeforeTraining {
    /// How many.
    pub rows: u64,
    /// The first of their dates.
    pub from: NaiveDate,
    /// The first date of training and holdout.
    pub begin: NaiveDate,
}

/// How fresh rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// The first date that is shown.
    pub first: NaiveDate,
    /// The last date that is shown.
    pub last: NaiveDate,
    /// Days from the last date to the one on which the rows were scored; negative when it lies
    /// after that.
    pub age_days: i64,
    /// Dates between the first and the last without a row.
    pub missing_days: u64,
    /// Those of them that lie on a day of the week which has rows more often than not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<NaiveDate>,
}

/// What is wrong with the values of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureQuality {
    /// Name of the feature.
    pub name: String,
    /// Nulls.
    pub nulls: u64,
    /// Values that are NaN.
    pub nans: u64,
    /// Values that are infinite.
    pub infinities: u64,
    /// Finite values below the least one of the reference.
    pub below: u64,
    /// Finite values above the greatest one of the reference.
    pub above: u64,
    /// Least finite value.
    pub min: Option<f64>,
    /// Greatest finite value.
    pub max: Option<f64>,
    /// Least finite value of the reference.
    pub reference_min: Option<f64>,
    /// Greatest finite value of the reference.
    pub reference_max: Option<f64>,
}

impl FeatureQuality {
    /// Of what was counted of a feature, with the ends of its values where they are known.
    pub fn of(feature: &FeatureBaseline, counts: &Counts, ends: Option<(f64, f64)>) -> Self {
        // The codes of categories have no range.
        let cells = Some(&feature.cells).filter(|_| feature.categories().is_none());
        let ends = ends.filter(|_| cells.is_some());
        Self {
            name: feature.name.clone(),
            nulls: counts.nulls as u64,
            nans: counts.nans as u64,
            infinities: counts.infinities() as u64,
            below: cells.map_or(0, |cells| counts.below(cells) as u64),
            above: cells.map_or(0, |cells| counts.above(cells) as u64),
            min: ends.map(|(min, _)| min),
            max: ends.map(|(_, max)| max),
            reference_min: cells.and_then(Cells::min),
            reference_max: cells.and_then(Cells::max),
        }
    }
}

/// Labels that came later than the predictions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateLabels {
    /// Keys of the files, in the order in which they hold: the last one wins.
    pub files: Vec<String>,
    /// Labels in them, nulls not counted.
    pub labels: u64,
    /// Rows that are labelled by them.
    pub matched_rows: u64,
    /// Labelled keys that no row has, of the dates that the rows are of; of all dates where keys
    /// hold none.
    pub unmatched_keys: u64,
    /// Labelled keys of other dates, whose rows are in other results.
    #[serde(default)]
    pub other_days: u64,
}
