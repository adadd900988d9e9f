//! An ISO 9660 file system (ECMA-119) with two files in its root directory.

use super::about::About;

const SECTOR: usize = 2048;

/// Where things are, in sectors. The first 16 belong to the boot loader that a
/// real image has and this one does not.
const DESCRIPTOR: usize = 16;
const TERMINATOR: usize = 17;
const PATH_TABLE_LITTLE: usize = 18;
const PATH_TABLE_BIG: usize = 19;
const ROOT: usize = 20;
const FILES: usize = 21;

/// The name of a directory in itself, and of its parent in it (ECMA-119, 7.6.2).
const SELF: &[u8] = &[0];
const PARENT: &[u8] = &[1];

/// Bytes in a path table with nothing but the root.
const PATH_TABLE_BYTES: u32 = 10;

/// 2024-01-01 00:00:00 UTC: the clock would make every image another one.
const RECORD_DATE: [u8; 7] = [124, 1, 1, 0, 0, 0, 0];
const DESCRIPTOR_DATE: &[u8; 17] = b"2024010100000000\0";
const NO_DATE: &[u8; 17] = b"0000000000000000\0";

struct File {
    name: &'static [u8],
    content: Vec<u8>,
}

/// Builds an image with a `README.TXT` and `payload` bytes of noise.
pub(super) fn build(about: &About, payload: u64) -> Vec<u8> {
    let mut noise = vec![0; payload as usize];
    about.noise("ISO").fill(&mut noise);
    // Sorted by name, as the standard wants them.
    let files = [
        File {
            name: b"README.TXT;1",
            content: about.readme().into_bytes(),
        },
        File {
            name: b"TALOS.BIN;1",
            content: noise,
        },
    ];
    let sectors = FILES
        + files
            .iter()
            .map(|file| file.content.len().div_ceil(SECTOR))
            .sum::<usize>();
    let mut image = vec![0; sectors * SECTOR];
    let mut put = |sector: usize, bytes: &[u8]| {
        image[sector * SECTOR..][..bytes.len()].copy_from_slice(bytes);
    };

    let mut root = Vec::new();
    for name in [SELF, PARENT] {
        root.extend(record(name, ROOT, SECTOR, true));
    }
    let mut at = FILES;
    for file in &files {
        root.extend(record(file.name, at, file.content.len(), false));
        put(at, &file.content);
        at += file.content.len().div_ceil(SECTOR);
    }
    put(ROOT, &root);
    put(DESCRIPTOR, &primary_descriptor(about, sectors));
    put(TERMINATOR, b"\xffCD001\x01");
    put(
        PATH_TABLE_LITTLE,
        &path_table((ROOT as u32).to_le_bytes(), [1, 0]),
    );
    put(
        PATH_TABLE_BIG,
        &path_table((ROOT as u32).to_be_bytes(), [0, 1]),
    );
    image
}

fn path_table(root: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    [&[1, 0][..], &root, &parent, &[0, 0]].concat()
}

/// A number in both byte orders, as most fields of the standard hold it.
fn both32(value: usize) -> [u8; 8] {
    let value = value as u32;
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&value.to_le_bytes());
    bytes[4..].copy_from_slice(&value.to_be_bytes());
    bytes
}

fn both16(value: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&value.to_le_bytes());
    bytes[2..].copy_from_slice(&value.to_be_bytes());
    bytes
}

/// A directory record.
fn record(name: &[u8], sector: usize, length: usize, directory: bool) -> Vec<u8> {
    let size = (33 + name.len()).next_multiple_of(2);
    let mut record = vec![0; size];
    record[0] = size as u8;
    record[2..10].copy_from_slice(&both32(sector));
    record[10..18].copy_from_slice(&both32(length));
    record[18..25].copy_from_slice(&RECORD_DATE);
    record[25] = if directory { 2 } else { 0 };
    record[28..32].copy_from_slice(&both16(1));
    record[32] = name.len() as u8;
    record[33..33 + name.len()].copy_from_slice(name);
    record
}

fn primary_descriptor(about: &About, sectors: usize) -> Vec<u8> {
    let mut descriptor = vec![0; SECTOR];
    let mut put = |at: usize, bytes: &[u8]| descriptor[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x01CD001\x01");
    // Text fields are padded with blanks, not with zeros.
    put(8, &[b' '; 64]);
    put(190, &[b' '; 623]);
    put(8, b"LINUX");
    put(40, volume_id(about).as_bytes());
    put(80, &both32(sectors));
    put(120, &both16(1));
    put(124, &both16(1));
    put(128, &both16(SECTOR as u16));
    put(132, &both32(PATH_TABLE_BYTES as usize));
    put(140, &(PATH_TABLE_LITTLE as u32).to_le_bytes());
    put(148, &(PATH_TABLE_BIG as u32).to_be_bytes());
    put(156, &record(SELF, ROOT, SECTOR, true));
    put(574, b"TALOS-ORDER STAND-IN");
    put(813, DESCRIPTOR_DATE);
    put(830, DESCRIPTOR_DATE);
    put(847, NO_DATE);
    put(864, NO_DATE);
    put(881, &[1]);
    descriptor
}

/// `TALOS_V1_11_3`: only capitals, digits and underscores are allowed, 32 at most.
fn volume_id(about: &About) -> String {
    format!("TALOS_{}", about.version)
        .to_ascii_uppercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(32)
        .collect()
}
