//! The example of docs/aggregates.md.

use arrow::array::{ArrayRef, BooleanArray};

use super::super::windows::documented::{blocks, tables};
use super::*;

/// Raw rows of a table's lines.
fn raw(schema: &SchemaRef, lines: &[Vec<&str>]) -> RecordBatch {
    let texts = |at: usize| {
        let cells = lines.iter().map(move |line| line[at]);
        cells.map(|text| Some(text).filter(|text| !text.is_empty()))
    };
    let orders = texts(0).map(|order| order.and_then(|order| order.parse().ok()));
    let amounts = texts(2).map(|amount| amount.and_then(|amount| amount.parse().ok()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(orders.collect::<Int64Array>()),
        Arc::new(texts(1).collect::<StringArray>()),
        Arc::new(amounts.collect::<Float64Array>()),
        Arc::new(BooleanArray::from(vec![false; lines.len()])),
    ];
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

#[test]
fn the_example_of_the_page_gives_what_it_says() {
    let page = include_str!("../../../../../../docs/aggregates.md");
    let tables = tables(page);
    let (train, score) = (&tables[0][2..], &tables[1][2..]);
    let contract = blocks(page, "json")[0].to_owned();
    let queries = blocks(page, "sql");
    let config = Config::parse(contract, queries[2].to_owned()).unwrap();
    let schema = config.dataset.raw_schema();
    let names = ["place", "everywhere"].map(str::to_owned);
    let sql = queries.iter().map(|sql| (*sql).to_owned());
    let config = config.with_aggregates(names.into_iter().zip(sql).collect());
    let features = Features::new(&config, 64 << 20).unwrap();
    let values = fitted(&features, &[raw(&schema, train)]);
    features.look_up(&values).unwrap();
    let computed = compute(&features, vec![raw(&schema, score)]).unwrap();
    for (at, name) in [(3, "share"), (4, "above")] {
        let found = computed[name].as_primitive::<Float64Type>();
        let expected: Vec<Option<f64>> = score.iter().map(|line| line[at].parse().ok()).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{name}");
    }
}
