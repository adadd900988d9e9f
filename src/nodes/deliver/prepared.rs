//! A delivery under a lease, with its arguments, and what the node answers to them.

use std::path::Path;

use crate::facts::RecordEntry;
use crate::model::{PartName, Sha256};
use crate::nodes::error::NodeError;
use crate::nodes::interface::Delivery;
use crate::nodes::lease::Operation;
use crate::nodes::local::copy::CopyTarget;
use crate::nodes::protocol::answer::ScriptAnswer;
use crate::nodes::protocol::script::NodeScript;
use crate::nodes::protocol::{PARTS, record};
use crate::nodes::rsync::output;

/// Room that is left free beside a file, in bytes: a full root file system
/// stops a Proxmox node, and the record needs a block of its own.
pub const RESERVE: u64 = 16 * 1024 * 1024;

/// What a node says before anything is sent.
pub(super) enum PrepareAnswer {
    /// The right file is there, and this is on record.
    Placed(Box<RecordEntry>),
    /// The directory is there, and ours to work in.
    Missing(MissingFile),
}

/// What a node has for a file that is to come.
pub(super) struct MissingFile {
    /// Free bytes.
    pub(super) free: u64,
    /// The rest of an interrupted push: its length, and the bytes of disk
    /// that it already has.
    pub(super) part: Option<(u64, u64)>,
    /// What of that can be built upon.
    pub(super) begun: Option<Begun>,
    /// How long the file is that rsync takes bytes from, where there is one.
    pub(super) basis: Option<u64>,
    /// rsync is installed.
    pub(super) rsync: bool,
}

/// The beginning of a file, as a node has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// How many bytes, in whole blocks.
    pub(super) length: u64,
    /// The digest of their data.
    pub(super) sha256: Sha256,
}

/// A delivery under its lease, with everything that is computed from it once.
pub(super) struct PreparedDelivery<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) delivery: &'a Delivery,
    size: String,
    sha256: String,
    data: String,
    pub(super) part: String,
    line: record::LineTemplate,
}

impl<'a> PreparedDelivery<'a> {
    pub(super) fn new(operation: Operation<'a>, delivery: &'a Delivery) -> Self {
        let owner = &operation.session.config.owner;
        Self {
            delivery,
            size: delivery.size.to_string(),
            sha256: delivery.sha256.to_string(),
            data: delivery
                .data
                .map(|data| data.sha256.to_string())
                .unwrap_or_default(),
            part: PartName::new(&delivery.file, &delivery.sha256).inside(),
            line: record::template(&entry(delivery, owner, 0, 0)),
            operation,
        }
    }

    /// The arguments of every script of a delivery after those of every operation.
    pub(super) fn args(&self) -> Vec<&str> {
        let [before, between, after] = &self.line.pieces;
        vec![
            &self.size,
            &self.sha256,
            &self.data,
            if self.delivery.replace { "yes" } else { "no" },
            &self.part,
            record::HEADER,
            before,
            between,
            after,
        ]
    }

    /// A disk that became full is reported with numbers, and gets back what was
    /// taken. Everything else leaves what was sent for the next attempt.
    pub(super) async fn after_failure(&self, error: NodeError) -> NodeError {
        let stderr = match &error {
            NodeError::Refused { message, .. } if output::is_disk_full(message) => message.clone(),
            NodeError::Rsync { stderr, .. } if output::is_disk_full(stderr) => stderr.clone(),
            NodeError::Copy { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                source.to_string()
            }
            _ => return error,
        };
        match self
            .operation
            .ask(NodeScript::Discard, &[&self.part], read_free)
            .await
        {
            Ok(free) => self.no_space(self.need(0), free, stderr),
            // The first error says more than the one in cleaning up after it.
            Err(_) => error,
        }
    }

    fn read_placed(&self, answer: &ScriptAnswer<'_>) -> Option<RecordEntry> {
        let text = std::str::from_utf8(answer.first("placed")?).ok()?;
        let mut numbers = text.split(' ');
        let size: u64 = numbers.next()?.parse().ok()?;
        let mtime = numbers.next()?.parse().ok()?;
        let inode = numbers.next()?.parse().ok()?;
        let owner = &self.operation.session.config.owner;
        (size == self.delivery.size).then(|| entry(self.delivery, owner, mtime, inode))
    }

    /// What is there already: the right file, recorded as ours or left to its
    /// owner, or one that is not ours to replace.
    fn read_there(&self, answer: &ScriptAnswer<'_>) -> Option<Result<RecordEntry, NodeError>> {
        if let Some(entry) = self.read_placed(answer) {
            return Some(Ok(entry));
        }
        if answer.first("same").is_some() {
            return record::parse_line(answer.first("theirs")?).map(Ok);
        }
        self.operation.refusal(answer).map(Err)
    }

    pub(super) fn read_ready(
        &self,
        answer: &ScriptAnswer<'_>,
    ) -> Option<Result<PrepareAnswer, NodeError>> {
        if let Some(there) = self.read_there(answer) {
            return Some(there.map(|entry| PrepareAnswer::Placed(Box::new(entry))));
        }
        let part = match answer.first("part") {
            Some(_) => {
                let [length, blocks, block] = answer.numbers("part")?;
                Some((length, blocks.saturating_mul(block)))
            }
            None => None,
        };
        Some(Ok(PrepareAnswer::Missing(MissingFile {
            free: read_free(answer)?,
            part,
            begun: answer.first("begun").and_then(read_begun),
            basis: answer.numbers("basis").map(|[length]| length),
            rsync: answer.all("tool").any(|tool| tool == b"rsync"),
        })))
    }

    pub(super) fn read_checked(
        &self,
        answer: &ScriptAnswer<'_>,
    ) -> Option<Result<RecordEntry, NodeError>> {
        self.read_there(answer).or_else(|| {
            let text = std::str::from_utf8(answer.first("differs")?).ok()?;
            let (found, expected) = text.split_once(' ')?;
            Some(Err(NodeError::DigestDiffers {
                place: self.operation.place(),
                expected: expected.parse().ok()?,
                found: found.parse().ok()?,
            }))
        })
    }

    /// The bytes that have to be free if so many bytes are on the disk already.
    pub(super) fn need(&self, on_disk: u64) -> u64 {
        self.delivery.size.saturating_sub(on_disk) + RESERVE
    }

    /// Where a copy on this machine goes.
    pub(super) fn copy_target(&self) -> CopyTarget {
        CopyTarget {
            dir: Path::new(self.delivery.dir.as_str()).join(PARTS),
            inside: self.operation.inside().to_owned(),
            name: self.part.clone(),
        }
    }

    pub(super) fn no_space(&self, need: u64, free: u64, stderr: String) -> NodeError {
        NodeError::NoSpace {
            place: self.operation.dir(),
            need,
            free,
            stderr,
        }
    }

    pub(super) fn source_error(&self, source: std::io::Error) -> NodeError {
        NodeError::Source {
            path: self.delivery.source.clone(),
            source,
        }
    }

    /// Sending a file of another length could only end in wrong bytes.
    pub(super) fn check_source(&self) -> Result<(), NodeError> {
        let found = std::fs::metadata(&self.delivery.source)
            .map_err(|source| self.source_error(source))?
            .len();
        if found == self.delivery.size {
            return Ok(());
        }
        Err(self.source_error(std::io::Error::other(format!(
            "it has {found} bytes, {} were expected",
            self.delivery.size
        ))))
    }
}

/// `LENGTH DIGEST`.
pub(super) fn read_begun(value: &[u8]) -> Option<Begun> {
    let (length, sha256) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    Some(Begun {
        length: length.parse().ok()?,
        sha256: sha256.parse().ok()?,
    })
}

fn read_free(answer: &ScriptAnswer<'_>) -> Option<u64> {
    let [blocks, size] = answer.numbers("free")?;
    Some(blocks.saturating_mul(size))
}

/// What is recorded of a delivery, with what the file got on the node.
pub(super) fn entry(delivery: &Delivery, owner: &str, mtime: i64, inode: u64) -> RecordEntry {
    RecordEntry {
        name: delivery.file.clone(),
        size: delivery.size,
        mtime,
        inode,
        sha256: delivery.sha256,
        image_sha256: None,
        artifact: delivery.artifact.clone(),
        orders: delivery.orders.clone(),
        owner: owner.to_owned(),
        deletion: delivery.deletion,
        revision: delivery.revision.clone(),
        placed_at: delivery.now,
    }
}
