//! The programs that this binary can be, each under its own name: six steps, and the dashboard.

use std::process::ExitCode;

/// A program of Alameda, linked into this binary.
pub struct Step {
    /// Name of the program, the image and the `step` field of a log line.
    pub name: &'static str,
    /// What the container runs.
    pub main: fn() -> ExitCode,
    /// Its command line.
    pub command: fn() -> clap::Command,
}

/// Every step.
pub const STEPS: [Step; 6] = [
    Step {
        name: "data-prep",
        main: data_prep::main,
        command: data_prep::command,
    },
    Step {
        name: "model-training",
        main: model_training::main,
        command: model_training::command,
    },
    Step {
        name: "model-promotion",
        main: model_promotion::main,
        command: model_promotion::command,
    },
    Step {
        name: "batch-inference",
        main: batch_inference::main,
        command: batch_inference::command,
    },
    Step {
        name: "publish-predictions",
        main: publish_predictions::main,
        command: publish_predictions::command,
    },
    Step {
        name: "model-monitoring",
        main: model_monitoring::main,
        command: model_monitoring::command,
    },
];

/// It serves, and so is in no workflow and has no leaf.
pub const DASHBOARD: Step = Step {
    name: "dashboard",
    main: dashboard::main,
    command: dashboard::command,
};

/// Every program.
pub fn programs() -> impl Iterator<Item = &'static Step> {
    STEPS.iter().chain([&DASHBOARD])
}

/// The program of that name.
pub fn find(name: &str) -> Option<&'static Step> {
    programs().find(|program| program.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::yaml;

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
    fn every_variable_that_a_step_reads_is_a_setting_and_every_setting_is_read() {
        let read = programs()
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
