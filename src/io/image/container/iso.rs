//! An ISO 9660 image (ECMA-119): its volume has a size, and hybrid images have
//! partitions besides, which may be behind the volume.

use super::source::{ImageFault, ImageSource, be32, damaged, field, le32, reach, read};
use super::{gpt, mbr};

const SECTOR: usize = 2048;
/// Sectors before the first volume descriptor.
const SYSTEM_AREA: u64 = 16;
/// How many descriptors are looked at. Real images have two to five.
const DESCRIPTORS: u64 = 64;
const IDENTIFIER: &[u8] = b"CD001";
const PRIMARY: u8 = 1;
const TERMINATOR: u8 = 255;

/// Checks that the volume and every partition are within the file.
pub(super) fn check(source: &impl ImageSource) -> Result<(), ImageFault> {
    let mut is_described = false;
    for number in SYSTEM_AREA..SYSTEM_AREA + DESCRIPTORS {
        let at = number * SECTOR as u64;
        let descriptor = read(source, "its list of volume descriptors", at, SECTOR)?;
        if &descriptor[1..6] != IDENTIFIER || descriptor[0] == TERMINATOR {
            break;
        }
        if descriptor[0] == PRIMARY {
            is_described = true;
            volume(source, &descriptor)?;
        }
    }
    if !is_described {
        return Err(damaged("it has no primary volume descriptor"));
    }
    mbr::check(source)?;
    gpt::check_hybrid(source)
}

/// The space of the volume, in both byte orders (ECMA-119, 8.4.8 and 8.4.12).
fn volume(source: &impl ImageSource, descriptor: &[u8]) -> Result<(), ImageFault> {
    let (little, big) = (le32(descriptor, 80), be32(descriptor, 84));
    // Some writers fill in only one of them. The smaller is the safer claim.
    let blocks = match (little, big) {
        (0, other) | (other, 0) => other,
        (one, other) => one.min(other),
    };
    if blocks == 0 {
        return Err(damaged("its volume descriptor names no size"));
    }
    let block = match u16::from_le_bytes(field(descriptor, 128)) {
        block @ (512 | 1024 | 2048) => block,
        // The only size that is in use.
        _ => SECTOR as u16,
    };
    reach(source, "its volume", u64::from(blocks) * u64::from(block))
}
