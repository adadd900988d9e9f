//! The images that this controller shares with the others of its fleet, from the settings.

use secrecy::ExposeSecret;

use crate::bucket::{Bucket, BucketError};
use crate::config::Settings;
use crate::facts::StorePurpose;
use crate::fleet::{FleetKey, ShareSettings, SharedImages};
use crate::upstream::RequestTally;

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
