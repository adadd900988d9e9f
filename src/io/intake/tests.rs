//! The intake on real files: what arrives, what is refused, what survives.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::io::container::tables;
use crate::io::decode::tests::image;
use crate::io::hash::Hasher;
use crate::io::partial::{Mark, Partial};

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
        kind: Kind::Xz,
        unpack: Some(Unpack {
            codec: crate::model::Codec::Xz,
            name: "a.raw".into(),
            kind: Kind::Gpt,
            buffered: crate::io::decode::BUFFERED,
            max: 1 << 30,
            is_kept: true,
        }),
        max: 1 << 30,
        promises: Vec::new(),
        meter: Arc::default(),
    }
}

fn plain(dir: &Path, name: &str, kind: Kind) -> Spec {
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
async fn transfer(spec: Spec, bytes: &[u8]) -> Result<Sealed, LandingError> {
    let mut intake = Intake::begin(spec).await?;
    intake
        .expect(Some(bytes.len() as u64), version(bytes.len()))
        .await
        .unwrap();
    // A refusal on the way is the error of `finish`, too.
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
    assert_eq!(sealed.download.sha256(), sha256(&xz));
    let unpacked = sealed.unpacked.as_ref().unwrap();
    assert_eq!(unpacked.sha256(), sha256(&raw));
    assert_eq!(unpacked.size(), raw.len() as u64);
    assert!(names(dir.path()).iter().all(|name| name.starts_with('.')));
    let mtime = unpacked.mtime_ns();

    publish(sealed);
    assert!(fs::read(dir.path().join("a.raw")).unwrap() == raw);
    assert!(fs::read(dir.path().join("a.raw.xz")).unwrap() == xz);
    let metadata = fs::metadata(dir.path().join("a.raw")).unwrap();
    assert!(metadata.blocks() * 512 < 1 << 20, "not sparse");
    assert_eq!(crate::io::landing::mtime_ns(&metadata), mtime);
    assert_eq!(meter.read(), (xz.len() as u64, Some(xz.len() as u64)));
}

#[tokio::test]
async fn images_that_are_not_packed_arrive_sparsely() {
    let dir = tempfile::tempdir().unwrap();
    let (mut raw, _) = disk();
    // Padding is no fault, and no whole block either.
    raw.resize(raw.len() + 5000, 0);
    let sealed = transfer(plain(dir.path(), "a.raw", Kind::Gpt), &raw)
        .await
        .unwrap();
    assert_eq!(sealed.download.sha256(), sha256(&raw));
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
            "a.raw.xz is an HTML or XML page; expected is xz",
        ),
        ("a.raw.xz", &long_html, "a.raw.xz is an HTML or XML page"),
        ("a.raw.xz", b"", "a.raw.xz is an empty file"),
        ("a.raw.xz", b"\xfd7z", "a.raw.xz is data of an unknown kind"),
        ("a.raw.xz", &xz[..xz.len() - 8], "the xz data end after"),
        ("a.raw.xz", &corrupt, "the xz data are corrupt"),
        (
            "a.raw.xz",
            &no_disk,
            "a.raw is plain text; expected is a disk image",
        ),
        ("a.iso", &raw, "a.iso is a disk image with a GPT"),
        ("a.raw", &xz, "a.raw is xz-compressed data"),
    ];
    for (name, bytes, message) in cases {
        let dir = tempfile::tempdir().unwrap();
        let spec = match name {
            "a.iso" => plain(dir.path(), name, Kind::Iso),
            "a.raw" => plain(dir.path(), name, Kind::Gpt),
            _ => spec(dir.path()),
        };
        let error = transfer(spec, bytes).await.unwrap_err();
        assert!(gist(&error).contains(message), "{}", gist(&error));
        assert_eq!(names(dir.path()), [""; 0], "after: {message}");
    }
}

/// A disk whose partition table says that it ends, with many zeros behind.
fn bomb(codec: crate::model::Codec) -> Vec<u8> {
    use crate::model::Codec;
    let (mut raw, _) = disk();
    raw.resize(raw.len() + (80 << 20), 0);
    let mut packed = Vec::new();
    match codec {
        Codec::Xz => {
            let mut reader = xz2::bufread::XzEncoder::new(&raw[..], 0);
            io::Read::read_to_end(&mut reader, &mut packed).unwrap();
        }
        Codec::Zstd => packed = ::zstd::encode_all(&raw[..], 1).unwrap(),
        Codec::Gzip => {
            let mut reader = flate2::bufread::GzEncoder::new(&raw[..], flate2::Compression::fast());
            io::Read::read_to_end(&mut reader, &mut packed).unwrap();
        }
    }
    packed
}

/// What is too long is stopped on the way, whoever says how long it may be.
#[tokio::test]
async fn nothing_goes_on_for_longer_than_it_may() {
    use crate::model::Codec;
    let behind = "is longer than 70254592 bytes, though the disk that its partition table";
    for (codec, kind) in [
        (Codec::Xz, Kind::Xz),
        (Codec::Zstd, Kind::Zstd),
        (Codec::Gzip, Kind::Gzip),
    ] {
        let packed = bomb(codec);
        let small = "is longer than 2097152 bytes, the most that `limits.image_size` allows";
        for (is_kept, max, message) in [
            (true, 2 << 20, small),
            (false, 2 << 20, small),
            (codec == Codec::Xz, 1 << 30, behind),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut spec = spec(dir.path());
            spec.kind = kind;
            let unpack = spec.unpack.as_mut().unwrap();
            (unpack.codec, unpack.max, unpack.is_kept) = (codec, max, is_kept);
            let error = transfer(spec, &packed).await.unwrap_err();
            assert!(
                gist(&error).contains(message),
                "{codec:?}: {}",
                gist(&error)
            );
            assert!(!error.is_transient());
            assert_eq!(names(dir.path()), [""; 0], "{codec:?}");
        }
    }
    // The download itself, with and without a length.
    let (raw, _) = disk();
    for announced in [None, Some(raw.len() as u64)] {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = plain(dir.path(), "a.raw", Kind::Gpt);
        spec.max = 1 << 20;
        let mut intake = Intake::begin(spec).await.unwrap();
        let refused = match intake.expect(announced, None).await {
            Ok(()) => push(&mut intake, &raw).await.and(
                // Taken when it is clear what became of everything before it.
                intake.expect(None, None).await,
            ),
            refused => refused,
        };
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("is longer than 1048576 bytes"), "{text}");
        drop(intake.finish().await);
        assert_eq!(names(dir.path()), [""; 0]);
    }
    // More than was announced.
    let dir = tempfile::tempdir().unwrap();
    let mut intake = Intake::begin(plain(dir.path(), "a.raw", Kind::Gpt))
        .await
        .unwrap();
    let total = raw.len() as u64;
    intake
        .expect(Some(total), version(raw.len()))
        .await
        .unwrap();
    push(&mut intake, &raw).await.unwrap();
    let _ = push(&mut intake, &[1]).await;
    let error = intake.finish().await.unwrap_err();
    assert!(
        error.to_string().contains("which were announced"),
        "{error}"
    );
    assert_eq!(names(dir.path()), [""; 0]);
}

/// What stopped a download that can be recognised later is on the disk, and that is
/// noted; of another nothing is of use.
#[tokio::test]
async fn what_is_left_is_confirmed_by_the_disk() {
    let (_, xz) = disk();
    for validator in [None, version(xz.len())] {
        let dir = tempfile::tempdir().unwrap();
        let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
        let is_known = validator.is_some();
        intake.expect(None, validator).await.unwrap();
        push(&mut intake, &xz[..50_000]).await.unwrap();
        // Answered when everything before it was taken.
        intake.expect(None, None).await.unwrap();
        drop(intake);
        // The next one waits until the thread behind it lets go of the file.
        let next = Intake::begin(spec(dir.path())).await.unwrap();
        assert_eq!(next.position().0, if is_known { 50_000 } else { 0 });
        let record = Partial::load(dir.path(), "a.raw.xz");
        let confirmed = record.and_then(|record| record.synced);
        assert_eq!(confirmed, is_known.then(|| mark(&xz[..50_000])));
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
    assert!(matches!(error, LandingError::Length { .. }), "{error}");
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
        Some(LandingError::WrongContent {
            found: Kind::Html,
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
    assert_eq!(sealed.unpacked.unwrap().sha256(), sha256(&raw));
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
        assert_eq!(sealed.download.sha256(), sha256(&xz), "cut at {cut}");
        assert_eq!(sealed.unpacked.unwrap().sha256(), sha256(&raw));
    }
}

/// Leaves a partial download of known content with the record given.
fn leave(dir: &Path, bytes: &[u8], change: impl FnOnce(&mut Partial)) {
    let mut record = Partial::new(URL, &version(1 << 20).unwrap(), Some(1 << 20));
    record.written = Some(mark(bytes));
    change(&mut record);
    fs::write(dir.join(".a.raw.xz.part"), bytes).unwrap();
    let text = serde_json::to_vec(&record).unwrap();
    fs::write(dir.join(".a.raw.xz.part.json"), text).unwrap();
}

fn mark(bytes: &[u8]) -> Mark {
    Mark {
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
    }
}

#[tokio::test]
async fn a_partial_file_is_taken_up_only_if_all_of_it_fits() {
    let (_, xz) = disk();
    let half = &xz[..xz.len() / 2];
    let position = async |bytes: &[u8], change: &dyn Fn(&mut Partial)| {
        let dir = tempfile::tempdir().unwrap();
        leave(dir.path(), bytes, change);
        let intake = Intake::begin(spec(dir.path())).await.unwrap();
        intake.position().0
    };
    let mut corrupt = half.to_vec();
    corrupt[20] ^= 1;
    // Its digest is right, and it is no xz.
    let broken = mark(&corrupt);
    // The middle was lost in a power failure: the length is right, and the bytes up
    // to where the disk had confirmed them.
    let confirmed = mark(&half[..10_000]);
    let mut lost = half.to_vec();
    lost[12_000..14_000].fill(0);
    let mut longer = half.to_vec();
    longer.extend([0; 5000]);

    let all = half.len() as u64;
    let whole = Some(mark(half));
    type Change<'a> = &'a dyn Fn(&mut Partial);
    let cases: [(&str, &[u8], Change<'_>, u64); 14] = [
        ("all fits", half, &|_| {}, all),
        ("another boot", half, &|record| record.boot.clear(), all),
        ("another url", half, &|record| record.url.push('x'), 0),
        (
            "a smaller total",
            half,
            &|record| record.total = Some(10),
            0,
        ),
        ("no mark", half, &|record| record.written = None, 0),
        ("corrupt", &corrupt, &|record| record.written = whole, 0),
        (
            "no xz",
            &corrupt,
            &|record| record.written = Some(broken),
            0,
        ),
        ("a page", b"<html>not found</html>", &|_| {}, 0),
        ("lost", &lost, &|record| record.written = whole, 0),
        (
            "lost behind what was confirmed",
            &lost,
            &|record| {
                record.written = whole;
                record.synced = Some(confirmed);
            },
            10_000,
        ),
        (
            "nothing lost",
            half,
            &|record| record.synced = Some(confirmed),
            all,
        ),
        (
            "longer than noted",
            &longer,
            &|record| record.written = whole,
            all,
        ),
        (
            "shorter than noted",
            &half[..20_000],
            &|record| {
                record.written = whole;
                record.synced = Some(confirmed);
            },
            10_000,
        ),
        (
            "shorter than confirmed",
            &half[..5000],
            &|record| {
                record.written = Some(confirmed);
                record.synced = Some(confirmed);
            },
            0,
        ),
    ];
    for (what, bytes, change, expected) in cases {
        assert_eq!(position(bytes, change).await, expected, "{what}");
    }

    // Without any record there is nothing to compare with.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".a.raw.xz.part"), half).unwrap();
    let intake = Intake::begin(spec(dir.path())).await.unwrap();
    assert_eq!(intake.position(), (0, None));
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
    let mut intake = Intake::begin(plain(Path::new(&dir), "a.raw", Kind::Gpt))
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
        .args(["--exact", "io::intake::tests::child_that_is_killed"])
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
    let mut intake = Intake::begin(plain(dir.path(), "a.raw", Kind::Gpt))
        .await
        .unwrap();
    // The hole at the end was not in the file's length yet, but it is known of.
    let (at, _) = intake.position();
    assert_eq!(at, 2 << 20);
    push(&mut intake, &raw[at as usize..]).await.unwrap();
    let sealed = intake.finish().await.unwrap();
    assert_eq!(sealed.download.sha256(), sha256(&raw));
    publish(sealed);
    assert!(fs::read(dir.path().join("a.raw")).unwrap() == raw);
}
