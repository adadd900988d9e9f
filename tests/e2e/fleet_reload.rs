//! What of the configuration takes effect with a restart only: a reload with it is refused,
//! and everything else goes on.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::Signal;

use crate::common::PATIENCE;
use crate::common::program::Program;
use crate::common::seaweed::Seaweed;
use crate::controllers::{Objects, Running, eventually, waits_for};
use crate::world::World;

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const NEXT: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";
const LEADER: &str = "v1/leaders/prague.json";

/// A controller of a fleet, and what it says.
struct Service {
    world: World,
    program: Program,
    /// Each status that the service manager hears.
    heard: Receiver<String>,
    log: PathBuf,
    config: String,
}

impl Service {
    fn new(seaweed: &Seaweed, prefix: &str) -> Self {
        let world = World::small();
        let root = world.dir.path().display();
        let url = world.factory.url();
        let config = format!(
            "owner: prague\ndefaults:\n  cache_dir: {root}/cache\n  push: {{create: true}}\n\
             manifest: {{dir: {root}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
             reconcile: {{interval: 1h, debounce: 100ms, poll: 500ms}}\n\
             fleet: {{site: prague, ttl: 10s}}\n{store}\
             sites: [{{name: prague}}, {{name: brno}}]\nnodes:\n  \
             - {{name: pve-1, labels: [all], site: prague, local: true, iso_dir: {root}/node}}\n",
            store = seaweed.section(prefix, world.dir.path()),
        );
        fs::write(world.at("config.yaml"), &config).unwrap();
        let manager = UnixDatagram::bind(world.at("notify")).unwrap();
        let (tell, heard) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Until nobody listens any more.
            while let Ok(count) = manager.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                let mut lines = text.lines();
                let status = lines.find_map(|line| line.strip_prefix("STATUS="));
                if status.is_some_and(|status| tell.send(status.to_owned()).is_err()) {
                    return;
                }
            }
        });
        Self {
            program: world.program.clone(),
            heard,
            log: world.at("run.log"),
            config,
            world,
        }
    }

    fn start(&self) -> Running {
        let mut command = self.program.command(&["run"]);
        command.env("NOTIFY_SOCKET", self.world.at("notify"));
        let log = fs::File::create(&self.log).unwrap();
        Running(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// The next status of a kind.
    fn hears(&self, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let status = self.heard.recv_timeout(PATIENCE).unwrap();
            if is_it(&status) {
                return status;
            }
        }
    }

    fn reconfigure(&self, controller: &Running, config: &str) {
        assert_ne!(config, self.config);
        fs::write(self.world.at("config.yaml"), config).unwrap();
        controller.signal(Signal::HUP);
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

#[test]
fn a_reload_with_another_store_or_fleet_is_refused() {
    const PREFIX: &str = "reload/";
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let service = Service::new(seaweed, PREFIX);
    let objects = Objects::of(seaweed.bucket(PREFIX));
    let world = &service.world;
    let node = world.at("node");
    world.order_one("iso", "");
    let mut controller = service.start();
    let epoch = waits_for(&service.program, "prague", "leader");
    eventually("the first image", || node.join(ISO).exists());

    // What is refused, and what nobody writes to meanwhile.
    let other = "reload-other/";
    let url = |prefix: &str| format!("s3://fleet/{}\n", prefix.trim_end_matches('/'));
    let store = |config: &str| config.replace(&url(PREFIX), &url(other));
    let config = &service.config;
    let single = config.lines().filter(|line| !line.starts_with("fleet:"));
    let single = single.map(|line| format!("{line}\n")).collect();
    let changes = [
        ("store", store(config)),
        ("fleet", config.replace("ttl: 10s", "ttl: 20s")),
        (
            "fleet",
            config.replace("site: prague, ttl", "site: [prague, brno], ttl"),
        ),
        ("fleet", single),
    ];
    for (key, changed) in &changes {
        let before = service.log().len();
        service.reconfigure(&controller, changed);
        let why = format!("`{key}` has changed, which takes a restart");
        let status = service.hears(|status| status.contains(&why));
        assert!(
            status.starts_with("the new configuration is invalid: "),
            "{status}"
        );
        let log = service.log().split_off(before);
        let line = log.lines().find(|line| line.contains(&why));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("the old one stays in effect"), "{line}");
        let shown = format!("refused: {why}; the configuration before it stays in effect");
        service.program.run(&["status"]).says(&shown);
    }

    // It goes on with the old one, and says so for as long as it does.
    let version = "      version: {type: exact, value: v1.11.2}\n";
    world.order_one("iso", version);
    eventually("the next image", || node.join(NEXT).exists());
    let status = service.hears(|status| status.contains("ready"));
    assert!(status.contains("`fleet` has changed"), "{status}");
    let led = objects.json(LEADER);
    assert_eq!(
        (&led["epoch"], &led["ttl_ms"]),
        (&epoch.into(), &10_000.into())
    );
    eventually("the report is where it was", || {
        let wanted = objects.json("v1/sites/prague/report.json")["wanted"].to_string();
        wanted.contains("v1.11.2")
    });
    assert_eq!(objects.keys("v1/leaders"), [LEADER]);
    let elsewhere = Objects::of(seaweed.bucket(other));
    assert_eq!(elsewhere.keys("v1"), [""; 0]);

    // What may change, does, and nothing is refused any more.
    let slower = config.replace("interval: 1h", "interval: 2h");
    service.reconfigure(&controller, &slower);
    let status = service.hears(|status| !status.contains("is invalid"));
    assert!(!status.contains("has changed"), "{status}");
    assert!(service.log().contains("configuration reloaded"));
    service.program.run(&["status"]).omits("refused");
    assert_eq!(objects.json(LEADER)["epoch"], epoch);

    // With a restart it does.
    controller.signal(Signal::TERM);
    assert_eq!(controller.wait().code(), Some(0));
    fs::write(world.at("config.yaml"), store(config)).unwrap();
    let _controller = service.start();
    assert_eq!(waits_for(&service.program, "prague", "leader"), 1);
    assert_eq!(elsewhere.keys("v1/leaders"), [LEADER]);
}
