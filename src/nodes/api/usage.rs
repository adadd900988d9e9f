//! Which virtual machines use an image.
//!
//! That takes two calls for each virtual machine of a cluster, so a look at the nodes
//! asks only where something that was delivered could be removed at all, and once for all
//! nodes of a cluster. A removal asks anew, for its one image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::ApiError;
use super::place::{PlaceOnNode, failed};
use crate::error::chain;
use crate::facts::References;
use crate::model::FileName;
use crate::nodes::error::NodeError;
use crate::proxmox::{ImagePlace, ImageUses, PveApi};

/// What was seen of the virtual machines of each cluster.
#[derive(Debug, Default)]
pub(super) struct SeenUses {
    clusters: std::sync::Mutex<BTreeMap<String, Arc<Mutex<Option<SeenUse>>>>>,
}

#[derive(Debug)]
struct SeenUse {
    at: Instant,
    images: Vec<ImagePlace>,
    uses: ImageUses,
}

impl SeenUses {
    /// The uses of images, from an earlier look where one was made a moment ago.
    pub(super) async fn look(
        &self,
        cluster: &str,
        api: &PveApi,
        images: Vec<ImagePlace>,
        (limit, age): (Duration, Duration),
    ) -> ImageUses {
        let seen = {
            let clusters = self.clusters.lock();
            let mut clusters = clusters.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(clusters.entry(cluster.to_owned()).or_default())
        };
        // Other nodes of the cluster wait here for the one that asks.
        let mut seen = seen.lock().await;
        if let Some(known) = &*seen
            && known.at.elapsed() < age
            && images.iter().all(|image| known.images.contains(image))
        {
            return known.uses.clone();
        }
        let asked = tokio::time::timeout(limit, api.image_uses(&images)).await;
        let uses = match asked {
            Ok(Ok(uses)) => uses,
            Ok(Err(error)) => ImageUses::Unknown(vec![chain(&error)]),
            Err(_) => ImageUses::Unknown(vec![format!(
                "looking at all virtual machines took more than {} s",
                limit.as_secs_f32()
            )]),
        };
        *seen = Some(SeenUse {
            at: Instant::now(),
            images,
            uses: uses.clone(),
        });
        uses
    }
}

/// The uses of files by their names, as plans have them.
pub(super) fn references<'a>(
    uses: &ImageUses,
    files: impl Iterator<Item = (&'a FileName, ImagePlace)>,
) -> References {
    let uses = match uses {
        ImageUses::Known(uses) => uses,
        ImageUses::Unknown(why) => {
            return References::Unknown {
                why: why.join("; "),
            };
        }
    };
    let mut known: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for (file, image) in files {
        for one in uses.get(&image.volid).into_iter().flatten() {
            let Ok(number) = u32::try_from(one.vmid) else {
                continue;
            };
            known
                .entry(file.as_str().to_owned())
                .or_default()
                .insert(number);
        }
    }
    References::Known(known)
}

impl PlaceOnNode {
    /// Fails unless it is known that no virtual machine uses a file.
    pub(super) async fn ensure_unused(&self, file: &FileName) -> Result<(), NodeError> {
        let image = self.image(file);
        let uses = self.api.image_uses(std::slice::from_ref(&image)).await;
        let uses = uses.map_err(|error| {
            failed(
                &self.node,
                "looking for virtual machines that use it",
                error,
            )
        })?;
        let place = self.shown(file);
        let error = match uses {
            ImageUses::Unknown(why) => ApiError::UseUnknown { place, why },
            ImageUses::Known(uses) => {
                let users = uses.get(&image.volid).into_iter().flatten();
                let vms: BTreeSet<u64> = users.map(|one| one.vmid).collect();
                if vms.is_empty() {
                    return Ok(());
                }
                let vms = vms.into_iter().collect();
                ApiError::InUse { place, vms }
            }
        };
        Err(NodeError::Api(error))
    }
}
