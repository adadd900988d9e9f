//! Who leads a site, decided step by step, without a clock and without a store.
//!
//! [`LeadershipMachine::next`] says what is to be done now, and what comes of it is told with
//! [`LeadershipMachine::read`] and [`LeadershipMachine::wrote`]. All times are those of one clock of this
//! machine that nobody can set and that counts while the machine sleeps. The clocks of two
//! machines are never compared, so they may show any time; what is relied on is that they
//! run equally fast, give or take a tenth.
//!
//! Two things keep two controllers from leading at once. A leader leads for two thirds of
//! the time to live, counted from before it *sent* its last good request, and another one
//! takes over after one and a quarter of it without a change, counted from after it first
//! *saw* the last one. And each write names the one that it follows, so of several that
//! follow the same one only one is accepted. A process that was stopped in between knows
//! none of this; for that nodes refuse old epochs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::body::{ControllerName, LeadershipBody};
use crate::model::LeaderEpoch;

/// A time of this machine's own clock.
pub(super) type BootTime = Duration;

/// What is to be done now. Each request is answered before the next question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task<T> {
    /// Read the object.
    Read,
    /// Write it.
    Write {
        body: LeadershipBody,
        /// The object that it follows; `None` if there must be none.
        after: Option<T>,
    },
    /// Nothing before this time.
    Wait(BootTime),
    /// Nothing any more: the leadership was given up.
    Done,
}

/// How writing went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrote<T> {
    /// It is there, under this tag.
    Done(T),
    /// Something else is there, or the answer does not say what is.
    Unclear,
}

/// Who leads, as far as this controller knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub(crate) enum SiteStanding {
    /// The store was not read, or not for a long time.
    Unknown,
    /// Another controller leads, or nobody does yet.
    Standby {
        /// Who leads; `None` where nobody does.
        leader: Option<ControllerName>,
        /// Under which epoch it does, or the last one did.
        epoch: LeaderEpoch,
        /// That it does was seen since this process looks: it is not one that is gone.
        is_renewed: bool,
    },
    /// This controller leads.
    Leader {
        /// Under which epoch.
        epoch: LeaderEpoch,
        /// Until then, if the leadership is not renewed before.
        until: Duration,
    },
}

/// The leadership of one site, as one process sees and wants it. `T` tells one write of the
/// object from another.
#[derive(Debug)]
pub(super) struct LeadershipMachine<T> {
    me: ControllerName,
    nonce: String,
    ttl: Duration,
    /// The number of the last write.
    seq: u64,
    /// The highest epoch that was seen anywhere.
    highest: LeaderEpoch,
    /// The highest epoch that a node named.
    outranked: LeaderEpoch,
    view: View<T>,
    held: Option<Held<T>>,
    /// The write that is on its way.
    sent: Option<Unsettled>,
    /// Writes of which nobody knows whether they were accepted, or will be.
    unsettled: Vec<Unsettled>,
    /// The object has to be read before anything else is done.
    must_read: bool,
    read_at: BootTime,
    write_at: BootTime,
    /// When the object was last read or written with success.
    known_at: Option<BootTime>,
    leaving: bool,
    left: bool,
}

/// What was last seen of the object.
#[derive(Debug)]
enum View<T> {
    Unknown,
    Absent,
    Seen {
        tag: T,
        body: LeadershipBody,
        /// When it was first seen like this.
        since: BootTime,
        /// It was seen otherwise before.
        is_renewed: bool,
    },
}

#[derive(Debug)]
struct Held<T> {
    epoch: LeaderEpoch,
    seq: u64,
    tag: T,
    until: BootTime,
    renew_at: BootTime,
}

#[derive(Debug, Clone)]
struct Unsettled {
    body: LeadershipBody,
    at: BootTime,
}

impl<T: Clone + PartialEq> LeadershipMachine<T> {
    /// Of a process that has just begun. `nonce` is of no other process.
    pub(super) fn new(me: ControllerName, nonce: String, ttl: Duration, now: BootTime) -> Self {
        Self {
            me,
            nonce,
            ttl,
            seq: 0,
            highest: LeaderEpoch::new(0),
            outranked: LeaderEpoch::new(0),
            view: View::Unknown,
            held: None,
            sent: None,
            unsettled: Vec::new(),
            must_read: true,
            read_at: now,
            write_at: now,
            known_at: None,
            leaving: false,
            left: false,
        }
    }

    /// How long a request may take before its answer counts as lost.
    pub(super) fn patience(&self) -> Duration {
        self.ttl / 6
    }

    /// Between two attempts after something failed, and between two looks where the leader
    /// should have renewed by now.
    fn pause(&self) -> Duration {
        self.ttl / 15
    }

    /// What is to be done now.
    pub(super) fn next(&mut self, now: BootTime) -> Task<T> {
        if self.left {
            return Task::Done;
        }
        // A write that nobody answered may have made this process the leader.
        if self.leaving && self.held.is_none() && self.unsettled.is_empty() {
            self.left = true;
            return Task::Done;
        }
        if self.must_read {
            return self.read_when_due(now);
        }
        if let Some(held) = &self.held {
            let (epoch, due) = match held.epoch <= self.outranked {
                true => (self.highest.next(), self.write_at),
                false => (held.epoch, held.renew_at.max(self.write_at)),
            };
            let tag = held.tag.clone();
            if self.leaving {
                let epoch = held.epoch;
                return self.write(None, epoch, Some(tag), now);
            }
            if now < due {
                return Task::Wait(due);
            }
            return self.write(Some(self.me.clone()), epoch, Some(tag), now);
        }
        if self.leaving {
            self.left = true;
            return Task::Done;
        }
        let (after, free_at) = match &self.view {
            View::Unknown => return self.read_when_due(now),
            View::Absent => (None, now),
            View::Seen {
                tag, body, since, ..
            } => {
                let ttl = body.ttl();
                let free_at = match body.holder {
                    None => now,
                    Some(_) => *since + ttl + ttl / 4,
                };
                (Some(tag.clone()), free_at)
            }
        };
        let free_at = free_at.max(self.write_at);
        if free_at <= now {
            let epoch = self.highest.next();
            return self.write(Some(self.me.clone()), epoch, after, now);
        }
        match self.read_at <= now {
            true => Task::Read,
            false => Task::Wait(self.read_at.min(free_at)),
        }
    }

    fn read_when_due(&self, now: BootTime) -> Task<T> {
        match self.read_at <= now {
            true => Task::Read,
            false => Task::Wait(self.read_at),
        }
    }

    fn write(
        &mut self,
        holder: Option<ControllerName>,
        epoch: LeaderEpoch,
        after: Option<T>,
        now: BootTime,
    ) -> Task<T> {
        self.seq += 1;
        let body = LeadershipBody {
            epoch,
            seq: self.seq,
            holder,
            nonce: self.nonce.clone(),
            ttl_ms: u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX),
        };
        self.sent = Some(Unsettled {
            body: body.clone(),
            at: now,
        });
        Task::Write { body, after }
    }

    /// The write that [`next`](Self::next) asked for was answered, or given up.
    pub(super) fn wrote(&mut self, now: BootTime, answer: Wrote<T>) {
        let Some(sent) = self.sent.take() else { return };
        match answer {
            Wrote::Done(tag) => self.confirm(&sent, tag, now),
            Wrote::Unclear => {
                self.unsettled.push(sent);
                self.must_read = true;
                self.read_at = now;
                self.write_at = now + self.pause() / 2;
            }
        }
    }

    /// A write of ours is what stands there.
    fn confirm(&mut self, sent: &Unsettled, tag: T, now: BootTime) {
        let Unsettled { body, at } = sent;
        self.known_at = Some(now);
        self.highest = self.highest.max(body.epoch);
        // What was sent before followed another object and is refused for ever.
        self.unsettled.retain(|other| other.body.seq > body.seq);
        self.held = body.holder.as_ref().map(|_| Held {
            epoch: body.epoch,
            seq: body.seq,
            tag: tag.clone(),
            until: *at + self.ttl * 2 / 3,
            renew_at: *at + self.ttl / 3,
        });
        self.left = body.holder.is_none();
        self.view = View::Seen {
            tag,
            body: body.clone(),
            since: now,
            is_renewed: true,
        };
    }

    /// The object was read: what is there, or that nothing is. `None` where nobody knows.
    pub(super) fn read(&mut self, now: BootTime, found: Option<Option<(T, LeadershipBody)>>) {
        let Some(found) = found else {
            self.read_at = now + self.pause();
            return;
        };
        self.must_read = false;
        self.known_at = Some(now);
        let Some((tag, body)) = found else {
            self.held = None;
            self.view = View::Absent;
            return;
        };
        self.highest = self.highest.max(body.epoch);
        let is_new = !matches!(&self.view, View::Seen { tag: known, .. } if *known == tag);
        self.read_at = now + if is_new { self.ttl / 6 } else { self.pause() };
        let is_ours = body.nonce == self.nonce;
        if let Some(held) = self.held.as_mut()
            && is_ours
            && held.seq == body.seq
        {
            // After a restore the same bytes may have another tag.
            held.tag = tag;
            return;
        }
        let unsettled = self.unsettled.iter();
        let mut unsettled = unsettled.filter(|sent| is_ours && sent.body == body);
        if let Some(sent) = unsettled.next().cloned() {
            self.confirm(&sent, tag, now);
            return;
        }
        // Of another process; or an old one of ours, from a backup: then others may have
        // led since, and it proves nothing.
        self.held = None;
        self.unsettled.clear();
        if is_new {
            let is_renewed = !matches!(self.view, View::Unknown);
            let since = now;
            self.view = View::Seen {
                tag,
                body,
                since,
                is_renewed,
            };
        }
    }

    /// A node has seen this epoch. Whoever leads under an older one, or this one, needs a
    /// higher one.
    pub(super) fn outranked(&mut self, by: LeaderEpoch) {
        self.outranked = self.outranked.max(by);
        self.highest = self.highest.max(by);
    }

    /// The leadership is to be given up.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    /// True once it is to be given up.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Who leads, as far as it is known now.
    pub(super) fn standing(&self, now: BootTime) -> SiteStanding {
        if let Some(held) = &self.held {
            let is_valid = now < held.until && held.epoch > self.outranked && !self.leaving;
            return match is_valid {
                true => SiteStanding::Leader {
                    epoch: held.epoch,
                    until: held.until,
                },
                false => SiteStanding::Unknown,
            };
        }
        let is_fresh = |at: BootTime| now < at + self.ttl;
        match &self.view {
            _ if !self.known_at.is_some_and(is_fresh) => SiteStanding::Unknown,
            View::Unknown => SiteStanding::Unknown,
            View::Absent => SiteStanding::Standby {
                leader: None,
                epoch: self.highest,
                is_renewed: false,
            },
            View::Seen {
                body, is_renewed, ..
            } => SiteStanding::Standby {
                leader: body.holder.clone(),
                epoch: body.epoch,
                is_renewed: *is_renewed,
            },
        }
    }
}
