//! The real thing: [`Factory`] over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use super::client::{self, Ask, Upstream, Web};
use super::config::{UpstreamConfig, VersionsFrom};
use super::known::KnownIds;
use super::memory::Memory;
use super::retry::Attempts;
use super::transfer::{Limits, Transfer};
use super::versions::Source;
use super::{Factory, Transferred, UpstreamError, text};
use crate::io::Sink;
use crate::model::{SchematicId, Sha256};
use crate::plan::{Registration, VersionKnowledge, VersionSource};

/// How long the answer to a small request may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a size is waited for. Asking builds the image where it is not built
/// yet, and a plan is not worth minutes of waiting.
const SIZE_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the answer to a schematic, which repeats the document.
const SCHEMATIC_BYTES: usize = 4 << 20;
/// Bytes of a checksum file: a digest and a name.
const CHECKSUM_BYTES: usize = 4 << 10;

/// A client of an Image Factory and of GitHub.
#[derive(Debug)]
pub struct HttpFactory {
    web: Web,
    factory: Upstream,
    github: Upstream,
    known: KnownIds,
    sources: Vec<(VersionsFrom, Memory)>,
    limits: Limits,
    /// How long a size is waited for.
    pub(super) size_patience: Duration,
}

impl HttpFactory {
    /// Prepares a client. Nothing is asked and nothing is written yet.
    ///
    /// # Errors
    /// Where HTTPS cannot be set up, a URL is not one of the web, or credentials
    /// do not fit into a header.
    pub fn new(config: &UpstreamConfig) -> Result<Self, UpstreamError> {
        for base in [&config.factory, &config.github] {
            client::parse(base.as_str())?;
        }
        let factory = Upstream::factory(config)?;
        let github = Upstream::github(config)?;
        let sources = config.versions.iter().map(|&kind| {
            let base = match kind {
                VersionsFrom::Factory => &factory.base,
                VersionsFrom::Github => &github.base,
            };
            let memory = Memory::new(&config.state_dir, config.read_only, kind, base);
            (kind, memory)
        });
        let known = KnownIds::new(&config.state_dir, config.read_only, &config.factory);
        Ok(Self {
            known,
            sources: sources.collect(),
            web: Web::new(config)?,
            size_patience: SIZE_PATIENCE,
            factory,
            github,
            limits: Limits {
                first_byte: config.first_byte,
                idle: config.idle,
                retries: config.retries,
                backoff: config.backoff,
            },
        })
    }

    fn attempts(&self) -> Attempts {
        Attempts::new(self.limits.retries, self.limits.backoff)
    }

    async fn register_once(&self, document: &str) -> Result<SchematicId, UpstreamError> {
        let mut ask = Ask {
            method: Method::POST,
            body: Some(document.to_owned()),
            ..Ask::get(&self.factory, self.below("schematics")?, PATIENCE)
        };
        ask.header(CONTENT_TYPE, "application/yaml");
        ask.header(ACCEPT, "application/json");
        let answer = self.web.ask(&ask).await?;
        if !matches!(answer.status(), StatusCode::OK | StatusCode::CREATED) {
            return Err(self.web.refusal(&ask, answer).await);
        }
        let from = answer.from.clone();
        let body = answer.text(SCHEMATIC_BYTES, PATIENCE).await?;
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

    async fn checksum_once(&self, url: &Url, file: &str) -> Result<Option<Sha256>, UpstreamError> {
        // The digest is that of the built image, so the image may have to be built.
        let ask = Ask::get(&self.factory, url.clone(), self.limits.first_byte);
        let answer = self.web.ask(&ask).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.web.refusal(&ask, answer).await),
        }
        let from = answer.from.clone();
        let body = answer.text(CHECKSUM_BYTES, self.limits.idle).await?;
        match checksum_of(&body, file) {
            Some(digest) => Ok(Some(digest)),
            None => Err(UpstreamError::Answer {
                url: from,
                reason: format!("something that is not the SHA-256 checksum of {file}"),
            }),
        }
    }

    async fn ask_size(&self, url: &str) -> Result<Option<u64>, UpstreamError> {
        let ask = Ask {
            method: Method::HEAD,
            ..Ask::get(&self.factory, client::parse(url)?, self.size_patience)
        };
        let answer = self.web.demand(&ask).await?;
        if answer.header(CONTENT_ENCODING).is_some() {
            return Ok(None);
        }
        let length = answer.header(CONTENT_LENGTH);
        Ok(length.and_then(|length| length.trim().parse().ok()))
    }

    fn below(&self, path: &str) -> Result<Url, UpstreamError> {
        let base = &self.factory.base;
        base.join(path).map_err(|_| UpstreamError::Url {
            url: text::public(base),
        })
    }
}

impl Factory for HttpFactory {
    async fn versions(&self) -> VersionKnowledge {
        let mut failures = Vec::new();
        for (kind, memory) in &self.sources {
            let source = Source {
                kind: *kind,
                web: &self.web,
                upstream: match kind {
                    VersionsFrom::Factory => &self.factory,
                    VersionsFrom::Github => &self.github,
                },
                memory,
                retries: (self.limits.retries, self.limits.backoff),
            };
            match source.ask().await {
                Ok(listing) => {
                    return VersionKnowledge::Known {
                        versions: listing.versions(),
                        source: named(*kind),
                        fetched_at: listing.fetched_at,
                        failures,
                    };
                }
                Err(error) => {
                    failures.push(format!("{}: {}", named(*kind).as_str(), error.one_line()));
                }
            }
        }
        // The youngest list, whoever it is from: between an hour-old answer of the
        // second source and a month-old one of the first, the second is right.
        let remembered = self.sources.iter().rev().filter_map(|(kind, memory)| {
            let listing = memory.recall().listing?;
            Some((*kind, listing))
        });
        match remembered.max_by_key(|(_, listing)| listing.fetched_at) {
            Some((kind, listing)) => VersionKnowledge::Known {
                versions: listing.versions(),
                source: named(kind),
                fetched_at: listing.fetched_at,
                failures,
            },
            None => VersionKnowledge::Unknown { failures },
        }
    }

    async fn size(&self, url: &str) -> Option<u64> {
        let size = self.ask_size(url);
        match tokio::time::timeout(self.size_patience, size).await {
            Ok(Ok(size)) => size,
            Ok(Err(error)) => {
                tracing::debug!(reason = error.one_line(), "the size is not known");
                None
            }
            Err(_) => None,
        }
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
        let mut url = client::parse(url)?;
        let file = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        url.set_path(&format!("{}.sha256", url.path()));
        let mut attempts = self.attempts();
        loop {
            match self.checksum_once(&url, &file).await {
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
        let transfer = Transfer {
            web: &self.web,
            upstream: &self.factory,
            url: client::parse(url)?,
            limits: self.limits,
        };
        transfer.run(sink).await
    }
}

fn named(source: VersionsFrom) -> VersionSource {
    match source {
        VersionsFrom::Factory => VersionSource::Factory,
        VersionsFrom::Github => VersionSource::Github,
    }
}

/// The digest in a checksum file: one line, `<64 hex digits>  <file>`, of this
/// file and no other. Two blanks, or a blank and the star of binary mode.
fn checksum_of(body: &str, file: &str) -> Option<Sha256> {
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
