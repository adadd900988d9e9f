//! Sending a file with rsync, into the private directory on a node.
//!
//! The other end is started by a line of shell that first goes to the directory that was
//! checked: a path would be looked up anew, and whoever may write to the directory above
//! could have put another one there.

use std::time::Duration;

use super::prepared::{MissingFile, PreparedDelivery};
use crate::io::process::Program;
use crate::model::NodeId;
use crate::nodes::error::NodeError;
use crate::nodes::protocol::PARTS;
use crate::nodes::rsync::args::{remote_rsync, rsync_args};
use crate::nodes::rsync::output::{self, RsyncProgress};
use crate::nodes::session::timeouts;
use crate::nodes::ssh::args::SshHost;
use crate::nodes::ssh::{diagnosis, quote};

/// The slowest disk that is waited for, in bytes per second: both ends read what is
/// there without printing anything before rsync sends.
const SLOWEST_READ: u64 = 16 * 1024 * 1024;

/// Sends the file into its part on the node, which has what `missing` says. Gives the
/// bytes that were sent, where rsync says so.
pub(super) async fn send(
    prepared: &PreparedDelivery<'_>,
    host: SshHost<'_>,
    missing: &MissingFile,
) -> Result<Option<u64>, NodeError> {
    let (delivery, session) = (prepared.delivery, prepared.operation.session);
    let ssh = session.ssh.args(host);
    let shell = quote::for_rsync(ssh.iter().map(String::as_str));
    // Absolute, because rsync takes `a:b` for a host with a path.
    let source =
        std::path::absolute(&delivery.source).map_err(|source| prepared.source_error(source))?;
    let host = match host.host.as_str() {
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    // Relative to where the program there goes first.
    let target = format!("{host}:{}", prepared.part);
    let (own, options) = remote_rsync(&session.config.rsync_opts);
    let source = source.to_string_lossy();
    let basis = missing.basis.map(|_| basis(prepared));
    let mut args = rsync_args(&shell, &options, session.share(), &source, &target);
    let program = rsync_there(prepared, basis.as_deref(), &own);
    args.insert(0, format!("--rsync-path={program}"));
    if let Some(basis) = basis {
        args.insert(0, format!("--copy-dest={basis}"));
    }
    let there = missing.basis.or(missing.part.map(|(length, _)| length));
    let mut progress = RsyncProgress::new(&delivery.meter);
    let size = delivery.size;
    let output = Program::new("rsync")
        .args(args)
        .env("LC_ALL", "C")
        .idle(session.config.idle + Duration::from_secs(there.unwrap_or(0) / SLOWEST_READ))
        .total(timeouts::for_transfer(size, size, session.share()))
        .stream(|bytes| progress.take(bytes))
        .await
        .map_err(NodeError::remote_command)?;
    let code = output.status.code().unwrap_or(-1);
    // The mode that counts is set when the file gets its name, and that is not asked
    // of a storage that has none.
    if output.status.success() || output::lacks_only_attributes(code, &output.stderr) {
        return Ok(progress.sent());
    }
    Err(rsync_error(&session.node.id, code, output.stderr))
}

/// The directory with the basis of the part, beside it. `delivery.sh` names it the same.
fn basis(prepared: &PreparedDelivery<'_>) -> String {
    let part = &prepared.part;
    format!("{}.basis", part.strip_suffix(".part").unwrap_or(part))
}

/// What the node runs instead of `program`, which gets rsync's arguments behind it. It
/// works in the private directory that `prepare.sh` was in, wherever its name may
/// lead now, and nobody else writes to the part meanwhile (see `pin` in
/// `delivery.sh`). A part is made here with a time that no option takes for newer,
/// where the storage lets times be set. With a basis rsync has to make the part, and
/// what is held is the basis (see `tidy` in `resume.sh`).
fn rsync_there(prepared: &PreparedDelivery<'_>, basis: Option<&str>, program: &str) -> String {
    let hold = match basis {
        Some(basis) => format!("exec 8<{}", quote::for_shell(basis)),
        None => "if [ ! -e \"$part\" ]; then : >\"$part\" && touch -d @1 -- \"$part\" \
                 2>/dev/null; fi; exec 8<>\"$part\""
            .to_owned(),
    };
    let script = format!(
        "unset POSIXLY_CORRECT CDPATH; umask 022; part={part}; \
         cd -P -- {dir} && [ \"$(stat -c %d:%i .)\" = {inside} ] || \
         {{ echo 'the private directory was replaced' >&2; exit 1; }}; \
         {hold} || exit 1; \
         ! command -v flock >/dev/null || {{ flock -w 5 8 2>/dev/null; [ $? -ne 1 ]; }} || \
         {{ echo 'another process still writes to the part' >&2; exit 1; }}; \
         {program} \"$@\"",
        part = quote::for_shell(&prepared.part),
        dir = quote::for_shell(&format!("{}/{PARTS}", prepared.delivery.dir)),
        inside = quote::for_shell(prepared.operation.inside()),
    );
    format!("sh -c {} rsync", quote::for_shell(&script))
}

/// What rsync's end means, where ssh or the shell behind it is the cause.
fn rsync_error(node: &NodeId, code: i32, stderr: String) -> NodeError {
    if output::is_shell_noise(&stderr) {
        return NodeError::NoisyShell {
            node: node.clone(),
            text: "protocol version mismatch".to_owned(),
            stderr,
        };
    }
    if !output::is_disk_full(&stderr)
        && matches!(code, 12 | 255)
        && let Some(error) = diagnosis::known(&stderr)
    {
        return error;
    }
    NodeError::Rsync {
        code,
        meaning: output::meaning(code),
        stderr,
    }
}
