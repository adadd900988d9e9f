//! What whoever is logged in can have done: the same as `suspend`, `resume`, `reconcile` and
//! `approve` of the command line, through the same files.
//!
//! A browser sends a form and is sent back to its page; a program sends its token with the
//! same form and gets a line of text.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::answer::{WebRefusal, text};
use super::peer::Peer;
use super::session::{COOKIE_NAME, LASTS, LoginRefused, WebUser, same};
use super::site::WebSite;
use super::visits::login_page;
use crate::conclude::{ActionRecord, EventRecord, OperatorAction, Scope};
use crate::error::chain;
use crate::facts::ApprovalId;
use crate::store::StateError;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How long the body of a form may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The fields of a form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field; empty where it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(key, _)| key == name);
        field.map_or("", |(_, value)| value)
    }

    /// A field that may be there several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.0.iter().filter(move |(key, _)| key == name);
        fields.map(|(_, value)| value.as_str())
    }

    /// The page to go back to, of this server whatever the form says.
    fn back(&self) -> &str {
        match self.get("back") {
            // Browsers take `//host` and `/\host` for another server, and do not see tabs
            // and line ends in between.
            path if path.starts_with('/')
                && !path.starts_with("//")
                && !path.contains(|c: char| c == '\\' || !c.is_ascii_graphic()) =>
            {
                path
            }
            _ => "/",
        }
    }
}

/// Somebody who may act, with what they ask for.
pub(super) struct ActionAsked {
    user: WebUser,
    form: Form,
    peer: Peer,
}

impl ActionAsked {
    /// What they ask for.
    pub(super) const fn form(&self) -> &Form {
        &self.form
    }
}

/// Begins a session.
pub(super) async fn login(
    State(site): State<WebSite>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    form: Form,
) -> Response {
    if is_foreign(&headers) {
        return text(StatusCode::FORBIDDEN, "the form is from another site");
    }
    let config = site.config();
    match site.sessions().log_in(&config, form.get("token")) {
        Ok(key) => {
            let secure = if config.is_https { "; Secure" } else { "" };
            let cookie = format!(
                "{COOKIE_NAME}={key}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
                LASTS.as_secs()
            );
            let mut answer = see_other(form.back());
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                answer.headers_mut().insert(SET_COOKIE, cookie);
            }
            answer
        }
        Err(LoginRefused::Wrong) => {
            tracing::warn!(peer = %peer, "a wrong token was used on the status page");
            let code = StatusCode::UNAUTHORIZED;
            login_page(code, form.back(), Some("this token is not known"))
        }
        Err(LoginRefused::TooMany) => text(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong tokens; try again in a minute",
        ),
        Err(LoginRefused::NoKey) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the system gives no random bytes",
        ),
    }
}

/// Ends a session.
pub(super) async fn logout(
    State(site): State<WebSite>,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let visitor = site.sessions().visitor(&site.config(), &headers);
    let csrf = visitor.user.and_then(|user| user.csrf);
    if csrf.is_some_and(|csrf| same(&csrf, form.get("csrf"))) {
        site.sessions().log_out(&headers);
    }
    see_other(form.back())
}

/// Suspends an order, a node or everything.
pub(super) async fn suspend(
    State(site): State<WebSite>,
    asked: ActionAsked,
) -> Result<Response, WebRefusal> {
    let scope = scope(&asked.form)?;
    if !site.live().view().status.knows(&scope) {
        let unknown = format!("the last run had no {scope}");
        return Err(WebRefusal::new(StatusCode::NOT_FOUND, &unknown));
    }
    let changed = site.state().suspend(&scope).await;
    changed.map_err(|error| failed(&error))?;
    Ok(done(&site, &asked, OperatorAction::Suspend, scope.to_string()).await)
}

/// Resumes an order, a node or everything.
pub(super) async fn resume(
    State(site): State<WebSite>,
    asked: ActionAsked,
) -> Result<Response, WebRefusal> {
    let scope = scope(&asked.form)?;
    let changed = site.state().resume(&scope).await;
    changed.map_err(|error| failed(&error))?;
    Ok(done(&site, &asked, OperatorAction::Resume, scope.to_string()).await)
}

/// Starts a run.
pub(super) async fn reconcile(
    State(site): State<WebSite>,
    asked: ActionAsked,
) -> Result<Response, WebRefusal> {
    let scope = scope(&asked.form)?;
    site.control().reconcile(scope.clone());
    Ok(done(&site, &asked, OperatorAction::Reconcile, scope.to_string()).await)
}

/// Approves removals that wait for it.
pub(super) async fn approve(
    State(site): State<WebSite>,
    asked: ActionAsked,
) -> Result<Response, WebRefusal> {
    let id = ApprovalId(asked.form.get("id").to_owned());
    // Only what is shown can be approved: an approval lasts until it is used.
    let view = site.live().view();
    let is_shown =
        |line: &crate::conclude::status::BlockedLine| line.approval.as_ref() == Some(&id);
    if !view.status.blocked.iter().any(is_shown) {
        let gone = "nothing waits for this approval any more; load the page again";
        return Err(WebRefusal::new(StatusCode::CONFLICT, gone));
    }
    let approved = site.state().approve(id.clone()).await;
    approved.map_err(|error| failed(&error))?;
    let answer = done(&site, &asked, OperatorAction::Approve, id.0).await;
    site.control().reconcile(Scope::All);
    Ok(answer)
}

impl FromRequest<WebSite> for Form {
    type Rejection = Response;

    /// The whole form, bounded in length by the router and here in time.
    async fn from_request(request: Request, site: &WebSite) -> Result<Self, Response> {
        match tokio::time::timeout(PATIENCE, Bytes::from_request(request, site)).await {
            Ok(Ok(body)) => Ok(Self::read(&body)),
            Ok(Err(refused)) => Err(refused.into_response()),
            Err(_) => {
                let slow = "the request took too long";
                Err(text(StatusCode::REQUEST_TIMEOUT, slow))
            }
        }
    }
}

impl FromRequest<WebSite> for ActionAsked {
    type Rejection = Response;

    /// Who asks, if they may act and meant to.
    async fn from_request(request: Request, site: &WebSite) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let peer = request.extensions().get().cloned();
        let peer = peer.unwrap_or_else(|| Peer("unknown".to_owned()));
        let form = Form::from_request(request, site).await?;
        let visitor = site.sessions().visitor(&site.config(), &headers);
        let Some(user) = visitor.user else {
            let refused = match visitor.can_log_in {
                true => WebRefusal::new(StatusCode::UNAUTHORIZED, "log in first"),
                false => WebRefusal::new(
                    StatusCode::FORBIDDEN,
                    "this page is read-only; the key `web.token_file` of the configuration \
                     allows actions",
                ),
            };
            return Err(refused.into_response());
        };
        if let Some(csrf) = &user.csrf
            && (is_foreign(&headers) || !same(csrf, form.get("csrf")))
        {
            let stale = "the form is not from this page, or too old; load the page again";
            return Err(WebRefusal::new(StatusCode::FORBIDDEN, stale).into_response());
        }
        Ok(Self { user, form, peer })
    }
}

/// True if the browser says that another site made it send this.
fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get(FETCH_SITE);
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn scope(form: &Form) -> Result<Scope, WebRefusal> {
    let refuse = |why: String| WebRefusal::new(StatusCode::BAD_REQUEST, &why);
    let name = form.get("name");
    match form.get("kind") {
        "all" => Ok(Scope::All),
        "order" => name
            .parse()
            .map(Scope::Order)
            .map_err(|why| refuse(format!("{why}"))),
        "node" => name
            .parse()
            .map(Scope::Node)
            .map_err(|why| refuse(format!("{why}"))),
        _ => Err(refuse("kind: expected all, order or node".to_owned())),
    }
}

/// Keeps who did what, and answers.
pub(super) async fn done(
    site: &WebSite,
    asked: &ActionAsked,
    action: OperatorAction,
    what: String,
) -> Response {
    let record = ActionRecord {
        at: Timestamp::now(),
        action,
        what,
        by: asked.user.name.clone(),
        from: format!("status page, {}", asked.peer),
    };
    tracing::info!("{record}");
    let line = record.to_string();
    let state = site.state().clone();
    let kept =
        tokio::task::spawn_blocking(move || state.add_events(&[EventRecord::Action(record)]));
    if let Ok(Err(error)) = kept.await {
        tracing::warn!(reason = chain(&error), "cannot write the events");
    }
    site.live().touch();
    match asked.user.csrf {
        Some(_) => see_other(asked.form.back()),
        None => text(StatusCode::OK, &line),
    }
}

fn failed(error: &StateError) -> WebRefusal {
    tracing::warn!(reason = chain(error), "an action of the status page failed");
    WebRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, &chain(error))
}

fn see_other(path: &str) -> Response {
    let to = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)], Body::empty()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_this_server() {
        let back = |text: &str| {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            let body = form.append_pair("back", text).finish();
            Form::read(body.as_bytes()).back().to_owned()
        };
        for path in ["/", "/orders/a%2Fb", "/?q=%22x%22&page=2"] {
            assert_eq!(back(path), path);
        }
        for other in [
            "",
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "/\t/evil.example/",
            "\t//evil.example/",
            "/\n/evil.example/",
            "/\r\nSet-Cookie: a=b",
            "/\u{a0}/evil.example/",
            "javascript:alert(1)",
        ] {
            assert_eq!(back(other), "/", "{other:?}");
        }
    }
}
