//! What the fuzzers start from: real inputs, and the smallest ones that reach deep.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own files are good seeds"
)]

use std::path::Path;

use crate::model::{ArtifactId, Codec, Format, Platform};
use crate::standin::image;

/// A configuration with a node, for the orders.
pub const CONFIG: &str = "defaults: {push: {enabled: true}}\n\
    nodes:\n  - {name: pve-01, labels: [all], storage: fast, shared: true}\n  - {name: nas, local: true}\n";

/// The seeds of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
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
        "gzip" => images(Codec::Gzip),
        "zstd" => images(Codec::Zstd),
        "manifest" => texts(&[include_str!("seeds/manifest.yaml")]),
        "memory" => texts(&[include_str!("seeds/memory.json")]),
        "cache_record" => texts(&[include_str!("seeds/meta.json")]),
        "node_record" => texts(&[include_str!("seeds/record.jsonl")]),
        "node_answer" => texts(&[include_str!("seeds/answer.txt").replace('|', "\0").as_str()]),
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
