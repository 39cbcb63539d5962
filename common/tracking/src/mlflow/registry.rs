//! Registered models and their versions.

use std::collections::BTreeMap;

use anyhow::Result;
use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::super::tracker::Registry;
use super::super::{Candidate, FINGERPRINT_TAG, MODEL_FOLDER, Version};
use super::begin::CREATOR_TAG;
use super::wire::{
    Done, KeyValue, ModelFound, ModelVersion, ModelVersionFound, ModelVersionsFound, ModelsFound,
    NewVersion,
};
use super::{Mlflow, names, wire};
use catalog::layout::ModelName;
use runtime::failure::Failure;
use runtime::retry::Trouble;

/// The tag with the key of a version's manifest.
const MODEL_TAG: &str = "alameda.model";
/// Entries of a page, at most.
const PAGE: usize = 1000;

#[async_trait]
impl Registry for Mlflow {
    /// Registers a model from the files of its run, after comparing these with what was written.
    ///
    /// The server makes another version whenever it is asked: as with runs, it is asked only after
    /// a search, and looked at again afterwards. The lowest version of a fingerprint counts;
    /// a step that made another one deletes it.
    async fn register(&self, candidate: &Candidate<'_>) -> Result<Version> {
        let name = candidate.model_name;
        if let Some(known) = self
            .of_fingerprint(name, candidate.fingerprint)
            .await?
            .into_iter()
            .next()
        {
            return self.known(name, known);
        }
        let run = self.run(candidate.run_id).await?.info;
        self.check_files(&run, MODEL_FOLDER, candidate.files)
            .await?;
        self.ensure_model(name, &candidate.about_model).await?;
        let source = format!("{}/{MODEL_FOLDER}", run.artifact_uri);
        let mut tags: BTreeMap<String, String> = candidate.tags.iter().cloned().collect();
        tags.insert(FINGERPRINT_TAG.to_owned(), candidate.fingerprint.to_owned());
        tags.insert(MODEL_TAG.to_owned(), candidate.model.to_owned());
        let creator = Self::creator();
        tags.insert(CREATOR_TAG.to_owned(), creator.clone());
        let tags = wire::tags(&tags, names::MODEL_TAG);
        let description = names::value(&candidate.description, names::DESCRIPTION);

        let operation = format!("registering a version of {name}");
        let find_or_create = || async {
            if let Some(found) = self
                .search_fingerprint(&operation, name, candidate.fingerprint)
                .await?
                .into_iter()
                .next()
            {
                return Ok(found);
            }
            let model = name.to_string();
            let new = NewVersion {
                name: &model,
                source: &source,
                run_id: candidate.run_id,
                description: &description,
                tags: &tags,
            };
            let call = self
                .client
                .post("model-versions/create", &new)
                .map_err(Trouble::Lasting)?;
            match self
                .client
                .once::<ModelVersionFound>(&operation, &call)
                .await?
            {
                Ok(ModelVersionFound { model_version }) => Ok(model_version),
                Err(refusal) => Err(Trouble::Lasting(self.client.refused(&operation, &refusal))),
            }
        };
        let made = self
            .client
            .budget
            .call(&self.client.service, &operation, find_or_create)
            .await?;
        let mut all = self
            .of_fingerprint(name, candidate.fingerprint)
            .await?
            .into_iter();
        let first = all.next().unwrap_or(made);
        for extra in all.filter(|found| found.tag(CREATOR_TAG) == Some(&creator)) {
            tracing::info!(
                "this model was registered twice at the same time: version {} is used",
                first.version
            );
            self.delete(name, extra.version).await?;
        }
        self.known(name, first)
    }

    async fn version(&self, name: &ModelName, version: u64) -> Result<Option<Version>> {
        self.get(name, version)
            .await?
            .map(|found| self.known(name, found))
            .transpose()
    }

    /// All versions that this program registered, each fingerprint once.
    async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        let mut seen = std::collections::BTreeSet::new();
        Ok(self
            .all(name)
            .await?
            .into_iter()
            .filter_map(|found| version_of(name, found))
            .filter(|version| seen.insert(version.fingerprint.clone()))
            .collect())
    }

    async fn models(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut token = String::new();
        loop {
            let query = [("max_results", "1000"), ("page_token", token.as_str())];
            let query = if token.is_empty() {
                &query[..1]
            } else {
                &query[..]
            };
            let call = self.client.get("registered-models/search", query);
            let found: ModelsFound = self
                .client
                .must("listing the registered models", &call)
                .await?;
            names.extend(found.registered_models.into_iter().map(|model| model.name));
            if found.next_page_token.is_empty() {
                return Ok(names);
            }
            token = found.next_page_token;
        }
    }
}

impl Mlflow {
    /// Deletes a version that was made twice, unless it was given an alias.
    async fn delete(&self, name: &ModelName, version: u64) -> Result<()> {
        let aliases = self
            .get(name, version)
            .await?
            .map(|found| found.aliases)
            .unwrap_or_default();
        if !aliases.is_empty() {
            tracing::warn!(
                "version {version} of {name} is registered twice, and has the alias {}",
                aliases.join(", ")
            );
            return Ok(());
        }
        let body = json!({ "name": name, "version": version.to_string() });
        let call = self
            .client
            .send(Method::DELETE, "model-versions/delete", &body)?;
        match self
            .client
            .ask::<Done>("deleting the duplicate version", &call)
            .await?
        {
            Err(refusal) if !refusal.is_missing() => {
                Err(self.client.refused("deleting a version", &refusal))
            }
            _ => Ok(()),
        }
    }

    /// Makes the registered model, or describes one that nobody has described.
    async fn ensure_model(&self, name: &ModelName, about: &str) -> Result<()> {
        let model = name.to_string();
        let operation = format!("looking up the registered model {name}");
        let call = self
            .client
            .get("registered-models/get", &[("name", &model)]);
        let about = names::value(about, names::DESCRIPTION);
        let described = json!({ "name": name, "description": about });
        match self.client.ask::<ModelFound>(&operation, &call).await? {
            Ok(found) if about.is_empty() || !found.registered_model.description.is_empty() => {
                return Ok(());
            }
            Ok(_) => {
                let operation = format!("describing the registered model {name}");
                let path = "registered-models/update";
                let call = self.client.send(Method::PATCH, path, &described)?;
                self.client.must::<Done>(&operation, &call).await?;
                return Ok(());
            }
            Err(refusal) if refusal.is_missing() => {}
            Err(refusal) => return Err(self.client.refused(&operation, &refusal)),
        }
        let operation = format!("creating the registered model {name}");
        let call = self.client.post("registered-models/create", &described)?;
        match self.client.ask::<Done>(&operation, &call).await? {
            Err(refusal) if !refusal.is_taken() => Err(self.client.refused(&operation, &refusal)),
            _ => Ok(()),
        }
    }

    async fn of_fingerprint(
        &self,
        name: &ModelName,
        fingerprint: &str,
    ) -> Result<Vec<ModelVersion>> {
        let operation = format!("searching the versions of {name}");
        let search = || self.search_fingerprint(&operation, name, fingerprint);
        self.client
            .budget
            .call(&self.client.service, &operation, search)
            .await
    }

    /// Versions of a fingerprint, the one that counts first: the lowest.
    async fn search_fingerprint(
        &self,
        operation: &str,
        name: &ModelName,
        fingerprint: &str,
    ) -> Result<Vec<ModelVersion>, Trouble> {
        let filter = format!("name = '{name}' and tags.`{FINGERPRINT_TAG}` = '{fingerprint}'");
        let query = [
            ("filter", filter.as_str()),
            ("order_by", "version_number ASC"),
            ("max_results", "10"),
        ];
        let call = self.client.get("model-versions/search", &query);
        match self
            .client
            .once::<ModelVersionsFound>(operation, &call)
            .await?
        {
            Ok(ModelVersionsFound {
                mut model_versions, ..
            }) => {
                model_versions.sort_by_key(|found| found.version);
                Ok(model_versions)
            }
            Err(refusal) => Err(Trouble::Lasting(self.client.refused(operation, &refusal))),
        }
    }

    /// A version that this program registered.
    fn known(&self, name: &ModelName, found: ModelVersion) -> Result<Version> {
        let version = found.version;
        version_of(name, found).ok_or_else(|| {
            Failure::usage(format!(
                "version {version} of {name} in {} was not registered by this program: it lacks the tags {MODEL_TAG} and \
                 {FINGERPRINT_TAG}; choose another version, or point the alias to one",
                self.client.service
            ))
        })
    }

    pub(super) async fn get(&self, name: &ModelName, version: u64) -> Result<Option<ModelVersion>> {
        let (model, number) = (name.to_string(), version.to_string());
        let operation = format!("looking up version {version} of {name}");
        let call = self.client.get(
            "model-versions/get",
            &[("name", &model), ("version", &number)],
        );
        match self
            .client
            .ask::<ModelVersionFound>(&operation, &call)
            .await?
        {
            Ok(found) => Ok(Some(found.model_version)),
            Err(refusal) if refusal.is_missing() => Ok(None),
            Err(refusal) => Err(self.client.refused(&operation, &refusal)),
        }
    }

    /// All versions that the server has, ascending.
    pub(super) async fn all(&self, name: &ModelName) -> Result<Vec<ModelVersion>> {
        let filter = format!("name = '{name}'");
        let page_size = PAGE.to_string();
        let mut versions: BTreeMap<u64, ModelVersion> = BTreeMap::new();
        let mut token = String::new();
        loop {
            let query = [
                ("filter", filter.as_str()),
                ("max_results", &page_size),
                ("page_token", &token),
            ];
            let query = if token.is_empty() {
                &query[..2]
            } else {
                &query[..]
            };
            let call = self.client.get("model-versions/search", query);
            let found: ModelVersionsFound = self
                .client
                .must(&format!("listing the versions of {name}"), &call)
                .await?;
            let numbered = found.model_versions.into_iter();
            versions.extend(numbered.map(|found| (found.version, found)));
            if found.next_page_token.is_empty() {
                break;
            }
            token = found.next_page_token;
        }
        Ok(versions.into_values().collect())
    }
}

fn version_of(name: &ModelName, found: ModelVersion) -> Option<Version> {
    let KeyValue {
        value: fingerprint, ..
    } = found
        .tags
        .iter()
        .find(|tag| tag.key == FINGERPRINT_TAG)?
        .clone();
    let model = found.tag(MODEL_TAG)?.to_owned();
    Some(Version {
        model_name: name.clone(),
        version: found.version,
        model,
        fingerprint,
        created_at: found.created_at(),
        run_id: found.run_id,
        description: found.description,
    })
}
