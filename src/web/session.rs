//! Who may act: tokens, and the sessions of browsers.
//!
//! A browser logs in with a token and gets a cookie with the key of a session, which is
//! kept in memory only; a program sends the token itself (`Authorization: Bearer …`). A
//! form carries the session's second key, which a page of somebody else cannot know.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::config::WebConfig;
use crate::model::WebToken;

/// The name of the cookie.
pub(super) const COOKIE_NAME: &str = "talos_order_session";

/// How long a session lasts.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions at once; the oldest one ends for a new one.
const SESSIONS: usize = 64;

/// Wrong tokens in [`WINDOW`] before more are not answered as such. Tokens are long and
/// random: this only keeps the log small. A token that is right is always taken, or anybody
/// could keep everybody from logging in.
const TRIES: usize = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// Who asks, as far as a page needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Visitor {
    /// Tokens are configured, so somebody may log in.
    pub can_log_in: bool,
    /// Who is logged in.
    pub user: Option<WebUser>,
}

/// Somebody who may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebUser {
    /// The name beside the token.
    pub name: String,
    /// What a form has to carry; `None` where the request itself carried the token, which
    /// no other page can make a browser do.
    pub csrf: Option<String>,
}

/// The sessions of browsers.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    sessions: BTreeMap<String, BrowserSession>,
    wrong: Vec<Instant>,
}

#[derive(Debug)]
struct BrowserSession {
    /// What began it: with that it ends.
    token: WebToken,
    csrf: String,
    began: Instant,
}

/// Why somebody is not logged in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LoginRefused {
    /// The token is none of those that are configured, or none are.
    Wrong,
    /// There were too many wrong ones.
    TooMany,
    /// The system gives no random bytes.
    NoKey,
}

impl Sessions {
    /// Begins a session, and returns its key for the cookie.
    pub(super) fn log_in(&self, config: &WebConfig, token: &str) -> Result<String, LoginRefused> {
        let mut known = self.lock();
        let now = Instant::now();
        let Some(found) = find(config, token) else {
            known.wrong.retain(|at| now.duration_since(*at) < WINDOW);
            if known.wrong.len() >= TRIES {
                return Err(LoginRefused::TooMany);
            }
            known.wrong.push(now);
            return Err(LoginRefused::Wrong);
        };
        let (Some(key), Some(csrf)) = (random_key(), random_key()) else {
            return Err(LoginRefused::NoKey);
        };
        let token = found.clone();
        known.drop_old(now);
        if known.sessions.len() >= SESSIONS {
            let oldest = known
                .sessions
                .iter()
                .min_by_key(|(_, session)| session.began);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                known.sessions.remove(&oldest);
            }
        }
        let session = BrowserSession {
            token,
            csrf,
            began: now,
        };
        known.sessions.insert(key.clone(), session);
        Ok(key)
    }

    /// Ends the session of a request.
    pub(super) fn log_out(&self, headers: &HeaderMap) {
        if let Some(key) = cookie(headers) {
            self.lock().sessions.remove(key);
        }
    }

    /// Ends the sessions of tokens that are not configured any more.
    pub(super) fn keep(&self, config: &WebConfig) {
        let mut known = self.lock();
        known
            .sessions
            .retain(|_, session| session.is_current(config));
    }

    /// Who asks.
    pub(super) fn visitor(&self, config: &WebConfig, headers: &HeaderMap) -> Visitor {
        let mut known = self.lock();
        known.drop_old(Instant::now());
        let session = cookie(headers).and_then(|key| known.sessions.get(key));
        // A log-in may have begun before the token was taken out of the configuration.
        let session = session.filter(|session| session.is_current(config));
        let user = session.map(|session| WebUser {
            name: session.token.name.clone(),
            csrf: Some(session.csrf.clone()),
        });
        Visitor {
            can_log_in: config.tokens.is_some(),
            user: user.or_else(|| bearer(config, headers)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn drop_old(&mut self, now: Instant) {
        self.sessions
            .retain(|_, session| now.duration_since(session.began) < LASTS);
    }
}

impl BrowserSession {
    /// True while somebody of this name has the token that began it: a token is replaced
    /// because others may know it, and those may be logged in.
    fn is_current(&self, config: &WebConfig) -> bool {
        let token = self.token.token.expose_secret();
        find(config, token).is_some_and(|known| known.name == self.token.name)
    }
}

/// The one whose token this is. Every token is compared, and each in constant time.
fn find<'a>(config: &'a WebConfig, token: &str) -> Option<&'a WebToken> {
    let tokens = config.tokens.iter().flatten();
    tokens.fold(None, |found, known| {
        let is_same = same(known.token.expose_secret(), token);
        if is_same { Some(known) } else { found }
    })
}

/// True if two texts are the same; how long it takes does not say where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn bearer(config: &WebConfig, headers: &HeaderMap) -> Option<WebUser> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let found = find(config, value.strip_prefix("Bearer ")?.trim())?;
    Some(WebUser {
        name: found.name.clone(),
        csrf: None,
    })
}

/// The key of a session in the cookies of a request.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}

/// 64 hex digits that cannot be guessed.
fn random_key() -> Option<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use secrecy::SecretString;

    use super::*;

    fn token(name: &str, text: &str) -> WebToken {
        WebToken {
            name: name.to_owned(),
            token: SecretString::from(text.to_owned()),
        }
    }

    fn config() -> WebConfig {
        WebConfig {
            tokens: Some(vec![token("alice", "aaaa"), token("bob", "bbbb")]),
            ..WebConfig::default()
        }
    }

    fn with_cookie(key: &str) -> HeaderMap {
        let value = format!("other=1; {COOKIE_NAME}={key}");
        [(COOKIE, HeaderValue::from_str(&value).unwrap())]
            .into_iter()
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_has_a_name_and_ends() {
        let (sessions, config) = (Sessions::default(), config());
        let key = sessions.log_in(&config, "bbbb").unwrap();
        let user = sessions.visitor(&config, &with_cookie(&key)).user.unwrap();
        assert_eq!(user.name, "bob");
        assert!(
            user.csrf
                .is_some_and(|csrf| csrf.len() == 64 && csrf != key)
        );
        let nobody = Visitor {
            can_log_in: true,
            user: None,
        };
        assert_eq!(sessions.visitor(&config, &with_cookie("x")), nobody);
        assert_eq!(sessions.visitor(&config, &HeaderMap::new()), nobody);
        sessions.log_out(&with_cookie(&key));
        assert_eq!(sessions.visitor(&config, &with_cookie(&key)), nobody);

        let key = sessions.log_in(&config, "aaaa").unwrap();
        tokio::time::advance(LASTS).await;
        assert_eq!(sessions.visitor(&config, &with_cookie(&key)), nobody);
    }

    #[test]
    fn a_session_ends_with_its_token() {
        let with = |tokens: &[(&str, &str)]| WebConfig {
            tokens: Some(
                tokens
                    .iter()
                    .map(|(name, text)| token(name, text))
                    .collect(),
            ),
            ..WebConfig::default()
        };
        for after in [
            with(&[("bob", "bbbb")]),
            // Replaced, since somebody else may know it.
            with(&[("alice", "cccc"), ("bob", "bbbb")]),
            with(&[("carol", "aaaa")]),
            WebConfig::default(),
        ] {
            let (sessions, before) = (Sessions::default(), config());
            let key = sessions.log_in(&before, "aaaa").unwrap();
            let who = |config: &WebConfig| sessions.visitor(config, &with_cookie(&key)).user;
            assert!(who(&before).is_some());
            assert_eq!(who(&after), None);
            sessions.keep(&after);
            assert_eq!(who(&before), None, "it does not begin again");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_tokens_are_counted_and_sessions_are_bounded() {
        let (sessions, config) = (Sessions::default(), config());
        let first = sessions.log_in(&config, "aaaa").unwrap();
        for _ in 0..SESSIONS {
            tokio::time::advance(Duration::from_secs(1)).await;
            sessions.log_in(&config, "aaaa").unwrap();
        }
        assert_eq!(sessions.visitor(&config, &with_cookie(&first)).user, None);
        for _ in 0..TRIES {
            assert_eq!(sessions.log_in(&config, "aaa"), Err(LoginRefused::Wrong));
        }
        assert_eq!(sessions.log_in(&config, "aaa"), Err(LoginRefused::TooMany));
        // Whoever tries tokens keeps nobody out.
        assert!(sessions.log_in(&config, "aaaa").is_ok());
        tokio::time::advance(WINDOW).await;
        assert_eq!(sessions.log_in(&config, "aaa"), Err(LoginRefused::Wrong));
        assert_eq!(
            Sessions::default().log_in(&WebConfig::default(), ""),
            Err(LoginRefused::Wrong)
        );
    }

    #[test]
    fn a_program_sends_the_token_itself() {
        let (sessions, config) = (Sessions::default(), config());
        let header = |value: &'static str| -> HeaderMap {
            [(AUTHORIZATION, HeaderValue::from_static(value))]
                .into_iter()
                .collect()
        };
        let user = sessions.visitor(&config, &header("Bearer aaaa")).user;
        let alice = WebUser {
            name: "alice".to_owned(),
            csrf: None,
        };
        assert_eq!(user, Some(alice));
        for wrong in ["Bearer cccc", "Basic aaaa", "Bearer ", "aaaa"] {
            assert_eq!(
                sessions.visitor(&config, &header(wrong)).user,
                None,
                "{wrong}"
            );
        }
    }
}
