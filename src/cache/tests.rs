//! The cache on a real directory, with downloads added by hand.

mod tidy;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::facts::Provenance;
use crate::io::flow::growing::GrowingImage;
use crate::io::flow::{Sink, Validator};
use crate::io::image::container::tables;
use crate::model::{Arch, ArtifactId, FileName, Format, Platform, SchematicId, Sha256};

const URL: &str = "http://factory.test/nocloud-amd64.raw.xz";

struct Scene {
    dir: tempfile::TempDir,
    cache: Cache,
    raw: Vec<u8>,
    xz: Vec<u8>,
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let mut raw = vec![0; 300_032];
    let (start, end) = tables(raw.len());
    raw[..start.len()].copy_from_slice(&start);
    let at = raw.len() - end.len();
    raw[at..].copy_from_slice(&end);
    raw[100_000..200_000].fill_with({
        let mut random = fastrand::Rng::with_seed(1);
        move || random.u8(..)
    });
    let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(&raw).unwrap();
    Scene {
        cache: Cache::new(dir.path().join("cache")),
        dir,
        raw,
        xz: encoder.finish().unwrap(),
    }
}

fn artifact(format: Format) -> ArtifactId {
    ArtifactId {
        version: "v1.11.3".parse().unwrap(),
        platform: Platform::Nocloud,
        arch: Arch::Amd64,
        secureboot: false,
        schematic: SchematicId::from_bytes([7; 32]),
        format,
    }
}

fn name(text: &str) -> FileName {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    "2025-06-01T12:00:00Z".parse().unwrap()
}

fn receive() -> Receive {
    Receive {
        download: artifact(Format::RawXz),
        file: name("a.raw.xz"),
        url: URL.into(),
        unpack: Some((artifact(Format::Raw), name("a.raw"))),
        pinned: None,
        upstream: None,
        stored: None,
        meter: Arc::default(),
        growing: GrowingImage::default(),
    }
}

async fn fetch(scene: &Scene, receive: Receive) -> Result<Received, CacheError> {
    let mut incoming = scene.cache.receive(receive).await?;
    let (at, _) = incoming.position();
    let validator = Validator {
        value: "\"etag\"".into(),
        total: Some(scene.xz.len() as u64),
    };
    incoming
        .expect(Some(scene.xz.len() as u64), Some(validator))
        .await
        .unwrap();
    let rest = Bytes::copy_from_slice(&scene.xz[at as usize..]);
    incoming.write(rest).await.unwrap();
    incoming.finish(noon()).await
}

fn names(cache: &Cache) -> Vec<String> {
    let mut names = cache.list().unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn a_download_becomes_two_recorded_files() {
    let scene = scene();
    let received = fetch(&scene, receive()).await.unwrap();
    assert_eq!(
        names(&scene.cache),
        [
            ".a.raw.meta.json",
            ".a.raw.xz.meta.json",
            "a.raw",
            "a.raw.sha256",
            "a.raw.xz",
            "a.raw.xz.sha256"
        ]
    );
    let unpacked = received.unpacked.clone().unwrap();
    assert_eq!(unpacked.unpacked_from, Some(received.download.sha256));
    assert_eq!(unpacked.size, scene.raw.len() as u64);
    assert_eq!(received.download.etag.as_deref(), Some("\"etag\""));
    assert_eq!(received.download.provenance, Provenance::FirstSeen);

    let state = scene.cache.observe().unwrap();
    let expected: BTreeMap<_, _> = [("a.raw.xz", received.download), ("a.raw", unpacked)]
        .into_iter()
        .map(|(file, meta)| {
            let size = Some(meta.size);
            let cached = crate::facts::CachedFile {
                meta,
                size,
                untouched: true,
                fault: None,
            };
            (name(file), cached)
        })
        .collect();
    assert_eq!(state.files, expected);
    assert!(state.foreign.is_empty() && state.partial.is_empty());
    assert!(state.free_bytes.is_some());

    scene.cache.verify(&name("a.raw")).await.unwrap();
    if let Ok(status) = Command::new("sha256sum")
        .args([
            "--check",
            "--strict",
            "--quiet",
            "a.raw.sha256",
            "a.raw.xz.sha256",
        ])
        .current_dir(scene.cache.dir())
        .status()
    {
        assert!(status.success());
    }
}

#[tokio::test]
async fn the_stronger_promise_is_the_provenance_and_both_are_kept() {
    let scene = scene();
    let sha256 = fetch(&scene, receive()).await.unwrap().download.sha256;
    let with = |pinned, upstream| Receive {
        pinned,
        upstream,
        ..receive()
    };
    let other = Sha256::from_bytes([1; 32]);
    let received = fetch(&scene, with(Some(sha256), Some(sha256)))
        .await
        .unwrap();
    assert_eq!(received.download.provenance, Provenance::Pinned);
    let received = fetch(&scene, with(None, Some(sha256))).await.unwrap();
    assert_eq!(received.unpacked.unwrap().provenance, Provenance::Upstream);
    let error = fetch(&scene, with(Some(sha256), Some(other)))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the factory publishes"),
        "{error}"
    );
    // What was there before is still there, and still right.
    scene.cache.verify(&name("a.raw.xz")).await.unwrap();
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_replaced() {
    let scene = scene();
    fetch(&scene, receive()).await.unwrap();
    let path = scene.cache.path(&name("a.raw"));
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let mut content = fs::read(&path).unwrap();
    content[4096] ^= 1;
    fs::write(&path, &content).unwrap();
    let untouched = || scene.cache.observe().unwrap().files[&name("a.raw")].untouched;
    assert!(!untouched());
    // Bit rot leaves the time as it was; once it was read back, the file is not trusted.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(written).unwrap();
    assert!(untouched());
    let error = scene.cache.verify(&name("a.raw")).await.unwrap_err();
    assert!(matches!(error, CacheError::Damaged { .. }), "{error}");
    assert!(path.exists() && !untouched());
    let state = scene.cache.observe().unwrap();

    let from = &state.files[&name("a.raw.xz")].meta;
    let raw = artifact(Format::Raw);
    let unpacked = scene
        .cache
        .unpack(
            &name("a.raw.xz"),
            from,
            raw,
            &name("a.raw"),
            Arc::default(),
            noon(),
        )
        .await
        .unwrap();
    assert_eq!(unpacked.unpacked_from, Some(from.sha256));
    scene.cache.verify(&name("a.raw")).await.unwrap();
    assert!(scene.cache.observe().unwrap().files[&name("a.raw")].untouched);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_kept_when_its_image_is_unpacked_again() {
    let scene = scene();
    let from = fetch(&scene, receive()).await.unwrap().download;
    let record = scene.cache.dir().join(".a.raw.meta.json");
    fs::write(&record, "garbage").unwrap();
    let (file, raw) = (name("a.raw"), artifact(Format::Raw));
    let unpacked = scene
        .cache
        .unpack(&name("a.raw.xz"), &from, raw, &file, Arc::default(), noon())
        .await
        .unwrap();
    assert_eq!(scene.cache.load(&file).unwrap(), Some(unpacked));
    let kept = scene.cache.dir().join("a.raw.meta.json.set-aside-1");
    assert_eq!(fs::read_to_string(kept).unwrap(), "garbage");
}

#[tokio::test]
async fn a_damaged_download_is_not_unpacked() {
    let scene = scene();
    let one = Receive {
        unpack: None,
        ..receive()
    };
    let from = fetch(&scene, one).await.unwrap().download;
    // Whole and correct xz, but not what was recorded.
    let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(&scene.raw).unwrap();
    let path = scene.cache.path(&name("a.raw.xz"));
    fs::write(path, encoder.finish().unwrap()).unwrap();
    let raw = artifact(Format::Raw);
    scene
        .cache
        .unpack(
            &name("a.raw.xz"),
            &from,
            raw,
            &name("a.raw"),
            Arc::default(),
            noon(),
        )
        .await
        .unwrap_err();
    assert_eq!(
        names(&scene.cache),
        [".a.raw.xz.meta.json", "a.raw.xz", "a.raw.xz.sha256"]
    );
}

/// The states that a crash can leave between the record and the name.
#[tokio::test]
async fn a_crash_between_record_and_name_is_seen_and_repaired() {
    let scene = scene();
    let received = fetch(&scene, receive()).await.unwrap();
    let (temporary, file) = (
        scene.cache.dir().join(".a.raw.xz.part"),
        scene.cache.path(&name("a.raw.xz")),
    );
    fs::rename(&file, &temporary).unwrap();
    let state = scene.cache.observe().unwrap();
    assert_eq!(state.files[&name("a.raw.xz")].size, None);
    assert_eq!(state.partial[&name("a.raw.xz")], received.download.size);

    // The same over an older file: the new record does not fit it.
    fs::write(&file, "an older one").unwrap();
    let cached = &scene.cache.observe().unwrap().files[&name("a.raw.xz")];
    assert!(!cached.untouched && cached.size != Some(cached.meta.size));

    fetch(&scene, receive()).await.unwrap();
    scene.cache.verify(&name("a.raw.xz")).await.unwrap();
    assert!(scene.cache.observe().unwrap().partial.is_empty());
}

#[tokio::test]
async fn a_complete_partial_download_only_needs_to_be_finished() {
    let scene = scene();
    let mut incoming = scene.cache.receive(receive()).await.unwrap();
    let total = scene.xz.len() as u64;
    let validator = Validator {
        value: "Sun, 01 Jun 2025 10:00:00 GMT".into(),
        total: Some(total),
    };
    incoming.expect(Some(total), Some(validator)).await.unwrap();
    incoming.write(scene.xz.clone().into()).await.unwrap();
    // What was taken is stored when the next question is answered.
    incoming.expect(Some(total), None).await.unwrap();
    drop(incoming);

    let again = scene.cache.receive(receive()).await.unwrap();
    assert_eq!(again.position().0, total);
    let received = again.finish(noon()).await.unwrap();
    assert_eq!(received.download.etag, None, "a date is no entity tag");
    assert!(fs::read(scene.cache.path(&name("a.raw"))).unwrap() == scene.raw);
}
