//! Digests that are demanded: published, or signed with a key that was configured.
//!
//! The fixtures were made by OpenSSL and by Python; `fixtures/recipe.sh` tells how.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::Digest;

use super::*;
use crate::upstream::signature::signed_digest;

const BUNDLES: [&str; 2] = [
    include_str!("fixtures/openssl.sigstore.json"),
    include_str!("fixtures/python.sigstore.json"),
];
const SIGNED: &[u8] = include_bytes!("fixtures/signed.txt");

/// The key in a PEM text.
fn key(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    BASE64_STANDARD.decode(lines.collect::<String>()).unwrap()
}

fn right() -> Vec<u8> {
    key(include_str!("fixtures/signing-key.pub"))
}

#[test]
fn bundles_of_other_implementations_are_verified() {
    let digest: [u8; 32] = sha2::Sha256::digest(SIGNED).into();
    for bundle in BUNDLES {
        let signed = signed_digest(bundle, &right());
        assert_eq!(signed, Ok(Sha256::from_bytes(digest)));
        // The older spelling of the same version.
        let older = bundle.replace("bundle.v0.3+json", "bundle+json;version=0.3");
        assert!(signed_digest(&older, &right()).is_ok());
    }
}

#[test]
fn a_bundle_that_is_anything_else_is_refused_with_the_reason() {
    let other = key(include_str!("fixtures/other-signing-key.pub"));
    let why = signed_digest(BUNDLES[0], &other).unwrap_err();
    assert_eq!(why, "is not one of the configured key");
    let digest = BASE64_STANDARD.encode(sha2::Sha256::digest(SIGNED));
    let zeros = BASE64_STANDARD.encode([0; 32]);
    let short = BASE64_STANDARD.encode([0; 31]);
    for (from, to, complaint) in [
        (
            digest.as_str(),
            zeros.as_str(),
            "not one of the configured key",
        ),
        (digest.as_str(), short.as_str(), "not 32 bytes long"),
        (digest.as_str(), "%%%", "digest that is not base64"),
        (
            "\"signature\": \"ME",
            "\"signature\": \"MF",
            "not one of the configured key",
        ),
        (
            "\"signature\": \"M",
            "\"signature\": \"*",
            "signature that is not base64",
        ),
        ("SHA2_256", "SHA2_512", "expected \"SHA2_256\""),
        ("bundle.v0.3+json", "bundle.v0.4+json", "of another kind"),
        (
            "\"messageSignature\"",
            "\"dsseEnvelope\"",
            "signs a statement",
        ),
        ("\"messageDigest\"", "\"digested\"", "which digest it signs"),
        ("{", "[", "is not a Sigstore bundle"),
    ] {
        let bundle = BUNDLES[0].replacen(from, to, 1);
        assert_ne!(bundle, BUNDLES[0], "{from}");
        let why = signed_digest(&bundle, &right()).unwrap_err();
        assert!(why.contains(complaint), "{why}");
    }
    for no_key in [&[][..], &[0; 91], SIGNED] {
        assert!(signed_digest(BUNDLES[0], no_key).is_err());
    }
}

/// A factory that signs, with the public half of its key.
async fn signing() -> (World, Vec<u8>) {
    let secret =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    let secret = secret.unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, secret.as_ref()).unwrap();
    let world = World::new(StubOptions {
        signing_key: Some(secret.as_ref().to_vec()),
        ..StubOptions::default()
    })
    .await;
    (world, pair.public_key().as_ref().to_vec())
}

#[tokio::test]
async fn a_signature_that_is_demanded_vouches_for_the_image() {
    let (mut world, key) = signing().await;
    world.config.verify = ImageTrust::Signature { key };
    let digest: [u8; 32] = sha2::Sha256::digest(built(ISO, 0)).into();
    let vouched = world.client().checksum(&world.image(ISO)).await.unwrap();
    assert_eq!(vouched, Some(Sha256::from_bytes(digest)));
    let asked = world.stub.requests();
    assert!(asked[0].path.ends_with(".iso.sigstore.json"));

    world.config.verify = ImageTrust::Signature { key: right() };
    let error = world
        .client()
        .checksum(&world.image(ISO))
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::Signature { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.ends_with(".sigstore.json is not one of the configured key"),
        "{text}"
    );
    assert!(!error.is_transient() && error.hint().unwrap().contains("public_key_file"));
}

#[tokio::test]
async fn what_is_demanded_and_not_offered_refuses_the_image() {
    let mut world = World::new(StubOptions::default()).await;
    for (verify, suffix) in [
        (ImageTrust::Checksum, ".sha256"),
        (ImageTrust::Signature { key: right() }, ".sigstore.json"),
    ] {
        world.config.verify = verify;
        let error = world
            .client()
            .checksum(&world.image(ISO))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with(&format!(
                "{suffix} is not available, but `factory.verify` requires it"
            )),
            "{text}"
        );
        assert!(!error.is_transient() && error.hint().is_some());
    }
    assert!(world.stub.builds().is_empty());
    // Nothing demanded, nothing asked.
    let asked = world.stub.requests().len();
    world.config.verify = ImageTrust::None;
    assert_eq!(
        world.client().checksum(&world.image(ISO)).await.unwrap(),
        None
    );
    assert_eq!(world.stub.requests().len(), asked);
}
