//! Hooks over real connections: who is believed, and how often.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{assert_code, serve};

#[tokio::test]
async fn a_hook_makes_the_controller_look_and_not_too_often() {
    let served = serve(None).await;
    let body = "Hello, World!";
    let signature = "X-Hub-Signature-256: \
                     sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let ping = [signature, "X-GitHub-Event: ping"];
    for (first, lines, body, code) in [
        ("POST /hooks/nope", &[signature][..], body, 404),
        ("POST /hooks/a%2fb", &[signature], body, 404),
        ("GET /hooks/push", &[signature], "", 405),
        ("POST /hooks/push", &[], body, 401),
        ("POST /hooks/push", &[signature], "Hello, World?", 401),
        ("POST /hooks/lab", &[signature], body, 401),
        ("POST /hooks/lab", &["X-Gitlab-Token: guess"], body, 401),
        ("POST /hooks/push", &ping, body, 200),
    ] {
        assert_code(&served.ask(first, lines, body).await, code);
    }
    let looks = || served.asks.1.load(Ordering::SeqCst);
    assert_eq!(looks(), 0, "nobody has proved anything");
    let push = [signature, "X-GitHub-Event: push", "Host: hooks.example.org"];
    for _ in 0..5 {
        assert_code(&served.ask("POST /hooks/push", &push, body).await, 202);
    }
    let many = served.ask("POST /hooks/push", &push, body).await;
    assert_code(&many, 429);
    assert!(many.contains("\r\nretry-after: "), "{many}");
    assert_eq!(looks(), 5);
    // Another hook has its own measure, and every kind its own proof.
    let token = ["X-Gitlab-Token: It's a Secret to Everybody"];
    assert_code(&served.ask("POST /hooks/lab", &token, "").await, 202);
    assert_eq!(looks(), 6);
    // Whatever somebody calls, there are numbers of configured hooks alone.
    let metrics = served.ask("GET /metrics", &[], "").await;
    let calls = |line: &&str| line.starts_with("talos_order_hook_calls_total");
    let calls: Vec<&str> = metrics.lines().filter(calls).collect();
    let expected = [
        ("lab", "accepted", 1),
        ("lab", "limited", 0),
        ("lab", "refused", 2),
        ("push", "accepted", 6),
        ("push", "limited", 1),
        ("push", "refused", 2),
    ];
    let expected = expected.map(|(hook, result, count)| {
        format!("talos_order_hook_calls_total{{hook=\"{hook}\",result=\"{result}\"}} {count}")
    });
    assert_eq!(calls, expected);
}

/// More than this is never sent, and none of it is kept.
#[tokio::test]
async fn a_body_without_end_is_refused() {
    let served = serve(None).await;
    let mut stream = served.connect().await;
    let tag = "0".repeat(64);
    let head = format!(
        "POST /hooks/push HTTP/1.1\r\nHost: localhost\r\nX-Hub-Signature-256: sha256={tag}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    for _ in 0..40 {
        let sending = async {
            stream.write_all(b"100000\r\n").await?;
            stream.write_all(&piece).await?;
            stream.write_all(b"\r\n").await
        };
        if sending.await.is_err() {
            break;
        }
        sent += 1;
    }
    let mut answer = Vec::new();
    // The connection may be reset: the rest of the body is not read.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        sent < 40 || answer.starts_with("HTTP/1.1 413 "),
        "{sent}: {answer}"
    );
    assert_eq!(served.asks.1.load(Ordering::SeqCst), 0);
}
