//! The watch on real directories with real events.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// Long enough for anything that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Quick, and without looks that no event called for.
const EVENTS_ONLY: Watching = Watching {
    quiet: Duration::from_millis(30),
    longest: Duration::from_millis(240),
    poll: Duration::from_secs(3600),
};

struct Case {
    dir: TempDir,
    waker: Waker,
    watch: Watch,
}

impl Case {
    /// Watches `orders` in a fresh directory that `prepare` fills.
    async fn begin(orders: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::with(orders, EVENTS_ONLY, Arm::Inotify, prepare).await
    }

    async fn with(orders: &str, watching: Watching, arm: Arm, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let waker = Waker::default();
        let path = dir.path().join(orders);
        let watch = Watch::start_with(&path, watching, waker.clone(), arm);
        let watch = watch.await.unwrap();
        Self { dir, waker, watch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Puts a link in place of another one, as git-sync and Kubernetes do.
    fn turn(&self, link: &str, target: &str) {
        let temporary = self.path(".link-to-be");
        symlink(target, &temporary).unwrap();
        fs::rename(temporary, self.path(link)).unwrap();
    }

    /// Waits for a wake-up, and for the end of what belongs to it.
    async fn wakes(&self, what: &str) {
        let woken = timeout(PATIENCE, self.waker.woken()).await;
        assert!(woken.is_ok(), "{what} is not noticed");
        while timeout(EVENTS_ONLY.longest, self.waker.woken())
            .await
            .is_ok()
        {}
        assert!(self.waker.take().contains(Cause::Orders));
    }

    /// Nothing wakes.
    async fn sleeps(&self, what: &str) {
        let woken = timeout(EVENTS_ONLY.longest, self.waker.woken()).await;
        assert!(woken.is_err(), "{what} wakes");
    }

    /// How many wake-ups come until it is quiet for `quiet`.
    async fn count(&self, quiet: Duration) -> usize {
        let mut count = 0;
        while timeout(quiet, self.waker.woken()).await.is_ok() {
            count += usize::from(!self.waker.take().is_empty());
        }
        count
    }
}

fn make(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

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
    case.sleeps("nothing").await;
    fs::read(case.path("orders/a.yaml")).unwrap();
    fs::read_dir(case.path("orders")).unwrap().count();
    case.sleeps("reading").await;
    case.write("orders/.a.yaml.swp", "an editor's own");
    case.sleeps("a hidden file").await;
    case.write("orders/a.yaml", "two");
    case.wakes("a file of the same length").await;
    case.write("orders/b.yaml", "");
    case.wakes("a new file").await;
    fs::remove_file(case.path("orders/b.yaml")).unwrap();
    case.wakes("a removed file").await;
    make(case.path("orders/deep/er/c.yaml"), "one");
    case.wakes("a new directory").await;
    case.write("orders/deep/er/c.yaml", "two");
    case.wakes("a file in the new directory").await;
    case.write("beside.yaml", "not ours");
    case.sleeps("a file beside the directory").await;
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
    for text in ["two\n", "three\n"] {
        case.write("origin/orders/a.yaml", text);
        git(
            &case.path("origin"),
            &["commit", "-q", "-a", "-m", text.trim()],
        );
        git(&case.path("clone"), &["fetch", "-q"]);
        case.sleeps("a fetch").await;
        git(&case.path("clone"), &["pull", "-q", "--ff-only"]);
        case.wakes("a pull").await;
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
        make(
            case.path(&format!(".worktrees/{new}/site/orders/a.yaml")),
            "same",
        );
        case.sleeps("a worktree that nothing points to").await;
        case.turn("current", &format!(".worktrees/{new}"));
        case.wakes("a turned link").await;
        fs::remove_dir_all(case.path(&format!(".worktrees/{}", new - 1))).unwrap();
        case.write(&format!(".worktrees/{new}/site/orders/a.yaml"), "edit");
        case.wakes("an edit behind the turned link").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_config_map_is_replaced_as_kubernetes_does_it() {
    for orders in ["mount", "mount/a.yaml"] {
        let case = Case::begin(orders, |dir| {
            make(dir.join("mount/..1/a.yaml"), "same");
            symlink("..1", dir.join("mount/..data")).unwrap();
            symlink("..data/a.yaml", dir.join("mount/a.yaml")).unwrap();
        })
        .await;
        for new in 2..5 {
            make(case.path(&format!("mount/..{new}/a.yaml")), "same");
            case.turn("mount/..data", &format!("..{new}"));
            case.wakes("a turned ..data").await;
            fs::remove_dir_all(case.path(&format!("mount/..{}", new - 1))).unwrap();
            case.sleeps("clearing up").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_is_replaced_as_editors_do_it() {
    let case = Case::begin("a.yaml", |dir| make(dir.join("a.yaml"), "0")).await;
    for text in ["1", "2", "3"] {
        case.write(".a.yaml.new", text);
        case.write("4913", "");
        fs::remove_file(case.path("4913")).unwrap();
        case.sleeps("an editor's preparations").await;
        fs::rename(case.path(".a.yaml.new"), case.path("a.yaml")).unwrap();
        case.wakes("a file renamed over").await;
        case.write("a.yaml", "in place");
        case.wakes("the new file written in place").await;
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
    case.write("orders/.elsewhere/real.yaml", "two");
    case.wakes("the target of a file's link").await;
    case.write("orders/.shared/b.yaml", "two");
    case.wakes("a file in a linked directory").await;
    case.write("orders/nowhere", "found");
    case.wakes("a link that leads somewhere now").await;
    case.write("orders/.elsewhere/other.yaml", "not linked");
    case.sleeps("a neighbour of the target").await;
    case.write("outside/c.yaml", "two");
    case.sleeps("a file outside the orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_is_removed_and_made_again() {
    let case = Case::begin("above/orders", |dir| {
        make(dir.join("above/orders/a.yaml"), "one");
    })
    .await;
    for removed in ["above/orders", "above", "above/orders"] {
        fs::remove_dir_all(case.path(removed)).unwrap();
        case.wakes("the directory's end").await;
        make(case.path("above/orders/a.yaml"), "one");
        case.wakes("the directory's return").await;
        case.write("above/orders/a.yaml", "two");
        case.wakes("a change in the new directory").await;
    }
    // Moved away and replaced, which leaves the old watch alive on the old one.
    fs::rename(case.path("above/orders"), case.path("old")).unwrap();
    make(case.path("above/orders/a.yaml"), "one");
    case.wakes("another directory in its place").await;
    case.write("old/a.yaml", "two");
    case.sleeps("a change in the old directory").await;
    case.write("above/orders/a.yaml", "two");
    case.wakes("a change in the other directory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_come_late_are_noticed() {
    let case = Case::begin("not/yet/there", |_| {}).await;
    case.sleeps("nothing").await;
    make(case.path("not/at/all"), "");
    make(case.path("not/yet/there/a.yaml"), "one");
    case.wakes("the directory's arrival").await;
    case.write("not/yet/there/a.yaml", "two");
    case.wakes("a change in it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_are_two_wake_ups_at_most() {
    let watching = Watching {
        quiet: Duration::from_millis(300),
        longest: Duration::from_secs(10),
        ..EVENTS_ONLY
    };
    let case = Case::with("orders", watching, Arm::Inotify, |dir| {
        fs::create_dir(dir.join("orders")).unwrap();
    })
    .await;
    for number in 0..10_000 {
        case.write(
            &format!("orders/{}.yaml", number % 100),
            &number.to_string(),
        );
    }
    let count = case.count(watching.quiet * 4).await;
    assert!((1..=2).contains(&count), "{count}");
    case.write("orders/0.yaml", "after it all");
    case.wakes("a change after the burst").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_never_gets_quiet_and_is_looked_at_all_the_same() {
    let never_quiet = Watching {
        quiet: Duration::from_secs(3600),
        ..EVENTS_ONLY
    };
    let case = Case::with("orders", never_quiet, Arm::Inotify, |dir| {
        make(dir.join("orders/a.yaml"), "one");
    })
    .await;
    for text in ["three", "four"] {
        case.write("orders/a.yaml", text);
        case.wakes("a change in the midst of others").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_without_a_change_wake_nobody() {
    let often = Watching {
        poll: Duration::from_millis(10),
        ..EVENTS_ONLY
    };
    for arm in [Arm::Inotify, Arm::Exhausted] {
        let case = Case::with("orders", often, arm, |dir| {
            make(dir.join("orders/a.yaml"), "one");
        })
        .await;
        case.sleeps("looking").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_watches_the_looks_have_to_do() {
    let often = Watching {
        poll: Duration::from_millis(20),
        ..EVENTS_ONLY
    };
    let case = Case::with("current", often, Arm::Exhausted, |dir| {
        make(dir.join("1/a.yaml"), "same");
        make(dir.join("2/a.yaml"), "same");
        symlink("1", dir.join("current")).unwrap();
    })
    .await;
    case.write("1/a.yaml", "another length");
    case.wakes("a change").await;
    case.turn("current", "2");
    case.wakes("a turned link").await;
    fs::remove_file(case.path("current")).unwrap();
    case.wakes("the end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thread_ends_with_the_watch() {
    let Case { dir, waker, watch } = Case::begin("orders", |_| {}).await;
    drop(watch);
    let started = Instant::now();
    while waker.is_shared() {
        assert!(started.elapsed() < PATIENCE, "the thread goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(dir);
}
