//! Exit handlers: what they alone know, and what they can't rely on.

use std::collections::BTreeSet;

use argo::raw::{list, text, texts};

use super::{Context, Linter};

impl Linter<'_> {
    /// What exit handlers alone know, and what they can't rely on.
    pub(super) fn exits(&mut self) {
        let spec = self.of.spec;
        let (main, exit) = (
            self.of.reached(text(spec, "entrypoint")),
            self.of.reached(text(spec, "onExit")),
        );
        for (i, template) in list(spec, "templates").iter().enumerate() {
            let name = text(template, "name");
            for (path, text) in texts(template) {
                let Ok(names) = argo::template::variables(text) else {
                    continue;
                }; // Reported as a tag.
                for variable in names {
                    let late =
                        ["workflow.status", "workflow.failures"].contains(&variable.as_str());
                    let (rule, text) = match (main.contains(name), exit.contains(name)) {
                        (true, _) if late => (
                            "exit-variable",
                            format!("{{{{{variable}}}}} is not known before the end"),
                        ),
                        (_, true) if variable.starts_with("workflow.outputs.") => {
                            ("exit-outputs", format!("{{{{{variable}}}}} may be absent"))
                        }
                        _ => continue,
                    };
                    self.at(&format!(".templates[{i}]{path}"), |l| l.find(rule, text));
                }
            }
        }
    }
}

impl<'a> Context<'a> {
    /// Names of the templates of this workflow that one of them reaches.
    fn reached(&self, start: &str) -> BTreeSet<&'a str> {
        let templates = list(self.spec, "templates");
        let (mut found, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(name) = open.pop() {
            let Some(template) = templates
                .iter()
                .find(|template| text(template, "name") == name)
            else {
                continue;
            };
            if found.insert(text(template, "name")) {
                open.extend(
                    list(template, "dag.tasks")
                        .iter()
                        .map(|task| text(task, "template")),
                );
            }
        }
        found
    }
}
