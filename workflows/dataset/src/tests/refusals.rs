//! What an error repeats of the questions that it ends.

use super::*;

#[test]
fn without_a_feature_what_would_have_been_asked_is_in_the_error() {
    let desk = Desk::new();
    let rows = (0..60).map(|row| format!("{row},${}.50,2024-01-05,{}\n", row + 3, row % 2));
    let rows = rows.collect::<String>();
    desk.csv("a.csv", &format!("id,'price',signed,y\n{rows}"));
    let refused = desk.refused(&["--target=y", "--id=id", "--time=none"]);
    for expected in [
        "column \"'price'\" is left out: names rows (its texts are numbers with \"$\" before them",
        "; 60 of 60 texts differ, such as \"$3.50\")",
        "column \"signed\" is left out: constant (every value is 2024-01-05)",
        "csv: the header names 'price': fields are in single quotes",
    ] {
        assert!(refused.contains(expected), "{refused}");
    }
}
