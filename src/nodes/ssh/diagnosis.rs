//! What ssh means: its standard error, reduced to one sentence.
//!
//! ssh has one exit code for everything (255), so its texts are all there is.
//! They are matched in the C locale, which every ssh here is started in. The
//! table is ordered: what names the cause stands before what only names the
//! symptom ("Connection closed" follows most of the others).

use crate::nodes::error::NodeError;

struct SshCause {
    /// Any of these in the text.
    texts: &'static [&'static str],
    why: &'static str,
    /// Trying again later may help without anybody doing anything.
    transient: bool,
    hint: Option<&'static str>,
}

const DENIED: &str = "it does not accept the login";

const TABLE: &[SshCause] = &[
    SshCause {
        texts: &["REMOTE HOST IDENTIFICATION HAS CHANGED"],
        why: "its host key is not the one in known_hosts",
        transient: false,
        hint: Some(
            "if the node was reinstalled, remove the old key with `ssh-keygen -R HOST` and log \
             in once yourself; if not, this may be a man-in-the-middle attack",
        ),
    },
    SshCause {
        texts: &["Host key verification failed", "host key is known for"],
        why: "its host key is not known here",
        transient: false,
        hint: Some(
            "log in once as the user who runs talos-order, or add \
             `-o StrictHostKeyChecking=accept-new` to ssh_opts",
        ),
    },
    SshCause {
        texts: &["Permission denied", "Too many authentication failures"],
        why: DENIED,
        transient: false,
        hint: Some(
            "put the public key of the user who runs talos-order into the node's \
             authorized_keys, or name another key with `-i` in ssh_opts",
        ),
    },
    SshCause {
        texts: &["Temporary failure in name resolution"],
        why: "its name cannot be resolved at the moment",
        transient: true,
        hint: None,
    },
    SshCause {
        texts: &["Could not resolve hostname"],
        why: "its name cannot be resolved",
        transient: false,
        hint: Some("check the spelling of the host name, or use its address"),
    },
    SshCause {
        texts: &["Connection refused"],
        why: "it refuses the connection",
        transient: true,
        hint: Some("check that sshd is running on the node and that the port is correct"),
    },
    SshCause {
        texts: &["timed out", "Timeout, server"],
        why: "it does not answer in time",
        transient: true,
        hint: None,
    },
    SshCause {
        texts: &["No route to host", "Network is unreachable"],
        why: "there is no route to it",
        transient: true,
        hint: None,
    },
    SshCause {
        texts: &[
            "Bad configuration option",
            "command-line: line",
            "unknown option",
        ],
        why: "ssh does not accept its options",
        transient: false,
        hint: Some("check `ssh_opts` in the configuration"),
    },
    SshCause {
        texts: &["no matching", "Unable to negotiate"],
        why: "ssh and the node have no key exchange, cipher or key type in common",
        transient: false,
        hint: Some("one of them is very old; see `ssh -v`"),
    },
    SshCause {
        texts: &[
            "Connection reset",
            "Connection closed",
            "closed by remote host",
            "Broken pipe",
            "kex_exchange_identification",
        ],
        why: "it closed the connection",
        transient: true,
        hint: None,
    },
];

/// The cause that the text names, if it names one that is known.
pub(crate) fn known(stderr: &str) -> Option<NodeError> {
    let named = |cause: &&SshCause| cause.texts.iter().any(|text| stderr.contains(text));
    let cause = TABLE.iter().find(named)?;
    Some(NodeError::Unreachable {
        why: cause.why.to_owned(),
        transient: cause.transient,
        is_denied: cause.why == DENIED,
        hint: cause.hint,
        stderr: stderr.to_owned(),
    })
}

/// The cause, or else the last thing that ssh said.
pub(crate) fn unreachable(stderr: String) -> NodeError {
    known(&stderr).unwrap_or_else(|| NodeError::Unreachable {
        why: match stderr.lines().last() {
            Some(line) => format!("ssh says {line:?}"),
            None => "ssh failed without a message".to_owned(),
        },
        transient: true,
        is_denied: false,
        hint: None,
        stderr,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(stderr: &str) -> (String, bool) {
        match unreachable(stderr.to_owned()) {
            NodeError::Unreachable { why, transient, .. } => (why, transient),
            error => panic!("{error:?}"),
        }
    }

    /// Texts as OpenSSH 9.2 writes them.
    #[test]
    fn the_cause_is_told_from_the_symptom() {
        let cases = [
            (
                "ssh: connect to host 127.0.0.9 port 22: Connection refused",
                "it refuses the connection",
                true,
            ),
            (
                "root@pve: Permission denied (publickey,password).\nConnection closed.",
                "it does not accept the login",
                false,
            ),
            (
                "No ED25519 host key is known for [127.0.0.3]:4022 and you have requested \
                 strict checking.\nHost key verification failed.",
                "its host key is not known here",
                false,
            ),
            (
                "@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@\n\
                 Host key verification failed.",
                "its host key is not the one in known_hosts",
                false,
            ),
            (
                "ssh: Could not resolve hostname pve: Name or service not known",
                "its name cannot be resolved",
                false,
            ),
            (
                "ssh: Could not resolve hostname pve: Temporary failure in name resolution",
                "its name cannot be resolved at the moment",
                true,
            ),
            (
                "ssh: connect to host 10.0.0.9 port 22: Connection timed out",
                "it does not answer in time",
                true,
            ),
            (
                "command-line: line 0: Bad configuration option: nosuch",
                "ssh does not accept its options",
                false,
            ),
            (
                "kex_exchange_identification: Connection closed by remote host",
                "it closed the connection",
                true,
            ),
        ];
        for (stderr, why, transient) in cases {
            assert_eq!(cause(stderr), (why.to_owned(), transient));
        }
    }

    #[test]
    fn what_is_not_known_is_quoted() {
        assert_eq!(cause("a\nsomething new").0, "ssh says \"something new\"");
        assert_eq!(cause("").0, "ssh failed without a message");
    }
}
