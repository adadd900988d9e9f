//! Downloads that go on behind what is there, or start over.

use super::*;

#[tokio::test]
async fn a_short_body_is_continued_at_the_redirect_target() {
    for redirect in [Redirect::SameOrigin, Redirect::OtherOrigin] {
        let world = World::redirecting(redirect).await;
        world.stub.inject("GET /blob/", StubFault::Short(100_000));
        let mut sink = MemorySink::default();
        let done = world
            .client()
            .download(&world.image(XZ), &mut sink)
            .await
            .unwrap();
        assert!(sink.bytes == built(XZ, 0));
        assert_eq!((sink.restarts, done.retries), (0, 1));
        assert_eq!(done.wire_bytes, sink.bytes.len() as u64);
        assert_eq!(
            world.story(),
            [
                "GET image 302",
                "GET blob 200",
                "GET image 302 bytes=100000-",
                "GET blob 206 bytes=100000-"
            ]
        );
        let last = world.stub.requests().pop().unwrap();
        assert_eq!(last.header("if-range"), done.etag.as_deref());
        assert_eq!(last.cdn, redirect == Redirect::OtherOrigin);
    }
}

#[tokio::test]
async fn a_direct_answer_that_breaks_off_starts_over() {
    let world = World::redirecting(Redirect::Never).await;
    world.stub.inject("GET /image/", StubFault::Short(70_000));
    let mut sink = MemorySink::default();
    let done = world
        .client()
        .download(&world.image(ISO), &mut sink)
        .await
        .unwrap();
    assert!(sink.bytes == built(ISO, 0));
    assert_eq!((sink.restarts, done.retries), (1, 1));
    assert_eq!(done.wire_bytes, 70_000 + sink.bytes.len() as u64);
    assert_eq!(world.story(), ["GET image 200", "GET image 200"]);
}

/// What a second answer does with a range that it should have honoured.
async fn not_continued(fault: StubFault) -> (MemorySink, World) {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    world.stub.inject("GET /blob/", StubFault::Short(100_000));
    world.stub.inject("GET /blob/", fault);
    let mut sink = MemorySink::default();
    let done = world.client().download(&world.image(XZ), &mut sink).await;
    assert_eq!(done.unwrap().retries, 1);
    assert!(sink.bytes == built(XZ, 0));
    assert_eq!(world.stub.faults_left(), 0);
    (sink, world)
}

#[tokio::test]
async fn a_range_that_is_ignored_starts_over_with_the_same_answer() {
    let (sink, world) = not_continued(StubFault::IgnoreRange).await;
    assert_eq!(sink.restarts, 1);
    assert_eq!(world.story().len(), 4, "{:?}", world.story());
}

#[tokio::test]
async fn a_wrong_part_is_not_put_behind_the_right_one() {
    for fault in [
        StubFault::WrongRange,
        StubFault::Header("etag", "\"another\"".into()),
        StubFault::Header("content-range", "bytes 100000-100001/5".into()),
        StubFault::WithoutHeader("content-range"),
    ] {
        let (sink, world) = not_continued(fault).await;
        assert_eq!(sink.restarts, 1);
        let story = world.story();
        assert_eq!(story.len(), 6, "{story:?}");
        assert_eq!(story.last().unwrap(), "GET blob 200");
    }
}

#[tokio::test]
async fn a_weak_entity_tag_continues_nothing() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    let weak = StubFault::Header("etag", "W/\"weak\"".into());
    world.stub.inject("GET /blob/", weak);
    let mut sink = MemorySink {
        room: Some(100_000),
        ..MemorySink::default()
    };
    let client = world.client();
    let error = client.download(&world.image(XZ), &mut sink).await;
    assert!(matches!(error, Err(UpstreamError::Sink { .. })));
    assert_eq!(sink.validator, None);
    sink.room = None;
    client.download(&world.image(XZ), &mut sink).await.unwrap();
    assert!(sink.bytes == built(XZ, 0));
    assert_eq!(world.story().last().unwrap(), "GET blob 200");
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_starts_over() {
    let mut world = World::redirecting(Redirect::OtherOrigin).await;
    world.config.retries = 0;
    world.stub.inject("GET /blob/", StubFault::Short(100_000));
    let mut sink = MemorySink::default();
    let client = world.client();
    let error = client.download(&world.image(XZ), &mut sink).await;
    assert!(error.unwrap_err().is_transient());
    assert_eq!(sink.bytes.len(), 100_000);

    world.stub.rebuild_images();
    let done = client.download(&world.image(XZ), &mut sink).await.unwrap();
    assert!(sink.bytes == built(XZ, 1));
    assert_eq!((sink.restarts, done.retries), (1, 0));
    assert_eq!(world.story().last().unwrap(), "GET blob 200 bytes=100000-");
}

#[tokio::test]
async fn what_is_whole_already_is_not_asked_for() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    let mut sink = MemorySink::default();
    let client = world.client();
    let first = client.download(&world.image(ISO), &mut sink).await.unwrap();
    let asked = world.stub.requests().len();
    let again = client.download(&world.image(ISO), &mut sink).await.unwrap();
    assert_eq!((again.wire_bytes, again.etag), (0, first.etag));
    assert_eq!(world.stub.requests().len(), asked);
}

#[tokio::test]
async fn a_sink_with_more_than_there_is_starts_over() {
    let world = World::redirecting(Redirect::OtherOrigin).await;
    let mut sink = MemorySink {
        bytes: vec![0; 20],
        validator: Some(Validator {
            value: "\"x\"".into(),
            total: Some(10),
        }),
        ..MemorySink::default()
    };
    world
        .client()
        .download(&world.image(ISO), &mut sink)
        .await
        .unwrap();
    assert!(sink.bytes == built(ISO, 0));
    assert_eq!(world.story(), ["GET image 302", "GET blob 200"]);
}
