//! Nodes that an order names and that only the cluster of another site can have: a name that
//! nobody has is told, and a right one is not refused.

use std::fs;
use std::time::Duration;

use talos_order::proxmox_stub::{PveStub, PveStubOptions};
use tokio::runtime::Runtime;

use crate::common::program::Program;
use crate::common::seaweed::Seaweed;
use crate::world::World;

const TOKEN: &str = "talos-order@pve!ctl";
const SECRET: &str = "0a1b2c3d-0000-4000-8000-5ec2e75ec2e7";
const MAY: &str = "one.yaml:7) is unknown here; the cluster lab of site prague may have it";

/// A controller of a site, with files of its own.
fn controller(world: &World, stub: &PveStub, site: &str, store: &str) -> Program {
    let home = world.at(site);
    fs::create_dir_all(&home).unwrap();
    let config = format!(
        "owner: fleet\ndefaults:\n  cache_dir: {home}/cache\n  push: {{create: true}}\n\
         manifest: {{dir: {home}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
         github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
         fleet: {{site: {site}, ttl: 10s}}\n{store}sites: [{{name: prague}}, {{name: brno}}]\n\
         nodes: [{{name: brno-1, site: brno, local: true, iso_dir: {root}/brno}}]\n\
         clusters:\n- name: lab\n  site: prague\n  endpoints: [\"{api}\"]\n  \
         token_id: {TOKEN}\n  token_file: {root}/token\n  transport: api\n",
        home = home.display(),
        url = world.factory.url(),
        root = world.dir.path().display(),
        api = stub.url("pve-01"),
    );
    let file = home.join("config.yaml");
    fs::write(&file, config).unwrap();
    Program::with_files(&home, &file, &world.at("orders"))
}

#[test]
fn a_name_that_no_site_reports_is_told_and_another_one_is_not() {
    const PREFIX: &str = "unknown-node/";
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let world = World::small();
    let runtime = Runtime::new().unwrap();
    let mut options = PveStubOptions::new(world.at("pve"));
    options.nodes = vec!["pve-01".to_owned()];
    options.unauthorized_delay = Duration::ZERO;
    let stub = runtime.block_on(PveStub::start(options)).unwrap();
    stub.add_token(TOKEN, SECRET);
    stub.grant(
        TOKEN,
        "/storage/local",
        "Datastore.Audit Datastore.AllocateTemplate",
    );
    stub.grant(TOKEN, "/nodes", "Sys.AccessNetwork");
    fs::write(world.at("token"), SECRET).unwrap();
    let store = seaweed.section(PREFIX, world.dir.path());
    let [brno, prague] = ["brno", "prague"].map(|site| controller(&world, &stub, site, &store));
    let order = |node: &str| {
        let order = format!(
            "orderid: one\npositions:\n  - name: one\n    image_format: iso\n    version: \
             v1.11.3\n    push: {{enabled: true, hosts: [{{node: brno-1}},\n      {{node: {node}, \
             storage: local}}]}}\n"
        );
        world.order("one.yaml", &order);
    };

    order("pve-99");
    let unchecked = |node: &str| {
        let offline = brno.run(&["validate"]).expect(0).omits("warning");
        offline.complains(&format!(
            "one.yaml:7: node {node} is not checked here; use --online: the cluster lab of \
             site prague may have it"
        ));
        let github = brno.run(&["validate", "-o", "github"]).expect(0);
        github.omits("::warning");
    };
    unchecked("pve-99");
    brno.run(&["apply"]).expect(0).says(MAY);
    assert!(world.at("brno").join("cache").exists());
    brno.run(&["status"]).says(MAY);
    // Whose cluster it is knows better, and its report tells the others.
    let refused = prague.run(&["apply"]).expect(1);
    refused.complains("node \"pve-99\" is not known; known: brno-1, pve-01");
    let denied = format!("{MAY}, but does not report it");
    brno.run(&["plan"])
        .expect(0)
        .says(&denied)
        .says("check the name");
    let online = brno.run(&["validate", "--online"]).expect(0);
    online.complains("may have it, but does not report it");
    let json = |args: &[&str]| brno.run(args).expect(0).json();
    let online = json(&["validate", "--online", "-o", "json"]);
    assert_eq!(online["warnings"][0]["line"], 7, "{online:#}");
    let offline = json(&["validate", "-o", "json"]);
    assert_eq!(offline["warnings"][0], serde_json::Value::Null);
    assert_eq!(offline["awaited"][0]["name"], "node pve-99", "{offline:#}");

    order("pve-01");
    unchecked("pve-01");
    prague.run(&["apply"]).expect(0);
    brno.run(&["plan"]).expect(0).omits("unknown here");
    brno.run(&["validate", "--online"])
        .expect(0)
        .omits("1 warning");
}
