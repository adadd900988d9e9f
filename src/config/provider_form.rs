//! What the types of providers have in common: a URL, texts, credentials.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::notifications_shape::ProviderShape;
use super::secrets::Secrets;
use super::values;
use crate::model::{Credentials, Invalid};
use crate::yaml::{self, At, NodeRef, ProblemReport};

/// What a URL looks like, for messages.
const EXAMPLE: &str = "https://example.org/hook";

/// What `url` may be of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlKind {
    /// It has the secret in it.
    Secret,
    /// Anything.
    Whole,
    /// What a path is added to.
    Base,
}

/// One entry, while it is read.
pub(super) struct ProviderForm<'a, 'd, 's> {
    pub shape: &'a ProviderShape,
    pub place: NodeRef,
    pub secrets: &'a Secrets<'s>,
    pub report: &'a mut ProblemReport<'d>,
}

impl ProviderForm<'_, '_, '_> {
    /// The URL, from the file itself, another file or the environment.
    pub(super) fn url(&mut self, kind: UrlKind) -> Option<Url> {
        let shape = self.shape;
        let is_named = shape.url_env.is_some() || shape.url_file.is_some();
        match &shape.url {
            Some(at) if kind == UrlKind::Secret => {
                let problem = self
                    .report
                    .document()
                    .problem(
                        at.place,
                        "this URL is a secret: whoever has it can send messages",
                    )
                    .hint(
                        "write it into a file and name that with `url_file`, or use `url_env`; \
                         replace the URL if the file was shared",
                    );
                self.report.push(problem.without_excerpt());
                None
            }
            Some(at) if is_named => {
                let message = "`url` and `url_file` or `url_env` are mutually exclusive";
                self.report.at(at.place, message);
                None
            }
            Some(at) if kind == UrlKind::Base => values::url(Some(at), EXAMPLE, self.report),
            Some(at) => {
                if !self.report.fits_a_line(at) {
                    return None;
                }
                let read = self.web_address(at.value.as_str(), kind, at.place);
                if let Some(url) = &read
                    && (!url.username().is_empty() || url.password().is_some())
                {
                    let problem = self
                        .report
                        .document()
                        .problem(at.place, "a URL must not contain a login")
                        .hint("use `url_file`, or a header with `value_file`");
                    self.report.push(problem.without_excerpt());
                    return None;
                }
                read
            }
            None if is_named => {
                let named = (&shape.url_env, &shape.url_file);
                let place = named.0.as_ref().or(named.1.as_ref()).map(|at| at.place)?;
                let secret = self.secrets.one(("url", named.0, named.1), self.report);
                match secret {
                    Some(text) => self.web_address(text.expose_secret().trim(), kind, place),
                    // Where secrets are not read, any address stands for it.
                    None => Url::parse(EXAMPLE).ok(),
                }
            }
            None => {
                let hint = match kind {
                    UrlKind::Secret => "name the file that holds the URL",
                    UrlKind::Whole | UrlKind::Base => "or `url_file`, or `url_env`",
                };
                let key = match kind {
                    UrlKind::Secret => "url_file",
                    UrlKind::Whole | UrlKind::Base => "url",
                };
                self.report.missing(self.place, key, hint);
                None
            }
        }
    }

    /// An address; what is wrong with it is told without showing it.
    fn web_address(&mut self, text: &str, kind: UrlKind, place: NodeRef) -> Option<Url> {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut url) = url else {
            let problem = self.report.document().problem(
                place,
                "this is not a web address; expected a URL such as https://…",
            );
            self.report.push(problem.without_excerpt());
            return None;
        };
        if kind == UrlKind::Base && !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(url)
    }

    pub(super) fn text(
        &mut self,
        text: &Option<At<String>>,
        key: &str,
        hint: &str,
    ) -> Option<String> {
        let Some(at) = text else {
            self.report.missing(self.place, key, hint);
            return None;
        };
        if at.value.trim().is_empty() {
            self.report
                .at(at.place, format!("`{key}` is empty; expected {hint}"));
            return None;
        }
        self.report.fits_a_line(at).then(|| at.value.clone())
    }

    /// How requests are authorised: not at all, with a token, or with a login.
    pub(super) fn credentials(&mut self) -> Credentials {
        let shape = self.shape;
        let token = self
            .secrets
            .one(("token", &shape.token_env, &shape.token_file), self.report);
        if let Some(token) = token {
            if let Some(user) = &shape.username {
                let message = "a token and a user name are mutually exclusive";
                self.report.at(user.place, message);
            }
            return Credentials::Bearer(token);
        }
        match self.login() {
            Some((username, password)) => Credentials::Basic { username, password },
            None => Credentials::None,
        }
    }

    pub(super) fn login(&mut self) -> Option<(String, SecretString)> {
        let shape = self.shape;
        let password = self.secrets.one(
            ("password", &shape.password_env, &shape.password_file),
            self.report,
        );
        let named = shape.password_env.as_ref().or(shape.password_file.as_ref());
        match (&shape.username, named) {
            (Some(user), Some(_)) => {
                let fits = self.report.fits_a_line(user);
                fits.then(|| Some((user.value.clone(), password?)))?
            }
            (Some(user), None) => {
                let hint = "add `password_env` or `password_file`";
                let message = "a user name without a password";
                self.report.at_with_hint(user.place, message, hint);
                None
            }
            (None, Some(at)) => {
                let message = "a password without a user name";
                self.report
                    .at_with_hint(at.place, message, "add `username`");
                None
            }
            (None, None) => None,
        }
    }
}

/// Reports a word that is not one of those that there are.
pub(super) fn unknown<'a>(
    what: &str,
    text: &At<String>,
    known: impl IntoIterator<Item = &'a str> + Clone,
    report: &mut ProblemReport<'_>,
) {
    if !report.fits_a_line(text) {
        return;
    }
    let words: Vec<&str> = known.clone().into_iter().collect();
    let message = match words.as_slice() {
        [] => format!(
            "{} is not a {what}; there are none",
            yaml::shown(&text.value)
        ),
        words => format!(
            "{} is not a {what}; expected {}",
            yaml::shown(&text.value),
            words.join(", ")
        ),
    };
    let mut invalid = Invalid::new(message);
    if let Some(near) = yaml::one_of(&text.value, known) {
        invalid = invalid.hint(format!("did you mean `{near}`?"));
    }
    report.invalid(text.place, invalid);
}
