//! Compressed data: what comes out depends on the bytes alone, is what the libraries
//! make of them, and no part of it passes for the whole.

use std::io::{BufReader, Read};

use sha2::Digest as _;

use super::repair;
use crate::io::codec::{self, Chunk};
use crate::model::{Codec, Sha256};

/// The most that a decoder may make of one input before a target loses interest:
/// bombs have a test of their own.
const DECODED_MAX: u64 = 64 << 20;

/// Data in the format of xz.
pub(super) fn xz(bytes: &[u8]) {
    feed(Codec::Xz, bytes);
}

/// Data in the format of xz whose sums are right wherever that can be.
pub(super) fn xz_sums(bytes: &[u8]) {
    let Some((&cut, packed)) = bytes.split_first() else {
        return;
    };
    let packed = repair::xz(packed);
    let content = decode(Codec::Xz, cut, &packed);
    // The other way round as well: nothing is refused that the library can read.
    let expected = by_library(Codec::Xz, &packed);
    if expected.as_ref().map_or(0, |content| content.length) < DECODED_MAX {
        assert_eq!(content, expected);
    }
}

/// Data in the format of gzip.
pub(super) fn gzip(bytes: &[u8]) {
    feed(Codec::Gzip, bytes);
}

/// Data in the format of zstd.
pub(super) fn zstd(bytes: &[u8]) {
    feed(Codec::Zstd, bytes);
}

/// The first byte says how the rest is cut.
fn feed(codec: Codec, bytes: &[u8]) {
    if let Some((&cut, packed)) = bytes.split_first() {
        decode(codec, cut, packed);
    }
}

/// Decodes twice, with the input cut at different places: what comes out may not
/// depend on that.
fn decode(codec: Codec, cut: u8, packed: &[u8]) -> Option<Content> {
    let whole = decoded(codec, packed, packed.len().max(1));
    let pieces = decoded(codec, packed, usize::from(cut).max(1));
    if whole.as_ref().map_or(0, |content| content.length) >= DECODED_MAX {
        return None;
    }
    assert_eq!(whole, pieces);
    if let Some(content) = &whole {
        assert_eq!(by_library(codec, packed).as_ref(), Some(content));
        part(
            codec,
            packed,
            usize::from(cut) * packed.len() / 256,
            content,
        );
    }
    whole
}

/// A part that decodes ends where one of several streams does, and so does the rest.
fn part(codec: Codec, packed: &[u8], cut: usize, whole: &Content) {
    let (part, rest) = packed.split_at(cut);
    let Some(content) = decoded(codec, part, packed.len()) else {
        return;
    };
    // Between two streams of xz there may be zeros.
    let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
    let rest = decoded(codec, &rest[zeros..], packed.len());
    let length = content.length + rest.map_or(0, |rest| rest.length);
    assert_eq!(length, whole.length, "with {cut} bytes of {}", packed.len());
}

/// What came out of a decoder.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    length: u64,
    data: Sha256,
}

/// Content in the making.
#[derive(Default)]
struct Contents {
    length: u64,
    hasher: sha2::Sha256,
}

impl Contents {
    fn data(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    fn zeros(&mut self, count: u64) {
        self.length += count;
        let mut left = count.min(DECODED_MAX);
        while left > 0 {
            let now = left.min(1 << 16);
            self.hasher.update(&[0; 1 << 16][..now as usize]);
            left -= now;
        }
    }

    fn finish(self) -> Content {
        Content {
            length: self.length,
            data: Sha256::from_bytes(self.hasher.finalize().into()),
        }
    }
}

fn decoded(codec: Codec, packed: &[u8], cut: usize) -> Option<Content> {
    let (mut decoder, decoded) = codec::decoder(codec, 1 << 20).expect("a decoder");
    std::thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            let mut contents = Contents::default();
            for chunk in decoded {
                match chunk.ok()? {
                    Chunk::Data(bytes) => contents.data(&bytes),
                    Chunk::Zeros(count) => contents.zeros(count),
                }
                if contents.length > DECODED_MAX {
                    break;
                }
            }
            Some(contents.finish())
        });
        let pushed = packed
            .chunks(cut)
            .try_for_each(|piece| decoder.push(piece))
            .and_then(|()| decoder.finish());
        let content = consumer.join().expect("no panic in the consumer")?;
        (pushed.is_ok() || content.length > DECODED_MAX).then_some(content)
    })
}

/// What the library for a format makes of it by itself.
fn by_library(codec: Codec, packed: &[u8]) -> Option<Content> {
    use xz2::stream::{CONCATENATED, Stream, TELL_UNSUPPORTED_CHECK};
    match codec {
        Codec::Xz => {
            // As much memory as the decoder is given.
            let flags = CONCATENATED | TELL_UNSUPPORTED_CHECK;
            let stream = Stream::new_stream_decoder(80 << 20, flags).expect("a decoder");
            drain(xz2::bufread::XzDecoder::new_stream(packed, stream))
        }
        Codec::Gzip => drain(flate2::bufread::MultiGzDecoder::new(packed)),
        Codec::Zstd => {
            // Of a frame that is there as a whole the library reads other faults.
            let pieces = BufReader::with_capacity(4, packed);
            let mut decoder = ::zstd::Decoder::with_buffer(pieces).expect("a decoder");
            decoder.window_log_max(27).expect("a limit");
            drain(decoder)
        }
    }
}

fn drain(mut reader: impl Read) -> Option<Content> {
    let mut contents = Contents::default();
    let mut buffer = vec![0; 64 << 10];
    while contents.length <= DECODED_MAX {
        match reader.read(&mut buffer).ok()? {
            0 => break,
            count => contents.data(&buffer[..count]),
        }
    }
    Some(contents.finish())
}
