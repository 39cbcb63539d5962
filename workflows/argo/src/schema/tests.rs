use std::collections::BTreeSet;

use serde_json::json;

use super::*;

#[test]
fn every_field_that_is_interpreted_or_has_no_effect_is_one_of_argos() {
    for kind in kinds::all() {
        // One type may be read from several of Argo's.
        let alike = kinds::all().filter(|other| other.name == kind.name);
        let parts: Vec<Part> = alike.filter_map(|kind| Part::named(kind.argo)).collect();
        assert!(Part::named(kind.argo).is_some(), "{}", kind.argo);
        for name in (kind.interpreted)().iter().chain(kind.no_effect) {
            let is_known = parts.iter().any(|part| part.field(name).is_some());
            assert!(is_known, "{}.{name}", kind.argo);
        }
        let both: BTreeSet<_> = (kind.interpreted)().iter().chain(kind.no_effect).collect();
        assert_eq!(
            both.len(),
            (kind.interpreted)().len() + kind.no_effect.len(),
            "{} has a field in both lists",
            kind.argo
        );
    }
}

#[test]
fn a_field_is_read_refused_or_of_no_effect_at_any_depth() {
    let document = json!({
        "kind": "WorkflowTemplate",
        "metadata": {"name": "t", "annotations": {"any": "thing"}},
        "spec": {
            "entrypoint": true,
            "nodeSelector": {"any": "thing"},
            "affinity": {"nodeAfinity": {}},
            "templates": [{
                "name": "a",
                "container": {"args": ["x", 1], "lifecycle": {"preStop": {"exce": {}}}},
                "synchronization": {"mutex": {"name": "m"}, "mutexes": [{"nam": "m"}]},
                "steps": [[{"name": "b", "hooks": {"exit": {"expresion": ""}}}]],
            }],
        },
    });
    let (kept, findings) = read("WorkflowTemplate", &document, "f.yaml", "t");
    let found: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} {}", finding.path, finding.rule))
        .collect();
    assert_eq!(
        found,
        [
            "t.spec.affinity.nodeAfinity unknown-field",
            "t.spec.entrypoint type",
            "t.spec.templates[0].container.args[1] type",
            "t.spec.templates[0].container.lifecycle not-run",
            "t.spec.templates[0].container.lifecycle.preStop.exce unknown-field",
            "t.spec.templates[0].steps not-run",
            "t.spec.templates[0].steps[0][0].hooks.exit.expresion unknown-field",
            "t.spec.templates[0].synchronization.mutex removed-field",
            "t.spec.templates[0].synchronization.mutexes[0].nam unknown-field",
            "t.spec.templates[0] template-kind",
        ]
    );
    let template = &kept["spec"]["templates"][0];
    assert_eq!(template["container"], json!({"args": ["x", 1]}));
    assert!(kept["spec"].get("nodeSelector").is_none(), "{kept}");
    assert!(template.get("synchronization").is_none(), "{kept}");
}
