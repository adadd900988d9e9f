//! One position: its name, what becomes of it, and what in it has no effect.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{PositionDraft, draft};
use super::file::PositionShape;
use super::reading::Reading;
use super::template;
use crate::model::{
    DeliveryPlace, Position, PushTarget, RejectedPosition, SchematicSource, Skipped, StorageTarget,
    is_invisible, visible,
};
use crate::schematic::rules;
use crate::yaml::{ProblemReport, YamlKind, YamlNode, read, shown};

/// What became of a position.
pub(super) enum PositionOutcome {
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
    node: &YamlNode,
    names: &BTreeMap<String, u64>,
    reading: &mut Reading<'_>,
) -> PositionOutcome {
    let mut report = ProblemReport::new(reading.doc);
    let name = name(index, node);
    if !matches!(node.kind, YamlKind::Map { .. }) {
        report.at_with_hint(
            node.id,
            format!("expected a position, found {}", reading.doc.describe(node)),
            "a position is a map, such as `- name: my-image`",
        );
        return rejected(index, name, report);
    }
    // Before anything else: the keys of other products are not ours to judge.
    if let Some(product) = node.get("product").and_then(YamlNode::text)
        && !product.trim().eq_ignore_ascii_case(PRODUCT)
    {
        return PositionOutcome::Skipped(Skipped {
            index,
            name,
            product: visible(product.trim()).into_owned(),
        });
    }
    let shape: PositionShape = read(node, &mut report);
    check_name(&shape, &name, names, node, &mut report);
    let Some(draft) = draft(node.id, &shape, reading, &mut report) else {
        return rejected(index, name, report);
    };
    if !report.is_empty() {
        return rejected(index, name, report);
    }
    warn(&shape, &draft, node, reading);
    let source = reading.source(node);
    for (node, _) in &draft.destinations.known {
        if !reading.nodes.contains_key(&node.id) {
            let first = (node.clone(), source.clone());
            reading.nodes.insert(node.id.clone(), first);
        }
    }
    let (mut targets, mut storages) = (Vec::new(), Vec::new());
    for (node, place) in draft.destinations.known {
        let node = node.id;
        match place {
            DeliveryPlace::Dir(dir) => targets.push(PushTarget { node, dir }),
            DeliveryPlace::Storage(storage, content) => storages.push(StorageTarget {
                node,
                storage,
                content,
            }),
        }
    }
    PositionOutcome::Used(Box::new(Position {
        index,
        name,
        platform: draft.platform,
        format: draft.format,
        arch: draft.arch,
        secureboot: shape.secureboot.unwrap_or(false),
        version: draft.version,
        schematic: draft.schematic,
        unpack: draft.unpack,
        targets,
        storages,
        awaited: draft.destinations.awaited,
        elsewhere: BTreeSet::new(),
        elsewhere_awaited: BTreeSet::new(),
        push_unpacked: draft.push_unpacked,
        filename: draft.filename,
        push_method: draft.push_method,
        pinned: draft.pinned,
        template: draft.template,
        source,
    }))
}

fn rejected(index: usize, name: String, report: ProblemReport<'_>) -> PositionOutcome {
    PositionOutcome::Rejected(RejectedPosition {
        index,
        name,
        problems: report.finish(),
    })
}

/// The name, as far as it can be used even to report about the position.
fn name(index: usize, node: &YamlNode) -> String {
    node.get("name")
        .and_then(YamlNode::text)
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
    node: &YamlNode,
    report: &mut ProblemReport<'_>,
) {
    let place = shape.name.as_ref().map_or(node.id, |at| at.place);
    if let Some(text) = &shape.name
        && !is_name(text.value.trim())
    {
        report.at(
            text.place,
            format!(
                "{} is not a name; expected 1 to {NAME_MAX} visible characters on one line",
                shown(&text.value)
            ),
        );
    }
    if let Some(line) = names.get(name) {
        report.at_with_hint(
            place,
            format!(
                "the position on line {line} is already called {}",
                shown(name)
            ),
            "position names are unique within an order",
        );
    }
}

/// What is written and changes nothing.
fn warn(shape: &PositionShape, draft: &PositionDraft, node: &YamlNode, reading: &mut Reading<'_>) {
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
    if let (Some(at), Some(template)) = (&shape.template, &draft.template) {
        let doubts = template::doubts(&at.value, template, draft.platform, &draft.schematic);
        places.extend(doubts);
    }
    let doc = reading.doc;
    let warnings = places
        .into_iter()
        .map(|(place, message)| doc.problem(place, message));
    reading.warnings.extend(warnings);
}
