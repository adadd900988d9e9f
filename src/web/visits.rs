//! From a request to a page: what is known at the moment, who asks, and a few small files.
//!
//! A page is made on a thread where waiting is allowed, a few at a time: many visitors wait
//! for each other, and nothing else waits for them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;

use super::answer::text;
use super::pages::{self, Access, HistoryQuery, OrderFiles, OverviewQuery, PlanQuery, Visit};
use super::session::Visitor;
use super::site::WebSite;
use crate::conclude::Status;
use crate::live::LiveView;
use crate::model::OrderId;
use crate::store;

/// A message of an error has a line.
const MESSAGE_MAX: usize = 64 << 10;

/// The part of a manifest that is shown, in bytes.
const MANIFEST_MAX: usize = 256 << 10;

/// A page, or that there is none.
type Made = Option<askama::Result<String>>;

/// The routes of the pages.
pub(super) fn routes() -> Router<WebSite> {
    Router::new()
        .route("/", get(overview))
        .route("/orders/{id}", get(order))
        .route("/nodes/{name}", get(node))
        .route("/images/{name}", get(image))
        .route("/plan", get(plan))
        .route("/removals", get(removals))
        .route("/history", get(history))
        .route("/login", get(login))
        .route("/assets/{edition}/{name}", get(asset))
}

/// A request for a page: who asks for which, of this server.
struct PageRequest {
    site: WebSite,
    visitor: Visitor,
    /// Path and query.
    path: String,
}

impl FromRequestParts<WebSite> for PageRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &WebSite) -> Result<Self, Infallible> {
        let path = parts.uri.path_and_query();
        Ok(Self {
            site: site.clone(),
            visitor: site.sessions().visitor(&site.config(), &parts.headers),
            path: path.map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

async fn overview(asked: PageRequest, Query(query): Query<OverviewQuery>) -> Response {
    let make = move |site: &WebSite, visit: &Visit<'_>| {
        let history = site.state().history();
        Some(pages::overview(visit, &query, &history))
    };
    asked.page(make).await
}

async fn order(asked: PageRequest, Path(name): Path<String>) -> Response {
    let make = move |site: &WebSite, visit: &Visit<'_>| {
        let files = order_files(site, visit.view, &name);
        pages::order(visit, &name, &files)
    };
    asked.page(make).await
}

async fn node(asked: PageRequest, Path(name): Path<String>) -> Response {
    asked.page(move |_, visit| pages::node(visit, &name)).await
}

async fn image(asked: PageRequest, Path(name): Path<String>) -> Response {
    asked.page(move |_, visit| pages::image(visit, &name)).await
}

async fn plan(asked: PageRequest, Query(query): Query<PlanQuery>) -> Response {
    let make = move |_: &WebSite, visit: &Visit<'_>| Some(pages::plan(visit, &query));
    asked.page(make).await
}

async fn removals(asked: PageRequest) -> Response {
    asked.page(|_, visit| Some(pages::removals(visit))).await
}

async fn history(asked: PageRequest, Query(query): Query<HistoryQuery>) -> Response {
    let make = move |site: &WebSite, visit: &Visit<'_>| {
        let history = site.state().history();
        Some(pages::history(visit, &query, &history))
    };
    asked.page(make).await
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct LoginQuery {
    back: String,
}

impl Default for LoginQuery {
    fn default() -> Self {
        Self {
            back: "/".to_owned(),
        }
    }
}

async fn login(Query(query): Query<LoginQuery>) -> Response {
    login_page(StatusCode::OK, &query.back, None)
}

/// The page that asks for the token; `why` is what was wrong with the last one.
pub(super) fn login_page(code: StatusCode, back: &str, why: Option<&str>) -> Response {
    html(code, Some(pages::login(back, why)))
}

/// A file of the program. Its address changes with its content.
async fn asset(Path((_, name)): Path<(String, String)>) -> Response {
    let (kind, content) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", pages::assets::STYLE),
        "live.js" => ("text/javascript; charset=utf-8", pages::assets::SCRIPT),
        "icon.svg" => ("image/svg+xml", pages::assets::ICON),
        _ => return text(StatusCode::NOT_FOUND, "there is no such file"),
    };
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, Body::from(content)).into_response()
}

impl PageRequest {
    /// Makes a page of what is known now.
    async fn page<F>(self, make: F) -> Response
    where
        F: FnOnce(&WebSite, &Visit<'_>) -> Made + Send + 'static,
    {
        let Self {
            site,
            visitor,
            path,
        } = self;
        let Ok(place) = Arc::clone(site.renders()).acquire_owned().await else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the server ends");
        };
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            let config = site.config();
            let view = fresh_view(&site);
            let approved = site.state().approved();
            let visit = Visit {
                view: &view,
                network: &config.network,
                node_reserve: config.node_reserve,
                access: &access(visitor),
                approved: &approved,
                path: &path,
                now: Timestamp::now(),
            };
            make(&site, &visit)
        });
        match made.await {
            Ok(made) => html(StatusCode::OK, made),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}

fn html(code: StatusCode, made: Made) -> Response {
    match made {
        Some(Ok(page)) => {
            let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
            (code, kind, Body::from(page)).into_response()
        }
        Some(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        None => text(
            StatusCode::NOT_FOUND,
            "nothing is known under this name; the last run may not have had it",
        ),
    }
}

fn access(visitor: Visitor) -> Access {
    match (visitor.can_log_in, visitor.user) {
        (
            _,
            Some(super::session::WebUser {
                name,
                csrf: Some(csrf),
            }),
        ) => Access::LoggedIn { name, csrf },
        (true, _) => Access::LoggedOut,
        (false, _) => Access::ReadOnly,
    }
}

/// What is known, with what an operator has suspended since the last run.
fn fresh_view(site: &WebSite) -> LiveView {
    let mut view = site.live().view();
    let suspended = site.state().suspended();
    if view.status.suspended != suspended {
        let status = Status::clone(&view.status).with_suspended(suspended);
        view.status = Arc::new(status);
    }
    view
}

fn order_files(site: &WebSite, view: &LiveView, name: &str) -> OrderFiles {
    let config = site.config();
    let Ok(id) = name.parse::<OrderId>() else {
        return OrderFiles::default();
    };
    let Some(paths) = &config.manifests else {
        return OrderFiles::default();
    };
    let customer = view.status.orders.get(&id);
    let customer = customer.and_then(|line| line.customer.as_deref());
    let path = paths.path(&id, customer);
    let manifest = store::manifest::find(&path, &id).map(|manifest| {
        let text = serde_yaml::to_string(&manifest).unwrap_or_default();
        let end = (0..=MANIFEST_MAX.min(text.len()))
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text[..end.unwrap_or(0)].to_owned()
    });
    OrderFiles {
        manifest: Some(manifest),
    }
}

/// Answers a browser with a page where everybody else gets a line of text: that there is
/// nothing here, or why something is refused.
pub(super) async fn as_pages(request: Request, next: Next) -> Response {
    let accepts = request.headers().get(ACCEPT);
    let is_browser = accepts.is_some_and(|kinds| {
        let kinds = kinds.to_str().unwrap_or_default();
        kinds.contains("text/html")
    });
    let answer = next.run(request).await;
    let code = answer.status();
    let kind = answer.headers().get(CONTENT_TYPE);
    let is_text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_browser || !is_text || !(code.is_client_error() || code.is_server_error()) {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    let Ok(message) = to_bytes(body, MESSAGE_MAX).await else {
        return text(code, "the answer is too long");
    };
    let message = String::from_utf8_lossy(&message);
    let title = title(code);
    let Ok(page) = pages::message(title, message.trim()) else {
        return text(code, message.trim());
    };
    let kind = axum::http::HeaderValue::from_static("text/html; charset=utf-8");
    head.headers.insert(CONTENT_TYPE, kind);
    head.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(page))
}

fn title(code: StatusCode) -> &'static str {
    match code {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::UNAUTHORIZED => "Not logged in",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::CONFLICT => "Out of date",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "Too busy",
        code if code.is_server_error() => "Something went wrong",
        _ => "Not possible",
    }
}
