//! Ending a plan before it is done, because operators say something else by now.
//!
//! No further step begins then. What is running comes to its end, because half of it is of
//! use to nobody; a download and a push of what was stopped end at once, because their parts
//! stay and the next run that wants them resumes them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::facts::StepId;
use crate::plan::{Action, Step};

/// Ends a plan before it is done. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recall(Arc<Recalled>);

#[derive(Debug, Default)]
struct Recalled {
    called: CancellationToken,
    /// The pushes that end at once.
    stopped: OnceLock<BTreeSet<StepId>>,
}

impl Recall {
    /// Ends it, and these pushes with it. Counts once.
    pub(crate) fn call(&self, stopped: BTreeSet<StepId>) {
        self.0.stopped.get_or_init(|| stopped);
        self.0.called.cancel();
    }

    /// True once it is called.
    pub(crate) fn is_called(&self) -> bool {
        self.0.called.is_cancelled()
    }

    /// Returns when a step is not to go on, or not to begin; never where it comes to its end.
    pub(super) async fn ends(&self, step: &Step, has_begun: &AtomicBool) {
        self.0.called.cancelled().await;
        let stopped = self.0.stopped.get();
        let is_stopped = stopped.is_some_and(|stopped| stopped.contains(&step.id));
        let is_download = matches!(step.action, Action::Fetch { .. });
        if has_begun.load(Ordering::Relaxed) && !is_stopped && !is_download {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::model::{PushTarget, Sha256};
    use crate::plan::{WantedBy, Why};

    fn step(action: Action) -> Step {
        Step {
            id: action.step_id(),
            action,
            why: Why::Missing,
            needs: Vec::new(),
            wanted_by: WantedBy::default(),
        }
    }

    /// Something that changes a node, in the place of a push.
    fn on(node: &str) -> Step {
        step(Action::PruneNode {
            target: PushTarget {
                node: node.parse().unwrap(),
                dir: "/iso".parse().unwrap(),
            },
            file: "a.iso".parse().unwrap(),
            bytes: 1,
            sha256: Sha256::from_bytes([0; 32]),
        })
    }

    fn ends(recall: &Recall, step: &Step, has_begun: bool) -> bool {
        let has_begun = AtomicBool::new(has_begun);
        let mut context = Context::from_waker(Waker::noop());
        let ends = std::pin::pin!(recall.ends(step, &has_begun));
        ends.poll(&mut context).is_ready()
    }

    #[test]
    fn what_has_begun_comes_to_its_end_unless_it_is_stopped() {
        let recall = Recall::default();
        let (first, second) = (on("pve-1"), on("pve-2"));
        for has_begun in [true, false] {
            assert!(!ends(&recall, &first, has_begun));
        }
        recall.call(BTreeSet::from([first.id.clone()]));
        assert!(recall.clone().is_called());
        assert!(ends(&recall, &first, true));
        assert!(!ends(&recall, &second, true));
        assert!(ends(&recall, &second, false));
    }
}
