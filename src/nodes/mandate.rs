//! What an operation that changes a node works under: the authority over its site, and the
//! epoch at which the operation began.

use sha2::{Digest, Sha256};

use super::authority::{Authority, Fence, NotLeading};
use super::error::NodeError;
use super::protocol::answer::ScriptAnswer;
use crate::io::process::printable;
use crate::model::{LeaderEpoch, NodeId};
use crate::proxmox::ChangePermit;

/// The permission for one operation. Later ones ask the authority anew.
#[derive(Debug, Clone)]
pub(crate) struct Mandate {
    authority: Authority,
    fence: Option<Fence>,
}

impl Mandate {
    /// # Errors
    /// While this process does not lead the site.
    pub(crate) fn begin(authority: &Authority) -> Result<Self, NotLeading> {
        Ok(Self {
            fence: authority.fence()?,
            authority: authority.clone(),
        })
    }

    /// Does the work for as long as the authority lasts. Work that is under way is dropped
    /// then, without waiting for the node. The authority is asked before each step of the
    /// work, so nothing is begun behind its end.
    pub(crate) async fn during<T, E: From<NotLeading>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(fence) = &self.fence else {
            return work.await;
        };
        let done = self.authority.while_led(fence.epoch, work).await;
        done.unwrap_or_else(|| Err(fence.not_leading().into()))
    }

    /// The error of what was not begun because the authority has ended; `None` for a single
    /// controller.
    pub(crate) fn ended(&self) -> Option<NotLeading> {
        self.fence.as_ref().map(Fence::not_leading)
    }

    /// Reads what a script says of leaders, if anything: an error where it changed nothing
    /// for them, and `None` where that is no answer to this operation. A later leader ends
    /// the authority.
    pub(crate) fn read(
        &self,
        node: &NodeId,
        answer: &ScriptAnswer<'_>,
    ) -> Option<Result<(), NodeError>> {
        let node = node.clone();
        if let Some(site) = answer.first("of-fleet") {
            let site = printable(site);
            return Some(Err(NodeError::OfFleet { node, site }));
        }
        if answer.first("fenced-by").is_none() {
            return Some(Ok(()));
        }
        let [number] = answer.numbers("fenced-by")?;
        let epoch = LeaderEpoch::new(number);
        let fence = self.fence.as_ref().filter(|fence| fence.epoch < epoch)?;
        self.authority.outranked(epoch);
        if epoch >= LeaderEpoch::TOO_LARGE {
            return None;
        }
        let site = fence.site.clone();
        Some(Err(NodeError::Outranked { node, site, epoch }))
    }

    /// What the scripts on a node are told, see `fence.sh`: `HASH/SITE:EPOCH`, or `HASH/`
    /// for a single controller. Neither owners nor sites can be confused in it: an owner may
    /// hold any character, and no site has a `/` or a `:`.
    pub(crate) fn words(&self, owner: &str) -> String {
        let hash: [u8; 32] = Sha256::digest(owner).into();
        let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        match &self.fence {
            Some(Fence { site, epoch }) => format!("{hash:08x}/{site}:{epoch}"),
            None => format!("{hash:08x}/"),
        }
    }

    /// The same for the holder of a lease, behind the instance; empty for a single
    /// controller, whose leases are what they were.
    pub(crate) fn suffix(&self, owner: &str) -> String {
        match &self.fence {
            Some(_) => format!("+{}", self.words(owner)),
            None => String::new(),
        }
    }
}

/// Asked right before each request: work in tasks of its own is not polled by
/// [`during`](Mandate::during).
impl ChangePermit for Mandate {
    fn may_change(&self) -> bool {
        let fence = self.fence.as_ref();
        fence.is_none_or(|fence| self.authority.lasts(fence.epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(epoch: u64) -> Authority {
        let authority = Authority::of_site("prague".parse().unwrap());
        authority.grant(LeaderEpoch::new(epoch), std::time::Duration::MAX);
        authority
    }

    #[test]
    fn nodes_are_told_of_owner_site_and_epoch() {
        let mandate = Mandate::begin(&leader(5)).unwrap();
        assert_eq!(mandate.words("homelab"), "8be0b544/prague:5");
        assert_eq!(mandate.suffix("homelab"), "+8be0b544/prague:5");
        let single = Mandate::begin(&Authority::single()).unwrap();
        assert_eq!(single.words("homelab"), "8be0b544/");
        assert_eq!(single.suffix("homelab"), "");
    }

    #[tokio::test]
    async fn work_that_waits_ends_with_the_authority_and_begins_nothing_behind_it() {
        let authority = leader(5);
        let mandate = Mandate::begin(&authority).unwrap();
        let waiting = mandate.during(std::future::pending::<Result<(), NotLeading>>());
        let (ended, ()) = tokio::join!(waiting, async { authority.revoke() });
        assert!(ended.is_err());
        let begun = std::cell::Cell::new(false);
        let work = async {
            begun.set(true);
            Ok::<_, NotLeading>(())
        };
        assert!(mandate.during(work).await.is_err());
        assert!(!begun.get());
        // What led again since is another leadership.
        authority.grant(LeaderEpoch::new(6), std::time::Duration::MAX);
        assert!(
            mandate
                .during(async { Ok::<_, NotLeading>(()) })
                .await
                .is_err()
        );
    }

    #[test]
    fn only_a_later_leader_ends_the_authority() {
        let authority = leader(5);
        let mandate = Mandate::begin(&authority).unwrap();
        let node = "pve-01".parse().unwrap();
        let read = |value: &str| {
            let fields = vec![("fenced-by", value.as_bytes())];
            let noise = String::new();
            mandate.read(&node, &ScriptAnswer { noise, fields })
        };
        let too_large = ["100000000000000000", "18446744073709551615"];
        let others = ["0", "4", "5", "", "6 7", "18446744073709551616"];
        for no_answer in others.into_iter().chain(too_large) {
            assert!(read(no_answer).is_none(), "{no_answer}");
        }
        assert!(authority.fence().is_ok());
        let error = read("6").unwrap().unwrap_err();
        assert!(matches!(error, NodeError::Outranked { .. }), "{error:?}");
        assert!(authority.fence().is_err());
    }
}
