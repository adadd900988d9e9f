//! Against real git with repositories in directories: what is taken, what is refused, and
//! what stays.

mod hostile;
mod lab;
mod signed;

use std::fs;

use jiff::Timestamp;
use lab::Lab;

use super::*;

/// The files of the revision that an answer has, as `name: content`.
fn files(answer: &SourceAnswer) -> Vec<String> {
    let Some((_, at)) = &answer.good else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut open = vec![at.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(at).unwrap().display().to_string();
            let text = fs::read_to_string(&path).unwrap_or_default();
            found.push(format!("{name}: {}", text.trim()));
        }
    }
    found.sort();
    found
}

fn trouble(answer: &SourceAnswer) -> String {
    let trouble = answer.trouble.as_ref();
    trouble.map_or_else(String::new, ToString::to_string)
}

fn commit(answer: &SourceAnswer) -> &str {
    &answer.good.as_ref().unwrap().0.commit.commit
}

async fn update(orders: &GitOrders) -> SourceAnswer {
    let answer = orders.update(Writes::Good, Freshness::Now, Timestamp::now());
    answer.await
}

#[tokio::test]
async fn a_commit_is_taken_with_who_and_what_and_the_next_one_follows() {
    let lab = Lab::new();
    let first = lab.commit(&[("orders/a.yaml", "one"), ("README", "no order")]);
    let orders = lab.orders("path: orders");
    assert!(orders.known().good.is_none());
    let answer = update(&orders).await;
    assert_eq!(trouble(&answer), "");
    assert_eq!(files(&answer), ["a.yaml: one"]);
    let (good, _) = answer.good.as_ref().unwrap();
    assert_eq!(good.revision, format!("main@sha1:{first}"));
    assert_eq!(
        (&*good.commit.author, &*good.commit.subject),
        ("Ann", "change")
    );
    assert_eq!(
        good.commit.date.unwrap().to_string(),
        "2026-01-02T03:04:05Z"
    );
    assert!(!orders.poll().await.unwrap());

    // More than one commit, one of them a merge of a branch that forked before.
    lab.git(&["checkout", "-q", "-b", "side", "HEAD"]);
    lab.commit(&[("orders/b.yaml", "two")]);
    lab.git(&["checkout", "-q", "main"]);
    lab.commit(&[("orders/c.yaml", "three")]);
    lab.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    assert!(orders.poll().await.unwrap());
    let answer = update(&orders).await;
    assert_eq!(trouble(&answer), "");
    assert_eq!(
        files(&answer),
        ["a.yaml: one", "b.yaml: two", "c.yaml: three"]
    );
    // Names in messages stay the same, and lead to it.
    let shown = orders.shown();
    assert_eq!(fs::read_to_string(shown.join("c.yaml")).unwrap(), "three");
    // Another process finds it without asking.
    lab.hide();
    let known = lab.orders("path: orders").known();
    assert_eq!(
        (commit(&known), trouble(&known)),
        (commit(&answer), String::new())
    );
}

#[tokio::test]
async fn a_branch_that_was_rewritten_is_refused_until_it_is_allowed() {
    let lab = Lab::new();
    lab.commit(&[("a.yaml", "one")]);
    let second = lab.commit(&[("a.yaml", "two")]);
    let orders = lab.orders("");
    assert_eq!(commit(&update(&orders).await), second);

    for (what, rewritten) in [("rewound", None), ("forced", Some("three"))] {
        lab.git(&["reset", "-q", "--hard", "HEAD~1"]);
        if let Some(text) = rewritten {
            lab.commit(&[("a.yaml", text)]);
        } else {
            lab.commit(&[("a.yaml", "back")]);
        }
        let answer = update(&orders).await;
        assert!(
            trouble(&answer).contains("rewound or force-pushed"),
            "{what}: {}",
            trouble(&answer)
        );
        assert!(answer.trouble.as_ref().unwrap().is_rejection());
        assert_eq!(commit(&answer), second, "{what}");
        assert_eq!(files(&answer), ["a.yaml: two"]);
        // It was considered: nothing new for the one who polls.
        assert!(!orders.poll().await.unwrap());
        lab.git(&["reset", "-q", "--hard", "HEAD~1"]);
        lab.git(&["reset", "-q", "--hard", &second]);
        lab.commit(&[("b.yaml", what)]);
        lab.git(&["reset", "-q", "--hard", &second]);
    }
    // The same commit again is fine.
    assert_eq!(trouble(&update(&orders).await), "");
    lab.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let third = lab.commit(&[("a.yaml", "three")]);
    let allowed = update(&lab.orders("allow_rewind: true")).await;
    assert_eq!(
        (commit(&allowed), trouble(&allowed)),
        (&*third, String::new())
    );
    // From then on it is the good one.
    assert_eq!(trouble(&update(&lab.orders("")).await), "");
}

#[tokio::test]
async fn a_tag_stays_and_the_highest_version_only_rises() {
    let lab = Lab::new();
    lab.commit(&[("a.yaml", "one")]);
    lab.git(&["tag", "v1.0.0"]);
    let fixed = lab.orders("tag: v1.0.0");
    let range = lab.orders_in("range", "semver: 1.x");
    assert_eq!(files(&update(&fixed).await), ["a.yaml: one"]);
    lab.commit(&[("a.yaml", "two")]);
    lab.git(&["tag", "-a", "-m", "second", "v1.1.0"]);
    let answer = update(&range).await;
    assert_eq!(files(&answer), ["a.yaml: two"]);
    assert!(answer.good.unwrap().0.revision.starts_with("v1.1.0@sha1:"));

    lab.git(&["tag", "-f", "v1.0.0"]);
    let answer = update(&fixed).await;
    assert!(
        trouble(&answer).starts_with("tag v1.0.0 was moved"),
        "{}",
        trouble(&answer)
    );
    assert_eq!(files(&answer), ["a.yaml: one"]);
    lab.git(&["tag", "-d", "v1.1.0"]);
    let answer = update(&range).await;
    assert!(
        trouble(&answer).starts_with("tag v1.1.0 is gone"),
        "{}",
        trouble(&answer)
    );
    assert_eq!(files(&answer), ["a.yaml: two"]);
    lab.git(&["tag", "-d", "v1.0.0"]);
    let answer = update(&range).await;
    assert!(
        trouble(&answer).contains("does not exist"),
        "{}",
        trouble(&answer)
    );
    assert_eq!(files(&answer), ["a.yaml: two"]);
}

#[tokio::test]
async fn a_remote_that_is_gone_changes_nothing_and_is_asked_less_often() {
    let lab = Lab::new();
    let first = lab.commit(&[("a.yaml", "one")]);
    let orders = lab.orders("interval: 10s");
    assert_eq!(commit(&update(&orders).await), first);
    lab.hide();
    let mut pauses = vec![orders.pause()];
    for _ in 0..8 {
        let answer = update(&orders).await;
        assert_eq!(commit(&answer), first);
        assert!(!answer.trouble.as_ref().unwrap().is_rejection());
        pauses.push(orders.pause());
    }
    assert!(pauses.is_sorted() && pauses[1].as_secs() == 20 && pauses[8].as_secs() == 900);
    lab.show();
    // Not before the pause is over.
    let early = orders.update(Writes::Good, Freshness::Interval, Timestamp::now());
    assert_ne!(trouble(&early.await), "");
    assert_eq!(trouble(&update(&orders).await), "");
    assert_eq!(orders.pause().as_secs(), 10);
}

/// Each of them costs as much as one that succeeds.
#[tokio::test]
async fn a_fetch_that_fails_is_tried_less_often() {
    let lab = Lab::new();
    let first = lab.commit(&[("a.yaml", "one")]);
    let orders = lab.orders("interval: 10s");
    update(&orders).await;
    // The server says that it has a commit, and cannot send it.
    let second = lab.commit(&[("a.yaml", "two")]);
    let object = format!(".git/objects/{}/{}", &second[..2], &second[2..]);
    let (object, away) = (lab.repo().join(object), lab.at("away"));
    fs::rename(&object, &away).unwrap();
    for pause in [20, 40, 80] {
        let answer = update(&orders).await;
        assert_eq!(commit(&answer), first);
        assert_ne!(trouble(&answer), "");
        assert_eq!(orders.pause().as_secs(), pause);
    }
    fs::rename(&away, &object).unwrap();
    let next_run = || orders.update(Writes::Good, Freshness::Interval, Timestamp::now());
    assert_eq!(commit(&next_run().await), first);
    // The pause is over, or a hook was called.
    assert!(orders.poll().await.unwrap());
    assert_eq!(orders.pause().as_secs(), 80);
    assert_eq!(commit(&next_run().await), second);
    assert_eq!(orders.pause().as_secs(), 10);
}

#[tokio::test]
async fn a_look_leaves_nothing_and_sees_what_a_run_would_see() {
    let lab = Lab::new();
    let first = lab.commit(&[("a.yaml", "one")]);
    let orders = lab.orders("");
    let look = orders.update(Writes::Nothing, Freshness::Now, Timestamp::now());
    let answer = look.await;
    assert_eq!(
        (commit(&answer), files(&answer)),
        (&*first, vec!["a.yaml: one".to_owned()])
    );
    let temporary = answer.temporary.as_ref().unwrap().path().to_owned();
    drop(answer);
    assert!(!temporary.exists() && !lab.home().exists());

    update(&orders).await;
    let before = lab.snapshot();
    let second = lab.commit(&[("a.yaml", "two")]);
    let look = orders.update(Writes::Nothing, Freshness::Now, Timestamp::now());
    assert_eq!(commit(&look.await), second);
    lab.git(&["reset", "-q", "--hard", "HEAD~1"]);
    lab.commit(&[("a.yaml", "three")]);
    lab.git(&["reset", "-q", "--hard", "HEAD~1"]);
    lab.git(&["commit", "-q", "--amend", "-m", "other"]);
    let look = orders.update(Writes::Nothing, Freshness::Now, Timestamp::now());
    let answer = look.await;
    assert!(trouble(&answer).contains("rewound"), "{}", trouble(&answer));
    assert_eq!(commit(&answer), first);
    assert_eq!(lab.snapshot(), before);
}

#[tokio::test]
async fn what_a_killed_process_leaves_is_used_or_removed() {
    let lab = Lab::new();
    lab.commit(&[("a.yaml", "one")]);
    let orders = lab.orders("");
    update(&orders).await;
    let home = lab.home();
    for leftover in [
        "repo/shallow.lock",
        "repo/HEAD.lock",
        "repo/packed-refs.lock",
    ] {
        fs::write(home.join(leftover), "").unwrap();
    }
    fs::create_dir(home.join("trees/.new-x")).unwrap();
    fs::write(home.join(".new-current"), "").unwrap();
    let second = lab.commit(&[("a.yaml", "two")]);
    let answer = update(&orders).await;
    assert_eq!(
        (commit(&answer), trouble(&answer)),
        (&*second, String::new())
    );
    assert!(!home.join("trees/.new-x").exists() && !home.join("repo/shallow.lock").exists());

    // The link, the directory of the commit, the repository, the record: one after another.
    fs::remove_file(home.join("current")).unwrap();
    assert_eq!(trouble(&update(&orders).await), "");
    assert!(home.join("current/a.yaml").exists());
    fs::remove_dir_all(home.join("trees")).unwrap();
    assert_eq!(files(&update(&orders).await), ["a.yaml: two"]);
    fs::remove_dir_all(home.join("trees")).unwrap();
    fs::remove_dir_all(home.join("repo/objects")).unwrap();
    assert_eq!(files(&update(&orders).await), ["a.yaml: two"]);
    fs::write(home.join("good.json"), "{torn").unwrap();
    assert_eq!(files(&update(&orders).await), ["a.yaml: two"]);
    lab.hide();
    assert_eq!(files(&update(&orders).await), ["a.yaml: two"]);
    fs::remove_dir_all(home.join("trees")).unwrap();
    assert!(update(&orders).await.good.is_none());
}

#[tokio::test]
async fn a_directory_that_lost_its_orders_is_written_anew() {
    let lab = Lab::new();
    lab.commit(&[("orders/a.yaml", "one")]);
    let orders = lab.orders("path: orders");
    update(&orders).await;
    fs::remove_dir_all(lab.home().join("current/orders")).unwrap();
    assert!(orders.known().good.is_none());
    assert_eq!(files(&update(&orders).await), ["a.yaml: one"]);
    assert!(lab.home().join("current/orders/a.yaml").exists());
}

#[tokio::test]
async fn packs_that_were_not_finished_do_not_pile_up() {
    let lab = Lab::new();
    lab.commit(&[("a.yaml", "one")]);
    let orders = lab.orders("");
    update(&orders).await;
    let repository = lab.home().join("repo");
    let pack = repository.join("objects/pack/tmp_pack_x1y2z3");
    fs::write(&pack, "PACK").unwrap();
    fs::write(repository.join("marker"), "").unwrap();
    lab.commit(&[("a.yaml", "two")]);
    assert_eq!(files(&update(&orders).await), ["a.yaml: two"]);
    // The repository is still the same.
    assert!(!pack.exists() && repository.join("marker").exists());
}

/// A server that can do that sends the files of the orders, and no others.
#[tokio::test]
async fn only_the_files_that_are_wanted_are_fetched() {
    let lab = Lab::new();
    lab.git(&["config", "uploadpack.allowFilter", "true"]);
    let large = "x".repeat(100_000);
    lab.commit(&[
        ("orders/a.yaml", "one"),
        ("docs/large.txt", &large),
        ("b.yaml", "no"),
    ]);
    let orders = lab.orders("path: orders");
    assert_eq!(files(&update(&orders).await), ["a.yaml: one"]);
    lab.commit(&[
        ("orders/a.yaml", "two"),
        ("docs/large.txt", &large.replace('x', "y")),
    ]);
    let answer = update(&orders).await;
    assert_eq!(
        (files(&answer), trouble(&answer)),
        (vec!["a.yaml: two".to_owned()], String::new())
    );
    let repository = lab.home().join("repo").display().to_string();
    let all = [
        "cat-file",
        "--batch-all-objects",
        "--batch-check=%(objecttype)",
    ];
    let objects = lab.git(&[&["--git-dir", &*repository], &all[..]].concat());
    let files = objects.lines().filter(|kind| *kind == "blob").count();
    assert_eq!(files, 2, "{objects}");
}

#[tokio::test]
async fn two_at_once_and_many_commits_end_with_the_newest() {
    let lab = Lab::new();
    lab.commit(&[("a.yaml", "0")]);
    let (one, other) = (lab.orders(""), lab.orders(""));
    for number in 1..4 {
        let newest = lab.commit(&[("a.yaml", &number.to_string())]);
        let both = tokio::join!(update(&one), update(&other));
        for answer in [&both.0, &both.1] {
            assert_eq!((commit(answer), trouble(answer)), (&*newest, String::new()));
            assert_eq!(files(answer), [format!("a.yaml: {number}")]);
        }
    }
}

#[test]
fn a_directory_that_cannot_be_locked_is_not_said_to_be_in_use() {
    let error = SourceError::from(crate::io::file::lock::LockError::Io {
        path: "/state/git/lock".into(),
        source: std::io::ErrorKind::ReadOnlyFilesystem.into(),
    });
    let why = crate::error::chain(&error);
    assert!(
        why.contains("cannot lock") && !why.contains("another process"),
        "{why}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("state_dir")));
}
