use std::ffi::OsString;
use std::sync::Mutex;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use clap::Subcommand;
use futures::FutureExt;

use super::arguments::{Bytes, Cli, parse};
use super::folders::Out;
use super::program::{Call, start};
use super::*;
use crate::failure;

/// A verb with one flag of each kind.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Counts
    Count {
        /// A name
        #[arg(long)]
        name: Option<String>,
        /// A number
        #[arg(long, default_value_t = 4)]
        number: u32,
        /// Anything
        #[arg(long)]
        message: Option<Verbatim>,
    },
}

fn read(line: &[&str]) -> Result<(String, Cli<Verb>)> {
    let line = std::iter::once("probe")
        .chain(line.iter().copied())
        .map(OsString::from);
    parse::<Verb>(command::<Verb>("probe", "A probe"), line)
}

fn name_of(line: &[&str]) -> Option<String> {
    let Verb::Count { name, .. } = read(line).unwrap().1.verb;
    name
}

#[test]
fn shared_flags_stand_before_or_after_the_verb() {
    for line in [
        &["--store-url=s", "count", "--number=7"][..],
        &["count", "--number", "7", "--store-url", "s"],
    ] {
        let (verb, cli) = read(line).unwrap();
        assert_eq!(
            (verb.as_str(), cli.shared.store_url.as_deref()),
            ("count", Some("s"))
        );
        let Verb::Count { number, .. } = cli.verb;
        assert_eq!(number, 7);
    }
}

#[test]
fn an_empty_value_means_not_given() {
    assert_eq!(name_of(&["count", "--name="]), None);
    assert_eq!(name_of(&["count", "--name=x"]), Some("x".to_owned()));
}

#[test]
fn a_value_can_be_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    std::fs::write(&file, "a=b @c\n\n").unwrap();
    let flag = format!("--name=@{}", file.display());
    assert_eq!(name_of(&["count", &flag]), Some("a=b @c\n".to_owned()));

    let missing = format!("--name=@{}", folder.path().join("nothing").display());
    let error = read(&["count", &missing]).unwrap_err();
    assert_eq!(failure::exit_code(&error), 2);
    assert!(error.to_string().contains("nothing"), "{error}");
}

#[test]
fn what_a_workflow_did_not_fill_in_is_refused_by_name() {
    for flag in [
        "--name=x{{workflow.scheduledTime}}",
        "--workflow={{workflow.name}}",
    ] {
        let error = read(&["count", flag]).unwrap_err();
        assert_eq!(failure::exit_code(&error), 2);
        let name = flag.split('=').next().unwrap();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_verbatim_text_may_quote_what_was_not_filled_in() {
    let text = "[{\"message\": \"--plan is {{tasks.plan}}\"}]";
    let Verb::Count { message, .. } = read(&["count", &format!("--message={text}")])
        .unwrap()
        .1
        .verb;
    assert_eq!(message, Some(Verbatim(text.to_owned())));
}

#[test]
fn help_of_every_flag_is_well_formed() {
    command::<Verb>("probe", "A probe").debug_assert();
}

#[test]
fn sizes_are_read_with_their_units() {
    for (text, bytes) in [
        ("1000", Some(1000)),
        ("512MiB", Some(512 << 20)),
        ("2Gi", Some(2 << 30)),
        ("4K", Some(4096)),
    ] {
        assert_eq!(
            text.parse::<Bytes>().ok().map(Bytes::bytes),
            bytes,
            "{text}"
        );
    }
    for text in ["", "MiB", "0", "5XB", "-1", "99999999999999999999Gi"] {
        assert!(text.parse::<Bytes>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn results_come_in_the_order_of_the_items_and_the_first_error_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let squares = step.each(0..100, |i| Ok(i * i)).await.unwrap();
    assert_eq!(squares, (0..100).map(|i| i * i).collect::<Vec<_>>());

    let failing = step
        .each(0..100, |i| {
            if i == 7 {
                Err(Failure::contract("seven"))
            } else {
                Ok(i)
            }
        })
        .await;
    assert_eq!(failing.unwrap_err().to_string(), "seven");
}

#[tokio::test]
async fn a_stopped_step_does_not_go_on_with_the_next_item() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    step.stop.store(true, Ordering::Relaxed);
    let error = step.each(0..3, Ok).await.unwrap_err();
    assert_eq!(failure::exit_code(&error), 143);
}

/// Counts how often it is closed.
#[derive(Default)]
struct Counted(std::sync::atomic::AtomicUsize);

impl Close for Counted {
    fn close(&self, _: Duration) -> futures::future::BoxFuture<'_, ()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::ready(()).boxed()
    }
}

#[test]
fn a_panic_closes_what_was_opened() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("work")).unwrap();
    let call = Call {
        step: "probe".to_owned(),
        verb: "count".to_owned(),
        started: Instant::now(),
        is_checked: true,
        wrong: None,
        unread: Vec::new(),
    };
    let verb = Verb::Count {
        name: None,
        number: 4,
        message: None,
    };
    let mut opened = None;
    let panics = async |step: &Step, _: Verb| {
        let counted = step.opened::<Counted>();
        assert!(Arc::ptr_eq(&counted, &step.clone().opened()));
        opened = Some(counted);
        panic!("made up")
    };
    let panic = catch_unwind(AssertUnwindSafe(|| {
        start(&call, Shared::for_test(home.path()), verb, panics)
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"made up"));
    assert_eq!(opened.unwrap().0.load(Ordering::Relaxed), 1);
}

#[test]
fn progress_ends_with_all_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("progress");
    let progress = Progress::new(Some(file.clone()), false);
    let line = || std::fs::read_to_string(&file).unwrap();
    progress.begin(4, "shards");
    progress.advance(1);
    assert_eq!(line(), "1/4\n");
    progress.advance(2);
    assert_eq!(line(), "3/4\n");
    progress.finish().unwrap();
    assert_eq!(line(), "4/4\n");

    progress.begin(5_000_000_000, "bytes");
    progress.advance(1_700_000_000);
    assert_eq!(line(), "34/100\n");

    // Argo takes no total of 0.
    progress.begin(0, "shards");
    progress.finish().unwrap();
    assert_eq!(line(), "1/1\n");
}

#[test]
fn every_output_is_written_also_when_it_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = Outputs::new()
        .set("rows", 3)
        .set("reason", "")
        .set_metric("auc", None)
        .set_metric("f1", Some(0.5))
        .file("report.html", b"<p>".to_vec());
    outputs
        .write(&Out::Folder(folder.path().to_owned()))
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        ["rows", "reason", "auc", "f1", "report.html"].map(read),
        ["3", "", "", "0.5", "<p>"]
    );
    assert_eq!(outputs.get("rows"), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_go_on_while_the_first_item_takes_long_and_results_come_in_order() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path()).with_threads(2);
    // The first item ends only when the sixth has begun.
    let (begun, wait_for) = std::sync::mpsc::channel();
    let (begun, wait_for) = (Mutex::new(begun), Mutex::new(wait_for));
    let shared = Arc::new((begun, wait_for));
    let work = move |item: usize| {
        match item {
            0 => shared
                .1
                .lock()
                .unwrap()
                .recv_timeout(Duration::from_secs(60))?,
            5 => shared.0.lock().unwrap().send(())?,
            _ => {}
        }
        Ok(item)
    };
    assert_eq!(
        step.each(0..12, work).await.unwrap(),
        (0..12).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_error_in_the_order_of_the_items_is_the_one_that_is_reported() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path()).with_threads(3);
    // The item that fails first is not the first that fails.
    let (failed, wait_for) = std::sync::mpsc::channel();
    let shared = Arc::new((Mutex::new(failed), Mutex::new(wait_for)));
    let work = move |item: usize| -> Result<usize> {
        match item {
            1 => shared
                .1
                .lock()
                .unwrap()
                .recv_timeout(Duration::from_secs(60))?,
            2 => shared.0.lock().unwrap().send(())?,
            _ => return Ok(item),
        }
        anyhow::bail!("item {item}")
    };
    let mut taken = Vec::new();
    let error = step.fold(0..100, work, |item| {
        taken.push(item);
        Ok(())
    });
    assert_eq!(error.await.unwrap_err().to_string(), "item 1");
    assert_eq!(taken, [0]);
}
