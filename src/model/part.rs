//! The names under which nodes keep what arrived so far of a file.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

use super::{ArtifactId, FileName, Invalid, Sha256, text_form};

/// How much of a digest is in the name of a part, in hex digits: enough that two images
/// of one name do not meet.
const DIGEST: usize = 12;

/// The directory in which parts are, inside the one that the files are for.
pub const PARTS_DIR: &str = ".talos-order.parts";

/// The name of a part: what arrived so far of a file, within the directory that the
/// file is for.
///
/// Two forms: `.talos-order.parts/FILE.DIGEST.part`, where DIGEST is the beginning of
/// the SHA-256 that the whole file has to have, or of that of the artifact's text form
/// while the former is not known; and `.talos-order.FILE.part`, which versions up to 0.1.0
/// wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    file: FileName,
    /// `None` for the older form.
    digest: Option<String>,
}

impl PartName {
    /// The part of a file that is to have a digest.
    pub fn new(file: &FileName, sha256: &Sha256) -> Self {
        let mut digest = sha256.to_string();
        digest.truncate(DIGEST);
        Self {
            file: file.clone(),
            digest: Some(digest),
        }
    }

    /// The part of a file whose digest is not known yet, from what it is.
    pub fn early(file: &FileName, artifact: &ArtifactId) -> Self {
        let key = sha2::Sha256::digest(artifact.factory_path());
        Self::new(file, &Sha256::from_bytes(key.into()))
    }

    /// The file that it becomes.
    pub fn file(&self) -> &FileName {
        &self.file
    }

    /// Its name in [`PARTS_DIR`]; empty for the older form, which is beside its file.
    pub fn inside(&self) -> String {
        let digest = self.digest.as_ref();
        digest.map_or_else(String::new, |digest| format!("{}.{digest}.part", self.file))
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digest {
            Some(_) => write!(f, "{PARTS_DIR}/{}", self.inside()),
            None => write!(f, ".talos-order.{}.part", self.file),
        }
    }
}

impl FromStr for PartName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid::new(format!("{text:?} is not the name of a part"));
        let stem = text.strip_suffix(".part").ok_or_else(refuse)?;
        let inside = stem
            .strip_prefix(PARTS_DIR)
            .and_then(|rest| rest.strip_prefix('/'));
        let (file, digest) = match inside {
            Some(name) => {
                let (file, digest) = name.rsplit_once('.').ok_or_else(refuse)?;
                let is_digest = digest.len() == DIGEST
                    && digest
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if !is_digest {
                    return Err(refuse());
                }
                (file, Some(digest.to_owned()))
            }
            None => (stem.strip_prefix(".talos-order.").ok_or_else(refuse)?, None),
        };
        Ok(Self {
            file: file.parse()?,
            digest,
        })
    }
}

text_form!(PartName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_back() {
        let file: FileName = "talos-v1.13.0.0a.iso".parse().unwrap();
        let new = PartName::new(&file, &Sha256::from_bytes([0xa5; 32]));
        let artifact = ArtifactId {
            version: "v1.13.0".parse().unwrap(),
            platform: crate::model::Platform::Nocloud,
            arch: crate::model::Arch::Amd64,
            secureboot: false,
            schematic: "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
                .parse()
                .unwrap(),
            format: crate::model::Format::Iso,
        };
        let early = PartName::early(&file, &artifact);
        let old = PartName {
            file: file.clone(),
            digest: None,
        };
        assert_eq!(
            new.to_string(),
            ".talos-order.parts/talos-v1.13.0.0a.iso.a5a5a5a5a5a5.part"
        );
        assert_eq!(old.to_string(), ".talos-order.talos-v1.13.0.0a.iso.part");
        for part in [new, early, old] {
            assert_eq!(part.to_string().parse::<PartName>().unwrap(), part);
            assert_eq!(part.file(), &file);
        }
    }

    #[test]
    fn what_is_no_part_of_ours_is_refused() {
        for text in [
            "a.iso",
            "a.iso.0123456789ab.part",
            ".talos-order.parts/a.iso.part",
            ".talos-order.parts/a.iso.0123456789AB.part",
            ".talos-order.parts/.0123456789ab.part",
            ".talos-order.parts/x/a.iso.0123456789ab.part",
            ".talos-order.parts/../a.iso.0123456789ab.part",
            ".talos-order..part",
            ".talos-order.a b.part",
        ] {
            assert!(text.parse::<PartName>().is_err(), "{text}");
        }
    }
}
