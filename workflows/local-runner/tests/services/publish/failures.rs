//! What goes wrong between publishing and the server, and may pass: it is tried again.

mod refusals;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testing::{Postgres, PostgresOptions, TcpFault, TcpProxy, free_port, postgres};

use super::fixture::{Home, Results};
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
            started.elapsed() < Duration::from_secs(300),
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
    let ran = home.publish(&results(), &["--retry-budget=3s"]).expect(75);
    let expected = format!("Postgres at 127.0.0.1:{port}, database d is not available");
    assert!(
        ran.stderr.contains(&expected) && ran.stderr.contains("Connection refused"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("retrying") && ran.stderr.contains("--retry-budget"),
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
    assert!(ran.stderr.contains("retrying"), "{}", ran.stderr);
    home.assert_table_is(&[&results(), &newer]);
}

/// A home whose calls go through a proxy to the shared server.
fn behind_a_proxy() -> (Home, TcpProxy) {
    let mut home = home();
    let proxy = TcpProxy::start(postgres().port()).unwrap();
    home.set(
        "DATABASE_URL",
        &postgres()
            .url(&home.database)
            .replace(&postgres().port().to_string(), &proxy.port().to_string()),
    );
    (home, proxy)
}

#[test]
fn a_slow_server_is_waited_for_within_the_budget_of_each_call() {
    let (home, proxy) = behind_a_proxy();
    proxy.set(TcpFault::Delay(Duration::from_millis(100)));
    home.publish(&results(), &[]).expect(0);
    home.assert_table_is(&[&results()]);
    // Minutes a call are more than there are.
    proxy.set(TcpFault::Delay(Duration::from_secs(300)));
    let started = Instant::now();
    let ran = home
        .publish(&results(), &["--cache=refresh", "--retry-budget=2s"])
        .expect(75);
    assert!(ran.stderr.contains("no answer"), "{}", ran.stderr);
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "it gave up after {:?}",
        started.elapsed()
    );
    proxy.set(TcpFault::None);
    home.assert_table_is(&[&results()]);
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
            ran.stderr.matches("retrying").count() >= 2,
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
fn a_connection_that_the_administrator_ends_is_reported_as_such() {
    let home = home_with_table();
    raise(
        &home,
        "PERFORM pg_terminate_backend(pg_backend_pid())",
        1_000_000,
    );
    let ran = home.publish(&results(), &["--retry-budget=10s"]).expect(75);
    assert!(
        ran.stderr
            .contains("terminating connection due to administrator command"),
        "{}",
        ran.stderr
    );
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "0");
}

#[test]
fn sigterm_rolls_back_whatever_is_waited_for() {
    let home = home_with_table();
    let lock = Holding::new(
        &postgres().url(&home.database),
        "BEGIN; LOCK TABLE predictions IN EXCLUSIVE MODE",
    );
    let locked = "EXISTS (SELECT FROM pg_locks WHERE relation = 'predictions'::regclass AND mode = 'ExclusiveLock')";
    until(postgres(), &home.database, locked);
    // One waits in the middle of publishing, one for its turn.
    let mut waiting = Vec::new();
    for event in ["relation", "advisory"] {
        waiting.push(start(&home, &[]));
        until(
            postgres(),
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
            started.elapsed() < Duration::from_secs(30),
            "it stopped after {:?}",
            started.elapsed()
        );
    }
    // The server notices by itself, though the table is still locked.
    until(
        postgres(),
        &home.database,
        &format!("NOT EXISTS (SELECT FROM {OURS})"),
    );
    drop(lock);
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "0");
    home.publish(&results(), &[]).expect(0);
    home.assert_table_is(&[&results()]);
}

#[test]
fn connections_that_are_reset_are_reported() {
    let (home, proxy) = behind_a_proxy();
    proxy.set(TcpFault::ResetAfter(3_000));
    let ran = home.publish(&results(), &["--retry-budget=10s"]).expect(75);
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
        ("max_connections", "6"),
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
    // The question takes a connection too, and may keep the last one from its holder; one that has
    // just been answered takes it for a moment longer.
    let is_free = || {
        std::thread::sleep(Duration::from_millis(200));
        server.psql(&home.database, "SELECT 1").is_ok()
    };
    let full = Instant::now();
    while (0..6).any(|_| is_free()) {
        others.push(Holding::new(&url, "SELECT 1"));
        assert!(
            full.elapsed() < Duration::from_secs(60),
            "the server takes more connections than it should"
        );
    }
    let ran = home.publish(&results(), &["--retry-budget=10s"]).expect(75);
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
