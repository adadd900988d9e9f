//! How fast an image comes in, measured by hand and not on every run:
//!
//! ```text
//! CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo test --lib timing -- --ignored --nocapture
//! ```
//!
//! The image has the shape of a Talos one: 1 GiB, four per cent of it
//! incompressible, the rest zeros.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::io::codec::decode::{Chunk, decoder};
use crate::io::file::sparse::SparseWriter;
use crate::io::flow::Sink;
use crate::io::flow::intake::{Intake, Spec};
use crate::io::flow::unpack::Unpack;
use crate::io::image::magic::Kind;
use crate::model::Codec;

const MEBIBYTES: usize = 1024;

fn make_image(path: &Path) {
    let mut random = fastrand::Rng::with_seed(1);
    let mut writer = SparseWriter::append_to(File::create(path).unwrap()).unwrap();
    let (start, end) = crate::io::image::container::tables(MEBIBYTES << 20);
    let mut block = vec![0; 1 << 20];
    block[..start.len()].copy_from_slice(&start);
    writer.write(&block).unwrap();
    for number in 1..MEBIBYTES - 1 {
        if (100..141).contains(&number) {
            random.fill(&mut block);
            writer.write(&block).unwrap();
        } else {
            writer.skip(1 << 20);
        }
    }
    writer.skip((1 << 20) - end.len() as u64);
    writer.write(&end).unwrap();
    writer.finish().unwrap();
}

fn report(what: &str, took: Duration) {
    let rate = MEBIBYTES as f64 / took.as_secs_f64();
    println!("{what:40} {took:8.2?} {rate:8.0} MiB/s of image");
}

fn pack(command: &str, image: &Path, packed: &Path) {
    let line = format!("{command} < {} > {}", image.display(), packed.display());
    let status = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(status.success());
}

/// Peak memory of this process since the last call, in MiB (proc(5)).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kibibytes = line.split_whitespace().nth(1).unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    kibibytes.parse::<u64>().unwrap() >> 10
}

fn pieces(packed: &Path) -> impl Iterator<Item = Bytes> + use<> {
    let mut file = File::open(packed).unwrap();
    std::iter::from_fn(move || {
        let mut piece = vec![0; 64 << 10];
        let count = file.read(&mut piece).unwrap();
        piece.truncate(count);
        (count > 0).then(|| piece.into())
    })
}

fn decode_only(codec: Codec, packed: &Path) -> Duration {
    let pieces = pieces(packed);
    let start = Instant::now();
    let (mut decoder, decoded) = decoder(codec, crate::io::codec::decode::BUFFERED).unwrap();
    let pusher = std::thread::spawn(move || {
        for piece in pieces {
            decoder.push(&piece).unwrap();
        }
        decoder.finish().unwrap();
    });
    let total: u64 = decoded
        .map(|chunk| match chunk.unwrap() {
            Chunk::Data(bytes) => bytes.len() as u64,
            Chunk::Zeros(count) => count,
        })
        .sum();
    pusher.join().unwrap();
    assert_eq!(total, (MEBIBYTES as u64) << 20);
    start.elapsed()
}

async fn take_in(dir: &Path, codec: Codec, kind: Kind, packed: &Path) -> Duration {
    let start = Instant::now();
    let mut intake = Intake::begin(Spec {
        dir: dir.to_owned(),
        name: "image.packed".into(),
        url: String::new(),
        kind,
        unpack: Some(Unpack {
            codec,
            name: "image.raw".into(),
            kind: Kind::Gpt,
            buffered: crate::io::codec::decode::BUFFERED,
            max: u64::MAX,
            is_kept: true,
        }),
        max: u64::MAX,
        promises: Vec::new(),
        meter: Arc::default(),
    })
    .await
    .unwrap();
    for piece in pieces(packed) {
        intake.write(piece).await.unwrap();
    }
    let sealed = intake.finish().await.unwrap();
    sealed.download.publish().unwrap();
    sealed.unpacked.unwrap().publish().unwrap();
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, to be started by hand"]
async fn timing() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    make_image(&image);
    let ways = [
        ("xz -0 -T2", "xz -dc -T0", Codec::Xz, Kind::Xz),
        ("xz -6 -T2", "xz -dc -T0", Codec::Xz, Kind::Xz),
        ("xz -0 -T1", "xz -dc -T0", Codec::Xz, Kind::Xz),
        ("zstd -3", "zstd -dc", Codec::Zstd, Kind::Zstd),
        ("gzip -1", "gzip -dc", Codec::Gzip, Kind::Gzip),
    ];
    peak();
    for (encoder, tool, codec, kind) in ways {
        let packed = dir.path().join("packed");
        pack(encoder, &image, &packed);
        println!("{encoder}: {} MiB", packed.metadata().unwrap().len() >> 20);
        let start = Instant::now();
        pack(tool, &packed, Path::new("/dev/null"));
        report(tool, start.elapsed());
        report("decoder alone", decode_only(codec, &packed));
        let took = take_in(dir.path(), codec, kind, &packed).await;
        report("stored, unpacked, hashed twice, fsynced", took);
        println!("peak memory {} MiB", peak());
    }
}
