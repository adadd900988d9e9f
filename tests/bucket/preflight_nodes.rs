//! `validate --online`: what the program says of nodes that are buckets.

use std::path::Path;
use std::time::Duration;

use talos_order::bucket::{Bucket, ObjectPrefix};

use crate::common::seaweed::{self, ACCESS_KEY, BUCKET, READER, SECRET_KEY, Seaweed};
use crate::contract::put;
use crate::preflight::validate;
use crate::proxy::{Fault, Proxy};

const DENIED: Fault = Fault::Answer(
    403,
    "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>",
);

/// The section `nodes` with a bucket.
fn section(endpoint: &str, url: &str, access_key: &str, dir: &Path) -> String {
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    format!(
        "nodes:\n  - name: images\n    import_dir: /disks\n    s3:\n      url: s3://{url}\n      \
         endpoint: {endpoint}\n      access_key_id_file: {}\n      secret_access_key_file: {}\n",
        file("id", access_key),
        file("secret", SECRET_KEY),
    )
}

async fn checked(
    endpoint: &str,
    url: &str,
    access_key: &str,
    form: &'static [&'static str],
) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let section = section(endpoint, url, access_key, dir.path());
    let checked = tokio::task::spawn_blocking(move || validate(dir.path(), &section, form));
    checked.await.unwrap()
}

/// The names of all objects behind the prefix of a bucket.
async fn names(bucket: &Bucket, below: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for prefix in below {
        let prefix: ObjectPrefix = prefix.parse().unwrap();
        let listed = bucket.list(&prefix).await.unwrap();
        names.extend(listed.into_iter().map(|object| object.key.to_string()));
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_bucket_takes_deliveries_and_what_is_in_it_stays() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let bucket = server.bucket("nodes/right/");
    let probe = ".talos-order-probe/0123456789abcdef0123456789abcdef";
    let theirs = [
        "images/.hidden",
        "images/mine.iso",
        "v1/probe/mine",
        ".talos-order-probe/mine",
        &format!("{probe}/1"),
    ];
    for name in theirs {
        put(&bucket, name, "mine").await;
    }
    let url = format!("{BUCKET}/nodes/right");
    let (code, text) = checked(&server.endpoint(), &url, ACCESS_KEY, &[]).await;
    for line in [
        "node images, s3://fleet/nodes/right\n",
        "  ok       upload in parts: works\n",
        "  ok       give up an upload: works\n",
        "  ok       replace if unchanged: works\n",
        "  ok       one winner of concurrent writes: works\n",
        "  ok       can be used: for deliveries\n",
        "  ok       directory /disks: no files\n",
        "  ok       directory /images: 1 file, 0 in the record of deliveries\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(code, Some(0), "{text}");
    let below = ["images", "disks", "v1", ".talos-order-probe"];
    let mut theirs = theirs.map(str::to_owned);
    theirs.sort();
    assert_eq!(names(&bucket, &below).await, theirs);

    let (code, text) = checked(&server.endpoint(), &url, ACCESS_KEY, &["-o", "json"]).await;
    let start = text.find('{').unwrap();
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
    let json: serde_json::Value = values.next().unwrap().unwrap();
    let node = &json["nodes"][0];
    assert_eq!(node["node"], "images");
    assert_eq!(node["bucket"], "s3://fleet/nodes/right");
    assert_eq!(node["checks"][0]["level"], "ok");
    assert_eq!((code, &json["valid"]), (Some(0), &true.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_cannot_be_written_to_fails_the_check() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let cases = [
        (
            format!("{BUCKET}/nodes/denied"),
            READER,
            "access denied: 403 Forbidden",
            "hint: check the access key",
        ),
        (
            format!("{BUCKET}/nodes/denied"),
            "nobody",
            "access denied: 403 Forbidden",
            "hint: check the access key",
        ),
        // The server would make it for this key.
        (
            "not-there/nodes".to_owned(),
            ACCESS_KEY,
            "the bucket does not exist: 404 Not Found: NoSuchBucket",
            "hint: create the bucket, or correct its `url`",
        ),
    ];
    for (url, access_key, message, hint) in cases {
        let (code, text) = checked(&server.endpoint(), &url, access_key, &[]).await;
        assert!(text.contains("  error    access: "), "{text}");
        assert!(text.contains(message), "{text}");
        assert!(text.contains(hint), "{text}");
        assert!(text.contains("1 node with errors\n"), "{text}");
        assert_eq!(code, Some(1), "{text}");
    }
    let bucket = server.bucket("nodes/denied/");
    assert_eq!(names(&bucket, &[".talos-order-probe"]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_fails_the_check() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let bucket = server.bucket("nodes/record/");
    put(&bucket, "images/.talos-order.jsonl", "{\"later\":2}\n").await;
    let url = format!("{BUCKET}/nodes/record");
    let form = ["-o", "github"].as_slice();
    let (code, text) = checked(&server.endpoint(), &url, ACCESS_KEY, form).await;
    let line = "::error::node images: directory /images: the record of earlier deliveries cannot \
                be read: images/.talos-order.jsonl is no record of this version";
    assert!(text.contains(line), "{text}");
    assert_eq!(code, Some(1), "{text}");
}

/// An access key without one of the rights, as a policy of AWS may have it.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_access_key_may_not_do_is_said() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let proxy = Proxy::before(&server.authority()).await;
    let url = format!("{BUCKET}/nodes/rights");
    // The first is that of the upload.
    proxy.next("DELETE", DENIED);
    let (code, text) = checked(&proxy.endpoint, &url, ACCESS_KEY, &[]).await;
    for line in [
        "  warning  give up an upload: 403 Forbidden: AccessDenied: Access Denied.\n",
        "hint: allow the access key to abort uploads",
        "  ok       can be used: for deliveries\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(code, Some(0), "{text}");

    for _ in 0..100 {
        proxy.next("DELETE", DENIED);
    }
    let (code, text) = checked(&proxy.endpoint, &url, ACCESS_KEY, &[]).await;
    assert!(
        text.contains("access: removing .talos-order-probe/"),
        "{text}"
    );
    assert!(
        text.contains("  warning  left behind: 3 objects of checks below .talos-order-probe/\n"),
        "{text}"
    );
    assert_eq!(code, Some(1), "{text}");
}

/// As on Backblaze B2: the record of deliveries could never be written.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_conditions_takes_no_deliveries() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let proxy = Proxy::before(&server.authority()).await;
    let url = format!("{BUCKET}/nodes/conditions");
    let begin = "PUT /fleet/nodes/conditions/.talos-order-probe";
    // An object and the parts of two uploads come before the first condition.
    for _ in 0..3 {
        proxy.next(begin, Fault::Crawl(1, Duration::ZERO));
    }
    let unknown = "<Error><Code>NotImplemented</Code></Error>";
    proxy.next(begin, Fault::Answer(501, unknown));
    let (code, text) = checked(&proxy.endpoint, &url, ACCESS_KEY, &[]).await;
    assert!(
        text.contains("  error    create if absent: 501 Not Implemented: NotImplemented\n"),
        "{text}"
    );
    assert!(
        text.contains("  error    can be used: for nothing\n"),
        "{text}"
    );
    assert_eq!(code, Some(1), "{text}");
    assert!(proxy.is_through());
    let bucket = Bucket::open(&seaweed::settings(&proxy.endpoint, "nodes/conditions/")).unwrap();
    assert_eq!(names(&bucket, &[".talos-order-probe"]).await, [""; 0]);
}
