//! What a person must see to: it is refused at once, with what to do.

use super::*;

#[test]
fn what_needs_a_person_is_reported_with_what_to_do() {
    let mut home = home();
    let url = postgres().url(&home.database);
    home.psql("CREATE ROLE guest LOGIN PASSWORD 'guest-4Fq7'");
    let guest = url.replace(
        &format!("{}:{}", Postgres::USER, Postgres::PASSWORD),
        "guest:guest-4Fq7",
    );
    let without_tls = "turn TLS on in the server";
    for (url, more, expected) in [
        (
            url.replace(Postgres::PASSWORD, "wrong-2Wz8"),
            "",
            "check the user and the password",
        ),
        (
            url.replace(&home.database, "nowhere"),
            "",
            "create the database, or name another one",
        ),
        (
            url.clone(),
            "--database-schema=nowhere",
            "there is no schema \"nowhere\": create it",
        ),
        (
            guest.clone(),
            "",
            "GRANT USAGE, CREATE ON SCHEMA \"public\" TO \"guest\"",
        ),
        (format!("{url}?sslmode=require"), "", without_tls),
        (
            format!("{url}?sslmode=odd"),
            "",
            "sslmode (in DATABASE_URL, or PGSSLMODE) must be",
        ),
        (
            format!("{url}?sslmode=verify-full&sslrootcert=/no/such.pem"),
            "",
            "the certificates in /no/such.pem",
        ),
        (
            format!("{url}?options=-cdefault_transaction_read_only%3Dodd"),
            "",
            "connecting",
        ),
    ] {
        home.set("DATABASE_URL", &url);
        let more: Vec<&str> = [more].into_iter().filter(|flag| !flag.is_empty()).collect();
        let ran = home.publish(&results(), &more);
        assert_ne!(ran.code, Some(75), "{expected}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        for secret in ["wrong-2Wz8", "guest-4Fq7", Postgres::PASSWORD] {
            assert!(!ran.shown().contains(secret), "{expected}: {}", ran.stderr);
        }
        assert!(
            !ran.stderr.contains("retrying"),
            "{expected}: {}",
            ran.stderr
        );
        if expected != "connecting" {
            ran.expect(2);
        }
    }
    // Whoever may write but does not own the table can't widen it.
    home.set("DATABASE_URL", &url);
    home.publish(&results(), &[]).expect(0);
    home.psql(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO guest; GRANT CREATE ON SCHEMA public TO guest",
    );
    home.set("DATABASE_URL", &guest);
    let wider = Results::new("2", 1, 20, 0..50).with(&[("feature3", |rows| {
        std::sync::Arc::new(arrow::array::Int64Array::from_iter_values(0..rows as i64))
    })]);
    home.write(&wider);
    let ran = home.publish(&wider, &[]).expect(2);
    assert!(
        ran.stderr.contains("adding the column \"feature3\"") && ran.stderr.contains("must own"),
        "{}",
        ran.stderr
    );
    // And can fill it.
    let more = Results::new("3", 1, 30, 100..300);
    home.write(&more);
    home.publish(&more, &[]).expect(0);
    home.psql("DROP OWNED BY guest; DROP ROLE guest");
}

#[test]
fn tls_verifies_what_the_mode_asks_for() {
    let server = Postgres::start(PostgresOptions {
        tls: true,
        ..PostgresOptions::default()
    })
    .unwrap();
    let mut home = Home::on(&server);
    home.write(&results());
    home.publish(&results(), &[]).expect(0);
    // Says of each row whether it came over TLS.
    let column = "CREATE FUNCTION encrypted() RETURNS boolean LANGUAGE sql AS 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
         ALTER TABLE predictions ADD COLUMN encrypted boolean DEFAULT encrypted()";
    server.psql(&home.database, column).unwrap();
    let (by_name, by_address) = (
        server.url(&home.database).replace("127.0.0.1", "localhost"),
        server.url(&home.database),
    );
    let root = format!("sslrootcert={}", server.certificate().display());
    let name = "connect with a host name of the server's certificate";
    let authority =
        "set sslrootcert (in DATABASE_URL, or PGSSLROOTCERT) to the file of the authority";
    for (number, (url, expected)) in [
        (format!("{by_name}?sslmode=verify-full&{root}"), "t"),
        (format!("{by_address}?sslmode=verify-ca&{root}"), "t"),
        (format!("{by_address}?sslmode=require"), "t"),
        (by_address.clone(), "t"),
        (format!("{by_address}?sslmode=disable"), "f"),
        (format!("{by_address}?sslmode=verify-full&{root}"), name),
        (format!("{by_name}?sslmode=verify-full"), authority),
        (format!("{by_name}?sslmode=verify-ca"), authority),
    ]
    .into_iter()
    .enumerate()
    {
        home.set("DATABASE_URL", &url);
        let (version, first) = (format!("tls{number}"), 1_000 + 10 * number as u64);
        let results = Results::new(&version, 1, 60, first..first + 10);
        home.write(&results);
        let ran = home.publish(&results, &[]);
        if expected.len() > 1 {
            assert!(ran.stderr.contains(expected), "{url}: {}", ran.stderr);
            ran.expect(2);
            continue;
        }
        ran.expect(0);
        let query =
            format!("SELECT DISTINCT encrypted FROM predictions WHERE data_version = '{version}'");
        assert_eq!(
            server.psql(&home.database, &query).unwrap(),
            expected,
            "{url}"
        );
    }
}

#[test]
fn a_full_disk_needs_a_person_and_leaves_nothing() {
    for (code, expected) in [
        ("53100", "free space on the server's disk"),
        ("53400", "raise that limit"),
    ] {
        let home = home_with_table();
        raise(&home, &raised(code), 1);
        let ran = home.publish(&results(), &[]).expect(2);
        assert!(
            ran.stderr.contains(expected) && ran.stderr.contains("copying"),
            "{}",
            ran.stderr
        );
        assert_eq!(
            home.psql("SELECT count(*) FROM predictions, prediction_publications"),
            "0"
        );
        home.publish(&results(), &[]).expect(0);
        home.assert_table_is(&[&results()]);
    }
}
