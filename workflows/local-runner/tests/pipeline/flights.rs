//! Flights of other people: a month to train on, then 30 nights whose labels come a day late.

use std::fs;

use crate::bench::{Bench, Ran};
use crate::other_people::{DATA_SETS, SCRIPT, assert_same};
use crate::python::{answer, python};

/// The one line that is edited: a flight is named by its carrier, which says much of it too; the
/// day of the month says nothing of the next month.
const FEATURES: [&str; 2] = [
    "SELECT * FROM raw\n",
    "SELECT * EXCLUDE (day), carrier AS airline FROM raw\n",
];

/// The project that `infer` makes of the flights, and what came of them so far.
pub(crate) struct Flights {
    pub(crate) bench: Bench,
    /// Where all files are.
    pub(crate) all: String,
    /// Those that came.
    pub(crate) raw: String,
    pub(crate) project: String,
    /// Names of the files of the nights, in their order.
    pub(crate) nights: Vec<String>,
}

impl Flights {
    /// The files to train on have come; distances of the nights are in this unit.
    pub(crate) fn new(unit: &str) -> Self {
        let bench = Bench::empty();
        let folder = |name: &str| bench.folder().join(name).display().to_string();
        let [all, raw, project] = ["flights", "raw", "project"].map(folder);
        python(DATA_SETS, &["flights", &all, unit]);
        for to in ["predict", "labels"] {
            fs::create_dir_all(format!("{raw}/{to}")).unwrap();
        }
        fs::rename(format!("{all}/train"), format!("{raw}/train")).unwrap();
        let infer = ["dataset", "infer", &raw, "--out", &project];
        let names = ["--target=late", "--id=carrier,flight"];
        bench.alameda(&[&infer[..], &names].concat()).expect(0);
        let features = format!("{project}/features.sql");
        assert_eq!(fs::read_to_string(&features).unwrap(), FEATURES[0]);
        fs::write(features, FEATURES[1]).unwrap();
        let mut nights: Vec<String> = fs::read_dir(format!("{all}/predict"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        nights.sort();
        assert_eq!(nights.len(), 30);
        Self {
            bench,
            all,
            raw,
            project,
            nights,
        }
    }

    pub(crate) fn submit(&self, more: &[&str]) -> Ran {
        let given = [
            "submit",
            &format!("--config-maps={}", self.project),
            &format!("--raw-url={}", self.raw),
            "-p=model-name=late",
        ];
        self.bench.alameda(&[&given[..], more].concat()).expect(0)
    }

    /// Trains version 1.
    pub(crate) fn train(&self) {
        self.submit(&[
            "--from=workflowtemplate/alameda-training",
            "-p=data-version=1",
        ]);
    }

    /// Lets a file come.
    pub(crate) fn comes(&self, kind: &str, file: &str) {
        let [from, to] = [&self.all, &self.raw].map(|folder| format!("{folder}/{kind}/{file}"));
        fs::copy(from, to).unwrap();
    }

    /// The date of a night.
    pub(crate) fn date(&self, night: usize) -> &str {
        self.nights[night].trim_end_matches(".csv")
    }

    /// Scores the flights of a night; the labels of the one before have come.
    pub(crate) fn score(&self, night: usize) {
        self.comes("predict", &self.nights[night]);
        if night > 0 {
            self.comes("labels", &self.nights[night - 1]);
        }
        let time = format!("--scheduled-time={}T02:30:00Z", self.date(night));
        self.submit(&["--from=cronwf/alameda-nightly-inference", &time]);
    }
}

#[test]
fn thirty_nights_of_flights_are_scored_and_measured_as_labels_come() {
    let flights = Flights::new("miles");
    let bench = &flights.bench;
    flights.train();
    let metrics = bench.output("model-training-train", "model");
    let metrics = bench.json(&metrics.replace("_manifest", "metrics"));
    let [store, file, dataset] = [
        bench.store("").display().to_string(),
        format!("{}/train/2013-01.csv", flights.raw),
        format!("{}/dataset.json", flights.project),
    ];
    let changed = ["airline=carrier", "day="];
    let reach = ["reach", &store, &file, &dataset];
    let theirs = answer(SCRIPT, &[&reach[..], &changed].concat());
    assert_eq!(theirs["rows"], 26_398);
    assert_same(&metrics["holdout"], &theirs, 1e-6);

    let nights = &flights.nights;
    let report = |file: &str| {
        let day = file.trim_end_matches(".csv");
        bench.json(&format!("reports/{day}/late/v1/report.json"))
    };
    for (at, file) in nights.iter().enumerate() {
        flights.score(at);
        let before = at.checked_sub(1).map(|before| &nights[before]);
        assert_eq!(bench.result("shards"), "1");
        // What was scored tonight has no label; what was scored yesterday has them now.
        assert_eq!(report(file)["performance"]["labelled_rows"], 0, "{file}");
        if let Some(before) = before {
            let labelled = &report(before)["performance"]["labelled_rows"];
            assert!(labelled.as_u64().unwrap() > 0, "{before}: {labelled}");
        }
    }

    let theirs = answer(SCRIPT, &["by_night", &store, &flights.all]);
    assert_eq!(theirs.as_object().unwrap().len(), 30);
    for file in &nights[..29] {
        let (ours, theirs) = (report(file), &theirs[file.trim_end_matches(".csv")]);
        let ours = &ours["performance"];
        assert_eq!(ours["scored_rows"], theirs["rows"], "{file}");
        assert_eq!(ours["labelled_rows"], theirs["labelled"], "{file}");
        assert_same(&ours["overall"], theirs, 1e-9);
    }
}
