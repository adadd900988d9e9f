//! Options of a configuration: which there are, what they may be, and how they are kept.

use std::collections::BTreeMap;

use super::super::acl::KnownToken;
use super::super::answer::Denied;
use super::super::schema::Asked;
use super::super::world::PveWorld;

/// Parameters of a call that are no options.
const OF_CALLS: [&str; 5] = ["vmid", "digest", "delete", "start", "pool"];

/// The options among the parameters of a call.
pub(super) fn of(asked: &Asked) -> BTreeMap<String, String> {
    let parameters = asked.parameters.iter();
    let options = parameters.filter(|(key, _)| !OF_CALLS.contains(&key.as_str()));
    options
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// What the schema says of values.
pub(super) fn check(options: &BTreeMap<String, String>) -> Result<(), Denied> {
    let mut errors = BTreeMap::new();
    for (key, value) in options {
        let is_dns = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        let is_tag = |c: char| c.is_ascii_alphanumeric() || "_-+.;, ".contains(c);
        let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let why = match key.as_str() {
            "name" if value.is_empty() || !value.chars().all(is_dns) => {
                "invalid format - value does not look like a valid DNS name"
            }
            "tags" if !value.chars().all(is_tag) => "invalid format - invalid characters in tag",
            "description" if value.chars().count() > 8192 => {
                "value may only be 8192 characters long"
            }
            "cores" | "sockets" | "balloon" if !is_number => {
                "type check ('integer') failed - got something else"
            }
            "template" | "protection" | "onboot" if !matches!(value.as_str(), "0" | "1") => {
                "type check ('boolean') failed - got something else"
            }
            _ => continue,
        };
        errors.insert(key.clone(), why.to_owned());
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Denied::Parameters(errors)),
    }
}

/// Values as they are kept.
pub(super) fn normalise(options: &mut BTreeMap<String, String>) {
    for (key, value) in options.iter_mut() {
        if key.starts_with("net") {
            *value = network(value);
        } else if key == "tags" {
            *value = tags(value);
        } else if key == "description" {
            // Each line is a comment of the file, whose end is trimmed.
            value.truncate(value.trim_end().len());
        }
    }
}

/// A network interface with an address.
fn network(value: &str) -> String {
    let mut rest = Vec::new();
    let mut model = String::new();
    for part in value.split(',') {
        match part.split_once('=') {
            None => model = format!("{part}={}", address()),
            Some(("model", name)) => model = format!("{name}={}", address()),
            Some((name, mac)) if mac.matches(':').count() == 5 => {
                model = format!("{name}={}", mac.to_ascii_uppercase());
            }
            Some(_) => rest.push(part),
        }
    }
    rest.sort_unstable();
    [&[model.as_str()], &rest[..]].concat().join(",")
}

/// With the prefix of Proxmox.
fn address() -> String {
    let bytes = [fastrand::u8(..), fastrand::u8(..), fastrand::u8(..)];
    format!(
        "BC:24:11:{:02X}:{:02X}:{:02X}",
        bytes[0], bytes[1], bytes[2]
    )
}

/// In lower case, in order, each once.
fn tags(value: &str) -> String {
    let mut tags: Vec<String> = value
        .split([';', ',', ' '])
        .filter(|tag| !tag.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    tags.sort();
    tags.dedup();
    tags.join(";")
}

/// Tags that the cluster restricts to administrators.
pub(super) fn check_tags(
    world: &PveWorld,
    token: &KnownToken,
    old: &str,
    new: &str,
) -> Result<(), String> {
    let split = |text: &str| -> Vec<String> {
        let tags = text.split([';', ',', ' ']).filter(|tag| !tag.is_empty());
        tags.map(str::to_owned).collect()
    };
    let (old, new) = (split(old), split(new));
    let changed = old.iter().filter(|tag| !new.contains(tag));
    let changed = changed.chain(new.iter().filter(|tag| !old.contains(tag)));
    for tag in changed {
        if world.options.restricted_tags.contains(tag) && !world.may(token, "/", "Sys.Modify") {
            return Err(format!(
                "Permission check failed (/, Sys.Modify for modifying tag '{tag}')"
            ));
        }
    }
    Ok(())
}
