//! Questions over a real socket, answered by hand.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::client::{reconcile, standings};
use super::error::ControlError;
use super::routes::{Api, WAITING};
use super::socket::{self, ControlSocket};
use crate::conclude::{Scope, Status};
use crate::controller::leading::LedSites;
use crate::controller::queue::{RunQueue, RunRequest};
use crate::daemon::Waker;
use crate::fleet::{KeeperAnswer, Leaderships, OutrankedSites, SiteStanding};
use crate::model::{LeaderEpoch, SiteName};
use crate::nodes::Authority;
use crate::store::StateDir;

const LONG: Duration = Duration::from_secs(60);

fn scope() -> Scope {
    Scope::Node("pve-01".parse().unwrap())
}

fn api(state: &StateDir) -> Api {
    Api {
        queue: RunQueue::new(Waker::default()),
        state: state.clone(),
        led: LedSites::default(),
    }
}

fn status() -> Status {
    Status {
        owner: "me".to_owned(),
        // More than a socket and a buffer take at once.
        notes: vec!["n".repeat(1 << 20)],
        ..Status::default()
    }
}

/// The next request that comes into the queue.
async fn next(queue: &RunQueue) -> RunRequest {
    loop {
        if let Some(request) = queue.take().pop() {
            return request;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Sends bytes, and gives back everything that is answered.
async fn told(state: &StateDir, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket::path(state)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn post(state: &StateDir, body: &str) -> String {
    let length = body.len();
    let head =
        format!("POST /v1/reconcile HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    told(state, format!("{head}{body}").as_bytes()).await
}

#[tokio::test]
async fn a_request_reaches_the_loop_and_its_answer_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let refused = reconcile(&state, Scope::All, None, LONG).await.unwrap_err();
    assert!(matches!(refused, ControlError::NotRunning { .. }));

    let api = api(&state);
    let socket = ControlSocket::open(api.clone()).await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(state.path().join("control")), 0o700);
    assert_eq!(mode(socket::path(&state)), 0o600);
    let answering = async {
        let request = next(&api.queue).await;
        assert_eq!(request.scope, scope());
        request.answer(Ok(Box::new(status())));
        next(&api.queue).await.answer(Err("no cache".to_owned()));
        // Dropped unanswered: the loop is about to end.
        drop(next(&api.queue).await);
        next(&api.queue).await
    };
    let asking = async {
        assert_eq!(
            reconcile(&state, scope(), None, LONG).await.unwrap(),
            status()
        );
        for why in ["no cache", "the controller is stopping"] {
            let error = reconcile(&state, Scope::All, None, LONG).await.unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        let late = reconcile(&state, Scope::All, None, Duration::ZERO).await;
        assert!(
            matches!(late, Err(ControlError::Timeout { .. })),
            "{late:?}"
        );
    };
    tokio::join!(answering, asking);

    let second = ControlSocket::open(api.clone()).await.unwrap_err();
    assert!(matches!(second, ControlError::AlreadyRunning { .. }));

    // Whoever waits when the end comes gets an answer.
    let stopping = async {
        let waiting = next(&api.queue).await;
        api.queue.close();
        drop(waiting);
        socket.close().await;
    };
    let (refused, ()) = tokio::join!(reconcile(&state, Scope::All, None, LONG), stopping);
    let refused = refused.unwrap_err();
    assert!(
        refused.to_string().contains("the controller is stopping"),
        "{refused}"
    );
    let refused = reconcile(&state, Scope::All, None, LONG).await.unwrap_err();
    assert!(matches!(refused, ControlError::NotRunning { .. }));
}

/// As long as a run takes hours, so may requests for the next one.
#[tokio::test]
async fn waiting_requests_leave_room_for_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    let api = api(&state);
    let _socket = ControlSocket::open(api.clone()).await.unwrap();
    let wait = || {
        let state = state.clone();
        tokio::spawn(async move { reconcile(&state, Scope::All, None, LONG).await })
    };
    let mut waiting = Vec::new();
    let mut requests = Vec::new();
    for _ in 0..WAITING {
        waiting.push(wait());
        requests.push(next(&api.queue).await);
    }
    // More of them than there are connections.
    for _ in 0..40 {
        let refused = reconcile(&state, Scope::All, None, LONG).await.unwrap_err();
        assert!(
            matches!(refused, ControlError::Busy { .. }) && refused.hint().is_some(),
            "{refused}"
        );
        assert_eq!(
            refused.to_string(),
            "the controller is busy: 16 requests are already waiting for a run; try again in 10 s"
        );
    }
    let answer = post(&state, "").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 10\r\n"), "{answer}");
    let health = told(&state, b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");

    // One that goes, and one that is answered, make room for two more.
    waiting.pop().unwrap().abort();
    requests.remove(0).answer(Ok(Box::new(status())));
    assert_eq!(waiting.remove(0).await.unwrap().unwrap(), status());
    for _ in 0..2 {
        loop {
            let mut asked = wait();
            tokio::select! {
                request = next(&api.queue) => {
                    requests.push(request);
                    waiting.push(asked);
                    break;
                }
                // The end of a connection is noticed a moment later.
                refused = &mut asked => {
                    let refused = refused.unwrap();
                    assert!(matches!(refused, Err(ControlError::Busy { .. })), "{refused:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_answer_has_a_code_and_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    std::fs::create_dir(dir.path().join("control")).unwrap();
    // A socket that nobody listens at any more is replaced.
    drop(std::os::unix::net::UnixListener::bind(socket::path(&state)).unwrap());
    let refused = reconcile(&state, Scope::All, None, LONG).await.unwrap_err();
    assert!(matches!(refused, ControlError::NotRunning { .. }));
    let api = api(&state);
    let _socket = ControlSocket::open(api.clone()).await.unwrap();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();

    let health = told(&state, &get("/v1/health")).await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert!(
        health.ends_with("\r\n\r\n{\"message\":\"the controller runs\"}\n"),
        "{health}"
    );
    for (request, code, says) in [
        (get("/v1/status"), 503, "no run has started yet"),
        (get("/v2/status"), 404, "/v2/status"),
        (get("/v1/reconcile"), 405, "/v1/reconcile does not take GET"),
        (b"GET nonsense\r\n\r\n".to_vec(), 400, ""),
    ] {
        let answer = told(&state, &request).await;
        let begin = format!("HTTP/1.1 {code} ");
        assert!(
            answer.starts_with(&begin) && answer.contains(says),
            "{answer}"
        );
    }
    for (body, code, says) in [
        (
            "{\"order\":\"m\u{7f}\u{202e}st\"}",
            400,
            "m\\\\u{7f}\\\\u{202e}st",
        ),
        ("{\"order\":\"a\",\"node\":\"b\"}", 400, "only one"),
        ("{\"nodes\":[]}", 400, "invalid request"),
        ("{\"wait_seconds\":0}", 202, "it continues"),
        ("{\"node\":\"b\",\"wait_seconds\":0}", 202, "it continues"),
        (&" ".repeat(5000), 413, "length limit"),
    ] {
        let answer = post(&state, body).await;
        let begin = format!("HTTP/1.1 {code} ");
        assert!(
            answer.starts_with(&begin) && answer.contains(says),
            "{answer}"
        );
    }
    let scopes: Vec<Scope> = api
        .queue
        .take()
        .into_iter()
        .map(|asked| asked.scope)
        .collect();
    assert_eq!(scopes, [Scope::All, Scope::Node("b".parse().unwrap())]);

    state.save_status(&status()).unwrap();
    let answer = told(&state, &get("/v1/status")).await;
    assert!(answer.contains("{\"owner\":\"me\","), "{answer}");
}

/// Another process of the controller asks who leads, and tells what a node told it.
#[tokio::test]
async fn a_run_beside_the_controller_asks_who_leads_and_tells_of_higher_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let none = standings(&state, OutrankedSites::new()).await.unwrap_err();
    assert!(matches!(none, ControlError::NotRunning { .. }));

    let site: SiteName = "prague".parse().unwrap();
    let authority = Authority::of_site(site.clone());
    let leader = SiteStanding::Leader {
        epoch: LeaderEpoch::new(7),
        until: LONG,
    };
    let answer = KeeperAnswer::Standings([(site.clone(), leader)].into());
    let leaderships = Leaderships::follow(&[(site.clone(), authority.clone())].into(), move |_| {
        let answer = answer.clone();
        async move { answer }
    });
    let mut shown = leaderships.shown();
    while shown.led().is_empty() {
        shown.changed().await;
    }
    let api = Api {
        led: LedSites::of(shown),
        ..api(&state)
    };
    let _socket = ControlSocket::open(api).await.unwrap();
    let told = standings(&state, OutrankedSites::new()).await.unwrap();
    let Some(SiteStanding::Leader { epoch, until }) = told.get(&site) else {
        panic!("{told:?}");
    };
    assert_eq!(epoch.number(), 7);
    assert!(*until <= Duration::from_secs(5), "{until:?}");
    assert!(authority.fence().is_ok());
    let outranked = [(site.clone(), LeaderEpoch::new(57))].into();
    standings(&state, outranked).await.unwrap();
    assert!(authority.fence().is_err());
    let answer = told_of(&state, "{\"outranked\":[]}").await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("invalid request"),
        "{answer}"
    );
}

async fn told_of(state: &StateDir, body: &str) -> String {
    let length = body.len();
    let head =
        format!("POST /v1/leaderships HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    told(state, format!("{head}{body}").as_bytes()).await
}

#[tokio::test]
async fn another_version_at_either_end_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    let socket = ControlSocket::open(api(&state)).await.unwrap();
    // What version 0.1.0 asks; it takes the line for a refusal, and shows it.
    let answer = told(&state, b"{\"reconcile\":\"all\"}\n").await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert!(
        answer["refused"].as_str().unwrap().contains("newer"),
        "{answer}"
    );
    drop(socket);

    for old in [
        "{\"refused\":\"the question is not understood: expected value at line 1 column 1\"}\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ] {
        let _ = std::fs::remove_file(socket::path(&state));
        let listener = UnixListener::bind(socket::path(&state)).unwrap();
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = [0; 4096];
            assert!(stream.read(&mut question).await.unwrap() > 0);
            stream.write_all(old.as_bytes()).await.unwrap();
        };
        let (error, ()) = tokio::join!(reconcile(&state, Scope::All, None, LONG), answering);
        let error = error.unwrap_err();
        assert!(
            matches!(error, ControlError::OtherVersion { .. }),
            "{error}"
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("restart")));
    }
}

#[tokio::test(start_paused = true)]
async fn patience_with_who_says_nothing_ends() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    let _socket = ControlSocket::open(api(&state)).await.unwrap();
    for (begin, code) in [
        ("", ""),
        ("POST /v1/reconcile HT", ""),
        (
            "POST /v1/reconcile HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
            "HTTP/1.1 408 ",
        ),
    ] {
        let answer = told(&state, begin.as_bytes()).await;
        assert!(answer.starts_with(code), "{begin}: {answer}");
    }
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    let _socket = ControlSocket::open(api(&state)).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(UnixStream::connect(socket::path(&state)).await.unwrap());
    }
    let asking = told(&state, b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut asking = std::pin::pin!(asking);
    let early = tokio::time::timeout(Duration::from_millis(100), asking.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    silent.pop();
    assert!(asking.await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("x".repeat(120)));
    let error = ControlSocket::open(api(&state)).await.unwrap_err();
    assert!(
        error.hint().is_some_and(|hint| hint.contains("107")),
        "{error:?}"
    );
}
