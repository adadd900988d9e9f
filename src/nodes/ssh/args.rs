//! The arguments of ssh.
//!
//! They come in the order in which ssh lets them win: what an order says of one node,
//! what the configuration says of all, then ours.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use super::control::ControlDir;
use crate::io::process::Program;
use crate::model::{Host, Node, Reach, User};
use crate::nodes::config::KeepOpen;
use crate::nodes::error::NodeError;

/// How long a master stays when nobody uses it, where no controller keeps it: longer than
/// the pause between two steps, shorter than the usual pause between runs. Who runs one
/// after another finds the connections open: most of what a run with nothing
/// to do takes is agreeing on keys.
const PERSIST: Duration = Duration::from_secs(60);

/// After 3 × 15 s without an answer ssh gives a connection up.
const ALIVE: [&str; 2] = ["ServerAliveInterval=15", "ServerAliveCountMax=3"];

/// What a user's own configuration may ask for and scripts cannot work with: a terminal
/// that changes what is printed, no standard input, going to the background, and
/// commands of its own beside or instead of ours. OpenSSH 8.7 and newer know all of them.
const PLAIN: [&str; 5] = [
    "RequestTTY=no",
    "StdinNull=no",
    "ForkAfterAuthentication=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
];

/// The cipher that is tried first: where the processor has instructions for it, it
/// takes two thirds of what the usual first one takes at both ends, for everything
/// that goes over ssh. Of the fast ones it is the one that every policy accepts.
const CIPHER: &str = "Ciphers=^aes256-gcm@openssh.com";

/// True if this processor has instructions for AES. Proxmox VE runs on none without.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Where ssh goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SshHost<'a> {
    pub(crate) host: &'a Host,
    user: Option<&'a User>,
    port: Option<u16>,
}

impl<'a> SshHost<'a> {
    /// The host of a node; none for a directory of this machine.
    pub(crate) fn of(node: &'a Node) -> Option<Self> {
        match &node.reach {
            Reach::Local | Reach::Bucket { .. } | Reach::Api { .. } => None,
            Reach::Ssh { host, user, port } => Some(Self {
                host,
                user: user.as_ref(),
                port: *port,
            }),
        }
    }

    /// ssh, with the login and the port where they are given.
    pub(crate) fn login(self) -> Vec<String> {
        let mut args = vec!["ssh".to_owned()];
        if let Some(port) = self.port {
            args.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = self.user {
            args.extend(["-l".to_owned(), user.to_string()]);
        }
        args
    }
}

/// How ssh is called.
#[derive(Debug)]
pub(crate) struct Ssh {
    options: Vec<String>,
    /// A hash in hex: a connection that was opened with other options, such as
    /// another key, is not ours.
    options_hash: String,
    connect: Duration,
    persist: Duration,
    control: ControlDir,
}

impl Ssh {
    /// Options from the configuration, the time a connection may take, and the
    /// directory for sockets; a private one is made if none is given.
    pub(crate) fn new(
        options: Vec<String>,
        connect: Duration,
        control: Option<&Path>,
        keep_open: KeepOpen,
    ) -> Result<Self, NodeError> {
        // Two with one hash are no harm, only a connection that goes on for a minute.
        let mut hasher = DefaultHasher::new();
        options.hash(&mut hasher);
        let options_hash = format!("{:04x}", hasher.finish() as u16);
        let persist = match keep_open {
            KeepOpen::WhileAlive(time) => time.max(PERSIST),
            KeepOpen::Briefly | KeepOpen::Borrowed => PERSIST,
        };
        Ok(Self {
            control: ControlDir::new(control, keep_open, &options_hash)?,
            options_hash,
            options,
            connect,
            persist,
        })
    }

    /// True if a connection that is opened now serves the sessions that follow. Options of
    /// the user come before ours, so they may have it otherwise.
    pub(crate) fn is_shared(&self) -> bool {
        let says = |option: &String| {
            let lower = option.to_ascii_lowercase();
            lower.contains("controlmaster")
                || lower.contains("controlpath")
                || option.starts_with("-S")
        };
        self.control.is_shared() && !self.options.iter().any(says)
    }

    /// The program and its arguments up to the host, for ssh itself and for rsync's `-e`.
    pub(crate) fn args(&self, host: SshHost<'_>) -> Vec<String> {
        let mut args = host.login();
        args.extend(self.options.iter().cloned());
        let at = |dir: &Path| format!("ControlPath={}/{}%C", dir.display(), self.options_hash);
        let shared = match self.control.path() {
            Some(dir) if self.control.is_shared() => vec![
                "ControlMaster=auto".to_owned(),
                at(dir),
                format!("ControlPersist={}", self.persist.as_secs()),
            ],
            Some(dir) => vec!["ControlMaster=no".to_owned(), at(dir)],
            // Said, because a user's own configuration may ask for a master.
            None => ["ControlMaster=no", "ControlPath=none"]
                .map(str::to_owned)
                .into(),
        };
        let seconds = self.connect.as_secs().max(1);
        let connect = format!("ConnectTimeout={seconds}");
        let cipher = has_aes().then(|| CIPHER.to_owned());
        let fixed = ALIVE.into_iter().chain(PLAIN).map(str::to_owned);
        let ours = shared.into_iter().chain([connect]).chain(fixed);
        for option in ours.chain(cipher) {
            args.extend(["-o".to_owned(), option]);
        }
        args
    }

    /// A command that succeeds if a connection to a host is open.
    pub(crate) fn check(&self, host: SshHost<'_>) -> Program {
        let args = self.args(host);
        Program::new(&args[0])
            .args(&args[1..])
            .args(["-O", "check", "--", host.host.as_str()])
    }

    /// A command that runs `line` in the login shell of a host.
    pub(crate) fn command(&self, host: SshHost<'_>, line: &str) -> Program {
        let args = self.args(host);
        Program::new(&args[0])
            .args(&args[1..])
            .args(["--", host.host.as_str(), line])
            .env("LC_ALL", "C")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearer_to_the_node_comes_first() {
        let options = vec!["-o".to_owned(), "ControlPath=none".to_owned()];
        let ssh = Ssh::new(options, Duration::from_millis(10), None, KeepOpen::Briefly);
        let ssh = ssh.unwrap();
        let (host, user) = ("pve".parse().unwrap(), "root".parse().unwrap());
        let args = ssh.args(SshHost {
            host: &host,
            user: Some(&user),
            port: Some(2222),
        });
        assert_eq!(
            args[..7],
            ["ssh", "-p", "2222", "-l", "root", "-o", "ControlPath=none"]
        );
        assert!(args.contains(&"ConnectTimeout=1".to_owned()));
    }

    #[test]
    fn without_a_directory_for_sockets_no_connection_is_shared() {
        let ssh = Ssh {
            options: Vec::new(),
            options_hash: String::new(),
            connect: Duration::from_secs(1),
            persist: PERSIST,
            control: ControlDir::Nowhere,
        };
        let host = "pve".parse().unwrap();
        let args = ssh.args(SshHost {
            host: &host,
            user: None,
            port: None,
        });
        assert!(args.contains(&"ControlMaster=no".to_owned()));
        assert!(args.contains(&"ControlPath=none".to_owned()));
        assert!(!args.iter().any(|arg| arg.contains("ControlPersist")));
        assert!(!ssh.is_shared());
    }

    #[test]
    fn options_of_the_user_may_share_nothing() {
        for (options, is_shared) in [
            (&["-o", "ControlPersist=5"][..], true),
            (&["-i", "/root/.ssh/control"], true),
            (&["-o", "controlmaster=no"], false),
            (&["-oControlPath=none"], false),
            (&["-S", "none"], false),
        ] {
            let given = options.iter().map(ToString::to_string).collect();
            let ssh = Ssh::new(given, PERSIST, None, KeepOpen::Briefly).unwrap();
            assert_eq!(ssh.is_shared(), is_shared, "{options:?}");
        }
    }
}
