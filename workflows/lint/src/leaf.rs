//! Checks of leaves: what their pods need.

use std::path::Path;

use argo::expr::{self, Dialect};
use argo::raw::{get, has, list, plain, text, texts};
use argo::spec::{DEADLINE, place};
use argo::{spec, yaml};
use serde_json::Value;

use super::Linter;
use super::parameters::secret;
use super::tags::has_name;

const POLICIES: [&str; 4] = ["Always", "OnFailure", "OnError", "OnTransientError"];
const LAST_RETRY: [&str; 5] = [
    "lastRetry.status",
    "lastRetry.exitCode",
    "lastRetry.message",
    "lastRetry.duration",
    "retries",
];

impl<'a> Linter<'a> {
    /// A template whose pod runs `container` or `script`.
    pub(super) fn leaf(&mut self, template: &'a Value, kind: &str) {
        let container = get(template, kind);
        if !has(template, "activeDeadlineSeconds") && !has(template, "timeout") {
            self.find("deadline", "a leaf has no `activeDeadlineSeconds`");
        }
        if has(template, "pendingTimeout") && has(template, "retryStrategy") {
            self.at(".pendingTimeout", |l| {
                l.find("pending-timeout", "the leaf has a `pendingTimeout`")
            });
        }
        self.retry(template);
        self.security(template, kind);
        self.pod_parameters(template, kind);
        for beside in ["initContainers", "sidecars"] {
            self.each(template, beside, |l, container| {
                l.image(container);
                l.container_security(container, "");
            });
        }
        self.each(template, "outputs.parameters", |l, output| {
            l.path(text(output, "valueFrom.path"));
        });
        self.each(template, "outputs.artifacts", |l, artifact| {
            l.path(text(artifact, "path"))
        });
        let of = self.of;
        let known = |name: &str| of.known_in_leaf(template, name);
        for field in [kind, "volumes", "synchronization"] {
            self.all_tags(template, field, &known);
        }
        // The runner evaluates no patch, so its expressions may be all that Argo knows.
        let simple = text(template, "podSpecPatch").replace("{{=", "");
        self.at(".podSpecPatch", |l| l.tags(&simple, &known));
        self.at(&format!(".{kind}"), |l| {
            l.image(container);
            if kind == "container" && list(container, "command").is_empty() {
                l.find("command", "there is no `command`");
            }
            l.each(container, "volumeMounts", |l, mount| {
                let name = text(mount, "name");
                if !has_name(list(template, "volumes"), name) {
                    let of_spec = has_name(list(of.spec, "volumes"), name);
                    let more = if of_spec { ": it is in the spec" } else { "" };
                    l.find(
                        "volume",
                        format!("this template has no volume `{name}`{more}"),
                    );
                }
            });
            l.each(container, "env", |l, variable| {
                let (name, value) = (text(variable, "name"), plain(get(variable, "value")));
                let is_open = has(variable, "value") || has(variable, "valueFrom.configMapKeyRef");
                if let Some(why) = secret(name, &value).filter(|_| is_open) {
                    l.find("secret", format!("the variable `{name}` {why}"));
                }
            });
            let program = list(container, "command").first().and_then(Value::as_str);
            if let Some(command) = program.and_then(l.of.commands) {
                l.at(".args", |l| l.command_line(command, template, container));
            }
        });
    }

    fn path(&mut self, path: &str) {
        if !place(Path::new(""), path).is_some_and(|place| place.starts_with("outputs")) {
            self.find(
                "output-path",
                format!("the path `{path}` is not in /work/out"),
            );
        }
    }

    fn image(&mut self, container: &'a Value) {
        let image = text(container, "image");
        let name = image.rsplit('/').next().unwrap_or_default();
        let tag = name.rsplit_once(':').map(|(_, tag)| tag);
        let what = match tag {
            _ if image.is_empty() => "there is no `image`".to_owned(),
            Some("latest") => format!("`{image}` can be another image tomorrow"),
            None if !image.contains('@') && !name.starts_with("{{") => {
                format!("`{image}` has no tag")
            }
            _ if image.starts_with("argoproj/") => format!("`{image}` is no longer on Docker Hub"),
            _ => return,
        };
        self.at(".image", |l| l.find("image", what));
    }

    fn security(&mut self, template: &'a Value, kind: &str) {
        let container = get(template, kind);
        let is =
            |holder: &Value, path: &str, wanted: bool| get(holder, path) == &Value::Bool(wanted);
        let patch = yaml::load(text(template, "podSpecPatch")).unwrap_or_default();
        let patched = |list_of: &str, name: &str| {
            let containers = patch.first().map_or(&[][..], |patch| list(patch, list_of));
            containers
                .iter()
                .find(|container| text(container, "name") == name)
                .unwrap_or(&Value::Null)
        };
        for path in ["requests.cpu", "limits.memory"] {
            let path = format!("resources.{path}");
            if !has(container, &path) && !has(patched("containers", "main"), &path) {
                self.at(&format!(".{kind}.resources"), |l| {
                    l.find("resources", format!("there is no `{path}`"))
                });
            }
        }
        let own = |path: &str| {
            has(container, "securityContext") && has(container, &format!("securityContext.{path}"))
        };
        for (holds, path) in [
            (
                is(template, "securityContext.runAsNonRoot", true) || own("runAsNonRoot"),
                "runAsNonRoot: true",
            ),
            (
                has(template, "securityContext.seccompProfile.type") || own("seccompProfile.type"),
                "seccompProfile.type",
            ),
        ] {
            if !holds {
                self.at(".securityContext", |l| {
                    l.find("pod-security", format!("set `securityContext.{path}`"))
                });
            }
        }
        self.at(&format!(".{kind}"), |l| {
            l.container_security(container, &format!("{kind}."));
        });
        if !is(template, "automountServiceAccountToken", false) {
            self.at(".automountServiceAccountToken", |l| {
                l.find("token", "the container's token is mounted")
            });
        }
        for (list_of, name) in [("initContainers", "init"), ("containers", "wait")] {
            let context = get(patched(list_of, name), "securityContext");
            if !is(context, "allowPrivilegeEscalation", false) || !drops_all(context) {
                let what =
                    format!("`{name}` lacks `allowPrivilegeEscalation: false` or `drop: [ALL]`");
                self.at(".podSpecPatch", |l| l.find("pod-spec-patch", what));
            }
        }
    }

    /// The security context of one container, `holder` being what is before it in messages.
    fn container_security(&mut self, container: &'a Value, holder: &str) {
        let context = get(container, "securityContext");
        let is = |path: &str, wanted: bool| get(context, path) == &Value::Bool(wanted);
        for (holds, path) in [
            (
                is("allowPrivilegeEscalation", false),
                "allowPrivilegeEscalation: false",
            ),
            (
                is("readOnlyRootFilesystem", true),
                "readOnlyRootFilesystem: true",
            ),
            (drops_all(context), "capabilities: {drop: [ALL]}"),
        ] {
            if !holds {
                self.at(".securityContext", |l| {
                    let what = format!("set `{holder}securityContext.{path}`");
                    l.find("pod-security", what)
                });
            }
        }
    }

    /// What runs, and as whom, is no matter of those who submit.
    fn pod_parameters(&mut self, template: &'a Value, kind: &str) {
        let mut places = vec![
            (".podSpecPatch".to_owned(), get(template, "podSpecPatch")),
            (
                ".serviceAccountName".to_owned(),
                get(template, "serviceAccountName"),
            ),
            (
                format!(".{kind}.source"),
                get(template, kind).get("source").unwrap_or(&Value::Null),
            ),
        ];
        let of_kind = (format!(".{kind}"), get(template, kind));
        let beside = ["initContainers", "sidecars"]
            .into_iter()
            .flat_map(|field| {
                let containers = list(template, field).iter().enumerate();
                containers.map(move |(i, container)| (format!(".{field}[{i}]"), container))
            });
        for (path, container) in std::iter::once(of_kind).chain(beside) {
            for field in ["image", "command"] {
                places.push((format!("{path}.{field}"), get(container, field)));
            }
        }
        for (path, value) in places {
            for (part, text) in texts(value) {
                if let Some(tag) = parameter_tag(text) {
                    self.at(&format!("{path}{part}"), |l| {
                        l.find(
                            "pod-parameter",
                            format!("`{{{{{tag}}}}}` is set by the submitter"),
                        )
                    });
                }
            }
        }
    }

    fn retry(&mut self, template: &'a Value) {
        let strategy = get(template, "retryStrategy");
        self.at(".retryStrategy", |l| {
            let limit = get(strategy, "limit");
            if limit.is_null() {
                return l.find("retry-limit", "a leaf has no `retryStrategy.limit`");
            }
            let policy = text(strategy, "retryPolicy");
            let expression = text(strategy, "expression");
            let what = match policy {
                "" => Some("there is no `retryPolicy`".to_owned()),
                policy if !POLICIES.contains(&policy) => {
                    Some(format!("there is no retryPolicy `{policy}`"))
                }
                "OnFailure" | "OnTransientError" => Some(format!(
                    "`{policy}` leaves pods that were deleted or evicted: use `Always` with an \
                     expression"
                )),
                _ => None,
            };
            if let Some(what) = what {
                l.at(".retryPolicy", |l| l.find("retry-policy", what));
            }
            let backoff = get(strategy, "backoff");
            for (path, value) in [
                (".limit", limit),
                (".backoff.factor", get(backoff, "factor")),
            ] {
                let value = plain(value);
                if !value.is_empty() && !value.contains("{{") && value.parse::<u32>().is_err() {
                    l.at(path, |l| {
                        l.find("retry-value", format!("`{value}` is not a whole number"))
                    });
                }
            }
            for field in ["duration", "cap", "maxDuration"] {
                let value = plain(get(backoff, field));
                if let Some(error) = spec::duration(&value)
                    .err()
                    .filter(|_| !value.is_empty() && !value.contains("{{"))
                {
                    l.at(&format!(".backoff.{field}"), |l| {
                        l.find("retry-value", error)
                    });
                }
            }
            if has(backoff, "maxDuration") {
                l.at(".backoff.maxDuration", |l| {
                    l.find("retry-max-duration", "ends later attempts early")
                });
            }
            if retries_deadline(policy, expression) {
                l.find(
                    "deadline-retry",
                    "a leaf that reached its deadline is retried",
                );
            }
            if !expression.is_empty() {
                l.at(".expression", |l| {
                    match expr::parse(expression, Dialect::Variables) {
                        Ok(parsed) => {
                            for name in parsed
                                .names()
                                .into_iter()
                                .filter(|name| !LAST_RETRY.contains(name))
                            {
                                l.find("retry-expression", format!("unknown name `{name}`"));
                            }
                        }
                        Err(error) => l.find("retry-expression", error),
                    }
                });
            }
        });
    }
}

/// Whether a strategy tries a pod again that the kubelet ended at its deadline.
fn retries_deadline(policy: &str, expression: &str) -> bool {
    let deadline = |name: &str| {
        let text = match name {
            "lastRetry.status" => "Failed",
            "lastRetry.exitCode" => "137",
            "lastRetry.message" => DEADLINE,
            "lastRetry.duration" => "60",
            "retries" => "0",
            _ => return None,
        };
        Some(expr::Value::Text(text.to_owned()))
    };
    let holds = || expr::holds(expression, Dialect::Variables, &deadline).unwrap_or(false);
    policy != "OnError" && (expression.is_empty() || holds())
}

/// The first tag of a text by which somebody's text gets in; what passes through `asInt` is a
/// number.
fn parameter_tag(text: &str) -> Option<&str> {
    let tags = text.split("{{").skip(1);
    let mut tags = tags.filter_map(|rest| rest.split("}}").next());
    tags.find(|tag| {
        let mut open = (*tag).to_owned();
        while let Some((before, rest)) = open.split_once("asInt(") {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            open = format!("{before}{after}");
        }
        let names = ["parameters", "item", "tasks.", "steps."];
        names.iter().any(|name| open.contains(name))
    })
}

fn drops_all(context: &Value) -> bool {
    list(context, "capabilities.drop")
        .iter()
        .any(|capability| capability == "ALL")
}
