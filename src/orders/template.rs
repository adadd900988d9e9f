//! The template VM of a position.

use std::collections::{BTreeMap, BTreeSet};

use super::file::PositionShape;
use super::hosts::Destination;
use super::template_file::{HardwareShape, TemplateShape};
use super::template_hardware::{HardwareNeeds, hardware};
use super::template_nodes::TemplateNodes;
use super::template_words::within;
use crate::model::{
    Arch, Bios, Format, Inventory, Platform, SchematicSource, TagPattern, Template, VmId, VmIds,
};
use crate::yaml::{At, NodeRef, ProblemReport};

/// The extension that answers as the guest agent.
const AGENT: &str = "siderolabs/qemu-guest-agent";

/// What of its position a template depends on; `None` where it was refused.
pub(super) struct TemplateBase<'a> {
    pub arch: Option<Arch>,
    /// The format of what is delivered.
    pub delivered: Option<Format>,
    pub schematic: Option<&'a SchematicSource>,
    /// The image is delivered.
    pub push: bool,
    /// Where to, if every host could be read.
    pub destinations: Option<&'a [Destination]>,
    pub inventory: &'a Inventory,
}

/// The template of a position; what is refused is reported.
pub(super) fn template(
    position: &PositionShape,
    base: &TemplateBase<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<Template> {
    let At {
        place,
        value: shape,
    } = position.template.as_ref()?;
    check_image(position, *place, base, report);
    let nodes = base
        .destinations
        .map(|all| TemplateNodes::of(all, base.inventory))
        .filter(|nodes| is_delivered(*place, base, nodes, report));
    if shape.name.is_none() {
        report.missing(*place, "name", "such as `name: talos-worker`");
    }
    if shape.target_storage.is_none() {
        let hint = "the storage for the disks, such as `target_storage: local-lvm`";
        report.missing(*place, "target_storage", hint);
    }
    let ids = ids(shape, report);
    let mut on = None;
    if let Some(nodes) = nodes {
        let before = report.problems().count();
        on = shape.on.as_ref().map(|on| nodes.named(on, report));
        if let Some(vmid) = &shape.vmid
            && report.problems().count() == before
        {
            nodes.check_fixed(vmid.place, on.as_ref(), report);
        }
    }
    let tags = tags(shape.tags.as_deref().unwrap_or_default(), report);
    let needs = HardwareNeeds {
        secureboot: position.secureboot.unwrap_or(false),
        agent: base.schematic.and_then(has_agent).unwrap_or(false),
    };
    let none = HardwareShape::default();
    let hardware = hardware(shape.hardware.as_ref().unwrap_or(&none), needs, report);
    let max_at_once = shape.max_at_once.as_ref();
    let max_at_once = within(max_at_once, "a number of nodes", 1..=1000, report).unwrap_or(1);
    let name = shape.name.as_ref().and_then(|text| report.parse(text));
    let storage = shape.target_storage.as_ref();
    let storage = storage.and_then(|text| report.parse(text));
    Some(Template {
        name: name?,
        ids: ids?,
        on,
        storage: storage?,
        tags,
        hardware,
        keep: shape.keep,
        max_at_once,
    })
}

/// Proxmox VE imports disk images for amd64 machines.
fn check_image(
    position: &PositionShape,
    template: NodeRef,
    base: &TemplateBase<'_>,
    report: &mut ProblemReport<'_>,
) {
    let place = |text: &Option<At<String>>| text.as_ref().map_or(template, |at| at.place);
    match base.delivered {
        None | Some(Format::Raw | Format::Qcow2) => {}
        Some(Format::Iso) => report.at_with_hint(
            place(&position.image_format),
            "a `template` is not made of an iso; expected raw or qcow2",
            "write `image_format: qcow2`, or raw.xz with `prefer_decompressed: true` under `push`",
        ),
        Some(format) => report.at_with_hint(
            place(&position.image_format),
            format!("a `template` is not made of {format} as it is; expected raw or qcow2"),
            "add `prefer_decompressed: true` under `push`: raw is delivered then",
        ),
    }
    if base.arch == Some(Arch::Arm64) {
        report.at_with_hint(
            place(&position.arch),
            "a `template` is not made of an image for arm64; expected amd64",
            "write `arch: amd64`, or remove `template`",
        );
    }
    if let Some(name) = &position.filename
        && name.value.ends_with(".img")
        && let Some(format @ (Format::Raw | Format::Qcow2)) = base.delivered
    {
        report.at_with_hint(
            name.place,
            format!(
                "{:?} is not a name of an image that Proxmox VE imports; with `template`, \
                 expected .{format} at its end",
                name.value
            ),
            "change the extension, or remove `filename`",
        );
    }
}

/// False, and reported, where the image is on no node of Proxmox VE.
fn is_delivered(
    template: NodeRef,
    base: &TemplateBase<'_>,
    nodes: &TemplateNodes<'_>,
    report: &mut ProblemReport<'_>,
) -> bool {
    let (why, hint) = if !base.push {
        (
            "`push` is not enabled here",
            "write `enabled: true` under `push`",
        )
    } else if base.destinations.is_some_and(<[_]>::is_empty) {
        ("`push` names no host", "add `hosts` under `push`")
    } else if nodes.is_empty() {
        (
            "`push` names only directories of this machine",
            "add a node of Proxmox VE to `hosts` under `push`",
        )
    } else {
        return true;
    };
    let message = format!("a `template` needs the image on a node of Proxmox VE; {why}");
    report.at_with_hint(template, message, hint);
    false
}

/// `None` where the VMIDs are refused.
fn ids(shape: &TemplateShape, report: &mut ProblemReport<'_>) -> Option<VmIds> {
    match (&shape.vmid, &shape.vmid_range) {
        (None, None) => Some(VmIds::default()),
        (Some(_), Some(range)) => {
            report.at_with_hint(
                range.place,
                "`vmid_range` and `vmid` are mutually exclusive",
                "`vmid` replaces a template in place; keep one of the two",
            );
            None
        }
        (Some(at), None) => match VmId::try_from(at.value) {
            Ok(id) => Some(VmIds::Fixed(id)),
            Err(invalid) => {
                report.invalid(at.place, invalid);
                None
            }
        },
        (None, Some(text)) => {
            if text.value.parse::<VmId>().is_ok() {
                report.at_with_hint(
                    text.place,
                    format!("expected a range of VMIDs, found {} alone", text.value),
                    format!("write `vmid: {}`, or both ends of the range", text.value),
                );
                return None;
            }
            report.parse(text)
        }
    }
}

fn tags(list: &[At<String>], report: &mut ProblemReport<'_>) -> BTreeSet<TagPattern> {
    let mut tags = BTreeMap::new();
    for text in list {
        let Some(tag) = report.parse::<TagPattern>(text) else {
            continue;
        };
        // Proxmox VE keeps tags in lower case.
        if tags.insert(text.value.to_ascii_lowercase(), tag).is_some() {
            let message = format!("the tag {:?} is already in the list", text.value);
            let hint = "Proxmox VE does not tell upper from lower case in tags";
            report.at_with_hint(text.place, message, hint);
        }
    }
    tags.into_values().collect()
}

/// `None` where it is not known.
fn has_agent(schematic: &SchematicSource) -> Option<bool> {
    match schematic {
        SchematicSource::Id(_) => None,
        SchematicSource::Customization(schematic) => {
            let extensions = &schematic.customization.official_extensions;
            Some(extensions.iter().any(|name| name == AGENT))
        }
    }
}

/// What of a template that is used probably means something else than it says.
pub(super) fn doubts(
    shape: &TemplateShape,
    template: &Template,
    platform: Platform,
    schematic: &SchematicSource,
) -> Vec<(NodeRef, String)> {
    let none = HardwareShape::default();
    let (shape, hardware) = (shape.hardware.as_ref().unwrap_or(&none), &template.hardware);
    let mut found = Vec::new();
    let mut add = |place: Option<NodeRef>, doubtful: bool, message: &str| {
        found.extend(
            place
                .filter(|_| doubtful)
                .map(|at| (at, message.to_owned())),
        );
    };
    add(
        shape.agent.as_ref().map(|at| at.place),
        hardware.agent && has_agent(schematic) == Some(false),
        &format!("`agent` has no effect without the extension {AGENT}"),
    );
    add(
        shape.balloon.as_ref().map(|at| at.place),
        hardware.balloon > 0,
        "Talos does not support ballooning; it may see less memory than there is",
    );
    add(
        shape.scsihw.as_ref().map(|at| at.place),
        hardware.scsihw == "virtio-scsi-single",
        "Talos may not find its disk with virtio-scsi-single; virtio-scsi-pci is recommended",
    );
    let keys = shape.pre_enrolled_keys.as_ref().map(|at| at.place);
    let enrolled = hardware.pre_enrolled_keys;
    add(
        keys,
        enrolled && hardware.bios == Bios::SeaBios,
        "`pre_enrolled_keys` has no effect with seabios",
    );
    add(
        keys,
        enrolled && hardware.bios == Bios::Ovmf,
        "with `pre_enrolled_keys` the firmware does not boot an image without `secureboot`, \
         which is not signed",
    );
    add(
        shape.cloud_init.as_ref().map(|at| at.place),
        hardware.cloud_init && platform != Platform::Nocloud,
        &format!("`cloud_init` has no effect on platform {platform}"),
    );
    found
}
