use serde_json::json;

use super::*;

#[test]
fn plain_scalars_mean_what_they_mean_to_argo() {
    let text = "[n, Yes, off, 'n', \"on\", 4, '4', 0.5, 0.1.0, 0x10, 0777, 1_000, null, ~, 2026-11-23, -3, +1e3, s3://a, .5]";
    let expected = json!([
        false,
        true,
        false,
        "n",
        "on",
        4,
        "4",
        0.5,
        "0.1.0",
        16,
        511,
        1000,
        null,
        null,
        "2026-11-23",
        -3,
        1000.0,
        "s3://a",
        0.5
    ]);
    assert_eq!(load(text).unwrap(), [expected]);
}

#[test]
fn anchors_and_merge_keys_copy_and_what_is_nearer_wins() {
    let text = "a: &a {x: '1', y: '2'}\nb:\n  <<: *a\n  y: '3'\nc:\n  <<: [{y: '4'}, *a]\nd: [*a]\n---\n---\ne: '5'\n";
    let first = json!({
        "a": {"x": "1", "y": "2"}, "b": {"x": "1", "y": "3"}, "c": {"x": "1", "y": "4"}, "d": [{"x": "1", "y": "2"}]
    });
    assert_eq!(load(text).unwrap(), [first, json!({"e": "5"})]);
}

#[test]
fn every_value_has_its_place_also_through_aliases_merge_keys_and_documents() {
    let text = "a: &a\n  x: '1'\n  y.z/u: [p, q]\nb:\n  <<: *a\n  v: *a\n---\n\n- c: {d: e}\n";
    let documents = load_marked(text).unwrap();
    for (document, path, place) in [
        (0, "", (1, 1)),
        (0, ".a.x", (2, 3)),
        (0, ".a.y.z/u[1]", (3, 14)),
        (0, ".b", (4, 1)),
        (0, ".b.x", (2, 3)),
        (0, ".b.v", (6, 3)),
        (0, ".b.v.x", (2, 3)),
        (0, ".b.v.none[3].deeper", (6, 3)),
        (1, "[0].c.d", (9, 7)),
    ] {
        assert_eq!(documents[document].1.find(path), place, "{path}");
    }
}

#[test]
fn a_broken_file_is_refused_with_its_line() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &('b'..='g')
            .map(|c| {
                format!(
                    "{c}: &{c} [{}]\n",
                    vec![format!("*{}", (c as u8 - 1) as char); 10].join(", ")
                )
            })
            .collect::<String>();
    let deep = "[".repeat(100) + &"]".repeat(100);
    for (text, part) in [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key `a` occurs twice"),
        ("a: [1\nb: 2\n", "line "),
        ("a: *b\n", "line 1"),
        ("a: &a [*a]\n", "inside its own anchor"),
        ("a:\n  <<: 3\n", "line 2: `<<` needs a mapping"),
        (bomb.as_str(), "aliases copy more than"),
        (deep.as_str(), "nested deeper"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn what_is_written_reads_back_the_same() {
    let value = json!({
        "text": ["n", "4", "a: b", " x", "", "it's", "two\nlines", "a #b", "25.05.1", "models:/a/1", "{{x}}", "-", "é"],
        "empty": {"list": [], "object": {}}, "nested": [{"a": 1, "b": {"c": null}}, [true, [2.5]]], "y": "z"
    });
    assert_eq!(load(&emit(&value)).unwrap(), [value]);
}
