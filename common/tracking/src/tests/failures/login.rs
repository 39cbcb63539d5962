//! Servers that ask who it is.

use std::sync::OnceLock;

use super::*;

const ADMIN: (&str, &str) = ("admin", "admin-secret-6Rm2");

fn basic(user: &str, password: &str) -> Login {
    Login::Basic {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

/// A server that asks who it is, with a user who may read only.
fn server() -> &'static testing::Mlflow {
    static SERVER: OnceLock<testing::Mlflow> = OnceLock::new();
    SERVER.get_or_init(|| {
        let administrator = Some((ADMIN.0.to_owned(), ADMIN.1.to_owned()));
        let server = testing::Mlflow::start(MlflowOptions { administrator, ..MlflowOptions::default() }).unwrap();
        let create = "import sys\n\
                      from mlflow.server import get_app_client\n\
                      import os\n\
                      get_app_client('basic-auth', os.environ['MLFLOW_TRACKING_URI']).create_user(*sys.argv[1:])\n\
                      print('null')";
        let login = [("MLFLOW_TRACKING_USERNAME", ADMIN.0), ("MLFLOW_TRACKING_PASSWORD", ADMIN.1)];
        let login = login.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        testing::ask_mlflow(create, &server.uri(), &[USER, PASSWORD], login);
        server
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_write_does_and_who_may_not_is_refused() {
    let admin = Home::at(&server().uri(), basic(ADMIN.0, ADMIN.1), PATIENT);
    admin.train(1).await.unwrap();
    assert!(admin.set(1, None).await);
    assert_eq!(admin.run(1).await.tags["mlflow.user"], ADMIN.0);

    // A reader resolves, and neither trains nor moves the alias.
    let reader = Home::at(&server().uri(), basic(USER, PASSWORD), PATIENT).about(&admin.name);
    assert_eq!(
        reader
            .tracking
            .resolve(&reader.name, CHAMPION)
            .await
            .unwrap()
            .version,
        1
    );
    let moved = reader
        .tracking
        .set_alias(&reader.name, PREVIOUS_CHAMPION, 1, None)
        .await;
    for (code, text) in [outcome(reader.train(2).await), outcome(moved)] {
        assert_eq!(code, 2);
        assert!(
            text.contains("does not permit") && text.contains("as user reader"),
            "{text}"
        );
        let advice = "ask its administrator for permission to EDIT";
        assert!(text.contains(advice), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_login_is_refused_without_telling_it() {
    for (login, named_as) in [
        (Login::None, "no login was given"),
        (basic(ADMIN.0, "wrong-secret-9"), "as user admin"),
        (basic("nobody", PASSWORD), "as user nobody"),
        (Login::Token("token-secret-5".to_owned()), "by a token"),
    ] {
        assert!(!format!("{login:?}").contains("secret"));
        let (code, text) = outcome(Home::at(&server().uri(), login, PATIENT).train(1).await);
        assert_eq!(code, 2);
        assert!(
            text.contains("refuses the login") && text.contains(named_as),
            "{text}"
        );
        assert!(
            text.contains("MLFLOW_TRACKING_USERNAME") && !text.contains("secret"),
            "{text}"
        );
    }
}
