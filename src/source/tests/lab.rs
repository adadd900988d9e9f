//! A repository to fetch from, and the source that fetches.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::model::{GitAuth, GitReference, GitSource, GitVerify};
use crate::source::GitOrders;

pub(super) struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    pub(super) fn new() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(lab.repo()).unwrap();
        lab.git(&["init", "-q", "-b", "main"]);
        lab
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.at("fleet")
    }

    /// Where the source keeps what it fetches.
    pub(super) fn home(&self) -> PathBuf {
        self.at("state/git")
    }

    pub(super) fn git(&self, words: &[&str]) -> String {
        self.git_with(&[], words)
    }

    pub(super) fn git_with(&self, env: &[(&str, &str)], words: &[&str]) -> String {
        let mut command = Command::new("git");
        let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
        command.current_dir(self.repo()).args(identity).args(words);
        for variable in ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"] {
            command.env(variable, "/dev/null");
        }
        command.env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z");
        let output = command.envs(env.iter().copied()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits files. The commit's id.
    pub(super) fn commit(&self, files: &[(&str, &str)]) -> String {
        self.commit_with(&[], &[], files)
    }

    pub(super) fn commit_with(
        &self,
        env: &[(&str, &str)],
        options: &[&str],
        files: &[(&str, &str)],
    ) -> String {
        for (name, text) in files {
            let path = self.repo().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        let words = [options, &["commit", "-q", "--allow-empty", "-m", "change"]].concat();
        self.git_with(env, &words);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The repository is gone for a while.
    pub(super) fn hide(&self) {
        fs::rename(self.repo(), self.at("hidden")).unwrap();
    }

    pub(super) fn show(&self) {
        fs::rename(self.at("hidden"), self.repo()).unwrap();
    }

    /// The source, with some keys of the configuration.
    pub(super) fn orders(&self, keys: &str) -> GitOrders {
        self.orders_in("git", keys)
    }

    pub(super) fn orders_in(&self, home: &str, keys: &str) -> GitOrders {
        let url = format!("file://{}", self.repo().display());
        let source = source(&url, keys);
        GitOrders::new(source, self.at("state").join(home))
    }

    /// Everything in the source's directory, with what is in files.
    pub(super) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.home()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => open.push(entry.path()),
                    false => {
                        let bytes = fs::read(entry.path()).unwrap_or_default();
                        found.insert(entry.path(), bytes);
                    }
                }
            }
        }
        found
    }
}

/// A source as the keys say.
pub(super) fn source(url: &str, keys: &str) -> GitSource {
    let mut source = GitSource {
        url: url.parse().unwrap(),
        reference: GitReference::Branch("main".parse().unwrap()),
        path: "".parse().unwrap(),
        auth: GitAuth::default(),
        verify: None,
        allow_rewind: false,
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(30),
    };
    let verify = |file: &str, is_ssh: bool| GitVerify {
        ssh_allowed_signers: is_ssh.then(|| Path::new(file).to_owned()),
        gpg_keys: (!is_ssh).then(|| Path::new(file).to_owned()),
    };
    for (key, value) in keys.lines().filter_map(|line| line.split_once(": ")) {
        match key {
            "path" => source.path = value.parse().unwrap(),
            "branch" => source.reference = GitReference::Branch(value.parse().unwrap()),
            "tag" => source.reference = GitReference::Tag(value.parse().unwrap()),
            "semver" => source.reference = GitReference::Semver(value.parse().unwrap()),
            "allow_rewind" => source.allow_rewind = value == "true",
            "interval" => {
                let seconds = value.trim_end_matches('s').parse().unwrap();
                source.interval = Duration::from_secs(seconds);
            }
            "ssh_allowed_signers" => source.verify = Some(verify(value, true)),
            "gpg_keys" => source.verify = Some(verify(value, false)),
            key => panic!("{key} is no key"),
        }
    }
    source
}
