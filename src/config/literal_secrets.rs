//! Secrets that are in the file itself.
//!
//! Each is told apart from a key that is merely unknown, since "did you mean
//! `password_env`" would leave the secret where it is; no message shows one.

use crate::yaml::{ProblemReport, YamlNode};

/// Where secrets are expected by mistake: the section, a list of sections counting as
/// each of them, the keys, and what to do instead, with the key for `{key}`.
const PLACES: [(&[&str], &[&str], &str); 10] = [
    (
        &["factory"],
        &["password"],
        "use `password_env` or `password_file`, and rotate it if the file was shared",
    ),
    (
        &["factory"],
        &["token"],
        "use `token_env` or `token_file`, and rotate it if the file was shared",
    ),
    (
        &["github"],
        &["token"],
        "use `token_env`, and rotate it if the file was shared",
    ),
    (
        &["web"],
        &["token"],
        "use `token_file`, and rotate it if the file was shared",
    ),
    (
        &["clusters"],
        &["token", "secret", "token_secret", "password"],
        "use `token_env` or `token_file`, and replace the token if the file was shared",
    ),
    (&["orders", "git"], GIT_KEYS, GIT_HINT),
    (&["orders", "git", "auth"], GIT_KEYS, GIT_HINT),
    (
        &["notifications", "providers"],
        &["token", "secret", "password"],
        "use `{key}_env` or `{key}_file`, and replace the {key} if the file was shared",
    ),
    (
        &["store"],
        &["access_key_id", "secret_access_key", "key"],
        "use `{key}_file` or `{key}_env`, and replace the key if the file was shared",
    ),
    (
        &["hooks"],
        &["secret", "token", "password"],
        "use `secret_file` or `secret_env`, and replace the secret if the file was shared",
    ),
];

const GIT_KEYS: &[&str] = &["token", "password", "ssh_key"];
const GIT_HINT: &str =
    "use `auth.token_file` or `auth.token_env`, and rotate it if the file was shared";
const SSH_KEY_HINT: &str = "use `auth.ssh_key_file`, and replace the key if the file was shared";

/// Refuses every secret that is in the file itself.
pub(super) fn refuse(root: &YamlNode, report: &mut ProblemReport<'_>) {
    for (path, keys, hint) in PLACES {
        let mut section = Some(root);
        for key in path {
            section = section.and_then(|section| section.get(key));
        }
        let Some(section) = section else { continue };
        let sections = std::iter::once(section).chain(section.elements());
        for entry in sections.flat_map(YamlNode::entries) {
            let key = entry.key.as_str();
            if !keys.contains(&key) {
                continue;
            }
            let hint = match key {
                "ssh_key" => SSH_KEY_HINT.to_owned(),
                _ => hint.replace("{key}", key),
            };
            let article = match key.starts_with('a') {
                true => "an",
                false => "a",
            };
            let message = format!("{article} {key} does not belong in the configuration file");
            let problem = report.document().key_problem(entry, message).hint(hint);
            report.refuse(entry, problem.without_excerpt());
        }
    }
}
