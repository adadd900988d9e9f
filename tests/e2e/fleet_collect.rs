//! What no site wants any more goes from a real store, and nothing while one is silent.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use talos_order::bucket::{Bucket, ObjectKey, WriteCondition};
use tokio::runtime::Runtime;

use crate::common::program::{Program, terminate};
use crate::common::seaweed::Seaweed;
use crate::common::wait_for;
use crate::world::World;

const UNWANTED: &str = "v1/unwanted.json";

/// Two sites with a controller each, and their store.
struct Fleet {
    world: World,
    seaweed: &'static Seaweed,
    bucket: Bucket,
    runtime: Runtime,
    store: String,
}

impl Fleet {
    fn new(prefix: &str) -> Option<Self> {
        let seaweed = Seaweed::shared()?;
        let world = World::small();
        Some(Self {
            seaweed,
            bucket: seaweed.bucket(prefix),
            runtime: Runtime::new().unwrap(),
            store: seaweed.section(prefix, world.dir.path()),
            world,
        })
    }

    /// Orders an image for a platform on the node of each site.
    fn order(&self, platform: &str) {
        self.world.order(
            &format!("{platform}.yaml"),
            &format!(
                "orderid: {platform}\npositions:\n  - name: one\n    platform: {platform}\n    \
                 image_format: iso\n    version: v1.11.3\n    push: {{enabled: true, hosts: \
                 [{{node: brno-1}}, {{node: prague-1}}]}}\n"
            ),
        );
    }

    /// The controller of a site.
    fn controller(&self, site: &str) -> Program {
        self.controller_of(site, site)
    }

    /// A controller of these sites.
    fn controller_of(&self, site: &str, sites: &str) -> Program {
        let home = self.world.at(site);
        fs::create_dir_all(&home).unwrap();
        let (root, home) = (self.world.dir.path().display(), home.display());
        let url = self.world.factory.url();
        let config = format!(
            "owner: {site}\ndefaults:\n  cache_dir: {home}/cache\n  push: {{create: true}}\n\
             manifest: {{dir: {home}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
             reconcile: {{interval: 2s, debounce: 100ms, poll: 500ms}}\n\
             fleet: {{site: {sites}, ttl: 10s}}\n{store}  keep: 1h\n\
             sites: [{{name: brno}}, {{name: prague}}]\nnodes:\n  \
             - {{name: brno-1, local: true, site: brno, iso_dir: {root}/brno-1}}\n  \
             - {{name: prague-1, local: true, site: prague, iso_dir: {root}/prague-1}}\n",
            store = self.store,
        );
        let file = self.world.at(site).join("config.yaml");
        fs::write(&file, config).unwrap();
        Program::with_files(&self.world.at(site), &file, &self.world.at("orders"))
    }

    fn keys(&self, prefix: &str) -> BTreeSet<String> {
        let prefix = prefix.parse().unwrap();
        let listed = self.runtime.block_on(self.bucket.list(&prefix)).unwrap();
        listed
            .into_iter()
            .map(|object| object.key.to_string())
            .collect()
    }

    /// The index entries for a platform.
    fn index(&self, platform: &str) -> BTreeSet<String> {
        self.keys(&format!("v1/index/{platform}"))
    }

    fn json(&self, key: &str) -> Option<Value> {
        let key: ObjectKey = key.parse().unwrap();
        let found = self.runtime.block_on(self.bucket.get(&key)).unwrap()?;
        serde_json::from_slice(&found.bytes).ok()
    }

    /// As if everything that is unwanted had been so for longer.
    fn age_unwanted(&self, time: SignedDuration) {
        let mut record = self.json(UNWANTED).unwrap();
        for kind in ["images", "blobs"] {
            for since in record[kind].as_object_mut().unwrap().values_mut() {
                let then: Timestamp = since.as_str().unwrap().parse().unwrap();
                *since = (then - time).to_string().into();
            }
        }
        let key: ObjectKey = UNWANTED.parse().unwrap();
        let text = serde_json::to_vec(&record).unwrap();
        let put = self.bucket.put(&key, text, WriteCondition::Always);
        self.runtime.block_on(put).unwrap();
    }

    /// The images that are known to be unwanted.
    fn unwanted(&self) -> usize {
        let record = self.json(UNWANTED).unwrap_or_default();
        record["images"].as_object().map_or(0, serde_json::Map::len)
    }
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    wait_for(what, || {
        std::thread::sleep(Duration::from_millis(100));
        is_so()
    });
}

#[test]
fn what_no_site_wants_goes_from_the_store() {
    let Some(fleet) = Fleet::new("collect/") else {
        return;
    };
    fleet.order("nocloud");
    fleet.order("metal");
    // The site that collects, because it is the first one by name.
    let first = fleet.controller("brno");
    let mut brno = first.start_heard(&["run"]);
    eventually("brno has a report", || {
        !fleet.keys("v1/sites/brno").is_empty() && !fleet.index("metal").is_empty()
    });
    // Nobody has ever heard of the other site, so nothing is known to be unwanted.
    fs::remove_file(fleet.world.at("orders").join("metal.yaml")).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(fleet.json(UNWANTED), None);
    let second = fleet.controller("prague");
    let mut prague = second.start(&["run"]);
    eventually("an image is unwanted", || fleet.unwanted() == 1);
    assert_eq!(fleet.index("nocloud").len(), 1);
    let blobs = fleet.keys("v1/blobs");

    // It looks once an hour, and after a start.
    let restart = |running: std::process::Child| {
        terminate(&running);
        let output = running.wait_with_output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let said = restart(brno);
    assert!(
        said.contains("the site prague has not reported what it wants"),
        "{said}"
    );
    fleet.age_unwanted(SignedDuration::from_hours(2));
    brno = first.start_heard(&["run"]);
    eventually("the image is gone", || fleet.index("metal").is_empty());
    assert_eq!(fleet.index("nocloud").len(), 1);
    // Its bytes are young, and somebody may be reading them.
    assert_eq!(fleet.keys("v1/blobs"), blobs);
    let said = restart(brno);
    assert!(
        said.contains("removed from the store what no site wants"),
        "{said}"
    );

    // Wanted again, it is downloaded again.
    fleet.order("metal");
    eventually("the image is shared again", || {
        fleet.index("metal").len() == 1
    });
    terminate(&prague);
    prague.wait().unwrap();
}

/// The bytes and the claims of a store that is a few days old.
#[test]
fn bytes_that_nothing_names_and_claims_of_nobody_go_from_the_store() {
    let Some(fleet) = Fleet::new("collect-bytes/") else {
        return;
    };
    let all = ["nocloud", "metal", "openstack"];
    for platform in all {
        fleet.order(platform);
    }
    let controller = fleet.controller_of("all", "[brno, prague]");
    controller.run(&["apply", "--yes"]).expect(0);
    // As an earlier look left it: two images are in the index no more.
    let blob_of = |platform: &str| {
        let index = fleet.index(platform);
        let entry = fleet.json(index.first().unwrap()).unwrap();
        let digest = entry["sha256"].as_str().unwrap().to_owned();
        format!("v1/blobs/sha256/{}/{digest}", &digest[..2])
    };
    let [wanted, old, young] = all.map(blob_of);
    let everything = BTreeSet::from([&wanted, &old, &young].map(String::clone));
    assert_eq!(fleet.keys("v1/blobs"), everything);
    for platform in ["metal", "openstack"] {
        let key = fleet.index(platform).pop_first().unwrap().parse().unwrap();
        fleet.runtime.block_on(fleet.bucket.remove(&key)).unwrap();
        fs::remove_file(fleet.world.at("orders").join(format!("{platform}.yaml"))).unwrap();
    }
    let claims = ["first", "second", "young"].map(|name| format!("v1/claims/{name}.json"));
    for claim in &claims {
        let key = claim.parse().unwrap();
        let put = fleet.bucket.put(&key, "{}", WriteCondition::Always);
        fleet.runtime.block_on(put).unwrap();
    }
    let days = Duration::from_secs(3 * 24 * 3600);
    let backdate = |keys: &[&String]| fleet.seaweed.backdate("collect-bytes/", keys, days);
    backdate(&[&wanted, &old, &claims[0]]);

    // Claims are the last things that it removes.
    let look = |gone: &String| {
        let mut running = controller.start(&["run"]);
        eventually("a claim of nobody is gone", || {
            !fleet.keys("v1/claims").contains(gone)
        });
        terminate(&running);
        assert!(running.wait().unwrap().success());
    };
    look(&claims[0]);
    // However old they are, nobody knows for how long nothing has named them.
    assert_eq!(fleet.keys("v1/blobs"), everything);
    let unwanted = fleet.json(UNWANTED).unwrap()["blobs"].clone();
    let unwanted: BTreeSet<_> = unwanted.as_object().unwrap().keys().cloned().collect();
    assert_eq!(unwanted, [&old, &young].map(String::clone).into());

    fleet.age_unwanted(SignedDuration::try_from(days).unwrap());
    backdate(&[&claims[1]]);
    look(&claims[1]);
    // What is young may be on its way to the index, and what is in it is wanted.
    assert_eq!(fleet.keys("v1/blobs"), [wanted, young].into());
    assert_eq!(fleet.keys("v1/claims"), [claims[2].clone()].into());
}

#[test]
fn a_store_of_another_format_is_not_used() {
    let Some(fleet) = Fleet::new("other-format/") else {
        return;
    };
    let key: ObjectKey = "v1/format.json".parse().unwrap();
    let put = fleet
        .bucket
        .put(&key, r#"{"format":2,"fleet":"x"}"#, WriteCondition::Always);
    fleet.runtime.block_on(put).unwrap();
    fleet.order("nocloud");
    let alone = fleet.controller("brno");
    let file = fleet.world.at("brno/config.yaml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, config.replace("fleet: {site: brno, ttl: 10s}\n", "")).unwrap();
    let ran = alone.run(&["apply", "--yes"]).expect(0);
    ran.complains("the store has the format 2; expected 1");
    assert_eq!(fleet.keys("v1"), ["v1/format.json".to_owned()].into());
}
