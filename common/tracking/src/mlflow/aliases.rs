//! Aliases of registered models: where they point, and where they pointed.

use anyhow::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::super::Holder;
use super::super::tracker::Aliases;
use super::Mlflow;
use super::wire::{Done, ModelFound, ModelVersion, ModelVersionFound};
use catalog::layout::ModelName;

/// The tag that says that a version held an alias, and since when.
fn held_tag(alias: &str) -> String {
    format!("alameda.held.{alias}")
}

/// The tag that says when a version lost an alias last, and to which version.
fn left_tag(alias: &str) -> String {
    format!("alameda.left.{alias}")
}

/// The tag with the version that held an alias before this one; 0 when there was none.
fn before_tag(alias: &str) -> String {
    format!("alameda.before.{alias}")
}

#[async_trait]
impl Aliases for Mlflow {
    /// Every alias of a model, and where it points.
    async fn aliases(&self, name: &ModelName) -> Result<Vec<(String, u64)>> {
        let model = name.to_string();
        let call = self
            .client
            .get("registered-models/get", &[("name", &model)]);
        let found: ModelFound = self
            .client
            .must(&format!("reading the aliases of {name}"), &call)
            .await?;
        Ok(found
            .registered_model
            .aliases
            .into_iter()
            .map(|alias| (alias.alias, alias.version))
            .collect())
    }

    async fn alias(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        Ok(self.holder(name, alias).await?.map(|holder| holder.version))
    }

    /// Reads, sets, and reads back.
    ///
    /// That a version held the alias is noted when it is seen to hold it: after it got it, and once
    /// more before another one gets it, should the first note be lost.
    async fn set_alias(
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
            Some(now) if now.version == version => {
                self.note_held(name, alias, &now).await?;
                if let Some(before) = holder {
                    let left = format!("{} {version}", Utc::now().to_rfc3339());
                    self.tag_version(name, before.version, &left_tag(alias), &left)
                        .await?;
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn alias_before(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        let holder = self.holder(name, alias).await?;
        let before = holder
            .as_ref()
            .and_then(|holder| holder.tag(&before_tag(alias))?.parse().ok());
        Ok(before.filter(|before| *before > 0))
    }

    async fn ever_held(&self, name: &ModelName, alias: &str, version: u64) -> Result<bool> {
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

    /// Which versions held an alias is known by their tags. Those of earlier releases don't say
    /// when the alias left; it did when the next one got it.
    async fn holders(
        &self,
        name: &ModelName,
        alias: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<Holder>> {
        let current = self.alias(name, alias).await?;
        let versions = self.all(name).await?;
        let held: Vec<(u64, DateTime<Utc>)> = versions
            .iter()
            .filter_map(|found| Some((found.version, found.tag(&held_tag(alias))?.parse().ok()?)))
            .collect();
        let next = |began: DateTime<Utc>| {
            let later = held.iter().filter(|(_, other)| *other > began);
            later.min_by_key(|(_, other)| *other).copied()
        };
        let holder = |(version, began): &(u64, DateTime<Utc>)| {
            let found = versions.iter().find(|found| found.version == *version)?;
            let noted = found.tag(&left_tag(alias)).and_then(|text| {
                let (left, to) = text.split_once(' ')?;
                Some((to.parse().ok()?, left.parse().ok()?))
            });
            let left = noted
                .or_else(|| next(*began))
                .filter(|_| current != Some(*version));
            Some(Holder {
                version: *version,
                left: left.map(|(_, left)| left),
                to: left.map(|(to, _)| to),
            })
        };
        Ok(held
            .iter()
            .filter_map(holder)
            .filter(|holder| holder.left.is_none_or(|left| left >= since))
            .collect())
    }
}

impl Mlflow {
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
}
