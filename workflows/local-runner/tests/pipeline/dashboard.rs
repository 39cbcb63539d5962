//! `alameda dashboard` as a person starts, uses and stops it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::Bench;

/// Starts it; gives where it is, and what it goes on to say.
pub(crate) fn start(mut command: Command) -> (Child, SocketAddr, BufReader<ChildStderr>) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("the dashboard is at http://") {
        line.clear();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "it ended before it served"
        );
    }
    let at = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    (child, at, lines)
}

pub(crate) fn ask(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_dashboard_shows_what_the_workflow_wrote_and_ends_on_a_signal() {
    let bench = Bench::new();
    let (mut child, at, mut lines) = start(bench.command(&["dashboard", "--bind", "127.0.0.1:0"]));
    assert!(
        ask(at, "/").contains("alameda demo"),
        "what to run is said while there is nothing"
    );
    // It need not be started again for what comes.
    bench.pipeline(&[]).expect(0);
    let models = ask(at, "/");
    assert!(
        models.starts_with("HTTP/1.1 200") && models.contains("href=\"/models/m?"),
        "{models}"
    );
    let model = ask(at, "/models/m");
    assert!(
        model.contains("v1, champion") && model.contains("800 rows"),
        "{model}"
    );
    assert!(
        ask(at, "/reports/1/m/v1").contains("<h1>"),
        "the report is a link away"
    );
    assert!(ask(at, "/data").contains("/reports/1/m/v1"));
    let runs = ask(at, "/runs");
    for shown in ["Succeeded", "promoted", "there was no champion"] {
        assert!(runs.contains(shown), "{shown} in {runs}");
    }
    assert!(ask(at, "/data").contains("href=\"/data/train/1\""));
    let set = ask(at, "/data/train/1");
    assert!(
        set.contains("train/1.parquet") && set.contains("No raw file was left out"),
        "{set}"
    );
    assert!(ask(at, "/tables/raw-files.csv?set=train%2F1").contains("\ntrain/1.parquet,600,"));
    for other in [
        "models/m",
        "train",
        "train/..",
        "train%2F..%2Fresults",
        "train/2",
        "predict/1/2/3",
    ] {
        assert!(
            ask(at, &format!("/data/{other}")).starts_with("HTTP/1.1 404"),
            "{other}"
        );
    }

    let taken = bench
        .alameda(&["dashboard", "--bind", &at.to_string()])
        .expect(2);
    assert!(
        taken
            .stderr
            .contains(&format!("{at} is taken by another program")),
        "{}",
        taken.stderr
    );

    // Somebody who looks on does not hold it up.
    let mut open = TcpStream::connect(at).unwrap();
    write!(open, "GET / HTTP/1.1\r\nHost: {at}\r\n").unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
}
