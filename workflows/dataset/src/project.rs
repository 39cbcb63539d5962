//! The files of a project: contract, features, models, and the settings that name them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use argo::config_maps::built_in;
use learn::estimator::Families;
use learn::models::FILE as MODELS_FILE;
use runtime::failure::Failure;
use serde_json::{Map, Value, json};
use table::config::{DATASET_FILE, FEATURES_FILE};
use table::dataset::{Goal, HoldoutRule};

const SCHEMA: &str = "models.schema.json";
const SETTINGS: &str = "ml-config.yaml";
const KUSTOMIZATION: &str = "kustomization.yaml";
/// The schemas, for editors.
pub(crate) const DATASET_SCHEMA: &str = "dataset.schema.json";
const DATASET_SCHEMA_TEXT: &str = include_str!("../../../config-maps/dataset.schema.json");
const SCHEMA_TEXT: &str = include_str!("../../../config-maps/models.schema.json");
/// The family that predicts the same for every row: what a model must beat, and no first one.
const BASELINES: [&str; 1] = ["mean"];

/// Files with their texts, in the order in which a person reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Name and text of each.
    pub files: Vec<(&'static str, String)>,
}

/// What the files say.
pub(crate) struct Content<'a> {
    pub(crate) dataset: String,
    pub(crate) features: String,
    pub(crate) goal: &'a Goal,
    /// Bounds of columns that hold infinite values.
    pub(crate) clips: &'a [(String, [f64; 2])],
    pub(crate) train_glob: &'a str,
    pub(crate) predict_glob: Option<&'a str>,
    pub(crate) holdout: HoldoutRule,
    /// The floor of the gate, where it is not the default.
    pub(crate) floor: Option<f64>,
}

pub(crate) fn of(content: &Content<'_>) -> Result<Project> {
    let models = models(content)?;
    table::models::parse(models.as_bytes(), content.goal)?;
    Ok(Project {
        files: vec![
            (DATASET_FILE, content.dataset.clone()),
            (FEATURES_FILE, content.features.clone()),
            (MODELS_FILE, models),
            (DATASET_SCHEMA, DATASET_SCHEMA_TEXT.to_owned()),
            (SCHEMA, SCHEMA_TEXT.to_owned()),
            (SETTINGS, settings(content)?),
            (KUSTOMIZATION, kustomization()?),
        ],
    })
}

/// `models.json`, with the options of its family written out so that they can be edited. How
/// columns are prepared is left to each family: what is best for a linear model, such as a column
/// per category, is not for trees.
fn models(content: &Content<'_>) -> Result<String> {
    let Goal { task, target } = content.goal;
    let families = Families::standard();
    let family = families
        .all()
        .iter()
        .find(|family| !BASELINES.contains(&family.name()) && family.learns(*task, target));
    let family = family.with_context(|| format!("no family learns {}", task.name()))?;
    let mut candidate = Map::new();
    candidate.insert("family".to_owned(), json!(family.name()));
    candidate.extend(family.options(&Map::new())?);
    let mut models = json!({"$schema": SCHEMA, "candidates": [candidate]});
    if !content.clips.is_empty() {
        let clips = content.clips.iter();
        let clips = clips.map(|(name, clip)| (name.clone(), json!({"clip": clip})));
        models["preprocessing"] = json!({"columns": clips.collect::<Map<String, Value>>()});
    }
    if target.classes.len() == 2 {
        models["threshold"] = json!(0.5);
    }
    Ok(format!("{models:#}\n"))
}

/// The repository's settings, with what belongs to this data set.
fn settings(content: &Content<'_>) -> Result<String> {
    let mut text = built_in(SETTINGS)?.to_owned();
    let mut set = |key: &str, value: &str| -> Result<()> {
        let begin = format!("\n  {key}: ");
        let at = text
            .find(&begin)
            .with_context(|| format!("{SETTINGS} has no {key}"))?;
        let from = at + begin.len();
        let to = text[from..].find('\n').map_or(text.len(), |end| from + end);
        text.replace_range(from..to, value);
        Ok(())
    };
    set("TRAIN_GLOB", &yaml(content.train_glob))?;
    // Without files to score there is one place where they are looked for.
    let ending = content
        .train_glob
        .rfind('.')
        .map_or("", |dot| &content.train_glob[dot..]);
    let ending = match content
        .train_glob
        .strip_suffix(".gz")
        .or(content.train_glob.strip_suffix(".zst"))
    {
        Some(stem) => &content.train_glob[stem.rfind('.').unwrap_or(stem.len())..],
        None => ending,
    };
    let in_place = |folder: &str| format!("{folder}/*{ending}");
    let predict = content
        .predict_glob
        .map_or_else(|| in_place("predict"), str::to_owned);
    set("PREDICT_GLOB", &yaml(&predict))?;
    set("LABELS_GLOB", &yaml(&in_place("labels")))?;
    set("HOLDOUT", &content.holdout.to_string())?;
    set("GATE_METRIC", content.goal.task.gate_metric())?;
    if let Some(floor) = content.floor {
        set("GATE_FLOOR", &format!("'{}'", rounded(floor)))?;
        // Shares of R² are what the default is meant for; a loss has a size of its own.
        if floor > 0.0 {
            set("GATE_MARGIN", &format!("'{}'", rounded(floor / 100.0)))?;
        }
    }
    Ok(text)
}

/// Four digits are enough for a person to edit.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// A text as a YAML value. A plain one can't begin with a star.
fn yaml(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/*._-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    match begins && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

fn kustomization() -> Result<String> {
    let text = built_in(KUSTOMIZATION)?;
    let line = "      - features.sql\n";
    let with = text.replacen(line, &format!("{line}      - {MODELS_FILE}\n"), 1);
    match with == text {
        true => anyhow::bail!("{KUSTOMIZATION} has no line of features.sql"),
        false => Ok(with),
    }
}

impl Project {
    /// Writes the files, all of them or, unless `force` is given, none where one is there already
    /// with another text.
    ///
    /// # Errors
    /// Files that are there: exit 2. A folder that can't be written.
    pub fn write(&self, folder: &Path, force: bool) -> Result<()> {
        let there = |name: &str, text: &str| {
            let found = std::fs::read(folder.join(name));
            found.is_ok_and(|found| found != text.as_bytes())
        };
        let there: Vec<&str> = self
            .files
            .iter()
            .filter(|(name, text)| there(name, text))
            .map(|(name, _)| *name)
            .collect();
        if !force && !there.is_empty() {
            return Err(Failure::usage(format!(
                "{} holds {} already: nothing was written; --force replaces them, --out names \
                 another folder",
                folder.display(),
                there.join(", ")
            )));
        }
        let place = |path: &PathBuf| format!("writing {}", path.display());
        std::fs::create_dir_all(folder).with_context(|| place(&folder.to_owned()))?;
        for (name, text) in &self.files {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| place(&path))?;
        }
        Ok(())
    }
}
