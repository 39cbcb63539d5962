//! Registered models, their versions and aliases.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::Utc;
use reqwest::Method;
use serde_json::json;

use super::super::{Candidate, FINGERPRINT_TAG, MODEL_FOLDER, Version};
use super::begin::CREATOR_TAG;
use super::wire::{
    Done, KeyValue, ModelVersion, ModelVersionFound, ModelVersionsFound, ModelsFound, NewVersion,
};
use super::{Mlflow, names, wire};
use crate::failure::Failure;
use crate::layout::ModelName;
use crate::retry::Trouble;

/// The tag with the key of a version's manifest.
const MODEL_TAG: &str = "alameda.model";
/// Entries of a page, at most.
const PAGE: usize = 1000;

/// The tag that says that a version held an alias, and since when.
fn held_tag(alias: &str) -> String {
    format!("alameda.held.{alias}")
}

/// The tag with the version that held an alias before this one; 0 when there was none.
fn before_tag(alias: &str) -> String {
    format!("alameda.before.{alias}")
}

impl Mlflow {
    /// Registers a model from the files of its run, after comparing these with what was written.
    ///
    /// The server makes another version whenever it is asked: as with runs, it is asked only after a search, and looked at
    /// again afterwards. The lowest version of a fingerprint counts; whoever made another one deletes it.
    pub(in super::super) async fn register(&self, candidate: &Candidate<'_>) -> Result<Version> {
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
        self.ensure_model(name).await?;
        let source = format!("{}/{MODEL_FOLDER}", run.artifact_uri);
        let mut tags: BTreeMap<String, String> = candidate.tags.iter().cloned().collect();
        tags.insert(FINGERPRINT_TAG.to_owned(), candidate.fingerprint.to_owned());
        tags.insert(MODEL_TAG.to_owned(), candidate.model.to_owned());
        let creator = Self::creator();
        tags.insert(CREATOR_TAG.to_owned(), creator.clone());
        let tags = wire::tags(&tags, names::MODEL_TAG);

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
            .ask::<Done>("deleting the version that was made twice", &call)
            .await?
        {
            Err(refusal) if !refusal.is_missing() => {
                Err(self.client.refused("deleting a version", &refusal))
            }
            _ => Ok(()),
        }
    }

    async fn ensure_model(&self, name: &ModelName) -> Result<()> {
        let model = name.to_string();
        let operation = format!("looking up the registered model {name}");
        let call = self
            .client
            .get("registered-models/get", &[("name", &model)]);
        match self.client.ask::<Done>(&operation, &call).await? {
            Ok(_) => return Ok(()),
            Err(refusal) if refusal.is_missing() => {}
            Err(refusal) => return Err(self.client.refused(&operation, &refusal)),
        }
        let operation = format!("creating the registered model {name}");
        let call = self
            .client
            .post("registered-models/create", &json!({ "name": name }))?;
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

    async fn get(&self, name: &ModelName, version: u64) -> Result<Option<ModelVersion>> {
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

    pub(in super::super) async fn version(
        &self,
        name: &ModelName,
        version: u64,
    ) -> Result<Option<Version>> {
        self.get(name, version)
            .await?
            .map(|found| self.known(name, found))
            .transpose()
    }

    /// All versions that this program registered, each fingerprint once.
    pub(in super::super) async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        let filter = format!("name = '{name}'");
        let page_size = PAGE.to_string();
        let mut versions: BTreeMap<u64, Version> = BTreeMap::new();
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
            versions.extend(found.model_versions.into_iter().filter_map(|found| {
                let version = version_of(name, found)?;
                Some((version.version, version))
            }));
            if found.next_page_token.is_empty() {
                break;
            }
            token = found.next_page_token;
        }
        let mut seen = std::collections::BTreeSet::new();
        Ok(versions
            .into_values()
            .filter(|version| seen.insert(version.fingerprint.clone()))
            .collect())
    }

    pub(in super::super) async fn models(&self) -> Result<Vec<String>> {
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

    pub(in super::super) async fn alias(
        &self,
        name: &ModelName,
        alias: &str,
    ) -> Result<Option<u64>> {
        Ok(self.holder(name, alias).await?.map(|holder| holder.version))
    }

    /// The version that an alias points to.
    async fn holder(&self, name: &ModelName, alias: &str) -> Result<Option<ModelVersion>> {
        // To the server this is the newest version, which nobody pointed to.
        if alias.eq_ignore_ascii_case("latest") {
            return Ok(None);
        }
        let model = name.to_string();
        let operation = format!("looking up the alias {alias} of {name}");
        let call = self.client.get(
            "registered-models/alias",
            &[("name", &model), ("alias", alias)],
        );
        match self
            .client
            .ask::<ModelVersionFound>(&operation, &call)
            .await?
        {
            Ok(found) => Ok(Some(found.model_version)),
            Err(refusal) if refusal.is_missing() => Ok(None),
            // An alias that points nowhere.
            Err(refusal)
                if refusal.code == "INVALID_PARAMETER_VALUE"
                    && refusal.message.contains("not found") =>
            {
                Ok(None)
            }
            Err(refusal) => Err(self.client.refused(&operation, &refusal)),
        }
    }

    /// Reads, sets, and reads back.
    ///
    /// That a version held the alias is noted when it is seen to hold it: after it got it, and once more before another
    /// one gets it, should the first note be lost.
    pub(in super::super) async fn set_alias(
        &self,
        name: &ModelName,
        alias: &str,
        version: u64,
        expected: Option<u64>,
    ) -> Result<bool> {
        let holder = self.holder(name, alias).await?;
        let held = holder.as_ref().map(|holder| holder.version);
        if held != expected {
            return Ok(false);
        }
        if let Some(holder) = &holder {
            self.note_held(name, alias, holder).await?;
        }
        if held == Some(version) {
            return Ok(true);
        }
        self.tag_version(
            name,
            version,
            &before_tag(alias),
            &expected.unwrap_or(0).to_string(),
        )
        .await?;
        if self.alias(name, alias).await? != expected {
            return Ok(false);
        }
        let operation = format!("pointing the alias {alias} of {name} to version {version}");
        let body = json!({ "name": name, "alias": alias, "version": version.to_string() });
        let call = self.client.post("registered-models/alias", &body)?;
        self.client.must::<Done>(&operation, &call).await?;
        match self.holder(name, alias).await? {
            Some(holder) if holder.version == version => {
                self.note_held(name, alias, &holder).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn note_held(&self, name: &ModelName, alias: &str, holder: &ModelVersion) -> Result<()> {
        let tag = held_tag(alias);
        match holder.tag(&tag) {
            Some(_) => Ok(()),
            None => {
                self.tag_version(name, holder.version, &tag, &Utc::now().to_rfc3339())
                    .await
            }
        }
    }

    async fn tag_version(
        &self,
        name: &ModelName,
        version: u64,
        key: &str,
        value: &str,
    ) -> Result<()> {
        let body =
            json!({ "name": name, "version": version.to_string(), "key": key, "value": value });
        let call = self.client.post("model-versions/set-tag", &body)?;
        self.client
            .must::<Done>(&format!("tagging version {version} of {name}"), &call)
            .await?;
        Ok(())
    }

    pub(in super::super) async fn alias_before(
        &self,
        name: &ModelName,
        alias: &str,
    ) -> Result<Option<u64>> {
        let holder = self.holder(name, alias).await?;
        let before = holder
            .as_ref()
            .and_then(|holder| holder.tag(&before_tag(alias))?.parse().ok());
        Ok(before.filter(|before| *before > 0))
    }

    pub(in super::super) async fn ever_held(
        &self,
        name: &ModelName,
        alias: &str,
        version: u64,
    ) -> Result<bool> {
        let tag = held_tag(alias);
        if self
            .get(name, version)
            .await?
            .is_some_and(|found| found.tag(&tag).is_some())
        {
            return Ok(true);
        }
        Ok(self.alias(name, alias).await? == Some(version))
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
    })
}
