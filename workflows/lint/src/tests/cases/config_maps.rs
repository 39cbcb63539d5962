//! Faults of ConfigMaps.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "kustomization",
        &[("[m.yaml]", "[]")],
        "",
        "`kubectl apply -k` leaves it out: add m.yaml to `resources`",
    ),
    case(
        "data",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  models.json: '{\"candidates\": [{\"family\": \"logistic-regression\"}], \"preprocessing\": {\"columns\": {\"x9\": {\"drop\": true}}}}'\n  HOLDOUT:",
        )],
        "models.json",
        "x9",
    ),
    case(
        "data",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  models.json: '{\"candidates\": [{\"family\": \"logistic-regression\"}], \"preprocessing\": {\"columns\": {\"x\": {\"clip\": [5, 1]}}}}'\n  HOLDOUT:",
        )],
        "models.json",
        "clip",
    ),
    case(
        "data",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  models.json: '{\"candidates\": [{\"family\": \"logistic-regression\"}], \"preprocessing\": {\"columns\": {\"x\": {\"encode\": \"one-hot\"}}}}'\n  HOLDOUT:",
        )],
        "models.json",
        "encode",
    ),
    case(
        "secret",
        &[("HOLDOUT:", "NOTIFY_URL: https://hooks/x\n  HOLDOUT:")],
        "NOTIFY_URL",
        "has the name of a secret",
    ),
    case(
        "setting",
        &[("name: alameda-x", "name: alameda-z")],
        "ALAMEDA_TIMEZONE",
        "no workflow reads the ConfigMap alameda-z by default: did you mean alameda-x?",
    ),
    case(
        "setting",
        &[("HOLDOUT:", "HOLDUOT:")],
        "HOLDUOT",
        "HOLDUOT is not a setting: did you mean HOLDOUT?",
    ),
    case(
        "setting-value",
        &[("HOLDOUT: first-shard", "HOLDOUT: some")],
        "HOLDOUT",
        "HOLDOUT is `some`: give first-shard",
    ),
    case(
        "setting-value",
        &[("HOLDOUT:", "GATE_MARGIN: a lot\n  HOLDOUT:")],
        "GATE_MARGIN",
        "GATE_MARGIN is `a lot`: give a number that is not negative",
    ),
    case(
        "setting",
        &[("HOLDOUT:", "TEAM: blue\n  HOLDOUT:")],
        "TEAM",
        "no step reads TEAM",
    ),
    case(
        "data",
        &[(
            "HOLDOUT:",
            "dataset.json: '{}'\n  features.sql: SELECT * FROM raw\n  HOLDOUT:",
        )],
        "dataset.json",
        "columns",
    ),
    case(
        "data",
        &[("HOLDOUT:", "dataset.json: '{}'\n  HOLDOUT:")],
        "dataset.json",
        "features.sql is missing",
    ),
    case(
        "data",
        &[(
            "HOLDOUT: first-shard",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  HOLDOUT: after=2026-01-01",
        )],
        "dataset.json",
        "needs a column with the role time",
    ),
    case(
        "features",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM rows\n  HOLDOUT:",
        )],
        "features.sql",
        "rows",
    ),
    case(
        "features",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT *, x AS prediction FROM raw\n  HOLDOUT:",
        )],
        "features.sql",
        "\"prediction\"",
    ),
    case(
        "features",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw WHERE x > 0\n  HOLDOUT:",
        )],
        "features.sql",
        "a condition (WHERE) is refused",
    ),
    case(
        "features",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT *, date_part('foo', to_timestamp(x)) AS part FROM raw\n  HOLDOUT:",
        )],
        "features.sql",
        "in the column \"part\", whatever the rows hold: Date part 'foo' not supported",
    ),
    case(
        "publishing",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT *, x AS ctid FROM raw\n  HOLDOUT:",
        )],
        "features.sql",
        "\"ctid\"",
    ),
    case(
        "publishing",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  RETENTION_DAYS: '30'\n  HOLDOUT:",
        )],
        "dataset.json",
        "RETENTION_DAYS needs a column with the role time",
    ),
    case(
        "setting-value",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  MONITOR_COLUMNS: '-X'\n  HOLDOUT:",
        )],
        "MONITOR_COLUMNS",
        "names \"X\" (did you mean \"x\"?), which is none of the columns that a report judges",
    ),
    case(
        "setting-value",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  SEGMENT_COLUMNS: region\n  HOLDOUT:",
        )],
        "SEGMENT_COLUMNS",
        "column \"region\" is not a column of the result of features.sql",
    ),
    case(
        "setting-value",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  GATE_METRIC: rmse\n  HOLDOUT:",
        )],
        "GATE_METRIC",
        "is rmse, but the metrics of task binary are ",
    ),
    case(
        "setting-value",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  GATE_FLOOR: '60'\n  HOLDOUT:",
        )],
        "GATE_FLOOR",
        "is 60, and roc_auc (GATE_METRIC, --gate-metric) is never above 1",
    ),
    case(
        "setting-value",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  GATE_SEGMENT_MARGIN: '0.1'\n  HOLDOUT:",
        )],
        "GATE_SEGMENT_MARGIN",
        "has no segment column: name one in SEGMENT_COLUMNS",
    ),
    case(
        "data",
        &[(
            "HOLDOUT:",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"day\", \"type\": \"date\", \"role\": \"time\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  models.json: '{\"candidates\": \"auto\", \"validation\": {\"by\": \"time\", \"folds\": 3}}'\n  HOLDOUT:",
        )],
        "models.json",
        "`validation` is by time, which has one fold, the latest rows, and `folds` is 3",
    ),
    case(
        "data",
        &[(
            "HOLDOUT: first-shard",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"day\", \"type\": \"date\", \"role\": \"time\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  models.json: '{\"candidates\": \"auto\", \"validation\": {\"folds\": 3}}'\n  HOLDOUT: after=-7d",
        )],
        "models.json",
        "`validation` is by time, which has one fold, the latest rows, and `folds` is 3",
    ),
    case(
        "data",
        &[(
            "HOLDOUT: first-shard",
            "dataset.json: '{\"columns\": [{\"name\": \"id\", \"type\": \"int64\", \"role\": \"id\"}, {\"name\": \"x\", \"type\": \"float64\", \"role\": \"feature\"}, {\"name\": \"y\", \"type\": \"int64\", \"role\": \"target\"}]}'\n  features.sql: SELECT * FROM raw\n  HOLDOUT: after=-7d",
        )],
        "dataset.json",
        "the holdout after=-7d needs a column with the role time",
    ),
];
