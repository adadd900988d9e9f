//! File names of images as Proxmox VE takes, shows and changes them.
//!
//! The tables were found by running the functions of Proxmox VE's own storage library
//! (9.1). What is checked here is checked before anything is sent: a refused upload
//! leaves its whole body in `/var/tmp` of the node.

pub use crate::model::ImageContent;

impl ImageContent {
    /// The ID of a file of this kind on a storage.
    pub fn volume(self, storage: &str, name: &str) -> String {
        format!("{storage}:{}/{name}", self.name())
    }

    /// Why a file of this name cannot be sent; `None` if it can, and keeps its name.
    pub fn refuses(self, name: &str) -> Option<String> {
        if name.len() > 255 {
            return Some("it has more than 255 bytes".to_owned());
        }
        let normalised = normalised(name);
        if normalised != name {
            return Some(format!("Proxmox VE would store it as {normalised:?}"));
        }
        if name.starts_with('.') {
            return Some("a hidden file is not listed".to_owned());
        }
        let extensions = self.sent();
        if self.has_extension(name, extensions) {
            return None;
        }
        let one_of = extensions.join(", .");
        Some(format!(
            "the extension has to be one of .{one_of} for {}",
            self.name()
        ))
    }

    /// Extensions that an upload or a download may have.
    fn sent(self) -> &'static [&'static str] {
        match self {
            Self::Iso => &["iso", "img"],
            Self::Import => &["ova", "qcow2", "raw", "vmdk"],
        }
    }

    /// Extensions are compared without regard to case for ISO images only.
    fn has_extension(self, name: &str, extensions: &[&str]) -> bool {
        let Some((stem, extension)) = name.rsplit_once('.') else {
            return false;
        };
        let is_same = |known: &str| match self {
            Self::Iso => known.eq_ignore_ascii_case(extension),
            Self::Import => known == extension,
        };
        !stem.is_empty() && extensions.iter().any(|known| is_same(known))
    }
}

/// What Proxmox VE makes of the name of a file that is sent: it is cut to what follows
/// the last `/` or `\`, then each byte that is not plain becomes `_`.
pub(super) fn normalised(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |byte: u8| match byte {
        b'.' | b'-' | b'_' => char::from(byte),
        byte if byte.is_ascii_alphanumeric() => char::from(byte),
        _ => '_',
    };
    last.bytes().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_as_the_node_does() {
        for (name, stored) in [
            ("a+b=c.raw", "a_b_c.raw"),
            ("na me,x:y.iso", "na_me_x_y.iso"),
            ("ü", "__"),
            (".hidden.raw", ".hidden.raw"),
            ("dir/a.iso", "a.iso"),
            ("c:\\dir\\a.iso", "a.iso"),
        ] {
            assert_eq!(normalised(name), stored, "{name}");
        }
    }

    #[test]
    fn extensions_are_those_of_the_content_type() {
        let fits = |content: ImageContent, name: &str| content.refuses(name).is_none();
        for name in ["a.iso", "a.img", "a.ISO", "a.Img"] {
            assert!(fits(ImageContent::Iso, name), "{name}");
        }
        for name in ["a.raw", "a.iso.xz", "a", "iso"] {
            assert!(!fits(ImageContent::Iso, name), "{name}");
        }
        for name in ["a.ova", "a.qcow2", "a.raw", "a.vmdk"] {
            assert!(fits(ImageContent::Import, name), "{name}");
        }
        for name in [
            "a.ovf", "a.img", "a.raw.xz", "a.RAW", ".a.raw", "a+b.raw", "a/b.raw",
        ] {
            assert!(!fits(ImageContent::Import, name), "{name}");
        }
    }
}
