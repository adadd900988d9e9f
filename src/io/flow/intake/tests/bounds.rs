//! What does not end, or unpacks to more than anybody wants.

use super::*;

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

/// What is too long is stopped before its end, whoever says how long it may be.
#[tokio::test]
async fn nothing_goes_on_for_longer_than_it_may() {
    use crate::model::Codec;
    let behind = "is longer than 70254592 bytes, though the disk that its partition table";
    for (codec, kind) in [
        (Codec::Xz, ContentKind::Xz),
        (Codec::Zstd, ContentKind::Zstd),
        (Codec::Gzip, ContentKind::Gzip),
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
        let mut spec = plain(dir.path(), "a.raw", ContentKind::Gpt);
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
    let mut intake = Intake::begin(plain(dir.path(), "a.raw", ContentKind::Gpt))
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
    assert!(error.to_string().contains("as announced"), "{error}");
    assert_eq!(names(dir.path()), [""; 0]);
}
