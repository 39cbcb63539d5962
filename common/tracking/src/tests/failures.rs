//! What a server that is away, slow, broken, forbidding or none at all means to a step.

mod login;

use std::time::Duration;

use testing::{Fault, HttpProxy, MlflowOptions, Rule};

use super::*;

/// To be spent by a call that never succeeds.
const SHORT: Budget = Budget(Duration::from_millis(1500));
/// To be spent after calls that succeed, for which a busy machine takes seconds.
const MEDIUM: Budget = Budget(Duration::from_secs(20));
const USER: &str = "reader";
const PASSWORD: &str = "reader-secret-4Tz8";

/// A proxy before the plain server, and a home behind it.
fn behind_a_proxy(budget: Budget) -> (HttpProxy, Home) {
    // It has a runtime of its own, which can't be started from within another one.
    let start = std::thread::spawn(|| HttpProxy::start(testing::mlflow().port()).unwrap());
    let proxy = start.join().unwrap();
    let home = Home::at(&proxy.url(), Login::None, budget);
    (proxy, home)
}

/// A page as a proxy or a framework shows it.
fn page() -> String {
    "<!doctype html><title>503 Service Unavailable</title>".to_owned()
}

/// What went wrong: exit code and text. The text is one screen, without a page's source.
fn outcome<R>(result: Result<R>) -> (u8, String) {
    let error = result.err().expect("it fails");
    let text = format!("{error:#}");
    assert!(
        text.len() < 700 && text.lines().count() < 10 && !text.contains('<'),
        "{text}"
    );
    (exit_code(&error), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_worth_another_try() {
    let port = testing::free_port().unwrap();
    let home = Home::at(&format!("http://127.0.0.1:{port}"), Login::None, SHORT);
    let (code, text) = outcome(home.train(1).await);
    assert_eq!(code, 75);
    assert!(
        text.contains(&format!(
            "MLflow at 127.0.0.1:{port} is not available: looking up the experiment"
        )),
        "{text}"
    );
    assert!(text.contains("Connection refused"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_in_the_middle_finds_its_run_again() {
    let mut server = testing::Mlflow::start(MlflowOptions::default()).unwrap();
    let home = Home::at(&server.uri(), Login::None, MEDIUM);
    let stopped = home
        .tracking
        .in_run(&home.spec(1), async |run| {
            run.log_params([("c", "1".to_owned())]).await?;
            server.stop();
            run.log_metrics([("f1", 0.5)]).await
        })
        .await;
    let (code, text) = outcome(stopped);
    assert_eq!(code, 75);
    assert!(
        text.contains("is not available: logging to the run"),
        "{text}"
    );

    server.restart().unwrap();
    let home = Home::at(&server.uri(), Login::None, PATIENT).about(&home.name);
    assert_eq!(
        home.run(1).await.status,
        Status::Running,
        "nobody could close it"
    );
    home.train(1).await.unwrap();
    assert_eq!(home.run(1).await.status, Status::Finished);
    let read = home.read_back();
    assert_eq!(
        read["runs"].as_array().unwrap().len(),
        2,
        "the run was reopened, and so was its workflow's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for_within_the_budget() {
    let (proxy, home) = behind_a_proxy(PATIENT);
    let slow = || Fault::Delay(Duration::from_secs(5));
    proxy.set([Rule::always(slow())
        .when(|_, path| path.ends_with("runs/create"))
        .times(2)]);
    home.train(1).await.unwrap();
    home.assert_whole(&testing::mlflow().uri());

    let (proxy, home) = behind_a_proxy(SHORT);
    proxy.set([Rule::always(slow())]);
    let (code, text) = outcome(home.train(1).await);
    assert_eq!(code, 75);
    assert!(
        text.contains("looking up the experiment") && text.contains("no answer"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again_and_nothing_is_doubled() {
    let faults = [
        Fault::Reset,
        Fault::LoseAnswer,
        Fault::CutAnswer(1),
        Fault::Status(500, page()),
        Fault::Status(503, page()),
        Fault::Status(429, "slow down".to_owned()),
    ];
    for fault in faults {
        let (proxy, home) = behind_a_proxy(PATIENT);
        // Each kind of call fails at its first try, and every sixth call besides.
        let seen = std::sync::Mutex::new((std::collections::BTreeSet::new(), 0));
        proxy.set([Rule::always(fault.clone()).when(move |method, path| {
            let mut seen = seen.lock().unwrap();
            seen.1 += 1;
            let call = format!(
                "{method} {}",
                path.split(['?', '&']).next().unwrap_or_default()
            );
            seen.0.insert(call) || seen.1 % 6 == 0
        })]);
        let version = home.train(1).await.unwrap();
        assert_eq!(version.version, 1, "{fault:?}");
        assert!(home.set(1, None).await, "{fault:?}");
        home.assert_whole(&testing::mlflow().uri());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_within_the_budget_is_reported_without_the_page() {
    for (fault, expected) in [
        (Fault::Status(503, page()), "503 Service Unavailable"),
        (Fault::Status(500, page()), "500 Internal Server Error"),
        (Fault::Status(429, String::new()), "429 Too Many Requests"),
        (Fault::Reset, "MLflow at 127.0.0.1:"),
    ] {
        let (proxy, home) = behind_a_proxy(Budget(Duration::from_secs(5)));
        proxy.set([Rule::always(fault)]);
        let (code, text) = outcome(home.train(1).await);
        assert_eq!(code, 75, "{text}");
        assert!(
            text.contains(expected) && text.contains("looking up the experiment"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_work_fails_is_closed_through_a_bad_connection() {
    let (proxy, home) = behind_a_proxy(PATIENT);
    proxy.set([Rule::always(Fault::LoseAnswer)
        .when(|_, path| path.ends_with("runs/update"))
        .times(3)]);
    let spec = home.spec(1);
    let work = home.tracking.in_run(&spec, async |_| {
        Err::<(), _>(Failure::contract("null in target"))
    });
    assert_eq!(exit_code(&work.await.unwrap_err()), 10);
    let read = Home::read_back_at(&testing::mlflow().uri(), &home.name);
    assert!(
        read["runs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["status"] == "FAILED"),
        "{read:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_can_not_be_opened_leaves_its_workflows_run_closed() {
    let (proxy, home) = behind_a_proxy(MEDIUM);
    // The workflow's run is made, the nested one is not.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    proxy.set([
        Rule::always(Fault::Status(500, page())).when(move |_, path| {
            path.ends_with("runs/create")
                && calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0
        }),
    ]);
    assert_eq!(outcome(home.train(1).await).0, 75);
    let read = Home::read_back_at(&testing::mlflow().uri(), &home.name);
    assert_eq!(read["runs"].as_array().unwrap().len(), 1);
    assert_eq!(read["runs"][0]["status"], "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_can_not_be_opened_again_do_not_stay_open() {
    // The workflow's run fails to, or the nested one when the workflow's is open.
    for (before, statuses) in [(0, ["FINISHED", "FINISHED"]), (1, ["FAILED", "FINISHED"])] {
        let (proxy, home) = behind_a_proxy(PATIENT);
        home.tracking
            .in_run(&home.spec(1), async |_| Ok(()))
            .await
            .unwrap();
        let home = Home::at(&proxy.url(), Login::None, MEDIUM).about(&home.name);
        let calls = std::sync::atomic::AtomicUsize::new(0);
        proxy.set([
            Rule::always(Fault::Status(500, page())).when(move |_, path| {
                path.ends_with("runs/log-batch")
                    && calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= before
            }),
        ]);
        assert_eq!(
            outcome(home.tracking.in_run(&home.spec(1), async |_| Ok(())).await).0,
            75
        );
        let read = Home::read_back_at(&testing::mlflow().uri(), &home.name);
        let found: Vec<_> = read["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| &run["status"])
            .collect();
        assert_eq!(found, statuses, "{read:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_runs_that_are_begun_at_once_one_stays() {
    let first = Home::mlflow();
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (proxy, home) = behind_a_proxy(PATIENT);
            let home = home.about(&first.name);
            // As to those who search at the same time: the workflow's run is not there.
            let nothing = Fault::Status(200, "{}".to_owned());
            proxy.set([Rule::always(nothing)
                .when(|_, path| path.ends_with("runs/search"))
                .times(1)]);
            tokio::spawn(async move {
                let _proxy = proxy;
                home.tracking
                    .in_run(&home.spec(1), async |run| Ok(run.id().to_owned()))
                    .await
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap().unwrap());
    }
    let read = Home::read_back_at(&testing::mlflow().uri(), &first.name);
    let runs = read["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{read:#}");
    assert!(read["deleted"].as_u64() >= Some(5), "all began at once");
    assert!(
        ids.iter().all(|id| runs[1]["id"] == **id),
        "all of them share it: {ids:?}"
    );
    assert!(runs.iter().all(|run| run["status"] == "FINISHED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_answer_was_lost_while_somebody_else_began_it_does_not_stay() {
    let (proxy, slow) = behind_a_proxy(PATIENT);
    let fast = Home::mlflow().about(&slow.name);
    // The parent's run is there; the answer to the nested one is lost, and the next try comes late.
    fast.tracking
        .in_run(&fast.spec(9), async |_| Ok(()))
        .await
        .unwrap();
    proxy.set([
        Rule::always(Fault::LoseAnswer)
            .when(|_, path| path.ends_with("runs/create"))
            .times(1),
        Rule::always(Fault::Delay(Duration::from_millis(500)))
            .when(|_, path| path.ends_with("runs/search")),
    ]);
    let spec = slow.spec(1);
    let (slowly, quickly) = tokio::join!(
        slow.tracking
            .in_run(&spec, async |run| Ok(run.id().to_owned())),
        fast.tracking
            .in_run(&spec, async |run| Ok(run.id().to_owned()))
    );
    assert_eq!(slowly.unwrap(), quickly.unwrap());
    let read = Home::read_back_at(&testing::mlflow().uri(), &slow.name);
    assert_eq!(
        read["runs"].as_array().unwrap().len(),
        3,
        "the workflow's, the first one, and one of two: {read:#}"
    );
    assert!(
        read["runs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["status"] == "FINISHED"),
        "{read:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_did_not_arrive_whole_are_not_registered() {
    let home = Home::mlflow();
    let mut files = home.files(1).await;
    let model = "models/m/_manifest.json";
    let spec = home.spec(1);
    let result = home.tracking.in_run(&spec, async |run| {
        run.log_files(MODEL_FOLDER, &home.store, &homes::keys(&files))
            .await?;
        files[0].bytes += 1;
        let fingerprint = fingerprint(1);
        let candidate = Candidate::new(&home.name, model, &fingerprint, run.id());
        home.tracking
            .register(&Candidate {
                files: &files,
                ..candidate
            })
            .await
    });
    let (code, text) = outcome(result.await);
    assert_eq!(code, 75);
    assert!(text.contains("model/model.json has 12 bytes"), "{text}");
    assert_eq!(home.tracking.versions(&home.name).await.unwrap(), []);
    assert_eq!(home.run(1).await.status, Status::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_experiment_is_named_and_not_restored() {
    let home = Home::mlflow();
    home.train(1).await.unwrap();
    let delete = "import mlflow, sys\n\
                  client = mlflow.MlflowClient()\n\
                  client.delete_experiment(client.get_experiment_by_name(sys.argv[1]).experiment_id)\n\
                  print('null')";
    homes::python(delete, &home.uri, &[&home.name.to_string()]);
    // Another process: it has not seen the experiment before.
    let again = Home::mlflow().about(&home.name);
    let (code, text) = outcome(again.train(2).await);
    assert_eq!(code, 2);
    let expected = format!("the experiment {} of MLflow at 127.0.0.1:", home.name);
    assert!(
        text.contains(&expected)
            && text.contains("is deleted: restore it (mlflow experiments restore"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_whose_versions_were_deleted_is_no_unknown_model() {
    let home = Home::mlflow();
    home.register(1).await;
    assert!(home.set(1, None).await);
    let delete = "import mlflow, sys\n\
                  mlflow.MlflowClient().delete_model_version(sys.argv[1], '1')\n\
                  print('null')";
    homes::python(delete, &home.uri, &[&home.name.to_string()]);
    for reference in [CHAMPION, "1"] {
        let (code, text) = outcome(home.tracking.resolve(&home.name, reference).await);
        assert_eq!(code, 2);
        let expected = format!(
            "model {} is registered, but has no version any more",
            home.name
        );
        assert!(
            text.contains(&expected) && text.contains("train it again"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_mlflow_is_told_apart() {
    let prefixed = format!("{}/wrong/prefix", testing::mlflow().uri());
    let (code, text) = outcome(Home::at(&prefixed, Login::None, PATIENT).train(1).await);
    assert_eq!(code, 2);
    assert!(
        text.contains("is not an MLflow server, or not under this path") && text.contains("404"),
        "{text}"
    );

    let minio = testing::minio();
    let (code, text) = outcome(
        Home::at(&minio.endpoint(), Login::None, PATIENT)
            .train(1)
            .await,
    );
    assert_eq!(code, 2, "{text}");

    for (status, body, expected) in [
        (200, "<html>welcome</html>", "is not an MLflow server"),
        (302, "", "it redirects, to https or to a login page"),
        (404, "nothing here", "is not an MLflow server"),
        (200, "[]", "is not an MLflow server"),
    ] {
        let (proxy, home) = behind_a_proxy(PATIENT);
        proxy.set([Rule::always(Fault::Status(status, body.to_owned()))]);
        let (code, text) = outcome(home.train(1).await);
        assert_eq!(code, 2, "{text}");
        assert!(
            text.contains(expected) && text.contains("check MLFLOW_TRACKING_URI"),
            "{text}"
        );
    }
    // TLS is spoken to a server that speaks none.
    let tls = testing::mlflow().uri().replace("http://", "https://");
    let (code, text) = outcome(Home::at(&tls, Login::None, PATIENT).train(1).await);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("check http or https"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_uploads_itself_is_named() {
    // As a server answers that was started with --artifacts-presigned-only.
    let (proxy, home) = behind_a_proxy(PATIENT);
    let refusal =
        r#"{"error_code": "PERMISSION_DENIED", "message": "Proxied artifact access is disabled."}"#;
    proxy.set([
        Rule::always(Fault::Status(403, refusal.to_owned())).when(|method, _| method == "PUT"),
        Rule::always(Fault::Status(
            200,
            r#"{"artifacts_presigned_only": true}"#.to_owned(),
        ))
        .when(|_, path| path.ends_with("/server-info")),
    ]);
    let (code, text) = outcome(home.train(1).await);
    assert_eq!(code, 2);
    assert!(
        text.contains("accepts no uploads itself (--artifacts-presigned-only)"),
        "{text}"
    );
}

#[test]
fn addresses_that_are_none_of_a_server_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().to_str().unwrap()).unwrap();
    let open = |uri: &str| {
        let args = TrackingArgs {
            uri: Some(uri.to_owned()),
            ..TrackingArgs::default()
        };
        Tracking::open(&store, &args, PATIENT)
    };
    for (uri, expected) in [
        ("file:///data/mlruns", "the scheme file"),
        ("databricks://profile", "the scheme databricks"),
        ("sqlite:///mlflow.db", "the scheme sqlite"),
        ("./mlruns", "is no URL"),
        ("databricks", "is no URL"),
        ("http://", "can't be read"),
        (
            "http://user:top-secret@mlflow:5000",
            "contains a user or a password",
        ),
        (
            "http://mlflow:5000/#/experiments/1",
            "has a part after ? or #",
        ),
    ] {
        let (code, text) = outcome(open(uri).map(drop));
        assert_eq!(code, 2, "{text}");
        assert!(
            text.contains("MLFLOW_TRACKING_URI") && text.contains(expected),
            "{uri}: {text}"
        );
        assert!(!text.contains("top-secret"), "{text}");
    }
    for uri in ["", " ", "http://mlflow:5000", "https://example.com/mlflow/"] {
        assert!(open(uri).is_ok(), "{uri:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_name_that_is_refused_names_the_option() {
    let arguments = ["--allowed-hosts", "mlflow.internal:*"]
        .map(str::to_owned)
        .to_vec();
    let server = testing::Mlflow::start(MlflowOptions {
        arguments,
        ..MlflowOptions::default()
    })
    .unwrap();
    let (code, text) = outcome(Home::at(&server.uri(), Login::None, PATIENT).train(1).await);
    assert_eq!(code, 2);
    assert!(
        text.contains(&format!("--allowed-hosts=127.0.0.1:{}", server.port())),
        "{text}"
    );
}
