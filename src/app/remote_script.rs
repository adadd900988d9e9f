//! A script that an operator has run as root on a node: `pve-setup --apply`.

use std::process::ExitStatus;
use std::time::Duration;

use crate::config::Settings;
use crate::io::process::{Program, ProgramError};
use crate::model::{Login, NodeId, Reach};

/// The login, where none is given.
const ROOT: &str = "root";

/// How long a connection may take.
const CONNECT: &str = "ConnectTimeout=10";

/// How long the script may be silent: a refusal of the API takes three seconds, a script
/// makes some tens of calls.
const IDLE: Duration = Duration::from_secs(120);

/// What a script printed, and how it ended.
#[derive(Debug)]
pub(crate) struct ScriptOutput {
    /// Its standard output: it may hold what is shown once.
    pub stdout: String,
    /// The end of its standard error, printable.
    pub stderr: String,
    /// How it, or ssh, ended.
    pub status: ExitStatus,
}

/// Runs a script with `sh` on a host over ssh. A node of the configuration is reached as it
/// says there. Nothing asks for a password: keys are used, as for everything else.
///
/// # Errors
/// Where ssh cannot be started or makes no progress.
pub(crate) async fn run_script(
    login: &Login,
    settings: Option<&Settings>,
    script: &str,
) -> Result<ScriptOutput, ProgramError> {
    let (mut host, mut user, mut port) = (login.host.clone(), login.user.clone(), None);
    let named = host.as_str().parse::<NodeId>().ok().and_then(|id| {
        let inventory = &settings?.orders.inventory;
        inventory.by_name(&id)
    });
    if let Some(Reach::Ssh {
        host: own,
        user: login,
        port: at,
    }) = named.map(|entry| &entry.node.reach)
    {
        host = own.clone();
        user = user.or_else(|| login.clone());
        port = at.map(|port| format!("-p{port}"));
    }
    let user = user.map_or_else(|| ROOT.to_owned(), |user| user.to_string());
    let ssh_opts = settings.map(|settings| settings.push.ssh_opts.clone());
    let output = Program::new("ssh")
        .args(ssh_opts.unwrap_or_default())
        .args(port)
        .args(["-T", "-o", "BatchMode=yes", "-o", CONNECT, "-l", &user])
        .args(["--", host.as_str(), "sh -s"])
        .stdin(script)
        .idle(IDLE)
        .run()
        .await?;
    Ok(ScriptOutput {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: output.stderr,
        status: output.status,
    })
}
