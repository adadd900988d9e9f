//! Hooks: by which another program tells the controller to look at its orders.

use std::fmt;
use std::str::FromStr;

use secrecy::SecretString;

use super::Invalid;

/// The longest name of a hook, in characters.
const NAME_MAX: usize = 64;

/// A hook.
#[derive(Clone)]
pub struct Hook {
    /// The last part of its path.
    pub name: HookName,
    /// Who calls it.
    pub kind: HookKind,
    /// What the caller proves itself with.
    pub secret: SecretString,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hook").field(&self.name).finish()
    }
}

/// The name of a hook: part of a URL, without anything that must be escaped in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HookName(String);

impl HookName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HookName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        match !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(is_plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(Invalid::new(format!(
                "{text:?} cannot be the name of a hook; expected at most {NAME_MAX} letters, \
                 digits, - and _"
            ))),
        }
    }
}

impl fmt::Display for HookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who calls a hook, and so how the caller proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// GitHub: an HMAC in `X-Hub-Signature-256`.
    Github,
    /// GitLab: the secret itself in `X-Gitlab-Token`.
    Gitlab,
    /// Gitea and Forgejo: an HMAC in `X-Gitea-Signature` or `X-Forgejo-Signature`.
    Gitea,
    /// Any other program: an HMAC in `X-Signature`.
    Generic,
}

impl HookKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Github, Self::Gitlab, Self::Gitea, Self::Generic];

    /// Its word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Generic => "generic",
        }
    }
}

impl FromStr for HookKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut kinds = Self::ALL.into_iter();
        kinds.find(|kind| kind.as_str() == text).ok_or_else(|| {
            Invalid::new(format!(
                "{text:?} is no kind of hook; expected github, gitlab, gitea or generic"
            ))
        })
    }
}
