//! Requests about leaderships, and what comes of them.

use super::controllers::SeatId;
use super::{FleetWorld, Happening, Process, SECOND, Time};
use crate::fleet::leadership::body::LeadershipBody;
use crate::fleet::leadership::machine::{Task, Wrote};

/// What is on its way to the store or back.
#[derive(Debug, Clone)]
pub(super) struct WorldRequest {
    pub seat: SeatId,
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
    pub(super) fn turn(&mut self, id: SeatId) {
        let at = id.process.controller;
        if !self.runs(id.process) {
            return;
        }
        let now = self.local(at);
        let seat = self.seat(id);
        if seat.asked.is_some() || seat.is_left {
            return;
        }
        let task = seat.machine.next(now);
        self.led_is_looked_at(id);
        match task {
            Task::Wait(until) => {
                let until = self.real(at, until);
                self.at(until, Happening::Turn(id));
            }
            Task::Done => {
                self.seat(id).is_left = true;
                // An orderly stop: the next process begins some time later.
                let controller = &mut self.controllers[at];
                if controller.seats.values().all(|seat| seat.is_left) {
                    controller.is_alive = false;
                    self.restart(at);
                }
            }
            Task::Read => self.send(id, None),
            Task::Write { body, after } => self.send(id, Some((body, after))),
        }
    }

    /// A run begins as soon as a site is led, and two never lead it.
    fn led_is_looked_at(&mut self, id: SeatId) {
        let SeatId { process, site } = id;
        let at = process.controller;
        let leads = self.leads(process, site).is_some();
        let led = std::mem::replace(&mut self.seat(id).led, leads);
        if !leads {
            return;
        }
        for other in self.serving(site) {
            let acts = self.controllers[other.controller].stopped_until <= self.now;
            let is_other = other.controller != at;
            assert!(
                self.was_restored || !acts || !is_other || self.leads(other, site).is_none(),
                "two lead site {site} at {}",
                self.now
            );
        }
        if !led {
            self.counts.leaders += 1;
            let last = self.led_by[site].replace(at);
            if last != Some(at) && !self.was_restored {
                // What it knows of rings with nodes there was before another one led.
                let begun = &mut self.controllers[at].begun;
                begun.retain(|_, sites| !sites.contains(&site));
            }
            let watches = Happening::Watches {
                process,
                goes_on: false,
            };
            self.at(self.now, watches);
            self.calls(process);
        }
    }

    /// A run is to begin now, or after the present one.
    pub(super) fn calls(&mut self, process: Process) {
        let controller = &mut self.controllers[process.controller];
        controller.due = self.now;
        controller.is_called = true;
        self.at(self.now, Happening::Looks(process));
    }

    fn send(&mut self, seat: SeatId, write: Option<(LeadershipBody, Option<LeadershipBody>)>) {
        self.number += 1;
        let number = self.number;
        let at = seat.process.controller;
        let patience = self.seat(seat).machine.patience();
        let gives_up = self.real(at, self.local(at) + patience);
        self.seat(seat).asked = Some(number);
        let request = WorldRequest {
            seat,
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
        let SeatId { process, site } = request.seat;
        let at = process.controller;
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
        let life = request.seat.process.life;
        let epoch = (request.seat.site, body.epoch.number());
        let holder = self.holders.entry(epoch).or_insert(life);
        assert_eq!(*holder, life, "two hold epoch {epoch:?}");
    }

    pub(super) fn answered(&mut self, number: u64, is_given_up: bool) {
        let Some(request) = self.requests.get_mut(&number) else {
            return;
        };
        let (seat, is_write) = (request.seat, request.write.is_some());
        let is_over = std::mem::replace(&mut request.is_over, true);
        let answer = request.answer.take().filter(|_| !is_given_up);
        if is_given_up {
            // A write that is still on its way arrives all the same.
            request.answer = None;
        }
        if is_over || !self.runs(seat.process) {
            self.forget(number);
            return;
        }
        let now = self.local(seat.process.controller);
        self.seat(seat).asked = None;
        let machine = &mut self.seat(seat).machine;
        match answer {
            Some(WorldAnswer::Read(found)) => {
                machine.read(now, Some(found.map(|one| (one.clone(), one))));
            }
            Some(WorldAnswer::Wrote(wrote)) => machine.wrote(now, wrote),
            Some(WorldAnswer::Failed) | None if is_write => machine.wrote(now, Wrote::Unclear),
            Some(WorldAnswer::Failed) | None => machine.read(now, None),
        }
        self.turn(seat);
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
            let id = request.seat;
            if request.is_over || !self.runs(id.process) {
                continue;
            }
            let now = self.local(id.process.controller);
            let seat = self.seat(id);
            if seat.asked == Some(number) {
                seat.asked = None;
                let machine = &mut seat.machine;
                match request.write {
                    Some(_) => machine.wrote(now, Wrote::Unclear),
                    None => machine.read(now, None),
                }
            }
        }
    }
}
