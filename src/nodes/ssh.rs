//! The words given to ssh, and the shared connections behind them.
//!
//! The first session to a node opens a master connection (`ControlMaster`), and
//! every later one, rsync's included, goes through it: 0.12 s instead of 0.39 s
//! each. The words come in the order in which ssh lets them win: what an order
//! says of one node, what the configuration says of all, then ours.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::NodeError;
use crate::io::process::Program;
use crate::model::{Host, User};

/// What comes behind a socket's directory: `/`, 4 hex digits for the options, 40 for
/// `%C`, and while the master is starting a dot and 16 random letters
/// (`muxserver_listen`).
const SOCKET_NAME: usize = 1 + 4 + 40 + 1 + 16;

/// The longest path of a socket, in bytes: `sun_path` of macOS and the BSDs,
/// its end included; Linux has four more.
const SOCKET_PATH: usize = 104 - 1;

/// How long a master stays when nobody uses it, in seconds: longer than the
/// pause between two steps of a pass, shorter than the usual pause between passes.
/// Who runs one pass after another by hand finds the connections open: most of what
/// a pass with nothing to do takes is agreeing on keys.
const PERSIST: u32 = 60;

/// After 3 × 15 s without a sign of life ssh gives a connection up.
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

/// The mode of a directory for sockets.
const PRIVATE: u32 = 0o700;

/// How long each master gets to end when their directory goes.
const EXIT: Duration = Duration::from_secs(2);

/// How ssh is called.
#[derive(Debug)]
pub(super) struct Ssh {
    options: Vec<String>,
    /// Of the options, as hex: a connection that was opened with others, such as
    /// another key, is not ours.
    mark: String,
    connect: Duration,
    control: ControlDir,
}

impl Ssh {
    /// Options from the configuration, the time a connection may take, and the
    /// directory for sockets; a private one is made if none is given.
    pub fn new(
        options: Vec<String>,
        connect: Duration,
        control: Option<&Path>,
    ) -> Result<Self, NodeError> {
        // Two of one mark are no harm, only a connection that goes on for a minute.
        let mut hasher = DefaultHasher::new();
        options.hash(&mut hasher);
        Ok(Self {
            mark: format!("{:04x}", hasher.finish() as u16),
            options,
            connect,
            control: ControlDir::new(control)?,
        })
    }

    /// The words up to the host, for ssh itself and for rsync's `-e`.
    pub fn words(&self, user: Option<&User>, port: Option<u16>) -> Vec<String> {
        let mut words = login(user, port);
        words.extend(self.options.iter().cloned());
        let shared = match self.control.path() {
            Some(dir) => vec![
                "ControlMaster=auto".to_owned(),
                format!("ControlPath={}/{}%C", dir.display(), self.mark),
                format!("ControlPersist={PERSIST}"),
            ],
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
            words.extend(["-o".to_owned(), option]);
        }
        words
    }

    /// A command that runs `line` in the login shell of a host.
    pub fn command(
        &self,
        host: &Host,
        user: Option<&User>,
        port: Option<u16>,
        line: &str,
    ) -> Program {
        let words = self.words(user, port);
        Program::new(&words[0])
            .args(&words[1..])
            .args(["--", host.as_str(), line])
            .env("LC_ALL", "C")
    }
}

/// ssh, with the login and the port where they are given.
pub(super) fn login(user: Option<&User>, port: Option<u16>) -> Vec<String> {
    let mut words = vec!["ssh".to_owned()];
    if let Some(port) = port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    if let Some(user) = user {
        words.extend(["-l".to_owned(), user.to_string()]);
    }
    words
}

/// Where the sockets of master connections are.
#[derive(Debug)]
enum ControlDir {
    /// Given from outside: masters stay for the next one who comes.
    Given(PathBuf),
    /// Our own, for as long as we are there.
    Own(tempfile::TempDir),
    /// Nowhere: each session has a connection of its own.
    Nowhere,
}

impl ControlDir {
    fn new(given: Option<&Path>) -> Result<Self, NodeError> {
        Self::among(given, &[&std::env::temp_dir(), Path::new("/tmp")])
    }

    /// The given directory, or a new one in the first of others, if any takes sockets.
    fn among(given: Option<&Path>, others: &[&Path]) -> Result<Self, NodeError> {
        let mut given_without = None;
        if let Some(path) = given
            && fits(path)
        {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(PRIVATE)
                .create(path)
                .map_err(|source| NodeError::ControlDir {
                    path: path.to_owned(),
                    source,
                })?;
            if is_private(path) {
                if takes_sockets(path) {
                    return Ok(Self::Given(path.to_owned()));
                }
                given_without = Some(path);
            }
        }
        for parent in others {
            let own = tempfile::Builder::new()
                .prefix("to-")
                .rand_bytes(8)
                .permissions(std::fs::Permissions::from_mode(PRIVATE))
                .tempdir_in(parent);
            let own = own.ok().filter(|dir| fits(dir.path()));
            let Some(own) = own.filter(|dir| takes_sockets(dir.path())) else {
                continue;
            };
            if let Some(given) = given_without {
                tracing::warn!(
                    "the file system of {} has no sockets; connections to nodes are not kept \
                     open between runs",
                    given.display()
                );
            }
            return Ok(Self::Own(own));
        }
        let places = given_without.into_iter().chain(others.iter().copied());
        let mut places: Vec<String> = places.map(|path| path.display().to_string()).collect();
        places.dedup();
        tracing::warn!(
            "no socket can be made in {}; each session opens a connection of its own to its \
             node, which takes longer; hint: set `state_dir` or TMPDIR to a short path on a \
             local disk",
            places.join(" or ")
        );
        Ok(Self::Nowhere)
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Given(path) => Some(path),
            Self::Own(dir) => Some(dir.path()),
            Self::Nowhere => None,
        }
    }
}

/// Whoever can open a socket in a directory can use the connection.
fn is_private(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|facts| {
        let own = facts.uid() == rustix::process::geteuid().as_raw();
        facts.is_dir() && own && facts.mode() & 0o077 == 0
    })
}

/// Not every file system has sockets: network shares and FUSE often do not.
fn takes_sockets(dir: &Path) -> bool {
    let probe = dir.join(format!("probe-{:016x}", fastrand::u64(..)));
    let bound = std::os::unix::net::UnixListener::bind(&probe).is_ok();
    // What was not made cannot be removed.
    let _ = std::fs::remove_file(&probe);
    bound
}

/// A socket's path must fit, and ssh reads `%` in it and splits it at blanks.
fn fits(path: &Path) -> bool {
    let text = path.to_string_lossy();
    path.is_absolute()
        && text.len() + SOCKET_NAME <= SOCKET_PATH
        && !text.contains(['%', ' ', '"', '\\', '$', '~'])
}

impl Drop for ControlDir {
    /// Ends the masters whose sockets are in our own directory. Only those: a
    /// `ControlPath` in the user's options leads to masters of the user.
    fn drop(&mut self) {
        let Self::Own(dir) = self else { return };
        let Ok(sockets) = std::fs::read_dir(dir.path()) else {
            return;
        };
        let exits = sockets.flatten().map(|socket| {
            let mut path = OsString::from("ControlPath=");
            path.push(socket.path());
            // The host is not looked at: the socket is the address.
            Program::new("ssh")
                .args(["-F", "/dev/null", "-o"])
                .arg(path)
                .args(["-O", "exit", "--", "master"])
        });
        Program::run_all_briefly(exits, EXIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearer_to_the_node_comes_first() {
        let options = vec!["-o".to_owned(), "ControlPath=none".to_owned()];
        let ssh = Ssh::new(options, Duration::from_millis(10), None).unwrap();
        let user = "root".parse().unwrap();
        let words = ssh.words(Some(&user), Some(2222));
        assert_eq!(
            words[..7],
            ["ssh", "-p", "2222", "-l", "root", "-o", "ControlPath=none"]
        );
        assert!(words.contains(&"ConnectTimeout=1".to_owned()));
    }

    #[test]
    fn our_own_directory_is_short_private_and_goes_with_us() {
        let ssh = Ssh::new(Vec::new(), Duration::from_secs(1), None).unwrap();
        let path = ssh.control.path().unwrap().to_owned();
        assert!(fits(&path));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(ssh);
        assert!(!path.exists());
    }

    #[test]
    fn the_usual_places_are_short_enough() {
        for state in ["/var/cache/talos-sync/.talos-order", "/var/lib/talos-order"] {
            assert!(fits(&Path::new(state).join("ssh")), "{state}");
        }
    }

    #[test]
    fn a_directory_that_takes_sockets_is_told_from_one_that_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(takes_sockets(dir.path()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        // Nothing can be made here, whoever asks.
        assert!(!takes_sockets(Path::new("/proc/self")));
    }

    #[test]
    fn where_no_directory_takes_sockets_no_connection_is_shared() {
        let long = tempfile::tempdir().unwrap();
        let long = long.path().join("x".repeat(60));
        std::fs::create_dir(&long).unwrap();
        // Nothing can be made in the one, and no path fits in the other.
        for others in [[Path::new("/proc/self"), long.as_path()], [&long, &long]] {
            let control = ControlDir::among(Some(&long), &others).unwrap();
            assert!(matches!(control, ControlDir::Nowhere));
            assert_eq!(std::fs::read_dir(&long).unwrap().count(), 0);
            let ssh = Ssh {
                options: Vec::new(),
                mark: String::new(),
                connect: Duration::from_secs(1),
                control,
            };
            let words = ssh.words(None, None);
            assert!(words.contains(&"ControlMaster=no".to_owned()));
            assert!(words.contains(&"ControlPath=none".to_owned()));
            assert!(!words.iter().any(|word| word.contains("ControlPersist")));
        }
    }

    #[test]
    fn a_directory_in_which_no_socket_fits_is_not_used() {
        let long = PathBuf::from(format!("/tmp/{}", "x".repeat(60)));
        let ssh = Ssh::new(Vec::new(), Duration::from_secs(1), Some(&long)).unwrap();
        assert!(matches!(ssh.control, ControlDir::Own(_)));
        assert!(!long.exists());
    }
}
