//! Parameters, inputs and outputs.

use argo::raw::{get, has, list, plain, text};
use argo::template::SCHEDULED_TIME;
use serde_json::Value;
use store::Environment;

use super::tags::has_name;
use super::{DESCRIPTION, Linter};

/// What the last words of a secret's name are.
const SECRET_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "credentials",
    "access-key",
    "api-key",
    "private-key",
    // Whoever has the address of a webhook can send to it.
    "notify-url",
];
/// How secrets of the large providers begin.
const SECRET_VALUES: [&str; 7] = [
    "AKIA",
    "ASIA",
    "-----BEGIN ",
    "ghp_",
    "github_pat_",
    "xoxb-",
    "glpat-",
];
const BOOLEANS: [&str; 6] = ["true", "false", "yes", "no", "on", "off"];

/// The value that a parameter has of itself.
pub(super) fn given(parameter: &Value) -> Option<String> {
    let value = [get(parameter, "value"), get(parameter, "default")]
        .into_iter()
        .find(|value| !value.is_null());
    value.map(plain)
}

/// Why something looks like a secret that is in the open.
pub(super) fn secret(name: &str, value: &str) -> Option<&'static str> {
    let words = name.to_ascii_lowercase().replace(['_', '.'], "-");
    // PGPASSWORD is one word.
    let ends = |secret: &str| {
        words.ends_with(secret)
            && (secret.starts_with("pass") || words.ends_with(&format!("-{secret}")))
    };
    let named = |secret: &&str| words == **secret || ends(secret);
    if Environment::is_secret(name) || SECRET_NAMES.iter().any(named) {
        return Some("has the name of a secret");
    }
    let login = value
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next()?.split_once('@'));
    let with_password = login
        .and_then(|(login, _)| login.split_once(':'))
        .is_some_and(|(_, password)| {
            !password.is_empty() && !password.contains("{{") && !password.starts_with('$')
        });
    let known = SECRET_VALUES.iter().any(|start| value.starts_with(start)) && value.len() > 16;
    (known || with_password).then_some("holds what looks like a secret")
}

impl<'a> Linter<'a> {
    /// The workflow's own parameters.
    pub(super) fn parameters(&mut self, is_cron: bool) {
        let spec = self.of.spec;
        let is_submitted = has(spec, "entrypoint") && !is_cron;
        let annotations = get(&self.of.entry.raw, "metadata.annotations");
        if is_submitted && annotations.get(DESCRIPTION).is_none() {
            self.find(
                "description",
                format!("a template to submit needs the annotation `{DESCRIPTION}`"),
            );
        }
        for (i, parameter) in list(spec, "arguments.parameters").iter().enumerate() {
            self.at(&format!(".arguments.parameters[{i}]"), |l| {
                l.parameter(parameter);
                let name = text(parameter, "name");
                if has_name(&list(spec, "arguments.parameters")[..i], name) {
                    l.find("duplicate", format!("there is another parameter `{name}`"));
                }
                if is_submitted && text(parameter, "description").is_empty() {
                    l.find(
                        "description",
                        format!("the parameter `{name}` has no description"),
                    );
                }
                let value = given(parameter).unwrap_or_default();
                if BOOLEANS.contains(&value.as_str()) && !has(parameter, "enum") && is_submitted {
                    l.find(
                        "boolean",
                        format!("`{name}` is `{value}`, and any text may be given"),
                    );
                }
                let of = l.of;
                l.tags(&value, &|name| {
                    of.names_workflow(name) || is_cron && name == SCHEDULED_TIME
                });
            });
        }
    }

    /// Any parameter.
    pub(super) fn parameter(&mut self, parameter: &'a Value) {
        let (name, value) = (
            text(parameter, "name"),
            given(parameter).unwrap_or_default(),
        );
        if has(parameter, "value") && has(parameter, "valueFrom") {
            self.find(
                "two-values",
                format!("`{name}` has both `value` and `valueFrom`"),
            );
        }
        if let Some(why) = secret(name, &value) {
            self.find("secret", format!("the parameter `{name}` {why}"));
        }
        self.in_enum(
            parameter,
            &value,
            format!("the default `{value}` of `{name}` is not in its enum"),
        );
    }

    pub(super) fn in_enum(&mut self, parameter: &'a Value, value: &str, text: String) {
        let choices = list(parameter, "enum");
        let is_literal = !value.contains("{{") && (!value.is_empty() || has(parameter, "value"));
        if is_literal && !choices.is_empty() && !choices.iter().any(|choice| plain(choice) == value)
        {
            self.find("enum", text);
        }
    }

    pub(super) fn inputs(&mut self, template: &'a Value) {
        let inputs = get(template, "inputs");
        self.each(inputs, "parameters", |l, input| {
            l.parameter(input);
            // A gate's are what Argo's UI asks with.
            for field in ["description", "enum"] {
                if has(input, field) && !has(template, "suspend") {
                    l.at(&format!(".{field}"), |l| {
                        l.find("node-size", format!("the input has the field `{field}`"))
                    });
                }
            }
            let value = given(input).unwrap_or_default();
            let of = l.of;
            l.tags(&value, &|name| of.names_workflow(name));
        });
    }

    /// Templates take the workflow's parameters as inputs, whose defaults outlive `argo retry -p`.
    pub(super) fn by_inputs(&mut self) {
        let spec = self.of.spec;
        let own = list(spec, "arguments.parameters");
        let default = |name: &str| {
            let parameter = own.iter().find(|parameter| text(parameter, "name") == name);
            parameter.and_then(given)
        };
        let ends = [text(spec, "entrypoint"), text(spec, "onExit")];
        self.each(spec, "templates", |l, template| {
            for (path, text) in super::texts(template) {
                let names = argo::template::variables(text).unwrap_or_default();
                for name in names {
                    let parameter = name.strip_prefix("workflow.parameters.");
                    if parameter.and_then(default).is_some() {
                        let what = format!("{{{{{name}}}}} is read in a template");
                        l.at(&path, |l| l.find("workflow-parameter", what));
                    }
                }
            }
            if !ends.contains(&text(template, "name")) {
                return;
            }
            l.at(".inputs", |l| {
                l.each(get(template, "inputs"), "parameters", |l, input| {
                    let (name, own) = (text(input, "name"), given(input));
                    if let Some(value) = default(name).filter(|value| own.as_ref() != Some(value)) {
                        let here = own.map_or("nothing".to_owned(), |own| format!("`{own}`"));
                        let what = format!("the default of `{name}` is {here}, not `{value}`");
                        l.find("input-default", what);
                    }
                });
            });
        });
    }

    pub(super) fn outputs(&mut self, template: &'a Value) {
        let outputs = get(template, "outputs");
        self.each(outputs, "parameters", |l, output| {
            let name = text(output, "name");
            if !has(output, "valueFrom.default") {
                l.find(
                    "output-default",
                    format!("the output `{name}` has no `valueFrom.default`"),
                );
            }
        });
        self.each(outputs, "artifacts", |l, artifact| {
            l.artifact(artifact, template)
        });
    }

    /// A parameter of a CronWorkflow that is the scheduled time, in a field that is filled only
    /// once.
    pub(super) fn one_pass(&mut self, parameter: &'a Value, target: &'a Value) {
        if !given(parameter).is_some_and(|value| value.contains(SCHEDULED_TIME)) {
            return;
        }
        let tag = format!("workflow.parameters.{}", text(parameter, "name"));
        for field in [
            "synchronization",
            "workflowMetadata",
            "podMetadata",
            "metrics",
        ] {
            if super::texts(get(target, field))
                .iter()
                .any(|(_, text)| text.contains(&tag))
            {
                self.find(
                    "one-pass",
                    format!("`{field}` of the template uses it, and would get the literal tag"),
                );
            }
        }
    }
}
