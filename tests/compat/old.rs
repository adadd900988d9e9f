//! What the earlier version does in each scene, so that its files say something.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use talos_order::factory_stub::StubFault;

use crate::common::program::{Ran, terminate};
use crate::common::sshd::descendants;
use crate::common::{part_on_node, wait_for};
use crate::scenes::{ISO, Kind, RAW, Scene, exact, order};

/// Orders that stay.
const BASE: &str = "\
- orderid: base
  customer: Example
  positions:
    - name: iso
      image_format: iso
      version: {type: latest-in-minor, minor: v1.11}
      push: {enabled: true, hosts: [{group: all}]}
    - name: disk
      image_format: raw.xz
      version: {type: exact, value: v1.11.3}
      customization: {systemExtensions: [siderolabs/qemu-guest-agent]}
      push: {enabled: true, prefer_decompressed: true, hosts: [{node: pve-1}]}
";

impl Scene {
    /// Brings the places to where the scene begins, with the program it has.
    pub fn play(&self) {
        self.configure();
        match self.kind {
            Kind::Calm => self.play_calm(),
            Kind::Troubled => self.play_troubled(),
            Kind::Killed => self.play_killed(),
            Kind::Legacy => {
                self.run(&["--once"]).expect(0);
            }
            Kind::Owned => {
                self.world
                    .order("one.yaml", &exact("one", "iso", "v1.11.3", &["nas"]));
                self.run(&["run", "--once"]).expect(0);
            }
        }
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.world.program.run(args)
    }

    fn play_calm(&self) {
        let world = &self.world;
        world.order("base.yaml", BASE);
        world.order(
            "passing.yaml",
            &exact("passing", "iso", "v1.11.1", &["pve-1"]),
        );
        world.order(
            "paused.yaml",
            &exact("paused", "iso", "v1.11.2", &["pve-1"]),
        );
        self.run(&["suspend", "order", "paused"]).expect(0);
        self.run(&["run", "--once"]).expect(0);
        fs::remove_file(world.at("orders/passing.yaml")).unwrap();
        self.run(&["run", "--once"]).expect(0);
        // One node misses what was ordered after it was suspended.
        self.run(&["suspend", "node", "pve-2"]).expect(0);
        world.order(
            "late.yaml",
            &exact("late", "iso", "v1.11.0", &["pve-2", "nas"]),
        );
        self.run(&["run", "--once"]).expect(0);
        self.run(&["apply"]).expect(0);
        self.read_back();
        self.run(&["run", "--once"]).expect(0);
    }

    /// Lets the controller read files back, which it remembers.
    fn read_back(&self) {
        let config = self.world.at("config.yaml");
        let usual = fs::read_to_string(&config).unwrap();
        let often = usual
            .replace("poll: 1h", "poll: 1h, verify_interval: 1s")
            .replace("max_age: 30d", "max_age: 1s");
        assert_ne!(often, usual);
        fs::write(&config, often).unwrap();
        let mut controller = self.world.program.start(&["run"]);
        wait_for("files are read back", || {
            let verified = self.json("memory.json")["verified"].clone();
            verified.as_object().is_some_and(|files| files.len() >= 4)
        });
        terminate(&controller);
        assert!(controller.wait().unwrap().success());
        fs::write(&config, usual).unwrap();
    }

    fn play_troubled(&self) {
        let world = &self.world;
        let all = (0..4).map(|number| {
            exact(
                &format!("v{number}"),
                "iso",
                &format!("v1.11.{number}"),
                &["nas"],
            )
        });
        world.order("all.yaml", &all.collect::<String>());
        self.run(&["run", "--once"]).expect(0);
        world.order("all.yaml", &exact("v3", "iso", "v1.11.3", &["nas"]));
        world.order(
            "silent.yaml",
            &exact("silent", "iso", "v1.11.3", &["silent"]),
        );
        // A removal waits for what the same node gets, so this goes to none.
        let absent = exact("absent", "iso", "v1.99.0", &["nas"]);
        world.order(
            "absent.yaml",
            &absent.replace("enabled: true", "enabled: false"),
        );
        // The first of these misses the files, the second would remove them.
        for _ in 0..2 {
            self.run(&["run", "--once"]).expect(1);
        }
        let status = self.json("status.json");
        let held = status["held"].as_array().unwrap().iter();
        let mut approvals = held.filter_map(|held| held["approval"].as_str());
        let approval = approvals.next().expect("over the budget").to_owned();
        assert_eq!(approval, self.approval());
        while self.failures("v1.99.0") < 3 {
            wait_for("it may be tried again", || {
                self.next_try() <= Timestamp::now()
            });
            self.run(&["run", "--once"]).expect(1);
        }
        self.run(&["approve", &approval]).expect(0);
    }

    /// How often an image of a version did not come, in a row.
    pub fn failures(&self, version: &str) -> u64 {
        let of = self.backoff(version);
        of["failures"].as_u64().unwrap_or(0)
    }

    fn next_try(&self) -> Timestamp {
        let of = self.backoff("v1.99.0");
        of["until"].as_str().unwrap().parse().unwrap()
    }

    fn backoff(&self, version: &str) -> Value {
        let memory = self.json("memory.json");
        let steps = memory["backoff"].as_object().into_iter().flatten();
        let mut of = steps.filter(|(step, _)| step.contains(version));
        of.next()
            .map_or(Value::Null, |(_, backoff)| backoff.clone())
    }

    /// One of the controller's own files.
    pub fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.state().join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn play_killed(&self) {
        let world = &self.world;
        let one = |enabled: &str| {
            exact("one", "iso", "v1.11.3", &["pve-1"]).replace("enabled: true", enabled)
        };
        world.order("one.yaml", &one("enabled: false"));
        self.run(&["apply"]).expect(0);
        world.order("one.yaml", &one("enabled: true"));
        let latest = "{type: latest-in-minor, minor: v1.11}";
        world.order("two.yaml", &order("two", "raw.xz", latest, &["pve-1"]));
        world
            .factory
            .inject("GET /blob/", StubFault::Stall(150_000));
        let mut run = world.program.start(&["apply"]);
        let arrived = |path: &Path| fs::metadata(path).map_or(0, |facts| facts.len());
        let download = world.cache().join(format!(".{RAW}.xz.part"));
        let iso = self.dir("pve-1", "iso");
        // Where that version keeps a part, and where this one does.
        let before = iso.join(format!(".talos-order.{ISO}.part"));
        let delivered = || part_on_node(&iso, ISO).unwrap_or_else(|| before.clone());
        wait_for("both are half done", || {
            arrived(&download) >= 100_000 && arrived(&delivered()) >= 20_000
        });
        // All at once, as far as anybody can tell: a script that sees its connection end
        // gives its lease back.
        let mut all = self.node("pve-1").sessions();
        all.push(run.id());
        all.extend(descendants(run.id()));
        for signal in [Signal::STOP, Signal::KILL] {
            for pid in &all {
                let pid = Pid::from_raw(pid.to_owned().try_into().unwrap()).unwrap();
                let _ = kill_process(pid, signal);
            }
        }
        run.wait().unwrap();
    }
}
