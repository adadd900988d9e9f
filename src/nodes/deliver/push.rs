//! One delivery: look, send, check and name.
//!
//! What is sent goes to a name in a private directory, made from the final one and the
//! digest, so that an interrupted push finds its rest again, Proxmox does not list it,
//! nobody else reaches it, and options such as `--inplace` can do no harm. The final
//! name is given on the node, after the node itself has computed the digest.

use std::path::Path;
use std::time::Instant;

use crate::facts::RecordEntry;
use crate::model::{Method, Node, PartName, Reach, Sha256};
use crate::nodes::error::NodeError;
use crate::nodes::lease::Operation;
use crate::nodes::local::copy as local;
use crate::nodes::protocol::record;
use crate::nodes::protocol::script::{Answer, Script};
use crate::nodes::rsync::output as rsync;
use crate::nodes::session::timeouts as patience;
use crate::nodes::system::SystemNodes;
use crate::nodes::{Delivered, Delivery};

/// Room that is left free beside a file, in bytes: a full root file system
/// stops a Proxmox node, and the record needs a block of its own.
pub const RESERVE: u64 = 16 * 1024 * 1024;

/// The private directory in a directory on a node; `private.sh` makes it.
pub(in crate::nodes) const PARTS: &str = ".talos-order.parts";

/// What a node says before anything is sent.
enum Ready {
    /// The right file is there, and this is on record.
    Placed(Box<RecordEntry>),
    /// The directory is there, and ours to work in.
    Send(Room),
}

/// What a node has for a file that is to come.
struct Room {
    /// Free bytes.
    free: u64,
    /// The rest of an interrupted push: its length, and the bytes of disk
    /// that it already has.
    part: Option<(u64, u64)>,
    /// What of that can be built upon.
    begun: Option<Begun>,
    /// rsync is installed.
    rsync: bool,
}

/// The beginning of a file, as a node has it.
#[derive(Debug, Clone, Copy)]
pub(in crate::nodes) struct Begun {
    /// How many bytes, in whole blocks.
    pub length: u64,
    /// The digest of their data.
    pub sha256: Sha256,
}

impl SystemNodes {
    pub(in crate::nodes) async fn push(
        &self,
        node: &Node,
        delivery: &Delivery,
    ) -> Result<Delivered, NodeError> {
        delivery.meter.set_total(delivery.size);
        let patience = patience::for_file(delivery.size);
        let operation = Operation::begin(self, node, &delivery.dir, &delivery.file, patience).await;
        let task = Task::new(operation, delivery);
        let mut words = task.words();
        words.extend(match &delivery.method {
            Method::Stream => ["stream", ""],
            Method::Copy | Method::Rsync { basis: None } => ["other", ""],
            Method::Rsync { basis: Some(file) } => ["other", file.as_str()],
        });
        words.push(self.vm_configs(node));
        let read = |answer: &Answer<'_>| task.read_ready(answer);
        let ready = task.operation.ask_first(Script::Prepare, &words, read);
        let begun = Instant::now();
        let (copied, (entry, wire_bytes)) = match ready.await?? {
            Ready::Placed(entry) => (false, (*entry, None)),
            Ready::Send(room) => {
                let sending = self.send(&task, &room);
                match task.operation.alive_while(sending).await {
                    Ok(arrived) => (true, arrived),
                    Err(error) => return Err(task.operation.leave(error).await),
                }
            }
        };
        delivery.meter.set_done(delivery.size);
        Ok(Delivered {
            copied,
            wire_bytes,
            took: begun.elapsed(),
            entry,
        })
    }

    /// Makes the file lie there under its name. Gives what was recorded, and the bytes
    /// that were sent where they are known.
    async fn send(
        &self,
        task: &Task<'_>,
        room: &Room,
    ) -> Result<(RecordEntry, Option<u64>), NodeError> {
        let node = task.operation.node;
        let need = task.need(room.part.map_or(0, |(_, on_disk)| on_disk));
        if need > room.free {
            return Err(task.no_space(need, room.free, String::new()));
        }
        if task.delivery.relay.is_none() {
            task.check_source()?;
        }
        let sent = match (&task.delivery.method, &node.reach) {
            (Method::Stream, _) => {
                return match self.stream(task, room.begun).await {
                    Ok(arrived) => Ok(arrived),
                    Err(error) => Err(task.after_failure(error).await),
                };
            }
            (Method::Copy | Method::Rsync { .. }, Reach::Local) => {
                let meter = std::sync::Arc::clone(&task.delivery.meter);
                let source = task.delivery.source.clone();
                local::copy_local(source, task.part(), meter)
                    .await
                    .map(|()| None)
            }
            (Method::Copy | Method::Rsync { .. }, Reach::Ssh { .. }) if !room.rsync => {
                Err(NodeError::MissingTool {
                    node: node.id.clone(),
                    tool: "rsync",
                })
            }
            (Method::Copy | Method::Rsync { .. }, Reach::Ssh { host, user, port }) => {
                let part = room.part.map_or(0, |(length, _)| length);
                self.rsync(task, host, user.as_ref(), *port, part).await
            }
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => return Err(task.after_failure(error).await),
        };
        let words = task.words();
        let read = |answer: &Answer<'_>| task.read_checked(answer);
        let entry = task.operation.ask(Script::Place, &words, read).await??;
        Ok((entry, sent))
    }
}

/// A delivery with everything that is computed from it once.
pub(in crate::nodes) struct Task<'a> {
    pub operation: Operation<'a>,
    pub delivery: &'a Delivery,
    size: String,
    sha256: String,
    data: String,
    pub part: String,
    line: record::LineTemplate,
}

impl<'a> Task<'a> {
    fn new(operation: Operation<'a>, delivery: &'a Delivery) -> Self {
        let owner = &operation.nodes.config.owner;
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

    /// The words of every script of a delivery after those of every operation.
    pub fn words(&self) -> Vec<&str> {
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

    /// A disk that became full is told with numbers, and gets back what was
    /// taken. Everything else leaves what was sent for the next attempt.
    async fn after_failure(&self, error: NodeError) -> NodeError {
        let stderr = match &error {
            NodeError::Refused { message, .. } if rsync::is_disk_full(message) => message.clone(),
            NodeError::Rsync { stderr, .. } if rsync::is_disk_full(stderr) => stderr.clone(),
            NodeError::Copy { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                source.to_string()
            }
            _ => return error,
        };
        match self
            .operation
            .ask(Script::Discard, &[&self.part], read_free)
            .await
        {
            Ok(free) => self.no_space(self.need(0), free, stderr),
            // The first error says more than the one in cleaning up after it.
            Err(_) => error,
        }
    }

    fn read_placed(&self, answer: &Answer<'_>) -> Option<RecordEntry> {
        let text = std::str::from_utf8(answer.first("placed")?).ok()?;
        let mut numbers = text.split(' ');
        let size: u64 = numbers.next()?.parse().ok()?;
        let mtime = numbers.next()?.parse().ok()?;
        let inode = numbers.next()?.parse().ok()?;
        let owner = &self.operation.nodes.config.owner;
        (size == self.delivery.size).then(|| entry(self.delivery, owner, mtime, inode))
    }

    /// What lies there already: the right file, recorded as ours or left to its
    /// owner, or one that is not ours to replace.
    fn read_there(&self, answer: &Answer<'_>) -> Option<Result<RecordEntry, NodeError>> {
        if let Some(entry) = self.read_placed(answer) {
            return Some(Ok(entry));
        }
        if answer.first("same").is_some() {
            return record::parse_line(answer.first("theirs")?).map(Ok);
        }
        self.operation.refusal(answer).map(Err)
    }

    fn read_ready(&self, answer: &Answer<'_>) -> Option<Result<Ready, NodeError>> {
        if let Some(there) = self.read_there(answer) {
            return Some(there.map(|entry| Ready::Placed(Box::new(entry))));
        }
        let part = match answer.first("part") {
            Some(_) => {
                let [length, blocks, block] = answer.numbers("part")?;
                Some((length, blocks.saturating_mul(block)))
            }
            None => None,
        };
        Some(Ok(Ready::Send(Room {
            free: read_free(answer)?,
            part,
            begun: answer.first("begun").and_then(read_begun),
            rsync: answer.all("tool").any(|tool| tool == b"rsync"),
        })))
    }

    pub fn read_checked(&self, answer: &Answer<'_>) -> Option<Result<RecordEntry, NodeError>> {
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

    /// The room that is needed if so many bytes are on the disk already.
    fn need(&self, on_disk: u64) -> u64 {
        self.delivery.size.saturating_sub(on_disk) + RESERVE
    }

    /// Where a copy on this machine goes.
    fn part(&self) -> local::Part {
        local::Part {
            dir: Path::new(self.delivery.dir.as_str()).join(PARTS),
            inside: self.operation.inside().to_owned(),
            name: self.part.clone(),
        }
    }

    fn no_space(&self, need: u64, free: u64, stderr: String) -> NodeError {
        NodeError::NoSpace {
            place: format!("{}:{}", self.operation.node.id, self.delivery.dir),
            need,
            free,
            stderr,
        }
    }

    pub fn source_error(&self, source: std::io::Error) -> NodeError {
        NodeError::Source {
            path: self.delivery.source.clone(),
            source,
        }
    }

    /// Sending a file of another length could only end in wrong bytes.
    fn check_source(&self) -> Result<(), NodeError> {
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
fn read_begun(value: &[u8]) -> Option<Begun> {
    let (length, sha256) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    Some(Begun {
        length: length.parse().ok()?,
        sha256: sha256.parse().ok()?,
    })
}

fn read_free(answer: &Answer<'_>) -> Option<u64> {
    let [blocks, size] = answer.numbers("free")?;
    Some(blocks.saturating_mul(size))
}

/// What is recorded of a delivery, with what the file got on the node.
pub(in crate::nodes) fn entry(
    delivery: &Delivery,
    owner: &str,
    mtime: i64,
    inode: u64,
) -> RecordEntry {
    RecordEntry {
        name: delivery.file.clone(),
        size: delivery.size,
        mtime,
        inode,
        sha256: delivery.sha256,
        artifact: delivery.artifact.clone(),
        orders: delivery.orders.clone(),
        owner: owner.to_owned(),
        deletion: delivery.deletion,
        revision: delivery.revision.clone(),
        placed_at: delivery.now,
    }
}
