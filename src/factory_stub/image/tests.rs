//! The images are taken apart again by code that shares nothing with the code
//! that made them, and by the real tools where this machine has them.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::gpt::crc32;
use super::*;

const DISK: u64 = 8 << 20;

fn artifact(file: &str) -> ArtifactId {
    let schematic = SchematicId::from_bytes([0xab; 32]);
    parse(schematic, &"v1.11.3".parse().unwrap(), file).unwrap()
}

fn built(file: &str) -> Vec<u8> {
    build(&artifact(file), DISK, 0).unwrap()
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Runs a tool on a file that holds `bytes`; `None` where the tool is missing.
fn tool(program: &str, args: &[&str], bytes: &[u8], suffix: &str) -> Option<String> {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let output = Command::new(program)
        .args(args)
        .arg(file.path())
        .stdin(Stdio::null())
        .output();
    match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed here");
            None
        }
        Err(error) => panic!("{program}: {error}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program}: {text}{errors}");
            Some(text)
        }
    }
}

#[test]
fn file_names_are_read_as_the_factory_reads_them() {
    let schematic = SchematicId::from_bytes([1; 32]);
    let version: TalosVersion = "v1.11.3".parse().unwrap();
    for file in [
        "nocloud-amd64.iso",
        "metal-arm64-secureboot.raw.zst",
        "digital-ocean-amd64.raw.gz",
        "nocloud-amd64-secureboot.qcow2",
    ] {
        let artifact = parse(schematic, &version, file).unwrap();
        assert_eq!(artifact.factory_file(), file);
    }
    for file in [
        "nocloud.iso",
        "nocloud-riscv64.iso",
        "nocloud-amd64.vhd",
        "akamai-arm64.iso",
        "nocloud-amd64-secureboot-secureboot.iso",
        ".iso",
        "iso",
    ] {
        assert_eq!(parse(schematic, &version, file), None, "{file}");
    }
}

#[test]
fn the_same_image_has_the_same_bytes_and_another_one_has_others() {
    for file in ["nocloud-amd64.iso", "nocloud-amd64.raw.xz"] {
        let first = built(file);
        assert_eq!(first, built(file));
        assert_ne!(
            first,
            build(&artifact(file), DISK, 1).unwrap(),
            "generation"
        );
        let other = ArtifactId {
            schematic: SchematicId::from_bytes([0xac; 32]),
            ..artifact(file)
        };
        assert_ne!(first, build(&other, DISK, 0).unwrap(), "schematic");
        let other = ArtifactId {
            version: "v1.11.4".parse().unwrap(),
            ..artifact(file)
        };
        assert_ne!(first, build(&other, DISK, 0).unwrap(), "version");
    }
}

#[test]
fn both_partition_tables_are_right() {
    let disk = built("nocloud-amd64.raw");
    let sectors = disk.len() as u64 / 512;
    assert_eq!(disk.len() as u64, DISK);
    assert_eq!(disk[510..512], [0x55, 0xaa]);
    assert_eq!(disk[450], 0xee);
    for (own, other) in [(1, sectors - 1), (sectors - 1, 1)] {
        let mut header = disk[own as usize * 512..][..92].to_vec();
        assert_eq!(&header[..8], b"EFI PART");
        assert_eq!((le64(&header, 24), le64(&header, 32)), (own, other));
        let sum = le32(&header, 16);
        header[16..20].fill(0);
        assert_eq!(sum, crc32(&header));
        let table = &disk[le64(&header, 72) as usize * 512..][..128 * 128];
        assert_eq!(le32(&header, 88), crc32(table));
        let (mut end, mut names) = (le64(&header, 40), Vec::new());
        for entry in table.chunks(128).take(2) {
            assert!(le64(entry, 32) >= end && le64(entry, 40) <= le64(&header, 48));
            end = le64(entry, 40) + 1;
            let name: Vec<u16> = entry[56..]
                .chunks(2)
                .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
                .take_while(|&unit| unit != 0)
                .collect();
            names.push(String::from_utf16(&name).unwrap());
        }
        assert_eq!(names, ["EFI", "STATE"]);
        assert!(table[256..].iter().all(|&byte| byte == 0));
    }
    let zeros = disk.iter().filter(|&&byte| byte == 0).count();
    let share = zeros as f64 / disk.len() as f64;
    assert!(
        (0.90..0.98).contains(&share),
        "{share} of the disk is zeros"
    );
    tool("sfdisk", &["--verify"], &disk, ".raw");
}

#[test]
fn the_iso_holds_its_files() {
    let image = built("metal-amd64.iso");
    let descriptor = &image[16 * 2048..17 * 2048];
    assert_eq!(&descriptor[..7], b"\x01CD001\x01");
    assert_eq!(&image[17 * 2048..][..7], b"\xffCD001\x01");
    assert_eq!(descriptor[40..72].trim_ascii_end(), b"TALOS_V1_11_3");
    assert_eq!(le32(descriptor, 80) as usize * 2048, image.len());
    let mut directory = &image[le32(descriptor, 158) as usize * 2048..][..2048];
    let mut found = Vec::new();
    while directory[0] != 0 {
        let (record, rest) = directory.split_at(directory[0] as usize);
        let name = String::from_utf8(record[33..][..record[32] as usize].to_vec()).unwrap();
        let content = &image[le32(record, 2) as usize * 2048..][..le32(record, 10) as usize];
        found.push((name, content));
        directory = rest;
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["\0", "\u{1}", "README.TXT;1", "TALOS.BIN;1"]);
    let readme = std::str::from_utf8(found[2].1).unwrap();
    assert!(readme.starts_with("Talos v1.11.3 for metal amd64, schematic abab"));
    if let Some(listing) = tool("bsdtar", &["-tf"], &image, ".iso") {
        assert!(listing.contains("README.TXT"), "{listing}");
    }
}

#[test]
fn the_compressed_forms_hold_the_same_disk() {
    let disk = built("nocloud-amd64.raw");
    for format in ["raw.xz", "raw.zst", "raw.gz"] {
        let packed = built(&format!("nocloud-amd64.{format}"));
        let unpacked = match format {
            "raw.xz" => read_all(xz2::read::XzDecoder::new(&packed[..])),
            "raw.zst" => read_all(zstd::Decoder::new(&packed[..]).unwrap()),
            _ => read_all(flate2::read::GzDecoder::new(&packed[..])),
        };
        assert!(packed.len() < disk.len() / 8, "{format}: {}", packed.len());
        assert!(unpacked == disk, "{format}");
    }
}

fn read_all(mut reader: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_xz_has_several_blocks_that_tell_their_sizes() {
    let packed = built("nocloud-amd64.raw.xz");
    // After the 12 bytes of the stream header comes the first block header; bits
    // 6 and 7 of its second byte say that both sizes follow (xz format, 3.1.2).
    assert_eq!(&packed[..6], b"\xfd7zXZ\0");
    assert_eq!(packed[13] & 0xc0, 0xc0);
    tool("xz", &["-t"], &packed, ".xz");
    if let Some(listing) = tool("xz", &["--robot", "--list"], &packed, ".xz") {
        let file = listing
            .lines()
            .find(|line| line.starts_with("file"))
            .unwrap();
        assert_eq!(file.split('\t').nth(2), Some("8"), "{listing}");
    }
}

#[test]
fn the_qcow2_maps_every_cluster_of_the_disk() {
    let disk = built("nocloud-amd64.raw");
    let image = built("nocloud-amd64.qcow2");
    assert_eq!(&image[..8], b"QFI\xfb\0\0\0\x03");
    assert_eq!(be64(&image, 24), disk.len() as u64);
    let l1 = be64(&image, 40) as usize;
    for (index, cluster) in disk.chunks(65536).enumerate() {
        let l2 = be64(&image, l1 + index / 8192 * 8) & !(1 << 63);
        let entry = be64(&image, l2 as usize + index % 8192 * 8);
        if entry == 0 {
            assert!(cluster.iter().all(|&byte| byte == 0));
        } else {
            let at = (entry & !(1 << 63)) as usize;
            assert!(cluster == &image[at..at + 65536]);
        }
    }
    tool("qemu-img", &["check", "-f", "qcow2"], &image, ".qcow2");
}

#[test]
fn a_qcow2_of_more_than_one_table_is_right_too() {
    // 520 MiB need two L2 tables; all but two clusters are zeros.
    let mut disk = vec![0; 520 << 20];
    disk[0] = 1;
    *disk.last_mut().unwrap() = 1;
    let image = qcow2::wrap(&disk);
    assert!(image.len() < 1 << 20);
    tool("qemu-img", &["check", "-f", "qcow2"], &image, ".qcow2");
}
