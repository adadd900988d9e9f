//! What is handed to others agrees with itself: the release script, the container, the
//! Debian package and the page that tells how each is installed.
//!
//! Nothing is built here. What needs a tool that is not everywhere (shellcheck) says so
//! and is skipped; the rest always runs.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the scripts and runs the tools that judge them"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCRIPTS: [&str; 2] = [".ci/release", "systemd/build-deb.sh"];

/// The Debian package of each program that ours starts. The empty ones are essential in
/// Debian, and in every base image.
const PACKAGES: &[(&str, &str)] = &[
    ("git", "git"),
    ("gpg", "gpg"),
    ("grep", ""),
    ("rsync", "rsync"),
    ("sh", ""),
    ("ssh", "openssh-client"),
    // Only the stub of the Proxmox VE API starts it, in tests.
    ("wget", ""),
];

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{path}: {why}"))
}

fn run(program: &str, args: &[&str]) -> Option<Output> {
    Command::new(program).args(args).output().ok()
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The programs that the code names where it starts one.
fn programs() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut programs = BTreeSet::new();
    for file in files {
        let code = text(&file.display().to_string());
        // Tests start whatever they need.
        if file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs") {
            continue;
        }
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        for start in ["Program::new(\"", "Command::new(\""] {
            for (at, _) in code.match_indices(start) {
                let name = &code[at + start.len()..];
                programs.extend(name.split('"').next().map(str::to_owned));
            }
        }
    }
    programs
}

/// The arguments of each `apt-get install` in the Containerfile.
fn installed() -> Vec<BTreeSet<String>> {
    let file = text("Containerfile").replace("\\\n", " ");
    file.split("apt-get install")
        .skip(1)
        .map(|rest| {
            let end = rest.find("&&").expect("the lists are removed afterwards");
            let words = rest[..end].split_whitespace();
            words
                .filter(|word| !word.starts_with('-'))
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

#[test]
fn the_scripts_are_shell() {
    for script in SCRIPTS {
        let checked = run("bash", &["-n", script]).expect("bash is there");
        assert!(checked.status.success(), "{}", said(&checked));
        match run("shellcheck", &[script]) {
            Some(checked) => assert!(checked.status.success(), "{}", said(&checked)),
            None => eprintln!("skipped: no shellcheck"),
        }
    }
}

#[test]
fn the_release_script_explains_itself_and_refuses_what_it_does_not_know() {
    let help = run("bash", &[".ci/release", "--help"]).expect("bash is there");
    assert!(help.status.success(), "{}", said(&help));
    for word in ["--out DIRECTORY", "rustup target add", "cargo-cyclonedx"] {
        assert!(said(&help).contains(word), "{}", said(&help));
    }
    let wrong = run("bash", &[".ci/release", "--fast"]).expect("bash is there");
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
}

/// Before anything is compiled, and all of it at once.
#[test]
fn the_release_script_names_what_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("out");
    let failed = Command::new("bash")
        .args([".ci/release", "--out"])
        .arg(&out)
        .arg("mips-unknown-linux-gnu")
        .output()
        .expect("bash is there");
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    let said = said(&failed);
    assert!(
        said.contains("rustup target add mips-unknown-linux-gnu"),
        "{said}"
    );
    assert!(!said.contains("Compiling"), "{said}");
    assert!(!out.exists(), "nothing is made");
}

#[test]
fn the_tarball_lists_what_exists() {
    let script = text(".ci/release");
    let list = script
        .lines()
        .find_map(|line| line.strip_prefix("cp -r "))
        .expect("the list");
    let (list, _) = list.rsplit_once(' ').expect("the destination");
    let list: BTreeSet<&str> = list.split_whitespace().collect();
    for path in &list {
        assert!(Path::new(path).exists(), "{path} does not exist");
    }
    // MIT wants its text beside every copy.
    for needed in ["LICENSE", "README.md", "examples"] {
        assert!(list.contains(needed), "{needed} is not in the tarball");
    }
}

#[test]
fn the_page_names_the_files_that_the_script_makes() {
    let script = text(".ci/release");
    let page = text("docs/install.md");
    assert!(script.contains("talos-order-$target.tar.gz"));
    assert!(page.contains("file=talos-order-$(uname -m)-unknown-linux-musl.tar.gz"));
    // What `uname -m` says is how these targets begin.
    assert!(script.contains("targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)"));
    for name in ["talos-order.cdx.json", "SHA256SUMS"] {
        assert!(
            script.contains(name) && page.contains(name),
            "{name} is made and described"
        );
    }
    let repository = env!("CARGO_PKG_REPOSITORY");
    assert!(page.contains(&format!("{repository}/releases/latest/download")));
    assert!(text("Containerfile").contains(repository));
}

#[test]
fn container_and_package_bring_the_programs_that_are_started() {
    let packages: BTreeMap<_, _> = PACKAGES.iter().copied().collect();
    let programs = programs();
    assert!(programs.contains("ssh"), "{programs:?}");
    let images = installed();
    let [_, runtime] = &images[..] else {
        panic!("two stages install packages: {images:?}");
    };
    let manifest = text("Cargo.toml");
    let package: String = (manifest.lines())
        .filter(|line| line.starts_with("depends = ") || line.starts_with("recommends = "))
        .collect();
    for program in &programs {
        let name = packages
            .get(program.as_str())
            .unwrap_or_else(|| panic!("which package has {program}?"));
        if name.is_empty() {
            continue;
        }
        assert!(runtime.contains(*name), "the image lacks {name}");
        assert!(package.contains(name), "the Debian package lacks {name}");
    }
    // For HTTPS.
    assert!(runtime.contains("ca-certificates") && package.contains("ca-certificates"));
}

/// A build stage that lacks a file fails after minutes, in an engine that few tests have.
#[test]
fn the_container_copies_what_exists_and_is_not_ignored() {
    let file = text("Containerfile");
    let sent = text(".containerignore");
    let mut copied = 0;
    for line in file.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        if line.starts_with("--from=") {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        for source in &words[..words.len() - 1] {
            assert!(Path::new(source).exists(), "{source} does not exist");
            assert!(
                sent.lines().any(|line| line == format!("!{source}")),
                "{source} is not sent to the build"
            );
            copied += 1;
        }
    }
    assert!(copied > 5, "{copied} files are copied");
    // Cargo wants every target of the manifest to be there.
    let manifest = text("Cargo.toml");
    assert!(manifest.contains("[[bench]]") && file.contains("COPY benches benches"));
}

#[test]
fn the_places_of_the_container_are_those_of_the_configuration() {
    let file = text("Containerfile");
    let compose = text("examples/container/compose.yaml");
    let page = text("docs/install.md");
    for place in ["/var/lib/talos-order", "/var/cache/talos-sync"] {
        assert!(
            file.contains(&format!("\"{place}\"")),
            "{place} is a volume"
        );
        assert!(compose.contains(&format!(":{place}\n")), "{place}");
        assert!(page.contains(&format!(":{place} ")), "{place}");
    }
    let user = (file.split_whitespace())
        .skip_while(|word| *word != "--uid")
        .nth(1)
        .expect("a number");
    assert!(compose.contains(user) && page.contains(user), "{user}");
}

#[test]
fn the_rust_that_is_needed_is_the_one_that_is_named() {
    let manifest = text("Cargo.toml");
    let needed = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .expect("a version")
        .trim_matches('"');
    for page in ["README.md", "docs/install.md"] {
        let named = format!("Rust {needed} or newer");
        assert!(text(page).contains(&named), "{page} does not say {named}");
    }
}
