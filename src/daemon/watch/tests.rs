//! The watch on real directories with real events.

mod case;
mod races;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use self::case::{Case, EVENTS_ONLY, Kernel, OFTEN, make, turn};
use super::Watching;

fn git(dir: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
    let output = Command::new("git")
        .args(identity)
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_change_and_go() {
    let case = Case::begin("orders", |dir| make(dir.join("orders/a.yaml"), "one")).await;
    case.sleeps("nothing", || {}).await;
    case.sleeps("reading", || {
        fs::read(case.path("orders/a.yaml")).unwrap();
        fs::read_dir(case.path("orders")).unwrap().count();
    })
    .await;
    let write = |name, text| case.write(name, text);
    case.sleeps("a hidden file", || write("orders/.a.yaml.swp", "editor"))
        .await;
    case.wakes("a file of the same length", || {
        write("orders/a.yaml", "two");
    })
    .await;
    case.wakes("a new file", || write("orders/b.yaml", ""))
        .await;
    let removal = || fs::remove_file(case.path("orders/b.yaml")).unwrap();
    case.wakes("a removed file", removal).await;
    let deep = "orders/deep/er/c.yaml";
    case.wakes("a new directory", || make(case.path(deep), "one"))
        .await;
    case.wakes("a file in the new directory", || write(deep, "two"))
        .await;
    case.sleeps("a file beside the directory", || write("beside.yaml", ""))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn git_pulls_in_place() {
    let case = Case::begin("clone/orders", |dir| {
        make(dir.join("origin/orders/a.yaml"), "one\n");
        let origin = dir.join("origin");
        git(&origin, &["init", "-q", "-b", "main"]);
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "-q", "-m", "one"]);
        git(dir, &["clone", "-q", "origin", "clone"]);
    })
    .await;
    let (origin, clone) = (case.path("origin"), case.path("clone"));
    for text in ["two\n", "three\n"] {
        case.sleeps("a fetch", || {
            case.write("origin/orders/a.yaml", text);
            git(&origin, &["commit", "-q", "-a", "-m", text.trim()]);
            git(&clone, &["fetch", "-q"]);
        })
        .await;
        case.wakes("a pull", || git(&clone, &["pull", "-q", "--ff-only"]))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_on_the_way_is_turned_as_git_sync_does_it() {
    let case = Case::begin("current/site/orders", |dir| {
        make(dir.join(".worktrees/1/site/orders/a.yaml"), "same");
        symlink(".worktrees/1", dir.join("current")).unwrap();
    })
    .await;
    for new in 2..5 {
        let tree = |number| case.path(&format!(".worktrees/{number}"));
        let file = tree(new).join("site/orders/a.yaml");
        case.sleeps("a worktree that nothing points to", || {
            make(file.clone(), "same");
        })
        .await;
        case.wakes("a turned link", || {
            turn(&case.path("current"), &format!(".worktrees/{new}"));
        })
        .await;
        case.wakes("an edit behind the turned link", || {
            fs::remove_dir_all(tree(new - 1)).unwrap();
            fs::write(file, "edit").unwrap();
        })
        .await;
    }
}

/// What the kubelet does for a new version of a `ConfigMap`: a directory with the
/// files, `..data` turned to it by a rename, and the old directory removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_config_map_wakes_once_for_each_version() {
    for orders in ["mount", "mount/a.yaml"] {
        let case = Case::begin(orders, |dir| {
            make(dir.join("mount/..1/a.yaml"), "same");
            symlink("..1", dir.join("mount/..data")).unwrap();
            symlink("..data/a.yaml", dir.join("mount/a.yaml")).unwrap();
        })
        .await;
        for new in 2..12 {
            let version = |number| case.path(&format!("mount/..{number}"));
            case.wakes("a new version", || {
                make(version(new).join("a.yaml"), "same");
                turn(&case.path("mount/..data"), &format!("..{new}"));
                fs::remove_dir_all(version(new - 1)).unwrap();
            })
            .await;
            case.sleeps("the time after", || {}).await;
            assert_eq!(case.looks().wakes, new - 1, "one for each version");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_is_replaced_as_editors_do_it() {
    let case = Case::begin("a.yaml", |dir| make(dir.join("a.yaml"), "0")).await;
    for text in ["1", "2", "3"] {
        case.sleeps("an editor's preparations", || {
            case.write(".a.yaml.new", text);
            case.write("4913", "");
            fs::remove_file(case.path("4913")).unwrap();
        })
        .await;
        case.wakes("a file renamed over", || {
            fs::rename(case.path(".a.yaml.new"), case.path("a.yaml")).unwrap();
        })
        .await;
        case.wakes("the new file written in place", || {
            case.write("a.yaml", "in sync");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_of_a_link_far_away_counts() {
    let case = Case::begin("orders", |dir| {
        make(dir.join("orders/.elsewhere/real.yaml"), "one");
        make(dir.join("orders/.shared/b.yaml"), "one");
        make(dir.join("outside/c.yaml"), "one");
        symlink(".elsewhere/real.yaml", dir.join("orders/a.yaml")).unwrap();
        let real = dir.canonicalize().unwrap();
        symlink(real.join("orders/.shared"), dir.join("orders/shared")).unwrap();
        // Neither is read, so nothing in them counts.
        symlink("../outside", dir.join("orders/outside")).unwrap();
        symlink("/", dir.join("orders/machine")).unwrap();
        // A circle, and a link to nowhere.
        symlink(".", dir.join("orders/again")).unwrap();
        symlink("nowhere", dir.join("orders/lost.yaml")).unwrap();
    })
    .await;
    let write = |name, text| move |case: &Case| case.write(name, text);
    for (what, change) in [
        (
            "the target of a file's link",
            write("orders/.elsewhere/real.yaml", "two"),
        ),
        (
            "a file in a linked directory",
            write("orders/.shared/b.yaml", "two"),
        ),
        (
            "a link that leads somewhere now",
            write("orders/nowhere", "found"),
        ),
    ] {
        case.wakes(what, || change(&case)).await;
    }
    for (what, change) in [
        (
            "a neighbour of the target",
            write("orders/.elsewhere/other.yaml", "not linked"),
        ),
        ("a file outside the orders", write("outside/c.yaml", "two")),
    ] {
        case.sleeps(what, || change(&case)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_is_removed_and_made_again() {
    let case = Case::begin("above/orders", |dir| {
        make(dir.join("above/orders/a.yaml"), "one");
    })
    .await;
    let file = || case.path("above/orders/a.yaml");
    for removed in ["above/orders", "above", "above/orders"] {
        case.wakes("the directory's end", || {
            fs::remove_dir_all(case.path(removed)).unwrap();
        })
        .await;
        case.wakes("the directory's return", || make(file(), "one"))
            .await;
        case.wakes("a change in the new directory", || make(file(), "two"))
            .await;
    }
    // Moved away and replaced, which leaves the old watch alive on the old one.
    case.wakes("another directory in its place", || {
        fs::rename(case.path("above/orders"), case.path("old")).unwrap();
        make(file(), "one");
    })
    .await;
    case.sleeps("a change in the old directory", || {
        case.write("old/a.yaml", "two");
    })
    .await;
    case.wakes("a change in the other directory", || make(file(), "two"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_far_above_is_replaced() {
    let case = Case::begin("far/away/orders", |dir| {
        make(dir.join("far/away/orders/a.yaml"), "one");
        make(dir.join("next/away/orders/a.yaml"), "one");
    })
    .await;
    case.wakes("another directory far above", || {
        fs::rename(case.path("far"), case.path("last")).unwrap();
        fs::rename(case.path("next"), case.path("far")).unwrap();
    })
    .await;
    case.sleeps("a change in the old directory", || {
        case.write("last/away/orders/a.yaml", "two");
    })
    .await;
    case.wakes("a change in the new directory", || {
        case.write("far/away/orders/a.yaml", "two");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_come_late_are_noticed() {
    let case = Case::begin("not/yet/there", |_| {}).await;
    case.sleeps("nothing", || {}).await;
    case.wakes("the directory's arrival", || {
        make(case.path("not/at/all"), "");
        make(case.path("not/yet/there/a.yaml"), "one");
    })
    .await;
    case.wakes("a change in it", || {
        case.write("not/yet/there/a.yaml", "two");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_in_a_look_are_one_wake_up() {
    let case = Case::begin("orders", |dir| {
        fs::create_dir(dir.join("orders")).unwrap();
    })
    .await;
    // All of them between the moment at which the directory is watched and the survey
    // behind it: every event is heard, and the survey sees what they come to.
    let (orders, before) = (case.path("orders"), case.looks());
    let survey = case.points() - 1;
    let burst = move || {
        for number in 0..10_000 {
            // Not truncated first, which some file systems take for a reason to sync.
            let file = orders.join(format!("{}.yaml", number % 100));
            let file = fs::File::options().append(true).create(true).open(file);
            file.unwrap().write_all(b"more").unwrap();
        }
    };
    case.in_a_look("a burst", [(survey, Box::new(burst) as _)])
        .await;
    case.sees("a burst").await;
    case.sleeps("its echo", || {}).await;
    assert_eq!(case.looks().wakes, before.wakes + 1);
    case.wakes("a change after the burst", || {
        case.write("orders/0.yaml", "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_never_gets_quiet_and_is_looked_at_all_the_same() {
    let never_quiet = Watching {
        quiet: Duration::from_secs(3600),
        ..EVENTS_ONLY
    };
    let case = Case::with("orders", never_quiet, Kernel::Willing, |dir| {
        make(dir.join("orders/a.yaml"), "one");
    })
    .await;
    for text in ["three", "four"] {
        case.wakes("a change in the midst of others", || {
            case.write("orders/a.yaml", text);
        })
        .await;
    }
}

/// A further change in the same tick leaves no trace, so it is taken for granted.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_look_that_never_came_to_rest_an_equal_fingerprint_says_nothing() {
    let case = Case::begin("orders", |dir| make(dir.join("orders/a.yaml"), "one")).await;
    let before = case.looks().wakes;
    case.set_restless(true);
    let restless = case.looks_again("a look without rest").await;
    assert!(restless.seen.fresh);
    case.set_restless(false);
    case.until("the look behind it", |looks| looks.wakes > before)
        .await;
    case.until("rest", |looks| !looks.seen.fresh).await;
    case.sleeps("the time after", || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_without_a_change_wake_nobody() {
    for kernel in [Kernel::Willing, Kernel::Exhausted] {
        let case = Case::with("orders", OFTEN, kernel, |dir| {
            make(dir.join("orders/a.yaml"), "one");
        })
        .await;
        for _ in 0..5 {
            case.sleeps("looking", || {}).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_watches_the_looks_have_to_do() {
    let case = Case::with("current", OFTEN, Kernel::Exhausted, |dir| {
        make(dir.join("1/a.yaml"), "same");
        make(dir.join("2/a.yaml"), "same");
        symlink("1", dir.join("current")).unwrap();
    })
    .await;
    case.wakes("a change", || case.write("1/a.yaml", "another"))
        .await;
    case.wakes("a turned link", || turn(&case.path("current"), "2"))
        .await;
    case.wakes("the end", || {
        fs::remove_file(case.path("current")).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_the_way_that_may_not_be_read_costs_no_other_its_events() {
    let refusing = Kernel::Refusing("shut");
    let case = Case::with("shut/above/orders", EVENTS_ONLY, refusing, |dir| {
        make(dir.join("shut/above/orders/a.yaml"), "one");
    })
    .await;
    case.wakes("a change", || {
        case.write("shut/above/orders/a.yaml", "two");
    })
    .await;
    case.wakes("the end of the one that may not be read", || {
        fs::rename(case.path("shut"), case.path("gone")).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thread_ends_with_the_watch() {
    Case::begin("orders", |_| {}).await.ends().await;
}
