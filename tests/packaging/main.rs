//! The units and the package are what they say: the directives stand where systemd
//! reads them, the command lines are accepted by the program, the places are those
//! of the configuration, and everything that is named is there.
//!
//! What needs a tool that is not everywhere (systemd-analyze, cargo-deb, a container
//! to boot) says so and is skipped; the rest always runs.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the units and runs the tools that judge them"
)]

mod installed;
mod unit;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::Parser as _;
use serde_json::Value;
use talos_order::{cli, config};
use unit::Unit;

const PROGRAM: &str = env!("CARGO_BIN_EXE_talos-order");

const SERVICES: [&str; 3] = [
    "talos-order.service",
    "talos-order-once.service",
    "talos-order-git-sync.service",
];

const TIMERS: [&str; 2] = ["talos-order-once.timer", "talos-order-git-sync.timer"];

/// The exposure that is the most a service may have, in tenths: what
/// `systemd-analyze security` calls 2.5.
const EXPOSURE_MAX: &str = "--threshold=25";

/// The directives in use, by section. systemd only warns of one that stands in the
/// wrong section, and then does not do what it says.
const DIRECTIVES: &[(&str, &str)] = &[
    (
        "Unit",
        "Description Documentation Wants After StartLimitIntervalSec StartLimitBurst",
    ),
    (
        "Service",
        "Type NotifyAccess User Group Environment EnvironmentFile ExecStart ExecReload
         WatchdogSec Restart RestartSec RestartPreventExitStatus TimeoutStartSec
         TimeoutStopSec KillMode OOMPolicy CPUWeight IOWeight StateDirectory RuntimeDirectory
         StateDirectoryMode CacheDirectory WorkingDirectory ReadWritePaths UMask NoNewPrivileges CapabilityBoundingSet
         AmbientCapabilities PrivateUsers PrivateTmp PrivateDevices DevicePolicy
         ProtectSystem ProtectHome ProtectProc ProcSubset ProtectClock ProtectHostname
         ProtectControlGroups ProtectKernelLogs ProtectKernelModules
         ProtectKernelTunables RestrictAddressFamilies RestrictNamespaces
         RestrictRealtime RestrictSUIDSGID LockPersonality MemoryDenyWriteExecute
         RemoveIPC KeyringMode SystemCallArchitectures SystemCallFilter
         SystemCallErrorNumber",
    ),
    (
        "Timer",
        "OnCalendar OnBootSec OnUnitInactiveSec Persistent RandomizedDelaySec AccuracySec",
    ),
    ("Install", "WantedBy"),
];

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// Whether a tool is there; says that a test is skipped where it is not.
fn has(tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()));
    if !found {
        eprintln!("skipped: {tool} was not found");
    }
    found
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) -> Output {
    command.env("SYSTEMD_COLORS", "0");
    let output = command.output();
    output.unwrap_or_else(|why| panic!("{command:?}: {why}"))
}

fn run_well(command: &mut Command) -> String {
    let output = run(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_directive_stands_in_its_section() {
    for name in SERVICES.into_iter().chain(TIMERS) {
        for (section, key) in Unit::read(name).0.keys() {
            let known = (DIRECTIVES.iter())
                .any(|(known, keys)| known == section && keys.split_whitespace().any(|k| k == key));
            assert!(known, "{name}: {key} in [{section}] is not in the table");
        }
    }
}

#[test]
fn the_program_accepts_the_command_lines() {
    let daemon = Unit::read(SERVICES[0]);
    let once = Unit::read(SERVICES[1]);
    for unit in [&daemon, &once] {
        let words = unit.command();
        assert_eq!(words[0], "/usr/bin/talos-order");
        let cli = cli::Cli::try_parse_from(&words).unwrap_or_else(|why| panic!("{why}"));
        let named = cli.common.config.expect("the configuration is named");
        assert_eq!(named.to_str(), Some(config::SEARCHED[0]));
        assert_eq!(
            cli.common.orders, None,
            "the configuration names the orders"
        );
    }
    assert!(!daemon.command().contains(&"--once".to_owned()));
    assert!(once.command().contains(&"--once".to_owned()));
}

#[test]
fn the_daemon_and_the_single_run_differ_only_where_they_must() {
    let differing = |daemon: &Unit, once: &Unit| -> BTreeSet<String> {
        let service = |unit: &Unit| -> BTreeSet<_> {
            let of_service = unit.0.clone().into_iter();
            of_service.filter(|((s, _), _)| s == "Service").collect()
        };
        let (daemon, once) = (service(daemon), service(once));
        let differ = daemon.symmetric_difference(&once);
        differ.map(|((_, key), _)| key.clone()).collect()
    };
    let expected = "Type NotifyAccess ExecStart ExecReload WatchdogSec Restart RestartSec
        RestartPreventExitStatus TimeoutStartSec RuntimeDirectory";
    assert_eq!(
        differing(&Unit::read(SERVICES[0]), &Unit::read(SERVICES[1])),
        expected.split_whitespace().map(str::to_owned).collect()
    );
}

#[test]
fn the_places_are_those_of_the_configuration() {
    let settings = config::parse("config.yaml", &text("systemd/config.yaml"), &|_| None)
        .unwrap_or_else(|why| panic!("{why}: {:#?}", why.problems()));
    let orders = settings.orders_path.as_deref();
    assert_eq!(orders, Some(Path::new("/etc/talos-order/orders")));
    for name in &SERVICES[..2] {
        let unit = Unit::read(name);
        let cache = Path::new("/var/cache").join(unit.service("CacheDirectory"));
        assert_eq!(settings.cache_dir, cache);
        let state = Path::new("/var/lib").join(unit.service("StateDirectory"));
        assert_eq!(unit.service("WorkingDirectory"), state.to_str().unwrap());
        assert_eq!(settings.state_dir, state);
        let order = "o".parse().expect("an order's name");
        assert!(settings.manifest.path(&order, None).starts_with(&state));
        assert!(text("systemd/talos-order.tmpfiles").contains(state.to_str().unwrap()));
        assert!(text("systemd/talos-order.sysusers").contains(state.to_str().unwrap()));
    }
    // A wait that the configuration allows is not taken for a hang.
    let watchdog = Unit::read(SERVICES[0]);
    let watchdog = watchdog.service("WatchdogSec").strip_suffix("min");
    let minutes: u64 = watchdog.expect("in minutes").parse().expect("a number");
    assert!(settings.limits.first_byte.as_secs() < minutes * 60);
    let sync = Unit::read(SERVICES[2]);
    let checkout = Path::new("/var/lib").join(sync.service("StateDirectory"));
    let named = sync.command();
    assert!(named.contains(&checkout.display().to_string()), "{named:?}");
}

/// A `#key:` line is a default; a `# ` line is a sentence.
#[test]
fn the_commented_values_of_the_configuration_are_the_defaults() {
    let written = text("systemd/config.yaml");
    let all: String = (written.lines())
        .map(|line| match line.strip_prefix('#') {
            Some(value) if !value.starts_with(' ') || value.starts_with("  ") => value,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .filter(|part| !part.contains("systemctl"))
        .collect();
    assert!(all.contains("\ndefaults:\n  cache_dir:"), "{all}");
    let read = |text: &str| {
        let settings = config::parse("config.yaml", text, &|_| None)
            .unwrap_or_else(|why| panic!("{why}: {:#?}", why.problems()));
        format!("{settings:#?}")
    };
    assert_eq!(read(&all), read(&written));
}

/// `[package.metadata.deb]`, as cargo reads it.
fn deb() -> Value {
    let metadata = run_well(Command::new(env!("CARGO")).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version=1",
    ]));
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo writes JSON");
    metadata["packages"][0]["metadata"]["deb"].clone()
}

fn strings(value: &Value) -> Vec<&str> {
    let list = value.as_array().expect("a list");
    list.iter().map(|v| v.as_str().expect("a string")).collect()
}

#[test]
fn the_package_lists_what_exists_and_forgets_nothing() {
    let deb = deb();
    let assets: Vec<Vec<&str>> = deb["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(strings)
        .collect();
    for asset in &assets {
        let source = asset[0];
        let (dir, _) = source.split_once('*').unwrap_or((source, ""));
        assert!(
            source.starts_with("target/release/") || Path::new(dir).exists(),
            "{source} does not exist"
        );
    }
    // Everything in /etc is the administrator's, and asked about on upgrades.
    let etc: BTreeSet<String> = (assets.iter())
        .filter(|asset| asset[1].starts_with("etc/"))
        .map(|asset| format!("/{}", asset[1]))
        .collect();
    let kept = strings(&deb["conf-files"]).into_iter().map(str::to_owned);
    assert_eq!(etc, kept.collect());
    // Found by cargo-deb itself, or for building only.
    let unlisted = [
        "talos-order.service",
        "talos-order.sysusers",
        "build-deb.sh",
        "debian",
    ];
    for entry in fs::read_dir("systemd").expect("a directory") {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let listed = assets
            .iter()
            .any(|asset| asset[0] == format!("systemd/{name}"));
        assert!(
            listed != unlisted.contains(&name.as_str()),
            "systemd/{name} has to be listed exactly once"
        );
    }
    for name in SERVICES {
        for file in Unit::read(name).all("Service", "EnvironmentFile") {
            let file = file.strip_prefix('-').expect("may be missing");
            assert!(
                etc.contains(file),
                "{name} reads {file}, which is not packed"
            );
        }
    }
    for timer in TIMERS {
        assert!(SERVICES.contains(&&*timer.replace(".timer", ".service")));
    }
}

#[test]
fn nothing_runs_by_being_installed() {
    let units = &deb()["systemd-units"];
    assert_eq!(units["enable"], false);
    assert_eq!(units["start"], false);
}

#[test]
fn scripts_are_shell() {
    run_well(Command::new("sh").args(["-n", "systemd/debian/postrm"]));
    for script in [
        "systemd/build-deb.sh",
        "tests/boot/run",
        "tests/boot/inside",
    ] {
        run_well(Command::new("bash").args(["-n", script]));
    }
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    // The programs that the units start have to exist.
    let dir = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for name in SERVICES.into_iter().chain(TIMERS) {
        let unit = text(&format!("systemd/{name}"))
            .replace("=/usr/bin/talos-order ", &format!("={PROGRAM} "))
            .replace("=/usr/bin/git ", "=/bin/true ");
        let path = dir.path().join(name);
        fs::write(&path, unit).unwrap();
        paths.push(path);
    }
    let output = run(Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&paths));
    // It looks at the units of the machine as well, which are none of ours. Most
    // faults are warnings that leave the exit code at 0.
    let said = String::from_utf8_lossy(&output.stderr);
    let faults: Vec<&str> = said.lines().filter(|l| l.contains("talos-order")).collect();
    assert!(output.status.success() && faults.is_empty(), "{said}");
}

#[test]
fn the_services_are_sandboxed() {
    if !has("systemd-analyze") {
        return;
    }
    for name in SERVICES {
        run_well(Command::new("systemd-analyze").args([
            "security",
            "--offline=true",
            "--no-pager",
            EXPOSURE_MAX,
            &format!("systemd/{name}"),
        ]));
    }
}

#[test]
fn the_user_and_its_directories_can_be_made() {
    if !is_root() {
        eprintln!("skipped: only root can make users");
        return;
    }
    if !has("systemd-sysusers") || !has("systemd-tmpfiles") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let with_root = format!("--root={}", root.path().display());
    let here = |name: &str| fs::canonicalize(format!("systemd/{name}")).unwrap();
    run_well(
        Command::new("systemd-sysusers")
            .arg(&with_root)
            .arg(here("talos-order.sysusers")),
    );
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(
        users.contains(":/var/lib/talos-order:/usr/sbin/nologin"),
        "{users}"
    );
    run_well(
        Command::new("systemd-tmpfiles")
            .args(["--create", &with_root])
            .arg(here("talos-order.tmpfiles")),
    );
    let keys = root.path().join("var/lib/talos-order/.ssh");
    let mode = rustix::fs::stat(&keys).unwrap().st_mode & 0o7777;
    assert_eq!(mode, 0o700);
}
