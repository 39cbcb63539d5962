//! The command line: Argo's words, without a cluster.

mod logs;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use argo::library::{Library, Source};
use clap::{Parser, Subcommand, ValueEnum};
use runtime::failure::{self, Failure};

use crate::output::{Output, print_object, print_workflow};
use crate::place::Place;
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
            // Nobody is left to read it when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            ui::eprint(&format!("error: {error:#}\n"));
            if let Some(hint) = failure::hint(&error) {
                ui::eprint(&format!("{hint}\n"));
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
            ui::eprint(&if count == 0 {
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
