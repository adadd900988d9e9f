//! How an image gets to a node: loaded by it, or sent to it. What can fail for other
//! reasons than the image is tried before anything on the node is changed.

use super::config::UploadUse;
use super::error::ApiError;
use super::place::{PlaceOnNode, failed};
use super::server::Offered;
use super::shared::SharedParts;
use super::tasks::FailedTask;
use crate::nodes::deliver::prepared::RESERVE;
use crate::nodes::error::NodeError;
use crate::nodes::interface::Delivery;
use crate::proxmox::{PveError, UploadRequest};

/// A delivery to one place.
pub(super) struct ApiDelivery<'a> {
    pub nodes: &'a SharedParts,
    pub place: &'a PlaceOnNode,
    pub delivery: &'a Delivery,
}

/// How an image gets to a node.
#[derive(Debug)]
pub(super) enum DeliveryPath {
    /// The node loads it from here, for as long as this lives.
    Fetch(Offered),
    /// It is sent.
    Upload,
}

impl ApiDelivery<'_> {
    /// The way that works. What was seen to work before is believed, unless it has to be
    /// `sure`.
    pub(super) async fn way(&self, sure: bool) -> Result<DeliveryPath, NodeError> {
        let upload = self.place.upload;
        if upload != UploadUse::Always {
            match self.offer(sure).await {
                Ok(offered) => return Ok(DeliveryPath::Fetch(offered)),
                Err(NodeError::Api(error)) if upload == UploadUse::Fallback => {
                    let node = &self.place.node;
                    tracing::info!(reason = %crate::error::chain(&error), "{node} is sent the image");
                }
                Err(error) => return Err(error),
            }
        }
        self.check_root().await?;
        Ok(DeliveryPath::Upload)
    }

    /// Offers the image, and has the node ask for it once.
    async fn offer(&self, sure: bool) -> Result<Offered, NodeError> {
        let (nodes, place) = (self.nodes, self.place);
        let endpoint = place.api.preferred();
        let offered = nodes.server.offer(self.delivery, &endpoint).await?;
        if !sure && nodes.has_reached(&place.node) {
            return Ok(offered);
        }
        let no_way = |source: Box<dyn std::error::Error + Send + Sync>| {
            NodeError::Api(ApiError::NoWayBack {
                node: place.node.clone(),
                address: offered.address(),
                source,
            })
        };
        let url = offered.url.as_str();
        match place.api.url_metadata(&place.name, url).await {
            Ok(seen) if seen.size == Some(self.delivery.size) => {
                nodes.note_reached(&place.node);
                Ok(offered)
            }
            Ok(_) => Err(no_way("somebody else answers there".into())),
            // What the node's own attempt says comes as an internal error.
            Err(error @ PveError::Status { status: 500, .. }) => Err(no_way(error.into())),
            Err(error) => Err(failed(&place.node, "asking for the image", error)),
        }
    }

    /// An upload arrives on the root file system of the node that is asked, and stays there
    /// where it is refused. So the space is known before, or nothing is sent.
    async fn check_root(&self) -> Result<(), NodeError> {
        let place = self.place;
        let refused = |error| failed(&place.node, "looking for the space for uploads", error);
        let state = place.api.cluster_state().await.map_err(refused)?;
        let asked = state.local.unwrap_or_else(|| place.name.clone());
        let free = place.api.root_free(&asked).await.map_err(refused)?;
        let Some(free) = free else {
            let node = place.node.clone();
            return Err(NodeError::Api(ApiError::RootUnknown { node }));
        };
        let need = self.delivery.size.saturating_add(RESERVE);
        match need <= free {
            true => Ok(()),
            false => Err(NodeError::NoSpace {
                place: format!("{asked}:/var/tmp"),
                need,
                free,
                stderr: String::new(),
            }),
        }
    }

    /// Sends the image. Nothing of the name is there.
    pub(super) async fn upload(&self) -> Result<(), FailedTask> {
        let (place, delivery) = (self.place, self.delivery);
        let request = UploadRequest {
            node: place.name.clone(),
            storage: place.place.storage.clone(),
            content: place.place.content,
            name: delivery.file.as_str().to_owned(),
            source: delivery.source.clone(),
            sha256: delivery.sha256,
        };
        // While it is sent, it ends with whoever waits: a broken connection makes the node
        // drop what has come.
        let upid = place.api.upload(&request).await;
        let upid = upid.map_err(|error| FailedTask {
            error,
            log: String::new(),
        })?;
        place.run(async move { Ok(upid) }).await
    }
}
