//! The reason of a step, as a clause.

use std::fmt;

use crate::model::ArtifactId;
use crate::plan::bytes::Bytes;
use crate::plan::step::{AdoptCondition, Otherwise, Why};

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Unregistered => f.write_str("needed for a download"),
            Self::Partial { have } => write!(f, "resumes, {} already here", Bytes(*have)),
            Self::SizeDiffers { expected, found } => {
                write!(f, "{found} bytes instead of {expected}")
            }
            Self::Touched => f.write_str("modified since it was written"),
            Self::NotWhole { what } => write!(f, "not a complete image: {what}"),
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
                "exists without a record; adopted if its digest matches, otherwise it \
                 {}",
                match otherwise {
                    Otherwise::Replace => "is replaced",
                    Otherwise::Fail => "is kept and the step fails",
                }
            ),
            Self::BeyondKeep { keep: 1 } => f.write_str("not the newest version"),
            Self::BeyondKeep { keep } => write!(f, "not among the newest {keep} versions"),
            Self::Orphaned { hours } => {
                write!(f, "unreferenced for {}", duration(*hours))
            }
            Self::NotWanted { hours } => {
                write!(f, "unwanted for {}", duration(*hours))
            }
            Self::Unverified { hours: None } => f.write_str("never verified"),
            Self::Unverified { hours: Some(hours) } => {
                write!(f, "last verified {} ago", duration(*hours))
            }
            Self::Purge => f.write_str("the cache is purged"),
            Self::Abandoned => f.write_str("leftover of an interrupted transfer"),
            Self::OtherTemplateImage { found } => write!(f, "made from {}", image(found)),
            Self::OtherHardware { keys } | Self::OtherLabels { keys } => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                write!(f, "different {}", keys.join(", "))
            }
            Self::NotSwitched => f.write_str("not the one with the name"),
            Self::BeyondRetired { keep: 0 } => f.write_str("replaced"),
            Self::BeyondRetired { keep: 1 } => f.write_str("replaced, and not the last one"),
            Self::BeyondRetired { keep } => {
                write!(f, "replaced, and not among the last {keep}")
            }
            Self::Unfinished => f.write_str("leftover of an interrupted creation"),
            Self::Replaced => f.write_str("a new one takes its VMID"),
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
        0 => "less than 1 h".to_owned(),
        1..48 => format!("{hours} h"),
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
