//! Keys that variables do not hold, and servers that are not who they should be.

use std::process::{Child, Command, Stdio};

use testing::{Fault, HttpProxy, Rule, S3Server};

use super::bench::{Bench, refused};

#[tokio::test]
async fn missing_credentials_are_reported_without_waiting() {
    let mut bench = Bench::new(S3Server::minio());
    let nowhere = format!("http://127.0.0.1:{}", testing::free_port().unwrap());
    bench.set(&[
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_METADATA_ENDPOINT", &nowhere),
    ]);
    let text = refused(bench.store().get("a").await, 2);
    assert!(
        text.contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod a role"),
        "{text}"
    );
    assert_eq!(bench.calls().len(), 0, "S3 is not asked without them");
}

#[tokio::test]
async fn a_web_identity_that_is_not_exchanged_is_reported() {
    let mut bench = Bench::new(S3Server::minio()).impatient();
    let token = bench.scratch.path().join("token");
    let sts = testing::HttpProxy::start(bench.server.port).unwrap();
    let token_file = token.display().to_string();
    let url = sts.url().replace("http://", "https://");
    bench.set(&[
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token_file),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/alameda"),
        ("AWS_ENDPOINT_URL_STS", &url),
    ]);
    let text = refused(bench.store().get("a").await, 2);
    assert!(
        text.contains("Failed to read token file") && text.contains("AWS_ROLE_ARN"),
        "{text}"
    );
    std::fs::write(&token, "some-token").unwrap();
    // The exchange is by TLS alone, and this is none.
    let text = refused(bench.store().get("a").await, 75);
    assert!(text.contains("getting credentials"), "{text}");
}

#[tokio::test]
async fn a_session_token_is_sent_along() {
    let mut bench = Bench::new(S3Server::minio());
    let given = bench.boto3(
        "given = boto3.client('sts', region_name='us-east-1').assume_role(RoleArn='arn:aws:iam::1:role/x', RoleSessionName='alameda', DurationSeconds=900)\n\
         print(*(given['Credentials'][name] for name in ('AccessKeyId', 'SecretAccessKey', 'SessionToken')))\n",
    );
    let [key, secret, token] = given.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{given}")
    };
    let keys = [
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ];
    bench.set(&[keys[0], keys[1], ("AWS_SESSION_TOKEN", token)]);
    bench.store().put("a", b"x".to_vec()).await.unwrap();
    bench.set(&keys);
    refused(bench.store().get("a").await, 2);
}

/// Answers as the agent of EKS Pod Identity does.
fn agent(token: &str) -> (HttpProxy, String) {
    let proxy = HttpProxy::start(1).unwrap();
    let keys = format!(
        r#"{{"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "{token}", "Expiration": "2099-01-01T00:00:00Z"}}"#
    );
    proxy.set([Rule::always(Fault::Status(200, keys))]);
    let url = format!("{}/v1/credentials", proxy.url());
    (proxy, url)
}

#[tokio::test]
async fn the_pods_agent_gives_keys_once() {
    let mut bench = Bench::new(S3Server::moto());
    let (agent, url) = agent("some-token");
    let file = bench.scratch.path().join("token");
    std::fs::write(&file, "of the pod").unwrap();
    bench.set(&[
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            file.to_str().unwrap(),
        ),
    ]);
    let store = bench.store();
    store.put("a", b"x".to_vec()).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap(), b"x");
    assert_eq!(agent.take_calls().len(), 1);
    agent.set([Rule::always(Fault::Status(400, "some-token".to_owned()))]);
    let text = refused(bench.store().get("a").await, 2);
    assert!(
        text.contains("HTTP status 400; check what the pod's service account is bound to"),
        "{text}"
    );
    agent.set([Rule::always(Fault::Status(500, "some-token".to_owned()))]);
    let text = refused(bench.impatient().store().get("a").await, 75);
    assert!(
        text.contains("getting credentials: HTTP status 500"),
        "{text}"
    );
}

/// A server that speaks TLS, with a certificate for `localhost`; it ends when it is dropped.
struct Tls {
    folder: tempfile::TempDir,
    port: u16,
    server: Child,
}

impl Tls {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = testing::free_port().unwrap();
        let made = Command::new("openssl")
            .args([
                "req", "-new", "-x509", "-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt",
            ])
            .args([
                "ec_paramgen_curve:prime256v1",
                "-subj",
                "/CN=localhost",
                "-addext",
            ])
            .args([
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=CA:FALSE",
                "-out",
                "crt",
                "-keyout",
                "key",
            ])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let server = Command::new("openssl")
            .args([
                "s_server",
                "-www",
                "-accept",
                &format!("127.0.0.1:{port}"),
                "-cert",
                "crt",
                "-key",
                "key",
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Self {
            folder,
            port,
            server,
        }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_bundle_and_name_alone() {
    let tls = Tls::start();
    let bundle = tls.folder.path().join("crt").display().to_string();
    let mut bench = Bench::new(S3Server::minio());
    let (by_name, by_number) = (
        format!("https://localhost:{}", tls.port),
        format!("https://127.0.0.1:{}", tls.port),
    );
    for (endpoint, bundle) in [(&by_name, ""), (&by_number, bundle.as_str())] {
        bench.set(&[("AWS_ENDPOINT_URL", endpoint), ("AWS_CA_BUNDLE", bundle)]);
        let text = refused(bench.store().list("").await, 2);
        assert!(
            text.contains("its certificate is not trusted (") && text.contains("set AWS_CA_BUNDLE"),
            "{text}"
        );
    }
    bench.set(&[("AWS_ENDPOINT_URL", &by_name), ("AWS_CA_BUNDLE", &bundle)]);
    let text = refused(bench.store().list("").await, 2);
    assert!(
        text.contains("it does not answer as S3 does"),
        "it is trusted, though it is no S3: {text}"
    );
}
