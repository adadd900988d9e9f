//! The example of `docs/rollouts.md` does what the page says: its nodes are directories here,
//! and nothing else of it is changed but how long rings soak.

use std::fs;

use regex::Regex;
use serde_json::Value;

use crate::common::snapshot::images;
use crate::common::wait_for;
use crate::world::{World, position};

const PAGE: &str = include_str!("../../docs/rollouts.md");
const FIRST: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const SECOND: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";

/// The block with this mark that contains a text.
fn block(mark: &str, text: &str) -> &'static str {
    let parts: Vec<&str> = PAGE.split("```").collect();
    let blocks = parts.iter().skip(1).step_by(2);
    let mut found = blocks.filter(|block| block.starts_with(mark) && block.contains(text));
    let block = found.next().unwrap();
    block.split_once('\n').unwrap().1
}

/// Without times.
fn timeless(text: &str) -> String {
    let time = Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC").unwrap();
    time.replace_all(text, "TIME").into_owned()
}

struct Example(World);

impl Example {
    /// The configuration of the page, with changes.
    fn configure(&self, changes: &[(&str, &str)]) {
        let mut text = block("yaml", "canary, labels").to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} in {text}");
            text = text.replace(from, to);
        }
        let (_, text) = text.split_once("defaults:\n").unwrap();
        let root = self.0.dir.path().display();
        let host = Regex::new(r"name: (pve-\d+), host: [0-9.]+").unwrap();
        assert_eq!(host.find_iter(text).count(), 3, "{text}");
        let here = format!("name: $1, local: true, iso_dir: {root}/$1");
        let text = host.replace_all(text, here);
        let url = self.0.factory.url();
        let config = format!(
            "manifest: {{dir: {root}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
             defaults:\n  cache_dir: {root}/cache\n  push: {{create: true}}\n{text}"
        );
        fs::write(self.0.at("config.yaml"), config).unwrap();
    }

    fn order(&self, version: &str) {
        let more = format!(
            "      version: {{type: exact, value: {version}}}\n      push: {{enabled: true, \
             hosts: [{{group: workers}}]}}\n"
        );
        self.0
            .order("workers.yaml", &position("workers", "iso", &more));
    }

    /// The nodes that have an image.
    fn have(&self, file: &str) -> [bool; 3] {
        ["pve-01", "pve-02", "pve-03"].map(|node| images(&self.0.at(node)).contains(&file.into()))
    }

    /// Runs until a ring has begun: the ring before it has to soak for a moment.
    fn runs_until(&self, what: &str, file: &str, have: [bool; 3]) {
        wait_for(what, || {
            self.0.apply().expect(0);
            self.have(file) == have
        });
    }
}

#[test]
fn the_example_of_the_page_rolls_out() {
    let example = Example(World::small());
    let world = &example.0;
    let run = |args: &[&str]| world.program.run(args);
    example.configure(&[]);
    example.order("v1.11.3");
    run(&["validate"]).expect(0);
    world.apply().expect(0);
    assert_eq!(example.have(FIRST), [true, false, false]);

    // The page shows the plan now, and what waits.
    let plan = run(&["plan"]).expect(0);
    let shown = timeless(block("text", "Rollout for order"));
    assert!(shown.contains("TIME"), "{shown}");
    assert!(timeless(&plan.stdout).contains(&shown), "{plan}");
    let wide = timeless(&plan.stdout.split_whitespace().collect::<Vec<_>>().join(" "));
    let reason = "ring brno waits: ring canary soaks until ";
    assert!(PAGE.contains(&format!("`{reason}")), "{reason}");
    assert!(wide.contains(&format!("{reason}TIME")), "{wide}");
    let status = run(&["status", "-o", "json"]).json();
    let conditions = status["conditions"].as_array().unwrap();
    let of_order = |line: &&Value| line["order"] == "workers" && line["node"].is_null();
    let line = conditions.iter().find(of_order).unwrap();
    assert_eq!(line["exact_reason"], "WaitsForRing", "{status:#}");
    assert_eq!(line["state"], "Reconciling", "{status:#}");
    world.apply().expect(0);
    assert_eq!(example.have(FIRST), [true, false, false]);

    // It has soaked: the next ring begins, and no other one.
    let short = [("soak: 2h", "soak: 1s")];
    example.configure(&short);
    example.runs_until("the second ring", FIRST, [true, true, false]);
    world.apply().expect(0);
    assert_eq!(example.have(FIRST), [true, true, false]);
    let all_short = [short[0], ("soak: 1d", "soak: 1s")];
    example.configure(&all_short);
    // The last one is manual, whatever soaks.
    let waits = || timeless(&run(&["rollout"]).expect(0).stdout);
    wait_for("the second ring has soaked", || {
        world.apply().expect(0);
        !waits().contains("soak")
    });
    assert_eq!(example.have(FIRST), [true, true, false], "{}", waits());
    assert!(waits().contains("promote"), "{}", waits());
    let promote = ["rollout", "promote", "workers", "--to", "prague"];
    run(&promote).expect(0);
    world.apply().expect(0);
    assert_eq!(example.have(FIRST), [true; 3]);
    run(&["plan", "--detailed-exitcode"]).expect(0);

    // Another image begins anew, is bad, and goes no further; not even its repairs.
    example.order("v1.11.2");
    example.configure(&[]);
    world.apply().expect(0);
    assert_eq!(example.have(SECOND), [true, false, false]);
    run(&["rollout", "rollback", "workers"]).expect(0);
    fs::remove_file(world.at("pve-01").join(SECOND)).unwrap();
    example.configure(&all_short);
    let promote = ["rollout", "resume", "workers"];
    run(&promote).expect(0);
    for _ in 0..3 {
        world.apply();
    }
    assert_eq!(example.have(SECOND), [false; 3]);
    assert_eq!(example.have(FIRST), [true; 3]);
    // What went wrong is reverted, as the page of the operations says.
    example.order("v1.11.3");
    world.apply().expect(0);
    run(&["plan", "--detailed-exitcode"]).expect(0);
}
