//! What a kustomization may say, and what is refused because a local run would not do it.

use super::*;

const SETTINGS: &str =
    "kind: ConfigMap\nmetadata: {name: alameda-x}\ndata: {MODEL_C: '2', features.sql: old}\n";
const LISTED: &str = "resources: [ml-config.yaml]\n";
const KEEPS_NAME: &str = "generatorOptions: {disableNameSuffixHash: true}\n";

/// What is read from files by path; a folder is made where a path has one.
fn load(files: &[(&str, &str)]) -> Result<ConfigMaps> {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    ConfigMaps::load(&Source::Folder(home.path().to_owned()))
}

#[track_caller]
fn assert_refused(files: &[(&str, &str)], parts: &[&str]) {
    let error = format!("{:#}", load(files).unwrap_err());
    for part in parts {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn what_only_a_cluster_would_do_to_a_config_map_is_refused() {
    let patch = "kind: ConfigMap\nmetadata: {name: alameda-x}\ndata: {MODEL_C: '3'}\n";
    let second = r#"patches: [{target: {kind: Role}, path: r.yaml}, {patch: "kind: ConfigMap\nmetadata: {name: alameda-x}"}]"#;
    for (more, part) in [
        (
            "namePrefix: churn-",
            "`namePrefix` renames the ConfigMap alameda-x on a cluster, but not in a local run",
        ),
        (
            "nameSuffix: -b",
            "`nameSuffix` renames the ConfigMap alameda-x",
        ),
        (
            "components: [../dev]",
            "`components` may change the ConfigMap alameda-x",
        ),
        ("replacements: [{}]", "`replacements` may change"),
        ("transformers: [t.yaml]", "`transformers` may change"),
        ("generators: [g.yaml]", "`generators` may change"),
        ("vars: [{name: A}]", "`vars` may change"),
        (
            "patches: [{path: a-patch.txt}]",
            "patches[0]: the patch changes the ConfigMap alameda-x on a cluster, but not in a local \
             run: write its settings into `data`",
        ),
        ("patches: [{path: lost.yaml}]", "patches[0]: reading "),
        (
            second,
            "patches[1]: the patch changes the ConfigMap alameda-x",
        ),
        (
            "patches: [{target: {kind: ConfigMap, name: alameda-.*}, patch: '[]'}]",
            "patches[0]: the patch changes the ConfigMap alameda-.*",
        ),
        (
            "patches: [{target: {kind: Config.*}, patch: '[]'}]",
            "patches[0]: the patch changes ConfigMaps",
        ),
        (
            "patches: [{target: {labelSelector: a=b}, patch: '[]'}]",
            "name that as `target.kind`",
        ),
        (
            "patchesStrategicMerge: [a-patch.txt]",
            "patchesStrategicMerge[0]: the patch changes the ConfigMap alameda-x",
        ),
        (
            "patchesJson6902: [{target: {version: v1, kind: ConfigMap, name: alameda-x}, path: p}]",
            "patchesJson6902[0]: the patch changes the ConfigMap alameda-x",
        ),
        (
            "configMapGenerators: []",
            "a kustomization has no field `configMapGenerators` (did you mean \
             \"configMapGenerator\"?)",
        ),
        (
            "data: {MODEL_C: '3'}",
            "a kustomization has no field `data`",
        ),
        (
            "kind: Kustomisation",
            "`kind` is \"Kustomisation\": write Kustomization",
        ),
        (
            "configMapGenerator: {name: m}",
            "`configMapGenerator` must be a list",
        ),
        (
            "configMapGenerator: [{name: m, files: features.sql}]",
            "configMapGenerator[0]: `files` must be a list",
        ),
        (
            "configMapGenerator: [{name: m, files: [a-patch.txt, b/a-patch.txt]}]",
            "configMapGenerator[0]: `files` has two files for the key a-patch.txt",
        ),
        (
            "configMapGenerator: [{name: m, behavior: marge}]",
            "configMapGenerator[0]: `behavior` is \"marge\": write create, merge or replace",
        ),
        (
            "configMapGenerator: [{name: alameda-x, behavior: merge}]",
            "configMapGenerator[0]: kustomize adds a hash to the name alameda-x, by which no workflow \
             finds the ConfigMap: add `generatorOptions: {disableNameSuffixHash: true}`",
        ),
    ] {
        let text = format!("{LISTED}{more}\n");
        let files = [
            ("ml-config.yaml", SETTINGS),
            ("a-patch.txt", patch),
            ("kustomization.yaml", text.as_str()),
        ];
        assert_refused(&files, &["kustomization.yaml: ", part]);
    }
    // As a YAML file beside the ConfigMap, a patch was read as a ConfigMap too.
    let text = format!("{LISTED}patches: [{{path: patch.yaml}}]\n");
    let files = [
        ("ml-config.yaml", SETTINGS),
        ("patch.yaml", patch),
        ("kustomization.yaml", text.as_str()),
    ];
    assert_refused(
        &files,
        &["patches[0]: the patch changes the ConfigMap alameda-x"],
    );
}

#[test]
fn what_changes_no_setting_may_stand_in_a_kustomization() {
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
metadata: {{name: x}}
namespace: team-a
{LISTED}labels: [{{pairs: {{a: b}}}}]
commonLabels: {{a: b}}
commonAnnotations: {{a: b}}
images: [{{name: a, newTag: b}}]
replicas: [{{name: a, count: 1}}]
secretGenerator: [{{name: s, literals: [a=b]}}]
buildMetadata: [originAnnotations]
sortOptions: {{order: fifo}}
namePrefix: ''
components: []
patches:
- target: {{kind: Role, name: r}}
  patch: '[]'
- patch: |
    kind: CronWorkflow
    metadata: {{name: c}}
    $patch: delete
configMapGenerator: [{{name: alameda-x, behavior: merge, files: [features.sql], options: {{labels: {{a: b}}, disableNameSuffixHash: true}}}}]
"
    );
    let maps = load(&[
        ("ml-config.yaml", SETTINGS),
        ("features.sql", "new"),
        ("kustomization.yaml", text.as_str()),
        // Flux has a kind of the same name, which says nothing about ConfigMaps.
        (
            "flux.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {path: .}\n",
        ),
    ])
    .unwrap();
    let keys = maps.get("alameda-x").unwrap();
    assert_eq!(
        (keys["MODEL_C"].as_str(), keys["features.sql"].as_str()),
        ("2", "new")
    );
}

#[test]
fn a_generator_does_what_its_behavior_says() {
    fn files(text: &str) -> [(&str, &str); 3] {
        [
            ("ml-config.yaml", SETTINGS),
            ("features.sql", "new"),
            ("kustomization.yaml", text),
        ]
    }
    let with = |behavior: &str| {
        format!(
            "{LISTED}configMapGenerator: [{{name: alameda-x, {behavior}files: [features.sql]}}]\n\
             {KEEPS_NAME}"
        )
    };
    let replaced = load(&files(&with("behavior: replace, "))).unwrap();
    let keys = replaced.get("alameda-x").unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(keys["features.sql"], "new");
    for behavior in ["", "behavior: create, "] {
        let text = with(behavior);
        let part = "configMapGenerator[0]: the ConfigMap alameda-x is in ";
        assert_refused(&files(&text), &[part, "already: give `behavior: merge`"]);
    }
    for behavior in ["merge", "replace"] {
        let text = with(&format!("behavior: {behavior}, "));
        let other = SETTINGS.replace("alameda-x", "alameda-y");
        let files = [
            ("ml-config.yaml", other.as_str()),
            ("features.sql", "new"),
            ("kustomization.yaml", text.as_str()),
        ];
        assert_refused(
            &files,
            &["there is no ConfigMap alameda-x to merge the files into"],
        );
    }
}

#[test]
fn one_config_map_has_one_name() {
    let parts = [
        "b.yaml: the ConfigMap alameda-x is also in ",
        "a.yaml, and only one of a name can be used: rename one",
    ];
    assert_refused(&[("a.yaml", SETTINGS), ("b.yaml", SETTINGS)], &parts);
    assert_refused(&[("a.yaml", SETTINGS), ("of/b.yaml", SETTINGS)], &parts);
    // Files of a copied folder whose kustomization.yaml has the name of the original.
    let other = SETTINGS.replace("alameda-x", "alameda-y");
    let text = format!(
        "{LISTED}configMapGenerator: [{{name: alameda-x, behavior: merge, files: [f.sql]}}]\n\
         {KEEPS_NAME}"
    );
    let files = [
        ("ml-config.yaml", SETTINGS),
        ("y/ml-config.yaml", other.as_str()),
        ("y/f.sql", "new"),
        ("y/kustomization.yaml", text.as_str()),
    ];
    let parts = [
        "y/kustomization.yaml: configMapGenerator[0]: there is no ConfigMap alameda-x to merge",
        "y there are: alameda-y",
    ];
    assert_refused(&files, &parts);
}

#[test]
fn a_kustomization_is_read_by_each_of_its_names() {
    let text = format!(
        "{LISTED}configMapGenerator: [{{name: alameda-x, behavior: merge, files: [features.sql]}}]\n\
         {KEEPS_NAME}"
    );
    for name in ["kustomization.yaml", "kustomization.yml", "Kustomization"] {
        let files = [
            ("ml-config.yaml", SETTINGS),
            ("features.sql", "new"),
            (name, text.as_str()),
        ];
        let maps = load(&files).unwrap();
        assert_eq!(
            maps.get("alameda-x").unwrap()["features.sql"],
            "new",
            "{name}"
        );
    }
    let two = [
        ("ml-config.yaml", SETTINGS),
        ("kustomization.yaml", LISTED),
        ("kustomization.yml", LISTED),
    ];
    assert_refused(&two, &["kustomization.yml is beside it", "keep one"]);
    let misnamed = [
        ("ml-config.yaml", SETTINGS),
        (
            "kustomize.yaml",
            "kind: Kustomization\nresources: [ml-config.yaml]\n",
        ),
    ];
    assert_refused(
        &misnamed,
        &["kustomize.yaml: ", "rename it to kustomization.yaml"],
    );
}

#[test]
fn a_config_map_that_is_listed_and_not_read_is_refused() {
    for file in ["ml-config.json", "a/b/ml-config.yaml"] {
        let text = format!("resources: [{file}]\n");
        let files = [
            (
                file,
                r#"{"kind": "ConfigMap", "metadata": {"name": "alameda-x"}, "data": {}}"#,
            ),
            ("kustomization.yaml", text.as_str()),
        ];
        let part = format!("resources: {file} holds the ConfigMap alameda-x, and is not a YAML");
        assert_refused(&files, &[part.as_str(), "move it here"]);
    }
}

#[test]
fn what_a_cluster_has_otherwise_is_known() {
    let differences = |kustomization: &str, more: &[(&str, &str)]| {
        let mut files = vec![("ml-config.yaml", SETTINGS), ("features.sql", "new")];
        files.push(("kustomization.yaml", kustomization));
        files.extend(more);
        let maps = load(&files).unwrap();
        let found = maps.differences().iter();
        let found = found.map(|of| (of.map.clone(), of.file.clone(), of.text.clone()));
        found.collect::<Vec<_>>()
    };
    assert_eq!(differences(LISTED, &[]), []);
    assert_eq!(differences("resources: [./ml-config.yaml]\n", &[]), []);

    // A ConfigMap that the kustomization does not list.
    let local = "kind: ConfigMap\nmetadata: {name: alameda-z, annotations: \
                 {config.kubernetes.io/local-config: 'true'}}\ndata: {}\n";
    let found = differences("resources: []\n", &[("local.yaml", local)]);
    let [(map, file, text)] = found.as_slice() else {
        panic!("{found:#?}")
    };
    assert_eq!(map, "alameda-x");
    assert!(file.ends_with("/ml-config.yaml"), "{file}");
    assert!(text.contains("add ml-config.yaml to `resources`"), "{text}");

    // Files that are merged into a ConfigMap of another folder, and a patch of one.
    let item = |behavior: &str| {
        format!(
            "resources: [../base, ml-config.yaml]\nconfigMapGenerator: [{{name: alameda-y, \
             behavior: {behavior}, files: [features.sql]}}]\n{KEEPS_NAME}"
        )
    };
    let patch = "kind: ConfigMap\nmetadata: {name: alameda-y}\ndata: {MODEL_C: '3'}\n";
    let patches = "resources: [../base, ml-config.yaml]\npatches: [{path: patch.yaml}]\n";
    for (text, more) in [
        (item("merge").as_str(), None),
        (patches, Some(("patch.yaml", patch))),
    ] {
        let found = differences(text, more.as_slice());
        let [(map, file, text)] = found.as_slice() else {
            panic!("{found:#?}")
        };
        assert_eq!(map, "alameda-y");
        assert!(file.ends_with("/kustomization.yaml"), "{file}");
        assert!(text.contains("in another folder is missing"), "{text}");
    }
    assert_eq!(differences(&item("replace"), &[]), []);
}

#[test]
fn the_kustomizations_of_the_repository_are_read() {
    let platform = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../platform");
    let overlays = platform.join("overlays");
    for (folder, map) in [
        (platform.clone(), "alameda-postgres-setup"),
        (platform.join("base"), "alameda-platform"),
        (overlays.join("minikube"), "alameda-platform"),
        (overlays.join("existing-services"), "alameda-platform"),
    ] {
        let maps = ConfigMaps::load(&Source::Folder(folder.clone())).unwrap();
        assert!(
            maps.get(map).is_some(),
            "{}: {}",
            folder.display(),
            maps.known()
        );
    }
}
