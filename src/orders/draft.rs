//! The parts of a position: every key through the type that it becomes.
//!
//! Nothing here stops at the first problem: a user who fixes a position wants
//! to hear all of it at once. A value that could not be read is left out of later
//! checks, so that one mistake is not told twice in other words.

use super::file::{PositionShape, PushShape};
use super::hosts::{Destinations, Hosts};
use super::reading::Reading;
use super::template::{TemplateBase, template};
use super::{schematic, version};
use crate::model::{
    Arch, FileName, Format, Node, Platform, PushMethod, Reach, Schematic, SchematicId,
    SchematicSource, Sha256, Template, VersionPolicy,
};
use crate::schematic::rules;
use crate::yaml::{At, NodeRef, ProblemReport};

/// A position whose parts were all read.
pub(super) struct PositionDraft {
    pub platform: Platform,
    pub format: Format,
    pub arch: Arch,
    pub version: VersionPolicy,
    pub schematic: SchematicSource,
    pub unpack: bool,
    pub push_unpacked: bool,
    pub destinations: Destinations,
    pub filename: Option<FileName>,
    pub push_method: Option<PushMethod>,
    pub pinned: Option<Sha256>,
    pub template: Option<Box<Template>>,
}

/// `None` where a part is wrong; every part is looked at before that.
pub(super) fn draft(
    position: NodeRef,
    shape: &PositionShape,
    reading: &Reading<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<PositionDraft> {
    let defaults = reading.defaults;
    let platform = or_default(shape.platform.as_ref(), Platform::Nocloud, |text| {
        report.parse_among(text, Platform::ALL.iter().map(|value| value.as_str()))
    });
    let format = or_default(shape.image_format.as_ref(), Format::Iso, |text| {
        report.parse_among(text, Format::ALL.map(Format::as_str))
    });
    let arch = or_default(shape.arch.as_ref(), defaults.arch, |text| {
        report.parse_among(text, Arch::ALL.map(Arch::as_str))
    });
    if let (Some(platform), Some(arch)) = (platform, arch) {
        check_arch(shape, platform, arch, report);
    }
    let version = version::policy(shape.version.as_ref(), report);
    let schematic = schematic_source(shape, report);
    if let Some(SchematicSource::Customization(described)) = &schematic {
        check_schematic(shape, described, (platform, arch), version.as_ref(), report);
    }
    let push = PositionPush::of(
        shape.push.as_ref(),
        defaults.push_enabled,
        defaults.prefer_decompressed,
    );
    let decompress = shape.decompress_raw.as_ref();
    if let Some(format) = format {
        check_decompress(decompress, format, report);
    }
    let compressed = format.is_some_and(|format| format.codec().is_some());
    let unpacked = push.prefer_decompressed && compressed;
    let push_unpacked = push.enabled && unpacked;
    let pushed = |unpacked| if unpacked { Some(Format::Raw) } else { format };
    let delivered = pushed(push_unpacked);
    let hosts = shape.push.as_ref().and_then(|push| push.hosts.as_deref());
    let before = report.problems().count();
    let destinations = Hosts {
        defaults,
        nodes: reading.nodes,
        // Without a known format the hosts are still checked.
        delivered: delivered.unwrap_or(Format::Iso),
    }
    .destinations(hosts.unwrap_or_default(), report);
    let hosts_are_read = report.problems().count() == before && !report.told(position, "push");
    let is_api = |node: &Node| matches!(node.reach, Reach::Api { .. });
    let Destinations { known, awaited } = &destinations;
    let only_api =
        !known.is_empty() && awaited.is_empty() && known.iter().all(|(node, _)| is_api(node));
    let filename = shape.filename.as_ref().and_then(|text| {
        let name: FileName = report.parse(text)?;
        check_extension(text, delivered?, only_api, report);
        Some(name)
    });
    let method = shape.push.as_ref().and_then(|push| push.method.as_ref());
    let push_method = method
        .and_then(|text| report.parse_among(text, PushMethod::ALL.iter().map(|m| m.as_str())));
    let pinned = shape.sha256.as_ref().and_then(|text| report.parse(text));
    let base = TemplateBase {
        arch,
        // That nothing is pushed is another mistake.
        delivered: pushed(unpacked),
        schematic: schematic.as_ref(),
        push: push.enabled,
        // Which nodes a cluster has is not known before it is asked.
        destinations: (hosts_are_read && awaited.is_empty()).then_some(known),
        inventory: &defaults.inventory,
    };
    let template = template(shape, &base, report);
    Some(PositionDraft {
        platform: platform?,
        format: format?,
        arch: arch?,
        version: version?,
        schematic: schematic?,
        unpack: decompress.is_some_and(|at| at.value) || push_unpacked,
        push_unpacked,
        destinations: if push.enabled {
            destinations
        } else {
            Destinations::default()
        },
        filename,
        push_method,
        pinned,
        template: template.map(Box::new),
    })
}

/// What the factory would refuse when the image is asked for, as far as it is known
/// here; for a version that is not known yet, the plan says it.
fn check_schematic(
    shape: &PositionShape,
    schematic: &Schematic,
    (platform, arch): (Option<Platform>, Option<Arch>),
    version: Option<&VersionPolicy>,
    report: &mut ProblemReport<'_>,
) {
    let minor = match version {
        Some(VersionPolicy::Exact(version)) => Some(version.minor()),
        Some(VersionPolicy::LatestInMinor(minor)) => Some(*minor),
        Some(VersionPolicy::Latest) | None => None,
    };
    let overlay = shape.overlay.as_ref().map(|at| at.place);
    if let Some((key, why)) = minor.and_then(|minor| rules::refused_by(schematic, minor)) {
        let embedded = shape
            .customization
            .as_ref()
            .and_then(|at| at.value.embedded_machine_configuration.as_ref());
        let place = match key {
            "overlay" => overlay,
            _ => embedded.map(|at| at.place),
        };
        if let Some(place) = place {
            report.at_with_hint(place, why, "choose a newer version, or remove it");
        }
    }
    if let (Some(platform), Some(arch), Some(place)) = (platform, arch, overlay)
        && let Some(why) = rules::overlay_refused_on(schematic, platform, arch)
    {
        report.at_with_hint(
            place,
            why,
            "add `platform: metal` and `arch: arm64`, or remove the overlay",
        );
    }
}

fn or_default<T>(
    text: Option<&At<String>>,
    default: T,
    parse: impl FnOnce(&At<String>) -> Option<T>,
) -> Option<T> {
    text.map_or(Some(default), parse)
}

/// The push settings of a position over those of the configuration.
struct PositionPush {
    enabled: bool,
    prefer_decompressed: bool,
}

impl PositionPush {
    fn of(shape: Option<&PushShape>, enabled: bool, prefer_decompressed: bool) -> Self {
        Self {
            enabled: shape.and_then(|push| push.enabled).unwrap_or(enabled),
            prefer_decompressed: shape
                .and_then(|push| push.prefer_decompressed)
                .unwrap_or(prefer_decompressed),
        }
    }
}

fn check_arch(
    shape: &PositionShape,
    platform: Platform,
    arch: Arch,
    report: &mut ProblemReport<'_>,
) {
    if platform.arches().contains(&arch) {
        return;
    }
    let legal: Vec<&str> = platform.arches().iter().map(|arch| arch.as_str()).collect();
    let message = format!(
        "platform {platform} is not built for {arch}; expected {}",
        legal.join(", ")
    );
    match (&shape.arch, &shape.platform) {
        (Some(text), _) => report.at(text.place, message),
        (None, Some(text)) => report.at_with_hint(
            text.place,
            message,
            format!(
                "{arch} is `defaults.arch` of the configuration; add `arch: {}` here",
                legal.join(" or ")
            ),
        ),
        // The default platform is built for every architecture.
        (None, None) => {}
    }
}

fn check_decompress(decompress: Option<&At<bool>>, format: Format, report: &mut ProblemReport<'_>) {
    if let Some(at) = decompress
        && at.value
        && format.codec().is_none()
    {
        report.at_with_hint(
            at.place,
            format!("{format} is not compressed; accepted with raw.xz, raw.zst and raw.gz"),
            "remove it, or choose a compressed `image_format`",
        );
    }
}

/// Proxmox VE goes by the extension, and a raw image may become a qcow2 through its API.
fn check_extension(
    text: &At<String>,
    delivered: Format,
    only_api: bool,
    report: &mut ProblemReport<'_>,
) {
    let accepted: &[&str] = match delivered {
        Format::Raw if only_api => &[".raw", ".qcow2"],
        Format::Qcow2 if only_api => &[".qcow2"],
        Format::Iso => &[".iso", ".img"],
        Format::Raw => &[".raw", ".img"],
        Format::Qcow2 => &[".qcow2", ".img"],
        Format::RawXz => &[".xz"],
        Format::RawZst => &[".zst"],
        Format::RawGz => &[".gz"],
    };
    if !accepted.iter().any(|end| text.value.ends_with(end)) {
        report.at_with_hint(
            text.place,
            format!(
                "{:?} does not match the delivered format, {delivered}; accepted extensions: {}",
                text.value,
                accepted.join(", ")
            ),
            "a compressed file named like a raw image does not boot, nor the reverse",
        );
    }
}

fn schematic_source(
    shape: &PositionShape,
    report: &mut ProblemReport<'_>,
) -> Option<SchematicSource> {
    let described =
        schematic::schematic(shape.customization.as_ref(), shape.overlay.as_ref(), report);
    let Some(text) = &shape.schematic_id else {
        return Some(SchematicSource::Customization(Box::new(described)));
    };
    let others = [
        (
            "customization",
            shape.customization.as_ref().map(|at| at.place),
        ),
        ("overlay", shape.overlay.as_ref().map(|at| at.place)),
    ];
    for (key, place) in others {
        if let Some(place) = place {
            report.at_with_hint(
                place,
                format!("`{key}` and `schematic_id` are mutually exclusive"),
                "the id already identifies the customization; keep one of the two",
            );
        }
    }
    report.parse::<SchematicId>(text).map(SchematicSource::Id)
}
