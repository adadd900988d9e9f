//! The lease of a directory, as the controller's side of `scripts/lease.sh`.
//!
//! It is held for an instance of an owner through a node, so two controllers never
//! interleave, not even two of one owner, and neither do two nodes of one controller
//! that see the same storage. What a crash leaves behind expires for others after
//! [`LEASE`] and can be taken up at once by the instance and the node that left it.
//! An operation whose lock is gone is fenced: it changes nothing any more. Inside this process, operations of one node on
//! one directory wait for each other here, before they ask the node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::io::process::printable;
use crate::model::{Dir, FileName, Node, NodeId};
use crate::nodes::error::NodeError;
use crate::nodes::protocol::record;
use crate::nodes::protocol::script;
use crate::nodes::protocol::script::{Answer, Script};
use crate::nodes::session::timeouts as patience;
use crate::nodes::system::SystemNodes;

/// How long a lease stands without a sign of life. Nodes that share a storage
/// have to agree on the time to within a part of this.
pub const LEASE: Duration = Duration::from_secs(120);

/// Signs of life in the time that a lease stands.
const SIGNS: u32 = 4;

/// How often a directory is asked for that another node of ours works in: rather
/// short beside the time that an image takes.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How much longer than a lease stands another instance of the same owner is waited
/// for: clocks of whole seconds, and the time that asking takes.
const GRACE: Duration = Duration::from_secs(2);

/// What an operation holds while it is its turn in a directory.
type Turn = tokio::sync::Mutex<()>;

/// A directory of a node.
type Spot = (NodeId, Dir);

/// Whose turn it is in each directory that this process works in.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<Spot, Weak<Turn>>>);

impl Turns {
    fn of(&self, node: &NodeId, dir: &Dir) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let key = (node.clone(), dir.clone());
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::<Turn>::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

/// An operation on one file under the lease of its directory.
pub(super) struct Operation<'a> {
    pub nodes: &'a SystemNodes,
    pub node: &'a Node,
    dir: &'a Dir,
    file: &'a FileName,
    ttl: String,
    token: String,
    holder: String,
    /// What the node gave with the lease.
    epoch: OnceLock<String>,
    /// Device and inode number of the private directory, as the node gave them.
    inside: OnceLock<String>,
    pattern: String,
    owned: String,
    /// How long each of its scripts may take.
    patience: Duration,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl<'a> Operation<'a> {
    /// Waits for its turn in this process; asks nobody yet. No script of it runs for
    /// longer than `patience`.
    pub async fn begin(
        nodes: &'a SystemNodes,
        node: &'a Node,
        dir: &'a Dir,
        file: &'a FileName,
        patience: Duration,
    ) -> Self {
        let turn = nodes.turns.of(&node.id, dir).lock_owned().await;
        Self {
            nodes,
            node,
            dir,
            file,
            ttl: nodes.config.lease.as_secs().max(1).to_string(),
            token: script::nonce(),
            holder: format!(
                "{}@{} {}",
                node.id,
                nodes.config.instance,
                shown(&nodes.config.owner)
            ),
            epoch: OnceLock::new(),
            inside: OnceLock::new(),
            pattern: record::pattern(file),
            owned: record::owned(&nodes.config.owner),
            patience,
            _turn: turn,
        }
    }

    /// `node:path`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.node.id, self.dir.join(self.file))
    }

    /// Runs a script of this operation; `more` are its words behind those that
    /// `enter` in `lease.sh` takes.
    pub async fn ask<T>(
        &self,
        script: Script,
        more: &[&str],
        read: impl FnOnce(&Answer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let mut words = self.words();
        words.extend(more);
        let patience = match script {
            // These look at no image.
            Script::Renew | Script::Release | Script::Discard => patience::for_file(0),
            _ => self.patience,
        };
        // Boxed, since operations hold several of these at once.
        Box::pin(
            self.nodes
                .ask(self.node, script, &words, patience, self.unlocked(read)),
        )
        .await?
    }

    /// The words of `enter` in `lease.sh`, behind the nonce.
    pub fn words(&self) -> Vec<&str> {
        vec![
            self.ttl.as_str(),
            &self.token,
            &self.holder,
            self.epoch.get().map_or("", String::as_str),
            self.dir.as_str(),
            self.file.as_str(),
            &self.pattern,
            &self.owned,
        ]
    }

    /// Reads an answer that may be that the directory is another's.
    pub fn unlocked<T>(
        &self,
        read: impl FnOnce(&Answer<'_>) -> Option<T>,
    ) -> impl FnOnce(&Answer<'_>) -> Option<Result<T, NodeError>> {
        |answer| {
            for name in answer.all("aside") {
                let name = String::from_utf8_lossy(name);
                tracing::warn!(
                    node = %self.node.id,
                    "{}/{} could not be used and was set aside under that name; \
                     what it said is unknown from now on",
                    self.dir,
                    printable(name.as_bytes())
                );
            }
            if let Some(found) = answer.first("locked") {
                return Some(Err(self.locked(found)?));
            }
            if let Some(found) = answer.first("fenced") {
                return Some(Err(self.fenced(found)));
            }
            for (tag, into) in [("epoch", &self.epoch), ("inside", &self.inside)] {
                if let Some(found) = answer.first(tag) {
                    let plain = |byte: &u8| byte.is_ascii_digit() || *byte == b':';
                    let text = String::from_utf8(found.to_vec()).ok()?;
                    if !text.bytes().all(|byte| plain(&byte)) {
                        return None;
                    }
                    into.get_or_init(|| text);
                }
            }
            read(answer).map(Ok)
        }
    }

    /// Device and inode number of the private directory on the node, as `stat`'s
    /// `%d:%i` writes them; empty before the first script that tells them.
    pub fn inside(&self) -> &str {
        self.inside.get().map_or("", String::as_str)
    }

    /// Runs the first script of an operation. A directory that another node of
    /// ours works in is waited for: as long as that one gives signs of life it
    /// comes to an end, and if not its lease does. Another instance of the same
    /// owner is waited for only until a lease that a crash left would have expired:
    /// what it does is its own pass, and may take hours.
    pub async fn ask_first<T>(
        &self,
        script: Script,
        more: &[&str],
        read: impl Fn(&Answer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let begun = Instant::now();
        let config = &self.nodes.config;
        loop {
            match self.ask(script, more, &read).await {
                Err(NodeError::Locked { owner, by, .. })
                    if owner == shown(&config.owner)
                        && (by == config.instance || begun.elapsed() <= config.lease + GRACE) =>
                {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                result => return result,
            }
        }
    }

    /// Gives signs of life until the work is done, and stops it if the lease is
    /// another's by then. A sign that does not get through is no reason to stop:
    /// the next one may, and the work has the same line to fail on.
    pub async fn alive_while<T>(
        &self,
        work: impl Future<Output = Result<T, NodeError>>,
    ) -> Result<T, NodeError> {
        let signs = async {
            loop {
                tokio::time::sleep(self.nodes.config.lease / SIGNS).await;
                let sign = self.ask(Script::Renew, &[], |_| Some(())).await;
                if let Err(error @ NodeError::Fenced { .. }) = sign {
                    return error;
                }
            }
        };
        tokio::select! {
            result = work => result,
            lost = signs => Err(lost),
        }
    }

    /// Gives the lease back after an error, if there is a way to: what is not
    /// given back expires.
    pub async fn leave(&self, error: NodeError) -> NodeError {
        let reachable = !matches!(
            error,
            NodeError::Unreachable { .. } | NodeError::Locked { .. } | NodeError::Fenced { .. }
        );
        if reachable {
            // The error says more than one in tidying up after it.
            let _ = self.ask(Script::Release, &[], |_| Some(())).await;
        }
        error
    }

    /// What a script says of a file that is not ours to touch.
    pub fn refusal(&self, answer: &Answer<'_>) -> Option<NodeError> {
        if answer.first("foreign").is_some() {
            return Some(NodeError::Foreign {
                place: self.place(),
            });
        }
        let entry = record::parse_line(answer.first("theirs")?)?;
        Some(NodeError::NotOurs {
            place: self.place(),
            owner: shown(&entry.owner),
        })
    }

    /// `UNTIL NODE@INSTANCE OWNER`, or without the instance from an earlier version.
    fn locked(&self, found: &[u8]) -> Option<NodeError> {
        let text = String::from_utf8_lossy(found);
        let (until, holder) = text.split_once(' ')?;
        let (node, owner) = holder.split_once(' ').unwrap_or(("", holder));
        Some(NodeError::Locked {
            place: format!("{}:{}", self.node.id, self.dir),
            owner: shown(owner),
            by: shown(node.split_once('@').map_or("", |(_, instance)| instance)),
            until: Timestamp::from_second(until.parse().ok()?).ok()?,
        })
    }

    /// The same of whoever has the lease now; nothing where nobody has.
    fn fenced(&self, found: &[u8]) -> NodeError {
        let holder = match self.locked(found) {
            Some(NodeError::Locked { owner, .. }) => Some(owner),
            _ => None,
        };
        NodeError::Fenced {
            place: format!("{}:{}", self.node.id, self.dir),
            holder,
        }
    }
}

/// An owner on one line, as it stands in a lease.
fn shown(owner: &str) -> String {
    printable(owner.as_bytes()).replace('\n', " ")
}
