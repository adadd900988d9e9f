//! Files of a storage: listed, looked at, removed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::acl::KnownToken;
use super::answer::Denied;
use super::schema::Asked;
use super::world::{PveWorld, below};
use super::{checks, names, tasks};

pub(super) fn list(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let node = asked.node().unwrap_or_default();
    let storage = world.activated(node, asked.second())?;
    let mut entries = Vec::new();
    for content in ["import", "iso"] {
        let is_wanted = asked.get("content").is_none_or(|wanted| wanted == content);
        // Not an error: what is not enabled is not listed.
        if !is_wanted || !storage.content.contains(content) {
            continue;
        }
        let dir = world.directory(node, &storage, content);
        for entry in dir.read_dir().into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Links are followed; a dangling one is not listed.
            let Ok(about) = std::fs::metadata(entry.path()) else {
                continue;
            };
            if !about.is_file() || !names::listed(content, &name) {
                continue;
            }
            let extension = name.rsplit('.').next().unwrap_or_default();
            entries.push(json!({
                "volid": format!("{}:{content}/{name}", storage.name),
                "content": content,
                "format": if content == "iso" { "iso" } else { extension },
                "size": about.len(),
                "ctime": about.ctime(),
            }));
        }
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry["volid"].to_string()));
    Ok(Value::from(entries))
}

/// Content type, name, and the file on this machine.
struct Place {
    volid: String,
    content: String,
    name: String,
    file: PathBuf,
    shown: String,
}

fn place(world: &PveWorld, asked: &Asked) -> Result<Place, Denied> {
    let node = asked.node().unwrap_or_default();
    let storage = world.activated(node, asked.second())?;
    let text = asked.third();
    // Both forms are known: with the storage and without.
    let volname = match text.split_once(':') {
        Some((named, rest)) if named == storage.name => rest,
        Some(_) => return Err(Denied::died(format!("unable to parse volume ID '{text}'"))),
        None => text,
    };
    let parts = volname.split_once('/');
    let Some((content, name)) = parts.filter(|(content, name)| names::parses(content, name)) else {
        return Err(Denied::died(format!(
            "unable to parse directory volume name '{volname}'"
        )));
    };
    Ok(Place {
        volid: format!("{}:{volname}", storage.name),
        content: content.to_owned(),
        name: name.to_owned(),
        file: world.directory(node, &storage, content).join(name),
        shown: format!("{}/{}/{name}", storage.path, below(content)),
    })
}

pub(super) fn volume(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let place = place(world, asked)?;
    let failed = || {
        Denied::died(format!(
            "volume_size_info on '{}' failed - no format",
            place.volid
        ))
    };
    let about = std::fs::metadata(&place.file).map_err(|_| failed())?;
    if about.len() == 0 {
        return Err(failed());
    }
    let qcow2 = checks::qcow2_size(&place.file);
    let is_qcow2 = place.content == "import" && place.name.ends_with(".qcow2");
    let size = match qcow2.filter(|_| is_qcow2) {
        Some(size) => size,
        None => about.len().next_multiple_of(512),
    };
    Ok(json!({
        "path": place.shown,
        "size": size,
        "used": about.blocks() * 512,
        "format": if is_qcow2 { "qcow2" } else { "raw" },
    }))
}

pub(super) async fn remove(
    world: &PveWorld,
    token: &KnownToken,
    asked: &Asked,
) -> Result<Value, Denied> {
    let place = place(world, asked)?;
    let node = asked.node().unwrap_or_default();
    let about = ("imgdel", place.volid.as_str());
    let (file, volid) = (place.file.clone(), place.volid.clone());
    let (upid, running) = tasks::start(&world.tasks, token, node, about, |worker| async move {
        match delete(&file) {
            Ok(()) => {
                worker.log(format!("Removed volume '{volid}'"));
                Ok(())
            }
            Err(why) => Err(why.to_string()),
        }
    });
    let delay = asked.number("delay").unwrap_or(0) as u64;
    let is_done = tokio::time::timeout(Duration::from_secs(delay), running).await;
    match is_done {
        Ok(_) if delay > 0 => Ok(Value::Null),
        _ => Ok(json!(upid)),
    }
}

/// A file that is not there is removed.
fn delete(file: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
