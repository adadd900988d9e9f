//! The images that the factory stub serves: small, but genuine.
//!
//! An ISO is an ISO 9660 file system, a disk image has a partition table with
//! right checksums, a qcow2 passes `qemu-img check`, and the compressed forms are
//! what the tools of those names write. The bytes follow from what the image is
//! (schematic, version, platform, architecture, SecureBoot) and from nothing
//! else, so two factory stubs serve the same file, and two schematics never do.

mod about;
mod gpt;
mod iso9660;
mod noise;
pub mod pack;
mod qcow2;
#[cfg(test)]
mod tests;

use std::io;

use crate::model::{Arch, ArtifactId, Codec, Format, Platform, SchematicId, TalosVersion};

use about::About;

/// The smallest disk image: the tables at both ends and two partitions of 1 MiB.
pub const SMALLEST_DISK: u64 = 4 << 20;

/// Reads the last part of an image path: `nocloud-amd64-secureboot.raw.xz`.
///
/// `None` for anything that is not an ISO or a disk image of a platform and an
/// architecture that belong together.
pub fn parse(schematic: SchematicId, version: &TalosVersion, file: &str) -> Option<ArtifactId> {
    Format::ALL.into_iter().find_map(|format| {
        let stem = file.strip_suffix(format.as_str())?.strip_suffix('.')?;
        let (stem, secureboot) = match stem.strip_suffix("-secureboot") {
            Some(stem) => (stem, true),
            None => (stem, false),
        };
        // From the right, because `digital-ocean` has a dash inside.
        let (platform, arch) = stem.rsplit_once('-')?;
        let platform: Platform = platform.parse().ok()?;
        let arch: Arch = arch.parse().ok()?;
        platform.arches().contains(&arch).then_some(ArtifactId {
            version: version.clone(),
            platform,
            arch,
            secureboot,
            schematic,
            format,
        })
    })
}

/// Builds an image; takes from milliseconds to seconds of processor time.
///
/// `disk_bytes` is the size of an unpacked disk, rounded up to whole MiB;
/// `generation` stands for everything that makes two builds of one image differ.
pub fn build(artifact: &ArtifactId, disk_bytes: u64, generation: u64) -> io::Result<Vec<u8>> {
    let about = About::new(artifact, generation);
    let disk_bytes = disk_bytes.max(SMALLEST_DISK).next_multiple_of(1 << 20);
    match artifact.format {
        Format::Iso => Ok(iso9660::build(&about, disk_bytes / 32)),
        Format::Raw => gpt::build(&about, disk_bytes),
        Format::Qcow2 => Ok(qcow2::wrap(&gpt::build(&about, disk_bytes)?)),
        Format::RawXz => pack::pack(Codec::Xz, &gpt::build(&about, disk_bytes)?),
        Format::RawZst => pack::pack(Codec::Zstd, &gpt::build(&about, disk_bytes)?),
        Format::RawGz => pack::pack(Codec::Gzip, &gpt::build(&about, disk_bytes)?),
    }
}
