//! What is read from folders of ConfigMaps, and what is refused.

mod kustomizations;

use super::*;
use std::fs;

#[test]
fn settings_and_files_of_one_model_are_one_config_map() {
    let embedded = ConfigMaps::load(&Source::Embedded).unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
    let on_disk = ConfigMaps::load(&Source::Folder(folder)).unwrap();
    assert_eq!(embedded.maps, on_disk.maps, "the copies in the binary");
    let keys = embedded.get("alameda-default").unwrap();
    assert_eq!(keys["HOLDOUT"], "first-shard");
    assert!(keys["features.sql"].contains("FROM raw"));
    assert!(keys["dataset.json"].contains("customerId"));
}

#[test]
fn another_model_lives_in_a_folder_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let churn = home.path().join("churn");
    fs::create_dir(&churn).unwrap();
    fs::write(
        churn.join("ml-config.yaml"),
        "kind: ConfigMap\nmetadata: {name: alameda-churn}\ndata: {MODEL_C: '2'}\n",
    )
    .unwrap();
    fs::write(churn.join("churn.sql"), "SELECT 1").unwrap();
    fs::write(
        churn.join("kustomization.yaml"),
        "kind: Kustomization\nconfigMapGenerator: [{name: alameda-churn, behavior: merge, files: [features.sql=churn.sql]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n",
    )
    .unwrap();
    let maps = ConfigMaps::load(&Source::Folder(home.path().to_owned())).unwrap();
    let keys = maps.get("alameda-churn").unwrap();
    assert_eq!(
        (keys["MODEL_C"].as_str(), keys["features.sql"].as_str()),
        ("2", "SELECT 1")
    );

    for (text, part) in [
        (
            "kind: ConfigMap\nmetadata: {name: m}\ndata: {MODEL_C: 2}\n",
            "ml-config.yaml: m.data.MODEL_C: must be text, not a number: put it in quotes",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m}\ndata: {MODEL_TOL: 1e-400}\n",
            "m.data.MODEL_TOL: must be text, not a number: put it in quotes",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m}\ndata:\n  HOLDOUT:\n",
            "m.data.HOLDOUT: is empty: give it a value, or remove it",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m}\ndata: {}\nHOLDOUT: first-shard\n",
            "ml-config.yaml: a ConfigMap has no field `HOLDOUT`: settings are the keys of `data`",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m}\ndatas: {MODEL_C: '2'}\n",
            "a ConfigMap has no field `datas` (did you mean \"data\"?)",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m}\nstringData: {MODEL_C: '2'}\n",
            "a ConfigMap has no field `stringData`",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m}\n",
            "the ConfigMap has no `data`",
        ),
        (
            "kind: ConfigMap\nmetadata: {nmae: m}\ndata: {MODEL_C: '2'}\n",
            "the ConfigMap has no `metadata.name`",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m, HOLDOUT: first-shard}\ndata: {MODEL_C: '2'}\n",
            "ml-config.yaml: the metadata of the ConfigMap m has no field `HOLDOUT`: settings are the \
             keys of `data`",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m, lables: {a: b}}\ndata: {MODEL_C: '2'}\n",
            "the metadata of the ConfigMap m has no field `lables` (did you mean \"labels\"?)",
        ),
        (
            "kind: Configmap\nmetadata: {name: m}\ndata: {MODEL_C: '2'}\n",
            "Kubernetes has no kind `Configmap`: write `kind: ConfigMap`",
        ),
        (
            "metadata: {name: m}\ndata: {MODEL_C: '2'}\n",
            "it has `data`, and no `kind`: write `kind: ConfigMap`",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: alameda-m}\nbinaryData: {features.sql: U0VMRUNU}\n",
            "alameda-m.binaryData.features.sql: a local run reads no `binaryData`",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: m}\ndata: {}\n---\nkind: ConfigMap\nmetadata: {name: m}\ndata: {}\n",
            "ml-config.yaml: it has two ConfigMaps m",
        ),
        (
            "",
            "kustomization.yaml: configMapGenerator[0]: there is no ConfigMap alameda-churn to \
             merge the files into: give",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: alameda-chrun}\ndata: {MODEL_C: '2'}\n",
            "to merge the files into (did you mean \"alameda-chrun\"?)",
        ),
        (
            "kind: Kustomization\nconfigMapGenerator: [{name: m, literals: [a=b]}]\n",
            "configMapGenerator[0]: unknown field `literals`",
        ),
        ("a: [", "ml-config.yaml: line"),
    ] {
        fs::write(churn.join("ml-config.yaml"), text).unwrap();
        let error = format!(
            "{:#}",
            ConfigMaps::load(&Source::Folder(home.path().to_owned())).unwrap_err()
        );
        assert!(error.contains(part), "{error}");
    }
}
