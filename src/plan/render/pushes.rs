//! Deliveries of an image: one line for all that are alike but for the node.

use std::collections::BTreeMap;

use super::sheet::Sheet;
use super::steps::sign;
use super::sums::SizeSum;
use super::{names, totals, why};
use crate::model::{FileName, Method, NodeId, StoredForm};
use crate::plan::bytes::Bytes;
use crate::plan::size::Size;
use crate::plan::step::{Action, Otherwise, Step, Why};
use crate::plan::transport::{Transport, TransportReason, route_clause};

/// What deliveries on one line have in common.
#[derive(PartialEq)]
struct Kind<'a> {
    sign: char,
    /// The name on the node, where no other line of the block tells it.
    file: Option<&'a FileName>,
    size: Size,
    transport: String,
    /// It does not wait for the end of the download.
    is_early: bool,
    why: &'a Why,
    /// A directory of its own for a node that gets the file more than once.
    dir: Option<&'a str>,
}

#[derive(Default)]
struct Deliveries<'a> {
    nodes: Vec<&'a str>,
    disk: SizeSum,
    sent: SizeSum,
    relayed: SizeSum,
}

/// Writes the deliveries; `is_named` tells whether a file's name is known from a line
/// before, given that on the node and that in the cache.
pub(super) fn write<'a>(
    sheet: &mut Sheet,
    pushes: &[&'a Step],
    is_named: impl Fn(&FileName, &FileName) -> bool,
) {
    let mut per_node: BTreeMap<&NodeId, usize> = BTreeMap::new();
    for target in pushes.iter().filter_map(|step| step.action.target()) {
        *per_node.entry(&target.node).or_default() += 1;
    }
    let mut kinds: Vec<(Kind<'a>, Deliveries<'a>)> = Vec::new();
    for step in pushes {
        let Action::Push {
            target,
            file,
            cache_file,
            bytes,
            transport,
            form,
            ..
        } = &step.action
        else {
            continue;
        };
        let is_only = per_node.get(&target.node) == Some(&1);
        let kind = Kind {
            sign: sign(&step.action, &step.why),
            file: (!is_named(file, cache_file)).then_some(file),
            size: *bytes,
            transport: means(transport, *form),
            is_early: transport.while_fetching.is_some(),
            why: &step.why,
            dir: (!is_only).then_some(target.dir.as_str()),
        };
        let at = kinds.iter().position(|(other, _)| *other == kind);
        let at = at.unwrap_or_else(|| {
            kinds.push((kind, Deliveries::default()));
            kinds.len() - 1
        });
        let deliveries = &mut kinds[at].1;
        deliveries.nodes.push(target.node.as_str());
        deliveries.disk.add(*bytes);
        totals::add(&mut deliveries.sent, &mut deliveries.relayed, transport);
    }
    // Each line names its file unless the one before has done so.
    let mut last: Option<&FileName> = None;
    for (kind, deliveries) in kinds {
        let file = kind.file.filter(|file| last != Some(file));
        last = kind.file;
        let text = line(&kind, file, &deliveries, true);
        // The sum follows from number and size.
        let short = line(&kind, file, &deliveries, false);
        let why = why::because(kind.why);
        let with_why = |text: &str| sheet.fits(&format!("{text}{why}"));
        let mut text = match with_why(&short) && !with_why(&text) {
            true => short,
            false => text,
        };
        if kind.is_early {
            text.push_str(", early");
        }
        text.push_str(&why);
        sheet.item(kind.sign, "push", &text);
    }
}

fn line(
    kind: &Kind<'_>,
    file: Option<&FileName>,
    deliveries: &Deliveries<'_>,
    with_sum: bool,
) -> String {
    let Deliveries {
        nodes,
        disk,
        sent,
        relayed,
    } = deliveries;
    let mut text = format!("to {}", names::counted(nodes.iter().copied(), "nodes"));
    if let Some(file) = file {
        text = format!("{file} {text}");
    }
    if let Some(dir) = kind.dir {
        // As in the detailed plan.
        let by = if nodes.len() == 1 { ":" } else { " in " };
        text.push_str(&format!("{by}{dir}"));
    }
    // Whether anything is sent is found out on the node.
    let or = match kind.why {
        Why::Unrecorded {
            otherwise: Otherwise::Fail,
            ..
        } => None,
        Why::Unrecorded { .. } => Some("otherwise "),
        _ => Some(""),
    };
    let sum = if relayed.is_zero() { sent } else { relayed };
    let is_all_sent = disk.is_as_much_as(*sum) && kind.transport.is_empty() && or == Some("");
    let size = kind.size;
    text.push_str(&match (size.bytes(), nodes.len()) {
        (None, _) => format!(": {size}"),
        (Some(_), 1) if is_all_sent && !with_sum => format!(": {size}"),
        (Some(_), _) if is_all_sent && !with_sum => format!(": {size} each"),
        (Some(_), 1) => format!(": {size} on disk"),
        (Some(_), _) => format!(": {size} each, {} on disk", Bytes(disk.bytes)),
    });
    let sent = match sum.bytes {
        0 => String::new(),
        _ if is_all_sent => String::new(),
        _ => format!("{sum} sent"),
    };
    if let Some(or) = or {
        match (sent.as_str(), kind.transport.as_str()) {
            ("", "") => {}
            ("", relayed) if relayed.starts_with("on by ") => {
                text.push_str(&format!(", {or}sent {relayed}"));
            }
            ("", clause) | (clause, "") => text.push_str(&format!(", {or}{clause}")),
            (_, other) if other.starts_with("uploaded") || other.ends_with("factory") => {
                text.push_str(&format!(", {or}{other}"));
            }
            (sent, loaded) if loaded.starts_with("loaded ") => {
                text.push_str(&format!(", {or}{sent}, {loaded}"));
            }
            (sent, transport) => text.push_str(&format!(", {or}{sent} {transport}")),
        }
    }
    text
}

/// How bytes travel, where it is not the usual stream of an image's data.
fn means(transport: &Transport, form: StoredForm) -> String {
    let by = match (&transport.method, &transport.via) {
        (Method::Copy, _) => return String::new(),
        (Method::Put, _) => "uploaded".to_owned(),
        (_, Some(via)) => format!("on by {} within {}", via.node, via.site),
        (Method::Api { route }, None) => route_clause(*route, form),
        (Method::Stream, None) => String::new(),
        (Method::Rsync { basis: None }, None) => "with rsync".to_owned(),
        (Method::Rsync { basis: Some(basis) }, None) => format!("as differences to {basis}"),
    };
    let mut clauses = Vec::new();
    match &transport.because {
        TransportReason::Local
        | TransportReason::Api
        | TransportReason::Bucket
        | TransportReason::DataOnly => {}
        // What was measured differs from node to node.
        TransportReason::SlowLink { .. } => clauses.push("the link is slow".to_owned()),
        because => clauses.push(because.to_string()),
    }
    if let Some(unrelayed) = &transport.unrelayed {
        clauses.push(format!("not by {}: {}", unrelayed.relay, unrelayed.why));
    }
    let by = match (by.as_str(), &transport.method) {
        ("", Method::Stream) if !clauses.is_empty() && transport.unrelayed.is_none() => {
            "as a stream"
        }
        (by, _) => by,
    };
    match clauses.is_empty() {
        true => by.to_owned(),
        false => format!("{by} ({})", clauses.join("; "))
            .trim_start()
            .to_owned(),
    }
}
