//! What an image is: its platform, architecture, format and identity.

use super::named::named_value;
use super::{SchematicId, TalosVersion};

/// A processor architecture that Talos is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

/// A compression around a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// `.xz`, one or more streams.
    Xz,
    /// `.zst`.
    Zstd,
    /// `.gz`.
    Gzip,
}

/// The form in which the factory serves, or a node holds, an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// An ISO 9660 file to boot from.
    Iso,
    /// An uncompressed disk image.
    Raw,
    /// A disk image compressed with xz.
    RawXz,
    /// A disk image compressed with zstd.
    RawZst,
    /// A disk image compressed with gzip.
    RawGz,
    /// A QEMU disk image.
    Qcow2,
}

impl Arch {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// The name the factory uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [
        Self::Iso,
        Self::Raw,
        Self::RawXz,
        Self::RawZst,
        Self::RawGz,
        Self::Qcow2,
    ];

    /// The name in orders, which is also the file's extension.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::Raw => "raw",
            Self::RawXz => "raw.xz",
            Self::RawZst => "raw.zst",
            Self::RawGz => "raw.gz",
            Self::Qcow2 => "qcow2",
        }
    }

    /// The compression around the image, if there is one.
    pub const fn codec(self) -> Option<Codec> {
        match self {
            Self::RawXz => Some(Codec::Xz),
            Self::RawZst => Some(Codec::Zstd),
            Self::RawGz => Some(Codec::Gzip),
            Self::Iso | Self::Raw | Self::Qcow2 => None,
        }
    }
}

/// Everything that decides the bytes of an image, and so its name.
///
/// The factory that built it belongs to its identity too, but one installation
/// speaks to one factory; the URL is kept in the cache's record instead, and a
/// changed factory makes a cached file stale.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub struct ArtifactId {
    /// The Talos release.
    pub version: TalosVersion,
    /// The platform the image is made for.
    pub platform: Platform,
    /// The processor architecture.
    pub arch: Arch,
    /// Signed for SecureBoot.
    pub secureboot: bool,
    /// The factory customization.
    pub schematic: SchematicId,
    /// The form of the file.
    pub format: Format,
}

/// An [`ArtifactId`] without its version: what retention counts versions of.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Family {
    /// The platform the image is made for.
    pub platform: Platform,
    /// The processor architecture.
    pub arch: Arch,
    /// Signed for SecureBoot.
    pub secureboot: bool,
    /// The factory customization.
    pub schematic: SchematicId,
    /// The form of the file.
    pub format: Format,
}

impl ArtifactId {
    /// The family this artifact is one version of.
    pub fn family(&self) -> Family {
        Family {
            platform: self.platform,
            arch: self.arch,
            secureboot: self.secureboot,
            schematic: self.schematic,
            format: self.format,
        }
    }

    /// The same image in another form.
    #[must_use]
    pub fn with_format(&self, format: Format) -> Self {
        Self {
            format,
            ..self.clone()
        }
    }

    /// The last part of the factory's image path:
    /// `nocloud-amd64-secureboot.raw.xz`.
    pub fn factory_file(&self) -> String {
        let secureboot = if self.secureboot { "-secureboot" } else { "" };
        format!(
            "{}-{}{secureboot}.{}",
            self.platform, self.arch, self.format
        )
    }

    /// The path of the image on a factory, without a leading slash:
    /// `image/<schematic>/<version>/<file>`.
    pub fn factory_path(&self) -> String {
        format!(
            "image/{}/{}/{}",
            self.schematic,
            self.version,
            self.factory_file()
        )
    }
}

macro_rules! platforms {
    ($($variant:ident $name:literal [$($arch:ident)+],)+) => {
        /// A platform that the Image Factory builds images for.
        ///
        /// The list and the architectures follow Talos's own table
        /// (`pkg/machinery/platforms` in its repository).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are the documentation")]
        pub enum Platform { $($variant,)+ }

        impl Platform {
            /// Every platform, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name the factory uses.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The architectures that Talos supports on this platform.
            pub const fn arches(self) -> &'static [Arch] {
                match self { $(Self::$variant => &[$(Arch::$arch,)+],)+ }
            }
        }
    };
}

platforms! {
    Akamai "akamai" [Amd64],
    Aws "aws" [Amd64 Arm64],
    Azure "azure" [Amd64 Arm64],
    Cloudstack "cloudstack" [Amd64 Arm64],
    DigitalOcean "digital-ocean" [Amd64],
    EquinixMetal "equinixMetal" [Amd64 Arm64],
    Exoscale "exoscale" [Amd64 Arm64],
    Gcp "gcp" [Amd64 Arm64],
    Hcloud "hcloud" [Amd64 Arm64],
    Metal "metal" [Amd64 Arm64],
    Nocloud "nocloud" [Amd64 Arm64],
    Opennebula "opennebula" [Amd64 Arm64],
    Openstack "openstack" [Amd64 Arm64],
    Oracle "oracle" [Amd64 Arm64],
    Scaleway "scaleway" [Amd64 Arm64],
    Upcloud "upcloud" [Amd64],
    Vmware "vmware" [Amd64 Arm64],
    Vultr "vultr" [Amd64],
}

named_value!(Arch, "an architecture");
named_value!(Format, "an image format");
named_value!(Platform, "a platform");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_lists_name_everything() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse(), Ok(arch));
        }
        for &platform in Platform::ALL {
            assert_eq!(platform.to_string().parse(), Ok(platform));
            assert!(!platform.arches().is_empty());
        }
        assert!(Platform::ALL.is_sorted_by_key(|platform| platform.as_str()));
        let why = "x86_64".parse::<Arch>().unwrap_err();
        assert_eq!(
            why.message,
            "\"x86_64\" is not an architecture; expected amd64, arm64"
        );
    }

    #[test]
    fn no_platform_begins_like_another() {
        // File names are read from left to right and rely on it.
        for left in Platform::ALL {
            for right in Platform::ALL {
                let starts = left.as_str().starts_with(right.as_str());
                assert_eq!(starts, left == right, "{left} {right}");
            }
        }
    }

    #[test]
    fn paths_are_those_of_the_factory() {
        let artifact = ArtifactId {
            version: "1.11.3".parse().unwrap(),
            platform: Platform::DigitalOcean,
            arch: Arch::Arm64,
            secureboot: true,
            schematic: SchematicId::from_bytes([0xab; 32]),
            format: Format::RawXz,
        };
        let path = artifact.factory_path();
        let id = "ab".repeat(32);
        assert_eq!(
            path,
            format!("image/{id}/v1.11.3/digital-ocean-arm64-secureboot.raw.xz")
        );
        let iso = artifact.with_format(Format::Iso);
        assert_eq!(iso.factory_file(), "digital-ocean-arm64-secureboot.iso");
        assert_ne!(iso.family(), artifact.family());
    }

    #[test]
    fn only_compressed_forms_have_a_codec() {
        let compressed = Format::ALL.iter().filter(|format| format.codec().is_some());
        let names: Vec<_> = compressed.map(|format| format.as_str()).collect();
        assert_eq!(names, ["raw.xz", "raw.zst", "raw.gz"]);
    }
}
