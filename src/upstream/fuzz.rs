//! What a factory and GitHub can answer, for `crate::fuzz`. Each reader gives back what
//! it would show to the user.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};
use reqwest::header::{HeaderMap, HeaderValue, LINK, RETRY_AFTER};
use serde_json::json;
use sha2::Digest;
use url::Url;

use super::factory::checksum_of;
use super::memory::ListPage;
use super::range::ContentRange;
use super::retry;
use super::signature::signed_digest;
use super::versions::{next_page, versions_in};
use crate::model::ListSource;
use crate::model::{Sha256, TalosVersion};

/// Bundles of two implementations, signed with the key below.
pub(crate) const BUNDLES: [&str; 2] = [
    include_str!("tests/fixtures/openssl.sigstore.json"),
    include_str!("tests/fixtures/python.sigstore.json"),
];
const SIGNED: &[u8] = include_bytes!("tests/fixtures/signed.txt");
const KEY: &str = include_str!("tests/fixtures/signing-key.pub");

/// The key, and the one digest that was ever signed with it.
static VOUCHED: LazyLock<(Vec<u8>, Sha256)> = LazyLock::new(|| {
    let lines = KEY.lines().filter(|line| !line.starts_with("-----"));
    let key = BASE64_STANDARD.decode(lines.collect::<String>());
    let digest: [u8; 32] = sha2::Sha256::digest(SIGNED).into();
    (key.expect("a key"), Sha256::from_bytes(digest))
});

/// A bundle beside an image: whatever it holds, it vouches for no other digest.
pub(crate) fn signature(text: &str) -> Option<String> {
    let (key, digest) = &*VOUCHED;
    match signed_digest(text, key) {
        Ok(signed) => assert_eq!(signed, *digest),
        Err(why) => return Some(why),
    }
    None
}

/// The name of the image that the checksums of the seeds are of.
pub(crate) const IMAGE: &str = "nocloud-amd64.iso";

/// A checksum beside an image: it is one line, about this image.
pub(crate) fn checksum(text: &str) {
    if let Some(digest) = checksum_of(text, IMAGE) {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.to_ascii_lowercase().replacen(" *", "  ", 1);
        assert_eq!(line, format!("{digest}  {IMAGE}"));
    }
}

/// A page of a list of versions, from either source: what was read can be written and
/// read again, as a list and as what is remembered of it.
pub(crate) fn versions(text: &str) -> Option<String> {
    let url = Url::parse("https://factory.talos.dev/versions").expect("a URL");
    let mut shown = None;
    for kind in [ListSource::Factory, ListSource::Github] {
        let versions = match versions_in(kind, text) {
            Ok(versions) => versions,
            Err(why) => {
                shown = Some(why);
                continue;
            }
        };
        let entries = versions.iter().map(|version| match kind {
            ListSource::Factory => json!(version),
            ListSource::Github => json!({ "name": version, "commit": {} }),
        });
        let list = serde_json::Value::Array(entries.collect()).to_string();
        assert_eq!(versions_in(kind, &list).as_ref(), Ok(&versions), "{list}");
        let is_there = |version: &TalosVersion| text.contains(&version.to_string());
        assert!(text.contains('\\') || versions.iter().all(is_there));
        // `"v1.2.3",` and no shorter: a page does not hold more than its length.
        assert!(versions.len() * 9 <= text.len() + 9);
        let page = ListPage {
            url: url.clone(),
            etag: None,
            next: None,
            versions,
        };
        let kept = serde_json::to_vec(&page).expect("a form in JSON");
        assert_eq!(serde_json::from_slice::<ListPage>(&kept).ok(), Some(page));
    }
    shown
}

/// Values of headers: where the next page is, which part of an image comes, and when to
/// ask again.
pub(crate) fn header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let from = Url::parse("https://api.github.com/repos/x/tags?page=1").expect("a URL");
    let headers = HeaderMap::from_iter([(LINK, value.clone()), (RETRY_AFTER, value.clone())]);
    if let Some(next) = next_page(&headers, &from) {
        assert_eq!(next.origin(), from.origin());
        let link = format!("<{next}>; rel=\"next\"");
        let again = link
            .parse()
            .map(|link| HeaderMap::from_iter([(LINK, link)]));
        let again = again.ok().and_then(|again| next_page(&again, &from));
        // A comma separates links, also where it is a part of one.
        assert!(
            again.as_ref() == Some(&next) || link.contains(','),
            "{link}"
        );
    }
    if let Some(wish) = retry::retry_after(&headers, SystemTime::UNIX_EPOCH) {
        assert!(wish <= Duration::from_secs(24 * 60 * 60));
    }
    if let Some(range) = value.to_str().ok().and_then(ContentRange::parse) {
        let ContentRange { first, last, total } = &range;
        assert!(first <= last && last < total, "{range:?}");
        let text = format!("bytes {first}-{last}/{total}");
        assert_eq!(ContentRange::parse(&text), Some(range));
    }
}
