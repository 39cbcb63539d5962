use std::collections::BTreeMap;
use std::ffi::OsString;

use super::*;
use runtime::step::Findings;

/// What is wrong with these variables, and with these names in a ConfigMap.
fn problems(variables: &[(&str, &str)], keys: &[&str]) -> Vec<String> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(OsString::from);
    let keys: ConfigMapKeys = keys.iter().copied().collect();
    let problems = wrong(variable, &keys);
    problems.into_iter().map(|problem| problem.text).collect()
}

#[test]
fn a_value_that_a_step_would_refuse_is_named_with_what_it_may_be() {
    for (name, value, advice) in [
        ("TRAIN_GLOB", "/train/*.parquet", "give names below RAW_URL"),
        ("TRAIN_GLOB", "train\\*.parquet", "give / between folders"),
        (
            "TRAIN_GLOB",
            "../train/*.parquet",
            "give folders below RAW_URL",
        ),
        ("TRAIN_GLOB", "train/", "a name after the last /"),
        ("TRAIN_GLOB", "{data-version}/*.csv", "the only wildcard"),
        (
            "PREDICT_GLOB",
            "predict/{date}/*.csv",
            "predict/{data-version}/*.parquet",
        ),
        (
            "LABELS_GLOB",
            "s3://raw/labels/*.csv",
            "give names below RAW_URL",
        ),
        ("LABELS_GLOB", "labels/*.{csv,parquet}", "the only wildcard"),
        ("LABELS_GLOB", "labels/**/*.csv", "the only wildcard"),
        ("LABELS_GLOB", "labels/2026-??.csv", "the only wildcard"),
        ("HOLDOUT", "10%", "give first-shard, a fraction"),
        ("HOLDOUT", "fraction=1.5", "fraction=0.1"),
        ("HOLDOUT", "after=2024-13-01", "after=2024-10-01"),
        ("HOLDOUT", "after=-7", "or after=-7d"),
        ("HOLDOUT", "after=-0d", "give after=-7d"),
        ("HOLDOUT", "after=-1.5d", "give after=-7d"),
        ("ON_BAD_SHARD", "skip", "give fail or quarantine"),
        ("MAX_BAD_SHARDS", "-1", "give a whole number, 0 or more"),
        ("MAX_BAD_SHARDS", "5%", "give a whole number, 0 or more"),
        ("MODEL_FAMILY", "xgboost", "give logistic-regression"),
        ("MODEL_C", "0", "give a positive number"),
        ("MODEL_C", "0,5", "with a decimal point: 0.5"),
        ("MODEL_C", "inf", "give a positive number"),
        ("MODEL_CLASS_WEIGHT", "Balanced", "give balanced or none"),
        ("MODEL_MAX_ITER", "0", "give a whole number, 1 or more"),
        ("MODEL_MAX_ITER", "1e3", "give a whole number, 1 or more"),
        ("MODEL_TOL", "-1e-9", "give a positive number"),
        ("MODEL_THRESHOLD", "50%", "give a number from 0 to 1"),
        ("MODEL_THRESHOLD", "1.5", "give a number from 0 to 1"),
        ("GATE", "strict", "give soft or hard"),
        ("GATE_METRIC", "auc", "roc_auc"),
        ("GATE_FLOOR", "NaN", "give a number"),
        ("GATE_MARGIN", "-0.1", "not negative"),
        ("PREDICT_SHARDS", "some", "give all or new"),
        ("PREDICTIONS_PARTITION", "day", "give none or month"),
        ("PREDICTIONS_TABLE", &"t".repeat(64), "63"),
        ("PREDICTIONS_TABLES", "a,,b", "the name is empty"),
        ("RETENTION_DAYS", "2y", "give a whole number, 1 or more"),
        ("PSI_WARN", "0,1", "with a decimal point: 0.1"),
        ("PSI_ALERT", "high", "give a number, 0 or more"),
        ("MIN_ROWS", "5e2", "give a whole number, 0 or more"),
        ("REPORT_FAIL_ON", "always", "give alert, warn or never"),
        ("NOTIFY_ON", "failures", "give always, failure or never"),
        ("NOTIFY_FORMAT", "teams", "give json or slack"),
        ("DASHBOARD_BIND", "8501", "such as 0.0.0.0:8501"),
        ("DASHBOARD_CONNECTIONS", "0", "from 1 to 64"),
        ("ALAMEDA_TIMEZONE", "UTC+2", "such as Europe/Berlin"),
        ("ALAMEDA_TIMEZONE", "Europe/Berlín", "such as Europe/Berlin"),
        ("ALAMEDA_CACHE", "no", "give use or refresh"),
        ("ALAMEDA_MEMORY", "lots", "such as 512MiB"),
        ("ALAMEDA_THREADS", "0", "from 1 to 1024"),
        ("ALAMEDA_RETRY_BUDGET", "1h", "such as 30s"),
        ("ALAMEDA_LOG", "xml", "give auto, text or json"),
    ] {
        let found = problems(&[(name, value)], &[]);
        let [text] = found.as_slice() else {
            panic!("{name}={value}: {found:?}");
        };
        assert!(
            text.starts_with(&format!("{name} is `{}", &value[..value.len().min(60)])),
            "{text}"
        );
        assert!(text.contains(advice), "{advice}: {text}");
    }
}

#[test]
fn what_is_right_or_empty_is_no_problem() {
    for flag in all() {
        for default in flag.get_default_values() {
            let default = default.to_str().unwrap();
            assert_eq!(refusal(&flag, default), None, "{}", flag.get_id());
        }
        let name = flag.get_env().unwrap().to_str().unwrap();
        assert_eq!(problems(&[(name, "")], &[]), [""; 0], "{name}");
    }
    let fine = [
        ("HOLDOUT", "after=2024-10-01"),
        ("HOLDOUT", "after=-7d"),
        ("MODEL_C", "1e-3"),
        ("PSI_WARN", "0"),
        ("ALAMEDA_TIMEZONE", "America/Sao_Paulo"),
    ];
    assert_eq!(problems(&fine, &[]), [""; 0]);
}

#[test]
fn all_problems_are_named_at_once_and_in_one_line() {
    let variables = [("HOLDOUT", "10%"), ("NOTIFY_ON", "failures")];
    let variables: BTreeMap<&str, &str> = variables.into_iter().collect();
    let variable = |name: &str| variables.get(name).map(OsString::from);
    let keys: ConfigMapKeys = ["HOLDOUT", "MODEL_CC"].into_iter().collect();
    let findings = Findings {
        problems: wrong(variable, &keys),
        unread: Vec::new(),
    };
    let text = findings.message().unwrap();
    assert!(
        text.starts_with("3 settings are wrong: HOLDOUT is `10%`: give "),
        "{text}"
    );
    assert!(
        text.contains("; NOTIFY_ON is `failures`: give always, failure or never; "),
        "{text}"
    );
    assert!(
        text.ends_with("; MODEL_CC is not a setting: did you mean MODEL_C?"),
        "{text}"
    );
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn a_floor_that_its_metric_cannot_reach_is_refused() {
    let of = |metric, floor| problems(&[("GATE_METRIC", metric), ("GATE_FLOOR", floor)], &[]);
    for (metric, floor) in [
        ("roc_auc", "0.6"),
        ("log_loss", "60"),
        ("brier", "1"),
        ("roc_auc", "0"),
        ("r2", "-1"),
    ] {
        assert_eq!(of(metric, floor), [""; 0], "{metric} {floor}");
    }
    assert_eq!(
        of("roc_auc", "60"),
        [
            "GATE_FLOOR (--gate-floor) is 60, and roc_auc (GATE_METRIC, --gate-metric) is \
          never above 1: for 60 % give 0.6"
        ]
    );
    for (metric, floor) in [("log_loss", "-1"), ("accuracy", "1.5")] {
        assert_eq!(of(metric, floor).len(), 1, "{metric} {floor}");
    }
}

#[test]
fn a_floor_that_every_model_passes_is_refused() {
    for name in ["GATE_FLOOR", "GATE_SEGMENT_FLOOR"] {
        for (metric, floor, said) in [
            (
                "brier",
                "2",
                "is 2, and brier (GATE_METRIC, --gate-metric) is never above 1, so",
            ),
            ("f1", "-1", "is never below 0, so every model would pass"),
            (
                "roc_auc",
                "-0.5",
                "give a limit that a bad model misses, or 0 for no limit",
            ),
            ("macro_recall", "-1", "is never below 0"),
        ] {
            let found = problems(&[("GATE_METRIC", metric), (name, floor)], &[]);
            let [text] = found.as_slice() else {
                panic!("{name} {metric} {floor}: {found:?}");
            };
            assert!(text.starts_with(name) && text.contains(said), "{text}");
        }
    }
}

#[test]
fn a_margin_that_no_candidate_exceeds_is_refused() {
    let of = |metric, name, margin| problems(&[("GATE_METRIC", metric), (name, margin)], &[]);
    for name in ["GATE_MARGIN", "GATE_SEGMENT_MARGIN"] {
        for (metric, margin) in [
            ("roc_auc", "1"),
            ("r2", "2"),
            ("log_loss", "5"),
            ("rmse", "80"),
        ] {
            assert_eq!(
                of(metric, name, margin),
                [""; 0],
                "{name} {metric} {margin}"
            );
        }
        for metric in ["roc_auc", "brier", "accuracy"] {
            let found = of(metric, name, "2");
            let [text] = found.as_slice() else {
                panic!("{name} {metric}: {found:?}");
            };
            let said = format!(
                "is 2, and two values of {metric} (GATE_METRIC, --gate-metric) are never more than 1 \
                 apart, so every candidate would pass"
            );
            assert!(text.starts_with(name) && text.contains(&said), "{text}");
        }
    }
}

#[test]
fn an_interval_that_its_metric_does_not_have_is_refused() {
    let of = |metric, compare| problems(&[("GATE_METRIC", metric), ("GATE_COMPARE", compare)], &[]);
    for (metric, compare) in [("max_error", "estimate"), ("rmse", "interval")] {
        assert_eq!(of(metric, compare), [""; 0], "{metric} {compare}");
    }
    assert_eq!(
        of("max_error", "interval"),
        [
            "GATE_COMPARE (--gate-compare) is interval, and max_error (GATE_METRIC, --gate-metric) \
             has none, because one row decides it: give estimate, or another metric"
        ]
    );
}

#[test]
fn thresholds_that_contradict_each_other_are_named() {
    let of = |warn, alert| problems(&[("PSI_WARN", warn), ("PSI_ALERT", alert)], &[]);
    assert_eq!(of("0.1", "0.1"), [""; 0]);
    let found = of("0.3", "0.2");
    assert!(
        found.len() == 1 && found[0].contains("PSI_ALERT (--psi-alert) is 0.2"),
        "{found:?}"
    );
    // Against the default of the other.
    assert_eq!(problems(&[("PSI_WARN", "0.3")], &[]).len(), 1);
}

#[test]
fn a_misspelt_name_is_named_with_the_one_that_was_meant() {
    for (name, meant) in [
        ("MODEL_CC", "MODEL_C"),
        ("PSI_WARM", "PSI_WARN"),
        ("HOLD_OUT", "HOLDOUT"),
        ("HOLDUOT", "HOLDOUT"),
        ("GATES", "GATE"),
        ("Gate", "GATE"),
        ("model_c", "MODEL_C"),
        ("MODEL-C", "MODEL_C"),
        ("MODEL_MAXITER", "MODEL_MAX_ITER"),
        ("MODEL_THRESHHOLD", "MODEL_THRESHOLD"),
        ("ALAMEDA_TIME_ZONE", "ALAMEDA_TIMEZONE"),
        ("MAX_BAD_SHARD", "MAX_BAD_SHARDS"),
        ("RETENTION_DAY", "RETENTION_DAYS"),
        ("PREDICTION_TABLE", "PREDICTIONS_TABLE"),
    ] {
        let found = problems(&[], &[name]);
        let expected = format!("{name} is not a setting: did you mean {meant}?");
        assert_eq!(found, [expected]);
    }
}

#[test]
fn what_others_read_is_no_misspelt_setting() {
    let keys = [
        "dataset.json",
        "features.sql",
        "..data",
        "HOLDOUT",
        "AWS_REGION",
        "RAW_AWS_ENDPOINT_URL",
        "PGHOST",
        "NOTIFY_URL",
        "HTTPS_PROXY",
        "RUST_LOG",
        "TEAM",
        "DATE",
        "MODEL_DEPTH",
        "AWS_REGIONS",
        "PATH",
    ];
    assert_eq!(problems(&[], &keys), [""; 0]);
    let names: ConfigMapKeys = keys.into_iter().collect();
    let unread: Vec<&str> = names.unread().collect();
    assert_eq!(
        unread,
        [
            "AWS_REGIONS",
            "DATE",
            "HTTPS_PROXY",
            "MODEL_DEPTH",
            "PATH",
            "RUST_LOG",
            "TEAM"
        ]
    );
}

#[test]
fn a_mounted_config_map_is_a_folder_of_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["HOLDOUT", "MODEL_CC", "dataset.json"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let keys = ConfigMapKeys::mounted(folder.path());
    assert_eq!(wrong(|_| None, &keys).len(), 1);
    let missing = ConfigMapKeys::mounted(&folder.path().join("nothing"));
    assert_eq!(wrong(|_| None, &missing), []);
}
