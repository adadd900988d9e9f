//! Which keys hold secrets, so that no message shows their values.
//!
//! No key of ours holds one: the configuration names variables and files. But people
//! write them there all the same, and a machine configuration within an order is full
//! of them. So this goes by how keys are called, and rather hides too much.

use std::borrow::Cow;

/// What is shown in the place of a value.
pub(super) const MASK: &str = "…";

/// Parts of the names of keys that hold secrets.
const STEMS: [&str; 12] = [
    "passw",
    "passphrase",
    "pwd",
    "token",
    "secret",
    "credential",
    "private",
    "apikey",
    "accesskey",
    "authorization",
    "bearer",
    "cookie",
];

/// Keys with a common word for a name that hold one where the value is long, or a
/// block: the keys of META values are called so, too.
const WORDS: [&str; 4] = ["key", "crt", "auth", "pass"];

/// The longest value of such a key that is shown, in bytes.
const SHORT: usize = 16;

/// Keys of ours that only name where a secret is.
const NAMING: [&str; 10] = [
    "access_key_id_env",
    "access_key_id_file",
    "password_env",
    "password_file",
    "secret_access_key_env",
    "secret_access_key_file",
    "secret_env",
    "secret_file",
    "token_env",
    "token_file",
];

/// A line without the values of such keys, and without the login of a URL.
pub(super) fn masked(line: &str) -> Cow<'_, str> {
    let line = without_login(line);
    match secret_value(&line) {
        Some(from) if !line[from..].trim().is_empty() => {
            Cow::Owned(format!("{}{MASK}", &line[..from]))
        }
        _ => line,
    }
}

/// True if the lines below that are indented further are the value of such a key.
pub(super) fn opens_one(line: &str) -> bool {
    secret_value(line).is_some()
}

/// Where the value of the first such key of a line begins.
fn secret_value(line: &str) -> Option<usize> {
    line.match_indices(':').find_map(|(at, _)| {
        let key = line[..at].trim_end_matches(|c: char| c.is_whitespace() || "\"'".contains(c));
        let start = key
            .rfind(|c: char| !(c.is_alphanumeric() || "_-.".contains(c)))
            .map_or(0, |at| {
                at + key[at..].chars().next().map_or(1, char::len_utf8)
            });
        let ends = line[at + 1..].chars().next();
        let is_key = ends.is_none_or(|c| c.is_whitespace() || "\"'{[".contains(c));
        let value = line[at + 1..].trim();
        if !is_key || !is_secret(&key[start..], value) {
            return None;
        }
        let blanks = line[at + 1..].len() - line[at + 1..].trim_start().len();
        Some(at + 1 + blanks)
    })
}

fn is_secret(key: &str, value: &str) -> bool {
    if NAMING.contains(&key) {
        return false;
    }
    let plain = key.to_ascii_lowercase().replace(['_', '-', '.'], "");
    let is_long = value.len() > SHORT || value.starts_with(['|', '>']);
    (is_long && WORDS.contains(&plain.as_str())) || STEMS.iter().any(|stem| plain.contains(stem))
}

/// Hosts of URLs whose path lets whoever has it send messages.
const SENDING: [&str; 5] = [
    "hooks.slack.com",
    "discord.com",
    "discordapp.com",
    ".logic.azure.com",
    ".webhook.office.com",
];

/// `https://user:password@host` as `https://…@host`, and the URL of a webhook without its
/// path.
fn without_login(line: &str) -> Cow<'_, str> {
    if !line.contains("://") {
        return Cow::Borrowed(line);
    }
    let mut parts = line.split("://");
    let mut safe = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        let end = rest
            .find(|c: char| c.is_whitespace() || "/\"'".contains(c))
            .unwrap_or(rest.len());
        safe.push_str("://");
        match rest[..end].rfind('@') {
            Some(at) => {
                safe.push_str(MASK);
                safe.push_str(&rest[at..]);
            }
            None if SENDING.iter().any(|host| rest[..end].ends_with(host)) => {
                let path = rest[end..]
                    .find(|c: char| c.is_whitespace() || "\"'},]".contains(c))
                    .map_or(rest.len(), |length| end + length);
                safe.push_str(&rest[..end]);
                safe.push_str(if path > end { "/…" } else { "" });
                safe.push_str(&rest[path..]);
            }
            None => safe.push_str(rest),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_left_out() {
        for (line, shown) in [
            ("  password: hunter2", "  password: …"),
            ("  passwort: hunter2", "  passwort: …"),
            ("token : 'x y' # why", "token : …"),
            ("\"api-key\": abc", "\"api-key\": …"),
            ("- {name: a, token: abc, b: c}", "- {name: a, token: …"),
            (
                "  password_env: FACTORY_PASSWORD",
                "  password_env: FACTORY_PASSWORD",
            ),
            ("  token_file: /run/token", "  token_file: /run/token"),
            ("  password:", "  password:"),
            ("  url: https://u:p@host/x", "  url: https://…@host/x"),
            ("a: b://u:p@c d://e@f", "a: b://…@c d://…@f"),
            (
                "{url: \"https://hooks.slack.com/services/T0/B0/x\", name: a}",
                "{url: \"https://hooks.slack.com/…\", name: a}",
            ),
            (
                "url: https://a.logic.azure.com/x?sig=y",
                "url: https://a.logic.azure.com/…",
            ),
            ("  key: 0xa", "  key: 0xa"),
            ("  key: LS0tLS1CRUdJTiBFRDI1NTE5", "  key: …"),
            ("- name: token-ring", "- name: token-ring"),
            ("  keep_versions: 3", "  keep_versions: 3"),
            ("  host: 10.0.0.1", "  host: 10.0.0.1"),
        ] {
            assert_eq!(masked(line), shown);
        }
        assert!(opens_one("    password: |"));
        assert!(!opens_one("    password_env: X"));
    }
}
