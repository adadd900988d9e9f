//! Who downloads, who waits, and for how long. Time is paused: only waiting takes any.

use tokio::time::{Instant, sleep, timeout};

use super::*;

/// How long a claim stands, and how much longer it is left alone.
const ABANDONED: Duration = Duration::from_secs(75);

/// Between two looks at a claim, at most.
const POLL: Duration = Duration::from_secs(5);

/// A request of a controller at which some bytes arrive every minute.
fn moving() -> ImageRequest {
    let request = request();
    let meter = Arc::downgrade(&request.meter);
    tokio::spawn(async move {
        while let Some(meter) = meter.upgrade() {
            meter.add(1000);
            drop(meter);
            sleep(Duration::from_secs(60)).await;
        }
    });
    request
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_gets_what_the_first_one_shares() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    let turn = at_factory(left.locate(&moving(), None).await);
    let asked = request();
    let meter = Arc::clone(&asked.meter);
    let waiting = tokio::spawn(async move { (stored(right.locate(&asked, None).await), right) });
    // Far longer than a claim stands: it is renewed.
    sleep(Duration::from_secs(3000)).await;
    assert!(!waiting.is_finished());
    assert_eq!(meter.waits_for(), Some("another controller downloads it"));
    left.share(turn, place.downloaded(None));
    let (image, right) = timeout(POLL + SECOND, waiting).await.unwrap().unwrap();
    assert_eq!((image.sha256, meter.waits_for()), (place.sha256(), None));
    assert_eq!(right.inner().asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_hours_is_not_waited_for_any_longer() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    let _turn = at_factory(left.locate(&moving(), None).await);
    let begun = Instant::now();
    at_factory(right.locate(&request(), None).await);
    let waited = begun.elapsed();
    let hour = Duration::from_secs(3600);
    assert!((hour..hour + 2 * ABANDONED).contains(&waited), "{waited:?}");
}

/// It lives, and its claim is renewed all the time.
#[tokio::test(start_paused = true)]
async fn a_download_that_makes_no_progress_is_taken_over() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    let third = place.controller("third");
    let hanging = request();
    let turn = at_factory(left.locate(&hanging, None).await);
    hanging.meter.add(1000);
    let begun = Instant::now();
    // One that comes later, so that it is not the one that takes over.
    let waiting = tokio::spawn(async move {
        sleep(Duration::from_secs(100)).await;
        stored(third.locate(&request(), None).await)
    });
    let taken_over = at_factory(right.locate(&request(), None).await);
    let waited = begun.elapsed();
    let patience = Duration::from_secs(300);
    // The renewal that told of the last byte came some seconds later.
    let expected = patience..patience + Duration::from_secs(20) + 2 * POLL;
    assert!(expected.contains(&waited), "{waited:?}");
    // The others wait for the new one. What hung ends, and that is no end of its download.
    sleep(Duration::from_secs(100)).await;
    drop(turn);
    settle(&left).await;
    assert_eq!(keys(&place, "v1/claims").await.len(), 1);
    assert!(!waiting.is_finished());
    right.share(taken_over, place.downloaded(None));
    timeout(POLL + SECOND, waiting).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_may_take_as_long_as_the_factory_builds() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    let _turn = at_factory(left.locate(&request(), None).await);
    let begun = Instant::now();
    at_factory(right.locate(&request(), None).await);
    let waited = begun.elapsed();
    let building = Duration::from_secs(900);
    assert!(
        (building..building + 2 * POLL).contains(&waited),
        "{waited:?}"
    );
}

/// Parts of an upload are large, and it ends by itself where nothing moves.
#[tokio::test(start_paused = true)]
async fn a_claim_says_how_much_arrived_until_the_image_is_shared() {
    let place = Place::new();
    let left = place.controller("left");
    let asked = request();
    let turn = at_factory(left.locate(&asked, None).await);
    let downloaded = async |after| {
        sleep(Duration::from_secs(after)).await;
        let key = keys(&place, "v1/claims").await[0].parse().unwrap();
        let claim = place.store.bucket().get(&key).await.unwrap().unwrap();
        let claim: serde_json::Value = serde_json::from_slice(&claim.bytes).unwrap();
        claim["downloaded"].as_u64()
    };
    assert_eq!(downloaded(25).await, Some(0));
    asked.meter.add(3_000_000);
    assert_eq!(downloaded(20).await, Some(3_000_000));
    place.store.inject("put", "v1/blobs", StoreFault::Hangs, 1);
    place
        .store
        .inject("parts", "v1/blobs", StoreFault::Hangs, 1);
    left.share(turn, place.downloaded(None));
    assert_eq!(downloaded(18).await, None);
}

/// Where nobody can share the image, they do not download it one after another.
#[tokio::test(start_paused = true)]
async fn whoever_has_waited_in_vain_twice_downloads_it_itself() {
    let place = Place::new();
    let begun = Instant::now();
    let controllers = (0..5).map(|number| {
        let controller = place.controller(&number.to_string());
        async move {
            let turn = at_factory(controller.locate(&moving(), None).await);
            sleep(Duration::from_secs(1000)).await;
            drop(turn);
            settle(&controller).await;
        }
    });
    futures_util::future::join_all(controllers).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn of_many_at_once_one_downloads() {
    let place = Place::new();
    let downloads = Arc::new(AtomicUsize::new(0));
    let controllers = (0..8).map(|number| {
        let controller = place.controller(&number.to_string());
        let (image, downloads) = (place.downloaded(None), Arc::clone(&downloads));
        async move {
            if let Located::Factory(turn) = controller.locate(&request(), None).await {
                downloads.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(200)).await;
                controller.share(turn, image);
            }
            settle(&controller).await;
        }
    });
    futures_util::future::join_all(controllers).await;
    assert_eq!(downloads.load(Ordering::Relaxed), 1);
    assert_eq!(keys(&place, "v1/claims").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_download_that_fails_lets_the_next_one_try_at_once() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    let turn = at_factory(left.locate(&request(), None).await);
    let waiting = tokio::spawn(async move { at_factory(right.locate(&request(), None).await) });
    sleep(SECOND).await;
    drop(turn);
    timeout(POLL + SECOND, waiting).await.unwrap().unwrap();
}

/// A controller that has stopped, as after `kill -9`: nothing it sends arrives.
fn stops(store: &DisturbedStore) {
    for verb in ["get", "put", "delete"] {
        store.inject(verb, "v1/", StoreFault::Hangs, usize::MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_gone_is_taken_over_and_no_earlier() {
    let place = Place::new();
    let own = place.store.apart();
    let left = place.controller_with("left", &own, ImageTrust::default());
    let right = place.controller("right");
    let turn = at_factory(left.locate(&request(), None).await);
    sleep(Duration::from_secs(300)).await;
    stops(&own);
    let since = Instant::now();
    let taken_over = at_factory(right.locate(&request(), None).await);
    let took = since.elapsed();
    // It was renewed up to twenty seconds before.
    assert!(took >= ABANDONED - Duration::from_secs(20), "{took:?}");
    assert!(took <= ABANDONED + POLL * 2, "{took:?}");
    // What was gone comes back, and leaves the claim of the other one alone.
    own.recover();
    sleep(Duration::from_secs(100)).await;
    drop(turn);
    settle(&left).await;
    assert_eq!(keys(&place, "v1/claims").await.len(), 1);
    drop(taken_over);
}

/// It has not learned yet that another one took over.
#[tokio::test(start_paused = true)]
async fn a_claim_that_was_taken_over_is_not_removed() {
    let place = Place::new();
    let own = place.store.apart();
    let left = place.controller_with("left", &own, ImageTrust::default());
    let right = place.controller("right");
    let turn = at_factory(left.locate(&request(), None).await);
    stops(&own);
    let taken_over = at_factory(right.locate(&request(), None).await);
    own.recover();
    own.asked();
    drop(turn);
    settle(&left).await;
    let asked = own.asked();
    assert!(!asked.is_empty(), "it tried");
    assert_eq!(keys(&place, "v1/claims").await.len(), 1, "{asked:?}");
    drop(taken_over);
    settle(&right).await;
    assert_eq!(keys(&place, "v1/claims").await.len(), 0);
}

/// The claim is there once more than its holder knows: an answer was lost.
#[tokio::test(start_paused = true)]
async fn a_claim_is_removed_also_where_an_answer_was_lost() {
    for verb in ["put", "delete"] {
        let place = Place::new();
        let left = place.controller("left");
        let turn = at_factory(left.locate(&request(), None).await);
        let lost = StoreFault::LosesAnswer;
        place.store.inject(verb, "v1/claims", lost, 1);
        drop(turn);
        settle(&left).await;
        assert_eq!(keys(&place, "v1/claims").await.len(), 0, "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_nobody_can_read_expires_as_well() {
    let place = Place::new();
    let right = place.controller("right");
    drop(at_factory(right.locate(&request(), None).await));
    let claim = place.store.asked();
    let claim = claim.iter().find_map(|line| line.strip_prefix("put "));
    let key = claim.unwrap().parse().unwrap();
    settle(&right).await;
    let bucket = place.store.bucket();
    let odd = bucket.put(&key, "{", crate::bucket::WriteCondition::Always);
    odd.await.unwrap();
    let since = Instant::now();
    at_factory(right.locate(&request(), None).await);
    assert!(since.elapsed() <= Duration::from_secs(800));
}
