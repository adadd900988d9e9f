//! Who is sent notifications, and how.
//!
//! The configuration makes these, and `notifications` sends to them. What is secret is of a
//! type that is not shown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::factory::Credentials;
use super::label::label;

label! {
    /// The name of a provider of notifications.
    ProviderName, "a provider"
}

/// A URL that is a secret, or may hold one.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Hides a URL.
    pub const fn new(url: Url) -> Self {
        Self(url)
    }

    /// The URL itself, for the request and for nothing else.
    pub const fn expose(&self) -> &Url {
        &self.0
    }

    /// The part that may be shown: scheme, host and port.
    pub fn shown(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{}://{host}:{port}", self.0.scheme()),
            None => format!("{}://{host}", self.0.scheme()),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// A provider of notifications.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name.
    pub name: ProviderName,
    /// What is spoken to.
    pub target: ProviderTarget,
    /// How long one message may take.
    pub timeout: Duration,
    /// Certificates that are trusted besides the system's: the file and what is in it.
    pub ca: Option<(PathBuf, Vec<u8>)>,
}

/// What is spoken to, with what it needs.
#[derive(Debug, Clone)]
pub enum ProviderTarget {
    /// Anything that takes JSON.
    Webhook {
        /// Where it is sent.
        url: SecretUrl,
        /// The key of the signature.
        secret: Option<SecretString>,
        /// More headers.
        headers: Vec<(String, SecretString)>,
    },
    /// Slack, Mattermost, Rocket.Chat.
    Slack(SecretUrl),
    /// Discord.
    Discord(SecretUrl),
    /// A workflow of Microsoft Teams.
    Teams(SecretUrl),
    /// ntfy.
    Ntfy {
        /// The server, with a trailing slash.
        url: Url,
        /// The topic.
        topic: String,
        /// How requests are authorised.
        credentials: Credentials,
    },
    /// Matrix.
    Matrix {
        /// The homeserver, with a trailing slash.
        url: Url,
        /// The id of the room.
        room: String,
        /// The access token.
        token: SecretString,
    },
    /// Alertmanager.
    Alertmanager {
        /// Its base URL, with a trailing slash.
        url: Url,
        /// How requests are authorised.
        credentials: Credentials,
    },
    /// Mail over SMTP.
    Email(Box<MailTarget>),
}

/// Mail over SMTP.
#[derive(Debug, Clone)]
pub struct MailTarget {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// User name and password.
    pub login: Option<(String, SecretString)>,
    /// The sender, as a mail header has it.
    pub from: String,
    /// The recipients; at least one.
    pub to: Vec<String>,
}

/// The name and the address in `Ada <ada@example.org>`; the name may be empty.
pub fn mail_parts(text: &str) -> (&str, &str) {
    let text = text.trim();
    let parts = text
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'));
    match parts {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", text),
    }
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MailTls {
    /// After a greeting in plain text; never without.
    #[default]
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all: for this machine only.
    None,
}

impl ProviderTarget {
    /// The word of the configuration.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack(_) => "slack",
            Self::Discord(_) => "discord",
            Self::Teams(_) => "teams",
            Self::Ntfy { .. } => "ntfy",
            Self::Matrix { .. } => "matrix",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Email(_) => "email",
        }
    }

    /// Where it is, without anything secret.
    pub fn shown(&self) -> String {
        match self {
            Self::Webhook { url, .. }
            | Self::Slack(url)
            | Self::Discord(url)
            | Self::Teams(url) => url.shown(),
            Self::Ntfy { url, topic, .. } => format!("{url}{topic}"),
            Self::Matrix { url, room, .. } => format!("{url} {room}"),
            Self::Alertmanager { url, .. } => url.to_string(),
            Self::Email(mail) => format!("smtp://{}:{}", mail.host, mail.port),
        }
    }
}
