//! The server over real connections, spoken to by hand.

mod asks;
mod hooks;
mod rollouts;
mod slow;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use self::asks::Asks;
use super::{WebConfig, WebParts, WebServer};
use crate::conclude::status::BlockedLine;
use crate::conclude::{EventRecord, Reason, Scope, Status};
use crate::facts::ApprovalId;
use crate::live::Live;
use crate::model::{Hook, HookKind, ListenAddress, Trigger, WebToken};
use crate::store::StateDir;

struct Served {
    server: WebServer,
    live: Live,
    state: StateDir,
    asks: Arc<Asks>,
    _dir: tempfile::TempDir,
}

/// With the secret and, below, the body of the example in GitHub's documentation.
fn hook(name: &str, kind: HookKind) -> Hook {
    Hook {
        name: name.parse().unwrap(),
        kind,
        secret: SecretString::from("It's a Secret to Everybody".to_owned()),
    }
}

async fn serve(tokens: Option<&[&str]>) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    let status = Status {
        owner: "me".to_owned(),
        blocked: vec![BlockedLine {
            step: crate::facts::StepId::fetch(&"a".parse().unwrap()),
            reason: Reason::PruneBlocked,
            message: "over budget".to_owned(),
            next_try: None,
            approval: Some(ApprovalId("abc".to_owned())),
            orders: std::collections::BTreeSet::new(),
        }],
        ..Status::default()
    };
    let live = Live::new(status, Timestamp::UNIX_EPOCH);
    let asks = Arc::new(Asks::default());
    let token = |name: &&str| WebToken {
        name: (*name).to_owned(),
        token: SecretString::from(format!("token-of-{name}")),
    };
    let parts = WebParts {
        live: live.clone(),
        state: state.clone(),
        control: asks.clone(),
        vitals: asks.clone(),
        config: WebConfig {
            tokens: tokens.map(|names| names.iter().map(token).collect()),
            hooks: vec![
                hook("push", HookKind::Github),
                hook("lab", HookKind::Gitlab),
            ],
            ..WebConfig::default()
        },
    };
    let address = "127.0.0.1:0".parse().unwrap();
    let server = WebServer::open(&address, parts).await.unwrap();
    Served {
        server,
        live,
        state,
        asks,
        _dir: dir,
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        let ListenAddress::Tcp(address) = self.server.address() else {
            panic!("listens at a port");
        };
        TcpStream::connect(address).await.unwrap()
    }

    /// Sends a request with these lines after the first, and gives back what is answered.
    async fn ask(&self, first: &str, lines: &[&str], body: &str) -> String {
        let mut stream = self.connect().await;
        let mut head = format!("{first} HTTP/1.1\r\nConnection: close\r\n");
        if !lines.iter().any(|line| line.starts_with("Host")) {
            head.push_str("Host: localhost\r\n");
        }
        for line in lines {
            head.push_str(&format!("{line}\r\n"));
        }
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn assert_code(answer: &str, code: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
}

#[tokio::test]
async fn every_answer_protects_the_visitor_and_names_what_is_wrong() {
    let served = serve(None).await;
    for (first, lines, code, says) in [
        ("GET /healthz", &[][..], 200, "the controller runs"),
        ("GET /healthz", &["Host: whatever.example"], 200, ""),
        ("GET /readyz", &["Host: whatever.example"], 503, "not ready"),
        ("GET /metrics", &[], 200, "talos_order_build_info"),
        ("GET /metrics", &["Host: evil.example"], 421, "web.hosts"),
        ("GET /v1/status", &[], 200, "\"owner\":\"me\""),
        ("GET /v1/status", &["Host: evil.example"], 421, "web.hosts"),
        (
            "GET /v1/status",
            &["Host: localhost", "Host: evil.example"],
            400,
            "more than one",
        ),
        ("GET /nothing/%0a", &[], 404, "nothing"),
        ("POST /v1/status", &[], 405, "does not take POST"),
        ("POST /actions/suspend", &[], 403, "read-only"),
        ("POST /login", &[], 401, "not known"),
    ] {
        let answer = served.ask(first, lines, "").await;
        assert_code(&answer, code);
        let head = answer.to_lowercase();
        assert!(answer.contains(says), "{answer}");
        for header in [
            "content-security-policy: default-src 'none'",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{header}: {answer}");
        }
    }
    let long = "x".repeat(20 << 10);
    assert_code(&served.ask("POST /login", &[], &long).await, 413);
}

#[tokio::test]
async fn a_browser_logs_in_acts_and_is_named() {
    let served = serve(Some(&["alice", "bob"])).await;
    assert_code(
        &served.ask("POST /actions/suspend", &[], "kind=all").await,
        401,
    );
    let form = "token=token-of-alice&back=//evil.example/";
    let foreign = served
        .ask("POST /login", &["Sec-Fetch-Site: cross-site"], form)
        .await;
    assert_code(&foreign, 403);
    let answer = served
        .ask("POST /login", &["Sec-Fetch-Site: same-origin"], form)
        .await;
    assert_code(&answer, 303);
    assert!(answer.contains("\r\nlocation: /\r\n"), "{answer}");
    assert!(answer.contains("HttpOnly; SameSite=Strict"), "{answer}");
    let cookie = answer.split("set-cookie: ").nth(1).unwrap();
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    // A session without the key of its forms is no permission.
    let forged = served
        .ask("POST /actions/suspend", &[&cookie], "kind=all&csrf=x")
        .await;
    assert_code(&forged, 403);
    assert!(served.state.suspended() == crate::facts::Suspended::default());
}

#[tokio::test]
async fn a_program_acts_with_its_token() {
    let served = serve(Some(&["alice", "bob"])).await;
    let token = "Authorization: Bearer token-of-bob";
    let wrong = "Authorization: Bearer token-of-eve";
    let form = "kind=order&name=web";
    assert_code(
        &served.ask("POST /actions/suspend", &[wrong], form).await,
        401,
    );
    let answer = served.ask("POST /actions/suspend", &[token], form).await;
    assert_code(&answer, 200);
    assert!(
        answer.ends_with("suspend order web: by bob (status page, 127.0.0.1)\n"),
        "{answer}"
    );
    assert!(
        served
            .state
            .suspended()
            .orders
            .contains(&"web".parse().unwrap())
    );
    assert_code(
        &served.ask("POST /actions/resume", &[token], form).await,
        200,
    );
    assert!(
        !served
            .state
            .suspended()
            .orders
            .contains(&"web".parse().unwrap())
    );
    let node = "kind=node&name=pve-01";
    assert_code(
        &served.ask("POST /actions/reconcile", &[token], node).await,
        200,
    );
    for wrong in ["", "kind=order&name=a/b", "kind=what&name=a"] {
        assert_code(
            &served.ask("POST /actions/reconcile", &[token], wrong).await,
            400,
        );
    }
    assert_code(
        &served
            .ask("POST /actions/approve", &[token], "id=xyz")
            .await,
        409,
    );
    assert_code(
        &served
            .ask("POST /actions/approve", &[token], "id=abc")
            .await,
        200,
    );
    assert!(
        served
            .state
            .approved()
            .contains(&ApprovalId("abc".to_owned()))
    );
    let asks = served.asks.0.lock().unwrap().clone();
    assert_eq!(asks, [Scope::Node("pve-01".parse().unwrap()), Scope::All]);
    let events = served.state.events().read().unwrap();
    let by = |event: &EventRecord| match event {
        EventRecord::Action(action) => format!("{} {}", action.action, action.by),
        EventRecord::Step(_) => panic!("no step ran"),
    };
    let events: Vec<String> = events.iter().map(by).collect();
    assert_eq!(
        events,
        ["suspend bob", "resume bob", "reconcile bob", "approve bob"]
    );
}

#[tokio::test]
async fn the_stream_tells_the_version_now_and_after_each_change() {
    let served = serve(None).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    for version in [0, 1] {
        let wanted = format!("event: version\ndata: {version}\n");
        while !seen.contains(&wanted) {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "{seen}");
            seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        served
            .live
            .run_begun(&Status::default(), Trigger::Manual, Timestamp::UNIX_EPOCH);
    }
    assert!(seen.contains("content-type: text/event-stream"), "{seen}");
    // Streams have no end of their own; the server has.
    let closing = tokio::time::timeout(Duration::from_secs(10), served.server.close());
    closing.await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_is_taken_over_only_where_nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.sock");
    let address = ListenAddress::Unix(path.clone());
    let parts = || WebParts {
        live: Live::new(Status::default(), Timestamp::UNIX_EPOCH),
        state: StateDir::new(dir.path()),
        control: Arc::new(Asks::default()),
        vitals: Arc::new(Asks::default()),
        config: WebConfig::default(),
    };
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = WebServer::open(&address, parts()).await.unwrap();
    let second = WebServer::open(&address, parts()).await.err().unwrap();
    assert!(
        second
            .hint()
            .is_some_and(|hint| hint.contains("another program"))
    );
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_code(&answer, 200);
    drop(server);
    assert!(!path.exists());
    // What is no socket is somebody's file.
    std::fs::write(&path, "mine").unwrap();
    assert!(WebServer::open(&address, parts()).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test(start_paused = true)]
async fn a_form_that_does_not_end_is_not_waited_for() {
    let served = serve(Some(&["alice"])).await;
    for path in ["/login", "/actions/suspend"] {
        let mut stream = served.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: 9\r\n\r\nkin"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_code(&answer, 408);
    }
}
