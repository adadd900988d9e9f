//! Notifications as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// What `type` of a provider can be.
pub(super) const PROVIDER_TYPES: [&str; 8] = [
    "webhook",
    "slack",
    "discord",
    "teams",
    "ntfy",
    "matrix",
    "alertmanager",
    "email",
];

/// What `tls` of a mail server can be.
pub(super) const TLS_WORDS: [&str; 3] = ["starttls", "implicit", "none"];

/// What `severities` of a rule can be.
pub(super) const SEVERITIES: [&str; 2] = ["error", "warning"];

/// Who is told of failures and recoveries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Notifications")]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsShape {
    /// Where messages are sent.
    pub providers: Option<Vec<At<ProviderShape>>>,
    /// What is sent where; the first rule that fits an alert counts, for each provider.
    /// Default: everything to every provider
    pub rules: Option<Vec<At<RuleShape>>>,
}

/// Where messages are sent. Which keys are used depends on the type.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Provider")]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderShape {
    /// Its name; rules and `notify test` call it so.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// What it is.
    #[serde(rename = "type")]
    #[schemars(required, extend("enum" = PROVIDER_TYPES))]
    pub kind: Option<At<String>>,
    /// webhook: where messages are sent; ntfy, matrix, alertmanager: the base URL. Of
    /// slack, discord and teams the URL is a secret: use url_file or url_env.
    pub url: Option<At<String>>,
    /// The file that holds the URL.
    pub url_file: Option<At<String>>,
    /// The environment variable that holds the URL.
    pub url_env: Option<At<String>>,
    /// webhook: the file with the key of the signature.
    pub secret_file: Option<At<String>>,
    /// webhook: the environment variable with the key of the signature.
    pub secret_env: Option<At<String>>,
    /// webhook: more headers.
    pub headers: Option<Vec<At<HeaderShape>>>,
    /// ntfy: the topic.
    pub topic: Option<At<String>>,
    /// matrix: the id of the room, such as !abc:example.org.
    pub room: Option<At<String>>,
    /// matrix, ntfy, alertmanager: the file with the access token.
    pub token_file: Option<At<String>>,
    /// matrix, ntfy, alertmanager: the environment variable with the access token.
    pub token_env: Option<At<String>>,
    /// ntfy, alertmanager, email: the user name.
    pub username: Option<At<String>>,
    /// The file with the password.
    pub password_file: Option<At<String>>,
    /// The environment variable with the password.
    pub password_env: Option<At<String>>,
    /// email: the mail server.
    pub host: Option<At<String>>,
    /// email: its port. Default: 587; with tls implicit 465, with none 25
    #[schemars(range(min = 1))]
    pub port: Option<At<u16>>,
    /// email: how the connection is encrypted; none is for this machine only.
    /// Default: starttls
    #[schemars(extend("enum" = TLS_WORDS))]
    pub tls: Option<At<String>>,
    /// email: the sender.
    pub from: Option<At<String>>,
    /// email: the recipients.
    pub to: Option<Vec<At<String>>>,
    /// A file with the certificates (PEM) of authorities that are trusted besides the
    /// system's. Default: none
    pub ca_file: Option<At<String>>,
    /// How long one message may take. Default: 15s
    pub timeout: Option<At<String>>,
}

/// A header of a webhook.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Header")]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderShape {
    /// Its name.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// The file with its value.
    pub value_file: Option<At<String>>,
    /// The environment variable with its value.
    pub value_env: Option<At<String>>,
}

/// What is sent where. A list that is absent fits everything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Rule")]
#[serde(deny_unknown_fields)]
pub(super) struct RuleShape {
    /// The providers by their names. Default: all
    pub providers: Option<Vec<At<String>>>,
    /// Orders by their ids; * stands for any characters.
    pub orders: Option<Vec<At<String>>>,
    /// Nodes by their names; * stands for any characters.
    pub nodes: Option<Vec<At<String>>>,
    /// Sites by their names; * stands for any characters.
    pub sites: Option<Vec<At<String>>>,
    /// error: an operator has to act; warning: it is retried.
    #[schemars(extend("items" = {"enum": SEVERITIES}))]
    pub severities: Option<Vec<At<String>>>,
    /// Reasons as status has them; * stands for any characters.
    pub reasons: Option<Vec<At<String>>>,
    /// When a failure that lasts is told again; off for never. Default: 24h
    pub reminder: Option<At<String>>,
    /// How long a failure that is retried lasts before it is told. Default: 15m
    pub after: Option<At<String>>,
}
