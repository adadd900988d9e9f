//! What a user can do about an error of a node.

use std::io;

use super::error::NodeError;

impl NodeError {
    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { hint, .. } => hint.map(str::to_owned),
            Self::NoisyShell { .. } => Some(
                "only interactive shells may print: put `[ -t 1 ] || return` at the top of \
                 its .bashrc"
                    .to_owned(),
            ),
            Self::MissingTool { tool, .. } => {
                Some(format!("install it there: `apt-get install {tool}`"))
            }
            Self::NoSpace { .. } => {
                Some("remove unneeded files there, or choose another directory".to_owned())
            }
            Self::Fenced { .. } => Some(
                "nothing was changed after that, and the next run checks again; if this happens \
                 often, two controllers manage the same nodes or this machine pauses at times"
                    .to_owned(),
            ),
            Self::OfFleet { .. } => Some(
                "this directory belongs to a fleet of the same owner: configure `fleet` here as \
                 well, or give this controller another `owner`; if the fleet is no more, remove \
                 `.talos-order.epoch` from the directory, and /var/lib/talos-order/epoch"
                    .to_owned(),
            ),
            Self::Outranked { .. } => Some(
                "nothing was changed, and this controller does not lead the site any more; after \
                 the store was restored from a backup, it leads again under a higher epoch"
                    .to_owned(),
            ),
            Self::Hostile { .. } => Some(
                "find out who created it, remove it, and let only the login write to the directory; \
                 use `chown` for files of a previous login"
                    .to_owned(),
            ),
            Self::NotOurs { .. } => Some(
                "remove it from one controller's orders, or give it another filename in one of \
                 them"
                    .to_owned(),
            ),
            Self::Foreign { .. } => {
                Some("move it away, or choose another filename in the order".to_owned())
            }
            Self::Program { source } => source.hint(),
            Self::Api(source) => source.hint(),
            Self::Unintelligible { .. } => {
                Some("the login needs a POSIX shell that runs `sh -s`".to_owned())
            }
            Self::Rsync { code: 1, .. } => {
                Some("check `rsync_opts` in the configuration".to_owned())
            }
            Self::Rsync { stderr, .. } if stderr.contains("Operation not permitted") => Some(
                "a storage without modes (CIFS, FAT, some FUSE) refuses that: remove options that \
                 need them from `rsync_opts` (`--partial-dir`, `--delay-updates`, \
                 `--no-inplace`), or set `push_method: stream` for the node"
                    .to_owned(),
            ),
            Self::ControlDir { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(
                    "set `state_dir`, and `defaults.cache_dir`, to directories of the user who \
                     runs this"
                        .to_owned(),
                )
            }
            _ => None,
        }
    }
}
