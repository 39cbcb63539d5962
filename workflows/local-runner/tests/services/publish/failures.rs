//! What goes wrong between publishing and the server: what may pass is tried again, and what a
//! person must see to is told.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testing::{Postgres, PostgresOptions, TcpFault, TcpProxy, free_port};

use super::fixture::{Home, Results, server};
use crate::lab::Ran;

fn results() -> Results {
    Results::new("1", 1, 0, 0..200)
}

/// A home with results in it.
fn home() -> Home {
    let home = Home::new();
    home.write(&results());
    home
}

/// Starts publishing, with what it prints kept.
fn start(home: &Home, more: &[&str]) -> Child {
    home.command(&results(), more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(super) fn end(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

/// Waits until a query on the database of `home` gives `t`.
pub(super) fn until(server: &Postgres, database: &str, condition: &str) {
    let started = Instant::now();
    while server
        .psql(database, &format!("SELECT {condition}"))
        .unwrap()
        != "t"
    {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{condition} did not come true"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Our connections to the database that is asked.
pub(super) const OURS: &str =
    "pg_stat_activity WHERE application_name = 'alameda' AND datname = current_database()";

/// A psql that runs statements in one session and waits until it is dropped.
pub(super) struct Holding(Child);

impl Holding {
    pub(super) fn new(url: &str, sql: &str) -> Self {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-q", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut psql = command.spawn().unwrap();
        // Idle with its input open: a server notices the end of an idle client at once.
        writeln!(psql.stdin.as_mut().unwrap(), "{sql};").unwrap();
        Self(psql)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // It may have lost its server.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes the server raise an error at each INSERT or COPY, as often as `times` says.
fn raise(home: &Home, action: &str, times: u32) {
    home.psql(&format!(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF nextval('tries') <= {times} THEN {action}; END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER fail BEFORE INSERT ON predictions FOR EACH STATEMENT EXECUTE FUNCTION fail()"
    ));
}

/// A home whose table is there and empty.
fn home_with_table() -> Home {
    let home = home();
    home.publish(&results(), &[]).expect(0);
    home.psql("TRUNCATE predictions; DELETE FROM prediction_publications");
    home
}

fn raised(code: &str) -> String {
    format!("RAISE EXCEPTION 'made up' USING ERRCODE = '{code}'")
}

#[test]
fn a_database_that_is_down_is_noticed_before_any_work() {
    let mut home = home();
    let port = free_port().unwrap();
    home.set(
        "DATABASE_URL",
        &format!("postgres://u:secret-9Kq2@127.0.0.1:{port}/d"),
    );
    // Parts that are not there would be noticed first if they were read first.
    let parts = home.store().join("results/1/churn/v1");
    for entry in std::fs::read_dir(&parts).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("part-") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let ran = home
        .publish(&results(), &["--retry-budget=700ms"])
        .expect(75);
    let told = format!("Postgres at 127.0.0.1:{port}, database d is not available");
    assert!(
        ran.stderr.contains(&told) && ran.stderr.contains("Connection refused"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("trying again") && ran.stderr.contains("--retry-budget"),
        "{}",
        ran.stderr
    );
    assert!(!ran.shown().contains("secret-9Kq2"), "{}", ran.stderr);
}

#[test]
fn a_database_that_goes_down_in_the_middle_and_comes_back_is_no_loss() {
    let mut server = Postgres::start(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    })
    .unwrap();
    let home = Home::on(&server);
    home.write(&results());
    home.publish(&results(), &[]).expect(0);
    let newer = Results::new("1", 2, 10, 0..200);
    home.write(&newer);
    let lock = Holding::new(
        &server.url(&home.database),
        "BEGIN; LOCK TABLE predictions IN EXCLUSIVE MODE",
    );
    let locked = "EXISTS (SELECT FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation = 'predictions'::regclass)";
    until(&server, &home.database, locked);
    let child = home
        .command(&newer, &["--retry-budget=60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let waiting = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'alameda' AND wait_event_type = 'Lock')";
    until(&server, &home.database, waiting);
    server.stop();
    server.restart().unwrap();
    drop(lock);
    let ran = end(child.unwrap()).expect(0);
    assert!(ran.stderr.contains("trying again"), "{}", ran.stderr);
    home.assert_table_is(&[&results(), &newer]);
}

#[test]
fn a_slow_server_is_waited_for_within_the_budget_of_each_call() {
    let mut home = home();
    let proxy = TcpProxy::start(server().port()).unwrap();
    home.set(
        "DATABASE_URL",
        &server()
            .url(&home.database)
            .replace(&server().port().to_string(), &proxy.port().to_string()),
    );
    proxy.set(TcpFault::Delay(Duration::from_millis(100)));
    home.publish(&results(), &["--retry-budget=5s"]).expect(0);
    home.assert_table_is(&[&results()]);
    // Five seconds a call are more than there are.
    proxy.set(TcpFault::Delay(Duration::from_secs(5)));
    let started = Instant::now();
    let ran = home
        .publish(&results(), &["--cache=refresh", "--retry-budget=2s"])
        .expect(75);
    assert!(ran.stderr.contains("no answer"), "{}", ran.stderr);
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "it gave up after {:?}",
        started.elapsed()
    );
    proxy.set(TcpFault::None);
    home.assert_table_is(&[&results()]);
}

#[test]
fn what_needs_a_person_is_told_with_what_to_do() {
    let mut home = home();
    let url = server().url(&home.database);
    home.psql("CREATE ROLE guest LOGIN PASSWORD 'guest-4Fq7'");
    let guest = url.replace(
        &format!("{}:{}", Postgres::USER, Postgres::PASSWORD),
        "guest:guest-4Fq7",
    );
    let without_tls = "turn TLS on in the server";
    for (url, more, told) in [
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
        let started = Instant::now();
        let ran = home.publish(&results(), &more);
        assert_ne!(ran.code, Some(75), "{told}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
        for secret in ["wrong-2Wz8", "guest-4Fq7", Postgres::PASSWORD] {
            assert!(!ran.shown().contains(secret), "{told}: {}", ran.stderr);
        }
        assert!(
            started.elapsed() < Duration::from_secs(25),
            "{told}: it was tried again"
        );
        if told != "connecting" {
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
    let name = "connect by a name that the server's certificate holds";
    let authority = "name the file of the authority";
    for (number, (url, told)) in [
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
        if told.len() > 1 {
            assert!(ran.stderr.contains(told), "{url}: {}", ran.stderr);
            ran.expect(2);
            continue;
        }
        ran.expect(0);
        let query =
            format!("SELECT DISTINCT encrypted FROM predictions WHERE data_version = '{version}'");
        assert_eq!(server.psql(&home.database, &query).unwrap(), told, "{url}");
    }
}

#[test]
fn conflicts_with_other_transactions_and_shutdowns_are_tried_again() {
    let terminate = "PERFORM pg_terminate_backend(pg_backend_pid())".to_owned();
    let codes = ["40001", "40P01", "55P03", "57014", "57P01"].map(raised);
    for action in [&codes[..], &[terminate]].concat() {
        let home = home_with_table();
        raise(&home, &action, 2);
        let ran = home.publish(&results(), &[]).expect(0);
        assert!(
            ran.stderr.matches("trying again").count() >= 2,
            "{action}: {}",
            ran.stderr
        );
        home.assert_table_is(&[&results()]);
    }
}

#[test]
fn limits_of_time_that_a_database_sets_do_not_cut_publishing_short() {
    let home = home_with_table();
    let limits = home.psql(
        "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', \
         'lock_timeout', 'statement_timeout', 'transaction_timeout')",
    );
    assert!(limits.split(' ').count() >= 3, "{limits}");
    for limit in limits.split(' ') {
        home.psql(&format!(
            "ALTER DATABASE {} SET {limit} = '1h'",
            home.database
        ));
    }
    let set =
        "FROM pg_settings WHERE name ~ '_timeout$' AND setting <> '0' AND source = 'database'";
    assert_eq!(
        home.psql(&format!("SELECT count(*) {set}")),
        limits.split(' ').count().to_string()
    );
    // Looked at while rows come in.
    let left = format!(
        "IF EXISTS (SELECT FROM pg_settings WHERE name = ANY (string_to_array('{limits}', ' ')) AND setting <> '0') THEN {}; END IF",
        raised("23514")
    );
    raise(&home, &left, 1_000_000);
    home.publish(&results(), &[]).expect(0);
    home.assert_table_is(&[&results()]);
}

#[test]
fn a_connection_that_the_administrator_ends_is_told_as_such() {
    let home = home_with_table();
    raise(
        &home,
        "PERFORM pg_terminate_backend(pg_backend_pid())",
        1_000_000,
    );
    let ran = home
        .publish(&results(), &["--retry-budget=300ms"])
        .expect(75);
    assert!(
        ran.stderr
            .contains("terminating connection due to administrator command"),
        "{}",
        ran.stderr
    );
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "0");
}

#[test]
fn a_full_disk_needs_a_person_and_leaves_nothing() {
    for (code, told) in [
        ("53100", "free space on the server's disk"),
        ("53400", "raise that limit"),
    ] {
        let home = home_with_table();
        raise(&home, &raised(code), 1);
        let ran = home.publish(&results(), &[]).expect(2);
        assert!(
            ran.stderr.contains(told) && ran.stderr.contains("copying"),
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

#[test]
fn sigterm_rolls_back_whatever_is_waited_for() {
    let home = home_with_table();
    let lock = Holding::new(
        &server().url(&home.database),
        "BEGIN; LOCK TABLE predictions IN EXCLUSIVE MODE",
    );
    let locked = "EXISTS (SELECT FROM pg_locks WHERE relation = 'predictions'::regclass AND mode = 'ExclusiveLock')";
    until(server(), &home.database, locked);
    // One waits in the middle of publishing, one for its turn.
    let mut waiting = Vec::new();
    for event in ["relation", "advisory"] {
        waiting.push(start(&home, &[]));
        until(
            server(),
            &home.database,
            &format!("EXISTS (SELECT FROM {OURS} AND wait_event = '{event}')"),
        );
    }
    for child in waiting.into_iter().rev() {
        assert!(
            Command::new("kill")
                .args(["-TERM", &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let started = Instant::now();
        end(child).expect(143);
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "it stopped after {:?}",
            started.elapsed()
        );
    }
    // The server notices by itself, though the table is still locked.
    until(
        server(),
        &home.database,
        &format!("NOT EXISTS (SELECT FROM {OURS})"),
    );
    drop(lock);
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "0");
    home.publish(&results(), &[]).expect(0);
    home.assert_table_is(&[&results()]);
}

#[test]
fn connections_that_are_reset_are_told_of() {
    let mut home = home();
    let proxy = TcpProxy::start(server().port()).unwrap();
    home.set(
        "DATABASE_URL",
        &server()
            .url(&home.database)
            .replace(&server().port().to_string(), &proxy.port().to_string()),
    );
    proxy.set(TcpFault::ResetAfter(3_000));
    let ran = home
        .publish(&results(), &["--retry-budget=500ms"])
        .expect(75);
    assert!(
        ran.stderr.contains("is not available") && ran.stderr.contains("connection closed"),
        "{}",
        ran.stderr
    );
    assert_eq!(home.psql("SELECT to_regclass('predictions') IS NULL"), "t");
}

#[test]
fn too_many_connections_are_waited_for() {
    let settings = [
        ("max_connections", "4"),
        ("superuser_reserved_connections", "0"),
    ];
    let settings = settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let server = Postgres::start(PostgresOptions {
        settings,
        ..PostgresOptions::default()
    })
    .unwrap();
    let home = Home::on(&server);
    home.write(&results());
    let url = server.url(&home.database);
    let mut others: Vec<Holding> = (0..3).map(|_| Holding::new(&url, "SELECT 1")).collect();
    until(
        &server,
        &home.database,
        "count(*) = 3 FROM pg_stat_activity WHERE state = 'idle' AND query = 'SELECT 1;'",
    );
    // The question takes a connection too, and may keep the last one from its holder.
    let full = Instant::now();
    while server.psql(&home.database, "SELECT 1").is_ok() {
        others.push(Holding::new(&url, "SELECT 1"));
        assert!(
            full.elapsed() < Duration::from_secs(60),
            "the server takes more connections than it should"
        );
    }
    let ran = home
        .publish(&results(), &["--retry-budget=500ms"])
        .expect(75);
    assert!(
        ran.stderr.contains("too many clients already"),
        "{}",
        ran.stderr
    );
    let child = start(&home, &["--retry-budget=60s"]);
    others.clear();
    end(child).expect(0);
    home.assert_table_is(&[&results()]);
}
