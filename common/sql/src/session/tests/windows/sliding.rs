//! The operator that runs windows beside DataFusion's own.

use datafusion_physical_plan::displayable;

use super::*;

const FUNCTIONS: &str =
    "count(*) OVER w AS a, count(CASE WHEN feature1 > 0 THEN 1 END) OVER w AS b,
    sum(feature1) OVER w AS c, avg(feature1) OVER w AS d, min(feature1) OVER w AS e,
    max(CASE WHEN feature1 > 100 THEN feature1 END) OVER w AS f, first_value(feature1) OVER w AS g,
    last_value(CASE WHEN feature1 > 0 THEN feature1 END) OVER w AS h, var_pop(feature1) OVER w AS i,
    stddev(feature1) OVER w AS j, corr(feature1, feature1 * feature1) OVER w AS k,
    CAST(date_part('epoch', max(date) OVER w) AS DOUBLE) AS l";

const FRAMES: [&str; 4] = [
    "INTERVAL '7 days' PRECEDING AND CURRENT ROW",
    "INTERVAL '30 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING",
    "INTERVAL '4 days' PRECEDING AND INTERVAL '2 days' PRECEDING",
    "CURRENT ROW AND CURRENT ROW",
];

/// Rows in batches of so many.
fn computed(features: &Features, rows: &RecordBatch, size: usize) -> RecordBatch {
    let begins = (0..rows.num_rows()).step_by(size);
    let batches: Vec<Result<RecordBatch>> = begins
        .map(|begin| Ok(rows.slice(begin, size.min(rows.num_rows() - begin))))
        .collect();
    let computed = features.compute(batches.into_iter()).unwrap();
    let computed: Vec<RecordBatch> = computed.collect::<Result<_>>().unwrap();
    arrow::compute::concat_batches(features.schema(), &computed).unwrap()
}

fn both(select: &str) -> [Features; 2] {
    let features = [(); 2].map(|()| windowed(select).unwrap());
    let [ours, mut theirs] = features;
    theirs.plan = theirs.unslid.clone();
    let shown = displayable(ours.plan.as_ref()).indent(true).to_string();
    assert!(
        shown.contains("Sliding") && !shown.contains("Bounded"),
        "{shown}"
    );
    let shown = displayable(theirs.plan.as_ref()).indent(true).to_string();
    assert!(shown.contains("BoundedWindowAggExec"), "{shown}");
    [ours, theirs]
}

#[test]
fn windows_are_those_of_the_operator_of_datafusion_whatever_the_batches() {
    let rows = rows(&many());
    assert!(rows.num_rows() > 2_000);
    for frame in FRAMES {
        let window = format!("(PARTITION BY customerId ORDER BY date RANGE BETWEEN {frame})");
        let [ours, theirs] = both(&FUNCTIONS.replace("OVER w", &format!("OVER {window}")));
        let expected = computed(&theirs, &rows, 1_000);
        for size in [1, 7, 64, 10_000] {
            assert_eq!(computed(&ours, &rows, size), expected, "{frame} {size}");
        }
    }
}

#[test]
fn windows_of_several_lengths_are_those_of_the_operator_of_datafusion() {
    let over =
        |frame: &str| format!("OVER (PARTITION BY customerId ORDER BY date RANGE BETWEEN {frame})");
    let frames = FRAMES.iter().enumerate().map(|(at, frame)| {
        let over = over(frame);
        format!(
            "sum(feature1) {over} AS s{at}, count(*) {over} AS n{at}, \
             min(feature1) {over} - feature1 AS m{at}"
        )
    });
    let select: Vec<String> = frames.collect();
    let [ours, theirs] = both(&select.join(", "));
    let rows = rows(&many());
    let expected = computed(&theirs, &rows, 500);
    for size in [3, 10_000] {
        assert_eq!(computed(&ours, &rows, size), expected, "{size}");
    }
}
