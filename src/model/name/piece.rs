//! What a template of names consists of.

use crate::model::Invalid;

/// What secureboot adds to a name.
pub(super) const SECUREBOOT: &str = "-secureboot";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Part(NamePart),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamePart {
    Version,
    Platform,
    Arch,
    Secureboot,
    Schematic,
    Schematic12,
    Ext,
}

impl NamePart {
    pub(super) const ALL: [Self; 7] = [
        Self::Version,
        Self::Platform,
        Self::Arch,
        Self::Secureboot,
        Self::Schematic,
        Self::Schematic12,
        Self::Ext,
    ];

    pub(super) const fn as_str(self) -> &'static str {
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

/// Takes a template apart.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, Invalid> {
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
        let part = NamePart::ALL
            .into_iter()
            .find(|part| part.as_str() == name)
            .ok_or_else(|| {
                Invalid::new(format!(
                    "naming template {text:?}: {{{name}}} is not known; expected {}",
                    NamePart::ALL
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
