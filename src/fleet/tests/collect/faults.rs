//! A store that fails, answers wrongly or was restored, and others who do the same.

use futures_util::FutureExt;

use super::*;
use crate::fleet::tests::disturbed::StoreFault;

/// A store in which `a` is due at the next look.
async fn due() -> Lab {
    let mut lab = Lab::new().await.brno(report(&["b"]));
    lab.share("a", "a").await;
    lab.share("b", "b").await;
    for _ in 0..7 {
        lab.collect_after(DAY).await.unwrap();
    }
    lab.store.advance(DAY);
    lab.store.asked();
    lab
}

/// What was changed since the last time.
fn changes(lab: &Lab) -> Vec<String> {
    let asked = lab.store.asked().into_iter();
    let changes = asked.filter(|one| one.starts_with("put") || one.starts_with("delete"));
    changes.collect()
}

#[tokio::test]
async fn a_request_that_fails_ends_it_until_the_next_time() {
    let everything = all(&[index("a"), blob("a"), index("b"), blob("b")]);
    for (verb, key) in [
        ("list", "v1/leaders"),
        ("list", "v1/sites"),
        ("list", "v1/index"),
        ("list", "v1/blobs"),
        ("list", "v1/claims"),
        ("get", "v1/unwanted"),
        ("put", "v1/unwanted"),
        ("get", "v1/index"),
        ("delete", "v1/index"),
    ] {
        let mut lab = due().await;
        lab.store.inject(verb, key, StoreFault::Fails, 1);
        let error = lab.collect().await.unwrap_err();
        assert!(matches!(error, CollectError::Bucket(_)), "{verb} {key}");
        assert_eq!(lab.there().await, everything, "{verb} {key}");
        lab.collect().await.unwrap();
        assert!(!lab.there().await.contains(&index("a")), "{verb} {key}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_harm() {
    for (verb, key) in [("put", "v1/unwanted"), ("delete", "v1/index")] {
        let mut lab = due().await;
        lab.store.inject(verb, key, StoreFault::LosesAnswer, 1);
        lab.collect().await.unwrap_err();
        lab.collect().await.unwrap();
        let left = all(&[blob("a"), index("b"), blob("b")]);
        assert_eq!(lab.there().await, left, "{verb}");
    }
}

#[tokio::test]
async fn without_a_leadership_nothing_is_changed() {
    let mut lab = due().await;
    let wants = lab.wants().unwrap();
    let led = [site("ostrava")].into();
    let error = lab
        .collector
        .collect(&wants, &led, || true)
        .await
        .unwrap_err();
    assert!(matches!(error, CollectError::NotLeading));
    assert_eq!(changes(&lab), Vec::<String>::new());
    // It ends after the look.
    let error = lab.collect_while(|| false).await.unwrap_err();
    assert!(matches!(error, CollectError::NotLeading));
    assert_eq!(changes(&lab), ["put v1/unwanted.json"]);
}

#[tokio::test]
async fn of_two_that_collect_one_stops() {
    let lab = due().await;
    let wants = lab.wants().unwrap();
    let led = [site("prague")].into();
    let collector = || StoreCollector::new(lab.store.bucket(), KEEP, lab.tally.clone());
    let (mut first, mut second) = (collector(), collector());
    lab.put("v1/leaders/prague.json", "{}").await;
    // The first has read the record, and reads entries, while the second does all.
    lab.store.inject("get", "v1/index", StoreFault::Waits, 1);
    let (first, second) = tokio::join!(
        first.collect(&wants, &led, || true),
        second.collect(&wants, &led, || true)
    );
    assert!(matches!(first, Err(CollectError::Another)), "{first:?}");
    assert_eq!(second.unwrap().images, 1);
}

#[tokio::test]
async fn an_entry_that_was_written_meanwhile_stays() {
    let mut lab = due().await;
    let store = lab.store.apart();
    let key: ObjectKey = index("a").parse().unwrap();
    let again = || {
        let bucket = store.bucket();
        let put = bucket.put(&key, "{\"sha256\":\"new\"}", WriteCondition::Always);
        put.now_or_never().unwrap().unwrap();
        true
    };
    lab.collect_while(again).await.unwrap();
    assert!(lab.there().await.contains(&index("a")));
}

#[tokio::test]
async fn a_list_that_lacks_entries_costs_no_bytes() {
    let mut lab = Lab::new().await.brno(report(&["a", "b"]));
    lab.share("a", "a").await;
    lab.share("b", "b").await;
    lab.collect_after(DAY).await.unwrap();
    // Whoever has seen the entries asks for them.
    for _ in 0..5 {
        lab.store.inject("list", "v1/index", StoreFault::Cuts(1), 1);
        let error = lab.collect_after(DAY).await.unwrap_err();
        assert!(matches!(error, CollectError::Cut(_)), "{error}");
    }
    // Whoever has not sees them before the time is over.
    lab.collector = StoreCollector::new(lab.store.bucket(), KEEP, lab.tally.clone());
    lab.store.inject("list", "v1/index", StoreFault::Cuts(1), 1);
    lab.collect_after(HOUR).await.unwrap();
    lab.collect_after(DAY).await.unwrap();
    lab.collect_after(DAY).await.unwrap();
    let everything = all(&[index("a"), blob("a"), index("b"), blob("b")]);
    assert_eq!(lab.there().await, everything);
    // The same for a site that was there.
    lab.put("v1/leaders/plzen.json", "{}").await;
    lab.collect().await.unwrap_err();
    lab.reports("plzen", report(&[]));
    lab.collect().await.unwrap();
    lab.view.sites.remove(&site("plzen"));
    lab.store
        .inject("list", "v1/leaders", StoreFault::Cuts(2), 1);
    let error = lab.collect().await.unwrap_err();
    assert!(
        matches!(error, CollectError::Cut(_) | CollectError::NotLeading),
        "{error}"
    );
}

/// A record from before the image was last wanted says nothing of the time after.
#[tokio::test]
async fn a_store_that_was_restored_starts_over() {
    let mut lab = due().await;
    let bucket = lab.store.apart().bucket();
    let key = "v1/unwanted.json".parse().unwrap();
    let backup = bucket.get(&key).await.unwrap().unwrap();
    lab = lab.brno(report(&["a", "b"]));
    for _ in 0..30 {
        lab.collect_after(DAY).await.unwrap();
    }
    let restored = bucket.put(&key, backup.bytes, WriteCondition::Always);
    restored.await.unwrap();
    lab = lab.brno(report(&["b"]));
    lab.collect_after(HOUR).await.unwrap();
    assert!(lab.there().await.contains(&index("a")));
    // The same for a record that cannot be read.
    let broken = bucket.put(&key, "{", WriteCondition::Always);
    broken.await.unwrap();
    lab.collect_after(HOUR).await.unwrap();
    assert!(lab.there().await.contains(&index("a")));
}

/// Which bytes it names is not known, so all of them stay.
#[tokio::test]
async fn an_entry_that_cannot_be_understood_keeps_all_bytes() {
    let mut lab = Lab::new().await.brno(report(&["a"]));
    lab.put(&index("a"), "{\"format\":2}").await;
    lab.put(&blob("of nobody"), "of nobody").await;
    for _ in 0..20 {
        lab.collect_after(DAY).await.unwrap();
    }
    assert_eq!(lab.there().await, all(&[index("a"), blob("of nobody")]));
    lab.share("a", "a").await;
    lab.collect_after(DAY).await.unwrap();
    lab.collect_after(DAY).await.unwrap();
    assert_eq!(lab.there().await, all(&[index("a"), blob("a")]));
}

#[tokio::test]
async fn there_is_little_to_ask_where_nothing_changes() {
    let mut lab = Lab::new().await.brno(report(&["a", "b", "c"]));
    for image in ["a", "b", "c"] {
        lab.share(image, image).await;
    }
    lab.collect().await.unwrap();
    lab.store.asked();
    lab.collect_after(HOUR).await.unwrap();
    let mut asked = lab.store.asked();
    asked.sort();
    let expected = [
        "get v1/unwanted.json",
        "list v1/blobs",
        "list v1/claims",
        "list v1/index",
        "list v1/leaders",
        "list v1/sites",
        "put v1/unwanted.json",
    ];
    assert_eq!(asked, expected);
}
