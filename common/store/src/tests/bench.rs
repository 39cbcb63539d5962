//! Stores in real S3 servers, with a proxy before them that misbehaves as it is configured to.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testing::{HttpProxy, Minio, S3Server};

use super::super::*;

pub(super) const BUCKET: &str = S3Server::BUCKET;

/// A prefix of its own in a server's bucket, behind a proxy of its own.
pub(super) struct Bench {
    pub(super) server: S3Server,
    pub(super) proxy: HttpProxy,
    pub(super) prefix: String,
    pub(super) access: Access,
    pub(super) scratch: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new(server: S3Server) -> Self {
        static BENCHES: AtomicUsize = AtomicUsize::new(0);
        let proxy = HttpProxy::start(server.port).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let mut bench = Self {
            access: Access {
                role: Role::Store,
                environment: Environment::default(),
                budget: Budget(Duration::from_secs(60)),
                scratch: scratch.path().into(),
                uploads: Arc::default(),
            },
            prefix: format!("bench{}/in here", BENCHES.fetch_add(1, Ordering::Relaxed)),
            server,
            proxy,
            scratch,
        };
        bench.set(&[]);
        bench
    }

    /// The server's variables with others in their place.
    pub(super) fn set(&mut self, others: &[(&str, &str)]) {
        let proxy = ("AWS_ENDPOINT_URL".to_owned(), self.proxy.url());
        let others = others
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let all = self
            .server
            .variables
            .iter()
            .cloned()
            .chain([proxy])
            .chain(others);
        self.access.environment = Environment::of(all);
    }

    /// With a budget to be spent. What succeeds on a busy machine too is called before.
    pub(super) fn impatient(self) -> Self {
        self.within(Duration::from_secs(3))
    }

    /// With another budget.
    pub(super) fn within(mut self, budget: Duration) -> Self {
        self.access.budget = Budget(budget);
        self
    }

    pub(super) fn url(&self) -> String {
        format!("s3://{BUCKET}/{}", self.prefix)
    }

    pub(super) fn store(&self) -> Store {
        Store::create_with(&self.url(), &self.access).unwrap()
    }

    /// Runs Python with boto3 as `s3`, and `bucket` and `prefix`, before the proxy; gives what it
    /// prints.
    pub(super) fn boto3(&self, script: &str) -> String {
        let begin = format!(
            "import boto3, hashlib\ns3 = boto3.client('s3')\nbucket, prefix = {BUCKET:?}, {:?}\n{script}",
            self.prefix
        );
        let output = Command::new(testing::python().unwrap())
            .args(["-c", &begin])
            .envs(self.server.variables.iter().cloned())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Keys of unfinished multipart uploads, as boto3 lists them.
    pub(super) fn unfinished(&self) -> String {
        self.boto3(
            "for upload in s3.list_multipart_uploads(Bucket=bucket).get('Uploads', []):\n\
             \x20   if upload['Key'].startswith(prefix):\n\
             \x20       print(upload['Key'], upload['UploadId'])\n",
        )
    }

    /// Methods of the calls since the last time.
    pub(super) fn calls(&self) -> Vec<String> {
        self.proxy
            .take_calls()
            .into_iter()
            .map(|call| call.method)
            .collect()
    }
}

/// Bytes that repeat nowhere near.
pub(super) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..bytes.div_ceil(8))
        .flat_map(|_| next().to_le_bytes())
        .take(bytes)
        .collect()
}

/// The text of an error that must come with this exit code, with its causes; it fits on a screen
/// and tells no secret.
pub(super) fn refused<T: fmt::Debug>(result: Result<T>, code: u8) -> String {
    let error = result.unwrap_err();
    let text = format!("{error:#}");
    assert_eq!(runtime::failure::exit_code(&error), code, "{text}");
    assert!(text.lines().count() <= 3 && text.len() < 700, "{text}");
    for secret in [
        Minio::PASSWORD,
        "wrong-secret",
        "some-token",
        "<Error>",
        "<?xml",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
    text
}
