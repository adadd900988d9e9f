//! A store behind TLS, with a certificate of a private authority (`store.ca_file`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::common::seaweed::{Seaweed, section};
use crate::preflight::validate;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/upstream/tests/fixtures")
        .join(name)
}

/// TLS in front of a server, as a reverse proxy that passes everything on. Gives the URL.
async fn before(authority: String) -> String {
    let certificates = CertificateDer::pem_file_iter(fixture("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.collect::<Result<_, _>>().unwrap(), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, authority) = (acceptor.clone(), authority.clone());
            tokio::spawn(async move {
                let mut outer = acceptor.accept(stream).await?;
                let mut inner = TcpStream::connect(authority).await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    format!("https://{address}")
}

/// What the check says of a store with these authorities.
async fn checked(endpoint: &str, authorities: Option<&Path>) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut section = section(endpoint, "tls/", dir.path());
    if let Some(path) = authorities {
        section.push_str(&format!("  ca_file: {}\n", path.display()));
    }
    let checked = tokio::task::spawn_blocking(move || validate(dir.path(), &section, &[]));
    checked.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let endpoint = before(server.authority()).await;
    let (code, text) = checked(&endpoint, Some(&fixture("ca.pem"))).await;
    assert!(
        text.contains("  ok       can be used: for images and for leaders\n"),
        "{text}"
    );
    assert_eq!(code, Some(0), "{text}");

    // The message is the one that docs/fleet.md tells what to do about.
    let troubles = fs::read_to_string("docs/fleet.md").unwrap();
    let said = "invalid peer certificate";
    assert!(troubles.contains(&format!("`{said}` | `store.ca_file`")));
    let other = fixture("other-ca.pem");
    for authorities in [Some(other.as_path()), None] {
        let (code, text) = checked(&endpoint, authorities).await;
        assert!(text.contains(said), "{text}");
        assert_eq!(code, Some(1), "{text}");
    }
}
