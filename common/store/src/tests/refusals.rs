//! What needs a person: reported at once, by name, and without a secret.

use testing::{Fault, Minio, Rule, S3Server};

use super::super::*;
use super::bench::{Bench, refused};

fn answer(status: u16, code: &str) -> Rule {
    let text = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Told by S3.</Message></Error>"
    );
    Rule::always(Fault::Status(status, text))
}

#[tokio::test]
async fn a_missing_bucket_is_no_missing_key() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = || Store::create_with("s3://no-such-bucket/a", &bench.access).unwrap();
        let mut upload = store().upload("a").await.unwrap();
        upload.write(b"a").await.unwrap();
        for text in [
            refused(store().get("a").await, 2),
            refused(store().head("a").await, 2),
            refused(store().put("a", Vec::new()).await, 2),
            refused(store().put_json_new("a", &1).await, 2),
            refused(store().list("").await, 2),
            refused(store().file("a").await, 2),
            refused(upload.finish().await, 2),
        ] {
            assert!(
                text.starts_with(&format!("S3 at 127.0.0.1:{}: ", bench.proxy.port())),
                "{text}"
            );
            assert!(
                text.contains("there is no bucket no-such-bucket; create it, or correct STORE_URL"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_keys_are_reported_at_once() {
    let mut bench = Bench::new(S3Server::minio());
    for (variables, parts) in [
        (
            &[("AWS_SECRET_ACCESS_KEY", "wrong-secret")][..],
            ["SignatureDoesNotMatch", "correct AWS_SECRET_ACCESS_KEY"],
        ),
        (
            &[("AWS_ACCESS_KEY_ID", "nobody")],
            ["InvalidAccessKeyId", "correct AWS_ACCESS_KEY_ID and"],
        ),
        (
            &[("AWS_SESSION_TOKEN", "some-token")],
            ["refuses the session token", "correct AWS_SESSION_TOKEN"],
        ),
    ] {
        bench.set(variables);
        let store = bench.store();
        bench.calls();
        let text = refused(store.get("a").await, 2);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert_eq!(bench.calls().len(), 1, "nothing is tried again");
        let text = refused(store.head("a").await, 2);
        assert!(
            parts.iter().all(|part| text.contains(part)),
            "an answer without a body is asked about: {text}"
        );
    }
}

#[tokio::test]
async fn a_user_without_permission_learns_which() {
    let bench = Bench::new(S3Server::minio());
    bench.proxy.set([answer(403, "AccessDenied")]);
    let text = refused(bench.store().list("a").await, 2);
    let expected = format!(
        "listing {}/a: it does not allow this (AccessDenied (403): Told by S3.); give its user",
        bench.url()
    );
    assert!(text.contains(&expected), "{text}");
}

#[tokio::test]
async fn deleting_without_permission_is_reported_at_once() {
    let mut bench = Bench::new(S3Server::minio());
    let given = bench.boto3(
        "import json\n\
         allow = {'Effect': 'Allow', 'Action': ['s3:GetObject', 's3:PutObject', 's3:ListBucket'], 'Resource': '*'}\n\
         policy = json.dumps({'Version': '2012-10-17', 'Statement': [allow]})\n\
         given = boto3.client('sts', region_name='us-east-1').assume_role(RoleArn='arn:aws:iam::1:role/x', \
         RoleSessionName='alameda', DurationSeconds=900, Policy=policy)\n\
         print(*(given['Credentials'][name] for name in ('AccessKeyId', 'SecretAccessKey', 'SessionToken')))\n",
    );
    let [key, secret, token] = given.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{given}")
    };
    bench.set(&[
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_SESSION_TOKEN", token),
    ]);
    let store = bench.store();
    store.put("b", b"x".to_vec()).await.unwrap();
    bench.calls();
    let text = refused(store.delete("b").await, 2);
    let expected = format!(
        "deleting {}/b: it does not allow this (AccessDenied (403)",
        bench.url()
    );
    assert!(text.contains(&expected), "{text}");
    assert_eq!(bench.calls(), ["POST"], "nothing is tried again");
    assert_eq!(store.get("b").await.unwrap().unwrap(), b"x");
}

#[tokio::test]
async fn a_refusal_inside_a_good_answer_means_what_its_code_says() {
    let bench = Bench::new(S3Server::minio()).impatient();
    let inside = |code: &str| {
        let error =
            format!("<Error><Key>a</Key><Code>{code}</Code><Message>Told by S3.</Message></Error>");
        Rule::always(Fault::Status(
            200,
            format!("<?xml version=\"1.0\"?><DeleteResult>{error}</DeleteResult>"),
        ))
    };
    for (code, exit, status) in [
        ("AccessDenied", 2, 403),
        ("MethodNotAllowed", 2, 400),
        ("InternalError", 75, 500),
        ("SlowDown", 75, 503),
        ("ServiceUnavailable", 75, 503),
    ] {
        bench.proxy.set([inside(code)]);
        let text = refused(bench.store().delete("a").await, exit);
        assert!(
            text.contains(&format!("{code} ({status}): Told by S3.")),
            "{text}"
        );
        assert_eq!(bench.calls().len() > 1, exit == 75, "{code}");
    }
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let bench = Bench::new(S3Server::minio());
    let store = bench.store();
    for (rule, part) in [
        (
            answer(400, "ExpiredToken"),
            "the session token has expired (ExpiredToken); get new ones: AWS_ACCESS_KEY_ID",
        ),
        (answer(403, "RequestTimeTooSkewed"), "set the clock"),
        (
            answer(400, "AuthorizationHeaderMalformed"),
            "set AWS_REGION",
        ),
        (
            answer(301, "PermanentRedirect"),
            "is in another region than us-east-1",
        ),
        (answer(507, "XMinioStorageFull"), "it has no space left"),
        (answer(501, "NotImplemented"), "it can't do this"),
        (
            answer(400, "EntityTooLarge"),
            "it refuses this (EntityTooLarge (400): Told by S3.)",
        ),
        (
            Rule::always(Fault::Status(404, "<html>Not found</html>".into())),
            "correct AWS_ENDPOINT_URL",
        ),
        (
            Rule::always(Fault::Status(200, "<html>Welcome</html>".into())),
            "correct AWS_ENDPOINT_URL",
        ),
    ] {
        bench.proxy.set([rule]);
        for text in [
            refused(store.list("a").await, 2),
            refused(store.put("a", Vec::new()).await, 2),
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[tokio::test]
async fn an_object_that_no_step_can_name_is_named() {
    // MinIO refuses such keys itself.
    let bench = Bench::new(S3Server::moto());
    for odd in ["raw/train//x.parquet", "raw/train/../x.parquet"] {
        bench.boto3(&format!(
            "s3.put_object(Bucket=bucket, Key=prefix + '/{odd}', Body=b'')"
        ));
        let text = refused(bench.store().list("raw").await, 2);
        assert!(
            text.contains(&format!("listing {}/raw: ", bench.url())),
            "{text}"
        );
        assert!(
            text.contains(&format!("{}/{odd}\"", bench.prefix)),
            "{text}"
        );
        assert!(text.ends_with("; rename or remove that object"), "{text}");
        bench.boto3(&format!(
            "s3.delete_object(Bucket=bucket, Key=prefix + '/{odd}')"
        ));
        assert_eq!(bench.store().list("raw").await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_raw_files_have_variables_of_their_own() {
    let mut bench = Bench::new(S3Server::minio());
    bench.access.role = Role::Raw;
    bench.set(&[
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret"),
        ("AWS_SESSION_TOKEN", "some-token"),
        ("RAW_AWS_ACCESS_KEY_ID", Minio::USER),
        ("RAW_AWS_SECRET_ACCESS_KEY", Minio::PASSWORD),
    ]);
    bench.store().put("a", b"x".to_vec()).await.unwrap();
    bench.set(&[
        ("RAW_AWS_ACCESS_KEY_ID", Minio::USER),
        ("RAW_AWS_SECRET_ACCESS_KEY", "wrong-secret"),
    ]);
    let text = refused(bench.store().get("a").await, 2);
    assert!(text.contains("correct RAW_AWS_SECRET_ACCESS_KEY"), "{text}");
    bench.set(&[]);
    assert_eq!(
        bench.store().get("a").await.unwrap().unwrap(),
        b"x",
        "AWS_* where nothing else is set"
    );
    let text = refused(
        Store::open_with("s3://no-such-bucket", &bench.access)
            .unwrap()
            .list("")
            .await,
        2,
    );
    assert!(text.contains("correct RAW_URL"), "{text}");
}

#[test]
fn variables_that_make_no_sense_are_named() {
    let mut bench = Bench::new(S3Server::minio());
    for (variables, part) in [
        (
            &[("AWS_ALLOW_HTTP", "false")][..],
            "AWS_ENDPOINT_URL begins with http://",
        ),
        (
            &[("AWS_ALLOW_HTTP", "perhaps")],
            "AWS_ALLOW_HTTP is \"perhaps\"",
        ),
        (
            &[("AWS_ENDPOINT_URL", "minio:9000")],
            "AWS_ENDPOINT_URL is not a URL",
        ),
        (
            &[("AWS_ENDPOINT_URL", "https://me:wrong-secret@minio")],
            "AWS_ENDPOINT_URL contains a user or a password",
        ),
        (
            &[("AWS_SECRET_ACCESS_KEY", "")],
            "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY",
        ),
        (
            &[("AWS_CA_BUNDLE", "/no/such/file")],
            "reading /no/such/file (AWS_CA_BUNDLE)",
        ),
        (
            &[("AWS_CA_BUNDLE", "/etc/hostname")],
            "contains no PEM certificates",
        ),
        (&[("AWS_CHECKSUM_ALGORITHM", "crc")], "opening s3://"),
    ] {
        bench.set(variables);
        let text = refused(Store::create_with(&bench.url(), &bench.access), 2);
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_store_shows_no_secret() {
    let bench = Bench::new(S3Server::minio());
    let shown = format!("{:?} {:?}", bench.store(), bench.access);
    assert!(
        shown.contains(&bench.prefix) && !shown.contains(Minio::PASSWORD),
        "{shown}"
    );
}
