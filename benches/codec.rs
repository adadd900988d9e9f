//! How fast an image is unpacked.
//!
//! Run with `cargo bench --bench codec`. The image has the shape of a Talos one: four per
//! cent of it are incompressible, the rest are zeros.

use std::hint::black_box;
use std::io::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use talos_order::model::Codec;
use talos_order::testing::{BUFFERED, Chunk, decoder};
use xz2::stream::{Check, MtStreamBuilder, Stream};

const MEBIBYTES: usize = 256;

/// How much a read from the network gives, in bytes.
const PIECE: usize = 64 << 10;

fn image() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut image = vec![0; MEBIBYTES << 20];
    random.fill(&mut image[1 << 20..(1 + MEBIBYTES / 25) << 20]);
    image
}

fn xz(image: &[u8], encoder: Stream) -> Vec<u8> {
    let mut encoder = xz2::write::XzEncoder::new_stream(Vec::new(), encoder);
    encoder.write_all(image).expect("memory");
    encoder.finish().expect("memory")
}

fn packed(image: &[u8]) -> [(&'static str, Codec, Vec<u8>); 4] {
    let mut threaded = MtStreamBuilder::new();
    threaded.threads(2).preset(0).check(Check::Crc64);
    let threaded = threaded.encoder().expect("an encoder");
    let plain = Stream::new_easy_encoder(0, Check::Crc64).expect("an encoder");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(image).expect("memory");
    let zstd = zstd::encode_all(image, 3).expect("memory");
    [
        ("xz -0 -T2", Codec::Xz, xz(image, threaded)),
        ("xz -0 -T1", Codec::Xz, xz(image, plain)),
        ("zstd -3", Codec::Zstd, zstd),
        ("gzip -1", Codec::Gzip, gzip.finish().expect("memory")),
    ]
}

/// The length of what a decoder makes of it.
fn unpack(codec: Codec, packed: &[u8]) -> u64 {
    let (mut decoder, decoded) = decoder(codec, BUFFERED).expect("a decoder");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in packed.chunks(PIECE) {
                decoder.push(piece).expect("right data");
            }
            decoder.finish().expect("whole data");
        });
        let lengths = decoded.map(|chunk| match chunk.expect("right data") {
            Chunk::Data(bytes) => bytes.len() as u64,
            Chunk::Zeros(count) => count,
        });
        lengths.sum()
    })
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.sample_size(10);
    group.throughput(Throughput::Bytes((MEBIBYTES as u64) << 20));
    for (name, codec, packed) in packed(&image()) {
        assert_eq!(unpack(codec, &packed), (MEBIBYTES as u64) << 20);
        group.bench_function(name, |bench| {
            bench.iter(|| unpack(codec, black_box(&packed)));
        });
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
