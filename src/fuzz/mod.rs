//! What takes bytes from outside, as functions that a fuzzer calls.
//!
//! Each target feeds one reader with arbitrary bytes and checks what must hold for
//! any input: it ends without a panic, what it shows of the input is printable, and
//! what it writes it can read back. `fuzz/run` runs them with coverage feedback; the
//! tests run each for a moment from the same seeds, and replay `fuzz/cases`.
//!
//! Compiled for tests and fuzzing only.

mod packed;
mod repair;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::io::image::container;
use crate::model::{NameTemplate, OrderDefaults, Sha256};
use crate::schematic::Canonical;
use crate::{config, controller, facts, nodes, orders, plan, upstream};

/// A reader of bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its directory below `fuzz/corpus` and `fuzz/cases`.
    pub name: &'static str,
    /// Feeds it. Panics where something does not hold.
    pub feed: fn(&[u8]),
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    target("cache_record", cache_record),
    target("checksum", checksum),
    target("config", config),
    target("control_answer", controller::http::fuzz::answer),
    target("control_question", control_question),
    target("digest", digest),
    target("file_name", file_name),
    target("gpt", container::fuzz::gpt),
    target("gzip", packed::gzip),
    target("http_header", upstream::fuzz::header),
    target("iso", container::fuzz::iso),
    target("manifest", manifest),
    target("mbr", container::fuzz::mbr),
    target("memory", memory),
    target("node_answer", nodes::fuzz::answer),
    target("node_record", nodes::fuzz::record),
    target("node_vms", node_vms),
    target("orders", orders),
    target("qcow2", container::fuzz::qcow2),
    target("rsync_progress", nodes::fuzz::rsync_progress),
    target("schematic", schematic),
    target("signature", signature),
    target("storage_root", storage_root),
    target("version", version),
    target("versions", versions),
    target("vm_config", nodes::fuzz::vm_config),
    target("xz", packed::xz),
    target("xz_sums", packed::xz_sums),
    target("zstd", packed::zstd),
];

const fn target(name: &'static str, feed: fn(&[u8])) -> Target {
    Target { name, feed }
}

/// Feeds the target of a name; for the fuzzer's programs.
///
/// # Panics
/// If there is no such target, or something does not hold.
pub fn feed(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").feed)(bytes);
}

/// Fails if a terminal would do anything but show the text.
fn assert_printable(text: &str) {
    let odd = text.chars().find(|&c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    });
    assert!(odd.is_none(), "{odd:?} in {text:?}");
}

fn orders(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let set = orders::parse("orders.yaml", text, &DEFAULTS);
    for problem in set.problems() {
        assert_printable(&problem.to_string());
    }
}

/// A configuration with a node, for the orders.
const CONFIG: &str = "defaults: {push: {enabled: true}}\n\
    nodes:\n  - {name: pve-01, labels: [all], storage: fast, shared: true}\n  - {name: nas, local: true}\n";

/// What the orders of the seeds are read with.
static DEFAULTS: LazyLock<OrderDefaults> = LazyLock::new(|| {
    config::parse("config.yaml", CONFIG, &|_| Some("secret".to_owned()))
        .expect("the configuration of the seeds")
        .orders
});

fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = config::parse_without_secrets("config.yaml", text) {
        for problem in error.problems() {
            assert_printable(&problem.to_string());
        }
    }
}

fn schematic(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match orders::parse_schematic("schematic.yaml", text) {
        Ok(schematic) => {
            let canonical = Canonical::of(&schematic);
            let again = orders::parse_schematic("canonical.yaml", &canonical.text);
            let again = again.unwrap_or_else(|why| panic!("{why:?}\n{}", canonical.text));
            assert_eq!(Canonical::of(&again).text, canonical.text);
        }
        Err(problems) => {
            for problem in problems {
                assert_printable(&problem.to_string());
            }
        }
    }
}

fn file_name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(parts) = NameTemplate::default().read(text) {
        // Only what a user sees of it may be odd, never what a path is made of.
        assert!(!text.contains(['/', '\0', '\n']), "{text:?}: {parts:?}");
    }
}

fn version(bytes: &[u8]) {
    use crate::model::TalosVersion;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(version) = text.parse::<TalosVersion>() {
        let shown = version.to_string();
        assert_printable(&shown);
        assert_eq!(shown.parse::<TalosVersion>().ok(), Some(version), "{shown}");
    }
}

fn digest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(digest) = text.parse::<Sha256>() {
        assert_eq!(digest.to_string().parse::<Sha256>().ok(), Some(digest));
    }
}

fn manifest(bytes: &[u8]) {
    use crate::conclude::manifest::Manifest;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(manifest) = serde_yaml::from_str::<Manifest>(text) {
        let written = serde_yaml::to_string(&manifest).expect("a form in YAML");
        let again = serde_yaml::from_str::<Manifest>(&written).ok();
        assert_eq!(again.as_ref(), Some(&manifest), "{written}");
    }
}

fn memory(bytes: &[u8]) {
    kept::<facts::Memory>(bytes);
}

fn cache_record(bytes: &[u8]) {
    kept::<facts::Meta>(bytes);
}

/// A file of ours: what was read can be written and read again.
fn kept<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_string(&read).expect("a form in JSON");
        assert_eq!(
            serde_json::from_str::<T>(&written).ok(),
            Some(read),
            "{written}"
        );
    }
}

fn checksum(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        upstream::fuzz::checksum(text);
    }
}

fn signature(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok();
    let why = text.and_then(upstream::fuzz::signature);
    assert_printable(&why.unwrap_or_default());
}

fn versions(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok();
    let why = text.and_then(upstream::fuzz::versions);
    assert_printable(&why.unwrap_or_default());
}

fn control_question(bytes: &[u8]) {
    let why = controller::http::fuzz::question(bytes);
    assert_printable(&why.unwrap_or_default());
}

fn node_vms(bytes: &[u8]) {
    assert_printable(&nodes::fuzz::vms(bytes).unwrap_or_default());
}

/// A storage that has to be mounted is used only where it is mounted, whatever a node
/// says of it.
fn storage_root(bytes: &[u8]) {
    let Some((dir, state)) = nodes::fuzz::root(bytes) else {
        return;
    };
    let why = plan::absent(&dir, &state);
    if let Some(mount) = state.root.and_then(|root| root.mount) {
        // Nothing but the root directory is mounted.
        let is_root = !mount.is_empty() && mount.bytes().all(|byte| byte == b'/');
        assert_eq!(why.is_none(), is_root, "{mount:?} is not mounted: {why:?}");
    }
    assert_printable(&why.unwrap_or_default());
}
