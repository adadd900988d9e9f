//! What is blocked, by reason.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::ImageBlock;
use super::names;
use super::sheet::Sheet;
use crate::facts::{StepId, StepKind};
use crate::model::{FileName, PositionRef};
use crate::plan::blocked::Blocked;
use crate::plan::step::Plan;

/// Stands for the node's name in reasons that are alike but for it.
const NODE: &str = "\u{0}";

/// What is blocked for one reason.
pub(super) struct BlockedGroup<'a> {
    kind: Option<StepKind>,
    /// The reason, with [`NODE`] for the name of the node.
    reason: String,
    nodes: BTreeSet<String>,
    ids: Vec<&'a StepId>,
    positions: BTreeSet<&'a PositionRef>,
    /// The blocks of images that it concerns.
    blocks: BTreeSet<usize>,
    /// The line of a block that names the file makes its name superfluous.
    is_named: bool,
}

/// Everything that is blocked, by kind and reason.
pub(super) fn groups<'a>(plan: &'a Plan, blocks: &[ImageBlock<'a>]) -> Vec<BlockedGroup<'a>> {
    let mut block_of: BTreeMap<&PositionRef, usize> = BTreeMap::new();
    for (number, block) in blocks.iter().enumerate() {
        for position in block.positions() {
            block_of.entry(position).or_insert(number);
        }
    }
    let mut index: BTreeMap<(Option<StepKind>, String), usize> = BTreeMap::new();
    let mut groups: Vec<BlockedGroup<'a>> = Vec::new();
    for blocked in &plan.blocked {
        let (kind, reason) = (blocked.id.kind(), reason(blocked));
        let at = *index.entry((kind, reason.clone())).or_insert_with(|| {
            groups.push(BlockedGroup {
                kind,
                reason,
                nodes: BTreeSet::new(),
                ids: Vec::new(),
                positions: BTreeSet::new(),
                blocks: BTreeSet::new(),
                is_named: true,
            });
            groups.len() - 1
        });
        let group = &mut groups[at];
        group
            .nodes
            .extend(blocked.id.node().map(|node| node.to_string()));
        group.ids.push(&blocked.id);
        group.positions.extend(&blocked.wanted_by);
        let block = blocked.wanted_by.iter().find_map(|one| block_of.get(one));
        group.blocks.extend(block);
        group.is_named &= block.is_some_and(|number| blocks[*number].names_file(&blocked.id));
    }
    groups
}

/// The lines that belong to one block alone.
pub(super) fn within<'a>(
    groups: &'a [BlockedGroup<'_>],
    number: usize,
) -> impl Iterator<Item = String> + 'a {
    groups
        .iter()
        .filter(move |group| group.blocks.len() == 1 && group.blocks.contains(&number))
        .map(BlockedGroup::text)
}

/// What concerns several images, or none.
pub(super) fn write(sheet: &mut Sheet, groups: &[BlockedGroup<'_>]) {
    let mut others = groups
        .iter()
        .filter(|group| group.blocks.len() != 1)
        .peekable();
    if others.peek().is_none() {
        return;
    }
    sheet.gap();
    sheet.line("Blocked");
    for group in others {
        sheet.item('!', "blocked", &group.text());
    }
}

/// The reason without the name of its node, which stands before it.
fn reason(blocked: &Blocked) -> String {
    let text = blocked.reason.to_string();
    match blocked.id.node() {
        None => text,
        Some(node) => without_node(&text, node.as_str()),
    }
}

/// A place on the node becomes its path; elsewhere the name is marked.
fn without_node(text: &str, node: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@');
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(node) {
        let (before, after) = (&rest[..at], &rest[at + node.len()..]);
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        result.push_str(before);
        rest = after;
        match is_whole {
            false => result.push_str(node),
            true if after.starts_with(":/") => rest = &after[1..],
            true => result.push_str(NODE),
        }
    }
    result + rest
}

impl BlockedGroup<'_> {
    fn text(&self) -> String {
        let what = self.what();
        let one = self.nodes.first().filter(|_| self.nodes.len() == 1);
        let node = one.map_or("the node", String::as_str);
        let start = format!("{NODE} ");
        let reason = match self.reason.strip_prefix(&start) {
            // The names stand before it already.
            Some(reason) if one.is_none() => reason,
            _ => &self.reason,
        };
        let reason = reason.replace(NODE, node);
        let orders = match self.blocks.len() {
            0 | 1 => String::new(),
            _ => {
                let orders: BTreeSet<&str> = self
                    .positions
                    .iter()
                    .map(|one| one.order.as_str())
                    .collect();
                let noun = if orders.len() == 1 { "order" } else { "orders" };
                format!(" for {noun} {}", names::list(orders))
            }
        };
        match what.as_str() {
            "" => reason,
            what => format!("{what}{orders}: {reason}"),
        }
    }

    /// What is blocked, in words.
    fn what(&self) -> String {
        let Some(kind) = self.kind else {
            return names::counted(self.ids.iter().map(|id| id.as_str()), "steps");
        };
        let nodes = names::counted(self.nodes.iter().map(String::as_str), "nodes");
        let files = || {
            let files: BTreeSet<FileName> = self.ids.iter().filter_map(|id| file(id)).collect();
            names::counted(files.iter().map(FileName::as_str), "files")
        };
        let templates = || {
            let ids = self.ids.iter();
            let names: BTreeSet<&str> = ids
                .filter_map(|id| id.as_str().rsplit('/').next())
                .collect();
            match names.len() {
                1 => format!("template {}", names::list(names)),
                count => format!("{count} templates ({})", names::list(names)),
            }
        };
        match kind {
            StepKind::Resolve if self.blocks.len() > 1 => {
                format!("{} positions", self.positions.len())
            }
            StepKind::Resolve => String::new(),
            StepKind::Storage => format!("push to {nodes}"),
            StepKind::Record => format!("prune on {nodes}"),
            StepKind::Register => {
                let ids = self
                    .ids
                    .iter()
                    .filter_map(|id| id.as_str().split('/').nth(1));
                format!("register {}", names::counted(ids, "schematics"))
            }
            StepKind::Fetch => format!("fetch {}", files()),
            StepKind::Unpack => format!("unpack {}", files()),
            StepKind::Push if self.is_named => format!("push to {nodes}"),
            StepKind::Push => format!("push {} to {nodes}", files()),
            StepKind::PruneCache => format!("prune {} from the cache", files()),
            StepKind::ClearPartial => format!("prune part of {} from the cache", files()),
            StepKind::PruneNode => format!("prune {} from {nodes}", files()),
            StepKind::ClearPart => format!("prune partial files from {nodes}"),
            StepKind::VerifyNode => format!("verify {} on {nodes}", files()),
            StepKind::VerifyCache => format!("verify {} in the cache", files()),
            StepKind::CreateTemplate => format!("create {} on {nodes}", templates()),
            StepKind::SwitchTemplate => format!("switch {} on {nodes}", templates()),
            StepKind::RemoveTemplate => format!("prune {} from {nodes}", templates()),
        }
    }
}

fn file(id: &StepId) -> Option<FileName> {
    id.path().map(|(_, file)| file).or_else(|| id.cached())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_node_is_taken_out_of_a_reason() {
        for (text, found) in [
            ("pve-1 does not answer", "\u{0} does not answer"),
            ("pve-1:/iso does not exist", "/iso does not exist"),
            ("pve-10 is down", "pve-10 is down"),
            (
                "no file in pve-1:/a, my-pve-1 or pve-1.lan",
                "no file in /a, my-pve-1 or pve-1.lan",
            ),
            ("ssh to pve-1: refused", "ssh to \u{0}: refused"),
        ] {
            assert_eq!(without_node(text, "pve-1"), found);
        }
    }
}
