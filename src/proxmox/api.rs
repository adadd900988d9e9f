//! The client: a call goes to one endpoint after the other, until one answers.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Body, Client, Response};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::call::{PveCall, data};
use super::config::{CallLimits, Fingerprint, PveConfig};
use super::endpoints::{self, Preference};
use super::error::PveError;
use super::failures::Refusal;
use super::permit::{self, ChangePermit};
use super::trust::{self, Pins};

/// Bytes of an answer that are read. The longest one, a list of all resources of a
/// large cluster, has a few megabytes.
const ANSWER: usize = 32 << 20;

/// A cluster of Proxmox VE nodes, asked through any of them. A clone shares the
/// connections.
#[derive(Debug, Clone)]
pub struct PveApi {
    shared: Arc<SharedApi>,
    /// Asked for each request that changes something.
    permit: Option<Arc<dyn ChangePermit>>,
}

#[derive(Debug)]
struct SharedApi {
    client: Client,
    endpoints: Vec<Url>,
    preference: Preference,
    token: String,
    authorization: HeaderValue,
    pins: Option<Pins>,
    limits: CallLimits,
}

/// What an endpoint answered.
pub(super) struct Answered {
    pub status: u16,
    pub reason: String,
    pub body: Vec<u8>,
}

impl PveApi {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// Where an endpoint is none, or trust cannot be set up.
    pub fn new(config: &PveConfig) -> Result<Self, PveError> {
        endpoints::check(&config.endpoints)?;
        let (client, pins) = trust::client(config)?;
        let token = config.token.id().to_owned();
        Ok(Self {
            shared: Arc::new(SharedApi {
                client,
                endpoints: config.endpoints.clone(),
                preference: Preference::new(config.endpoints.len(), config.limits.set_aside),
                token,
                authorization: config.token.header(),
                pins,
                limits: config.limits,
            }),
            permit: None,
        })
    }

    /// The same cluster, where nothing is changed without this permission. Tasks can be
    /// stopped all the same.
    #[must_use]
    pub fn under(&self, permit: Arc<dyn ChangePermit>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            permit: Some(permit),
        }
    }

    /// The same cluster without the permission: for what only ends work.
    pub(super) fn unbound(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            permit: None,
        }
    }

    pub(super) fn permit(&self) -> Option<&Arc<dyn ChangePermit>> {
        self.permit.as_ref()
    }

    /// What is asked for this call.
    fn permit_of(&self, call: &PveCall) -> Option<&Arc<dyn ChangePermit>> {
        self.permit.as_ref().filter(|_| !call.is_reading())
    }

    /// Fails where a request would change something and may not.
    fn permitted(&self, call: &PveCall) -> Result<(), PveError> {
        let permit = self.permit_of(call);
        match permit.is_none_or(|permit| permit.may_change()) {
            true => Ok(()),
            false => Err(PveError::NotPermitted { call: call.shown() }),
        }
    }

    /// The ID of the token, such as `talos-order@pve!ctl`.
    pub fn token(&self) -> &str {
        &self.shared.token
    }

    /// The endpoint that is asked first now, such as `https://pve-01.lan:8006`.
    pub fn preferred(&self) -> String {
        let first = self.shared.preference.order().first().copied();
        first.map_or_else(String::new, |first| {
            endpoints::shown(&self.shared.endpoints[first])
        })
    }

    /// Trusts these certificates, too, where certificates are pinned.
    pub(super) fn add_pins(&self, more: impl IntoIterator<Item = Fingerprint>) {
        if let Some(pins) = &self.shared.pins {
            let mut pins = pins.write().unwrap_or_else(PoisonError::into_inner);
            pins.extend(more);
        }
    }

    /// The certificates that are trusted; `None` where they are not pinned.
    pub fn pins(&self) -> Option<BTreeSet<Fingerprint>> {
        let pins = self.shared.pins.as_ref()?;
        let pins = pins.read().unwrap_or_else(PoisonError::into_inner);
        Some(pins.clone())
    }

    pub(super) fn limits(&self) -> CallLimits {
        self.shared.limits
    }

    /// Asks, and reads the answer as a value.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: &PveCall) -> Result<T, PveError> {
        let answered = self.send(call).await?;
        data(call, &answered.body)
    }

    /// Asks one endpoint after the other. What changes something goes to the next one
    /// only if it cannot have arrived; a call about one node does not after a timeout,
    /// for then it is that node, or its storage, which does not answer.
    pub(super) async fn send(&self, call: &PveCall) -> Result<Answered, PveError> {
        let mut tried = Vec::new();
        let mut last: Option<PveError> = None;
        self.permitted(call)?;
        for index in self.shared.preference.order() {
            if let Some(error) = last.take() {
                tried.push(crate::error::chain(&error));
                self.permitted(call)?;
            }
            let error = match self.send_to(index, call).await {
                Ok(answered) => {
                    self.shared.preference.answered(index);
                    return self.accepted(index, call, answered);
                }
                // The endpoint has nothing to do with it.
                Err(error @ PveError::NotPermitted { .. }) => return Err(error),
                Err(error) => error,
            };
            self.shared.preference.failed(index);
            let may_go_on = match &error {
                PveError::Transport { connect, .. } => *connect || call.is_reading(),
                PveError::Timeout { .. } => call.is_reading() && call.node.is_none(),
                other => other.is_silence(),
            };
            if !may_go_on {
                return Err(error);
            }
            last = Some(error);
        }
        match last {
            Some(error) if tried.is_empty() => Err(error),
            Some(error) => {
                tried.push(crate::error::chain(&error));
                Err(PveError::Unavailable {
                    tried,
                    last: Box::new(error),
                })
            }
            None => Err(PveError::NoEndpoint),
        }
    }

    /// Makes everything but success an error.
    fn accepted(
        &self,
        index: usize,
        call: &PveCall,
        answered: Answered,
    ) -> Result<Answered, PveError> {
        if (200..300).contains(&answered.status) {
            return Ok(answered);
        }
        let refusal = Refusal {
            endpoint: &endpoints::shown(&self.shared.endpoints[index]),
            token: &self.shared.token,
            status: answered.status,
            reason: &answered.reason,
            body: &answered.body,
        };
        Err(refusal.read(call))
    }

    async fn send_to(&self, index: usize, call: &PveCall) -> Result<Answered, PveError> {
        let endpoint = &self.shared.endpoints[index];
        let limit = call.limit.unwrap_or(self.shared.limits.call);
        let deadline = Instant::now() + limit;
        let permit = self.permit_of(call);
        let mut request = self.request(endpoint, call);
        if !call.form.is_empty() {
            let mut body = url::form_urlencoded::Serializer::new(String::new());
            body.extend_pairs(&call.form);
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            request = request.header(reqwest::header::CONTENT_TYPE, kind);
            request = permit::with_body(request, permit, body.finish());
        }
        let lost = |source| transport(endpoint, call, &source);
        let late = |_| late(endpoint, call, limit);
        let sent = permit::sending(permit, request.send());
        let response = timeout_at(deadline, sent).await;
        let response = response.map_err(late)?.map_err(lost)?;
        let answered = timeout_at(deadline, whole(response)).await;
        answered.map_err(late)?.map_err(|error| match error {
            Unread::Lost(source) => lost(source),
            Unread::TooLong => PveError::Answer {
                call: call.shown(),
                reason: format!("more than {ANSWER} bytes"),
            },
        })
    }

    /// Sends a body to the preferred endpoint. `alive` ends where the body makes no
    /// progress, and says how long that took.
    pub(super) async fn send_body(
        &self,
        call: &PveCall,
        headers: [(reqwest::header::HeaderName, String); 2],
        body: Body,
        alive: impl Future<Output = Duration>,
    ) -> Result<Answered, PveError> {
        let Some(&index) = self.shared.preference.order().first() else {
            return Err(PveError::NoEndpoint);
        };
        self.permitted(call)?;
        let endpoint = &self.shared.endpoints[index];
        let mut request = self.request(endpoint, call);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let sent = async {
            let sent = permit::sending(self.permit_of(call), request.body(body).send());
            whole(sent.await.map_err(Unread::Lost)?).await
        };
        let answered = tokio::select! {
            answered = sent => answered,
            after = alive => {
                self.shared.preference.failed(index);
                return Err(late(endpoint, call, after));
            }
        };
        match answered {
            Ok(answered) => self.accepted(index, call, answered),
            Err(Unread::Lost(source)) => {
                let error = transport(endpoint, call, &source);
                if !matches!(error, PveError::NotPermitted { .. }) {
                    self.shared.preference.failed(index);
                }
                Err(error)
            }
            Err(Unread::TooLong) => Err(PveError::Answer {
                call: call.shown(),
                reason: format!("more than {ANSWER} bytes"),
            }),
        }
    }

    fn request(&self, endpoint: &Url, call: &PveCall) -> reqwest::RequestBuilder {
        let mut url = endpoint.clone();
        url.set_path(&call.path());
        url.set_query(None);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        self.shared
            .client
            .request(call.method.clone(), url)
            .header(AUTHORIZATION, self.shared.authorization.clone())
    }
}

enum Unread {
    Lost(reqwest::Error),
    TooLong,
}

async fn whole(mut response: Response) -> Result<Answered, Unread> {
    let status = response.status();
    let reason = match response.extensions().get::<hyper::ext::ReasonPhrase>() {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => status.canonical_reason().unwrap_or_default().to_owned(),
    };
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(Unread::Lost)? {
        if body.len() + piece.len() > ANSWER {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answered {
        status: status.as_u16(),
        reason,
        body,
    })
}

fn transport(endpoint: &Url, call: &PveCall, source: &reqwest::Error) -> PveError {
    if permit::has_ended(source) {
        return PveError::NotPermitted { call: call.shown() };
    }
    let endpoint = endpoints::shown(endpoint);
    match trust::mismatch(source) {
        Some(source) => PveError::Pin { endpoint, source },
        None => PveError::Transport {
            endpoint,
            why: innermost(source),
            call: call.shown(),
            connect: source.is_connect(),
        },
    }
}

/// What the system said.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn late(endpoint: &Url, call: &PveCall, after: Duration) -> PveError {
    PveError::Timeout {
        endpoint: endpoints::shown(endpoint),
        call: call.shown(),
        after,
    }
}
