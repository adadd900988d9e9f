//! What vouches for an image is demanded: without it there is no image.

use std::fs;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine};
use talos_order::factory_stub::{StubFault, StubOptions};

use crate::common::snapshot::images;
use crate::world::World;

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// How a `SubjectPublicKeyInfo` of this curve begins.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A factory that signs, and its public key in PEM.
fn signing() -> (World, String) {
    let random = SystemRandom::new();
    let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, secret.as_ref()).unwrap();
    let world = World::new(StubOptions {
        signing_key: Some(secret.as_ref().to_vec()),
        ..StubOptions::default()
    });
    let der = [&P256, pair.public_key().as_ref()].concat();
    let body = BASE64_STANDARD.encode(der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    (world, pem)
}

/// Configures one node, and what the factory has to vouch for.
fn configure(world: &World, keys: &str) {
    world.configure_local(1, "");
    let path = world.at("config.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replacen("factory: {", &format!("factory: {{{keys}, "), 1);
    fs::write(&path, text).unwrap();
    world.order_one("iso", "");
}

#[track_caller]
fn refused(world: &World, reads: &[&str]) {
    let mut ran = world.apply().expect(1);
    for text in reads {
        ran = ran.complains(text);
    }
    assert!(images(&world.cache()).is_empty());
    assert!(images(&world.at("node1/iso")).is_empty());
    let mut asked = world.factory.images_since(0);
    asked.retain(|line| line.ends_with(".iso"));
    assert!(
        asked.is_empty(),
        "nothing is fetched that is not vouched for: {asked:?}"
    );
}

#[test]
fn a_signed_image_is_taken_and_no_other() {
    let (world, key) = signing();
    fs::write(world.at("key.pub"), key).unwrap();
    let path = world.at("key.pub");
    configure(
        &world,
        &format!("verify: signature, public_key_file: {}", path.display()),
    );
    // Signed, but not what comes then.
    world.factory.inject("GET /blob/", StubFault::WrongBytes);
    world.apply().expect(1);
    assert!(images(&world.cache()).is_empty());
    world.apply().expect(0).says("1 fetched");
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    let text = fs::read_to_string(world.cache().join(format!(".{ISO}.meta.json"))).unwrap();
    assert!(text.contains("\"provenance\": \"upstream\""), "{text}");
}

#[test]
fn a_signature_of_another_key_refuses_the_image() {
    let (world, _) = signing();
    let (_, other) = signing();
    fs::write(world.at("key.pub"), other).unwrap();
    let path = world.at("key.pub");
    configure(
        &world,
        &format!("verify: signature, public_key_file: {}", path.display()),
    );
    refused(
        &world,
        &[
            ".sigstore.json is not one of the configured key",
            "hint: compare `factory.public_key_file`",
        ],
    );
}

#[test]
fn what_is_demanded_and_not_offered_refuses_the_image() {
    let world = World::small();
    configure(&world, "verify: checksum");
    refused(
        &world,
        &[
            ".sha256 is not available",
            "hint: only Enterprise factories offer checksums",
        ],
    );
    // A factory that has one.
    let mut world = world;
    let options = StubOptions {
        checksums: true,
        ..world.options()
    };
    world.factory.restart(options);
    world.apply().expect(0);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}
