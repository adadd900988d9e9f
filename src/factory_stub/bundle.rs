//! Signs an image as an Enterprise factory does: a Sigstore bundle of version 0.3.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use sha2::Digest;

/// The bundle of an image; `None` where the key is none.
pub(super) fn sign(image: &[u8], key: &[u8]) -> Option<Value> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key).ok()?;
    let signature = key.sign(&SystemRandom::new(), image).ok()?;
    Some(json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "standin" } },
        "messageSignature": {
            "messageDigest": {
                "algorithm": "SHA2_256",
                "digest": BASE64_STANDARD.encode(sha2::Sha256::digest(image)),
            },
            "signature": BASE64_STANDARD.encode(signature.as_ref()),
        },
    }))
}
