//! What the servers of a factory stub share, and how it refuses.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::faults::Faults;
use super::github::GithubStub;
use super::image;
use super::images::{BuiltImage, Images};
use super::options::StubOptions;
use super::requests::Requests;
use super::schematics::Schematics;
use crate::model::{ArtifactId, SchematicId};

/// Which of the two origins a server plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The factory, and GitHub.
    Factory,
    /// The object storage that images are redirected to.
    Cdn,
}

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub options: StubOptions,
    pub requests: Requests,
    pub faults: Faults,
    pub github: GithubStub,
    /// Goes up when images are to be built anew.
    pub generation: AtomicU64,
    /// Breaks off answers that are under way.
    pub stop: CancellationToken,
    versions: RwLock<Vec<String>>,
    pub schematics: Schematics,
    pub images: Images,
    pub base: String,
    pub blobs: SocketAddr,
}

impl Shared {
    pub(super) fn new(
        options: StubOptions,
        factory: SocketAddr,
        blobs: SocketAddr,
        stop: CancellationToken,
    ) -> Self {
        Self {
            versions: RwLock::new(options.versions.clone()),
            schematics: Schematics::new(options.owner.as_deref()),
            options,
            requests: Requests::default(),
            faults: Faults::default(),
            github: GithubStub::default(),
            generation: AtomicU64::new(0),
            stop,
            images: Images::default(),
            base: format!("http://{factory}/"),
            blobs,
        }
    }

    pub(super) fn set_versions(&self, versions: Vec<String>) {
        *self
            .versions
            .write()
            .unwrap_or_else(PoisonError::into_inner) = versions;
    }

    pub(super) fn versions(&self) -> Vec<String> {
        self.versions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The image that a path names, or what the factory says where there is none.
    pub(super) fn find(
        &self,
        schematic: &str,
        version: &str,
        file: &str,
    ) -> Result<ArtifactId, StubRefusal> {
        let refuse = |status: StatusCode, text: String| Err(StubRefusal { status, text });
        let Ok(id) = schematic.parse::<SchematicId>() else {
            return refuse(
                StatusCode::BAD_REQUEST,
                format!("invalid schematic ID {schematic:?}"),
            );
        };
        if self.schematics.get(id).is_none() {
            return refuse(
                StatusCode::NOT_FOUND,
                format!("schematic ID {schematic:?} not found"),
            );
        }
        let parsed = version.strip_prefix('v').and_then(|_| version.parse().ok());
        let Some(version) = parsed.filter(|_| self.versions().iter().any(|v| v == version)) else {
            return refuse(
                StatusCode::NOT_FOUND,
                format!("version {version} is not available"),
            );
        };
        match image::parse(id, &version, file) {
            Some(artifact) => Ok(artifact),
            None => refuse(
                StatusCode::BAD_REQUEST,
                format!("invalid profile: failed to parse {file:?}"),
            ),
        }
    }

    pub(super) async fn image(&self, artifact: ArtifactId) -> Result<BuiltImage, StubRefusal> {
        let generation = self.generation.load(Ordering::Relaxed);
        self.images
            .get(artifact, &self.options, generation)
            .await
            .map_err(|error| StubRefusal {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                text: error.to_string(),
            })
    }
}

/// An error in the factory's form: plain text with a newline.
pub(super) struct StubRefusal {
    pub status: StatusCode,
    pub text: String,
}

impl IntoResponse for StubRefusal {
    fn into_response(self) -> Response {
        plain(self.status, &self.text)
    }
}

/// Plain text with a newline.
pub(super) fn plain(status: StatusCode, text: &str) -> Response {
    let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, format!("{text}\n")).into_response()
}
