//! How `git` is called: with our settings only.
//!
//! Nobody answers prompts, and nothing of the user, the system or the repository is
//! configuration: each setting is in the environment of the one call. The token is there
//! as well, for a helper that git calls for the configured host only; arguments, which
//! every user of the machine can read, hold no secret.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::SourceError;
use super::said;
use crate::io::file::input;
use crate::io::process::{Program, ProgramOutput};
use crate::model::{GitProtocol, GitSource, GitToken, GitVerify};

/// How long a command may take that asks nobody: a large pack takes seconds.
const LOCAL: Duration = Duration::from_secs(60);

/// The longest token that is read from a file, in bytes.
const TOKEN_MAX: u64 = 64 * 1024;

/// The variables that the credential helper reads.
const USERNAME: &str = "TALOS_ORDER_GIT_USERNAME";
const TOKEN: &str = "TALOS_ORDER_GIT_TOKEN";

/// Git asks it for the user and the token of the configured host; a redirect to another
/// host does not get them. A program named by `GIT_ASKPASS` would have to compare hosts
/// itself.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
     \"$TALOS_ORDER_GIT_USERNAME\" \"$TALOS_ORDER_GIT_TOKEN\"; }; f";

/// What ssh is told: nobody answers questions, an unknown host key is an error, and the
/// connection is git's alone.
const SSH: [&str; 10] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
];

/// Git with a repository of ours.
#[derive(Debug, Clone)]
pub(super) struct Git<'a> {
    pub(super) source: &'a GitSource,
    /// The repository's directory; nothing has to be there for `ls-remote`.
    pub(super) dir: PathBuf,
}

impl<'a> Git<'a> {
    pub(super) fn new(source: &'a GitSource, dir: &Path) -> Self {
        Self {
            source,
            dir: dir.to_owned(),
        }
    }

    /// A command that asks the remote. What a fetch needs is configured for the remote
    /// `origin`.
    ///
    /// # Errors
    /// When the token cannot be read.
    pub(super) fn remote(&self, more: &[(&str, &str)]) -> Result<Program, SourceError> {
        let mut settings = self.settings();
        let url = self.source.url.as_str();
        settings.push(("remote.origin.url".to_owned(), url.to_owned()));
        // A server that sends nothing for so long will not send the rest.
        settings.push(("http.lowSpeedLimit".to_owned(), "1".to_owned()));
        let slow = self.source.timeout.as_secs().clamp(1, 30).to_string();
        settings.push(("http.lowSpeedTime".to_owned(), slow));
        // A server that is renamed answers the first request with a redirect.
        settings.push(("http.followRedirects".to_owned(), "initial".to_owned()));
        settings.extend(
            more.iter()
                .map(|(key, value)| (key.to_string(), value.to_string())),
        );
        let mut login = None;
        if let Some(wanted) = &self.source.auth.login {
            let scheme = self.source.url.protocol().as_str();
            let host = self.source.url.host();
            let key = format!("credential.{scheme}://{host}.helper");
            settings.push((key, HELPER.to_owned()));
            login = Some((wanted.username.clone(), token(&wanted.token)?));
        }
        let mut program = with(self.program(), &settings)
            .env("GIT_ALLOW_PROTOCOL", self.source.url.protocol().as_str())
            .total(self.source.timeout);
        if self.source.url.protocol() == GitProtocol::Ssh {
            program = program
                .env("GIT_SSH_COMMAND", self.ssh())
                .env("GIT_SSH_VARIANT", "ssh");
        }
        if let Some((username, token)) = login {
            program = program
                .env(USERNAME, username)
                .env(TOKEN, token.expose_secret());
        }
        Ok(program)
    }

    /// A command that asks nobody, not even for an object that is missing.
    pub(super) fn local(&self) -> Program {
        with(self.program(), &self.settings())
            .env("GIT_ALLOW_PROTOCOL", "")
            .env("GIT_NO_LAZY_FETCH", "1")
            .total(LOCAL)
    }

    /// A local command that verifies a signature, with these keys and no others: a kind of
    /// signature that is not asked for has no program.
    pub(super) fn verifying(&self, keys: &GitVerify, gnupg: Option<&Path>) -> Program {
        let mut settings = self.settings();
        let mut set = |key: &str, value: &str| settings.push((key.to_owned(), value.to_owned()));
        set("gpg.x509.program", "/bin/false");
        match &keys.ssh_allowed_signers {
            Some(file) => set("gpg.ssh.allowedSignersFile", &file.to_string_lossy()),
            None => set("gpg.ssh.program", "/bin/false"),
        }
        if gnupg.is_none() {
            set("gpg.program", "/bin/false");
        }
        let home = gnupg.unwrap_or(Path::new("/nonexistent"));
        with(self.program(), &settings)
            .env("GIT_ALLOW_PROTOCOL", "")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GNUPGHOME", home)
            .total(LOCAL)
    }

    /// What holds for every command.
    fn settings(&self) -> Vec<(String, String)> {
        let fixed = [
            ("core.hooksPath", "/dev/null"),
            ("core.fsmonitor", "false"),
            ("core.logAllRefUpdates", "false"),
            ("core.askPass", ""),
            ("credential.helper", ""),
            ("credential.useHttpPath", "false"),
            ("fetch.recurseSubmodules", "false"),
            // In the background it would go on after us.
            ("gc.autoDetach", "false"),
            ("maintenance.autoDetach", "false"),
            ("protocol.version", "2"),
            ("i18n.logOutputEncoding", "UTF-8"),
            ("log.showSignature", "false"),
        ];
        let fixed = fixed.iter();
        fixed
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn program(&self) -> Program {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let ours = inherited.filter(is_setting);
        let program = ours.fold(Program::new("git"), Program::without_env);
        program
            .env("LC_ALL", "C")
            .env("GIT_DIR", &self.dir)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("SSH_ASKPASS_REQUIRE", "never")
    }

    /// A line for a shell, which git runs it with.
    fn ssh(&self) -> String {
        let auth = &self.source.auth;
        let mut words = vec!["ssh".to_owned()];
        let mut option = |option: String| words.extend(["-o".to_owned(), option]);
        for fixed in SSH {
            option(fixed.to_owned());
        }
        if let Some(file) = &auth.known_hosts_file {
            option(format!("UserKnownHostsFile={}", ssh_path(file)));
            option("GlobalKnownHostsFile=/dev/null".to_owned());
        }
        if let Some(file) = &auth.ssh_key_file {
            option("IdentitiesOnly=yes".to_owned());
            option("IdentityAgent=none".to_owned());
            option(format!("IdentityFile={}", ssh_path(file)));
        }
        shell_words::join(words)
    }
}

/// A path as ssh reads it in an option: from this directory, as git runs it in another one,
/// in quotes, and without `%` and `~`.
fn ssh_path(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = whole.to_string_lossy().replace('%', "%%");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// True for a variable that changes what git does, but for where it finds its own programs
/// and the authorities it trusts.
fn is_setting(name: &OsString) -> bool {
    const KEPT: [&str; 9] = [
        "GIT_EXEC_PATH",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
        // Set by us.
        "GIT_DIR",
        "GIT_TERMINAL_PROMPT",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_GLOBAL",
        "GIT_ATTR_NOSYSTEM",
        "GIT_LITERAL_PATHSPECS",
    ];
    const OURS: [&str; 7] = [
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_NO_LAZY_FETCH",
        "GIT_ALLOW_PROTOCOL",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_CONFIG_COUNT",
        "SSH_ASKPASS_REQUIRE",
    ];
    let name = name.to_string_lossy();
    let is_kept = KEPT.contains(&&*name)
        || OURS.contains(&&*name)
        || name.starts_with("GIT_CONFIG_KEY_")
        || name.starts_with("GIT_CONFIG_VALUE_");
    (name.starts_with("GIT_") || name == "SSH_ASKPASS") && !is_kept
}

fn with(program: Program, settings: &[(String, String)]) -> Program {
    let count = settings.len().to_string();
    let settings = settings.iter().enumerate();
    settings.fold(
        program.env("GIT_CONFIG_COUNT", count),
        |program, (number, (key, value))| {
            program
                .env(format!("GIT_CONFIG_KEY_{number}"), key)
                .env(format!("GIT_CONFIG_VALUE_{number}"), value)
        },
    )
}

fn token(token: &GitToken) -> Result<SecretString, SourceError> {
    match token {
        GitToken::Value(value) => Ok(value.clone()),
        GitToken::Unread => Ok(SecretString::from(String::new())),
        GitToken::File(path) => {
            let failed = |source| SourceError::Token {
                path: path.clone(),
                source,
            };
            let bytes = input::read(path, TOKEN_MAX).map_err(failed)?;
            let text = String::from_utf8(bytes).map_err(|_| {
                failed(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    "it is not text",
                ))
            })?;
            Ok(SecretString::from(
                text.trim_end_matches(['\r', '\n']).to_owned(),
            ))
        }
    }
}

/// Runs a command that asks the remote; that it failed is told in its own words.
pub(super) async fn ask(program: Program, what: &'static str) -> Result<Vec<u8>, SourceError> {
    let output = program.run().await.map_err(SourceError::Program)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(said::why(what, &output.stderr)),
    }
}

/// Runs a local command that is expected to do what it is asked for.
pub(super) async fn run(program: Program, what: &'static str) -> Result<Vec<u8>, SourceError> {
    let output = outcome(program).await?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(SourceError::Git {
            what,
            said: said::one_line(&output.stderr),
        }),
    }
}

/// Runs a local command whose exit code is an answer.
pub(super) async fn outcome(program: Program) -> Result<ProgramOutput, SourceError> {
    program.run().await.map_err(SourceError::Program)
}
