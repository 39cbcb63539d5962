//! Differences of two models whose rows lie in other parts, in another order.

use arrow::array::{ArrayRef, Date32Array};
use learn::metrics::paired::{AucDifference, Difference};

use super::*;
use catalog::manifest::{Column, Role};

/// A row: its entity, its day, its label, and what each model is given.
#[derive(Clone, Copy)]
struct Row {
    id: i64,
    day: i32,
    label: i64,
    scores: [f64; 2],
}

/// Rows of entities that have one to five of them.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for id in 0..120_i64 {
        for day in 0..1 + id % 5 {
            let mixed = (id * 7919 + day * 104_729) % 1009;
            let label = i64::from(mixed % 3 == 0);
            let signal = label as f64 + (mixed % 17) as f64 / 8.0;
            rows.push(Row {
                id,
                day: day as i32,
                label,
                scores: [
                    signal,
                    ((signal + (mixed % 29) as f64 / 9.0) * 4.0).round() / 4.0,
                ],
            });
        }
    }
    rows
}

/// The rows in parts, with what one model is given as the feature.
async fn dataset(
    step: &Step,
    folder: &str,
    model: usize,
    rows: &[Row],
    length: usize,
) -> DatasetManifest {
    let store = Store::of(step).unwrap();
    let mut parts = Vec::new();
    for (ordinal, rows) in rows.chunks(length).enumerate() {
        let columns: [(&str, DataType, ArrayRef); 4] = [
            (
                "id",
                DataType::Int64,
                Arc::new(rows.iter().map(|row| Some(row.id)).collect::<Int64Array>()),
            ),
            (
                "day",
                DataType::Date32,
                Arc::new(
                    rows.iter()
                        .map(|row| Some(row.day))
                        .collect::<Date32Array>(),
                ),
            ),
            (
                "target",
                DataType::Int64,
                Arc::new(
                    rows.iter()
                        .map(|row| Some(row.label))
                        .collect::<Int64Array>(),
                ),
            ),
            (
                "logit",
                DataType::Float64,
                Arc::new(
                    rows.iter()
                        .map(|row| Some(row.scores[model]))
                        .collect::<Float64Array>(),
                ),
            ),
        ];
        let fields = columns
            .iter()
            .map(|(name, of, _)| Field::new(*name, of.clone(), false));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = columns.into_iter().map(|(.., values)| values).collect();
        let batch = RecordBatch::try_new(schema, columns).unwrap();
        let key = format!("{folder}/part-{ordinal}.parquet");
        parts.push(of_batch(&store, key, ordinal, batch).await);
    }
    let column = |name: &str, data_type: &str, role| Column {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        role,
    };
    DatasetManifest {
        columns: vec![
            column("id", "Int64", Role::Id),
            column("day", "Date32", Role::Time),
        ],
        ..manifest(step, Split::Holdout, parts, config().digest())
    }
}

fn config() -> Config {
    let contract = r#"{"columns": [
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "day", "type": "date", "role": "time"},
        {"name": "logit", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target"}
    ]}"#;
    Config::parse(contract.to_owned(), "SELECT * FROM raw".to_owned()).unwrap()
}

/// The two reports, and the difference.
async fn compared(
    step: &Step,
    datasets: [&DatasetManifest; 2],
    metric: &str,
) -> ([f64; 2], Result<Difference, String>) {
    let (store, config) = (Store::of(step).unwrap(), config());
    let metric = Metric::named(metric).unwrap();
    let mut found = Vec::new();
    for dataset in datasets {
        let progress = step.progress(dataset.rows, "rows").clone();
        let model = model(0.5);
        let rows = rows_of((step, &store, &config), &model, dataset, None).unwrap();
        let paired = evaluate_paired(step, &rows, &model, dataset, metric, &progress);
        found.push(paired.await.unwrap());
    }
    let (other, theirs) = found.pop().unwrap();
    let (report, ours) = found.pop().unwrap();
    let step = step.clone();
    let difference = blocking(move || ours.less(&step, &theirs, metric));
    let values = [report, other].map(|report| report.number(metric.name).unwrap());
    (values, difference.await.unwrap())
}

/// DeLong's, with placements by comparing each row with each.
fn by_hand(rows: &[Row]) -> Difference {
    let positives = rows.iter().filter(|row| row.label == 1).count() as u64;
    let mut difference = AucDifference::new(positives, rows.len() as u64 - positives);
    for row in rows {
        let sign = if row.label == 1 { 1.0 } else { -1.0 };
        let placements = [0, 1].map(|model| {
            let others = rows.iter().filter(|other| other.label != row.label);
            let of = others.map(|other| sign * (row.scores[model] - other.scores[model]));
            of.map(|above| 2 * u64::from(above > 0.0) + u64::from(above == 0.0))
                .sum()
        });
        difference.add(row.id as u64, row.label == 1, placements);
    }
    difference.finish().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "another way to the same loss")]
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_paired_by_their_keys_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let step = Step::for_test("model-promotion", folder.path());
    let rows = rows();
    let first = dataset(&step, "holdout/1", 0, &rows, 100).await;
    let turned: Vec<Row> = rows.iter().rev().copied().collect();
    let second = dataset(&step, "holdout/2", 1, &turned, 71).await;

    let (areas, found) = compared(&step, [&first, &second], "roc_auc").await;
    let (found, expected) = (found.unwrap(), by_hand(&rows));
    assert!(
        (found.value - (areas[0] - areas[1])).abs() < 1e-12,
        "{found:?} {areas:?}"
    );
    assert!((found.value - expected.value).abs() < 1e-12);
    assert!((found.standard_error / expected.standard_error - 1.0).abs() < 1e-9);
    assert!(found.standard_error > 0.0);

    // The mean of an entity's losses is what varies: its standard error, to what the groups leave.
    let (losses, found) = compared(&step, [&first, &second], "log_loss").await;
    let found = found.unwrap();
    assert!((found.value - (losses[0] - losses[1])).abs() < 1e-12);
    let loss = |row: &Row, model: usize| {
        let p = 1.0 / (1.0 + (-row.scores[model]).exp());
        -(if row.label == 1 { p } else { 1.0 - p }).ln()
    };
    let mut sums = std::collections::BTreeMap::<i64, f64>::new();
    for row in &rows {
        *sums.entry(row.id).or_default() += loss(row, 0) - loss(row, 1) - found.value;
    }
    let squares: f64 = sums.values().map(|sum| sum * sum).sum();
    let expected = squares.sqrt() / rows.len() as f64;
    assert!(
        (found.standard_error / expected - 1.0).abs() < 0.15,
        "{found:?}, not {expected}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_paired_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let step = Step::for_test("model-promotion", folder.path());
    let rows = rows();
    let first = dataset(&step, "holdout/1", 0, &rows, 100).await;
    let mut others = rows.clone();
    others[5].day = 400;
    let second = dataset(&step, "holdout/2", 1, &others, 100).await;
    let (_, found) = compared(&step, [&first, &second], "roc_auc").await;
    assert_eq!(found.unwrap_err(), "the models were measured on other rows");

    let unnamed = DatasetManifest {
        columns: Vec::new(),
        ..first.clone()
    };
    for metric in ["roc_auc", "log_loss"] {
        let (_, found) = compared(&step, [&unnamed, &second], metric).await;
        assert!(found.unwrap_err().contains("returns no id"));
    }
    let (_, found) = compared(&step, [&first, &first], "roc_auc").await;
    let found = found.unwrap();
    assert_eq!((found.value, found.standard_error), (0.0, 0.0));
}
