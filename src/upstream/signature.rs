//! Sigstore bundles: a digest that somebody has signed.
//!
//! Bundles of version 0.3 with a message signature, as an Image Factory serves them
//! beside an image: the SHA-256 of the image, and an ECDSA signature on the curve
//! P-256 over it. The key is the configured one; what a bundle says of keys is a hint
//! and is not believed. A transparency log is not asked: an air-gapped factory has none.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;

use crate::model::Sha256;

/// What the media type of a bundle begins with; `.v0.3+json`, and before that
/// `+json;version=0.3`.
const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: Option<MessageDigest>,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    algorithm: String,
    digest: String,
}

/// The digest that a bundle signs, if the signature is one of this key.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with "the signature".
pub(super) fn signed_digest(bundle: &str, key: &[u8]) -> Result<Sha256, String> {
    let bundle: Bundle = serde_json::from_str(bundle)
        .map_err(|error| format!("is not a Sigstore bundle ({error})"))?;
    if !MEDIA_TYPES.contains(&bundle.media_type.as_str()) {
        return Err(format!(
            "is of another kind ({:?}); expected {:?}",
            bundle.media_type, MEDIA_TYPES[0]
        ));
    }
    let Some(signature) = bundle.message_signature else {
        return Err("signs a statement about an image, not the image".to_owned());
    };
    // Without it the image itself would have to be hashed before anything is known.
    let Some(signed) = signature.message_digest else {
        return Err("does not say which digest it signs".to_owned());
    };
    if signed.algorithm != "SHA2_256" {
        return Err(format!(
            "is over a digest by {:?}; expected \"SHA2_256\"",
            signed.algorithm
        ));
    }
    let decoded = |what: &str, text: &str| {
        let bytes = BASE64_STANDARD.decode(text);
        bytes.map_err(|_| format!("has a {what} that is not base64"))
    };
    let bytes: [u8; 32] = decoded("digest", &signed.digest)?
        .try_into()
        .map_err(|_| "has a digest that is not 32 bytes long".to_owned())?;
    let signature = decoded("signature", &signature.signature)?;
    let digest = Digest::import_less_safe(&bytes, &digest::SHA256)
        .map_err(|_| "has a digest that is not 32 bytes long".to_owned())?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify_digest(&digest, &signature)
        .map_err(|_| "is not one of the configured key".to_owned())?;
    Ok(Sha256::from_bytes(bytes))
}
