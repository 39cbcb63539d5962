use std::fmt::Write;
use std::fs;

use catalog::manifest::{LeftOut, TimeRange};
use clap::Parser;
use dataset::Question;
use dataset::check::{Checked, Report};
use dataset::files::Files;
use dataset::infer::{Options, infer};

use super::{checked, columns, described, questions};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

#[test]
fn a_person_sees_columns_questions_and_what_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "visitor_id,seen_on,pages,referrer,stayed,bought\n".to_owned();
    for row in 0..120 {
        let bought = u8::from(row % 6 == 0);
        let stayed = if bought == 1 { "9.5" } else { "" };
        let day = row / 10 + 1;
        writeln!(
            text,
            "v{row:03},2026-03-{day:02},{},{},{stayed},{bought}",
            row * 7 % 31,
            row * row
        )
        .unwrap();
    }
    fs::write(folder.path().join("visits.csv"), text).unwrap();
    let options = Line::parse_from(["infer", folder.path().to_str().unwrap()]).options;
    let files = Files::find(&options.files).unwrap();
    let inferred = infer(&options, files, &|_| {}).unwrap();
    let command = |words: &[&str]| format!("alameda {}", words.join(" "));
    insta::assert_snapshot!(described(
        &inferred,
        &["visits".to_owned()],
        "visits",
        "shop",
        &command
    ));
}

#[test]
fn many_questions_of_one_kind_and_wide_tables_are_cut() {
    let alike = |number: usize| Question {
        about: format!("x{number}"),
        seen: "every value is 1".to_owned(),
        advice: "it is no feature".to_owned(),
    };
    let text = questions(&(0..8).map(alike).collect::<Vec<_>>());
    assert!(text.starts_with("8 questions"), "{text}");
    assert!(
        text.ends_with("  3 more with the same question: x5, x6, x7\n      it is no feature\n"),
        "{text}"
    );
    for (name, shown) in [
        ("", r#""""#),
        ("a\nb", r#""a\nb""#),
        ("a\u{a0}b", r#""a\u{a0}b""#),
        ("\u{feff}a", r#""\u{feff}a""#),
    ] {
        let odd = Question {
            about: name.to_owned(),
            ..alike(0)
        };
        let text = questions(&[odd]);
        let expected = format!("\n  {shown}: every value is 1\n");
        assert!(text.contains(&expected), "{text}");
    }
    let rows: Vec<Vec<String>> = (0..100).map(|row| vec![format!("x{row}")]).collect();
    assert!(columns(&rows).ends_with("x60\nand 39 more columns: dataset.json holds all\n"));
}

#[test]
fn a_check_is_a_line_for_each_file_and_then_what_is_wrong() {
    let file = |key: &str, rows: Option<u64>| Checked {
        key: key.to_owned(),
        score: key.starts_with("predict"),
        bytes: 3 << 20,
        rows,
        time: rows.map(|_| TimeRange {
            first: "2026-03-01T00:00:00".parse().unwrap(),
            last: "2026-03-31T23:59:59".parse().unwrap(),
        }),
        left_out: LeftOut::default(),
        broken: None,
        extra: Vec::new(),
    };
    let broken =
        "train/b.csv breaks the data contract (dataset.json):\n  column \"x\": 1 of 9 rows";
    let report = Report {
        files: vec![
            Checked {
                left_out: LeftOut {
                    unlabelled: 4,
                    ..LeftOut::default()
                },
                extra: ["", "note", " x"].map(str::to_owned).to_vec(),
                ..file("train/a.csv", Some(1200))
            },
            Checked {
                broken: Some(broken.to_owned()),
                ..file("train/b.csv", None)
            },
            file("predict/c.csv", Some(30)),
        ],
        labels: Vec::new(),
        doubles: vec!["train/d.csv has the same bytes as train/a.csv".to_owned()],
        accepted: Vec::new(),
        faults: Vec::new(),
    };
    insta::assert_snapshot!(checked(&report));
    let labels = vec![file("labels/e.csv", Some(5))];
    let text = checked(&Report {
        labels,
        ..report.clone()
    });
    assert!(text.contains("\nlabels/e.csv   5 "), "{text}");
    assert!(text.contains("  kept, labels\n"), "{text}");
    let faults = vec!["features.sql fails in the column \"mean\"".to_owned()];
    let text = checked(&Report { faults, ..report });
    assert!(
        text.ends_with("\n\nfeatures.sql fails in the column \"mean\"\n"),
        "{text}"
    );
}
