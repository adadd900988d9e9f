//! What a partial download is built upon.

use super::*;
use crate::io::flow::resume::{Checkpoint, ResumeRecord};

/// What stopped a download that can be recognised later is on the disk, and that is
/// noted; of another nothing is of use.
#[tokio::test]
async fn what_is_left_is_confirmed_by_the_disk() {
    let (_, xz) = disk();
    for validator in [None, version(xz.len())] {
        let dir = tempfile::tempdir().unwrap();
        let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
        let is_known = validator.is_some();
        intake.expect(None, validator).await.unwrap();
        push(&mut intake, &xz[..50_000]).await.unwrap();
        // Answered when everything before it was taken.
        intake.expect(None, None).await.unwrap();
        drop(intake);
        // The next one waits until the thread behind it lets go of the file.
        let next = Intake::begin(spec(dir.path())).await.unwrap();
        assert_eq!(next.position().0, if is_known { 50_000 } else { 0 });
        let record = ResumeRecord::load(dir.path(), "a.raw.xz");
        let confirmed = record.and_then(|record| record.synced);
        assert_eq!(confirmed, is_known.then(|| checkpoint(&xz[..50_000])));
    }
}

/// The process may end right after a download has failed.
#[tokio::test]
async fn what_came_before_a_failure_is_on_the_disk_once_it_is_left() {
    let (_, xz) = disk();
    let dir = tempfile::tempdir().unwrap();
    let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
    intake.expect(None, version(xz.len())).await.unwrap();
    push(&mut intake, &xz[..50_000]).await.unwrap();
    assert!(intake.leave().await.is_none());
    let record = ResumeRecord::load(dir.path(), "a.raw.xz").unwrap();
    assert_eq!(record.synced, Some(checkpoint(&xz[..50_000])));
    // What is wrong is told, though nobody has asked for it yet.
    let dir = tempfile::tempdir().unwrap();
    let mut intake = Intake::begin(spec(dir.path())).await.unwrap();
    intake.expect(None, version(xz.len())).await.unwrap();
    push(&mut intake, &[b'x'; 5000]).await.unwrap();
    let refused = intake.leave().await.unwrap();
    assert!(refused.is_about_content(), "{refused}");
    assert!(ResumeRecord::load(dir.path(), "a.raw.xz").is_none());
}

/// Leaves a partial download of known content with the record given.
fn leave(dir: &Path, bytes: &[u8], change: impl FnOnce(&mut ResumeRecord)) {
    let mut record = ResumeRecord::new(URL, &version(1 << 20).unwrap(), Some(1 << 20));
    record.written = Some(checkpoint(bytes));
    change(&mut record);
    fs::write(dir.join(".a.raw.xz.part"), bytes).unwrap();
    let text = serde_json::to_vec(&record).unwrap();
    fs::write(dir.join(".a.raw.xz.part.json"), text).unwrap();
}

fn checkpoint(bytes: &[u8]) -> Checkpoint {
    Checkpoint {
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
    }
}

#[tokio::test]
async fn a_partial_file_is_taken_up_only_if_all_of_it_fits() {
    let (_, xz) = disk();
    let half = &xz[..xz.len() / 2];
    let position = async |bytes: &[u8], change: &dyn Fn(&mut ResumeRecord)| {
        let dir = tempfile::tempdir().unwrap();
        leave(dir.path(), bytes, change);
        let intake = Intake::begin(spec(dir.path())).await.unwrap();
        intake.position().0
    };
    let mut corrupt = half.to_vec();
    corrupt[20] ^= 1;
    // Its digest is right, and it is no xz.
    let broken = checkpoint(&corrupt);
    // The middle was lost in a power failure: the length is right, and the bytes up
    // to where the disk had confirmed them.
    let confirmed = checkpoint(&half[..10_000]);
    let mut lost = half.to_vec();
    lost[12_000..14_000].fill(0);
    let mut longer = half.to_vec();
    longer.extend([0; 5000]);

    let all = half.len() as u64;
    let whole = Some(checkpoint(half));
    type Change<'a> = &'a dyn Fn(&mut ResumeRecord);
    let cases: [(&str, &[u8], Change<'_>, u64); 14] = [
        ("all fits", half, &|_| {}, all),
        ("another boot", half, &|record| record.boot.clear(), all),
        ("another url", half, &|record| record.url.push('x'), 0),
        (
            "a smaller total",
            half,
            &|record| record.total = Some(10),
            0,
        ),
        ("no checkpoint", half, &|record| record.written = None, 0),
        ("corrupt", &corrupt, &|record| record.written = whole, 0),
        (
            "no xz",
            &corrupt,
            &|record| record.written = Some(broken),
            0,
        ),
        ("a page", b"<html>not found</html>", &|_| {}, 0),
        ("lost", &lost, &|record| record.written = whole, 0),
        (
            "lost behind what was confirmed",
            &lost,
            &|record| {
                record.written = whole;
                record.synced = Some(confirmed);
            },
            10_000,
        ),
        (
            "nothing lost",
            half,
            &|record| record.synced = Some(confirmed),
            all,
        ),
        (
            "longer than noted",
            &longer,
            &|record| record.written = whole,
            all,
        ),
        (
            "shorter than noted",
            &half[..20_000],
            &|record| {
                record.written = whole;
                record.synced = Some(confirmed);
            },
            10_000,
        ),
        (
            "shorter than confirmed",
            &half[..5000],
            &|record| {
                record.written = Some(confirmed);
                record.synced = Some(confirmed);
            },
            0,
        ),
    ];
    for (what, bytes, change, expected) in cases {
        assert_eq!(position(bytes, change).await, expected, "{what}");
    }

    // Without any record there is nothing to compare with.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".a.raw.xz.part"), half).unwrap();
    let intake = Intake::begin(spec(dir.path())).await.unwrap();
    assert_eq!(intake.position(), (0, None));
}
