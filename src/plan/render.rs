//! A plan as text for people. Pure: colours and paging are the terminal's affair.
//!
//! Every step and every held item is one line that starts with its sign, so that
//! the text can be searched and coloured by line: `+` comes, `~` is replaced,
//! `-` goes, `!` is held back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

pub use super::bytes::Bytes;
use super::held::Held;
use super::step::{Action, AdoptCondition, Otherwise, Plan, Step, Why};
use super::transport::Transport;
use super::transport::Unrelayed;
use crate::model::{ArtifactId, Method, NodeId, SiteName};

/// What a plan comes to, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Schematics to register.
    pub register: usize,
    /// Files to download.
    pub fetch: usize,
    /// Bytes to download, as far as they are known.
    pub fetch_bytes: u64,
    /// Downloads of unknown size.
    pub fetch_unknown: usize,
    /// Some of the bytes to download are those of similar images.
    pub fetch_about: bool,
    /// Files to unpack from the cache.
    pub unpack: usize,
    /// Files to deliver.
    pub push: usize,
    /// Bytes to deliver, as far as they are known.
    pub push_bytes: u64,
    /// Deliveries of unknown size.
    pub push_unknown: usize,
    /// Some of the bytes to deliver are those of similar images.
    pub push_about: bool,
    /// Bytes that go from this machine over links, as far as they are known.
    pub link_bytes: u64,
    /// Deliveries over links of which that is not known.
    pub link_unknown: usize,
    /// Bytes that relays send on to their neighbours, as far as they are known.
    pub relay_bytes: u64,
    /// Files to read back.
    pub verify: usize,
    /// Bytes to read back.
    pub verify_bytes: u64,
    /// Files to remove.
    pub remove: usize,
    /// Bytes that removing frees.
    pub remove_bytes: u64,
}

impl Totals {
    /// Counts a plan's steps.
    pub fn of(plan: &Plan) -> Self {
        let mut totals = Self::default();
        for step in &plan.steps {
            match &step.action {
                Action::Register { .. } => totals.register += 1,
                Action::Fetch { bytes, .. } => {
                    totals.fetch += 1;
                    totals.fetch_bytes += bytes.bytes().unwrap_or(0);
                    totals.fetch_unknown += usize::from(bytes.bytes().is_none());
                    totals.fetch_about |= bytes.is_about();
                }
                Action::Unpack { .. } => totals.unpack += 1,
                Action::Push {
                    bytes, transport, ..
                } => {
                    totals.push += 1;
                    totals.push_bytes += bytes.bytes().unwrap_or(0);
                    totals.push_unknown += usize::from(bytes.bytes().is_none());
                    totals.push_about |= bytes.is_about();
                    totals.add(transport);
                }
                Action::VerifyNode { bytes, .. } | Action::VerifyCache { bytes, .. } => {
                    totals.verify += 1;
                    totals.verify_bytes += bytes;
                }
                Action::PruneNode { .. }
                | Action::PruneCache { .. }
                | Action::ClearPartial { .. }
                | Action::ClearPart { .. } => {
                    totals.remove += 1;
                    totals.remove_bytes += step.action.removes().unwrap_or(0);
                }
            }
        }
        totals
    }

    fn add(&mut self, transport: &Transport) {
        match (&transport.method, &transport.via, transport.wire_bytes) {
            (Method::Copy, _, _) => {}
            (_, Some(_), bytes) => self.relay_bytes += bytes.unwrap_or(0),
            (_, None, Some(bytes)) => self.link_bytes += bytes,
            (_, None, None) => self.link_unknown += 1,
        }
    }

    /// What deliveries come to: the images, and where it is another number, what goes
    /// over links and within sites.
    fn push_sizes(&self) -> String {
        let mut parts = Vec::new();
        let about = if self.push_about { "about " } else { "" };
        let mut add = |bytes: u64, unknown: usize, what: &str| {
            let more = if unknown > 0 { " and more" } else { "" };
            if bytes > 0 {
                parts.push(format!("{about}{}{more}{what}", Bytes(bytes)));
            }
        };
        add(self.push_bytes, self.push_unknown, "");
        let whole = (self.push_bytes, self.push_unknown) == (self.link_bytes, self.link_unknown);
        if !whole {
            add(self.link_bytes, self.link_unknown, " over links");
        }
        add(self.relay_bytes, 0, " sent on");
        match parts.is_empty() {
            true => String::new(),
            false => format!(" ({})", parts.join(", ")),
        }
    }
}

/// The plan as text, ending with a line break.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    write(&mut text, plan).expect("writing to a string does not fail");
    text
}

fn write(out: &mut String, plan: &Plan) -> fmt::Result {
    writeln!(out, "{}", headline(plan))?;
    if !plan.steps.is_empty() || !plan.held.is_empty() {
        writeln!(out)?;
    }
    for step in &plan.steps {
        write_step(out, step)?;
    }
    for held in &plan.held {
        write_held(out, held)?;
    }
    write_nodes(out, plan)?;
    write_relays(out, plan)?;
    if !plan.hints.is_empty() {
        writeln!(out, "\nHints")?;
    }
    for hint in &plan.hints {
        writeln!(out, "  {}: {}", hint.about, hint.text)?;
    }
    Ok(())
}

/// One line that says what the plan comes to.
pub fn headline(plan: &Plan) -> String {
    let totals = Totals::of(plan);
    let mut parts = Vec::new();
    let size = |bytes: u64, unknown: usize| match (bytes, unknown) {
        (0, _) => String::new(),
        (bytes, 0) => format!(" ({})", Bytes(bytes)),
        (bytes, _) => format!(" ({} and more)", Bytes(bytes)),
    };
    let mut add = |count: usize, what: &str, size: String| {
        if count > 0 {
            parts.push(format!("{count} {what}{size}"));
        }
    };
    let mut fetched = size(totals.fetch_bytes, totals.fetch_unknown);
    if totals.fetch_about {
        fetched = fetched.replacen('(', "(about ", 1);
    }
    add(totals.register, "to register", String::new());
    add(totals.fetch, "to fetch", fetched);
    add(totals.unpack, "to unpack", String::new());
    add(totals.push, "to push", totals.push_sizes());
    add(totals.remove, "to remove", size(totals.remove_bytes, 0));
    add(totals.verify, "to read back", size(totals.verify_bytes, 0));
    let work = if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    };
    let held = match plan.held.len() {
        0 => String::new(),
        count => format!(", {count} held back"),
    };
    format!("Plan: {work}; {} in sync{held}", plan.in_sync.len())
}

fn write_step(out: &mut String, step: &Step) -> fmt::Result {
    let sign = sign(&step.action, &step.why);
    let why = &step.why;
    match &step.action {
        Action::Register { schematic, .. } => {
            writeln!(out, "  {sign} register  schematic {schematic}  ({why})")
        }
        Action::Fetch {
            url,
            file,
            unpack,
            bytes,
            ..
        } => {
            writeln!(out, "  {sign} fetch     {file}  {bytes}  ({why})")?;
            if let Some((_, raw)) = unpack {
                writeln!(out, "              unpacked to {raw}")?;
            }
            writeln!(out, "              from {url}")
        }
        Action::Unpack {
            from_file,
            file,
            bytes,
            ..
        } => writeln!(
            out,
            "  {sign} unpack    {file}  from {from_file}, {}  ({why})",
            Bytes(*bytes)
        ),
        Action::Push {
            target,
            file,
            bytes,
            transport,
            ..
        } => {
            writeln!(
                out,
                "  {sign} push      {}:{}  {bytes}  ({why})",
                target.node,
                target.dir.join(file),
            )?;
            write_way(out, transport, why)
        }
        Action::PruneNode {
            target,
            file,
            bytes,
            ..
        } => writeln!(
            out,
            "  {sign} remove    {}:{}  {}  ({why})",
            target.node,
            target.dir.join(file),
            Bytes(*bytes)
        ),
        Action::ClearPart {
            target,
            part,
            bytes,
            ..
        } => writeln!(
            out,
            "  {sign} remove    part of {}:{}  {}  ({why})",
            target.node,
            target.dir.join(part.file()),
            Bytes(*bytes)
        ),
        Action::VerifyNode {
            target,
            file,
            bytes,
            ..
        } => writeln!(
            out,
            "  {sign} verify    {}:{}  {}  ({why})",
            target.node,
            target.dir.join(file),
            Bytes(*bytes)
        ),
        Action::VerifyCache { file, bytes } => writeln!(
            out,
            "  {sign} verify    {file} in the cache  {}  ({why})",
            Bytes(*bytes)
        ),
        Action::PruneCache { file, bytes } => writeln!(
            out,
            "  {sign} remove    {file} from the cache  {}  ({why})",
            Bytes(*bytes)
        ),
        Action::ClearPartial { file, bytes } => writeln!(
            out,
            "  {sign} remove    part of {file} from the cache  {}  ({why})",
            Bytes(*bytes)
        ),
    }
}

/// How bytes travel, where they do: within this machine there is nothing to say.
fn write_way(out: &mut String, transport: &Transport, why: &Why) -> fmt::Result {
    let means = match (&transport.method, &transport.via) {
        (Method::Copy, _) => return Ok(()),
        (_, Some(via)) => format!("sent on by {} within {}", via.node, via.site),
        (Method::Stream, None) => "streamed".to_owned(),
        (Method::Rsync { basis: None }, None) => "rsync".to_owned(),
        (Method::Rsync { basis: Some(basis) }, None) => format!("rsync, differences to {basis}"),
    };
    let size = match (transport.wire_bytes, &transport.via) {
        (Some(bytes), None) => format!(", about {} over the link", Bytes(bytes)),
        (Some(bytes), Some(_)) => format!(", about {}", Bytes(bytes)),
        (None, _) => String::new(),
    };
    let or = match why {
        Why::Unrecorded {
            otherwise: Otherwise::Fail,
            ..
        } => return Ok(()),
        Why::Unrecorded { .. } => "otherwise ",
        _ => "",
    };
    writeln!(
        out,
        "              {or}{means}{size}: {}",
        transport.because
    )?;
    if let Some(Unrelayed { relay, why }) = &transport.unrelayed {
        writeln!(out, "              not sent on by {relay}: {why}")?;
    }
    Ok(())
}

/// Each relay with the neighbours that it serves.
fn write_relays(out: &mut String, plan: &Plan) -> fmt::Result {
    let mut relays: BTreeMap<(&SiteName, &NodeId), BTreeSet<&NodeId>> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Push {
            target, transport, ..
        } = &step.action
            && let Some(via) = &transport.via
        {
            let served = relays.entry((&via.site, &via.node)).or_default();
            served.insert(&target.node);
        }
    }
    if relays.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nRelays")?;
    let sites = relays.keys().map(|(site, _)| site.as_str().len());
    let width = sites.max().unwrap_or(0);
    for ((site, relay), served) in relays {
        let served: Vec<&str> = served.into_iter().map(NodeId::as_str).collect();
        writeln!(out, "  {site:width$}  {relay} → {}", served.join(", "))?;
    }
    Ok(())
}

fn write_held(out: &mut String, held: &Held) -> fmt::Result {
    writeln!(out, "  ! held      {}  ({})", held.id, held.reason)
}

fn write_nodes(out: &mut String, plan: &Plan) -> fmt::Result {
    let mut nodes: BTreeMap<&NodeId, (usize, u64, usize, bool)> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Push { target, bytes, .. } = &step.action {
            let sum = nodes.entry(&target.node).or_default();
            sum.0 += 1;
            sum.1 += bytes.bytes().unwrap_or(0);
            sum.2 += usize::from(bytes.bytes().is_none());
            sum.3 |= bytes.is_about();
        }
    }
    if nodes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTo each node")?;
    let width = nodes
        .keys()
        .map(|node| node.as_str().len())
        .max()
        .unwrap_or(0);
    for (node, (files, bytes, unknown, about)) in nodes {
        let files = match files {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let size = match (bytes, unknown) {
            (0, 1..) => "size not known yet".to_owned(),
            (bytes, 0) => Bytes(bytes).to_string(),
            (bytes, _) => format!("{} and more", Bytes(bytes)),
        };
        let about = if about { "about " } else { "" };
        writeln!(out, "  {node:width$}  {files}, {about}{size}")?;
    }
    Ok(())
}

/// `+` for what comes, `~` for what takes the place of something, `-` for what goes.
fn sign(action: &Action, why: &Why) -> char {
    match action {
        Action::PruneCache { .. }
        | Action::ClearPartial { .. }
        | Action::PruneNode { .. }
        | Action::ClearPart { .. } => '-',
        Action::VerifyNode { .. } | Action::VerifyCache { .. } => '?',
        Action::Register { .. } => '+',
        Action::Fetch { .. } | Action::Unpack { .. } | Action::Push { .. } => match why {
            Why::Missing | Why::Unregistered | Why::Partial { .. } => '+',
            Why::SizeDiffers { .. }
            | Why::Touched
            | Why::NotWhole { .. }
            | Why::DigestDiffers { .. }
            | Why::OtherImage { .. }
            | Why::OtherSource { .. }
            | Why::Unrecorded { .. }
            | Why::BeyondKeep { .. }
            | Why::Orphaned { .. }
            | Why::NotWanted { .. }
            | Why::Unverified { .. }
            | Why::Purge
            | Why::Abandoned => '~',
        },
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Unregistered => f.write_str("a download needs it"),
            Self::Partial { have } => write!(f, "interrupted, {} are here", Bytes(*have)),
            Self::SizeDiffers { expected, found } => {
                write!(f, "{found} bytes instead of {expected}")
            }
            Self::Touched => f.write_str("changed since it was written"),
            Self::NotWhole { what } => write!(f, "not a whole image: {what}"),
            Self::DigestDiffers { expected, found } => write!(
                f,
                "digest {} instead of {}",
                short(&found.to_string()),
                short(&expected.to_string())
            ),
            Self::OtherImage { found } => write!(f, "holds another image: {}", image(found)),
            Self::OtherSource { found } => write!(f, "came from {found}"),
            Self::Unrecorded {
                condition: AdoptCondition::AdoptIfDigestMatches,
                otherwise,
            } => write!(
                f,
                "there without a record; if its digest is right it is recorded and not sent, \
                 otherwise it {}",
                match otherwise {
                    Otherwise::Replace => "is replaced",
                    Otherwise::Fail => "stays and the step fails",
                }
            ),
            Self::BeyondKeep { keep: 1 } => f.write_str("not the newest version"),
            Self::BeyondKeep { keep } => write!(f, "not among the newest {keep} versions"),
            Self::Orphaned { hours } => {
                write!(f, "no order refers to it for {}", duration(*hours))
            }
            Self::NotWanted { hours } => {
                write!(f, "no order wants it for {}", duration(*hours))
            }
            Self::Unverified { hours: None } => f.write_str("never read back yet"),
            Self::Unverified { hours: Some(hours) } => {
                write!(f, "last read back {} ago", duration(*hours))
            }
            Self::Purge => f.write_str("the cache is purged"),
            Self::Abandoned => f.write_str("left by an interrupted transfer that nobody wants"),
        }
    }
}

fn short(hex: &str) -> &str {
    &hex[..12]
}

fn image(artifact: &ArtifactId) -> String {
    format!(
        "{} {} schematic {}",
        artifact.version,
        artifact.factory_file(),
        short(&artifact.schematic.to_string())
    )
}

fn duration(hours: u64) -> String {
    match hours {
        0..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}
