//! How an image gets to a node: loaded by it, or sent to it. What can fail for other
//! reasons than the image is tried before anything on the node is changed.

use std::sync::Arc;

use url::Url;

use super::content::SentContent;
use super::error::ApiError;
use super::place::{PlaceOnNode, failed};
use super::server::Offered;
use super::shared::SharedParts;
use super::tasks::FailedTask;
use crate::model::{ApiRoute, Method};
use crate::nodes::deliver::prepared::RESERVE;
use crate::nodes::error::NodeError;
use crate::nodes::interface::Delivery;
use crate::proxmox::{PveError, UploadRequest};

/// A delivery to one place.
pub(super) struct ApiDelivery<'a> {
    pub nodes: &'a SharedParts,
    pub place: &'a PlaceOnNode,
    pub delivery: &'a Delivery,
    /// What is sent.
    pub content: SentContent,
}

/// How an image gets to a node.
#[derive(Debug)]
pub(super) enum DeliveryPath {
    /// The node loads it from here, for as long as this lives.
    Fetch(Offered),
    /// The node loads it from the factory.
    Factory(Url),
    /// It is sent.
    Upload,
}

impl ApiDelivery<'_> {
    pub(super) fn route(&self) -> ApiRoute {
        match self.delivery.method {
            Method::Api { route } => route,
            Method::Copy | Method::Put | Method::Stream | Method::Rsync { .. } => {
                ApiRoute::FileServer
            }
        }
    }

    /// The way that works. What was seen to work before is believed, unless it has to be
    /// `sure`.
    pub(super) async fn way(&self, sure: bool) -> Result<DeliveryPath, NodeError> {
        let node = &self.place.node;
        match self.route() {
            ApiRoute::FileServer => self.offer(sure).await.map(DeliveryPath::Fetch),
            ApiRoute::Factory => self.factory(sure).await.map(DeliveryPath::Factory),
            ApiRoute::Upload => self.uploaded().await,
            ApiRoute::FileServerOrUpload => match self.offer(sure).await {
                Ok(offered) => Ok(DeliveryPath::Fetch(offered)),
                Err(NodeError::Api(error)) => {
                    let reason = crate::error::chain(&error);
                    tracing::info!(%reason, "{node} is sent the image");
                    self.uploaded().await
                }
                Err(error) => Err(error),
            },
        }
    }

    async fn uploaded(&self) -> Result<DeliveryPath, NodeError> {
        self.check_root().await?;
        Ok(DeliveryPath::Upload)
    }

    /// The URL at the factory. It is tried where a file goes before the new one comes.
    async fn factory(&self, sure: bool) -> Result<Url, NodeError> {
        let (place, text) = (self.place, &self.delivery.url);
        let no_way = |source: Box<dyn std::error::Error + Send + Sync>| {
            NodeError::Api(ApiError::NoWayToFactory {
                node: place.node.clone(),
                url: text.clone(),
                source,
            })
        };
        let url: Url = text
            .parse()
            .map_err(|error: url::ParseError| no_way(error.into()))?;
        if !sure {
            return Ok(url);
        }
        match place.api.url_metadata(&place.name, text).await {
            Ok(seen) if seen.size.is_none_or(|size| size == self.content.size) => Ok(url),
            Ok(_) => Err(NodeError::Api(ApiError::OtherAtFactory {
                node: place.node.clone(),
                url: text.clone(),
                expected: self.content.sha256,
                found: None,
            })),
            Err(error @ PveError::Status { status: 500, .. }) => Err(no_way(error.into())),
            Err(error) => Err(failed(&place.node, "asking for the image", error)),
        }
    }

    /// Offers the image, and has the node ask for it once.
    async fn offer(&self, sure: bool) -> Result<Offered, NodeError> {
        let (nodes, place) = (self.nodes, self.place);
        let endpoint = place.api.preferred();
        let offered = nodes.server.offer(self.delivery, &self.content, &endpoint);
        let offered = offered.await?;
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
            Ok(seen) if seen.size == Some(self.content.size) => {
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
        let need = self.content.size.saturating_add(RESERVE);
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
            source: Arc::new(self.content.clone()),
            sha256: self.content.sha256,
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
