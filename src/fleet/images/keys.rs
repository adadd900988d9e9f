//! Where things of an image are in the store.

use url::Url;

use crate::bucket::ObjectKey;
use crate::io::hash::Hasher;
use crate::model::{ArtifactId, Invalid, Sha256};

/// Before the names of index entries.
const INDEX: &str = "v1/index/";

/// Where the index entry and the claim of an image are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageKeys {
    pub index: ObjectKey,
    pub claim: ObjectKey,
}

impl ImageKeys {
    /// The keys of an image that has this URL at its factory.
    ///
    /// # Errors
    /// When a part of it is no part of a key, such as a version with a `+`.
    pub(super) fn of(artifact: &ArtifactId, url: &str) -> Result<Self, Invalid> {
        let bare = bare(url);
        let base = bare.strip_suffix(&artifact.factory_path());
        let factory = digest(base.unwrap_or(&bare)).to_string();
        // Two factories may build different bytes for one path.
        let name = format!(
            "{}/{}/{}/{}.{}.json",
            artifact.platform,
            artifact.schematic,
            artifact.version,
            artifact.factory_file(),
            &factory[..8]
        );
        Ok(Self {
            index: format!("{INDEX}{name}").parse()?,
            claim: format!("v1/claims/{name}").parse()?,
        })
    }
}

/// The name that the index has for an image with this URL at its factory; `None` where it can
/// have none.
pub(crate) fn index_name(artifact: &ArtifactId, url: &str) -> Option<String> {
    let keys = ImageKeys::of(artifact, url).ok()?;
    let name = keys.index.as_str().strip_prefix(INDEX)?;
    Some(name.to_owned())
}

/// Where the bytes with this digest are.
pub(super) fn blob(sha256: &Sha256) -> Result<ObjectKey, Invalid> {
    let hex = sha256.to_string();
    format!("v1/blobs/sha256/{}/{hex}", &hex[..2]).parse()
}

/// A URL without anything that one controller has and another has not: users, passwords
/// and tokens are no part of an image.
pub(super) fn bare(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return url.to_owned();
    };
    url.set_query(None);
    url.set_fragment(None);
    // Only URLs without a host have no user to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

pub(super) fn digest(text: &str) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(text.as_bytes());
    hasher.finish().sha256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arch, Format, Platform, SchematicId};

    fn keys(url: &str) -> ImageKeys {
        let artifact = ArtifactId {
            version: "1.11.3".parse().unwrap(),
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot: true,
            schematic: SchematicId::from_bytes([0xab; 32]),
            format: Format::RawXz,
        };
        ImageKeys::of(&artifact, &format!("{url}{}", artifact.factory_path())).unwrap()
    }

    #[test]
    fn an_image_has_one_key_for_each_factory() {
        let id = "ab".repeat(32);
        let plain = keys("https://factory.example.net/");
        let begin = format!("v1/index/nocloud/{id}/v1.11.3/nocloud-amd64-secureboot.raw.xz.");
        assert!(plain.index.as_str().starts_with(&begin), "{}", plain.index);
        let tail = |key: &ObjectKey| key.as_str().split_once("/nocloud/").unwrap().1.to_owned();
        assert_eq!(tail(&plain.index), tail(&plain.claim));
        assert_ne!(plain, keys("https://other.example.net/"));
        assert_ne!(plain, keys("https://factory.example.net/below/"));
        // Who asks is no part of it.
        assert_eq!(plain, keys("https://me:secret@factory.example.net/"));
    }

    #[test]
    fn a_token_is_no_part_of_a_url() {
        let url = "https://a:b@factory.example.net/image/x?token=c#d";
        assert_eq!(bare(url), "https://factory.example.net/image/x");
    }

    #[test]
    fn a_blob_is_where_its_digest_says() {
        let key = blob(&Sha256::from_bytes([0xcd; 32])).unwrap();
        let hex = "cd".repeat(32);
        assert_eq!(key.as_str(), format!("v1/blobs/sha256/cd/{hex}"));
    }
}
