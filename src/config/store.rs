//! The `store:` of the configuration: the bucket that the controllers of a fleet share.

use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::secrets::Secrets;
use super::store_shape::{BucketShape, StoreShape};
use super::{trust, values};
use crate::bucket::{BucketCredentials, BucketSettings, ObjectPrefix};
use crate::yaml::{At, NodeRef, ProblemReport};

/// The region of servers that have none.
const REGION: &str = "us-east-1";

/// What a URL of a store looks like, for messages.
const EXAMPLE: &str = "s3://talos-images/fleet";

/// What an endpoint looks like, for messages.
const ENDPOINT: &str = "https://s3.lan:8333";

/// Long enough for an order that is put back to an earlier version after a few days.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// Sites report a few times in the shortest one.
const KEEP_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(3600)..=Duration::from_secs(365 * 24 * 3600);

/// As many bytes as the digest of the authentication has: a longer key is not safer.
const KEY_MIN: usize = 32;

const KEY_HOW: &str = "write the output of `openssl rand -hex 32` into a file, name it with \
                       `key_file`, and give the same file to all controllers of the fleet";

/// The store of a fleet.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The bucket.
    pub bucket: BucketSettings,
    /// The key that authenticates what the store says: the bytes of this text, at least 32
    /// of them. Empty where secrets are not read.
    pub key: SecretString,
    /// How long an image stays after the last site stopped wanting it; `None` for ever.
    pub keep: Option<Duration>,
}

impl StoreSettings {
    /// True if the same is in it for whoever has either.
    pub(crate) fn is_same_store(&self, other: &Self) -> bool {
        self.bucket.is_same_store(&other.bucket)
            && self.key.expose_secret() == other.key.expose_secret()
    }
}

/// The store, if the configuration has one. What is wrong is reported.
pub(super) fn store(
    shape: Option<&At<StoreShape>>,
    patience: (Duration, Duration),
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<StoreSettings> {
    let At {
        value: shape,
        place,
    } = shape?;
    let bucket = bucket_settings((&shape.bucket(), *place), patience, secrets, report);
    let key = key(shape, *place, secrets, report);
    let keep = keep(shape.keep.as_ref(), report);
    Some(StoreSettings {
        bucket: bucket?,
        key,
        keep,
    })
}

fn keep(text: Option<&At<String>>, report: &mut ProblemReport<'_>) -> Option<Duration> {
    match text {
        Some(at) if at.value == "never" => None,
        text => Some(values::duration(text, KEEP, KEEP_RANGE, report)),
    }
}

/// A bucket, and how it is reached: with these limits for a connection and for silence.
/// What is wrong is reported.
pub(super) fn bucket_settings(
    (shape, place): (&BucketShape, NodeRef),
    (connect, idle): (Duration, Duration),
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<BucketSettings> {
    let named = match &shape.url {
        Some(text) => bucket(text, report),
        None => {
            report.missing(place, "url", format!("a URL such as {EXAMPLE}"));
            None
        }
    };
    let endpoint = endpoint(shape, report);
    let region = region(shape.region.as_ref(), report);
    let credentials = credentials(shape, place, secrets, report);
    let authorities = shape.ca_file.as_ref();
    let authorities = authorities.and_then(|at| trust::authorities(at, secrets, report));
    let (bucket, prefix) = named?;
    Some(BucketSettings {
        bucket,
        prefix,
        endpoint: endpoint?,
        region: region?,
        credentials,
        authorities: authorities.map(|(_, pem)| pem),
        connect,
        idle,
    })
}

/// Bucket and prefix; the prefix is empty or ends in a slash.
fn bucket(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<(String, String)> {
    if !report.fits_a_line(text) {
        return None;
    }
    let hint = format!("a URL such as {EXAMPLE}");
    let Some(rest) = text.value.strip_prefix("s3://") else {
        let message = format!(
            "{:?} is not a bucket; expected s3://BUCKET/PREFIX",
            text.value
        );
        report.at_with_hint(text.place, message, hint);
        return None;
    };
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if name.contains('@') {
        // The text itself is not shown: it holds the secret.
        let problem = report
            .document()
            .problem(text.place, "a URL must not contain a login");
        let hint = "use `access_key_id_file` and `secret_access_key_file`, and replace the key \
                    if the file was shared";
        report.push(problem.hint(hint).without_excerpt());
        return None;
    }
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (3..=63).contains(&name.len())
        && name.chars().all(is_plain)
        && name.starts_with(is_edge)
        && name.ends_with(is_edge);
    if !fits {
        let message = format!(
            "{name:?} is not the name of a bucket; expected 3 to 63 lower-case letters, digits, \
             dots and hyphens"
        );
        report.at_with_hint(text.place, message, hint);
        return None;
    }
    if prefix.is_empty() {
        return Some((name.to_owned(), String::new()));
    }
    match prefix.parse::<ObjectPrefix>() {
        Ok(prefix) => Some((name.to_owned(), prefix.to_string())),
        Err(invalid) => {
            let message = format!("the prefix {prefix:?} cannot be used: {invalid}");
            report.at_with_hint(text.place, message, hint);
            None
        }
    }
}

/// The server: `None` if it cannot be used, `Some(None)` for AWS.
fn endpoint(shape: &BucketShape, report: &mut ProblemReport<'_>) -> Option<Option<Url>> {
    let insecure = shape.insecure.as_ref().filter(|at| at.value);
    let url = match &shape.endpoint {
        None => None,
        text => Some(values::url(text.as_ref(), ENDPOINT, report)?),
    };
    let is_plain = url.as_ref().is_some_and(|url| url.scheme() == "http");
    if let Some(at) = insecure.filter(|_| !is_plain) {
        report.at_with_hint(
            at.place,
            "`insecure` is for an endpoint with http://",
            "certificates are always verified; `ca_file` names a private authority",
        );
    }
    let (Some(url), Some(text)) = (url, &shape.endpoint) else {
        return Some(None);
    };
    if is_plain && insecure.is_none() && !values::is_loopback(&url) {
        report.at_with_hint(
            text.place,
            "http would show everything that is sent to the network, and let it be changed",
            format!("a URL such as {ENDPOINT}, or `insecure: true` within a trusted network"),
        );
        return None;
    }
    if url.path() != "/" {
        report.at_with_hint(
            text.place,
            format!("{:?} has a path; expected https://HOST:PORT", text.value),
            "the bucket and its prefix belong in `url`",
        );
        return None;
    }
    Some(Some(url))
}

fn region(text: Option<&At<String>>, report: &mut ProblemReport<'_>) -> Option<String> {
    let Some(at) = text else {
        return Some(REGION.to_owned());
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let fits = (1..=64).contains(&at.value.len()) && at.value.chars().all(is_plain);
    if !fits && report.fits_a_line(at) {
        let message = format!(
            "{:?} is not a region; expected letters, digits and -",
            at.value
        );
        report.at_with_hint(at.place, message, "servers beside AWS accept us-east-1");
    }
    fits.then(|| at.value.clone())
}

/// The access key; `None` where that of the machine is meant, or secrets are not read.
fn credentials(
    shape: &BucketShape,
    place: NodeRef,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<BucketCredentials> {
    let id = (
        "access_key_id",
        &shape.access_key_id_env,
        &shape.access_key_id_file,
    );
    let secret = (
        "secret_access_key",
        &shape.secret_access_key_env,
        &shape.secret_access_key_file,
    );
    let is_given = |(_, env, file): (_, &Option<At<String>>, &Option<At<String>>)| {
        env.is_some() || file.is_some()
    };
    let is_needed = shape.endpoint.is_some() || is_given(id) || is_given(secret);
    for (what, env, file) in [id, secret] {
        if is_needed && !is_given((what, env, file)) && !report.told(place, what) {
            let hint = format!(
                "name the file that holds it with `{what}_file`, or the \
                                environment variable with `{what}_env`"
            );
            report.missing(place, &format!("{what}_file"), hint);
        }
    }
    let access_key_id = secrets.one(id, report);
    let secret_access_key = secrets.one(secret, report);
    Some(BucketCredentials {
        // What editors and shells leave around it would be part of a header.
        access_key_id: access_key_id?.expose_secret().trim().to_owned(),
        secret_access_key: SecretString::from(secret_access_key?.expose_secret().trim().to_owned()),
    })
}

/// The key of the fleet; an empty one where secrets are not read, or it was reported.
fn key(
    shape: &StoreShape,
    place: NodeRef,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> SecretString {
    let Some(named) = shape.key_env.as_ref().or(shape.key_file.as_ref()) else {
        if !report.told(place, "key") {
            report.missing(place, "key_file", KEY_HOW);
        }
        return SecretString::default();
    };
    let key = secrets.one(("key", &shape.key_env, &shape.key_file), report);
    let Some(key) = key else {
        return SecretString::default();
    };
    if key.expose_secret().len() < KEY_MIN {
        let message = format!("the key is too short; expected at least {KEY_MIN} bytes");
        report.at_with_hint(named.place, message, KEY_HOW);
    }
    key
}

#[cfg(test)]
mod tests;
