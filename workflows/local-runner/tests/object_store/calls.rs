//! How often steps call S3.

use catalog::fanout::MARKED_TOGETHER;
use testing::{Call, S3Server};

use super::lab::Lab;

/// Calls by method and what they are about, sorted: of a key only the words that do not name a
/// version, a shard or a digest.
pub(crate) fn about(calls: &[Call]) -> Vec<String> {
    let mut about: Vec<String> = calls
        .iter()
        .map(|call| {
            let path = call.path.split('?').next().unwrap_or_default();
            let words = path
                .split('/')
                .skip(3)
                .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            format!("{} {}", call.method, words.collect::<Vec<_>>().join("/"))
        })
        .collect();
    about.sort();
    about
}

/// The calls that are more in one list than in the other.
pub(crate) fn more(few: &[String], many: &[String]) -> Vec<String> {
    let mut more = many.to_vec();
    for call in few {
        if let Some(at) = more.iter().position(|other| other == call) {
            more.remove(at);
        }
    }
    more
}

#[test]
fn a_file_takes_four_calls_to_prepare() {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(1_000, 3, 0);
    let (plan, group) = lab.plan();
    let (plan, group) = (format!("--plan={plan}"), format!("--group={group}"));
    let map = ["data-prep", "map", &plan, &group];
    lab.proxy.take_calls();
    lab.step(&map).expect(0);
    let once = [
        "GET store/_config",
        "GET store/_config",
        "GET store/_work/groups",
        "GET store/_work",
        "GET store/train",
    ];
    let mut expected: Vec<&str> = once.to_vec();
    for _ in 0..3 {
        expected.extend([
            "GET store/_work/done",
            "GET raw/train",
            "PUT store/_work/done",
        ]);
    }
    expected.extend(["PUT store/holdout", "PUT store/train", "PUT store/train"]);
    expected.push("PUT store/_work/keys");
    expected.sort_unstable();
    assert_eq!(about(&lab.proxy.take_calls()), expected);

    lab.step(&map).expect(0);
    assert_eq!(
        lab.proxy.take_calls().len(),
        once.len() + 3 * 2 + 1,
        "a mark, and the size of its part; and whether the keys of the group are there"
    );
    lab.step(&["data-prep", "commit", &plan]).expect(0);
    let commit = about(&lab.proxy.take_calls());
    assert_eq!(
        commit.iter().filter(|call| call.contains("done")).count(),
        3,
        "{commit:#?}"
    );
    assert_eq!(
        commit
            .iter()
            .filter(|call| call.starts_with("HEAD"))
            .count(),
        3,
        "{commit:#?}"
    );
}

#[test]
fn a_file_takes_few_calls_from_its_arrival_to_the_report() {
    let calls_for = |files: usize| {
        let lab = Lab::new(S3Server::minio());
        lab.sample_data(500, 2, files);
        lab.proxy.take_calls();
        lab.pipeline(&[]).expect(0);
        about(&lab.proxy.take_calls())
    };
    let (few, many) = (calls_for(3), calls_for(8));
    let mut more = more(&few, &many);
    // One object for each day that is seen, however many files.
    more.retain(|call| call != "PUT store/results/m/_profiles");
    // 16 for a file: prepared 4, committed 2, scored 4, profiled 3, committed 2, reported 1. And
    // they are in one group more of each, whose keys are written and read.
    assert_eq!(more.len(), 5 * 16 + 15 + 2, "{more:#?}");
}

/// Marks of groups count in the workflow that made them.
const WORKFLOW: &str = "--workflow=calls";

/// Calls of planning and committing so many files to score, in two groups.
fn planned_and_committed(files: usize) -> Vec<(&'static str, usize)> {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(500, 2, files);
    let training = [
        "submit",
        "--from",
        "workflowtemplate/alameda-training",
        "-p",
        "data-version=1",
        "-p",
        "model-name=m",
    ];
    lab.alameda(&training).expect(0);
    let mut counted = Vec::new();
    let mut run = |name: &'static str, step: &str, verb: &str, flags: &[String]| {
        lab.proxy.take_calls();
        let words: Vec<&str> = [step, verb]
            .into_iter()
            .chain(flags.iter().map(String::as_str))
            .chain([WORKFLOW])
            .collect();
        lab.step(&words).expect(0);
        counted.push((name, lab.proxy.take_calls().len()));
    };
    let flag = |name: &str, value: &str| format!("--{name}={value}");
    let mut mapped = |step: &'static str, plan: Vec<String>, names: [&'static str; 2]| {
        run(names[0], step, "plan", &plan);
        let groups: Vec<String> = serde_json::from_str(&lab.output("groups")).unwrap();
        assert_eq!(groups.len(), 2);
        let plan = flag("plan", &lab.output("plan"));
        for group in groups {
            lab.step(&[step, "map", &plan, &flag("group", &group), WORKFLOW])
                .expect(0);
        }
        run(names[1], step, "commit", &[plan]);
        lab.output("manifest")
    };
    lab.step(&[
        "batch-inference",
        "resolve",
        "--model-name=m",
        "--data-version=1",
    ])
    .expect(0);
    let (uri, two) = (
        flag("model-uri", &lab.output("model-uri")),
        flag("parallelism", "2"),
    );
    let prepare = vec![
        flag("split", "predict"),
        flag("data-version", "1"),
        flag("selection", &lab.output("selection")),
        flag("config", &lab.output("config")),
        two.clone(),
    ];
    let predict = mapped(
        "data-prep",
        prepare.clone(),
        ["data-prep plan", "data-prep commit"],
    );
    let score = vec![uri, flag("predict-manifest", &predict), two];
    mapped(
        "batch-inference",
        score,
        ["batch-inference plan", "batch-inference commit"],
    );
    run("data-prep plan again", "data-prep", "plan", &prepare);
    assert_eq!(lab.output("reused"), "true");
    counted
}

#[test]
fn planning_and_committing_call_s3_by_the_group_and_not_by_the_shard() {
    let (few, many) = (
        planned_and_committed(2 * MARKED_TOGETHER),
        planned_and_committed(4 * MARKED_TOGETHER),
    );
    // Rows of both are of every day of a year, and a profile is put for each. A page of a listing
    // has 1000 objects.
    assert_eq!(few, many);
    eprintln!("calls to S3: {few:?}");
}
