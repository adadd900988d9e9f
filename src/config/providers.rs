//! One provider of notifications: the keys of its type, and where its secrets are.

use std::time::Duration;

use secrecy::SecretString;

use super::notifications_shape::{HeaderShape, PROVIDER_TYPES, ProviderShape};
use super::provider_form::{ProviderForm, UrlKind, unknown};
use super::secrets::Secrets;
use super::{trust, values};
use crate::model::{Provider, ProviderName, ProviderTarget, SecretUrl};
use crate::yaml::{At, NodeRef, ProblemReport};

/// A receiver that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(15);
const TIMEOUT_MOST: Duration = Duration::from_secs(120);

/// A provider of any name; what is wrong is reported.
pub(super) fn provider(
    shape: &At<ProviderShape>,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<Provider> {
    let (place, shape) = (shape.place, &shape.value);
    let Some(kind) = &shape.kind else {
        let types = PROVIDER_TYPES.join(", ");
        report.missing(place, "type", format!("one of {types}"));
        return None;
    };
    let word = kind.value.as_str();
    if !PROVIDER_TYPES.contains(&word) {
        unknown("type of provider", kind, PROVIDER_TYPES, report);
        return None;
    }
    refuse_others(shape, word, report);
    let timeout = values::duration(
        shape.timeout.as_ref(),
        TIMEOUT,
        Duration::from_secs(1)..=TIMEOUT_MOST,
        report,
    );
    let ca = shape.ca_file.as_ref();
    let ca = ca.and_then(|at| trust::authorities(at, secrets, report));
    let mut form = ProviderForm {
        shape,
        place,
        secrets,
        report,
    };
    let target = form.target(word)?;
    Some(Provider {
        // Taken from the entry by whoever knows that no other has it.
        name: "unnamed".parse::<ProviderName>().ok()?,
        target,
        timeout,
        ca,
    })
}

/// The keys that each type has besides `name`, `type`, `ca_file` and `timeout`.
fn keys(kind: &str) -> &'static [&'static str] {
    match kind {
        "webhook" => &[
            "url",
            "url_file",
            "url_env",
            "secret_file",
            "secret_env",
            "headers",
        ],
        "slack" | "discord" | "teams" => &["url", "url_file", "url_env"],
        "ntfy" => &[
            "url",
            "url_file",
            "url_env",
            "topic",
            "token_file",
            "token_env",
            "username",
            "password_file",
            "password_env",
        ],
        "matrix" => &[
            "url",
            "url_file",
            "url_env",
            "room",
            "token_file",
            "token_env",
        ],
        "alertmanager" => &[
            "url",
            "url_file",
            "url_env",
            "token_file",
            "token_env",
            "username",
            "password_file",
            "password_env",
        ],
        _ => &[
            "host",
            "port",
            "tls",
            "from",
            "to",
            "username",
            "password_file",
            "password_env",
        ],
    }
}

/// Reports keys that belong to another type: they would be without effect.
fn refuse_others(shape: &ProviderShape, kind: &str, report: &mut ProblemReport<'_>) {
    let at = |text: &Option<At<String>>| text.as_ref().map(|at| at.place);
    let given: [(&str, Option<NodeRef>); 18] = [
        ("url", at(&shape.url)),
        ("url_file", at(&shape.url_file)),
        ("url_env", at(&shape.url_env)),
        ("secret_file", at(&shape.secret_file)),
        ("secret_env", at(&shape.secret_env)),
        (
            "headers",
            shape
                .headers
                .as_ref()
                .and_then(|all| Some(all.first()?.place)),
        ),
        ("topic", at(&shape.topic)),
        ("room", at(&shape.room)),
        ("token_file", at(&shape.token_file)),
        ("token_env", at(&shape.token_env)),
        ("username", at(&shape.username)),
        ("password_file", at(&shape.password_file)),
        ("password_env", at(&shape.password_env)),
        ("host", at(&shape.host)),
        ("port", shape.port.as_ref().map(|at| at.place)),
        ("tls", at(&shape.tls)),
        ("from", at(&shape.from)),
        (
            "to",
            shape.to.as_ref().and_then(|all| Some(all.first()?.place)),
        ),
    ];
    for (key, place) in given {
        if let Some(place) = place.filter(|_| !keys(kind).contains(&key)) {
            report.at_with_hint(
                place,
                format!("`{key}` has no meaning for a provider of type {kind}"),
                format!("{kind} has the keys {}", keys(kind).join(", ")),
            );
        }
    }
}

impl ProviderForm<'_, '_, '_> {
    fn target(&mut self, kind: &str) -> Option<ProviderTarget> {
        Some(match kind {
            "webhook" => {
                let url = self.url(UrlKind::Whole);
                let shape = self.shape;
                let secret = self.secrets.one(
                    ("secret", &shape.secret_env, &shape.secret_file),
                    self.report,
                );
                let headers = shape.headers.iter().flatten();
                let headers: Vec<_> = headers.filter_map(|one| self.header(one)).collect();
                ProviderTarget::Webhook {
                    url: SecretUrl::new(url?),
                    secret,
                    headers,
                }
            }
            "slack" => ProviderTarget::Slack(SecretUrl::new(self.url(UrlKind::Secret)?)),
            "discord" => ProviderTarget::Discord(SecretUrl::new(self.url(UrlKind::Secret)?)),
            "teams" => ProviderTarget::Teams(SecretUrl::new(self.url(UrlKind::Secret)?)),
            "ntfy" => {
                let url = self.url(UrlKind::Base);
                let topic = self.text(&self.shape.topic, "topic", "the topic on the server");
                let credentials = self.credentials();
                ProviderTarget::Ntfy {
                    url: url?,
                    topic: topic?,
                    credentials,
                }
            }
            "matrix" => {
                let url = self.url(UrlKind::Base);
                let room = self.room();
                let shape = self.shape;
                let is_named = shape.token_env.is_some() || shape.token_file.is_some();
                if !is_named && !self.report.told(self.place, "token") {
                    let hint = "name the file that holds the access token of the user that sends";
                    self.report.missing(self.place, "token_file", hint);
                }
                let token = self
                    .secrets
                    .one(("token", &shape.token_env, &shape.token_file), self.report);
                ProviderTarget::Matrix {
                    url: url?,
                    room: room?,
                    token: token.unwrap_or_else(|| SecretString::from(String::new())),
                }
            }
            "alertmanager" => {
                let url = self.url(UrlKind::Base);
                let credentials = self.credentials();
                ProviderTarget::Alertmanager {
                    url: url?,
                    credentials,
                }
            }
            _ => ProviderTarget::Email(Box::new(self.mail()?)),
        })
    }

    fn room(&mut self) -> Option<String> {
        let hint = "the internal id of the room, such as !abc:example.org";
        let room = self.text(&self.shape.room, "room", hint)?;
        if room.starts_with('!') {
            return Some(room);
        }
        if let Some(at) = &self.shape.room {
            self.report.at_with_hint(
                at.place,
                format!("{room:?} is not the id of a room; expected one that begins with !"),
                "the settings of a room show it under Advanced; #name:server is an alias",
            );
        }
        None
    }

    fn header(&mut self, one: &At<HeaderShape>) -> Option<(String, SecretString)> {
        let HeaderShape {
            name,
            value_file,
            value_env,
        } = &one.value;
        let Some(name) = name else {
            self.report
                .missing(one.place, "name", "the name of the header");
            return None;
        };
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.value.is_empty() || !name.value.chars().all(is_token) {
            let message = format!("{:?} is not the name of a header", name.value);
            self.report.at(name.place, message);
            return None;
        }
        let own = ["content-type", "content-length", "host", "x-signature"];
        if own.contains(&name.value.to_ascii_lowercase().as_str()) {
            let message = format!("{} is set by talos-order", name.value);
            self.report.at(name.place, message);
            return None;
        }
        if value_file.is_none() && value_env.is_none() {
            let hint = "or `value_env`; a value is not written into the configuration";
            self.report.missing(one.place, "value_file", hint);
        }
        let value = self
            .secrets
            .one(("value", value_env, value_file), self.report)?;
        Some((name.value.clone(), value))
    }
}
