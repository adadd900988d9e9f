//! The plan in its short form: by order, image and node.

use std::collections::{BTreeMap, BTreeSet};

use super::sheet::Sheet;
use super::steps::sign;
use super::sums::SizeSum;
use super::{blocked, blocks, cleanup, names, rollouts, templates, totals, why};
use crate::model::{NodeId, PositionRef};
use crate::plan::selection::Selection;
use crate::plan::step::{Action, Notice, Plan};

pub(super) fn render(plan: &Plan, width: usize, selection: &Selection) -> String {
    let mut sheet = Sheet::new(width);
    sheet.line(&totals::headline(plan));
    legend(&mut sheet, plan);
    if !plan.steps.is_empty() || !plan.blocked.is_empty() {
        sheet.gap();
    }
    schematics(&mut sheet, plan);
    let blocks = blocks::of(plan, selection);
    let blocked = blocked::groups(plan, &blocks);
    for (number, block) in blocks.iter().enumerate() {
        block.write(&mut sheet, blocked::within(&blocked, number));
    }
    templates::write(&mut sheet, plan);
    cleanup::write(&mut sheet, plan);
    blocked::write(&mut sheet, &blocked);
    if blocks.iter().filter(|block| block.has_pushes()).count() > 1 {
        per_node(&mut sheet, plan);
    }
    relays(&mut sheet, plan);
    rollouts::write(&mut sheet, plan);
    hints(&mut sheet, plan);
    notices(&mut sheet, plan);
    sheet.into_text()
}

/// The signs that occur, with their meaning.
fn legend(sheet: &mut Sheet, plan: &Plan) {
    let mut signs: BTreeSet<char> = plan
        .steps
        .iter()
        .map(|step| sign(&step.action, &step.why))
        .collect();
    if !plan.blocked.is_empty() {
        signs.insert('!');
    }
    let known = [
        ('+', "+ add"),
        ('~', "~ replace"),
        ('-', "- prune"),
        ('?', "? verify"),
        ('!', "! blocked"),
    ];
    let shown = known.iter().filter(|(sign, _)| signs.contains(sign));
    let shown: Vec<&str> = shown.map(|(_, meaning)| *meaning).collect();
    if !shown.is_empty() {
        sheet.line(&format!("Symbols: {}", shown.join(", ")));
    }
}

/// Schematics belong to several images, and are short to tell.
fn schematics(sheet: &mut Sheet, plan: &Plan) {
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Register { schematic, .. } = &step.action {
            let ids = groups.entry(step.why.to_string()).or_default();
            ids.insert(why::short(&schematic.to_string()).to_owned());
        }
    }
    if groups.is_empty() {
        return;
    }
    sheet.line("Image Factory");
    for (why, ids) in groups {
        let ids = match ids.len() {
            1 => format!("schematic {}", ids.into_iter().collect::<String>()),
            // Digests are in no series.
            count => {
                let first: Vec<String> = ids.into_iter().take(3).collect();
                let more = match count - first.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{count} schematics ({}{more})", first.join(", "))
            }
        };
        sheet.item('+', "register", &format!("{ids}  ({why})"));
    }
    sheet.gap();
}

/// What comes to nodes in all, where it is more than one image.
fn per_node(sheet: &mut Sheet, plan: &Plan) {
    #[derive(Default, PartialEq)]
    struct Load {
        files: usize,
        disk: SizeSum,
        sent: SizeSum,
        relayed: SizeSum,
    }
    let mut nodes: BTreeMap<&NodeId, Load> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Push {
            target,
            bytes,
            transport,
            ..
        } = &step.action
        {
            let load = nodes.entry(&target.node).or_default();
            load.files += 1;
            load.disk.add(*bytes);
            totals::add(&mut load.sent, &mut load.relayed, transport);
        }
    }
    let mut alike: Vec<(Load, Vec<&str>)> = Vec::new();
    for (node, load) in nodes {
        match alike.iter_mut().find(|(other, _)| *other == load) {
            Some((_, names)) => names.push(node.as_str()),
            None => alike.push((load, vec![node.as_str()])),
        }
    }
    if alike.is_empty() {
        return;
    }
    sheet.gap();
    sheet.line("Per node");
    for (load, nodes) in alike {
        let each = if nodes.len() == 1 { "" } else { " each" };
        let plural = if load.files == 1 { "" } else { "s" };
        let sizes = totals::disk_and_sent(load.disk, load.sent, load.relayed).join(", ");
        let nodes = names::counted(nodes, "nodes");
        sheet.entry(&format!(
            "{nodes}: {} file{plural}{each}, {sizes}",
            load.files
        ));
    }
}

/// Each relay with the neighbours that it serves.
fn relays(sheet: &mut Sheet, plan: &Plan) {
    let relays = totals::served_by_relays(plan);
    if relays.is_empty() {
        return;
    }
    sheet.gap();
    sheet.line("Relays");
    for ((site, relay), served) in relays {
        let served = names::counted(served.into_iter().map(NodeId::as_str), "nodes");
        sheet.entry(&format!("{site}: {relay} → {served}"));
    }
}

/// Each remark once, with what it is about.
fn hints(sheet: &mut Sheet, plan: &Plan) {
    let mut texts: BTreeMap<&str, BTreeSet<&PositionRef>> = BTreeMap::new();
    for hint in &plan.hints {
        texts.entry(&hint.text).or_default().insert(&hint.about);
    }
    if texts.is_empty() {
        return;
    }
    sheet.gap();
    sheet.line("Hints");
    for (text, positions) in texts {
        let positions: Vec<String> = positions.into_iter().map(PositionRef::to_string).collect();
        let about = names::counted(positions.iter().map(String::as_str), "positions");
        sheet.entry(&format!("{about}: {text}"));
    }
}

/// What is to be known of clusters.
fn notices(sheet: &mut Sheet, plan: &Plan) {
    if plan.notices.is_empty() {
        return;
    }
    sheet.gap();
    sheet.line("Clusters");
    for Notice { cluster, text, .. } in &plan.notices {
        sheet.entry(&format!("{cluster}: {text}"));
    }
}
