//! What a bucket does, whatever it is in: each case runs on every server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use futures_util::stream::{self, StreamExt};
use talos_order::bucket::{
    Bucket, BucketError, ObjectKey, ObjectTag, ObjectWritten, WriteCondition,
};

/// A case, and its name.
pub type Case = (&'static str, fn(Bucket) -> BoxFuture<'static, ()>);

/// All of them. Each has a bucket, or a prefix, of its own.
pub const CASES: [Case; 9] = [
    ("read", |bucket| what_is_written_is_read(bucket).boxed()),
    ("absent", |bucket| what_is_not_there_is_none(bucket).boxed()),
    ("create", |bucket| an_object_is_created_once(bucket).boxed()),
    ("swap", |bucket| {
        what_is_unchanged_is_replaced(bucket).boxed()
    }),
    ("race", |bucket| of_several_writers_one_wins(bucket).boxed()),
    ("offset", |bucket| {
        it_is_read_from_any_offset(bucket).boxed()
    }),
    ("upload", |bucket| {
        a_large_file_arrives_in_parts(bucket).boxed()
    }),
    ("list", |bucket| {
        a_list_has_what_is_behind_its_prefix(bucket).boxed()
    }),
    ("remove", |bucket| what_is_removed_is_gone(bucket).boxed()),
];

pub fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

pub fn done(written: ObjectWritten) -> ObjectTag {
    match written {
        ObjectWritten::Done(tag) => tag,
        ObjectWritten::Refused => panic!("it was refused"),
    }
}

pub async fn put(bucket: &Bucket, name: &str, bytes: &'static str) -> ObjectTag {
    let written = bucket.put(&key(name), bytes, WriteCondition::Always).await;
    done(written.unwrap())
}

pub async fn text(bucket: &Bucket, name: &str) -> Option<String> {
    let found = bucket.get(&key(name)).await.unwrap();
    found.map(|found| String::from_utf8(found.bytes.to_vec()).unwrap())
}

async fn bytes(bucket: &Bucket, name: &str, from: u64) -> (u64, Vec<u8>) {
    let reading = bucket.read(&key(name), from).await.unwrap().unwrap();
    let pieces: Vec<_> = reading.pieces.try_collect().await.unwrap();
    (reading.size, pieces.concat())
}

async fn what_is_written_is_read(bucket: Bucket) {
    let first = put(&bucket, "v1/a.json", "one").await;
    let found = bucket.get(&key("v1/a.json")).await.unwrap().unwrap();
    assert_eq!((&found.bytes[..], &found.tag), (&b"one"[..], &first));
    let second = put(&bucket, "v1/a.json", "two").await;
    assert_ne!(first, second);
    let found = bucket.get(&key("v1/a.json")).await.unwrap().unwrap();
    assert_eq!((&found.bytes[..], found.tag), (&b"two"[..], second));
    assert_eq!(bucket.size(&key("v1/a.json")).await.unwrap(), Some(3));
    put(&bucket, "v1/empty", "").await;
    assert_eq!(text(&bucket, "v1/empty").await.as_deref(), Some(""));

    // The other objects are read in pieces.
    let large = vec![b'x'; (1 << 20) + 1];
    let written = bucket
        .put(&key("v1/large"), large, WriteCondition::Always)
        .await;
    done(written.unwrap());
    let refused = bucket.get(&key("v1/large")).await.unwrap_err();
    assert!(matches!(refused, BucketError::TooLarge { .. }), "{refused}");
}

async fn what_is_not_there_is_none(bucket: Bucket) {
    assert_eq!(bucket.get(&key("v1/none")).await.unwrap(), None);
    assert_eq!(bucket.size(&key("v1/none")).await.unwrap(), None);
    assert!(bucket.read(&key("v1/none"), 0).await.unwrap().is_none());
    assert!(bucket.read(&key("v1/none"), 7).await.unwrap().is_none());
    assert!(
        bucket
            .list(&"v1/none".parse().unwrap())
            .await
            .unwrap()
            .is_empty()
    );
    bucket.remove(&key("v1/none")).await.unwrap();
}

async fn an_object_is_created_once(bucket: Bucket) {
    let key = key("v1/leaders/prague.json");
    done(
        bucket
            .put(&key, "one", WriteCondition::Absent)
            .await
            .unwrap(),
    );
    for bytes in ["two", "one"] {
        let again = bucket
            .put(&key, bytes, WriteCondition::Absent)
            .await
            .unwrap();
        assert_eq!(again, ObjectWritten::Refused);
    }
    assert_eq!(text(&bucket, key.as_str()).await.as_deref(), Some("one"));
    bucket.remove(&key).await.unwrap();
    done(
        bucket
            .put(&key, "three", WriteCondition::Absent)
            .await
            .unwrap(),
    );
}

async fn what_is_unchanged_is_replaced(bucket: Bucket) {
    let at = key("v1/claims/a.json");
    let first = put(&bucket, at.as_str(), "one").await;
    let unchanged = |tag: &ObjectTag| WriteCondition::Unchanged(tag.clone());
    let second = done(bucket.put(&at, "two", unchanged(&first)).await.unwrap());
    let stale = bucket.put(&at, "three", unchanged(&first)).await.unwrap();
    assert_eq!(stale, ObjectWritten::Refused);
    assert_eq!(text(&bucket, at.as_str()).await.as_deref(), Some("two"));
    done(bucket.put(&at, "four", unchanged(&second)).await.unwrap());
    // What is not there is not unchanged.
    let absent = key("v1/claims/b.json");
    let nothing = bucket
        .put(&absent, "five", unchanged(&second))
        .await
        .unwrap();
    assert_eq!(nothing, ObjectWritten::Refused);
    assert_eq!(text(&bucket, absent.as_str()).await, None);
}

async fn of_several_writers_one_wins(bucket: Bucket) {
    let at = key("v1/claims/race.json");
    let mut condition = WriteCondition::Absent;
    for round in 0..3 {
        let ended = join_all((0..8).map(|writer| {
            let (bucket, at, condition) = (&bucket, &at, condition.clone());
            let bytes = format!("{round} {writer}");
            async move { bucket.put(at, bytes, condition).await.unwrap() }
        }));
        let ended = ended.await;
        let winners: Vec<usize> = (0..8)
            .filter(|&one| ended[one] != ObjectWritten::Refused)
            .collect();
        let [winner] = winners[..] else {
            panic!("{winners:?}");
        };
        let found = bucket.get(&at).await.unwrap().unwrap();
        assert_eq!(found.bytes, format!("{round} {winner}"));
        condition = WriteCondition::Unchanged(found.tag);
    }
}

async fn it_is_read_from_any_offset(bucket: Bucket) {
    put(&bucket, "v1/blobs/x", "0123456789").await;
    for (from, rest) in [
        (0, "0123456789"),
        (1, "123456789"),
        (9, "9"),
        (10, ""),
        (11, ""),
    ] {
        let found = bytes(&bucket, "v1/blobs/x", from).await;
        assert_eq!(found, (10, rest.as_bytes().to_vec()), "from {from}");
    }
}

async fn a_large_file_arrives_in_parts(bucket: Bucket) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image");
    // Two parts, and nothing that repeats within one.
    let content: Vec<u8> = (0..(16 << 20) / 8 + 5_000_u64)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect();
    std::fs::write(&file, &content).unwrap();
    let sent = AtomicU64::new(0);
    let count = |bytes| {
        sent.fetch_add(bytes, Ordering::Relaxed);
    };
    bucket
        .upload(&key("v1/blobs/y"), &file, count)
        .await
        .unwrap();
    assert_eq!(sent.load(Ordering::Relaxed), content.len() as u64);
    assert_eq!(
        bucket.size(&key("v1/blobs/y")).await.unwrap(),
        Some(content.len() as u64)
    );
    let from = (16 << 20) - 3;
    let (size, found) = bytes(&bucket, "v1/blobs/y", from).await;
    assert_eq!(size, content.len() as u64);
    assert!(found == content[usize::try_from(from).unwrap()..]);
    assert!(bytes(&bucket, "v1/blobs/y", 0).await.1 == content);

    std::fs::write(&file, "").unwrap();
    bucket
        .upload(&key("v1/blobs/z"), &file, |_| {})
        .await
        .unwrap();
    assert_eq!(bucket.size(&key("v1/blobs/z")).await.unwrap(), Some(0));
    let missing = dir.path().join("missing");
    let refused = bucket.upload(&key("v1/blobs/w"), &missing, |_| {}).await;
    assert!(
        matches!(refused, Err(BucketError::File { .. })),
        "{refused:?}"
    );
}

/// More than a server gives at once: a thousand.
async fn a_list_has_what_is_behind_its_prefix(bucket: Bucket) {
    put(&bucket, "v1/index.json", "not behind it").await;
    put(&bucket, "v1/indexes/a.json", "nor this").await;
    let names: Vec<String> = (0..1_003)
        .map(|number| format!("v1/index/{number:04}/x.json"))
        .collect();
    let written = stream::iter(&names).for_each_concurrent(16, |name| {
        let bucket = &bucket;
        async move {
            let written = bucket
                .put(&key(name), name.clone(), WriteCondition::Always)
                .await;
            done(written.unwrap());
        }
    });
    written.await;
    let mut listed = bucket.list(&"v1/index".parse().unwrap()).await.unwrap();
    listed.sort_by(|one, other| one.key.cmp(&other.key));
    let found: Vec<&str> = listed.iter().map(|one| one.key.as_str()).collect();
    assert!(found == names, "{} objects", found.len());
    assert!(listed.iter().all(|one| one.size == 20));
    let age = jiff::Timestamp::now().duration_since(listed[0].modified);
    assert!(age.unsigned_abs() < Duration::from_secs(300), "{age:?}");
}

async fn what_is_removed_is_gone(bucket: Bucket) {
    put(&bucket, "v1/claims/a", "one").await;
    put(&bucket, "v1/claims/a.json", "two").await;
    bucket.remove(&key("v1/claims/a")).await.unwrap();
    assert_eq!(text(&bucket, "v1/claims/a").await, None);
    assert_eq!(
        text(&bucket, "v1/claims/a.json").await.as_deref(),
        Some("two")
    );
    let listed = bucket.list(&"v1/claims".parse().unwrap()).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(names, ["v1/claims/a.json"]);
}
