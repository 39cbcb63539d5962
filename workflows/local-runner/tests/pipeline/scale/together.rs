//! The same where rows of an entity are brought together: the shuffle's plan and markers, the
//! reduce of the buckets, and the commit, for ten billion rows in a hundred thousand files.

use std::cell::Cell;
use std::fs::{self, File};

use catalog::fanout::{MAX_GROUPS, Shard};
use serde_json::json;

use super::super::bench::Bench;
use super::super::bring_your_own::configure;
use super::super::windows;
use super::{SHA256, Scale, WORKFLOW};

const FEATURES: &str = r#"SELECT "customerId", date, amount, target,
    avg(amount) OVER (PARTITION BY "customerId" ORDER BY date
        RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW) AS mean
FROM raw"#;
/// Bytes of a raw file of 100,000 rows, as `just benchmark-windows` has them.
const RAW_BYTES: u64 = 1_480_000;
/// Buckets of so many files, at most.
const BUCKETS: usize = 512;
/// An object without rows: its form, and an index that says so of each bucket.
const FORM: &[u8] = b"alashuf1";
const ENTRY: usize = 56;

impl Scale<'_> {
    /// Raw files of many bytes that take no room.
    fn sparse(&self, folder: &str) {
        let raw = self.bench.raw(folder);
        fs::create_dir_all(&raw).unwrap();
        for shard in 0..self.shards {
            self.link(
                &raw.join(format!("{shard:06}.parquet")),
                "sparse",
                |shared| {
                    File::create(shared).unwrap().set_len(RAW_BYTES).unwrap();
                },
            );
        }
    }

    /// Writes what `shuffle` leaves: objects without rows, and a marker of one row for each file.
    fn shuffled(&self, plan: &str, groups: &[String], buckets: usize) -> [u64; 3] {
        let work = plan.strip_suffix("/plan.json").unwrap();
        let empty = [FORM, &vec![0; buckets * ENTRY]].concat();
        fs::create_dir_all(self.bench.store(&format!("{work}/shuffled"))).unwrap();
        self.map(plan, groups, |work, shard| {
            let key = format!("{work}/shuffled/{}.bin", shard.fingerprint());
            self.link(&self.bench.store(&key), "shuffled", |shared| {
                fs::write(shared, &empty).unwrap();
            });
            let part = json!({"key": key, "rows": 1, "bytes": empty.len(), "sha256": SHA256,
                "ordinal": shard.ordinal});
            let sha256 = format!("{:064x}", shard.ordinal);
            let raw = json!({"key": shard.key, "bytes": shard.bytes, "stamp": shard.stamp,
                "sha256": sha256, "rows": 1});
            let split = ["holdout", "train"][shard.ordinal % 2];
            json!({"raw": raw, "bad": null, "pieces": [], "shuffled": {
                "object": {"part": part, "index": FORM.len()},
                "splits": [{"split": split, "rows": 1, "labelled_rows": 1}],
            }})
        })
    }

    /// Writes what `reduce` leaves of the other buckets, of which it has done those of one group.
    fn reduced(&self, before: &[String], buckets: usize, version: &str, bytes: u64) -> u64 {
        let new = works(self.bench)
            .into_iter()
            .find(|work| !before.contains(work));
        let work = format!("_work/{}", new.expect("the reduce writes markers"));
        let mut markers = 0;
        for ordinal in 0..buckets {
            let shard = Shard {
                ordinal,
                key: format!("bucket {ordinal} of {buckets}"),
                bytes: bytes / buckets as u64,
                stamp: String::new(),
            };
            let piece = |split: &str| {
                let folder = format!("{split}/{version}");
                fs::create_dir_all(self.bench.store(&folder)).unwrap();
                let part = self.part(&folder, &work, ordinal);
                json!({"split": split, "labelled_rows": 1, "part": part})
            };
            let result = json!({"pieces": [piece("holdout"), piece("train")]});
            let marker = json!({"workflow": WORKFLOW, "result": result});
            let marker = serde_json::to_vec_pretty(&marker).unwrap();
            markers += marker.len() as u64;
            self.put(
                &format!("{work}/done/{}.json", shard.fingerprint()),
                &marker,
            );
        }
        markers
    }

    /// From the raw files to the rows to train on. Gives sizes by name.
    fn together(&mut self, config: &str) -> Vec<(&'static str, u64)> {
        let version = self.data_version();
        self.sparse(&version);
        let flag = |name: &str, value: &str| format!("--{name}={value}");
        let raw = flag("raw-url", &self.bench.raw("").display().to_string());
        let plan = [
            flag("split", "train"),
            flag("data-version", &version),
            flag("train-glob", &format!("{version}/*.parquet")),
            flag("holdout", "fraction=0.5"),
            flag("config-dir", config),
            flag("parallelism", &MAX_GROUPS.to_string()),
            raw,
        ];
        self.run("data-prep", "plan", &plan);
        let key = self.output("plan");
        let ids = |name: &str| -> Vec<String> { serde_json::from_str(&self.output(name)).unwrap() };
        let (groups, of_buckets) = (ids("shuffle-groups"), ids("reduce-groups"));
        assert_eq!(groups.len(), self.shards.min(MAX_GROUPS));
        let planned = self.bench.json(&key);
        let buckets = planned["job"]["windows"]["buckets"].as_u64().unwrap() as usize;
        assert!((2..=BUCKETS).contains(&buckets), "{buckets}");

        let shuffled = self.shuffled(&key, &groups, buckets);
        self.keys(&key, &groups);
        let before = works(self.bench);
        let work = flag("plan", &key);
        self.run(
            "data-prep",
            "reduce",
            &[work.clone(), flag("group", &of_buckets[0])],
        );
        let object = (FORM.len() + buckets * ENTRY) as u64;
        let markers = self.reduced(&before, buckets, &version, object * self.shards as u64);
        self.run("data-prep", "commit", &[work]);
        assert_eq!(self.output("rows"), buckets.to_string());
        let manifest = self.output("manifest");
        let size = |key: &str| fs::metadata(self.bench.store(key)).unwrap().len();
        vec![
            ("outputs `shuffle-groups` and `reduce-groups`", {
                let of = |ids: &[String]| serde_json::to_string(ids).unwrap().len() as u64;
                of(&groups) + of(&of_buckets)
            }),
            ("plan.json", shuffled[0]),
            ("groups", shuffled[1]),
            ("markers of the shuffle", shuffled[2]),
            (
                "indexes of all objects",
                (buckets * ENTRY * self.shards) as u64,
            ),
            ("markers of the reduce", markers),
            ("manifest of the rows to train on", size(&manifest)),
        ]
    }
}

/// The folders of plans.
fn works(bench: &Bench) -> Vec<String> {
    let works = fs::read_dir(bench.store("_work")).unwrap();
    let names = works.map(|work| work.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Brings rows together of so many files, and prints what it takes.
fn bring_together(shards: &[usize]) {
    let bench = Bench::empty();
    let config = configure(&bench, &windows::dataset(), FEATURES, &[]);
    for &shards in shards {
        let mut scale = Scale {
            bench: &bench,
            shards,
            measured: Vec::new(),
            made: Cell::new(0),
        };
        let sizes = scale.together(config.to_str().unwrap());
        scale.show(&sizes);
    }
}

#[test]
fn rows_of_many_files_are_brought_together() {
    bring_together(&[100, 1_000]);
}

#[test]
#[ignore = "it takes a minute: just benchmark-scale"]
fn rows_of_a_hundred_thousand_files_are_brought_together() {
    bring_together(&[100, 10_000, 100_000]);
}
