//! The examples of docs/windows.md.

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;

use super::*;

/// The rows of the tables of a page, without their heads.
pub(in super::super) fn tables(page: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        let cells = line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'));
        let cells = cells.map(|cells| cells.split('|').map(str::trim).collect::<Vec<_>>());
        if let Some(cells) = &cells {
            if !inside {
                tables.push(Vec::new());
            }
            if let Some(table) = tables.last_mut() {
                table.push(cells.clone());
            }
        }
        inside = cells.is_some();
    }
    tables
}

/// The blocks of a language.
pub(in super::super) fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    let blocks = page.split(&begin).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_examples_of_the_page_give_what_it_says() {
    let page = include_str!("../../../../../../docs/windows.md");
    let tables = tables(page);
    let rows: Vec<_> = tables.iter().find(|table| table[0].len() == 4).unwrap()[2..].to_vec();
    let micros = |date: &str| string_to_timestamp_nanos(date).unwrap() / 1_000;
    let contract: Value = serde_json::from_str(blocks(page, "json")[0]).unwrap();
    let schema = table::dataset::Dataset::parse(contract.to_string().as_bytes());
    let amounts = rows.iter().map(|row| row[2].parse().ok());
    let complaints = rows.iter().map(|row| Some(row[3] == "true"));
    let times = rows.iter().map(|row| Some(micros(row[1])));
    let batch = RecordBatch::try_new(
        schema.unwrap().raw_schema(),
        vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[0]))),
            Arc::new(TimestampMicrosecondArray::from_iter(times)),
            Arc::new(Float64Array::from_iter(amounts)),
            Arc::new(complaints.collect::<BooleanArray>()),
            Arc::new(Int64Array::from(vec![0; rows.len()])),
        ],
    );
    let batch = batch.unwrap();
    let queries = blocks(page, "sql");
    let results: Vec<_> = tables
        .iter()
        .filter(|table| table[0].starts_with(&["customer", "date"]) && table[0].len() == 3)
        .collect();
    assert_eq!((queries.len(), results.len()), (3, 3));
    for (sql, expected) in queries.into_iter().zip(results) {
        let features = features_of(contract.clone(), sql).unwrap();
        let computed = compute(&features, vec![batch.clone()]).unwrap();
        let name = expected[0][2];
        let found = column(&computed, name)
            .as_primitive::<Float64Type>()
            .clone();
        let expected: Vec<Option<f64>> = expected[2..]
            .iter()
            .map(|row| row[2].parse().ok())
            .collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{sql}");
    }
}
