//! Steps on a node.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::execute::downloads::WaitingFor;
use crate::execute::work::{StepWork, failed};
use crate::facts::{Fact, Failure, FailureKind, Meta, Outcome};
use crate::io::Meter;
use crate::model::{
    ArtifactId, Deletion, FileName, NodeId, OrderId, PositionRef, PushTarget, Sha256, StoredForm,
    Via,
};
use crate::nodes::{
    Cleared, Delivered, Delivery, EarlyDelivery, EarlyRelay, Leftover, Nodes, Relay, Removal,
    Removed, Verified,
};
use crate::plan::Transport;
use crate::upstream::Upstream;

/// What a delivery step says, by reference.
pub(in crate::execute) struct PushStep<'a> {
    pub target: &'a PushTarget,
    pub artifact: &'a ArtifactId,
    pub cache_file: &'a FileName,
    pub file: &'a FileName,
    pub replace: bool,
    pub form: StoredForm,
    pub deletion: Option<Deletion>,
    pub transport: &'a Transport,
}

impl<F: Upstream, N: Nodes> StepWork<F, N> {
    pub(in crate::execute) async fn push(
        &self,
        push: &PushStep<'_>,
        wanted_by: &BTreeSet<PositionRef>,
        meter: &Arc<Meter>,
    ) -> Result<Fact, Outcome> {
        let meta = self.known(push.cache_file)?;
        let delivery = self.delivery(push, &meta, wanted_by, meter);
        let node = &self.context.specs[&push.target.node];
        let delivered = self.context.nodes.deliver(node, &delivery).await?;
        Ok(pushed(delivered))
    }

    /// Delivers while the file is being downloaded. `None` where that came to nothing.
    pub(in crate::execute) async fn push_early(
        &self,
        push: &PushStep<'_>,
        wanted_by: &BTreeSet<PositionRef>,
        meter: &Arc<Meter>,
        download: WaitingFor,
    ) -> Option<Fact> {
        let early = EarlyDelivery {
            dir: push.target.dir.clone(),
            file: push.file.clone(),
            source: download.growing(push.cache_file),
            artifact: push.artifact.clone(),
            proof: push.transport.proof,
            relay: self.early_relay(push.transport.via.as_ref()),
            receipt: self.receipts.of(push.target, push.file),
            meter: Arc::clone(meter),
        };
        let fetch = download.fetch.clone();
        let verified = async {
            let fact = download.end().await?.ok()?;
            let meta = fetch.meta_of(&fact, push.cache_file)?;
            Some(self.delivery(push, meta, wanted_by, meter))
        };
        let node = &self.context.specs[&push.target.node];
        let delivered = self.context.nodes.deliver_early(node, &early, verified);
        delivered.await.map(pushed)
    }

    /// Waits until a relay has a file that it gets in this run, or does not get.
    pub(in crate::execute) async fn is_sent_on(&self, via: &Via) -> bool {
        self.receipts.of(&via.into(), &via.file).is_placed().await
    }

    fn delivery(
        &self,
        push: &PushStep<'_>,
        meta: &Meta,
        wanted_by: &BTreeSet<PositionRef>,
        meter: &Arc<Meter>,
    ) -> Delivery {
        meter.set_total(meta.size);
        let orders: BTreeSet<OrderId> = wanted_by.iter().map(|want| want.order.clone()).collect();
        Delivery {
            dir: push.target.dir.clone(),
            file: push.file.clone(),
            source: self.context.cache.path(push.cache_file),
            size: meta.size,
            sha256: meta.sha256,
            artifact: meta.artifact.clone(),
            orders,
            replace: push.replace,
            deletion: push.deletion,
            revision: self.context.revision.clone(),
            now: self.context.now,
            form: push.form,
            url: meta.url.clone(),
            method: push.transport.method.clone(),
            proof: push.transport.proof,
            data: meta.data,
            relay: self.relay(push.transport.via.as_ref()),
            meter: Arc::clone(meter),
        }
    }

    fn early_relay(&self, via: Option<&Via>) -> Option<EarlyRelay> {
        let via = via?;
        let site = self.context.network.sites.get(&via.site);
        Some(EarlyRelay {
            node: self.context.specs[&via.node].clone(),
            receipt: self.receipts.of(&via.into(), &via.file),
            dir: via.dir.clone(),
            file: via.file.clone(),
            ssh_opts: site.map(|site| site.ssh_opts.clone()).unwrap_or_default(),
        })
    }

    fn relay(&self, via: Option<&Via>) -> Option<Relay> {
        let via = via?;
        let site = self.context.network.sites.get(&via.site);
        Some(Relay {
            node: self.context.specs[&via.node].clone(),
            path: via.dir.join(&via.file),
            ssh_opts: site.map(|site| site.ssh_opts.clone()).unwrap_or_default(),
        })
    }

    pub(in crate::execute) async fn remove_from_node(
        &self,
        target: &PushTarget,
        file: &FileName,
        bytes: u64,
        sha256: Sha256,
    ) -> Outcome {
        let removal = removal(target, file, bytes, sha256);
        let node = &self.context.specs[&target.node];
        match self.context.nodes.remove(node, &removal).await {
            Ok(Removed::Gone) => Outcome::Done {
                fact: Fact::Removed { bytes },
            },
            // Looking again would find the same: its size and times are as recorded.
            Ok(Removed::Differs(found)) => failed(Failure {
                error: format!("{file} has digest {found} there and is kept"),
                hint: Some("check it, and remove it if you do not need it".to_owned()),
                transient: false,
                kind: FailureKind::WrongBytes,
            }),
            Err(error) => failed(error),
        }
    }

    pub(in crate::execute) async fn clear_part(
        &self,
        node: &NodeId,
        leftover: &Leftover,
        bytes: u64,
    ) -> Outcome {
        let node = &self.context.specs[node];
        match self.context.nodes.clear(node, leftover).await {
            Ok(Cleared::Gone) => Outcome::Done {
                fact: Fact::Removed { bytes },
            },
            Ok(Cleared::Unfinished) => Outcome::Outdated {
                what: format!("{} is being written to", leftover.part),
            },
            Err(error) => failed(error),
        }
    }

    pub(in crate::execute) async fn verify_on_node(
        &self,
        target: &PushTarget,
        file: &FileName,
        bytes: u64,
        sha256: Sha256,
    ) -> Outcome {
        let check = removal(target, file, bytes, sha256);
        let node = &self.context.specs[&target.node];
        match self.context.nodes.verify(node, &check).await {
            Ok(Verified::Same) => Outcome::Done {
                fact: Fact::Verified { bytes },
            },
            Ok(Verified::Differs(found)) => Outcome::Outdated {
                what: format!("{file} is damaged on {}: digest {found}", target.node),
            },
            Ok(Verified::Missing) => Outcome::Outdated {
                what: format!("{file} is missing on {}", target.node),
            },
            Err(error) => failed(error),
        }
    }
}

fn pushed(delivered: Delivered) -> Fact {
    Fact::Pushed {
        entry: Box::new(delivered.entry),
        copied: delivered.copied,
        wire_bytes: delivered.wire_bytes,
        millis: delivered.took.as_millis() as u64,
    }
}

fn removal(target: &PushTarget, file: &FileName, size: u64, sha256: Sha256) -> Removal {
    Removal {
        dir: target.dir.clone(),
        file: file.clone(),
        size,
        sha256,
    }
}
