//! Whether the store can be reached, and what it can be used for.

use super::report::{CheckLevel, StoreReport};
use crate::bucket::{Bucket, BucketError, Capability, Probe};
use crate::config::StoreSettings;

/// Probes it, with objects of its own that are removed again.
pub(super) async fn check(settings: &StoreSettings) -> StoreReport {
    let mut report = StoreReport {
        store: settings.bucket.name(),
        checks: Vec::new(),
    };
    match probe(settings).await {
        Ok(probe) => probed(&probe, &mut report),
        Err(error) => report.failed("access", &error),
    }
    report
}

async fn probe(settings: &StoreSettings) -> Result<Probe, BucketError> {
    Bucket::open(&settings.bucket)?.probe().await
}

fn probed(probe: &Probe, report: &mut StoreReport) {
    let is_unfit = probe.unfit().is_some();
    for check in &probe.checks {
        let subject = check.feature.what();
        match &check.wrong {
            None => report.add(CheckLevel::Ok, subject, "works".to_owned()),
            Some(wrong) => report.add(
                match check.feature.is_for_leaders() {
                    true => CheckLevel::Warning,
                    false => CheckLevel::Error,
                },
                subject,
                wrong.clone(),
            ),
        }
    }
    let (level, message) = match probe.capability() {
        _ if is_unfit => (CheckLevel::Error, "for nothing"),
        Capability::Full => (CheckLevel::Ok, "for images and for leaders"),
        Capability::CacheOnly { .. } => (
            CheckLevel::Warning,
            "for images only: conditional writes do not work as they have to, so no leader can \
             be elected",
        ),
    };
    report.add(level, "can be used", message.to_owned());
}
