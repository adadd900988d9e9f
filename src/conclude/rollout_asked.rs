//! What an operator asks for of the rollouts of an order, at the command line or on the
//! status page.

use std::collections::BTreeSet;
use std::fmt;

use super::action_record::OperatorAction;
use super::rollouts::{self, RolloutLine};
use crate::facts::{Promotion, RolloutChange};
use crate::model::{OrderId, RingName};

/// What an operator asks for of the rollouts of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutAsked {
    /// No further ring begins.
    Pause,
    /// A pause ends.
    Resume,
    /// All rings begin at once with the releases of the last run, or those up to this one.
    Promote(Option<RingName>),
    /// Nothing more of the releases of the last run is delivered.
    Rollback,
}

/// Why that cannot be done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RolloutRefused {
    /// The last run had no release of the order in rings.
    #[error(
        "the last run had no rollout of order {order}; expected {}",
        one_of(known)
    )]
    NoRollout {
        /// The order.
        order: OrderId,
        /// Those that have one.
        known: Vec<String>,
    },
    /// The order has no such ring.
    #[error("order {order} has no ring {ring}; expected {}", one_of(known))]
    NoRing {
        /// The order.
        order: OrderId,
        /// The ring.
        ring: RingName,
        /// Its rings with nodes.
        known: Vec<String>,
    },
}

fn one_of(names: &[String]) -> String {
    match names {
        [] => "an order with `rollout`".to_owned(),
        names => names.join(", "),
    }
}

impl RolloutAsked {
    /// What changes by it, with what the last run had in rings.
    ///
    /// # Errors
    /// When the last run had no such order or ring, and one is needed.
    pub fn change(
        &self,
        order: &OrderId,
        lines: &[RolloutLine],
    ) -> Result<RolloutChange, RolloutRefused> {
        match self {
            Self::Pause => return Ok(RolloutChange::Pause),
            Self::Resume => return Ok(RolloutChange::Resume),
            Self::Promote(_) | Self::Rollback => {}
        }
        let releases = rollouts::releases(lines, order);
        if releases.is_empty() {
            let known: BTreeSet<&OrderId> = lines.iter().map(|line| &line.planned.order).collect();
            return Err(RolloutRefused::NoRollout {
                order: order.clone(),
                known: known.into_iter().map(ToString::to_string).collect(),
            });
        }
        let Self::Promote(ring) = self else {
            return Ok(RolloutChange::Stop(releases));
        };
        let rings = rollouts::rings(lines, order);
        let to = match ring {
            None => Promotion::Everywhere,
            Some(ring) if rings.contains(&ring) => Promotion::UpTo(ring.clone()),
            Some(ring) => {
                return Err(RolloutRefused::NoRing {
                    order: order.clone(),
                    ring: ring.clone(),
                    known: rings.into_iter().map(ToString::to_string).collect(),
                });
            }
        };
        Ok(RolloutChange::Promote { releases, to })
    }

    /// As which action it is kept.
    pub const fn action(&self) -> OperatorAction {
        match self {
            Self::Pause => OperatorAction::Pause,
            Self::Resume => OperatorAction::Resume,
            Self::Promote(_) => OperatorAction::Promote,
            Self::Rollback => OperatorAction::Rollback,
        }
    }

    /// To what it is done, as it is kept: `rollouts of order web`, or `v1.11.2 of order web
    /// to ring prod`.
    pub fn object(&self, order: &OrderId, lines: &[RolloutLine]) -> String {
        let versions = VersionsOf(order, lines);
        match self {
            Self::Pause | Self::Resume => format!("rollouts of order {order}"),
            Self::Promote(None) => format!("{versions} of order {order} to all rings"),
            Self::Promote(Some(ring)) => format!("{versions} of order {order} to ring {ring}"),
            Self::Rollback => format!("{versions} of order {order}"),
        }
    }
}

/// The versions of an order in rings.
struct VersionsOf<'a>(&'a OrderId, &'a [RolloutLine]);

impl fmt::Display for VersionsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.1.iter().filter(|line| line.planned.order == *self.0);
        let versions: BTreeSet<_> = lines.map(|line| &line.planned.version).collect();
        let versions: Vec<String> = versions.into_iter().map(ToString::to_string).collect();
        f.write_str(&versions.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclude::rollouts::tests::half_way;

    fn lines() -> Vec<RolloutLine> {
        vec![
            RolloutLine::new(&half_way("db"), None),
            RolloutLine::new(&half_way("web"), None),
        ]
    }

    #[test]
    fn a_promotion_is_for_the_releases_and_rings_of_the_last_run() {
        let (lines, web) = (lines(), "web".parse().unwrap());
        let ring = |name: &str| RolloutAsked::Promote(Some(name.parse().unwrap()));
        let change = ring("prod").change(&web, &lines).unwrap();
        let RolloutChange::Promote { releases, to } = change else {
            panic!("{change:?}");
        };
        assert_eq!(releases, BTreeSet::from([half_way("web").release]));
        assert_eq!(to, Promotion::UpTo("prod".parse().unwrap()));
        assert_eq!(
            ring("prod").object(&web, &lines),
            "v1.11.2 of order web to ring prod"
        );
        let why = ring("pro").change(&web, &lines).unwrap_err().to_string();
        assert_eq!(why, "order web has no ring pro; expected canary, prod");
    }

    #[test]
    fn an_order_without_a_rollout_can_be_paused_and_not_promoted() {
        let (lines, other) = (lines(), "other".parse().unwrap());
        let pause = RolloutAsked::Pause.change(&other, &lines);
        assert_eq!(pause, Ok(RolloutChange::Pause));
        let why = RolloutAsked::Rollback.change(&other, &lines).unwrap_err();
        assert_eq!(
            why.to_string(),
            "the last run had no rollout of order other; expected db, web"
        );
        let why = RolloutAsked::Promote(None).change(&other, &[]).unwrap_err();
        assert_eq!(
            why.to_string(),
            "the last run had no rollout of order other; expected an order with `rollout`"
        );
    }
}
