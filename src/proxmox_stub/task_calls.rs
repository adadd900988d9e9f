//! What is asked about tasks.

use serde_json::{Value, json};

use super::acl::KnownToken;
use super::answer::Denied;
use super::schema::Asked;
use super::tasks::TaskEntry;
use super::world::PveWorld;

/// The owner may, and who may see the node.
fn demand(world: &PveWorld, token: &KnownToken, entry: &TaskEntry) -> Result<(), Denied> {
    match entry.user == token.id {
        true => Ok(()),
        false => world.demand(token, &format!("/nodes/{}", entry.node), &["Sys.Audit"]),
    }
}

pub(super) fn status(world: &PveWorld, token: &KnownToken, upid: &str) -> Result<Value, Denied> {
    let entry = world.tasks.get(upid)?;
    demand(world, token, &entry)?;
    let mut answer = json!({
        "upid": upid,
        "node": entry.node,
        "pid": entry.pid,
        "pstart": entry.pid,
        "starttime": entry.start,
        "type": entry.kind,
        "id": entry.id,
        "user": entry.user,
        "status": if entry.exit.is_some() { "stopped" } else { "running" },
    });
    if let Some(exit) = entry.exit {
        answer["exitstatus"] = json!(exit);
    }
    Ok(answer)
}

pub(super) fn log(
    world: &PveWorld,
    token: &KnownToken,
    upid: &str,
    asked: &Asked,
) -> Result<Value, Denied> {
    let entry = world.tasks.get(upid)?;
    demand(world, token, &entry)?;
    let start = asked.number("start").unwrap_or(0);
    let limit = asked.number("limit").unwrap_or(50);
    let lines = (1..).zip(&entry.log).skip(start).take(limit);
    let lines = lines.map(|(number, text): (u64, _)| json!({ "n": number, "t": text }));
    Ok(lines.collect())
}

pub(super) fn stop(world: &PveWorld, token: &KnownToken, upid: &str) -> Result<Value, Denied> {
    let entry = world.tasks.get(upid)?;
    if entry.user != token.id {
        world.demand(token, &format!("/nodes/{}", entry.node), &["Sys.Modify"])?;
    }
    entry.cancel.cancel();
    Ok(Value::Null)
}
