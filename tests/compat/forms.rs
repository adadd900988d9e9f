//! What this version writes can be read by the earlier one.
//!
//! Its readers ignore keys that they do not know, and refuse a file, or a line of one,
//! without a key that they do know, with a value of another type, or with a word that is
//! none of theirs. So in the same situations today's files have to have every key that
//! its files always had, with values of the same types, and no new words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use talos_order::conclude::StepEnd;
use talos_order::conclude::manifest::PushStatus;
use talos_order::conclude::{Condition, ConditionState, Reason, Verdict};
use talos_order::facts::Provenance;

use crate::fixture::files;
use crate::scenes::{ALL, Kind, Scene};

/// Where the keys are names of orders, nodes, files or steps.
const MAPS: [&str; 9] = [
    "unwanted_since",
    "backoff",
    "circuits",
    "verified",
    "places",
    "links",
    "detours",
    "ids",
    "features",
];

/// What is known of the values at one place of a kind of file.
#[derive(Debug, Default)]
struct Form {
    types: BTreeSet<&'static str>,
    /// How often it was an object.
    objects: usize,
    /// Each key, how often it was there, and what was there.
    keys: BTreeMap<String, (usize, Self)>,
    /// What is in a list, or in a map of names.
    each: Option<Box<Self>>,
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Each value of a list or of a map of names.
fn values_of<'a>(name: &str, value: &'a Value) -> Option<Vec<&'a Value>> {
    match value {
        Value::Array(values) => Some(values.iter().collect()),
        Value::Object(map) if MAPS.contains(&name) => Some(map.values().collect()),
        _ => None,
    }
}

impl Form {
    fn learn(&mut self, name: &str, value: &Value) {
        self.types.insert(type_of(value));
        if let Some(values) = values_of(name, value) {
            let each = self.each.get_or_insert_default();
            values.iter().for_each(|value| each.learn("", value));
        } else if let Value::Object(map) = value {
            self.objects += 1;
            for (key, value) in map {
                let (count, form) = self.keys.entry(key.clone()).or_default();
                *count += 1;
                form.learn(key, value);
            }
        }
    }

    /// What a value lacks that was always there, or has in another form.
    fn check(&self, at: &str, name: &str, value: &Value, wrong: &mut BTreeSet<String>) {
        let types = &self.types;
        let was_null = types.len() == 1 && types.contains("null");
        if !types.contains(type_of(value)) && !was_null && !value.is_null() {
            wrong.insert(format!("{at} was {types:?} and is {}", type_of(value)));
        } else if let Some(values) = values_of(name, value) {
            for value in values {
                if let Some(each) = &self.each {
                    each.check(&format!("{at}[]"), "", value, wrong);
                }
            }
        } else if let Value::Object(map) = value {
            for (key, (count, form)) in &self.keys {
                match map.get(key) {
                    Some(value) => form.check(&format!("{at}.{key}"), key, value, wrong),
                    None if *count == self.objects => {
                        wrong.insert(format!("{at}.{key} was always there"));
                    }
                    None => {}
                }
            }
        }
    }
}

/// The values in a file by its kind, if it is one that a program reads.
fn read(path: &Path) -> Option<(String, Vec<Value>)> {
    let name = path.file_name()?.to_str()?;
    let text = || fs::read_to_string(path).unwrap();
    let lines = |first: &str| {
        let all = text();
        let lines = all.lines().filter(|line| line.starts_with(first));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let one = || vec![serde_json::from_str(&text()).unwrap()];
    Some(match name {
        ".talos-order.jsonl" => ("record".to_owned(), lines("{\"name\":")),
        "history.jsonl" => (name.to_owned(), lines("{")),
        "events.jsonl" => {
            // What operators did: version 0.1.0 skips a line that is of no step.
            let mut events: Vec<Value> = lines("{");
            events.retain(|event| event.get("action").is_none());
            (name.to_owned(), events)
        }
        _ if name.starts_with("manifest-") => (
            "manifest".to_owned(),
            vec![serde_yaml::from_str(&text()).unwrap()],
        ),
        _ if name.ends_with(".meta.json") => ("meta".to_owned(), one()),
        _ if name.ends_with(".part.json") => ("part".to_owned(), one()),
        _ if name.ends_with(".json") && name != "images.json" => (name.to_owned(), one()),
        _ => return None,
    })
}

impl Scene {
    /// The values in all files of each kind.
    fn values(&self) -> BTreeMap<String, Vec<Value>> {
        let mut values: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (_, root) in self.places() {
            for below in files(&root) {
                if let Some((kind, found)) = read(&root.join(below)) {
                    values.entry(kind).or_default().extend(found);
                }
            }
        }
        values
    }
}

#[test]
fn files_have_the_keys_that_the_earlier_version_needs() {
    let mut forms: BTreeMap<String, Form> = BTreeMap::new();
    for kind in ALL {
        for (kind, values) in Scene::restored(kind).values() {
            let form = forms.entry(kind).or_default();
            values.iter().for_each(|value| form.learn("", value));
        }
    }
    let today: Vec<_> = std::thread::scope(|scope| {
        let plays = ALL.map(|kind| {
            scope.spawn(move || {
                let scene = Scene::empty(kind);
                scene.play();
                scene.values()
            })
        });
        plays.map(|play| play.join().unwrap()).into()
    });
    let (mut seen, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for (kind, values) in today.into_iter().flatten() {
        let Some(form) = forms.get(&kind) else {
            continue;
        };
        for value in &values {
            form.check(&kind, "", value, &mut wrong);
        }
        seen.insert(kind);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let missing: Vec<_> = forms.keys().filter(|kind| !seen.contains(*kind)).collect();
    assert!(missing.is_empty(), "{missing:?} is not written any more");
}

#[test]
fn what_the_earlier_version_could_not_read_is_noticed() {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut form = Form::default();
    for known in [
        r#"{"at": "x", "steps": [{"id": 1, "why": "y"}, {"id": 2}], "backoff": {"a": {"n": 1}}}"#,
        r#"{"at": "x", "steps": [], "backoff": {}, "rest": null}"#,
    ] {
        form.learn("", &value(known));
    }
    for (text, expected) in [
        (
            r#"{"at": "x", "steps": [{"id": 3, "new": 1}], "backoff": {"b": {"n": 2}}}"#,
            0,
        ),
        (
            r#"{"at": null, "steps": [], "backoff": {}, "rest": 7, "new": 1}"#,
            0,
        ),
        (r#"{"steps": [], "backoff": {}}"#, 1),
        (r#"{"at": 1, "steps": [], "backoff": {}}"#, 1),
        (
            r#"{"at": "x", "steps": [{"why": "y"}], "backoff": {"b": {}}}"#,
            2,
        ),
    ] {
        let mut wrong = BTreeSet::new();
        form.check("it", "", &value(text), &mut wrong);
        assert_eq!(wrong.len(), expected, "{text}: {wrong:?}");
    }
}

/// What its scripts on a node look for in the files there: they know no JSON.
#[test]
fn lines_on_nodes_are_written_as_the_earlier_version_looks_for_them() {
    let scene = Scene::empty(Kind::Killed);
    scene.play();
    let iso = scene.dir("pve-1", "iso");
    // `UNTIL TOKEN NODE OWNER`, and the time has eleven digits at most.
    let lease = fs::read_to_string(iso.join(".talos-order.lock")).unwrap();
    let words: Vec<&str> = lease.strip_suffix('\n').unwrap().splitn(4, ' ').collect();
    let [until, token, node, owner] = words[..] else {
        panic!("{lease}");
    };
    assert!(until.len() <= 11 && until.parse::<u64>().is_ok(), "{lease}");
    assert!(!token.is_empty() && node.starts_with("pve-1"), "{lease}");
    assert_eq!(owner, "homelab");

    let scene = Scene::empty(Kind::Owned);
    scene.play();
    let iso = scene.world.at("nas/iso");
    let record = fs::read_to_string(iso.join(".talos-order.jsonl")).unwrap();
    let lines: Vec<&str> = record.lines().collect();
    assert_eq!(lines[0], r#"{"talos-order":"record","version":1}"#);
    let name = crate::common::snapshot::images(&iso).remove(0);
    let line = lines[1..]
        .iter()
        .find(|line| line.starts_with("{\"name\":"));
    let line = line.unwrap_or_else(|| panic!("{record}"));
    assert!(
        line.starts_with(&format!("{{\"name\":\"{name}\",")),
        "{line}"
    );
    assert!(line.contains(r#","owner":"homelab","#), "{line}");
    let (_, after) = line.split_once("\"mtime\":").unwrap();
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    assert!(after.starts_with(",\"inode\":"), "{line}");
}

/// A word that is new here is one that the earlier version cannot read: it loses the line
/// of the history, the whole status, or the manifest's past. Write one that it knows, as
/// a download that continues in the background does, or put the new one beside it, as
/// `src/conclude/words.rs` does for reasons.
#[test]
fn words_are_those_that_the_earlier_version_knows() {
    fn word(value: impl serde::Serialize) -> String {
        let value = serde_json::to_value(value).unwrap();
        value.as_str().unwrap().to_owned()
    }
    use StepEnd as End;
    // Each match fails to compile where there is a new one.
    let end = |end| match end {
        End::Done | End::Failed | End::Skipped | End::Outdated | End::Cancelled => word(end),
    };
    let verdict = |verdict| match verdict {
        Verdict::Converged | Verdict::Retry | Verdict::Stalled | Verdict::Failed => word(verdict),
    };
    let state = |state| {
        let condition = Condition {
            order: None,
            node: None,
            state,
            reason: Some(Reason::Suspended),
            message: String::new(),
            since: jiff::Timestamp::UNIX_EPOCH,
            last_ready: None,
            images: Vec::new(),
        };
        let written = serde_json::to_value(&condition).unwrap();
        let read: Condition = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(read, condition);
        match state {
            ConditionState::Ready
            | ConditionState::Reconciling
            | ConditionState::Stalled
            | ConditionState::Suspended => word(&written["state"]),
        }
    };
    let status = |status| match status {
        PushStatus::Ok | PushStatus::Error | PushStatus::Blocked => word(status),
    };
    let provenance = |provenance| match provenance {
        Provenance::Pinned | Provenance::Upstream | Provenance::FirstSeen => word(provenance),
    };
    let words = [
        end(End::Done),
        end(End::Outdated),
        verdict(Verdict::Converged),
        state(ConditionState::Stalled),
        state(ConditionState::Suspended),
        status(PushStatus::Blocked),
        provenance(Provenance::FirstSeen),
    ];
    let expected = [
        "done",
        "outdated",
        "converged",
        "Stalled",
        "Stalled",
        "held",
        "first-seen",
    ];
    assert_eq!(words, expected);
}
