//! The images that this controller shares with the others of its fleet, from the settings.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::bucket::{Bucket, BucketError};
use crate::config::Settings;
use crate::facts::StorePurpose;
use crate::fleet::{FleetKey, KeepTimes, ShareSettings, SharedImages, StoreCollector};
use crate::upstream::RequestTally;

/// How long bytes stay that no index entry names: whoever has begun to read them, over a slow
/// link, is done by then.
const BLOB_KEEP: Duration = Duration::from_secs(24 * 3600);

/// Who removes from the store what no site wants; `None` where nobody does: a single
/// controller does not know what others want.
///
/// # Errors
/// When the client of the store cannot be made.
pub(super) fn collector(
    settings: &Settings,
    tally: &RequestTally,
) -> Result<Option<StoreCollector>, BucketError> {
    let (Some(store), Some(_)) = (&settings.store, &settings.fleet) else {
        return Ok(None);
    };
    let Some(images) = store.keep else {
        return Ok(None);
    };
    let keep = KeepTimes {
        images,
        blobs: BLOB_KEEP,
    };
    let requests = tally.store_requests(StorePurpose::Images);
    let bucket = Bucket::open_counting(&store.bucket, requests)?;
    Ok(Some(StoreCollector::new(bucket, keep, tally.clone())))
}

/// The images of the store; `None` where the configuration has none. Nothing is asked of the
/// store yet.
///
/// # Errors
/// When its client cannot be made.
pub(super) fn images(
    settings: &Settings,
    tally: &RequestTally,
) -> Result<Option<SharedImages>, BucketError> {
    let Some(store) = &settings.store else {
        return Ok(None);
    };
    let key = store.key.expose_secret().as_bytes();
    // Whoever does not read secrets asks nobody.
    if key.is_empty() {
        return Ok(None);
    }
    let limits = &settings.limits;
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let share = ShareSettings {
        tally: tally.clone(),
        idle: limits.idle,
        least_rate: (limits.least_rate, limits.rate_window),
        ..ShareSettings::new(host.into_owned(), settings.factory.verify.clone())
    };
    let requests = tally.store_requests(StorePurpose::Images);
    let bucket = Bucket::open_counting(&store.bucket, requests)?;
    Ok(Some(SharedImages::new(bucket, FleetKey::new(key), share)))
}
