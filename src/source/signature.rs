//! Whether a revision is signed as asked.
//!
//! For a branch the signature of its newest commit is checked: whoever signs it stands for
//! what is below it. For a tag the signature of the tag itself, which contains the commit
//! and the tag's name; a tag without one (a lightweight tag) is refused even where its
//! commit is signed, since anybody who may push could name an old commit as new.
//!
//! Git verifies, with the keys of the files that are configured and no others. Expired and
//! revoked keys are refused. For ssh, `valid-before` of a key counts at the time that the
//! commit gives for itself: somebody with the key can give another, so a key that was stolen
//! is taken out of the file.

use std::path::Path;

use super::command::{self, Git};
use super::error::SourceError;
use super::history::{Candidate, short};
use super::remote::RemoteReference;
use crate::io::process::Program;
use crate::model::{GitVerify, visible};

/// Verifies, and says who signed.
///
/// # Errors
/// When there is no such signature, or it cannot be verified.
pub(super) async fn verify(
    git: &Git<'_>,
    keys: &GitVerify,
    remote: &RemoteReference,
    candidate: &Candidate,
) -> Result<String, SourceError> {
    let files = [&keys.ssh_allowed_signers, &keys.gpg_keys];
    for path in files.into_iter().flatten() {
        std::fs::File::open(path).map_err(|source| SourceError::Keys {
            path: path.clone(),
            source,
        })?;
    }
    let what = match remote.is_tag() {
        true => format!("tag {}", remote.short()),
        false => format!("commit {}", short(&candidate.commit)),
    };
    let refused = |why: &str| SourceError::Signature {
        what: what.clone(),
        why: why.to_owned(),
    };
    if remote.is_tag() {
        if candidate.object == candidate.commit {
            return Err(refused("is not signed: it is not an annotated tag"));
        }
        // The signature holds for the name in the tag, whatever the reference is called.
        if tag_name(git, &candidate.object).await?.as_deref() != Some(remote.short()) {
            return Err(refused("is signed for another name"));
        }
    }
    let keyring = match &keys.gpg_keys {
        Some(path) => Some(keyring(path).await?),
        None => None,
    };
    let program = git.verifying(keys, keyring.as_ref().map(tempfile::TempDir::path));
    let program = match remote.is_tag() {
        true => program.args(["verify-tag", "--raw", &candidate.object]),
        false => program.args(["verify-commit", "--raw", &candidate.commit]),
    };
    let output = command::outcome(program).await?;
    match output.status.success() {
        true => Ok(signer(&output.stderr)),
        false => Err(refused(why(&output.stderr))),
    }
}

/// A home for GnuPG with these keys only. Nothing there says how far they are trusted: that
/// they are in the file is why.
async fn keyring(path: &Path) -> Result<tempfile::TempDir, SourceError> {
    let failed = |source| SourceError::Keys {
        path: path.to_owned(),
        source,
    };
    let home = tempfile::tempdir().map_err(failed)?;
    let conf = "trust-model always\nno-auto-key-retrieve\nno-auto-key-import\n";
    std::fs::write(home.path().join("gpg.conf"), conf).map_err(failed)?;
    let program = Program::new("gpg")
        .args(["--batch", "--quiet", "--no-autostart", "--import", "--"])
        .arg(path)
        .env("GNUPGHOME", home.path())
        .env("LC_ALL", "C")
        .total(std::time::Duration::from_secs(30));
    let output = command::outcome(program).await?;
    match output.status.success() {
        true => Ok(home),
        false => Err(failed(std::io::Error::other(super::said::one_line(
            &output.stderr,
        )))),
    }
}

/// The name that a tag has in itself.
async fn tag_name(git: &Git<'_>, object: &str) -> Result<Option<String>, SourceError> {
    let program = git.local().args(["cat-file", "tag", object]);
    let text = command::run(program, "read the tag").await?;
    let text = String::from_utf8_lossy(&text);
    let head = text.lines().take_while(|line| !line.is_empty());
    let mut names = head.filter_map(|line| line.strip_prefix("tag "));
    Ok(names.next().map(str::to_owned))
}

/// What git and its helpers say where they refuse.
fn why(stderr: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    if has(&["EXPKEYSIG", "EXPSIG"]) {
        "is signed with a key that has expired, or its signature has"
    } else if has(&["REVKEYSIG"]) {
        "is signed with a key that was revoked"
    } else if has(&[
        "BADSIG",
        "Signature verification failed",
        "incorrect signature",
    ]) {
        "has a signature that does not fit"
    } else if has(&[
        "No principal matched",
        "NO_PUBKEY",
        "ERRSIG",
        "cannot run",
        "[GNUPG:]",
    ]) {
        "is signed with a key that is not accepted, or no longer"
    } else if stderr.contains("signature") && !stderr.contains("no signature found") {
        "is signed in a way that is not accepted"
    } else {
        "is not signed"
    }
}

/// Who signed, as the verified signature says.
fn signer(stderr: &str) -> String {
    let ssh = stderr.lines().find_map(|line| {
        let rest = line.strip_prefix("Good \"git\" signature for ")?;
        Some(rest.split(" with ").next().unwrap_or(rest))
    });
    let gpg = stderr.lines().find_map(|line| {
        let rest = line.strip_prefix("[GNUPG:] GOODSIG ")?;
        Some(rest.split_once(' ').map_or(rest, |(_, name)| name))
    });
    let name: String = ssh.or(gpg).unwrap_or("unknown").chars().take(200).collect();
    visible(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signers_are_named_as_the_signature_does() {
        let ssh = "Good \"git\" signature for ann@example.org with ED25519 key SHA256:abc\n";
        assert_eq!(signer(ssh), "ann@example.org");
        let gpg = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0123456789ABCDEF Ann <ann@example.org>\n";
        assert_eq!(signer(gpg), "Ann <ann@example.org>");
    }
}
