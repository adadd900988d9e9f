//! What a version of Proxmox VE can do.

use std::fmt;
use std::str::FromStr;

use crate::model::Invalid;

/// A version of Proxmox VE, such as 8.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PveVersion {
    /// The release, such as 8.
    pub major: u32,
    /// The point release, such as 4.
    pub minor: u32,
    /// The state of the package.
    pub patch: u32,
}

/// Something that not every version can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PveFeature {
    /// The privilege Sys.AccessNetwork allows downloads. Before, they require Sys.Audit
    /// and Sys.Modify on `/`.
    AccessNetwork,
    /// The content type `import` is listed, and disks can be made from its files.
    Import,
    /// Errors have their text in the body, not only in the status line.
    ErrorMessages,
    /// The API takes `.raw`, `.qcow2` and `.vmdk` for the content type `import`.
    DiskImages,
    /// A storage tells what backs it.
    StorageIdentity,
}

/// Each feature with the first version that has it: of pve-manager, which `version`
/// tells. Some came with a package in between: AccessNetwork with libpve-access-control
/// 8.1.2, ErrorMessages with libpve-http-server 5.2.0, DiskImages with libpve-storage
/// 8.3.6, StorageIdentity with 9.1.3.
const FEATURES: &[(PveFeature, (u32, u32))] = &[
    (PveFeature::AccessNetwork, (8, 2)),
    (PveFeature::Import, (8, 3)),
    (PveFeature::ErrorMessages, (8, 4)),
    (PveFeature::DiskImages, (8, 4)),
    (PveFeature::StorageIdentity, (9, 2)),
];

impl PveFeature {
    /// The first version that has it.
    pub fn since(self) -> PveVersion {
        let found = FEATURES.iter().find(|(feature, _)| *feature == self);
        let (major, minor) = found.map_or((0, 0), |found| found.1);
        PveVersion {
            major,
            minor,
            patch: 0,
        }
    }
}

impl PveVersion {
    /// True if it can do this.
    pub fn has(self, feature: PveFeature) -> bool {
        self >= feature.since()
    }
}

impl fmt::Display for PveVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for PveVersion {
    type Err = Invalid;

    /// Accepts `9.1.7`, `8.4`, and what a package adds, as in `7.4-3` or `9.0.0~11`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = text.split(['~', '+']).next().unwrap_or_default();
        let mut parts = plain.split(['.', '-']).map(str::parse);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), patch) => Ok(Self {
                major,
                minor,
                patch: patch.and_then(Result::ok).unwrap_or(0),
            }),
            _ => Err(Invalid::new(format!(
                "{text:?} is not a version of Proxmox VE; accepted is MAJOR.MINOR, as in 8.4"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_with_versions() {
        let has = |version: &str, feature| version.parse::<PveVersion>().unwrap().has(feature);
        assert!(has("8.4.1", PveFeature::DiskImages));
        assert!(!has("8.3.5", PveFeature::DiskImages));
        assert!(has("8.3.5", PveFeature::Import));
        assert!(has("9.0.0~11", PveFeature::AccessNetwork));
        assert!(!has("7.4-3", PveFeature::AccessNetwork));
        assert!("nine".parse::<PveVersion>().is_err());
    }
}
