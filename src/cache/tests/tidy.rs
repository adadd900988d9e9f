//! Looking, sweeping, removing, noting what is wanted.

use super::*;

#[tokio::test]
async fn looking_changes_nothing_and_foreign_things_stay() {
    let scene = scene();
    assert_eq!(scene.cache.observe().unwrap().files, BTreeMap::new());
    assert!(!scene.cache.dir().exists(), "a look made the directory");

    fs::create_dir_all(scene.cache.dir().join("subdirectory")).unwrap();
    for foreign in ["a.raw", "b.iso.sha256", ".b.iso.meta.json", ".hidden"] {
        fs::write(scene.cache.dir().join(foreign), "mine").unwrap();
    }
    let state = scene.cache.observe().unwrap();
    assert_eq!(
        state.foreign.iter().collect::<Vec<_>>(),
        [".b.iso.meta.json", ".hidden", "a.raw", "b.iso.sha256"]
    );
    let error = fetch(&scene, receive()).await.unwrap_err();
    assert!(matches!(error, CacheError::Foreign { .. }), "{error}");
    assert!(scene.cache.remove(&name("a.raw")).is_err());
    scene.cache.remove(&name("b.iso")).unwrap();
    scene.cache.sweep(&BTreeSet::new()).unwrap();
    assert_eq!(scene.cache.observe().unwrap().foreign, state.foreign);
}

#[tokio::test]
async fn sweeping_keeps_only_what_can_be_taken_up() {
    let scene = scene();
    let mut incoming = scene.cache.receive(receive()).await.unwrap();
    let validator = Validator {
        value: "\"etag\"".into(),
        total: None,
    };
    incoming.expect(None, Some(validator)).await.unwrap();
    incoming
        .write(scene.xz[..5000].to_vec().into())
        .await
        .unwrap();
    incoming.expect(None, None).await.unwrap();
    drop(incoming);
    // The thread behind it lets go of the file when it is done.
    let part = scene.cache.dir().join(".a.raw.xz.part");
    fs::File::open(&part).unwrap().lock().unwrap();
    for left in [
        ".b.raw.part",
        ".c.raw.xz.part.json",
        "..a.raw.meta.json.tmp-x",
    ] {
        fs::write(scene.cache.dir().join(left), "left over").unwrap();
    }
    assert!(scene.cache.sweep(&BTreeSet::new()).unwrap() > 0);
    assert_eq!(
        names(&scene.cache),
        [".a.raw.xz.part", ".a.raw.xz.part.json"]
    );
    assert!(scene.cache.remove(&name("a.raw.xz")).unwrap() > 0);
    assert_eq!(names(&scene.cache), [""; 0]);
}

#[tokio::test]
async fn removing_takes_everything_beside_a_file_too() {
    let scene = scene();
    fetch(&scene, receive()).await.unwrap();
    let freed = scene.cache.remove(&name("a.raw")).unwrap();
    assert!(
        (100_000..scene.raw.len() as u64).contains(&freed),
        "{freed}"
    );
    scene.cache.remove(&name("a.raw.xz")).unwrap();
    assert_eq!(names(&scene.cache), [""; 0]);
    assert_eq!(scene.cache.remove(&name("a.raw")).unwrap(), 0);
}

#[tokio::test]
async fn what_is_wanted_is_noted_once_an_hour() {
    let scene = scene();
    fetch(&scene, receive()).await.unwrap();
    let files = [name("a.raw"), name("absent.iso")];
    let noted = |minutes: i64| {
        let now = noon() + SignedDuration::from_mins(minutes);
        let seen = scene.cache.observe().unwrap();
        scene.cache.mark_wanted(&files, &seen, now).unwrap();
        let meta = scene.cache.load(&files[0]).unwrap().unwrap();
        meta.last_wanted.duration_since(noon()).as_mins()
    };
    let minutes: Vec<i64> = [59, 60, 61, 90, 122].into_iter().map(noted).collect();
    assert_eq!(minutes, [0, 0, 61, 61, 122]);
    assert!(scene.cache.observe().unwrap().files[&files[0]].untouched);
}

#[tokio::test]
async fn a_note_of_a_time_that_lies_ahead_counts_as_one_of_now() {
    let scene = scene();
    fetch(&scene, receive()).await.unwrap();
    let year = SignedDuration::from_hours(365 * 24);
    let noted = |now: Timestamp, wanted: &[FileName]| {
        let seen = scene.cache.observe().unwrap();
        scene.cache.mark_wanted(wanted, &seen, now).unwrap();
        ["a.raw", "a.raw.xz"].map(|file| scene.cache.load(&name(file)).unwrap().unwrap())
    };
    let (now, files) = (noon(), [name("a.raw"), name("a.raw.xz")]);
    assert!(
        noted(now + year, &files)
            .iter()
            .all(|meta| meta.last_wanted == now + year)
    );
    // The clock is set right, and one of them is not wanted any more.
    let later = now + SignedDuration::from_secs(1);
    assert!(
        noted(later, &files[..1])
            .iter()
            .all(|meta| meta.last_wanted == later)
    );
    let before = noted(later, &[]);
    let corrected = later - SignedDuration::from_secs(30);
    assert_eq!(
        noted(corrected, &files),
        before,
        "a correction writes nothing"
    );
}

#[tokio::test]
async fn the_lock_is_not_part_of_the_state() {
    let scene = scene();
    let lock = scene.cache.lock(Duration::ZERO).await.unwrap();
    let error = scene.cache.lock(Duration::ZERO).await.unwrap_err();
    assert!(error.is_transient() && error.hint().is_some());
    assert!(scene.cache.observe().unwrap().foreign.is_empty());
    drop(lock);
    scene.cache.lock(Duration::ZERO).await.unwrap();
    assert!(scene.dir.path().exists());
}
