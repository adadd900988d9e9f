//! The address of a repository, in one of the forms that git takes.

use std::fmt;
use std::str::FromStr;

use crate::model::Invalid;

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitProtocol {
    /// Over HTTPS.
    Https,
    /// Whoever is between can read and change everything.
    Http,
    /// Over ssh.
    Ssh,
    /// A directory of this machine.
    File,
}

impl GitProtocol {
    /// The word of git's `protocol.*` settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::File => "file",
        }
    }
}

/// The address of a repository, without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitUrl {
    text: String,
    protocol: GitProtocol,
    host: String,
}

impl GitUrl {
    /// The address as git takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it is reached.
    pub const fn protocol(&self) -> GitProtocol {
        self.protocol
    }

    /// The host, with its port; empty for a directory.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// True if nobody else is between, or can read along.
    pub fn is_private(&self) -> bool {
        let host = self
            .host
            .rsplit_once(':')
            .map_or(&*self.host, |(host, _)| host);
        let is_address = |host: &str| host.chars().all(|c| c.is_ascii_digit() || c == '.');
        let is_here =
            matches!(host, "localhost" | "[::1]") || host.starts_with("127.") && is_address(host);
        self.protocol != GitProtocol::Http || is_here
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// What addresses look like, for messages.
const FORMS: &str = "such as https://git.example.org/fleet.git, \
     ssh://git@git.example.org/fleet.git, git@git.example.org:fleet.git or /srv/git/fleet.git";

impl FromStr for GitUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (protocol, host) = parts(text)?;
        Ok(Self {
            text: text.to_owned(),
            protocol,
            host,
        })
    }
}

fn parts(text: &str) -> Result<(GitProtocol, String), Invalid> {
    let refused =
        || Invalid::new(format!("{text:?} is not the address of a repository")).hint(FORMS);
    // Git takes these for options, and `ext::` for a command.
    if text.starts_with('-') || text.contains("::") && !text.contains("://[") {
        return Err(refused());
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(refused());
    }
    if text.starts_with('/') {
        return Ok((GitProtocol::File, String::new()));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let protocol = match scheme {
            "https" => GitProtocol::Https,
            "http" => GitProtocol::Http,
            "ssh" => GitProtocol::Ssh,
            "file" if rest.starts_with('/') => return Ok((GitProtocol::File, String::new())),
            _ => {
                return Err(Invalid::new(format!(
                    "a repository cannot be reached by {scheme:?}; expected https, http, ssh or file"
                ))
                .hint(FORMS));
            }
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains(':') || (protocol != GitProtocol::Ssh && !user.is_empty()) {
            return Err(login());
        }
        if path.is_empty() || path.contains(['?', '#']) || !is_host(host) || user.starts_with('-') {
            return Err(refused());
        }
        return Ok((protocol, host.to_owned()));
    }
    // As scp takes it: `git@host:path`.
    let (before, path) = text.split_once(':').ok_or_else(refused)?;
    let (user, host) = before.rsplit_once('@').unwrap_or(("", before));
    if user.contains(':') || path.contains('@') && !user.is_empty() && path.contains("//") {
        return Err(login());
    }
    let fits = is_host(host) && !before.contains('/') && !path.is_empty();
    if !fits || user.starts_with('-') {
        return Err(refused());
    }
    Ok((GitProtocol::Ssh, host.to_owned()))
}

/// The text is not repeated: the password is in it.
fn login() -> Invalid {
    Invalid::new("the address of a repository must not contain a login").hint(
        "use `auth: {username: …, token_file: …}`, and rotate the password if the file was shared",
    )
}

fn is_host(host: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
    !host.is_empty() && !host.starts_with('-') && host.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_git_has_its_protocol() {
        for (text, protocol, host) in [
            (
                "https://git.example.org/a/b.git",
                GitProtocol::Https,
                "git.example.org",
            ),
            (
                "http://127.0.0.1:3000/a.git",
                GitProtocol::Http,
                "127.0.0.1:3000",
            ),
            ("ssh://git@git.lan:22/a.git", GitProtocol::Ssh, "git.lan:22"),
            ("git@github.com:a/b.git", GitProtocol::Ssh, "github.com"),
            ("host:a.git", GitProtocol::Ssh, "host"),
            ("/srv/git/a.git", GitProtocol::File, ""),
            ("file:///srv/git/a.git", GitProtocol::File, ""),
        ] {
            let url: GitUrl = text.parse().unwrap();
            assert_eq!((url.protocol(), url.host()), (protocol, host), "{text}");
        }
        let is_private = |text: &str| text.parse::<GitUrl>().unwrap().is_private();
        assert!(is_private("http://127.0.0.1:3000/a.git") && is_private("https://a.org/b"));
        assert!(!is_private("http://git.lan/a.git") && !is_private("http://127.evil.org/a"));
    }

    #[test]
    fn what_git_would_run_or_leak_is_refused() {
        for text in [
            "",
            "fleet",
            "orders/a",
            "-u/x",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c x",
            "git://host/a",
            "ssh://-oProxyCommand=x/a",
            "-oProxyCommand=x:a",
            "https://host",
            "https://host/a?b",
            "file://host/a",
            "https://u@host/a",
            "https://u:p@host/a",
            "ssh://u:p@host/a",
            "host:a b",
            "ssh://host/a\nb",
        ] {
            assert!(text.parse::<GitUrl>().is_err(), "{text:?}");
        }
        for text in ["https://me:hunter2@host/a", "ssh://me:hunter2@host/a"] {
            let error = text.parse::<GitUrl>().unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
