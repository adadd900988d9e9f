//! The decoders from outside, each against the real tool where that is installed.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::model::Codec;

/// Decodes by pushing pieces of the given length; the error of the consuming end
/// counts more, as it does in real use.
pub(crate) fn decode(codec: Codec, packed: &[u8], cut: usize) -> Result<Vec<u8>, DecodeError> {
    let (mut decoder, decoded) = decoder(codec, BUFFERED).unwrap();
    std::thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            let mut content = Vec::new();
            for chunk in decoded {
                match chunk? {
                    Chunk::Data(bytes) => content.extend(bytes),
                    Chunk::Zeros(count) => content.resize(content.len() + count as usize, 0),
                }
            }
            Ok(content)
        });
        let pushed = packed
            .chunks(cut)
            .try_for_each(|piece| decoder.push(piece))
            .and_then(|()| decoder.finish());
        match (pushed, consumer.join().unwrap()) {
            (Ok(()), content) => content,
            (Err(DecodeError::Closed), Err(behind)) => Err(behind),
            (Err(error), behind) => {
                assert!(behind.is_err(), "the consumer took a broken end for an end");
                Err(error)
            }
        }
    })
}

/// Runs a program as a filter; `None` if it is not installed.
pub(crate) fn filter(command: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}");
    Some(output.stdout)
}

/// Something with the shape of a disk image: a little noise between many zeros.
pub(crate) fn image(mebibytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut content = vec![0; mebibytes << 20];
    for block in content.chunks_mut(1 << 20).step_by(5) {
        random.fill(&mut block[1000..400_000]);
    }
    content
}

/// Every strict prefix of these lengths is refused as truncated.
pub(crate) fn refuses_prefixes(codec: Codec, packed: &[u8], lengths: impl Iterator<Item = usize>) {
    for length in lengths {
        let error = decode(codec, &packed[..length], 4096).expect_err("a prefix");
        assert!(
            matches!(error, DecodeError::Truncated { .. }),
            "{length} of {}: {error}",
            packed.len()
        );
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_real_tools_output_decodes() {
    let content = image(3);
    let tools: [(&[&str], Codec); 4] = [
        (&["gzip", "-1"], Codec::Gzip),
        (&["zstd", "-3"], Codec::Zstd),
        (&["zstd", "--fast", "--no-check"], Codec::Zstd),
        (&["xz", "-0"], Codec::Xz),
    ];
    for (command, codec) in tools {
        if let Some(packed) = filter(command, &content) {
            assert!(decode(codec, &packed, 10_007).unwrap() == content);
        }
    }
}

#[test]
fn several_members_and_frames_are_one_content() {
    for (codec, pack) in [
        (Codec::Gzip, gzip as fn(&[u8]) -> Vec<u8>),
        (Codec::Zstd, zstd),
    ] {
        let mut packed = pack(b"one, ");
        packed.extend(pack(b""));
        packed.extend(pack(&[0; 5000]));
        for cut in [1, 7, 10_000] {
            let content = decode(codec, &packed, cut).unwrap();
            assert_eq!(&content[..5], b"one, ");
            assert_eq!(&content[5..], [0; 5000]);
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    for (codec, packed) in [
        (Codec::Gzip, gzip(b"some content")),
        (Codec::Zstd, zstd(b"some content")),
    ] {
        refuses_prefixes(codec, &packed, 0..packed.len());
        // The same in the second part: the end of the first is not taken for all.
        let first = packed.len();
        let both = [&packed[..], &packed].concat();
        refuses_prefixes(codec, &both, first + 1..both.len());
    }
}

#[test]
fn trailing_garbage_and_flipped_bits_are_errors() {
    for (codec, packed) in [
        (Codec::Gzip, gzip(b"some content")),
        (Codec::Zstd, zstd(b"some content")),
    ] {
        let tail = [&packed[..], b"tail"].concat();
        let error = decode(codec, &tail, 1000).unwrap_err();
        assert!(
            matches!(error, DecodeError::TrailingGarbage { at, .. } if at == packed.len() as u64),
            "{error}"
        );
        let mut flipped = packed.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        let error = decode(codec, &flipped, 1000).unwrap_err();
        assert!(matches!(error, DecodeError::Corrupt { .. }), "{error}");
        assert!(!error.is_transient());
    }
}

#[test]
fn no_format_of_zstd_before_its_first_release_is_read() {
    // A frame of version 0.6, whole and behind a byte that begins any other frame.
    let old = b"\x26\xb5\x2f\xfd\xc6\xc6\0\0\0\0\0\x13\xc6\xc6\xc6\x2f";
    for packed in [&old[..], &[&b"\x28"[..], old].concat()] {
        for cut in [1, 1000] {
            decode(Codec::Zstd, packed, cut).unwrap_err();
        }
    }
}

#[test]
fn all_optional_fields_of_a_gzip_header_are_passed_over() {
    let plain = gzip(b"content");
    let mut packed = plain[..10].to_vec();
    packed[3] = 0x1e;
    packed.extend_from_slice(&[3, 0, b'x', b'y', b'z']);
    packed.extend_from_slice(b"name\0comment\0");
    let mut sum = flate2::Crc::new();
    sum.update(&packed);
    packed.extend_from_slice(&(sum.sum() as u16).to_le_bytes());
    let header = packed.len();
    packed.extend_from_slice(&plain[10..]);
    for cut in [1, 3, 1000] {
        assert_eq!(decode(Codec::Gzip, &packed, cut).unwrap(), b"content");
    }
    refuses_prefixes(Codec::Gzip, &packed, 0..packed.len());
    // A header that does not have its checksum is refused.
    for at in 10..header {
        let mut flipped = packed.clone();
        flipped[at] ^= 1;
        decode(Codec::Gzip, &flipped, 1000).unwrap_err();
    }
    packed[header - 1] ^= 1;
    let error = decode(Codec::Gzip, &packed, 1000).unwrap_err().to_string();
    assert!(error.ends_with("header crc mismatch"), "{error}");
}

#[test]
fn zeros_behind_gzip_are_refused_like_any_other_bytes() {
    let packed = gzip(b"content");
    let padded = [&packed[..], &[0; 512]].concat();
    for cut in [1, packed.len(), 10_000] {
        let error = decode(Codec::Gzip, &padded, cut).unwrap_err();
        assert!(
            matches!(error, DecodeError::TrailingGarbage { at, .. } if at == packed.len() as u64),
            "{error}"
        );
    }
}

#[test]
fn a_consumer_that_goes_away_does_not_leave_the_pusher_waiting() {
    let packed = zstd(&vec![0x55; BUFFERED + (8 << 20)]);
    let (mut decoder, mut decoded) = decoder(Codec::Zstd, BUFFERED).unwrap();
    let pusher = std::thread::spawn(move || decoder.push(&packed));
    decoded.next().unwrap().unwrap();
    drop(decoded);
    assert!(matches!(pusher.join().unwrap(), Err(DecodeError::Closed)));
}
