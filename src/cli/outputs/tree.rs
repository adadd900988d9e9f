//! Outputs as maps in maps, for the tools that look them up by name.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::conclude::outputs::{OutputPlace, Outputs};

/// The keys by which an entry is found, from the outside in.
pub(super) type Path = fn(&OutputPlace) -> [&str; 3];

/// The images and the templates, each by `path`.
///
/// # Errors
/// When two have the same path: one of them would hide the other.
pub(super) fn maps(outputs: &Outputs, path: Path) -> anyhow::Result<[(&'static str, Value); 2]> {
    let images = outputs.images.iter().map(|one| (&one.place, one));
    let templates = outputs.templates.iter().map(|one| (&one.place, one));
    Ok([
        ("talos_images", tree("images", images, path)?),
        ("talos_templates", tree("templates", templates, path)?),
    ])
}

fn tree<'a, T: Serialize>(
    noun: &str,
    entries: impl Iterator<Item = (&'a OutputPlace, T)>,
    path: Path,
) -> anyhow::Result<Value> {
    let mut root = Map::new();
    for (place, entry) in entries {
        let mut body = serde_json::to_value(entry)?;
        if let Some(body) = body.as_object_mut() {
            for key in ["order", "position", "node"] {
                body.remove(key);
            }
        }
        let [first, second, last] = path(place);
        let inner = below(below(&mut root, first), second);
        if inner.insert(last.to_owned(), body).is_some() {
            anyhow::bail!(
                "there are two {noun} of {place}, and this form has room for one; use -o json"
            );
        }
    }
    Ok(Value::Object(root))
}

fn below<'m>(map: &'m mut Map<String, Value>, key: &str) -> &'m mut Map<String, Value> {
    let entry = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    match entry {
        Value::Object(map) => map,
        // Only maps are above the last key.
        _ => unreachable!("a map of maps"),
    }
}
