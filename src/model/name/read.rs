//! Reads what a file name says.

use super::piece::{NamePart, Piece, SECUREBOOT};
use crate::model::{Arch, ArtifactId, Format, Platform, TalosVersion};

/// What a file name says about the image in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameParts {
    /// The Talos release.
    pub version: TalosVersion,
    /// The platform.
    pub platform: Platform,
    /// The architecture.
    pub arch: Arch,
    /// Signed for SecureBoot.
    pub secureboot: bool,
    /// The schematic id or its first 12 hex digits, as the name has it.
    pub schematic: String,
    /// The form of the file.
    pub format: Format,
}

impl NameParts {
    /// True if a file with these parts can be `artifact`.
    pub fn matches(&self, artifact: &ArtifactId) -> bool {
        self.version == artifact.version
            && self.platform == artifact.platform
            && self.arch == artifact.arch
            && self.secureboot == artifact.secureboot
            && self.format == artifact.format
            && artifact
                .schematic
                .to_string()
                .starts_with(self.schematic.as_str())
    }
}

/// The parts gathered so far while a name is read from left to right.
#[derive(Default)]
pub(super) struct Read {
    version: Option<TalosVersion>,
    platform: Option<Platform>,
    arch: Option<Arch>,
    secureboot: bool,
    schematic: Option<String>,
    format: Option<Format>,
}

impl Read {
    pub(super) fn pieces<'a>(&mut self, pieces: &[Piece], mut rest: &'a str) -> Option<&'a str> {
        for piece in pieces {
            rest = match piece {
                Piece::Literal(text) => rest.strip_prefix(text.as_str())?,
                Piece::Part(part) => self.part(*part, rest)?,
            };
        }
        Some(rest)
    }

    fn part<'a>(&mut self, part: NamePart, rest: &'a str) -> Option<&'a str> {
        match part {
            NamePart::Version => {
                let end = version_end(rest)?;
                self.version = Some(rest[..end].parse().ok()?);
                Some(&rest[end..])
            }
            NamePart::Platform => {
                let found = Platform::ALL
                    .iter()
                    .filter(|p| rest.starts_with(p.as_str()))
                    .max_by_key(|p| p.as_str().len())?;
                self.platform = Some(*found);
                Some(&rest[found.as_str().len()..])
            }
            NamePart::Arch => {
                let found = Arch::ALL
                    .into_iter()
                    .find(|a| rest.starts_with(a.as_str()))?;
                self.arch = Some(found);
                Some(&rest[found.as_str().len()..])
            }
            NamePart::Secureboot => match rest.strip_prefix(SECUREBOOT) {
                Some(rest) => {
                    self.secureboot = true;
                    Some(rest)
                }
                None => Some(rest),
            },
            NamePart::Schematic | NamePart::Schematic12 => {
                let length = if part == NamePart::Schematic { 64 } else { 12 };
                let hex = rest.get(..length)?;
                if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return None;
                }
                self.schematic = Some(hex.to_owned());
                Some(&rest[length..])
            }
            NamePart::Ext => {
                self.format = Some(rest.parse().ok()?);
                Some("")
            }
        }
    }

    pub(super) fn finish(self) -> Option<NameParts> {
        Some(NameParts {
            version: self.version?,
            platform: self.platform?,
            arch: self.arch?,
            secureboot: self.secureboot,
            schematic: self.schematic?,
            format: self.format?,
        })
    }
}

/// Where the version at the start of `text` ends: `vX.Y.Z` and, if it follows,
/// `-alpha.N`, `-beta.N` or `-rc.N`.
fn version_end(text: &str) -> Option<usize> {
    let digits = |from: usize| -> Option<usize> {
        let length = text[from..].bytes().take_while(u8::is_ascii_digit).count();
        (length > 0).then_some(from + length)
    };
    let mut at = digits(text.strip_prefix('v').map(|_| 1)?)?;
    for _ in 0..2 {
        text[at..].strip_prefix('.')?;
        at = digits(at + 1)?;
    }
    for tail in ["-alpha.", "-beta.", "-rc."] {
        if text[at..].starts_with(tail)
            && let Some(end) = digits(at + tail.len())
        {
            return Some(end);
        }
    }
    Some(at)
}
