//! What one controller shares and another one uses.

use super::*;

#[tokio::test]
async fn an_image_is_downloaded_once_and_read_by_others() {
    let place = Place::new();
    let (left, right) = (place.controller("left"), place.controller("right"));
    place.share(&left).await;
    assert_eq!(keys(&place, "v1/claims").await, Vec::<String>::new());
    let wanted = vec![(request().artifact, request().url)];
    let sizes = right.stored(wanted).await;
    assert_eq!(sizes[&request().artifact], place.bytes.len() as u64);
    let image = stored(right.locate(&request(), None).await);
    assert_eq!(image.sha256, place.sha256());
    assert!(!image.is_vouched);
    let mut sink = Kept::default();
    let wire_bytes = right.download_stored(&image, &mut sink).await.unwrap();
    assert!(sink.bytes == place.bytes);
    assert_eq!(wire_bytes, place.bytes.len() as u64);
    // Another factory may build something else.
    let other = ImageRequest {
        url: request().url.replace("factory.", "other."),
        ..request()
    };
    at_factory(right.locate(&other, None).await);
}

#[tokio::test]
async fn what_a_sink_holds_of_the_same_image_is_not_read_again() {
    let place = Place::new();
    let left = place.controller("left");
    place.share(&left).await;
    let image = stored(left.locate(&request(), None).await);
    let own = Validator {
        value: format!("sha256:{}", image.sha256),
        total: Some(image.size),
    };
    let with = |value: &str| Validator {
        value: value.to_owned(),
        ..own.clone()
    };
    let all = place.bytes.len();
    for (held, validator, wire_bytes, restarts) in [
        (1_000_000, own.clone(), all - 1_000_000, 0),
        (all, own.clone(), 0, 0),
        // It may be of anything.
        (1_000_000, with("\"an entity tag\""), all, 1),
    ] {
        let mut sink = Kept {
            bytes: place.bytes[..held].to_vec(),
            validator: Some(validator),
            restarts: 0,
        };
        let wire = left.download_stored(&image, &mut sink).await.unwrap();
        assert!(sink.bytes == place.bytes);
        assert_eq!((wire, sink.restarts), (wire_bytes as u64, restarts));
    }
}

#[tokio::test]
async fn an_entry_serves_nobody_who_demands_more_of_the_factory() {
    let place = Place::new();
    place.share(&place.controller("left")).await;
    let strict = |vouched| {
        let right = place.controller_with("right", &place.store, ImageTrust::Checksum);
        *right.inner().vouched.lock().unwrap() = vouched;
        right
    };
    let agrees = strict(Some(place.sha256()));
    assert!(stored(agrees.locate(&request(), None).await).is_vouched);
    assert_eq!(agrees.inner().asked.load(Ordering::Relaxed), 1);
    let silent = strict(None);
    drop(at_factory(silent.locate(&request(), None).await));
    settle(&silent).await;
    // The factory has built it anew.
    let differs = strict(Some(Sha256::from_bytes([9; 32])));
    drop(at_factory(differs.locate(&request(), None).await));
    settle(&differs).await;
    // What was checked once for the fleet is not checked again.
    let turn = at_factory(differs.locate(&request(), None).await);
    differs.share(turn, place.downloaded(Some(place.sha256())));
    settle(&differs).await;
    let third = strict(None);
    assert!(stored(third.locate(&request(), None).await).is_vouched);
    assert_eq!(third.inner().asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_image_that_the_order_does_not_want_comes_from_the_factory() {
    let place = Place::new();
    let left = place.controller("left");
    place.share(&left).await;
    let pinned = |digest| ImageRequest {
        pinned: Some(digest),
        ..request()
    };
    stored(left.locate(&pinned(place.sha256()), None).await);
    at_factory(
        left.locate(&pinned(Sha256::from_bytes([9; 32])), None)
            .await,
    );
}

#[tokio::test]
async fn without_a_store_nothing_is_shared() {
    let place = Place::new();
    let single = FleetUpstream::new(CountingFactory::default(), None);
    let turn = at_factory(single.locate(&request(), None).await);
    single.share(turn, place.downloaded(None));
    settle(&single).await;
    assert!(place.store.asked().is_empty());
}
