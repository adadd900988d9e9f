//! What an image says about itself.

use super::noise::Noise;
use crate::model::{ArtifactId, TalosVersion};

/// What an image says about itself, and what its bytes follow from.
pub(super) struct About {
    pub title: String,
    pub version: TalosVersion,
}

impl About {
    pub(super) fn new(artifact: &ArtifactId, generation: u64) -> Self {
        // The format is left out on purpose: all forms of a disk image hold the
        // same disk, as they do on a real factory.
        let secureboot = if artifact.secureboot {
            " with SecureBoot"
        } else {
            ""
        };
        Self {
            title: format!(
                "Talos {} for {} {}{secureboot}, schematic {}, build {generation}",
                artifact.version, artifact.platform, artifact.arch, artifact.schematic
            ),
            version: artifact.version.clone(),
        }
    }

    /// Incompressible bytes for one purpose.
    pub(super) fn noise(&self, purpose: &str) -> Noise {
        Noise::new(&format!("{purpose}: {}", self.title))
    }

    /// A text for a user who looks into the image.
    pub(super) fn readme(&self) -> String {
        format!(
            "{}\n\nA stand-in made by talos-order. It boots nothing: it has the form of an image\n\
             and the rest is noise.\n",
            self.title
        )
    }
}
