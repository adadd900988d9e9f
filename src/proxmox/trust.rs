//! How an endpoint proves who it is.
//!
//! A pin is the SHA-256 of the leaf certificate and replaces authority, host name and
//! dates. The signature of the handshake is checked all the same: it proves that the
//! endpoint has the certificate's key, and not only a copy of the certificate.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::{Certificate, Client};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use sha2::Digest;
use tower::util::MapFutureLayer;

use super::config::{Fingerprint, PveConfig, PveTrust};
use super::error::{PinMismatch, PveError, causes};
use super::permit;
use crate::model::Sha256;

const USER_AGENT: &str = concat!("talos-order/", env!("CARGO_PKG_VERSION"));

/// The pins; more can be learned while the client is used.
pub(super) type Pins = Arc<RwLock<BTreeSet<Fingerprint>>>;

/// A client for these endpoints, and its pins where it has some.
pub(super) fn client(config: &PveConfig) -> Result<(Client, Option<Pins>), PveError> {
    // A cluster is asked directly, as with ssh: proxies are for the way to the internet,
    // and a redirect would lead the token elsewhere.
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(config.limits.connect)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .connector_layer(MapFutureLayer::new(permit::connecting));
    let is_plain = config.endpoints.iter().all(|url| url.scheme() == "http");
    match &config.trust {
        PveTrust::System if is_plain => builder
            .tls_certs_only([])
            .build()
            .map(|client| (client, None))
            .map_err(|source| PveError::Setup { source }),
        PveTrust::System => builder
            .build()
            .map(|client| (client, None))
            .map_err(|source| PveError::Setup { source }),
        PveTrust::Authorities { path, pem } => {
            let blamed = |source| PveError::Authorities {
                path: path.clone(),
                source,
            };
            let certificates = Certificate::from_pem_bundle(pem).map_err(blamed)?;
            let client = builder.tls_certs_only(certificates).build();
            client.map(|client| (client, None)).map_err(blamed)
        }
        PveTrust::Pins(pins) => {
            let pins = Arc::new(RwLock::new(pins.clone()));
            let tls = pinned(Arc::clone(&pins)).map_err(|source| PveError::PinSetup { source })?;
            let client = builder.tls_backend_preconfigured(tls).build();
            let client = client.map_err(|source| PveError::Setup { source })?;
            Ok((client, Some(pins)))
        }
    }
}

fn pinned(pins: Pins) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = PinVerifier {
        pins,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

#[derive(Debug)]
struct PinVerifier {
    pins: Pins,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest: [u8; 32] = sha2::Sha256::digest(end_entity).into();
        let found = Fingerprint::new(Sha256::from_bytes(digest));
        let pins = self.pins.read().unwrap_or_else(PoisonError::into_inner);
        if pins.contains(&found) {
            return Ok(ServerCertVerified::assertion());
        }
        let expected = pins.iter().copied().collect();
        let mismatch = PinMismatch { found, expected };
        Err(rustls::Error::Other(OtherError(Arc::new(mismatch))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The mismatch that made a request fail.
pub(super) fn mismatch(error: &reqwest::Error) -> Option<PinMismatch> {
    causes(error).find_map(|cause| match cause.downcast_ref()? {
        rustls::Error::Other(OtherError(other)) => other.downcast_ref::<PinMismatch>().cloned(),
        _ => None,
    })
}
