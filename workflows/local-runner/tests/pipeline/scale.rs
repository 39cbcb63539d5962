//! `plan` and `commit` at the scale of many shards, by the real program over a folder. What `map`
//! leaves for them is written here, in the same form and number. `just benchmark-scale` prints the
//! figures; no time is asserted.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use catalog::fanout::{MARKED_TOGETHER, MAX_GROUPS, Shard};
use serde_json::{Value, json};

use super::bench::{Bench, peak};

mod together;

/// What etcd and Argo take of one output parameter without complaint; a workflow has many, and 1
/// MiB for all.
const MOST_OUTPUT_BYTES: u64 = 32 * 1024;
/// Names of one file: file systems allow some 65,000.
const LINKS: usize = 20_000;
const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Marks of groups count in the workflow that made them.
const WORKFLOW: &str = "scale";

/// A verb that was run.
struct Measured {
    verb: String,
    seconds: f64,
    peak_mib: u64,
}

/// Many shards on their way from the selection to the results.
struct Scale<'a> {
    bench: &'a Bench,
    shards: usize,
    measured: Vec<Measured>,
    /// Objects that were made.
    made: Cell<usize>,
}

impl Scale<'_> {
    fn data_version(&self) -> String {
        format!("many-{}", self.shards)
    }

    /// Runs a verb, and looks at what it takes.
    fn run(&mut self, step: &str, verb: &str, flags: &[String]) {
        let out = self.bench.folder().join("out");
        let _ = fs::remove_dir_all(&out);
        let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
        for name in ["STORE_URL", "RAW_URL", "MLFLOW_TRACKING_URI", "RUST_LOG"] {
            command.env_remove(name);
        }
        command
            .args([step, verb])
            .args(flags)
            .arg(format!("--store-url={}", self.bench.store("").display()));
        command
            .arg(format!("--out={}", out.display()))
            .arg(format!("--workflow={WORKFLOW}"))
            .arg(format!("--work={}", self.bench.folder().display()));
        let started = Instant::now();
        let peak = peak(command);
        let seconds = started.elapsed().as_secs_f64();
        for output in fs::read_dir(&out).unwrap().map(Result::unwrap) {
            let bytes = output.metadata().unwrap().len();
            assert!(
                bytes <= MOST_OUTPUT_BYTES,
                "{step} {verb}: {:?} has {bytes} bytes",
                output.file_name()
            );
        }
        self.measured.push(Measured {
            verb: format!("{step} {verb}"),
            seconds,
            peak_mib: peak.div_ceil(1 << 20),
        });
    }

    fn output(&self, name: &str) -> String {
        fs::read_to_string(self.bench.folder().join("out").join(name)).unwrap()
    }

    /// Makes an object; see [`Scale::link`].
    fn make(&self, path: &Path, content: &str) {
        self.link(path, content, |shared| fs::write(shared, content).unwrap());
    }

    /// Makes one more name of a file that many share, which is quickly made and removed; `name`
    /// says which, and `create` writes it.
    fn link(&self, path: &Path, name: &str, create: impl FnOnce(&Path)) {
        let made = self.made.replace(self.made.get() + 1);
        let shared = format!("{}-{name}-{}", self.shards, made / LINKS);
        let shared = self.bench.folder().join(shared);
        if !shared.exists() {
            create(&shared);
        }
        fs::hard_link(shared, path).unwrap();
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.bench.store(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes what `map` leaves of the plan: `result` makes the objects of a shard and tells of
    /// them. Gives the sizes of the plan, of its groups and of the marks that `commit` reads.
    fn map(
        &self,
        plan: &str,
        groups: &[String],
        result: impl Fn(&str, &Shard) -> Value,
    ) -> [u64; 3] {
        let planned = self.bench.json(plan);
        let shards: Vec<Shard> = serde_json::from_value(planned["shards"].clone()).unwrap();
        assert_eq!(shards.len(), self.shards);
        let work = plan.strip_suffix("/plan.json").unwrap();
        let (mut of_groups, mut marks) = (0, 0);
        for id in groups {
            let key = format!("{work}/groups/{id}.json");
            of_groups += fs::metadata(self.bench.store(&key)).unwrap().len();
            let ordinals: Vec<usize> =
                serde_json::from_value(self.bench.json(&key)["ordinals"].clone()).unwrap();
            let done = ordinals.iter().map(|&ordinal| {
                (
                    shards[ordinal].fingerprint(),
                    result(work, &shards[ordinal]),
                )
            });
            let mut mark = |key: String, value: &Value| {
                let bytes = serde_json::to_vec_pretty(value).unwrap();
                marks += bytes.len() as u64;
                self.put(&key, &bytes);
            };
            if ordinals.len() >= MARKED_TOGETHER {
                let shards: serde_json::Map<String, Value> = done.collect();
                mark(
                    format!("{work}/done-groups/{id}.json"),
                    &json!({"workflow": WORKFLOW, "shards": shards}),
                );
            } else {
                for (shard, result) in done {
                    mark(
                        format!("{work}/done/{shard}.json"),
                        &json!({"workflow": WORKFLOW, "result": result}),
                    );
                }
            }
        }
        [
            fs::metadata(self.bench.store(plan)).unwrap().len(),
            of_groups,
            marks,
        ]
    }

    /// A part of one byte.
    fn part(&self, folder: &str, work: &str, ordinal: usize) -> Value {
        let fingerprint = work.strip_prefix("_work/").unwrap();
        let key = format!("{folder}/part-{}-{ordinal:06}.parquet", &fingerprint[..8]);
        self.make(&self.bench.store(&key), "x");
        json!({"key": key, "rows": 1, "bytes": 1, "sha256": SHA256, "ordinal": ordinal})
    }

    fn groups(&self) -> Vec<String> {
        let groups: Vec<String> = serde_json::from_str(&self.output("groups")).unwrap();
        assert_eq!(groups.len(), self.shards.min(MAX_GROUPS));
        groups
    }

    /// From the raw files to the results. Gives sizes by name.
    fn whole(&mut self) -> Vec<(&'static str, u64)> {
        let version = self.data_version();
        let raw = self.bench.raw(&version);
        fs::create_dir_all(&raw).unwrap();
        for shard in 0..self.shards {
            self.make(&raw.join(format!("{shard:06}.parquet")), "x");
        }
        let flag = |name: &str, value: &str| format!("--{name}={value}");
        let (version_flag, raw_flag) = (
            flag("data-version", &version),
            flag("raw-url", &self.bench.raw("").display().to_string()),
        );
        let glob = flag("predict-glob", &format!("{version}/*.parquet"));
        let model = flag("model-name", "m");
        self.run(
            "batch-inference",
            "resolve",
            &[model, version_flag.clone(), raw_flag.clone(), glob],
        );
        let uri = flag("model-uri", &self.output("model-uri"));
        let parallelism = flag("parallelism", &MAX_GROUPS.to_string());
        let (selection, config) = (
            flag("selection", &self.output("selection")),
            flag("config", &self.output("config")),
        );
        let prepare = [
            flag("split", "predict"),
            version_flag,
            raw_flag,
            selection,
            config,
            parallelism.clone(),
        ];
        self.run("data-prep", "plan", &prepare);

        let (plan, groups) = (self.output("plan"), self.groups());
        let fingerprint = plan.split('/').nth(1).unwrap().to_owned();
        let folder = format!("predict/{version}/{}", &fingerprint[..8]);
        fs::create_dir_all(self.bench.store(&folder)).unwrap();
        let prepared = self.map(&plan, &groups, |work, shard| {
            let part = self.part(&folder, work, shard.ordinal);
            let sha256 = format!("{:064x}", shard.ordinal);
            let raw = json!({
                "key": shard.key, "bytes": 1, "stamp": shard.stamp, "sha256": sha256, "rows": 1,
            });
            json!({"raw": raw, "bad": null, "pieces": [{"split": "predict", "labelled_rows": 0, "part": part}]})
        });
        self.keys(&plan, &groups);
        self.run("data-prep", "commit", &[flag("plan", &plan)]);
        assert_eq!(self.output("rows"), self.shards.to_string());
        let predict = self.output("manifest");
        self.run("data-prep", "plan", &prepare);
        assert_eq!(self.output("reused"), "true", "all parts are found");
        if let Some(again) = self.measured.last_mut() {
            again.verb += ", done before";
        }

        self.run(
            "batch-inference",
            "plan",
            &[uri, flag("predict-manifest", &predict), parallelism],
        );
        let (plan, groups) = (self.output("plan"), self.groups());
        let folder = format!("results/{version}/m/v1");
        fs::create_dir_all(self.bench.store(&folder)).unwrap();
        let work = plan.strip_suffix("/plan.json").unwrap().to_owned();
        fs::create_dir_all(self.bench.store(&format!("{work}/profiles"))).unwrap();
        let profile_of = |shard: &Shard| format!("{work}/profiles/{}.json", shard.fingerprint());
        let scored = self.map(&plan, &groups, |work, shard| {
            self.make(&self.bench.store(&profile_of(shard)), "[]");
            let profiles = json!({"key": profile_of(shard), "bytes": 2, "sha256": SHA256});
            json!({"part": self.part(&folder, work, shard.ordinal), "unscored_rows": 0, "profiles": profiles})
        });
        self.profiles(&plan, &groups, profile_of);
        self.run("batch-inference", "commit", &[flag("plan", &plan)]);
        assert_eq!(self.output("rows"), self.shards.to_string());
        let results = self.output("manifest");
        let size = |key: &str| fs::metadata(self.bench.store(key)).unwrap().len();
        vec![
            (
                "output `groups`",
                serde_json::to_string(&groups).unwrap().len() as u64,
            ),
            ("data-prep plan.json", prepared[0]),
            ("data-prep groups", prepared[1]),
            ("data-prep marks", prepared[2]),
            ("predict manifest", size(&predict)),
            ("batch-inference plan.json", scored[0]),
            ("batch-inference marks", scored[2]),
            ("results manifest", size(&results)),
        ]
    }

    /// Prints what was measured.
    fn show(&self, sizes: &[(&str, u64)]) {
        let shards = self.shards;
        eprintln!("\n{shards} shards\n\n| verb | s | peak MiB |\n|---|---|---|");
        for Measured {
            verb,
            seconds,
            peak_mib,
        } in &self.measured
        {
            eprintln!("| {verb} | {seconds:.2} | {peak_mib} |");
        }
        eprintln!("\n| object | kB |\n|---|---|");
        for (name, bytes) in sizes {
            eprintln!("| {name} | {:.1} |", *bytes as f64 / 1e3);
        }
    }

    /// Writes the keys of groups: one row of each shard, and no two of the same key.
    fn keys(&self, plan: &str, groups: &[String]) {
        let work = plan.strip_suffix("/plan.json").unwrap();
        for id in groups {
            let group = self.bench.json(&format!("{work}/groups/{id}.json"));
            let ordinals: Vec<u64> = serde_json::from_value(group["ordinals"].clone()).unwrap();
            let mut bytes = b"alakeys1".to_vec();
            bytes.extend((ordinals.len() as u64).to_le_bytes());
            for ordinal in &ordinals {
                bytes.extend(ordinal.to_le_bytes());
                bytes.extend(1_u64.to_le_bytes());
            }
            for &ordinal in &ordinals {
                bytes.extend(ordinal.to_le_bytes());
                bytes.extend((ordinal as u32).to_le_bytes());
            }
            self.put(&format!("{work}/keys/{id}.bin"), &bytes);
        }
    }

    /// Writes the profiles of groups: those of a real run, as if each group had rows of the same
    /// days.
    fn profiles(&self, plan: &str, groups: &[String], profile_of: impl Fn(&Shard) -> String) {
        let shards: Vec<Shard> =
            serde_json::from_value(self.bench.json(plan)["shards"].clone()).unwrap();
        let work = plan.strip_suffix("/plan.json").unwrap();
        let days = fs::read_dir(self.bench.store("results/1/m/v1/_profiles")).unwrap();
        let days: Vec<Value> = days
            .map(|day| serde_json::from_slice(&fs::read(day.unwrap().path()).unwrap()).unwrap())
            .collect();
        for id in groups {
            let group = self.bench.json(&format!("{work}/groups/{id}.json"));
            let ordinals: Vec<usize> = serde_json::from_value(group["ordinals"].clone()).unwrap();
            if ordinals.len() >= MARKED_TOGETHER {
                let keys: Vec<String> = ordinals
                    .iter()
                    .map(|&ordinal| profile_of(&shards[ordinal]))
                    .collect();
                let of_group = serde_json::to_vec(
                    &json!({"workflow": WORKFLOW, "keys": keys, "profiles": days}),
                )
                .unwrap();
                self.put(&format!("{work}/profile-groups/{id}.json"), &of_group);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_shards_are_planned_and_committed() {
    let bench = Bench::new();
    bench.pipeline(&[]).expect(0);
    for shards in [100, 10_000, 100_000] {
        let mut scale = Scale {
            bench: &bench,
            shards,
            measured: Vec::new(),
            made: Cell::new(0),
        };
        let sizes = scale.whole();
        scale.show(&sizes);
    }
}
