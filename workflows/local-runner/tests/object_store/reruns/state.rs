//! A store, all that it holds, and how two of them compare.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use store::digest;
use store::{Access, Environment, Role, Store};
use testing::HttpProxy;
use tokio::runtime::Runtime;

use super::chain::Outputs;
use crate::lab::{Lab, Ran};

/// Every object by its key. The store's address is written as `STORE`.
pub(super) type State = BTreeMap<String, Vec<u8>>;

/// What the store's address is written as.
const STORE: &str = "s3://STORE";
/// Clocks: all that two undisturbed runs of a leaf differ in.
const CLOCKS: [&str; 6] = [
    "created_at",
    "start_time",
    "end_time",
    "timestamp",
    "moved_at",
    "recorded_at",
];

/// A store that no other test uses, and the leaves that are run over it.
pub(super) struct Place<'a> {
    lab: &'a Lab,
    url: String,
    store: Store,
    runtime: Runtime,
    folder: PathBuf,
    runs: AtomicUsize,
}

impl<'a> Place<'a> {
    pub(super) fn new(lab: &'a Lab, name: &str, state: &State) -> Self {
        let url = format!("{}-{name}", lab.variable("STORE_URL"));
        // Past every proxy.
        let environment = Environment::of(lab.server_variables());
        let store = Store::create_with(&url, &Access::new(Role::Store, environment)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let folder = lab.folder().join(name);
        let place = Self {
            lab,
            url,
            store,
            runtime,
            folder,
            runs: AtomicUsize::new(0),
        };
        place.runtime.block_on(async {
            let mut puts = tokio::task::JoinSet::new();
            for (key, bytes) in state {
                let (store, key, bytes) = (
                    place.store.clone(),
                    key.clone(),
                    replaced(bytes, STORE, &place.url),
                );
                puts.spawn(async move { store.put(&key, bytes).await.unwrap() });
            }
            puts.join_all().await;
        });
        place
    }

    /// All objects.
    pub(super) fn state(&self) -> State {
        self.runtime.block_on(async {
            let mut gets = tokio::task::JoinSet::new();
            for object in self.store.list("").await.unwrap() {
                let store = self.store.clone();
                gets.spawn(async move {
                    (
                        object.key.clone(),
                        store.require(&object.key).await.unwrap(),
                    )
                });
            }
            gets.join_all()
                .await
                .into_iter()
                .map(|(key, bytes)| (key, replaced(&bytes, &self.url, STORE)))
                .collect()
        })
    }

    /// Changes a JSON object.
    pub(super) fn edit(&self, key: &str, change: impl FnOnce(&mut Value)) {
        self.runtime.block_on(async {
            let mut value: Value = self.store.require_json(key).await.unwrap();
            change(&mut value);
            self.store.put_json(key, &value).await.unwrap();
        });
    }

    /// Starts a leaf in folders of its own.
    pub(super) fn start(&self, arguments: &[String], proxy: &HttpProxy) -> Child {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = self.lab.step_command(&words);
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        for (variable, name) in [("ALAMEDA_OUT", "out"), ("ALAMEDA_WORK", "work")] {
            let folder = self.folder.join(format!("{name}{run}"));
            std::fs::create_dir_all(&folder).unwrap();
            command.env(variable, folder);
        }
        command
            .env("STORE_URL", &self.url)
            .env("AWS_ENDPOINT_URL", proxy.url());
        // One shard after the other, so that write number n is the same one every time.
        command.env("ALAMEDA_THREADS", "1");
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a leaf to its end; gives its outputs.
    pub(super) fn run(&self, arguments: &[String], proxy: &HttpProxy) -> Outputs {
        let number = self.runs.load(Ordering::Relaxed);
        let ran: Ran = self
            .start(arguments, proxy)
            .wait_with_output()
            .unwrap()
            .into();
        ran.expect(0);
        let files = std::fs::read_dir(self.folder.join(format!("out{number}")))
            .unwrap()
            .map(Result::unwrap);
        let output = |file: std::fs::DirEntry| {
            (
                file.file_name().into_string().unwrap(),
                std::fs::read_to_string(file.path()).unwrap(),
            )
        };
        files
            .map(output)
            .filter(|(name, _)| !["reused", "renewed"].contains(&name.as_str()))
            .collect()
    }
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace(from, to).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// Fails the test unless both hold the same, key by key, clocks and `passing` fields apart.
pub(super) fn assert_same(expected: &State, found: &State, what: &str, passing: &[&str]) {
    let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    for key in keys {
        let [before, after] =
            [expected, found].map(|state| state.get(key).map(|bytes| timeless(bytes, passing)));
        match (&before, &after) {
            (Some(before), Some(after)) => {
                let differs = before
                    .iter()
                    .find(|(field, value)| after.get(*field) != Some(*value));
                let added = after.keys().find(|field| !before.contains_key(*field));
                let now = differs.map(|(field, _)| after.get(field));
                assert!(
                    differs.is_none() && added.is_none(),
                    "{what}: {key}: {differs:?} is {now:?}, added {added:?}"
                );
            }
            (None, _) => panic!("{what}: added {key}"),
            (_, None) => panic!("{what}: lost {key}"),
        }
    }
}

/// Every field of a JSON object by its path, but for clocks and the `passing` ones; of anything
/// else a digest.
fn timeless(bytes: &[u8], passing: &[&str]) -> BTreeMap<String, String> {
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else {
        return BTreeMap::from([(String::new(), digest::hex(bytes))]);
    };
    forget(&mut value, passing);
    let mut fields = BTreeMap::new();
    flatten(String::new(), &value, &mut fields);
    fields
}

fn flatten(path: String, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(inner) => inner
            .iter()
            .for_each(|(name, value)| flatten(format!("{path}/{name}"), value, fields)),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| flatten(format!("{path}/{index}"), item, fields));
        }
        other => drop(fields.insert(path, other.to_string())),
    }
}

fn forget(value: &mut Value, passing: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !CLOCKS.contains(&name.as_str()) && !passing.contains(&name.as_str())
            });
            fields.values_mut().for_each(|field| forget(field, passing));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, passing)),
        _ => {}
    }
}

/// Fails the test if a byte changed, or an object came or went, that does not lie below one of the
/// prefixes.
pub(super) fn assert_only_below(before: &State, after: &State, prefixes: &[&str], what: &str) {
    let keys = before.keys().chain(after.keys());
    let changed: Vec<&String> = keys
        .filter(|key| before.get(*key) != after.get(*key))
        .filter(|key| !prefixes.iter().any(|prefix| key.starts_with(prefix)))
        .collect();
    assert!(changed.is_empty(), "{what}: {changed:#?}");
}

/// Fails the test if a reader would find something half done: a manifest whose objects are not
/// there, or not those that it was written with; a report whose page is another one; a version
/// without its model; an alias without its version. `pages` says whether a page must be the one
/// that its report names.
pub(super) fn assert_whole(state: &State, what: &str, pages: bool) {
    let json = |key: &str| {
        serde_json::from_slice::<Value>(&state[key])
            .unwrap_or_else(|error| panic!("{what}: {key}: {error}"))
    };
    for key in state.keys() {
        if key.ends_with("/_manifest.json") || key.ends_with("/report.json") {
            let manifest = json(key);
            let lists = ["parts", "files", "profiles"]
                .into_iter()
                .filter_map(|field| manifest[field].as_array());
            for object in lists
                .flatten()
                .chain(manifest.get("html").filter(|_| pages))
            {
                let bytes = state.get(object["key"].as_str().unwrap());
                let sha256 = bytes.map(|bytes| digest::hex(bytes));
                assert_eq!(
                    sha256.as_deref(),
                    object["sha256"].as_str(),
                    "{what}: {key} names {object}"
                );
            }
        } else if key.contains("/versions/") {
            let model = json(key)["model"].as_str().unwrap().to_owned();
            assert!(state.contains_key(&model), "{what}: {key} names {model}");
        } else if let Some((model, _)) = key.split_once("/aliases/") {
            let version = json(key)["version"].as_u64().unwrap();
            let versions = state
                .keys()
                .filter_map(|key| key.strip_prefix(&format!("{model}/versions/")));
            let mut numbers = versions.map(|name| {
                name.trim_end_matches(".json")
                    .trim_start_matches('0')
                    .to_owned()
            });
            assert!(
                numbers.any(|number| number == version.to_string()),
                "{what}: {key} names version {version}"
            );
        }
    }
}
