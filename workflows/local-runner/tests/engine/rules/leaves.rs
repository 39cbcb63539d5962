//! Leaves: what their programs find, and how they end.

use std::fs;

use crate::lab::{Lab, lives, until};

/// Kubernetes gives a container its variables: `env` over `envFrom`, and the last of a name.
#[test]
fn a_leaf_finds_its_folders_settings_files_and_addresses() {
    let lab = Lab::templates(
        "{name: config, value: m}",
        r#"
  - name: main
    volumes:
    - {name: work, emptyDir: {sizeLimit: 1Gi}}
    - {name: config, configMap: {name: 'alameda-{{workflow.parameters.config}}'}}
    outputs: {parameters: [{name: seen, valueFrom: {path: /work/out/seen, default: ''}}]}
    container:
      command: [sh, -c]
      args:
      - |
        cat $ALAMEDA_CONFIG/features.sql > $ALAMEDA_OUT/seen
        echo "$FROM_MAP $OVERRIDDEN $PLAIN $KEY $STORE_URL $RAW_URL $ALAMEDA_LOG" >> $ALAMEDA_OUT/seen
        touch $ALAMEDA_WORK/scratch; echo 2/3 > $ARGO_PROGRESS_FILE
        echo "to the log"; echo "and this" >&2
      env:
      - {name: PLAIN, value: '{{workflow.name}}'}
      - {name: KEY, valueFrom: {configMapKeyRef: {name: alameda-m, key: FROM_MAP}}}
      - {name: SECRET, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
      envFrom:
      - {configMapRef: {name: alameda-m}}
      - {configMapRef: {name: second}}
      - {configMapRef: {name: absent, optional: true}}
      volumeMounts: [{name: work, mountPath: /work}, {name: config, mountPath: /config, readOnly: true}]
"#,
    );
    let map = |name: &str, data: &str| {
        format!("kind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{data}}}\n---\n")
    };
    let maps = map(
        "alameda-m",
        "FROM_MAP: one, OVERRIDDEN: first, features.sql: 'SELECT 1 '",
    ) + &map("second", "OVERRIDDEN: second, STORE_URL: 'http://cluster'");
    lab.write("config-maps/maps.yaml", &maps);
    let ended = lab.submit(&["--name", "w"]);
    let home = fs::canonicalize(lab.path(".alameda")).unwrap();
    let home = home.display();
    let expected = format!("SELECT 1 one second w one {home}/store {home}/raw text");
    assert_eq!(ended.output("", "seen"), expected);
    assert_eq!(
        (&ended.node("")["progress"], &ended.0["status"]["progress"]),
        (&"2/3".into(), &"3/3".into())
    );
    assert_eq!(lab.read(".alameda/runs/w/w/log"), "to the log\nand this\n");
    assert_eq!(lab.read(".alameda/runs/w/w/phase"), "Succeeded\n");
    assert!(
        !lab.path(".alameda/runs/w/w/work").exists(),
        "scratch goes with the pod"
    );

    let missing = lab.submit(&["-p", "config=other"]);
    assert_eq!(missing.phase(), "Error");
    let message = missing.message("");
    assert!(
        message.starts_with(r#"configmap "alameda-other" not found"#)
            && message.contains("alameda-m, second"),
        "{message}"
    );
}

/// docs/fields.md `activeDeadlineSeconds`; workflow/controller/operator.go `inferFailedReason`
/// takes the pod's own message.
#[test]
fn a_leaf_that_takes_too_long_is_ended_with_all_that_it_started() {
    // A busy machine may not begin it within the first of the deadlines.
    for seconds in [1, 10, 100] {
        let lab = Lab::templates(
            "",
            &format!(
                "  - {{name: main, activeDeadlineSeconds: {seconds}, container: {{command: [sh, -c, \
                 'sleep 1000 & echo $! > $LAB/child; wait']}}}}\n"
            ),
        );
        let ended = lab.submit(&[]);
        assert_eq!(
            (ended.phase(), ended.message("")),
            (
                "Failed",
                "Pod was active on the node longer than the specified deadline"
            )
        );
        if let Some(child) = lab.read("child").lines().next() {
            return until("the child to be gone", || !lives(child));
        }
    }
    panic!("it never began");
}

/// cmd/argoexec/commands/emissary.go: 64 when the emissary itself fails.
#[test]
fn a_program_that_is_not_there_fails_as_argos_emissary_does() {
    let ended = Lab::templates(
        "",
        "  - {name: main, container: {command: [no-such-program]}}\n",
    )
    .submit(&[]);
    assert_eq!(ended.node("")["outputs"]["exitCode"], "64");
    assert!(
        ended
            .message("")
            .starts_with("main: Error (exit code 64): cannot start no-such-program"),
        "{}",
        ended.message("")
    );
}
