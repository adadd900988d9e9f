//! What came out, as tables for a user or as JSON.

#[path = "../lab/report/layout.rs"]
#[expect(dead_code, reason = "shared with the lab, which shows more")]
mod layout;

use serde_json::{Value, json};

use crate::alone::Alone;
use crate::args::Args;
use crate::delivery::Delivered;
use crate::idle::Idle;
use crate::machine::{self, Machine};
use crate::measure::median;
use crate::world::World;

use layout::{aligned, mebibytes, none, push, words};

/// What the layout counts in.
const MIB: f64 = (1 << 20) as f64;

/// Everything that is printed.
pub struct Report<'a> {
    pub args: &'a Args,
    pub machine: &'a Machine,
    pub world: &'a World,
    pub delivered: &'a Delivered,
    pub idle: &'a Idle,
    pub alone: &'a [Alone],
}

/// A number, beside what is wanted.
struct Target {
    what: &'static str,
    wanted: String,
    found: String,
    is_met: bool,
    /// The bench fails without it.
    is_law: bool,
}

impl Report<'_> {
    /// True if everything holds that has to.
    pub fn is_right(&self) -> bool {
        self.targets().iter().all(|one| one.is_met || !one.is_law)
    }

    /// Tables.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.machine.lines() {
            push(&mut text, &line);
        }
        let args = self.args;
        let lines = [
            format!(
                "load {} before and {} after",
                self.machine.load,
                machine::load()
            ),
            format!(
                "{} sites of {} nodes with 2 controllers each, {} nodes over ssh; ttl {} s; \
                 2 versions of 4 images; {:.0} s",
                args.sites(),
                args.nodes(),
                args.ssh_nodes(),
                args.ttl(),
                self.delivered.seconds
            ),
        ];
        for line in lines {
            push(&mut text, &line);
        }
        if args.quick {
            push(&mut text, "--quick: few nodes; not a result");
        }
        let wrong = &self.delivered.wrong;
        let troubles = self.delivered.bad.iter();
        let troubles = troubles.chain(&wrong.replaced).chain(&wrong.fallen);
        for trouble in troubles.take(20) {
            push(&mut text, &format!("WRONG: {trouble}"));
        }
        let tables = [
            self.sites(),
            self.blows(),
            self.passes(),
            self.single(),
            self.verdicts(),
        ];
        for table in &tables {
            text.push('\n');
            text.push_str(&aligned(table));
        }
        text
    }

    fn sites(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "site",
            "nodes",
            "MiB from the store: a",
            "b",
            "to it: a",
            "b",
            "peak MiB: a",
            "b",
            "epoch",
            "known on nodes",
        ])];
        for site in &self.delivered.sites {
            let mut row = vec![site.name.clone(), site.nodes.to_string()];
            row.extend(site.moved.iter().map(|moved| mebibytes(moved.read)));
            row.extend(site.moved.iter().map(|moved| mebibytes(moved.written)));
            row.extend(site.peaks.iter().map(|&peak| tenth(peak as f64 / MIB)));
            row.push(site.epoch.to_string());
            row.push(format!("{}-{}", site.known.0, site.known.1));
            table.push(row);
        }
        table
    }

    fn blows(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "leader",
            "at % of the files",
            "next leader after s",
            "epochs",
        ])];
        for blow in &self.delivered.blows {
            table.push(vec![
                format!("{} {}", self.delivered.sites[blow.site].name, blow.what),
                format!("{:.0}", blow.progress * 100.0),
                tenth(blow.takeover),
                format!("{} -> {}", blow.epochs.0, blow.epochs.1),
            ]);
        }
        table
    }

    fn passes(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "nothing to do",
            "nodes",
            "s",
            "cpu s",
            "of programs",
            "requests: images",
            "leaders",
        ])];
        let sites = self.delivered.sites.iter();
        let sites = sites.map(|site| (format!("pass of {}", site.name), site.nodes, site.pass));
        let all = self.idle.passes.iter();
        let all = all.map(|&pass| ("pass of one site".to_owned(), self.idle.nodes, pass));
        for (about, nodes, pass) in sites.chain(all) {
            table.push(vec![
                about,
                nodes.to_string(),
                format!("{:.2}", pass.seconds),
                format!("{:.2}", pass.cpu),
                format!("{:.2}", pass.programs),
                pass.images.to_string(),
                pass.leaders.to_string(),
            ]);
        }
        for (about, rest) in ["leader", "standby"].iter().zip(&self.idle.rest) {
            table.push(vec![
                format!("{about}, a minute without runs"),
                self.idle.nodes.to_string(),
                none(),
                format!("{:.2}", rest.cpu),
                none(),
                none(),
                format!("{:.0}", rest.requests),
            ]);
        }
        table
    }

    fn single(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "a single controller",
            "program MiB",
            "status ms",
            "plan ms",
            "threads",
            "memory MiB",
        ])];
        for one in self.alone {
            table.push(vec![
                one.about.to_owned(),
                mebibytes(one.bytes),
                tenth(one.status),
                tenth(one.plan),
                one.threads.to_string(),
                tenth(one.resident as f64 / MIB),
            ]);
        }
        table
    }

    fn verdicts(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&["target", "wanted", "measured", ""])];
        for target in self.targets() {
            let verdict = match (target.is_met, target.is_law) {
                (true, _) => "met",
                (false, false) => "not met",
                (false, true) => "WRONG",
            };
            table.push(vec![
                target.what.to_owned(),
                target.wanted,
                target.found,
                verdict.to_owned(),
            ]);
        }
        table
    }

    fn targets(&self) -> Vec<Target> {
        let found = self.delivered;
        let law = |what, wanted: usize, found: usize| Target {
            what,
            wanted: wanted.to_string(),
            found: found.to_string(),
            is_met: wanted == found,
            is_law: true,
        };
        let at_most = |what, most: f64, found: f64| Target {
            what,
            wanted: format!("at most {most}"),
            found: format!("{found:.2}"),
            is_met: found <= most,
            is_law: false,
        };
        let takeovers = found.blows.iter().map(|blow| blow.takeover);
        let slowest = takeovers.fold(0.0, f64::max);
        let read = found.sites.iter().flat_map(|site| &site.moved);
        let most_read = read.map(|moved| moved.read).max().unwrap_or_default();
        let passes = &self.idle.passes;
        let cpu = median(passes.iter().map(|pass| pass.cpu).collect());
        let requests = passes.iter().map(|pass| pass.images + pass.leaders);
        let known = found.sites.iter();
        let unknown = known.filter(|site| site.known.1 > site.epoch).count();
        let mut targets = vec![
            law("images asked of the factory", 8, found.images),
            law("bodies asked of the factory", 8, found.bodies),
            at_most(
                "bytes from the factory / of the images",
                1.0,
                ratio(found.factory_bytes, found.stored_bytes),
            ),
            at_most(
                "bytes from the store to a controller / of the images",
                1.0,
                ratio(most_read, found.stored_bytes),
            ),
            law("files that are not as they should be", 0, found.bad.len()),
            law("files written twice", 0, found.wrong.replaced.len()),
            law("epochs that fell", 0, found.wrong.fallen.len()),
            law("sites whose nodes know a later epoch", 0, unknown),
            at_most("seconds until the next leader", 40.0, slowest),
            at_most(
                "requests of a pass with nothing to do",
                20.0,
                requests.max().unwrap_or_default() as f64,
            ),
            at_most(
                "cpu s of the controller in that pass",
                2.0,
                cpu.unwrap_or(f64::INFINITY),
            ),
        ];
        if let [.., plain, _] = self.alone {
            targets.push(at_most(
                "status of a single controller, ms",
                10.0,
                plain.status,
            ));
            if let [before, plain, _] = self.alone {
                let more = plain.threads.saturating_sub(before.threads);
                targets.push(at_most("its threads, more than before", 0.0, more as f64));
                let larger = ratio(plain.bytes, before.bytes);
                targets.push(at_most("its program / that of before", 1.1, larger));
            }
        }
        targets
    }

    /// The same for a program.
    pub fn json(&self) -> String {
        let sites = self.delivered.sites.iter().map(|site| {
            let moved = site.moved.iter();
            json!({
                "name": site.name,
                "nodes": site.nodes,
                "read_bytes": moved.clone().map(|moved| moved.read).collect::<Vec<_>>(),
                "written_bytes": moved.map(|moved| moved.written).collect::<Vec<_>>(),
                "peak_bytes": site.peaks,
                "epoch": site.epoch,
                "epochs_on_nodes": [site.known.0, site.known.1],
                "pass": pass(&site.pass),
            })
        });
        let blows = self.delivered.blows.iter().map(|blow| {
            json!({
                "site": self.delivered.sites[blow.site].name,
                "what": blow.what,
                "progress": blow.progress,
                "takeover_seconds": blow.takeover,
                "epochs": [blow.epochs.0, blow.epochs.1],
            })
        });
        let rest = self.idle.rest.iter().map(
            |rest| json!({"requests_per_minute": rest.requests, "cpu_seconds_per_minute": rest.cpu}),
        );
        let alone = self.alone.iter().map(|one| {
            json!({
                "about": one.about,
                "program_bytes": one.bytes,
                "status_ms": one.status,
                "plan_ms": one.plan,
                "threads": one.threads,
                "resident_bytes": one.resident,
            })
        });
        let targets = self.targets();
        let targets = targets.iter().map(|target| {
            json!({
                "what": target.what,
                "wanted": target.wanted,
                "found": target.found,
                "met": target.is_met,
            })
        });
        let all = json!({
            "machine": self.machine,
            "quick": self.args.quick,
            "load_after": machine::load(),
            "nodes": self.world.nodes.len(),
            "ssh_nodes": self.world.nodes.iter().filter(|node| node.is_ssh).count(),
            "seconds": self.delivered.seconds,
            "looks": self.delivered.wrong.looks,
            "files": self.delivered.files,
            "factory": {
                "bodies": self.delivered.bodies,
                "bytes": self.delivered.factory_bytes,
                "image_bytes": self.delivered.stored_bytes,
            },
            "sites": sites.collect::<Vec<_>>(),
            "failovers": blows.collect::<Vec<_>>(),
            "nothing_to_do": {
                "nodes": self.idle.nodes,
                "passes": self.idle.passes.iter().map(pass).collect::<Vec<_>>(),
                "rest": rest.collect::<Vec<_>>(),
                "peak_bytes": self.idle.peaks,
            },
            "single": alone.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
        });
        format!("{all:#}\n")
    }
}

fn pass(pass: &crate::controller::Pass) -> Value {
    json!({
        "seconds": pass.seconds,
        "cpu_seconds": pass.cpu,
        "cpu_seconds_of_programs": pass.programs,
        "image_requests": pass.images,
        "leader_requests": pass.leaders,
    })
}

fn tenth(number: f64) -> String {
    format!("{number:.1}")
}

fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}
