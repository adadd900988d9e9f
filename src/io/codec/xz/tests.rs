//! The splitter against liblzma's own encoder and, where installed, the xz tool.

use std::io::Write;

use proptest::prelude::*;
use xz2::stream::{Action, Check, Filters, LzmaOptions, MtStreamBuilder, Status, Stream};
use xz2::write::XzEncoder;

use crate::io::codec::DecodeError;
use crate::io::codec::tests::{decode, filter, image, refuses_prefixes};
use crate::model::Codec;

fn xz(content: &[u8], stream: Stream) -> Vec<u8> {
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// One stream of many blocks with sizes, as the threaded encoder makes it.
fn blocks(content: &[u8], size: u64, check: Check) -> Vec<u8> {
    let stream = MtStreamBuilder::new()
        .threads(2)
        .block_size(size)
        .preset(0)
        .check(check)
        .encoder()
        .unwrap();
    xz(content, stream)
}

/// One block without sizes.
fn single(content: &[u8], check: Check) -> Vec<u8> {
    xz(content, Stream::new_easy_encoder(0, check).unwrap())
}

/// Several blocks without sizes, which only flushing the plain encoder gives.
fn flushed(pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = Stream::new_easy_encoder(0, Check::Crc64).unwrap();
    let mut packed = Vec::with_capacity(1 << 20);
    for piece in pieces {
        let start = stream.total_in();
        while stream.total_in() - start < piece.len() as u64 {
            let rest = &piece[(stream.total_in() - start) as usize..];
            stream.process_vec(rest, &mut packed, Action::Run).unwrap();
        }
        while stream
            .process_vec(&[], &mut packed, Action::FullFlush)
            .unwrap()
            != Status::StreamEnd
        {}
    }
    while stream
        .process_vec(&[], &mut packed, Action::Finish)
        .unwrap()
        != Status::StreamEnd
    {}
    packed
}

fn unxz(packed: &[u8], cut: usize) -> Result<Vec<u8>, DecodeError> {
    decode(Codec::Xz, packed, cut)
}

#[test]
fn what_the_real_tool_makes_decodes() {
    let content = image(4);
    let encoders: [&[&str]; 7] = [
        &["xz", "-0", "-T2"],
        &["xz", "-0", "-T2", "--block-size=100000", "--check=sha256"],
        &["xz", "-0", "-T1"],
        &["xz", "-0", "-T1", "--block-size=1000000", "--check=crc32"],
        &["xz", "-9", "-T1", "--check=none"],
        &["xz", "-T2", "--x86", "--lzma2=preset=0"],
        &["xz", "-T1", "--delta=dist=4", "--lzma2=preset=0"],
    ];
    for encoder in encoders {
        if let Some(packed) = filter(encoder, &content) {
            assert!(unxz(&packed, 65_536).unwrap() == content, "{encoder:?}");
        }
    }
}

#[test]
fn streams_and_padding_follow_each_other() {
    let parts = [
        blocks(&image(3), 1 << 20, Check::Crc64),
        vec![0; 8],
        single(b"middle", Check::Crc32),
        single(b"", Check::Sha256),
        blocks(b"end", 1 << 20, Check::None),
        vec![0; 4],
    ];
    let packed = parts.concat();
    let content = [&image(3)[..], b"middleend"].concat();
    for cut in [1, 13, 1 << 20] {
        assert!(unxz(&packed, cut).unwrap() == content);
    }
}

#[test]
fn blocks_without_sizes_are_told_apart() {
    let noise = &image(1)[..300_000];
    let packed = flushed(&[noise, &[0; 70_000], b"tail"]);
    let content = [noise, &[0; 70_000], b"tail"].concat();
    for cut in [1, 4096, 1 << 20] {
        assert!(unxz(&packed, cut).unwrap() == content);
    }
}

#[test]
fn a_block_that_is_too_large_to_hold_is_streamed() {
    let content = image(41);
    let packed = blocks(&content, 40 << 20, Check::Crc64);
    assert!(unxz(&packed, 1 << 16).unwrap() == content);
    refuses_prefixes(Codec::Xz, &packed, [30, packed.len() / 2].into_iter());
    // The last byte of the check of its only block, before index and footer.
    let mut packed = blocks(&image(40), 40 << 20, Check::Crc64);
    let check = packed.len() - 12 - 16 - 1;
    packed[check] ^= 1;
    let error = unxz(&packed, 1 << 20).unwrap_err();
    assert!(matches!(error, DecodeError::Corrupt { .. }), "{error}");
}

#[test]
fn a_block_without_its_size_behind_one_with_it_is_refused_by_name() {
    let sized = blocks(b"one", 1 << 20, Check::Crc64);
    let block = 12..sized.len() - 12 - 8;
    let unsized_stream = single(b"two", Check::Crc64);
    let mixed = [&sized[..block.end], &unsized_stream[12..]].concat();
    let error = unxz(&mixed, 1000).unwrap_err();
    assert!(matches!(error, DecodeError::Unsupported { .. }), "{error}");
}

#[test]
fn every_truncation_is_an_error() {
    let small = [&[0; 600][..], b"something else"].concat();
    let stream = blocks(&small, 300, Check::Crc64);
    let packed = [&stream[..], &[0; 4], &single(b"more", Check::Crc32)].concat();
    // Whole after the first stream and after its padding; nowhere else.
    let whole = [stream.len(), stream.len() + 4];
    let cuts = (0..packed.len()).filter(|cut| !whole.contains(cut));
    refuses_prefixes(Codec::Xz, &packed, cuts);
    for cut in whole {
        assert_eq!(unxz(&packed[..cut], 100).unwrap(), small);
    }
}

#[test]
fn no_flipped_bit_changes_the_content() {
    let small = [&[0; 600][..], b"something else"].concat();
    for packed in [
        blocks(&small, 300, Check::Crc64),
        single(&small, Check::Crc32),
    ] {
        for at in 0..packed.len() {
            for bit in [0x01, 0x80] {
                let mut flipped = packed.clone();
                flipped[at] ^= bit;
                // Some literal-coding parameters make no difference for this
                // content; xz itself accepts those flips too.
                let other = unxz(&flipped, 50).is_ok_and(|content| content != small);
                assert!(!other, "byte {at}, bit {bit:#x}");
            }
        }
    }
}

#[test]
fn garbage_before_between_and_after_is_an_error() {
    let packed = single(b"content", Check::Crc64);
    let at = packed.len() as u64;
    for tail in [&b"garbage"[..], b"\0\0\0garbage", b"\0\0\0\0\xfe"] {
        let error = unxz(&[&packed[..], tail].concat(), 100).unwrap_err();
        assert!(
            matches!(error, DecodeError::TrailingGarbage { at: found, .. } if found >= at),
            "{error}"
        );
    }
    // Padding comes in fours, at the end too.
    assert!(unxz(&[&packed[..], b"\0\0\0"].concat(), 100).is_err());
    assert!(unxz(&[&b"\0\0\0\0"[..], &packed].concat(), 100).is_err());
}

#[test]
fn an_index_of_another_stream_is_refused() {
    // Equal in every length, so that only the records' comparison can tell.
    let one = blocks(&[&[7; 300][..], &[0; 200]].concat(), 300, Check::Crc64);
    let other = blocks(&[&[7; 300][..], &[0; 201]].concat(), 300, Check::Crc64);
    assert_eq!(one.len(), other.len());
    let tail = one.len() - 12 - 12;
    let mixed = [&one[..tail], &other[tail..]].concat();
    let error = unxz(&mixed, 1000).unwrap_err();
    assert!(error.to_string().contains("index"), "{error}");
}

#[test]
fn a_dictionary_beyond_the_limit_is_refused_by_name() {
    let mut options = LzmaOptions::new_preset(0).unwrap();
    options.dict_size(256 << 20);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc64).unwrap();
    let error = unxz(&xz(b"content", stream), 100).unwrap_err();
    assert!(matches!(error, DecodeError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("80 MiB"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// However content, blocks, checks and network pieces fall: what comes out is
    /// what liblzma's encoder took.
    #[test]
    fn decodes_what_liblzma_encoded(
        runs in prop::collection::vec((0_u8..3, 1_usize..60_000), 0..8),
        block in 4_096_u64..100_000,
        check in prop::sample::select(vec![Check::None, Check::Crc32, Check::Crc64, Check::Sha256]),
        sized in any::<bool>(),
        cut in prop_oneof![1_usize..40, 1_000_usize..200_000],
        seed in any::<u64>(),
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut content = Vec::new();
        for (kind, length) in runs {
            let start = content.len();
            content.resize(start + length, if kind == 1 { 0x61 } else { 0 });
            if kind == 2 {
                random.fill(&mut content[start..]);
            }
        }
        let packed = if sized {
            blocks(&content, block, check)
        } else {
            single(&content, check)
        };
        prop_assert!(unxz(&packed, cut).unwrap() == content);
    }
}
