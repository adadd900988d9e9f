//! Delivery of an image: fetched by the node itself, or sent to it.

use std::sync::Arc;

use reqwest::Method;
use url::Url;

use super::api::PveApi;
use super::call::PveCall;
use super::error::PveError;
use super::names::ImageContent;
use super::upid::Upid;
use super::upload::{self, UploadContent};
use crate::model::Sha256;

/// An image that a node is to fetch.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// The node.
    pub node: String,
    /// The storage on it.
    pub storage: String,
    /// What the image is.
    pub content: ImageContent,
    /// The name of the file.
    pub name: String,
    /// Where the node gets it. It is in the task's log, so nothing secret may be in it.
    pub url: Url,
    /// The digest of the bytes that come.
    pub sha256: Sha256,
}

/// An image that is sent to a node.
#[derive(Debug, Clone)]
pub struct UploadRequest {
    /// The node.
    pub node: String,
    /// The storage on it.
    pub storage: String,
    /// What the image is.
    pub content: ImageContent,
    /// The name of the file.
    pub name: String,
    /// The file that is sent.
    pub source: Arc<dyn UploadContent>,
    /// Its digest.
    pub sha256: Sha256,
}

impl PveApi {
    /// Makes sure that a file has this content: the node compares what is there, or
    /// loads the URL and renames what has come once the digest is right. Where the file
    /// is right already, the URL is not asked; where it is another, nothing changes and
    /// the task ends with [`TaskFailure::Checksum`](super::TaskFailure::Checksum). With a
    /// URL that nobody answers it reads back what is there.
    ///
    /// # Errors
    /// As for every call, and where the name does not fit.
    pub async fn fetch(&self, request: &FetchRequest) -> Result<Upid, PveError> {
        fits(request.content, &request.name)?;
        let FetchRequest { node, storage, .. } = request;
        let call = PveCall::new(
            Method::POST,
            &["nodes", node, "storage", storage, "download-url"],
        );
        let call = call
            .form("url", request.url.as_str())
            .form("content", request.content.name())
            .form("filename", &request.name)
            .form("checksum-algorithm", "sha256")
            .form("checksum", request.sha256.to_string());
        self.ask(&call).await
    }

    /// Sends a file. The endpoint that is asked takes it to `/var/tmp`, compares the
    /// digest, and copies it to its place, over a file of the same name. It has to be
    /// known before that the token may and that the space suffices: a refused upload
    /// leaves its bytes behind, and breaks the connection rather than answer.
    ///
    /// # Errors
    /// As for every call; where the name does not fit, or the content type is not enabled
    /// on the storage.
    pub async fn upload(&self, request: &UploadRequest) -> Result<Upid, PveError> {
        fits(request.content, &request.name)?;
        let UploadRequest { node, storage, .. } = request;
        let status = self.storage_status(node, storage).await?;
        let content = request.content.name();
        if !status.content.iter().any(|enabled| enabled == content) {
            return Err(PveError::ContentNotEnabled {
                storage: storage.clone(),
                content,
                enabled: status.content.join(", "),
            });
        }
        // Everything in the query and the file as the only part: a field behind the file
        // would become part of it.
        let call = PveCall::new(Method::POST, &["nodes", node, "storage", storage, "upload"]);
        let call = call
            .query("content", content)
            .query("checksum-algorithm", "sha256")
            .query("checksum", request.sha256.to_string());
        upload::send(self, &call, &request.source, &request.name).await
    }
}

fn fits(content: ImageContent, name: &str) -> Result<(), PveError> {
    match content.refuses(name) {
        None => Ok(()),
        Some(reason) => Err(PveError::Name {
            name: name.to_owned(),
            reason,
        }),
    }
}
