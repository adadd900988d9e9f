//! Where the sockets of shared connections are.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::io::process::Program;
use crate::nodes::config::KeepOpen;
use crate::nodes::error::NodeError;

/// What comes behind a socket's directory: `/`, 4 hex digits for the options, 40 for
/// `%C`, and while the master is starting a dot and 16 random letters
/// (`muxserver_listen`).
const SOCKET_NAME: usize = 1 + 4 + 40 + 1 + 16;

/// The longest path of a socket, in bytes: `sun_path` of macOS and the BSDs,
/// its end included; Linux has four more.
const SOCKET_PATH: usize = 104 - 1;

/// The mode of a directory for sockets.
const PRIVATE: u32 = 0o700;

/// How long each master gets to end when their directory goes.
const EXIT: Duration = Duration::from_secs(2);

/// Where the sockets of master connections are.
#[derive(Debug)]
pub(super) enum ControlDir {
    /// Given from outside: masters stay for the next one who comes.
    Given(PathBuf),
    /// The same, but those whose sockets have names that begin so end with us.
    Kept(PathBuf, String),
    /// Given from outside, with masters of somebody else in it; we make none there.
    Borrowed(PathBuf),
    /// Our own, for as long as we are there.
    Own(tempfile::TempDir),
    /// Nowhere: each session has a connection of its own.
    Nowhere,
}

impl ControlDir {
    /// `prefix` is what the names of our sockets begin with.
    pub(super) fn new(
        given: Option<&Path>,
        keep_open: KeepOpen,
        prefix: &str,
    ) -> Result<Self, NodeError> {
        let temporary = std::env::temp_dir();
        let others = [temporary.as_path(), Path::new("/tmp")];
        let given = match (given, keep_open) {
            (Some(path), KeepOpen::Borrowed) if lends(path, prefix) => {
                return Ok(Self::Borrowed(path.to_owned()));
            }
            (_, KeepOpen::Borrowed) => None,
            (given, KeepOpen::Briefly | KeepOpen::WhileAlive(_)) => given,
        };
        let dir = Self::among(given, &others)?;
        Ok(match (&dir, keep_open) {
            (Self::Given(path), KeepOpen::WhileAlive(_)) => {
                Self::Kept(path.clone(), prefix.to_owned())
            }
            _ => dir,
        })
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
                    "the file system of {} does not support sockets; connections to nodes are not \
                     kept open between runs",
                    given.display()
                );
            }
            return Ok(Self::Own(own));
        }
        let places = given_without.into_iter().chain(others.iter().copied());
        let mut places: Vec<String> = places.map(|path| path.display().to_string()).collect();
        places.dedup();
        tracing::warn!(
            "cannot create a socket in {}; each session opens a new connection to its node, which takes \
             longer; hint: set `state_dir` or TMPDIR to a short path on a \
             local disk",
            places.join(" or ")
        );
        Ok(Self::Nowhere)
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Given(path) | Self::Kept(path, _) | Self::Borrowed(path) => Some(path),
            Self::Own(dir) => Some(dir.path()),
            Self::Nowhere => None,
        }
    }

    /// True if masters of ours can be here.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(self, Self::Borrowed(_) | Self::Nowhere)
    }
}

/// True if connections are open in a directory that can be trusted. One that nobody keeps
/// any more is as if it was not there: ssh then opens its own.
fn lends(path: &Path, prefix: &str) -> bool {
    fits(path) && is_private(path) && !sockets(path, prefix).is_empty()
}

/// The sockets whose names begin so.
fn sockets(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    ours.map(|entry| entry.path()).collect()
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
    /// Ends the masters in our own directory, and those that were kept for as long as we
    /// are there. Only those: a `ControlPath` in the user's options leads to masters of
    /// the user.
    fn drop(&mut self) {
        let (sockets, command) = match self {
            Self::Own(dir) => (sockets(dir.path(), ""), "exit"),
            // Somebody else may be using one: it ends when they are done.
            Self::Kept(path, prefix) => (sockets(path, prefix), "stop"),
            Self::Given(_) | Self::Borrowed(_) | Self::Nowhere => return,
        };
        let ends = sockets.into_iter().map(|socket| {
            let mut path = OsString::from("ControlPath=");
            path.push(socket);
            // The host is not looked at: the socket is the address.
            Program::new("ssh")
                .args(["-F", "/dev/null", "-o"])
                .arg(path)
                .args(["-O", command, "--", "master"])
        });
        Program::run_all_briefly(ends, EXIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_directory_is_short_private_and_goes_with_us() {
        let control = ControlDir::new(None, KeepOpen::Briefly, "").unwrap();
        let path = control.path().unwrap().to_owned();
        assert!(fits(&path));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(control);
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
    fn where_no_directory_takes_sockets_there_is_none() {
        let long = tempfile::tempdir().unwrap();
        let long = long.path().join("x".repeat(60));
        std::fs::create_dir(&long).unwrap();
        // Nothing can be made in the one, and no path fits in the other.
        for others in [[Path::new("/proc/self"), long.as_path()], [&long, &long]] {
            let control = ControlDir::among(Some(&long), &others).unwrap();
            assert!(matches!(control, ControlDir::Nowhere));
            assert_eq!(std::fs::read_dir(&long).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_directory_in_which_no_socket_fits_is_not_used() {
        let long = PathBuf::from(format!("/tmp/{}", "x".repeat(60)));
        let control = ControlDir::new(Some(&long), KeepOpen::Briefly, "").unwrap();
        assert!(matches!(control, ControlDir::Own(_)));
        assert!(!long.exists());
    }
}
