//! What processes tell each other through the store: the reports of sites, and what operators
//! say of rollouts. The program's own code asks the simulated objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::controllers::{LedSet, SeatId, SiteSet};
use super::objects::{ObjectPut, ObjectsWay, RequestFate, WorldObjects};
use super::orders::number;
use super::rollouts::site_name;
use super::{FleetWorld, Happening, INTERVAL, Process, SECOND, Time};
use crate::app::Instructions;
use crate::bucket::Bucket;
use crate::conclude::{Report, Status, site_report};
use crate::facts::{FleetView, KnownInstructions, Memory, RolloutInstruction, SiteReport};
use crate::fleet::{FleetKey, RolloutNews, SiteReports};
use crate::model::{LeaderEpoch, OrderId, SiteName};
use crate::nodes::Authority;

/// How often a process looks whether a report has to be renewed, and for news.
const LOOK: Time = 60 * SECOND;

/// So often reports say that they are renewed: a third of what they say in the program, but
/// not less than they are.
const RENEWED: u64 = 110;

/// For how long what a run saw counts.
pub(super) const LASTS: Time = INTERVAL * 3;

/// How old a report may be that others go by.
pub(super) const FRESH: Time = RENEWED * 3 * SECOND;

/// What a process has of the store.
pub(super) struct StoreAccess {
    way: ObjectsWay,
    bucket: Bucket,
    reports: SiteReports,
    /// By the sites that it serves.
    authorities: BTreeMap<usize, Authority>,
    news: RolloutNews,
}

/// What a process is told when a run begins.
#[derive(Default)]
pub(super) struct WasTold {
    /// `None` in a fleet without rings.
    pub fleet: Option<FleetView>,
    pub instructed: KnownInstructions,
    /// The same as the store has it, whatever the process makes of it.
    pub truth: TrueWords,
}

/// What the store has at the moment that a process asks it, as far as the answers got there.
#[derive(Default)]
pub(super) struct TrueWords {
    /// What operators said; `None` where nothing was heard of it.
    pub said: Option<BTreeMap<OrderId, RolloutInstruction>>,
    /// The report of each site; `None` where nothing was heard of them.
    pub reports: Option<BTreeMap<usize, TrueReport>>,
    pub at: Time,
}

/// A report in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrueReport {
    /// When it was written, by the store.
    pub written: Time,
    /// When it was sent, which may be earlier.
    pub sent: Time,
    pub epoch: u64,
}

impl StoreAccess {
    pub(super) fn new(objects: &WorldObjects, sites: &SiteSet) -> Self {
        let authorities = sites.iter();
        let authorities = authorities.map(|site| (*site, Authority::of_site(site_name(*site))));
        let way = objects.way();
        let bucket = Bucket::over(Arc::new(way.clone()), "simulated");
        Self {
            reports: SiteReports::new(bucket.clone(), FleetKey::new(b"fleet")),
            authorities: authorities.collect(),
            news: RolloutNews::default(),
            way,
            bucket,
        }
    }

    /// A process begins with what its controller remembers.
    pub(super) fn remember(&self, memory: &Memory) {
        let read = memory.instructions_read.clone();
        self.reports.remember_instructions(read);
    }

    pub(super) fn reports(&self) -> SiteReports {
        self.reports.clone()
    }
}

impl FleetWorld {
    /// A process asks the store now, and waits for nothing. True if every request got there
    /// and back.
    pub(super) fn asks<T>(&mut self, at: usize, asking: impl Future<Output = T>) -> (T, bool) {
        let fate = match self.random.u8(0..24) {
            _ if self.is_lost(at) => RequestFate::Lost,
            0 if self.is_trouble() => RequestFate::Fails(self.random.usize(0..3)),
            1 if self.is_trouble() => RequestFate::LosesAnswer(self.random.usize(0..3)),
            2 if self.is_trouble() => RequestFate::IsLate(self.random.usize(0..3)),
            _ => RequestFate::Fine,
        };
        let passed = Duration::from_millis(self.now - self.asked_at);
        self.asked_at = self.now;
        let store = &self.controllers[at].store;
        store.way.begin(self.now, fate);
        store.bucket.tell_time(self.day());
        let runtime = std::rc::Rc::clone(&self.runtime);
        let answer = runtime.block_on(async {
            tokio::time::advance(passed).await;
            asking.await
        });
        let (is_well, late) = self.controllers[at].store.way.end();
        for put in late {
            self.number += 1;
            self.late.insert(self.number, put);
            let lands = self.random.u64(0..90 * SECOND);
            self.after(lands, Happening::Lands(self.number));
        }
        (answer, is_well)
    }

    /// A write gets there that nobody waits for.
    pub(super) fn lands(&mut self, number: u64) {
        let put: Option<ObjectPut> = self.late.remove(&number);
        if let Some(put) = put {
            let is_report = put.is_report();
            let is_refused = self.objects.put(put, self.now).is_err();
            self.counts.late_reports += u64::from(is_report && is_refused);
        }
    }

    /// What a run of this process knows of the other sites, and what operators say.
    pub(super) fn view(&mut self, process: Process, led: &LedSet) -> WasTold {
        if !self.size.has_rings {
            return WasTold::default();
        }
        let at = process.controller;
        let own = led.keys().map(|site| site_name(*site)).collect();
        let reports = self.controllers[at].store.reports();
        let (fleet, is_heard) = self.asks(at, async { reports.view(&own).await });
        let reports_there = is_heard.then(|| self.true_reports());
        let before = self.controllers[at].memory.instructed.clone();
        let reports = self.controllers[at].store.reports();
        let read = reports.read_instructions();
        let known = async { Instructions::Shared(reports).known(&before).await };
        let (instructed, is_heard) = self.asks(at, known);
        WasTold {
            fleet: Some(fleet),
            instructed,
            truth: TrueWords {
                said: is_heard.then(|| self.said_to(&read)),
                reports: reports_there,
                at: self.now,
            },
        }
    }

    /// The reports that are in the store.
    fn true_reports(&self) -> BTreeMap<usize, TrueReport> {
        let sites = 0..self.size.sites;
        let written = sites.filter_map(|site| {
            let key = format!("v1/sites/{}/report.json", site_name(site));
            let (report, epoch) = self.objects.report(&key)?;
            let report = TrueReport {
                written: report.modified,
                sent: report.sent,
                epoch,
            };
            Some((site, report))
        });
        written.collect()
    }

    /// The authority of a process as it is now: whatever it tells its own code.
    fn authorized(&self, process: Process, site: usize) -> Authority {
        let authority = self.controllers[process.controller].store.authorities[&site].clone();
        match self.leads(process, site) {
            Some(epoch) => authority.grant(LeaderEpoch::new(epoch), Duration::MAX),
            None => authority.revoke(),
        }
        authority
    }

    /// A later report than its own tells a leader that it does not lead.
    fn heeds(&mut self, process: Process, site: usize, authority: &Authority) {
        if let Some(by) = authority.outranked_by()
            && self
                .leads(process, site)
                .is_none_or(|own| own < by.number())
        {
            self.counts.outdated += 1;
            let seat = SeatId { process, site };
            self.seat(seat).machine.outranked(by);
            self.turn(seat);
        }
    }

    fn signed(at: usize, report: &mut SiteReport) {
        report.leader = format!("host-{at}");
        report.renewed_within = Some(RENEWED);
    }

    /// A run is over: its sites tell the others.
    pub(super) fn publishes(
        &mut self,
        process: Process,
        led: &LedSet,
        report: &Report,
        memory: &Memory,
    ) {
        if !self.size.has_rings {
            return;
        }
        let (at, nodes) = (process.controller, self.size.nodes);
        let status = Status::default();
        for site in led.keys().copied() {
            let covers = |node: &_| number(node) / nodes == site;
            let (day, wanted) = (self.day(), BTreeSet::new());
            let mut told = site_report(&status, report, memory, day, wanted, covers);
            Self::signed(at, &mut told);
            let authority = self.authorized(process, site);
            let reports = self.controllers[at].store.reports();
            let lasts = Duration::from_millis(LASTS);
            let published = async { reports.publish(&authority, &told, lasts).await };
            let (published, _) = self.asks(at, published);
            self.counts.reports += u64::from(published.is_ok());
            self.heeds(process, site, &authority);
        }
    }

    /// Renews what its sites tell, and looks for news.
    pub(super) fn watches(&mut self, process: Process, goes_on: bool) {
        if !self.runs(process) || !self.size.has_rings {
            return;
        }
        if goes_on {
            let again = Happening::Watches {
                process,
                goes_on: true,
            };
            self.after(LOOK, again);
        }
        let at = process.controller;
        for site in self.led(process).into_keys() {
            let authority = self.authorized(process, site);
            let reports = self.controllers[at].store.reports();
            let renewed = reports.renew(&authority, |report| Self::signed(at, report));
            let _ = self.asks(at, renewed);
            self.heeds(process, site, &authority);
        }
        let reports = self.controllers[at].store.reports();
        let (view, _) = self.asks(at, async { reports.view(&BTreeSet::new()).await });
        let reports = self.controllers[at].store.reports();
        let asked = async { reports.instructions(&BTreeMap::new()).await.ok() };
        let (instructed, _) = self.asks(at, asked);
        let led = self.led(process).into_keys();
        let own: BTreeSet<SiteName> = led.map(site_name).collect();
        let news = &mut self.controllers[at].store.news;
        if news.are_there(&view, instructed, &own) && !own.is_empty() {
            self.calls(process);
        }
    }
}
