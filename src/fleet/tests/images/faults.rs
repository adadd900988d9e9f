//! A store that is down, slow, wrong or full.

use tokio::time::{Instant, sleep};

use super::*;
use crate::upstream::RefusedImage;

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_costs_no_more_than_its_patience() {
    for fault in [StoreFault::Fails, StoreFault::Hangs] {
        let place = Place::new();
        let left = place.controller("left");
        place.store.inject("get", "v1/", fault, usize::MAX);
        place.store.inject("put", "v1/", fault, usize::MAX);
        let since = Instant::now();
        let wanted = vec![(request().artifact, request().url)];
        assert!(left.stored(wanted).await.is_empty());
        assert!(since.elapsed() <= Duration::from_secs(5), "{fault:?}");
        let since = Instant::now();
        let turn = at_factory(left.locate(&request(), None).await);
        left.share(turn, place.downloaded(None));
        settle(&left).await;
        assert!(since.elapsed() <= Duration::from_secs(60), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_the_store_goes_down_asks_the_factory_at_last() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    let turn = at_factory(left.locate(&request(), None).await);
    let waiting = tokio::spawn(async move { at_factory(right.locate(&request(), None).await) });
    sleep(Duration::from_secs(100)).await;
    place
        .store
        .inject("get", "v1/", StoreFault::Fails, usize::MAX);
    let since = Instant::now();
    waiting.await.unwrap();
    let took = since.elapsed();
    let outage = Duration::from_secs(60);
    assert!(
        took >= outage && took <= outage * 2 + SECOND * 10,
        "{took:?}"
    );
    drop(turn);
}

/// An outage that others do not see either is no reason to take over.
#[tokio::test(start_paused = true)]
async fn a_claim_is_not_taken_over_for_an_outage() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    let turn = at_factory(left.locate(&request(), None).await);
    let waiting = tokio::spawn(async move { stored(right.locate(&request(), None).await) });
    sleep(Duration::from_secs(61)).await;
    for verb in ["get", "put"] {
        place
            .store
            .inject(verb, "v1/", StoreFault::Fails, usize::MAX);
    }
    sleep(Duration::from_secs(50)).await;
    place.store.recover();
    sleep(Duration::from_secs(600)).await;
    left.share(turn, place.downloaded(None));
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_loses_no_claim() {
    let place = Place::new();
    let left = place.controller("left");
    place
        .store
        .inject("put", "v1/claims", StoreFault::LosesAnswer, 1);
    let turn = at_factory(left.locate(&request(), None).await);
    place
        .store
        .inject("put", "v1/claims", StoreFault::LosesAnswer, 3);
    sleep(Duration::from_secs(300)).await;
    place.store.asked();
    left.share(turn, place.downloaded(None));
    settle(&left).await;
    let asked = place.store.asked();
    let removed = asked
        .iter()
        .any(|line| line.starts_with("delete v1/claims"));
    assert!(removed, "{asked:?}");
}

#[tokio::test]
async fn what_breaks_off_is_continued() {
    let place = Place::new();
    let left = place.controller("left");
    place.share(&left).await;
    let image = stored(left.locate(&request(), None).await);
    place
        .store
        .inject("get", "v1/blobs", StoreFault::Cuts(2_000_000), 1);
    let mut sink = Kept::default();
    let wire_bytes = left.download_stored(&image, &mut sink).await.unwrap();
    assert!(sink.bytes == place.bytes);
    assert_eq!((wire_bytes, sink.restarts), (place.bytes.len() as u64, 0));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_off_again_and_again_is_given_up() {
    let place = Place::new();
    let left = place.controller("left");
    place.share(&left).await;
    let image = stored(left.locate(&request(), None).await);
    place
        .store
        .inject("get", "v1/blobs", StoreFault::Cuts(1000), usize::MAX);
    let mut sink = Kept::default();
    let refusal = left.download_stored(&image, &mut sink).await.unwrap_err();
    assert!(
        matches!(refusal, StoreRefusal::Unreadable(_)),
        "{refusal:?}"
    );
    // It may be fine for the next one, so nobody has to download it for the store.
    let refused = RefusedImage {
        image,
        why: refusal,
    };
    let turn = at_factory(left.locate(&request(), Some(refused)).await);
    drop(turn);
    stored(left.locate(&request(), None).await);
}

#[tokio::test]
async fn a_blob_that_is_wrong_or_gone_is_replaced_by_whoever_finds_it() {
    for is_gone in [false, true] {
        let place = Place::new();
        let (left, right) = (place.controller("left"), place.controller("right"));
        place.share(&left).await;
        let blob = keys(&place, "v1/blobs").await.remove(0).parse().unwrap();
        let bucket = place.store.bucket();
        let refused = if is_gone {
            bucket.remove(&blob).await.unwrap();
            let image = stored(right.locate(&request(), None).await);
            let mut sink = Kept::default();
            let why = right.download_stored(&image, &mut sink).await.unwrap_err();
            RefusedImage { image, why }
        } else {
            place
                .store
                .inject("get", "v1/blobs", StoreFault::Changes(7), 1);
            let image = stored(right.locate(&request(), None).await);
            let mut sink = Kept::default();
            right.download_stored(&image, &mut sink).await.unwrap();
            assert!(sink.bytes != place.bytes);
            let why = StoreRefusal::Wrong("another digest".to_owned());
            RefusedImage { image, why }
        };
        assert!(matches!(refused.why, StoreRefusal::Wrong(_)), "{refused:?}");
        let turn = at_factory(right.locate(&request(), Some(refused)).await);
        place.store.asked();
        right.share(turn, place.downloaded(None));
        settle(&right).await;
        let asked = place.store.asked();
        let uploaded = asked.iter().any(|line| line.starts_with("parts v1/blobs"));
        assert!(uploaded, "{asked:?}");
        let image = stored(left.locate(&request(), None).await);
        let mut sink = Kept::default();
        left.download_stored(&image, &mut sink).await.unwrap();
        assert!(sink.bytes == place.bytes);
    }
}

#[tokio::test]
async fn an_entry_of_somebody_without_the_key_is_ignored_and_replaced() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    place.share(&left).await;
    let index = keys(&place, "v1/index").await.remove(0).parse().unwrap();
    let forged = format!(
        "{{\"format\":1,\"size\":1,\"sha256\":\"{}\",\"mac\":\"{}\"}}",
        "00".repeat(32),
        "00".repeat(32)
    );
    let bucket = place.store.bucket();
    let forged = bucket.put(&index, forged, crate::bucket::WriteCondition::Always);
    forged.await.unwrap();
    place.share(&right).await;
    stored(left.locate(&request(), None).await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_keeps_nobody_waiting() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    for (verb, key) in [("parts", "v1/blobs"), ("put", "v1/index")] {
        place.store.inject(verb, key, StoreFault::Fails, usize::MAX);
    }
    place.share(&left).await;
    assert_eq!(keys(&place, "v1/claims").await, Vec::<String>::new());
    let since = Instant::now();
    drop(at_factory(right.locate(&request(), None).await));
    assert!(since.elapsed() < SECOND);
}

/// A server without conditions is of use to those who come later.
#[tokio::test]
async fn a_store_that_refuses_conditions_shares_images() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    for (key, times) in [("v1/format", 1), ("v1/claims", usize::MAX), ("v1/index", 1)] {
        place.store.inject("put", key, StoreFault::Fails, times);
    }
    place.share(&left).await;
    stored(right.locate(&request(), None).await);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stalls_or_is_cancelled_ends() {
    let place = Place::new();
    let left = place.controller("left");
    place
        .store
        .inject("parts", "v1/blobs", StoreFault::Hangs, 2);
    let since = Instant::now();
    place.share(&left).await;
    assert!(since.elapsed() <= Duration::from_secs(200));
    let turn = at_factory(left.locate(&request(), None).await);
    left.share(turn, place.downloaded(None));
    sleep(SECOND).await;
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let since = Instant::now();
    left.settle(&cancelled).await;
    assert!(since.elapsed() <= SECOND * 5);
    assert_eq!(keys(&place, "v1/claims").await, Vec::<String>::new());
    // What comes later is shared as usual.
    place.store.recover();
    place.share(&left).await;
    stored(left.locate(&request(), None).await);
}

#[tokio::test]
async fn a_store_of_a_later_layout_is_left_alone() {
    let place = Place::new();
    let left = place.controller("left");
    let bucket = place.store.bucket();
    let key = "v1/format.json".parse().unwrap();
    let later = "{\"format\":2,\"fleet\":\"x\"}";
    let put = bucket.put(&key, later, crate::bucket::WriteCondition::Always);
    put.await.unwrap();
    place.share(&left).await;
    assert_eq!(keys(&place, "v1").await, ["v1/format.json"]);
}
