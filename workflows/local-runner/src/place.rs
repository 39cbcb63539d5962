//! Where the store, the raw files, the runs and the workflows of a command line are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use argo::config_maps::ConfigMaps;
use argo::library::{Source, yaml_files};
use clap::Args;
use runtime::failure::Failure;

use crate::leaf::Addresses;
use crate::runs::Runs;
use crate::workflow::{RAW_URL, STORE_URL};

/// Where things are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Folder for the store, raw files and runs
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".alameda",
        global = true,
        help_heading = "Common options"
    )]
    pub home: PathBuf,

    /// Folder with WorkflowTemplates [default: ./workflows, else the copies in this program]
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        help_heading = "Common options"
    )]
    pub workflows: Option<PathBuf>,

    /// Folder with ConfigMaps [default: ./config-maps, else the copies in this program]
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        help_heading = "Common options"
    )]
    pub config_maps: Option<PathBuf>,

    /// Root of everything the steps write [default: HOME/store]
    #[arg(
        long,
        value_name = "URL",
        env = "STORE_URL",
        global = true,
        help_heading = "Common options"
    )]
    pub store_url: Option<String>,

    /// Root of the raw files [default: HOME/raw]
    #[arg(
        long,
        value_name = "URL",
        env = "RAW_URL",
        global = true,
        help_heading = "Common options"
    )]
    pub raw_url: Option<String>,
}

impl Place {
    /// The home folder, absolute: a leaf runs in a folder of its own.
    pub(crate) fn home(&self) -> Result<PathBuf> {
        std::path::absolute(&self.home).context("finding the current folder")
    }

    /// The runs of the home folder.
    pub(crate) fn runs(&self) -> Result<Runs> {
        Ok(Runs::new(&self.home()?))
    }

    /// Where WorkflowTemplates come from.
    pub(crate) fn workflows(&self) -> Result<Source> {
        folder_or_embedded(self.workflows.as_ref(), "workflows")
    }

    pub(crate) fn maps(&self) -> Result<ConfigMaps> {
        ConfigMaps::load(&folder_or_embedded(
            self.config_maps.as_ref(),
            "config-maps",
        )?)
    }

    /// The addresses that were given by flag or variable.
    ///
    /// # Errors
    /// One that no store is at, or that holds a secret: addresses are kept with a run, and shown.
    pub(crate) fn given(&self) -> Result<BTreeMap<String, String>> {
        let mut given = BTreeMap::new();
        for (name, url) in [(STORE_URL, &self.store_url), (RAW_URL, &self.raw_url)] {
            let Some(url) = url.as_ref().filter(|url| !url.is_empty()) else {
                continue;
            };
            store::check_url(url)?;
            let is_path = !url.contains("://");
            let path = || std::path::absolute(url).context("finding the current folder");
            given.insert(
                name.to_owned(),
                if is_path {
                    path()?.display().to_string()
                } else {
                    url.clone()
                },
            );
        }
        Ok(given)
    }

    /// The addresses that the steps of a workflow use: those given when it was submitted, else
    /// folders of the home.
    pub(crate) fn addresses(&self, annotations: &BTreeMap<String, String>) -> Result<Addresses> {
        let home = self.home()?;
        let address = |name: &str, folder: &str| {
            annotations
                .get(name)
                .cloned()
                .unwrap_or_else(|| home.join(folder).display().to_string())
        };
        Ok(Addresses {
            store_url: address(STORE_URL, "store"),
            raw_url: address(RAW_URL, "raw"),
        })
    }

    /// A command line of this program that works in the same place.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let program = std::env::args()
            .next()
            .unwrap_or_else(|| "alameda".to_owned());
        let mut words = vec![program];
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("--{name}={value}")));
        };
        let path = |path: &PathBuf| path.display().to_string();
        option(
            "home",
            Some(path(&self.home)).filter(|home| home != ".alameda"),
        );
        option("workflows", self.workflows.as_ref().map(path));
        option("config-maps", self.config_maps.as_ref().map(path));
        let plain = |word: &String| {
            word.chars()
                .all(|c| c.is_ascii_alphanumeric() || "@=/._-+:".contains(c))
        };
        let quote = |word: String| {
            if plain(&word) {
                word
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        };
        words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
    }
}

fn folder_or_embedded(given: Option<&PathBuf>, default: &str) -> Result<Source> {
    match given {
        Some(folder) if !folder.is_dir() => Err(Failure::usage(format!(
            "--{default} {}: there is no such folder",
            folder.display()
        ))),
        Some(folder) => Ok(Source::Folder(folder.clone())),
        None => {
            let folder = PathBuf::from(default);
            let found = folder.is_dir() && !yaml_files(&folder)?.is_empty();
            Ok(if found {
                Source::Folder(folder)
            } else {
                Source::Embedded
            })
        }
    }
}
