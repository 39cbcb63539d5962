//! Servers that are away, slow, overloaded or forgetful: what may heal is tried again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testing::{Fault, Minio, Rule, S3Server};

use super::super::*;
use super::bench::{Bench, noise, refused};
use crate::digest;
use runtime::work::{Disk, Work};

const MIB: usize = 1 << 20;
const SLOW_DOWN: &str = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.\
                         </Message></Error>";

/// Every kind of call, and what is there afterwards is what should be.
async fn every_call(store: &Store, name: &str) -> Result<()> {
    let content = noise(9 * MIB);
    store.put(&format!("{name}/a"), b"abc".to_vec()).await?;
    assert!(store.put_json_new(&format!("{name}/new.json"), &1).await?);
    let mut upload = store.upload(&format!("{name}/big")).await?;
    upload.write(&content).await?;
    upload.finish().await?;
    assert_eq!(store.get(&format!("{name}/a")).await?.unwrap(), b"abc");
    assert_eq!(
        store.head(&format!("{name}/big")).await?.unwrap().bytes,
        9 << 20
    );
    assert_eq!(store.list(name).await?.len(), 3);
    let file = store.file(&format!("{name}/big")).await?;
    assert_eq!(file.hash()?.sha256, digest::hex(&content));
    store.delete(&format!("{name}/a")).await
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let faults = || {
        [
            Fault::Status(500, String::new()),
            Fault::Status(503, SLOW_DOWN.to_owned()),
            Fault::Status(429, String::new()),
            Fault::Reset,
        ]
    };
    let cases = S3Server::all()
        .into_iter()
        .flat_map(|server| faults().map(|fault| (server.clone(), fault)));
    let done = futures::future::join_all(cases.map(async |(server, fault)| {
        let bench = Bench::new(server);
        // Each call fails twice, then it is let through.
        let calls = AtomicUsize::new(0);
        let two_of_three = move |_: &str, _: &str| calls.fetch_add(1, Ordering::Relaxed) % 3 != 2;
        let name = format!("{} {fault:?}", bench.server.name);
        bench.proxy.set([Rule::always(fault).when(two_of_three)]);
        every_call(&bench.store(), "x")
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let calls = bench.proxy.take_calls();
        let failed = calls
            .iter()
            .filter(|call| call.status.is_none_or(|status| status >= 429))
            .count();
        assert!(failed >= 20, "{name}: {failed} failed");
        (name, bench)
    }))
    .await;
    // Python blocks this thread, and so the calls of all cases.
    for (name, bench) in done {
        assert_eq!(bench.unfinished(), "", "{name}");
    }
}

#[tokio::test]
async fn lost_answers_change_nothing() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let calls = AtomicUsize::new(0);
        let every_other =
            move |_: &str, _: &str| calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        bench
            .proxy
            .set([Rule::always(Fault::LoseAnswer).when(every_other)]);
        every_call(&store, "lost").await.unwrap();
        bench.proxy.set([]);
        assert_eq!(
            store.get_json::<i32>("lost/new.json").await.unwrap(),
            Some(1)
        );
        assert!(!store.put_json_new("lost/new.json", &2).await.unwrap());
        if bench.server.name != "moto" {
            assert_eq!(bench.unfinished(), "");
        }
    }
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let bench = Bench::new(S3Server::minio());
    let store = bench.store();
    bench
        .proxy
        .set([Rule::always(Fault::Delay(Duration::from_secs(5)))]);
    store.put("a", b"abc".to_vec()).await.unwrap();
    assert_eq!(
        std::fs::read(store.file("a").await.unwrap()).unwrap(),
        b"abc"
    );
    assert_eq!(bench.calls(), ["PUT", "GET"], "nothing was asked twice");
}

#[tokio::test]
async fn a_call_that_hangs_gets_another_chance() {
    let bench = Bench::new(S3Server::minio());
    let store = bench.store();
    store.put("a", b"abc".to_vec()).await.unwrap();
    bench.calls();
    bench
        .proxy
        .set([Rule::always(Fault::Delay(Duration::from_secs(60))).times(1)]);
    assert_eq!(store.get("a").await.unwrap().unwrap(), b"abc");
    assert_eq!(bench.calls(), ["GET", "GET"]);
}

#[tokio::test]
async fn a_server_that_stays_away_is_named() {
    for (what, fault) in [
        (
            "SlowDown (503): Please reduce your request rate.",
            Fault::Status(503, SLOW_DOWN.to_owned()),
        ),
        ("HTTP status 500", Fault::Status(500, String::new())),
        (
            "HTTP status 502",
            Fault::Status(502, "<html>Bad Gateway</html>".to_owned()),
        ),
        ("", Fault::Reset),
    ] {
        let bench = Bench::new(S3Server::minio()).impatient();
        let store = bench.store();
        bench.proxy.set([Rule::always(fault)]);
        let begin = format!("S3 at 127.0.0.1:{} is not available: ", bench.proxy.port());
        let url = bench.url();
        let refused_all = tokio::join!(
            async { ("reading", refused(store.get("a").await, 75)) },
            async { ("writing", refused(store.put("a", Vec::new()).await, 75)) },
            async { ("writing", refused(store.put_json_new("a", &1).await, 75)) },
            async { ("looking up", refused(store.head("a").await, 75)) },
            async { ("listing", refused(store.list("a").await, 75)) },
            async { ("reading", refused(store.file("a").await, 75)) },
        );
        for (operation, text) in <[_; 6]>::from(refused_all) {
            // Nothing but the status comes to a HEAD.
            let what = if operation == "looking up" { "" } else { what };
            assert!(
                text.starts_with(&format!("{begin}{operation} {url}/a: {what}")),
                "{text}"
            );
            assert!(text.contains("tries in"), "{text}");
        }
    }
}

#[tokio::test]
async fn nobody_listening_is_reported_as_such() {
    let mut bench = Bench::new(S3Server::minio()).impatient();
    bench.set(&[(
        "AWS_ENDPOINT_URL",
        &format!("http://127.0.0.1:{}", testing::free_port().unwrap()),
    )]);
    let text = refused(bench.store().get("a").await, 75);
    assert!(text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn a_server_that_comes_back_is_gone_on_with() {
    let mut minio = Minio::start().unwrap();
    let bench = Bench::new(S3Server {
        name: "MinIO",
        port: minio.port(),
        variables: minio.variables(),
    })
    .within(Duration::from_secs(180));
    let store = bench.store();
    store.put("a", noise(9 * MIB)).await.unwrap();
    minio.stop();
    let reading = tokio::spawn(async move { store.file("a").await?.hash() });
    // It is asked, and is not there.
    while bench.proxy.take_calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    minio.restart().unwrap();
    assert_eq!(
        reading.await.unwrap().unwrap().sha256,
        digest::hex(&noise(9 * MIB))
    );
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let content = noise(12 * MIB);
        store.put("a", content.clone()).await.unwrap();
        bench.calls();
        let cuts = [8 * MIB, 0, 2 * MIB, 1];
        bench
            .proxy
            .set(cuts.map(|bytes| Rule::always(Fault::CutAnswer(bytes)).times(1)));
        let file = store.file("a").await.unwrap();
        assert!(
            std::fs::read(&file).unwrap() == content,
            "{}",
            bench.server.name
        );
        assert_eq!(file.hash().unwrap().sha256, digest::hex(&content));
        let calls = bench.proxy.take_calls();
        assert_eq!(calls.len(), 5, "{}", bench.server.name);
        assert!(
            calls.iter().any(|call| call.status == Some(206)),
            "{}: {calls:?}",
            bench.server.name
        );
    }
}

#[tokio::test]
async fn what_is_read_into_memory_may_come_slowly() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let content = noise(12 * MIB);
        bench.store().put("a", content.clone()).await.unwrap();
        bench.calls();
        let bench = bench.within(Duration::from_secs(6));
        let store = bench.store();
        // Longer than all tries may wait for an answer together.
        let pause = bench.access.budget.0 + Duration::from_secs(1);
        bench
            .proxy
            .set([Rule::always(Fault::PauseAnswer(MIB, pause))]);
        assert!(
            store.get("a").await.unwrap().unwrap() == content,
            "{}",
            bench.server.name
        );
        assert!(
            store.tail("a", 8 << 20).await.unwrap().unwrap() == content[4 * MIB..],
            "{}",
            bench.server.name
        );
        let calls = bench.proxy.take_calls();
        let answered = calls.iter().filter(|call| call.status.is_some());
        assert_eq!(
            answered.map(|call| &call.method).collect::<Vec<_>>(),
            ["GET", "GET"],
            "{}: nothing that began to come was asked twice",
            bench.server.name
        );
    }
}

#[tokio::test]
async fn what_is_read_into_memory_goes_on_where_it_broke_off() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let content = noise(12 * MIB);
        store.put("a", content.clone()).await.unwrap();
        bench.calls();
        let cuts = [6 * MIB, 0, MIB, 1];
        let cut = || {
            bench
                .proxy
                .set(cuts.map(|bytes| Rule::always(Fault::CutAnswer(bytes)).times(1)))
        };
        cut();
        assert!(
            store.get("a").await.unwrap().unwrap() == content,
            "{}",
            bench.server.name
        );
        cut();
        assert!(
            store.tail("a", 8 << 20).await.unwrap().unwrap() == content[4 * MIB..],
            "{}",
            bench.server.name
        );
        let calls = bench.proxy.take_calls();
        assert_eq!(calls.len(), 10, "{}", bench.server.name);
        assert!(
            calls[..5].iter().any(|call| call.status == Some(206)),
            "{}: {calls:?}",
            bench.server.name
        );
    }
}

#[tokio::test]
async fn a_download_that_never_goes_on_is_given_up() {
    let bench = Bench::new(S3Server::minio());
    bench.store().put("a", noise(MIB)).await.unwrap();
    bench.proxy.set([Rule::always(Fault::CutAnswer(0))]);
    let bench = bench.impatient();
    let text = refused(bench.store().file("a").await, 75);
    assert!(
        text.contains(&format!("is not available: reading {}/a: ", bench.url())),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(bench.scratch.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_download_that_begins_anew_all_the_time_is_given_up() {
    let bench = Bench::new(S3Server::minio());
    bench.store().put("a", noise(2 * MIB)).await.unwrap();
    let bench = bench.impatient();
    // As a proxy does that breaks long answers off and changes ETags: what was begun is never the
    // same object.
    let calls = AtomicUsize::new(0);
    let begins = move |_: &str, _: &str| calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
    bench.proxy.set([
        Rule::always(Fault::CutAnswer(MIB)).when(begins),
        Rule::always(Fault::Status(412, String::new())),
    ]);
    let text = refused(bench.store().file("a").await, 75);
    assert!(
        text.contains(&format!("is not available: reading {}/a: ", bench.url()))
            && text.contains("changes their ETag")
            && text.contains("--retry-budget"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(bench.scratch.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_copy_stays_within_the_budget_of_disk_and_gives_it_back() {
    let mut bench = Bench::new(S3Server::minio());
    let disk = Disk::new(5 * MIB as u64);
    bench.access.scratch = Work::new(bench.scratch.path(), disk.clone(), 1 << 30);
    let store = bench.store();
    store.put("a", noise(3 * MIB)).await.unwrap();
    let first = store.file("a").await.unwrap();
    assert_eq!(disk.used(), 3 * MIB as u64);
    let text = refused(store.file("a").await, 2);
    assert!(
        text.contains("copying a to the scratch folder") && text.contains("ALAMEDA_DISK"),
        "{text}"
    );
    drop(first);
    assert_eq!(disk.used(), 0);
    drop(store.file("a").await.unwrap());
}

#[tokio::test]
async fn an_object_that_is_written_anew_while_it_is_read_is_read_anew() {
    let bench = Bench::new(S3Server::minio());
    let store = bench.store();
    store.put("a", noise(4 * MIB)).await.unwrap();
    let other: Vec<u8> = noise(4 * MIB + 8).split_off(8);
    // Another store writes the object after the first call to it was cut, and before another one
    // comes through.
    let direct = Environment::of(bench.server.variables.clone());
    let writer = Store::create_with(
        &bench.url(),
        &Access {
            environment: direct,
            ..bench.access.clone()
        },
    )
    .unwrap();
    bench.proxy.set([
        Rule::always(Fault::CutAnswer(MIB)).times(1),
        Rule::always(Fault::Status(503, String::new())),
    ]);
    let reading = tokio::spawn(async move { store.file("a").await });
    bench.proxy.take_calls();
    let mut seen = 0;
    while seen < 2 {
        seen += bench.proxy.take_calls().len();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    writer.put("a", other.clone()).await.unwrap();
    bench.proxy.set([]);
    let file = reading.await.unwrap().unwrap();
    assert!(std::fs::read(&file).unwrap() == other);
    assert_eq!(
        file.copied_object(),
        writer.head("a").await.unwrap().as_ref()
    );
    assert_eq!(file.hash().unwrap().sha256, digest::hex(&other));
}
