//! What a probe says of servers: of right ones, and of those whose faults are known.

use talos_order::bucket::{
    Bucket, BucketError, Capability, ObjectWritten, StoreFeature, WriteCondition,
};

use crate::common::seaweed::Seaweed;
use crate::contract::{CASES, key, put, text};
use crate::moto::Moto;
use crate::wrong::{Wrong, bucket};

#[tokio::test]
async fn who_leads_is_not_decided_on_a_server_that_gets_conditions_wrong() {
    let cases = [
        (
            Wrong::IgnoresConditions,
            "create if absent: the condition is ignored",
        ),
        (
            Wrong::IgnoresTags,
            "replace if unchanged: the condition is ignored",
        ),
        (
            Wrong::CreatesUnchanged,
            "that is not there counts as unchanged",
        ),
        (
            Wrong::KnowsNoConditions,
            "create if absent: 501 Not Implemented: NotImplemented",
        ),
        (
            Wrong::KeepsMarks,
            "create if absent: what was removed counts as there",
        ),
        (Wrong::RefusesQuotes, "replace if unchanged: it is refused"),
        (
            Wrong::KeepsVersions,
            "create if absent: the condition is ignored",
        ),
        (
            Wrong::LooksFirst,
            "one winner of concurrent writes: 8 of 8 writers won",
        ),
    ];
    for (wrong, message) in cases {
        let Capability::CacheOnly { why } = bucket(wrong).capability().await.unwrap() else {
            panic!("{wrong:?}");
        };
        assert!(why.contains(message), "{why}");
    }
}

/// Whoever did not probe a server does not write over anything there either.
#[tokio::test]
async fn a_tag_without_quotes_is_sent_only_where_an_old_one_was_refused() {
    let bucket = bucket(Wrong::RefusesQuotes);
    let old = put(&bucket, "v1/a.json", "one").await;
    let now = put(&bucket, "v1/a.json", "two").await;
    for tag in [now, old] {
        let unchanged = WriteCondition::Unchanged(tag);
        let written = bucket.put(&key("v1/a.json"), "three", unchanged).await;
        assert_eq!(written.unwrap(), ObjectWritten::Refused);
    }
    assert_eq!(text(&bucket, "v1/a.json").await.as_deref(), Some("two"));
    let all = bucket.list(&"v1".parse().unwrap()).await.unwrap();
    assert_eq!(all.len(), 1, "{all:#?}");
}

#[tokio::test]
async fn versions_are_named_where_they_may_be_why_conditions_do_not_work() {
    for wrong in [Wrong::KeepsMarks, Wrong::KeepsVersions] {
        let hint = bucket(wrong).probe().await.unwrap().hint();
        assert!(
            hint.is_some_and(|hint| hint.contains("versioning")),
            "{wrong:?}"
        );
    }
    for wrong in [Wrong::IgnoresConditions, Wrong::ComparesBare] {
        let probe = bucket(wrong).probe().await.unwrap();
        assert_eq!(
            (probe.hint(), probe.has_versions),
            (None, false),
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_gives_way_is_asked_again() {
    let found = bucket(Wrong::GivesWay).capability().await.unwrap();
    assert_eq!(found, Capability::Full);
}

/// Its conditions hold, once they are told as it reads them.
#[tokio::test]
async fn a_server_that_compares_tags_without_their_quotes_is_understood() {
    is_full(bucket(Wrong::ComparesBare)).await;
    for (_, case) in CASES {
        case(bucket(Wrong::ComparesBare)).await;
    }
}

/// Nobody sends it a tag without quotes.
#[tokio::test]
async fn a_server_that_ignores_tags_without_quotes_is_right() {
    is_full(bucket(Wrong::IgnoresBare)).await;
}

/// The rest is tried nevertheless.
#[tokio::test]
async fn a_server_without_uploads_is_told_as_that() {
    let probe = bucket(Wrong::NoUploads).of_node().probe_deliveries().await;
    let checks = probe.unwrap().checks;
    let wrong: Vec<String> = checks
        .iter()
        .filter_map(|check| {
            Some(format!(
                "{}: {}",
                check.feature.what(),
                check.wrong.as_ref()?
            ))
        })
        .collect();
    assert_eq!(
        wrong,
        ["upload in parts: 501 Not Implemented: NotImplemented"]
    );
    assert!(
        checks
            .iter()
            .any(|check| check.feature == StoreFeature::Remove)
    );
    assert!(
        !checks
            .iter()
            .any(|check| check.feature == StoreFeature::GiveUp)
    );
}

#[tokio::test]
async fn a_server_that_images_cannot_be_read_from_is_of_no_use() {
    let cases = [
        (Wrong::ListsLate, "what was written is not in the list"),
        (
            Wrong::SendsAll,
            "read from an offset: the whole object is read",
        ),
    ];
    for (wrong, message) in cases {
        let error = bucket(wrong).capability().await.unwrap_err();
        assert!(matches!(error, BucketError::Unfit { .. }), "{error:?}");
        assert!(error.to_string().contains(message), "{error}");
    }
}

/// And nothing stays of the probe, which is remembered.
async fn is_full(bucket: Bucket) {
    assert_eq!(bucket.capability().await.unwrap(), Capability::Full);
    let left = bucket.list(&"v1".parse().unwrap()).await.unwrap();
    assert_eq!(left, []);
    let requests = bucket.requests();
    assert_eq!(bucket.clone().capability().await.unwrap(), Capability::Full);
    assert_eq!(bucket.requests(), requests);
    assert!(requests < 70, "{requests}");
    // The same for deliveries; and no version was told of.
    let probe = bucket.of_node().probe_deliveries().await.unwrap();
    assert!(probe.checks.iter().all(|check| check.wrong.is_none()));
    assert!(!probe.has_versions);
}

#[tokio::test]
async fn memory_is_right() {
    is_full(Bucket::in_memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_is_right() {
    if let Some(server) = Seaweed::shared() {
        is_full(server.bucket("probe/")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_is_right() {
    if let Some(server) = Moto::start() {
        is_full(server.bucket("probe/")).await;
    }
}

/// A server that cannot be asked is not wrong: it is asked the next time.
#[tokio::test]
async fn what_is_not_known_is_not_remembered() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let settings = crate::common::seaweed::settings(&format!("http://{address}"), "probe/");
    let bucket = Bucket::open(&settings).unwrap();
    bucket.capability().await.unwrap_err();
    let before = bucket.requests();
    bucket.capability().await.unwrap_err();
    assert!(bucket.requests() > before);
}
