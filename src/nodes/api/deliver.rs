//! A delivery: compare what is there, then let the node load the image.
//!
//! Unlike over ssh a file cannot be replaced in one step, and nobody but the record says
//! whose it is. So wrong bytes are removed only where the record has them as ours and no
//! virtual machine uses them, and only once everything else is known to work. Bytes that
//! nobody recorded stay, also where the plan would replace them.

use tokio::time::Instant;

use super::content::SentContent;
use super::error::ApiError;
use super::place::{PlaceOnNode, failed, failed_with};
use super::shared::SharedParts;
use super::tasks::{FailedTask, ReadBack};
use super::way::{ApiDelivery, DeliveryPath};
use crate::facts::RecordEntry;
use crate::model::{ApiRoute, FileName};
use crate::nodes::deliver::prepared::RESERVE;
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Delivered, Delivery};
use crate::proxmox::{PveError, StorageStatus, TaskFailure, Volume};

/// What is under the name of a file that is to come.
enum Occupant {
    /// The right file: this is on record.
    Right(Box<RecordEntry>),
    /// A file of ours with other bytes.
    Outdated(Volume),
    Nobody,
}

pub(super) async fn deliver(
    nodes: &SharedParts,
    place: &PlaceOnNode,
    delivery: &Delivery,
) -> Result<Delivered, NodeError> {
    let begun = Instant::now();
    check_name(place, &delivery.file)?;
    let content = SentContent::of(delivery, &nodes.converted).await?;
    delivery.meter.set_total(content.size);
    let run = ApiDelivery {
        nodes,
        place,
        delivery,
        content,
    };
    let (status, found) = place.find(&delivery.file).await?;
    let (entry, wire_bytes) = match run.occupant(found).await? {
        Occupant::Right(entry) => {
            delivery.meter.set_done(run.content.size);
            return Ok(Delivered {
                copied: false,
                wire_bytes: Some(0),
                took: begun.elapsed(),
                entry: *entry,
            });
        }
        Occupant::Nobody => {
            run.check_space(&status, 0)?;
            let way = run.way(false).await?;
            run.send(&way).await?
        }
        Occupant::Outdated(volume) => {
            place.record.ensure_certain()?;
            run.check_space(&status, volume.size)?;
            place.ensure_unused(&delivery.file).await?;
            let way = run.way(true).await?;
            place.delete(&delivery.file).await?;
            run.send(&way).await?
        }
    };
    Ok(Delivered {
        copied: true,
        wire_bytes,
        took: begun.elapsed(),
        entry,
    })
}

fn check_name(place: &PlaceOnNode, file: &FileName) -> Result<(), NodeError> {
    let Some(reason) = place.place.content.refuses(file.as_str()) else {
        return Ok(());
    };
    let name = file.as_str().to_owned();
    let error = PveError::Name { name, reason };
    Err(failed(&place.node, "delivering the image", error))
}

impl ApiDelivery<'_> {
    /// The right bytes are adopted; a file with others may be in the way.
    async fn occupant(&self, found: Option<Volume>) -> Result<Occupant, NodeError> {
        let Delivery { file, .. } = self.delivery;
        let Some(volume) = found else {
            return Ok(Occupant::Nobody);
        };
        let entry = self.place.recorded(file).await?;
        let theirs = entry
            .as_ref()
            .filter(|entry| entry.owner != self.nodes.config.owner);
        // Also of another length: the same privileges are needed as for what follows.
        match (
            self.place.read_back(file, self.content.sha256).await?,
            theirs,
            &entry,
        ) {
            (ReadBack::Absent, ..) => Ok(Occupant::Nobody),
            (ReadBack::Same, Some(theirs), _) => Ok(Occupant::Right(Box::new(theirs.clone()))),
            (ReadBack::Same, None, _) => {
                let entry = self.record(&volume).await?;
                Ok(Occupant::Right(Box::new(entry)))
            }
            (ReadBack::Differs(_), Some(theirs), _) => Err(NodeError::NotOurs {
                place: self.place.shown(file),
                owner: theirs.owner.clone(),
            }),
            (ReadBack::Differs(_), None, Some(_)) => Ok(Occupant::Outdated(volume)),
            (ReadBack::Differs(_), None, None) => Err(NodeError::Foreign {
                place: self.place.shown(file),
            }),
        }
    }

    fn check_space(&self, status: &StorageStatus, comes_free: u64) -> Result<(), NodeError> {
        let need = self.content.size.saturating_add(RESERVE);
        let Some(free) = status.free else {
            return Ok(());
        };
        let free = free.saturating_add(comes_free);
        match need <= free {
            true => Ok(()),
            false => Err(NodeError::NoSpace {
                place: format!("{}:{}", self.place.node, self.delivery.dir),
                need,
                free,
                stderr: String::new(),
            }),
        }
    }

    /// Brings the image to the node, which has nothing of that name, and records it.
    async fn send(&self, way: &DeliveryPath) -> Result<(RecordEntry, Option<u64>), NodeError> {
        let (place, delivery) = (self.place, self.delivery);
        let sent = match way {
            DeliveryPath::Fetch(offered) => {
                let url = offered.url.clone();
                let request = place.request(&delivery.file, url, self.content.sha256);
                let fetched = place.fetch(request).await;
                if fetched.is_err() && offered.sent() == 0 {
                    self.nodes.forget_reached(&place.node);
                }
                fetched.map(|()| Some(offered.sent()))
            }
            // What comes from elsewhere says nothing of the link to the node.
            DeliveryPath::Factory(url) => {
                let request = place.request(&delivery.file, url.clone(), self.content.sha256);
                place.fetch(request).await.map(|()| None)
            }
            DeliveryPath::Upload => self.upload().await.map(|()| Some(self.content.size)),
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(failure) => return Err(self.explained(failure).await),
        };
        let (_, found) = place.find(&delivery.file).await?;
        let Some(volume) = found else {
            let place = place.shown(&delivery.file);
            return Err(NodeError::Api(ApiError::Vanished { place }));
        };
        if volume.size != self.content.size {
            return Err(NodeError::Foreign {
                place: place.shown(&delivery.file),
            });
        }
        delivery.meter.set_done(self.content.size);
        Ok((self.record(&volume).await?, sent))
    }

    /// Wrong bytes are either what came, or a file that somebody else made meanwhile.
    async fn explained(&self, failure: FailedTask) -> NodeError {
        let (place, delivery) = (self.place, self.delivery);
        let FailedTask { error, log } = failure;
        if let PveError::Task {
            source: TaskFailure::Checksum { found, .. },
            ..
        } = &error
            && let Ok(found) = found.parse()
        {
            let shown = place.shown(&delivery.file);
            return match place.find(&delivery.file).await {
                Ok((_, Some(_))) => NodeError::Foreign { place: shown },
                _ if self.route() == ApiRoute::Factory => {
                    NodeError::Api(ApiError::OtherAtFactory {
                        node: place.node.clone(),
                        url: delivery.url.clone(),
                        expected: self.content.sha256,
                        found: Some(found),
                    })
                }
                _ => NodeError::DigestDiffers {
                    place: shown,
                    expected: self.content.sha256,
                    found,
                },
            };
        }
        failed_with(&place.node, "delivering the image", error, log)
    }

    async fn record(&self, volume: &Volume) -> Result<RecordEntry, NodeError> {
        let owner = &self.nodes.config.owner;
        let entry = self
            .place
            .entry(self.delivery, self.content.sha256, owner, volume);
        self.place.record.put(entry.clone()).await?;
        Ok(entry)
    }
}
