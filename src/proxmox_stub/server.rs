//! A request, in the order in which Proxmox VE looks at it: token, call, privilege, node,
//! parameters, handler.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Response};
use axum::{Router, routing};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

use super::acl::KnownToken;
use super::answer::{Denied, built, response};
use super::faults::PveFault;
use super::guests::{allowed, change, convert, create, destroy};
use super::schema::{Asked, Op};
use super::world::{Asking, PveWorld};
use super::{content, discovery, download, task_calls, upload, vms};

/// The server of one node.
pub(super) fn router(world: Arc<PveWorld>, node: String) -> Router {
    Router::new()
        .fallback(routing::any(serve))
        .with_state(Asking { world, node })
}

async fn serve(State(asking): State<Asking>, request: Request) -> Response<Body> {
    let world = &asking.world;
    let line = format!("{} {}", request.method(), request.uri());
    world.requests().push(format!("{} {line}", asking.node));
    match world.faults.take(&line) {
        // On a connection from before it was switched off.
        None if world.is_offline(&asking.node) => return cut(),
        None => {}
        Some(PveFault::Late(time)) => tokio::time::sleep(time).await,
        Some(PveFault::Status(status, text)) => return built(status, &text, Body::empty()),
        Some(PveFault::Body(status, text)) => return built(status, "OK", Body::from(text)),
        Some(PveFault::Hang) => {
            world.stop.cancelled().await;
            return built(599, "stopped", Body::empty());
        }
        Some(PveFault::Cut) => return cut(),
    }
    let has_messages = world.has_messages();
    let result = answer(&asking, request).await;
    response(result, has_messages)
}

/// An answer that ends in the middle, with its connection.
fn cut() -> Response<Body> {
    let pieces = [Ok(Bytes::from_static(b"{\"da")), Err("cut")];
    built(200, "OK", Body::from_stream(stream::iter(pieces)))
}

async fn answer(asking: &Asking, request: Request) -> Result<Value, Denied> {
    let world = &asking.world;
    let (head, body) = request.into_parts();
    let token = match authenticated(world, &head.headers) {
        Ok(token) => token,
        Err(reason) => {
            tokio::time::sleep(world.options.unauthorized_delay).await;
            return Err(Denied::Bare(401, reason));
        }
    };
    let too_large = || Denied::Bare(501, "for data too large".to_owned());
    let length = head.headers.get(CONTENT_LENGTH);
    let length: Option<usize> = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let found = Asked::find(head.method.as_str(), head.uri.path());
    let is_upload = matches!(&found, Ok(asked) if asked.op == Op::Upload);
    if !is_upload && length.is_some_and(|length| length > world.options.longest_body) {
        return Err(too_large());
    }
    let mut asked = found?;
    asked.add_form(head.uri.query().unwrap_or_default().as_bytes());
    permitted(world, &token, &asked).map_err(|denied| match (denied, is_upload) {
        (Denied::Told(status, text), true) => Denied::Bare(status, text),
        (denied, _) => denied,
    })?;
    if is_upload {
        let upload = upload::Upload {
            asking,
            token: &token,
            headers: &head.headers,
            length,
        };
        return upload.take(asked, body).await;
    }
    let body = to_bytes(body, world.options.longest_body).await;
    let body = body.map_err(|_| too_large())?;
    let kind = head.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.starts_with("application/json") {
        true => asked.add_json(&body)?,
        false => asked.add_form(&body),
    }
    world.reach(&asked)?;
    asked.check()?;
    handle(asking, &token, &asked).await
}

/// The token of a request, or why there is none.
fn authenticated(world: &PveWorld, headers: &HeaderMap) -> Result<KnownToken, String> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|text| text.to_str().ok());
    let given = header.and_then(|text| text.strip_prefix("PVEAPIToken="));
    let Some((id, secret)) = given.and_then(|given| given.split_once('=')) else {
        return Err("No ticket".to_owned());
    };
    let (user, name) = id.split_once('!').unwrap_or((id, ""));
    match world.token(id) {
        None => Err(format!("no such token '{name}' for user '{user}'")),
        Some(token) if token.secret != secret => Err("invalid token value!".to_owned()),
        Some(token) => Ok(token),
    }
}

/// What is checked before a request is handed on to its node.
fn permitted(world: &PveWorld, token: &KnownToken, asked: &Asked) -> Result<(), Denied> {
    let node = format!("/nodes/{}", asked.node().unwrap_or_default());
    let second = asked.second();
    let storage = format!("/storage/{second}");
    let vm = format!("/vms/{second}");
    let demand = |path: &str, any: &[&str]| world.demand(token, path, any);
    match asked.op {
        Op::ClusterStatus => demand("/", &["Sys.Audit"]),
        Op::NodeStatus => demand(&node, &["Sys.Audit"]),
        Op::StorageStatus | Op::Content | Op::Volume => {
            demand(&storage, &["Datastore.Audit", "Datastore.AllocateSpace"])
        }
        Op::RemoveVolume => demand(&storage, &["Datastore.Allocate"]),
        Op::Upload => demand(&storage, &["Datastore.AllocateTemplate"]),
        Op::Fetch => {
            demand(&storage, &["Datastore.AllocateTemplate"])?;
            may_access_network(world, token, &node)
        }
        Op::UrlMetadata => may_access_network(world, token, &node),
        Op::StartChange | Op::Change => demand(&vm, &allowed::ANY_CONFIG),
        Op::Convert | Op::Destroy => demand(&vm, &["VM.Allocate"]),
        Op::VmPending | Op::VmSnapshots | Op::VmConfig => demand(&vm, &["VM.Audit"]),
        _ => Ok(()),
    }
}

fn may_access_network(world: &PveWorld, token: &KnownToken, node: &str) -> Result<(), Denied> {
    let may_all = ["Sys.Audit", "Sys.Modify"]
        .iter()
        .all(|one| world.may(token, "/", one));
    match may_all {
        true => Ok(()),
        false if world.is_at_least(8, 2) => world.demand(token, node, &["Sys.AccessNetwork"]),
        false => Err(Denied::permission("/", "Sys.Modify")),
    }
}

async fn handle(asking: &Asking, token: &KnownToken, asked: &Asked) -> Result<Value, Denied> {
    let world = &asking.world;
    match asked.op {
        Op::Version | Op::NodeVersion => Ok(discovery::version(world)),
        Op::Nodes => Ok(discovery::nodes(world, token)),
        Op::NodeStatus => Ok(discovery::node_status()),
        Op::Certificates => Ok(discovery::certificates(world, asked)),
        Op::UrlMetadata => download::url_metadata(asked).await,
        Op::ClusterStatus => Ok(discovery::cluster_status(world, &asking.node)),
        Op::Resources => Ok(vms::resources(world, token, asked)),
        Op::Permissions => discovery::permissions(world, token, asked),
        Op::Storages => Ok(discovery::storages(world, token)),
        Op::NodeStorages => Ok(discovery::node_storages(world, token, asked)),
        Op::StorageStatus => discovery::storage_status(world, asked),
        Op::Content => content::list(world, asked),
        Op::Volume => content::volume(world, asked),
        Op::RemoveVolume => content::remove(world, token, asked).await,
        Op::Fetch => download::fetch(world, token, asked),
        Op::TaskStatus => task_calls::status(world, token, asked.second()),
        Op::TaskLog => task_calls::log(world, token, asked.second(), asked),
        Op::StopTask => task_calls::stop(world, token, asked.second()),
        Op::VmPending => vms::pending(world, asked),
        Op::VmSnapshots => vms::snapshots(world, asked),
        Op::VmConfig => vms::config(world, asked),
        Op::NodeVms => Ok(vms::of_node(world, token, asked)),
        Op::NextId => vms::next_id(world, asked),
        Op::CreateVm => create::create(world, token, asked),
        Op::StartChange => change::start(world, token, asked),
        Op::Change => change::apply(world, token, asked).await,
        Op::Convert => convert::convert(world, token, asked).await,
        Op::Destroy => destroy::destroy(world, token, asked),
        Op::Upload => Err(Denied::died("an upload is taken before")),
    }
}
