//! Which files are opened: none outside the orders, and not more than there can be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::files::{FoundFile, TreeBounds, find_within};
use super::*;

const SECRET: &str = "hunter2-the-token";

/// What a load comes to: the ids, and everything that is told, in every form.
fn see(path: &Path) -> (Vec<String>, String) {
    let set = load(path, &defaults("")).expect("readable");
    let ids = set.orders.iter().map(|order| order.id.to_string());
    let problems: Vec<_> = set.problems().collect();
    let shown: String = problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    let json = serde_json::to_string(&problems).expect("JSON");
    (ids.collect(), format!("{shown}{json}{problems:?}"))
}

fn order(id: &str) -> String {
    format!("- orderid: {id}\n  positions: []\n")
}

#[test]
fn no_link_shows_a_file_outside() {
    let dir = tempfile::tempdir().expect("a directory");
    let orders = dir.path().join("orders");
    fs::create_dir(&orders).expect("made");
    fs::write(orders.join("good.yaml"), order("good")).expect("written");
    let token = dir.path().join("token");
    let foreign = dir.path().join("foreign.yaml");
    fs::write(&token, format!("{SECRET}\n")).expect("written");
    fs::write(&foreign, format!("- orderid: foreign\n  {SECRET}: x\n")).expect("written");
    fs::create_dir(dir.path().join("others")).expect("made");
    fs::write(dir.path().join("others/o.yaml"), order("others")).expect("written");
    symlink(&token, orders.join("a.yaml")).expect("linked");
    symlink("../token", orders.join("b.yaml")).expect("linked");
    symlink(&foreign, orders.join("c.yml")).expect("linked");
    symlink("../others", orders.join("team")).expect("linked");
    symlink("/", orders.join("all")).expect("linked");
    let (ids, shown) = see(&orders);
    assert_eq!(ids, ["good"]);
    assert!(!shown.contains("hunter2"), "{shown}");
    let told = shown.matches("the link leads out of the orders directory\n");
    assert_eq!(told.count(), 5, "{shown}");
}

/// Whoever names such a file sees that it is none of ours, and nothing of it.
#[test]
fn a_file_of_another_kind_is_never_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in [
        ("word", format!("{SECRET}\n")),
        ("passwd", format!("root:{SECRET}:0:0::/root:/bin/sh\n")),
        ("pem", format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n")),
        ("env", format!("TOKEN={SECRET}\n")),
        ("curl", format!("Authorization: Bearer {SECRET}\n")),
        (
            "kube",
            format!("users:\n- user:\n    token: {SECRET}\n  x: [\n"),
        ),
        ("quoted", format!("\"{SECRET}\n")),
    ] {
        let path = dir.path().join(format!("{name}.yaml"));
        fs::write(&path, text).expect("written");
        for path in [path.as_path(), dir.path()] {
            let (ids, shown) = see(path);
            assert!(
                ids.is_empty() && !shown.contains("hunter2"),
                "{name}: {shown}"
            );
        }
    }
}

#[test]
fn the_trees_of_git_sync_and_kubernetes_are_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir_all(at("git/.worktrees/abc/orders")).expect("made");
    fs::write(at("git/.worktrees/abc/orders/a.yaml"), order("git")).expect("written");
    symlink(".worktrees/abc", at("git/current")).expect("linked");
    symlink(at("git/.worktrees/abc"), at("git/absolute")).expect("linked");
    // The whole tree, the link beside its target, and a directory below the link.
    for path in ["git", "git/current", "git/current/orders", "git/absolute"] {
        assert_eq!(see(&at(path)).0, ["git"], "{path}");
        assert!(see(&at(path)).1.starts_with("[]"), "{path}");
    }
    fs::create_dir_all(at("kube/..2026_01")).expect("made");
    fs::write(at("kube/..2026_01/a.yaml"), order("kube")).expect("written");
    symlink("..2026_01", at("kube/..data")).expect("linked");
    symlink("..data/a.yaml", at("kube/a.yaml")).expect("linked");
    for path in ["kube", "kube/a.yaml", "kube/..data"] {
        assert_eq!(see(&at(path)).0, ["kube"], "{path}");
        assert!(see(&at(path)).1.starts_with("[]"), "{path}");
    }
}

#[test]
fn every_spelling_of_the_ending_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["a.yaml", "b.yml", "c.YAML", "d.Yml"] {
        fs::write(dir.path().join(name), order(&name[..1])).expect("written");
    }
    fs::write(dir.path().join("e.yaml.bak"), order("e")).expect("written");
    assert_eq!(see(dir.path()).0, ["a", "b", "c", "d"]);
}

#[test]
fn special_files_are_told_and_never_waited_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let pipe = dir.path().join("pipe.yaml");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("a pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), mode).expect("a pipe");
    symlink("pipe.yaml", dir.path().join("link.yaml")).expect("linked");
    fs::write(dir.path().join("good.yaml"), order("good")).expect("written");
    let (ids, shown) = see(dir.path());
    assert_eq!(ids, ["good"]);
    assert_eq!(
        shown.matches("this is a pipe, not a file\n").count(),
        2,
        "{shown}"
    );
    let why = load(Path::new("/dev/null"), &defaults("")).expect_err("a device");
    assert!(matches!(why, OrdersError::Unreadable { .. }));
}

#[test]
fn a_tree_over_a_limit_is_incomplete() {
    let dir = tempfile::tempdir().expect("a directory");
    let deep = dir.path().join("z/z/z");
    fs::create_dir_all(&deep).expect("made");
    for name in ["a.yaml", "b.yaml", "c.yaml", "z/z/z/d.yaml"] {
        fs::write(dir.path().join(name), "x".repeat(100)).expect("written");
    }
    let wide = TreeBounds::default();
    let see = |bounds: TreeBounds| {
        let found = find_within(dir.path(), bounds).expect("a directory");
        let read = |found: &FoundFile| found.content.is_ok();
        let told = found
            .iter()
            .filter_map(|found| found.content.as_ref().err());
        let told: Vec<String> = told.map(|problem| problem.message.clone()).collect();
        (
            found.iter().filter(|found| read(found)).count(),
            told.join(", "),
        )
    };
    assert_eq!(see(wide), (4, String::new()));
    let rest = "; this and all following files are skipped";
    for (bounds, read, told) in [
        (
            TreeBounds { files: 2, ..wide },
            2,
            "there are more than 2 files of orders",
        ),
        (
            TreeBounds { bytes: 250, ..wide },
            2,
            "all files together are larger than 0 MiB",
        ),
        (
            TreeBounds { depth: 2, ..wide },
            3,
            "directories are nested deeper than 2 levels",
        ),
        (
            TreeBounds { entries: 3, ..wide },
            0,
            "there are more than 3 files and directories",
        ),
        (
            TreeBounds { entries: 5, ..wide },
            3,
            "there are more than 5 files and directories",
        ),
    ] {
        assert_eq!(see(bounds), (read, format!("{told}{rest}")), "{bounds:?}");
    }
}

#[test]
fn names_of_files_are_shown_safely() {
    let dir = tempfile::tempdir().expect("a directory");
    let sub = dir.path().join("a\nerror: all lost \u{202e}\u{1b}[2J");
    fs::create_dir(&sub).expect("made");
    fs::write(sub.join("x.yaml"), "- 1\n").expect("written");
    fs::write(sub.join("y.yaml"), order("fine")).expect("written");
    let set = load(dir.path(), &defaults("")).expect("readable");
    let shown = set.problems().next().expect("a problem").to_string();
    assert!(
        shown
            .lines()
            .next()
            .unwrap_or_default()
            .ends_with("the number 1"),
        "{shown}"
    );
    for text in [shown.as_str(), set.orders[0].source.file.as_str()] {
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
        assert!(
            text.contains("a\\nerror: all lost \\u{202e}\\u{1b}[2J/"),
            "{text:?}"
        );
    }
}

#[test]
fn a_file_of_remarks_holds_no_orders_and_an_empty_one_is_doubted() {
    for text in [
        "# nothing now\n",
        "---\n",
        "# a\n---\n# b\n...\n",
        "--- # none\n",
        "[]\n---\n",
    ] {
        let set = parse("o.yaml", text, &defaults(""));
        assert!(
            set.is_complete() && set.orders.is_empty() && set.files == 1,
            "{text:?}"
        );
    }
    for text in ["", "\n  \n", "null\n", "~\n"] {
        assert!(
            !parse("o.yaml", text, &defaults("")).is_complete(),
            "{text:?}"
        );
    }
}
