//! Hooks as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::HookKind;
use crate::yaml::At;

/// A path that makes the controller look at its orders when it is called.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Hook")]
#[serde(deny_unknown_fields)]
pub(super) struct HookShape {
    /// Its name, of letters, digits, - and _. The path is /hooks/NAME
    pub name: Option<At<String>>,
    /// Who calls it, and so how the caller proves that it has the secret: github, gitlab,
    /// gitea (also Forgejo), or generic for an HMAC in X-Signature
    #[schemars(extend("enum" = HookKind::ALL.map(HookKind::as_str)))]
    pub kind: Option<At<String>>,
    /// The file that holds the secret of the webhook, at least 16 characters
    pub secret_file: Option<At<String>>,
    /// The environment variable that holds it
    pub secret_env: Option<At<String>>,
}
