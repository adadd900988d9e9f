//! Conditions that are refused although they hold.

use std::time::{Duration, Instant};

use talos_order::bucket::{Bucket, ObjectWritten, WriteCondition};

use crate::common::seaweed::{Seaweed, settings};
use crate::contract::{done, key, put, text};
use crate::faults::disturbed;
use crate::proxy::{Fault, Proxy};

const REFUSED: Fault = Fault::Answer(412, "");

fn verbs(proxy: &Proxy) -> Vec<String> {
    let seen = proxy.seen();
    let verb = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    seen.iter().map(verb).collect()
}

/// Whoever has lost does not write after all.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_is_sent_once() {
    let Some((proxy, bucket)) = disturbed("tags/changed/").await else {
        return;
    };
    let at = key("v1/leaders/a.json");
    let first = put(&bucket, at.as_str(), "one").await;
    put(&bucket, at.as_str(), "two").await;
    verbs(&proxy);
    let stale = WriteCondition::Unchanged(first);
    let written = bucket.put(&at, "three", stale.clone()).await.unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    bucket.remove(&at).await.unwrap();
    let written = bucket.put(&at, "three", stale).await.unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    assert_eq!(verbs(&proxy), ["PUT", "HEAD", "DELETE", "PUT", "HEAD"]);
    assert_eq!(text(&bucket, at.as_str()).await, None);
}

/// What was taken is not sent again in the other form. If the server refuses it although it
/// holds, another server may answer now, and the next write finds out what that one takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_taken_is_the_only_one_that_is_sent() {
    let Some((proxy, bucket)) = disturbed("tags/proven/").await else {
        return;
    };
    let at = key("v1/leaders/a.json");
    let tag = put(&bucket, at.as_str(), "one").await;
    let unchanged = WriteCondition::Unchanged(tag);
    let tag = done(bucket.put(&at, "two", unchanged).await.unwrap());
    verbs(&proxy);
    proxy.next("PUT", REFUSED);
    let unchanged = WriteCondition::Unchanged(tag);
    let written = bucket.put(&at, "three", unchanged.clone()).await.unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    assert_eq!(verbs(&proxy), ["PUT", "HEAD"]);
    assert_eq!(text(&bucket, at.as_str()).await.as_deref(), Some("two"));
    verbs(&proxy);
    proxy.next("PUT", REFUSED);
    done(bucket.put(&at, "four", unchanged).await.unwrap());
    let tried = ["PUT", "PUT", "PUT", "GET", "DELETE"];
    let all = [["PUT", "HEAD"].as_slice(), &tried, &["PUT"]].concat();
    assert_eq!(verbs(&proxy), all);
}

/// The same after a probe, which every leader makes.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_proves_a_form() {
    let Some((proxy, bucket)) = disturbed("tags/probed/").await else {
        return;
    };
    bucket.capability().await.unwrap();
    let at = key("v1/leaders/a.json");
    let tag = put(&bucket, at.as_str(), "one").await;
    verbs(&proxy);
    proxy.next("PUT", REFUSED);
    let unchanged = WriteCondition::Unchanged(tag);
    let written = bucket.put(&at, "two", unchanged).await.unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    assert_eq!(verbs(&proxy), ["PUT", "HEAD"]);
}

/// The other form is tried on an object of its own, and then it is the one that is sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unchanged_is_sent_in_the_other_form() {
    let Some((proxy, bucket)) = disturbed("tags/unchanged/").await else {
        return;
    };
    let at = key("v1/leaders/a.json");
    let tag = put(&bucket, at.as_str(), "one").await;
    verbs(&proxy);
    proxy.next("PUT", REFUSED);
    let unchanged = WriteCondition::Unchanged(tag);
    let tag = done(bucket.put(&at, "two", unchanged).await.unwrap());
    let tried = ["PUT", "PUT", "PUT", "GET", "DELETE"];
    let all = [["PUT", "HEAD"].as_slice(), &tried, &["PUT"]].concat();
    assert_eq!(verbs(&proxy), all);
    let unchanged = WriteCondition::Unchanged(tag);
    let tag = done(bucket.put(&at, "three", unchanged).await.unwrap());
    assert_eq!(verbs(&proxy), ["PUT"]);
    proxy.next("PUT", REFUSED);
    let unchanged = WriteCondition::Unchanged(tag);
    let written = bucket.put(&at, "four", unchanged.clone()).await.unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    assert_eq!(verbs(&proxy), ["PUT", "HEAD"]);
    done(bucket.put(&at, "four", unchanged).await.unwrap());
    assert_eq!(verbs(&proxy), ["PUT"]);
    assert!(proxy.is_through());
    let left = bucket.list(&"v1/probe".parse().unwrap()).await.unwrap();
    assert_eq!(left, []);
}

/// Whoever is refused hears that, and in time: nothing was written, whatever comes of the
/// question why.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_one_also_where_the_look_at_it_hangs_or_fails() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    for fault in [Fault::Stall, Fault::Answer(403, "")] {
        let proxy = Proxy::before(&server.authority()).await;
        // Which waits for longer than some who ask.
        let bucket = Bucket::open(&settings(&proxy.endpoint, "tags/late/")).unwrap();
        let at = key("v1/leaders/a.json");
        let tag = put(&bucket, at.as_str(), "one").await;
        proxy.next("PUT", REFUSED);
        proxy.next("HEAD", fault);
        let begin = Instant::now();
        let unchanged = WriteCondition::Unchanged(tag);
        let written = bucket.put(&at, "two", unchanged).await.unwrap();
        assert_eq!(written, ObjectWritten::Refused);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(8), "{took:?}");
        assert!(proxy.is_through());
    }
}

/// The write that was sent may be done, and nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn silence_after_the_other_form_is_no_refusal() {
    let Some((proxy, bucket)) = disturbed("tags/silent/").await else {
        return;
    };
    let at = key("v1/leaders/a.json");
    let tag = put(&bucket, at.as_str(), "one").await;
    proxy.next("PUT /fleet/tags/silent/v1/leaders", REFUSED);
    proxy.next("PUT /fleet/tags/silent/v1/leaders", Fault::Lose);
    let unchanged = WriteCondition::Unchanged(tag);
    bucket.put(&at, "two", unchanged).await.unwrap_err();
    assert_eq!(text(&bucket, at.as_str()).await.as_deref(), Some("two"));
    assert!(proxy.is_through());
}
