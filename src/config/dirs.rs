//! Where things are when no key says so.
//!
//! Root and the service use the system's directories. Any other user cannot write
//! there, so the XDG base directories take their place.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const CACHE_DIR: &str = "/var/cache/talos-sync";
const PROGRAM: &str = "talos-order";

/// The directories that hold where the file has no key for them.
pub(super) struct DefaultDirs {
    /// `defaults.cache_dir`.
    pub cache: PathBuf,
    /// `state_dir`, where the file has no `cache_dir` either; `None` for a directory in
    /// the cache.
    pub state: Option<PathBuf>,
}

impl DefaultDirs {
    /// Those of root and of the service.
    pub(super) fn system() -> Self {
        Self {
            cache: PathBuf::from(CACHE_DIR),
            state: None,
        }
    }

    /// Those of whoever runs this process.
    pub(super) fn of_this_process() -> Self {
        // Where the system's directory exists it counts for everybody: the package
        // makes it for a user that is not root, and `plan` should show to any user
        // what the service would do.
        if is_root() || Path::new(CACHE_DIR).exists() {
            return Self::system();
        }
        Self::of_user(&|name| env::var_os(name)).unwrap_or_else(Self::system)
    }

    /// Those of a user; `None` without a home directory.
    pub(super) fn of_user(env: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        Some(Self {
            cache: base(env, "XDG_CACHE_HOME", ".cache")?,
            state: Some(base(env, "XDG_STATE_HOME", ".local/state")?),
        })
    }
}

/// The configuration file of a user who is not root, whether it is there or not.
pub(super) fn own_config() -> Option<PathBuf> {
    if is_root() {
        return None;
    }
    let dir = base(&|name| env::var_os(name), "XDG_CONFIG_HOME", ".config")?;
    Some(dir.join("config.yaml"))
}

/// The same, where there is one.
pub(super) fn user_config() -> Option<PathBuf> {
    let file = own_config()?;
    // An error means that the directory belongs to somebody else: `runuser` leaves
    // HOME as it was.
    file.try_exists().unwrap_or(false).then_some(file)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Our directory in one of the XDG base directories. Relative ones are ignored, as
/// the specification demands.
fn base(
    env: &dyn Fn(&str) -> Option<OsString>,
    variable: &str,
    below_home: &str,
) -> Option<PathBuf> {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))?;
    Some(base.join(PROGRAM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_their_own_directories() {
        for (variables, cache, state) in [
            (
                &[("HOME", "/home/u")][..],
                "/home/u/.cache/talos-order",
                "/home/u/.local/state/talos-order",
            ),
            (
                &[
                    ("HOME", "/home/u"),
                    ("XDG_CACHE_HOME", "/c"),
                    ("XDG_STATE_HOME", "relative"),
                ],
                "/c/talos-order",
                "/home/u/.local/state/talos-order",
            ),
        ] {
            let env = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name)?;
                Some(OsString::from(found.1))
            };
            let dirs = DefaultDirs::of_user(&env).unwrap();
            assert_eq!(dirs.cache, Path::new(cache));
            assert_eq!(dirs.state.unwrap(), Path::new(state));
        }
        assert!(DefaultDirs::of_user(&|_| None).is_none());
    }
}
