//! Files of a storage: listed, looked at, removed.

use reqwest::Method;

use super::answers::{StorageStatus, Volume, VolumeDetail};
use super::api::PveApi;
use super::call::PveCall;
use super::error::PveError;
use super::names::ImageContent;
use super::upid::Upid;

/// What a storage holds, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageContent {
    /// Its files of the asked content type, sorted by ID.
    Known(Vec<Volume>),
    /// It cannot be known: this is not an empty list.
    Unknown(ContentUnknown),
}

/// Why the content of a storage cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentUnknown {
    /// The content type is not enabled: Proxmox VE would answer with an empty list,
    /// whatever is in the directory.
    #[error("the content type {content} is not enabled; enabled are: {}", .enabled.join(", "))]
    NotEnabled {
        /// What was asked for.
        content: &'static str,
        /// What is enabled.
        enabled: Vec<String>,
    },
    /// The storage is not mounted or not reachable.
    #[error("the storage is not active")]
    Inactive,
    /// The storage is switched off.
    #[error("the storage is disabled")]
    Disabled,
}

impl PveApi {
    /// The files of one content type. The storage's status is asked first, because a
    /// list alone does not tell whether it is one.
    ///
    /// # Errors
    /// As for every call, and where the storage does not exist or is not for this node.
    pub async fn content(
        &self,
        node: &str,
        storage: &str,
        content: ImageContent,
    ) -> Result<StorageContent, PveError> {
        let (_, content) = self.storage_content(node, storage, content).await?;
        Ok(content)
    }

    /// The same, with the status.
    ///
    /// # Errors
    /// As for [`content`](Self::content).
    pub async fn storage_content(
        &self,
        node: &str,
        storage: &str,
        content: ImageContent,
    ) -> Result<(StorageStatus, StorageContent), PveError> {
        let (status, mut contents) = self.storage_contents(node, storage, &[content]).await?;
        let content = contents
            .pop()
            .unwrap_or(Ok(StorageContent::Known(Vec::new())));
        Ok((status, content?))
    }

    /// The same for several content types of a storage, which is asked for its status once.
    ///
    /// # Errors
    /// Where the status is not to be had, for all of them, and for each type of its own.
    pub async fn storage_contents(
        &self,
        node: &str,
        storage: &str,
        contents: &[ImageContent],
    ) -> Result<(StorageStatus, Vec<Result<StorageContent, PveError>>), PveError> {
        let status = self.storage_status(node, storage).await?;
        let mut listed = Vec::new();
        for content in contents {
            listed.push(self.listed(node, storage, *content, &status).await);
        }
        Ok((status, listed))
    }

    async fn listed(
        &self,
        node: &str,
        storage: &str,
        content: ImageContent,
        status: &StorageStatus,
    ) -> Result<StorageContent, PveError> {
        let unknown = match () {
            () if !status.enabled => Some(ContentUnknown::Disabled),
            () if !status.active => Some(ContentUnknown::Inactive),
            () if !status.content.iter().any(|known| known == content.name()) => {
                Some(ContentUnknown::NotEnabled {
                    content: content.name(),
                    enabled: status.content.clone(),
                })
            }
            () => None,
        };
        if let Some(unknown) = unknown {
            return Ok(StorageContent::Unknown(unknown));
        }
        let call = PveCall::get(&["nodes", node, "storage", storage, "content"]);
        let call = call.query("content", content.name());
        let mut volumes: Vec<Volume> = self.ask(&call).await?;
        volumes.sort();
        Ok(StorageContent::Known(volumes))
    }

    /// One file by its ID, whether it is listed or not.
    ///
    /// # Errors
    /// As for every call; [`PveError::NoSuchVolume`] where there is none, and where it
    /// has no bytes.
    pub async fn volume(
        &self,
        node: &str,
        storage: &str,
        volid: &str,
    ) -> Result<VolumeDetail, PveError> {
        let call = PveCall::get(&["nodes", node, "storage", storage, "content", volid]);
        self.ask(&call.volume(volid)).await
    }

    /// Removes a file and waits until it is gone. Success also where it does not exist.
    /// Nobody but the caller checks whether a virtual machine uses it. Requires
    /// Datastore.Allocate.
    ///
    /// # Errors
    /// As for every call, and where the task fails.
    pub async fn remove(&self, node: &str, storage: &str, volid: &str) -> Result<(), PveError> {
        let segments = ["nodes", node, "storage", storage, "content", volid];
        let call = PveCall::new(Method::DELETE, &segments).volume(volid);
        // The node waits a little: most files are gone before it answers.
        let upid: Option<Upid> = self.ask(&call.query("delay", "5")).await?;
        match upid {
            Some(upid) => self.until_finished(&upid).await?.check(&upid),
            None => Ok(()),
        }
    }
}
