use serde_json::json;

use super::*;

fn workflow(reused: &str) -> Workflow {
    let parameters = |values: &[(&str, &str)]| -> serde_json::Value {
        let list: Vec<_> = values
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        json!({ "parameters": list })
    };
    let node = |id: &str, kind: &str, template: &str, outputs: &[(&str, &str)]| {
        json!({
            "id": id, "name": id, "displayName": id, "type": kind, "templateName": template, "templateScope": "namespaced/t",
            "phase": "Succeeded", "startedAt": "2026-11-24T12:00:00Z", "finishedAt": "2026-11-24T12:00:02Z",
            "peakMemoryBytes": 130_000_000_u64, "outputs": parameters(outputs)
        })
    };
    let outputs = [
        ("rows-trained", "450000"),
        ("rows-scored", "200000"),
        ("model-version", "3"),
        ("champion-version", "2"),
        ("promoted", "false"),
        ("accuracy", "0.7087"),
        ("roc-auc", "0.74512345"),
        ("f1", ""),
        ("verdict", "warn"),
        ("report", "reports/demo-1/m/v2/report.html"),
    ];
    let value = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {
            "name": "w", "creationTimestamp": "2026-11-24T12:00:00Z", "labels": {},
            "annotations": {"alameda/raw-url": "/home/me/.alameda/raw/demo-1"}
        },
        "spec": {
            "arguments": parameters(&[("data-version", "demo-1"), ("model-name", "m")]),
            "workflowTemplateRef": {"name": "alameda-pipeline"}
        },
        "status": {
            "phase": "Succeeded", "startedAt": "2026-11-24T12:00:00Z", "finishedAt": "2026-11-24T12:01:05Z", "progress": "2/2",
            "nodes": {
                "w": node("w", "DAG", "pipeline", &outputs),
                "w-1": node("w-1", "Pod", "data-prep-map", &[("reused", reused)]),
                "w-2": node("w-2", "Pod", "model-promotion-promote", &[("promoted", "false")])
            },
            "storedTemplates": {}, "storedWorkflowTemplateSpec": {}
        }
    });
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_end_of_a_demo_tells_what_came_out_and_what_to_try_next() {
    let command = |words: &[&str]| format!("alameda {}", words.join(" "));
    insta::assert_snapshot!(result(
        &workflow("true"),
        "/home/me/.alameda/store",
        None,
        &command
    ));
    assert!(
        result(&workflow("false"), "/s", None, &command)
            .contains("0 of 1 steps reused finished work")
    );
}

#[test]
fn warnings_of_the_training_are_shown() {
    let shown = |workflow: &Workflow| result(workflow, "/s", None, &|_| String::new());
    let mut workflow = workflow("true");
    assert!(!shown(&workflow).contains("warnings of training"));
    let warning = serde_json::json!({"name": "training-warnings", "value": "it did not converge"});
    let mut root = serde_json::to_value(&workflow.status.nodes["w"]).unwrap();
    let outputs = root["outputs"]["parameters"].as_array_mut().unwrap();
    outputs.push(warning);
    let root = serde_json::from_value(root).unwrap();
    workflow.status.nodes.insert("w".to_owned(), root);
    let shown = shown(&workflow);
    assert!(
        shown
            .lines()
            .any(|line| line.contains("warnings of training")
                && line.contains("it did not converge")),
        "{shown}"
    );
}

#[test]
fn other_options_are_another_data_version() {
    let options = Options {
        rows_per_file: 50_000,
        train_files: 10,
        predict_files: 4,
        seed: 42,
        drift: Vec::new(),
    };
    let version = options.data_version();
    assert_eq!(version, options.clone().data_version());
    assert!(
        version.starts_with("demo-") && version.len() == 13,
        "{version}"
    );
    for other in [
        Options {
            rows_per_file: 5,
            ..options.clone()
        },
        Options {
            train_files: 5,
            ..options.clone()
        },
        Options {
            predict_files: 5,
            ..options.clone()
        },
        Options {
            seed: 5,
            ..options.clone()
        },
        Options {
            drift: vec![Drift::BrokenColumn],
            ..options.clone()
        },
    ] {
        assert_ne!(other.data_version(), version);
    }
}

#[test]
fn a_report_in_s3_comes_with_a_copy_that_a_browser_can_open() {
    let copy = Some(PathBuf::from(
        "/home/me/.alameda/runs/w/model-monitoring-report(0)/outputs/report.html",
    ));
    let text = result(
        &workflow("true"),
        "s3://data/alameda/",
        copy.clone(),
        &|_| String::new(),
    );
    assert!(
        text.contains("s3://data/alameda/reports/demo-1/m/v2/report.html"),
        "{text}"
    );
    assert!(
        text.contains("/home/me/.alameda/runs/w/model-monitoring-report(0)/outputs/report.html"),
        "{text}"
    );
    assert!(!result(&workflow("true"), "/s", copy, &|_| String::new()).contains("a copy of it"));
}
