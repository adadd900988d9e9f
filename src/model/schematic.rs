//! Schematics: the Image Factory's description of a customization, and its id.
//!
//! The canonical form that the id follows from is `crate::schematic`.

use std::fmt;
use std::str::FromStr;

use super::named::named_value;
use super::{Invalid, Sha256, text_form};

/// The id of a schematic: the SHA-256 of its canonical YAML.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchematicId(Sha256);

impl SchematicId {
    /// Wraps the raw bytes of an id.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Sha256::from_bytes(bytes))
    }
}

impl fmt::Display for SchematicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SchematicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SchematicId({self})")
    }
}

impl FromStr for SchematicId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digest = text.parse().ok().filter(|_| !text.contains(':'));
        digest.map(Self).ok_or_else(|| {
            Invalid::new(format!(
                "{text:?} is not a schematic id; expected 64 hex digits"
            ))
            .hint("`talos-order schematic FILE` prints the id of a customization")
        })
    }
}

text_form!(SchematicId);

/// A customization as the factory knows it (`POST /schematics`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schematic {
    /// The owner that an Enterprise factory keeps schematics apart by.
    pub owner: Option<String>,
    /// The board support for single-board computers.
    pub overlay: Option<Overlay>,
    /// Everything else.
    pub customization: Customization,
}

/// An overlay image with its options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The image, such as `siderolabs/sbc-raspberrypi`.
    pub image: String,
    /// The overlay in the image, such as `rpi_generic`.
    pub name: String,
    /// Options, any YAML value each, in the order of their keys.
    pub options: std::collections::BTreeMap<String, serde_json::Value>,
}

/// What is changed about the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customization {
    /// A machine configuration put into the image.
    pub embedded_machine_configuration: Option<String>,
    /// Arguments added to the kernel's command line.
    pub extra_kernel_args: Vec<String>,
    /// Initial META partition values.
    pub meta: Vec<MetaValue>,
    /// Names of official system extensions.
    pub official_extensions: Vec<String>,
    /// The boot loader to use.
    pub bootloader: Option<Bootloader>,
    /// SecureBoot options.
    pub secureboot: SecureBootOptions,
    /// Disk image options.
    pub disk_image: DiskImage,
}

/// One META value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaValue {
    /// The key, 0 to 255; `0xa` in an order is 10 here.
    pub key: u8,
    /// The value.
    pub value: String,
}

/// A boot loader choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bootloader {
    /// Chosen by the factory, as if nothing was written.
    Auto,
    /// Both GRUB and sd-boot.
    DualBoot,
    /// GRUB.
    Grub,
    /// systemd-boot.
    SdBoot,
}

impl Bootloader {
    /// Every choice.
    pub const ALL: [Self; 4] = [Self::Auto, Self::DualBoot, Self::Grub, Self::SdBoot];

    /// The name in orders and in schematics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::DualBoot => "dual-boot",
            Self::Grub => "grub",
            Self::SdBoot => "sd-boot",
        }
    }
}

named_value!(Bootloader, "a boot loader");

/// SecureBoot options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecureBootOptions {
    /// When keys are enrolled.
    pub enroll_keys: Option<EnrollKeys>,
    /// Microsoft's certificates are enrolled too.
    pub include_well_known_certificates: bool,
}

/// When sd-boot enrolls SecureBoot keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollKeys {
    /// Never.
    Off,
    /// From the boot menu.
    Manual,
    /// Where it is safe, such as in a virtual machine.
    IfSafe,
    /// Always.
    Force,
}

impl EnrollKeys {
    /// Every choice.
    pub const ALL: [Self; 4] = [Self::Off, Self::Manual, Self::IfSafe, Self::Force];

    /// The name in orders and in schematics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Manual => "manual",
            Self::IfSafe => "if-safe",
            Self::Force => "force",
        }
    }
}

named_value!(EnrollKeys, "a time to enroll keys");

/// Disk image options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskImage {
    /// The logical sector size in bytes, where it is not the usual 512.
    pub sector_size: Option<u32>,
}
