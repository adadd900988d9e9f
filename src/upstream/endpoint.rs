//! Who is asked, and the credentials that go along.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::{Origin, Url};

use super::config::UpstreamConfig;
use super::{UpstreamError, text};
use crate::model::Credentials;

/// Who is asked, which decides the credentials that go along.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The base URL, without user and password.
    pub base: Url,
    origin: Origin,
    authorization: Option<HeaderValue>,
    /// What must not appear in a message.
    secrets: Vec<SecretString>,
}

impl Endpoint {
    /// The factory. A user in its URL serves where nothing else is configured.
    pub(super) fn factory(config: &UpstreamConfig) -> Result<Self, UpstreamError> {
        let url = &config.factory;
        let in_url = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decoded(user), decoded(password.unwrap_or_default()))),
        };
        match (&config.authorization, in_url) {
            (Credentials::Basic { username, password }, _) => {
                Self::basic(url, username, password.expose_secret())
            }
            (Credentials::Bearer(token), _) => Self::bearer(url, token),
            (Credentials::None, Some((user, password))) => Self::basic(url, &user, &password),
            (Credentials::None, None) => Ok(Self::open(url)),
        }
    }

    pub(super) fn github(config: &UpstreamConfig) -> Result<Self, UpstreamError> {
        match &config.github_token {
            Some(token) => Self::bearer(&config.github, token),
            None => Ok(Self::open(&config.github)),
        }
    }

    fn open(url: &Url) -> Self {
        let mut base = text::without_user(url);
        if !base.path().ends_with('/') {
            // Without it, the last part would be replaced when paths are joined.
            base.set_path(&format!("{}/", base.path()));
        }
        Self {
            base,
            origin: url.origin(),
            authorization: None,
            secrets: Vec::new(),
        }
    }

    fn basic(url: &Url, username: &str, password: &str) -> Result<Self, UpstreamError> {
        let pair = format!("{username}:{password}");
        let encoded = BASE64_STANDARD.encode(pair);
        let secrets = vec![encoded.clone(), password.to_owned()];
        Self::open(url).with("Basic", &encoded, secrets)
    }

    fn bearer(url: &Url, token: &SecretString) -> Result<Self, UpstreamError> {
        let token = token.expose_secret();
        Self::open(url).with("Bearer", token, vec![token.to_owned()])
    }

    fn with(
        mut self,
        scheme: &str,
        value: &str,
        mut secrets: Vec<String>,
    ) -> Result<Self, UpstreamError> {
        let mut header = HeaderValue::from_str(&format!("{scheme} {value}")).map_err(|_| {
            UpstreamError::Credentials {
                url: text::public(&self.base),
            }
        })?;
        header.set_sensitive(true);
        self.authorization = Some(header);
        // Hiding a very short password would only garble texts.
        secrets.retain(|secret| secret.len() >= 4);
        self.secrets = secrets.into_iter().map(SecretString::from).collect();
        Ok(self)
    }

    /// The credentials, where a URL is of the origin that they belong to.
    pub(super) fn authorization_for(&self, url: &Url) -> Option<&HeaderValue> {
        let theirs = url.origin() == self.origin;
        self.authorization.as_ref().filter(|_| theirs)
    }

    /// A text of a server, fit to be shown: proxies like to repeat what they got.
    pub(super) fn shown(&self, body: &str) -> Option<String> {
        let mut body = body.to_owned();
        for secret in &self.secrets {
            body = body.replace(secret.expose_secret(), "(hidden)");
        }
        text::shown(&body)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
