//! Requests about leaderships, and what comes of them.

use std::time::Duration;

use super::telling::StoreAccess;
use super::{FleetWorld, Happening, Process, SECOND, Time};
use crate::fleet::leadership::body::LeadershipBody;
use crate::fleet::leadership::machine::{Task, Wrote};

/// What is on its way to the store or back.
#[derive(Debug, Clone)]
pub(super) struct WorldRequest {
    pub process: Process,
    /// `None` to read.
    write: Option<(LeadershipBody, Option<LeadershipBody>)>,
    answer: Option<WorldAnswer>,
    is_over: bool,
}

#[derive(Debug, Clone)]
enum WorldAnswer {
    Read(Option<LeadershipBody>),
    Wrote(Wrote<LeadershipBody>),
    Failed,
}

impl FleetWorld {
    pub(super) fn turn(&mut self, process: Process) {
        let at = process.controller;
        if !self.runs(process) || self.controllers[at].asked.is_some() {
            return;
        }
        let now = self.local(at);
        let task = self.controllers[at].machine.next(now);
        self.led_is_looked_at(process);
        match task {
            Task::Wait(until) => {
                let until = self.real(at, until);
                self.at(until, Happening::Turn(process));
            }
            Task::Done => {
                // An orderly stop: the next process begins some time later.
                self.controllers[at].is_alive = false;
                self.restart(at);
            }
            Task::Read => self.send(process, None),
            Task::Write { body, after } => self.send(process, Some((body, after))),
        }
    }

    /// A run begins as soon as the site is led, and two never lead it.
    fn led_is_looked_at(&mut self, process: Process) {
        let at = process.controller;
        let leads = self.leads(process).is_some();
        let led = std::mem::replace(&mut self.controllers[at].led, leads);
        if !leads {
            return;
        }
        let other = at ^ 1;
        let life = self.controllers[other].life;
        let other = Process {
            controller: other,
            life,
        };
        let acts = self.controllers[other.controller].stopped_until <= self.now;
        assert!(
            self.was_restored || !acts || self.leads(other).is_none(),
            "two lead site {} at {}",
            Self::site_of(at),
            self.now
        );
        if !led {
            self.counts.leaders += 1;
            let last = self.led_by[Self::site_of(at)].replace(at);
            if last != Some(at) && !self.was_restored {
                // What it knows of rings was before another one led.
                self.controllers[at].begun.clear();
            }
            let watches = Happening::Watches {
                process,
                goes_on: false,
            };
            self.at(self.now, watches);
            self.controllers[at].due = self.now;
            self.at(self.now, Happening::Looks(process));
        }
    }

    fn send(&mut self, process: Process, write: Option<(LeadershipBody, Option<LeadershipBody>)>) {
        self.number += 1;
        let number = self.number;
        let at = process.controller;
        let patience = self.controllers[at].machine.patience();
        let gives_up = self.real(at, self.local(at) + patience);
        self.controllers[at].asked = Some(number);
        let request = WorldRequest {
            process,
            write,
            answer: None,
            is_over: false,
        };
        self.requests.insert(number, request);
        if !self.is_lost(at) {
            let arrives = self.delay();
            self.after(arrives, Happening::Arrives(number));
        }
        let given_up = Happening::Answered {
            request: number,
            is_given_up: true,
        };
        self.at(gives_up, given_up);
    }

    /// Whether a message between a controller and the store is lost now.
    pub(super) fn is_lost(&mut self, controller: usize) -> bool {
        self.is_trouble()
            && (self.random.u8(0..20) == 0
                || self.controllers[controller].cut_until > self.now
                || self.store.down_until > self.now)
    }

    fn delay(&mut self) -> Time {
        match self.random.u8(0..12) {
            0 if self.is_trouble() => self.random.u64(0..25 * SECOND),
            1 if self.is_trouble() => self.random.u64(0..3 * SECOND),
            _ => self.random.u64(1..40),
        }
    }

    pub(super) fn arrives(&mut self, number: u64) {
        let Some(request) = self.requests.get(&number).cloned() else {
            return;
        };
        if request.answer.is_some() {
            return;
        }
        let at = request.process.controller;
        let site = Self::site_of(at);
        // An error may be told before or after the write.
        let fails = self.is_trouble() && self.random.u8(0..15) == 0;
        let is_before = self.random.bool();
        let answer = match &request.write {
            _ if fails && is_before => WorldAnswer::Failed,
            None => WorldAnswer::Read(self.store.leaders[site].clone()),
            Some((body, after)) if self.store.leaders[site] == *after => {
                self.store.leaders[site] = Some(body.clone());
                self.taken(&request, body);
                WorldAnswer::Wrote(Wrote::Done(body.clone()))
            }
            Some(_) => WorldAnswer::Wrote(Wrote::Unclear),
        };
        if let Some(request) = self.requests.get_mut(&number) {
            request.answer = Some(if fails { WorldAnswer::Failed } else { answer });
        }
        if !self.is_lost(at) {
            let answered = self.delay();
            let answer = Happening::Answered {
                request: number,
                is_given_up: false,
            };
            self.after(answered, answer);
        }
    }

    /// A write was accepted: of two processes none writes under the same epoch.
    fn taken(&mut self, request: &WorldRequest, body: &LeadershipBody) {
        if body.holder.is_none() || self.was_restored {
            return;
        }
        let life = request.process.life;
        let epoch = (
            Self::site_of(request.process.controller),
            body.epoch.number(),
        );
        let holder = self.holders.entry(epoch).or_insert(life);
        assert_eq!(*holder, life, "two hold epoch {epoch:?}");
    }

    pub(super) fn answered(&mut self, number: u64, is_given_up: bool) {
        let Some(request) = self.requests.get_mut(&number) else {
            return;
        };
        let (process, is_write) = (request.process, request.write.is_some());
        let is_over = std::mem::replace(&mut request.is_over, true);
        let answer = request.answer.take().filter(|_| !is_given_up);
        if is_given_up {
            // A write that is still on its way arrives all the same.
            request.answer = None;
        }
        if is_over || !self.runs(process) {
            self.forget(number);
            return;
        }
        let at = process.controller;
        self.controllers[at].asked = None;
        let now = self.local(at);
        let machine = &mut self.controllers[at].machine;
        match answer {
            Some(WorldAnswer::Read(found)) => {
                machine.read(now, Some(found.map(|one| (one.clone(), one))));
            }
            Some(WorldAnswer::Wrote(wrote)) => machine.wrote(now, wrote),
            Some(WorldAnswer::Failed) | None if is_write => machine.wrote(now, Wrote::Unclear),
            Some(WorldAnswer::Failed) | None => machine.read(now, None),
        }
        self.turn(process);
    }

    /// Nobody waits for it any more; a write may still be on its way.
    fn forget(&mut self, number: u64) {
        let is_done = |one: &WorldRequest| one.write.is_none();
        if self.requests.get(&number).is_some_and(is_done) {
            self.requests.remove(&number);
        }
    }

    /// Every request that is on its way is lost.
    pub(super) fn lose_requests(&mut self) {
        let lost = std::mem::take(&mut self.requests);
        for (number, request) in lost {
            let process = request.process;
            if request.is_over || !self.runs(process) {
                continue;
            }
            let at = process.controller;
            if self.controllers[at].asked == Some(number) {
                self.controllers[at].asked = None;
                let now = self.local(at);
                let machine = &mut self.controllers[at].machine;
                match request.write {
                    Some(_) => machine.wrote(now, Wrote::Unclear),
                    None => machine.read(now, None),
                }
            }
        }
    }

    pub(super) fn restart(&mut self, at: usize) {
        let now: Duration = self.local(at);
        let machine = self.machine(at, now);
        let life = self.lives;
        let store = StoreAccess::new(&self.objects, Self::site_of(at));
        self.controllers[at].restart(machine, life, store);
        let process = Process {
            controller: at,
            life,
        };
        self.begins(process, self.now);
    }
}
