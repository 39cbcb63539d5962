//! Where the programs of the services are.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// The folder that `just install-services` installs into: `$ALAMEDA_SERVICES`, else
/// `alameda/services` in the user's cache.
#[expect(clippy::disallowed_methods, reason = "where programs are installed")]
pub fn place() -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("ALAMEDA_SERVICES").unwrap_or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        cache
            .unwrap_or_else(std::env::temp_dir)
            .join("alameda/services")
    })
}

/// A program in that folder.
pub fn program(path: &str) -> Result<PathBuf> {
    let program = place().join(path);
    match program.is_file() {
        true => Ok(program),
        false => bail!(
            "{} is missing: run `just install-services`",
            program.display()
        ),
    }
}

/// The Python that has MLflow's client, pandas and the like.
pub fn python() -> Result<PathBuf> {
    program("venv/bin/python")
}
