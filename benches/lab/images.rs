//! Images in the shape of real ones: large, nearly empty, and compressed by the
//! command that Talos compresses them with.
//!
//! The factory stub's own disks have a partition table that is right and a little too
//! much noise. The rest is cut out in a few places, so that the data are in several
//! extents, as they do on a real disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::Digest;
use talos_order::factory_stub::image;
use talos_order::model::{ArtifactId, Customization, Format, NameTemplate, Schematic, Sha256};
use talos_order::schematic::{Canonical, document};

use crate::measure;

/// What is tested for zeros as a whole, in bytes: the block of a file system.
pub const PAGE: usize = 4096;
/// What is hashed at once, in bytes.
const PIECE: usize = 1 << 20;

/// A prepared image.
#[derive(Debug, Clone)]
pub struct Image {
    /// What it is, in the form that the factory serves.
    pub artifact: ArtifactId,
    /// What the nodes get: the unpacked file, with its holes.
    pub raw: PathBuf,
    /// The file that the factory serves; that of an ISO image is the same.
    pub served: PathBuf,
    /// The data of the unpacked file without its holes.
    pub data: PathBuf,
    pub raw_bytes: u64,
    pub served_bytes: u64,
    /// Bytes of the unpacked file that are not in holes.
    pub data_bytes: u64,
    /// The digest of the unpacked file.
    pub sha256: Sha256,
    /// What makes its schematic another one.
    pub kernel_arg: String,
}

/// A schematic of its own for every word.
fn schematic(kernel_arg: &str) -> Schematic {
    Schematic {
        customization: Customization {
            extra_kernel_args: vec![kernel_arg.to_owned()],
            ..Customization::default()
        },
        ..Schematic::default()
    }
}

impl Image {
    /// Makes a disk image of a version in a directory.
    pub fn disk(dir: &Path, version: &str, raw_bytes: u64, data_bytes: u64) -> Result<Self> {
        let kernel_arg = "lab=image";
        let artifact = artifact(kernel_arg, version, Format::RawXz)?;
        let mut disk = image::build(&artifact.with_format(Format::Raw), raw_bytes, 0)?;
        thin_out(&mut disk, data_bytes);
        Self::pack(dir, kernel_arg, version, &disk)
    }

    /// Makes one of a disk that is given.
    pub fn pack(dir: &Path, kernel_arg: &str, version: &str, disk: &[u8]) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let raw = dir.join(format!("{version}.raw"));
        let data = raw.with_extension("data");
        write_sparse(&raw, disk)?;
        write_data(&data, disk)?;
        // As Talos's imager does it.
        measure::checked(
            Command::new("xz").args(["-0", "-T0", "-k"]).arg(&raw),
            &dir.join("xz.log"),
        )?;
        let served = dir.join(format!("{version}.raw.xz"));
        Ok(Self {
            artifact: artifact(kernel_arg, version, Format::RawXz)?,
            raw_bytes: disk.len() as u64,
            served_bytes: fs::metadata(&served)?.len(),
            data_bytes: fs::metadata(&data)?.len(),
            sha256: digest_of(disk),
            raw,
            served,
            data,
            kernel_arg: kernel_arg.to_owned(),
        })
    }

    /// The bytes of an ISO image of a version: a file system full of noise.
    pub fn iso_bytes(version: &str, bytes: u64) -> Result<Vec<u8>> {
        let artifact = artifact("lab=image", version, Format::Iso)?;
        // An ISO has a 32nd of the size of a disk.
        Ok(image::build(&artifact, bytes * 32, 0)?)
    }

    /// Makes an ISO image of bytes that are given.
    pub fn iso(dir: &Path, kernel_arg: &str, version: &str, bytes: &[u8]) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let path = dir.join(format!("{version}.iso"));
        fs::write(&path, bytes)?;
        Ok(Self {
            artifact: artifact(kernel_arg, version, Format::Iso)?,
            raw_bytes: bytes.len() as u64,
            served_bytes: bytes.len() as u64,
            data_bytes: bytes.len() as u64,
            sha256: digest_of(bytes),
            raw: path.clone(),
            served: path.clone(),
            data: path,
            kernel_arg: kernel_arg.to_owned(),
        })
    }

    pub fn is_iso(&self) -> bool {
        self.artifact.format == Format::Iso
    }

    /// The same bytes under the name of another schematic.
    pub fn with_schematic(&self, kernel_arg: String) -> Self {
        let mut image = self.clone();
        image.artifact.schematic = Canonical::of(&schematic(&kernel_arg)).id();
        image.kernel_arg = kernel_arg;
        image
    }

    /// What is sent to the factory to register its schematic.
    pub fn document(&self) -> String {
        document(&schematic(&self.kernel_arg))
    }

    /// The name of the unpacked file wherever it is kept.
    pub fn file_name(&self) -> String {
        let format = if self.is_iso() {
            Format::Iso
        } else {
            Format::Raw
        };
        let artifact = self.artifact.with_format(format);
        NameTemplate::default().name(&artifact).to_string()
    }
}

fn artifact(kernel_arg: &str, version: &str, format: Format) -> Result<ArtifactId> {
    let id = Canonical::of(&schematic(kernel_arg)).id();
    let file = format!("nocloud-amd64-secureboot.{}", format.as_str());
    image::parse(id, &version.parse()?, &file).context("the factory has such a file")
}

fn digest_of(bytes: &[u8]) -> Sha256 {
    let mut digest = sha2::Sha256::new();
    bytes.chunks(PIECE).for_each(|piece| digest.update(piece));
    Sha256::from_bytes(digest.finalize().into())
}

pub fn is_zero(page: &[u8]) -> bool {
    page.iter().all(|&byte| byte == 0)
}

/// Takes data away until so much is left, in three places between the tables at
/// both ends.
fn thin_out(disk: &mut [u8], data_bytes: u64) {
    let data: Vec<usize> = disk
        .chunks(PAGE)
        .enumerate()
        .filter_map(|(number, page)| (!is_zero(page)).then_some(number * PAGE))
        .collect();
    let excess = data.len().saturating_sub(data_bytes as usize / PAGE);
    for quarter in 1..=3 {
        for &page in &data[data.len() * quarter / 4..][..excess / 3] {
            disk[page..page + PAGE].fill(0);
        }
    }
}

/// Writes what is not zero; the rest of the file is a hole.
fn write_sparse(path: &Path, disk: &[u8]) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_len(disk.len() as u64)?;
    for (number, page) in disk.chunks(PAGE).enumerate() {
        if !is_zero(page) {
            file.write_all_at(page, (number * PAGE) as u64)?;
        }
    }
    file.sync_all()
}

/// Writes only what is not zero.
fn write_data(path: &Path, disk: &[u8]) -> io::Result<()> {
    let mut file = io::BufWriter::with_capacity(PIECE, File::create(path)?);
    for page in disk.chunks(PAGE).filter(|page| !is_zero(page)) {
        file.write_all(page)?;
    }
    file.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()
}

/// The digest of a file.
pub fn digest(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut digest = sha2::Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match io::Read::read(&mut file, &mut piece)? {
            0 => return Ok(Sha256::from_bytes(digest.finalize().into())),
            length => digest.update(&piece[..length]),
        }
    }
}

/// Bytes that files take on the disk, those of a directory and all below it.
pub fn allocated(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => allocated(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}
