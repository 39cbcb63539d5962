//! Random schedules of kills, retries, concurrent runs and lost connections: in the end the table
//! is what a single undisturbed publishing of each of the results gives.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array};
use testing::{TcpFault, TcpProxy, postgres};

use super::fixture::{Comparer, Home, Results};

/// How many schedules are tried.
const SCHEDULES: u64 = 220;
/// Schedules that run at the same time.
const THREADS: usize = 4;
/// For what must succeed, on a busy machine too.
const PATIENT: &str = "180s";
/// Decides all schedules; the moments at which a kill hits depend on the machine too.
const SEED: u64 = 20_250_601;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Results that schedules choose from. They meet in many keys; some have columns that others lack,
/// or hold wider.
fn pool() -> Vec<Results> {
    let narrow: fn(usize) -> ArrayRef = |rows| {
        Arc::new(Int32Array::from_iter_values(
            (0..rows as i32).map(|i| i % 7),
        ))
    };
    let wide: fn(usize) -> ArrayRef = |rows| {
        Arc::new(Float64Array::from_iter_values(
            (0..rows).map(|i| i as f64 / 8.0),
        ))
    };
    let single: fn(usize) -> ArrayRef = |rows| {
        Arc::new(Float32Array::from_iter_values(
            (0..rows).map(|i| i as f32 / 4.0),
        ))
    };
    vec![
        Results::new("1", 1, 100, 0..2000),
        Results::new("1", 2, 200, 0..2000),
        Results::new("1", 3, 50, 400..2400),
        Results::new("2", 1, 300, 1000..3000),
        Results::new("2", 2, 300, 1200..2600),
        Results::new("2", 3, 300, 900..2900).with(&[("feature3", wide)]),
        Results::new("3", 1, 150, 0..1500).with(&[("feature3", single)]),
        Results::new("3", 2, 250, 500..2500).with(&[("prediction", narrow)]),
        Results::new("4", 1, 120, 5000..7000),
        Results::new("4", 2, 90, 5500..7500).without("feature2"),
    ]
}

/// What is known of undisturbed runs, and what hit.
#[derive(Default)]
struct Known {
    /// Microseconds that an undisturbed run takes beside the others; schedules keep it up to date.
    span: AtomicU64,
    /// Bytes that a client sends.
    bytes: u64,
    kills: AtomicUsize,
    drops: AtomicUsize,
}

#[test]
fn after_any_schedule_the_table_is_what_an_undisturbed_run_gives() {
    eprintln!("seed {SEED}");
    let mut home = Home::new();
    let proxies: Vec<TcpProxy> = (0..THREADS)
        .map(|_| TcpProxy::start(postgres().port()).unwrap())
        .collect();
    let pool = pool();
    pool.iter().for_each(|results| home.write(results));
    let direct = postgres().url(&home.database);
    home.set("DATABASE_URL", "");
    let known = calibrate(&home, &pool, &proxies[0]);
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for proxy in &proxies {
            let (home, pool, known, next, direct) = (&home, &pool, &known, &next, &direct);
            scope.spawn(move || {
                let mut comparer = Comparer::start(&home.store(), direct);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // On a machine whose speed changes more tries come too late.
                    let is_enough = known.kills.load(Ordering::Relaxed) >= SCHEDULES as usize;
                    if number >= SCHEDULES && (is_enough || number >= 2 * SCHEDULES) {
                        break;
                    }
                    let mut schedule = Schedule::new(home, proxy, known, number);
                    let published = schedule.run(pool);
                    let found = comparer.compare(&schedule.schema, &published);
                    assert_eq!(
                        found, "same",
                        "seed {SEED}, schedule {number}: {:#?}",
                        schedule.done
                    );
                    home.psql(&format!("DROP SCHEMA {} CASCADE", schedule.schema));
                }
            });
        }
    });
    let (kills, drops) = (known.kills.into_inner(), known.drops.into_inner());
    eprintln!(
        "{SCHEDULES} schedules, {kills} kills of running processes, {drops} lost connections"
    );
    assert!(
        kills >= SCHEDULES as usize && drops >= SCHEDULES as usize / 2,
        "{kills} kills, {drops} lost connections"
    );
}

/// Finds out how long an undisturbed run takes, and how much it sends.
fn calibrate(home: &Home, pool: &[Results], proxy: &TcpProxy) -> Known {
    let mut attempts = 0;
    let mut run = |fault: TcpFault, budget: &str| {
        attempts += 1;
        let schema = format!("calibration{attempts}");
        home.psql(&format!("CREATE SCHEMA {schema}"));
        proxy.set(fault);
        let started = Instant::now();
        let mut command = home.command(
            &pool[0],
            &["--database-schema", &schema, "--retry-budget", budget],
        );
        command.env("DATABASE_URL", through(home, proxy));
        let code = command.output().unwrap().status.code();
        proxy.set(TcpFault::None);
        home.psql(&format!("DROP SCHEMA {schema} CASCADE"));
        (code, started.elapsed())
    };
    let (code, _) = run(TcpFault::None, PATIENT);
    assert_eq!(code, Some(0));
    let span = run(TcpFault::None, PATIENT).1;
    let (mut too_few, mut enough) = (0, 4 << 20);
    while enough - too_few > 8 {
        let middle = (too_few + enough) / 2;
        match run(TcpFault::ResetAfter(middle), "3s").0 {
            Some(0) => enough = middle,
            _ => too_few = middle,
        }
    }
    eprintln!("an undisturbed run takes {span:.0?} and sends {enough} bytes");
    Known {
        span: AtomicU64::new(span.as_micros() as u64),
        bytes: enough,
        ..Known::default()
    }
}

fn through(home: &Home, proxy: &TcpProxy) -> String {
    postgres().url(&home.database).replace(
        &format!(":{}/", postgres().port()),
        &format!(":{}/", proxy.port()),
    )
}

/// One schedule, in a schema of its own.
struct Schedule<'a> {
    home: &'a Home,
    proxy: &'a TcpProxy,
    known: &'a Known,
    random: Random,
    schema: String,
    /// What was done, to be printed when it fails.
    done: Vec<String>,
}

impl<'a> Schedule<'a> {
    fn new(home: &'a Home, proxy: &'a TcpProxy, known: &'a Known, number: u64) -> Self {
        let schema = format!("schedule{number}");
        home.psql(&format!("CREATE SCHEMA {schema}"));
        Self {
            home,
            proxy,
            known,
            random: Random(SEED ^ (number << 32)),
            schema,
            done: Vec::new(),
        }
    }

    /// Publishes some results in any order, disturbed in every way; gives those that are published
    /// in the end.
    fn run<'p>(&mut self, pool: &'p [Results]) -> Vec<&'p Results> {
        let mut chosen: Vec<&Results> = Vec::new();
        let count = 2 + self.random.below(3) as usize;
        while chosen.len() < count {
            let results = &pool[self.random.below(pool.len() as u64) as usize];
            if !chosen.iter().any(|known| known.key() == results.key()) {
                chosen.push(results);
            }
        }
        for _ in 0..4 {
            let results = chosen[self.random.below(chosen.len() as u64) as usize];
            let other = chosen[self.random.below(chosen.len() as u64) as usize];
            self.disturb(results, other);
        }
        // In the end each is published, once more if it was.
        for index in 0..chosen.len() {
            let left = (chosen.len() - index) as u64;
            chosen.swap(index, index + self.random.below(left) as usize);
            self.publish(chosen[index]);
        }
        chosen
    }

    fn disturb(&mut self, results: &Results, other: &Results) {
        match self.random.below(10) {
            0..=3 => {
                self.note("kill", &[results]);
                let child = self.start(results);
                self.kill(child);
            }
            4 => {
                self.note("two at once, one killed", &[results, other]);
                let (one, two) = (self.start(results), self.start(other));
                self.kill(one);
                self.expect(two, &[0]);
            }
            5 => {
                self.note("two at once", &[results, other]);
                let (one, two) = (self.start(results), self.start(other));
                self.expect(one, &[0]);
                self.expect(two, &[0]);
            }
            6..=8 => self.drop_connection(results),
            _ => self.publish(results),
        }
    }

    fn publish(&mut self, results: &Results) {
        self.note("publish", &[results]);
        let started = Instant::now();
        let mut command = self.command(results, PATIENT);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = self.expect(child, &[0]).1;
        if printed.contains(r#""reused":false"#) {
            let (before, now) = (
                self.known.span.load(Ordering::Relaxed),
                started.elapsed().as_micros() as u64,
            );
            self.known
                .span
                .store((3 * before + now) / 4, Ordering::Relaxed);
        }
    }

    /// Loses each connection after some bytes, most often near the end or the beginning, for all
    /// tries or the first.
    fn drop_connection(&mut self, results: &Results) {
        let bytes = match self.random.below(3) {
            0 => self.random.below(self.known.bytes),
            1 => self.random.below(6_000),
            _ => self.known.bytes - self.random.below(600),
        };
        let heals = self.random.below(2) == 0;
        self.note(
            &format!("connection lost after {bytes} bytes, {heals}"),
            &[results],
        );
        self.proxy.set(TcpFault::ResetAfter(bytes));
        let child = self.start_with(results, if heals { PATIENT } else { "150ms" });
        if heals {
            thread::sleep(self.moment());
            self.proxy.set(TcpFault::None);
        }
        // What was sent may suffice.
        let code = self.expect(child, if heals { &[0] } else { &[0, 75] }).0;
        self.known
            .drops
            .fetch_add(usize::from(heals || code == 75), Ordering::Relaxed);
        self.proxy.set(TcpFault::None);
    }

    fn start(&self, results: &Results) -> Child {
        self.start_with(results, PATIENT)
    }

    fn start_with(&self, results: &Results, budget: &str) -> Child {
        self.command(results, budget)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn command(&self, results: &Results, budget: &str) -> Command {
        let mut command = self.home.command(
            results,
            &["--database-schema", &self.schema, "--retry-budget", budget],
        );
        command.env("DATABASE_URL", through(self.home, self.proxy));
        command
    }

    /// A moment before an undisturbed run would end.
    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.known.span.load(Ordering::Relaxed)).mul_f64(self.random.unit())
    }

    fn kill(&mut self, mut child: Child) {
        // The moment is what is tested.
        thread::sleep(self.moment());
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            self.known.kills.fetch_add(1, Ordering::Relaxed);
        }
        child.wait().unwrap();
    }

    /// Waits for the end; gives the exit code and what was printed.
    fn expect(&self, child: Child, codes: &[i32]) -> (i32, String) {
        let output = child.wait_with_output().unwrap();
        let code = output.status.code().unwrap_or(-1);
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(
            codes.contains(&code),
            "seed {SEED}: exit {code} in {} after {:#?}:\n{printed}",
            self.schema,
            self.done
        );
        (code, String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn note(&mut self, what: &str, results: &[&Results]) {
        let keys: Vec<String> = results.iter().map(|results| results.key()).collect();
        self.done.push(format!("{what}: {}", keys.join(", ")));
    }
}
