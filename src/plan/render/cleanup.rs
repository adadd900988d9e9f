//! Steps that no order asks for: what is pruned, and what is read back, by place.

use std::collections::{BTreeMap, BTreeSet};

use super::names;
use super::sheet::Sheet;
use crate::plan::bytes::Bytes;
use crate::plan::step::{Action, Plan, Step};

/// The files of one place that have one reason.
#[derive(PartialEq)]
struct CleanupFiles {
    /// By name, with the bytes of each.
    files: Vec<(String, u64)>,
    /// The directory on a node; `None` for the cache.
    dir: Option<String>,
    why: String,
}

/// Writes the sections that have something in them.
pub(super) fn write(sheet: &mut Sheet, plan: &Plan) {
    section(sheet, plan, "Prune", '-', "prune", |action| {
        action.removes()
    });
    section(
        sheet,
        plan,
        "Verify",
        '?',
        "verify",
        |action| match action {
            Action::VerifyNode { bytes, .. } | Action::VerifyCache { bytes, .. } => Some(*bytes),
            _ => None,
        },
    );
}

fn section(
    sheet: &mut Sheet,
    plan: &Plan,
    title: &str,
    sign: char,
    word: &str,
    bytes: impl Fn(&Action) -> Option<u64>,
) {
    // By place and reason: the cache first, then the nodes.
    let mut places: BTreeMap<_, Vec<(String, u64)>> = BTreeMap::new();
    for step in &plan.steps {
        if let Some(bytes) = bytes(&step.action) {
            let target = step.action.target();
            let node = target.map(|target| target.node.as_str());
            let dir = target.map(|target| target.dir.as_str());
            let files = places.entry((node, dir, step.why.to_string())).or_default();
            files.push((subject(step), bytes));
        }
    }
    if places.is_empty() {
        return;
    }
    let mut alike: Vec<(CleanupFiles, BTreeSet<&str>)> = Vec::new();
    for ((node, dir, why), mut files) in places {
        files.sort();
        let dir = dir.map(str::to_owned);
        let group = CleanupFiles { files, dir, why };
        match alike.iter_mut().find(|(other, _)| *other == group) {
            Some((_, nodes)) => nodes.extend(node),
            None => alike.push((group, node.into_iter().collect())),
        }
    }
    sheet.gap();
    sheet.line(title);
    for (group, nodes) in alike {
        sheet.item(sign, word, &line(&group, nodes, word));
    }
}

fn line(group: &CleanupFiles, nodes: BTreeSet<&str>, word: &str) -> String {
    let bytes: u64 = group.files.iter().map(|(_, bytes)| bytes).sum();
    let (count, is_one) = (nodes.len(), group.files.len() == 1);
    let files = names::list(group.files.iter().map(|(name, _)| name.as_str()));
    // As in the text of a single step.
    let place = match (&group.dir, word) {
        (None, "verify") => "in the cache".to_owned(),
        (None, _) => "from the cache".to_owned(),
        (Some(dir), _) => {
            let preposition = if word == "verify" { "on" } else { "from" };
            match count {
                1 => format!(
                    "{preposition} {}:{dir}",
                    nodes.into_iter().collect::<String>()
                ),
                _ => format!("{preposition} {} in {dir}", names::counted(nodes, "nodes")),
            }
        }
    };
    let files = match is_one {
        true => files,
        false => format!("{} files ({files})", group.files.len()),
    };
    let size = match count {
        0 | 1 => Bytes(bytes).to_string(),
        _ => {
            let all = Bytes(bytes * count as u64);
            format!("{} each, {all} in total", Bytes(bytes))
        }
    };
    format!("{files} {place}, {size}  ({})", group.why)
}

/// What of the place it is.
fn subject(step: &Step) -> String {
    match &step.action {
        Action::ClearPart { part, .. } => format!("part of {}", part.file()),
        Action::ClearPartial { file, .. } => format!("part of {file}"),
        Action::PruneNode { file, .. }
        | Action::PruneCache { file, .. }
        | Action::VerifyNode { file, .. }
        | Action::VerifyCache { file, .. }
        | Action::Fetch { file, .. }
        | Action::Unpack { file, .. }
        | Action::Push { file, .. } => file.to_string(),
        Action::Register { schematic, .. } => schematic.to_string(),
        Action::CreateTemplate(create) => create.name.to_string(),
        Action::SwitchTemplate(switch) => switch.name.to_string(),
        Action::RemoveTemplate { vmid, .. } => vmid.to_string(),
    }
}
