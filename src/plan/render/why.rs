//! The reason of a step, as a clause.

use std::fmt;

use crate::model::ArtifactId;
use crate::plan::bytes::Bytes;
use crate::plan::step::{AdoptCondition, Otherwise, Why};

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Unregistered => f.write_str("a download needs it"),
            Self::Partial { have } => write!(f, "interrupted, {} are here", Bytes(*have)),
            Self::SizeDiffers { expected, found } => {
                write!(f, "{found} bytes instead of {expected}")
            }
            Self::Touched => f.write_str("changed since it was written"),
            Self::NotWhole { what } => write!(f, "not a whole image: {what}"),
            Self::DigestDiffers { expected, found } => write!(
                f,
                "digest {} instead of {}",
                short(&found.to_string()),
                short(&expected.to_string())
            ),
            Self::OtherImage { found } => write!(f, "holds another image: {}", image(found)),
            Self::OtherSource { found } => write!(f, "came from {found}"),
            Self::Unrecorded {
                condition: AdoptCondition::AdoptIfDigestMatches,
                otherwise,
            } => write!(
                f,
                "there without a record; if its digest is right it is recorded and not sent, \
                 otherwise it {}",
                match otherwise {
                    Otherwise::Replace => "is replaced",
                    Otherwise::Fail => "stays and the step fails",
                }
            ),
            Self::BeyondKeep { keep: 1 } => f.write_str("not the newest version"),
            Self::BeyondKeep { keep } => write!(f, "not among the newest {keep} versions"),
            Self::Orphaned { hours } => {
                write!(f, "no order refers to it for {}", duration(*hours))
            }
            Self::NotWanted { hours } => {
                write!(f, "no order wants it for {}", duration(*hours))
            }
            Self::Unverified { hours: None } => f.write_str("never read back yet"),
            Self::Unverified { hours: Some(hours) } => {
                write!(f, "last read back {} ago", duration(*hours))
            }
            Self::Purge => f.write_str("the cache is purged"),
            Self::Abandoned => f.write_str("left by an interrupted transfer that nobody wants"),
        }
    }
}

/// The reason behind the line of a step; that something is missing is what `+` says.
pub(super) fn because(why: &Why) -> String {
    match why {
        Why::Missing => String::new(),
        why => format!("  ({why})"),
    }
}

fn duration(hours: u64) -> String {
    match hours {
        0..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

fn image(artifact: &ArtifactId) -> String {
    format!(
        "{} {} schematic {}",
        artifact.version,
        artifact.factory_file(),
        short(&artifact.schematic.to_string())
    )
}

/// As many digits of a digest as names of files have.
pub(super) fn short(hex: &str) -> &str {
    &hex[..12]
}
