//! Signatures by ssh-keygen and gpg.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::Lab;
use super::{commit, files, trouble, update};

fn key(lab: &Lab, name: &str) -> (PathBuf, String) {
    let path = lab.at(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public)
}

fn signing(key: &Path) -> [String; 4] {
    let key = format!("user.signingKey={}", key.display());
    [
        "-c".to_owned(),
        "gpg.format=ssh".to_owned(),
        "-c".to_owned(),
        key,
    ]
}

fn words(options: &[String]) -> Vec<&str> {
    let words = options.iter().map(String::as_str);
    words.chain(["-c", "commit.gpgSign=true"]).collect()
}

#[tokio::test]
async fn a_branch_needs_a_commit_signed_with_an_accepted_ssh_key() {
    let lab = Lab::new();
    let (ann, ann_public) = key(&lab, "ann");
    let (eve, _) = key(&lab, "eve");
    let (old, old_public) = key(&lab, "old");
    let signers = lab.at("signers");
    let lines = format!(
        "ann@example.org {ann_public}old@example.org valid-before=\"20200101\" {old_public}"
    );
    std::fs::write(&signers, lines).unwrap();
    let orders = lab.orders(&format!("ssh_allowed_signers: {}", signers.display()));

    lab.commit(&[("a.yaml", "unsigned")]);
    let answer = update(&orders).await;
    assert!(
        trouble(&answer).ends_with("is not signed"),
        "{}",
        trouble(&answer)
    );
    assert!(answer.good.is_none());

    let signed = lab.commit_with(&[], &words(&signing(&ann)), &[("a.yaml", "signed")]);
    let answer = update(&orders).await;
    assert_eq!(
        (trouble(&answer), commit(&answer)),
        (String::new(), &*signed)
    );
    assert_eq!(
        answer.good.unwrap().0.signer.as_deref(),
        Some("ann@example.org")
    );

    for (key, expected) in [
        (None, "is not signed"),
        (Some(&eve), "not accepted"),
        (Some(&old), "not accepted, or no longer"),
    ] {
        let options = key.map(|key| signing(key).to_vec()).unwrap_or_default();
        let options = if key.is_some() {
            words(&options)
        } else {
            Vec::new()
        };
        lab.commit_with(&[], &options, &[("a.yaml", "hostile")]);
        let answer = update(&orders).await;
        assert!(
            trouble(&answer).contains(expected),
            "{expected}: {}",
            trouble(&answer)
        );
        assert_eq!(
            (commit(&answer), files(&answer)),
            (&*signed, vec!["a.yaml: signed".to_owned()])
        );
        lab.git(&["reset", "-q", "--hard", &signed]);
    }
    // Without the file nothing can be verified.
    lab.commit_with(&[], &words(&signing(&ann)), &[("a.yaml", "more")]);
    std::fs::remove_file(&signers).unwrap();
    let answer = update(&orders).await;
    assert!(
        trouble(&answer).starts_with("cannot verify"),
        "{}",
        trouble(&answer)
    );
    assert_eq!(commit(&answer), signed);
}

#[tokio::test]
async fn a_tag_needs_its_own_signature_for_its_own_name() {
    let lab = Lab::new();
    let (ann, public) = key(&lab, "ann");
    let signers = lab.at("signers");
    std::fs::write(&signers, format!("ann@example.org {public}")).unwrap();
    let orders = lab.orders(&format!(
        "semver: *\nssh_allowed_signers: {}",
        signers.display()
    ));
    lab.commit_with(&[], &words(&signing(&ann)), &[("a.yaml", "one")]);
    let tag = |name: &str, how: &[&str]| {
        let options = signing(&ann);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        lab.git(&[&options[..], &["tag"], how, &[name]].concat());
    };
    tag("v1.0.0", &["-s", "-m", "first"]);
    let answer = update(&orders).await;
    assert_eq!(
        (trouble(&answer), files(&answer)),
        (String::new(), vec!["a.yaml: one".to_owned()])
    );

    lab.commit_with(&[], &words(&signing(&ann)), &[("a.yaml", "two")]);
    tag("v1.1.0", &[]);
    let answer = update(&orders).await;
    assert!(
        trouble(&answer).contains("it is not an annotated tag"),
        "{}",
        trouble(&answer)
    );
    lab.git(&["tag", "-d", "v1.1.0"]);
    tag("v1.1.0", &["-a", "-m", "unsigned"]);
    let answer = update(&orders).await;
    assert!(
        trouble(&answer).ends_with("is not signed"),
        "{}",
        trouble(&answer)
    );
    // The signed tag under another name.
    lab.git(&["update-ref", "refs/tags/v9.0.0", "refs/tags/v1.0.0"]);
    let answer = update(&orders).await;
    assert!(
        trouble(&answer).ends_with("signed for another name"),
        "{}",
        trouble(&answer)
    );
    assert_eq!(files(&answer), ["a.yaml: one"]);
}

/// A home for gpg with a key, which is made there.
struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    fn new(expires: &str) -> Self {
        // Sockets of the agent are in it, and their paths must be short.
        let home = tempfile::Builder::new()
            .prefix("gpg")
            .tempdir_in("/tmp")
            .unwrap();
        let gpg = Self { home };
        gpg.run(&[
            "--faked-system-time",
            "20250101T000000",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
            "--quick-generate-key",
            "Ann <ann@example.org>",
            "ed25519",
            "sign",
            expires,
        ]);
        gpg
    }

    fn run(&self, words: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--homedir"])
            .arg(self.home.path())
            .args(words)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {stderr}");
        output.stdout
    }

    fn commit(&self, lab: &Lab, text: &str) -> String {
        let home = self.home.path().to_str().unwrap();
        let options = [
            "-c",
            "commit.gpgSign=true",
            "-c",
            "user.signingKey=ann@example.org",
        ];
        lab.commit_with(&[("GNUPGHOME", home)], &options, &[("a.yaml", text)])
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}

#[tokio::test]
async fn a_branch_needs_a_commit_signed_with_an_accepted_gpg_key() {
    let lab = Lab::new();
    let (ann, eve) = (Gpg::new("never"), Gpg::new("never"));
    let keys = lab.at("keys.asc");
    std::fs::write(&keys, ann.run(&["--armor", "--export"])).unwrap();
    let orders = lab.orders(&format!("gpg_keys: {}", keys.display()));
    let signed = ann.commit(&lab, "signed");
    let answer = update(&orders).await;
    assert_eq!(
        (trouble(&answer), commit(&answer)),
        (String::new(), &*signed)
    );
    let signer = answer.good.unwrap().0.signer;
    assert_eq!(signer.as_deref(), Some("Ann <ann@example.org>"));

    eve.commit(&lab, "hostile");
    let answer = update(&orders).await;
    assert!(
        trouble(&answer).contains("not accepted"),
        "{}",
        trouble(&answer)
    );
    assert_eq!(commit(&answer), signed);
    lab.git(&["reset", "-q", "--hard", &signed]);
    // A signature of the other kind, with a key that nobody asked for.
    let (ssh, _) = key(&lab, "ssh");
    lab.commit_with(&[], &words(&signing(&ssh)), &[("a.yaml", "hostile")]);
    let answer = update(&orders).await;
    assert!(
        answer.trouble.as_ref().unwrap().is_rejection(),
        "{}",
        trouble(&answer)
    );
    assert_eq!(commit(&answer), signed);
    lab.git(&["reset", "-q", "--hard", &signed]);
    // The key has expired since.
    ann.run(&["--armor", "--export"]);
    let fingerprint = ann.run(&["--with-colons", "--list-keys"]);
    let fingerprint = String::from_utf8(fingerprint).unwrap();
    let line = fingerprint
        .lines()
        .find(|line| line.starts_with("fpr"))
        .unwrap();
    let fingerprint = line.trim_matches(|c| c == ':' || c == 'f' || c == 'p' || c == 'r');
    let next = ann.commit(&lab, "next");
    ann.run(&[
        "--faked-system-time",
        "20250102T000000",
        "--quick-set-expire",
        fingerprint,
        "1d",
    ]);
    std::fs::write(&keys, ann.run(&["--armor", "--export"])).unwrap();
    let answer = update(&orders).await;
    assert!(
        trouble(&answer).contains("expired"),
        "{next}: {}",
        trouble(&answer)
    );
    assert_eq!(commit(&answer), signed);
}
