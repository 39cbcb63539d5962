//! The verb `import`: a model that somebody made with XGBoost or LightGBM.

use anyhow::{Context, Result, bail};
use catalog::manifest::Role;
use hessboost::model::{BoostedModel, ModelFormat};
use learn::calibration::Method;
use learn::estimator::boosting::{GradientBoosting, Imported};
use learn::models::{Chosen, Validation};
use learn::preprocessing::Settings;
use learn::threshold::Threshold;
use runtime::failure::Failure;
use runtime::step::{Outputs, Step};
use serde_json::{Map, Value};
use store::{Store, digest};
use table::{categories, features};
use tracking::Tracking;

use crate::Import;
use crate::choice::Choice;
use crate::job::{Data, Job};
use crate::train::make_of;

/// Of two classes; what a model of XGBoost or LightGBM predicts by.
const THRESHOLD: f64 = 0.5;

/// Reads the file, measures, commits and registers the model, or finds that all of it is done.
///
/// # Errors
/// A file that is no such model, or one of other features or another task than the data: exit 2.
pub(crate) async fn import(
    step: &Step,
    store: &Store,
    raw: &Store,
    tracking: &Tracking,
    flags: &Import,
) -> Result<Outputs> {
    let keys = [&flags.train_manifest, &flags.holdout_manifest];
    let data = Data::read(store, keys).await?;
    let bytes = raw.require(&flags.model_file).await?;
    let wrong = |why: String| {
        Failure::usage(format!(
            "{} (--model-file) and {} don't fit together: {why}",
            flags.model_file, flags.train_manifest
        ))
    };
    let (format, trees, names) = read(&bytes).map_err(|error| {
        Failure::usage(format!("{} (--model-file): {error:#}", flags.model_file))
    })?;
    let columns = data.train.columns.iter();
    for column in columns.filter(|column| column.role == Role::Feature) {
        // A boolean is 0 or 1.
        if categories::holds_texts(&column.data_type) {
            return Err(wrong(format!(
                "feature {:?} is of type {}, and an imported model takes numbers: encode it in \
                 features.sql as it was for the model",
                column.name, column.data_type
            )));
        }
    }
    let inputs = features::signature(&data.train.columns, false)?.names();
    let trees = trees.named(&names, &inputs);
    let trees = trees.map_err(|error| {
        wrong(format!(
            "{error}; features.sql says which features there are"
        ))
    })?;
    // One for the life of the program.
    let family: &'static Imported = Box::leak(Box::new(Imported::new(trees)));
    let (task, target) = (data.goal.task, &data.goal.target);
    if !learn::estimator::Family::learns(family, task, target) {
        let classes = match target.classes.len() {
            0 => String::new(),
            classes => format!(" of {classes} classes"),
        };
        return Err(wrong(format!(
            "the target {:?} makes a {} task{classes}, and the model was made for another one",
            target.name,
            task.name(),
        )));
    }
    let options = [("file", digest::hex(&bytes)), ("format", format.to_owned())];
    let options = options.map(|(name, value)| (name.to_owned(), Value::from(value)));
    let choice = Choice {
        candidates: vec![Chosen {
            family,
            options: Map::from_iter(options),
        }],
        metric: task
            .metric(task.gate_metric())
            .context("a task has the metric of its gate")?,
        validation: Validation::default(),
        refit: None,
        // Of trees: numbers stay as they are, and so does what is missing.
        preprocessing: Some(Settings::default()),
        calibration: Method::None,
        threshold: Threshold::At(THRESHOLD),
        interval: None,
        quantiles: None,
        explain: None,
        register: true,
    };
    let job = Job::of(&flags.model_name, data, choice, None, &flags.segments)?;
    make_of(step, store, tracking, &job).await
}

/// The name of the format, the trees, and the names of their inputs, where the file has some.
fn read(bytes: &[u8]) -> Result<(&'static str, GradientBoosting, Vec<String>)> {
    match ModelFormat::detect(bytes) {
        Some(ModelFormat::XgboostJson) => {
            let (trees, names) = GradientBoosting::import(bytes)?;
            Ok(("xgboost-json", trees, names))
        }
        Some(format @ ModelFormat::LightgbmText) => {
            let model = BoostedModel::decode(bytes, format)?;
            let (trees, _) = GradientBoosting::import(&model.encode(ModelFormat::XgboostJson)?)?;
            let mut header = std::str::from_utf8(bytes)?.lines();
            let names = header.find_map(|line| line.strip_prefix("feature_names="));
            let names = names.unwrap_or_default().split(' ').map(str::to_owned);
            Ok(("lightgbm-text", trees, names.collect()))
        }
        _ => bail!(
            "it is no model that XGBoost saved as JSON, or LightGBM as text: save it by \
             save_model(\"model.json\") of XGBoost, or save_model(\"model.txt\") of LightGBM"
        ),
    }
}
