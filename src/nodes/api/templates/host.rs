//! A node that has templates.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::facts::{TemplateMark, VmConfig};
use crate::model::{Node, NodeId, VmId};
use crate::nodes::api::config::ApiNode;
use crate::nodes::api::error::ApiError;
use crate::nodes::api::place::{failed, failed_with};
use crate::nodes::api::shared::SharedParts;
use crate::nodes::api::tasks::{FailedTask, run_task};
use crate::nodes::error::NodeError;
use crate::nodes::mandate::Mandate;
use crate::nodes::templates::TemplateDone;
use crate::proxmox::{PveApi, PveError, Upid, VmRefusal};

/// A node that has templates.
#[derive(Debug)]
pub(in crate::nodes::api) struct TemplateHost<'a> {
    pub shared: &'a SharedParts,
    pub node: NodeId,
    pub known: ApiNode,
}

/// The configuration of a virtual machine that is ours.
#[derive(Debug)]
pub(super) struct OwnVm {
    pub config: VmConfig,
    pub digest: String,
    pub mark: TemplateMark,
}

impl<'a> TemplateHost<'a> {
    pub(in crate::nodes::api) fn of(
        shared: &'a SharedParts,
        node: &Node,
    ) -> Result<Self, NodeError> {
        let known = shared.known(node).ok_or_else(|| {
            let what = node.id.to_string();
            NodeError::Api(ApiError::NotConfigured { what })
        })?;
        Ok(Self {
            shared,
            node: node.id.clone(),
            known,
        })
    }

    /// For work under a mandate.
    pub(in crate::nodes::api) fn under(mut self, mandate: &Mandate) -> Self {
        self.known.api = self.known.api.under(Arc::new(mandate.clone()));
        self
    }

    pub(super) fn api(&self) -> &PveApi {
        &self.known.api
    }

    /// `node:VMID`, for messages.
    pub(super) fn shown(&self, vmid: VmId) -> String {
        format!("{}:{vmid}", self.node)
    }

    pub(super) fn failed(&self, what: &'static str, error: PveError) -> NodeError {
        failed(&self.node, what, error)
    }

    /// Fails where virtual machines may be hidden from the token.
    pub(super) async fn ensure_all_seen(&self) -> Result<(), NodeError> {
        let vms = "/vms".to_owned();
        let granted = self.api().granted(&BTreeSet::from([vms.clone()])).await;
        let granted = granted.map_err(|error| self.failed("asking for privileges", error))?;
        match granted.has(&vms, "VM.Audit") {
            true => Ok(()),
            false => Err(NodeError::Api(ApiError::VmsHidden {
                token: self.api().token().to_owned(),
            })),
        }
    }

    /// The configuration of a virtual machine; `None` where there is none on the node.
    pub(super) async fn config(&self, vmid: VmId) -> Result<Option<(VmConfig, String)>, NodeError> {
        match self.api().vm_config(&self.known.name, vmid.get()).await {
            Ok(found) => Ok(Some((VmConfig(found.values), found.digest))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed("looking at the virtual machine", error)),
        }
    }

    /// The virtual machine with this mark, or why it is not the one that was observed.
    pub(super) async fn ours(
        &self,
        vmid: VmId,
        mark: &str,
    ) -> Result<Result<OwnVm, TemplateDone>, NodeError> {
        let outdated = |text: String| Ok(Err(TemplateDone::Outdated(text)));
        let Some((config, digest)) = self.config(vmid).await? else {
            return outdated(format!("VM {vmid} is gone"));
        };
        let has_line = config.mark_line() == Some(mark);
        match config.mark_of(vmid) {
            Some(found) if found.owner != self.shared.config.owner => outdated(format!(
                "VM {vmid} is managed by another controller, {}",
                found.owner
            )),
            Some(mark) if has_line => Ok(Ok(OwnVm {
                config,
                digest,
                mark,
            })),
            Some(_) => outdated(format!(
                "the notes of VM {vmid} hold another mark than before"
            )),
            None => outdated(format!("the notes of VM {vmid} hold no mark of its own")),
        }
    }

    /// Runs a task on a virtual machine, which is held meanwhile.
    pub(super) async fn run(
        &self,
        held: impl Send + 'static,
        start: impl Future<Output = Result<Option<Upid>, PveError>> + Send + 'static,
    ) -> Result<(), FailedTask> {
        let done = run_task(self.api().clone(), held, start).await;
        // Whatever became of it: what is known of VMIDs is old.
        self.shared.vms.forget(&self.known.cluster);
        done
    }

    /// A task that did not do its work.
    pub(super) fn task_failed(&self, what: &'static str, failed: FailedTask) -> NodeError {
        failed_with(&self.node, what, failed.error, failed.log)
    }
}

pub(super) fn is_missing(error: &PveError) -> bool {
    matches!(error.vm_refusal(), Some(VmRefusal::Missing(_)))
}
