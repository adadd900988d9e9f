//! What came out, as tables for a user or as JSON.

mod json;
mod layout;
mod limits;
mod tables;
mod targets;

use crate::args::Args;
use crate::cases::Case;
use crate::floor::Floor;
use crate::jobs::Job;
use crate::limit::Limit;
use crate::machine::{self, Machine};
use crate::measure::{Cost, median};
use crate::net::Profile;
use crate::rounds::{Results, Row};

use layout::{aligned, push};

const MIB: f64 = (1 << 20) as f64;

/// Everything that is printed.
pub struct Report<'a> {
    args: &'a Args,
    machine: &'a Machine,
    results: &'a Results,
    load_after: String,
}

impl<'a> Report<'a> {
    pub fn new(args: &'a Args, machine: &'a Machine, results: &'a Results) -> Self {
        Self {
            args,
            machine,
            results,
            load_after: machine::load(),
        }
    }

    /// Tables.
    pub fn text(&self) -> String {
        let old = &self.results.stock.old;
        let mut text = String::new();
        for line in self.machine.lines() {
            push(&mut text, &line);
        }
        push(
            &mut text,
            &format!(
                "load {} before and {} after; medians of rounds: {}",
                self.machine.load, self.load_after, self.args.rounds
            ),
        );
        push(
            &mut text,
            &format!(
                "images of {:.0} MiB, {:.1} MiB of it not holes, {:.1} MiB as raw.xz; ISO images of \
                 {:.0} MiB; nodes are sshd on this machine",
                old.raw_bytes as f64 / MIB,
                old.data_bytes as f64 / MIB,
                old.served_bytes as f64 / MIB,
                self.args.iso_bytes() as f64 / MIB,
            ),
        );
        if self.args.quick {
            push(&mut text, "--quick: small images, few nodes; not a result");
        }
        for (profile, why) in &self.results.skipped {
            push(&mut text, &format!("not measured: {profile}*: {why}"));
        }
        let tables = [
            self.times(),
            self.bytes(),
            self.limits(),
            self.links(),
            self.siblings(),
            self.floor(),
            self.targets(),
        ];
        // A table with nothing but its head says nothing.
        for table in tables.iter().filter(|table| table.len() > 1) {
            text.push('\n');
            text.push_str(&aligned(table));
        }
        text
    }

    fn row(&self, job: Job) -> Option<&Row> {
        self.results.rows.iter().find(|row| row.job == job)
    }

    /// Of a controller that runs it is the sequential way's second run.
    fn sequential(&self, job: Job, of: fn(&Cost) -> f64) -> Option<f64> {
        let case = match job.case {
            Case::Resident(nodes) => Case::Nothing(nodes),
            case => case,
        };
        let row = self.row(Job { case, ..job })?;
        median(row.sequential.iter().map(of).collect())
    }

    fn ours(&self, job: Job) -> Option<f64> {
        let costs = self.row(job)?.ours.iter();
        median(costs.map(|cost| cost.seconds).collect())
    }

    fn ratio(&self, job: Job) -> Option<f64> {
        Some(self.sequential(job, |cost| cost.seconds)? / self.ours(job)?)
    }

    fn limit(&self, job: Job, of: fn(&Limit) -> f64) -> Option<f64> {
        median(self.row(job)?.limits.iter().map(of).collect())
    }

    fn over_limit(&self, job: Job) -> Option<f64> {
        Some(self.ours(job)? / self.limit(job, Limit::most)?)
    }

    fn floor_of(&self, of: fn(&Floor) -> f64) -> Option<f64> {
        median(self.results.floors.iter().map(of).collect())
    }

    fn over_floor(&self) -> Option<f64> {
        let job = Job {
            profile: Profile::Loopback,
            case: Case::Cold(1),
        };
        Some(self.ours(job)? / self.floor_of(Floor::total)?)
    }
}

/// The most memory of any run of a case, in MiB.
fn peak(row: &Row) -> Option<f64> {
    let peaks = row.ours.iter().map(|cost| cost.peak as f64 / MIB);
    peaks.max_by(f64::total_cmp)
}
