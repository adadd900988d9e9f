//! The intake on real files: what arrives, what is refused, what survives.

mod bounds;
mod resume;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::io::codec::tests::image;
use crate::io::flow::growing::GrowingFile;
use crate::io::flow::unpack::Unpack;
use crate::io::hash::Hasher;
use crate::io::image::container::tables;
use crate::io::image::magic::ContentKind;
use crate::model::Sha256;

const URL: &str = "http://factory.test/nocloud-amd64.raw.xz";

/// A disk image with a partition table, and its packed form.
fn disk() -> (Vec<u8>, Vec<u8>) {
    let mut raw = image(3);
    let (start, end) = tables(raw.len());
    raw[..start.len()].copy_from_slice(&start);
    let at = raw.len() - end.len();
    raw[at..].copy_from_slice(&end);
    let packed = xz2::bufread::XzEncoder::new(&raw[..], 0);
    let mut xz = Vec::new();
    io::Read::read_to_end(&mut { packed }, &mut xz).unwrap();
    (raw, xz)
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish().sha256
}

fn spec(dir: &Path) -> Spec {
    Spec {
        dir: dir.to_owned(),
        name: "a.raw.xz".into(),
        url: URL.into(),
        kind: ContentKind::Xz,
        unpack: Some(Unpack {
            codec: crate::model::Codec::Xz,
            name: "a.raw".into(),
            kind: ContentKind::Gpt,
            buffered: crate::io::codec::BUFFERED,
            max: 1 << 30,
            is_kept: true,
            growing: GrowingFile::default(),
        }),
        max: 1 << 30,
        promises: Vec::new(),
        meter: Arc::default(),
        growing: GrowingFile::default(),
    }
}

fn plain(dir: &Path, name: &str, kind: ContentKind) -> Spec {
    Spec {
        name: name.into(),
        kind,
        unpack: None,
        ..spec(dir)
    }
}

fn version(total: usize) -> Option<Validator> {
    Some(Validator {
        value: "\"v1\"".into(),
        total: Some(total as u64),
    })
}

async fn push(intake: &mut Intake, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(30_011) {
        intake.write(Bytes::copy_from_slice(piece)).await?;
    }
    Ok(())
}

/// A whole transfer of these bytes.
async fn transfer(spec: Spec, bytes: &[u8]) -> Result<Sealed, StagingError> {
    let mut intake = Intake::begin(spec).await?;
    intake
        .expect(Some(bytes.len() as u64), version(bytes.len()))
        .await
        .unwrap();
    // A refusal before the end is the error of `finish`, too.
    let _ = push(&mut intake, bytes).await;
    intake.finish().await
}

fn publish(sealed: Sealed) {
    sealed.download.publish().unwrap();
    if let Some(unpacked) = sealed.unpacked {
        unpacked.publish().unwrap();
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_download_is_stored_and_unpacked_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, xz) = disk();
    let meter = Arc::new(Meter::default());
    let spec = Spec {
        promises: vec![Promise {
            sha256: sha256(&xz),
            by: "the order pins",
        }],
        meter: Arc::clone(&meter),
        ..spec(dir.path())
    };
    let sealed = transfer(spec, &xz).await.unwrap();
    assert_eq!(sealed.download.sha256, sha256(&xz));
    let unpacked = sealed.unpacked.as_ref().unwrap();
    assert_eq!(unpacked.sha256, sha256(&raw));
    assert_eq!(unpacked.size, raw.len() as u64);
    assert!(names(dir.path()).iter().all(|name| name.starts_with('.')));
    let mtime = unpacked.mtime_ns;

    publish(sealed);
    assert!(fs::read(dir.path().join("a.raw")).unwrap() == raw);
    assert!(fs::read(dir.path().join("a.raw.xz")).unwrap() == xz);
    let metadata = fs::metadata(dir.path().join("a.raw")).unwrap();
    assert!(metadata.blocks() * 512 < 1 << 20, "not sparse");
    assert_eq!(crate::io::file::mtime_ns(&metadata), mtime);
    assert_eq!(meter.read(), (xz.len() as u64, Some(xz.len() as u64)));
}

#[tokio::test]
async fn images_that_are_not_packed_arrive_sparsely() {
    let dir = tempfile::tempdir().unwrap();
    let (mut raw, _) = disk();
    // Padding is no fault, and no whole block either.
    raw.resize(raw.len() + 5000, 0);
    let sealed = transfer(plain(dir.path(), "a.raw", ContentKind::Gpt), &raw)
        .await
        .unwrap();
    assert_eq!(sealed.download.sha256, sha256(&raw));
    publish(sealed);
    assert!(fs::read(dir.path().join("a.raw")).unwrap() == raw);
    let blocks = fs::metadata(dir.path().join("a.raw")).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "not sparse");
}

/// Everything about a download that must never get a name, with its message.
#[tokio::test]
async fn what_is_wrong_is_refused_and_leaves_nothing() {
    let (raw, xz) = disk();
    let html = b"<!DOCTYPE html><title>502 Bad Gateway</title>".to_vec();
    let mut long_html = html.clone();
    long_html.resize(200_000, b' ');
    let mut corrupt = xz.clone();
    corrupt[xz.len() / 2] ^= 1;
    let no_disk = {
        let packed = xz2::bufread::XzEncoder::new(&b"no partition table"[..], 0);
        let mut xz = Vec::new();
        io::Read::read_to_end(&mut { packed }, &mut xz).unwrap();
        xz
    };
    let cases: [(&str, &[u8], &str); 9] = [
        (
            "a.raw.xz",
            &html,
            "a.raw.xz is an HTML or XML page; expected xz",
        ),
        ("a.raw.xz", &long_html, "a.raw.xz is an HTML or XML page"),
        ("a.raw.xz", b"", "a.raw.xz is an empty file"),
        ("a.raw.xz", b"\xfd7z", "a.raw.xz is data of an unknown type"),
        ("a.raw.xz", &xz[..xz.len() - 8], "the xz data ends after"),
        ("a.raw.xz", &corrupt, "the xz data is corrupt"),
        (
            "a.raw.xz",
            &no_disk,
            "a.raw is plain text; expected a disk image",
        ),
        ("a.iso", &raw, "a.iso is a disk image with a GPT"),
        ("a.raw", &xz, "a.raw is xz-compressed data"),
    ];
    for (name, bytes, message) in cases {
        let dir = tempfile::tempdir().unwrap();
        let spec = match name {
            "a.iso" => plain(dir.path(), name, ContentKind::Iso),
            "a.raw" => plain(dir.path(), name, ContentKind::Gpt),
            _ => spec(dir.path()),
        };
        let error = transfer(spec, bytes).await.unwrap_err();
        assert!(gist(&error).contains(message), "{}", gist(&error));
        assert_eq!(names(dir.path()), [""; 0], "after: {message}");
    }
}

#[tokio::test]
async fn a_wrong_digest_or_length_leaves_nothing() {
    let (_, xz) = disk();
    let dir = tempfile::tempdir().unwrap();
    let spec_pinned = Spec {
        promises: vec![Promise {
            sha256: sha256(b"other"),
            by: "the order pins",
        }],
        ..spec(dir.path())
    };
    let error = transfer(spec_pinned, &xz).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&sha256(&xz).to_string()), "{text}");
    assert!(
        text.contains(&format!("the order pins {}", sha256(b"other"))),
        "{text}"
    );
    assert!(!error.is_transient());

    let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
    intake
        .expect(Some(7 + xz.len() as u64), None)
        .await
        .unwrap();
    push(&mut intake, &xz).await.unwrap();
    let error = intake.finish().await.unwrap_err();
    assert!(matches!(error, StagingError::Length { .. }), "{error}");
    assert_eq!(names(dir.path()), [""; 0]);
}

#[tokio::test]
async fn the_sender_learns_early_and_the_type_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
    let page = b"<html>".repeat(100);
    let refused = loop {
        if let Err(error) = intake.write(Bytes::from(page.clone())).await {
            break error;
        }
    };
    assert!(refused.to_string().contains("HTML"), "{refused}");
    assert!(matches!(
        intake.failure(),
        Some(StagingError::WrongContent {
            found: ContentKind::Html,
            ..
        })
    ));
    assert!(intake.failure().unwrap().hint().is_some());
    intake.finish().await.unwrap_err();
}

#[tokio::test]
async fn a_restart_forgets_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, xz) = disk();
    let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
    intake
        .expect(Some(5_000_000), version(5_000_000))
        .await
        .unwrap();
    push(&mut intake, &xz[..xz.len() / 2]).await.unwrap();
    intake.restart().await.unwrap();
    assert_eq!(intake.position(), (0, None));
    intake
        .expect(Some(xz.len() as u64), version(xz.len()))
        .await
        .unwrap();
    push(&mut intake, &xz).await.unwrap();
    let sealed = intake.finish().await.unwrap();
    assert_eq!(sealed.unpacked.unwrap().sha256, sha256(&raw));
}

/// Stops after `cut` bytes as a crash would: the next intake goes on from what
/// reached the file, wherever that is.
#[tokio::test]
async fn an_interrupted_download_is_taken_up_at_any_point() {
    let (raw, xz) = disk();
    for cut in [0, 1, 5, 6, 12, 40_000, xz.len() / 2, xz.len() - 1, xz.len()] {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Intake::begin(spec(dir.path())).await.unwrap();
        first
            .expect(Some(xz.len() as u64), version(xz.len()))
            .await
            .unwrap();
        push(&mut first, &xz[..cut]).await.unwrap();
        drop(first);

        let mut second = Intake::begin(spec(dir.path())).await.unwrap();
        let (at, validator) = second.position();
        assert!(at as usize <= cut);
        assert_eq!(validator, (at > 0).then(|| version(xz.len())).flatten());
        if at == 0 {
            second
                .expect(Some(xz.len() as u64), version(xz.len()))
                .await
                .unwrap();
        }
        push(&mut second, &xz[at as usize..]).await.unwrap();
        let sealed = second.finish().await.unwrap();
        assert_eq!(sealed.download.sha256, sha256(&xz), "cut at {cut}");
        assert_eq!(sealed.unpacked.unwrap().sha256, sha256(&raw));
    }
}

#[tokio::test]
async fn bytes_of_another_version_are_not_mixed_in() {
    let dir = tempfile::tempdir().unwrap();
    let (_, xz) = disk();
    let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
    intake
        .expect(Some(xz.len() as u64), version(xz.len()))
        .await
        .unwrap();
    push(&mut intake, &xz[..1000]).await.unwrap();
    let other = Some(Validator {
        value: "\"v2\"".into(),
        total: Some(xz.len() as u64),
    });
    let refused = intake.expect(Some(xz.len() as u64), other).await;
    assert!(refused.unwrap_err().to_string().contains("another version"));
}

/// The process that the next test kills: takes in most of a raw image, so that it
/// stops within a hole, and waits.
#[tokio::test]
#[ignore = "only as the child of another test"]
async fn child_that_is_killed() {
    let Some(dir) = std::env::var_os("INTAKE_TEST_DIR") else {
        return;
    };
    let (raw, _) = disk();
    let mut intake = Intake::begin(plain(Path::new(&dir), "a.raw", ContentKind::Gpt))
        .await
        .unwrap();
    let total = Some(raw.len() as u64);
    intake.expect(total, version(raw.len())).await.unwrap();
    push(&mut intake, &raw[..2 << 20]).await.unwrap();
    // Noted when nothing has come for a moment.
    let record = Path::new(&dir).join(".a.raw.part.json");
    while !fs::read_to_string(&record).is_ok_and(|text| text.contains("2097152")) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    println!("stored");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_process_leaves_what_the_next_one_takes_up() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "io::flow::intake::tests::child_that_is_killed"])
        .args(["--ignored", "--nocapture"])
        .env("INTAKE_TEST_DIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let stored = output.lines().any(|line| line.unwrap().ends_with("stored"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(stored);
    assert_eq!(names(dir.path()), [".a.raw.part", ".a.raw.part.json"]);

    let (raw, _) = disk();
    let mut intake = Intake::begin(plain(dir.path(), "a.raw", ContentKind::Gpt))
        .await
        .unwrap();
    // The hole at the end was not in the file's length yet, but it is known of.
    let (at, _) = intake.position();
    assert_eq!(at, 2 << 20);
    push(&mut intake, &raw[at as usize..]).await.unwrap();
    let sealed = intake.finish().await.unwrap();
    assert_eq!(sealed.download.sha256, sha256(&raw));
    publish(sealed);
    assert!(fs::read(dir.path().join("a.raw")).unwrap() == raw);
}
