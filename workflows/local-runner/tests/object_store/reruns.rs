//! Every leaf of `workflows/steps/` that writes to the store, run again: after a kill at each of
//! its writes, in vain, at once with itself, and with other arguments. `docs/rerun-matrix.md` tells
//! of it.

mod chain;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use testing::{Fault, HttpProxy, Rule};

use super::lab::Ran;
use chain::{Leaf, chain};
use state::{Place, assert_only_below, assert_same, assert_whole};

/// How often a leaf is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(2);

fn is_write(method: &str) -> bool {
    ["PUT", "POST", "DELETE"].contains(&method)
}

/// Runs a leaf that is killed when it is about to make its write number `writes`, counted from 0;
/// false when it ended before that. None of its writes from that one on reaches the store, and all
/// before it have.
fn killed_at(leaf: &Leaf, place: &Place, proxy: &HttpProxy, writes: usize) -> bool {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let holds = move |method: &str, _: &str| {
        is_write(method) && count.fetch_add(1, Ordering::SeqCst) >= writes
    };
    proxy.set([Rule::always(Fault::Delay(Duration::from_secs(3600))).when(holds)]);
    proxy.take_calls();
    let mut step = place.start(&leaf.arguments, proxy);
    // Until a write is held, and every other call is answered.
    loop {
        let calls = proxy.calls();
        let held = seen.load(Ordering::SeqCst).saturating_sub(writes);
        let open = calls.iter().filter(|call| call.status.is_none()).count();
        if held > 0 && open == held {
            break;
        }
        if step.try_wait().unwrap().is_some() {
            let ran: Ran = step.wait_with_output().unwrap().into();
            ran.expect(0);
            return false;
        }
        thread::sleep(POLL);
    }
    step.kill().unwrap();
    step.wait().unwrap();
    proxy.set([]);
    true
}

#[test]
fn a_leaf_that_is_killed_at_any_of_its_writes_and_run_again_leaves_what_an_undisturbed_run_leaves()
{
    let chain = chain();
    let proxy = chain.proxy();
    for leaf in &chain.leaves {
        let mut writes = 0;
        loop {
            let place = chain.place(&leaf.before);
            if !killed_at(leaf, &place, &proxy, writes) {
                assert_same(&leaf.after, &place.state(), leaf.name, &[]);
                break;
            }
            let what = format!("{} killed at write {writes}", leaf.name);
            // A page is replaced just before the report that names it.
            let pages = leaf.name != "model-monitoring-renew";
            assert_whole(&place.state(), &what, pages);
            let outputs = place.run(&leaf.arguments, &proxy);
            assert_eq!(outputs, leaf.outputs, "{what}");
            assert_same(&leaf.after, &place.state(), &what, &[]);
            writes += 1;
        }
        eprintln!("{}: killed at each of its {writes} writes", leaf.name);
        assert!(writes > 0, "{} writes nothing", leaf.name);
    }
}

#[test]
fn a_leaf_that_is_run_twice_gives_the_same_outputs_and_changes_no_byte() {
    let chain = chain();
    let proxy = chain.proxy();
    for leaf in &chain.leaves {
        let place = chain.place(&leaf.after);
        let before = place.state();
        assert_eq!(
            place.run(&leaf.arguments, &proxy),
            leaf.outputs,
            "{}",
            leaf.name
        );
        let after = place.state();
        if leaf.name == "model-monitoring-notify" {
            // It counts how often a workflow has ended, and writes when.
            assert_only_below(&before, &after, &["_attempts/"], leaf.name);
        } else {
            assert_only_below(&before, &after, &[], leaf.name);
        }
    }
}

#[test]
fn a_leaf_that_runs_twice_at_once_leaves_what_one_run_leaves() {
    let chain = chain();
    let proxy = chain.proxy();
    // So that each meets the other in the middle of its work.
    proxy
        .set([Rule::always(Fault::Delay(Duration::from_millis(20)))
            .when(|method, _| is_write(method))]);
    for leaf in &chain.leaves {
        let place = chain.place(&leaf.before);
        let steps = [(); 2].map(|()| place.start(&leaf.arguments, &proxy));
        for step in steps {
            let ran: Ran = step.wait_with_output().unwrap().into();
            ran.expect(0);
        }
        assert_whole(&place.state(), leaf.name, true);
        // Of what two log to one run of the store's own tracking at the same instant, the last
        // write stays.
        let passing = ["attempts", "params", "metrics", "tags", "datasets"];
        assert_same(&leaf.after, &place.state(), leaf.name, &passing);
    }
}

#[test]
fn other_arguments_are_refused_or_make_something_new_and_touch_nothing_that_is_committed() {
    let chain = chain();
    let proxy = chain.proxy();
    let last = &chain.leaves[chain.leaves.len() - 1].after;
    for (leaf, other, code, part, touched) in [
        (
            "data-prep-plan",
            &["--holdout=fraction=0.2"][..],
            2,
            "committed already, from other inputs",
            &[][..],
        ),
        ("data-prep-plan", &["--parallelism=3"], 0, "", &["_work/"]),
        (
            "data-prep-map",
            &["--group=of-nobody"],
            2,
            "groups/of-nobody.json",
            &[],
        ),
        (
            "data-prep-map",
            &["--plan=_work/of-nobody/plan.json"],
            2,
            "_work/of-nobody",
            &[],
        ),
        (
            "data-prep-shuffle",
            &["--group=of-nobody"],
            2,
            "groups/of-nobody.json",
            &[],
        ),
        (
            "data-prep-reduce",
            &["--group=of-nobody"],
            2,
            "is not a group of the 2 buckets",
            &[],
        ),
        (
            "data-prep-reduce",
            &["--plan=_work/of-nobody/plan.json"],
            2,
            "_work/of-nobody",
            &[],
        ),
        (
            "data-prep-commit",
            &["--plan=_work/of-nobody/plan.json"],
            2,
            "_work/of-nobody",
            &[],
        ),
        (
            "data-prep-plan --split=holdout",
            &["--parallelism=3"],
            0,
            "",
            &["_work/"],
        ),
        (
            "data-prep-plan --split=holdout",
            &["--data-version=1"],
            2,
            "and not the holdout of 1",
            &[],
        ),
        (
            "data-prep-plan --split=holdout",
            &["--config=of-nobody"],
            2,
            "_config/of-nobody",
            &[],
        ),
        (
            "model-training-train",
            &["--c=0.25"],
            0,
            "",
            &["models/m/", "tracking/"],
        ),
        (
            "model-training-train",
            &["--model-name=other"],
            0,
            "",
            &["models/other/", "tracking/"],
        ),
        (
            "model-training-train --candidate=2",
            &["--candidate=3"],
            2,
            "--candidate is 3, and the model has 2 candidates",
            &[],
        ),
        (
            "model-training-train --candidate=2",
            &["--candidate=1"],
            0,
            "",
            &["_work/"],
        ),
        (
            "model-training-import",
            &["--model-file=models/none.json"],
            2,
            "models/none.json",
            &[],
        ),
        (
            "model-training-import",
            &["--model-name=other"],
            0,
            "",
            &["models/other/", "tracking/"],
        ),
        (
            "model-promotion-promote",
            &["--gate-floor=0.99"],
            0,
            r#""promoted":false"#,
            &["models/m/"],
        ),
        (
            "model-promotion-promote --planned-champion=2",
            &["--gate-margin=0.9"],
            0,
            r#""promoted":true"#,
            &["models/m/", "tracking/models/m/aliases/"],
        ),
        (
            "batch-inference-resolve",
            &["--predict-shards=new"],
            0,
            "",
            &[],
        ),
        (
            "batch-inference-resolve",
            &["--predict-glob=few/part-000.parquet"],
            2,
            "is scored already by m, from other raw files",
            &[],
        ),
        (
            "batch-inference-resolve",
            &["--model-ref=1"],
            0,
            r#""model-version":1"#,
            &[],
        ),
        (
            "batch-inference-resolve",
            &["--data-version=2"],
            0,
            "",
            &["results/2/m/_selection.json"],
        ),
        (
            "batch-inference-plan",
            &["--model-uri=models:/m/1"],
            0,
            "",
            &["_work/"],
        ),
        (
            "batch-inference-map",
            &["--group=of-nobody"],
            2,
            "groups/of-nobody.json",
            &[],
        ),
        (
            "batch-inference-commit",
            &["--plan=_work/of-nobody/plan.json"],
            2,
            "_work/of-nobody",
            &[],
        ),
        (
            "model-monitoring-report",
            &["--psi-warn=0.05"],
            0,
            "",
            &["reports/1/m/v2/", "tracking/runs/"],
        ),
        (
            "model-monitoring-renew",
            &["--labels-glob=few/part-000.parquet"],
            0,
            "",
            &["reports/1/m/v2/", "tracking/runs/"],
        ),
        (
            "model-monitoring-notify",
            &["--status=Failed"],
            0,
            "",
            &["_attempts/1/"],
        ),
    ] {
        let what = format!("{leaf} {other:?}");
        let place = chain.place(last);
        let before = place.state();
        let arguments = &chain.leaf(leaf).arguments;
        let flag = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
        let kept = arguments
            .iter()
            .filter(|argument| !other.iter().any(|other| flag(other) == flag(argument)));
        let arguments: Vec<String> = kept
            .cloned()
            .chain(other.iter().map(|&other| other.to_owned()))
            .collect();
        let ran: Ran = place
            .start(&arguments, &proxy)
            .wait_with_output()
            .unwrap()
            .into();
        let ran = ran.expect(code);
        assert!(
            ran.stdout.contains(part) || ran.stderr.contains(part),
            "{what}: {}{}",
            ran.stdout,
            ran.stderr
        );
        assert_only_below(&before, &place.state(), touched, &what);
    }
}
