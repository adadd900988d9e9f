//! The status page: who may act, and under which names it is asked for.

use secrecy::{ExposeSecret, SecretString};

use super::file::ConfigFile;
use super::hooks::hooks;
use super::secrets::Secrets;
use super::settings::WebSettings;
use super::values::url;
use super::web_shape::WebShape;
use crate::model::{Host, ListenAddress, WebToken};
use crate::yaml::{At, ProblemReport};

/// A token that is easy to guess is none.
const TOKEN_MIN: usize = 16;

pub(super) fn settings(
    file: &ConfigFile,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> WebSettings {
    let none = WebShape::default();
    let shape = file.web.as_ref().unwrap_or(&none);
    let listen = file.listen.as_ref();
    let hosts = shape.hosts.iter().flatten();
    let mut hosts: Vec<String> = hosts
        .filter_map(|text| Some(report.parse::<Host>(text)?.to_string().to_lowercase()))
        .collect();
    let external_url = shape
        .external_url
        .as_ref()
        .and_then(|text| url(Some(text), "", report));
    let known = external_url.as_ref().and_then(|url| url.host_str());
    hosts.extend(known.map(str::to_lowercase));
    WebSettings {
        listen: listen.and_then(|text| report.parse::<ListenAddress>(text)),
        tokens: tokens(shape.token_file.as_ref(), secrets, report),
        hosts,
        external_url,
        hooks: hooks(file.hooks.as_deref().unwrap_or_default(), secrets, report),
    }
}

/// The tokens of the file; `None` where there is no such file.
fn tokens(
    file: Option<&At<String>>,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<Vec<WebToken>> {
    let file = file?;
    let Some(text) = secrets.token(&None, &Some(At::clone(file)), report) else {
        // Not read, or reported.
        return Some(Vec::new());
    };
    let mut tokens: Vec<WebToken> = Vec::new();
    for (index, line) in text.expose_secret().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let mut wrong = |why: &str| {
            report.at_with_hint(
                file.place,
                format!("line {number} of the file {:?}: {why}", file.value),
                "write a name and a token on each line, such as `alice` and the output of \
                 `openssl rand -hex 32`",
            );
        };
        let Some((name, token)) = line.split_once(char::is_whitespace) else {
            wrong("expected a name, a space and a token");
            continue;
        };
        let token = token.trim_start();
        if token.len() < TOKEN_MIN || token.contains(char::is_whitespace) {
            wrong("the token is too short or has spaces in it; expected at least 16 characters");
        } else if name.len() > 64 || name.chars().any(|c| !c.is_ascii_graphic()) {
            wrong("expected a name of at most 64 ASCII characters");
        } else if tokens.iter().any(|other| other.name == name) {
            wrong("this name is already in the file");
        } else {
            tokens.push(WebToken {
                name: name.to_owned(),
                token: SecretString::from(token.to_owned()),
            });
        }
    }
    Some(tokens)
}
