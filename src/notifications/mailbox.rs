//! A provider that is ready to be sent to.

use jiff::SignedDuration;
use reqwest::Method;
use secrecy::ExposeSecret as _;

use super::error::{Receipt, SendError};
use super::forms::{alertmanager, discord, matrix, ntfy, slack, teams, webhook};
use super::http::{self, HttpMessage};
use super::smtp;
use crate::conclude::alerts::{AlertMessage, Habit};
use crate::model::{Provider, ProviderTarget};

/// Alertmanager forgets everything when it restarts: what it has to know is repeated.
const REPEAT: SignedDuration = SignedDuration::from_mins(5);

/// So many events are sent at once to receivers that take each of them.
const EVENTS_MOST: usize = 200;

/// How a provider wants to be told.
pub(super) fn habit(target: &ProviderTarget) -> Habit {
    match target {
        ProviderTarget::Alertmanager { .. } => Habit {
            repeat: Some(REPEAT),
            most: Some(EVENTS_MOST),
        },
        ProviderTarget::Webhook { .. } => Habit {
            repeat: None,
            most: Some(EVENTS_MOST),
        },
        ProviderTarget::Slack(_)
        | ProviderTarget::Discord(_)
        | ProviderTarget::Teams(_)
        | ProviderTarget::Ntfy { .. }
        | ProviderTarget::Matrix { .. }
        | ProviderTarget::Email(_) => Habit::default(),
    }
}

/// A provider that is ready to be sent to.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    provider: Provider,
}

impl Mailbox {
    /// One for a provider.
    pub(crate) const fn new(provider: Provider) -> Self {
        Self { provider }
    }

    /// The name of the provider.
    pub(crate) fn name(&self) -> &str {
        self.provider.name.as_str()
    }

    /// What is spoken to.
    pub(crate) const fn target(&self) -> &ProviderTarget {
        &self.provider.target
    }

    /// Sends a message, within the time of the provider.
    ///
    /// # Errors
    /// When the receiver did not confirm it; it may have it all the same.
    pub(crate) async fn send(&self, message: &AlertMessage) -> Result<Receipt, SendError> {
        if let ProviderTarget::Email(mail) = &self.provider.target {
            return smtp::send(&self.provider, mail, message).await;
        }
        http::send(&self.provider, self.request(message)?).await
    }

    fn request(&self, message: &AlertMessage) -> Result<HttpMessage, SendError> {
        let base = |url: &url::Url, path: &str| {
            url.join(path).map_err(|error| SendError::Setup {
                why: error.to_string(),
            })
        };
        Ok(match &self.provider.target {
            ProviderTarget::Webhook {
                url,
                secret,
                headers,
            } => {
                let body = webhook::body(message);
                let mut request = HttpMessage::post(url.expose().clone(), &body);
                for (name, value) in headers {
                    request.secret(name, value.expose_secret())?;
                }
                if let Some(secret) = secret {
                    let signature = webhook::signature(secret.expose_secret(), &request.body);
                    request.secret("x-signature", &signature)?;
                }
                request
            }
            ProviderTarget::Slack(url) => {
                HttpMessage::post(url.expose().clone(), &slack::body(message))
            }
            ProviderTarget::Discord(url) => {
                HttpMessage::post(url.expose().clone(), &discord::body(message))
            }
            ProviderTarget::Teams(url) => {
                HttpMessage::post(url.expose().clone(), &teams::body(message))
            }
            ProviderTarget::Ntfy {
                url,
                topic,
                credentials,
            } => {
                let mut request = HttpMessage::post(url.clone(), &ntfy::body(message, topic));
                request.authorize(credentials)?;
                request
            }
            ProviderTarget::Matrix { url, room, token } => {
                let mut url = url.clone();
                if let Ok(mut path) = url.path_segments_mut() {
                    // Each of them is escaped: a room begins with `!` and has a colon.
                    path.pop_if_empty().extend([
                        "_matrix",
                        "client",
                        "v3",
                        "rooms",
                        room,
                        "send",
                        "m.room.message",
                        &message.id,
                    ]);
                }
                let mut request = HttpMessage::post(url, &matrix::body(message));
                request.method = Method::PUT;
                request.secret(
                    "authorization",
                    &format!("Bearer {}", token.expose_secret()),
                )?;
                request
            }
            ProviderTarget::Alertmanager { url, credentials } => {
                let url = base(url, "api/v2/alerts")?;
                let mut request = HttpMessage::post(url, &alertmanager::body(message));
                request.authorize(credentials)?;
                request
            }
            ProviderTarget::Email(_) => {
                return Err(SendError::Setup {
                    why: "mail is not sent over HTTP".to_owned(),
                });
            }
        })
    }
}
