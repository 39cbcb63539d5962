//! How often steps call S3.

use services::Call;

use super::lab::{Lab, minio};

/// Calls by method and what they are about, sorted: of a key only the words that do not name a version, a shard or a digest.
fn about(calls: &[Call]) -> Vec<String> {
    let mut about: Vec<String> = calls
        .iter()
        .map(|call| {
            let path = call.path.split('?').next().unwrap_or_default();
            let words = path.split('/').skip(3).filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            format!("{} {}", call.method, words.collect::<Vec<_>>().join("/"))
        })
        .collect();
    about.sort();
    about
}

#[test]
fn a_file_takes_four_calls_to_prepare() {
    let lab = Lab::new(minio());
    lab.sample_data(1_000, 3, 0);
    let (plan, group) = lab.plan();
    let (plan, group) = (format!("--plan={plan}"), format!("--group={group}"));
    let map = ["data-prep", "map", &plan, &group];
    lab.proxy.take_calls();
    lab.step(&map).expect(0);
    let once =
        ["GET store/_config", "GET store/_config", "GET store/_work/groups", "GET store/_work", "GET store/train"];
    let mut expected: Vec<&str> = once.to_vec();
    for _ in 0..3 {
        expected.extend(["GET store/_work/done", "GET raw/train", "PUT store/_work/done"]);
    }
    expected.extend(["PUT store/holdout", "PUT store/train", "PUT store/train"]);
    expected.sort_unstable();
    assert_eq!(about(&lab.proxy.take_calls()), expected);

    lab.step(&map).expect(0);
    assert_eq!(lab.proxy.take_calls().len(), once.len() + 3 * 2, "a mark, and the size of its part");
    lab.step(&["data-prep", "commit", &plan]).expect(0);
    let commit = about(&lab.proxy.take_calls());
    assert_eq!(commit.iter().filter(|call| call.contains("done")).count(), 3, "{commit:#?}");
    assert_eq!(commit.iter().filter(|call| call.starts_with("HEAD")).count(), 3, "{commit:#?}");
}

#[test]
fn a_file_takes_few_calls_from_its_arrival_to_the_report() {
    let calls_for = |files: usize| {
        let lab = Lab::new(minio());
        lab.sample_data(500, 2, files);
        lab.proxy.take_calls();
        lab.pipeline().expect(0);
        about(&lab.proxy.take_calls())
    };
    let (few, many) = (calls_for(3), calls_for(8));
    let mut more = many.clone();
    for call in &few {
        if let Some(at) = more.iter().position(|other| other == call) {
            more.remove(at);
        }
    }
    // One object for each day that is seen, however many files.
    more.retain(|call| call != "PUT store/results/m/_profiles");
    // 16 for a file: prepared 4, committed 2, scored 4, profiled 3, committed 2, reported 1. And they are in one group more
    // of each.
    assert_eq!(more.len(), 5 * 16 + 17, "{more:#?}");
}
