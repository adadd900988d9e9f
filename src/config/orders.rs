//! Where the orders are: a path of this machine, or a git repository.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::orders_shape::{GitAuthShape, GitShape, GitVerifyShape, OrdersShape, VERIFY_MODES};
use super::secrets::Secrets;
use super::values::{DAY, HOUR, MINUTE, duration, path};
use crate::model::{
    GitAuth, GitLogin, GitPath, GitProtocol, GitRange, GitRefName, GitReference, GitSource,
    GitToken, GitUrl, GitVerify,
};
use crate::yaml::{At, NodeRef, ProblemReport, TextOr, one_of};

/// The branch that most servers give to a new repository.
const BRANCH: &str = "main";
/// The user for a token, where none is given: the servers look at the token.
const USERNAME: &str = "git";
/// More often is a load on the server, and a hook is faster than any interval.
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(5)..=DAY;
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=HOUR;

/// The path or the repository, whichever is given.
pub(super) fn orders(
    shape: Option<At<TextOr<OrdersShape>>>,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> (Option<PathBuf>, Option<GitSource>) {
    let Some(At { place, value }) = shape else {
        return (None, None);
    };
    match value {
        TextOr::Text(value) => {
            if value.contains("://") || is_scp_like(&value) {
                report.at_with_hint(
                    place,
                    "an address of a repository is not a path",
                    "write `orders: {git: {url: …}}`",
                );
                return (None, None);
            }
            (path(Some(&At { place, value }), report), None)
        }
        TextOr::Map(OrdersShape { path: at, git }) => match (at, git) {
            (Some(at), None) => (path(Some(&at), report), None),
            (None, Some(git)) => (None, source(&git.value, git.place, secrets, report)),
            (Some(_), Some(git)) => {
                report.at(git.place, "`path` and `git` are mutually exclusive");
                (None, None)
            }
            (None, None) => {
                if !report.told(place, "git") && !report.told(place, "path") {
                    report.at_with_hint(
                        place,
                        "`orders` says neither `path` nor `git`",
                        "write `orders: PATH`, or `orders: {git: {url: …}}`",
                    );
                }
                (None, None)
            }
        },
    }
}

/// `git@host:path`, which a path hardly is.
fn is_scp_like(text: &str) -> bool {
    let before = text.split_once(':').map(|(before, _)| before);
    before.is_some_and(|before| before.contains('@') && !before.contains('/'))
}

fn source(
    shape: &GitShape,
    place: NodeRef,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<GitSource> {
    let url = match &shape.url {
        Some(text) => url(text, report),
        None => {
            let hint = "the address of the repository, such as https://git.example.org/fleet.git";
            report.missing(place, "url", hint);
            None
        }
    };
    let reference = reference(shape, report);
    let path = match &shape.path {
        Some(text) => report.parse::<GitPath>(text),
        None => Some(GitPath::default()),
    };
    let auth = shape.auth.as_ref();
    let auth = auth.map(|auth| self::auth(&auth.value, auth.place, url.as_ref(), secrets, report));
    let verify = shape.verify.as_ref();
    let verify = verify.and_then(|verify| self::verify(&verify.value, verify.place, report));
    Some(GitSource {
        interval: duration(shape.interval.as_ref(), MINUTE, INTERVALS, report),
        timeout: duration(shape.timeout.as_ref(), MINUTE, TIMEOUTS, report),
        url: url?,
        reference: reference?,
        path: path?,
        auth: auth.unwrap_or_default(),
        verify,
        allow_rewind: shape.allow_rewind.unwrap_or(false),
    })
}

/// A refusal shows nothing of an address that may have a login in it.
fn url(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<GitUrl> {
    if !text.value.contains('@') {
        return report.parse::<GitUrl>(text);
    }
    match text.value.parse() {
        Ok(url) => Some(url),
        Err(invalid) => {
            let message = "this is not the address of a repository, or there is a login in it";
            let problem = report.document().problem(text.place, message);
            let hint = invalid.hint.unwrap_or_default();
            report.push(problem.hint(hint).without_excerpt());
            None
        }
    }
}

fn reference(shape: &GitShape, report: &mut ProblemReport<'_>) -> Option<GitReference> {
    let given = [&shape.branch, &shape.tag, &shape.semver];
    let mut given = given.into_iter().flatten();
    if let (Some(_), Some(second)) = (given.next(), given.next()) {
        report.at(
            second.place,
            "`branch`, `tag` and `semver` are mutually exclusive",
        );
        return None;
    }
    if let Some(text) = &shape.tag {
        return report.parse::<GitRefName>(text).map(GitReference::Tag);
    }
    if let Some(text) = &shape.semver {
        return report.parse::<GitRange>(text).map(GitReference::Semver);
    }
    let branch = match &shape.branch {
        Some(text) => report.parse::<GitRefName>(text),
        None => BRANCH.parse().ok(),
    };
    branch.map(GitReference::Branch)
}

fn auth(
    shape: &GitAuthShape,
    place: NodeRef,
    url: Option<&GitUrl>,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> GitAuth {
    let token = shape.token_file.as_ref().or(shape.token_env.as_ref());
    let key = shape.ssh_key_file.as_ref();
    let ssh = key.or(shape.known_hosts_file.as_ref());
    let protocol = url.map(GitUrl::protocol);
    if let (Some(at), Some(GitProtocol::Https | GitProtocol::Http | GitProtocol::File)) =
        (ssh, protocol)
    {
        report.at_with_hint(
            at.place,
            "a key for ssh has no effect: the address is not one for ssh",
            "use an address such as git@git.example.org:fleet.git, or a token",
        );
    }
    let web = token.or(shape.username.as_ref());
    if let (Some(at), Some(GitProtocol::Ssh | GitProtocol::File)) = (web, protocol) {
        report.at_with_hint(
            at.place,
            "a token has no effect: the address is not one for HTTP",
            "use an address such as https://git.example.org/fleet.git, or `ssh_key_file`",
        );
    }
    if let (Some(at), Some(false)) = (token, url.map(GitUrl::is_private)) {
        report.at_with_hint(
            at.place,
            "http would show the token to the network",
            "use an address that begins with https://",
        );
    }
    if let (Some(user), None) = (&shape.username, token)
        && !report.told(place, "token")
        && !report.told(place, "password")
    {
        report.at_with_hint(
            user.place,
            "a user name without a token",
            "add `token_file` or `token_env`",
        );
    }
    // Read here to report what is wrong with it; a file is read again for each request.
    let value = secrets.token(&shape.token_env, &shape.token_file, report);
    let login = token.map(|_| GitLogin {
        username: match &shape.username {
            Some(text) if report.fits_a_line(text) => text.value.clone(),
            _ => USERNAME.to_owned(),
        },
        token: match (&shape.token_file, value) {
            (Some(file), _) => GitToken::File(PathBuf::from(&file.value)),
            (None, Some(value)) => GitToken::Value(value),
            (None, None) => GitToken::Unread,
        },
    });
    GitAuth {
        ssh_key_file: path(key, report),
        known_hosts_file: path(shape.known_hosts_file.as_ref(), report),
        login,
    }
}

fn verify(
    shape: &GitVerifyShape,
    place: NodeRef,
    report: &mut ProblemReport<'_>,
) -> Option<GitVerify> {
    let mode = shape.mode.as_ref();
    if let Some(at) = mode.filter(|at| !VERIFY_MODES.contains(&at.value.as_str())) {
        let hint = one_of(&at.value, VERIFY_MODES).map(|near| format!("did you mean `{near}`?"));
        let message = format!("{:?} is not a mode; expected none or head", at.value);
        match hint {
            _ if !report.fits_a_line(at) => {}
            Some(hint) => report.at_with_hint(at.place, message, hint),
            None => report.at(at.place, message),
        }
        return None;
    }
    let keys = GitVerify {
        ssh_allowed_signers: path(shape.ssh_allowed_signers.as_ref(), report),
        gpg_keys: path(shape.gpg_keys.as_ref(), report),
    };
    if mode.is_some_and(|mode| mode.value == "none") {
        return None;
    }
    if shape.ssh_allowed_signers.is_none() && shape.gpg_keys.is_none() {
        report.missing(
            place,
            "ssh_allowed_signers",
            "name the file with the keys whose signatures count, or `gpg_keys` for OpenPGP",
        );
        return None;
    }
    Some(keys)
}
