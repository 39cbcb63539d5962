//! The data contract and the features of ConfigMaps, as data-prep reads them.

use std::collections::BTreeMap;
use std::path::Path;

use argo::config_maps::ConfigMaps;
use argo::finding::{Finding, Severity};
use catalog::manifest::Column;
use settings::{of_data, published};
use sql::session::{Features, PLANNING_MEMORY};
use table::config::aggregates::{file_of, name_of};
use table::config::{Config, DATASET_FILE, FEATURES_FILE};
use table::dataset::HoldoutSetting;
use table::models;

use crate::rules::finding;
use crate::settings::value_of;

/// What the first step of a training would refuse, and what publishing would.
#[expect(clippy::disallowed_methods, reason = "what a run would find")]
pub(super) fn check(maps: &ConfigMaps, in_use: &dyn Fn(&str) -> bool, findings: &mut Vec<Finding>) {
    let is_set = |name: &str| {
        std::env::var_os(name).or_else(|| {
            let mut keys = maps.all().map(|(_, keys)| keys);
            keys.find_map(|keys| keys.get(name)).map(Into::into)
        })
    };
    let publishing = match settings::has_database(is_set) {
        true => Severity::Error,
        false => Severity::Warning,
    };
    for (map, keys) in maps.all().filter(|(map, _)| in_use(map)) {
        let (dataset, features) = (keys.get(DATASET_FILE), keys.get(FEATURES_FILE));
        let mut find = |rule, key: &str, severity, text: String| {
            let (file, line) = maps.place(map, key);
            findings.push(Finding {
                line,
                severity,
                ..finding(rule, file, format!("{map}.data[{key}]"), text)
            });
        };
        let (dataset, features) = match (dataset, features) {
            (None, None) => continue,
            (Some(dataset), Some(features)) => (dataset, features),
            (dataset, _) => {
                let (here, missing) = match dataset {
                    Some(_) => (DATASET_FILE, FEATURES_FILE),
                    None => (FEATURES_FILE, DATASET_FILE),
                };
                find(
                    "data",
                    here,
                    Severity::Error,
                    format!("{missing} is missing beside it"),
                );
                continue;
            }
        };
        let parsed = Config::parse(dataset.clone(), features.clone());
        let parsed = parsed.and_then(|config| Ok(config.with_aggregates(aggregates(keys)?)));
        let config = match parsed {
            Ok(mut config) => {
                config.categories = keys.contains_key(models::FILE);
                config
            }
            Err(error) => {
                find("data", DATASET_FILE, Severity::Error, format!("{error:#}"));
                continue;
            }
        };
        if let Some(text) = holdout(keys.get("HOLDOUT"), &config) {
            find("data", DATASET_FILE, Severity::Error, text);
        }
        let features = Features::new(&config, PLANNING_MEMORY).and_then(|features| {
            features.must_keep_rows()?;
            features.must_compute()?;
            Ok(features)
        });
        let setting = keys.get("HOLDOUT");
        let setting = setting.map(|text| text.parse::<HoldoutSetting>());
        let of_time = setting.is_some_and(|of| of.is_ok_and(HoldoutSetting::is_of_time));
        let models = keys.get(models::FILE).map(String::as_bytes);
        let checked = match &features {
            Ok(features) => models::check_text(models, &config, features.columns(), of_time),
            Err(_) => models.map_or(Ok(()), |text| alone(text, &config, of_time)),
        };
        if let Err(error) = checked {
            let text = format!("{error:#}");
            match text.starts_with(models::FILE) {
                true => find("data", models::FILE, Severity::Error, text),
                false => find("features", FEATURES_FILE, Severity::Error, text),
            }
        }
        match features {
            Err(error) => {
                let text = format!("{error:#}");
                // What is wrong with an aggregate begins with the name of its file.
                let aggregates = config.aggregates.keys().map(|name| file_of(name));
                let at = aggregates.into_iter().find(|file| text.starts_with(file));
                let at = at.unwrap_or_else(|| FEATURES_FILE.to_owned());
                find("features", &at, Severity::Error, text);
            }
            Ok(features) => match scored(&config, &features) {
                Err(error) => find(
                    "features",
                    FEATURES_FILE,
                    Severity::Error,
                    format!("{error:#}"),
                ),
                Ok(scored) => {
                    let of_map = |name: &str| keys.get(name).map(Into::into);
                    if let Err(error) = published::check(&scored) {
                        find(
                            "publishing",
                            FEATURES_FILE,
                            publishing,
                            format!("{error:#}"),
                        );
                    }
                    if let Err(error) = published::check_time(&config.dataset, of_map) {
                        find("publishing", DATASET_FILE, publishing, format!("{error:#}"));
                    }
                    let columns = features.columns();
                    for problem in of_data::wrong(columns, &config.dataset, of_map) {
                        findings.push(value_of(maps, map, problem));
                    }
                }
            },
        }
    }
}

/// What is wrong with `models.json` by itself, whatever the features are.
fn alone(text: &[u8], config: &Config, of_time: bool) -> anyhow::Result<()> {
    let (models, _) = models::parse(text, &config.goal()?)?;
    models::check_validation(&models, &config.dataset, of_time)
}

/// Files that lie beside the data contract of a ConfigMap that lacks them: no step sees them, so
/// that a run would go on without them.
pub(super) fn unlisted(
    maps: &ConfigMaps,
    in_use: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) {
    let with_contract = maps
        .all()
        .filter(|(map, keys)| in_use(map) && keys.contains_key(DATASET_FILE));
    for (map, keys) in with_contract {
        let (file, line) = maps.place(map, DATASET_FILE);
        findings.extend(left_out(Path::new(file), keys).into_iter().map(|beside| {
            let text = format!(
                "{beside} is beside it and not in the ConfigMap {map}: add it to the files of \
                 kustomization.yaml, or move it away"
            );
            Finding {
                line,
                ..finding("data", file, format!("{map}.data[{DATASET_FILE}]"), text)
            }
        }));
    }
}

/// Files of a model that lie in the folder of its data contract, and that its ConfigMap lacks.
fn left_out(dataset: &Path, keys: &BTreeMap<String, String>) -> Vec<String> {
    let is_file = dataset.file_name().is_some_and(|name| name == DATASET_FILE);
    let files = dataset.parent().filter(|_| is_file).map(std::fs::read_dir);
    // A folder that can't be read has no files to name: the contract itself was read elsewhere.
    let files = files.into_iter().flatten().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let of_model = |name: &String| name == models::FILE || matches!(name_of(name), Ok(Some(_)));
    let mut names: Vec<String> = names
        .filter(|name| of_model(name) && !keys.contains_key(name))
        .collect();
    names.sort();
    names
}

/// The SQL of aggregates, by name.
fn aggregates(keys: &BTreeMap<String, String>) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (key, sql) in keys {
        if let Some(name) = name_of(key)? {
            found.insert(name.to_owned(), sql.clone());
        }
    }
    Ok(found)
}

/// The columns of scored rows, as far as they are known before there is a model.
fn scored(config: &Config, features: &Features) -> anyhow::Result<Vec<Column>> {
    let predictions = published::predictions_of(&config.dataset)?;
    published::scored_columns(features.columns(), Vec::new(), &predictions)
}

/// A holdout that the contract does not allow; one that is no holdout at all is found as a setting.
fn holdout(setting: Option<&String>, config: &Config) -> Option<String> {
    let setting: HoldoutSetting = setting?.parse().ok()?;
    let refused = setting.check(&config.dataset).err()?;
    Some(format!("{refused:#}"))
}
