//! The verb `import`: a model that somebody made with XGBoost or LightGBM.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use catalog::manifest::Role;
use hessboost::model::{BoostedModel, ModelFormat};
use learn::calibration::Method;
use learn::estimator::EstimatorError;
use learn::estimator::boosting::{Bounds, GradientBoosting, Imported, of_categories};
use learn::model::ClassValue;
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

/// The bit of LightGBM's `decision_type` that says that a split is one by categories.
const CATEGORIES: u8 = 1;

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
    let read = read(&bytes).map_err(|error| {
        Failure::usage(format!("{} (--model-file): {error:#}", flags.model_file))
    })?;
    let format = read.format;
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
    let family = family(read, &inputs).map_err(|error| {
        wrong(format!(
            "{error}; features.sql defines the features of the data"
        ))
    })?;
    // One for the life of the program.
    let family: &'static Imported = Box::leak(Box::new(family));
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
    if let Some(order) = other_order(&target.classes) {
        return Err(wrong(format!(
            "class 0 of the file would be {}, because the classes of target {:?} are in the order {order}: list \
             `allowed` in ascending order, and leave `positive` out",
            target.classes[0], target.name
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
    let made = make_of(step, store, tracking, &job).await?;
    if let Some(moved) = family.moved().filter(|moved| moved.rows > 0) {
        tracing::warn!(
            "{} of {} training rows go another way through the trees than in LightGBM: some of their numbers \
             have more digits than single precision keeps",
            moved.rows,
            moved.of
        );
    }
    Ok(made)
}

/// The order of classes that are the numbers from 0 on, or false and true, and not in this order: a
/// file numbers them by themselves then.
fn other_order(classes: &[ClassValue]) -> Option<String> {
    let number = |class: &ClassValue| match class {
        ClassValue::Bool(truth) => Some(usize::from(*truth)),
        ClassValue::Int(_) | ClassValue::Text(_) => class.to_string().parse().ok(),
    };
    let numbers: Vec<usize> = classes.iter().map(number).collect::<Option<_>>()?;
    let are_numbers = (0..classes.len()).all(|class| numbers.contains(&class));
    let order = classes.iter().map(ToString::to_string);
    (are_numbers && !numbers.is_sorted()).then(|| order.collect::<Vec<_>>().join(", "))
}

/// What a file holds.
struct Read {
    format: &'static str,
    trees: GradientBoosting,
    /// Of the inputs, where the file has some.
    names: Vec<String>,
    /// By input, the bounds of splits where the other program compares doubles.
    doubles: Vec<Vec<f64>>,
}

fn read(bytes: &[u8]) -> Result<Read> {
    match ModelFormat::detect(bytes) {
        Some(ModelFormat::XgboostJson) => {
            let (trees, names) = GradientBoosting::import(bytes)?;
            Ok(Read {
                format: "xgboost-json",
                trees,
                names,
                doubles: Vec::new(),
            })
        }
        Some(format @ ModelFormat::LightgbmText) => {
            let text = std::str::from_utf8(bytes)?;
            if text.contains("\nis_linear=1\n") {
                bail!("its leaves are linear models (linear_tree), which Alameda does not read");
            }
            let header = |key: &str| {
                let mut lines = text.lines();
                let found = lines.find_map(|line| line.strip_prefix(key));
                found.unwrap_or_default()
            };
            let names = header("feature_names=").split(' ');
            let names: Vec<String> = names.map(str::to_owned).collect();
            if let Some(name) = splits(text, "decision_type=")
                .filter(|(_, kind)| kind.parse::<u8>().is_ok_and(|kind| kind & CATEGORIES != 0))
                .find_map(|(input, _)| names.get(input))
            {
                bail!(of_categories(name));
            }
            let model = BoostedModel::decode(with_weights(text).as_bytes(), format)?;
            let trees = model.encode(ModelFormat::XgboostJson)?;
            let of_objective = || format!("objective {:?} of LightGBM", header("objective="));
            let (trees, _) = GradientBoosting::import(&trees).with_context(of_objective)?;
            Ok(Read {
                format: "lightgbm-text",
                doubles: doubles(text, names.len()),
                trees,
                names,
            })
        }
        _ => bail!(
            "it is not a model that XGBoost saved as JSON, or LightGBM as text: save it by \
             save_model(\"model.json\") of XGBoost, or save_model(\"model.txt\") of LightGBM"
        ),
    }
}

/// The trees of a file, for rows of these inputs.
///
/// # Errors
/// Those of [`GradientBoosting::places`].
fn family(read: Read, inputs: &[String]) -> Result<Imported, EstimatorError> {
    let places = read.trees.places(&read.names, inputs)?;
    let trees = read.trees.moved(&places)?;
    let bounds = match read.doubles.is_empty() {
        true => Bounds::default(),
        false => {
            let mut by_input = vec![Vec::new(); inputs.len()];
            let placed = read.doubles.into_iter().zip(places);
            placed.for_each(|(of, place)| by_input[place] = of);
            Bounds::new(by_input, &trees)
        }
    };
    Ok(Imported::new(trees, bounds))
}

/// The text without the empty weights that LightGBM writes for a tree of one leaf, and which its
/// reader here refuses; the sizes of trees change by that.
fn with_weights(text: &str) -> Cow<'_, str> {
    const NONE: &str = "\nleaf_weight=\n";
    if !text.contains(NONE) {
        return Cow::Borrowed(text);
    }
    let kept = text
        .lines()
        .filter(|line| *line != "leaf_weight=" && !line.starts_with("tree_sizes="));
    Cow::Owned(kept.map(|line| format!("{line}\n")).collect())
}

/// The bounds of splits by input, of a text that LightGBM wrote.
fn doubles(text: &str, inputs: usize) -> Vec<Vec<f64>> {
    let mut found = vec![Vec::new(); inputs];
    for (input, bound) in splits(text, "threshold=") {
        if let (Some(bounds), Ok(bound)) = (found.get_mut(input), bound.parse::<f64>()) {
            bounds.push(bound);
        }
    }
    found
}

/// The splits of a text that LightGBM wrote: the input of each, and what the line that begins with
/// `key` says of it. A tree has a line of the inputs of its splits before all others of them.
fn splits<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let mut of_tree = "";
    let columns = text.lines().filter_map(move |line| {
        of_tree = line.strip_prefix("split_feature=").unwrap_or(of_tree);
        Some((of_tree, line.strip_prefix(key)?))
    });
    columns.flat_map(|(inputs, column)| {
        let splits = inputs.split(' ').zip(column.split(' '));
        splits.filter_map(|(input, of)| Some((input.parse::<usize>().ok()?, of)))
    })
}
