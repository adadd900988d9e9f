//! One node: its directories and files, the space, how it is reached, its templates.

use askama::Template;
use askama::filters::Safe;

use super::frame::{MenuItem, PageFrame, Visit};
use super::text::{Moment, bytes, counted, lasting, length, moment, part};
use crate::conclude::Condition;
use crate::conclude::matrix::SyncState;
use crate::conclude::places::{FileOwner, PlacedDir, PlacedFile, SpaceUse, placed_dirs};
use crate::facts::{NodeVms, TemplateState};
use crate::live::Finished;
use crate::model::{NodeId, OrderId};

/// So many files of a directory are listed: foreign ones may be without number.
const FILES_SHOWN: usize = 500;

/// The page of a node; `None` if no status and no configuration knows it.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn node(visit: &Visit<'_>, name: &str) -> Option<askama::Result<String>> {
    let status = &visit.view.status;
    let id: NodeId = name.parse().ok()?;
    let conditions: Vec<&Condition> = status
        .conditions
        .iter()
        .filter(|one| one.node.as_ref() == Some(&id))
        .collect();
    let line = status.nodes.get(&id);
    let is_site_node = visit.network.site_of.contains_key(&id);
    if line.is_none() && conditions.is_empty() && !is_site_node {
        return None;
    }
    let last = visit.view.last.as_deref();
    let dirs = match last {
        Some(last) => {
            let owner = &status.owner;
            placed_dirs(&last.report, &id, owner, visit.node_reserve)
        }
        None => Err("no run has observed it since the controller was started".to_owned()),
    };
    let orders = conditions.iter().filter(|one| one.order.is_some());
    let page = NodePage {
        frame: PageFrame::new(visit, MenuItem::Below, format!("Node {name}")),
        name,
        address: line.map(|line| line.address.as_str()),
        is_reachable: line.map(|line| line.is_reachable),
        seen: line.and_then(|line| Some(moment(line.seen?, visit.now))),
        circuit: status.circuits.get(&id).map(|circuit| NodeRetry {
            error: &circuit.error,
            until: moment(circuit.until, visit.now),
        }),
        site: visit.site(&id),
        way: way(visit, &id),
        link: last.and_then(|last| link(last, &id, visit)),
        orders: orders
            .map(|one| OrderOnNode {
                name: one.order.as_deref().unwrap_or_default(),
                href: format!("/orders/{}", part(one.order.as_deref().unwrap_or_default())),
                state: SyncState::of(one),
                message: &one.message,
                since: lasting(one.since, visit.now),
            })
            .collect(),
        dirs: dirs.map(|dirs| dirs.iter().map(|dir| dir_view(dir, visit)).collect()),
        templates: last
            .map(|last| templates(last, &id, visit))
            .unwrap_or_default(),
        is_suspended: status.suspended.nodes.contains(&id),
    };
    Some(page.render())
}

#[derive(Template)]
#[template(path = "node.html")]
struct NodePage<'a> {
    frame: PageFrame<'a>,
    name: &'a str,
    address: Option<&'a str>,
    is_reachable: Option<bool>,
    seen: Option<Safe<Moment>>,
    circuit: Option<NodeRetry<'a>>,
    site: Option<&'a str>,
    way: String,
    link: Option<String>,
    orders: Vec<OrderOnNode<'a>>,
    dirs: Result<Vec<DirView>, String>,
    templates: Vec<TemplateView>,
    is_suspended: bool,
}

struct NodeRetry<'a> {
    error: &'a str,
    until: Safe<Moment>,
}

struct OrderOnNode<'a> {
    name: &'a str,
    href: String,
    state: SyncState,
    message: &'a str,
    since: Safe<Moment>,
}

/// A directory.
struct DirView {
    path: String,
    storage: Option<String>,
    mount_point: Option<String>,
    trouble: Option<String>,
    files: Vec<FileLineView>,
    summary: String,
    more: usize,
    bar: Vec<BarPart>,
    parts: Option<String>,
}

/// A part of the bar that shows the space.
struct BarPart {
    class: &'static str,
    label: &'static str,
    size: String,
    /// In thousandths of the bar.
    x: u64,
    width: u64,
}

struct FileLineView {
    name: String,
    href: Option<String>,
    class: &'static str,
    owner: FileOwner,
    size: String,
    orders: Vec<(Option<String>, String)>,
    used_by: String,
    placed: Option<Safe<Moment>>,
}

struct TemplateView {
    name: String,
    vmid: String,
    state: &'static str,
    image: String,
    orders: Vec<(Option<String>, String)>,
}

/// How bytes get to a node.
fn way(visit: &Visit<'_>, id: &NodeId) -> String {
    let Some(site) = visit.network.site_of.get(id) else {
        return "directly".to_owned();
    };
    match visit.network.relay_of(id) {
        Some((relay, _)) => {
            let last = visit.view.last.as_deref();
            let detour = last.and_then(|last| last.memory.detours.get(relay));
            match detour {
                Some(detour) => format!(
                    "directly: relay {relay} is left out after a failure ({})",
                    detour.error
                ),
                None => format!("through relay {relay}"),
            }
        }
        None => {
            let relay = visit
                .network
                .sites
                .get(site)
                .and_then(|site| site.relay.as_ref());
            match relay == Some(id) {
                true => "directly; it is the relay of its site".to_owned(),
                false => "directly".to_owned(),
            }
        }
    }
}

fn link(last: &Finished, id: &NodeId, visit: &Visit<'_>) -> Option<String> {
    let link = last.memory.links.get(id)?;
    let age = length(visit.now.duration_since(link.measured_at));
    let rate = bytes(link.bytes_per_second);
    Some(format!("{rate}/s, measured {age} ago"))
}

fn dir_view(dir: &PlacedDir, visit: &Visit<'_>) -> DirView {
    let more = dir.files.len().saturating_sub(FILES_SHOWN);
    let count = |owner| dir.files.iter().filter(|file| file.owner == owner).count();
    let counts = [
        FileOwner::Wanted,
        FileOwner::WantedNotInSync,
        FileOwner::Unwanted,
        FileOwner::OtherController,
        FileOwner::Foreign,
    ];
    let counts = counts.into_iter().filter_map(|owner| {
        let count = count(owner);
        (count > 0).then(|| format!("{count} {owner}"))
    });
    let counts: Vec<String> = counts.collect();
    let mut files: Vec<&PlacedFile> = dir.files.iter().collect();
    files.sort_by_key(|file| file.owner);
    DirView {
        path: dir.dir.to_string(),
        storage: dir.storage.clone(),
        mount_point: dir.mount_point.clone(),
        trouble: dir.trouble.clone(),
        summary: match counts.is_empty() {
            true => "no files".to_owned(),
            false => format!(
                "{}: {}",
                counted(dir.files.len(), "file"),
                counts.join(", ")
            ),
        },
        files: files
            .into_iter()
            .take(FILES_SHOWN)
            .map(|file| file_line(file, visit))
            .collect(),
        more,
        bar: bar(&dir.space),
        parts: (dir.parts > 0).then(|| bytes(dir.parts)),
    }
}

fn file_line(file: &PlacedFile, visit: &Visit<'_>) -> FileLineView {
    FileLineView {
        name: file.name.clone(),
        href: file
            .image
            .as_ref()
            .map(|image| format!("/images/{}", part(image.as_str()))),
        class: match file.owner {
            FileOwner::Wanted => "in-sync",
            FileOwner::WantedNotInSync => "blocked",
            FileOwner::Unwanted => "unwanted",
            FileOwner::OtherController | FileOwner::Foreign => "foreign",
        },
        owner: file.owner,
        size: file.bytes.map_or_else(|| "not there".to_owned(), bytes),
        orders: orders(file.orders.iter(), visit),
        used_by: match &file.used_by {
            None => "unknown".to_owned(),
            Some(vms) if vms.is_empty() => String::new(),
            Some(vms) => {
                let vms: Vec<String> = vms.iter().map(ToString::to_string).collect();
                format!("VM {}", vms.join(", "))
            }
        },
        placed: file.placed_at.map(|at| moment(at, visit.now)),
    }
}

/// Orders with their pages; one that is gone has none.
fn orders<'a>(
    ids: impl Iterator<Item = &'a OrderId>,
    visit: &Visit<'_>,
) -> Vec<(Option<String>, String)> {
    let links = ids.map(|id| {
        let is_known = visit.view.status.orders.contains_key(id);
        let href = is_known.then(|| format!("/orders/{}", part(id.as_str())));
        (href, id.to_string())
    });
    links.collect()
}

/// The parts of the bar, as shares of all that is known.
fn bar(space: &SpaceUse) -> Vec<BarPart> {
    let Some(free) = space.free else {
        return Vec::new();
    };
    let to_come = space.to_come.min(free);
    let reserve = space.reserve.min(free - to_come);
    let rest = free - to_come - reserve;
    let parts = [
        ("ours", "files of talos-order", space.ours),
        ("others", "other files here", space.others),
        (
            "elsewhere",
            "elsewhere on the file system",
            space.elsewhere.unwrap_or(0),
        ),
        ("to-come", "about to come", to_come),
        ("reserve", "has to stay free", reserve),
        ("free", "free", rest),
    ];
    let total: u64 = parts.iter().map(|(_, _, size)| size).sum();
    let mut x = 0;
    let parts = parts.into_iter().filter(|(_, _, size)| *size > 0);
    let parts = parts.map(|(class, label, size)| {
        let share = u128::from(size) * 1000 / u128::from(total.max(1));
        // What is there is to be seen.
        let width = u64::try_from(share).unwrap_or(1000).max(4);
        let part = BarPart {
            class,
            label,
            size: bytes(size),
            x,
            width,
        };
        x += width;
        part
    });
    parts.collect()
}

/// The templates of ours on a node.
fn templates(last: &Finished, id: &NodeId, visit: &Visit<'_>) -> Vec<TemplateView> {
    let vms = last.report.look.observed.vms.get(id);
    let Some(NodeVms::Known(vms)) = vms else {
        return Vec::new();
    };
    let marked = vms.marked.iter().filter_map(|(vmid, config)| {
        let mark = config.mark_of(*vmid)?;
        Some(TemplateView {
            name: mark.template.to_string(),
            vmid: vmid.to_string(),
            state: match mark.state {
                TemplateState::New => "new",
                TemplateState::Current => "current",
                TemplateState::Retired => "retired",
            },
            image: format!("{} {}", mark.artifact.version, mark.artifact.factory_file()),
            orders: orders(mark.orders.iter(), visit),
        })
    });
    marked.collect()
}
