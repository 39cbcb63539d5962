//! Runs and models: as docs/tracking.md reads them, as `alameda` shows them, and after a signal.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use learn::fitted_model::Reader;
use learn::frame::{Column, Frame};
use serde_json::Value;
use testing::{Fault, HttpProxy, Mlflow, MlflowOptions, Rule, Server, free_port, local, status};

use super::lab::Lab;

#[test]
fn others_read_runs_and_models_as_documented() {
    let lab = Lab::new();
    lab.sample_data(1_000, 3, 2);
    lab.pipeline(&[]).expect(0);
    let page = include_str!("../../../../docs/tracking.md");
    let code = page
        .split("```python\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let read = lab.python(&code.replace("customer-classifier", &lab.name));
    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(lines[0], "training 1 FINISHED balanced", "{read}");
    assert!(lines[1].starts_with("importance feature"), "{read}");
    assert_eq!(
        lines[2], "champion 1 trained on ['holdout/25.05.1', 'train/25.05.1']",
        "{read}"
    );
    assert!(lines[3].starts_with("report ok days "), "{read}");
    assert_eq!(lines[4], "page True", "{read}");
    assert_eq!(lines[5], "scores ['prediction', 'probability']", "{read}");
    must_be_served(&lab);
}

/// `mlflow models serve` answers to the example that lies beside the model as the step scores it.
fn must_be_served(lab: &Lab) {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let mlflow = testing::program("venv/bin/mlflow").unwrap();
    let mut command = lab.program(Path::new("sh"));
    command
        // As where the environment is activated: MLflow starts `uvicorn` by name.
        .args(["-c", r#"PATH="$0:$PATH" exec mlflow "$@""#])
        .arg(mlflow.parent().unwrap())
        .args(["models", "serve", "--env-manager", "local", "--port"])
        .arg(port.to_string())
        .arg("--model-uri")
        .arg(format!("models:/{}@champion", lab.name));
    let mut server = Server::start("scorer", &command, "TERM", folder.path()).unwrap();
    let ready = || status(local(port), "/ping") == Some(200);
    server.wait_until(ready).unwrap();
    let read = lab.python(&format!(
        "
import json, mlflow, urllib.request
model = 'models:/{}@champion'
example = mlflow.artifacts.load_dict(f'{{model}}/serving_input_example.json')
call = urllib.request.Request(
    'http://127.0.0.1:{port}/invocations',
    json.dumps(example).encode(), {{'Content-Type': 'application/json'}},
)
print(json.dumps({{
    'answer': json.load(urllib.request.urlopen(call)),
    'row': example['dataframe_split']['data'][0],
    'file': mlflow.artifacts.load_text(f'{{model}}/model.json'),
}}))
",
        lab.name
    ));
    let read: Value = serde_json::from_str(&read).unwrap();
    let file = read["file"].as_str().unwrap();
    let model = Reader::standard().read(file.as_bytes()).unwrap();
    let row: Vec<f64> = serde_json::from_value(read["row"].clone()).unwrap();
    let columns = row.chunks(1).map(Column::Numbers).collect();
    let (mut matrix, mut scores) = (Vec::new(), Vec::new());
    model
        .score(&Frame::new(columns), &mut matrix, &mut scores)
        .unwrap();
    let served = &read["answer"]["predictions"][0]["probability"];
    let apart = (served.as_f64().unwrap() - scores[0]).abs();
    assert!(apart < 1e-9, "{served} and {scores:?}");
}

#[test]
fn a_login_comes_by_variables_and_a_wrong_one_is_reported_without_its_password() {
    let (user, password, wrong) = ("keeper", "keeper-secret-2Wn6", "keeper-secret-wrong");
    let administrator = Some((user.to_owned(), password.to_owned()));
    let server = Mlflow::start(MlflowOptions {
        administrator,
        ..MlflowOptions::default()
    })
    .unwrap();
    let mut lab = Lab::new();
    lab.set("MLFLOW_TRACKING_URI", &server.uri());
    lab.set("MLFLOW_TRACKING_USERNAME", user);
    // As a file ends that became a secret.
    lab.set("MLFLOW_TRACKING_PASSWORD", &format!("{password}\n"));
    assert_eq!(lab.alameda(&["runs"]).expect(0).stdout, "no runs yet\n");
    lab.set("MLFLOW_TRACKING_TOKEN", "token-secret-1");
    lab.alameda(&["runs"]).expect(0);

    lab.set("MLFLOW_TRACKING_PASSWORD", wrong);
    let printed = lab.alameda(&["models"]).expect(2).shown();
    assert!(
        printed.contains("refuses the login (as user keeper)") && !printed.contains("secret"),
        "{printed}"
    );
    lab.set("MLFLOW_TRACKING_PASSWORD", "");
    let printed = lab.alameda(&["models"]).expect(2).shown();
    assert!(
        printed.contains("refuses the login (by a token)") && !printed.contains("secret"),
        "{printed}"
    );
    lab.set("MLFLOW_TRACKING_TOKEN", "");
    let printed = lab.alameda(&["models"]).expect(2).shown();
    assert!(
        printed.contains("set both MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        "{printed}"
    );
}

/// What `alameda runs` and `alameda models` say: kinds of runs with their states, and versions with
/// their aliases.
fn shown(lab: &Lab) -> (Vec<String>, Vec<String>) {
    let json = |arguments: &[&str]| -> Vec<Value> {
        serde_json::from_str(
            &lab.alameda(&[arguments, &["-o", "json"]].concat())
                .expect(0)
                .stdout,
        )
        .unwrap()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = |run: &Value| {
        format!(
            "{} {}",
            text(&run["tags"]["alameda.step"]),
            text(&run["status"])
        )
    };
    let mut runs: Vec<String> = json(&["runs", "--model-name", &lab.name])
        .iter()
        .map(kind)
        .collect();
    runs.sort();
    let version = |found: &Value| {
        format!(
            "{} {} {}",
            found["version"],
            found["aliases"],
            text(&found["run"]["status"])
        )
    };
    (
        runs,
        json(&["models", &lab.name]).iter().map(version).collect(),
    )
}

#[test]
fn alameda_shows_the_same_of_mlflow_and_of_the_store() {
    let mut lab = Lab::new();
    lab.sample_data(1_000, 3, 2);
    lab.pipeline(&[]).expect(0);
    let in_mlflow = shown(&lab);
    let printed = lab.alameda(&["get", "@latest"]).expect(0).stdout;
    let page = printed
        .lines()
        .find_map(|line| line.trim().strip_prefix("mlflow-run-url:"))
        .unwrap()
        .trim()
        .to_owned();
    let runs: Vec<Value> =
        serde_json::from_str(&lab.alameda(&["runs", "-o", "json"]).expect(0).stdout).unwrap();
    let training = runs
        .iter()
        .find(|run| run["url"] == *page)
        .unwrap_or_else(|| panic!("no run at {page}"));
    assert_eq!(
        (
            &training["tags"]["alameda.step"],
            page.contains("/#/experiments/")
        ),
        (&"model-training".into(), true)
    );
    assert_eq!(
        in_mlflow.0,
        ["model-monitoring FINISHED", "model-training FINISHED"]
    );
    assert_eq!(in_mlflow.1, ["1 [\"champion\"] FINISHED"]);
    let table = lab.alameda(&["models", &lab.name]).expect(0).stdout;
    assert!(
        table.starts_with("MODEL")
            && table.contains("roc_auc 0.")
            && table.contains("/#/experiments/"),
        "{table}"
    );

    lab.set("MLFLOW_TRACKING_URI", "");
    assert_eq!(lab.alameda(&["runs"]).expect(0).stdout, "no runs yet\n");
    lab.pipeline(&[]).expect(0);
    assert_eq!(shown(&lab), in_mlflow);
    let table = lab.alameda(&["runs"]).expect(0).stdout;
    assert!(
        table.contains("(workflow)") && table.contains("finished"),
        "{table}"
    );
}

/// Runs a command in the background, and waits until a call of the training hangs in the proxy.
fn hang_in_training(lab: &Lab, proxy: &HttpProxy, arguments: &[&str]) -> Child {
    let hang = Fault::Delay(Duration::from_secs(600));
    proxy.set([Rule::always(hang)
        .when(|method, path| method == "PUT" && path.contains("/tables/"))
        .times(1)]);
    proxy.take_calls();
    let mut runner = lab
        .command(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !proxy
        .take_calls()
        .iter()
        .any(|call| call.path.contains("/tables/"))
    {
        assert!(
            runner.try_wait().unwrap().is_none(),
            "the training ended before it logged a table"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    runner
}

/// States of the lab's runs, the oldest first, and versions of its model, by MLflow's own client.
fn states(lab: &Lab) -> String {
    let script = "import mlflow, os\n\
                  client = mlflow.MlflowClient(os.environ['SERVER'])\n\
                  experiment = client.get_experiment_by_name('LAB')\n\
                  runs = client.search_runs([experiment.experiment_id], order_by=['attributes.start_time ASC'])\n\
                  print([run.info.status for run in runs], len(client.search_model_versions(\"name = 'LAB'\")))\n";
    lab.python(&script.replace("LAB", &lab.name))
        .trim()
        .to_owned()
}

fn kill(signal: &str, child: &Child) {
    let status = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_stopped_training_is_closed_as_killed_and_a_retry_goes_on_with_its_run() {
    // A server that nobody else asks: it has few seconds between SIGTERM and the end of the step.
    let server = Mlflow::start(MlflowOptions::default()).unwrap();
    let proxy = HttpProxy::start(server.port()).unwrap();
    let mut lab = Lab::new();
    lab.set("SERVER", &server.uri());
    lab.set("MLFLOW_TRACKING_URI", &proxy.url());
    lab.sample_data(1_000, 3, 2);

    // Ended by a signal while a call to MLflow does not come back.
    let model = format!("model-name={}", lab.name);
    let submit = [
        "submit",
        "--from",
        "workflowtemplate/alameda-pipeline",
        "--name",
        "w",
        "-p",
        "data-version=25.05.1",
        "-p",
    ];
    let mut runner = hang_in_training(&lab, &proxy, &[&submit[..], &[&model]].concat());
    kill("-INT", &runner);
    runner.wait().unwrap();
    assert_eq!(
        states(&lab),
        "['KILLED', 'KILLED'] 0",
        "the workflow's run, and the training"
    );

    // Killed: nobody could close anything.
    let mut runner = hang_in_training(&lab, &proxy, &["retry", "w"]);
    kill("-KILL", &runner);
    runner.wait().unwrap();
    proxy.set([]);
    assert_eq!(
        states(&lab),
        "['RUNNING', 'RUNNING'] 0",
        "opened again, and left so"
    );

    lab.alameda(&["retry", "w"]).expect(0);
    assert_eq!(
        states(&lab),
        "['FINISHED', 'FINISHED', 'FINISHED'] 1",
        "the same two, and the report"
    );
}
