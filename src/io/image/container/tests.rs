//! The readers on genuine images, on the same cut anywhere, and on bytes of somebody
//! who means harm.

use std::process::Command;

use proptest::prelude::*;

use super::source::{be64, crc32};
use super::*;
use crate::factory_stub::image;

const DISK: u64 = 4 << 20;

fn built(file: &str) -> Vec<u8> {
    let schematic = crate::model::SchematicId::from_bytes([0xab; 32]);
    let artifact = image::parse(schematic, &"v1.11.3".parse().unwrap(), file).unwrap();
    image::build(&artifact, DISK, 0).unwrap()
}

/// The two ends of a disk of so many bytes, in sectors of 512: its partition tables.
pub(crate) fn tables(size: usize) -> (Vec<u8>, Vec<u8>) {
    ends(512, size / 512)
}

/// A disk of sectors of this size with one partition and both tables.
fn disk(sector: usize, sectors: usize) -> Vec<u8> {
    let (start, end) = ends(sector, sectors);
    let mut disk = start;
    disk.resize(sector * sectors - end.len(), 0);
    disk.extend(end);
    disk
}

fn ends(sector: usize, sectors: usize) -> (Vec<u8>, Vec<u8>) {
    let mut array = vec![0; 128 * 128];
    array[..16].fill(7);
    let array_sectors = array.len() / sector;
    let last = sectors - 1;
    array[32..40].copy_from_slice(&((2 + array_sectors) as u64).to_le_bytes());
    array[40..48].copy_from_slice(&((last - array_sectors - 1) as u64).to_le_bytes());
    let header = |own: usize, other: usize, at: usize| {
        let mut header = vec![0_u8; sector];
        header[..8].copy_from_slice(b"EFI PART");
        header[12..16].copy_from_slice(&92_u32.to_le_bytes());
        header[24..32].copy_from_slice(&(own as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(other as u64).to_le_bytes());
        header[72..80].copy_from_slice(&(at as u64).to_le_bytes());
        header[80..84].copy_from_slice(&128_u32.to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(&array).to_le_bytes());
        let sum = crc32(&header[..92]);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        header
    };
    let start = [vec![0; sector], header(1, last, 2), array.clone()].concat();
    let copy = header(last, 1, last - array_sectors);
    (start, [array, copy].concat())
}

/// Puts a partition into the MBR of a hybrid ISO image: first sector and count.
fn with_partition(image: &[u8], kind: u8, first: u32, count: u32) -> Vec<u8> {
    let mut image = image.to_vec();
    image[446 + 4] = kind;
    image[446 + 8..][..4].copy_from_slice(&first.to_le_bytes());
    image[446 + 12..][..4].copy_from_slice(&count.to_le_bytes());
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image
}

fn images() -> Vec<(&'static str, ContentKind, Vec<u8>)> {
    vec![
        ("iso", ContentKind::Iso, built("metal-amd64.iso")),
        ("raw", ContentKind::Gpt, built("nocloud-amd64.raw")),
        ("raw, sectors of 512", ContentKind::Gpt, disk(512, 2048)),
        ("raw, sectors of 4096", ContentKind::Gpt, disk(4096, 256)),
        ("qcow2", ContentKind::Qcow2, built("nocloud-amd64.qcow2")),
    ]
}

#[test]
fn whole_images_pass_and_so_do_longer_ones() {
    for (name, kind, image) in images() {
        check(kind, &image).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mut longer = image;
        longer.extend([1; 5000]);
        check(kind, &longer).unwrap_or_else(|fault| panic!("{name}, padded: {fault}"));
    }
    // Compressed data are proven elsewhere.
    check(ContentKind::Xz, &b"\xfd7zXZ".to_vec()).unwrap();
}

#[test]
fn an_image_that_is_cut_anywhere_is_not_whole() {
    for (name, kind, image) in images() {
        let whole = image.len();
        let sector = 512;
        for cut in [
            0,
            8,
            520,
            4096 + 8,
            16 * 2048 + 6,
            17 * 2048,
            whole / 2,
            whole / 4 * 3,
            whole - 4096,
            whole - sector,
            whole - 1,
        ] {
            let fault = check(kind, &image[..cut].to_vec()).unwrap_err();
            assert!(
                matches!(fault, ImageFault::CutShort { .. }),
                "{name} cut at {cut} of {whole}: {fault}"
            );
        }
    }
}

#[test]
fn a_disk_whose_end_or_table_was_lost_is_damaged() {
    let image = disk(512, 2048);
    for (what, range) in [
        ("a hole at the end", image.len() - 512..image.len()),
        (
            "a hole in the copied list",
            image.len() - 33 * 512..image.len() - 512,
        ),
        ("a hole in the list", 1024..2048),
        ("a hole in the header", 512..1024),
    ] {
        let mut holed = image.clone();
        holed[range].fill(0);
        let fault = check(ContentKind::Gpt, &holed).unwrap_err();
        assert!(
            matches!(fault, ImageFault::Damaged { .. }),
            "{what}: {fault}"
        );
    }
}

#[test]
fn partitions_of_a_hybrid_iso_count_too() {
    let image = built("metal-amd64.iso");
    let sectors = (image.len() / 512) as u32;
    let check = |image: &Vec<u8>| check(ContentKind::Iso, image);
    // An EFI partition that is appended behind the volume.
    let mut appended = with_partition(&image, 0xef, sectors, 2048);
    let fault = check(&appended).unwrap_err();
    assert!(
        fault.to_string().contains("a partition in its MBR"),
        "{fault}"
    );
    appended.resize(image.len() + (1 << 20), 1);
    check(&appended).unwrap();
    appended.pop();
    check(&appended).unwrap_err();
    // The protective entry covers what disks can have at most, and code is no table.
    check(&with_partition(&image, 0xee, 1, u32::MAX)).unwrap();
    let mut code = with_partition(&image, 0xef, 1, u32::MAX);
    code[446] = 0x33;
    check(&code).unwrap();

    // The same with a GPT: a table that is right counts, one that is not is ignored.
    let mut gpt = image.clone();
    gpt[512..17408].copy_from_slice(&disk(512, 100_000)[512..17408]);
    let fault = check(&gpt).unwrap_err();
    assert!(fault.to_string().contains("its partition table"), "{fault}");
    gpt[600] ^= 1;
    check(&gpt).unwrap();
    let mut small = image.clone();
    small[512..17408].copy_from_slice(&disk(512, image.len() / 512)[512..17408]);
    check(&small).unwrap();
}

#[test]
fn an_iso_without_a_size_is_refused() {
    let mut image = built("metal-amd64.iso");
    let at = 16 * 2048;
    image[at + 80..at + 84].fill(0);
    check(ContentKind::Iso, &image).unwrap();
    image[at + 84..at + 88].fill(0);
    let fault = check(ContentKind::Iso, &image).unwrap_err();
    assert!(fault.to_string().contains("names no size"), "{fault}");
    image[at] = 2;
    check(ContentKind::Iso, &image).unwrap_err();
}

/// What `qemu-img` writes, with every option that moves things in the file.
#[test]
fn images_of_qemu_pass_and_cut_ones_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    // Not a whole number of clusters, with noise at the very end.
    let mut raw = built("nocloud-amd64.raw");
    raw.extend([9; 1536]);
    std::fs::write(at("disk.raw"), &raw).unwrap();
    for (number, options) in [
        &["-o", "compat=0.10"][..],
        &["-o", "compat=1.1"],
        &["-o", "cluster_size=512"],
        &["-o", "cluster_size=8k"],
        &["-o", "cluster_size=2M"],
        &["-c"],
        &["-c", "-o", "compression_type=zstd"],
        &["-o", "extended_l2=on,cluster_size=128k"],
        &["-o", "preallocation=metadata"],
        &["-o", "refcount_bits=1"],
    ]
    .into_iter()
    .enumerate()
    {
        let target = at(&format!("{number}.qcow2"));
        let made = Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", "qcow2"])
            .args(options)
            .args([at("disk.raw"), target.clone()])
            .status();
        match made {
            Err(_) => return eprintln!("skipped: qemu-img is not installed here"),
            // An older one does not know every option.
            Ok(status) if !status.success() => continue,
            Ok(_) => {}
        }
        let image = std::fs::read(&target).unwrap();
        check(ContentKind::Qcow2, &image).unwrap_or_else(|fault| panic!("{options:?}: {fault}"));
        for cut in [70, image.len() / 4, image.len() / 2] {
            let checked = check(ContentKind::Qcow2, &image[..cut].to_vec());
            assert!(
                matches!(checked, Err(ImageFault::CutShort { .. })),
                "{options:?} cut at {cut} of {}: {checked:?}",
                image.len()
            );
        }
    }
}

#[test]
fn a_qcow2_may_end_within_a_cluster_whose_rest_was_never_written() {
    // A header, an L1 table, an L2 table with entries of 16 bytes, and half a cluster.
    let cluster = 64 << 10;
    let mut image = vec![0; 3 * cluster + cluster / 2];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb\0\0\0\x03");
    put(20, &16_u32.to_be_bytes());
    put(24, &(4 * cluster as u64).to_be_bytes());
    put(36, &1_u32.to_be_bytes());
    put(40, &(cluster as u64).to_be_bytes());
    // Extended entries: one bit for each thirty-second of a cluster that was written.
    put(72, &(1_u64 << 4).to_be_bytes());
    put(cluster, &(2 * cluster as u64).to_be_bytes());
    put(2 * cluster, &(3 * cluster as u64).to_be_bytes());
    put(2 * cluster + 8, &0xffff_u64.to_be_bytes());
    check(ContentKind::Qcow2, &image).unwrap();
    let fault = check(ContentKind::Qcow2, &image[..image.len() - 1].to_vec()).unwrap_err();
    let ImageFault::CutShort { claimed, .. } = fault else {
        panic!("{fault}");
    };
    assert_eq!(claimed, image.len() as u64);
    // What reads as zeros is not in the file either.
    image[2 * cluster + 8..][..8].copy_from_slice(&(!0_u64 << 32).to_be_bytes());
    check(ContentKind::Qcow2, &image[..3 * cluster].to_vec()).unwrap();
}

#[test]
fn tables_that_would_take_for_ever_are_refused_soon() {
    let mut image = built("nocloud-amd64.qcow2");
    // Every entry of a large L1 table leads to the same table.
    let (l1, l2) = (be64(&image, 40), be64(&image, be64(&image, 40) as usize));
    image[20..24].copy_from_slice(&16_u32.to_be_bytes());
    image[36..40].copy_from_slice(&(4_u32 << 20).to_be_bytes());
    let end = l1 as usize + (32 << 20);
    image.resize(end, 0);
    for slot in image[l1 as usize..].chunks_mut(8) {
        slot.copy_from_slice(&l2.to_be_bytes());
    }
    let fault = check(ContentKind::Qcow2, &image).unwrap_err();
    assert!(fault.to_string().contains("larger than those"), "{fault}");
}

#[test]
fn what_passes_by_is_checked_like_a_file() {
    for (name, kind, image) in images() {
        if kind != ContentKind::Gpt {
            continue;
        }
        let passed = |image: &[u8], cut: usize| {
            let mut window = Window::default();
            for piece in image.chunks(cut) {
                if piece.iter().all(|&byte| byte == 0) {
                    window.zeros(piece.len() as u64);
                } else {
                    window.update(piece);
                }
            }
            assert_eq!(window.passed(), image.len() as u64);
            check(kind, &window)
        };
        for cut in [511, 4096, 70_001, 1 << 20] {
            passed(&image, cut).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            let mut longer = image.clone();
            longer.extend([1; 200_000]);
            passed(&longer, cut).unwrap();
            for end in [image.len() / 2, image.len() - 512, image.len() - 1] {
                let fault = passed(&image[..end], cut).unwrap_err();
                assert!(
                    matches!(fault, ImageFault::CutShort { .. }),
                    "{name}: {fault}"
                );
            }
            let mut holed = image.clone();
            let end = holed.len();
            holed[end - 512..].fill(0);
            holed[end - 4096..].fill(0);
            let fault = passed(&holed, cut).unwrap_err();
            assert!(
                matches!(fault, ImageFault::Damaged { .. }),
                "{name}: {fault}"
            );
        }
    }
}

#[test]
fn what_passes_by_is_checked_also_where_its_two_ends_overlap() {
    for (sector, sectors) in [(512, 90), (512, 128), (4096, 16)] {
        let disk = disk(sector, sectors);
        for cut in [100, 512, 40_000] {
            let pass = |disk: &[u8]| {
                let mut window = Window::default();
                disk.chunks(cut).for_each(|piece| window.update(piece));
                check(ContentKind::Gpt, &window)
            };
            pass(&disk).unwrap_or_else(|fault| panic!("{sectors} of {sector}: {fault}"));
            let mut holed = disk.clone();
            let end = holed.len() - sector;
            holed[end..].fill(0);
            let fault = pass(&holed).unwrap_err();
            assert!(matches!(fault, ImageFault::Damaged { .. }), "{fault}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever is written over the structures, there is an answer.
    #[test]
    fn hostile_bytes_get_an_answer(
        which in 0_usize..5,
        changes in prop::collection::vec((0_usize..40_000, prop::collection::vec(any::<u8>(), 1..9)), 0..12),
        keep in 0_usize..100_000,
    ) {
        let (_, kind, mut image) = images().swap_remove(which);
        for (at, bytes) in changes {
            let at = at % (image.len() - 8);
            image[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        let _ = check(kind, &image);
        image.truncate(keep);
        for kind in [ContentKind::Iso, ContentKind::Gpt, ContentKind::Qcow2] {
            let _ = check(kind, &image);
        }
        let _ = disk_size(&image);
    }
}
