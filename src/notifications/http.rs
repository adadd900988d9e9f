//! One request to a receiver.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method, redirect};
use secrecy::ExposeSecret as _;
use url::{Host, Url};

use super::answer;
use super::error::{Receipt, SendError};
use crate::error::chain;
use crate::model::{Credentials, Provider, SecretUrl};

const USER_AGENT: &str = concat!("talos-order/", env!("CARGO_PKG_VERSION"));

/// What is sent.
pub(super) struct HttpMessage {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// JSON.
    pub body: Vec<u8>,
}

impl HttpMessage {
    pub(super) fn post(url: Url, body: &serde_json::Value) -> Self {
        Self {
            method: Method::POST,
            url,
            headers: HeaderMap::new(),
            body: body.to_string().into_bytes(),
        }
    }

    /// Adds a header with a secret; one that HTTP does not allow is a mistake in its file.
    pub(super) fn secret(&mut self, name: &str, value: &str) -> Result<(), SendError> {
        let invalid = |what: &str| SendError::Setup {
            why: format!("the {what} of the header {name} is not valid"),
        };
        let header = HeaderName::try_from(name).map_err(|_| invalid("name"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid("value"))?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(())
    }

    pub(super) fn authorize(&mut self, credentials: &Credentials) -> Result<(), SendError> {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        let value = match credentials {
            Credentials::None => return Ok(()),
            Credentials::Bearer(token) => format!("Bearer {}", token.expose_secret()),
            Credentials::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose_secret());
                format!("Basic {}", BASE64_STANDARD.encode(pair))
            }
        };
        self.secret(AUTHORIZATION.as_str(), &value)
    }
}

/// Sends it, and reads what is answered.
pub(super) async fn send(provider: &Provider, message: HttpMessage) -> Result<Receipt, SendError> {
    let to = SecretUrl::new(message.url.clone()).shown();
    let client = client(provider, &message.url)?;
    let request = client
        .request(message.method, message.url)
        .header("content-type", "application/json")
        .headers(message.headers)
        .body(message.body);
    let work = async {
        let response = request.send().await.map_err(|error| failed(&to, error))?;
        answer::read(response, &to).await
    };
    let after = provider.timeout;
    match tokio::time::timeout(after, work).await {
        Ok(result) => result,
        Err(_) => Err(SendError::Timeout { to, after }),
    }
}

/// Made for each message: one comes in minutes, and a kept connection would be stale.
fn client(provider: &Provider, url: &Url) -> Result<Client, SendError> {
    let setup = |why: String| SendError::Setup { why };
    let trusted = match &provider.ca {
        Some((path, pem)) => Certificate::from_pem_bundle(pem)
            .map_err(|error| setup(format!("{}: {}", path.display(), chain(&error))))?,
        None => Vec::new(),
    };
    let common = || {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(provider.timeout.min(Duration::from_secs(10)))
            .redirect(redirect::Policy::none())
            .referer(false)
            .pool_max_idle_per_host(0);
        match is_this_machine(url) {
            // No proxy can reach it.
            true => builder.no_proxy(),
            false => builder,
        }
    };
    let built = common().tls_certs_merge(trusted.clone()).build();
    // A machine without CA certificates can still use plain HTTP, and HTTPS with servers
    // that the configured ones vouch for.
    let built = match built {
        Err(_) if url.scheme() == "http" || !trusted.is_empty() => {
            common().tls_certs_only(trusted).build()
        }
        built => built,
    };
    built.map_err(|error| setup(chain(&error.without_url())))
}

fn failed(to: &str, error: reqwest::Error) -> SendError {
    let is_connect = error.is_connect();
    // The library's own message has the URL in it, which may be the secret.
    let error = error.without_url();
    // The outer ones say only that a request failed.
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let why = innermost.to_string();
    let to = to.to_owned();
    match is_connect {
        true => SendError::Connect { to, why },
        false => SendError::Transport { to, why },
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
