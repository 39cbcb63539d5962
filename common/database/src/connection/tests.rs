use super::*;
use runtime::failure::exit_code;

fn settings(variables: &[(&str, &str)]) -> Result<Option<Settings>> {
    Settings::from_variables(|name| {
        Ok(variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned()))
    })
}

fn some(variables: &[(&str, &str)]) -> Settings {
    settings(variables).unwrap().unwrap()
}

#[test]
fn without_url_and_host_there_is_no_database() {
    assert!(settings(&[]).unwrap().is_none());
    assert!(
        settings(&[
            ("DATABASE_URL", ""),
            ("PGHOST", ""),
            ("PGPASSWORD", "x"),
            ("PGUSER", "u")
        ])
        .unwrap()
        .is_none()
    );
}

#[test]
fn a_url_says_everything_or_leaves_it_to_the_variables() {
    let whole = some(&[
        ("DATABASE_URL", "postgres://u:p%40ss@h:6543/d"),
        ("PGUSER", "other"),
        ("PGHOST", "other"),
    ]);
    assert_eq!(format!("{whole:?}"), "h:6543, database d");
    assert_eq!(
        (whole.config.get_user(), whole.config.get_password()),
        (Some("u"), Some(&b"p@ss"[..]))
    );
    let part = some(&[
        ("DATABASE_URL", "postgresql://h/d"),
        ("PGUSER", "u"),
        ("PGPASSWORD", "p"),
        ("PGPORT", "1"),
    ]);
    assert_eq!(format!("{part:?}"), "h:5432, database d");
    assert_eq!(
        (part.config.get_user(), part.config.get_password()),
        (Some("u"), Some(&b"p"[..]))
    );
}

#[test]
fn variables_alone_name_a_database() {
    let some = some(&[
        ("PGHOST", "a,b"),
        ("PGPORT", "1,2"),
        ("PGUSER", "u"),
        ("PGDATABASE", "d"),
    ]);
    assert_eq!(format!("{some:?}"), "a:1,b:2, database d");
}

#[test]
fn pairs_are_read_as_libpq_does() {
    let text = r"host = h port=1 user='a b' password=x\'y'z sslmode = verify-full sslrootcert='/a b/c.pem' dbname=''";
    let some = some(&[("DATABASE_URL", text)]);
    assert_eq!(format!("{some:?}"), "h:1, database a b");
    assert_eq!(some.config.get_password(), Some(&b"x'y'z"[..]));
    assert_eq!(
        (some.verify, some.root),
        (Verify::Name, Some(PathBuf::from("/a b/c.pem")))
    );
}

#[test]
fn tls_is_asked_for_in_libpqs_words() {
    for (mode, root, expected) in [
        ("", "", (SslMode::Prefer, Verify::Nothing)),
        ("sslmode=disable", "", (SslMode::Disable, Verify::Nothing)),
        ("sslmode=require", "", (SslMode::Require, Verify::Nothing)),
        (
            "sslmode=require",
            "&sslrootcert=/a.pem",
            (SslMode::Require, Verify::Authority),
        ),
        (
            "sslmode=verify-ca",
            "&sslrootcert=/a.pem",
            (SslMode::Require, Verify::Authority),
        ),
        (
            "sslmode=verify-full",
            "&connect_timeout=3",
            (SslMode::Require, Verify::Name),
        ),
    ] {
        let some = some(&[("DATABASE_URL", &format!("postgres://h/d?{mode}{root}"))]);
        assert_eq!(
            (some.config.get_ssl_mode(), some.verify),
            expected,
            "{mode}{root}"
        );
    }
    let by_variable = some(&[
        ("PGHOST", "h"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "system"),
    ]);
    assert_eq!((by_variable.verify, by_variable.root), (Verify::Name, None));
}

#[test]
fn what_cannot_be_read_is_refused_without_being_shown() {
    for url in [
        "postgres://u:top@secret@h/d",
        "postgres://u:secret@h:port/d",
        "postgres://u:secret@h/d?sslmode=odd",
        "postgres://u:secret@h/d?sslcert=/x",
        "host=h password=top secret=x",
        "host=h password='secret",
        "secret",
        "mysql://u:secret@h/d",
        "postgres://u:secret@",
    ] {
        let error = settings(&[("DATABASE_URL", url)]).unwrap_err();
        assert_eq!(exit_code(&error), 2, "{url}: {error}");
        assert!(!format!("{error:#}").contains("secret"), "{url}: {error}");
    }
    assert!(settings(&[("PGHOST", "h"), ("PGPORT", "x")]).is_err());
}
