//! Two controllers of a site whose nodes are reached through the API of Proxmox VE, where
//! nothing but the controllers knows who leads and whose a file is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use talos_order::proxmox_stub::{PveFault, PveStub, PveStubOptions};
use tokio::runtime::Runtime;

use crate::common::program::Program;
use crate::common::seaweed::{Seaweed, section};
use crate::common::wait_for;
use crate::controllers::{Objects, Running, eventually, status, waits_for};
use crate::counted::Counted;
use crate::world::World;

const TOKEN: &str = "talos-order@pve!ctl";
const SECRET: &str = "0a1b2c3d-0000-4000-8000-5ec2e75ec2e7";
const NODES: [&str; 3] = ["pve-01", "pve-02", "pve-03"];
const PLATFORMS: [&str; 6] = ["nocloud", "metal", "openstack", "aws", "azure", "gcp"];
const NO_LEADER: &str = "this controller does not lead the site prague any more";
const LEADER: &str = "v1/leaders/prague.json";
const RECORD: &str = "v1/sites/prague/delivered.json";
const REPORT: &str = "v1/sites/prague/report.json";

/// A cluster of three nodes, a store, and what its controllers have in common.
struct Site {
    world: World,
    stub: PveStub,
    store: Objects,
    _runtime: Runtime,
}

/// Where a controller has its files, which node of the cluster it asks, and so on.
struct Controller<'a> {
    name: &'a str,
    /// The stub says of each request which node was asked, and so who asked.
    asks: &'a str,
    /// The section of the configuration.
    store: &'a str,
    orders: &'a str,
    interval: &'a str,
}

impl Site {
    fn new(store: &Seaweed, prefix: &str) -> Self {
        let world = World::small();
        let runtime = Runtime::new().unwrap();
        let mut options = PveStubOptions::new(world.at("pve"));
        options.nodes = NODES.map(str::to_owned).into();
        options.unauthorized_delay = Duration::ZERO;
        let stub = runtime.block_on(PveStub::start(options)).unwrap();
        stub.add_token(TOKEN, SECRET);
        let storage = "Datastore.Audit Datastore.AllocateTemplate Datastore.Allocate";
        stub.grant(TOKEN, "/storage/local", storage);
        stub.grant(TOKEN, "/nodes", "Sys.AccessNetwork");
        stub.grant(TOKEN, "/vms", "VM.Audit");
        fs::write(world.at("token"), SECRET).unwrap();
        Self {
            world,
            stub,
            store: Objects::of(store.bucket(prefix)),
            _runtime: runtime,
        }
    }

    fn controller(&self, its: &Controller<'_>) -> Program {
        let home = self.world.at(its.name);
        fs::create_dir_all(&home).unwrap();
        let config = format!(
            "owner: prague\ndefaults:\n  cache_dir: {home}/cache\n  prune: true\n\
             prune: {{grace: 0s, keep_versions: 1, max_files: 9}}\n\
             manifest: {{dir: {home}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
             reconcile: {{interval: {interval}, debounce: 100ms, poll: 500ms}}\n\
             fleet: {{site: prague, ttl: 10s}}\n{store}sites: [{{name: prague}}]\n\
             clusters:\n- name: lab\n  site: prague\n  endpoints: [\"{api}\"]\n  \
             token_id: {TOKEN}\n  token_file: {token}\n  transport: api\n",
            home = home.display(),
            url = self.world.factory.url(),
            interval = its.interval,
            store = its.store,
            api = self.stub.url(its.asks),
            token = self.world.at("token").display(),
        );
        let file = home.join("config.yaml");
        fs::write(&file, config).unwrap();
        Program::with_files(&home, &file, &self.world.at(its.orders))
    }

    /// Orders an image in a directory of orders.
    fn write(&self, dir: &str, platform: &str, push: &str) {
        let dir = self.world.at(dir);
        fs::create_dir_all(&dir).unwrap();
        let order = order(platform, "v1.11.3", push);
        fs::write(dir.join(format!("{platform}.yaml")), order).unwrap();
    }

    fn file(&self, node: &str, name: &str) -> PathBuf {
        self.stub.directory(node, "local", "iso").join(name)
    }

    /// Every file on the nodes, with what tells it from another one of the same name.
    fn files(&self) -> BTreeMap<PathBuf, (u64, i64, i64)> {
        let dirs = NODES.map(|node| self.stub.directory(node, "local", "iso"));
        let entries = dirs.iter().flat_map(|dir| fs::read_dir(dir).unwrap());
        let is_whole = |path: &PathBuf| path.extension().is_some_and(|form| form == "iso");
        let paths = entries.map(|entry| entry.unwrap().path()).filter(is_whole);
        let facts = paths.map(|path| {
            let meta = fs::metadata(&path).unwrap();
            (path, (meta.ino(), meta.mtime(), meta.mtime_nsec()))
        });
        facts.collect()
    }
}

fn name(platform: &str, version: &str) -> String {
    format!("talos-{version}-{platform}-amd64-376567988ad3.iso")
}

/// An order of an image for a platform.
fn order(platform: &str, version: &str, push: &str) -> String {
    format!(
        "orderid: {platform}\npositions:\n  - name: one\n    platform: {platform}\n    \
         image_format: iso\n    version: {version}\n    push: {push}\n"
    )
}

const TO_ALL: &str = "{enabled: true, hosts: [{group: lab, storage: local}]}";

/// True for a request that may change something.
fn changes(line: &str) -> bool {
    ["POST ", "PUT ", "DELETE "]
        .iter()
        .any(|verb| line.contains(verb))
}

#[test]
fn a_leader_that_is_stopped_waits_for_the_apply_beside_it() {
    const PREFIX: &str = "api-stop/";
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let site = Site::new(seaweed, PREFIX);
    // The loop of the first one is not to do what the `apply` is to do.
    site.write("nothing", "nocloud", "{enabled: false}");
    for platform in PLATFORMS {
        site.write("orders", platform, TO_ALL);
    }
    let counted = Counted::before(seaweed.authority());
    let first = Controller {
        name: "first",
        asks: "pve-01",
        store: &section(&counted.endpoint, PREFIX, site.world.dir.path()),
        orders: "nothing",
        interval: "1h",
    };
    let second = site.controller(&Controller {
        name: "second",
        asks: "pve-02",
        store: &seaweed.section(PREFIX, site.world.dir.path()),
        orders: "orders",
        interval: "1s",
    });
    let beside = site.controller(&Controller {
        orders: "orders",
        ..first
    });
    let first = site.controller(&first);
    let mut leader = Running::start(&first);
    let epoch = waits_for(&first, "prague", "leader");
    eventually("its run is over", || {
        let status = status(&first);
        status["running"].is_null() && status["last_pass"].is_object()
    });
    let _standby = Running::start(&second);
    waits_for(&second, "prague", "standby");

    // Slow enough that it is stopped in the middle.
    for _ in 0..9 {
        let late = PveFault::Late(Duration::from_secs(1));
        site.stub.inject("download-url", late);
    }
    let mut apply = beside.start_heard(&["apply", "--yes"]);
    wait_for("an image is on a node", || !site.files().is_empty());
    leader.signal(Signal::TERM);
    let stopped = Instant::now();
    wait_for("the site is released", || {
        let now = site.store.json(LEADER);
        now["holder"].is_null() || now["epoch"] != epoch
    });
    let took = stopped.elapsed();
    let asked = site.stub.requests().len();
    let is_over = apply.try_wait().unwrap().is_some();
    // It has 5 s from when it heard last who leads.
    assert!(is_over || took > Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    let output = apply.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains(NO_LEADER), "{said}");
    assert_eq!(leader.wait().code(), Some(0));
    let delivered = site.files();
    assert!(delivered.len() < PLATFORMS.len() * NODES.len(), "too fast");

    // The other one does the rest, and nothing again.
    assert_eq!(waits_for(&second, "prague", "leader"), epoch + 1);
    wait_for("everything is there", || {
        site.files().len() == PLATFORMS.len() * NODES.len()
    });
    for platform in PLATFORMS {
        let name = name(platform, "v1.11.3");
        let bytes = site.world.image(&name);
        for node in NODES {
            assert_eq!(fs::read(site.file(node, &name)).unwrap(), bytes);
        }
    }
    for (path, facts) in delivered {
        assert_eq!(site.files()[&path], facts, "{}", path.display());
    }
    let requests = site.stub.requests();
    let removed = requests
        .iter()
        .find(|line| line.contains("DELETE ") && line.contains("/content/"));
    assert_eq!(removed, None);

    // What the first one sent, it sent before it released the site.
    let is_of_first = |line: &&String| line.starts_with("pve-01 ") && changes(line);
    let late: Vec<_> = requests[asked..].iter().filter(is_of_first).collect();
    assert!(late.is_empty(), "{late:#?}");
    let is_of_second = |line: &String| line.starts_with("pve-02 ") && changes(line);
    let begun = requests.iter().position(is_of_second).unwrap();
    assert_eq!(requests[begun..].iter().find(is_of_first), None);
    let asked = counted.taken();
    let last = asked.iter().rfind(|line| changes(line)).unwrap();
    assert!(last.starts_with("PUT ") && last.contains(LEADER), "{last}");
    eventually("the store has what the second one did", || {
        let is_new = |key| site.store.json(key)["epoch"] == epoch + 1;
        is_new(RECORD) && is_new(REPORT)
    });
}

/// It is neither asked to stop nor told anything, and the nodes know no epochs.
#[test]
fn an_apply_beside_a_leader_that_hangs_ends_by_itself() {
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let site = Site::new(seaweed, "api-hangs/");
    let store = seaweed.section("api-hangs/", site.world.dir.path());
    let controller = Controller {
        name: "first",
        asks: "pve-01",
        store: &store,
        orders: "nothing",
        interval: "1h",
    };
    let beside = site.controller(&Controller {
        orders: "orders",
        ..controller
    });
    let first = site.controller(&controller);
    site.write("nothing", "nocloud", "{enabled: false}");
    site.write("orders", "metal", TO_ALL);
    let leader = Running::start(&first);
    waits_for(&first, "prague", "leader");
    for _ in NODES {
        site.stub.inject("download-url", PveFault::Hang);
    }
    let apply = beside.start_heard(&["apply", "--yes"]);
    let begun = || {
        let requests = site.stub.requests();
        requests.iter().any(|line| line.contains("download-url"))
    };
    wait_for("it delivers", begun);
    leader.signal(Signal::STOP);
    let output = apply.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains(NO_LEADER), "{said}");
    assert!(said.contains("steps pending; run again"), "{said}");
}

/// Every image that the record in the store names, by node.
fn recorded(record: &Value) -> BTreeMap<String, Vec<String>> {
    let nodes = record["nodes"].as_object().into_iter().flatten();
    let names = nodes.map(|(node, dirs)| {
        let dirs = dirs.as_object().into_iter().flatten();
        let files = dirs.flat_map(|(_, files)| files.as_object().into_iter().flatten());
        let mut names: Vec<String> = files.map(|(name, _)| name.clone()).collect();
        names.sort();
        (node.clone(), names)
    });
    names.collect()
}

#[test]
fn what_a_leader_delivered_that_was_killed_is_that_of_the_next_one() {
    const PREFIX: &str = "api-killed/";
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let site = Site::new(seaweed, PREFIX);
    let store = seaweed.section(PREFIX, site.world.dir.path());
    let controller = |name, asks| {
        site.controller(&Controller {
            name,
            asks,
            store: &store,
            orders: "orders",
            interval: "1s",
        })
    };
    let (old, new) = (name("nocloud", "v1.11.2"), name("nocloud", "v1.11.3"));
    let same = name("metal", "v1.11.3");
    site.world
        .order("nocloud.yaml", &order("nocloud", "v1.11.2", TO_ALL));
    site.world
        .order("metal.yaml", &order("metal", "v1.11.3", TO_ALL));
    // Users have files there as well: one that looks like an image of an order, and one in
    // the place of an image that is to come.
    let (similar, other) = (name("nocloud", "v1.10.7"), b"of a user");
    let users = [
        site.file("pve-02", "debian-12.iso"),
        site.file("pve-02", &similar),
        site.file("pve-03", &new),
    ];
    for path in &users {
        fs::write(path, other).unwrap();
    }
    let first = controller("first", "pve-01");
    let mut leader = Running::start(&first);
    let epoch = waits_for(&first, "prague", "leader");
    let by_first: BTreeMap<_, _> = NODES
        .map(|node| (node.to_owned(), vec![old.clone(), same.clone()]))
        .into();
    eventually("the first one told what it delivered", || {
        recorded(&site.store.json(RECORD)) == by_first
    });
    leader.signal(Signal::KILL);
    leader.wait();

    // Somebody changes an image, and the orders want another one.
    let changed = site.file("pve-01", &same);
    fs::write(&changed, b"changed").unwrap();
    site.world
        .order("nocloud.yaml", &order("nocloud", "v1.11.3", TO_ALL));
    let second = controller("second", "pve-02");
    let _leader = Running::start(&second);
    assert_eq!(waits_for(&second, "prague", "leader"), epoch + 1);
    let after: BTreeMap<_, _> = [
        ("pve-01", vec![same.clone(), new.clone()]),
        ("pve-02", vec![same.clone(), new.clone()]),
        // What is in the way of the new one keeps the old one.
        ("pve-03", vec![old.clone(), same.clone()]),
    ]
    .map(|(node, names)| (node.to_owned(), names))
    .into();
    eventually("the second one goes on with that", || {
        let record = site.store.json(RECORD);
        record["epoch"] == epoch + 1 && recorded(&record) == after
    });
    // It is not done with it in the middle of a run.
    let runs = || {
        let told = second.run(&["history", "-o", "json", "--number", "1000"]);
        told.json().as_array().map_or(0, Vec::len)
    };
    let before = runs();
    eventually("some more runs", || runs() >= before + 3);

    let bytes = |name: &str| site.world.image(name);
    assert_eq!(fs::read(&changed).unwrap(), bytes(&same));
    for (node, names) in after {
        for name in names {
            let path = site.file(&node, &name);
            assert_eq!(fs::read(&path).unwrap(), bytes(&name), "{node} {name}");
        }
    }
    for path in &users {
        assert_eq!(fs::read(path).unwrap(), other, "{}", path.display());
    }
    // Nothing else is there: what no order wants any more is gone.
    assert_eq!(site.files().len(), 2 * NODES.len() + users.len());
    let said = second.run(&["status"]);
    said.says("pve-03");
}
