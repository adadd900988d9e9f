//! Template VMs: what an order says about them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::hardware::Hardware;
use super::{ArtifactId, Invalid, NodeId, StorageName, text_form};

/// The number of a virtual machine, unique in its cluster: 100 to 999999999.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct VmId(u32);

impl VmId {
    /// The greatest number that Proxmox VE takes.
    const LAST: u32 = 999_999_999;

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for VmId {
    type Error = Invalid;

    fn try_from(number: u32) -> Result<Self, Invalid> {
        // Proxmox VE keeps those below 100 for itself.
        if (100..=Self::LAST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(Invalid::new(format!(
                "{number} is not a VMID; expected 100 to {}",
                Self::LAST
            )))
        }
    }
}

impl From<VmId> for u32 {
    fn from(id: VmId) -> Self {
        id.0
    }
}

impl fmt::Display for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VmId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = text.parse::<u32>().map_err(|_| {
            Invalid::new(format!(
                "{text:?} is not a VMID; expected 100 to {}",
                Self::LAST
            ))
        })?;
        number.try_into()
    }
}

/// The VMIDs that a template may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VmIds {
    /// This one: a new template replaces the old one in its place.
    Fixed(VmId),
    /// The first free one of these, both ends included: a new template is made beside
    /// the old one.
    Range(VmId, VmId),
}

impl Default for VmIds {
    fn default() -> Self {
        Self::Range(VmId(9000), VmId(9999))
    }
}

impl VmIds {
    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = VmId> {
        let (first, last) = match self {
            Self::Fixed(id) => (id, id),
            Self::Range(first, last) => (first, last),
        };
        (first.0..=last.0).map(VmId)
    }

    /// True if it is one of them.
    pub fn contains(self, id: VmId) -> bool {
        match self {
            Self::Fixed(fixed) => fixed == id,
            Self::Range(first, last) => (first..=last).contains(&id),
        }
    }
}

impl fmt::Display for VmIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(id) => id.fmt(f),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl FromStr for VmIds {
    type Err = Invalid;

    /// Reads a range, `FIRST-LAST`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || {
            Invalid::new(format!(
                "{text:?} is not a range of VMIDs; expected FIRST-LAST, such as 9000-9099"
            ))
        };
        let (first, last) = text.split_once('-').ok_or_else(bad)?;
        let (first, last): (VmId, VmId) = (first.trim().parse()?, last.trim().parse()?);
        match first <= last {
            true => Ok(Self::Range(first, last)),
            false => Err(bad()),
        }
    }
}

/// The name of a template, as other tools look for it: labels of a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateName(Arc<str>);

impl TemplateName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the one that is being made.
    pub fn of_new(&self) -> String {
        format!("{self}-new")
    }

    /// The name of one that was replaced.
    pub fn of_retired(&self, id: VmId) -> String {
        format!("{self}-retired-{id}")
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TemplateName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_label = |label: &str| {
            // A retired one has up to 18 characters more, and a label at most 63.
            (1..=45).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.ends_with("-new") {
            // Another template may have this name while it is being made.
            return Err(Invalid::new(format!(
                "{text:?} is not a name for a template; expected another end than -new"
            )));
        }
        if text.len() <= 200 && text.split('.').all(is_label) {
            return Ok(Self(text.into()));
        }
        Err(Invalid::new(format!(
            "{text:?} is not a name for a template; expected letters, digits and - as in a \
             host name, at most 45 between two dots"
        )))
    }
}

text_form!(TemplateName);

/// A tag of a template, perhaps with `{version}` or `{schematic}` in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagPattern(String);

impl TagPattern {
    /// The tag for an image, in lower case as Proxmox VE keeps it.
    pub fn tag(&self, artifact: &ArtifactId) -> String {
        let schematic = &artifact.schematic.to_string()[..12];
        self.0
            .replace("{version}", &artifact.version.to_string())
            .replace("{schematic}", schematic)
            .to_ascii_lowercase()
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TagPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let filled = text
            .replace("{version}", "v1.0.0")
            .replace("{schematic}", "0123456789ab");
        let is_start = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let fits = (1..=60).contains(&filled.len())
            && filled.starts_with(is_start)
            && filled.chars().all(|c| is_start(c) || "-+.".contains(c));
        if fits && !filled.to_ascii_lowercase().starts_with("talos-order-") {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(format!(
            "{text:?} is not a tag; expected letters, digits and _ - + . with {{version}} or \
             {{schematic}}; tags that start with talos-order- are reserved"
        )))
    }
}

text_form!(TagPattern);

/// The template VM that is made from a position's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Under which name it is found.
    pub name: TemplateName,
    /// Which VMIDs it may get.
    pub ids: VmIds,
    /// The nodes that get one, none of them local; `None` for each node that is not local
    /// and that the image is delivered to, or one of them where the storage is shared.
    pub on: Option<BTreeSet<NodeId>>,
    /// The storage for its disks.
    pub storage: StorageName,
    /// All its tags.
    pub tags: BTreeSet<TagPattern>,
    /// What machine it is.
    pub hardware: Hardware,
    /// How many of those that were replaced stay; `None` for one where pruning is
    /// enabled, and all where it is not.
    pub keep: Option<u32>,
    /// On how many nodes it is replaced at the same time; at least 1.
    pub max_at_once: u32,
}

impl Template {
    /// True if a node that the image goes to may have it.
    pub fn is_on(&self, node: &NodeId) -> bool {
        self.on.as_ref().is_none_or(|on| on.contains(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vmid_is_one_that_proxmox_takes() {
        for text in ["100", "9000", "999999999"] {
            assert_eq!(text.parse::<VmId>().unwrap().to_string(), text);
        }
        for text in ["", "99", "1000000000", "-1", "9000 ", "x", "4294967296"] {
            assert!(text.parse::<VmId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_range_has_two_ends() {
        let range: VmIds = "9000-9002".parse().unwrap();
        let ids: Vec<u32> = range.iter().map(VmId::get).collect();
        assert_eq!(ids, [9000, 9001, 9002]);
        for text in [
            "9000",
            "9001-9000",
            "9000-",
            "-9000",
            "a-b",
            "9000-9001-9002",
        ] {
            assert!(text.parse::<VmIds>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_fit_proxmox_also_once_retired() {
        let longest = "a".repeat(45);
        for text in ["talos", "talos-worker", "a.b", &longest] {
            let name: TemplateName = text.parse().unwrap();
            let retired = name.of_retired("999999999".parse().unwrap());
            assert!(
                retired.split('.').all(|label| label.len() <= 63),
                "{retired}"
            );
        }
        let long = "a".repeat(46);
        for text in [
            "", "-a", "a-", "a-new", "a..b", "a_b", "a b", "ä", &long, "a\n",
        ] {
            assert!(text.parse::<TemplateName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn tags_are_filled_in() {
        let artifact = ArtifactId {
            version: "1.11.3".parse().unwrap(),
            platform: crate::model::Platform::Nocloud,
            arch: crate::model::Arch::Amd64,
            secureboot: false,
            schematic: crate::model::SchematicId::from_bytes([0xab; 32]),
            format: crate::model::Format::Raw,
        };
        let tag = |text: &str| text.parse::<TagPattern>().unwrap().tag(&artifact);
        assert_eq!(tag("Talos"), "talos");
        assert_eq!(tag("talos-{version}"), "talos-v1.11.3");
        assert_eq!(tag("s-{schematic}"), "s-abababababab");
        for text in ["", "-a", "a b", "a;b", "{nothing}", "talos-order-new", "ä"] {
            assert!(text.parse::<TagPattern>().is_err(), "{text:?}");
        }
    }
}
