use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use services::local;

/// A server that answers every request with `hello`, and counts them.
fn hello() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let counter = counter.clone();
            std::thread::spawn(move || {
                let (mut request, mut piece) = (Vec::<u8>::new(), [0; 1024]);
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => return,
                        Ok(bytes) => request.extend(&piece[..bytes]),
                    }
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
                );
            });
        }
    });
    (port, seen)
}

/// What a plain request gets; an error when the connection is cut.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(local(port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) => Ok(format!(
            "{} {body}",
            head.split(' ').nth(1).unwrap_or_default()
        )),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

#[test]
fn calls_pass_and_are_counted() {
    let (upstream, seen) = hello();
    let proxy = HttpProxy::start(upstream).unwrap();
    assert_eq!(get(proxy.port(), "/a?b=c").unwrap(), "200 hello");
    let call = Call {
        method: "GET".into(),
        path: "/a?b=c".into(),
        status: Some(200),
        sent: 0,
        received: 5,
    };
    assert_eq!(proxy.take_calls(), [call]);
    assert_eq!(proxy.take_calls(), []);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[test]
fn a_rule_picks_calls_and_ends() {
    let (upstream, seen) = hello();
    let proxy = HttpProxy::start(upstream).unwrap();
    let busy = Rule::always(Fault::Status(503, "busy".into()))
        .when(|_, path| path.starts_with("/a"))
        .times(2);
    proxy.set([busy]);
    let answers: Vec<_> = ["/a", "/b", "/a", "/a"]
        .iter()
        .map(|path| get(proxy.port(), path).unwrap())
        .collect();
    assert_eq!(answers, ["503 busy", "200 hello", "503 busy", "200 hello"]);
    assert_eq!(
        seen.load(Ordering::SeqCst),
        2,
        "what the proxy answers does not reach the service"
    );
}

#[test]
fn an_answer_that_is_lost_was_given() {
    let (upstream, seen) = hello();
    let proxy = HttpProxy::start(upstream).unwrap();
    proxy.set([Rule::always(Fault::Reset)]);
    get(proxy.port(), "/").unwrap_err();
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    proxy.set([Rule::always(Fault::LoseAnswer)]);
    get(proxy.port(), "/").unwrap_err();
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    proxy.set([Rule::always(Fault::CutAnswer(2))]);
    assert_ne!(get(proxy.port(), "/").ok().as_deref(), Some("200 hello"));
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[test]
fn a_connection_is_cut_after_so_many_bytes() {
    let (upstream, seen) = hello();
    let proxy = TcpProxy::start(upstream).unwrap();
    assert_eq!(get(proxy.port(), "/").unwrap(), "200 hello");
    for fault in [TcpFault::Refuse, TcpFault::ResetAfter(10)] {
        proxy.set(fault);
        get(proxy.port(), "/").unwrap_err();
    }
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    proxy.set(TcpFault::ResetAfter(1000));
    assert_eq!(get(proxy.port(), "/").unwrap(), "200 hello");
}
