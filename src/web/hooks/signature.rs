//! Whether a caller has the secret of a hook. Pure: the body goes through in pieces, and
//! nothing of it is kept.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use axum::http::HeaderMap;
use secrecy::ExposeSecret;

use crate::model::{Hook, HookKind};

/// The bytes of an HMAC with SHA-256.
const TAG_BYTES: usize = 32;

/// What is still to be checked of a request.
pub(super) enum SignatureCheck {
    /// The secret itself was in the head.
    Checked,
    /// The body must have this HMAC.
    Body {
        tag: [u8; TAG_BYTES],
        sum: Box<Context>,
    },
}

/// The caller does not prove that it has the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    /// The header is not there, or has another form.
    #[error("expected {0}")]
    Missing(&'static str),
    /// It was made with another secret, or of another body.
    #[error("the signature does not match")]
    Wrong,
}

impl fmt::Debug for SignatureCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignatureCheck")
    }
}

impl SignatureCheck {
    /// Begins with the head of a request.
    ///
    /// # Errors
    /// When it has no signature of the form that this kind of hook has.
    pub(super) fn begin(hook: &Hook, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let secret = hook.secret.expose_secret().as_bytes();
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let prefixed = |name: &str| tag(header(name)?.strip_prefix("sha256=")?);
        let (tag, expected) = match hook.kind {
            HookKind::Gitlab => {
                let expected = "the header X-Gitlab-Token";
                let token = header("x-gitlab-token").ok_or(SignatureError::Missing(expected))?;
                return match is_same(token.as_bytes(), secret) {
                    true => Ok(Self::Checked),
                    false => Err(SignatureError::Wrong),
                };
            }
            HookKind::Github => (
                prefixed("x-hub-signature-256"),
                "the header X-Hub-Signature-256: sha256=…",
            ),
            HookKind::Generic => (prefixed("x-signature"), "the header X-Signature: sha256=…"),
            HookKind::Gitea => {
                let found = header("x-gitea-signature").or_else(|| header("x-forgejo-signature"));
                (
                    found.and_then(tag),
                    "the header X-Gitea-Signature or X-Forgejo-Signature",
                )
            }
        };
        Ok(Self::Body {
            tag: tag.ok_or(SignatureError::Missing(expected))?,
            sum: Box::new(Context::with_key(&Key::new(HMAC_SHA256, secret))),
        })
    }

    /// The next piece of the body.
    pub(super) fn update(&mut self, piece: &[u8]) {
        if let Self::Body { sum, .. } = self {
            sum.update(piece);
        }
    }

    /// The whole body was given.
    ///
    /// # Errors
    /// When the signature is of something else, or was made with another secret.
    pub(super) fn finish(self) -> Result<(), SignatureError> {
        match self {
            Self::Checked => Ok(()),
            Self::Body { tag, sum } => verify_slices_are_equal(sum.sign().as_ref(), &tag)
                .map_err(|_| SignatureError::Wrong),
        }
    }
}

/// How long this takes says neither where they differ nor how long the secret is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (digest(&SHA256, one), digest(&SHA256, other));
    verify_slices_are_equal(one.as_ref(), other.as_ref()).is_ok()
}

/// An HMAC in hexadecimal digits.
fn tag(text: &str) -> Option<[u8; TAG_BYTES]> {
    let mut tag = [0; TAG_BYTES];
    let digits = text.as_bytes();
    if digits.len() != 2 * TAG_BYTES {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    for (byte, pair) in tag.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use secrecy::SecretString;

    use super::*;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn check(
        kind: HookKind,
        secret: &str,
        (name, value): (&'static str, &str),
        body: &[u8],
    ) -> Result<(), SignatureError> {
        let hook = Hook {
            name: "push".parse().unwrap(),
            kind,
            secret: SecretString::from(secret.to_owned()),
        };
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.insert(HeaderName::from_static(name), value);
        let mut check = SignatureCheck::begin(&hook, &headers)?;
        for piece in body.chunks(3) {
            check.update(piece);
        }
        check.finish()
    }

    #[test]
    fn every_kind_has_its_header_and_its_form() {
        let prefixed = format!("sha256={TAG}");
        for (kind, name, value) in [
            (HookKind::Github, "x-hub-signature-256", prefixed.as_str()),
            (HookKind::Gitea, "x-gitea-signature", TAG),
            (HookKind::Gitea, "x-forgejo-signature", TAG),
            (HookKind::Generic, "x-signature", &prefixed),
            (HookKind::Gitlab, "x-gitlab-token", SECRET),
        ] {
            assert_eq!(check(kind, SECRET, (name, value), BODY), Ok(()), "{name}");
            let wrong = check(kind, "another secret of ours", (name, value), BODY);
            assert_eq!(wrong, Err(SignatureError::Wrong), "{name}");
            let is_of_body = kind != HookKind::Gitlab;
            let changed = check(kind, SECRET, (name, value), b"Hello, World?");
            assert_eq!(changed.is_err(), is_of_body, "{name}");
            // Another header, and no header of GitHub's older and weaker signature.
            for other in ["x-hub-signature", "x-other"] {
                let missing = check(kind, SECRET, (other, value), BODY);
                assert!(matches!(missing, Err(SignatureError::Missing(_))), "{name}");
            }
        }
    }

    #[test]
    fn another_form_of_a_signature_is_none() {
        for value in [
            TAG,
            "sha256=",
            &format!("sha1={TAG}"),
            &format!("sha256={TAG}00"),
            &format!("sha256={}é", &TAG[2..]),
            &format!("sha256= {}", &TAG[1..]),
            &format!("sha256=+{}", &TAG[1..]),
        ] {
            let found = check(
                HookKind::Github,
                SECRET,
                ("x-hub-signature-256", value),
                BODY,
            );
            assert!(matches!(found, Err(SignatureError::Missing(_))), "{value}");
        }
        let upper = format!("sha256={}", TAG.to_uppercase());
        let found = check(
            HookKind::Github,
            SECRET,
            ("x-hub-signature-256", &upper),
            BODY,
        );
        assert_eq!(found, Ok(()));
    }

    /// The second test of RFC 4231.
    #[test]
    fn the_sum_is_that_of_the_standard() {
        let tag = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let body = b"what do ya want for nothing?";
        let found = check(HookKind::Gitea, "Jefe", ("x-gitea-signature", tag), body);
        assert_eq!(found, Ok(()));
    }
}
