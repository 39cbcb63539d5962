//! What a leaf's container is given: its command line, variables and folders.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What runs in a leaf.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Container {
    /// The program and its first arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// More arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Env>,
    /// All keys of a ConfigMap as variables; the last one wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// Where volumes appear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
}

/// A variable.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Env {
    /// Name of the variable.
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Or where the value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvValueFrom>,
}

/// Where a variable comes from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvValueFrom {
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapSource>,
    /// A key of a Secret; on a laptop, the variable of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<ConfigMapSource>,
}

/// A ConfigMap or Secret whose keys become variables.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvFrom {
    /// A ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapSource>,
    /// A Secret: on a laptop, the environment of the runner has its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ConfigMapSource>,
}

/// A ConfigMap or Secret, or one key of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigMapSource {
    /// Name of the ConfigMap.
    pub name: String,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it may be missing.
    #[serde(default)]
    pub optional: bool,
}

/// A folder for containers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Name of the volume.
    pub name: String,
    /// The files of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// An empty folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<BTreeMap<String, Value>>,
}

/// Where a volume appears in the container.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeMount {
    /// The volume.
    pub name: String,
    /// Its folder in the container.
    pub mount_path: String,
}

/// What the kubelet says of a pod that met its deadline, whether it had started or not.
pub const DEADLINE: &str = "Pod was active on the node longer than the specified deadline";

/// Where a path of the container lies in the node's folder; `None` when it is none of its folders.
pub fn place(folder: &Path, path: &str) -> Option<PathBuf> {
    let roots = [
        ("/work/out", "outputs"),
        ("/work", "work"),
        ("/tmp", "tmp"),
        ("/config", "config"),
    ];
    let path = Path::new(path);
    let (rest, name) = roots
        .iter()
        .find_map(|(root, name)| Some((path.strip_prefix(root).ok()?, name)))?;
    rest.components()
        .all(|part| matches!(part, Component::Normal(_)))
        .then(|| folder.join(name).join(rest))
}
