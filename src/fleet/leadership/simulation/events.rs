//! What happens, one occurrence after the other.

use std::time::Duration;

use super::{Occurrence, Request, SECOND, StoreAnswer, Time, World};
use crate::fleet::leadership::body::LeadershipBody;
use crate::fleet::leadership::machine::{SiteStanding, Task, Wrote};
use crate::model::LeaderEpoch;

impl World {
    pub(super) fn occurs(&mut self, what: Occurrence) {
        match what {
            Occurrence::Turn { controller, life } => self.turn(controller, life),
            Occurrence::Arrives { request } => self.arrives(request),
            Occurrence::Answered { request, given_up } => self.answered(request, given_up),
            Occurrence::Continues { controller, life } => {
                if self.runs(controller, life) {
                    for late in std::mem::take(&mut self.controllers[controller].late) {
                        self.answered(late, false);
                    }
                    self.turn(controller, life);
                }
            }
            Occurrence::Work {
                controller,
                life,
                epoch,
                node,
            } => {
                self.works(controller, life, epoch, node);
            }
            Occurrence::Strikes => {
                if self.is_trouble() {
                    self.strike();
                    let next = self.now + self.random.u64(SECOND..25 * SECOND);
                    self.at(next, Occurrence::Strikes);
                }
            }
        }
    }

    fn turn(&mut self, at: usize, life: u64) {
        if !self.runs(at, life) || self.controllers[at].asked.is_some() {
            return;
        }
        if self.controllers[at].paused_until > self.now {
            return;
        }
        let now = self.local(at);
        self.begin_work(at, life, now);
        match self.controllers[at].machine.next(now) {
            Task::Wait(until) => {
                let until = self.real(at, until);
                self.at(
                    until,
                    Occurrence::Turn {
                        controller: at,
                        life,
                    },
                );
            }
            Task::Done => {
                // An orderly stop: the next process begins some time later.
                self.controllers[at].is_alive = false;
                self.restart(at);
            }
            Task::Read => self.send(at, None),
            Task::Write { body, after } => self.send(at, Some((body, after))),
        }
    }

    fn send(&mut self, at: usize, write: Option<(LeadershipBody, Option<LeadershipBody>)>) {
        self.number += 1;
        let number = self.number;
        let patience = self.controllers[at].machine.patience();
        let gives_up = self.real(at, self.local(at) + patience);
        self.controllers[at].asked = Some(number);
        let request = Request {
            controller: at,
            life: self.controllers[at].life,
            write,
            answer: None,
            is_over: false,
        };
        self.requests.insert(number, request);
        let is_lost = self.is_trouble() && (self.random.u8(0..20) == 0 || self.cut[at] > self.now);
        if !is_lost {
            let arrives = self.now + self.delay();
            self.at(arrives, Occurrence::Arrives { request: number });
        }
        self.at(
            gives_up,
            Occurrence::Answered {
                request: number,
                given_up: true,
            },
        );
    }

    fn delay(&mut self) -> Time {
        match self.random.u8(0..12) {
            0 if self.is_trouble() => self.random.u64(0..25 * SECOND),
            1 if self.is_trouble() => self.random.u64(0..3 * SECOND),
            _ => self.random.u64(1..40),
        }
    }

    fn arrives(&mut self, number: u64) {
        let is_trouble = self.is_trouble();
        let Some(request) = self.requests.get(&number).cloned() else {
            return;
        };
        if request.answer.is_some() {
            return;
        }
        // An error may be told before or after the write, a write repeated on the way.
        let fails = is_trouble && self.random.u8(0..15) == 0;
        let is_before = self.random.bool();
        let answer = match &request.write {
            _ if fails && is_before => StoreAnswer::Failed,
            None => StoreAnswer::Read(self.store.clone()),
            Some((body, after)) => match self.store == *after {
                true => {
                    self.store = Some(body.clone());
                    self.backups.push(body.clone());
                    self.taken(&request, body);
                    StoreAnswer::Wrote(Wrote::Done(body.clone()))
                }
                false => StoreAnswer::Wrote(Wrote::Unclear),
            },
        };
        let answer = if fails { StoreAnswer::Failed } else { answer };
        let is_lost =
            is_trouble && (self.random.u8(0..20) == 0 || self.cut[request.controller] > self.now);
        if let Some(request) = self.requests.get_mut(&number) {
            request.answer = Some(answer);
        }
        if !is_lost {
            let answered = self.now + self.delay();
            let given_up = false;
            self.at(
                answered,
                Occurrence::Answered {
                    request: number,
                    given_up,
                },
            );
        }
    }

    /// A write was accepted: of two processes none writes under the same epoch.
    fn taken(&mut self, request: &Request, body: &LeadershipBody) {
        if body.holder.is_none() || self.was_restored {
            return;
        }
        let holder = self
            .holders
            .entry(body.epoch.number())
            .or_insert(request.life);
        assert_eq!(*holder, request.life, "two hold epoch {}", body.epoch);
    }

    fn answered(&mut self, number: u64, given_up: bool) {
        let Some(request) = self.requests.get(&number).cloned() else {
            return;
        };
        let at = request.controller;
        if request.is_over || !self.runs(at, request.life) {
            return;
        }
        if self.controllers[at].paused_until > self.now {
            self.controllers[at].late.push(number);
            return;
        }
        self.requests
            .entry(number)
            .and_modify(|one| one.is_over = true);
        self.controllers[at].asked = None;
        let now = self.local(at);
        let machine = &mut self.controllers[at].machine;
        let answer = request.answer.filter(|_| !given_up);
        let is_read = request.write.is_none() && !matches!(answer, Some(StoreAnswer::Wrote(_)));
        match answer {
            Some(StoreAnswer::Read(found)) => {
                machine.read(now, Some(found.map(|one| (one.clone(), one))));
            }
            Some(StoreAnswer::Wrote(wrote)) => machine.wrote(now, wrote),
            Some(StoreAnswer::Failed) | None if is_read => {
                // Whichever it was.
                machine.read(now, None);
                machine.wrote(now, Wrote::Unclear);
            }
            Some(StoreAnswer::Failed) | None => machine.wrote(now, Wrote::Unclear),
        }
        self.turn(at, request.life);
    }

    /// A leader begins to change something on a node: it looks whether it leads, and what it
    /// sends may get there much later, whatever became of the controller.
    fn begin_work(&mut self, at: usize, life: u64, now: Duration) {
        let standing = self.controllers[at].machine.standing(now);
        let SiteStanding::Leader { epoch, .. } = standing else {
            return;
        };
        self.leaders += 1;
        let epoch = epoch.number();
        let told = self.controllers[at].told;
        assert!(epoch > told, "it leads under {epoch} and knows of {told}");
        let node = self.random.usize(0..2);
        let gets_there = match self.random.u8(0..4) {
            0 if self.is_trouble() => self.now + self.random.u64(0..90 * SECOND),
            _ => self.now + self.random.u64(1..100),
        };
        let controller = at;
        self.at(
            gets_there,
            Occurrence::Work {
                controller,
                life,
                epoch,
                node,
            },
        );
    }

    fn works(&mut self, at: usize, life: u64, epoch: u64, node: usize) {
        let known = self.nodes[node].epoch;
        if epoch < known {
            if self.runs(at, life) && self.controllers[at].paused_until <= self.now {
                let by = LeaderEpoch::new(known);
                let controller = &mut self.controllers[at];
                controller.told = controller.told.max(known);
                controller.machine.outranked(by);
                self.turn(at, life);
            }
            return;
        }
        let node = &mut self.nodes[node];
        if epoch == known && !self.was_restored {
            assert!(
                node.by.is_none_or(|by| by == life),
                "two write under {epoch}"
            );
        }
        (node.epoch, node.by) = (epoch, Some(life));
        self.done += 1;
    }

    fn strike(&mut self) {
        let at = self.random.usize(0..self.controllers.len());
        let life = self.controllers[at].life;
        match self.random.u8(0..10) {
            0..=2 => {
                let until = self.now + self.random.u64(SECOND..90 * SECOND);
                self.controllers[at].paused_until = until;
                self.at(
                    until,
                    Occurrence::Continues {
                        controller: at,
                        life,
                    },
                );
            }
            3 => self.controllers[at].is_alive = false,
            4 | 5 => {
                self.controllers[at].paused_until = 0;
                self.restart(at);
            }
            6 | 7 => self.cut[at] = self.now + self.random.u64(SECOND..60 * SECOND),
            8 => {
                self.controllers[at].machine.leave();
                self.at(
                    self.now,
                    Occurrence::Turn {
                        controller: at,
                        life,
                    },
                );
            }
            _ => {
                if self.restores && !self.backups.is_empty() {
                    let backup = self.random.usize(0..self.backups.len());
                    self.store = Some(self.backups[backup].clone());
                    self.was_restored = true;
                }
            }
        }
    }
}
