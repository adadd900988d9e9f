//! All images of a lab, made once.

use std::path::Path;

use anyhow::Result;

use crate::args::Args;
use crate::cases::{Case, MANY};
use crate::images::{Image, PAGE, is_zero};
use crate::net::Profile;

/// The versions of the images; the factory stub lists them.
const OLD: &str = "v1.11.2";
const NEW: &str = "v1.11.3";

/// A tiny disk, and its data.
const TINY: [u64; 2] = [8 << 20, 256 << 10];
/// How much of an image another schematic changes: one part in so many.
const CHANGED: usize = 100;
/// By how many bytes what comes after the change is shifted: no block of any size fits.
const SHIFT: usize = 1234;

/// Images for every case that was asked for.
pub struct Stock {
    pub old: Image,
    pub new: Image,
    /// The bytes of the old image under many names.
    pub same: Vec<Image>,
    /// Images with bytes of their own, of a sixteenth of the size.
    pub different: Vec<Image>,
    pub iso: Option<Image>,
    pub tiny: Option<Image>,
    /// An ISO image and a disk, with others of their version.
    pub siblings: Vec<Siblings>,
}

/// Images of one version that share most of their bytes.
pub struct Siblings {
    /// The one that is there.
    pub there: Image,
    /// What comes after the change begins later than in the one that is there.
    pub later: Image,
    /// It begins earlier.
    pub earlier: Image,
}

impl Stock {
    /// Makes what these cases need.
    pub fn make(args: &Args, dir: &Path, cases: &[(Profile, Case)]) -> Result<Self> {
        let is_needed = |what: fn(&(Profile, Case)) -> bool| cases.iter().any(what);
        let (raw, data) = (args.raw_bytes(), args.data_bytes());
        eprintln!("making images of {} MiB", raw >> 20);
        let disk =
            |name: &str, version: &str, raw, data| Image::disk(&dir.join(name), version, raw, data);
        let old = disk("old", OLD, raw, data)?;
        let mut stock = Self {
            new: if is_needed(|(_, case)| matches!(case, Case::New(_))) {
                disk("new", NEW, raw, data)?
            } else {
                old.clone()
            },
            same: (0..MANY)
                .map(|number| old.with_schematic(format!("lab={number}")))
                .collect(),
            old,
            different: Vec::new(),
            iso: None,
            tiny: None,
            siblings: Vec::new(),
        };
        if is_needed(|(_, case)| matches!(case, Case::Different(_))) {
            let all = (0..MANY).map(|number| different(args, dir, number));
            stock.different = all.collect::<Result<_>>()?;
        }
        if is_needed(|(profile, _)| *profile == Profile::Crowd) {
            // One factory serves all images, each under its own name.
            let tiny = disk("tiny", OLD, TINY[0], TINY[1])?;
            stock.tiny = Some(tiny.with_schematic("lab=tiny".to_owned()));
        }
        let has_siblings = is_needed(|(_, case)| *case == Case::Siblings);
        if has_siblings || is_needed(|(_, case)| matches!(case, Case::Iso(_))) {
            let bytes = Image::iso_bytes(OLD, args.iso_bytes())?;
            let iso = Image::iso(&dir.join("iso"), "lab=image", OLD, &bytes)?;
            if has_siblings {
                let like = Siblings::make(&iso, |name, kernel_arg, new| {
                    // What comes after the change is the end of the last file.
                    let mut other = changed(&bytes, bytes.len() / CHANGED, new);
                    other.resize(bytes.len().max(other.len()), 0);
                    Image::iso(&dir.join(format!("iso-{name}")), kernel_arg, OLD, &other)
                })?;
                stock.siblings.push(like);
            }
            stock.iso = Some(iso);
        }
        if has_siblings {
            let disk = std::fs::read(&stock.old.raw)?;
            let change = stock.old.data_bytes as usize / CHANGED;
            let like = Siblings::make(&stock.old, |name, kernel_arg, new| {
                let other = changed_inside(&disk, change, new);
                Image::pack(&dir.join(format!("raw-{name}")), kernel_arg, OLD, &other)
            })?;
            stock.siblings.push(like);
        }
        Ok(stock)
    }

    /// What a factory has for a profile. No two of them have the same name.
    pub fn all(&self) -> impl Iterator<Item = &Image> {
        [&self.old, &self.new]
            .into_iter()
            .chain(&self.same)
            .chain(&self.different)
            .chain(&self.iso)
            .chain(&self.tiny)
            .chain(self.siblings.iter().flat_map(Siblings::all))
    }
}

fn different(args: &Args, dir: &Path, number: usize) -> Result<Image> {
    let (raw, data) = args.small_bytes();
    let dir = dir.join(format!("different-{number}"));
    // Their bytes follow from the version alone: noise in the middle sets them apart.
    let image = Image::disk(&dir, OLD, raw, data)?;
    let mut disk = std::fs::read(&image.raw)?;
    let mut noise = fastrand::Rng::with_seed(number as u64);
    for page in disk[2 << 20..raw as usize - (2 << 20)].chunks_mut(PAGE) {
        if !is_zero(page) {
            noise.fill(page);
        }
    }
    std::fs::remove_dir_all(&dir)?;
    Image::pack(&dir, &format!("different={number}"), OLD, &disk)
}

impl Siblings {
    /// Makes the others, each with so many new bytes in place of a hundredth.
    fn make(there: &Image, other: impl Fn(&str, &str, usize) -> Result<Image>) -> Result<Self> {
        let change = there.data_bytes as usize / CHANGED;
        Ok(Self {
            there: there.with_schematic("sibling=there".to_owned()),
            later: other("later", "sibling=later", change + SHIFT)?,
            earlier: other("earlier", "sibling=earlier", change - SHIFT)?,
        })
    }

    fn all(&self) -> [&Image; 3] {
        [&self.there, &self.later, &self.earlier]
    }
}

/// Other bytes in the middle, in place of so many: more or fewer of them, so that what
/// follows is shifted.
fn changed(bytes: &[u8], change: usize, new: usize) -> Vec<u8> {
    let middle = bytes.len() / 2;
    let mut noise = vec![0; new];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    [&bytes[..middle], &noise, &bytes[middle + change..]].concat()
}

/// The same within the longest run of data of a disk; the zeros behind it give way, or
/// become more, so that the disk has the same size and its tables are right.
fn changed_inside(disk: &[u8], change: usize, new: usize) -> Vec<u8> {
    let (mut longest, mut run) = (0..0, 0..0);
    for (number, page) in disk.chunks(PAGE).enumerate() {
        let at = number * PAGE;
        if is_zero(page) {
            run = at + PAGE..at + PAGE;
        } else {
            run.end = at + page.len();
            if run.len() > longest.len() {
                longest = run.clone();
            }
        }
    }
    let other = changed(&disk[longest.clone()], change, new);
    let mut disk = disk.to_owned();
    disk[longest.clone()].fill(0);
    disk[longest.start..][..other.len()].copy_from_slice(&other);
    disk
}
