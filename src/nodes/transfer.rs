//! Sending a file with rsync, into the private directory on a node.
//!
//! What rsync's words mean is in `rsync.rs`; here is where they are used. The other end
//! is started by a line of shell that first goes to the directory that was checked: a
//! path would be looked up anew, and whoever may write to the directory above could have
//! put another one there.

use std::time::Duration;

use super::error::NodeError;
use super::patience;
use super::push::{PARTS, Task};
use super::rsync::{self, Progress};
use super::system::SystemNodes;
use super::{diagnosis, quote};
use crate::io::process::Program;
use crate::model::{Host, Node, NodeId, User};

/// The slowest disk that is waited for, in bytes per second: both ends read the
/// rest of an interrupted push without a word before rsync sends anything.
const SLOWEST_READ: u64 = 16 * 1024 * 1024;

impl SystemNodes {
    /// Sends the file into its part on the node, which has `part` bytes already. Gives
    /// the bytes that were sent, where rsync says so.
    pub(super) async fn rsync(
        &self,
        task: &Task<'_>,
        host: &Host,
        user: Option<&User>,
        port: Option<u16>,
        part: u64,
    ) -> Result<Option<u64>, NodeError> {
        let ssh = self.ssh.words(user, port);
        let shell = quote::for_rsync(ssh.iter().map(String::as_str));
        // Absolute, because rsync takes `a:b` for a host with a path.
        let source = std::path::absolute(&task.delivery.source)
            .map_err(|source| task.source_error(source))?;
        let host = if host.as_str().contains(':') {
            format!("[{host}]")
        } else {
            host.to_string()
        };
        // Relative to where the program there goes first.
        let target = format!("{host}:{}", task.part);
        let (own, options) = remote_rsync(&self.config.rsync_opts);
        let mut words = rsync::words(
            &shell,
            &options,
            self.share_of(&task.operation.node.id),
            &source.to_string_lossy(),
            &target,
        );
        words.insert(0, format!("--rsync-path={}", task.rsync_there(&own)));
        let mut progress = Progress::new(&task.delivery.meter);
        let output = Program::new("rsync")
            .args(words)
            .env("LC_ALL", "C")
            .idle(self.config.idle + Duration::from_secs(part / SLOWEST_READ))
            .total(patience::for_transfer(
                task.delivery.size,
                task.delivery.size,
                self.share_of(&task.operation.node.id),
            ))
            .stream(|bytes| progress.take(bytes))
            .await
            .map_err(NodeError::of_remote_command)?;
        let code = output.status.code().unwrap_or(-1);
        // The mode that counts is set when the file gets its name, and that is not asked
        // of a storage that has none.
        if output.status.success() || rsync::lacks_only_attributes(code, &output.stderr) {
            return Ok(progress.sent());
        }
        Err(rsync_error(task.operation.node, code, output.stderr))
    }

    /// How many bytes each rsync may send to a node in a second. They know nothing of one
    /// another, so each gets its share of what all may. A stream never gets less.
    pub(super) fn share_of(&self, node: &NodeId) -> Option<u64> {
        let share = |all: u64| all / self.config.sessions.max(1) as u64;
        let all = self.config.bandwidth.map(share);
        let own = self.config.bandwidth_of.get(node).copied();
        all.into_iter().chain(own).min()
    }
}

impl Task<'_> {
    /// What the node runs instead of `program`, which gets rsync's words behind it. It
    /// works in the private directory that `prepare.sh` was in, wherever its name may
    /// lead now, and nobody else writes to the part meanwhile (see `pin` in
    /// `delivery.sh`). A part is made here with a time that no option takes for newer,
    /// where the storage lets times be set.
    fn rsync_there(&self, program: &str) -> String {
        let script = format!(
            "unset POSIXLY_CORRECT CDPATH; umask 022; part={part}; \
             cd -P -- {dir} && [ \"$(stat -c %d:%i .)\" = {inside} ] || \
             {{ echo 'the private directory was replaced' >&2; exit 1; }}; \
             if [ ! -e \"$part\" ]; then : >\"$part\" && touch -d @1 -- \"$part\" 2>/dev/null; fi; \
             exec 8<>\"$part\" || exit 1; \
             ! command -v flock >/dev/null || {{ flock -w 5 8 2>/dev/null; [ $? -ne 1 ]; }} || \
             {{ echo 'another process still writes to the part' >&2; exit 1; }}; \
             {program} \"$@\"",
            part = quote::for_shell(&self.part),
            dir = quote::for_shell(&format!("{}/{PARTS}", self.delivery.dir)),
            inside = quote::for_shell(self.operation.inside()),
        );
        format!("sh -c {} rsync", quote::for_shell(&script))
    }
}

/// The program that the user's options name for the other end, and the other options.
fn remote_rsync(options: &[String]) -> (String, Vec<String>) {
    const OPTION: &str = "--rsync-path";
    let mut program = "rsync".to_owned();
    let mut others = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(OPTION).map(|rest| rest.strip_prefix('=')) {
            Some(Some(value)) => program = value.to_owned(),
            Some(None) if word == OPTION => program = words.next().cloned().unwrap_or(program),
            _ => others.push(word.clone()),
        }
    }
    (program, others)
}

/// What rsync's end means, where ssh or the shell behind it is the cause.
fn rsync_error(node: &Node, code: i32, stderr: String) -> NodeError {
    if rsync::is_shell_noise(&stderr) {
        return NodeError::NoisyShell {
            node: node.id.clone(),
            text: "protocol version mismatch".to_owned(),
            stderr,
        };
    }
    if !rsync::is_disk_full(&stderr)
        && matches!(code, 12 | 255)
        && let Some(found) = diagnosis::known(&stderr)
    {
        return NodeError::unreachable(found, stderr);
    }
    NodeError::Rsync {
        code,
        meaning: rsync::meaning(code),
        stderr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_for_the_other_end_is_taken_out_of_the_options() {
        let words = |text: &str| shell_words::split(text).unwrap();
        for (options, program, others) in [
            ("-av --inplace", "rsync", "-av --inplace"),
            ("-a --rsync-path='sudo rsync' -v", "sudo rsync", "-a -v"),
            ("--rsync-path /opt/rsync -v", "/opt/rsync", "-v"),
            ("--rsync-path=a --rsync-path=b", "b", ""),
            ("-v --rsync-path", "rsync", "-v"),
            ("--rsync-paths", "rsync", "--rsync-paths"),
        ] {
            let expected = (program.to_owned(), words(others));
            assert_eq!(remote_rsync(&words(options)), expected, "{options}");
        }
    }
}
