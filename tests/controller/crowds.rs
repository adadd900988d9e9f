//! Visitors of the web server that are many, slow, or want too much.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::daemon::{Daemon, ON_REQUEST};
use crate::world::World;

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// As many as are served at once.
const CROWD: usize = 1000;

/// As many event streams as are served at once.
const STREAMS: usize = 256;

/// More than the heads of requests and everything else of the controller take.
const MEMORY_MAX_KIB: u64 = 256 << 10;

/// This process has an end of each connection.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

fn connect(address: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// The first line of an answer, as soon as it is there.
fn first_line(stream: &mut TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        match stream.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => line.push(byte[0]),
            // It was closed before everything that was sent was read.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8(line).unwrap()
}

fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
fn a_crowd_that_is_slow_stops_no_run() {
    allow_many_files();
    let world = World::small();
    world.configure_local(1, &format!("{ON_REQUEST}listen: 127.0.0.1:0\n"));
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let log = daemon.log();
    let address = log.split("status page at http://").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();

    let long = "x".repeat(64 << 10);
    let mut huge = TcpStream::connect(address).unwrap();
    let sent = huge.write_all(format!("GET / HTTP/1.1\r\nX-Long: {long}\r\n\r\n").as_bytes());
    if sent.is_ok() {
        let answer = first_line(&mut huge);
        assert!(answer.is_empty() || answer.contains(" 431 "), "{answer}");
    }

    // Pages that are open; one stream more than there are places for.
    let live = "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let streams: Vec<TcpStream> = (0..STREAMS)
        .map(|_| {
            let mut stream = connect(address, live);
            assert!(first_line(&mut stream).contains(" 200 "));
            stream
        })
        .collect();
    let answer = first_line(&mut connect(address, live));
    assert!(answer.contains(" 503 "), "{answer}");

    // The others never come to the end of what they ask.
    let half = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let slow: Vec<TcpStream> = (STREAMS..CROWD + 50)
        .map(|_| connect(address, half))
        .collect();
    let path = world.at("node1/iso").join(ISO);
    for _ in 0..3 {
        fs::remove_file(&path).unwrap();
        daemon.beside(&["reconcile", "-q"]).expect(0);
        assert!(path.exists(), "the run repaired it");
    }
    let memory = memory_kib(daemon.pid());
    assert!(memory < MEMORY_MAX_KIB, "{memory} KiB");

    // Whoever is slow loses the place, so another visitor gets one.
    let mut probe = connect(address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = first_line(&mut probe);
    assert!(answer.contains(" 200 "), "{answer}");
    drop((streams, slow));
    daemon.beside(&["reconcile", "-q"]).expect(0);
    daemon.stop();
}
