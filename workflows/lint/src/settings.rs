//! Settings in ConfigMaps, by what the steps themselves take.

use std::ffi::OsString;

use argo::config_maps::ConfigMaps;
use argo::finding::{Finding, Severity};
use runtime::step::Problem;
use settings::{self, ConfigMapKeys};

use super::parameters::secret;
use crate::rules::finding;

/// A name that is almost that of a setting is misspelt, a secret has no place in a ConfigMap, and a
/// value that a step would refuse is refused now.
pub(super) fn check(maps: &ConfigMaps, in_use: &dyn Fn(&str) -> bool, findings: &mut Vec<Finding>) {
    for (map, keys) in maps.all().filter(|(map, _)| in_use(map)) {
        let mut find = |rule, key: &str, severity, text: String| {
            let (file, line) = maps.place(map, key);
            findings.push(Finding {
                line,
                severity,
                ..finding(rule, file, format!("{map}.data.{key}"), text)
            });
        };
        let secrets = |key: &str| secret(key, keys.get(key).map_or("", String::as_str));
        for key in keys.keys().filter(|key| !key.contains('.')) {
            if let Some(why) = secrets(key) {
                find("secret", key, Severity::Error, why.to_owned());
            }
        }
        let names: ConfigMapKeys = keys.keys().filter(|key| secrets(key).is_none()).collect();
        for name in names.unread() {
            find(
                "setting",
                name,
                Severity::Warning,
                format!("no step reads {name}"),
            );
        }
        let value = |name: &str| keys.get(name).map(OsString::from);
        for problem in settings::wrong(value, &names) {
            let rule = match settings::is_known(&problem.name) {
                true => "setting-value",
                false => "setting",
            };
            find(rule, &problem.name, Severity::Error, problem.text);
        }
    }
}

/// A value that a step would refuse, at its place in a ConfigMap.
pub(super) fn value_of(maps: &ConfigMaps, map: &str, problem: Problem) -> Finding {
    let (file, line) = maps.place(map, &problem.name);
    let path = format!("{map}.data.{}", problem.name);
    Finding {
        line,
        ..finding("setting-value", file, path, problem.text)
    }
}
