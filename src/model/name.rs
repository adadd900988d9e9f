//! File names: made and read here, and nowhere else.
//!
//! A name carries everything that decides the bytes, the schematic included, so
//! that two customizations of one version never meet under one name. Making and
//! reading stand side by side so that what is written can be read back.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Arch, ArtifactId, Format, Invalid, Platform, TalosVersion, text_form};

/// A safe file name: no directory, not hidden, at most 200 bytes of
/// `A-Z a-z 0-9 . _ - +`.
///
/// 255 bytes is the file system's limit; the rest is head-room for the
/// temporary and sidecar names made from it. Proxmox cuts volume ids at commas,
/// colons and blanks, so none of them is accepted.
///
/// The text is shared: a plan has the same name on every node it goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<str>);

/// The longest accepted file name, in bytes.
const NAME_MAX: usize = 200;

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<std::path::Path> for FileName {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&*self.0)
    }
}

impl FromStr for FileName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: String| Invalid::new(format!("{text:?} is not a file name: {why}"));
        if text.is_empty() {
            return Err(refuse("it is empty".into()));
        }
        if text.contains('/') {
            return Err(refuse("it must not contain a directory".into()));
        }
        if text.starts_with(['.', '-']) {
            return Err(refuse("it must not start with . or -".into()));
        }
        if let Some(bad) = text
            .chars()
            .find(|&c| !(c.is_ascii_alphanumeric() || "._-+".contains(c)))
        {
            return Err(refuse(format!(
                "{bad:?} is not accepted; use letters, digits and . _ - +"
            )));
        }
        if text.len() > NAME_MAX {
            return Err(refuse(format!("it is longer than {NAME_MAX} bytes")));
        }
        Ok(Self(text.into()))
    }
}

text_form!(FileName);

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

/// How file names are made: literal text and the parts of an artifact.
///
/// Every part that decides the bytes must occur, otherwise two images could
/// share a name; a template without one of them is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Part(Part),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Version,
    Platform,
    Arch,
    Secureboot,
    Schematic,
    Schematic12,
    Ext,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Version,
        Self::Platform,
        Self::Arch,
        Self::Secureboot,
        Self::Schematic,
        Self::Schematic12,
        Self::Ext,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Platform => "platform",
            Self::Arch => "arch",
            Self::Secureboot => "secureboot",
            Self::Schematic => "schematic",
            Self::Schematic12 => "schematic12",
            Self::Ext => "ext",
        }
    }
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
        let has = |part: Part| pieces.contains(&Piece::Part(part));
        for part in [Part::Version, Part::Platform, Part::Arch, Part::Secureboot] {
            if !has(part) {
                return Err(missing(text, part.as_str()));
            }
        }
        if !has(Part::Schematic) && !has(Part::Schematic12) {
            return Err(missing(text, "schematic12"));
        }
        if pieces.last() != Some(&Piece::Part(Part::Ext)) {
            return Err(Invalid::new(format!(
                "naming template {text:?} must end with {{ext}}, the file's extension"
            )));
        }
        let touching = pieces.windows(2).find_map(|pair| match pair {
            [Piece::Part(left), Piece::Part(right)] if *right != Part::Secureboot => {
                (*left != Part::Secureboot).then_some((left, right))
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
        "every part that decides the bytes must be in the name, so that two images never \
         share one; the default is {DEFAULT_TEMPLATE:?}"
    ))
}

fn split(text: &str) -> Result<Vec<Piece>, Invalid> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').map(|at| open + at).ok_or_else(|| {
            Invalid::new(format!("naming template {text:?} has a {{ without a }}"))
        })?;
        if open > 0 {
            pieces.push(Piece::Literal(rest[..open].to_owned()));
        }
        let name = &rest[open + 1..close];
        let part = Part::ALL
            .into_iter()
            .find(|part| part.as_str() == name)
            .ok_or_else(|| {
                Invalid::new(format!(
                    "naming template {text:?}: {{{name}}} is not known; accepted are {}",
                    Part::ALL
                        .map(|part| format!("{{{}}}", part.as_str()))
                        .join(", ")
                ))
            })?;
        if pieces.contains(&Piece::Part(part)) {
            return Err(Invalid::new(format!(
                "naming template {text:?} has {{{name}}} twice"
            )));
        }
        pieces.push(Piece::Part(part));
        rest = &rest[close + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
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
            Piece::Part(Part::Version) => artifact.version.to_string(),
            Piece::Part(Part::Platform) => artifact.platform.to_string(),
            Piece::Part(Part::Arch) => artifact.arch.to_string(),
            Piece::Part(Part::Secureboot) if artifact.secureboot => SECUREBOOT.to_owned(),
            Piece::Part(Part::Secureboot) => String::new(),
            Piece::Part(Part::Schematic) => artifact.schematic.to_string(),
            Piece::Part(Part::Schematic12) => artifact.schematic.to_string()[..12].to_owned(),
            Piece::Part(Part::Ext) => artifact.format.to_string(),
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
                "naming template {text:?} makes unsafe names: {why}"
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
                            "naming template {text:?} makes names that cannot be read back, \
                             such as {name:?}"
                        ))
                        .hint("put a `-` or `_` between the parts and the text around them"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What secureboot adds to a name.
const SECUREBOOT: &str = "-secureboot";

/// An artifact to try a template with.
fn sample(version: &str, secureboot: bool, schematic: u8, format: Format) -> ArtifactId {
    ArtifactId {
        version: version.parse().expect("a sample is a version"),
        platform: Platform::Nocloud,
        arch: Arch::Amd64,
        secureboot,
        schematic: super::SchematicId::from_bytes([schematic; 32]),
        format,
    }
}

/// The parts gathered so far while a name is read from left to right.
#[derive(Default)]
struct Read {
    version: Option<TalosVersion>,
    platform: Option<Platform>,
    arch: Option<Arch>,
    secureboot: bool,
    schematic: Option<String>,
    format: Option<Format>,
}

impl Read {
    fn pieces<'a>(&mut self, pieces: &[Piece], mut rest: &'a str) -> Option<&'a str> {
        for piece in pieces {
            rest = match piece {
                Piece::Literal(text) => rest.strip_prefix(text.as_str())?,
                Piece::Part(part) => self.part(*part, rest)?,
            };
        }
        Some(rest)
    }

    fn part<'a>(&mut self, part: Part, rest: &'a str) -> Option<&'a str> {
        match part {
            Part::Version => {
                let end = version_end(rest)?;
                self.version = Some(rest[..end].parse().ok()?);
                Some(&rest[end..])
            }
            Part::Platform => {
                let found = Platform::ALL
                    .iter()
                    .filter(|p| rest.starts_with(p.as_str()))
                    .max_by_key(|p| p.as_str().len())?;
                self.platform = Some(*found);
                Some(&rest[found.as_str().len()..])
            }
            Part::Arch => {
                let found = Arch::ALL
                    .into_iter()
                    .find(|a| rest.starts_with(a.as_str()))?;
                self.arch = Some(found);
                Some(&rest[found.as_str().len()..])
            }
            Part::Secureboot => match rest.strip_prefix(SECUREBOOT) {
                Some(rest) => {
                    self.secureboot = true;
                    Some(rest)
                }
                None => Some(rest),
            },
            Part::Schematic | Part::Schematic12 => {
                let length = if part == Part::Schematic { 64 } else { 12 };
                let hex = rest.get(..length)?;
                if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return None;
                }
                self.schematic = Some(hex.to_owned());
                Some(&rest[length..])
            }
            Part::Ext => {
                self.format = Some(rest.parse().ok()?);
                Some("")
            }
        }
    }

    fn finish(self) -> Option<NameParts> {
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

#[cfg(test)]
mod tests;
