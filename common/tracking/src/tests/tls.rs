//! A server behind TLS, and whom a step trusts.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::*;

/// Something that speaks TLS before the plain server, with a certificate for the name `localhost`.
struct Tls {
    program: Child,
    port: String,
    certificate: PathBuf,
    _folder: tempfile::TempDir,
}

impl Tls {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (
            folder.path().join("server.crt"),
            folder.path().join("server.key"),
        );
        let made = Command::new("openssl")
            .args([
                "req", "-new", "-x509", "-days", "2", "-nodes", "-newkey", "ec",
            ])
            .args([
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-subj",
                "/CN=localhost",
            ])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut program = Command::new(testing::python().unwrap())
            .args(["-c", include_str!("tls.py")])
            .args([&certificate, &key])
            .arg(testing::mlflow().port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(program.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Self {
            program,
            port: port.trim().to_owned(),
            certificate,
            _folder: folder,
        }
    }

    /// Opens the tracking there.
    fn open(&self, host: &str, change: impl FnOnce(&mut TrackingArgs)) -> Result<Home> {
        let mut args = TrackingArgs {
            uri: Some(format!("https://{host}:{}", self.port)),
            ..TrackingArgs::default()
        };
        change(&mut args);
        Home::with_args(Login::None, &args)
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        drop(self.program.stdin.take());
        let _ = self.program.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_by_the_file_that_is_named_and_for_its_own_name_only() {
    let tls = Tls::start();
    let trusting = |args: &mut TrackingArgs| args.server_cert_path = Some(tls.certificate.clone());
    tls.open("localhost", trusting)
        .unwrap()
        .train(1)
        .await
        .unwrap();
    tls.open("127.0.0.1", |args| args.insecure_tls = true)
        .unwrap()
        .train(1)
        .await
        .unwrap();
    for (what, home) in [
        ("a stranger", tls.open("localhost", |_| {})),
        ("another name", tls.open("127.0.0.1", trusting)),
    ] {
        let error = home.unwrap().train(1).await.unwrap_err();
        assert_eq!(exit_code(&error), 2, "{what}: {error:#}");
        let text = format!("{error:#}");
        assert!(
            text.contains("certificate") && text.contains("MLFLOW_TRACKING_SERVER_CERT_PATH"),
            "{what}: {text}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let (missing, empty) = (
        folder.path().join("none.pem"),
        folder.path().join("empty.pem"),
    );
    std::fs::write(&empty, "no PEM certificate").unwrap();
    for path in [missing, empty] {
        let error = tls
            .open("localhost", |args| {
                args.server_cert_path = Some(path.clone())
            })
            .err()
            .unwrap();
        assert_eq!(exit_code(&error), 2, "{error:#}");
        assert!(
            format!("{error:#}").contains(&path.display().to_string()),
            "{error:#}"
        );
    }
}
