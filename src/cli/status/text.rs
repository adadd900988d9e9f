//! The text of a status: a head, and tables that fit the terminal.
//!
//! A row has its message behind it where the table is no wider than the terminal, and
//! below it otherwise; names are never broken. What an order and its nodes have in
//! common is shown once.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::header::header;
use crate::cli::table::{Table, fold, one_line, short, span};
use crate::cli::{rings, style};
use crate::conclude::{Condition, ConditionState, Scope, Status};
use crate::model::{NodeId, OrderId};

/// So many things blocked are shown; `-o wide` and the data have all that are kept.
const BLOCKED_SHOWN: usize = 20;

/// How a status is shown.
pub(super) struct StatusView<'a> {
    pub scope: &'a Scope,
    /// Columns of the terminal.
    pub width: usize,
    /// All columns, each row on one line.
    pub is_wide: bool,
    pub now: Timestamp,
}

/// The status as text, with colours, ending with a line break.
pub(super) fn text(status: &Status, view: &StatusView<'_>) -> String {
    let has_controller = has_controller(status, view.now);
    let width = if view.is_wide { usize::MAX } else { view.width };
    let mut lines = Vec::new();
    for (name, text) in header(status, view.now) {
        let text = fold(&text, width.saturating_sub(12));
        lines.extend(text.into_iter().enumerate().map(|(number, line)| {
            let name = if number == 0 { name } else { "" };
            format!("{name:10}  {line}")
        }));
    }
    let shown: Vec<&Condition> = status
        .conditions
        .iter()
        .filter(|condition| concerns(view.scope, condition))
        .collect();
    let mut said = Said::default();
    lines.push(String::new());
    if shown.is_empty() {
        lines.push("no orders".to_owned());
    } else {
        lines.extend(conditions(&shown, view, &mut said));
    }
    if *view.scope == Scope::All {
        lines.extend(circuits(status, view, has_controller, &mut said));
        lines.extend(blocked(status, view, has_controller, &mut said));
        lines.extend(rings::unfinished(&status.rollouts, view.now));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// True if a condition is about what was asked for.
pub(super) fn concerns(scope: &Scope, condition: &Condition) -> bool {
    match scope {
        Scope::All => true,
        Scope::Order(id) => condition.order.as_deref() == Some(id.as_str()),
        Scope::Node(id) => condition.node.as_ref() == Some(id),
    }
}

/// True if somebody begins the next run.
fn has_controller(status: &Status, now: Timestamp) -> bool {
    status.running.is_some() || status.next_run.is_some_and(|next| next >= now)
}

/// The messages that were shown; each is shown once.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    /// The message, or nothing if a shown one says it.
    fn once(&mut self, message: &str) -> String {
        let message = one_line(message);
        if self.0.iter().any(|said| said.contains(&message)) {
            return String::new();
        }
        self.0.push(message.clone());
        message
    }
}

/// What of a row's images is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ImageColumn {
    Names,
    /// How many, where there are several.
    Counts,
    None,
}

fn conditions(shown: &[&Condition], view: &StatusView<'_>, said: &mut Said) -> Vec<String> {
    let mut of_order: Option<&str> = None;
    let messages: Vec<String> = shown
        .iter()
        .map(|condition| {
            // Two orders may have the same to say.
            if condition.order.as_deref() != of_order {
                of_order = condition.order.as_deref();
                said.0.push(String::new());
            }
            condition_message(condition, said)
        })
        .collect();
    let table = |images: ImageColumn, is_one_line: bool| {
        let mut header = vec!["ORDER", "NODE", "VERSION"];
        header.extend((images != ImageColumn::None).then_some("IMAGE"));
        header.extend(view.is_wide.then_some("SCHEMATIC"));
        header.extend(["STATE", "SINCE"]);
        header.extend(
            is_one_line
                .then_some(["REASON", "MESSAGE"])
                .iter()
                .flatten(),
        );
        let mut table = Table::new(&header);
        for (condition, message) in shown.iter().zip(&messages) {
            table.row(cells(condition, message, images, is_one_line, view));
        }
        table
    };
    let one_line = table(ImageColumn::Names, true);
    if view.is_wide || one_line.width() <= view.width {
        return coloured(one_line.lines(), shown);
    }
    let widths = [ImageColumn::Names, ImageColumn::Counts];
    let short = widths
        .into_iter()
        .map(|images| table(images, false))
        .find(|table| table.width() <= view.width)
        .unwrap_or_else(|| table(ImageColumn::None, false));
    let mut lines = coloured(short.lines(), shown).into_iter();
    let mut all: Vec<String> = lines.next().into_iter().collect();
    for ((line, condition), message) in lines.zip(shown).zip(&messages) {
        all.push(line);
        if let Some(reason) = condition.reason
            && !message.is_empty()
        {
            let message = format!("{reason}: {message}");
            let below = fold(&message, view.width.saturating_sub(4));
            all.extend(below.iter().map(|line| format!("    {line}")));
        }
    }
    all
}

/// What a row has to say besides its state.
fn condition_message(condition: &Condition, said: &mut Said) -> String {
    if condition.state == ConditionState::Ready {
        return String::new();
    }
    let message = one_line(&condition.message);
    // Said of the order whose rows these are.
    let start = said.0.iter().rposition(String::is_empty).unwrap_or(0);
    if said.0[start..].iter().any(|text| text.contains(&message)) {
        return String::new();
    }
    said.0.push(message.clone());
    message
}

fn cells(
    condition: &Condition,
    message: &str,
    column_of_images: ImageColumn,
    is_one_line: bool,
    view: &StatusView<'_>,
) -> Vec<String> {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let column = |noun: &str, most: usize, text: &dyn Fn(usize) -> Option<String>| {
        let values: BTreeSet<String> = (0..condition.images.len())
            .map(|number| text(number).unwrap_or_else(|| "unknown".to_owned()))
            .collect();
        match values.len() {
            0 => "-".to_owned(),
            count if count > most && !view.is_wide => format!("{count} {noun}"),
            _ => Vec::from_iter(values).join(", "),
        }
    };
    let images = &condition.images;
    let mut cells = vec![
        or_dash(condition.order.as_deref()),
        or_dash(condition.node.as_ref().map(NodeId::as_str)),
        column("versions", 2, &|n| {
            images[n].version.as_ref().map(ToString::to_string)
        }),
    ];
    let most = match column_of_images {
        ImageColumn::Names => Some(2),
        ImageColumn::Counts => Some(1),
        ImageColumn::None => None,
    };
    cells.extend(most.map(|most| column("images", most, &|n| images[n].image.clone())));
    if view.is_wide {
        cells.push(column("schematics", 2, &|n| {
            Some(short(&images[n].schematic?))
        }));
    }
    cells.push(condition.state.to_string());
    cells.push(span(condition.since, view.now));
    if is_one_line {
        cells.push(or_dash(condition.reason.map(|r| r.to_string()).as_deref()));
        cells.push(message.to_owned());
    }
    cells
}

fn coloured(mut lines: Vec<String>, shown: &[&Condition]) -> Vec<String> {
    lines[0] = style::heading(&lines[0]);
    for (line, condition) in lines[1..].iter_mut().zip(shown) {
        *line = match condition.state {
            ConditionState::Ready | ConditionState::Suspended => std::mem::take(line),
            ConditionState::Reconciling => style::waiting(line),
            ConditionState::Stalled => style::stalled(line),
        };
    }
    lines
}

fn circuits(
    status: &Status,
    view: &StatusView<'_>,
    has_controller: bool,
    said: &mut Said,
) -> Vec<String> {
    let rows = status.circuits.iter().map(|(node, circuit)| {
        let mut cells = vec![node.to_string(), circuit.failures.to_string()];
        cells.extend(has_controller.then(|| next_try(Some(circuit.until), view.now)));
        (cells, said.once(&circuit.error))
    });
    let mut header = vec!["UNREACHABLE NODE", "FAILURES"];
    header.extend(has_controller.then_some("NEXT TRY"));
    section(&header, &Vec::from_iter(rows), view)
}

fn blocked(
    status: &Status,
    view: &StatusView<'_>,
    has_controller: bool,
    said: &mut Said,
) -> Vec<String> {
    let most = if view.is_wide {
        usize::MAX
    } else {
        BLOCKED_SHOWN
    };
    let rows = status.blocked.iter().take(most).map(|blocked| {
        let mut cells = vec![blocked.step.text().to_string(), blocked.reason.to_string()];
        cells.extend(has_controller.then(|| next_try(blocked.next_try, view.now)));
        if view.is_wide {
            let orders: Vec<&str> = blocked.orders.iter().map(OrderId::as_str).collect();
            cells.push(if orders.is_empty() {
                "-".to_owned()
            } else {
                orders.join(", ")
            });
        }
        (cells, said.once(&blocked.message))
    });
    let mut header = vec!["BLOCKED", "REASON"];
    header.extend(has_controller.then_some("NEXT TRY"));
    header.extend(view.is_wide.then_some("ORDERS"));
    let mut lines = section(&header, &Vec::from_iter(rows), view);
    let more = status.blocked.len().saturating_sub(most) + status.more_blocked;
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// A table below the first one, each row with a message behind or below it.
fn section(header: &[&str], rows: &[(Vec<String>, String)], view: &StatusView<'_>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let has_messages = rows.iter().any(|(_, message)| !message.is_empty());
    let message: &[&str] = if has_messages { &["MESSAGE"] } else { &[] };
    let mut one_line = Table::new(&[header, message].concat());
    let mut short = Table::new(header);
    for (cells, message) in rows {
        one_line.row(cells.iter().cloned().chain([message.clone()]));
        short.row(cells.clone());
    }
    let is_one_line = view.is_wide || one_line.width() <= view.width;
    if !is_one_line && short.width() > view.width {
        // A path alone may fill the line.
        let mut all = vec![String::new(), style::heading(header[0])];
        for (cells, message) in rows {
            all.push(cells[0].clone());
            let below = format!("{}  {message}", cells[1..].join("  "));
            let below = fold(&below, view.width.saturating_sub(4));
            all.extend(below.iter().map(|line| format!("    {line}")));
        }
        return all;
    }
    let table = if is_one_line { one_line } else { short };
    let mut lines = table.lines().into_iter();
    let mut all = vec![String::new()];
    all.extend(lines.next().map(|line| style::heading(&line)));
    for (line, (_, message)) in lines.zip(rows) {
        all.push(line);
        if !is_one_line && !message.is_empty() {
            let below = fold(message, view.width.saturating_sub(4));
            all.extend(below.iter().map(|line| format!("    {line}")));
        }
    }
    all
}

fn next_try(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        None => "-".to_owned(),
        Some(at) if at <= now => "next run".to_owned(),
        Some(at) => format!("in {}", span(now, at)),
    }
}
