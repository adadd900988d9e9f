//! The lease of a directory, as the controller's side of `lease.sh`.
//!
//! It is held for an instance of an owner through a node, so two controllers never
//! interleave, not even two of one owner, and neither do two nodes of one controller
//! that see the same storage. What a crash leaves behind expires for others after
//! [`LEASE`] and can be taken over at once by the instance and the node that left it.
//! An operation whose lock is gone is fenced: it changes nothing any more. Inside this
//! process, operations of one node on one directory wait for each other before they ask
//! the node.
//!
//! The leader of a site names its epoch as well (`fence.sh`): a node refuses an older one than
//! it has seen, and gives a newer one at once what an earlier leader left.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use super::error::NodeError;
use super::mandate::Mandate;
use super::protocol::answer::ScriptAnswer;
use super::protocol::record;
use super::protocol::script::{self, NodeScript};
use super::session::node_session::NodeSession;
use super::session::timeouts;
use crate::io::process::printable;
use crate::model::{Dir, FileName};

/// How long a lease stands without a renewal. Nodes that share a storage have to agree
/// on the time to within a part of this.
pub const LEASE: Duration = Duration::from_secs(120);

/// Renewals in the time that a lease stands.
const RENEWALS: u32 = 4;

/// How often a directory is asked for that another node of ours works in: rather
/// short beside the time that an image takes.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How much longer than a lease stands another instance of the same owner is waited
/// for: clocks of whole seconds, and the time that asking takes.
const GRACE: Duration = Duration::from_secs(2);

/// An operation on one file under the lease of its directory.
pub(super) struct Operation<'a> {
    pub(super) session: &'a NodeSession<'a>,
    mandate: &'a Mandate,
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
    fence: String,
    /// How long each of its scripts may take.
    timeout: Duration,
    _queued: Option<OwnedMutexGuard<()>>,
}

impl<'a> Operation<'a> {
    /// Waits for the operations before it in this process; asks nobody yet. No script of
    /// it runs for longer than `timeout`.
    pub(super) async fn begin(
        session: &'a NodeSession<'a>,
        mandate: &'a Mandate,
        dir: &'a Dir,
        file: &'a FileName,
        timeout: Duration,
    ) -> Self {
        let queued = session.enter(dir).await;
        Self {
            _queued: Some(queued),
            ..Self::unqueued(session, mandate, dir, file, timeout)
        }
    }

    /// The same for whoever waits for the others by [`NodeSession::enter`], in those steps
    /// that need it.
    pub(super) fn unqueued(
        session: &'a NodeSession<'a>,
        mandate: &'a Mandate,
        dir: &'a Dir,
        file: &'a FileName,
        timeout: Duration,
    ) -> Self {
        let (config, node) = (session.config, &session.node.id);
        let suffix = mandate.suffix(&config.owner);
        Self {
            session,
            mandate,
            dir,
            file,
            ttl: config.lease.as_secs().max(1).to_string(),
            token: script::nonce(),
            holder: format!(
                "{node}@{}{suffix} {}",
                config.instance,
                shown(&config.owner)
            ),
            epoch: OnceLock::new(),
            inside: OnceLock::new(),
            pattern: record::pattern(file),
            owned: record::owned(&config.owner),
            fence: mandate.words(&config.owner),
            timeout,
            _queued: None,
        }
    }

    /// `node:path`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.session.node.id, self.dir.join(self.file))
    }

    /// `node:directory`.
    pub(super) fn dir(&self) -> String {
        format!("{}:{}", self.session.node.id, self.dir)
    }

    /// Runs a script of this operation; `more` are its arguments behind those that
    /// `enter` in `lease.sh` takes.
    pub(super) async fn ask<T>(
        &self,
        script: NodeScript,
        more: &[&str],
        read: impl FnOnce(&ScriptAnswer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let mut args = self.args();
        args.extend(more);
        let timeout = match script {
            // These look at no image.
            NodeScript::Renew | NodeScript::Release | NodeScript::Discard => timeouts::for_file(0),
            _ => self.timeout,
        };
        // Boxed, since operations hold several of these at once.
        let read = self.unlocked(read);
        Box::pin(self.session.ask(script, &args, timeout, read)).await?
    }

    /// The arguments of `enter` in `lease.sh`, behind the nonce.
    pub(super) fn args(&self) -> Vec<&str> {
        vec![
            self.ttl.as_str(),
            &self.token,
            &self.holder,
            self.epoch.get().map_or("", String::as_str),
            self.dir.as_str(),
            self.file.as_str(),
            &self.pattern,
            &self.owned,
            &self.fence,
        ]
    }

    /// Reads an answer that may be that the directory is another's.
    pub(super) fn unlocked<T>(
        &self,
        read: impl FnOnce(&ScriptAnswer<'_>) -> Option<T>,
    ) -> impl FnOnce(&ScriptAnswer<'_>) -> Option<Result<T, NodeError>> {
        |answer| {
            for name in answer.all("aside") {
                let name = String::from_utf8_lossy(name);
                tracing::warn!(
                    node = %self.session.node.id,
                    "{}/{} could not be used and was set aside under that name; \
                     its content is unknown from now on",
                    self.dir,
                    printable(name.as_bytes())
                );
            }
            if let Err(error) = self.mandate.read(&self.session.node.id, answer)? {
                return Some(Err(error));
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
    pub(super) fn inside(&self) -> &str {
        self.inside.get().map_or("", String::as_str)
    }

    /// Runs the first script of an operation. A directory that another node of
    /// ours works in is waited for: it comes to an end as long as that one renews its
    /// lease, and if not its lease does. Another instance of the same
    /// owner is waited for only until a lease that a crash left would have expired:
    /// what it does is a run of its own, and may take hours.
    pub(super) async fn ask_first<T>(
        &self,
        script: NodeScript,
        more: &[&str],
        read: impl Fn(&ScriptAnswer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let begun = Instant::now();
        let config = self.session.config;
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

    /// Renews the lease until the work is done, and stops it if the lease is another's
    /// by then. A renewal that does not get through is no reason to stop: the next one
    /// may, and the work has the same connection to fail on.
    pub(super) async fn renew_while<T>(
        &self,
        work: impl Future<Output = Result<T, NodeError>>,
    ) -> Result<T, NodeError> {
        let renewals = async {
            loop {
                tokio::time::sleep(self.session.config.lease / RENEWALS).await;
                let renewal = self.ask(NodeScript::Renew, &[], |_| Some(())).await;
                if let Err(error) = renewal
                    && error.is_fenced()
                {
                    return error;
                }
            }
        };
        tokio::select! {
            result = work => result,
            lost = renewals => Err(lost),
        }
    }

    /// Gives the lease back after an error, if the node can be reached: what is not
    /// given back expires.
    pub(super) async fn release_after(&self, error: NodeError) -> NodeError {
        let is_silent = matches!(
            error,
            NodeError::Unreachable { .. } | NodeError::Locked { .. }
        );
        if !is_silent && !error.is_fenced() {
            // It says more than one in tidying up after it, unless that one is the cause: a
            // later leader clears away what this one sends.
            let released = self.ask(NodeScript::Release, &[], |_| Some(())).await;
            if let Err(fenced) = released
                && fenced.is_fenced()
            {
                return fenced;
            }
        }
        error
    }

    /// What a script says of a file that is not ours to touch.
    pub(super) fn refusal(&self, answer: &ScriptAnswer<'_>) -> Option<NodeError> {
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

    /// `UNTIL NODE@INSTANCE OWNER`, with more behind the instance from a leader, or without it
    /// from an earlier version.
    fn locked(&self, found: &[u8]) -> Option<NodeError> {
        let text = String::from_utf8_lossy(found);
        let (until, holder) = text.split_once(' ')?;
        let (node, owner) = holder.split_once(' ').unwrap_or(("", holder));
        let instance = node.split_once('@').map_or("", |(_, instance)| instance);
        let instance = instance.split('+').next().unwrap_or_default();
        Some(NodeError::Locked {
            place: self.dir(),
            owner: shown(owner),
            by: shown(instance),
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
            place: self.dir(),
            holder,
        }
    }
}

/// An owner on one line, as it stands in a lease.
fn shown(owner: &str) -> String {
    printable(owner.as_bytes()).replace('\n', " ")
}
