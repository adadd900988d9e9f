//! One order: its positions and versions, its files, its conditions.

use askama::Template;
use askama::filters::Safe;

use super::frame::{MenuItem, PageFrame, Visit};
use super::rollout::RolloutView;
use super::source::SourceView;
use super::text::{Moment, bytes, lasting, moment, part, short};
use crate::conclude::Condition;
use crate::conclude::matrix::SyncState;
use crate::conclude::positions::{PositionNow, positions};
use crate::conclude::provenance::image_chain;
use crate::live::Finished;
use crate::model::{FileName, Order, OrderId};
use crate::schematic::document;

/// What is read from files for the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderFiles {
    /// The manifest as it is, or why it cannot be read.
    pub manifest: Option<Result<String, String>>,
}

/// The page of an order; `None` if no status and no order knows it.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn order(
    visit: &Visit<'_>,
    name: &str,
    files: &OrderFiles,
) -> Option<askama::Result<String>> {
    let view = visit.view;
    let status = &view.status;
    let of_order = |one: &&Condition| one.order.as_deref() == Some(name);
    let conditions: Vec<&Condition> = status.conditions.iter().filter(of_order).collect();
    let last = view.last.as_deref();
    let found = last.and_then(|last| {
        last.orders
            .orders
            .iter()
            .find(|one| one.id.as_str() == name)
    });
    let whole = conditions.iter().find(|one| one.node.is_none());
    if whole.is_none() && found.is_none() {
        return None;
    }
    let id: Option<OrderId> = name.parse().ok();
    let suspended = &status.suspended;
    let is_suspended = id.as_ref().is_some_and(|id| suspended.orders.contains(id));
    let customer = found.and_then(|order| order.customer.as_deref());
    let customer = customer.or_else(|| status.orders.get(id.as_ref()?)?.customer.as_deref());
    let page = OrderPage {
        frame: PageFrame::new(visit, MenuItem::Below, format!("Order {name}")),
        name,
        customer,
        source: found.map(|order| format!("{}:{}", order.source.file, order.source.line)),
        revision: status.revision.as_deref(),
        committed: SourceView::of(visit),
        whole: whole.map(|one| OnNode::of(one, visit)),
        nodes: conditions
            .iter()
            .filter(|one| one.node.is_some())
            .map(|one| OnNode::of(one, visit))
            .collect(),
        positions: last
            .zip(found)
            .map(|(last, order)| of_positions(last, order))
            .unwrap_or_default(),
        is_suspended,
        rollout: id.as_ref().and_then(|id| RolloutView::of(visit, id)),
        has_id: id.is_some(),
        manifest: files.manifest.as_ref(),
        change: id.as_ref().and_then(|id| change(visit, id)),
    };
    Some(page.render())
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    frame: PageFrame<'a>,
    name: &'a str,
    customer: Option<&'a str>,
    source: Option<String>,
    revision: Option<&'a str>,
    committed: Option<SourceView<'a>>,
    whole: Option<OnNode<'a>>,
    nodes: Vec<OnNode<'a>>,
    positions: Vec<PositionView<'a>>,
    is_suspended: bool,
    rollout: Option<RolloutView<'a>>,
    has_id: bool,
    manifest: Option<&'a Result<String, String>>,
    change: Option<ChangeView<'a>>,
}

/// What changed last in the manifest.
struct ChangeView<'a> {
    at: Safe<Moment>,
    /// Each with its class.
    lines: Vec<(&'static str, &'a str)>,
}

fn change<'a>(visit: &Visit<'a>, id: &OrderId) -> Option<ChangeView<'a>> {
    let change = visit.view.manifest_changes.get(id)?;
    let lines = change.diff.lines().map(|line| {
        let class = match line.as_bytes().first() {
            Some(b'+') if !line.starts_with("+++") => "add",
            Some(b'-') if !line.starts_with("---") => "prune",
            _ => "",
        };
        (class, line)
    });
    Some(ChangeView {
        at: moment(change.at, visit.now),
        lines: lines.collect(),
    })
}

/// The condition of the order on a node, or as a whole.
struct OnNode<'a> {
    node: &'a str,
    href: String,
    state: SyncState,
    reason: String,
    message: &'a str,
    since: Safe<Moment>,
}

impl<'a> OnNode<'a> {
    fn of(condition: &'a Condition, visit: &Visit<'_>) -> Self {
        let node = condition.node.as_ref().map_or("", |node| node.as_str());
        Self {
            node,
            href: format!("/nodes/{}", part(node)),
            state: SyncState::of(condition),
            reason: condition
                .reason
                .map(|reason| reason.to_string())
                .unwrap_or_default(),
            message: &condition.message,
            since: lasting(condition.since, visit.now),
        }
    }
}

/// A position.
struct PositionView<'a> {
    now: PositionNow<'a>,
    schematic: Option<(String, String)>,
    /// The schematic as YAML, where the order describes it.
    yaml: Option<String>,
    files: Vec<FileView>,
    targets: Vec<TargetView>,
}

/// A file in the cache.
struct FileView {
    name: String,
    href: String,
    size: String,
    digest: String,
    copies: String,
    is_in_cache: bool,
}

/// A place that it is delivered to.
struct TargetView {
    node: String,
    href: String,
    path: String,
}

fn of_positions<'a>(last: &'a Finished, order: &'a Order) -> Vec<PositionView<'a>> {
    let found = positions(&last.report, order).into_iter();
    let views = found.map(|now| PositionView {
        schematic: now.schematic.map(|id| (short(&id), id.to_string())),
        yaml: now.customization.map(document),
        files: now.files.iter().map(|file| file_view(last, file)).collect(),
        targets: now
            .targets
            .iter()
            .map(|(target, file)| TargetView {
                node: target.node.to_string(),
                href: format!("/nodes/{}", part(target.node.as_str())),
                path: target.dir.join(file),
            })
            .collect(),
        now,
    });
    views.collect()
}

fn file_view(last: &Finished, file: &FileName) -> FileView {
    let chain = image_chain(&last.report, file);
    let meta = chain.as_ref().and_then(|chain| chain.meta.as_ref());
    let copies = chain.iter().flat_map(|chain| &chain.copies);
    let wanted = copies.filter(|copy| copy.is_wanted);
    let (there, total) = wanted.fold((0, 0), |(there, total), copy| {
        (there + usize::from(copy.placed.is_some()), total + 1)
    });
    FileView {
        name: file.to_string(),
        href: format!("/images/{}", part(file.as_str())),
        size: meta.map(|meta| bytes(meta.size)).unwrap_or_default(),
        digest: meta.map(|meta| short(&meta.sha256)).unwrap_or_default(),
        copies: match total {
            0 => "cache only".to_owned(),
            _ => format!("{there} of {total} places"),
        },
        is_in_cache: chain.as_ref().is_some_and(|chain| chain.is_whole),
    }
}
