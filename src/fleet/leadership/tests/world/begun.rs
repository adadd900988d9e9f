//! Which rings may have begun, by what is true in the world and not by what a plan says.
//!
//! A ring of an image begins rightly in a run where one of these holds, by the orders that the
//! run read, and nobody stopped the image in what the run was told:
//!
//! - It is promoted, in what the run was told; or it is the first one with nodes.
//! - Every ring before it had the image and has soaked ([`FleetWorld::has_had`]), on the nodes
//!   of all sites, it is neither manual nor paused, and no position of the order is invalid.
//! - It had begun in the last run of this controller that came to its end, in all the sites
//!   that this one is for too, no other controller led one of those since then, and the orders
//!   wanted the image in each run.
//!
//! Of a ring without nodes in the sites of the run it says nothing: nothing is delivered there.
//!
//! What a run was told counts, not what stands in the store: docs/rollouts.md says that an
//! instruction applies from the next run, and a run that hears nothing goes by what was said
//! last and begins nothing. Other sites count as they were when a run of theirs ended, since
//! they say no more: the last run of the process that wrote the report, which is fresh, and at
//! most [`LASTS`] before it did. What is lost there later, nobody can know.
//!
//! Two things make this weaker than the words of the documentation. Where there is no run of a
//! site between a rollback and a promotion, it is not judged that its rings begin anew. And
//! after a store was restored, reports and epochs of before may be there again, and those after
//! are forgotten: what holds then is that the rings before had the image and soaked once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::controllers::SiteSet;
use super::telling::{FRESH, LASTS, TrueWords};
use super::{FleetWorld, Process, SECOND, Time};
use crate::facts::{Promotion, RolloutInstruction};
use crate::model::{FileName, OrderId, Release, Rollout};
use crate::plan::{Action, Plan, Step};

/// Times are told in whole seconds.
const ROUNDED: Time = 2 * SECOND;

/// A ring of an image of an order.
pub(super) type RingOf = (OrderId, Release, usize);

/// Rings that have begun, with the sites of the run that its nodes were in.
pub(super) type BegunRings = BTreeMap<RingOf, SiteSet>;

/// What was there when a run looked at a site that came to its end.
pub(super) struct SiteLook {
    /// The process that looked.
    pub life: u64,
    pub at: Time,
    pub ended: Time,
    pub seen: SeenFiles,
}

/// The files of each node as they should be; `None` of one that does not answer.
pub(super) type SeenFiles = BTreeMap<usize, Option<BTreeSet<FileName>>>;

/// What a run has to go by, as it is true.
pub(super) struct RunTruth<'a> {
    pub process: Process,
    /// The sites that it is for.
    pub led: &'a SiteSet,
    pub revision: usize,
    pub told: &'a TrueWords,
    pub seen: &'a SeenFiles,
}

/// The nodes of a ring in a site, with what they are to have.
type PartNodes<'a> = Vec<(usize, &'a BTreeSet<FileName>)>;

/// In which time a ring of a site has to have had an image.
struct Soak<'a> {
    nodes: &'a PartNodes<'a>,
    may_lack: usize,
    millis: Time,
    /// Only what this process saw counts.
    by: Option<u64>,
}

impl Soak<'_> {
    /// How many of its nodes are so.
    fn count(&self, is_so: impl Fn(usize, &BTreeSet<FileName>) -> bool) -> usize {
        let nodes = self.nodes.iter();
        nodes.filter(|(node, files)| is_so(*node, files)).count()
    }
}

impl FleetWorld {
    /// The rings that have begun in a plan, all of them rightly; and every push is in one.
    pub(super) fn begun(&mut self, truth: &RunTruth<'_>, plan: &Plan) -> BegunRings {
        let mut begun = BegunRings::new();
        for planned in &plan.rollouts {
            let rollout = self.rollout(truth.revision, &planned.order).clone();
            for ring in planned.rings.iter().filter(|ring| ring.is_open) {
                let at = match &ring.name {
                    Some(name) => rollout.rings.iter().position(|one| one.name == *name),
                    None => Some(rollout.rings.len()),
                };
                let ring = (planned.order.clone(), planned.release.clone(), at.unwrap());
                let sites = self.sites_of(truth, &ring);
                if sites.is_empty() {
                    continue;
                }
                if let Err(why) = self.may_begin(truth, &ring, &sites) {
                    panic!(
                        "{ring:?} has begun at {} in {:?}: {why}",
                        self.now, truth.process
                    );
                }
                begun.insert(ring, sites);
            }
        }
        for step in &plan.steps {
            self.is_rightly_pushed(truth, step, &begun);
        }
        self.counts.rings += begun.keys().filter(|(_, _, ring)| *ring > 0).count() as u64;
        begun
    }

    /// Of the orders that want an image on a node, one at least may have it there.
    fn is_rightly_pushed(&self, truth: &RunTruth<'_>, step: &Step, begun: &BegunRings) {
        let Action::Push {
            target, artifact, ..
        } = &step.action
        else {
            return;
        };
        let node = super::orders::number(&target.node);
        let site = self.nodes[node].site;
        let mut wanted_by = step.wanted_by.iter();
        let may_go = wanted_by.any(|position| {
            let rollout = self.rollout(truth.revision, &position.order);
            let ring = self.rings.ring_of(rollout, node, site);
            let ring = (position.order.clone(), Release::of(artifact), ring);
            rollout.rings.is_empty() || begun.contains_key(&ring)
        });
        assert!(may_go, "{:?} does not wait for its ring", step.id);
    }

    /// What operators said, as a run knows it.
    fn known_said(&self, truth: &RunTruth<'_>, order: &OrderId) -> RolloutInstruction {
        match &truth.told.said {
            Some(said) => said.get(order).cloned().unwrap_or_default(),
            None => {
                let last = &self.controllers[truth.process.controller].said;
                RolloutInstruction {
                    is_paused: true,
                    ..last.get(order).cloned().unwrap_or_default()
                }
            }
        }
    }

    /// Why a ring may not have begun in a run.
    fn may_begin(
        &mut self,
        truth: &RunTruth<'_>,
        ring: &RingOf,
        sites: &SiteSet,
    ) -> Result<(), String> {
        let (order, release, at) = ring;
        let said = self.known_said(truth, order);
        let rollout = self.rollout(truth.revision, order).clone();
        let rings = &rollout.rings;
        if said.stopped.contains(release) {
            return Err("it is stopped".to_owned());
        }
        let promoted = match said.promoted.get(release) {
            Some(Promotion::Everywhere) => rings.len() + 1,
            Some(Promotion::UpTo(name)) => {
                let up_to = rings.iter().position(|ring| ring.name == *name);
                up_to.map_or(0, |ring| ring + 1)
            }
            None => 0,
        };
        if *at < promoted {
            self.counts.promoted += 1;
            return Ok(());
        }
        let known = &self.controllers[truth.process.controller].begun;
        let known = known.get(ring);
        if known.is_some_and(|known| known.is_superset(sites)) {
            return Ok(());
        }
        if said.is_paused {
            return Err("it is paused".to_owned());
        }
        if self.revisions[truth.revision].partial.contains(order) {
            return Err("its order has an invalid position".to_owned());
        }
        if rings.get(*at).is_some_and(|ring| ring.is_manual) {
            return Err("nobody promoted it".to_owned());
        }
        for before in 0..*at {
            self.has_soaked(truth, (order, release, before), &rollout)?;
        }
        Ok(())
    }

    /// The sites of a run that the nodes of a ring are in.
    fn sites_of(&self, truth: &RunTruth<'_>, (order, release, at): &RingOf) -> SiteSet {
        let revision = &self.revisions[truth.revision];
        let rollout = self.rollout(truth.revision, order);
        let wanted = revision.releases.get(&(order.clone(), release.clone()));
        let nodes = wanted.into_iter().flat_map(BTreeMap::keys);
        let of_ring = nodes.filter_map(|node| {
            let site = self.nodes[*node].site;
            let is_in = || self.rings.ring_of(rollout, *node, site) == *at;
            (truth.led.contains(&site) && is_in()).then_some(site)
        });
        of_ring.collect()
    }

    /// Why a ring keeps those after it waiting.
    fn has_soaked(
        &mut self,
        truth: &RunTruth<'_>,
        (order, release, at): (&OrderId, &Release, usize),
        rollout: &Rollout,
    ) -> Result<(), String> {
        let ring = &rollout.rings[at];
        let wanted = &self.revisions[truth.revision].releases[&(order.clone(), release.clone())];
        let mut parts: BTreeMap<usize, PartNodes<'_>> = BTreeMap::new();
        for (node, files) in wanted {
            let site = self.nodes[*node].site;
            if self.rings.ring_of(rollout, *node, site) == at {
                parts.entry(site).or_default().push((*node, files));
            }
        }
        let mut awaited = 0;
        for (site, nodes) in &parts {
            let soak = Soak {
                may_lack: ring.max_unavailable.of(nodes.len()),
                millis: ring.soak_seconds * SECOND,
                nodes,
                by: None,
            };
            let is_own = truth.led.contains(site);
            let has_soaked = match is_own {
                true => self.has_had_here(truth, *site, &soak),
                false => self.has_had_there(truth.told, *site, &soak),
            };
            has_soaked.map_err(|why| format!("{} in site {site} {why}", ring.name))?;
            awaited += u64::from(!is_own);
        }
        self.counts.awaited += awaited;
        Ok(())
    }

    fn has_had_here(
        &self,
        truth: &RunTruth<'_>,
        site: usize,
        soak: &Soak<'_>,
    ) -> Result<(), String> {
        let now = SiteLook {
            life: truth.process.life,
            at: self.now,
            ended: self.now,
            seen: self.of_site(truth.seen, site),
        };
        let has_had = self.has_had(site, &now, soak);
        if !self.was_restored || has_had.is_ok() {
            return has_had;
        }
        self.had_once(site, soak)
    }

    fn has_had_there(&self, told: &TrueWords, site: usize, soak: &Soak<'_>) -> Result<(), String> {
        let Some(reports) = &told.reports else {
            return Err("is not known: the store did not answer".to_owned());
        };
        let Some(report) = reports.get(&site) else {
            return Err("has never reported".to_owned());
        };
        if self.was_restored {
            return self.had_once(site, soak);
        }
        if report.written + FRESH + ROUNDED < told.at {
            return Err(format!("has an old report at {}: {report:?}", told.at));
        }
        // What an earlier leader saw, or an earlier run, it does not say.
        let writer = self.holders.get(&(site, report.epoch));
        let looks = self.looks[site].iter();
        let mut said = looks
            .filter(|look| Some(&look.life) == writer && look.ended <= report.sent)
            .filter(|look| look.ended + LASTS + SECOND >= report.sent);
        match said.next_back() {
            Some(look) => self.has_had(site, look, soak),
            None => Err(format!("has a report of no run: {report:?}")),
        }
    }

    /// At the end of some run it had, as far as the process of that run knows: leaders in
    /// between may be those that the restored store forgot.
    fn had_once(&self, site: usize, soak: &Soak<'_>) -> Result<(), String> {
        let had = |look: &SiteLook| {
            let by = Some(look.life);
            self.has_had(site, look, &Soak { by, ..*soak }).is_ok()
        };
        match self.looks[site].iter().any(had) {
            true => Ok(()),
            false => Err("never had it for so long".to_owned()),
        }
    }

    /// Whether the nodes of a ring in a site had an image for the whole soak, but for those
    /// that may be out of sync: by when files came to nodes and went, and by what every run
    /// saw that came to its end. What no such run saw is no interruption.
    fn has_had(&self, site: usize, last: &SiteLook, soak: &Soak<'_>) -> Result<(), String> {
        let since = (last.ended + ROUNDED).saturating_sub(soak.millis);
        let lacks = |look: &SiteLook, nodes: &PartNodes<'_>| -> usize {
            let lacking = nodes.iter().filter(|(node, files)| {
                let seen = look.seen.get(node).and_then(Option::as_ref);
                !seen.is_some_and(|seen| seen.is_superset(files))
            });
            lacking.count()
        };
        let looks = || {
            let looks = self.looks[site].iter();
            looks.filter(|look| soak.by.is_none_or(|life| look.life == life))
        };
        for look in looks() {
            if look.at > since && look.ended <= last.ended {
                let lacking = lacks(look, soak.nodes);
                if lacking > soak.may_lack {
                    return Err(format!("lacked it on {lacking} nodes at {}", look.at));
                }
            }
        }
        let came = |node: &usize, files: &BTreeSet<FileName>, from: Time, to: Time| {
            let spans = &self.nodes[*node].spans;
            files.iter().all(|file| {
                let spans = spans.get(file).into_iter().flatten();
                let mut came = spans.filter(|(began, _)| (from..=to).contains(began));
                came.any(|(_, ended)| {
                    let Some(ended) = ended.filter(|_| soak.may_lack == 0) else {
                        return true;
                    };
                    let mut after =
                        looks().filter(|look| ended < look.at && look.ended <= last.ended);
                    !after.any(|look| {
                        let seen = look.seen.get(node).and_then(Option::as_ref);
                        seen.is_some_and(|seen| !seen.contains(file))
                    })
                })
            })
        };
        let late = soak.count(|node, files| !came(&node, files, 0, since));
        if late > soak.may_lack {
            return Err(format!("had it too late on {late} nodes, by {since}"));
        }
        // It was there at the last look, or came in that run.
        let lacking = soak.count(|node, files| {
            let seen = last.seen.get(&node).and_then(Option::as_ref);
            let is_seen = seen.is_some_and(|seen| seen.is_superset(files));
            !is_seen && !came(&node, files, last.at, last.ended)
        });
        match lacking > soak.may_lack {
            true => Err(format!("lacks it on {lacking} nodes at {}", last.at)),
            false => Ok(()),
        }
    }

    /// What a look at some sites finds, as it is.
    pub(super) fn seen(&self, sites: &SiteSet) -> SeenFiles {
        let nodes = sites.iter().flat_map(|site| self.nodes_of(*site));
        nodes
            .map(|node| (node, self.nodes[node].seen(self.now)))
            .collect()
    }

    fn nodes_of(&self, site: usize) -> Range<usize> {
        site * self.size.nodes..(site + 1) * self.size.nodes
    }

    /// What of that is of one site.
    pub(super) fn of_site(&self, seen: &SeenFiles, site: usize) -> SeenFiles {
        let nodes = seen.range(self.nodes_of(site));
        nodes.map(|(node, seen)| (*node, seen.clone())).collect()
    }

    /// What a controller remembers of rings after a run. An image that the orders do not want
    /// is forgotten; while they are in doubt, it is not.
    pub(super) fn remembers(&mut self, at: usize, revision: usize, begun: BegunRings, plan: &Plan) {
        let is_valid = self.revisions[revision].is_valid;
        let is_planned = |(order, release, _): &RingOf| {
            let mut planned = plan.rollouts.iter();
            planned.any(|one| one.order == *order && one.release == *release)
        };
        let known = &mut self.controllers[at].begun;
        known.retain(|ring, _| !is_valid && !is_planned(ring));
        known.extend(begun);
    }
}
