//! HTTPS with a certificate of a private authority, as many networks have them.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

const CA: &[u8] = include_bytes!("fixtures/ca.pem");
const OTHER_CA: &[u8] = include_bytes!("fixtures/other-ca.pem");

/// A server that answers everything with one version.
async fn serve() -> Url {
    let certificates = CertificateDer::pem_slice_iter(include_bytes!("fixtures/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/server.key")).unwrap();
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
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await?;
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\
                              connection: close\r\n\r\n[\"v1.11.3\"]";
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    Url::parse(&format!("https://{address}/")).unwrap()
}

fn config(url: &Url, dir: &TempDir, ca: &[u8]) -> UpstreamConfig {
    UpstreamConfig {
        ca: Some(CaFile {
            path: "/etc/ssl/private-ca.pem".into(),
            pem: ca.to_vec(),
        }),
        versions: vec![ListSource::Factory],
        retries: 0,
        ..UpstreamConfig::new(url.clone(), url.clone(), dir.path().to_owned())
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_configured() {
    let url = serve().await;
    let dir = TempDir::new().unwrap();
    let both = [OTHER_CA, CA].concat();
    for pem in [CA, &both] {
        let client = HttpFactory::new(&config(&url, &dir, pem)).unwrap();
        let known = client.versions().await;
        assert!(
            matches!(&known, VersionKnowledge::Known { failures, .. } if failures.is_empty()),
            "{known:?}"
        );
    }
}

#[tokio::test]
async fn an_authority_that_nobody_knows_is_told_with_what_to_set() {
    let url = serve().await;
    let dir = TempDir::new().unwrap();
    let client = HttpFactory::new(&config(&url, &dir, OTHER_CA)).unwrap();
    let error = client.register(ANY, "").await.unwrap_err();
    let text = error.one_line();
    assert!(
        text.contains("invalid peer certificate: UnknownIssuer"),
        "{text}"
    );
    let hint = error.hint().unwrap();
    for name in ["factory.ca_file", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        assert!(hint.contains(name), "{hint}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_such() {
    let world = World::new(StubOptions::default()).await;
    let url = world.stub.url().replace("http:", "https:");
    let url = Url::parse(&url).unwrap();
    let client = HttpFactory::new(&config(&url, &world.dir, CA)).unwrap();
    let error = client.register(ANY, "").await.unwrap_err();
    assert!(
        error.hint().unwrap().contains("does not speak TLS"),
        "{}",
        error.one_line()
    );
}

#[tokio::test]
async fn nobody_there_names_the_variables_of_proxies() {
    let world = World::new(StubOptions::default()).await;
    let mut config = world.config.clone();
    config.retries = 0;
    let client = HttpFactory::new(&config).unwrap();
    world.stub.stop().await;
    let error = client.register(ANY, "").await.unwrap_err();
    let hint = error.hint().unwrap();
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        assert!(hint.contains(name), "{hint}");
    }
}

#[test]
fn a_certificate_that_is_none_is_told_with_its_file() {
    let url = Url::parse("https://127.0.0.1:1/").unwrap();
    let dir = TempDir::new().unwrap();
    let pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let error = HttpFactory::new(&config(&url, &dir, pem.as_bytes())).unwrap_err();
    let text = error.to_string();
    assert_eq!(
        text,
        "the certificates in /etc/ssl/private-ca.pem cannot be used"
    );
    assert!(error.hint().unwrap().contains("PEM"));
}
