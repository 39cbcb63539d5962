//! A place of its own on a shared S3 server, and the commands that people type there.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use testing::{HttpProxy, S3Server};

pub(crate) use testing::Ran;

pub(crate) const BUCKET: &str = S3Server::BUCKET;
/// A retry budget that is never spent, and that cuts no call short on a busy machine.
pub(crate) const PATIENT: &str = "10m";

/// Waits until what shows that a process hangs is there; fails the test if the process ends.
pub(crate) fn until_it_hangs(process: &mut Child, hangs: impl Fn() -> bool) {
    while !hangs() {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before it hung: {ended:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A prefix and a folder that no other test uses, and a proxy before the server.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    pub(crate) proxy: HttpProxy,
    server: S3Server,
    variables: Vec<(String, String)>,
    prefix: String,
}

impl Lab {
    /// Nothing in it yet.
    pub(crate) fn new(server: S3Server) -> Self {
        static LABS: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("lab{}", LABS.fetch_add(1, Ordering::Relaxed));
        let proxy = HttpProxy::start(server.port).unwrap();
        let mut lab = Self {
            folder: tempfile::tempdir().unwrap(),
            variables: server.variables.clone(),
            proxy,
            server,
            prefix,
        };
        lab.set("ALAMEDA_RETRY_BUDGET", PATIENT);
        lab.set("AWS_ENDPOINT_URL", &lab.proxy.url());
        lab.set("STORE_URL", &format!("s3://{BUCKET}/{}/store", lab.prefix));
        lab.set("RAW_URL", &format!("s3://{BUCKET}/{}/raw", lab.prefix));
        lab
    }

    /// Sets a variable for all commands from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The value of a variable of the commands.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .unwrap_or_else(|| panic!("no variable {name}"))
    }

    /// What reaches the server past the proxy.
    pub(crate) fn server_variables(&self) -> Vec<(String, String)> {
        self.server.variables.clone()
    }

    /// Another proxy before the same server.
    pub(crate) fn proxy(&self) -> HttpProxy {
        HttpProxy::start(self.server.port).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn program(&self, program: &Path, variables: &[(String, String)]) -> Command {
        let mut command = testing::command(program);
        command
            .envs(variables.iter().cloned())
            .current_dir(self.folder());
        command
    }

    /// `alameda ARGUMENTS`, ready to start.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(Path::new(env!("CARGO_BIN_EXE_alameda")), &self.variables);
        command.args(arguments);
        command
    }

    pub(crate) fn alameda(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Raw files: `train` for training and `predict` to score.
    pub(crate) fn sample_data(&self, rows: usize, train: usize, predict: usize) {
        let [rows, train, predict] = [rows, train, predict].map(|number| number.to_string());
        let size = [
            "--rows-per-file",
            &rows,
            "--train-files",
            &train,
            "--predict-files",
            &predict,
        ];
        self.alameda(&[&["sample-data"], &size[..]].concat())
            .expect(0);
    }

    /// Submits the pipeline on data version `1`.
    pub(crate) fn pipeline(&self, more: &[&str]) -> Ran {
        let arguments = [
            "submit",
            "--from",
            "workflowtemplate/alameda-pipeline",
            "-p",
            "data-version=1",
            "-p",
            "model-name=m",
        ];
        self.alameda(&[&arguments[..], more].concat())
    }

    /// A step by hand: its folders are in the lab's, and its variables those of the lab.
    pub(crate) fn step_command(&self, arguments: &[&str]) -> Command {
        let place = |name: &str| {
            let path: PathBuf = self.folder().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let mut command = self.command(arguments);
        command
            .env("ALAMEDA_OUT", place("out"))
            .env("ALAMEDA_WORK", place("work"))
            .env("ALAMEDA_LOG", "json");
        command.env(
            "ALAMEDA_CONFIG",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps"),
        );
        let log = self.folder().join("termination-log");
        std::fs::write(&log, "").unwrap();
        command.env("ALAMEDA_TERMINATION_LOG", log);
        command
    }

    pub(crate) fn step(&self, arguments: &[&str]) -> Ran {
        self.step_command(arguments).output().unwrap().into()
    }

    /// The same, running.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.step_command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// An output of the step before.
    pub(crate) fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join("out").join(name)).unwrap()
    }

    /// Plans the training data as one group; gives the plan and the group.
    pub(crate) fn plan(&self) -> (String, String) {
        self.step(&[
            "data-prep",
            "plan",
            "--split=train",
            "--data-version=1",
            "--parallelism=1",
        ])
        .expect(0);
        let groups: Vec<String> = serde_json::from_str(&self.output("groups")).unwrap();
        (self.output("plan"), groups[0].clone())
    }

    /// Runs Python with boto3 as `s3`, `bucket` and `prefix`, past the proxy; gives what it prints.
    pub(crate) fn python(&self, script: &str) -> String {
        let begin = format!(
            "import boto3, json\ns3 = boto3.client('s3')\nbucket, prefix = {BUCKET:?}, {:?}\n{script}",
            format!("{}/", self.prefix)
        );
        let direct = self
            .variables
            .iter()
            .filter(|(name, _)| name.ends_with("_URL") && name != "AWS_ENDPOINT_URL");
        let variables: Vec<_> = direct.chain(&self.server.variables).cloned().collect();
        let mut command = self.program(&testing::python().unwrap(), &variables);
        let ran: Ran = command.arg("-c").arg(begin).output().unwrap().into();
        ran.expect(0).stdout
    }

    /// A JSON object of the store, by boto3.
    pub(crate) fn json(&self, key: &str) -> Value {
        let text = self.python(&format!(
            "print(s3.get_object(Bucket=bucket, Key=prefix + 'store/{key}')['Body'].read().decode())"
        ));
        serde_json::from_str(&text).unwrap()
    }

    /// Keys of the store and stamps, by boto3; without what lasts no longer than a workflow, and
    /// the verdicts, of which each workflow has its own.
    pub(crate) fn lasting(&self) -> Vec<String> {
        let listed = self.python(
            "for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix=prefix + 'store/'):\n\
             \x20   for found in page.get('Contents', []):\n\
             \x20       print(found['Key'].removeprefix(prefix + 'store/'), found['ETag'])\n",
        );
        let passing = ["_work/", "_attempts/", "tracking/"];
        let lasts = |key: &&str| {
            !key.contains("/verdict-") && !passing.iter().any(|folder| key.starts_with(folder))
        };
        let keys = listed.lines().filter(lasts);
        keys.map(str::to_owned).collect()
    }

    /// Keys of unfinished multipart uploads, by boto3.
    pub(crate) fn unfinished(&self) -> String {
        self.python(
            "for upload in s3.list_multipart_uploads(Bucket=bucket).get('Uploads', []):\n\
             \x20   if upload['Key'].startswith(prefix):\n\
             \x20       print(upload['Key'])\n",
        )
    }
}
