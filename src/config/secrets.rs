//! Secrets: named in the file, read from the environment or from files.

use std::fmt;
use std::path::Path;

use secrecy::SecretString;

use super::file::{FactoryShape, GithubShape};
use crate::io::file::input;
use crate::model::Credentials;
use crate::yaml::{At, ProblemReport};

/// The variable that holds the GitHub token where the file names none; the one
/// that GitHub's own tools read.
const GITHUB_TOKEN: &str = "GITHUB_TOKEN";

/// The longest secret that is read from a file, in bytes.
const SECRET_MAX: u64 = 64 * 1024;

/// Where secrets come from.
pub enum Secrets<'a> {
    /// The environment is this function; files are read.
    From(&'a dyn Fn(&str) -> Option<String>),
    /// They are not read: the settings are only checked.
    NotNeeded,
}

impl fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::From(_) => "From(..)",
            Self::NotNeeded => "NotNeeded",
        })
    }
}

impl Secrets<'static> {
    /// The secrets that this process can see.
    pub fn of_this_process() -> Self {
        Self::From(&|name| std::env::var(name).ok())
    }
}

impl Secrets<'_> {
    /// How requests to the factory are authorised.
    pub(super) fn factory(
        &self,
        shape: &FactoryShape,
        report: &mut ProblemReport<'_>,
    ) -> Credentials {
        let password = self.either(
            ("password", &shape.password_env, &shape.password_file),
            report,
        );
        let token = self.either(("token", &shape.token_env, &shape.token_file), report);
        let username = shape
            .username
            .as_ref()
            .filter(|text| report.fits_a_line(text));
        // A password in the file itself was refused already.
        let literal = report
            .problems()
            .any(|problem| problem.path == "factory.password");
        match (username, &password, &token) {
            (Some(user), _, NamedSecret::Given(at, _)) => report.at_with_hint(
                *at,
                format!(
                    "a token and the user name {:?} are mutually exclusive",
                    user.value
                ),
                "an Enterprise factory takes either username and password, or a token",
            ),
            (None, NamedSecret::Given(at, _), NamedSecret::Given(..)) => {
                report.at(*at, "a password and a token are mutually exclusive");
            }
            (Some(user), NamedSecret::Absent, NamedSecret::Absent) if !literal => report
                .at_with_hint(
                    user.place,
                    "a user name without a password",
                    "add `password_env` or `password_file`",
                ),
            (None, NamedSecret::Given(at, _), NamedSecret::Absent) => {
                report.at_with_hint(*at, "a password without a user name", "add `username`");
            }
            _ => {}
        }
        match (username, password, token) {
            (Some(username), NamedSecret::Given(_, Some(password)), NamedSecret::Absent) => {
                Credentials::Basic {
                    username: username.value.clone(),
                    password,
                }
            }
            (None, NamedSecret::Absent, NamedSecret::Given(_, Some(token))) => {
                Credentials::Bearer(token)
            }
            _ => Credentials::None,
        }
    }

    /// The GitHub token. It only raises the rate limit, so it may be missing.
    pub(super) fn github(
        &self,
        shape: &GithubShape,
        report: &mut ProblemReport<'_>,
    ) -> Option<SecretString> {
        let name = match &shape.token_env {
            Some(name) => variable(name, report)?,
            None => GITHUB_TOKEN,
        };
        let Self::From(env) = self else { return None };
        env(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .map(SecretString::from)
    }

    /// The secret of an API token.
    pub(super) fn token(
        &self,
        env: &Option<At<String>>,
        file: &Option<At<String>>,
        report: &mut ProblemReport<'_>,
    ) -> Option<SecretString> {
        self.one(("token", env, file), report)
    }

    /// A secret that one of two keys names: `what_env` or `what_file`.
    pub(super) fn one(
        &self,
        named: (&str, &Option<At<String>>, &Option<At<String>>),
        report: &mut ProblemReport<'_>,
    ) -> Option<SecretString> {
        match self.either(named, report) {
            NamedSecret::Given(_, secret) => secret,
            NamedSecret::Absent => None,
        }
    }

    /// The secret of a hook.
    pub(super) fn secret(
        &self,
        env: &Option<At<String>>,
        file: &Option<At<String>>,
        report: &mut ProblemReport<'_>,
    ) -> Option<SecretString> {
        match self.either(("secret", env, file), report) {
            NamedSecret::Given(_, secret) => secret,
            NamedSecret::Absent => None,
        }
    }

    /// A secret that one of two keys names.
    fn either(
        &self,
        (what, env, file): (&str, &Option<At<String>>, &Option<At<String>>),
        report: &mut ProblemReport<'_>,
    ) -> NamedSecret {
        match (env, file) {
            (None, None) => NamedSecret::Absent,
            (Some(_), Some(file)) => {
                report.at(
                    file.place,
                    format!("`{what}_env` and `{what}_file` are mutually exclusive"),
                );
                NamedSecret::Given(file.place, None)
            }
            (Some(name), None) => NamedSecret::Given(name.place, self.variable(name, report)),
            (None, Some(path)) => NamedSecret::Given(path.place, self.file(path, report)),
        }
    }

    fn variable(&self, name: &At<String>, report: &mut ProblemReport<'_>) -> Option<SecretString> {
        let variable = variable(name, report)?;
        let Self::From(env) = self else { return None };
        match env(variable).filter(|value| !value.is_empty()) {
            Some(value) => Some(SecretString::from(value)),
            None => {
                report.at_with_hint(
                    name.place,
                    format!("the environment variable {variable} is not set"),
                    "export it, or set it with `EnvironmentFile=` in the systemd unit",
                );
                None
            }
        }
    }

    fn file(&self, path: &At<String>, report: &mut ProblemReport<'_>) -> Option<SecretString> {
        if !report.fits_a_line(path) {
            return None;
        }
        let Self::From(_) = self else { return None };
        match read(Path::new(&path.value)) {
            Ok(text) if !text.trim().is_empty() => Some(SecretString::from(
                text.trim_end_matches(['\r', '\n']).to_owned(),
            )),
            Ok(_) => {
                report.at(path.place, format!("the file {:?} is empty", path.value));
                None
            }
            Err(why) => {
                let reason = match why.kind() {
                    std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
                    std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                    _ => why.to_string(),
                };
                report.at(
                    path.place,
                    format!("the file {:?} cannot be read: {reason}", path.value),
                );
                None
            }
        }
    }
}

/// What became of a secret that the file may name.
enum NamedSecret {
    Absent,
    /// It is named here; `None` if it could not be read, which is reported.
    Given(crate::yaml::NodeRef, Option<SecretString>),
}

/// The name of an environment variable, if it can be one.
fn variable<'a>(name: &'a At<String>, report: &mut ProblemReport<'_>) -> Option<&'a str> {
    let text = name.value.as_str();
    let fits = !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.len() <= 256
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        return Some(text);
    }
    // The text itself is not shown: it may be the secret.
    let problem = report
        .document()
        .problem(
            name.place,
            "this is not the name of an environment variable; expected letters, digits and _",
        )
        .hint("write the name of the variable that holds the secret, not the secret");
    report.push(problem.without_excerpt());
    None
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut bytes = input::read(path, SECRET_MAX)?;
    bytes.truncate(usize::try_from(SECRET_MAX).unwrap_or(usize::MAX));
    String::from_utf8(bytes)
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}
