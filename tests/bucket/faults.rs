//! Answers that are lost, late or wrong.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use talos_order::bucket::{Bucket, BucketError, BucketSettings, ObjectWritten, WriteCondition};

use crate::common::seaweed::{self, READER, Seaweed};
use crate::contract::{done, key, put, text};
use crate::proxy::{Fault, Proxy};

/// A proxy before the server, and a bucket behind it. Silence is noticed soon.
pub async fn disturbed(prefix: &str) -> Option<(Proxy, Bucket)> {
    let server = Seaweed::shared()?;
    let proxy = Proxy::before(&server.authority()).await;
    let settings = BucketSettings {
        idle: Duration::from_secs(1),
        ..seaweed::settings(&proxy.endpoint, prefix)
    };
    Some((proxy, Bucket::open(&settings).unwrap()))
}

/// What a server answers that has failed.
const FAILED: &str = "<Error><Code>InternalError</Code><Message>try again</Message></Error>";

/// The leader whose answer was lost has to find its own write, and nobody may send it
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_sent_once_and_found() {
    let Some((proxy, bucket)) = disturbed("faults/lost/").await else {
        return;
    };
    let at = key("v1/leaders/a.json");
    for fault in [
        Fault::Lose,
        Fault::AnswerAfter(500),
        Fault::AnswerAfter(503),
    ] {
        proxy.next("PUT", fault);
        let lost = bucket
            .put(&at, "one", WriteCondition::Absent)
            .await
            .unwrap_err();
        assert!(matches!(lost, BucketError::Failed { .. }), "{lost:?}");
        let found = bucket.get(&at).await.unwrap().unwrap();
        assert_eq!(found.bytes, "one");
        proxy.next("PUT", Fault::Lose);
        let unchanged = WriteCondition::Unchanged(found.tag);
        bucket.put(&at, "two", unchanged).await.unwrap_err();
        assert_eq!(text(&bucket, at.as_str()).await.as_deref(), Some("two"));
        let seen = proxy.seen();
        let writes = seen.iter().filter(|line| line.starts_with("PUT")).count();
        assert_eq!(writes, 2, "{seen:#?}");
        bucket.remove(&at).await.unwrap();
    }
}

/// S3 answers 409 where two requests met. It is no knowledge of who has won.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_a_refusal_that_has_to_be_looked_at() {
    let Some((proxy, bucket)) = disturbed("faults/conflict/").await else {
        return;
    };
    let at = key("v1/claims/a.json");
    proxy.next("PUT", Fault::Answer(409, ""));
    let written = bucket
        .put(&at, "one", WriteCondition::Absent)
        .await
        .unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    assert_eq!(bucket.get(&at).await.unwrap(), None);
    let tag = put(&bucket, at.as_str(), "one").await;
    proxy.next("PUT", Fault::Answer(409, ""));
    let unchanged = WriteCondition::Unchanged(tag.clone());
    let written = bucket.put(&at, "two", unchanged.clone()).await.unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    done(bucket.put(&at, "two", unchanged).await.unwrap());
    assert_eq!(proxy.seen().len(), 5);
    // Where there is no condition, it is a failure.
    proxy.next("PUT", Fault::Answer(409, ""));
    let failed = bucket.put(&at, "three", WriteCondition::Always).await;
    assert!(
        matches!(failed, Err(BucketError::Failed { .. })),
        "{failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_asked_again_where_that_does_no_harm() {
    let Some((proxy, bucket)) = disturbed("faults/again/").await else {
        return;
    };
    let name = "v1/a.json";
    proxy.next("PUT", Fault::Answer(503, ""));
    proxy.next("PUT", Fault::Answer(500, FAILED));
    put(&bucket, name, "one").await;
    proxy.next("GET", Fault::Answer(500, FAILED));
    proxy.next("GET", Fault::Drop);
    assert_eq!(text(&bucket, name).await.as_deref(), Some("one"));
    assert_eq!(bucket.requests(), 6);

    // A condition is sent once, and an answer that means nothing means nothing.
    for status in [500, 502, 503, 504] {
        proxy.next("PUT", Fault::Answer(status, FAILED));
        let failed = bucket
            .put(&key("v1/b.json"), "two", WriteCondition::Absent)
            .await;
        let failed = failed.unwrap_err();
        assert!(matches!(failed, BucketError::Failed { .. }), "{failed:?}");
        assert_eq!(failed.answer().unwrap().status(), Some(status));
    }
    assert_eq!(text(&bucket, "v1/b.json").await, None);
    assert!(proxy.is_through());
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends() {
    let Some((proxy, bucket)) = disturbed("faults/silence/").await else {
        return;
    };
    let at = key("v1/a.json");
    let begin = Instant::now();
    proxy.next("PUT", Fault::Stall);
    let silent = bucket
        .put(&at, "one", WriteCondition::Absent)
        .await
        .unwrap_err();
    assert!(silent.to_string().contains("v1/a.json"), "{silent}");
    assert_eq!(text(&bucket, at.as_str()).await, None);
    // What goes there arrives, and nothing comes back.
    proxy.next("PUT", Fault::StallAfter);
    bucket
        .put(&at, "one", WriteCondition::Absent)
        .await
        .unwrap_err();
    assert_eq!(text(&bucket, at.as_str()).await.as_deref(), Some("one"));
    proxy.next("GET", Fault::StallAfter);
    bucket.get(&at).await.unwrap_err();
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
}

/// Whatever the settings allow for images: a leader whose request hangs has to send another
/// one before its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn silence_about_something_small_ends_early() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let proxy = Proxy::before(&server.authority()).await;
    let settings = BucketSettings {
        idle: Duration::from_secs(60),
        ..seaweed::settings(&proxy.endpoint, "faults/early/")
    };
    let bucket = Bucket::open(&settings).unwrap();
    let begin = Instant::now();
    proxy.next("PUT", Fault::Stall);
    let at = key("v1/leaders/a.json");
    let silent = bucket.put(&at, "one", WriteCondition::Absent).await;
    let why = silent.unwrap_err();
    assert_eq!(why.answer().unwrap().to_string(), "no answer for 7s");
    done(
        bucket
            .put(&at, "one", WriteCondition::Absent)
            .await
            .unwrap(),
    );
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "{:?}",
        begin.elapsed()
    );
}

/// A slow link is no silence: a part may take longer than a silence may.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_may_take_its_time_as_long_as_it_moves() {
    let Some((proxy, bucket)) = disturbed("faults/slow/").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image");
    std::fs::write(&file, vec![7; 12 << 20]).unwrap();
    // Of which each is more than the buffers between take.
    proxy.next("PUT", Fault::Crawl(4, Duration::from_millis(600)));
    bucket
        .upload(&key("v1/blobs/x"), &file, |_| {})
        .await
        .unwrap();
    assert_eq!(
        bucket.size(&key("v1/blobs/x")).await.unwrap(),
        Some(12 << 20)
    );
    assert!(proxy.is_through());
    // The client repeats a part, and gives up.
    for _ in 0..8 {
        proxy.next("PUT", Fault::Stall);
    }
    let begin = Instant::now();
    bucket
        .upload(&key("v1/blobs/y"), &file, |_| {})
        .await
        .unwrap_err();
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(bucket.size(&key("v1/blobs/y")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_what_its_requests_meet() {
    let Some((proxy, bucket)) = disturbed("faults/upload/").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image");
    std::fs::write(&file, vec![7; 17 << 20]).unwrap();
    proxy.next("POST", Fault::Answer(503, ""));
    proxy.next("PUT", Fault::Answer(500, FAILED));
    proxy.next("PUT", Fault::Lose);
    bucket
        .upload(&key("v1/blobs/x"), &file, |_| {})
        .await
        .unwrap();
    assert_eq!(
        bucket.size(&key("v1/blobs/x")).await.unwrap(),
        Some(17 << 20)
    );
    assert!(proxy.is_through());
    // The answer to the last request is lost: it is sent again.
    let last = "POST /fleet/faults/upload/v1/blobs/y?uploadId";
    proxy.next(last, Fault::Lose);
    bucket
        .upload(&key("v1/blobs/y"), &file, |_| {})
        .await
        .unwrap();
    assert!(proxy.is_through());
    assert_eq!(
        bucket.size(&key("v1/blobs/y")).await.unwrap(),
        Some(17 << 20)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_early_is_continued_or_an_error() {
    let Some((proxy, bucket)) = disturbed("faults/cut/").await else {
        return;
    };
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let at = key("v1/blobs/x");
    let written = bucket
        .put(&at, content.clone(), WriteCondition::Always)
        .await;
    done(written.unwrap());
    proxy.next("GET", Fault::CutAt(300_000));
    proxy.next("GET", Fault::CutAt(300_000));
    let reading = bucket.read(&at, 1).await.unwrap().unwrap();
    let pieces: Vec<_> = reading.pieces.try_collect().await.unwrap();
    assert!(pieces.concat() == content[1..]);
    assert!(proxy.is_through());

    for _ in 0..8 {
        proxy.next("GET", Fault::CutAt(10));
    }
    let reading = bucket.read(&at, 1).await.unwrap().unwrap();
    let pieces: Result<Vec<_>, _> = reading.pieces.try_collect().await;
    pieces.expect_err("a part of the object is not the object");
}

/// Unknown is not empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_something_else_is_not_an_empty_store() {
    let Some((proxy, bucket)) = disturbed("faults/page/").await else {
        return;
    };
    let at = key("v1/a.json");
    proxy.next("GET", Fault::Answer(404, "<html>nginx</html>"));
    let page = bucket.get(&at).await.unwrap_err();
    assert!(matches!(page, BucketError::Failed { .. }), "{page:?}");
    proxy.next("PUT", Fault::Answer(404, "<html>nginx</html>"));
    bucket
        .put(&at, "one", WriteCondition::Absent)
        .await
        .unwrap_err();
    proxy.next("GET", Fault::Answer(404, "<html>nginx</html>"));
    bucket.list(&"v1/index".parse().unwrap()).await.unwrap_err();
    proxy.next("DELETE", Fault::Answer(404, "<html>nginx</html>"));
    bucket.remove(&at).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_an_error_of_its_own() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let settings = BucketSettings {
        bucket: "other".to_owned(),
        ..server.settings("")
    };
    let bucket = Bucket::open(&settings).unwrap();
    let is_no_bucket = |error: &BucketError| matches!(error, BucketError::NoBucket { .. });
    let error = bucket.get(&key("v1/a.json")).await.unwrap_err();
    assert!(is_no_bucket(&error), "{error:?}");
    let error = bucket.list(&"v1".parse().unwrap()).await.unwrap_err();
    assert!(is_no_bucket(&error), "{error:?}");
    assert!(error.hint().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_a_key_without_rights_are_denied() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let mut settings = server.settings("faults/denied/");
    put(&Bucket::open(&settings).unwrap(), "v1/a.json", "one").await;
    let credentials = settings.credentials.as_mut().unwrap();
    credentials.access_key_id = READER.to_owned();
    let reader = Bucket::open(&settings).unwrap();
    assert_eq!(text(&reader, "v1/a.json").await.as_deref(), Some("one"));
    let denied = reader
        .put(&key("v1/a.json"), "two", WriteCondition::Always)
        .await;
    let denied = denied.unwrap_err();
    assert!(matches!(denied, BucketError::Denied { .. }), "{denied:?}");

    let credentials = settings.credentials.as_mut().unwrap();
    credentials.secret_access_key = String::from("wrong").into();
    let wrong = Bucket::open(&settings)
        .unwrap()
        .get(&key("v1/a.json"))
        .await;
    let wrong = wrong.unwrap_err();
    assert!(matches!(wrong, BucketError::Denied { .. }), "{wrong:?}");
    assert_eq!(
        wrong.answer().unwrap().code(),
        Some("SignatureDoesNotMatch")
    );
    assert!(wrong.hint().unwrap().contains("access key"));
    let listed = Bucket::open(&settings).unwrap();
    let denied = listed.list(&"v1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(denied, BucketError::Denied { .. }), "{denied:?}");
}

#[tokio::test]
async fn nobody_there_is_said_in_a_few_words() {
    // Of a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let bucket = Bucket::open(&seaweed::settings(&endpoint, "")).unwrap();
    let error = bucket
        .put(&key("v1/a.json"), "one", WriteCondition::Absent)
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "writing v1/a.json in the bucket failed");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("Connection refused"), "{why}");
    assert_eq!(bucket.requests(), 1);
}
