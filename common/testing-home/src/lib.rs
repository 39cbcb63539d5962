//! A store with a model, its results, and raw files of later labels, for the tests of what reads
//! them.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod model;
mod results;
mod rows;

use catalog::layout::{DataVersion, ModelName};
use catalog::manifest::{Header, Inputs, Role};
use chrono_tz::Tz;
use learn::model::ClassWeight;
use profile::reference::CategoryProfile;
use runtime::step::Step;
use settings::monitored::MonitorColumns;
use store::Store;
use tracking::Tracking;

pub use rows::{Names, Rows};

/// A folder with a store, and all that was put there.
pub struct Home {
    /// Where all of it lies.
    pub folder: tempfile::TempDir,
    /// A step that works here.
    pub step: Step,
    /// What the steps write.
    pub store: Store,
    /// Runs and models, in the store.
    pub tracking: Tracking,
    /// The raw files.
    pub raw: Store,
    /// What the columns are called.
    pub names: Names,
    /// The model's threshold.
    pub threshold: f64,
    /// How the classes weighed in its fit.
    pub class_weight: ClassWeight,
    /// Whether `models.json` said how it is fitted.
    pub by_models_json: bool,
    /// In which instants are cut to dates.
    pub timezone: Tz,
    /// A text of each row, by its place in its part.
    pub region: Option<fn(usize) -> Option<&'static str>>,
    /// What that text is for.
    pub region_role: Role,
    /// What a row weighs, by its place in its part: in a column `weight`.
    pub weight: Option<fn(usize) -> f64>,
    /// Why a row has its score, by its place in its part: in a column `top_reasons`.
    pub reasons: Option<fn(usize) -> Option<String>>,
    /// What training held of columns that the model does not use.
    pub categories: Vec<CategoryProfile>,
    /// Which columns a verdict is on.
    pub columns: MonitorColumns,
    /// What training warned of; with any, its fit did not converge.
    pub warnings: Vec<String>,
}

impl Home {
    /// A home with a model; `reference` is what it was trained on.
    pub async fn new(names: Names, reference: &Rows) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-monitoring", folder.path());
        let store = Store::of(&step).unwrap();
        let raw = Store::create(folder.path().join("raw").to_str().unwrap()).unwrap();
        let tracking = Tracking::embedded(&store);
        let home = Self {
            folder,
            step,
            store,
            tracking,
            raw,
            names,
            threshold: 0.5,
            class_weight: ClassWeight::None,
            by_models_json: false,
            timezone: Tz::UTC,
            region: None,
            region_role: Role::Ignored,
            weight: None,
            reasons: None,
            categories: Vec::new(),
            columns: MonitorColumns::All,
            warnings: Vec::new(),
        };
        home.put_model(reference).await;
        home
    }

    /// The same with a model of another threshold.
    pub async fn with_threshold(names: Names, reference: &Rows, threshold: f64) -> Self {
        let home = Self {
            threshold,
            ..Self::new(names, reference).await
        };
        home.put_model(reference).await;
        home
    }

    /// From here on instants are cut in another time zone.
    pub fn at(&mut self, timezone: &str) {
        self.timezone = timezone.parse().unwrap();
        self.step = self.step.in_timezone(self.timezone);
    }
}

/// Name of the model.
pub fn name() -> ModelName {
    "m".parse().unwrap()
}

/// Name of a data set version.
pub fn version(text: &str) -> DataVersion {
    DataVersion::parse(text, Tz::UTC).unwrap()
}

/// Of a fixed time, so that reports can be compared with snapshots.
fn header(inputs: Inputs, workflow: &str) -> Header {
    Header {
        format_version: catalog::manifest::FORMAT_VERSION,
        fingerprint: inputs.fingerprint(),
        inputs,
        created_at: "2026-11-23T02:30:00Z".parse().unwrap(),
        workflow: workflow.to_owned(),
    }
}
