//! What is known: what was observed, what is remembered, and what came of each step.
//!
//! Plain values, and pure. Whoever looks at a place writes them ([`NodeState`],
//! [`CacheState`], [`Catalog`]), whoever runs a step does ([`Outcome`]), and whoever
//! decides or concludes reads them. So an adapter of a place knows nothing of plans.
//!
//! Each place can also be unknown, and unknown is never empty.

mod clusters;
mod coverage;
mod failure_kind;
mod fleet;
mod memory;
mod observed;
mod outcome;
mod rollout;
mod source_use;
mod step_id;
mod step_kind;
mod step_text;
mod storages;
mod template_mark;
mod upstream_use;
mod vms;

pub use clusters::{
    ClusterLook, Clusters, EndingCertificate, KnownCertificates, MissingPrivilege, StoppedWork,
};
pub use failure_kind::FailureKind;
pub use fleet::{FleetView, NodeCounts, OrderCounts, RingReport, SiteReport, SiteView};
pub use memory::{Backoff, ClockReading, KnownNode, Link, Memory, RelayBackoff, Suspended};
pub use observed::{
    CacheState, CachedFile, Catalog, DirState, FileFacts, Meta, NodeState, Observed, Part,
    Provenance, RecordEntry, References, Registration, RemoteFile, StorageRoot, VersionKnowledge,
    VersionSource,
};
pub use outcome::{Fact, Failure, Outcome};
pub use rollout::{
    KnownInstructions, Promotion, Promotions, ReadInstruction, RingMemory, RolloutChange,
    RolloutInstruction, RolloutMemory,
};
pub use source_use::SourceUse;
pub use step_id::{ApprovalId, StepId};
pub use step_kind::StepKind;
pub use step_text::StepText;
pub use storages::{DescribedStorage, NodeStorages, StorageConfig};
pub use template_mark::{TemplateMark, TemplateState};
pub use upstream_use::{
    RateLimit, RequestCounts, StorePurpose, StoreUse, StoredStock, UpstreamUse,
};
pub use vms::{NodeVms, VmConfig, VmInventory, VmSeat};
