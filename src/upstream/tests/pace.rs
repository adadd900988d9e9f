//! Time and builds: what is slow ends, and what is asked for costs the factory little.

use super::*;
use crate::facts::VersionSource;

/// One byte every 10 ms.
fn drip(after: u64) -> StubFault {
    StubFault::Drip {
        after,
        every: Duration::from_millis(10),
    }
}

#[tokio::test]
async fn a_small_answer_that_drips_comes_to_an_end() {
    let mut world = World::new(StubOptions {
        checksums: true,
        ..StubOptions::default()
    })
    .await;
    world.config.retries = 1;
    let mut client = world.client();
    client.patience = Duration::from_millis(200);
    for _ in 0..2 {
        world.stub.inject("POST /schematics", drip(0));
        world.stub.inject(".sha256", drip(5));
    }
    let url = world.image(XZ);
    let errors = [
        client.register(ANY, "").await.map(|_| ()).unwrap_err(),
        client.checksum(&url).await.map(|_| ()).unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_transient(), "{error}");
        let text = error.one_line();
        assert!(text.starts_with("gave up after 1 retry: http://"), "{text}");
        assert!(
            text.contains(" bytes in 0.2 s and did not finish"),
            "{text}"
        );
    }
    assert_eq!(world.stub.faults_left(), 0);
    // The next attempt finds all well.
    assert!(client.checksum(&url).await.unwrap().is_some());
}

#[tokio::test]
async fn a_list_that_drips_is_not_waited_for_where_an_older_one_serves() {
    let mut world = World::new(StubOptions::default()).await;
    world.config.versions = vec![ListSource::Factory];
    let mut client = world.client();
    client.lists.short = Duration::from_millis(50);
    let VersionKnowledge::Known { fetched_at, .. } = client.versions().await else {
        panic!("it answers");
    };
    // The list is whole, but takes its time.
    let late = StubFault::Late(Duration::from_millis(400));
    world.stub.inject("/versions", late);
    let VersionKnowledge::Known {
        fetched_at: then,
        failures,
        source,
        ..
    } = client.versions().await
    else {
        panic!("it is remembered");
    };
    assert_eq!((then, source), (fetched_at, VersionSource::Factory));
    assert!(failures[0].contains("within 0.05 s"), "{failures:?}");
    // It was asked for all the same, once, and serves from then on.
    client.lists.short = Duration::from_secs(20);
    let VersionKnowledge::Known {
        fetched_at: now,
        failures,
        ..
    } = client.versions().await
    else {
        panic!("it answers");
    };
    assert!(now > then && failures.is_empty(), "{failures:?}");
    assert_eq!(world.stub.requests().len(), 2);
}

/// Bytes that trickle in earn no more attempts, however many they add up to.
#[tokio::test]
async fn an_image_below_the_least_rate_is_given_up() {
    let mut world = World::new(StubOptions::default()).await;
    world.config.retries = 2;
    world.config.least_rate = 1 << 20;
    world.config.rate_window = Duration::from_millis(200);
    // More than a mebibyte each time: what counts as progress elsewhere.
    for _ in 0..3 {
        world.stub.inject("GET /blob/", drip(1_500_000));
    }
    let client = world.client();
    let mut sink = MemorySink::default();
    let url = world.image("nocloud-amd64.raw");
    let error = client.download(&url, &mut sink).await.unwrap_err();
    let text = error.one_line();
    assert!(
        text.starts_with("gave up after 2 retries: http://"),
        "{text}"
    );
    assert!(
        text.contains("less than the 1048576 bytes per second of `limits.least_rate`"),
        "{text}"
    );
    assert!(error.is_transient() && error.hint().unwrap().contains("least_rate"));
    assert_eq!(world.stub.faults_left(), 0);
    // What came is kept, and the next run goes on from there.
    assert!(sink.bytes.len() > 4_500_000);
    let restarts = sink.restarts;
    world.config.rate_window = Duration::from_secs(60);
    world.client().download(&url, &mut sink).await.unwrap();
    assert_eq!(sink.restarts, restarts);
}

#[tokio::test]
async fn a_slow_link_above_the_least_rate_is_no_fault() {
    let mut world = World::new(StubOptions {
        rate: Some(1 << 20),
        ..StubOptions::default()
    })
    .await;
    world.config.least_rate = 64 << 10;
    world.config.rate_window = Duration::from_millis(200);
    let mut sink = MemorySink::default();
    let url = world.image("nocloud-amd64.iso");
    let done = world.client().download(&url, &mut sink).await.unwrap();
    assert_eq!(done.retries, 0);
}

#[tokio::test]
async fn only_so_many_images_are_built_at_once() {
    for (checksums, limit) in [(false, 2), (true, 2), (true, 1)] {
        let mut world = World::new(StubOptions {
            checksums,
            build_time: Duration::from_millis(100),
            ..StubOptions::default()
        })
        .await;
        world.config.builds = limit;
        let client = world.client();
        let fetch = async |version: &str| {
            let url = world.image(XZ).replace("v1.11.3", version);
            client.checksum(&url).await.unwrap();
            let mut sink = MemorySink::default();
            client.download(&url, &mut sink).await.unwrap();
        };
        tokio::join!(
            fetch("v1.10.7"),
            fetch("v1.10.8"),
            fetch("v1.11.0"),
            fetch("v1.11.1"),
            fetch("v1.11.2")
        );
        let builds = world.stub.builds();
        assert_eq!(builds.len(), 5, "{builds:?}");
        assert_eq!(world.stub.most_builds_at_once(), limit);
    }
}

#[tokio::test]
async fn a_checksum_that_is_not_offered_builds_nothing() {
    let world = World::new(StubOptions::default()).await;
    let client = world.client();
    assert_eq!(client.checksum(&world.image(XZ)).await.unwrap(), None);
    assert!(world.stub.builds().is_empty());
    // HEAD builds as GET does, which is why nobody sends one for a figure.
    let head = reqwest::Client::builder().no_proxy().build().unwrap();
    head.head(world.image(XZ)).send().await.unwrap();
    assert_eq!(world.stub.builds(), ["v1.11.3/nocloud-amd64.raw.xz"]);
}
