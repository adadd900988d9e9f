//! The schematics that a factory stub was told of, checked as the factory checks them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::model::SchematicId;

/// The canonical form of a schematic that changes nothing.
const EMPTY: &str = "customization: {}\n";

/// Known schematics with their canonical YAML.
#[derive(Debug)]
pub(super) struct Schematics {
    /// The line that names the owner, where there is one.
    owner: String,
    known: Mutex<HashMap<SchematicId, String>>,
}

impl Schematics {
    /// With an owner that is added to whatever comes. The empty schematic is known
    /// without being sent, unless it belongs to somebody.
    pub(super) fn new(owner: Option<&str>) -> Self {
        let empty = owner.is_none().then(|| (id(EMPTY), EMPTY.to_owned()));
        Self {
            owner: owner.map_or_else(String::new, |owner| format!("owner: {owner}\n")),
            known: Mutex::new(empty.into_iter().collect()),
        }
    }

    /// Takes a document in; gives its id and its canonical form.
    ///
    /// # Errors
    /// The text with which the factory would refuse the document.
    pub(super) fn add(&self, document: &str) -> Result<(SchematicId, String), String> {
        let canonical = format!("{}{}", self.owner, canonical(document)?);
        let id = id(&canonical);
        self.lock().insert(id, canonical.clone());
        Ok((id, canonical))
    }

    pub(super) fn get(&self, id: SchematicId) -> Option<String> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SchematicId, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id(canonical: &str) -> SchematicId {
    SchematicId::from_bytes(Sha256::digest(canonical.as_bytes()).into())
}

/// Checks a document and gives its canonical form.
///
/// A document that sets something is taken as canonical as it was sent, which it
/// is when talos-order sent it.
fn canonical(document: &str) -> Result<String, String> {
    if document.trim().is_empty() {
        return Ok(EMPTY.to_owned());
    }
    let schematic: SentSchematic = serde_yaml::from_str(document)
        .map_err(|error| format!("yaml: construct errors: {error}"))?;
    Ok(if schematic == SentSchematic::default() {
        EMPTY.to_owned()
    } else {
        document.to_owned()
    })
}

/// The factory's own type, field by field, for what it accepts and refuses.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SentSchematic {
    owner: String,
    overlay: SentOverlay,
    customization: SentCustomization,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SentOverlay {
    image: String,
    name: String,
    options: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SentCustomization {
    embedded_machine_configuration: String,
    extra_kernel_args: Vec<String>,
    meta: Vec<SentMeta>,
    system_extensions: SentExtensions,
    bootloader: Option<SentBootloader>,
    secureboot: SentSecureboot,
    disk_image: SentDiskImage,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SentMeta {
    key: u8,
    value: String,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SentExtensions {
    official_extensions: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SentBootloader {
    Auto,
    DualBoot,
    Grub,
    SdBoot,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SentSecureboot {
    enroll_keys: Option<SentEnrollKeys>,
    include_well_known_certificates: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SentEnrollKeys {
    Off,
    Manual,
    IfSafe,
    Force,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SentDiskImage {
    sector_size: u32,
}
