//! How file names are made, and that each can be read back.

use std::fmt;
use std::str::FromStr;

use super::file_name::FileName;
use super::piece::{NamePart, Piece, SECUREBOOT, split};
use super::read::{NameParts, Read};
use crate::model::{Arch, ArtifactId, Format, Invalid, Platform, SchematicId};

/// How file names are made: literal text and the parts of an artifact.
///
/// Every part that decides the bytes must occur, otherwise two images could
/// share a name; a template without one of them is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate {
    pieces: Vec<Piece>,
}

/// The default template; `{secureboot}` becomes `-secureboot` or nothing.
pub(super) const DEFAULT_TEMPLATE: &str =
    "talos-{version}-{platform}-{arch}{secureboot}-{schematic12}.{ext}";

impl Default for NameTemplate {
    fn default() -> Self {
        DEFAULT_TEMPLATE
            .parse()
            .expect("the default template is valid")
    }
}

impl fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(text),
            Piece::Part(part) => write!(f, "{{{}}}", part.as_str()),
        })
    }
}

impl FromStr for NameTemplate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let pieces = split(text)?;
        let has = |part: NamePart| pieces.contains(&Piece::Part(part));
        for part in [
            NamePart::Version,
            NamePart::Platform,
            NamePart::Arch,
            NamePart::Secureboot,
        ] {
            if !has(part) {
                return Err(missing(text, part.as_str()));
            }
        }
        if !has(NamePart::Schematic) && !has(NamePart::Schematic12) {
            return Err(missing(text, "schematic12"));
        }
        if pieces.last() != Some(&Piece::Part(NamePart::Ext)) {
            return Err(Invalid::new(format!(
                "naming template {text:?} must end with {{ext}}, the file's extension"
            )));
        }
        let touching = pieces.windows(2).find_map(|pair| match pair {
            [Piece::Part(left), Piece::Part(right)] if *right != NamePart::Secureboot => {
                (*left != NamePart::Secureboot).then_some((left, right))
            }
            _ => None,
        });
        if let Some((left, right)) = touching {
            return Err(Invalid::new(format!(
                "naming template {text:?} needs a separator between {{{}}} and {{{}}}",
                left.as_str(),
                right.as_str()
            )));
        }
        let template = Self { pieces };
        template.check_shape(text)?;
        template.check_round_trip(text)?;
        Ok(template)
    }
}

fn missing(text: &str, part: &str) -> Invalid {
    Invalid::new(format!("naming template {text:?} lacks {{{part}}}")).hint(format!(
        "every part that identifies the image must be in the name, so that two images never \
         share one; the default is {DEFAULT_TEMPLATE:?}"
    ))
}

impl NameTemplate {
    /// The file name of an artifact.
    ///
    /// # Panics
    /// Never for a parsed template: its longest possible name was checked.
    pub fn name(&self, artifact: &ArtifactId) -> FileName {
        let text = self.fill(artifact);
        text.parse().expect("a checked template makes safe names")
    }

    fn fill(&self, artifact: &ArtifactId) -> String {
        let fill = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Part(NamePart::Version) => artifact.version.to_string(),
            Piece::Part(NamePart::Platform) => artifact.platform.to_string(),
            Piece::Part(NamePart::Arch) => artifact.arch.to_string(),
            Piece::Part(NamePart::Secureboot) if artifact.secureboot => SECUREBOOT.to_owned(),
            Piece::Part(NamePart::Secureboot) => String::new(),
            Piece::Part(NamePart::Schematic) => artifact.schematic.to_string(),
            Piece::Part(NamePart::Schematic12) => artifact.schematic.to_string()[..12].to_owned(),
            Piece::Part(NamePart::Ext) => artifact.format.to_string(),
        };
        self.pieces.iter().map(fill).collect()
    }

    /// Reads a name that [`name`](Self::name) made; `None` for any other text.
    pub fn read(&self, name: &str) -> Option<NameParts> {
        let mut read = Read::default();
        let end = read.pieces(&self.pieces, name)?;
        if !end.is_empty() {
            return None;
        }
        read.finish()
    }

    /// Refuses literals that no safe file name can hold, and lengths over the limit.
    fn check_shape(&self, text: &str) -> Result<(), Invalid> {
        // The longest value of each part.
        let longest = sample("v9999.9999.9999-alpha.9999", true, 0xab, Format::RawZst);
        let longest = ArtifactId {
            platform: Platform::DigitalOcean,
            ..longest
        };
        let made: Result<FileName, Invalid> = self.fill(&longest).parse();
        made.map(drop).map_err(|why| {
            Invalid::new(format!(
                "naming template {text:?} creates unsafe names: {why}"
            ))
        })
    }

    /// Refuses literals that run into the part before them, such as a digit right
    /// after the version: a name has to be read as what it was made from.
    fn check_round_trip(&self, text: &str) -> Result<(), Invalid> {
        let versions = ["v1.2.3", "v1.2.3-rc.4"];
        // The first digits of an id decide whether it runs into what is before it.
        let schematics = [0x00, 0xab];
        for version in versions {
            for schematic in schematics {
                for secureboot in [false, true] {
                    let artifact = sample(version, secureboot, schematic, Format::RawXz);
                    let name = self.fill(&artifact);
                    if !self
                        .read(&name)
                        .is_some_and(|parts| parts.matches(&artifact))
                    {
                        return Err(Invalid::new(format!(
                            "naming template {text:?} creates names that cannot be parsed, such \
                             as {name:?}"
                        ))
                        .hint("put a `-` or `_` between the parts and the text around them"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// An artifact to try a template with.
pub(super) fn sample(version: &str, secureboot: bool, schematic: u8, format: Format) -> ArtifactId {
    ArtifactId {
        version: version.parse().expect("a sample is a version"),
        platform: Platform::Nocloud,
        arch: Arch::Amd64,
        secureboot,
        schematic: SchematicId::from_bytes([schematic; 32]),
        format,
    }
}
