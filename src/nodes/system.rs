//! Nodes behind the system's ssh and rsync, and directories of this machine.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::config::NodesConfig;
use super::deliver::early::{NotEarly, until_verified};
use super::error::NodeError;
use super::interface::{
    Cleared, Delivered, Delivery, EarlyDelivery, Leftover, Nodes, Removal, Removed, Verified,
};
use super::mandate::Mandate;
use super::session::node_session::NodeSession;
use super::session::queue::DirQueue;
use super::session::rates::{self, Paces};
use super::session::timeouts;
use super::ssh::args::Ssh;
use super::templates::{
    TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval, Templates,
};
use super::{deliver, machines, observe, remove, verify};
use crate::facts::{NodeState, NodeStorages, NodeVms};
use crate::model::{Dir, Node, Reach, StorageName, VmId};

/// What lives longer than a session: the connections, and what sessions share.
#[derive(Debug)]
pub struct SystemNodes {
    config: NodesConfig,
    ssh: Ssh,
    queue: DirQueue,
    paces: Paces,
    permits: Semaphore,
    /// For deliveries that wait for a download: it may take hours, and others go on.
    early: Semaphore,
}

impl SystemNodes {
    /// Makes the directory for sockets and touches nothing else.
    ///
    /// # Errors
    /// [`NodeError::ControlDir`]
    pub fn new(config: NodesConfig) -> Result<Self, NodeError> {
        let ssh = Ssh::new(
            config.ssh_opts.clone(),
            config.connect,
            config.control_dir.as_deref(),
            config.keep_open,
        )?;
        let sessions = config.sessions.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            ssh,
            queue: DirQueue::default(),
            paces: Paces::new(&config),
            permits: Semaphore::new(sessions),
            early: Semaphore::new(sessions),
            config,
        })
    }

    /// Waits until one more node may be worked on.
    async fn open<'a>(&'a self, node: &'a Node) -> NodeSession<'a> {
        let permit = self.permits.acquire().await;
        self.session(node, permit.expect("the semaphore is never closed"))
    }

    /// What an operation that changes something on a node begins with; what it does, it does
    /// under [`Mandate::during`].
    fn mandate(&self, node: &Node) -> Result<Mandate, NodeError> {
        Ok(Mandate::begin(self.config.authority_over(&node.id))?)
    }

    fn session<'a>(&'a self, node: &'a Node, permit: SemaphorePermit<'a>) -> NodeSession<'a> {
        NodeSession {
            node,
            config: &self.config,
            ssh: &self.ssh,
            queue: &self.queue,
            paces: &self.paces,
            _permit: permit,
        }
    }

    /// Delivers while the file grows, if its turn comes before the file is whole.
    async fn try_early(
        &self,
        node: &Node,
        mandate: &Mandate,
        early: &EarlyDelivery,
        mut told: oneshot::Receiver<Delivery>,
    ) -> Result<Delivered, NotEarly> {
        if let Some(relay) = &early.relay {
            tokio::select! {
                has_begun = relay.receipt.has_begun() => if !has_begun {
                    return Err(NotEarly::Relay);
                },
                _ = &mut told => return Err(NotEarly::Overtaken),
            }
        }
        let permit = tokio::select! {
            permit = self.early.acquire() => permit.expect("the semaphore is never closed"),
            _ = &mut told => return Err(NotEarly::Overtaken),
        };
        let session = self.session(node, permit);
        deliver::early::deliver(&session, mandate, early, told).await
    }
}

impl Nodes for SystemNodes {
    async fn connect(&self, node: &Node) -> Option<NodeState> {
        observe::connect(&self.open(node).await).await
    }

    async fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
        observe::observe(&self.open(node).await, dirs).await
    }

    /// All of them, whichever are of interest.
    async fn storages(&self, node: &Node, _: &BTreeSet<StorageName>) -> NodeStorages {
        observe::storages(&self.open(node).await).await
    }

    async fn deliver(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        let mandate = self.mandate(node)?;
        let work = async {
            let session = self.open(node).await;
            deliver::push::deliver(&session, &mandate, delivery).await
        };
        Box::pin(mandate.during(work)).await
    }

    async fn deliver_early(
        &self,
        node: &Node,
        early: &EarlyDelivery,
        verified: impl Future<Output = Option<Delivery>> + Send,
    ) -> Option<Delivered> {
        if !matches!(node.reach, Reach::Ssh { .. }) {
            return None;
        }
        let (tell, told) = oneshot::channel();
        let share = rates::share(&self.config, &node.id);
        let limit = |delivery: &Delivery| {
            let wire = delivery.data.map_or(delivery.size, |data| data.bytes);
            timeouts::for_transfer(wire, delivery.size, share)
        };
        let attempt = Box::pin(async {
            let mandate = self.mandate(node).map_err(NotEarly::Node)?;
            let attempt = self.try_early(node, &mandate, early, told);
            mandate.during(attempt).await
        });
        let delivered = until_verified(attempt, Box::pin(verified), tell, limit).await;
        if delivered.is_none() {
            // Whoever waits for it to be sent on from the node waits in vain.
            early.receipt.fail();
        }
        delivered
    }

    async fn remove(&self, node: &Node, removal: &Removal) -> Result<Removed, NodeError> {
        let mandate = self.mandate(node)?;
        let work = async { remove::remove(&self.open(node).await, &mandate, removal).await };
        mandate.during(work).await
    }

    async fn clear(&self, node: &Node, leftover: &Leftover) -> Result<Cleared, NodeError> {
        let mandate = self.mandate(node)?;
        let work = async { remove::clear(&self.open(node).await, &mandate, leftover).await };
        mandate.during(work).await
    }

    async fn verify(&self, node: &Node, check: &Removal) -> Result<Verified, NodeError> {
        // It corrects the record.
        let mandate = self.mandate(node)?;
        let work = async { verify::verify(&self.open(node).await, &mandate, check).await };
        mandate.during(work).await
    }
}

impl Templates for SystemNodes {
    async fn vms(&self, node: &Node) -> NodeVms {
        let session = self.open(node).await;
        Box::pin(machines::vms(&session)).await
    }

    async fn clones(
        &self,
        node: &Node,
        templates: &BTreeSet<VmId>,
    ) -> Result<BTreeMap<VmId, BTreeSet<VmId>>, NodeError> {
        let session = self.open(node).await;
        Box::pin(machines::clones(&session, templates)).await
    }

    async fn create_template(
        &self,
        node: &Node,
        creation: &TemplateCreation,
    ) -> Result<TemplateDone, NodeError> {
        let mandate = self.mandate(node)?;
        let work = async {
            let session = self.open(node).await;
            machines::create(&session, &mandate, creation).await
        };
        Box::pin(mandate.during(work)).await
    }

    async fn change_templates(
        &self,
        node: &Node,
        changes: &[TemplateChange],
    ) -> Result<TemplateDone, NodeError> {
        let mandate = self.mandate(node)?;
        let work = async {
            let session = self.open(node).await;
            machines::change(&session, &mandate, changes).await
        };
        Box::pin(mandate.during(work)).await
    }

    async fn remove_template(
        &self,
        node: &Node,
        removal: &TemplateRemoval,
    ) -> Result<TemplateDone, NodeError> {
        let mandate = self.mandate(node)?;
        let work = async {
            let session = self.open(node).await;
            machines::remove(&session, &mandate, removal).await
        };
        Box::pin(mandate.during(work)).await
    }
}
