//! A history from its beginning to its end, and what has to be then.

use std::cmp::Reverse;

use super::{FleetWorld, Process, SECOND, Time};
use crate::plan::{Blocked, BlockedReason};

/// So often it is looked whether everything has come to rest.
const CHECK: Time = 60 * SECOND;

/// So often it has to be so in a row: each site has had another run then.
const AT_REST: u32 = 3;

impl FleetWorld {
    /// The whole history.
    pub(super) fn run(mut self) -> Self {
        let (trouble, end) = (self.size.trouble(), self.size.trouble() + self.size.peace());
        let mut was_made = false;
        let mut check = trouble + 120 * SECOND;
        let mut at_rest = 0;
        while let Some(Reverse((time, number, what))) = self.queue.pop() {
            if time > end || at_rest == AT_REST {
                break;
            }
            if time >= trouble && !std::mem::replace(&mut was_made, true) {
                self.now = trouble;
                self.make_peace();
                // Something may be due before it now.
                self.queue.push(Reverse((time, number, what)));
                continue;
            }
            if time >= check {
                check = time + CHECK;
                at_rest = match self.unrest() {
                    None => at_rest + 1,
                    Some(_) => 0,
                };
            }
            self.now = time;
            // What happens to a process that is stopped happens when it goes on.
            if let Some(until) = self.stopped(what) {
                self.queue.push(Reverse((until, number, what)));
                continue;
            }
            self.happens(what);
        }
        if let Some(why) = self.unrest() {
            panic!("{why}");
        }
        if self.size.is_calm {
            // Nobody follows anybody, and every image is downloaded once.
            assert_eq!(self.holders.len(), self.size.sites);
            assert_eq!(self.counts.downloads, self.store.index.len() as u64);
        }
        self
    }

    /// Why it is not so that every site has one leader, every node what the orders want, and
    /// the planner finds nothing more to do.
    fn unrest(&self) -> Option<String> {
        for site in 0..self.size.sites {
            let serving = self.serving(site).into_iter();
            let leaders = serving.filter(|process| self.leads(*process, site).is_some());
            let leaders: Vec<Process> = leaders.collect();
            let [leader] = leaders.as_slice() else {
                return Some(format!("{leaders:?} lead site {site} in the end"));
            };
            let last = self.controllers[leader.controller].last.as_ref();
            let Some(last) = last.filter(|last| last.led.contains_key(&site)) else {
                return Some(format!("no run of site {site} came to an end"));
            };
            let plan = &last.look.plan;
            let wanted = &self.revisions[last.revision];
            // Where no order is for a site any more, files stay until an operator agrees;
            // while a position is invalid, they stay in any case.
            let is_meant = |blocked: &Blocked| match blocked.reason {
                BlockedReason::OverBudget { .. } => last.look.desired.positions.is_empty(),
                BlockedReason::PruneBlocked { .. } => !wanted.is_valid,
                _ => false,
            };
            if !plan.steps.is_empty() || !plan.blocked.iter().all(is_meant) {
                let (steps, blocked) = (&plan.steps, &plan.blocked);
                return Some(format!(
                    "site {site} does not come to rest: {steps:#?} {blocked:#?}"
                ));
            }
            if last.revision != self.revisions.len() - 1 {
                return Some(format!("site {site} goes by old orders"));
            }
        }
        let wanted = &self.revisions[self.revisions.len() - 1].wanted;
        let mut lacking = wanted.iter().filter_map(|(node, files)| {
            let file = files.iter().find(|file| !self.nodes[*node].has(file))?;
            Some(format!("node {node} lacks {file}"))
        });
        lacking.next()
    }
}
