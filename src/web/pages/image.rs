//! One image: where it comes from, its digests, and where its copies are.

use askama::Template;
use askama::filters::Safe;

use super::frame::{MenuItem, PageFrame, Visit};
use super::text::{Moment, bytes, moment, part};
use crate::conclude::provenance::{ImageChain, ImageCopy, image_chain};
use crate::facts::Provenance;
use crate::model::FileName;

/// The page of an image, by its file in the cache; `None` if nobody knows it.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn image(visit: &Visit<'_>, name: &str) -> Option<askama::Result<String>> {
    let file: FileName = name.parse().ok()?;
    let last = visit.view.last.as_deref()?;
    let chain = image_chain(&last.report, &file)?;
    let page = ImagePage {
        frame: PageFrame::new(visit, MenuItem::Below, format!("Image {name}")),
        name,
        kind: chain.artifact.factory_file(),
        version: chain.artifact.version.to_string(),
        schematic: chain.artifact.schematic.to_string(),
        size: chain.meta.as_ref().map(|meta| bytes(meta.size)),
        links: links(&chain, visit),
        copies: chain
            .copies
            .iter()
            .map(|copy| copy_view(copy, visit))
            .collect(),
        wanted_by: chain
            .wanted_by
            .iter()
            .map(|at| {
                let order = at.order.to_string();
                (format!("/orders/{}", part(&order)), order, at.name.clone())
            })
            .collect(),
    };
    Some(page.render())
}

#[derive(Template)]
#[template(path = "image.html")]
struct ImagePage<'a> {
    frame: PageFrame<'a>,
    name: &'a str,
    kind: String,
    version: String,
    schematic: String,
    size: Option<String>,
    links: Vec<ChainLink>,
    copies: Vec<CopyView>,
    wanted_by: Vec<(String, String, String)>,
}

/// A link of the chain.
struct ChainLink {
    title: &'static str,
    /// The value and, where it is a page, its address.
    value: Option<(String, Option<String>)>,
    digest: Option<String>,
    note: String,
    at: Option<Safe<Moment>>,
}

struct CopyView {
    node: String,
    href: String,
    path: String,
    state: &'static str,
    class: &'static str,
    digest: String,
    size: String,
    placed: Option<Safe<Moment>>,
}

fn links(chain: &ImageChain, visit: &Visit<'_>) -> Vec<ChainLink> {
    let mut links = Vec::new();
    if let Some(pinned) = &chain.pinned {
        links.push(ChainLink {
            title: "Pinned by an order",
            value: None,
            digest: Some(pinned.to_string()),
            note: "the download must have this digest".to_owned(),
            at: None,
        });
    }
    let meta = chain.meta.as_ref();
    let believed = meta.map(|meta| match meta.provenance {
        Provenance::Pinned => "the order pins its digest",
        Provenance::Upstream => "the factory's checksum file has its digest",
        Provenance::FirstSeen => "this is what came first; nobody else vouches for the digest",
    });
    let download = match (meta, &chain.unpacked_from) {
        (Some(meta), Some(_)) => meta.unpacked_from.map(|digest| digest.to_string()),
        (Some(meta), None) => Some(meta.sha256.to_string()),
        (None, _) => None,
    };
    links.push(ChainLink {
        title: "Downloaded",
        value: Some((chain.url.clone(), None)),
        digest: download,
        note: believed.unwrap_or("not downloaded yet").to_owned(),
        at: None,
    });
    if let Some(from) = &chain.unpacked_from {
        let href = format!("/images/{}", part(from.as_str()));
        links.push(ChainLink {
            title: "Unpacked",
            value: Some((from.to_string(), Some(href))),
            digest: meta.map(|meta| meta.sha256.to_string()),
            note: "the digest is that of the unpacked image".to_owned(),
            at: None,
        });
    }
    let note = match (meta, &chain.fault) {
        (None, _) => "not in the cache".to_owned(),
        (Some(_), Some(fault)) => format!("not whole: {fault}"),
        (Some(meta), None) if chain.is_whole => format!("whole, {}", bytes(meta.size)),
        (Some(_), None) => "only its record is left".to_owned(),
    };
    links.push(ChainLink {
        title: "In the cache",
        value: None,
        digest: None,
        note,
        at: meta.map(|meta| moment(meta.completed_at, visit.now)),
    });
    links
}

fn copy_view(copy: &ImageCopy, visit: &Visit<'_>) -> CopyView {
    let (state, class) = match (&copy.placed, copy.is_wanted, copy.is_known) {
        (Some(_), true, _) => ("in sync", "in-sync"),
        (Some(_), false, _) => ("not wanted any more", "suspended"),
        (None, _, true) => ("out of sync", "blocked"),
        (None, _, false) => ("unknown", "unknown"),
    };
    let placed = copy.placed.as_ref();
    CopyView {
        node: copy.target.node.to_string(),
        href: format!("/nodes/{}", part(copy.target.node.as_str())),
        path: copy.target.dir.join(&copy.file),
        state,
        class,
        digest: placed
            .map(|(digest, ..)| digest.to_string())
            .unwrap_or_default(),
        size: placed.map(|(_, size, _)| bytes(*size)).unwrap_or_default(),
        placed: placed.map(|(.., at)| moment(*at, visit.now)),
    }
}
