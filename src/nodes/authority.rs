//! Whether this process may change anything on a node now, and under which epoch.
//!
//! Several controllers may serve one site, and one of them leads. Who leads is decided
//! elsewhere; here stands only what that means for nodes: each operation asks before it
//! begins, names its epoch to the node, and ends when the authority does. Nodes keep the
//! highest epoch that they saw, and refuse an older one.

use std::sync::Arc;

use tokio::sync::watch;

use crate::model::{LeaderEpoch, SiteName};

/// Whether this process may change anything on the nodes of one site. Clones are one.
#[derive(Debug, Clone)]
pub struct Authority {
    site: Option<SiteName>,
    state: Arc<watch::Sender<AuthorityState>>,
}

/// Two are the same if what is told to one is told to the other.
impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}

impl Eq for Authority {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AuthorityState {
    /// While this process leads.
    epoch: Option<LeaderEpoch>,
    /// The highest epoch that a node named in place of obeying.
    outranked: Option<LeaderEpoch>,
}

/// What an operation on a node names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The site.
    pub site: SiteName,
    /// The epoch of its leader.
    pub epoch: LeaderEpoch,
}

/// This process does not lead the site, or does not any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this controller does not lead the site {site}")]
pub struct NotLeading {
    /// The site.
    pub site: SiteName,
}

impl Authority {
    /// That of a single controller: it has no fence, and always may.
    pub fn single() -> Self {
        Self::new(None)
    }

    /// That of one controller among several, which does not lead yet.
    pub fn of_site(site: SiteName) -> Self {
        Self::new(Some(site))
    }

    fn new(site: Option<SiteName>) -> Self {
        let none = AuthorityState {
            epoch: None,
            outranked: None,
        };
        Self {
            site,
            state: Arc::new(watch::Sender::new(none)),
        }
    }

    /// From now on this process leads, under this epoch.
    pub fn grant(&self, epoch: LeaderEpoch) {
        self.state.send_modify(|state| {
            // Who was outranked may not go on; a higher epoch is what was asked for.
            let stays = state.outranked.filter(|&outranked| outranked >= epoch);
            state.outranked = stays;
            state.epoch = match stays {
                Some(_) => None,
                None => Some(epoch),
            };
        });
    }

    /// From now on it does not. Operations that run end, and no other begins.
    pub fn revoke(&self) {
        self.state.send_modify(|state| state.epoch = None);
    }

    /// What an operation that begins now names; `None` for a single controller.
    ///
    /// # Errors
    /// While this process does not lead.
    pub fn fence(&self) -> Result<Option<Fence>, NotLeading> {
        let Some(site) = &self.site else {
            return Ok(None);
        };
        match self.state.borrow().epoch {
            Some(epoch) => Ok(Some(Fence {
                site: site.clone(),
                epoch,
            })),
            None => Err(NotLeading { site: site.clone() }),
        }
    }

    /// A node has seen a higher epoch: this process does not lead any more.
    pub fn outranked(&self, by: LeaderEpoch) {
        self.state.send_if_modified(|state| {
            // It is our own: what was refused began under an earlier one of ours.
            if state.epoch.is_some_and(|own| own >= by) {
                return false;
            }
            let known = state.outranked;
            state.outranked = Some(known.map_or(by, |known| known.max(by)));
            state.epoch = None;
            true
        });
    }

    /// Waits until a node has seen a higher epoch than this process leads under, or led.
    pub async fn is_outranked(&self) -> LeaderEpoch {
        let mut state = self.state.subscribe();
        let seen = state.wait_for(|state| state.outranked.is_some()).await;
        match seen.ok().and_then(|state| state.outranked) {
            Some(by) => by,
            // The sender is this value itself.
            None => std::future::pending().await,
        }
    }

    /// Waits until this process does not lead under this epoch, or never did.
    pub async fn has_ended(&self, epoch: LeaderEpoch) {
        let mut state = self.state.subscribe();
        // The sender is this value itself.
        let _ = state.wait_for(|state| state.epoch != Some(epoch)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u64) -> LeaderEpoch {
        LeaderEpoch::new(number)
    }

    #[test]
    fn who_was_outranked_leads_again_under_a_higher_epoch_only() {
        let authority = Authority::of_site("prague".parse().unwrap());
        assert!(authority.fence().is_err());
        authority.grant(epoch(5));
        assert_eq!(authority.fence().unwrap().unwrap().epoch, epoch(5));
        authority.outranked(epoch(7));
        assert!(authority.fence().is_err());
        authority.grant(epoch(7));
        assert!(authority.fence().is_err());
        authority.grant(epoch(8));
        assert_eq!(authority.fence().unwrap().unwrap().epoch, epoch(8));
        authority.revoke();
        assert!(authority.fence().is_err());
    }

    #[test]
    fn what_was_begun_under_an_earlier_leadership_does_not_end_this_one() {
        let authority = Authority::of_site("prague".parse().unwrap());
        authority.grant(epoch(6));
        authority.outranked(epoch(6));
        assert_eq!(authority.fence().unwrap().unwrap().epoch, epoch(6));
    }

    #[test]
    fn a_single_controller_has_no_fence() {
        assert_eq!(Authority::single().fence(), Ok(None));
    }
}
