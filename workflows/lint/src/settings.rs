//! Settings in ConfigMaps, by what the steps themselves take.

use std::collections::BTreeSet;
use std::ffi::OsString;

use argo::config_maps::ConfigMaps;
use argo::finding::{Finding, Severity};
use argo::library::Library;
use runtime::spelling::nearest;
use runtime::step::Problem;
use settings::{self, ConfigMapKeys};

use super::OUR_MAPS;
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

/// ConfigMaps that a cluster has otherwise than a local run.
pub(super) fn differing(
    maps: &ConfigMaps,
    in_use: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) {
    let differences = maps.differences().iter().filter(|of| in_use(&of.map));
    findings.extend(differences.map(|of| Finding {
        severity: Severity::Warning,
        ..finding("kustomization", &of.file, of.map.as_str(), of.text.as_str())
    }));
}

/// ConfigMaps with almost the name of one that workflows ask for by default, and that is not there.
pub(super) fn misnamed(library: &Library, maps: &ConfigMaps, findings: &mut Vec<Finding>) {
    let entries = library.templates.values().chain(library.crons.values());
    let parameters = entries.flat_map(|entry| &entry.spec.arguments.parameters);
    let configs = parameters.filter(|parameter| parameter.name == "config");
    let asked = configs.filter_map(|parameter| parameter.given());
    let asked: BTreeSet<String> = asked.map(|config| format!("{OUR_MAPS}{config}")).collect();
    let missing = asked.iter().filter(|name| maps.get(name).is_none());
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    for (map, keys) in maps.all().filter(|(map, _)| !asked.contains(*map)) {
        let Some(meant) = nearest(map, missing.iter().copied()) else {
            continue;
        };
        let first = keys.keys().next().map_or("", String::as_str);
        let (file, line) = maps.place(map, first);
        let text =
            format!("no workflow reads the ConfigMap {map} by default: did you mean {meant}?");
        findings.push(Finding {
            line,
            ..finding("setting", file, map, text)
        });
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
