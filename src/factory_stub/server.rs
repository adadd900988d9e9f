//! The routes of the factory stub.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_RANGE, LOCATION, RANGE,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use sha2::Digest;

use super::images::BuiltImage;
use super::options::Redirect;
use super::shared::{Role, Shared, StubRefusal, plain};
use super::{body, bundle, github};

/// The extensions that the factory stub knows, for whoever lists them.
const EXTENSIONS: [(&str, &str); 4] = [
    ("siderolabs/i915", "Intel graphics firmware and driver"),
    ("siderolabs/iscsi-tools", "iSCSI initiator"),
    ("siderolabs/qemu-guest-agent", "QEMU guest agent"),
    ("siderolabs/util-linux-tools", "fstrim and friends"),
];

/// The routes of one origin.
pub(super) fn router(shared: Arc<Shared>, role: Role) -> Router {
    let blobs = get(blob);
    let routes = match role {
        Role::Cdn => Router::new().route("/blob/{schematic}/{version}/{file}", blobs),
        Role::Factory => Router::new()
            .route("/blob/{schematic}/{version}/{file}", blobs)
            .route("/image/{schematic}/{version}/{file}", get(serve))
            .route("/schematics", post(add_schematic))
            .route("/schematics/{id}", get(show_schematic))
            .route("/versions", get(list_versions))
            .route("/version/{version}/extensions/official", get(extensions))
            .route("/repos/siderolabs/talos/tags", get(tags))
            .route("/repositories/1/tags", get(tags))
            .route("/repos/siderolabs/talos/releases/latest", get(latest)),
    };
    routes
        .fallback(async || plain(StatusCode::NOT_FOUND, "404 page not found"))
        .layer(middleware::from_fn_with_state(
            (Arc::clone(&shared), role),
            body::deliver,
        ))
        .with_state(shared)
}

async fn add_schematic(State(shared): State<Arc<Shared>>, document: String) -> Response {
    match shared.schematics.add(&document) {
        Ok((id, canonical)) => github::answer(
            StatusCode::CREATED,
            &json!({ "id": id, "schematic": canonical }),
        ),
        Err(text) => plain(StatusCode::BAD_REQUEST, &text),
    }
}

async fn show_schematic(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let known = id.parse().ok().and_then(|id| shared.schematics.get(id));
    match known {
        Some(canonical) => ([(CONTENT_TYPE, "application/yaml")], canonical).into_response(),
        None => plain(
            StatusCode::NOT_FOUND,
            &format!("schematic ID {id:?} not found"),
        ),
    }
}

async fn list_versions(State(shared): State<Arc<Shared>>) -> Response {
    github::answer(StatusCode::OK, &json!(shared.versions()))
}

async fn extensions(State(shared): State<Arc<Shared>>, Path(version): Path<String>) -> Response {
    if !shared.versions().contains(&version) {
        return plain(
            StatusCode::NOT_FOUND,
            &format!("version {version} is not available"),
        );
    }
    let list: Vec<_> = EXTENSIONS
        .into_iter()
        .map(|(name, description)| {
            let digest: [u8; 32] = sha2::Sha256::digest(name.as_bytes()).into();
            json!({
                "name": name,
                "ref": format!("ghcr.io/{name}:{version}"),
                "digest": format!("sha256:{}", crate::model::Sha256::from_bytes(digest)),
                "author": "Sidero Labs",
                "description": description,
            })
        })
        .collect();
    github::answer(StatusCode::OK, &json!(list))
}

async fn tags(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let known = shared.options.tags.clone();
    let known = known.unwrap_or_else(|| shared.versions());
    shared.github.tags(&shared.base, &known, &query, &headers)
}

async fn latest(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let known = shared.options.tags.clone();
    let known = known.unwrap_or_else(|| shared.versions());
    shared.github.latest_release(&known, &headers)
}

type ImagePath = Path<(String, String, String)>;

/// An image as the factory serves it: built first, then sent or redirected.
async fn serve(
    State(shared): State<Arc<Shared>>,
    Path((schematic, version, file)): ImagePath,
    method: Method,
) -> Result<Response, StubRefusal> {
    for (suffix, kind) in [
        (".sha256", Some(Sum::Sha256)),
        (".sha512", Some(Sum::Sha512)),
        (".sigstore.json", None),
    ] {
        if let Some(of) = file.strip_suffix(suffix) {
            return checksum(&shared, (&schematic, &version, of), kind).await;
        }
    }
    let artifact = shared.find(&schematic, &version, &file)?;
    let image = shared.image(artifact).await?;
    if shared.options.redirect == Redirect::Never || method == Method::HEAD {
        return Ok((whole_headers(&image, &file), image.bytes).into_response());
    }
    let blobs = shared.blobs;
    let target = format!("http://{blobs}/blob/{schematic}/{version}/{file}?signature=standin");
    Ok((StatusCode::FOUND, [(LOCATION, target)]).into_response())
}

fn whole_headers(image: &BuiltImage, file: &str) -> impl axum::response::IntoResponseParts + use<> {
    [
        (CONTENT_LENGTH, image.bytes.len().to_string()),
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ),
    ]
}

#[derive(Clone, Copy)]
enum Sum {
    Sha256,
    Sha512,
}

/// What only an Enterprise factory has.
async fn checksum(
    shared: &Shared,
    (schematic, version, file): (&str, &str, &str),
    kind: Option<Sum>,
) -> Result<Response, StubRefusal> {
    let refuse = |status, text: &str| {
        let text = text.to_owned();
        Err(StubRefusal { status, text })
    };
    // Answered before anything is built, as the real one does.
    let offered = match kind {
        Some(_) => shared.options.checksums,
        None => shared.options.signing_key.is_some(),
    };
    if !offered {
        return refuse(
            StatusCode::PAYMENT_REQUIRED,
            "enterprise feature is not enabled",
        );
    }
    let artifact = shared.find(schematic, version, file)?;
    let image = shared.image(artifact).await?;
    let Some(kind) = kind else {
        let key = shared.options.signing_key.as_deref().unwrap_or_default();
        return match bundle::sign(&image.bytes, key) {
            Some(bundle) => Ok(github::answer(StatusCode::OK, &bundle)),
            None => refuse(StatusCode::INTERNAL_SERVER_ERROR, "cannot sign"),
        };
    };
    let digest = match kind {
        Sum::Sha256 => hex(&sha2::Sha256::digest(&image.bytes)),
        Sum::Sha512 => hex(&sha2::Sha512::digest(&image.bytes)),
    };
    Ok(plain(StatusCode::OK, &format!("{digest}  {file}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image as object storage serves it: with an entity tag and ranges.
async fn blob(
    State(shared): State<Arc<Shared>>,
    Path((schematic, version, file)): ImagePath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, StubRefusal> {
    // Object storage wants its signature and knows nothing of credentials.
    if uri.query() != Some("signature=standin") {
        return Err(StubRefusal {
            status: StatusCode::FORBIDDEN,
            text: "AccessDenied".into(),
        });
    }
    let artifact = shared.find(&schematic, &version, &file)?;
    let image = shared.image(artifact).await?;
    let total = image.bytes.len() as u64;
    let about = [
        (ETAG, image.etag.clone()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
    ];
    let same = headers
        .get(IF_RANGE)
        .is_none_or(|value| value.as_bytes() == image.etag.as_bytes());
    let range = headers.get(RANGE).filter(|_| same);
    Ok(
        match range.and_then(|value| byte_range(value.to_str().ok()?, total)) {
            None => (about, whole_headers(&image, &file), image.bytes).into_response(),
            Some(None) => {
                let range = [(CONTENT_RANGE, format!("bytes */{total}"))];
                (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response()
            }
            Some(Some((first, last))) => {
                let part = image.bytes.slice(first as usize..=last as usize);
                let range = [
                    (CONTENT_LENGTH, part.len().to_string()),
                    (CONTENT_RANGE, format!("bytes {first}-{last}/{total}")),
                ];
                (StatusCode::PARTIAL_CONTENT, about, range, part).into_response()
            }
        },
    )
}

/// The first and last byte that `bytes=FIRST-[LAST]` asks for. `None` for any
/// other form, which a server may ignore; `Some(None)` for a range outside.
fn byte_range(value: &str, total: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last: u64 = match last {
        "" => u64::MAX,
        last => last.parse().ok()?,
    };
    let last = last.min(total.checked_sub(1)?);
    Some((first <= last).then_some((first, last)))
}
