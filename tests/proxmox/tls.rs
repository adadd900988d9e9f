//! Who is trusted: pins, authorities, and nobody else.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::Digest;
use talos_order::model::Sha256;
use talos_order::proxmox::{Fingerprint, PveApi, PveConfig, PveError, PveTrust};
use talos_order::proxmox_stub::StubCertificate;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::lab::{Lab, SECRET, chain, limits, token};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/proxmox/fixtures")
        .join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).unwrap()
}

/// The fingerprint of one of the certificates.
pub fn pin(name: &str) -> Fingerprint {
    let digest = sha2::Sha256::digest(certificate(name));
    Fingerprint::new(Sha256::from_bytes(digest.into()))
}

/// TLS with one of the certificates, in front of a node of the stub.
pub async fn front(target: SocketAddr, name: &str) -> SocketAddr {
    front_task(target, name).await.0
}

/// The same, with the task that ends it.
pub async fn front_task(target: SocketAddr, name: &str) -> (SocketAddr, JoinHandle<()>) {
    let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key"))).unwrap();
    front_with(target, vec![certificate(name)], key).await
}

async fn front_with(
    target: SocketAddr,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> (SocketAddr, JoinHandle<()>) {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    // Not checked against the certificate: one test is about a key of somebody else.
    let certified = CertifiedKey::new(chain, key);
    let resolver = SingleCertAndKey::from(certified);
    let config = config.with_cert_resolver(Arc::new(resolver));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        // What is open ends with it.
        let mut open = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            open.spawn(async move {
                let mut outer = acceptor.accept(stream).await?;
                let mut inner = TcpStream::connect(target).await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    (address, task)
}

/// A client of endpoints with TLS.
pub fn api(addresses: &[SocketAddr], trust: PveTrust) -> PveApi {
    let endpoints = addresses.iter().map(|address| format!("https://{address}"));
    PveApi::new(&PveConfig {
        endpoints: endpoints.map(|url| url.parse().unwrap()).collect(),
        token: token(SECRET),
        trust,
        limits: limits(),
    })
    .unwrap()
}

/// The fingerprints of these certificates.
pub fn pins(names: &[&str]) -> PveTrust {
    PveTrust::Pins(names.iter().map(|name| pin(name)).collect())
}

fn authority() -> PveTrust {
    PveTrust::Authorities {
        path: "/etc/pve/pve-root-ca.pem".into(),
        pem: std::fs::read(fixture("ca.pem")).unwrap(),
    }
}

#[tokio::test]
async fn the_right_pin_replaces_authority_name_and_dates() {
    let lab = Lab::new().await;
    for name in ["alone", "expired", "elsewhere", "member"] {
        let address = front(lab.stub.address("pve-01"), name).await;
        api(&[address], pins(&[name]))
            .version()
            .await
            .unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[tokio::test]
async fn a_wrong_pin_is_refused_with_both_fingerprints() {
    let lab = Lab::new().await;
    let address = front(lab.stub.address("pve-01"), "alone").await;
    let error = api(&[address], pins(&["member"]))
        .version()
        .await
        .unwrap_err();
    assert!(matches!(error, PveError::Pin { .. }), "{error:?}");
    assert_eq!(
        chain(&error),
        format!(
            "https://{address} has another certificate: found {}, expected {}",
            pin("alone"),
            pin("member")
        )
    );
    assert!(error.hint().unwrap().contains("pvenode cert info"));
    assert!(!error.is_transient());
    assert_eq!(lab.stub.requests().len(), 0, "the token was not sent");
}

/// A copy of the certificate is no proof: everybody can have it.
#[tokio::test]
async fn a_pinned_certificate_with_the_key_of_somebody_else_is_refused() {
    let lab = Lab::new().await;
    let key = PrivateKeyDer::from_pem_file(fixture("alone.key")).unwrap();
    let target = lab.stub.address("pve-01");
    let (address, _) = front_with(target, vec![certificate("member")], key).await;
    let error = api(&[address], pins(&["member"]))
        .version()
        .await
        .unwrap_err();
    assert!(chain(&error).contains("BadSignature"), "{}", chain(&error));
    assert_eq!(lab.stub.requests().len(), 0);
}

#[tokio::test]
async fn an_authority_vouches_for_names_and_dates() {
    let lab = Lab::new().await;
    let target = lab.stub.address("pve-01");
    let address = front(target, "member").await;
    api(&[address], authority()).version().await.unwrap();
    for (name, reason, hint) in [
        ("expired", "certificate expired", "pvecm updatecerts"),
        ("elsewhere", "not valid for name", "for other names"),
        ("alone", "invalid peer certificate", "pve-root-ca.pem"),
    ] {
        let address = front(target, name).await;
        let error = api(&[address], authority()).version().await.unwrap_err();
        assert!(chain(&error).contains(reason), "{name}: {}", chain(&error));
        assert!(
            error.hint().unwrap().contains(hint),
            "{name}: {:?}",
            error.hint()
        );
    }
    assert_eq!(lab.stub.requests().len(), 1);
}

#[tokio::test]
async fn the_system_does_not_know_the_cluster() {
    let lab = Lab::new().await;
    for name in ["member", "alone"] {
        let address = front(lab.stub.address("pve-01"), name).await;
        let error = api(&[address], PveTrust::System)
            .version()
            .await
            .unwrap_err();
        assert!(
            chain(&error).contains("invalid peer certificate"),
            "{}",
            chain(&error)
        );
    }
    let http = format!("https://{}", lab.stub.address("pve-01"))
        .parse()
        .unwrap();
    let plain = PveApi::new(&PveConfig {
        endpoints: vec![http],
        token: token(SECRET),
        trust: pins(&["member"]),
        limits: limits(),
    });
    assert!(plain.unwrap().version().await.is_err(), "no TLS at all");
    assert_eq!(lab.stub.requests().len(), 0);
}

#[tokio::test]
async fn the_pins_of_other_members_are_learned_through_a_trusted_one() {
    let certificates = [("pve-01", "alone"), ("pve-02", "member")];
    let mut lab = Lab::with(|options| {
        for (node, name) in certificates {
            options.certificates.insert(
                node.to_owned(),
                StubCertificate {
                    fingerprint: pin(name).to_string(),
                    not_after: 4_000_000_000,
                    names: Vec::new(),
                    is_custom: false,
                },
            );
        }
    })
    .await;
    let first = front(lab.stub.address("pve-01"), "alone").await;
    let second = front(lab.stub.address("pve-02"), "member").await;
    let api = api(&[first, second], pins(&["alone"]));
    let learned = api.learn_pins().await.unwrap();
    assert_eq!(learned[1].fingerprint, pin("member"));
    assert_eq!(
        api.pins(),
        Some(BTreeSet::from([pin("alone"), pin("member")]))
    );
    lab.stub.power_off("pve-01").await;
    api.version().await.unwrap();
    assert_eq!(api.preferred(), format!("https://{second}"));
}
