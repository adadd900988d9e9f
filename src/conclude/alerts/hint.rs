//! What an operator can do about a failure.

use crate::conclude::Reason;

/// What helps, where the reason alone says it; `order` is what `status --order` takes.
pub(super) fn hint(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::InvalidOrder => {
            "correct the file; `talos-order validate` shows every problem of the orders"
        }
        Reason::SourceRejected => {
            "the last good revision stays in effect: correct the branch or tag; `talos-order \
             status` has a hint"
        }
        Reason::SourceUnavailable => {
            "check the git server and the login; it is asked again automatically"
        }
        Reason::Conflict => {
            "two orders want different images at one path, or a file that is not ours is there: \
             change an order, or move the file away"
        }
        Reason::NoSuchVersion => {
            "order a version that exists; `talos-order versions --all` lists them"
        }
        Reason::DigestMismatch => {
            "the content is not what was promised: check the factory and what is between, then \
             run `talos-order reconcile`"
        }
        Reason::InsufficientSpace => {
            "free space there, or order less; `talos-order get nodes` shows the free space"
        }
        Reason::NotMounted => "mount the storage on the node",
        Reason::StorageUnusable => {
            "enable the storage for this kind of image, or order another storage"
        }
        Reason::DirectoryMissing => {
            "create the directory on the node, or set `create: true` for the node"
        }
        Reason::PermissionDenied => {
            "check the login or the token; `talos-order validate --online` says what is missing"
        }
        Reason::PruneBlocked => "`talos-order status` says what is to be pruned and what blocks it",
        Reason::TargetUnreachable => {
            "check that the node is up and reachable; it is asked again automatically"
        }
        Reason::UpstreamRateLimited | Reason::UpstreamUnavailable => {
            "check the upstream and the network; it is tried again automatically"
        }
        Reason::Failed => "`talos-order events` shows the step; it may need an operator",
        Reason::BackingOff
        | Reason::OutsideWindow
        | Reason::WaitsForRing
        | Reason::WaitsForPromotion
        | Reason::Suspended
        | Reason::NotSelected
        | Reason::Interrupted => return None,
    })
}
