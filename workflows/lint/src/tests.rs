mod cases;
mod commands;
mod docs;
mod leaves;

use std::fs;
use std::path::Path;

use argo::library::Source;
use cases::{CRON, GOOD, KUSTOMIZATION, MAP};

use super::rules;
use super::*;

fn repository(name: &str) -> Source {
    Source::Folder(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(name),
    )
}

#[test]
fn the_repositorys_own_workflows_are_clean() {
    for (workflows, maps) in [
        (repository("workflows"), repository("config-maps")),
        (Source::Embedded, Source::Embedded),
    ] {
        let library = Library::load(&workflows).unwrap();
        assert_eq!((library.templates.len(), library.crons.len()), (12, 1));
        let findings = lint(
            &library,
            &ConfigMaps::load(&maps).unwrap(),
            programs::command,
        );
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

/// What is wrong with `f.yaml`, when `m.yaml` has the ConfigMaps.
fn findings(workflow: &str, map: &str) -> Vec<Finding> {
    findings_with(workflow, map, KUSTOMIZATION)
}

fn findings_with(workflow: &str, map: &str, kustomization: &str) -> Vec<Finding> {
    let home = tempfile::tempdir().unwrap();
    for folder in ["workflows", "maps"] {
        fs::create_dir(home.path().join(folder)).unwrap();
    }
    fs::write(home.path().join("workflows/f.yaml"), workflow).unwrap();
    fs::write(home.path().join("maps/m.yaml"), map).unwrap();
    fs::write(home.path().join("maps/kustomization.yaml"), kustomization).unwrap();
    let library = Library::load(&Source::Folder(home.path().join("workflows"))).unwrap();
    let maps = ConfigMaps::load(&Source::Folder(home.path().join("maps"))).unwrap();
    lint(&library, &maps, programs::command)
}

#[test]
fn a_text_is_a_feature_where_models_json_says_how_it_becomes_numbers() {
    let data = "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"city\", \"type\": \"utf8\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  ";
    let models = "models.json: '{\"candidates\": [{\"family\": \"mean\"}]}'\n  ";
    for (more, refused) in [("", true), (models, false)] {
        let map = MAP.replacen("HOLDOUT:", &format!("{data}{more}HOLDOUT:"), 1);
        let found = findings(&format!("{GOOD}---\n{CRON}"), &map);
        let text = "feature \"city\" is of type Utf8: without models.json a feature is";
        let end = "or leave it out, or give it the role ignored in dataset.json";
        let is_refused = found
            .iter()
            .any(|of| of.rule == "features" && of.text.contains(text) && of.text.contains(end));
        assert_eq!(is_refused, refused, "{found:#?}");
        assert_eq!(found.is_empty(), !refused, "{found:#?}");
    }
}

/// The line of the first occurrence of `part`, from 1.
fn line_of(text: &str, part: &str) -> usize {
    let at = text
        .find(part)
        .unwrap_or_else(|| panic!("`{part}` is nowhere in the file"));
    text[..at].matches('\n').count() + 1
}

/// The files of a case with its faults in them: the workflow, its ConfigMap, the kustomization.
fn broken(case: &cases::Case) -> [String; 3] {
    let workflow = format!("{GOOD}---\n{CRON}");
    let mut files = [workflow, MAP.to_owned(), KUSTOMIZATION.to_owned()];
    for (good, bad) in case.faults {
        let file = files.iter_mut().find(|file| file.contains(good));
        let file = file.unwrap_or_else(|| panic!("{}: `{good}` is nowhere", case.rule));
        *file = file.replacen(good, bad, 1);
    }
    files
}

#[test]
fn each_fault_is_found_by_its_rule_in_its_line() {
    let none: Vec<Finding> = Vec::new();
    assert_eq!(
        findings(&format!("{GOOD}---\n{CRON}"), MAP),
        none,
        "the files without a fault"
    );
    for case in cases::all() {
        let [workflow, map, kustomization] = broken(case);
        let file = match map == MAP && kustomization == KUSTOMIZATION {
            true => ("f.yaml", &workflow),
            false => ("m.yaml", &map),
        };
        let line = if case.at.is_empty() {
            0
        } else {
            line_of(file.1, case.at)
        };
        let found = findings_with(&workflow, &map, &kustomization);
        let expected = |finding: &Finding| {
            finding.rule == case.rule
                && finding.file.ends_with(file.0)
                && (finding.line == line || line == 0)
                && finding.text.contains(case.text)
        };
        assert!(
            found.iter().any(expected),
            "{} with `{}` in line {line}: {found:#?}",
            case.rule,
            case.text
        );
    }
}

#[test]
fn more_than_argo_takes_is_found() {
    let many = |line: &dyn Fn(usize) -> String| (0..199).map(line).collect::<String>();
    let task = |i| {
        format!(
            "      - {{name: t{i}, template: map, arguments: {{parameters: [{{name: plan, value: a}}, {{name: group, value: a}}]}}}}\n"
        )
    };
    let tasks = GOOD.replacen(
        "      - name: one\n",
        &(many(&task) + "      - name: one\n"),
        1,
    );
    let templates = many(&|i| format!("  - {{name: t{i}, suspend: {{}}}}\n"));
    let templates = GOOD.replacen("  - name: bye\n", &(templates + "  - name: bye\n"), 1);
    for (workflow, at, text) in [
        (tasks, "      tasks:", "there are 202 tasks"),
        (templates, "  templates:", "there are 202 templates"),
    ] {
        let found = findings(&workflow, MAP);
        let [finding] = found.as_slice() else {
            panic!("{found:#?}")
        };
        assert_eq!(
            (finding.rule, finding.line, &*finding.text),
            ("too-many", line_of(&workflow, at), text)
        );
    }
}

#[test]
fn every_rule_has_a_fault_that_it_finds() {
    for rule in rules::all() {
        assert!(
            cases::all().any(|case| case.rule == rule.name),
            "{} has no case",
            rule.name
        );
    }
    for case in cases::all() {
        assert!(
            rules::all().any(|rule| rule.name == case.rule),
            "{} is no rule",
            case.rule
        );
    }
}

#[test]
fn what_argo_allows_and_this_runner_does_not_run_is_no_fault() {
    let more = "  - name: approve\n    suspend: {duration: '60'}\n  - name: sh\n    steps:\n    - - {name: a, template: map, hooks: {exit: {template: approve}}}\n";
    let workflow = GOOD.replacen("  - name: map\n", &format!("{more}  - name: map\n"), 1);
    let workflow = workflow.replacen(
        "depends: one.Succeeded || one.Skipped",
        "dependencies: [one]",
        1,
    );
    let none: Vec<Finding> = Vec::new();
    assert_eq!(findings(&workflow, MAP), none);
    let typo = workflow.replacen("hooks:", "hoks:", 1);
    let found = findings(&typo, MAP);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (found[0].rule, found[0].line),
        ("unknown-field", line_of(&typo, "hoks"))
    );
}

#[test]
fn a_condition_needs_no_quotes_around_one_of_some_words() {
    let gate = "  - name: gate\n    inputs: {parameters: [{name: answer, default: no_answer, enum: ['yes', no_answer]}]}\n    outputs: {parameters: [{name: answer, valueFrom: {supplied: {}, default: no_answer}}]}\n    suspend: {duration: 1h}\n";
    let workflow = GOOD.replacen("  - name: bye\n", &format!("{gate}  - name: bye\n"), 1);
    let workflow = workflow.replacen(
        "      - name: one\n",
        "      - {name: ask, template: gate}\n      - name: one\n",
        1,
    );
    let workflow = workflow.replacen("depends: one.Succeeded", "depends: ask && one.Succeeded", 1);
    let when = "when: \"'{{tasks.one.status}}' != x\"";
    let words =
        "when: '{{inputs.parameters.p}} == a || {{tasks.ask.outputs.parameters.answer}} == yes'";
    let workflow = workflow.replacen(when, words, 1);
    let none: Vec<Finding> = Vec::new();
    assert_eq!(findings(&workflow, MAP), none);
    for (good, bad) in [
        ("enum: [a, b]", "enum: [a, b-c]"),
        ("['yes', no_answer]", "['yes', no_answer, not now]"),
    ] {
        let found = findings(&workflow.replacen(good, bad, 1), MAP);
        assert_eq!(
            (found.len(), found[0].rule, found[0].line),
            (1, "when", line_of(&workflow, "when: ")),
            "{found:#?}"
        );
    }
}

#[test]
fn a_patch_may_set_memory_by_an_expression_that_only_argo_understands() {
    let memory =
        r#"{"name":"main","resources":{"limits":{"memory":"{{=asInt(retries) * 64 + 64}}Mi"}}},"#;
    let workflow = GOOD.replacen("        limits: {memory: 64Mi}\n", "", 1);
    let workflow = workflow.replacen(
        r#""containers":["#,
        &format!(r#""containers":[{memory}"#),
        1,
    );
    let none: Vec<Finding> = Vec::new();
    assert_eq!(findings(&workflow, MAP), none);
    let typo = workflow.replacen(
        r#"{"name":"main""#,
        r#"{"name":"main","image":"{{workflow.nmae}}""#,
        1,
    );
    let found = findings(&typo, MAP);
    assert_eq!(
        (found.len(), found[0].rule, found[0].line),
        (1, "tag", line_of(&typo, "podSpecPatch")),
        "{found:#?}"
    );
}

#[test]
fn a_finding_prints_as_a_compiler_does() {
    let [workflow, map, _] = broken(
        cases::all()
            .find(|case| case.rule == "retry-limit")
            .unwrap(),
    );
    let found = findings(&workflow, &map);
    let printed = found[0].to_string();
    let line = line_of(&workflow, "retryStrategy");
    assert!(
        printed.ends_with(&format!(
            "/f.yaml:{line}:5: good.spec.templates[2].retryStrategy: a leaf has no `retryStrategy.limit` [retry-limit]\n    \
             help: set `retryStrategy.limit`, such as `'2'`"
        )),
        "{printed}"
    );
}

#[test]
fn the_readme_lists_the_fields_that_explain_prints() {
    let readme = include_str!("../../local-runner/README.md");
    assert!(
        readme.contains(&argo::schema::explain()),
        "README.md differs from `alameda lint --explain`:\n{}",
        argo::schema::explain()
    );
}
