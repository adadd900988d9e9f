//! What the client is told: plain values.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use crate::model::Fingerprint;
use crate::model::{Invalid, TokenId};

/// Everything that [`PveApi`](super::PveApi) needs to know.
#[derive(Debug, Clone)]
pub struct PveConfig {
    /// Nodes of one cluster in the order of preference, such as
    /// `https://pve-01.lan:8006`. Plain HTTP is accepted on this machine only.
    pub endpoints: Vec<Url>,
    /// Who asks.
    pub token: ApiToken,
    /// How an endpoint proves who it is.
    pub trust: PveTrust,
    /// How long things may take.
    pub limits: CallLimits,
}

/// How an endpoint proves who it is. There is no way to do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PveTrust {
    /// By a certificate of an authority that the system trusts, for its host name.
    System,
    /// By a certificate of one of these authorities, for its host name. The cluster's
    /// own is `/etc/pve/pve-root-ca.pem`.
    Authorities {
        /// The file that they are from, for messages.
        path: PathBuf,
        /// Its content.
        pem: Vec<u8>,
    },
    /// By having exactly one of these certificates. Host name, authority and dates are
    /// not looked at.
    Pins(BTreeSet<Fingerprint>),
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// To get a connection, with TLS.
    pub connect: Duration,
    /// Until the whole answer to a call is there. Nodes wait 30 s for each other, and
    /// answer a bad token 3 s late on purpose.
    pub call: Duration,
    /// That an upload makes no progress.
    pub idle: Duration,
    /// From the end of an upload's bytes to the answer.
    pub receipt: Duration,
    /// The longest pause between two looks at a task.
    pub poll: Duration,
    /// How long an endpoint that failed is asked last.
    pub set_aside: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            call: Duration::from_secs(35),
            idle: Duration::from_secs(60),
            receipt: Duration::from_secs(120),
            poll: Duration::from_secs(1),
            set_aside: Duration::from_secs(60),
        }
    }
}

/// An API token: `USER@REALM!TOKENID`, and its secret.
#[derive(Debug, Clone)]
pub struct ApiToken {
    id: String,
    /// Marked as sensitive, so that it is in no message.
    header: HeaderValue,
}

impl ApiToken {
    /// A token of its ID, such as `talos-order@pve!ctl`, and its secret.
    ///
    /// # Errors
    /// Where the ID has another form, or the secret characters that no header takes.
    pub fn new(id: &str, secret: &SecretString) -> Result<Self, Invalid> {
        id.parse::<TokenId>()?;
        let text = format!("PVEAPIToken={id}={}", secret.expose_secret());
        let mut header = HeaderValue::from_str(&text).map_err(|_| {
            Invalid::new(format!(
                "the secret of the API token {id} has characters that HTTP does not allow"
            ))
        })?;
        header.set_sensitive(true);
        Ok(Self {
            id: id.to_owned(),
            header,
        })
    }

    /// The ID, such as `talos-order@pve!ctl`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value of the header `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_user_realm_and_name() {
        let token = |id: &str| ApiToken::new(id, &"5ecret".to_owned().into());
        assert_eq!(
            token("talos-order@pve!ctl").unwrap().id(),
            "talos-order@pve!ctl"
        );
        assert!(token("me@corp.example@pve!ctl").is_ok());
        for bad in [
            "talos-order@pve",
            "root!x",
            "@pve!x",
            "a@pve!",
            "a@pve!x=y",
            "a b@pve!x",
        ] {
            assert!(token(bad).is_err(), "{bad}");
        }
        assert!(ApiToken::new("a@pve!x", &"a\nb".to_owned().into()).is_err());
        let shown = format!("{:?}", token("a@pve!x").unwrap());
        assert!(!shown.contains("5ecret"), "{shown}");
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown() {
        let text = ["0A"; 32].join(":");
        let read: Fingerprint = text.parse().unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(text.replace(':', "").to_lowercase().parse(), Ok(read));
        assert!("AB:CD".parse::<Fingerprint>().is_err());
    }
}
