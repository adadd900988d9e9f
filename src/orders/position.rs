//! One position: every key through the type that it becomes.
//!
//! Nothing here stops at the first problem: a person who mends a position wants
//! to hear all of it at once. A value that could not be read is left out of later
//! checks, so that one mistake is not told twice in other words.

use std::collections::BTreeMap;

use super::file::{PositionShape, PushShape};
use super::hosts::{Destination, Hosts};
use super::order::Reading;
use super::{schematic, version};
use crate::model::{
    Arch, FileName, Format, Platform, Position, PushMethod, PushTarget, RejectedPosition,
    Schematic, SchematicId, SchematicSource, Sha256, Skipped, VersionPolicy, is_invisible, visible,
};
use crate::schematic::rules;
use crate::yaml::{At, Kind, Node, Report, read, shown};

/// What became of a position.
pub(super) enum Outcome {
    Used(Box<Position>),
    Rejected(RejectedPosition),
    Skipped(Skipped),
}

/// The product that this program handles.
const PRODUCT: &str = "talos";

/// The longest name of a position, in characters.
const NAME_MAX: usize = 128;

/// Reads a position. `names` are those of its siblings before it, with their lines.
pub(super) fn read_position(
    index: usize,
    node: &Node,
    names: &BTreeMap<String, u64>,
    reading: &mut Reading<'_>,
) -> Outcome {
    let mut report = Report::new(reading.doc);
    let name = name(index, node);
    if !matches!(node.kind, Kind::Map { .. }) {
        report.at_with_hint(
            node.id,
            format!("expected a position, found {}", reading.doc.describe(node)),
            "a position is a map, such as `- name: my-image`",
        );
        return rejected(index, name, report);
    }
    // Before anything else: the keys of other products are not ours to judge.
    if let Some(product) = node.get("product").and_then(Node::text)
        && !product.trim().eq_ignore_ascii_case(PRODUCT)
    {
        return Outcome::Skipped(Skipped {
            index,
            name,
            product: visible(product.trim()).into_owned(),
        });
    }
    let shape: PositionShape = read(node, &mut report);
    check_name(&shape, &name, names, node, &mut report);
    let Some(draft) = draft(&shape, reading, &mut report) else {
        return rejected(index, name, report);
    };
    if !report.is_empty() {
        return rejected(index, name, report);
    }
    warn(&shape, &draft, node, reading);
    let source = reading.source(node);
    for (node, _) in &draft.destinations {
        if !reading.nodes.contains_key(&node.id) {
            let first = (node.clone(), source.clone());
            reading.nodes.insert(node.id.clone(), first);
        }
    }
    let targets = draft
        .destinations
        .into_iter()
        .map(|(node, dir)| PushTarget { node: node.id, dir });
    Outcome::Used(Box::new(Position {
        index,
        name,
        platform: draft.platform,
        format: draft.format,
        arch: draft.arch,
        secureboot: shape.secureboot.unwrap_or(false),
        version: draft.version,
        schematic: draft.schematic,
        unpack: draft.unpack,
        targets: targets.collect(),
        push_unpacked: draft.push_unpacked,
        filename: draft.filename,
        push_method: draft.push_method,
        pinned: draft.pinned,
        source,
    }))
}

fn rejected(index: usize, name: String, report: Report<'_>) -> Outcome {
    Outcome::Rejected(RejectedPosition {
        index,
        name,
        problems: report.finish(),
    })
}

/// The name, as far as it can be used even to report about the position.
fn name(index: usize, node: &Node) -> String {
    node.get("name")
        .and_then(Node::text)
        .map(str::trim)
        .filter(|name| is_name(name))
        .map_or_else(|| format!("position-{}", index + 1), str::to_owned)
}

fn is_name(text: &str) -> bool {
    let is_seen = |c: char| !c.is_control() && !is_invisible(c);
    !text.is_empty() && text.chars().count() <= NAME_MAX && text.chars().all(is_seen)
}

fn check_name(
    shape: &PositionShape,
    name: &str,
    names: &BTreeMap<String, u64>,
    node: &Node,
    report: &mut Report<'_>,
) {
    let place = shape.name.as_ref().map_or(node.id, |at| at.place);
    if let Some(text) = &shape.name
        && !is_name(text.value.trim())
    {
        report.at(
            text.place,
            format!(
                "{} is not a name; accepted are 1 to {NAME_MAX} characters of one line, all of which can be seen",
                shown(&text.value)
            ),
        );
    }
    if let Some(line) = names.get(name) {
        report.at_with_hint(
            place,
            format!(
                "the position on line {line} is called {} already",
                shown(name)
            ),
            "plans and manifests tell the positions of an order apart by name",
        );
    }
}

/// A position whose parts were all read.
struct Draft {
    platform: Platform,
    format: Format,
    arch: Arch,
    version: VersionPolicy,
    schematic: SchematicSource,
    unpack: bool,
    push_unpacked: bool,
    destinations: Vec<Destination>,
    filename: Option<FileName>,
    push_method: Option<PushMethod>,
    pinned: Option<Sha256>,
}

/// `None` where a part is wrong; every part is looked at before that.
fn draft(shape: &PositionShape, reading: &Reading<'_>, report: &mut Report<'_>) -> Option<Draft> {
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
    let push = Push::of(
        shape.push.as_ref(),
        defaults.push_enabled,
        defaults.prefer_decompressed,
    );
    let decompress = shape.decompress_raw.as_ref();
    if let Some(format) = format {
        check_decompress(decompress, format, report);
    }
    let compressed = format.is_some_and(|format| format.codec().is_some());
    let push_unpacked = push.enabled && push.prefer_decompressed && compressed;
    let delivered = if push_unpacked {
        Some(Format::Raw)
    } else {
        format
    };
    let hosts = shape.push.as_ref().and_then(|push| push.hosts.as_deref());
    let destinations = Hosts {
        defaults,
        nodes: reading.nodes,
        // Without a known format the hosts are still checked.
        delivered: delivered.unwrap_or(Format::Iso),
    }
    .destinations(hosts.unwrap_or_default(), report);
    let filename = shape.filename.as_ref().and_then(|text| {
        let name: FileName = report.parse(text)?;
        check_extension(text, delivered?, report);
        Some(name)
    });
    let method = shape.push.as_ref().and_then(|push| push.method.as_ref());
    let push_method = method
        .and_then(|text| report.parse_among(text, PushMethod::ALL.iter().map(|m| m.as_str())));
    let pinned = shape.sha256.as_ref().and_then(|text| report.parse(text));
    Some(Draft {
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
            Vec::new()
        },
        filename,
        push_method,
        pinned,
    })
}

/// What the factory would refuse when the image is asked for, as far as it is known
/// here; for a version that is not known yet, the plan says it.
fn check_schematic(
    shape: &PositionShape,
    schematic: &Schematic,
    (platform, arch): (Option<Platform>, Option<Arch>),
    version: Option<&VersionPolicy>,
    report: &mut Report<'_>,
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
            report.at_with_hint(place, why, "choose a newer version, or leave it out");
        }
    }
    if let (Some(platform), Some(arch), Some(place)) = (platform, arch, overlay)
        && let Some(why) = rules::overlay_refused_on(schematic, platform, arch)
    {
        report.at_with_hint(
            place,
            why,
            "add `platform: metal` and `arch: arm64`, or leave the overlay out",
        );
    }
}

/// What is written and changes nothing.
fn warn(shape: &PositionShape, draft: &Draft, node: &Node, reading: &mut Reading<'_>) {
    let mut places = Vec::new();
    if let SchematicSource::Customization(schematic) = &draft.schematic {
        let secureboot = shape.secureboot.unwrap_or(false);
        let keys = rules::without_effect(&schematic.customization, draft.format, secureboot);
        let customization = node.get("customization");
        places.extend(keys.into_iter().filter_map(|(key, why)| {
            let place = customization?.get(key)?;
            Some((place.id, format!("`{key}` has no effect {why}")))
        }));
    }
    let prefers = shape
        .push
        .as_ref()
        .and_then(|push| push.prefer_decompressed);
    if prefers == Some(true)
        && draft.format.codec().is_none()
        && let Some(place) = node
            .get("push")
            .and_then(|push| push.get("prefer_decompressed"))
    {
        let format = draft.format;
        let message = format!("`prefer_decompressed` has no effect on {format}");
        places.push((place.id, message));
    }
    let doc = reading.doc;
    let warnings = places
        .into_iter()
        .map(|(place, message)| doc.problem(place, message));
    reading.warnings.extend(warnings);
}

fn or_default<T>(
    text: Option<&At<String>>,
    default: T,
    parse: impl FnOnce(&At<String>) -> Option<T>,
) -> Option<T> {
    text.map_or(Some(default), parse)
}

/// The push settings of a position over those of the configuration.
struct Push {
    enabled: bool,
    prefer_decompressed: bool,
}

impl Push {
    fn of(shape: Option<&PushShape>, enabled: bool, prefer_decompressed: bool) -> Self {
        Self {
            enabled: shape.and_then(|push| push.enabled).unwrap_or(enabled),
            prefer_decompressed: shape
                .and_then(|push| push.prefer_decompressed)
                .unwrap_or(prefer_decompressed),
        }
    }
}

fn check_arch(shape: &PositionShape, platform: Platform, arch: Arch, report: &mut Report<'_>) {
    if platform.arches().contains(&arch) {
        return;
    }
    let legal: Vec<&str> = platform.arches().iter().map(|arch| arch.as_str()).collect();
    let message = format!(
        "platform {platform} is not built for {arch}; accepted is {}",
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

fn check_decompress(decompress: Option<&At<bool>>, format: Format, report: &mut Report<'_>) {
    if let Some(at) = decompress
        && at.value
        && format.codec().is_none()
    {
        report.at_with_hint(
            at.place,
            format!(
                "there is nothing to unpack in {format}; accepted with raw.xz, raw.zst and raw.gz"
            ),
            "leave it out, or choose a compressed `image_format`",
        );
    }
}

fn check_extension(text: &At<String>, delivered: Format, report: &mut Report<'_>) {
    let accepted: &[&str] = match delivered {
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
                "{:?} does not fit what is delivered, {delivered}; accepted endings are {}",
                text.value,
                accepted.join(", ")
            ),
            "compressed bytes under the name of an image, or the other way round, do not boot",
        );
    }
}

fn schematic_source(shape: &PositionShape, report: &mut Report<'_>) -> Option<SchematicSource> {
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
                format!("`{key}` and `schematic_id` exclude each other"),
                "the id stands for everything that is changed; keep one of the two",
            );
        }
    }
    report.parse::<SchematicId>(text).map(SchematicSource::Id)
}
