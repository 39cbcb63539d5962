//! Rows that Postgres can't hold.

use catalog::manifest::{Part, RawShard};

use super::{RowSorter, binary, keys};
use crate::lab::Results;
use runtime::failure::exit_code;

/// Postgres 15 inserts (id, at, 'churn') with an id of 2,676 random letters, and refuses one more:
/// "index row size 2712 exceeds btree version 4 maximum 2704".
#[test]
fn a_key_that_is_too_long_for_an_index_is_named() {
    let publication = Results::new("1", 1, 1, 0..1).publication();
    let key = |letters| {
        let id = binary::text(&"x".repeat(letters));
        [id, binary::instant(946_684_800_000_000)].concat()
    };
    for fits in [0, 126, 127, 1900, 2000, 2676] {
        publication.check_length(&key(fits), 0).unwrap();
    }
    let error = publication.check_length(&key(2677), 0).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    let text = error.to_string();
    let expected = format!(
        "column \"id\" has 2677 bytes in the row ({}..., 2000-01-01 00:00:00) of part: its key takes \
         2712 bytes, and Postgres indexes at most 2704; write shorter ids into the raw file",
        "x".repeat(60)
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn a_time_that_postgres_does_not_hold_is_named_with_its_row_and_what_can_be_done() {
    // The first moment of the year -5000.
    let results = Results {
        from: -219_951_936_000_000_000,
        ..Results::new("1", 1, 1, 0..3)
    };
    let folder = tempfile::tempdir().unwrap();
    let sorter = RowSorter::new(&results.publication(), folder.path());
    let error = sorter.push(0, &results.batch()).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert_eq!(
        format!("{error:#}"),
        "publishing part: column \"at\" holds the time -5000-01-01 00:00:00 in the row id 00000000-0, \
         at -5000-01-01T00:00:00, which Postgres can't store: correct the raw file and score it in a \
         new data version, or leave such rows out by \"filter\" in dataset.json and train a new version"
    );
}

#[test]
fn a_part_is_named_with_the_raw_file_that_has_its_rows() {
    let of = |rows: &[u64], shards: &[u64]| {
        let mut results = Results::new("1", 1, 1, 0..1).manifest();
        let part = results.parts.remove(0);
        results.parts.extend(rows.iter().map(|rows| Part {
            rows: *rows,
            ..part.clone()
        }));
        let shards = shards.iter().zip(1..);
        results.shards.extend(shards.map(|(rows, number)| RawShard {
            key: format!("predict/{number}.csv"),
            bytes: 1,
            stamp: String::new(),
            sha256: String::new(),
            rows: *rows,
            time: None,
        }));
        keys::parts(&results)
    };
    let named = [
        "part (raw file predict/1.csv)",
        "part (raw file predict/3.csv)",
    ];
    assert_eq!(of(&[5, 7], &[5, 0, 7]), named);
    // Parts of windows are of many raw files.
    assert_eq!(of(&[5, 7], &[6, 6]), ["part", "part"]);
    assert_eq!(of(&[5, 7], &[12]), ["part", "part"]);
}
