//! The command line: Argo's words, without a cluster.

mod logs;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use argo::config_maps::ConfigMaps;
use argo::library::{Library, Source, yaml_files};
use argo::yaml;
use clap::{Args, Parser, Subcommand, ValueEnum};
use runtime::failure::{self, Failure};
use serde::Serialize;

use crate::leaf::Addresses;
use crate::runs::Runs;
use crate::sample_data;
use crate::workflow::{RAW_URL, STORE_URL, Workflow};
use crate::{data, demo, emissary, servers, submit, tracked, ui, upload};

/// Runs, lints and inspects Alameda's Argo workflows without a cluster
#[derive(Debug, Parser)]
#[command(
    name = "alameda",
    bin_name = "alameda",
    version,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

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

#[derive(Debug, Subcommand)]
enum Command {
    /// Generate sample data, run the whole pipeline on it, and show the results
    Demo(demo::Options),
    /// Generate sample data
    SampleData {
        /// Folder or S3 URL to write the folders train and predict to [default: RAW_URL, else
        /// HOME/raw]
        #[arg(long, value_name = "URL")]
        dir: Option<String>,
        #[command(flatten)]
        size: demo::Options,
    },
    /// Inspect raw files: draft a project, check them against a contract, profile them
    #[command(subcommand)]
    Dataset(data::Command),
    /// Upload raw files from this machine to RAW_URL; existing files are not sent again
    Upload(upload::Options),
    /// Run a workflow, and wait for its end
    Submit(submit::Options),
    /// List workflows, newest first
    List {
        /// Output format
        #[arg(short, long)]
        output: Option<Output>,
    },
    /// Show a workflow
    Get {
        /// Name of the workflow, or @latest
        name: String,
        /// Output format
        #[arg(short, long)]
        output: Option<Output>,
    },
    /// Print the logs of a workflow's steps
    Logs {
        /// Name of the workflow, or @latest
        name: String,
        /// Only this step, by its name, folder or id, or by a part of its path
        node: Option<String>,
    },
    /// Run a failed workflow again; steps that succeeded are kept
    Retry(submit::Again),
    /// Run a workflow again as a new one, from the present templates
    Resubmit(submit::Again),
    /// Serve the dashboard until Ctrl-C
    Dashboard {
        /// Address and port to listen on [default: 127.0.0.1:8501]
        #[arg(long, value_name = "ADDRESS")]
        bind: Option<SocketAddr>,
        /// Use the thresholds of the ConfigMap alameda-NAME, as reports do; environment variables
        /// take precedence
        #[arg(long, value_name = "NAME", default_value = "default")]
        config: String,
    },
    /// Start an S3 server, MLflow and Postgres on this machine, and print the variables that make
    /// every command use them
    Services,
    /// List tracked runs, newest first, from MLflow or the store
    Runs(tracked::RunOptions),
    /// List registered models, their versions and aliases, from MLflow or the store
    Models(tracked::ModelOptions),
    /// Check workflows and configuration more strictly than Argo does
    Lint {
        /// Files or folders with WorkflowTemplates [default: all of --workflows]
        files: Vec<PathBuf>,
        /// Output format of the findings
        #[arg(short, long, default_value = "text")]
        output: LintOutput,
        /// Explain a rule; without a name, list the fields that the runner interprets, that have no
        /// effect here, and that it refuses
        #[arg(long, value_name = "RULE", num_args = 0..=1, default_missing_value = "")]
        explain: Option<String>,
    },
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// As Argo's API gives it.
    Json,
    /// The same as YAML.
    Yaml,
    /// The name alone.
    Name,
    /// The table with more columns.
    Wide,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LintOutput {
    /// `file:line:column: path: what is wrong [rule]`, and what to do.
    Text,
    /// A list of objects with these fields, for annotations of a CI.
    Json,
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to be told when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            ui::tell(&format!("error: {error:#}\n"));
            if let Some(hint) = failure::hint(&error) {
                ui::tell(&format!("{hint}\n"));
            }
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let place = &cli.place;
    match cli.command {
        Command::Demo(options) => return demo::run(place, &options),
        Command::Dashboard { bind, config } => return Err(dashboard(place, bind, &config)?),
        Command::Dataset(command) => return data::run(place, &command),
        Command::Services => return servers::run(),
        Command::Upload(options) => {
            return upload::run(&place.addresses(&place.given()?)?.raw_url, &options);
        }
        Command::SampleData { dir, size } => {
            let url = match dir {
                Some(dir) => dir,
                None => place.addresses(&place.given()?)?.raw_url,
            };
            let summary = demo::generate(&size.sample(url.clone()))?;
            ui::print(&format!("{}\n", demo::describe(&summary, &url)));
        }
        Command::Submit(options) => return submit::submit(place, &options),
        Command::Retry(again) => return submit::retry(place, &again),
        Command::Resubmit(again) => return submit::resubmit(place, &again),
        Command::List { output } => {
            let workflows = place.runs()?.list()?;
            match output {
                Some(Output::Json | Output::Yaml) => print_object(&workflows, output)?,
                Some(Output::Name) => workflows
                    .iter()
                    .for_each(|w| ui::print(&format!("{}\n", w.name()))),
                _ => ui::print(&ui::list(&workflows, output == Some(Output::Wide))),
            }
        }
        Command::Runs(options) => tracked::runs(place, &options)?,
        Command::Models(options) => tracked::models(place, &options)?,
        Command::Get { name, output } => print_workflow(&place.runs()?.get(&name)?, output)?,
        Command::Logs { name, node } => {
            logs::print(place, &place.runs()?.get(&name)?, node.as_deref())?
        }
        Command::Lint {
            files,
            output,
            explain,
        } => {
            if let Some(rule) = explain {
                ui::print(&lint::explain(&rule)?);
                return Ok(ExitCode::SUCCESS);
            }
            let whole = Library::load(&place.workflows()?)?;
            let findings = if files.is_empty() {
                lint::lint(&whole, &place.maps()?, programs::command)
            } else {
                {
                    let files = Library::load(&Source::Files(files))?;
                    lint::lint_files(files, whole, &place.maps()?, programs::command)
                }
            };
            match output {
                LintOutput::Json => print_object(&findings, None)?,
                LintOutput::Text => findings
                    .iter()
                    .for_each(|finding| ui::print(&format!("{finding}\n"))),
            }
            let warnings = findings.iter().filter(|found| found.is_warning()).count();
            let count = findings.len() - warnings;
            let also = match warnings {
                0 => String::new(),
                warnings => format!(", {warnings} warning(s)"),
            };
            ui::tell(&if count == 0 {
                format!("no problems found{also}\n")
            } else {
                format!("{count} problem(s) found{also}\n")
            });
            return Ok(if count == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Becomes the program that serves the dashboard; only returns when that fails.
#[expect(clippy::disallowed_methods, reason = "what a run would find")]
fn dashboard(place: &Place, bind: Option<SocketAddr>, config: &str) -> Result<anyhow::Error> {
    let store_url = place.addresses(&place.given()?)?.store_url;
    let maps = place.maps()?;
    let name = format!("alameda-{config}");
    let map = maps.get(&name).ok_or_else(|| {
        let known = maps.known();
        Failure::usage(format!("--config: there is no ConfigMap {name}: {known}"))
    })?;
    // Files, such as features.sql, are no variables.
    let is_variable = |key: &str| !key.contains('.') && std::env::var_os(key).is_none();
    let variables = map
        .iter()
        .filter(|(key, _)| is_variable(key))
        .map(|(key, value)| (key.clone(), value.clone()));
    let arguments = ["serve".to_owned(), format!("--store-url={store_url}")];
    let arguments = arguments
        .into_iter()
        .chain(bind.map(|bind| format!("--bind={bind}")))
        .map(OsString::from);
    Ok(emissary::become_program(
        programs::DASHBOARD.name.as_ref(),
        arguments,
        variables.collect(),
    )
    .into())
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

    /// What the steps of a workflow are told: what was given when it was submitted, else folders of
    /// the home.
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

/// Prints a workflow in the format asked for.
pub(crate) fn print_workflow(workflow: &Workflow, output: Option<Output>) -> Result<()> {
    match output {
        Some(Output::Json | Output::Yaml) => print_object(workflow, output)?,
        Some(Output::Name) => ui::print(&format!("{}\n", workflow.name())),
        Some(Output::Wide) | None => ui::print(&ui::describe(workflow, output.is_some())),
    }
    Ok(())
}

pub(crate) fn print_object(object: &impl Serialize, output: Option<Output>) -> Result<()> {
    let value = serde_json::to_value(object).context("writing the workflow as JSON")?;
    ui::print(&match output {
        Some(Output::Yaml) => yaml::emit(&value),
        _ => format!("{value:#}\n"),
    });
    Ok(())
}

impl demo::Options {
    /// The same as options of the generator.
    pub(crate) fn sample(&self, url: String) -> sample_data::Options {
        sample_data::Options {
            url,
            train_files: self.train_files,
            predict_files: self.predict_files,
            rows_per_file: self.rows_per_file,
            seed: self.seed,
            drift: self.drift.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
        for program in programs::all() {
            (program.command)().debug_assert();
        }
    }
}
