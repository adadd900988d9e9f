//! What goes wrong, and the end of it.

use super::controllers::SeatId;
use super::{FleetWorld, Happening, Process, SECOND};

impl FleetWorld {
    pub(super) fn strikes(&mut self) {
        if !self.is_trouble() {
            return;
        }
        // In a larger fleet more happens.
        let often = u64::try_from(self.size.sites).unwrap();
        let next = self.random.u64(SECOND..30 * SECOND) / often;
        self.after(next.max(1), Happening::Strikes);
        let at = self.random.usize(0..self.controllers.len());
        let process = Process {
            controller: at,
            life: self.controllers[at].life,
        };
        match self.random.u8(0..20) {
            0..=2 => {
                let until = self.now + self.random.u64(SECOND..90 * SECOND);
                let stopped = &mut self.controllers[at].stopped_until;
                *stopped = until.max(*stopped);
            }
            3 | 4 => self.controllers[at].is_alive = false,
            5..=7 => {
                if !self.controllers[at].is_alive {
                    self.restart(at);
                }
            }
            8 => {
                let until = self.now + self.random.u64(SECOND..90 * SECOND);
                let cut = &mut self.controllers[at].cut_until;
                *cut = until.max(*cut);
            }
            9 => {
                if self.controllers[at].is_alive {
                    for seat in self.controllers[at].seats.values_mut() {
                        seat.machine.leave();
                    }
                    for site in self.controllers[at].sites.clone() {
                        self.at(self.now, Happening::Turn(SeatId { process, site }));
                    }
                }
            }
            10..=12 => {
                let node = self.random.usize(0..self.nodes.len());
                let until = self.now + self.random.u64(SECOND..200 * SECOND);
                self.nodes[node].silent_until = until;
            }
            13 => {
                // In a larger fleet the store is down no more often.
                if self.random.usize(0..self.size.sites) == 0 {
                    self.store.down_until = self.now + self.random.u64(SECOND..90 * SECOND);
                }
            }
            14 => {
                let backup = (self.store.clone(), self.objects.copy());
                self.backups.push(backup);
            }
            15 => {
                if self.size.loses_leaders {
                    let site = self.random.usize(0..self.size.sites);
                    self.loses_leadership(site);
                } else if self.size.restores && !self.backups.is_empty() {
                    let backup = self.random.usize(0..self.backups.len());
                    let (store, objects) = self.backups[backup].clone();
                    self.store = store;
                    let written = self.random.bool().then_some(self.now);
                    self.objects.restore(objects, written);
                    self.was_restored = true;
                }
            }
            16 => {
                if !self.rings.may_lack {
                    let node = self.random.usize(0..self.nodes.len());
                    let is_lost = self.nodes[node].loses(&mut self.random, self.now);
                    self.counts.lost += u64::from(is_lost);
                }
            }
            17 | 18 => self.garbles(),
            _ => {
                let site = self.random.usize(0..self.size.sites);
                self.site_is_cut(site);
            }
        }
    }

    /// What says who leads a site is lost from the store, and all else stays. Where all its
    /// controllers begin anew, they know nothing of the epochs of before.
    fn loses_leadership(&mut self, site: usize) {
        self.store.leaders[site] = None;
        self.was_restored = true;
        self.counts.lost_leaderships += 1;
        if self.random.bool() {
            for process in self.serving(site) {
                self.controllers[process.controller].is_alive = false;
            }
        }
    }

    /// Somebody without the key of the fleet writes to an instruction for rollouts: what
    /// cannot be read, that nothing is paused or stopped, or that there is none.
    fn garbles(&mut self) {
        let objects = self.objects.copy();
        let said = objects
            .iter()
            .filter(|(key, _)| key.starts_with("v1/rollouts/"));
        let Some((key, object)) = self.random.choice(said.collect::<Vec<_>>()) else {
            return;
        };
        let bytes = match self.random.u8(0..3) {
            0 => None,
            1 => Some(b"{".to_vec()),
            _ => serde_json::from_slice(&object.bytes)
                .ok()
                .map(|mut said: serde_json::Value| {
                    said["is_paused"] = false.into();
                    said["stopped"] = Vec::<String>::new().into();
                    said["nonce"] = self.number.to_string().into();
                    said.to_string().into_bytes()
                }),
        };
        self.objects.forge(key, bytes, self.now);
        self.counts.garbled += 1;
    }

    /// A site does not reach the store, or has no controller, for longer than others go by
    /// its report.
    fn site_is_cut(&mut self, site: usize) {
        if !self.size.has_rings || self.random.u8(0..3) > 0 {
            return;
        }
        let until = self.now + self.random.u64(100 * SECOND..700 * SECOND);
        let is_reached = self.random.bool();
        for process in self.serving(site) {
            let controller = &mut self.controllers[process.controller];
            match is_reached {
                true => controller.stopped_until = until,
                false => controller.cut_until = until,
            }
        }
    }

    /// Everybody is there, everything is reached, and what was asked is lost.
    pub(super) fn make_peace(&mut self) {
        if self.size.has_rings {
            let settled = self.random.u64(SECOND..60 * SECOND);
            self.after(settled, Happening::Settles);
        }
        if self.size.is_calm {
            return;
        }
        self.store.down_until = 0;
        for node in &mut self.nodes {
            node.silent_until = 0;
        }
        for controller in &mut self.controllers {
            controller.stopped_until = self.now;
            controller.cut_until = 0;
        }
        self.lose_requests();
        self.late.clear();
        for at in 0..self.controllers.len() {
            if self.controllers[at].is_alive {
                let life = self.controllers[at].life;
                let process = Process {
                    controller: at,
                    life,
                };
                self.begins(process, self.now);
            } else {
                self.restart(at);
            }
        }
    }
}
