//! What is read of a store, and what is refused.

use super::super::{Settings, parse, parse_without_secrets};
use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

const REST: &str = "access_key_id_env: ID, secret_access_key_env: SECRET, key_env: KEY";

fn read(keys: &str) -> Result<Settings, Vec<String>> {
    let env = |name: &str| match name {
        "ID" => Some("talos\n".to_owned()),
        "SECRET" => Some("secret".to_owned()),
        "KEY" => Some(KEY.to_owned()),
        "SHORT" => Some(KEY[1..].to_owned()),
        _ => None,
    };
    let read = parse("config.yaml", &format!("store: {{{keys}}}"), &env);
    read.map_err(|why| {
        let problems = why.problems().iter();
        problems
            .map(|one| format!("{}: {}", one.path, one.message))
            .collect()
    })
}

#[test]
fn a_store_is_a_bucket_with_a_prefix_and_a_key() {
    let keys = format!("url: s3://images/talos/lab, endpoint: 'https://s3.lan:8333', {REST}");
    let store = read(&keys).unwrap().store.unwrap();
    let bucket = &store.bucket;
    assert_eq!((&*bucket.bucket, &*bucket.prefix), ("images", "talos/lab/"));
    assert_eq!(bucket.name(), "s3://images/talos/lab");
    assert_eq!(
        bucket.endpoint.as_ref().unwrap().as_str(),
        "https://s3.lan:8333/"
    );
    assert_eq!(bucket.region, "us-east-1");
    let credentials = bucket.credentials.as_ref().unwrap();
    assert_eq!(credentials.access_key_id, "talos");
    assert_eq!(store.key.expose_secret(), KEY);
    assert!(!format!("{store:?}").contains("secret\""));
}

#[test]
fn images_are_kept_for_a_week_or_as_long_as_it_says() {
    let keep = |keys: &str| {
        let read = read(&format!("url: s3://images, {keys}, {REST}"));
        read.map(|settings| settings.store.unwrap().keep)
    };
    let hours = |hours: u64| Ok(Some(Duration::from_secs(hours * 3600)));
    assert_eq!(keep("region: eu"), hours(7 * 24));
    assert_eq!(keep("keep: 1h"), hours(1));
    assert_eq!(keep("keep: never"), Ok(None));
    let refused = keep("keep: 59m").unwrap_err();
    assert_eq!(
        refused,
        ["store.keep: \"59m\" is out of range; expected 1h to 365d"]
    );
}

#[test]
fn a_single_controller_has_no_store() {
    assert!(parse("config.yaml", "", &|_| None).unwrap().store.is_none());
}

#[test]
fn without_secrets_a_store_is_checked_as_far_as_it_goes() {
    let text = format!("store: {{url: 's3://images', endpoint: 'http://127.0.0.1:1', {REST}}}");
    let store = parse_without_secrets("config.yaml", &text)
        .unwrap()
        .store
        .unwrap();
    assert!(store.bucket.credentials.is_none() && store.bucket.prefix.is_empty());
}

#[test]
fn the_machine_has_an_access_key_at_aws_only() {
    let aws = read("url: s3://images, key_env: KEY")
        .unwrap()
        .store
        .unwrap();
    assert!(aws.bucket.credentials.is_none());
    let problems = read("url: s3://images, endpoint: 'https://s3.lan', key_env: KEY");
    assert_eq!(
        problems.unwrap_err(),
        [
            "store: `access_key_id_file` is missing",
            "store: `secret_access_key_file` is missing",
        ]
    );
}

#[test]
fn what_cannot_be_used_is_refused_at_its_place() {
    let cases = [
        ("url: images", "store.url", "expected s3://BUCKET/PREFIX"),
        ("url: s3://Images", "store.url", "lower-case letters"),
        ("url: 's3://images/a//b'", "store.url", "an empty word"),
        (
            "url: 's3://id:hush@images'",
            "store.url",
            "must not contain a login",
        ),
        (
            "url: s3://images, endpoint: 'http://s3.lan'",
            "store.endpoint",
            "http would show",
        ),
        (
            "url: s3://images, endpoint: 'https://s3.lan/x'",
            "store.endpoint",
            "has a path",
        ),
        (
            "url: s3://images, insecure: true",
            "store.insecure",
            "for an endpoint with http",
        ),
        (
            "url: s3://images, region: 'a b'",
            "store.region",
            "is not a region",
        ),
        ("url: s3://images, key: abc", "store.key", "does not belong"),
    ];
    for (keys, path, message) in cases {
        let problems = read(&format!("{keys}, {REST}")).unwrap_err();
        let found = problems
            .iter()
            .any(|one| one.starts_with(&format!("{path}: ")) && one.contains(message));
        assert!(found, "{keys}: {problems:#?}");
        assert!(!format!("{problems:?}").contains("hush"));
    }
    let rest = "access_key_id_env: ID, secret_access_key_env: SECRET";
    let short = read(&format!("url: s3://images, {rest}, key_env: SHORT")).unwrap_err();
    assert_eq!(
        short,
        ["store.key_env: the key is too short; expected at least 32 bytes"]
    );
    let none = read(&format!("url: s3://images, {rest}")).unwrap_err();
    assert_eq!(none, ["store: `key_file` is missing"]);
}

#[test]
fn a_trusted_network_is_named_as_such() {
    let plain = "url: s3://images, endpoint: 'http://s3.lan:8333', insecure: true";
    assert!(read(&format!("{plain}, {REST}")).is_ok());
    let local = "url: s3://images, endpoint: 'http://127.0.0.1:8333'";
    assert!(read(&format!("{local}, {REST}")).is_ok());
}
