//! Past dates, of which one has a bad file and one has none.

use std::fs;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::bench::{Bench, Ran, assert_unchanged, rows};

/// A champion, and files for the first, second, third (truncated) and fifth of November 2026.
struct Month {
    bench: Bench,
    config: String,
}

impl Month {
    fn new() -> Self {
        let bench = Bench::new();
        bench.train();
        for day in [1, 2, 3, 5] {
            bench.write(
                &format!("predict/2026-11-0{day}/0.parquet"),
                &rows(20 + day, 200 + day),
            );
        }
        let file = bench.raw("predict/2026-11-03/0.parquet");
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let config = bench.config(&[(
            "PREDICT_GLOB: predict/*",
            "PREDICT_GLOB: predict/{data-version}/*",
        )]);
        Self { bench, config }
    }

    fn backfill(&self, more: &[&str]) -> Ran {
        let submit = [
            "submit",
            "--from",
            "workflowtemplate/alameda-backfill",
            "--config-maps",
            &self.config,
        ];
        let range = [
            "-p",
            "from=2026-11-01",
            "-p",
            "to=2026-11-05",
            "-p",
            "model-name=m",
        ];
        let more: Vec<&str> = more
            .iter()
            .flat_map(|parameter| ["-p", parameter])
            .collect();
        self.bench.alameda(&[&submit[..], &range, &more].concat())
    }

    /// Dates with results.
    fn scored(&self) -> Vec<u32> {
        let key = |day: &u32| {
            self.bench
                .store(&format!("results/2026-11-0{day}/m/v1/_manifest.json"))
        };
        (1..=5).filter(|day| key(day).exists()).collect()
    }

    /// Day, phase, begin and end of each date that the last backfill ran, in the order of their
    /// begin.
    fn ran(&self) -> Vec<(u32, String, DateTime<Utc>, DateTime<Utc>)> {
        let workflow = self.bench.latest();
        let nodes = workflow["status"]["nodes"].as_object().unwrap().values();
        let dates = nodes.filter(|node| node["templateName"] == "date" && node["type"] == "DAG");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        // As texts they would be out of order: a full second is written without its milliseconds.
        let time = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let mut dates: Vec<_> = dates
            .map(|node| {
                let name = text(&node["displayName"]);
                let day = name
                    .rsplit_once("2026-11-0")
                    .unwrap()
                    .1
                    .trim_end_matches(')')
                    .parse()
                    .unwrap();
                (
                    day,
                    text(&node["phase"]),
                    time(&node["startedAt"]),
                    time(&node["finishedAt"]),
                )
            })
            .collect();
        dates.sort_by_key(|date| (date.2, date.3));
        dates
    }

    fn days(&self) -> Vec<u32> {
        self.ran().into_iter().map(|(day, ..)| day).collect()
    }

    /// How the last attempt at a date ended, by its record.
    fn attempt(&self, day: u32) -> String {
        let name = self.bench.latest()["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        self.bench
            .json(&format!("_attempts/2026-11-0{day}/{name}.json"))["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn a_bad_date_fails_the_backfill_and_no_other_date_and_is_what_failed_means_next_time() {
    let month = Month::new();
    let bench = &month.bench;
    month.backfill(&["dry-run=true"]).expect(0);
    assert_eq!(
        (bench.result("summary").as_str(), month.scored()),
        ("5 of 5 dates would be scored (dry run)", vec![])
    );
    assert_eq!(month.ran(), []);

    let shown = month.backfill(&[]).expect(1).shown();
    assert!(shown.contains("predict/2026-11-03/0.parquet"), "{shown}");
    assert_eq!(month.scored(), [1, 2, 5]);
    assert_eq!(month.days(), [1, 2, 3, 4, 5]);
    let failed: Vec<u32> = month
        .ran()
        .into_iter()
        .filter(|date| date.1 == "Failed")
        .map(|date| date.0)
        .collect();
    assert_eq!(failed, [3]);
    assert_eq!(
        [1, 3, 4].map(|day| month.attempt(day)),
        ["Succeeded", "Failed", "Succeeded"]
    );

    // None: every date was attempted, so nothing is left.
    month.backfill(&[]).expect(0);
    assert_eq!(
        (
            bench.result("summary").as_str(),
            bench.result("count").as_str()
        ),
        (
            "0 of 5 dates are scored; no files at the last attempt: 2026-11-04",
            "0"
        )
    );
    assert_eq!(month.ran(), []);

    month.backfill(&["dry-run=true"]).expect(0);
    assert_eq!(
        bench.result("summary"),
        "0 of 5 dates would be scored (dry run); no files at the last attempt: 2026-11-04"
    );
    let decisions: Value = serde_json::from_str(&bench.result("decisions")).unwrap();
    assert_eq!(
        [2, 3].map(|date| &decisions[date]["state"]),
        ["failed", "no files"]
    );

    // Failed: the bad one, which was repaired, and the one without files.
    bench.write("predict/2026-11-03/0.parquet", &rows(23, 203));
    month.backfill(&["reprocess=failed"]).expect(0);
    assert_eq!(
        (month.days(), month.scored()),
        (vec![3, 4], vec![1, 2, 3, 5])
    );
    assert_eq!(
        bench.json("results/2026-11-03/m/v1/_manifest.json")["rows"],
        203
    );
}

#[test]
fn all_dates_can_be_scored_again_the_newest_first_and_as_many_at_a_time_as_asked() {
    let month = Month::new();
    let bench = &month.bench;
    bench.write("predict/2026-11-03/0.parquet", &rows(23, 203));
    month.backfill(&["max-active=2"]).expect(0);
    let dates = month.ran();
    let together = |at: &DateTime<Utc>| {
        dates
            .iter()
            .filter(|(_, _, begin, end)| begin <= at && at < end)
            .count()
    };
    assert_eq!(
        dates.iter().map(|date| together(&date.2)).max(),
        Some(2),
        "{dates:?}"
    );
    let before = bench.lasting();

    month
        .backfill(&["reprocess=all", "newest-first=true"])
        .expect(0);
    let dates = month.ran();
    assert_eq!(month.days(), [5, 4, 3, 2, 1]);
    assert!(
        dates.windows(2).all(|pair| pair[0].3 <= pair[1].2),
        "one at a time: {dates:?}"
    );
    assert_eq!(bench.output("batch-inference-map", "reused"), "true");
    assert_unchanged(&before, &bench.lasting());

    // Work of other files is done again only when that is asked for.
    bench.write("predict/2026-11-01/1.parquet", &rows(30, 50));
    month
        .backfill(&["reprocess=all", "to=2026-11-01", "cache=refresh"])
        .expect(0);
    assert_eq!(
        bench.json("results/2026-11-01/m/v1/_manifest.json")["rows"],
        251
    );
    assert_eq!(bench.output("batch-inference-map", "reused"), "false");
}

#[test]
fn a_date_without_files_fails_nothing_when_all_files_are_scored_either() {
    let month = Month::new();
    month
        .bench
        .write("predict/2026-11-03/0.parquet", &rows(23, 203));
    month.backfill(&["predict-shards=all"]).expect(0);
    assert_eq!(month.scored(), [1, 2, 3, 5]);
    assert_eq!(month.attempt(4), "Succeeded");
    let resolved = month.bench.pods("batch-inference-resolve");
    let summary = crate::bench::parameter(&resolved[3]["outputs"], "summary");
    assert_eq!(
        summary,
        "nothing to score: 2026-11-04 has no files; no file matches predict/2026-11-04/*.parquet"
    );
}

#[test]
fn a_file_that_the_glob_names_must_exist() {
    let bench = Bench::new();
    bench.train();
    let glob = "PREDICT_GLOB: predict/{data-version}/named.parquet";
    let config = bench.config(&[("PREDICT_GLOB: predict/*.parquet", glob)]);
    let month = Month { bench, config };
    let shown = month.backfill(&["to=2026-11-01"]).expect(1).shown();
    let text = "no file matches predict/2026-11-01/named.parquet";
    assert!(shown.contains(text), "{shown}");
}

#[test]
fn one_version_scores_all_dates() {
    let month = Month::new();
    month
        .bench
        .write("predict/2026-11-03/0.parquet", &rows(23, 203));
    month.backfill(&["model-ref=1"]).expect(0);
    assert_eq!(month.bench.result("model-version"), "1");
    for resolved in month.bench.pods("batch-inference-resolve") {
        assert_eq!(
            crate::bench::parameter(&resolved["inputs"], "model-ref"),
            "1"
        );
    }
}

#[test]
fn what_cannot_be_backfilled_is_reported_with_what_to_do() {
    let bench = Bench::new();
    bench.train();
    let config = bench.config(&[]);
    let month = Month { bench, config };
    let shown = month.backfill(&[]).expect(1).shown();
    assert!(
        shown.contains("exit code 2") && shown.contains("predict/{data-version}/*.parquet"),
        "{shown}"
    );
    let refused = month.backfill(&["max-active=3"]).expect(2).shown();
    assert!(
        refused.contains("max-active") && refused.contains("1, 2, 4, 8"),
        "{refused}"
    );
    let shown = month.backfill(&["from=yesterday"]).expect(1).shown();
    assert!(shown.contains("--from yesterday is not a date"), "{shown}");
}
