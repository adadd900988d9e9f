//! What the fuzzers start from: real inputs, and the smallest ones that reach deep.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own files are good seeds"
)]

use std::path::Path;

use crate::factory_stub::image;
use crate::io::image::container::fuzz as container;
use crate::io::image::magic::ContentKind;
use crate::model::{ArtifactId, Codec, Format, Platform};
use crate::upstream;

pub(super) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "config" => files("yaml", |path| path.ends_with("config.yaml")),
        "orders" => files("yaml", |path| !path.ends_with("config.yaml")),
        "schematic" => schematics(),
        "version" => texts(&["v1.11.3", "v1.12.0-beta.0", "1.10", "v1.11.3-rc.1"]),
        "digest" => texts(&[
            &"a5".repeat(32),
            &format!("{}  talos.iso\n", "0f".repeat(32)),
        ]),
        "file_name" => texts(&[
            "talos-v1.11.3-nocloud-amd64-376567988ad3.iso",
            "talos-v1.12.0-rc.1-digital-ocean-arm64-secureboot-376567988ad3.raw.xz",
        ]),
        "xz" => images(Codec::Xz),
        "xz_sums" => [images(Codec::Xz), streams()].concat(),
        "gzip" => images(Codec::Gzip),
        "zstd" => images(Codec::Zstd),
        "iso" => isos(),
        "mbr" => tables(),
        "gpt" => [vec![described(ContentKind::Gpt, Format::Raw)], tables()].concat(),
        "qcow2" => [
            vec![described(ContentKind::Qcow2, Format::Qcow2)],
            of_qemu(),
        ]
        .concat(),
        "signature" => texts(&upstream::fuzz::BUNDLES),
        "checksum" => checksums(),
        "versions" => texts(&[
            include_str!("seeds/versions-factory.json"),
            include_str!("seeds/versions-github.json"),
        ]),
        "http_header" => texts(&[
            "<https://api.github.com/repositories/1/tags?page=2>; rel=\"next\", <https://api.github.com/>; rel=\"last\"",
            "bytes 0-4095/81920",
            "120",
            "Wed, 21 Oct 2015 07:28:00 GMT",
        ]),
        "control_question" => texts(&[
            "{}",
            "{\"order\":\"homelab\"}",
            "{\"node\":\"pve-01\",\"wait_seconds\":900}",
            &" ".repeat(5000),
        ]),
        "control_answer" => texts(&[
            "{\"message\":\"it is about to stop\"}\n",
            include_str!("seeds/answer.json"),
        ]),
        "storage_root" => texts(&[
            "nas nfs /mnt/pve/nas /mnt/pve/nas",
            "local dir - /var/lib/vz",
            "fstab ext4 /var/lib /var/lib",
            "usb dir / /with a blank",
        ]),
        "manifest" => texts(&[include_str!("seeds/manifest.yaml")]),
        "memory" => texts(&[include_str!("seeds/memory.json")]),
        "cache_record" => texts(&[include_str!("seeds/meta.json")]),
        "node_record" => texts(&[include_str!("seeds/record.jsonl")]),
        "node_answer" => texts(&[
            &include_str!("seeds/answer.txt").replace('|', "\0"),
            &include_str!("seeds/answer-unread.txt").replace('|', "\0"),
        ]),
        "node_vms" => texts(&[
            &include_str!("seeds/vms.txt").replace('|', "\0"),
            "\0begin n1\0host pve\0unread /etc/pve does not exist\0end n1\0",
        ]),
        "vm_config" => texts(&[include_str!("seeds/vm.conf")]),
        "rsync_progress" => {
            texts(&["\r      1234567  45%  117.99MB/s    0:00:01\rsent 12 bytes\n"])
        }
        _ => Vec::new(),
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Small files of the tests and examples.
fn files(extension: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("tests"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let text = path.display().to_string();
            // Some links in the tests' files lead round in circles.
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if text.ends_with(extension) && wanted(&text) {
                found.extend(std::fs::read(path).ok());
            }
        }
    }
    found.retain(|bytes| bytes.len() < 8192);
    found.sort();
    found
}

fn schematics() -> Vec<Vec<u8>> {
    texts(&[
        "customization: {}\n",
        "customization:\n  meta: [{key: 0xa, value: foo}]\n  extraKernelArgs: [noapic, 'a: b', \"x\\ty\"]\n",
        "overlay: {name: rpi_generic, image: siderolabs/sbc-raspberrypi, options: {a: [1, 0x10, yes, ~]}}\n",
        "customization:\n  secureboot: {includeWellKnownCertificates: true, enrollKeys: if-safe}\n",
        "customization:\n  embeddedMachineConfiguration: |\n    version: v1alpha1\n  diskImage: {sectorSize: 4096}\n",
        "customization: {systemExtensions: {officialExtensions: [siderolabs/qemu-guest-agent]}, bootloader: sd-boot}\n",
    ])
}

/// Checksums as `sha256sum` writes them, in both of its modes.
fn checksums() -> Vec<Vec<u8>> {
    let (digest, image) = ("a5".repeat(32), upstream::fuzz::IMAGE);
    texts(&[
        &format!("{digest}  {image}\n"),
        &format!("{digest} *{image}\n"),
    ])
}

/// The description of an image that the factory stub makes.
fn described(kind: ContentKind, format: Format) -> Vec<u8> {
    let artifact = ArtifactId {
        format,
        ..artifact()
    };
    let built = image::build(&artifact, 1 << 20, 0).expect("an image");
    container::describe(kind, &built)
}

/// An ISO image, and the same with partition tables in it.
fn isos() -> Vec<Vec<u8>> {
    let plain = described(ContentKind::Iso, Format::Iso);
    let hybrid = |table: Vec<u8>| {
        let pieces = &table[container::HEAD..];
        [&table[..1], &plain[1..], pieces].concat()
    };
    let hybrids: Vec<Vec<u8>> = tables().into_iter().map(hybrid).collect();
    [vec![plain.clone()], hybrids].concat()
}

/// Descriptions of small disks of both sizes of sectors, of a partition each, whose
/// checksums and copy of the table are still to be made; and of a partition in an MBR.
fn tables() -> Vec<Vec<u8>> {
    let disk = |flags: u8, sector: u32, sectors: u64| {
        let mut seed = vec![flags, 0, 0xc0];
        seed.extend((sectors * u64::from(sector)).to_le_bytes());
        let mut piece = |at: u32, bytes: &[u8]| {
            seed.extend(at.to_le_bytes());
            seed.push(bytes.len() as u8);
            seed.extend(bytes);
        };
        piece(
            446,
            &[0x80, 0, 0, 0, 0xef, 0, 0, 0, 34, 0, 0, 0, 60, 0, 0, 0],
        );
        piece(510, &[0x55, 0xaa]);
        piece(sector + 12, &92_u32.to_le_bytes());
        piece(sector + 24, &1_u64.to_le_bytes());
        piece(sector + 32, &(sectors - 1).to_le_bytes());
        piece(sector + 72, &2_u64.to_le_bytes());
        // Four entries of 128 bytes, of which one is in use.
        piece(sector + 80, &[4, 0, 0, 0, 128, 0, 0, 0]);
        piece(2 * sector, &[7; 16]);
        piece(2 * sector + 32, &[10, 0, 0, 0, 0, 0, 0, 0, 20]);
        seed
    };
    vec![
        disk(5, 512, 200),
        disk(5, 512, 90),
        disk(5 | 0x80, 512, 4096),
        disk(7, 4096, 32),
        // Its partition ends behind it.
        disk(5, 512, 18),
    ]
}

/// Descriptions of images that `qemu-img` made; `write_qemu_seeds` among the tests
/// makes them anew.
fn of_qemu() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("seeds/qcow2/0.10").to_vec(),
        include_bytes!("seeds/qcow2/small-clusters").to_vec(),
        include_bytes!("seeds/qcow2/compressed").to_vec(),
        include_bytes!("seeds/qcow2/extended").to_vec(),
        include_bytes!("seeds/qcow2/preallocated").to_vec(),
    ]
}

/// Two streams without checks of their data, which may so be changed; padding between
/// them, and blocks with and without their sizes.
fn streams() -> Vec<Vec<u8>> {
    use std::io::Write as _;
    use xz2::stream::{Check, MtStreamBuilder, Stream};
    let pack = |stream: Stream| {
        let mut encoder = xz2::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder
            .write_all(&[&[0; 600][..], b"something else"].concat())
            .expect("room");
        encoder.finish().expect("packed")
    };
    let blocks = MtStreamBuilder::new()
        .threads(1)
        .block_size(300)
        .check(Check::None)
        .encoder();
    let blocks = pack(blocks.expect("an encoder"));
    let one = pack(Stream::new_easy_encoder(0, Check::None).expect("an encoder"));
    vec![
        [&[200][..], &blocks].concat(),
        [&[200][..], &one, &[0; 4], &blocks].concat(),
        [&[200][..], &with_long_number(&one)].concat(),
    ]
}

/// A stream of one block whose index writes the number of blocks in two bytes, which is
/// not allowed.
fn with_long_number(stream: &[u8]) -> Vec<u8> {
    let (rest, footer) = stream.split_at(stream.len() - 12);
    let quarters = footer[4..8]
        .first_chunk()
        .map_or(0, |b| u32::from_le_bytes(*b));
    let (blocks, index) = rest.split_at(rest.len() - (quarters as usize + 1) * 4);
    // Behind the first zero and the number stand two sizes, padding and a checksum.
    let sizes = &index[2..index.len() - 4];
    let end = sizes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    let mut index = [&[0, 0x81, 0][..], &sizes[..end]].concat();
    index.resize(index.len().next_multiple_of(4) + 4, 0);
    [blocks, &index, footer].concat()
}

/// A compressed disk of nothing, and one of something, behind a byte that says how
/// they are cut.
fn images(codec: Codec) -> Vec<Vec<u8>> {
    let disk = image::build(&artifact(), 1 << 20, 0).expect("an image");
    let small = &disk[..8192];
    [small, &[][..], b"hello"]
        .iter()
        .map(|content| {
            let mut seed = vec![7];
            seed.extend(image::pack::pack(codec, content).expect("packed"));
            seed
        })
        .collect()
}

fn artifact() -> ArtifactId {
    ArtifactId {
        version: "v1.11.3".parse().expect("a version"),
        platform: Platform::Nocloud,
        arch: crate::model::Arch::Amd64,
        secureboot: false,
        schematic: "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
            .parse()
            .expect("an id"),
        format: Format::Raw,
    }
}
