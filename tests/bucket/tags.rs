//! Conditions that are refused although they hold.

use talos_order::bucket::{ObjectWritten, WriteCondition};

use crate::contract::{done, key, put, text};
use crate::faults::disturbed;
use crate::proxy::{Fault, Proxy};

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

/// A server that is replaced by one of another kind is asked in the form that works.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unchanged_is_sent_in_the_other_form() {
    let Some((proxy, bucket)) = disturbed("tags/unchanged/").await else {
        return;
    };
    let at = key("v1/leaders/a.json");
    let tag = put(&bucket, at.as_str(), "one").await;
    verbs(&proxy);
    proxy.next("PUT", Fault::Answer(412, ""));
    let unchanged = WriteCondition::Unchanged(tag);
    let tag = done(bucket.put(&at, "two", unchanged).await.unwrap());
    assert_eq!(verbs(&proxy), ["PUT", "HEAD", "PUT"]);
    // It is remembered, and what is refused in both forms is refused.
    let unchanged = WriteCondition::Unchanged(tag);
    let tag = done(bucket.put(&at, "three", unchanged).await.unwrap());
    assert_eq!(verbs(&proxy), ["PUT"]);
    proxy.next("PUT", Fault::Answer(412, ""));
    proxy.next("PUT", Fault::Answer(412, ""));
    let unchanged = WriteCondition::Unchanged(tag.clone());
    let written = bucket.put(&at, "four", unchanged).await.unwrap();
    assert_eq!(written, ObjectWritten::Refused);
    assert_eq!(verbs(&proxy), ["PUT", "HEAD", "PUT"]);
    // Another server wants quotes again.
    proxy.next("PUT", Fault::Answer(412, ""));
    let unchanged = WriteCondition::Unchanged(tag);
    done(bucket.put(&at, "four", unchanged).await.unwrap());
    assert_eq!(verbs(&proxy), ["PUT", "HEAD", "PUT"]);
    assert!(proxy.is_through());
}
