//! Why there is no configuration.

use std::path::PathBuf;

use crate::model::Problem;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error("the configuration {} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("the configuration {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not as it should be.
    #[error("the configuration {file} has {}", count(problems.len()))]
    Invalid {
        /// The file.
        file: String,
        /// Everything that is wrong with it; never empty.
        problems: Vec<Problem>,
    },
}

fn count(problems: usize) -> String {
    match problems {
        1 => "a problem".to_owned(),
        more => format!("{more} problems"),
    }
}

impl ConfigError {
    /// Everything that is wrong in the file, where it could be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            Self::Missing { .. } | Self::Read { .. } => &[],
        }
    }

    /// A hint for the user; problems carry their own hints.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some(
                "without --config, $XDG_CONFIG_HOME/talos-order/config.yaml (not as root), \
                 /etc/talos-order/config.yaml and ./config.yaml are tried, then every value \
                 is a default",
            ),
            Self::Read { source, .. } => Some(match source.kind() {
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::TimedOut => {
                    "--config takes a file, or a pipe with a writer"
                }
                _ => "check the owner and the permissions of the file",
            }),
            Self::Invalid { .. } => None,
        }
    }
}
