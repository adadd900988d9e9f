//! Lists of versions: pages, limits, and what is remembered.

use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::facts::VersionSource;

/// Versions, source, time and failures of what must be known.
fn known(knowledge: VersionKnowledge) -> (Vec<String>, VersionSource, Timestamp, Vec<String>) {
    match knowledge {
        VersionKnowledge::Known {
            versions,
            source,
            fetched_at,
            failures,
        } => {
            let versions = versions.iter().map(ToString::to_string).collect();
            (versions, source, fetched_at, failures)
        }
        other => panic!("{other:?}"),
    }
}

fn list(versions: &[&str]) -> Vec<String> {
    versions.iter().map(ToString::to_string).collect()
}

async fn world(versions: &[&str], sources: &[ListSource]) -> World {
    let mut world = World::new(StubOptions {
        versions: list(versions),
        ..StubOptions::default()
    })
    .await;
    world.config.versions = sources.to_vec();
    world
}

/// Enough versions for two pages of tags, which hold two tags for each.
fn many() -> Vec<String> {
    (0..80).map(|patch| format!("v1.10.{patch}")).collect()
}

fn files_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_factory_is_asked_first_and_odd_entries_are_left_out() {
    let world = world(
        &[
            "v1.9.0",
            "latest",
            "1.9.1",
            "v1.10.0",
            "v1.10",
            "v1.11.0-alpha.1",
            "v1.11.0-dirty",
            "",
        ],
        &[ListSource::Factory, ListSource::Github],
    )
    .await;
    let (versions, source, _, failures) = known(world.client().versions().await);
    assert_eq!(versions, ["v1.9.0", "v1.10.0", "v1.11.0-alpha.1"]);
    assert_eq!((source, failures), (VersionSource::Factory, vec![]));
    assert_eq!(world.stub.requests().len(), 1);
}

#[tokio::test]
async fn github_is_asked_page_by_page_where_the_factory_does_not_know() {
    let world = World::new(StubOptions {
        versions: many(),
        ..StubOptions::default()
    })
    .await;
    for fault in [
        StubFault::Html,
        StubFault::status(200, "{}"),
        StubFault::status(200, "[1, {}]"),
    ] {
        let asked = world.stub.requests().len();
        world.stub.inject("/versions", fault);
        let (versions, source, _, failures) = known(world.client().versions().await);
        assert_eq!(versions, many());
        assert_eq!((source, failures.len()), (VersionSource::Github, 1));
        assert!(
            failures[0].starts_with("factory: http://127"),
            "{failures:?}"
        );
        let paths: Vec<_> = world.stub.requests()[asked..]
            .iter()
            .map(|request| format!("{}?{}", request.path, request.query))
            .collect();
        assert_eq!(
            paths,
            [
                "/versions?",
                "/repos/siderolabs/talos/tags?per_page=100",
                "/repositories/1/tags?per_page=100&page=2"
            ]
        );
    }
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again_page_by_page() {
    let mut world = World::new(StubOptions {
        versions: many(),
        ..StubOptions::default()
    })
    .await;
    world.config.versions = vec![ListSource::Github];
    let (_, _, first, _) = known(world.client().versions().await);
    // Another process: the entity tags were kept on disk.
    let (versions, _, second, _) = known(world.client().versions().await);
    assert_eq!(versions, many());
    assert!(second > first);
    let statuses = |from: usize| -> Vec<u16> {
        let requests = world.stub.requests();
        requests[from..]
            .iter()
            .map(|request| request.status)
            .collect()
    };
    assert_eq!(statuses(0), [200, 200, 304, 304]);
    // A tag that sorts last changes the second page alone.
    let mut more = many();
    more.insert(0, "v1.9.9".into());
    world.stub.set_versions(more.clone());
    let (versions, ..) = known(world.client().versions().await);
    assert_eq!(versions, more);
    assert_eq!(statuses(4), [304, 200]);
}

#[tokio::test]
async fn a_page_elsewhere_is_not_asked() {
    let mut world = world(&["v1.11.0"], &[ListSource::Github]).await;
    let other = World::new(StubOptions::default()).await;
    world.config.github_token = Some("ghp_token".into());
    let link = format!("<{}repositories/1/tags>; rel=\"next\"", other.stub.url());
    world.stub.inject("/tags", StubFault::Header("link", link));
    let (versions, ..) = known(world.client().versions().await);
    assert_eq!(versions, ["v1.11.0"]);
    assert!(other.stub.requests().is_empty());
}

#[tokio::test]
async fn pages_that_go_round_in_circles_end() {
    let world = world(&["v1.11.0"], &[ListSource::Github]).await;
    let link = "</repos/siderolabs/talos/tags?per_page=100>; rel=\"next\"";
    world
        .stub
        .inject("/tags", StubFault::Header("link", link.into()));
    let (versions, ..) = known(world.client().versions().await);
    assert_eq!(versions, ["v1.11.0"]);
    assert_eq!(world.stub.requests().len(), 1);
}

#[tokio::test]
async fn a_used_up_limit_is_told_and_respected() {
    let world = world(&["v1.11.0"], &[ListSource::Github]).await;
    known(world.client().versions().await);
    world.stub.limit_github(Some(Duration::from_secs(1800)));
    let (versions, source, _, failures) = known(world.client().versions().await);
    assert_eq!(
        (versions, source),
        (list(&["v1.11.0"]), VersionSource::Github)
    );
    assert!(failures[0].contains("rate limit"), "{failures:?}");
    assert!(failures[0].contains("reset in 30 min"), "{failures:?}");
    assert_eq!(world.stub.requests().len(), 2);
    // Not even another process asks again before the time.
    world.stub.limit_github(None);
    let (.., failures) = known(world.client().versions().await);
    assert!(failures[0].contains("rate limit"), "{failures:?}");
    assert_eq!(world.stub.requests().len(), 2);
}

#[tokio::test]
async fn a_limit_that_was_just_lifted_is_asked_again() {
    let world = world(&["v1.11.0"], &[ListSource::Github]).await;
    let busy = StubFault::Status {
        code: 429,
        text: String::new(),
        retry_after: Some("0".into()),
    };
    world.stub.inject("/tags", busy);
    let (.., failures) = known(world.client().versions().await);
    assert_eq!(failures, Vec::<String>::new());
}

#[tokio::test]
async fn with_everything_down_the_last_good_list_serves() {
    let world = world(
        &["v1.11.0", "v1.11.1"],
        &[ListSource::Factory, ListSource::Github],
    )
    .await;
    let (_, _, then, _) = known(world.client().versions().await);
    let client = world.client();
    assert_eq!(
        files_in(&world.dir.path().join("state")),
        ["versions-factory.json"]
    );
    world.stub.stop().await;
    let (versions, source, fetched_at, failures) = known(client.versions().await);
    assert_eq!(versions, ["v1.11.0", "v1.11.1"]);
    assert_eq!((source, fetched_at), (VersionSource::Factory, then));
    assert_eq!(failures.len(), 2);
    assert!(
        failures[1].starts_with("github: gave up after 2 retries: asking"),
        "{failures:?}"
    );
}

#[tokio::test]
async fn the_youngest_list_serves_and_only_that_of_the_same_factory() {
    let mut world = world(&["v1.11.0"], &[ListSource::Factory, ListSource::Github]).await;
    known(world.client().versions().await);
    world.stub.set_versions(list(&["v1.11.0", "v1.11.1"]));
    world
        .stub
        .inject("/versions", StubFault::status(404, "gone"));
    known(world.client().versions().await);
    for path in ["/versions", "/tags"] {
        world.stub.inject(path, StubFault::status(404, "gone"));
    }
    let (versions, source, ..) = known(world.client().versions().await);
    assert_eq!(versions, ["v1.11.0", "v1.11.1"]);
    assert_eq!(source, VersionSource::Github);

    world.config.versions = vec![ListSource::Factory];
    world.config.factory.set_path("/another/");
    assert!(matches!(
        world.client().versions().await,
        VersionKnowledge::Unknown { failures } if failures.len() == 1
    ));
}

#[tokio::test]
async fn a_dry_run_writes_nothing_but_reads() {
    let mut world = world(&["v1.11.0"], &[ListSource::Factory]).await;
    world.config.read_only = true;
    let client = world.client();
    known(client.versions().await);
    assert_eq!(files_in(world.dir.path()), Vec::<String>::new());
    // It remembers for itself, though.
    world
        .stub
        .inject("/versions", StubFault::status(404, "gone"));
    known(client.versions().await);

    world.config.read_only = false;
    known(world.client().versions().await);
    world.config.read_only = true;
    world
        .stub
        .inject("/versions", StubFault::status(404, "gone"));
    known(world.client().versions().await);
}

#[tokio::test]
async fn a_damaged_memory_is_no_memory_and_is_kept() {
    let world = world(&["v1.11.0"], &[ListSource::Factory]).await;
    let state = world.dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("versions-factory.json"), "{\"base\": 1").unwrap();
    world
        .stub
        .inject("/versions", StubFault::status(404, "gone"));
    assert!(matches!(
        world.client().versions().await,
        VersionKnowledge::Unknown { .. }
    ));
    known(world.client().versions().await);
    let kept = "versions-factory.json.set-aside-1";
    assert_eq!(files_in(&state), ["versions-factory.json", kept]);
    let text = std::fs::read_to_string(state.join(kept)).unwrap();
    assert_eq!(text, "{\"base\": 1");
}

#[tokio::test]
async fn a_memory_that_cannot_be_written_costs_nothing_now() {
    let world = world(&["v1.11.0"], &[ListSource::Factory]).await;
    std::fs::write(world.dir.path().join("state"), "a file is in the way").unwrap();
    let (versions, ..) = known(world.client().versions().await);
    assert_eq!(versions, ["v1.11.0"]);
}
