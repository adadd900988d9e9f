//! A block for each image: what is done for it, under the first position that wants it.

use std::collections::{BTreeMap, BTreeSet};

use super::sheet::Sheet;
use super::steps::sign;
use super::{names, pushes, why};
use crate::facts::StepId;
use crate::model::{ArtifactId, FileName, PositionRef};
use crate::plan::bytes::Bytes;
use crate::plan::selection::Selection;
use crate::plan::step::{Action, Plan, Step};

/// An image with everything that is done for it.
#[derive(Default)]
pub(super) struct ImageBlock<'a> {
    /// The image as it is delivered, as far as a step tells.
    image: Option<&'a ArtifactId>,
    /// The position that the block belongs to, then those that share the image.
    positions: Vec<&'a PositionRef>,
    /// Downloads and unpackings.
    brings: Vec<&'a Step>,
    pushes: Vec<&'a Step>,
}

/// The blocks by their first positions. What is only blocked has a block as well.
pub(super) fn of<'a>(plan: &'a Plan, selection: &Selection) -> Vec<ImageBlock<'a>> {
    // What is unpacked belongs to its download.
    let mut sources: BTreeMap<&ArtifactId, &ArtifactId> = BTreeMap::new();
    for step in &plan.steps {
        match &step.action {
            Action::Fetch {
                download,
                unpack: Some((unpacked, _)),
                ..
            } => drop(sources.insert(unpacked, download)),
            Action::Unpack { from, to, .. } => drop(sources.insert(to, from)),
            _ => {}
        }
    }
    let mut images: BTreeMap<&ArtifactId, ImageBlock<'a>> = BTreeMap::new();
    let mut positions: BTreeMap<&ArtifactId, BTreeSet<&PositionRef>> = BTreeMap::new();
    for step in &plan.steps {
        let (artifact, is_push) = match &step.action {
            Action::Fetch {
                download, unpack, ..
            } => (unpack.as_ref().map_or(download, |(raw, _)| raw), false),
            Action::Unpack { to, .. } => (to, false),
            Action::Push { artifact, .. } => (artifact, true),
            _ => continue,
        };
        let image = *sources.get(artifact).unwrap_or(&artifact);
        positions.entry(image).or_default().extend(&step.wanted_by);
        let block = images.entry(image).or_default();
        if is_push {
            block.pushes.push(step);
        } else {
            block.brings.push(step);
        }
        // What is delivered says more than what it is made from.
        if is_push || block.image.is_none() {
            block.image = Some(artifact);
        }
    }
    let mut blocks: Vec<ImageBlock<'a>> = Vec::new();
    let mut placed: BTreeSet<&PositionRef> = BTreeSet::new();
    for (image, mut block) in images {
        let positions = positions.remove(image).unwrap_or_default();
        placed.extend(&positions);
        block.positions = positions.into_iter().collect();
        blocks.push(block);
    }
    for blocked in &plan.blocked {
        if blocked.wanted_by.is_empty() || blocked.wanted_by.iter().any(|one| placed.contains(one))
        {
            continue;
        }
        placed.extend(&blocked.wanted_by);
        blocks.push(ImageBlock {
            positions: blocked.wanted_by.iter().collect(),
            ..ImageBlock::default()
        });
    }
    for block in &mut blocks {
        // Stable: of those that were asked for the first comes first.
        block
            .positions
            .sort_by_key(|position| !selection.has_order(position.order.as_str()));
    }
    blocks.sort_by(|a, b| a.positions.cmp(&b.positions));
    blocks
}

impl<'a> ImageBlock<'a> {
    pub(super) fn positions(&self) -> &[&'a PositionRef] {
        &self.positions
    }

    pub(super) const fn has_pushes(&self) -> bool {
        !self.pushes.is_empty()
    }

    /// True if a line of the block names the file of a delivery.
    pub(super) fn names_file(&self, id: &StepId) -> bool {
        let Some((_, file)) = id.path() else {
            return false;
        };
        let is_pushed = |step: &&Step| match &step.action {
            Action::Push { file: pushed, .. } => *pushed == file,
            _ => false,
        };
        self.brings.iter().any(|step| brought(step) == Some(&file))
            || self.pushes.iter().any(is_pushed)
    }

    pub(super) fn write(&self, sheet: &mut Sheet, blocked: impl Iterator<Item = String>) {
        self.write_heading(sheet);
        for step in &self.brings {
            let (word, text) = match &step.action {
                Action::Fetch {
                    file,
                    bytes,
                    stored,
                    ..
                } => {
                    let from = if *stored { ", from the store" } else { "" };
                    ("fetch", format!("{file}  {bytes}{from}"))
                }
                Action::Unpack {
                    from_file,
                    file,
                    bytes,
                    ..
                } => {
                    let bytes = Bytes(*bytes);
                    ("unpack", format!("{file}  from {from_file}, {bytes}"))
                }
                _ => continue,
            };
            let why = why::because(&step.why);
            sheet.item(sign(&step.action, &step.why), word, &format!("{text}{why}"));
        }
        pushes::write(sheet, &self.pushes, |file, cache_file| {
            let is_brought = |step: &&Step| brought(step) == Some(cache_file);
            file == cache_file && self.brings.iter().any(is_brought)
        });
        for text in blocked {
            sheet.item('!', "blocked", &text);
        }
    }

    /// `order prod, position image: v1.11.3 nocloud amd64 raw from raw.xz`.
    fn write_heading(&self, sheet: &mut Sheet) {
        let Some((first, others)) = self.positions.split_first() else {
            return;
        };
        let image = self.image.map(|artifact| {
            let packed = self.brings.iter().find_map(|step| match &step.action {
                Action::Fetch { download, .. } => Some(download.format),
                Action::Unpack { from, .. } => Some(from.format),
                _ => None,
            });
            let packed = packed.filter(|format| *format != artifact.format);
            let packed = packed.map(|format| format!(" from {format}"));
            let secureboot = if artifact.secureboot {
                " secureboot"
            } else {
                ""
            };
            format!(
                ": {} {} {} {}{}{secureboot}",
                artifact.version,
                artifact.platform,
                artifact.arch,
                artifact.format,
                packed.unwrap_or_default()
            )
        });
        sheet.line(&format!(
            "order {}, position {}{}",
            first.order,
            first.name,
            image.unwrap_or_default()
        ));
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            let others = names::counted(others.iter().map(String::as_str), "positions");
            sheet.item(' ', "shared", &format!("with {others}"));
        }
    }
}

/// The file that a step brings into the cache to be delivered.
fn brought(step: &Step) -> Option<&FileName> {
    match &step.action {
        Action::Fetch { file, unpack, .. } => {
            Some(unpack.as_ref().map_or(file, |(_, unpacked)| unpacked))
        }
        Action::Unpack { file, .. } => Some(file),
        _ => None,
    }
}
