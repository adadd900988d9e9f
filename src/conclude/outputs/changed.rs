//! Whether a position still wants what the last run made for it.

use crate::conclude::manifest::{ManifestImage, ManifestTemplate, features};
use crate::model::{Position, SchematicSource, VersionPolicy};

/// True if the position wants another image now than the manifest tells of, as far as
/// that can be seen without asking anybody: which version is the latest is not, and of a
/// customization only what the manifest lists.
pub(super) fn is_other_image(position: &Position, image: &ManifestImage) -> bool {
    let is_version = match &position.version {
        VersionPolicy::Exact(version) => *version == image.version,
        VersionPolicy::LatestInMinor(minor) => *minor == image.version.minor(),
        VersionPolicy::Latest => true,
    };
    let is_schematic = match &position.schematic {
        SchematicSource::Id(id) => *id == image.schematic_id,
        SchematicSource::Customization(_) => true,
    };
    let is_form = position.platform == image.platform
        && position.arch == image.arch
        && position.secureboot == image.secureboot
        && position.format == image.image_format;
    // Whether it is pushed anywhere is one of them.
    let is_same = !position.awaited.is_empty() || features(position) == image.features;
    !(is_version && is_schematic && is_form && is_same)
}

/// True if the position wants another template now, or none.
pub(super) fn is_other_template(position: &Position, template: &ManifestTemplate) -> bool {
    position.template.as_ref().is_none_or(|wanted| {
        wanted.name.to_string() != template.name || wanted.storage.to_string() != template.storage
    })
}
