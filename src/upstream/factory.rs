//! The real thing: [`Upstream`] over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;

use super::client::{self, HttpClient, UpstreamRequest};
use super::config::UpstreamConfig;
use super::download::{self, ImageDownload, TransferLimits};
use super::endpoint::Endpoint;
use super::known::KnownIds;
use super::lists::{ListSources, Lists};
use super::memory::ListMemory;
use super::retry::Attempts;
use super::sizes::SeenSizes;
use super::{
    ImageRequest, Located, RefusedImage, Transferred, Upstream, UpstreamError, signature, text,
};
use crate::facts::{Registration, VersionKnowledge};
use crate::io::flow::Sink;
use crate::model::{ArtifactId, SchematicId, Sha256};
use crate::model::{ImageTrust, ListSource};

/// How long the answer to a small request may take: its head, and then all of its body.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of the answer to a schematic, which repeats the document.
const SCHEMATIC_BYTES: usize = 4 << 20;
/// Bytes of a checksum file: a digest and a name.
const CHECKSUM_BYTES: usize = 4 << 10;
/// Bytes of a signature's bundle, which may have a certificate and log entries in it.
const BUNDLE_BYTES: usize = 256 << 10;

/// A client of an Image Factory and of GitHub.
#[derive(Debug)]
pub(crate) struct HttpFactory {
    client: Arc<HttpClient>,
    factory: Arc<Endpoint>,
    known: KnownIds,
    sizes: SeenSizes,
    pub(super) lists: Lists,
    limits: TransferLimits,
    /// How long all of a small answer may take, from its head on.
    pub(super) patience: Duration,
    verify: ImageTrust,
    /// What the factory may be building at once for us.
    builds: Semaphore,
}

impl HttpFactory {
    /// Prepares a client. Nothing is asked and nothing is written yet.
    ///
    /// # Errors
    /// Where HTTPS cannot be set up, a URL is not one of the web, or credentials
    /// do not fit into a header.
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Self, UpstreamError> {
        for base in [&config.factory, &config.github] {
            client::parse(base.as_str())?;
        }
        let factory = Arc::new(Endpoint::factory(config)?);
        let github = Arc::new(Endpoint::github(config)?);
        let sources = config.versions.iter().map(|&kind| {
            let base = match kind {
                ListSource::Factory => &factory.base,
                ListSource::Github => &github.base,
            };
            let memory = ListMemory::new(&config.state_dir, config.read_only, kind, base);
            (kind, memory)
        });
        let sources = sources.collect();
        let client = Arc::new(HttpClient::new(config)?);
        Ok(Self {
            known: KnownIds::new(&config.state_dir, config.read_only, &config.factory),
            sizes: SeenSizes::new(&config.state_dir, config.read_only),
            lists: Lists::new(ListSources {
                client: Arc::clone(&client),
                factory: Arc::clone(&factory),
                github,
                sources,
                retries: (config.retries, config.backoff),
            }),
            client,
            factory,
            limits: TransferLimits {
                first_byte: config.first_byte,
                idle: config.idle,
                least_rate: config.least_rate,
                rate_window: config.rate_window,
                retries: config.retries,
                backoff: config.backoff,
            },
            patience: PATIENCE,
            verify: config.verify.clone(),
            builds: Semaphore::new(config.builds.max(1)),
        })
    }

    fn attempts(&self) -> Attempts {
        Attempts::new(self.limits.retries, self.limits.backoff)
    }

    async fn register_once(&self, document: &str) -> Result<SchematicId, UpstreamError> {
        let mut request = UpstreamRequest {
            method: Method::POST,
            body: Some(document.to_owned()),
            ..UpstreamRequest::get(&self.factory, self.below("schematics")?, self.patience)
        };
        request.header(CONTENT_TYPE, "application/yaml");
        request.header(ACCEPT, "application/json");
        let response = self.client.send(&request).await?;
        if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED) {
            return Err(self.client.refusal(&request, response).await);
        }
        let from = response.from.clone();
        let body = response.text(SCHEMATIC_BYTES, self.patience).await?;
        // Older factories give the id alone, newer ones the document with it.
        #[derive(Deserialize)]
        struct Registered {
            id: SchematicId,
        }
        serde_json::from_str::<Registered>(&body)
            .map(|registered| registered.id)
            .map_err(|error| UpstreamError::Answer {
                url: from,
                reason: format!("something that has no schematic id in it ({error})"),
            })
    }

    /// A small file beside an image; `None` where the factory does not offer it.
    async fn beside(&self, url: &Url, limit: usize) -> Result<Option<Beside>, UpstreamError> {
        // It is about the built image, so the image may have to be built.
        let request = UpstreamRequest::get(&self.factory, url.clone(), self.limits.first_byte);
        let building = download::building(&self.builds).await;
        let response = self.client.send(&request).await?;
        drop(building);
        match response.status() {
            StatusCode::OK => {}
            StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.client.refusal(&request, response).await),
        }
        let from = response.from.clone();
        let body = response.text(limit, self.patience).await?;
        Ok(Some(Beside { from, body }))
    }

    async fn checksum_once(&self, url: &Url, file: &str) -> Result<Option<Sha256>, UpstreamError> {
        let Some(Beside { from, body }) = self.beside(url, CHECKSUM_BYTES).await? else {
            return Ok(None);
        };
        match checksum_of(&body, file) {
            Some(digest) => Ok(Some(digest)),
            None => Err(UpstreamError::Answer {
                url: from,
                reason: format!("something that is not the SHA-256 checksum of {file}"),
            }),
        }
    }

    async fn signed_once(&self, url: &Url, key: &[u8]) -> Result<Option<Sha256>, UpstreamError> {
        let Some(Beside { from, body }) = self.beside(url, BUNDLE_BYTES).await? else {
            return Ok(None);
        };
        let signed = signature::signed_digest(&body, key);
        signed
            .map(Some)
            .map_err(|reason| UpstreamError::Signature { url: from, reason })
    }

    /// What vouches for an image, once.
    async fn vouched(&self, image: &Url) -> Result<Option<Sha256>, UpstreamError> {
        let file = image.path().rsplit('/').next().unwrap_or_default();
        let beside = |suffix: &str| {
            let mut url = image.clone();
            url.set_path(&format!("{}{suffix}", image.path()));
            url
        };
        let (url, digest) = match &self.verify {
            ImageTrust::None => return Ok(None),
            ImageTrust::Offered => return self.checksum_once(&beside(".sha256"), file).await,
            ImageTrust::Checksum => {
                let url = beside(".sha256");
                let digest = self.checksum_once(&url, file).await?;
                (url, digest)
            }
            ImageTrust::Signature { key } => {
                let url = beside(".sigstore.json");
                let digest = self.signed_once(&url, key).await?;
                (url, digest)
            }
        };
        // Falling back to less than what is demanded would be no demand.
        digest.map(Some).ok_or_else(|| UpstreamError::NotOffered {
            url: text::public(&url),
        })
    }

    fn below(&self, path: &str) -> Result<Url, UpstreamError> {
        let base = &self.factory.base;
        base.join(path).map_err(|_| UpstreamError::Url {
            url: text::public(base),
        })
    }
}

impl Upstream for HttpFactory {
    type Turn = ();

    async fn locate(&self, _: &ImageRequest, _: Option<RefusedImage>) -> Located<()> {
        Located::Factory(())
    }

    async fn versions(&self) -> VersionKnowledge {
        self.lists.versions().await
    }

    fn seen_size(&self, artifact: &ArtifactId) -> Option<u64> {
        self.sizes.of(artifact)
    }

    fn remember_size(&self, artifact: &ArtifactId, bytes: u64) {
        self.sizes.learn(artifact, bytes);
    }

    fn known_ids(&self) -> BTreeMap<SchematicId, Registration> {
        self.known.all()
    }

    async fn register(
        &self,
        computed: SchematicId,
        document: &str,
    ) -> Result<SchematicId, UpstreamError> {
        // Telling the same document twice gives the same id, so this may be repeated.
        let mut attempts = self.attempts();
        loop {
            match self.register_once(document).await {
                Ok(id) => {
                    self.known.learn(computed, id);
                    return Ok(id);
                }
                Err(error) => tokio::time::sleep(attempts.after(error)?).await,
            }
        }
    }

    async fn checksum(&self, url: &str) -> Result<Option<Sha256>, UpstreamError> {
        let url = client::parse(url)?;
        let mut attempts = self.attempts();
        loop {
            match self.vouched(&url).await {
                Ok(digest) => return Ok(digest),
                Err(error) => tokio::time::sleep(attempts.after(error)?).await,
            }
        }
    }

    async fn download<S: Sink>(
        &self,
        url: &str,
        sink: &mut S,
    ) -> Result<Transferred, UpstreamError> {
        let transfer = ImageDownload {
            client: &self.client,
            endpoint: &self.factory,
            url: client::parse(url)?,
            limits: self.limits,
            builds: &self.builds,
        };
        transfer.run(sink).await
    }
}

/// A small file that is beside an image, with who sent it.
struct Beside {
    from: String,
    body: String,
}

/// The digest in a checksum file: one line, `<64 hex digits>  <file>`, of this
/// file and no other. Two blanks, or a blank and the star of binary mode.
pub(super) fn checksum_of(body: &str, file: &str) -> Option<Sha256> {
    let line = body.strip_suffix('\n').unwrap_or(body);
    let (digest, name) = line.split_at_checked(64)?;
    let name = name.strip_prefix("  ").or(name.strip_prefix(" *"))?;
    (name == file).then(|| digest.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_the_file_and_nothing_else() {
        let hex = "ab".repeat(32);
        let digest = hex.parse().unwrap();
        for right in [
            format!("{hex}  x.iso\n"),
            format!("{hex}  x.iso"),
            format!("{hex} *x.iso\n"),
        ] {
            assert_eq!(checksum_of(&right, "x.iso"), Some(digest), "{right:?}");
        }
        for wrong in [
            hex.clone(),
            String::new(),
            format!("{hex}  y.iso\n"),
            format!("{hex} x.iso\n"),
            format!("{hex}  x.iso\n{hex}  x.iso\n"),
            format!("{hex}  x.iso\r\n"),
            format!("{}  x.iso\n", "gg".repeat(32)),
            format!("{}  x.iso\n", &hex[2..]),
            format!("sha256:{}  x.iso\n", &hex[7..]),
            format!("{hex}ab  x.iso\n"),
            "<html>\n".into(),
        ] {
            assert_eq!(checksum_of(&wrong, "x.iso"), None, "{wrong:?}");
        }
    }
}
