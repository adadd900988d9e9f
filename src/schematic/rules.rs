//! What the factory refuses when an image is asked for, and what it ignores: rules that
//! depend on the release, the platform and the architecture, so that registering the
//! schematic says nothing of them.
//!
//! They follow `EnhanceFromSchematic` of siderolabs/image-factory and the quirks of
//! siderolabs/talos, which look at major and minor number only. To know them here saves
//! an order that can never be met from being told so by a failed download.

use crate::model::{Arch, Customization, Format, Minor, Platform, Schematic};

/// The first line of Talos that takes a machine configuration within the image.
const EMBEDDED_CONFIG: (u64, u64) = (1, 12);

/// The first line of Talos with overlays.
const OVERLAYS: (u64, u64) = (1, 7);

/// The key that releases of a minor line cannot have, and why; `None` where the
/// line has everything that the schematic needs.
pub fn refused_by(schematic: &Schematic, minor: Minor) -> Option<(&'static str, String)> {
    let older_than = |first: (u64, u64)| (minor.major, minor.minor) < first;
    let words = |what: &str, (major, since): (u64, u64)| {
        format!("{what} needs Talos v{major}.{since} or newer, but this is {minor}")
    };
    let embedded = &schematic.customization.embedded_machine_configuration;
    if embedded.as_ref().is_some_and(|text| !text.is_empty()) && older_than(EMBEDDED_CONFIG) {
        let what = words("an embedded machine configuration", EMBEDDED_CONFIG);
        return Some(("customization.embeddedMachineConfiguration", what));
    }
    if schematic.overlay.is_some() && older_than(OVERLAYS) {
        return Some(("overlay", words("an overlay", OVERLAYS)));
    }
    None
}

/// Why there is no image with this overlay: overlays are for single-board computers.
pub fn overlay_refused_on(schematic: &Schematic, platform: Platform, arch: Arch) -> Option<String> {
    schematic.overlay.as_ref()?;
    if arch != Arch::Arm64 {
        return Some(format!(
            "an overlay is for a single-board computer with arm64, but this is {arch}"
        ));
    }
    (platform != Platform::Metal)
        .then(|| format!("an overlay is for the platform metal, but this is {platform}"))
}

/// The keys without any effect on an image of this form, each with the reason.
pub fn without_effect(
    customization: &Customization,
    format: Format,
    secureboot: bool,
) -> Vec<(&'static str, &'static str)> {
    let mut keys = Vec::new();
    let options = &customization.secureboot;
    let any_secureboot = options.enroll_keys.is_some() || options.include_well_known_certificates;
    if any_secureboot && !secureboot {
        keys.push(("secureboot", "without `secureboot: true` in the position"));
    }
    if customization.disk_image.sector_size.is_some() && format == Format::Iso {
        keys.push(("diskImage", "on an iso, only on disk images"));
    }
    keys
}
