//! Every object key. No other file builds one.
//!
//! ```
//! use catalog::layout::{self, DataVersion, ModelName, Split};
//!
//! let version = DataVersion::parse("2026-11-23T02:30:00Z", chrono_tz::Tz::Europe__Berlin)?;
//! assert_eq!(version.to_string(), "2026-11-23");
//! let folder = layout::dataset(Split::Train, &version);
//! assert_eq!(layout::manifest(&folder), "train/2026-11-23/_manifest.json");
//! let model: ModelName = "churn".parse().map_err(anyhow::Error::msg)?;
//! assert_eq!(layout::version(&model, 3), "tracking/models/churn/versions/000003.json");
//! # Ok::<(), anyhow::Error>(())
//! ```

mod work;

use std::fmt;

use chrono::{DateTime, FixedOffset, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use runtime::failure::Failure;
use store::check_key;

pub use work::*;

/// The name of one immutable data set: `[0-9A-Za-z][0-9A-Za-z.-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataVersion(String);

impl DataVersion {
    /// Parses a name; an RFC 3339 instant, as a CronWorkflow passes it, is cut to its date in
    /// `timezone`.
    pub fn parse(text: &str, timezone: Tz) -> anyhow::Result<Self> {
        let instant = DateTime::parse_from_rfc3339(text)
            .ok()
            .or_else(|| go_time(text));
        let name = match instant {
            Some(instant) => Self::of(instant.with_timezone(&timezone).date_naive()).0,
            None => text.to_owned(),
        };
        let mut characters = name.chars();
        let valid = characters.next().is_some_and(|c| c.is_ascii_alphanumeric())
            && name.len() <= 63
            && characters.all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
        if valid && !name.contains("..") {
            return Ok(Self(name));
        }
        Err(Failure::usage(format!(
            "data version {text:?} is not a name: letters, digits, dots and dashes, at most 63, beginning with a letter or digit, \
             such as 25.05.1, or an instant such as 2026-11-23T02:30:00Z"
        )))
    }

    /// The name of the data set of one date.
    pub fn of(date: NaiveDate) -> Self {
        Self(date.format("%Y-%m-%d").to_string())
    }
}

/// Go's `time.String()`, which `argo cron backfill` passes: `2026-09-20 02:30:00 +0000 UTC`.
fn go_time(text: &str) -> Option<DateTime<FixedOffset>> {
    let zone_name = text.rfind(' ')?;
    DateTime::parse_from_str(&text[..zone_name], "%Y-%m-%d %H:%M:%S%.f %z").ok()
}

impl fmt::Display for DataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a registered model: `[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelName(String);

impl std::str::FromStr for ModelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let valid = (1..=48).contains(&text.len())
            && text.starts_with(letter)
            && text.ends_with(letter)
            && text.chars().all(|c| letter(c) || c == '-');
        valid.then(|| Self(text.to_owned())).ok_or_else(|| {
            "a model name has at most 48 lower-case letters, digits and dashes, and begins and ends with a letter or digit".into()
        })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which rows a data set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Rows that models are fitted on.
    Train,
    /// Labelled rows that no model was fitted on.
    Holdout,
    /// Rows to score.
    Predict,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Holdout => "holdout",
            Split::Predict => "predict",
        })
    }
}

/// The folder of a train or holdout data set.
pub fn dataset(split: Split, version: &DataVersion) -> String {
    format!("{split}/{version}")
}

/// The folder of predict rows as one configuration prepares one selection of shards; `digest`
/// covers both, so that two models share prepared rows only when they would be equal.
pub fn predict(version: &DataVersion, digest: &str) -> String {
    format!("predict/{version}/{}", &digest[..8])
}

/// A glob of the manifests of all that was prepared to be scored under a data version.
pub fn predict_manifests(version: &DataVersion) -> String {
    format!("predict/{version}/*/_manifest.json")
}

/// The folder of a holdout as another configuration than its own prepares it; `digest` covers both.
pub fn compared(version: &DataVersion, digest: &str) -> String {
    format!("compared/{version}/{}", &digest[..8])
}

/// The manifest of the data set, model or results in `folder`.
pub fn manifest(folder: &str) -> String {
    format!("{folder}/_manifest.json")
}

/// A part file of the data set or results in `folder`: named by the input fingerprint and the
/// shard's place among all shards, so that every writer puts the same bytes at the same key.
pub fn part(folder: &str, fingerprint: &str, ordinal: usize) -> String {
    format!("{folder}/part-{}-{ordinal:06}.parquet", &fingerprint[..8])
}

/// The rows of a shard that break the data contract and are quarantined. Whoever reads `folder` as
/// one parquet data set passes over names that begin with `_`.
pub fn quarantine(folder: &str, fingerprint: &str, ordinal: usize) -> String {
    format!(
        "{folder}/_quarantined/rows-{}-{ordinal:06}.parquet",
        &fingerprint[..8]
    )
}

/// The folder of one fitted model.
pub fn model(name: &ModelName, fingerprint: &str) -> String {
    format!("models/{name}/{}", &fingerprint[..16])
}

/// The file of a model's coefficients.
pub const MODEL_FILE: &str = "model.json";
/// The file of a model's quality.
pub const METRICS_FILE: &str = "metrics.json";
/// The file of the data that a model was trained on.
pub const REFERENCE_FILE: &str = "reference.json";
/// The `models.json` that it was trained by, where there was one.
pub const MODELS_FILE: &str = learn::models::FILE;

/// A file of the model in `folder`, such as [`MODEL_FILE`].
pub fn model_file(folder: &str, file: &str) -> String {
    format!("{folder}/{file}")
}

/// The verdict on promoting a candidate, named by what was compared.
pub fn verdict(model_folder: &str, fingerprint: &str) -> String {
    format!("{model_folder}/verdict-{}.json", &fingerprint[..8])
}

/// A glob of all verdicts on a model.
pub fn verdicts(model_folder: &str) -> String {
    format!("{model_folder}/verdict-*.json")
}

/// Everything that was scored for one data version.
pub const RESULTS: &str = "results";

/// The folder of all results of a model name on a data version.
pub fn results(version: &DataVersion, name: &ModelName) -> String {
    format!("{RESULTS}/{version}/{name}")
}

/// The raw shards that a data version scores, chosen once.
pub fn selection(version: &DataVersion, name: &ModelName) -> String {
    format!("{}/_selection.json", results(version, name))
}

/// The same with what the features of one model version look back at.
pub fn looking_back(version: &DataVersion, name: &ModelName, model_version: u64) -> String {
    format!("{}/_selection.json", scored(version, name, model_version))
}

/// The folder of the results of one model version.
pub fn scored(version: &DataVersion, name: &ModelName, model_version: u64) -> String {
    format!("{}/v{model_version}", results(version, name))
}

/// The profile of the rows of one day among the results in `folder`; `None` is for rows without a
/// time. Whoever reads the folder as one parquet data set passes over names that begin with `_`.
pub fn profile(folder: &str, day: Option<NaiveDate>) -> String {
    match day {
        Some(day) => format!("{folder}/_profiles/{day}.json"),
        None => format!("{folder}/_profiles/all.json"),
    }
}

/// The day of the profile at a key; `None` for rows without a time.
pub fn profile_day(key: &str) -> Option<NaiveDate> {
    key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

/// Data version and model name, if the key is that of a results manifest.
pub fn parse_results_manifest(key: &str) -> Option<(&str, &str)> {
    match key.split('/').collect::<Vec<_>>()[..] {
        [RESULTS, version, name, scored, "_manifest.json"] if scored.starts_with('v') => {
            Some((version, name))
        }
        _ => None,
    }
}

/// The folder of the report on one model version's results.
pub fn report(version: &DataVersion, name: &ModelName, model_version: u64) -> String {
    format!("reports/{version}/{name}/v{model_version}")
}

/// Globs of the manifests of every train or holdout, and every predict data set.
pub fn all_datasets(split: Split) -> &'static str {
    match split {
        Split::Train => "train/*/_manifest.json",
        Split::Holdout => "holdout/*/_manifest.json",
        Split::Predict => "predict/*/*/_manifest.json",
    }
}

/// The folder of the data set whose manifest has that key; `None` for any other key.
pub fn dataset_of_manifest(key: &str) -> Option<&str> {
    let folder = key.strip_suffix("/_manifest.json")?;
    let version = match folder.split('/').collect::<Vec<_>>()[..] {
        ["train" | "holdout", version] | ["predict", version, _] => version,
        _ => return None,
    };
    let known = check_key(folder).is_ok() && DataVersion::parse(version, Tz::UTC).is_ok();
    known.then_some(folder)
}

/// A glob of the manifests of all results.
pub const ALL_RESULTS: &str = "results/*/*/v*/_manifest.json";

/// A glob of the commits of all reports.
pub const ALL_REPORTS: &str = "reports/*/*/v*/report.json";

/// A glob of the records of all workflows' attempts.
pub const ALL_ATTEMPTS: &str = "_attempts/*/*.json";

/// A glob of the commits of all reports on a model name's results.
pub fn reports(version: &DataVersion, name: &ModelName) -> String {
    format!("reports/{version}/{name}/v*/report.json")
}

/// The page of the report in `folder`.
pub fn report_html(folder: &str) -> String {
    format!("{folder}/report.html")
}

/// The commit of the report in `folder`.
pub fn report_json(folder: &str) -> String {
    format!("{folder}/report.json")
}

/// The folder of a configuration, named by its content.
pub fn config(digest: &str) -> String {
    format!("_config/{digest}")
}

/// A file of the configuration in `folder`, such as `features.sql`.
pub fn config_file(folder: &str, file: &str) -> String {
    format!("{folder}/{file}")
}

/// The values of the aggregate `name` of the configuration in `folder`.
pub fn config_table(folder: &str, name: &str) -> String {
    format!("{folder}/{name}.arrow")
}

/// The folder of the records of all attempts at a data version.
pub fn attempts(version: &DataVersion) -> String {
    format!("_attempts/{version}")
}

/// The record of a workflow's attempt at a data version.
pub fn attempt(version: &DataVersion, workflow: &str) -> String {
    format!("{}/{workflow}.json", attempts(version))
}

/// A run of the embedded tracking.
pub fn run(id: &str) -> String {
    format!("tracking/runs/{id}.json")
}

/// The folder of all runs of the embedded tracking.
pub const RUNS: &str = "tracking/runs";

/// The folder of all registered models of the embedded tracking.
pub const REGISTRY: &str = "tracking/models";

/// The folder of the registered versions of a model.
pub fn versions(name: &ModelName) -> String {
    format!("{REGISTRY}/{name}/versions")
}

/// A registered version of a model; zero-padded so that listings are in order.
pub fn version(name: &ModelName, version: u64) -> String {
    format!("{}/{version:06}.json", versions(name))
}

/// The folder of all moves of an alias.
pub fn alias(name: &ModelName, alias: &str) -> String {
    format!("{REGISTRY}/{name}/aliases/{alias}")
}

/// One move of an alias; the last one holds.
pub fn alias_move(name: &ModelName, alias_name: &str, sequence: u64) -> String {
    format!("{}/{sequence:06}.json", alias(name, alias_name))
}

/// The number that a version's or an alias move's key ends with.
pub fn number(key: &str) -> Option<u64> {
    key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_sets_have_a_folder() {
        let folder = dataset_of_manifest;
        assert_eq!(
            folder("train/25.05.1/_manifest.json"),
            Some("train/25.05.1")
        );
        assert_eq!(
            folder("predict/1/0123abcd/_manifest.json"),
            Some("predict/1/0123abcd")
        );
        for other in [
            "train/1",
            "train/../_manifest.json",
            "train//_manifest.json",
            "models/m/_manifest.json",
            "_manifest.json",
        ] {
            assert_eq!(folder(other), None, "{other}");
        }
    }

    #[test]
    fn an_instant_is_cut_to_its_date_in_the_time_zone() {
        let table = [
            ("25.05.1", "Etc/UTC", Some("25.05.1")),
            ("2026-11-23", "Etc/UTC", Some("2026-11-23")),
            ("2026-09-20T22:30:00Z", "Etc/UTC", Some("2026-09-20")),
            ("2026-09-20T22:30:00Z", "Europe/Berlin", Some("2026-09-21")),
            ("2026-09-20T02:30:00+05:00", "Etc/UTC", Some("2026-09-19")),
            (
                "2026-09-20 02:30:00 +0000 UTC",
                "Etc/UTC",
                Some("2026-09-20"),
            ),
            ("", "Etc/UTC", None),
            ("..", "Etc/UTC", None),
            ("a..b", "Etc/UTC", None),
            ("-a", "Etc/UTC", None),
            ("a/b", "Etc/UTC", None),
            ("{{workflow.scheduledTime}}", "Etc/UTC", None),
        ];
        for (text, zone, expected) in table {
            let parsed = DataVersion::parse(text, zone.parse().unwrap()).ok();
            assert_eq!(
                parsed.as_ref().map(|version| version.0.as_str()),
                expected,
                "{text:?} in {zone}"
            );
        }
        assert!(DataVersion::parse(&"a".repeat(63), Tz::UTC).is_ok());
        assert!(DataVersion::parse(&"a".repeat(64), Tz::UTC).is_err());
    }

    #[test]
    fn model_names_follow_the_registry_and_the_label_rules() {
        for (text, valid) in [
            ("customer-classifier", true),
            ("a", true),
            ("-a", false),
            ("a-", false),
            ("A", false),
            ("a/b", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<ModelName>().is_ok(), valid, "{text:?}");
        }
        assert!("a".repeat(48).parse::<ModelName>().is_ok());
        assert!("a".repeat(49).parse::<ModelName>().is_err());
    }

    #[test]
    fn keys_never_leave_the_root() {
        for key in ["../x", "a/../b", "/etc/passwd", "a//b", "a/./b", "", "a\\b"] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
        assert!(check_key("train/25.05.1/_manifest.json").is_ok());
    }

    #[test]
    fn every_key_stands_where_the_contract_says() {
        let (version, name) = (DataVersion("25.05.1".into()), ModelName("churn".into()));
        let digest = "0123456789abcdef0123456789abcdef";
        let folder = dataset(Split::Train, &version);
        insta::assert_debug_snapshot!([
            manifest(&folder),
            part(&folder, digest, 7),
            predict(&version, digest),
            compared(&version, digest),
            model(&name, digest),
            verdict(&model(&name, digest), digest),
            selection(&version, &name),
            looking_back(&version, &name, 3),
            scored(&version, &name, 3),
            profile(&scored(&version, &name, 3), NaiveDate::from_ymd_opt(2025, 1, 31)),
            profile(&scored(&version, &name, 3), None),
            shard_profiles(&work(digest), digest),
            report(&version, &name, 3),
            config(digest),
            group(&work(digest), "002"),
            attempt(&version, "alameda-pipeline-x1"),
            self::version(&name, 3),
            alias_move(&name, "champion", 1),
        ], @r#"
        [
            "train/25.05.1/_manifest.json",
            "train/25.05.1/part-01234567-000007.parquet",
            "predict/25.05.1/01234567",
            "compared/25.05.1/01234567",
            "models/churn/0123456789abcdef",
            "models/churn/0123456789abcdef/verdict-01234567.json",
            "results/25.05.1/churn/_selection.json",
            "results/25.05.1/churn/v3/_selection.json",
            "results/25.05.1/churn/v3",
            "results/25.05.1/churn/v3/_profiles/2025-01-31.json",
            "results/25.05.1/churn/v3/_profiles/all.json",
            "_work/0123456789abcdef0123456789abcdef/profiles/0123456789abcdef0123456789abcdef.json",
            "reports/25.05.1/churn/v3",
            "_config/0123456789abcdef0123456789abcdef",
            "_work/0123456789abcdef0123456789abcdef/groups/002.json",
            "_attempts/25.05.1/alameda-pipeline-x1.json",
            "tracking/models/churn/versions/000003.json",
            "tracking/models/churn/aliases/champion/000001.json",
        ]
        "#);
    }
}
