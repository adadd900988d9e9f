//! What runs on one node, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, SemaphorePermit};

use super::queue::DirQueue;
use super::rates::{self, Paces};
use crate::io::flow::pace::Pace;
use crate::io::process::Program;
use crate::model::{Dir, Node};
use crate::nodes::config::NodesConfig;
use crate::nodes::error::NodeError;
use crate::nodes::protocol::answer::{self, NoAnswer, ScriptAnswer};
use crate::nodes::protocol::failure::refused;
use crate::nodes::protocol::script::{self, NodeScript};
use crate::nodes::ssh::args::{Ssh, SshHost};
use crate::nodes::ssh::diagnosis;

/// The largest answer accepted, in bytes: a record as long as one is read (see
/// `observe.sh`), and the files that it names.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The right to work on one node, one of so many at a time.
///
/// It is cheap: what is costly, the connection, belongs to [`Ssh`] and stays.
pub(crate) struct NodeSession<'a> {
    pub(crate) node: &'a Node,
    pub(crate) config: &'a NodesConfig,
    pub(crate) ssh: &'a Ssh,
    pub(crate) queue: &'a DirQueue,
    pub(crate) paces: &'a Paces,
    pub(crate) _permit: SemaphorePermit<'a>,
}

impl NodeSession<'_> {
    /// Runs a script and hands its answer to `read`, which gives `None` for an answer
    /// that the script does not write. After `timeout` it is ended, whatever it still
    /// sends.
    pub(crate) async fn ask<T>(
        &self,
        script: NodeScript,
        args: &[&str],
        timeout: Duration,
        read: impl FnOnce(&ScriptAnswer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let nonce = script::nonce();
        let text = script.text(&nonce, args);
        let command = self.shell("exec sh -s").stdin(text);
        self.run(command, &nonce, timeout, read).await
    }

    /// Runs a command that answers as a script does, and hands its answer to `read`.
    pub(crate) async fn run<T>(
        &self,
        command: Program,
        nonce: &str,
        timeout: Duration,
        read: impl FnOnce(&ScriptAnswer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let command = command.total(timeout);
        self.run_watched(command, nonce, |_| (), read).await
    }

    /// The same without a limit but that of silence, and shows everything that was printed
    /// so far whenever more came.
    pub(crate) async fn run_watched<T>(
        &self,
        command: Program,
        nonce: &str,
        watch: impl FnMut(&[u8]) + Send,
        read: impl FnOnce(&ScriptAnswer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let is_remote = self.ssh_host().is_some();
        let output = command
            .idle(self.config.idle)
            .stdout_limit(ANSWER_MAX)
            .run_watched(watch)
            .await
            .map_err(|error| match is_remote {
                true => NodeError::remote_command(error),
                false => NodeError::from(error),
            })?;
        let stderr = output.stderr;
        let answer = match answer::read(&output.stdout, nonce) {
            Ok(answer) => answer,
            Err(NoAnswer::CutShort) => return Err(NodeError::CutShort { stderr }),
            Err(NoAnswer::NotBegun(_)) if is_remote && output.status.code() == Some(255) => {
                return Err(diagnosis::unreachable(stderr));
            }
            Err(NoAnswer::NotBegun(text)) => {
                let found = if text.is_empty() { &stderr } else { &text };
                let found = answer::excerpt(found.as_bytes());
                return Err(NodeError::Unintelligible { found, stderr });
            }
        };
        if !answer.noise.is_empty() {
            return Err(NodeError::NoisyShell {
                node: self.node.id.clone(),
                text: answer.noise,
                stderr,
            });
        }
        if let Some(failure) = answer.first("fail") {
            return Err(refused(&self.node.id, failure, &stderr));
        }
        read(&answer).ok_or_else(|| NodeError::Unintelligible {
            found: answer::excerpt(&output.stdout),
            stderr,
        })
    }

    /// A command that runs a line in the login shell of the node.
    pub(crate) fn shell(&self, line: &str) -> Program {
        self.shell_of(self.node, line)
    }

    /// The same on another node, which works for this one.
    pub(crate) fn shell_of(&self, node: &Node, line: &str) -> Program {
        match SshHost::of(node) {
            None => Program::new("sh").args(["-c", line]),
            Some(host) => self.ssh.command(host, line),
        }
    }

    /// Where ssh goes; none for a directory of this machine.
    pub(crate) fn ssh_host(&self) -> Option<SshHost<'_>> {
        SshHost::of(self.node)
    }

    /// Waits for the operations of this process in a directory that came before.
    pub(crate) async fn enter(&self, dir: &Dir) -> OwnedMutexGuard<()> {
        self.queue.enter(&self.node.id, dir).await
    }

    /// How many bytes an rsync may send in a second.
    pub(crate) fn share(&self) -> Option<u64> {
        rates::share(self.config, &self.node.id)
    }

    /// What a stream has to keep to.
    pub(crate) fn paces(&self) -> Vec<Arc<Pace>> {
        self.paces.to(&self.node.id)
    }

    /// Where Proxmox keeps the configurations of the node's cluster, beside its
    /// `storage.cfg`; empty where they are not to be read.
    pub(crate) fn vm_configs(&self) -> &str {
        let own = self.config.vm_configs_of.get(&self.node.id);
        let configs = own.unwrap_or(&self.config.vm_configs);
        configs.as_deref().unwrap_or_default()
    }
}
