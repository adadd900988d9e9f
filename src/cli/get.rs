//! `get`: orders, nodes and images, one per line, from the records on this machine.

use jiff::Timestamp;
use serde::Serialize;

use super::args::Common;
use super::exit::Exit;
use super::forms::{ObjectKind, OutputForm};
use super::table::{Table, one_line, short, span};
use super::{out, style};
use crate::app::App;
use crate::conclude::objects::{
    ImageObject, ImageWant, NodeObject, OrderObject, Reachability, StateRecords, SyncCount,
};
use crate::error::chain;
use crate::model::Node;
use crate::plan::NamePattern;
use crate::plan::render::Bytes;

/// Lists what the records say.
pub(super) fn run(
    common: &Common,
    kind: ObjectKind,
    names: &[NamePattern],
    output: OutputForm,
) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let state = app.readable_state()?;
    let status = state
        .status()
        .map(|status| status.with_suspended(state.suspended()));
    if status.is_none() {
        state.check_access()?;
        let dir = state.path().display();
        out::note(&format!(
            "{} no status in {dir}: there has been no run yet",
            style::warning("note:")
        ));
    }
    let cache = match kind {
        ObjectKind::Images => app.cached(),
        ObjectKind::Orders | ObjectKind::Nodes => Ok(Default::default()),
    };
    if let Err(error) = &cache {
        out::note(&format!("{} {}", style::warning("warning:"), chain(error)));
    }
    app.recall();
    let nodes = app.configured_nodes();
    let nodes: Vec<&Node> = nodes.iter().collect();
    let records = StateRecords {
        status: status.as_ref(),
        cache: cache.as_ref().ok(),
        nodes: &nodes,
    };
    let now = app.now();
    let listing = ObjectList { names, output };
    match kind {
        ObjectKind::Orders => listing.show("order", &records.orders(), |order| {
            (order.name.as_str(), order_cells(order, now))
        }),
        ObjectKind::Nodes => listing.show("node", &records.nodes(), |node| {
            (node.name.as_str(), node_cells(node, now))
        }),
        ObjectKind::Images => listing.show("image", &records.images(), |image| {
            (image.name.as_str(), image_cells(image))
        }),
    }
}

/// The names that `get` would list, with a customer or an address, for a shell that
/// completes them.
pub(super) fn names(app: &App, kind: ObjectKind) -> Vec<(String, String)> {
    let status = app.state().status();
    let cache = match kind {
        ObjectKind::Images => app.cached().ok(),
        ObjectKind::Orders | ObjectKind::Nodes => None,
    };
    app.recall();
    let nodes = app.configured_nodes();
    let nodes: Vec<&Node> = nodes.iter().collect();
    let records = StateRecords {
        status: status.as_ref(),
        cache: cache.as_ref(),
        nodes: &nodes,
    };
    match kind {
        ObjectKind::Orders => {
            let orders = records.orders().into_iter();
            let described = orders.map(|one| (one.name, one.customer.unwrap_or_default()));
            described.collect()
        }
        ObjectKind::Nodes => {
            let nodes = records.nodes().into_iter();
            let described = nodes.map(|one| (one.name, one.address.unwrap_or_default()));
            described.collect()
        }
        ObjectKind::Images => {
            let images = records.images().into_iter();
            images.map(|one| (one.name, String::new())).collect()
        }
    }
}

/// One cell of a row, the same in every row.
pub(super) struct Cell {
    heading: &'static str,
    text: String,
    /// When it is left out: the higher, the sooner. 0 stays.
    rank: u8,
}

/// The rank of a column that only `-o wide` has.
pub(super) const WIDE: u8 = u8::MAX;

pub(super) fn cell(heading: &'static str, rank: u8, text: impl Into<String>) -> Cell {
    Cell {
        heading,
        text: text.into(),
        rank,
    }
}

/// What is asked for of a kind of objects.
struct ObjectList<'a> {
    names: &'a [NamePattern],
    output: OutputForm,
}

impl ObjectList<'_> {
    fn show<'o, T: Serialize>(
        &self,
        noun: &str,
        objects: &'o [T],
        describe: impl Fn(&'o T) -> (&'o str, Vec<Cell>),
    ) -> anyhow::Result<Exit> {
        let has = |object: &&'o T| {
            let (name, _) = describe(object);
            self.names.is_empty() || self.names.iter().any(|pattern| pattern.fits(name))
        };
        let shown: Vec<&T> = objects.iter().filter(has).collect();
        match (self.output, self.output.data()) {
            (_, Some(form)) => out::value(form, &shown)?,
            (OutputForm::Name, None) => {
                let names = shown
                    .iter()
                    .map(|object| format!("{}\n", describe(object).0));
                out::text(&names.collect::<String>())?;
            }
            (output, None) => {
                let rows: Vec<Vec<Cell>> = shown.iter().map(|object| describe(object).1).collect();
                out::text(&table(&rows, output == OutputForm::Wide))?;
            }
        }
        let mut exit = Exit::Done;
        for pattern in self.names {
            if !objects
                .iter()
                .any(|object| pattern.fits(describe(object).0))
            {
                out::note(&format!(
                    "{} there is no {noun} {pattern} in the records",
                    style::error("error:")
                ));
                exit = Exit::Failed;
            }
        }
        if shown.is_empty() && exit == Exit::Done && self.output.data().is_none() {
            out::note(&format!("no {noun}s"));
        }
        Ok(exit)
    }
}

/// As wide as the terminal, as long as that is a matter of columns that may be left out.
pub(super) fn table(rows: &[Vec<Cell>], is_wide: bool) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let mut most = if is_wide { WIDE } else { WIDE - 1 };
    loop {
        let has = |cell: &&Cell| cell.rank <= most;
        let heading: Vec<&str> = first.iter().filter(has).map(|cell| cell.heading).collect();
        let mut table = Table::new(&heading);
        for row in rows {
            table.row(row.iter().filter(has).map(|cell| cell.text.clone()));
        }
        let next = first
            .iter()
            .map(|cell| cell.rank)
            .filter(|rank| *rank <= most)
            .max();
        if is_wide || most == 0 || table.width() <= out::width() {
            let mut lines = table.lines();
            lines[0] = style::heading(&lines[0]);
            return lines.iter().map(|line| format!("{line}\n")).collect();
        }
        most = next.map_or(0, |rank| rank.saturating_sub(1));
    }
}

fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), one_line)
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "unknown".to_owned())
}

fn counted(count: SyncCount) -> String {
    match count.total {
        0 => "-".to_owned(),
        total => format!("{}/{total}", count.in_sync),
    }
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.len() {
        0 => "-".to_owned(),
        _ => items.join(","),
    }
}

fn order_cells(order: &OrderObject, now: Timestamp) -> Vec<Cell> {
    let versions = match order.versions.is_empty() {
        true => "unknown".to_owned(),
        false => list(&order.versions),
    };
    vec![
        cell("NAME", 0, &order.name),
        cell("CUSTOMER", 3, or_dash(order.customer.as_deref())),
        cell(
            "POSITIONS",
            2,
            or_unknown(order.positions.map(|count| count.to_string())),
        ),
        cell("NODES", 0, counted(order.nodes)),
        cell("STATE", 0, order.state.to_string()),
        cell("VERSIONS", 1, versions),
        cell("AGE", 0, span(order.since, now)),
        cell(
            "REASON",
            WIDE,
            or_dash(order.reason.map(|r| r.to_string()).as_deref()),
        ),
        cell("MESSAGE", WIDE, one_line(&order.message)),
    ]
}

fn node_cells(node: &NodeObject, now: Timestamp) -> Vec<Cell> {
    let free = node.free_bytes.values().min();
    let seen = node.seen.map(|seen| format!("{} ago", span(seen, now)));
    let dirs = node.free_bytes.iter();
    vec![
        cell("NAME", 0, &node.name),
        cell("HOST", 1, or_unknown(node.address.clone())),
        cell(
            "STATE",
            0,
            match node.state {
                Reachability::Reachable => "reachable",
                Reachability::Unreachable => "unreachable",
                Reachability::Unknown => "unknown",
                Reachability::Suspended => "suspended",
            },
        ),
        cell("ORDERS", 2, node.orders.len().to_string()),
        cell("IMAGES", 0, counted(node.images)),
        cell(
            "FREE",
            0,
            or_unknown(free.map(|free| Bytes(*free).to_string())),
        ),
        cell("SEEN", 0, or_unknown(seen)),
        cell("ORDER NAMES", WIDE, list(&node.orders)),
        cell(
            "FREE BY DIRECTORY",
            WIDE,
            list(dirs.map(|(dir, free)| format!("{dir}={}", Bytes(*free)))),
        ),
    ]
}

fn image_cells(image: &ImageObject) -> Vec<Cell> {
    let in_cache = image
        .in_cache
        .map(|is_there| if is_there { "yes" } else { "no" });
    vec![
        cell("NAME", 0, &image.name),
        cell("VERSION", 3, image.version.to_string()),
        cell("SCHEMATIC", 4, short(&image.schematic)),
        cell(
            "SIZE",
            1,
            or_unknown(image.bytes.map(|bytes| Bytes(bytes).to_string())),
        ),
        cell("CACHED", 0, or_unknown(in_cache.map(str::to_owned))),
        cell("NODES", 0, counted(image.nodes)),
        cell("ORDERS", 2, list(&image.orders)),
        cell(
            "STATE",
            0,
            match image.state {
                ImageWant::Wanted => "wanted",
                ImageWant::Unreferenced => "unreferenced",
                ImageWant::Unknown => "unknown",
            },
        ),
        cell("IMAGE", WIDE, &image.image),
        cell(
            "SHA256",
            WIDE,
            or_unknown(image.sha256.map(|digest| short(&digest))),
        ),
    ]
}
