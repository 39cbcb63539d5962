#![doc = include_str!("../README.md")]

use std::process::ExitCode;

/// A program of Alameda, linked into this binary.
pub struct Program {
    /// Name of the program, the image and the `step` field of a log line.
    pub name: &'static str,
    /// What the container runs.
    pub main: fn() -> ExitCode,
    /// Its command line.
    pub command: fn() -> clap::Command,
}

/// Every step.
pub const STEPS: [Program; 6] = [
    Program {
        name: "data-prep",
        main: data_prep::main,
        command: data_prep::command,
    },
    Program {
        name: "model-training",
        main: model_training::main,
        command: model_training::command,
    },
    Program {
        name: "model-promotion",
        main: model_promotion::main,
        command: model_promotion::command,
    },
    Program {
        name: "batch-inference",
        main: batch_inference::main,
        command: batch_inference::command,
    },
    Program {
        name: "publish-predictions",
        main: publish_predictions::main,
        command: publish_predictions::command,
    },
    Program {
        name: "model-monitoring",
        main: model_monitoring::main,
        command: model_monitoring::command,
    },
];

/// It serves, and so is in no workflow and has no leaf.
pub const DASHBOARD: Program = Program {
    name: "dashboard",
    main: dashboard::main,
    command: dashboard::command,
};

/// Every program.
pub fn all() -> impl Iterator<Item = &'static Program> {
    STEPS.iter().chain([&DASHBOARD])
}

/// The program of that name.
pub fn find(name: &str) -> Option<&'static Program> {
    all().find(|program| program.name == name)
}

/// The command line of the program of that name.
pub fn command(name: &str) -> Option<clap::Command> {
    find(name).map(|program| (program.command)())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use argo::yaml;

    use super::*;

    /// The variables of a command's flags and of those of its verbs.
    fn variables(command: &clap::Command) -> BTreeSet<String> {
        let own = command.get_arguments().filter_map(clap::Arg::get_env);
        let own = own.map(|name| name.to_string_lossy().into_owned());
        let of_verbs = command.get_subcommands().flat_map(variables);
        own.chain(of_verbs).collect()
    }

    fn of_settings() -> BTreeSet<String> {
        variables(&clap::Command::new("settings").args(settings::all()))
    }

    #[test]
    fn workflows_call_them_by_these_names() {
        assert_eq!(STEPS.map(|step| step.name), argo::steps::STEPS);
        assert_eq!(DASHBOARD.name, argo::steps::DASHBOARD);
    }

    #[test]
    fn every_variable_that_a_step_reads_is_a_setting_and_every_setting_is_read() {
        let read = all()
            .flat_map(|program| variables(&(program.command)()))
            .collect::<BTreeSet<String>>();
        assert_eq!(read, of_settings());
    }

    #[test]
    fn every_setting_of_the_config_maps_exists() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config-maps");
        let mut found = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for document in yaml::load(&text).unwrap() {
                if document["kind"] != "ConfigMap" {
                    continue;
                }
                for name in document["data"].as_object().unwrap().keys() {
                    found += 1;
                    assert!(settings::is_known(name), "{}: {name}", path.display());
                }
            }
        }
        assert!(found > 0, "no ConfigMap in {folder}");
    }
}
