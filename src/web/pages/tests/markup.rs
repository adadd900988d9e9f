//! What is wrong with a page, as far as its text shows: a strict reader of the little HTML
//! that the templates use, with the essentials of what a screen reader needs.

use std::collections::{BTreeMap, BTreeSet};

/// Elements without an end.
const VOID: &[&str] = &["meta", "link", "input", "br"];

/// An element that is open.
struct Open<'a> {
    name: &'a str,
    attributes: BTreeMap<&'a str, &'a str>,
    text: String,
}

/// Everything that is wrong.
pub(super) fn problems(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut named = Vec::new();
    let mut level = 0;
    let Some(rest) = page.strip_prefix("<!doctype html>") else {
        return vec!["no doctype".to_owned()];
    };
    let mut rest = rest;
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        if text.contains('>') && !open.iter().any(|one| one.name == "pre") {
            found.push(format!("a stray > in {text:?}"));
        }
        for one in &mut open {
            one.text.push_str(text);
        }
        let Some(end) = rest[at..].find('>') else {
            found.push("a tag without an end".to_owned());
            return found;
        };
        let tag = &rest[at + 1..at + end];
        rest = &rest[at + end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(one) if one.name == name => closed(&one, &mut found),
                Some(one) => found.push(format!("</{name}> closes <{}>", one.name)),
                None => found.push(format!("</{name}> closes nothing")),
            }
            continue;
        }
        let is_short = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, attributes) = match read(tag) {
            Ok(read) => read,
            Err(why) => {
                found.push(format!("<{tag}>: {why}"));
                continue;
            }
        };
        if let Some(id) = attributes.get("id")
            && !ids.insert(*id)
        {
            found.push(format!("id {id} twice"));
        }
        if attributes.contains_key("style") || attributes.keys().any(|key| key.starts_with("on")) {
            found.push(format!("<{tag}>: the content policy forbids it"));
        }
        named.extend(attributes.get("aria-labelledby").copied());
        let heading = name.strip_prefix('h').and_then(|digit| digit.parse().ok());
        if let Some(next) = heading {
            if next > level + 1 {
                found.push(format!("h{next} after h{level}"));
            }
            level = next;
        }
        let parent = open.last().map_or("", |one| one.name);
        let is_labelled = open.iter().any(|one| one.name == "label")
            || attributes.contains_key("aria-label")
            || attributes.get("type") == Some(&"hidden");
        if ["input", "select"].contains(&name) && !is_labelled {
            found.push(format!("<{tag}>: no label"));
        }
        if name == "th" && !attributes.contains_key("scope") {
            found.push(format!("<{tag}>: no scope"));
        }
        if name == "li" && !["ul", "ol"].contains(&parent) {
            found.push(format!("<li> in <{parent}>"));
        }
        if name == "progress" && !attributes.contains_key("aria-label") {
            found.push("a progress bar without a name".to_owned());
        }
        if name == "tr" && !["thead", "tbody"].contains(&parent) {
            found.push(format!("<tr> in <{parent}>"));
        }
        if attributes.contains_key("data-live") && !attributes.contains_key("id") {
            found.push(format!("<{tag}>: a live part without an id"));
        }
        if !VOID.contains(&name) && !is_short {
            open.push(Open {
                name,
                attributes,
                text: String::new(),
            });
        }
    }
    found.extend(open.iter().map(|one| format!("<{}> stays open", one.name)));
    for name in named.iter().flat_map(|names| names.split(' ')) {
        if !ids.contains(name) {
            found.push(format!("aria-labelledby {name}: there is no such id"));
        }
    }
    for (part, tag) in [("main", "<main "), ("h1", "<h1>"), ("lang", "<html lang=")] {
        if page.matches(tag).count() != 1 {
            found.push(format!("not one {part}"));
        }
    }
    found
}

fn closed(one: &Open<'_>, found: &mut Vec<String>) {
    let is_empty = one.text.trim().is_empty();
    let has_name = one.attributes.contains_key("aria-label");
    let needs_text = [
        "a", "button", "h1", "h2", "h3", "title", "summary", "th", "option",
    ];
    if needs_text.contains(&one.name) && is_empty && !has_name {
        found.push(format!("<{}> {:?} without text", one.name, one.attributes));
    }
}

/// The name of a tag and its attributes, each with quotes or without a value.
fn read(tag: &str) -> Result<(&str, BTreeMap<&str, &str>), String> {
    let (name, mut rest) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err("not a name".to_owned());
    }
    let mut attributes = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((name, attributes));
        }
        let end = rest.find([' ', '=', '\n']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        if !key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-:".contains(c))
        {
            return Err(format!("not an attribute: {key:?}"));
        }
        let value = match after.strip_prefix("=\"") {
            None if after.starts_with('=') => return Err(format!("{key}: no quotes")),
            None => {
                rest = after;
                ""
            }
            Some(quoted) => {
                let end = quoted.find('"').ok_or("no closing quote")?;
                rest = &quoted[end + 1..];
                &quoted[..end]
            }
        };
        if attributes.insert(key, value).is_some() {
            return Err(format!("{key} twice"));
        }
    }
}
