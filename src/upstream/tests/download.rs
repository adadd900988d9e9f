//! Downloads: what is refused, what is asked again, and how long that goes on.

use super::*;

#[tokio::test]
async fn a_direct_answer_arrives_whole() {
    let world = World::redirecting(Redirect::Never).await;
    let mut sink = MemorySink::default();
    let done = world
        .client()
        .download(&world.image(ISO), &mut sink)
        .await
        .unwrap();
    let image = built(ISO, 0);
    assert!(sink.bytes == image);
    assert_eq!(sink.total, Some(image.len() as u64));
    assert_eq!((sink.validator, sink.restarts), (None, 0));
    assert_eq!(
        done,
        Transferred {
            wire_bytes: image.len() as u64,
            etag: None,
            retries: 0
        }
    );
    let requests = world.stub.requests();
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn what_is_refused_is_asked_once_and_the_text_is_passed_on() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    for code in [400, 401, 402, 403, 404] {
        let fault = StubFault::status(code, "no\tsuch \x1b[1mthing");
        world.stub.inject("GET /image/", fault);
        let before = world.stub.requests().len();
        let mut sink = MemorySink::default();
        let error = world.client().download(&world.image(ISO), &mut sink).await;
        let error = error.unwrap_err();
        let url = world.image(ISO);
        assert_eq!(
            error.to_string(),
            format!("GET {url} was answered with {code}: no such [1mthing")
        );
        assert!(!error.is_transient());
        assert_eq!(world.stub.requests().len(), before + 1);
        assert!(sink.bytes.is_empty() && sink.total.is_none());
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_words_of_the_factory() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    let url = world.image(ISO).replace("v1.11.3", "v1.11.99");
    let error = world
        .client()
        .download(&url, &mut MemorySink::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with("404: version v1.11.99 is not available"),
        "{text}"
    );
}

#[tokio::test]
async fn a_cold_build_that_fails_at_first_is_asked_again() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    for code in [500, 502, 503] {
        world
            .stub
            .inject("GET /image/", StubFault::status(code, "building"));
    }
    let mut sink = MemorySink::default();
    let done = world.client().download(&world.image(ISO), &mut sink).await;
    assert_eq!(done.unwrap().retries, 3);
    assert!(sink.bytes == built(ISO, 0));
}

#[tokio::test]
async fn retries_come_to_an_end() {
    let world = World::redirecting(Redirect::Never).await;
    for _ in 0..10 {
        world.stub.inject("GET /image/", StubFault::Short(5000));
    }
    let mut sink = MemorySink::default();
    let error = world.client().download(&world.image(ISO), &mut sink).await;
    let error = error.unwrap_err();
    assert!(error.is_transient());
    assert!(
        error.one_line().starts_with("gave up after 3 retries: "),
        "{error}"
    );
    assert_eq!(world.story().len(), 4);
}

#[tokio::test]
async fn progress_earns_new_retries() {
    let mut world = World::redirecting(Redirect::OtherOrigin).await;
    world.config.retries = 1;
    for _ in 0..5 {
        world.stub.inject("GET /blob/", StubFault::Short(1_500_000));
    }
    let mut sink = MemorySink::default();
    let url = world.image("nocloud-amd64.raw");
    let done = world.client().download(&url, &mut sink).await.unwrap();
    assert!(sink.bytes == built("nocloud-amd64.raw", 0));
    assert_eq!((done.retries, sink.restarts), (5, 0));
}

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    let busy = |retry_after: &str| StubFault::Status {
        code: 429,
        text: "busy".into(),
        retry_after: Some(retry_after.into()),
    };
    world.stub.inject("GET /image/", busy("1"));
    let begin = std::time::Instant::now();
    let mut sink = MemorySink::default();
    let client = world.client();
    client.download(&world.image(ISO), &mut sink).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));

    // More than a run can wait for is left to the next run.
    world.stub.inject("GET /image/", busy("3600"));
    let error = client
        .download(&world.image(ISO), &mut MemorySink::default())
        .await;
    let error = error.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
}

#[tokio::test]
async fn a_transfer_that_stands_still_is_taken_up_again() {
    let mut world = World::redirecting(Redirect::OtherOrigin).await;
    world.config.idle = Duration::from_millis(300);
    world.stub.inject("GET /blob/", StubFault::Stall(100_000));
    let mut sink = MemorySink::default();
    let done = world.client().download(&world.image(XZ), &mut sink).await;
    assert_eq!(done.unwrap().retries, 1);
    assert!(sink.bytes == built(XZ, 0));
    assert_eq!(sink.restarts, 0);
}

#[tokio::test]
async fn the_first_byte_may_take_longer_than_the_others() {
    let mut world = World::redirecting(Redirect::Never).await;
    world.config.idle = Duration::from_millis(100);
    let late = StubFault::Late(Duration::from_millis(500));
    world.stub.inject("GET /image/", late.clone());
    let mut sink = MemorySink::default();
    let done = world.client().download(&world.image(ISO), &mut sink).await;
    assert_eq!(done.unwrap().retries, 0);

    world.config.first_byte = Duration::from_millis(200);
    world.config.retries = 0;
    world.stub.inject("GET /image/", late);
    let error = world
        .client()
        .download(&world.image(ISO), &mut MemorySink::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with("sent nothing for 0.2 s (waiting for an answer)"),
        "{text}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_web_page_is_not_an_image() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    for place in ["GET /image/", "GET /blob/"] {
        world.stub.inject(place, StubFault::Html);
        let mut sink = MemorySink::default();
        let error = world.client().download(&world.image(ISO), &mut sink).await;
        let error = error.unwrap_err();
        assert!(matches!(error, UpstreamError::Page { .. }), "{error}");
        assert!(error.hint().is_some() && !error.is_transient());
        assert!(sink.bytes.is_empty() && sink.total.is_none());
    }
}

#[tokio::test]
async fn a_web_page_does_not_cost_what_is_there_already() {
    let mut world = World::redirecting(Redirect::OtherOrigin).await;
    world.config.retries = 0;
    let client = world.client();
    let mut sink = MemorySink::default();
    for fault in [StubFault::Short(100_000), StubFault::Html] {
        world.stub.inject("GET /blob/", fault);
        let error = client.download(&world.image(XZ), &mut sink).await;
        assert!(error.is_err());
        assert_eq!(sink.bytes.len(), 100_000);
    }
    client.download(&world.image(XZ), &mut sink).await.unwrap();
    assert!(sink.bytes == built(XZ, 0));
    assert_eq!(sink.restarts, 0);
}

#[tokio::test]
async fn content_in_another_coding_is_refused() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    let coded = StubFault::Header("content-encoding", "gzip".into());
    world.stub.inject("GET /blob/", coded);
    let mut sink = MemorySink::default();
    let error = world.client().download(&world.image(ISO), &mut sink).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("content encoded as \"gzip\""), "{text}");
    assert!(sink.bytes.is_empty());
}

#[tokio::test]
async fn a_length_that_is_not_told_is_asked_for_within_the_fetch() {
    let world = World::redirecting(Redirect::Never).await;
    let silent = StubFault::WithoutHeader("content-length");
    world.stub.inject("GET /image/", silent.clone());
    let mut sink = MemorySink::default();
    world
        .client()
        .download(&world.image(ISO), &mut sink)
        .await
        .unwrap();
    assert!(sink.bytes == built(ISO, 0));
    assert_eq!(sink.total, Some(sink.bytes.len() as u64));
    assert_eq!(world.story(), ["GET image 200", "HEAD image 200"]);
    assert_eq!(world.stub.builds().len(), 1);

    // Where even that is not told, the transfer does without.
    world.stub.inject("GET /image/", silent);
    world
        .stub
        .inject("HEAD /image/", StubFault::status(405, "not allowed"));
    let mut sink = MemorySink::default();
    world
        .client()
        .download(&world.image(ISO), &mut sink)
        .await
        .unwrap();
    assert!(sink.bytes == built(ISO, 0));
    assert_eq!(sink.total, None);
}

#[tokio::test]
async fn redirects_end_somewhere_or_nowhere() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    for _ in 0..9 {
        world.stub.inject("GET /image/", StubFault::RedirectLoop);
    }
    let download = async || {
        let mut sink = MemorySink::default();
        let result = world.client().download(&world.image(ISO), &mut sink).await;
        result.unwrap_err()
    };
    let error = download().await;
    assert!(
        error.to_string().ends_with("redirects more than 8 times"),
        "{error}"
    );
    assert!(!error.is_transient());
    assert_eq!(world.stub.faults_left(), 0);
    for (target, complaint) in [
        ("file:///etc/passwd", "which is not a web address"),
        ("http://", "to something that is not a URL"),
    ] {
        world
            .stub
            .inject("GET /image/", StubFault::RedirectTo(target.into()));
        let text = download().await.to_string();
        assert!(text.ends_with(complaint), "{text}");
    }
}

#[tokio::test]
async fn a_sink_that_fails_ends_the_transfer() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    let mut sink = MemorySink {
        room: Some(10_000),
        ..MemorySink::default()
    };
    let error = world.client().download(&world.image(ISO), &mut sink).await;
    let error = error.unwrap_err();
    assert!(!error.is_transient());
    assert!(matches!(
        &error,
        UpstreamError::Sink { source, .. } if source.kind() == io::ErrorKind::StorageFull
    ));
    assert_eq!(world.story().len(), 2);
}

#[tokio::test]
async fn nobody_there_is_told_with_a_hint() {
    let mut world = World::redirecting(Redirect::Never).await;
    world.config.retries = 1;
    let url = format!("{}?token=secret", world.image(ISO));
    let client = world.client();
    world.stub.stop().await;
    let error = client.download(&url, &mut MemorySink::default()).await;
    let error = error.unwrap_err();
    assert!(error.is_transient());
    assert!(error.hint().unwrap().contains("factory.url"));
    let text = error.one_line();
    assert!(
        text.contains("Connection refused") && !text.contains("secret"),
        "{text}"
    );
}
